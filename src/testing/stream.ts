import { silentLogger } from '../monitor/logger.ts'
import { SparkConf } from '../stream/conf.ts'
import { DStream } from '../stream/dstream.ts'
import { InputNode, type MaybeRdd, type NodeGraph } from '../stream/graph/node.ts'
import { withSurroundings } from '../stream/launch.ts'
import { StreamingContext } from '../stream/streaming-context.ts'
import type { Duration } from '../stream/time.ts'
import { ManualClock, settle } from './manual-clock.ts'

/** Partitions over which the records of a batch are spread when nothing is said. */
const partitionsDefault = 2
/** Rounds of the event loop after which a stop is taken to hang, and the time that makes it give up. */
const turnsMax = 20_000
const giveUpMs = 60_000

/** What stream i receives in batch b is `inputs[i][b]`; null is a batch without data set, and there is nothing after the last. */
export interface RunBatchesOptions<T extends readonly unknown[]> {
  readonly batchDuration: Duration
  readonly inputs: { readonly [I in keyof T]: readonly (readonly T[I][] | null)[] }
  /** Partitions of each batch; default 2. */
  readonly numPartitions?: number
  /** How many batches run; default: as many as the longest input has. */
  readonly batches?: number
  /** Needed by jobs with state. */
  readonly checkpointDir?: string
  readonly conf?: Readonly<Record<string, string>>
}

/** The result of one batch. */
export interface BatchResult<U> {
  /** The batch time in milliseconds; the first is one batch duration. */
  readonly time: number
  readonly items: U[]
}

/**
 * Runs a job over given batches on a clock that starts at 0 and is moved batch by batch: no waiting, no threads, the
 * same result every time. Resolves to one entry for each batch in which the stream that `build` answers had a data set.
 * Rejects with the error of a batch that failed.
 */
export function runBatches<T extends readonly unknown[], U>(
  options: RunBatchesOptions<T>,
  build: (ssc: StreamingContext, ...streams: { -readonly [I in keyof T]: DStream<T[I]> }) => DStream<U>,
): Promise<BatchResult<U>[]>
export function runBatches<T, U>(
  options: RunBatchesOptions<readonly T[]>,
  build: (ssc: StreamingContext, ...streams: DStream<T>[]) => DStream<U>,
): Promise<BatchResult<U>[]>
export async function runBatches<U>(
  options: RunBatchesOptions<readonly unknown[]>,
  build: (ssc: StreamingContext, ...streams: DStream<never>[]) => DStream<U>,
): Promise<BatchResult<U>[]> {
  const { inputs } = options
  const { batchDuration, numPartitions = partitionsDefault, checkpointDir, conf = {} } = options
  const batches = options.batches ?? Math.max(0, ...inputs.map((batchesOf) => batchesOf.length))
  const results: BatchResult<U>[] = []
  await withManualClock(async (time) => {
    const settings = new SparkConf(false).setMaster(`local[${numPartitions}]`).setAppName('test')
    const ssc = new StreamingContext(settings.setAll(Object.entries(conf)), batchDuration)
    if (checkpointDir !== undefined) ssc.checkpoint(checkpointDir)
    const streams = inputs.map((given) => new DStream(ssc, new GivenNode(ssc.graph, given, numPartitions)))
    build(ssc, ...(streams as unknown as DStream<never>[])).foreachRDD(async (rdd, at) => {
      results.push({ time: at.milliseconds, items: await rdd.collect() })
    })
    let failure: unknown
    ssc.awaitTermination().catch((error) => {
      failure = error
    })
    await ssc.start()
    for (let batch = 0; batch < batches && failure === undefined; batch++) await time.advance(batchDuration)
    if (failure !== undefined) throw failure
  })
  return results
}

/** Moves time for the contexts that are made while it is in force. */
export interface ManualTime {
  readonly clock: ManualClock
  /** Everything that jobs have printed. */
  readonly printed: string
  /**
   * Moves time forward, one batch of the running context after the other; resolves when all that fell due is run and,
   * with a checkpoint directory, saved.
   */
  advance(by: Duration): Promise<void>
  /** Ends the running context as a kill would: nothing more is worked off, and nothing more is written to its checkpoint directory after this resolves. */
  stopNow(): Promise<void>
  /** Ends the running context gracefully: what was received is worked off. */
  stop(): Promise<void>
}

/**
 * Runs `drive` with a clock that stands still until it is moved: every context made in it, by a test or by the job's own
 * code, lives on this clock, from 0 on, also after a restart with `StreamingContext.getOrCreate`. What still runs at the
 * end is stopped.
 */
export async function withManualClock<R>(drive: (time: ManualTime) => Promise<R>): Promise<R> {
  const clock = new ManualClock(0)
  let printed = ''
  const surroundings = {
    clock,
    logger: silentLogger,
    console: (text: string): void => {
      printed += text
    },
  }
  const time: ManualTime = {
    clock,
    get printed() {
      return printed
    },
    advance: (by) => advance(clock, by.milliseconds),
    stopNow: () => stop(clock, false),
    stop: () => stop(clock, true),
  }
  return withSurroundings(surroundings, async () => {
    try {
      return await drive(time)
    } finally {
      await stop(clock, false)
    }
  })
}

/** The running context, if it lives on this clock. */
function running(clock: ManualClock): StreamingContext | undefined {
  const active = StreamingContext.getActive()
  return active?.sparkContext.clock === clock ? active : undefined
}

async function advance(clock: ManualClock, byMs: number): Promise<void> {
  const untilMs = clock.now() + byMs
  await running(clock)?.settled()
  while (clock.now() < untilMs) {
    const stepMs = running(clock)?.graph.batchMs ?? byMs
    // To the next batch, not beyond: each is done before the next is due.
    const next = Math.min(untilMs, (Math.floor(clock.now() / stepMs) + 1) * stepMs)
    await clock.advance(next - clock.now())
    await settle()
    await running(clock)?.settled()
  }
}

async function stop(clock: ManualClock, graceful: boolean): Promise<void> {
  const context = running(clock)
  if (!context) return
  let done = false
  const stopping = context.stop({ graceful, stopSparkContext: true }).finally(() => {
    done = true
  })
  stopping.catch(() => undefined)
  for (let turn = 1; !done; turn++) {
    await settle()
    // Blocks that came last want one more batch; what hangs is given up by the clock, which nobody else moves.
    if (turn > 3 && graceful && context.graph.tracker.hasWaiting) await clock.advance(context.graph.batchMs)
    else if (turn % turnsMax === 0) await clock.advance(giveUpMs)
  }
  await stopping
}

/** The batches that a test has written down; they are the same whenever they are asked for. */
class GivenNode<T> extends InputNode<T> {
  readonly kind = 'test'
  readonly #batches: readonly (readonly T[] | null)[]
  readonly #partitions: number

  constructor(graph: NodeGraph, batches: readonly (readonly T[] | null)[], partitions: number) {
    super(graph)
    this.#batches = batches
    this.#partitions = partitions
  }

  get name(): string {
    return `Test stream [${this.streamId}]`
  }

  override get isReplayable(): boolean {
    return true
  }

  protected compute(timeMs: number): MaybeRdd<T> {
    const items = this.#batches[timeMs / this.graph.batchMs - 1]
    if (items === null) return undefined
    this.report(timeMs, items?.length ?? 0)
    return this.graph.sparkContext.parallelize(items ?? [], this.#partitions)
  }
}
