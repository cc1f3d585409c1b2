// A serializer: turns batches into the bytes of a file.
import { defineSerializer, type Serializer } from 'flume-ts/agent'

const nothing = new Uint8Array(0)

export const jsonLines = defineSerializer({
  type: 'json-lines',
  aliases: [],
  summary: 'One JSON object a line: headers and body.',
  options: {},
  create: (): Serializer => ({
    appendable: true,
    begin: () => nothing,
    end: () => nothing,
    encode: (batch) =>
      Buffer.from(
        [...batch.events()]
          .map(({ headers, body }) => `${JSON.stringify({ headers, body: Buffer.from(body).toString() })}\n`)
          .join(''),
      ),
  }),
})
