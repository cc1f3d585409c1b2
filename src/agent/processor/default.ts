import { FlumeError } from '../../core/error.ts'
import type { Options } from '../../spec/option.ts'
import {
  type DrivenSink,
  defineSinkProcessor,
  type Processed,
  type SinkProcessor,
  type SinkProcessorContext,
} from '../contract.ts'

const options = {}

export const defaultProcessor = defineSinkProcessor({
  type: 'default',
  aliases: ['org.apache.flume.sink.DefaultSinkProcessor'],
  summary: 'Drives the one sink of its group, as a sink without a group runs.',
  options,
  sinkCount: { max: 1 },
  create: (options, context) => new DefaultProcessor(options, context),
})

class DefaultProcessor implements SinkProcessor {
  readonly #sink: DrivenSink

  constructor(_options: Options<typeof options>, { sinks, name }: SinkProcessorContext) {
    const [sink] = sinks
    if (!sink || sinks.length > 1) {
      throw new FlumeError(
        'USAGE',
        `the default processor drives exactly one sink, group ${name} has ${sinks.length}`,
        {
          hint: 'use processor.type = failover or load_balance',
        },
      )
    }
    this.#sink = sink
  }

  process(): Promise<Processed> {
    return this.#sink.process()
  }
}
