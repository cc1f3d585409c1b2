import type { EventBatch } from '../../core/event-batch.ts'
import { list, type Options } from '../../spec/option.ts'
import { defineSelector, type Route, type Selector, type SelectorContext } from '../contract.ts'

const options = {
  optional: list({ default: [], doc: 'Channels whose failure is only logged.' }),
}
type ReplicatingOptions = Options<typeof options>

export const replicating = defineSelector({
  type: 'replicating',
  aliases: ['org.apache.flume.channel.ReplicatingChannelSelector'],
  summary: 'Hands every event to every channel of the source.',
  options,
  // Flume: an optional channel that does not exist fails every event.
  channelsNamed: ({ optional }) => optional.map((channel) => ({ option: 'optional', channel })),
  create: (options, context) => new ReplicatingSelector(options, context),
})

class ReplicatingSelector implements Selector {
  readonly #routes: readonly Omit<Route, 'batch'>[]

  constructor(options: ReplicatingOptions, context: SelectorContext) {
    // An optional channel that repeats in the list counts once (P-08).
    const optional = new Set(options.optional.filter((channel) => context.channels.includes(channel)))
    this.#routes = [
      ...context.channels.filter((channel) => !optional.has(channel)).map((channel) => ({ channel, required: true })),
      ...[...optional].map((channel) => ({ channel, required: false })),
    ]
  }

  route(batch: EventBatch): readonly Route[] {
    return this.#routes.map(({ channel, required }) => ({ channel, required, batch }))
  }
}
