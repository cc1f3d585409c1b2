import type { SparkConf } from '../conf.ts'
import type { StreamGraph } from '../graph/graph.ts'
import type { BatchInfo, ListenerBus, ReceiverInfo } from '../scheduler/listener.ts'
import { require_ } from '../time.ts'
import { ReceiverNode } from './node.ts'
import { PidRateEstimator } from './rate-estimator.ts'
import { RateLimiter } from './rate-limiter.ts'
import { ReceiverSupervisor } from './supervisor.ts'
import type { ReceivedBlock } from './tracker.ts'

/** Longest wait for receivers when the context stops at once, in milliseconds (B126). */
const stopMaxMs = 10_000

/** Keeps a block of a receiver; a promise when that takes time. */
export type StoreBlock = (node: ReceiverNode<unknown>, block: ReceivedBlock) => void | Promise<void>

/** The receivers of a running context. */
export class ReceiverGroup {
  readonly #graph: StreamGraph
  readonly #supervisors: ReceiverSupervisor<unknown>[]
  readonly #estimators = new Map<number, PidRateEstimator>()

  /** Reads the settings once (B153). Throws for a bad one. */
  constructor(graph: StreamGraph, bus: ListenerBus, conf: SparkConf, store: StoreBlock) {
    this.#graph = graph
    const { clock } = graph.sparkContext
    const blockIntervalMs = conf.getTimeAsMs('spark.streaming.blockInterval', '200ms')
    require_(blockIntervalMs > 0, `'spark.streaming.blockInterval' should be a positive value`)
    const blockQueueMax = conf.getInt('spark.streaming.blockQueueSize', 10)
    const restartDelayMs = conf.getTimeAsMs('spark.streaming.receiverRestartDelay', '2000')
    const maxRate = rateOf(conf, 'spark.streaming.receiver.maxRate')
    const hasBackpressure = conf.getBoolean('spark.streaming.backpressure.enabled', false)
    const initialRate = hasBackpressure ? rateOf(conf, 'spark.streaming.backpressure.initialRate') : undefined
    const nodes = graph.inputs.filter((input) => input instanceof ReceiverNode)
    this.#supervisors = nodes.map((node) => {
      if (hasBackpressure) this.#estimators.set(node.streamId, new PidRateEstimator(conf, graph.batchMs))
      return new ReceiverSupervisor<unknown>(node.receiver, {
        clock,
        logger: graph.logger,
        bus,
        limiter: new RateLimiter(clock, initialRate, maxRate),
        streamId: node.streamId,
        blockIntervalMs,
        blockQueueMax,
        restartDelayMs,
        store: (block) => store(node, block),
      })
    })
  }

  start(): void {
    for (const supervisor of this.#supervisors) supervisor.start()
  }

  /** Makes blocks of what was received so far: a batch holds everything that came before its generation (B3). */
  cut(): void {
    for (const supervisor of this.#supervisors) supervisor.cut()
  }

  get infos(): ReceiverInfo[] {
    return this.#supervisors.map((supervisor) => supervisor.info)
  }

  /** Back-pressure: what the batch took becomes the rate of each of its receivers. */
  onBatchCompleted(info: BatchInfo): void {
    for (const supervisor of this.#supervisors) {
      const rate = this.#estimators
        .get(supervisor.streamId)
        ?.compute(
          info.processingEndTime ?? -1,
          info.streamIdToInputInfo.get(supervisor.streamId)?.numRecords ?? 0,
          info.processingDelay ?? 0,
          info.schedulingDelay ?? 0,
        )
      if (rate !== undefined) supervisor.updateRate(rate)
    }
  }

  /** Resolves when all have ended and everything they stored is in blocks; without `graceful` after 10 seconds at the latest. */
  async stop(graceful: boolean): Promise<void> {
    const all = Promise.all(this.#supervisors.map((supervisor) => supervisor.shutDown())).then(() => undefined)
    if (graceful) return all
    const { clock } = this.#graph.sparkContext
    await withLimit(all, stopMaxMs, clock)
  }
}

/** Waits for `work`, but not longer than `limitMs`; answers whether it finished. */
export async function withLimit(
  work: Promise<unknown>,
  limitMs: number,
  clock: { after(delayMs: number, act: () => void): { cancel(): void } },
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => resolve(false))
    work.then(() => resolve(true), reject).finally(() => timer.cancel())
  })
}

/** Records a second; 0 and less mean no limit. */
function rateOf(conf: SparkConf, key: string): number | undefined {
  const rate = conf.getDouble(key, 0)
  return rate > 0 ? rate : undefined
}
