import { Backoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { explain, FlumeError, isAbort } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { Channel, PulledSink, Sink } from '../contract.ts'
import { Complaint } from './complaint.ts'

/** Flume's sink runner: n × 1 s after a back-off, 5 s at most and after any other failure (M-06). */
const backoffIncrementMs = 1000
const backoffMaxMs = 5000

export interface SinkRunnerParts {
  readonly clock: Clock
  readonly log: Logger
  readonly sink: Sink | PulledSink
  readonly channel: Channel
  readonly counters: SinkCounters
  /** Where the channel's transactionCapacity is below the sink's own batch size. */
  readonly batchLimit: number | undefined
  /** Called after each delivered batch. */
  readonly onDelivered: () => void
}

/** Moves batches from a channel to a sink until it is stopped. */
export class SinkRunner {
  readonly #parts: SinkRunnerParts
  readonly #stop = new AbortController()
  readonly #complaint: Complaint
  #running: Promise<void> | undefined

  constructor(parts: SinkRunnerParts) {
    this.#parts = parts
    this.#complaint = new Complaint(parts.log, parts.clock)
  }

  start(): void {
    const { sink } = this.#parts
    this.#running ??= 'serve' in sink ? this.#serve(sink) : this.#drive(sink)
  }

  /** Finishes the batch under way, then closes the sink. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #drive(sink: Sink): Promise<void> {
    const { clock, channel, counters, log } = this.#parts
    const { signal } = this.#stop
    const backoff = new Backoff(backoffIncrementMs, backoffMaxMs)
    const max = Math.min(sink.batchSize, this.#parts.batchLimit ?? sink.batchSize)
    let started = sink.start === undefined
    while (!signal.aborted) {
      try {
        if (!started) {
          await sink.start?.()
          started = true
        }
        await sink.connect?.()
        const taken = await channel.take(max, (batch) => this.#write(sink, batch, max), signal)
        if (taken === undefined && !signal.aborted) counters.batchEmpty++
        backoff.reset()
      } catch (error) {
        if (signal.aborted && isAbort(error)) break
        const again = error instanceof FlumeError && error.retry
        this.#complaint.failed(error, 'the events stay in the channel, trying again')
        await clock.sleep(again ? backoff.next() : backoffMaxMs, signal).catch(() => undefined)
      }
    }
    try {
      await sink.stop?.()
    } catch (error) {
      log.error(`while stopping: ${explain(error)}`)
    }
  }

  async #write(sink: Sink, batch: EventBatch, max: number): Promise<true> {
    const { counters } = this.#parts
    counters.eventDrainAttempt += batch.count
    try {
      await sink.write(batch)
    } catch (error) {
      counters.eventWriteFail++
      throw error
    }
    counters.eventDrainSuccess += batch.count
    if (batch.count >= max) counters.batchComplete++
    else counters.batchUnderflow++
    this.#complaint.worked('delivers again')
    // The take commits when this returns; whoever waits for an empty channel looks after that.
    setImmediate(this.#parts.onDelivered)
    return true
  }

  async #serve(sink: PulledSink): Promise<void> {
    const { clock, channel, counters } = this.#parts
    const { signal } = this.#stop
    const lending: Pick<Channel, 'take' | 'transactionCapacity'> = {
      transactionCapacity: channel.transactionCapacity,
      take: (max, use, takeSignal) =>
        channel.take(
          max,
          async (batch) => {
            counters.eventDrainAttempt += batch.count
            const result = await use(batch)
            counters.eventDrainSuccess += batch.count
            setImmediate(this.#parts.onDelivered)
            return result
          },
          takeSignal,
        ),
    }
    while (!signal.aborted) {
      try {
        await sink.serve(lending, signal)
        return
      } catch (error) {
        if (signal.aborted) return
        this.#complaint.failed(error, `trying again every ${backoffMaxMs / 1000} s`)
        await clock.sleep(backoffMaxMs, signal).catch(() => undefined)
      }
    }
  }
}
