import { bytes, choice } from './option.ts'

/** What a serializer that writes Avro containers can be told; each takes these. */
export const avroContainerOptions = {
  syncIntervalBytes: bytes({
    default: 2_048_000,
    // The limits of Java's writer.
    min: 32,
    max: 2 ** 30,
    doc: 'Size of a block before compression; one ends with each batch, too.',
  }),
  compressionCodec: choice({
    of: ['null', 'deflate', 'snappy', 'bzip2', 'zstandard'],
    default: 'null',
    doc: 'How blocks are compressed; zstandard needs Node 22.15.',
  }),
}
