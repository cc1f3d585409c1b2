// A sink processor: says which sink of a group works next. One `process` of a sink is one take and one write.
import { defineSinkProcessor, type Processed } from 'flume-ts/agent'

export const sticky = defineSinkProcessor({
  type: 'sticky',
  aliases: [],
  summary: 'Stays with the sink that worked last, and goes to the next one when it fails.',
  options: {},
  create: (_options, { sinks }) => {
    let current = 0
    return {
      async process(): Promise<Processed> {
        for (let failures = 1; ; failures++) {
          try {
            return (await sinks[current]?.process()) ?? 'backoff'
          } catch (error) {
            // Its events are back in the channel: another sink may have them.
            current = (current + 1) % sinks.length
            if (failures >= sinks.length) throw error
          }
        }
      },
    }
  },
})
