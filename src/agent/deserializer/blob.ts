import { bytes, type Options } from '../../spec/option.ts'
import { type Deserializer, type DeserializerInput, defineDeserializer, EventBatch, FlumeError } from '../contract.ts'

const options = {
  maxBlobLength: bytes({
    default: 100_000_000,
    min: 1,
    max: 2 ** 31 - 1,
    doc: 'Largest event; a longer file becomes several.',
  }),
}
type BlobOptions = Options<typeof options>

export const blob = defineDeserializer({
  type: 'BlobDeserializer',
  aliases: [
    'org.apache.flume.sink.solr.morphline.BlobDeserializer$Builder',
    'org.apache.flume.sink.solr.morphline.BlobDeserializer',
  ],
  summary: 'Makes each file one event.',
  options,
  create: (options, input) => new BlobDeserializer(options, input),
})

/** Small pieces of a file share a batch up to this size; larger ones come alone. */
const batchBytesMax = 16 * 1024 * 1024

class BlobDeserializer implements Deserializer {
  readonly #maxBytes: number
  readonly #input: DeserializerInput
  #position: number

  constructor({ maxBlobLength }: BlobOptions, input: DeserializerInput) {
    this.#maxBytes = maxBlobLength
    this.#input = input
    this.#position = input.offset
    if (input.sizeBytes - input.offset > maxBlobLength) {
      input.log.warn(`${input.path} is longer than maxBlobLength (${maxBlobLength}) and becomes several events`)
    }
  }

  /** Rejects INVALID_DATA when the file has become shorter. */
  async read(max: number): Promise<{ readonly batch: EventBatch; readonly offset: number } | undefined> {
    const left = this.#input.sizeBytes - this.#position
    if (left <= 0) return undefined
    const count = Math.min(
      max,
      Math.max(1, Math.floor(batchBytesMax / this.#maxBytes)),
      Math.ceil(left / this.#maxBytes),
    )
    const body = Buffer.allocUnsafeSlow(Math.min(left, count * this.#maxBytes))
    for (let filled = 0; filled < body.length; ) {
      const got = await this.#input.read(body.subarray(filled), this.#position + filled)
      if (got === 0) throw new FlumeError('INVALID_DATA', `${this.#input.path} has become shorter while it was read`)
      filled += got
    }
    const starts = Uint32Array.from({ length: count }, (_, index) => index * this.#maxBytes)
    const ends = Uint32Array.from(starts, (start) => Math.min(start + this.#maxBytes, body.length))
    this.#position += body.length
    return { batch: new EventBatch(body, starts, ends), offset: this.#position }
  }
}
