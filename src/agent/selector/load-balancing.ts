import type { EventBatch } from '../../core/event-batch.ts'
import { choice, type Options } from '../../spec/option.ts'
import { defineSelector, type Route, type Selector, type SelectorContext } from '../contract.ts'

const options = {
  policy: choice({
    of: ['round_robin', 'random'],
    default: 'round_robin',
    doc: 'Channels in turn, or one by chance for each event.',
  }),
}
type LoadBalancingOptions = Options<typeof options>

export const loadBalancing = defineSelector({
  type: 'load_balancing',
  aliases: ['org.apache.flume.channel.LoadBalancingChannelSelector'],
  summary: 'Hands each event to exactly one of the channels.',
  options,
  create: (options, context) => new LoadBalancingSelector(options, context),
})

class LoadBalancingSelector implements Selector {
  readonly #context: SelectorContext
  readonly #byChance: boolean
  #next = 0

  constructor({ policy }: LoadBalancingOptions, context: SelectorContext) {
    this.#context = context
    this.#byChance = policy === 'random'
  }

  /** P-11: a batch is split event by event. */
  route(batch: EventBatch): readonly Route[] {
    const { channels, random } = this.#context
    const chosen: number[][] = channels.map(() => [])
    for (let i = 0; i < batch.count; i++) {
      chosen[this.#byChance ? Math.floor(random() * channels.length) : this.#next]?.push(i)
      if (!this.#byChance) this.#next = (this.#next + 1) % channels.length
    }
    return channels.flatMap((channel, index) => {
      const indices = chosen[index] as number[]
      if (indices.length === 0) return []
      return [{ channel, required: true, batch: indices.length === batch.count ? batch : batch.select(indices) }]
    })
  }
}
