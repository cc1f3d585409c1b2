import type { EventBatch } from '../../core/event-batch.ts'
import { list, type Options, prefix, text } from '../../spec/option.ts'
import { defineSelector, type Route, type Selector, type SelectorContext } from '../contract.ts'

const options = {
  header: text({ default: 'flume.selector.header', doc: 'The header that decides.' }),
  'mapping.': prefix({ doc: '`mapping.VALUE` lists the channels for events whose header is exactly that value.' }),
  default: list({
    default: [],
    doc: 'Channels for events without the header, with a blank one, or with a value that has no mapping. Without it they go nowhere.',
  }),
  'optional.': prefix({ doc: '`optional.VALUE` lists further channels whose failure is only logged.' }),
}
type MultiplexingOptions = Options<typeof options>

export const multiplexing = defineSelector({
  type: 'multiplexing',
  aliases: ['org.apache.flume.channel.MultiplexingChannelSelector'],
  summary: 'Chooses the channels of each event by the value of a header.',
  options,
  channelsNamed: (options) => [
    ...options.default.map((channel) => ({ option: 'default', channel })),
    ...(['mapping.', 'optional.'] as const).flatMap((stem) =>
      Object.entries(options[stem]).flatMap(([value, names]) =>
        words(names).map((channel) => ({ option: stem + value, channel })),
      ),
    ),
  ],
  create: (options, context) => new MultiplexingSelector(options, context),
})

/** Flume: names are separated by exactly one blank each. */
function words(names: string): readonly string[] {
  return [...new Set(names.split(/\s+/).filter((name) => name !== ''))]
}

/** Where the events of one header value go. */
interface Way {
  readonly required: readonly string[]
  readonly optional: readonly string[]
}

class MultiplexingSelector implements Selector {
  readonly #header: string
  readonly #ways = new Map<string, Way>()
  readonly #otherwise: Way
  readonly #dropped: SelectorContext['dropped']

  constructor(options: MultiplexingOptions, { dropped }: SelectorContext) {
    this.#header = options.header
    this.#dropped = dropped
    this.#otherwise = { required: options.default, optional: [] }
    const [mapping, optional] = [options['mapping.'], options['optional.']]
    for (const value of new Set([...Object.keys(mapping), ...Object.keys(optional)])) {
      const mapped = Object.hasOwn(mapping, value) ? words(mapping[value] as string) : []
      const required = mapped.length > 0 ? mapped : options.default
      const further = Object.hasOwn(optional, value) ? words(optional[value] as string) : []
      // P-10: what is required already is not optional too.
      this.#ways.set(value, { required, optional: further.filter((channel) => !required.includes(channel)) })
    }
  }

  route(batch: EventBatch): readonly Route[] {
    const column = batch.headers.get(this.#header)
    if (typeof column !== 'object') return this.#whole(batch, this.#wayOf(column))
    const chosen = { required: new Map<string, number[]>(), optional: new Map<string, number[]>() }
    let nowhere = 0
    for (let i = 0; i < batch.count; i++) {
      const way = this.#wayOf(column[i])
      if (way.required.length === 0 && way.optional.length === 0) nowhere++
      for (const channel of way.required) put(chosen.required, channel, i)
      for (const channel of way.optional) put(chosen.optional, channel, i)
    }
    if (nowhere > 0) this.#dropped(nowhere)
    return [...routes(chosen.required, batch, true), ...routes(chosen.optional, batch, false)]
  }

  #wayOf(value: string | undefined): Way {
    return (value === undefined ? undefined : this.#ways.get(value)) ?? this.#otherwise
  }

  #whole(batch: EventBatch, { required, optional }: Way): readonly Route[] {
    if (required.length === 0 && optional.length === 0) this.#dropped(batch.count)
    return [
      ...required.map((channel) => ({ channel, batch, required: true })),
      ...optional.map((channel) => ({ channel, batch, required: false })),
    ]
  }
}

function put(chosen: Map<string, number[]>, channel: string, index: number): void {
  const indices = chosen.get(channel)
  if (indices) indices.push(index)
  else chosen.set(channel, [index])
}

/** One transaction per channel, in order of first use (P-01). */
function routes(chosen: ReadonlyMap<string, number[]>, batch: EventBatch, required: boolean): readonly Route[] {
  return [...chosen].map(([channel, indices]) => {
    const first = indices[0] as number
    const isRange = (indices.at(-1) as number) - first === indices.length - 1
    return { channel, required, batch: isRange ? batch.slice(first, first + indices.length) : batch.select(indices) }
  })
}
