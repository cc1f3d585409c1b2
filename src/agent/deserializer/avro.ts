import { AvroReader } from '../../codec/avro/binary.ts'
import { AvroContainerReader } from '../../codec/avro/container.ts'
import { AvroSchema } from '../../codec/avro/schema.ts'
import { choice, type Options } from '../../spec/option.ts'
import {
  type Deserializer,
  type DeserializerInput,
  defineDeserializer,
  EventBatch,
  FlumeError,
  type HeaderColumn,
} from '../contract.ts'

const options = {
  schemaType: choice({
    of: ['HASH', 'LITERAL'],
    default: 'HASH',
    doc: 'What tells the schema of an event: its fingerprint (CRC-64-AVRO, hexadecimal) in the header flume.avro.schema.hash, or all of it in flume.avro.schema.literal.',
  }),
}
type AvroOptions = Options<typeof options>

export const avro = defineDeserializer({
  type: 'avro',
  aliases: [
    'org.apache.flume.serialization.AvroEventDeserializer$Builder',
    'org.apache.flume.serialization.AvroEventDeserializer',
  ],
  summary: 'Makes each value of an Avro container one event; the body is the value as Avro writes it.',
  options,
  create: (options, input) => new AvroDeserializer(options, input),
})

/** A block's bytes bound its values, unless these have none. */
const emptyValuesMax = 1_000_000

/** The block that is handed out: its values from `next` on are still to come. */
interface OpenBlock {
  readonly start: number
  readonly end: number
  readonly count: number
  readonly reader: AvroReader
  next: number
}

/**
 * A position is where a block begins, and in the middle of it as many bytes behind that as values of it were handed out: no
 * value has less than a byte but in blocks that are compressed very well, of which the rest then comes again. Flume's own
 * positions lie near the end of a block and are read as that.
 */
class AvroDeserializer implements Deserializer {
  readonly #options: AvroOptions
  readonly #input: DeserializerInput
  #open:
    | {
        readonly container: AvroContainerReader
        readonly schema: AvroSchema
        readonly headers: ReadonlyMap<string, HeaderColumn>
      }
    | undefined
  #position: number
  #block: OpenBlock | undefined
  #failure: FlumeError | undefined

  constructor(options: AvroOptions, input: DeserializerInput) {
    this.#options = options
    this.#input = input
    this.#position = input.offset
  }

  /** Rejects INVALID_DATA at a place that is no Avro, after the values before it have been handed out; LIMIT, UNSUPPORTED. */
  async read(max: number): Promise<{ readonly batch: EventBatch; readonly offset: number } | undefined> {
    const { container, schema, headers } = (this.#open ??= await this.#begin())
    while (!this.#block) {
      const block = await this.#at(container.block(this.#position))
      if (!block) return undefined
      if (schema.isEmpty && block.count > emptyValuesMax)
        throw new FlumeError('LIMIT', `${this.#input.path}: ${block.count} values without a byte in one block`)
      this.#position = block.end
      if (block.count > 0) this.#block = { ...block, reader: new AvroReader(block.data), next: 0 }
    }
    if (this.#failure) throw this.#failure
    return this.#take(this.#block, schema, max, headers)
  }

  #take(
    block: OpenBlock,
    schema: AvroSchema,
    max: number,
    headers: ReadonlyMap<string, HeaderColumn>,
  ): { readonly batch: EventBatch; readonly offset: number } {
    const { reader } = block
    const most = Math.min(max, block.count - block.next)
    const starts = new Uint32Array(most)
    const ends = new Uint32Array(most)
    let count = 0
    try {
      for (; count < most; count++) {
        starts[count] = reader.at
        schema.skip(reader)
        ends[count] = reader.at
      }
    } catch (cause) {
      this.#failure = this.#broken(cause, block.next + count, block)
      if (count === 0) throw this.#failure
    }
    block.next += count
    const isDone = block.next === block.count
    if (isDone) this.#block = undefined
    return {
      batch: new EventBatch(reader.bytes, starts.subarray(0, count), ends.subarray(0, count), headers),
      offset: isDone ? block.end : block.start + Math.min(block.next, block.end - block.start - 1),
    }
  }

  async #begin() {
    const container = await this.#at(AvroContainerReader.open(this.#input))
    const { schema: text, endBytes } = container.header
    const schema = await this.#at(Promise.resolve().then(() => AvroSchema.parse(text)))
    const header =
      this.#options.schemaType === 'HASH'
        ? (['flume.avro.schema.hash', schema.fingerprint().toString('hex')] as const)
        : (['flume.avro.schema.literal', text] as const)
    const open = { container, schema, headers: new Map([header]) }
    await this.#seek(container, schema, endBytes)
    return open
  }

  /** Goes on where an earlier run has stopped. */
  async #seek(container: AvroContainerReader, schema: AvroSchema, firstBlock: number): Promise<void> {
    const wanted = this.#position
    this.#position = firstBlock
    while (this.#position < wanted) {
      const place = await this.#at(container.place(this.#position))
      if (!place) return
      if (place.end > wanted) break
      this.#position = place.end
    }
    const given = wanted - this.#position
    if (given <= 0) return
    const block = await this.#at(container.block(this.#position))
    if (!block) return
    this.#position = block.end
    if (given >= block.count) return
    const reader = new AvroReader(block.data)
    this.#block = { ...block, reader, next: given }
    try {
      for (let i = 0; i < given; i++) schema.skip(reader)
    } catch (cause) {
      throw this.#broken(cause, 0, this.#block)
    }
  }

  async #at<T>(done: Promise<T>): Promise<T> {
    try {
      return await done
    } catch (error) {
      if (!(error instanceof FlumeError)) throw error
      throw new FlumeError(error.code, `${this.#input.path}: ${error.message}`, {
        cause: error,
        hint: error.hint ?? 'the file must be an Avro container that is whole',
      })
    }
  }

  #broken(cause: unknown, index: number, { start }: OpenBlock): FlumeError {
    return new FlumeError(
      'INVALID_DATA',
      `${this.#input.path}: value ${index + 1} of the block at byte ${start} is not of the file's schema: ${(cause as Error).message}`,
      { cause, hint: 'take the file away, or repair it' },
    )
  }
}
