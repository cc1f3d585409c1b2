import { type Logger, silentLogger } from '../../src/monitor/logger.ts'
import {
  type BatchInfo,
  Milliseconds,
  type RDD,
  SparkConf,
  type SparkContext,
  StreamingContext,
  type Time,
} from '../../src/stream/api.ts'
import type { DStream } from '../../src/stream/dstream.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { until } from './until.ts'

export interface StreamBenchOptions {
  readonly batchMs?: number
  readonly startMs?: number
  readonly master?: string
  readonly settings?: Readonly<Record<string, string>>
  readonly logger?: Logger
}

/** What one stream showed in one batch. */
export interface Seen<T> {
  readonly timeMs: number
  readonly items: T[]
  readonly partitions: number
}

/** A streaming context on a clock that the test moves. Ends with the scope: `await using`. */
export class StreamBench {
  readonly clock: ManualClock
  readonly ssc: StreamingContext
  readonly batchMs: number
  /** Everything printed. */
  printed = ''
  readonly completed: BatchInfo[] = []

  constructor({
    batchMs = 1000,
    startMs = 0,
    master = 'local[2]',
    settings = {},
    logger = silentLogger,
  }: StreamBenchOptions = {}) {
    this.clock = new ManualClock(startMs)
    this.batchMs = batchMs
    const conf = new SparkConf(false).setAppName('bench').setMaster(master).setAll(Object.entries(settings))
    this.ssc = new StreamingContext(conf, Milliseconds(batchMs), {
      clock: this.clock,
      logger,
      console: (text) => {
        this.printed += text
      },
    })
    this.ssc.addStreamingListener({ onBatchCompleted: ({ batchInfo }) => this.completed.push(batchInfo) })
  }

  get sc(): SparkContext {
    return this.ssc.sparkContext
  }

  /** A stream with one queued batch for each list; partitions as the lists are cut. */
  queue<T>(...batches: readonly T[][]): DStream<T> {
    return this.ssc.queueStream(batches.map((items) => this.sc.parallelize(items, 2)))
  }

  /** Collects every batch of a stream. */
  watch<T>(stream: DStream<T>): Seen<T>[] {
    const seen: Seen<T>[] = []
    stream.foreachRDD(async (rdd: RDD<T>, time: Time) => {
      seen.push({ timeMs: time.milliseconds, items: await rdd.collect(), partitions: rdd.getNumPartitions() })
    })
    return seen
  }

  /** Moves the clock over `count` batches and lets each be done. */
  async batches(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.clock.advance(this.batchMs)
      await this.settled()
    }
  }

  /** Resolves when no batch is waiting or running. */
  async settled(): Promise<void> {
    await settle()
    await this.ssc.settled()
    while (this.ssc.progress.waiting.length + this.ssc.progress.running.length > 0) await settle()
  }

  /** Resolves when `holds` is true; file and socket work takes real time. */
  until(holds: () => boolean): Promise<void> {
    return until(holds, String(holds))
  }

  /** Moves the clock over one batch after the other until `holds` is true; what they are given takes real time to come. */
  batchesUntil(holds: () => boolean): Promise<void> {
    return until(async () => {
      if (holds()) return true
      // Far more batches than pieces of input would only be work.
      await new Promise((resolve) => setTimeout(resolve, 2))
      await this.batches(1)
      return holds()
    }, String(holds))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopping = this.ssc.stop()
    await settle()
    // An immediate stop waits for jobs by the clock, which nobody else moves now.
    await this.clock.advance(20_000)
    await stopping
  }
}
