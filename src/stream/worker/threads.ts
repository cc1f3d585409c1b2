/*
 * The worker threads of a running job.
 *
 * - A thread is loading, idle, or busy with one task. Tasks wait in one line, first come, first served.
 * - A thread that dies (out of memory, process.exit in a function) is replaced, and its task goes to the head of the
 *   line; a task that has seen as many threads die as Spark allows tries fails the job.
 * - Until the first thread has loaded the job tasks wait. When the job cannot be loaded, or turns out another one there,
 *   the threads are given up with a warning, and everything is computed in the job's own thread: with the same result.
 * - Threads keep the process alive only while somebody waits for them.
 */
import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { asError, explain, FlumeError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import { CannotCross, type Column } from '../rdd/column.ts'
import type { Dataset, Origin, OutputFile, Remote, Route } from '../rdd/plan.ts'
import type { SharedValues, Update } from '../shared.ts'
import { type Captured, capturedValues, changedBetween } from './captured.ts'
import { sendable, type Traced, trace } from './chain.ts'
import type { Operators } from './operators.ts'
import { type Chain, type FromWorker, rebuiltError, type Start, type Task, type ToWorker } from './protocol.ts'

/** Threads that may die under one task before it fails the job: Spark's number of tries on a cluster. */
const deathsMax = 4
/** Threads that may die in a row without having had a task. */
const idleDeathsMax = 3
/** Room for young objects in MiB: tasks make many, which live for one record. */
const youngMebibytes = 24

export interface ThreadsOptions {
  readonly count: number
  readonly start: Start
  readonly logger: Logger
  readonly shared: SharedValues | undefined
  /** The functions of the job in this thread; the same must come out in each of the others. */
  readonly operators: Operators
  /** Largest heap of a thread in MiB; Node's own limit when left out. */
  readonly heapMebibytes?: number
}

interface Waiting {
  readonly task: Task
  deaths: number
  /** Undefined: it has to be computed here. */
  resolve(result: unknown): void
  reject(error: unknown): void
}

interface Thread {
  readonly worker: Worker
  state: 'loading' | 'idle' | 'busy' | 'gone'
  waiting: Waiting | undefined
}

const threadFile = new URL('thread.js', import.meta.url)

export class Threads implements Remote {
  readonly #options: ThreadsOptions
  readonly #threads = new Set<Thread>()
  readonly #line: Waiting[] = []
  /** What cannot be sent, by the operation and the operator it comes from. */
  readonly #refused = new Set<string>()
  #broadcasts: ToWorker[] | undefined
  readonly #graph: readonly string[]
  /** What functions used from around them when the threads were started. */
  readonly #captured: Promise<Captured>
  readonly #told = new Set<string>()
  #checks = 0
  #idleDeaths = 0
  #isOver = false

  constructor(options: ThreadsOptions) {
    this.#options = options
    this.#graph = options.operators.fingerprint()
    this.#captured = this.#capture()
    for (let i = 0; i < options.count; i++) this.#spawn()
  }

  // --- what they do

  collect(dataset: Dataset<unknown>, index: number, limit?: number): Promise<Column | undefined> | undefined {
    const traced = this.#trace(dataset, index, 'collect')
    // Without a function there is nothing to do that were worth the way, except where files are read.
    if (!traced || (traced.steps.length === 0 && !isRead(traced))) return undefined
    return this.#runChain<Column>('collect', traced, (chain) => ({ kind: 'collect', chain, limit }))
  }

  count(dataset: Dataset<unknown>, index: number): Promise<number | undefined> | undefined {
    const traced = this.#trace(dataset, index, 'count')
    if (!traced || (traced.steps.length === 0 && !isRead(traced))) return undefined
    return this.#runChain<number>('count', traced, (chain) => ({ kind: 'count', chain }))
  }

  combine(dataset: Dataset<unknown>, index: number, at: Origin): Promise<readonly Column[] | undefined> | undefined {
    const traced = this.#trace(dataset, index, 'combine')
    return traced && this.#runChain<Column[]>('combine', traced, (chain) => ({ kind: 'combine', chain, at }))
  }

  route(dataset: Dataset<unknown>, index: number, to: Route): Promise<readonly Column[] | undefined> | undefined {
    const traced = this.#trace(dataset, index, 'route')
    if (!traced || (traced.steps.length === 0 && traced.leaf.kind === 'items')) return undefined
    return this.#runChain<Column[]>('route', traced, (chain) => ({ kind: 'route', chain, to }))
  }

  merge(at: Origin, columns: readonly Column[]): Promise<Column | undefined> | undefined {
    if (this.#isOver) return undefined
    return this.#submit({ kind: 'merge', at, columns }).then(
      (result) => result as Column | undefined,
      (error) => this.#here('merge', at.node, error),
    )
  }

  save(dataset: Dataset<unknown>, index: number, file: OutputFile): Promise<true | undefined> | undefined {
    const traced = this.#trace(dataset, index, 'save')
    if (!traced || (traced.steps.length === 0 && traced.leaf.kind === 'items')) return undefined
    return this.#runChain<true>('save', traced, (chain) => ({ kind: 'save', chain, file }))
  }

  /** Ends the threads; what they are at fails. */
  async close(): Promise<void> {
    const closed = new FlumeError('CLOSED', 'the worker threads of the job have been stopped')
    const waiting = this.#end()
    for (const each of waiting) each.reject(closed)
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()))
  }

  #trace(dataset: Dataset<unknown>, index: number, kind: Task['kind']): Traced | undefined {
    if (this.#isOver) return undefined
    const traced = trace(dataset, index)
    return traced && !this.#refused.has(nameOf(kind, lastNode(traced))) ? traced : undefined
  }

  async #runChain<R>(kind: Task['kind'], traced: Traced, taskOf: (chain: Chain) => Task): Promise<R | undefined> {
    try {
      const chain = await sendable(traced)
      return chain && ((await this.#submit(taskOf(chain))) as R | undefined)
    } catch (error) {
      return this.#here(kind, lastNode(traced), error)
    }
  }

  /** Answers undefined when the records cannot leave their thread, and sees to it that this is not tried again. */
  #here(kind: Task['kind'], node: number | undefined, error: unknown): undefined {
    if (!(error instanceof CannotCross)) throw error
    const name = nameOf(kind, node)
    if (!this.#refused.has(name)) {
      this.#refused.add(name)
      const place = node === undefined ? 'an input' : this.#options.operators.graph.nodes[node]?.place
      this.#options.logger.warn(
        `${kind} of ${place} runs in the thread of the job: its records hold ${error.message}, which cannot be sent to or from a worker thread`,
      )
    }
    return undefined
  }

  // --- what functions use

  #capture(): Promise<Captured> {
    return capturedValues(this.#options.operators.functions())
  }

  /**
   * To be called behind every batch: warns of variables that the job has changed since the start, as its functions in
   * other threads do not see that. Looks less and less often.
   */
  async checkCaptured(): Promise<void> {
    this.#checks++
    if (this.#isOver || (this.#checks & (this.#checks - 1)) !== 0) return
    this.#tell(
      changedBetween(await this.#captured, await this.#capture()),
      'which the job has changed since the start: worker threads do not see that',
    )
  }

  #tell(names: readonly string[], what: string): void {
    for (const name of names) {
      if (this.#told.has(name)) continue
      this.#told.add(name)
      this.#options.logger.warn(`${name}, ${what} (use a broadcast value, an accumulator or state)`)
    }
  }

  // --- the line

  #submit(task: Task): Promise<unknown> {
    if (this.#isOver) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      this.#line.push({ task, deaths: 0, resolve, reject })
      this.#pump()
    })
  }

  #pump(): void {
    for (const thread of this.#threads) {
      if (this.#line.length === 0) return
      if (thread.state === 'loading') thread.worker.ref()
      if (thread.state !== 'idle') continue
      thread.waiting = this.#line.shift() as Waiting
      thread.state = 'busy'
      thread.worker.ref()
      thread.worker.postMessage({ kind: 'task', task: thread.waiting.task } satisfies ToWorker)
    }
  }

  // --- the threads

  #spawn(): void {
    const { start, heapMebibytes } = this.#options
    const worker = new Worker(threadFile, {
      workerData: start,
      name: 'stream-ts worker',
      resourceLimits: {
        maxYoungGenerationSizeMb: youngMebibytes,
        ...(heapMebibytes !== undefined && { maxOldGenerationSizeMb: heapMebibytes }),
      },
    })
    const thread: Thread = { worker, state: 'loading', waiting: undefined }
    this.#threads.add(thread)
    let reason: unknown
    worker.on('message', (message: FromWorker) => this.#hear(thread, message))
    worker.on('error', (error) => {
      reason = error
    })
    worker.on('exit', (code) => this.#buried(thread, reason ?? new Error(`it ended with ${code}`)))
    if (this.#line.length === 0) worker.unref()
  }

  #hear(thread: Thread, message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#loaded(thread, message.graph)
        void this.#captured.then((mine) =>
          this.#tell(
            changedBetween(mine, message.captured),
            'which is not the same in every thread that loads the job',
          ),
        )
        break
      case 'unable':
        this.#giveUp(`the job cannot be loaded in a worker thread: ${explain(rebuiltError(message.error))}`)
        break
      case 'done':
        this.#done(thread, message.updates, message.result)
        break
      case 'failed': {
        const error = rebuiltError(message.error)
        this.#freed(thread)?.reject(message.crosses ? error : new CannotCross(error.message))
      }
    }
    this.#pump()
  }

  #done(thread: Thread, updates: readonly Update[], result: unknown): void {
    const task = this.#freed(thread)
    try {
      this.#options.shared?.merge(updates)
      task?.resolve(result)
    } catch (error) {
      // An accumulator of the job's own has not taken what the task added.
      task?.reject(asError(error))
    }
  }

  #loaded(thread: Thread, graph: readonly string[]): void {
    const mine = this.#graph
    const differing = mine.findIndex((line, i) => line !== graph[i])
    if (differing >= 0 || mine.length !== graph.length) {
      this.#giveUp(
        `the job makes another graph in a worker thread: here ${mine[differing] ?? `${mine.length} operators`}, there ${graph[differing] ?? `${graph.length} operators`}`,
      )
      return
    }
    try {
      this.#broadcasts ??= this.#encodeBroadcasts()
    } catch (error) {
      this.#giveUp(`a broadcast value cannot be sent to a worker thread: ${asError(error).message}`)
      return
    }
    for (const broadcast of this.#broadcasts) thread.worker.postMessage(broadcast)
    thread.state = 'idle'
    thread.worker.unref()
  }

  #encodeBroadcasts(): ToWorker[] {
    return (this.#options.shared?.broadcasts() ?? []).map(({ index, broadcast }) => {
      const bytes = serialize(broadcast.value)
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
      shared.set(bytes)
      return { kind: 'broadcast', index, bytes: shared }
    })
  }

  #freed(thread: Thread): Waiting | undefined {
    const { waiting } = thread
    thread.waiting = undefined
    this.#idleDeaths = 0
    if (thread.state === 'busy') {
      thread.state = 'idle'
      thread.worker.unref()
    }
    return waiting
  }

  #buried(thread: Thread, reason: unknown): void {
    this.#threads.delete(thread)
    const { waiting } = thread
    thread.state = 'gone'
    thread.waiting = undefined
    if (this.#isOver) return
    const why = explain(reason)
    this.#options.logger.warn(`a worker thread of the job died and is replaced: ${why}`)
    if (waiting) {
      if (++waiting.deaths < deathsMax) this.#line.unshift(waiting)
      else {
        waiting.reject(
          new FlumeError('LIMIT', `${deathsMax} worker threads died while they ran it, the last one because ${why}`, {
            cause: reason,
            hint: 'spark.executor.memory sets the largest heap of a worker thread',
          }),
        )
      }
    } else if (++this.#idleDeaths >= idleDeathsMax) {
      this.#giveUp(`worker threads die without having had a task: ${why}`)
      return
    }
    this.#spawn()
    this.#pump()
  }

  #giveUp(why: string): void {
    if (this.#isOver) return
    this.#options.logger.warn(`${why}; everything runs in the thread of the job`)
    for (const waiting of this.#end()) waiting.resolve(undefined)
    for (const { worker } of this.#threads) void worker.terminate()
  }

  /** Takes no more tasks; answers those that are not done. */
  #end(): Waiting[] {
    this.#isOver = true
    const waiting = this.#line.splice(0)
    for (const thread of this.#threads) {
      if (thread.waiting) waiting.push(thread.waiting)
      thread.waiting = undefined
      thread.state = 'gone'
    }
    return waiting
  }
}

/** True when the records are read from outside, which is work. */
function isRead({ leaf }: Traced): boolean {
  return leaf.kind === 'text' || leaf.kind === 'input'
}

/** To know it again: what was to be done with which records. */
function nameOf(kind: Task['kind'], node: number | undefined): string {
  return `${kind} ${node ?? 'input'}`
}

/** The operator whose records a task answers; undefined for those of an input as they are. */
function lastNode({ steps }: Traced): number | undefined {
  return steps.at(-1)?.node
}
