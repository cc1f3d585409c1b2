import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { AvroWriter } from '../../codec/avro/binary.ts'
import { AvroContainerWriter, type ContainerCodec, containerSyncBytes } from '../../codec/avro/container.ts'
import { AvroEncoder } from '../../codec/avro/encode.ts'
import { FlumeError } from '../../core/error.ts'
import { type Shape, textForm } from '../text-form.ts'
import { CsvLines } from './csv.ts'
import type { FileEncoder } from './file-encoder.ts'
import type { OutputFormat } from './format.ts'
import { jsonLine } from './json.ts'
import { openParquet } from './parquet.ts'
import { rowOf } from './row.ts'

/** Bytes of records collected before they are handed to the file system. */
const flushBytes = 256 * 1024

/** Rejects UNSUPPORTED when a format needs what is not installed. */
export async function openEncoder(format: OutputFormat, uri: string, shape: Shape): Promise<FileEncoder> {
  switch (format.kind) {
    case 'text':
      return new LineEncoder(format.isGzip, (record) => `${textForm(record, shape)}\n`)
    case 'json':
      return new LineEncoder(format.isGzip, (record) => `${jsonLine(record)}\n`)
    case 'csv': {
      const { columns, delimiter, header, isGzip } = format
      const lines = new CsvLines(columns ?? [], delimiter)
      return new LineEncoder(isGzip, (record) => lines.line(record), header && columns ? lines.header() : '')
    }
    case 'avro':
      return new ContainerEncoder(format.schema, format.codec as ContainerCodec, uri)
    case 'parquet':
      return openParquet(format.schema, format.codec)
  }
}

class LineEncoder implements FileEncoder {
  readonly #isGzip: boolean
  readonly #lineOf: (record: unknown) => string
  #text: string
  #hasWritten = false

  constructor(isGzip: boolean, lineOf: (record: unknown) => string, head = '') {
    this.#isGzip = isGzip
    this.#lineOf = lineOf
    this.#text = head
  }

  add(record: unknown): boolean {
    this.#text += this.#lineOf(record)
    return this.#text.length >= flushBytes
  }

  take(): Uint8Array {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    // A file without any gzip member is none that Hadoop could read.
    if (!this.#isGzip || (bytes.length === 0 && this.#hasWritten)) return bytes
    this.#hasWritten = true
    return gzipSync(bytes)
  }
}

class ContainerEncoder implements FileEncoder {
  readonly #encoder: AvroEncoder
  readonly #container: AvroContainerWriter
  #starts: number[] = []
  #writer = new AvroWriter(flushBytes)
  #head: Uint8Array | undefined

  constructor(schema: string, codec: ContainerCodec, uri: string) {
    this.#encoder = AvroEncoder.of(schema)
    // A rerun writes the very same file: its marker comes from its name.
    const sync = createHash('sha256').update(uri).digest().subarray(0, containerSyncBytes)
    this.#container = new AvroContainerWriter({ schema, codec, sync })
    this.#head = this.#container.header()
  }

  add(record: unknown): boolean {
    this.#starts.push(this.#writer.length)
    this.#encoder.write(this.#writer, rowOf(record))
    return this.#writer.length >= flushBytes
  }

  take(): Uint8Array {
    const bytes = this.#writer.finish()
    const starts = this.#starts
    const blocks = this.#container.blocks(starts.length, (writer, i) =>
      writer.fixed(bytes.subarray(starts[i], starts[i + 1] ?? bytes.length)),
    )
    this.#writer = new AvroWriter(flushBytes)
    this.#starts = []
    const head = this.#head
    this.#head = undefined
    return head ? Buffer.concat([head, blocks]) : blocks
  }
}

/** Why a null is no record (B63). */
export function checkRecord(record: unknown, kind: OutputFormat['kind']): void {
  if (record !== null && record !== undefined) return
  if (kind === 'text') throw new TypeError('a null record cannot be saved as text')
  throw new FlumeError('INVALID_DATA', `a null record cannot be saved as ${kind}`)
}
