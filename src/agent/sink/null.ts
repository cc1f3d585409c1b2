import { count, type Options } from '../../spec/option.ts'
import { defineSink, type EventBatch, type Sink, type SinkContext } from '../contract.ts'

const options = {
  batchSize: count({ default: 100, min: 1, doc: 'Most events taken at once.' }),
  logEveryNEvents: count({
    default: 10_000,
    min: 1,
    doc: 'Say how many events there were each time so many have come.',
  }),
}
type NullOptions = Options<typeof options>

export const nullSink = defineSink({
  type: 'null',
  aliases: ['org.apache.flume.sink.NullSink'],
  summary: 'Takes events and drops them.',
  options,
  batchSizeOption: 'batchSize',
  create: (options, context) => new NullSink(options, context),
})

class NullSink implements Sink {
  readonly batchSize: number
  readonly #every: number
  readonly #context: SinkContext
  #total = 0

  constructor(options: NullOptions, context: SinkContext) {
    this.batchSize = options.batchSize
    this.#every = options.logEveryNEvents
    this.#context = context
  }

  async write(batch: EventBatch): Promise<void> {
    const said = Math.floor(this.#total / this.#every)
    this.#total += batch.count
    for (let times = said + 1; times * this.#every <= this.#total; times++) {
      this.#context.log.info(`Null sink ${this.#context.name} successful processed ${times * this.#every} events.`)
    }
  }

  async stop(): Promise<void> {
    this.#context.log.info(`Null sink ${this.#context.name} stopped. Event count: ${this.#total}`)
  }
}
