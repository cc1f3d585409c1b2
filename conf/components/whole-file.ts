// A deserializer: cuts a file into events, and says how far it has come.
import { bytes, type Deserializer, defineDeserializer, EventBatch, FlumeError } from 'flume-ts/agent'

export const wholeFile = defineDeserializer({
  type: 'whole-file',
  aliases: [],
  summary: 'Makes one event of each file.',
  options: { maxBytes: bytes({ default: 1_048_576, doc: 'Largest file.' }) },
  create: ({ maxBytes }, { path, sizeBytes, offset, read }): Deserializer => {
    let at = offset
    return {
      async read() {
        if (at >= sizeBytes) return undefined
        if (sizeBytes > maxBytes) throw new FlumeError('LIMIT', `${path} has more than ${maxBytes} bytes`)
        const body = new Uint8Array(sizeBytes - at)
        for (let filled = 0; filled < body.length; ) {
          const count = await read(body.subarray(filled), at + filled)
          if (count === 0) throw new FlumeError('IO', `${path} has become shorter`)
          filled += count
        }
        at = sizeBytes
        return { batch: EventBatch.of([{ body }]), offset: at }
      },
    }
  },
})
