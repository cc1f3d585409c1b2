import { Backoff } from '../../core/backoff.ts'
import { count, type Options } from '../../spec/option.ts'
import { defineSource, EventBatch, type Source, type SourceContext } from '../contract.ts'

const options = {
  size: count({ default: 500, min: 0, max: 64 * 1024 * 1024, doc: 'Bytes of each body, all of them 0x7F.' }),
  maxTotalEvents: count({ default: -1, doc: 'Most events, refused ones included; -1 is no limit.' }),
  maxSuccessfulEvents: count({ default: -1, doc: 'Most events that are kept; -1 is no limit.' }),
  batchSize: count({ default: 1, min: 1, doc: 'Events handed to the channel at once.' }),
  maxEventsPerSecond: count({ default: 0, min: 0, doc: 'Most events a second; 0 is no limit.' }),
}
type StressOptions = Options<typeof options>

export const stress = defineSource({
  type: 'StressSource',
  aliases: ['org.apache.flume.source.StressSource'],
  summary: 'Makes events as fast as they are taken, for measuring.',
  options,
  batchSizeOption: 'batchSize',
  create: (options, context) => new StressSource(options, context),
})

const fill = 0x7f
/** A channel in memory answers at once: without a turn of the event loop now and then nothing else would ever run. */
const batchesPerTurn = 16
/** Flume's pauses after a refusal (M-07). */
const backoffIncrementMs = 1000
const backoffMaxMs = 5000

class StressSource implements Source {
  readonly #options: StressOptions
  readonly #context: SourceContext
  readonly #batch: EventBatch
  readonly #backoff = new Backoff(backoffIncrementMs, backoffMaxMs)
  #total = 0
  #successful = 0

  constructor(options: StressOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    const size = Math.min(options.batchSize, context.transactionCapacity)
    // Every event is the same range of the same bytes.
    const body = new Uint8Array(options.size).fill(fill)
    this.#batch = new EventBatch(body, new Uint32Array(size), new Uint32Array(size).fill(options.size))
  }

  async run(): Promise<void> {
    const { clock, signal } = this.#context
    const { maxEventsPerSecond: rate } = this.#options
    this.#context.ready('making events')
    const startedMs = clock.monotonic()
    for (let batches = 1; !signal.aborted && this.#left() > 0; batches++) {
      const dueMs = rate > 0 ? startedMs + (1000 * this.#total) / rate : 0
      const waitMs = rate > 0 ? dueMs - clock.monotonic() : 0
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined)
      else if (batches % batchesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve))
      if (!signal.aborted) await this.#deliver(this.#batch.slice(0, Math.min(this.#batch.count, this.#left())))
    }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }

  #left(): number {
    const { maxTotalEvents, maxSuccessfulEvents } = this.#options
    const total = maxTotalEvents < 0 ? Number.POSITIVE_INFINITY : maxTotalEvents - this.#total
    const successful = maxSuccessfulEvents < 0 ? Number.POSITIVE_INFINITY : maxSuccessfulEvents - this.#successful
    return Math.min(total, successful)
  }

  async #deliver(batch: EventBatch): Promise<void> {
    const { clock, counters, log, signal } = this.#context
    counters.appendBatchReceived++
    this.#total += batch.count
    try {
      await this.#context.deliver(batch)
      this.#successful += batch.count
      counters.appendBatchAccepted++
      this.#backoff.reset()
    } catch (error) {
      if (signal.aborted) return
      log.debug(`${batch.count} events were refused: ${(error as Error).message}`)
      await clock.sleep(this.#backoff.next(), signal).catch(() => undefined)
    }
  }
}
