import { Backoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { SinkProcessor } from '../contract.ts'
import type { Complaint } from './complaint.ts'
import type { PulledDriver, SinkDriver } from './sink-driver.ts'

/** Flume's sink runner: n × 1 s after a back-off, 5 s at most and after any other failure (M-06). */
const backoffIncrementMs = 1000
const backoffMaxMs = 5000

/** What drives sinks until it is stopped; the sinks stay open then. */
export interface SinkRunner {
  start(): void
  /** Resolves when the batch under way is finished. */
  stop(): Promise<void>
}

export interface ProcessorRunnerParts {
  readonly clock: Clock
  /** The sinks that are driven; all are opened at the start, also those that are not needed at first (K-11). */
  readonly drivers: readonly SinkDriver[]
  /** Makes the processor over sinks that give up their wait for events when the signal aborts. */
  readonly makeProcessor: (signal: AbortSignal) => SinkProcessor | Promise<SinkProcessor>
  /** Where it is said that a whole group failed; a sink says its own failures itself. */
  readonly complaint: Complaint | undefined
}

/** Runs one processor round after round. */
export class ProcessorRunner implements SinkRunner {
  readonly #parts: ProcessorRunnerParts
  readonly #stop = new AbortController()
  #processor: SinkProcessor | undefined
  #running: Promise<void> | undefined

  constructor(parts: ProcessorRunnerParts) {
    this.#parts = parts
  }

  /** Makes the processor; rejects what its `create` throws. */
  async prepare(): Promise<this> {
    this.#processor = await this.#parts.makeProcessor(this.#stop.signal)
    return this
  }

  start(): void {
    const processor = this.#processor
    if (!processor) throw new FlumeError('INVALID_STATE', 'the sink processor is not made yet')
    this.#running ??= this.#drive(processor)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #drive(processor: SinkProcessor): Promise<void> {
    const { clock, complaint } = this.#parts
    const { signal } = this.#stop
    const backoff = new Backoff(backoffIncrementMs, backoffMaxMs)
    // What cannot be opened now is tried again, and complained about, when it is that sink's turn.
    for (const driver of this.#parts.drivers) void driver.start().catch(() => undefined)
    while (!signal.aborted) {
      try {
        const beganMs = clock.monotonic()
        const processed = await processor.process()
        if (processed === 'ready') complaint?.worked('delivers again')
        // A round that found nothing has mostly waited for events as long as the channel says; one that has not
        // (keep-alive = 0) must not spin.
        if (processed === 'ready' || clock.monotonic() - beganMs >= backoffIncrementMs) backoff.reset()
        else await clock.sleep(backoff.next(), signal).catch(() => undefined)
      } catch (error) {
        if (signal.aborted) break
        complaint?.failed(error, 'the events stay in the channel, trying again')
        if (error instanceof FlumeError && error.atOnce) {
          // Without a pause, but not without a turn for everybody else.
          await new Promise((resolve) => setImmediate(resolve))
          continue
        }
        const again = error instanceof FlumeError && error.retry
        await clock.sleep(again ? backoff.next() : backoffMaxMs, signal).catch(() => undefined)
      }
    }
    await Promise.all(this.#parts.drivers.map((driver) => driver.settled()))
  }
}

/** Serves one sink whose peer pulls. */
export class PulledRunner implements SinkRunner {
  readonly #driver: PulledDriver
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(driver: PulledDriver) {
    this.#driver = driver
  }

  start(): void {
    this.#running ??= this.#driver.serve(this.#stop.signal, backoffMaxMs)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}
