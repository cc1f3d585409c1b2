import { compressWith, type HadoopCodec } from '../../../codec/compression/hadoop.ts'
import type { EventBatch, HeaderColumn, Serializer } from '../../contract.ts'

const nothing = new Uint8Array(0)

/**
 * What another serializer writes, compressed: each batch is a member of its own (H-24), so that what is confirmed can be
 * read while the file is still open, and a torn end can be told from what was there before.
 */
export class CompressedSerializer implements Serializer {
  readonly appendable: boolean
  readonly #inner: Serializer
  readonly #codec: HadoopCodec
  #hasBegun = false

  constructor(inner: Serializer, codec: HadoopCodec) {
    this.#inner = inner
    this.#codec = codec
    this.appendable = inner.appendable
  }

  /** Nothing: what the file begins with is part of the first batch's member. */
  begin(): Uint8Array {
    return nothing
  }

  async encode(batch: EventBatch): Promise<Uint8Array> {
    const plain = await this.#inner.encode(batch)
    const begin = this.#hasBegun ? nothing : this.#inner.begin()
    this.#hasBegun = true
    return compressWith(this.#codec, begin.length > 0 ? Buffer.concat([begin, plain]) : plain)
  }

  end(): Uint8Array {
    const plain = this.#inner.end()
    return plain.length > 0 ? this.#codec.compress(plain) : nothing
  }

  fileKeys(batch: EventBatch): HeaderColumn {
    return this.#inner.fileKeys?.(batch) ?? ''
  }
}
