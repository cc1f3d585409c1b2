// A source: an event each interval. `run` goes on until the signal aborts; `deliver` resolves once the channels have it.
import { defineSource, EventBatch, millis, type Source, text } from 'flume-ts/agent'

export const ticker = defineSource({
  type: 'ticker',
  aliases: [],
  summary: 'Says the same again and again.',
  options: {
    intervalMs: millis({ default: 1000, min: 1, doc: 'Time between two events.' }),
    say: text({ doc: 'The body of every event.' }),
  },
  create: ({ intervalMs, say }, { clock, signal, deliver, ready }): Source => ({
    async run() {
      ready(`a clock that ticks every ${intervalMs} ms`)
      while (!signal.aborted) {
        await deliver(EventBatch.of([{ body: say }]))
        await clock.sleep(intervalMs, signal).catch(() => undefined)
      }
    },
  }),
})
