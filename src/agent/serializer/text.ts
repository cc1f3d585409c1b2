import { EventLines } from '../../codec/event-lines.ts'
import { flag } from '../../spec/option.ts'
import { defineSerializer } from '../contract.ts'

const options = {
  appendNewline: flag({ default: true, doc: 'End every body with a newline.' }),
}

export const text = defineSerializer({
  type: 'text',
  aliases: ['org.apache.flume.serialization.BodyTextEventSerializer', 'BodyTextEventSerializer'],
  summary: 'Writes the bodies, one a line; headers are left out.',
  options,
  create: ({ appendNewline }) => new EventLines(appendNewline),
})
