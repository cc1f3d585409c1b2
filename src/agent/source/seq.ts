import { count, type Options } from '../../spec/option.ts'
import { BatchBuilder, defineSource, type EventBatch, type Source, type SourceContext } from '../contract.ts'

const options = {
  batchSize: count({ default: 1, min: 1, doc: 'Events handed to the channel at once.' }),
  totalEvents: count({
    default: Number.MAX_SAFE_INTEGER,
    min: 0,
    doc: 'How many events there are; the source is idle afterwards.',
  }),
}
type SeqOptions = Options<typeof options>

export const seq = defineSource({
  type: 'seq',
  aliases: ['org.apache.flume.source.SequenceGeneratorSource'],
  summary: 'Counts: each event is the next number, as decimal text.',
  options,
  batchSizeOption: 'batchSize',
  create: (options, context) => new SeqSource(options, context),
})

/** A channel in memory answers at once: without a turn of the event loop now and then nothing else would ever run. */
const batchesPerTurn = 16
/** Flume tries again without a pause (S-120); one thread for everything needs a breath. */
const retryAfterMs = 1

class SeqSource implements Source {
  readonly #options: SeqOptions
  readonly #context: SourceContext
  #next = 0

  constructor(options: SeqOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  async run(): Promise<void> {
    const { signal } = this.#context
    this.#context.ready('counting')
    for (let batches = 1; !signal.aborted && this.#next < this.#options.totalEvents; batches++) {
      await this.#deliver(this.#numbers())
      if (batches % batchesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }

  /** The numbers go on only when they are kept: after a refusal the same ones come again (S-120). */
  async #deliver(batch: EventBatch): Promise<void> {
    const { clock, counters, log, signal } = this.#context
    counters.appendBatchReceived++
    try {
      await this.#context.deliver(batch)
      this.#next += batch.count
      counters.appendBatchAccepted++
    } catch (error) {
      if (signal.aborted) return
      log.debug(`the channel did not take the numbers from ${this.#next}: ${(error as Error).message}`)
      await clock.sleep(retryAfterMs, signal).catch(() => undefined)
    }
  }

  #numbers(): EventBatch {
    const size = Math.min(this.#options.batchSize, this.#options.totalEvents - this.#next)
    const builder = new BatchBuilder(8 * size, size)
    for (let number = this.#next; number < this.#next + size; number++) builder.add(Buffer.from(String(number)))
    return builder.build()
  }
}
