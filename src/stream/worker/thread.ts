// A worker thread of a job: loads the job's module for its functions, and runs tasks over records that are sent to it.
import { deserialize } from 'node:v8'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { FlumeError } from '../../core/error.ts'
import { silentLogger } from '../../monitor/logger.ts'
import { mountFileSystems } from '../files.ts'
import { InputNode } from '../graph/node.ts'
import { loadJob } from '../job.ts'
import { setLaunch, setShadowRole } from '../launch.ts'
import { CannotCross, decodeRecords, encodeRecords } from '../rdd/column.ts'
import { checkPair, Spread } from '../rdd/exchange.ts'
import type { RunOne } from '../rdd/plan.ts'
import { pushBlocks, pushPaced, type Settled, STOP } from '../rdd/push.ts'
import { writePartition } from '../rdd/save.ts'
import type { StreamingContext } from '../streaming-context.ts'
import { readTextPart } from '../text-file.ts'
import { capturedValues } from './captured.ts'
import { Operators } from './operators.ts'
import {
  type Beginning,
  type Chain,
  type FromWorker,
  plainError,
  type Start,
  type Task,
  type ToWorker,
} from './protocol.ts'

const port = parentPort as MessagePort
const start = workerData as Start

/** Output while the module is loaded is that of the job's own thread once more: it is dropped until there is work. */
function muteOutput(): () => void {
  const streams = [process.stdout, process.stderr]
  const writes = streams.map((stream) => stream.write)
  for (const stream of streams) {
    stream.write = ((_: unknown, encoding?: unknown, done?: unknown) => {
      const callback = typeof encoding === 'function' ? encoding : done
      if (typeof callback === 'function') callback()
      return true
    }) as typeof stream.write
  }
  return () => {
    for (const [i, stream] of streams.entries()) stream.write = writes[i] as typeof stream.write
  }
}

function tell(message: FromWorker): void {
  port.postMessage(message)
}

function serve(context: StreamingContext, unmute: () => void): void {
  const operators = new Operators(context.graph)
  const { shared } = context.sparkContext
  shared?.close()
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'broadcast') {
      shared?.setBroadcast(message.index, deserialize(Buffer.from(message.bytes)))
      return
    }
    unmute()
    void answer(message.task)
  })
  const answer = async (task: Task): Promise<void> => {
    try {
      const result = await run(operators, task)
      tell({ kind: 'done', result, updates: shared?.takeUpdates() ?? [] })
    } catch (error) {
      // What a failed task has added does not count.
      shared?.takeUpdates()
      tell({ kind: 'failed', error: plainError(error), crosses: !(error instanceof CannotCross) })
    }
  }
  void capturedValues(operators.functions()).then((captured) =>
    tell({ kind: 'ready', graph: operators.fingerprint(), captured }),
  )
}

async function run(operators: Operators, task: Task): Promise<unknown> {
  switch (task.kind) {
    case 'collect':
      return encodeRecords(await collect(runChain(operators, task.chain), task.limit))
    case 'count':
      return count(runChain(operators, task.chain))
    case 'combine':
      return operators.combineAt(task.at).combineOver(runChain(operators, task.chain) as RunOne<[unknown, unknown]>)
    case 'route': {
      const spread = new Spread(operators.partitionerOf(task.to))
      await runChain(
        operators,
        task.chain,
      )((item): Settled => {
        checkPair(item, task.to.operation)
        spread.add(item[0], item[1])
        return undefined
      })
      return spread.columns()
    }
    case 'merge':
      return operators.combineAt(task.at).mergeOver(task.columns)
    case 'save':
      await writePartition(runChain(operators, task.chain), task.file)
      return true
  }
}

function runChain(operators: Operators, { from, steps }: Chain): RunOne<unknown> {
  let below = runFrom(operators, from)
  for (const step of steps) {
    const plan = operators.planAt(step)
    if (!plan.runOver) throw new FlumeError('INVALID_STATE', `operator ${step.node} is no function over records here`)
    const runOver = plan.runOver.bind(plan)
    const parent = below
    below = (push) => runOver(parent as RunOne<never>, step.index, push)
  }
  return below
}

function runFrom({ graph }: Operators, from: Beginning): RunOne<unknown> {
  if (from.kind === 'column') return (push) => pushPaced(decodeRecords(from.column), push)
  if (from.kind === 'text') return (push) => pushBlocks(readTextPart(from.part), push)
  const input = graph.nodes[from.node]
  if (!(input instanceof InputNode)) throw new FlumeError('INVALID_STATE', `operator ${from.node} is no input here`)
  return (push) => input.runPart(from.part, push)
}

async function collect(chain: RunOne<unknown>, limit = Number.POSITIVE_INFINITY): Promise<unknown[]> {
  const items: unknown[] = []
  await chain((item): Settled => {
    items.push(item)
    return items.length >= limit ? STOP : undefined
  })
  return items
}

async function count(chain: RunOne<unknown>): Promise<number> {
  let counted = 0
  await chain(() => {
    counted++
    return undefined
  })
  return counted
}

async function load(): Promise<void> {
  const unmute = muteOutput()
  process.setSourceMapsEnabled(true)
  process.argv = [process.argv[0] as string, start.name, ...start.args]
  setLaunch({ settings: new Map(start.settings), logger: silentLogger })
  if (start.mounts.length > 0) mountFileSystems(new Map(start.mounts))
  let isServing = false
  // The first context is the one that has threads.
  const begin = (context: object): void => {
    if (isServing) return
    isServing = true
    serve(context as StreamingContext, unmute)
  }
  setShadowRole({ started: begin })
  try {
    const made = await loadJob({ ...start, mounts: new Map() })
    if (made) begin(made)
    else if (!isServing) throw new FlumeError('INVALID_STATE', 'the module starts no context in a worker thread')
  } catch (error) {
    // What the module does once its context is started is the business of the job's own thread.
    if (!isServing) tell({ kind: 'unable', error: plainError(error) })
  }
}

await load()
