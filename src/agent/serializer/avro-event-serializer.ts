import { AvroReader } from '../../codec/avro/binary.ts'
import { AvroContainerWriter, containerCodecProblem, containerSyncBytes } from '../../codec/avro/container.ts'
import { AvroSchema } from '../../codec/avro/schema.ts'
import { readAddress } from '../../net/read-address.ts'
import { avroContainerOptions } from '../../spec/avro-container-options.ts'
import { list, type Options, text } from '../../spec/option.ts'
import {
  defineSerializer,
  type EventBatch,
  FlumeError,
  type HeaderColumn,
  type Serializer,
  type SerializerContext,
} from '../contract.ts'

const options = {
  ...avroContainerOptions,
  schemaURL: text({
    optional: true,
    doc: 'Where the schema of events stands that bring none themselves: an http:, hdfs: or file: address.',
  }),
  schemaUrlPrefixes: list({
    default: [],
    doc: 'Beginnings of addresses that events may name in their header flume.avro.schema.url; any address when left out.',
  }),
}
type AvroEventSerializerOptions = Options<typeof options>

export const avroEventSerializer = defineSerializer({
  type: 'AvroEventSerializer',
  aliases: ['org.apache.flume.sink.hdfs.AvroEventSerializer'],
  summary:
    'Writes an Avro container of bodies that are Avro data already; the schema is named by the headers flume.avro.schema.url or flume.avro.schema.literal, or by schemaURL.',
  options,
  check: ({ compressionCodec }) => {
    const problem = containerCodecProblem(compressionCodec)
    return problem === undefined
      ? []
      : [{ option: 'compressionCodec', message: `${compressionCodec} cannot be used`, hint: problem }]
  },
  create: (options, context) => new AvroEventSerializer(options, context),
})

const urlHeader = 'flume.avro.schema.url'
const literalHeader = 'flume.avro.schema.literal'
const schemaBytesMax = 4 * 1024 * 1024
const schemaTimeoutMs = 30_000
const nothing = new Uint8Array(0)
/** Marks a key as the address of a schema, which no literal begins with. */
const byAddress = 'at '

/** One container. Its header comes with the first batch, as only that names the schema. */
class AvroEventSerializer implements Serializer {
  readonly appendable = false
  readonly #options: AvroEventSerializerOptions
  readonly #context: SerializerContext
  #open: { readonly key: string; readonly schema: AvroSchema; readonly container: AvroContainerWriter } | undefined

  constructor(options: AvroEventSerializerOptions, context: SerializerContext) {
    this.#options = options
    this.#context = context
  }

  begin(): Uint8Array {
    return nothing
  }

  end(): Uint8Array {
    return nothing
  }

  /** The text of each event's schema, or its address. Flume writes all into one file, with the schema of its first event. */
  fileKeys(batch: EventBatch): HeaderColumn {
    const urls = batch.headers.get(urlHeader)
    const literals = batch.headers.get(literalHeader)
    if (typeof urls === 'string') return byAddress + urls
    if (urls === undefined && typeof literals !== 'object') return literals ?? this.#byDefault()
    return Array.from({ length: batch.count }, (_, index) => this.#keyOf(batch, index))
  }

  /** Rejects INVALID_DATA for a body that its schema does not describe: it would hide all that follows it in the file. */
  async encode(batch: EventBatch): Promise<Uint8Array> {
    if (batch.count === 0) return nothing
    const isFirst = this.#open === undefined
    const { key, schema, container } = (this.#open ??= await this.#begin(this.#keyOf(batch, 0)))
    const { body, starts, ends } = batch
    for (let i = 0; i < batch.count; i++) {
      if (this.#keyOf(batch, i) !== key) {
        throw new FlumeError('INVALID_STATE', `event ${i + 1} of the batch has another schema than its file`)
      }
      checkBody(schema, body, starts[i] as number, ends[i] as number, i)
    }
    const blocks = container.blocks(batch.count, (writer, i) =>
      writer.fixed(body.subarray(starts[i] as number, ends[i] as number)),
    )
    return isFirst ? Buffer.concat([container.header(), blocks]) : blocks
  }

  #keyOf(batch: EventBatch, index: number): string {
    const url = batch.headerAt(urlHeader, index)
    if (url !== undefined) return byAddress + url
    return batch.headerAt(literalHeader, index) ?? this.#byDefault()
  }

  #byDefault(): string {
    const { schemaURL } = this.#options
    return schemaURL === undefined ? '' : byAddress + schemaURL
  }

  async #begin(key: string) {
    if (key === '') {
      throw new FlumeError('INVALID_DATA', `an event has neither the header ${urlHeader} nor ${literalHeader}`, {
        hint: 'set serializer.schemaURL, or let the source or an interceptor add one of them',
      })
    }
    const text = key.startsWith(byAddress) ? await this.#read(key.slice(byAddress.length)) : key
    const schema = AvroSchema.parse(text)
    const { syncIntervalBytes, compressionCodec } = this.#options
    const container = new AvroContainerWriter({
      // Without the blanks of whoever wrote it, as Java prints it.
      schema: JSON.stringify(JSON.parse(text)),
      codec: compressionCodec,
      sync: Uint8Array.from({ length: containerSyncBytes }, () => Math.floor(this.#context.random() * 256)),
      syncIntervalBytes,
    })
    return { key, schema, container }
  }

  async #read(address: string): Promise<string> {
    const { schemaURL, schemaUrlPrefixes } = this.#options
    const isAllowed =
      address === schemaURL ||
      schemaUrlPrefixes.length === 0 ||
      schemaUrlPrefixes.some((prefix) => address.startsWith(prefix))
    if (!isAllowed) {
      throw new FlumeError('REFUSED', `an event names the schema ${JSON.stringify(address)}`, {
        hint: `serializer.schemaUrlPrefixes allows ${schemaUrlPrefixes.join(', ')}`,
      })
    }
    const { settings, clock } = this.#context
    const { mounts, env } = settings
    const bytes = await readAddress(address, {
      mounts,
      env,
      clock,
      bytesMax: schemaBytesMax,
      timeoutMs: schemaTimeoutMs,
    })
    return Buffer.from(bytes).toString()
  }
}

function checkBody(schema: AvroSchema, body: Uint8Array, start: number, end: number, index: number): void {
  const reader = new AvroReader(body, start, end)
  let problem = ''
  try {
    schema.skip(reader)
    if (reader.at < end) problem = `${end - reader.at} bytes are left over`
  } catch (error) {
    problem = (error as Error).message
  }
  if (problem === '') return
  throw new FlumeError('INVALID_DATA', `the body of event ${index + 1} of the batch is not of its schema: ${problem}`, {
    hint: 'bodies must be Avro data of the schema that their headers name',
  })
}
