// Parquet, through the optional package hyparquet-writer. Columns come from an Avro schema; what is nullable there is
// optional here, lists and maps have the three levels that Spark writes.
import { gzipSync } from 'node:zlib'
import { AvroWriter } from '../../codec/avro/binary.ts'
import { AvroEncoder } from '../../codec/avro/encode.ts'
import { FlumeError } from '../../core/error.ts'
import type { FileEncoder } from './file-encoder.ts'
import { rowOf } from './row.ts'

const packageName: string = 'hyparquet-writer'
const install = `npm install ${packageName}@0.17.0`

/** What is used of the package. */
interface Library {
  readonly ByteWriter: new () => ByteWriter
  readonly ParquetWriter: new (options: {
    readonly writer: ByteWriter
    readonly schema: readonly Element[]
    readonly codec: string
    readonly compressors: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>>
    readonly createdBy: string
  }) => {
    write(rows: { readonly columnData: readonly Column[]; readonly rowGroupSize: number }): unknown
    finish(): unknown
  }
}

interface ByteWriter {
  /** Bytes in its buffer; 0 empties it. */
  index: number
  getBytes(): Uint8Array
}

interface Column {
  readonly name: string
  readonly data: unknown[]
}

/** A node of Parquet's schema, which is a list of nodes, each before its children. */
interface Element {
  readonly name: string
  readonly type?: string
  readonly type_length?: number
  readonly converted_type?: string
  readonly repetition_type?: 'REQUIRED' | 'OPTIONAL' | 'REPEATED'
  readonly num_children?: number
}

/** How many rows, or bytes of them as Avro, make a row group. */
const groupRows = 100_000
const groupBytes = 16 * 1024 * 1024

/** Rejects UNSUPPORTED with the line to type when the package is not installed, and for a schema that Parquet has no columns for. */
export async function openParquet(schema: string, codec: string): Promise<FileEncoder> {
  return new ParquetEncoder(await loadLibrary(), schema, codec)
}

/** Rejects UNSUPPORTED with the line to type when the package is not installed. */
export async function loadLibrary(name = packageName): Promise<Library> {
  try {
    return (await import(name)) as Library
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new FlumeError('UNSUPPORTED', `Parquet files need the package ${packageName}, which is not installed`, {
      hint: `type: ${install}`,
      cause,
    })
  }
}

class ParquetEncoder implements FileEncoder {
  readonly #buffer: ByteWriter
  readonly #file: InstanceType<Library['ParquetWriter']>
  readonly #fields: readonly Field[]
  /** Says what does not fit into the schema, and how much has come together. */
  readonly #checker: AvroEncoder
  #scratch = new AvroWriter()
  #bytes = 0
  #rows: Readonly<Record<string, unknown>>[] = []

  constructor({ ByteWriter, ParquetWriter }: Library, schema: string, codec: string) {
    this.#checker = AvroEncoder.of(schema)
    this.#fields = new Columns().of(JSON.parse(schema))
    this.#buffer = new ByteWriter()
    this.#file = new ParquetWriter({
      writer: this.#buffer,
      schema: [
        { name: 'root', num_children: this.#fields.length },
        ...this.#fields.flatMap(({ elements }) => elements),
      ],
      codec: codec.toUpperCase(),
      compressors: { GZIP: (bytes) => gzipSync(bytes) },
      createdBy: 'flume-ts',
    })
  }

  add(record: unknown): boolean {
    const row = rowOf(record)
    this.#checker.write(this.#scratch, row)
    if (this.#scratch.length >= 1024 * 1024) {
      this.#bytes += this.#scratch.length
      this.#scratch = new AvroWriter()
    }
    this.#rows.push(row)
    return this.#rows.length >= groupRows || this.#bytes >= groupBytes
  }

  take(isLast: boolean): Uint8Array {
    const rows = this.#rows
    if (rows.length > 0) {
      this.#file.write({
        columnData: this.#fields.map(({ name, of }) => ({ name, data: rows.map((row) => of(row[name])) })),
        rowGroupSize: rows.length,
      })
    }
    this.#rows = []
    this.#bytes = 0
    if (isLast) this.#file.finish()
    const bytes = Uint8Array.from(this.#buffer.getBytes())
    this.#buffer.index = 0
    return bytes
  }
}

type Json = unknown
type JsonObject = Readonly<Record<string, Json>>

interface Field {
  readonly name: string
  readonly elements: readonly Element[]
  /** A value, already checked, in the form in which the package takes it. */
  of(value: unknown): unknown
}

type Leaf = readonly [element: Omit<Element, 'name'>, of: (value: unknown) => unknown]

const itself = (value: unknown): unknown => value
const toBigInt = (value: unknown): unknown => BigInt(value as number)
const toNumber = (value: unknown): unknown => Number(value)
/** Dates the package takes as they are. */
const orDate =
  (of: (value: unknown) => unknown) =>
  (value: unknown): unknown =>
    value instanceof Date ? value : of(value)

const leaves: Readonly<Record<string, Leaf>> = {
  boolean: [{ type: 'BOOLEAN' }, itself],
  int: [{ type: 'INT32' }, toNumber],
  long: [{ type: 'INT64' }, toBigInt],
  float: [{ type: 'FLOAT' }, itself],
  double: [{ type: 'DOUBLE' }, itself],
  bytes: [{ type: 'BYTE_ARRAY' }, itself],
  string: [{ type: 'BYTE_ARRAY', converted_type: 'UTF8' }, itself],
}

const logicalLeaves: Readonly<Record<string, Leaf>> = {
  'date int': [{ type: 'INT32', converted_type: 'DATE' }, orDate(toNumber)],
  'timestamp-millis long': [{ type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' }, orDate(toBigInt)],
  'timestamp-micros long': [{ type: 'INT64', converted_type: 'TIMESTAMP_MICROS' }, orDate(toBigInt)],
}

/** Turns a schema of Avro, which has been checked, into columns. */
class Columns {
  readonly #named = new Map<string, Json>()
  readonly #open = new Set<Json>()

  of(schema: Json): Field[] {
    const type = schema as JsonObject
    if (type['type'] !== 'record') throw unfit('the schema is not that of a record')
    this.#named.set(type['name'] as string, type)
    return this.#fields(type)
  }

  #fields(record: JsonObject): Field[] {
    if (this.#open.has(record)) throw unfit(`the record ${record['name']} holds itself`)
    this.#open.add(record)
    const fields = (record['fields'] as JsonObject[]).map((field) =>
      this.#field(field['name'] as string, field['type']),
    )
    this.#open.delete(record)
    if (fields.length === 0) throw unfit(`the record ${record['name']} has no fields`)
    return fields
  }

  #field(name: string, schema: Json, isOptional = false): Field {
    const repetition_type = isOptional ? 'OPTIONAL' : 'REQUIRED'
    const maybe =
      (of: (value: never) => unknown) =>
      (value: unknown): unknown =>
        value === null || value === undefined ? undefined : of(value as never)
    if (Array.isArray(schema)) {
      const others = schema.filter((branch) => branch !== 'null')
      if (others.length !== 1) throw unfit(`${name} may be of several types`)
      return this.#field(name, others[0], others.length < schema.length)
    }
    if (typeof schema === 'string') {
      const leaf = leaves[schema]
      if (!leaf) return this.#field(name, this.#known(schema), isOptional)
      return { name, elements: [{ name, repetition_type, ...leaf[0] }], of: maybe(leaf[1]) }
    }
    const type = schema as JsonObject
    if (typeof type['name'] === 'string') this.#named.set(type['name'], type)
    switch (type['type']) {
      case 'record': {
        const fields = this.#fields(type)
        return {
          name,
          elements: [
            { name, repetition_type, num_children: fields.length },
            ...fields.flatMap(({ elements }) => elements),
          ],
          of: maybe((value: JsonObject) =>
            Object.fromEntries(fields.map((field) => [field.name, field.of(value[field.name])])),
          ),
        }
      }
      case 'enum':
        return this.#field(name, 'string', isOptional)
      case 'fixed':
        return {
          name,
          elements: [{ name, repetition_type, type: 'FIXED_LEN_BYTE_ARRAY', type_length: type['size'] as number }],
          of: maybe(itself),
        }
      case 'array': {
        const item = this.#field('element', type['items'])
        return {
          name,
          elements: [
            { name, repetition_type, converted_type: 'LIST', num_children: 1 },
            { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
            ...item.elements,
          ],
          of: maybe((value: Iterable<unknown>) => Array.from(value, item.of)),
        }
      }
      case 'map': {
        const item = this.#field('value', type['values'])
        return {
          name,
          elements: [
            { name, repetition_type, converted_type: 'MAP', num_children: 1 },
            { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
            { name: 'key', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
            ...item.elements,
          ],
          of: maybe((value: ReadonlyMap<string, unknown> | JsonObject) => {
            const entries = value instanceof Map ? [...value] : Object.entries(value)
            return new Map(entries.map(([key, one]) => [key, item.of(one)]))
          }),
        }
      }
      default: {
        const leaf = logicalLeaves[`${type['logicalType']} ${type['type']}`]
        if (!leaf) return this.#field(name, type['type'], isOptional)
        return { name, elements: [{ name, repetition_type, ...leaf[0] }], of: maybe(leaf[1]) }
      }
    }
  }

  #known(name: string): Json {
    const found = this.#named.get(name) ?? this.#named.get(name.slice(name.lastIndexOf('.') + 1))
    if (found === undefined) throw unfit(`there are no columns for the type ${name}`)
    return found
  }
}

function unfit(problem: string): FlumeError {
  return new FlumeError('UNSUPPORTED', `saveAsFiles: Parquet cannot have this schema: ${problem}`)
}
