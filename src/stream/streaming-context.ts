import { systemClock } from '../core/clock.ts'
import { asError, explain, FlumeError } from '../core/error.ts'
import { keepAlive } from '../core/keep-alive.ts'
import type { Logger } from '../monitor/logger.ts'
import { BlockLog } from './checkpoint/block-log.ts'
import { Checkpointer, type Resumed } from './checkpoint/checkpointer.ts'
import { CheckpointFolder, makeLocalFolder } from './checkpoint/folder.ts'
import { type KeptOperator, keptOperators } from './checkpoint/operators.ts'
import { lookFor, resume } from './checkpoint/recovery.ts'
import { SparkConf } from './conf.ts'
import { DStream } from './dstream.ts'
import { readRecords } from './fixed-records.ts'
import { callSite } from './graph/call-site.ts'
import { type ContextState, type StreamContext, StreamGraph } from './graph/graph.ts'
import type { InputNode, Node } from './graph/node.ts'
import { type JobModule, launchedJob, launchSettings, noteContext, shadowRole, tellStarted } from './launch.ts'
import { TransformNode } from './op/transform.ts'
import { UnionNode } from './op/union.ts'
import { applicationOf } from './page/application.ts'
import { StreamingPage } from './page/streaming-page.ts'
import type { RDD } from './rdd/rdd.ts'
import type { ReadPart } from './rdd/source.ts'
import { FileNode, reading } from './receiver/file.ts'
import { ReceiverGroup, withLimit } from './receiver/group.ts'
import { ReceiverNode } from './receiver/node.ts'
import { QueueNode } from './receiver/queue.ts'
import type { Receiver } from './receiver/receiver.ts'
import { RawSocketReceiver, type SocketConverter, SocketReceiver, SocketTextReceiver } from './receiver/socket.ts'
import { JobGenerator, type Rerun } from './scheduler/job-generator.ts'
import { isInsideJob, JobScheduler } from './scheduler/job-scheduler.ts'
import { ListenerBus, type StreamingListener } from './scheduler/listener.ts'
import { StreamingProgress } from './scheduler/progress.ts'
import { Termination } from './scheduler/termination.ts'
import { checkSettings } from './settings.ts'
import { type ContextSurroundings, coresOf, hasThreads, SparkContext } from './spark-context.ts'
import { StorageLevel } from './storage-level.ts'
import { readTextPart } from './text-file.ts'
import { Duration, IllegalArgumentError, require_, type Time } from './time.ts'
import { Operators } from './worker/operators.ts'
import { Threads } from './worker/threads.ts'

// biome-ignore lint/suspicious/noExplicitAny: streams of any element types, whose own types are kept one by one.
type AnyStream = DStream<any>

/** The RDD types behind a list of streams. */
export type RddsOf<A extends readonly AnyStream[]> = {
  [I in keyof A]: A[I] extends DStream<infer T> ? RDD<T> : never
}

export interface StopOptions {
  /** Default: `spark.streaming.stopSparkContextByDefault`, which is true. */
  readonly stopSparkContext?: boolean
  /** Receives no more, then works off everything that was received. */
  readonly graceful?: boolean
}

/** A stream fed by a receiver. Users extend it with `getReceiver`. */
export class ReceiverInputDStream<T> extends DStream<T> {
  constructor(context: { readonly graph: StreamGraph }, receiver: Receiver<T>, words = 'Receiver stream') {
    super(context, new ReceiverNode<T>(context.graph, receiver, words) as Node<T>)
  }

  get id(): number {
    return (this.node as InputNode<T>).streamId
  }

  get name(): string {
    return (this.node as InputNode<T>).name
  }

  getReceiver(): Receiver<T> {
    return (this.node as ReceiverNode<T>).receiver
  }
}

/** Time a stop that is not graceful gives to jobs that run, in milliseconds (B126). */
const jobsMaxMs = 2000

/** What exists between start and stop. */
interface Running {
  readonly generator: JobGenerator
  readonly scheduler: JobScheduler
  readonly receivers: ReceiverGroup
  readonly checkpointer: Checkpointer | undefined
  readonly page: Promise<StreamingPage | undefined>
  readonly release: () => void
}

export interface CreateOptions {
  /** True: when no checkpoint can be read, the job starts afresh instead of failing. */
  readonly createOnError?: boolean
}

type CreateContext = () => StreamingContext | Promise<StreamingContext>

/** Settings that promise what is not there yet: taking them silently would break the promise. */
function refuseUnsupported(conf: SparkConf): void {
  const wanted = [
    ...['spark.streaming.receiver.writeAheadLog.class', 'spark.streaming.driver.writeAheadLog.class'].filter((key) =>
      conf.contains(key),
    ),
    ...['spark.streaming.dynamicAllocation.enabled'].filter((key) => conf.getBoolean(key, false)),
  ]
  if (wanted.length === 0) return
  throw new FlumeError('UNSUPPORTED', `${wanted.join(', ')}: not there yet`, { hint: 'take the setting out' })
}

/** Settings that jobs carry along and that do nothing: a job can do without them, and should know. */
function warnOfIdle(conf: SparkConf, logger: Logger): void {
  if (conf.getBoolean('spark.eventLog.enabled', false)) {
    logger.warn(
      'spark.eventLog.enabled has no effect: there is no event log; the streaming page has REST paths and gauges',
    )
  }
}

/** The job whose first context had its worker threads: later contexts of it have no counterpart in them. */
let threaded: JobModule | undefined

/** In a worker thread nothing is ever started, and so nothing ends. */
function never(): Promise<never> {
  return new Promise(() => undefined)
}

/** The one context that is running in this process (B122). */
let active: { readonly context: StreamingContext; readonly startedAt: string } | undefined

/** The main door of a job: makes streams, starts them, waits for their end. INITIALIZED → ACTIVE → STOPPED. */
export class StreamingContext implements StreamContext {
  readonly sparkContext: SparkContext
  readonly graph: StreamGraph
  readonly progress: StreamingProgress
  readonly #bus: ListenerBus
  readonly #termination = new Termination()
  readonly #holdsProcess: boolean
  #state: ContextState = 'INITIALIZED'
  #running: Running | undefined
  #stopping: Promise<void> | undefined
  #resumed: Resumed | undefined
  #threads: Threads | undefined
  #starting: Promise<void> | undefined
  /** The checkpoint directory, once something was read from it or is to be written. */
  #folder: CheckpointFolder | undefined

  constructor(conf: SparkConf | SparkContext, batchDuration: Duration, surroundings?: ContextSurroundings)
  /** With settings from the command line, and this master and application name. */
  constructor(master: string, appName: string, batchDuration: Duration)
  constructor(
    given: SparkConf | SparkContext | string,
    durationOrName: Duration | string,
    surroundingsOrDuration: ContextSurroundings | Duration = {},
  ) {
    const isNamed = typeof given === 'string' && typeof durationOrName === 'string'
    const confOrContext = isNamed ? new SparkConf().setMaster(given).setAppName(durationOrName) : given
    const batchDuration = (isNamed ? surroundingsOrDuration : durationOrName) as Duration
    const surroundings = isNamed ? {} : (surroundingsOrDuration as ContextSurroundings)
    if (typeof confOrContext === 'string') {
      throw new Error(
        'a context cannot be rebuilt from a checkpoint alone, because functions cannot be stored: use StreamingContext.getOrCreate(directory, () => …), which runs your function and lays the saved state over what it makes',
      )
    }
    require_(
      batchDuration instanceof Duration && batchDuration.milliseconds > 0,
      'Batch duration must be a positive Duration',
    )
    this.sparkContext =
      confOrContext instanceof SparkContext ? confOrContext : new SparkContext(confOrContext, surroundings)
    this.graph = new StreamGraph(this.sparkContext, batchDuration.milliseconds)
    this.graph.context = this
    noteContext('streams')
    this.#bus = new ListenerBus(this.sparkContext.logger)
    // A clock that is moved by hand belongs to a test, which keeps itself alive.
    this.#holdsProcess = this.sparkContext.clock === systemClock
    const conf = this.sparkContext.getConf()
    this.progress = new StreamingProgress(this.graph, conf.getInt('spark.streaming.ui.retainedBatches', 1000))
    this.#bus.add(this.progress)
    refuseUnsupported(conf)
    checkSettings(conf, this.sparkContext.logger)
    warnOfIdle(conf, this.sparkContext.logger)
    const directory = conf.getOption('spark.streaming.checkpoint.directory')
    if (directory !== undefined) this.checkpoint(directory)
    if (conf.getInt('spark.streaming.concurrentJobs', 1) < 1)
      throw new Error('spark.streaming.concurrentJobs must be at least 1')
  }

  /** The context that is running in this process, if any. */
  static getActive(): StreamingContext | undefined {
    return active?.context
  }

  /** The running context, or the one that `create` makes; with a checkpoint directory as `getOrCreate` does. */
  static getActiveOrCreate(create: CreateContext): Promise<StreamingContext>
  static getActiveOrCreate(
    checkpointPath: string,
    create: CreateContext,
    options?: CreateOptions,
  ): Promise<StreamingContext>
  static async getActiveOrCreate(
    first: string | CreateContext,
    create?: CreateContext,
    options?: CreateOptions,
  ): Promise<StreamingContext> {
    if (active) return active.context
    if (typeof first === 'function') return first()
    return StreamingContext.getOrCreate(first, create as CreateContext, options)
  }

  /**
   * The context that `create` makes, going on from the checkpoint in a directory when there is one. Functions cannot be
   * stored, so `create` always runs (B130), and must make all streams; saved are time, state and batches that were not
   * complete, found again by operator: a job that has changed keeps the state of the operators that are still there.
   * Rejects INVALID_DATA when no checkpoint can be read, unless `createOnError`.
   */
  static async getOrCreate(
    checkpointPath: string,
    create: CreateContext,
    { createOnError = false }: CreateOptions = {},
  ): Promise<StreamingContext> {
    if (shadowRole()) return create()
    const folder = new CheckpointFolder(checkpointPath)
    const found = await lookFor(folder)
    if (typeof found === 'object' && !createOnError) {
      throw new FlumeError('INVALID_DATA', `Failed to read checkpoint from directory ${checkpointPath}`, {
        hint: `${found.problems[0]}; with createOnError the job starts afresh`,
      })
    }
    const context = await create()
    if (typeof found === 'object') for (const problem of found.problems) context.sparkContext.logger.warn(problem)
    if (found === 'readable') await context.#layOver(folder, createOnError)
    return context
  }

  async #layOver(folder: CheckpointFolder, createOnError: boolean): Promise<void> {
    if (this.#state !== 'INITIALIZED') {
      throw new FlumeError('INVALID_STATE', 'the function given to getOrCreate must not start the context')
    }
    const { logger } = this.sparkContext
    this.#folder = folder
    this.graph.checkpointDirectory = folder.address
    await folder.take()
    try {
      this.#resumed = await resume(this.graph, folder, logger)
    } catch (error) {
      if (!createOnError || (error instanceof FlumeError && error.code === 'USAGE')) {
        await folder.release()
        throw error
      }
      logger.warn('no checkpoint can be read: starting afresh', { error: explain(error) })
    }
  }

  getState(): ContextState {
    return this.#state
  }

  /** Every stream remembers its batches at least this long; once only. */
  remember(duration: Duration): void {
    this.graph.remember(duration.milliseconds)
  }

  /**
   * Keeps state, and what is needed to go on after a crash, in a folder: a local one is made now, another when the job
   * starts. Undefined or null: nowhere.
   */
  checkpoint(directory: string | null | undefined): void {
    this.graph.checkOpen()
    if (directory && !shadowRole()) {
      makeLocalFolder(directory)
      this.sparkContext.setCheckpointDir(directory)
    }
    this.graph.checkpointDirectory = directory || undefined
  }

  // --- inputs

  /** Lines of UTF-8 text from a TCP connection; connects again when it ends. */
  socketTextStream(
    host: string,
    port: number,
    level = StorageLevel.MEMORY_AND_DISK_SER_2,
  ): ReceiverInputDStream<string> {
    return new ReceiverInputDStream(this, new SocketTextReceiver(host, port, level), 'Socket stream')
  }

  /** Records that `converter` makes of the bytes of a TCP connection. */
  socketStream<T>(
    host: string,
    port: number,
    converter: SocketConverter<T>,
    level = StorageLevel.MEMORY_AND_DISK_SER_2,
  ): ReceiverInputDStream<T> {
    return new ReceiverInputDStream(this, new SocketReceiver<T>(host, port, converter, level), 'Socket stream')
  }

  /** Frames of a TCP connection, each 4 bytes of length (big-endian) and so many bytes: one block and one record each. */
  rawSocketStream(
    host: string,
    port: number,
    level = StorageLevel.MEMORY_AND_DISK_SER_2,
  ): ReceiverInputDStream<Buffer> {
    return new ReceiverInputDStream(this, new RawSocketReceiver(host, port, level), 'Raw network stream')
  }

  /** The lines of files that appear in a folder (or in the folders of a glob). Files must be moved in whole. */
  textFileStream(directory: string): DStream<string> {
    return new DStream(this, new FileNode<string>(this.graph, directory, { read: readTextPart, isText: true }))
  }

  /** Records that `reader` makes of files that appear in a folder; without a reader their lines. */
  fileStream<T = string>(
    directory: string,
    options: {
      readonly filter?: (path: string) => boolean
      readonly newFilesOnly?: boolean
      readonly reader?: (path: string) => AsyncIterable<T>
    } = {},
  ): DStream<T> {
    const { reader, ...rest } = options
    const read = reader ? reading((_, path) => reader(path)) : (readTextPart as unknown as ReadPart<T>)
    return new DStream(this, new FileNode<T>(this.graph, directory, { ...rest, read, isText: !reader }))
  }

  /** Records of `recordLength` bytes from files that appear in a folder; a file that does not divide evenly fails its batch (B95). */
  binaryRecordsStream(directory: string, recordLength: number): DStream<Uint8Array> {
    require_(Number.isInteger(recordLength) && recordLength > 0, 'recordLength must be a positive number of bytes')
    const read = reading((files, path) => readRecords(files.read(path), recordLength, path))
    return new DStream(this, new FileNode<Uint8Array>(this.graph, directory, { read }))
  }

  /** One queued RDD per batch, or all queued ones; later pushes are seen. `defaultRDD` null: an RDD without partitions when the queue is empty. */
  queueStream<T>(queue: RDD<T>[], oneAtATime = true, defaultRDD?: RDD<T> | null): DStream<T> {
    const { sparkContext } = this
    const whenEmpty = (): RDD<T> =>
      defaultRDD === undefined ? sparkContext.parallelize<T>([], 1) : (defaultRDD ?? sparkContext.emptyRDD<T>())
    return new DStream(this, new QueueNode<T>(this.graph, queue, oneAtATime, whenEmpty))
  }

  receiverStream<T>(receiver: Receiver<T>): ReceiverInputDStream<T> {
    return new ReceiverInputDStream<T>(this, receiver)
  }

  // --- combining

  /** At least one stream, all with the same slide. */
  union<T>(streams: readonly DStream<T>[]): DStream<T> {
    return new DStream<T>(this, new UnionNode<T>(streams.map((stream) => stream.node)))
  }

  transform<A extends readonly AnyStream[] | [], R>(
    streams: A,
    f: (rdds: RddsOf<A>, time: Time) => RDD<R> | PromiseLike<RDD<R>>,
  ): DStream<R> {
    const nodes = (streams as readonly AnyStream[]).map((stream) => stream.node as Node<unknown>)
    return new DStream<R>(
      this,
      new TransformNode<R>('transform', nodes, (rdds, time) => f(rdds as unknown as RddsOf<A>, time)),
    )
  }

  // --- life

  addStreamingListener(listener: StreamingListener): void {
    this.#bus.add(listener)
  }

  removeStreamingListener(listener: StreamingListener): void {
    this.#bus.remove(listener)
  }

  /**
   * Starts receiving and the batch clock. What can be wrong with the job is thrown at once; what goes wrong later is
   * reported by `awaitTermination`, so the promise may be left alone.
   */
  start(): Promise<void> {
    const shadow = shadowRole()
    if (shadow) {
      this.#state = 'ACTIVE'
      shadow.started(this)
      return never()
    }
    if (this.#state === 'ACTIVE') {
      this.sparkContext.logger.warn('StreamingContext has already been started')
      return Promise.resolve()
    }
    if (this.#state === 'STOPPED') throw new Error('StreamingContext has already been stopped')
    if (active) {
      throw new Error(
        `Only one StreamingContext may be started in this process. Currently running StreamingContext was started at ${active.startedAt}`,
      )
    }
    try {
      return this.#start()
    } catch (error) {
      this.#state = 'STOPPED'
      active = undefined
      throw error
    }
  }

  #start(): Promise<void> {
    const { graph, sparkContext } = this
    const { clock, logger } = sparkContext
    const conf = sparkContext.getConf()
    graph.validate()
    const stateful = graph.stateful()
    const operators = keptOperators(graph)
    if (graph.checkpointDirectory !== undefined) this.#folder ??= new CheckpointFolder(graph.checkpointDirectory)
    const folder = this.#folder
    const logs = this.#openLogs(operators, folder)
    const receivers = new ReceiverGroup(graph, this.#bus, conf, (node, block) => {
      const log = logs.get(operators.find((operator) => operator.node === node)?.id ?? '')
      if (!log) return graph.tracker.add(block)
      return log.append(block).then((logNumber) => graph.tracker.add({ ...block, logNumber }))
    })
    const scheduler = new JobScheduler({
      clock,
      logger,
      bus: this.#bus,
      termination: this.#termination,
      concurrentJobs: conf.getInt('spark.streaming.concurrentJobs', 1),
      settle: async (timeMs) => {
        for (const node of stateful) await node.settle(timeMs)
      },
      onBatchDone: (timeMs, info, failed) => {
        receivers.onBatchCompleted(info)
        void this.#threads?.checkCaptured()
        graph.clear(timeMs)
        graph.tracker.clear(timeMs - graph.inputRememberMs)
        if (checkpointer) checkpointer.completed(timeMs, failed)
        else for (const node of stateful) node.forget(node.versionAt(timeMs))
      },
    })
    const generator = new JobGenerator({
      clock,
      logger,
      graph,
      receivers,
      scheduler,
      termination: this.#termination,
      onGenerated: async (timeMs) => checkpointer?.generated(timeMs),
    })
    const saved = this.#resumed?.checkpoint
    const firstMs = Math.max(generator.firstMs(), saved ? saved.timeMs + graph.batchMs : 0)
    graph.initialize(saved?.zeroMs ?? firstMs - graph.batchMs)
    const checkpointer =
      folder &&
      new Checkpointer({
        folder,
        graph,
        operators,
        logs,
        logger,
        appName: sparkContext.appName,
        resumed: this.#resumed,
        onLost: (error) => this.#termination.fail(error),
      })
    this.#threads = this.#startThreads()
    active = { context: this, startedAt: callSite('start').short }
    this.#state = 'ACTIVE'
    const page = this.#openPage()
    this.#running = {
      generator,
      scheduler,
      receivers,
      checkpointer,
      page,
      release: this.#holdsProcess ? keepAlive() : () => undefined,
    }
    this.#bus.post((listener) => listener.onStreamingStarted?.({ time: clock.now() }))
    const begin = async (): Promise<void> => {
      // A stop may come while logs are still being read.
      if (this.#stopping) return
      const inputs = Promise.all(graph.inputs.map(async (input) => input.start()))
      receivers.start()
      generator.start(firstMs, this.#reruns(firstMs, stateful.length > 0))
      tellStarted()
      logger.info(`StreamingContext started: batches of ${graph.batchMs} ms`, { name: sparkContext.appName })
      await inputs
      await page
    }
    const prepare = async (from: Checkpointer): Promise<void> => {
      // A job that ends before its first batch is done goes on from its start.
      await from.open(clock.now())
      if (this.#resumed) await this.#recoverBlocks(this.#resumed, operators, logs)
    }
    const started = checkpointer ? prepare(checkpointer).then(begin) : begin()
    this.#starting = started.catch(() => undefined)
    started.catch((error) => this.#termination.fail(asError(error)))
    return started
  }

  /** For masters with threads: loads the job once more in each of them. */
  #startThreads(): Threads | undefined {
    const { graph, sparkContext } = this
    const { master, logger, runner, shared } = sparkContext
    if (!hasThreads(master)) return undefined
    const job = launchedJob()
    if (!job || runner.remote || threaded === job) {
      logger.info(
        `${master} without worker threads, in this one: ${job ? 'only the first context of a job has them' : 'the job was not loaded by stream-ts submit'}`,
      )
      return undefined
    }
    threaded = job
    shared?.close()
    const heap = sparkContext.getConf().getOption('spark.executor.memory')
    const threads = new Threads({
      count: coresOf(master),
      start: {
        file: job.file,
        name: job.name,
        args: job.args,
        batchIntervalMs: job.batchIntervalMs,
        mounts: [...job.mounts],
        settings: [...launchSettings()],
      },
      logger,
      shared,
      operators: new Operators(graph),
      ...(heap !== undefined && {
        heapMebibytes: Math.max(1, sparkContext.getConf().getSizeAsMb('spark.executor.memory')),
      }),
    })
    runner.remote = threads
    return threads
  }

  /** The page on port 4040. A job that moves its clock by hand is a test: it has one where it asks for it. */
  async #openPage(): Promise<StreamingPage | undefined> {
    const { clock, logger } = this.sparkContext
    const conf = this.sparkContext.getConf()
    if (!conf.getBoolean('spark.ui.enabled', this.#holdsProcess)) return undefined
    try {
      const page = await StreamingPage.open({
        application: applicationOf(this.sparkContext),
        progress: this.progress,
        host: conf.get('spark.driver.bindAddress', '127.0.0.1'),
        port: conf.getInt('spark.ui.port', 4040),
        retries: conf.getInt('spark.port.maxRetries', 16),
        clock,
        logger,
      })
      this.sparkContext.uiWebUrl = page.address
      logger.info(`streaming page: ${page.address}/streaming/`)
      return page
    } catch (error) {
      // A job is worth more than its page.
      logger.warn(`there is no streaming page: ${explain(error)}`)
      return undefined
    }
  }

  /** B138. */
  #openLogs(operators: readonly KeptOperator[], folder: CheckpointFolder | undefined): Map<string, BlockLog> {
    const { sparkContext } = this
    const conf = sparkContext.getConf()
    const logs = new Map<string, BlockLog>()
    if (!conf.getBoolean('spark.streaming.receiver.writeAheadLog.enable', false)) return logs
    if (!folder) {
      throw new IllegalArgumentError(
        'Cannot enable receiver write-ahead log without checkpoint directory set. Please use streamingContext.checkpoint() to set the checkpoint directory.',
      )
    }
    if (!folder.keepsLogs) {
      throw new FlumeError('UNSUPPORTED', `the file system of ${folder.address} keeps no write-ahead log`, {
        hint: 'take a checkpoint directory on a local disk or HDFS',
      })
    }
    const rollingMs = conf.getInt('spark.streaming.receiver.writeAheadLog.rollingIntervalSecs', 60) * 1000
    for (const { id, node } of operators) {
      if (!(node instanceof ReceiverNode)) continue
      node.markLogged()
      logs.set(id, new BlockLog(folder, id, sparkContext.clock, rollingMs, sparkContext.logger))
    }
    return logs
  }

  /** Gives the batches of the run before the blocks they had; the others go to the next batch (B135). */
  async #recoverBlocks(
    { checkpoint, spans }: Resumed,
    operators: readonly KeptOperator[],
    logs: ReadonlyMap<string, BlockLog>,
  ): Promise<void> {
    const { tracker } = this.graph
    for (const { id, node } of operators) {
      const log = logs.get(id)
      if (!log || !(node instanceof ReceiverNode)) continue
      const known = spans.get(id) ?? []
      const next = known.at(-1)?.[2] ?? 0
      const blocks = await log.recover(known[0]?.[1] ?? 0)
      const { streamId } = node
      for (const [timeMs, from, to] of known) {
        const mine = [...blocks].filter(([number]) => number >= from && number < to)
        tracker.restore(
          timeMs,
          mine.map(([, block]) => ({ ...block, streamId })),
        )
      }
      for (const [number, block] of blocks) if (number >= next) tracker.add({ ...block, streamId })
    }
    if (checkpoint.unlogged.length === 0) return
    this.sparkContext.logger.warn(
      'Some blocks could not be recovered as they were not found in memory. To prevent such data loss, enable the write-ahead log: spark.streaming.receiver.writeAheadLog.enable',
      { batches: checkpoint.unlogged.join(', ') },
    )
  }

  /** The batches between what was saved and the first of the clock (B134): those that were complete are not put out again. */
  #reruns(firstMs: number, hasState: boolean): Rerun[] {
    const saved = this.#resumed?.checkpoint
    if (!saved) return []
    const pending = new Set(saved.pending)
    const reruns: Rerun[] = []
    for (let timeMs = saved.stateMs + saved.batchMs; timeMs < firstMs; timeMs += saved.batchMs) {
      if (timeMs > saved.timeMs) reruns.push({ timeMs, kind: 'missed' })
      else if (pending.has(timeMs)) reruns.push({ timeMs, kind: 'again' })
      else if (hasState) reruns.push({ timeMs, kind: 'state' })
    }
    return reruns
  }

  /** For tests that move the clock: resolves when every batch that is due has been generated, run and saved. */
  async settled(): Promise<void> {
    const running = this.#running
    if (!running) return
    await this.#starting
    const { generator, scheduler, checkpointer } = running
    do {
      await generator.whenIdle()
      await scheduler.whenIdle()
      await checkpointer?.whenIdle()
    } while (scheduler.openBatchCount > 0)
  }

  /**
   * Ends the job. Graceful: receivers stop first, then every received record is worked off, within
   * `spark.streaming.gracefulStopTimeout` (ten batches). Else running jobs get two seconds.
   */
  stop(options?: boolean | StopOptions, graceful = false): Promise<void> {
    if (shadowRole()) return Promise.resolve()
    if (this.#bus.isCalling) throw new Error('Cannot stop StreamingContext within listener bus thread.')
    const given: StopOptions =
      typeof options === 'object' ? options : { graceful, ...(options !== undefined && { stopSparkContext: options }) }
    const conf = this.sparkContext.getConf()
    const stopsSpark = given.stopSparkContext ?? conf.getBoolean('spark.streaming.stopSparkContextByDefault', true)
    this.#stopping ??= this.#stop(given.graceful ?? false)
    const stopped = this.#stopping.then(() => {
      if (stopsSpark) this.sparkContext.stop()
    })
    if (!isInsideJob()) return stopped
    // Waiting here for the job that waits for us would never end: it goes on in the background (B124).
    stopped.catch((error) => this.#termination.fail(asError(error)))
    return Promise.resolve()
  }

  async #stop(graceful: boolean): Promise<void> {
    const { logger } = this.sparkContext
    if (this.#state !== 'ACTIVE') {
      logger.warn(
        this.#state === 'STOPPED'
          ? 'StreamingContext has already been stopped'
          : 'StreamingContext has not been started yet',
      )
      if (this.#folder?.isTaken) await this.#folder.release()
      this.#end()
      return
    }
    const running = this.#running as Running
    try {
      if (graceful) await this.#stopGracefully(running)
      else await this.#stopNow(running)
      await Promise.all(this.graph.inputs.map(async (input) => input.stop()))
      await running.checkpointer?.finish()
    } finally {
      await this.#bus.stop()
      this.sparkContext.runner.remote = undefined
      await this.#threads?.close()
      this.sparkContext.uiWebUrl = undefined
      await (await running.page)?.close()
      running.release()
      this.#end()
      logger.info('StreamingContext stopped')
    }
  }

  #end(): void {
    this.#state = 'STOPPED'
    if (active?.context === this) active = undefined
    this.#termination.stop()
  }

  /**
   * B127 without its idle waits: the batch clock ticks once more only when blocks are still waiting, and a batch
   * without jobs counts as done.
   */
  async #stopGracefully({ generator, scheduler, receivers }: Running): Promise<void> {
    const { clock, logger } = this.sparkContext
    const conf = this.sparkContext.getConf()
    const limitMs = conf.getTimeAsMs('spark.streaming.gracefulStopTimeout', `${10 * this.graph.batchMs}ms`)
    if (!(await withLimit(receivers.stop(true), limitMs, clock))) {
      logger.warn(`a receiver has not stopped within ${limitMs} ms: what it has stored so far is worked off`)
      receivers.cut()
    }
    const rest = async (): Promise<void> => {
      while (this.graph.tracker.hasWaiting) await generator.nextBatch()
      await generator.stop()
      await scheduler.whenIdle()
    }
    if (!(await withLimit(rest(), limitMs, clock))) {
      logger.warn(
        `the graceful stop gave up after ${limitMs} ms: ${scheduler.openBatchCount} batches are not done (spark.streaming.gracefulStopTimeout gives more time)`,
      )
      generator.abandon()
      scheduler.abandon()
    }
  }

  async #stopNow({ generator, scheduler, receivers }: Running): Promise<void> {
    generator.abandon()
    await receivers.stop(false)
    if (await withLimit(scheduler.whenIdle(), jobsMaxMs, this.sparkContext.clock)) return
    scheduler.abandon()
    this.sparkContext.logger.warn(`stopped with ${scheduler.openBatchCount} batches not done`)
  }

  /** Resolves when the context has stopped; rejects with the error of a batch that failed. */
  awaitTermination(): Promise<void> {
    if (shadowRole()) return never()
    return this.#termination.wait()
  }

  /** True when the context stopped in time, false when not; rejects as `awaitTermination` does. */
  async awaitTerminationOrTimeout(timeoutMs: number): Promise<boolean> {
    if (shadowRole()) return never()
    return withLimit(this.#termination.wait(), timeoutMs, this.sparkContext.clock)
  }
}
