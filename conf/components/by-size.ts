// A selector: says which channels get which events of a batch.
import { bytes, defineSelector, type Route } from 'flume-ts/agent'

export const bySize = defineSelector({
  type: 'by-size',
  aliases: [],
  summary: 'Small bodies go to the first channel of the source, large ones to the last.',
  options: { limit: bytes({ default: 1024, doc: 'Largest small body.' }) },
  create: ({ limit }, { channels }) => ({
    route(batch): readonly Route[] {
      const isSmall = (i: number): boolean => batch.bodyAt(i).length <= limit
      const all = Array.from({ length: batch.count }, (_, i) => i)
      const pieces = [
        [channels[0], all.filter(isSmall)],
        [channels.at(-1), all.filter((i) => !isSmall(i))],
      ] as const
      return pieces.flatMap(([channel, indices]) =>
        channel === undefined || indices.length === 0
          ? []
          : [{ channel, batch: batch.select(indices), required: true }],
      )
    },
  }),
})
