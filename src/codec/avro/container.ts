// Avro's object container file.
//
//   file     := "Obj" 01  map of metadata (avro.schema, avro.codec, …)  sync  block…
//   block    := long count  long length  data  sync            data: `count` values of the schema, compressed
//   sync     := 16 bytes that are different in every file
//   data     := as it is (null) | raw DEFLATE | raw Snappy, uint32 CRC-32 of what it stands for | bzip2 | Zstandard
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { FlumeError } from '../../core/error.ts'
import { bzip2Compress, bzip2Uncompress } from '../compression/bzip2.ts'
import { snappyCompress, snappyUncompress } from '../compression/snappy.ts'
import { hasZstd, uncompressError, zstdCompress, zstdHint, zstdUncompress } from '../compression/zstd.ts'
import { asBuffer } from '../text-range.ts'
import { AvroReader, AvroWriter } from './binary.ts'

export const containerMagic = Buffer.from('Obj\x01', 'latin1')
export const containerSyncBytes = 16
/** Data bytes after which Java's writer ends a block. */
export const syncIntervalBytesDefault = 64_000

const codecs: Readonly<
  Record<string, { compress(data: Uint8Array): Uint8Array; uncompress(data: Buffer, bytesMax: number): Uint8Array }>
> = {
  null: { compress: (data) => data, uncompress: (data) => data },
  deflate: {
    compress: (data) => deflateRawSync(data),
    uncompress: (data, bytesMax) => {
      try {
        return inflateRawSync(data, { maxOutputLength: Math.max(1, bytesMax) })
      } catch (cause) {
        throw uncompressError('DEFLATE', bytesMax, cause)
      }
    },
  },
  snappy: {
    compress: (data) => {
      const packed = snappyCompress(data)
      const checksum = Buffer.alloc(4)
      checksum.writeUInt32BE(crc32(data))
      return Buffer.concat([packed, checksum])
    },
    uncompress: (data, bytesMax) => {
      if (data.length < 4) throw broken('a Snappy block without its checksum')
      const plain = snappyUncompress(data.subarray(0, -4), bytesMax)
      if (crc32(plain) !== data.readUInt32BE(data.length - 4)) throw broken('the checksum of a Snappy block is wrong')
      return plain
    },
  },
  bzip2: { compress: bzip2Compress, uncompress: bzip2Uncompress },
  zstandard: { compress: zstdCompress, uncompress: zstdUncompress },
}

/** How blocks can be compressed, by the names that stand in the files. */
export const containerCodecs = ['null', 'deflate', 'snappy', 'bzip2', 'zstandard'] as const
export type ContainerCodec = (typeof containerCodecs)[number]

/** Why a codec cannot be used here; undefined when it can. */
export function containerCodecProblem(codec: ContainerCodec): string | undefined {
  return codec === 'zstandard' && !hasZstd ? zstdHint : undefined
}

export interface ContainerParts {
  /** JSON, as it will stand in the file. */
  readonly schema: string
  readonly codec: ContainerCodec
  /** 16 bytes that should be different in every file. */
  readonly sync: Uint8Array
  /** A block ends when it has so many bytes before compression. */
  readonly syncIntervalBytes?: number
  /** Further metadata, behind the schema and the codec. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** Writes containers; every piece it hands out ends at a block's end, so that what is written can always be read. */
export class AvroContainerWriter {
  readonly #parts: ContainerParts
  readonly #syncIntervalBytes: number

  constructor(parts: ContainerParts) {
    if (parts.sync.length !== containerSyncBytes) throw new TypeError(`sync has ${parts.sync.length} bytes, not 16`)
    this.#parts = parts
    this.#syncIntervalBytes = parts.syncIntervalBytes ?? syncIntervalBytesDefault
  }

  /** What a file begins with. */
  header(): Buffer {
    const { schema, codec, metadata = {}, sync } = this.#parts
    const entries = [['avro.schema', schema], ['avro.codec', codec], ...Object.entries(metadata)]
    const writer = new AvroWriter(schema.length + 128)
    writer.fixed(containerMagic)
    writer.long(entries.length)
    for (const [name, value] of entries) {
      writer.string(name as string)
      writer.string(value as string)
    }
    writer.long(0)
    writer.fixed(sync)
    return writer.finish()
  }

  /** Blocks with `count` values, as many as the interval asks for; `write` adds value `index` and nothing else. */
  blocks(count: number, write: (writer: AvroWriter, index: number) => void): Buffer {
    const blocks: Buffer[] = []
    for (let from = 0; from < count; ) {
      const data = new AvroWriter(1024)
      let to = from
      while (to < count && (to === from || data.length < this.#syncIntervalBytes)) write(data, to++)
      blocks.push(...this.#block(to - from, data.finish()))
      from = to
    }
    return Buffer.concat(blocks)
  }

  #block(count: number, data: Buffer): Buffer[] {
    const { codec, sync } = this.#parts
    const packed = asBuffer((codecs[codec] as (typeof codecs)['null']).compress(data))
    const head = new AvroWriter(20)
    head.long(count)
    head.long(packed.length)
    return [head.finish(), packed, asBuffer(sync)]
  }
}

/** A file, or anything that can be read at a place. */
export interface ContainerInput {
  readonly sizeBytes: number
  /** Reads into `target` at `position`; resolves to the bytes read, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>
}

export interface ContainerLimits {
  /** Longest header, in bytes. */
  readonly headerBytesMax?: number
  /** Largest block, in bytes before and after it is uncompressed. */
  readonly blockBytesMax?: number
}

const headerBytesMaxDefault = 16 * 1024 * 1024
const blockBytesMaxDefault = 256 * 1024 * 1024
const headerReadBytes = 16 * 1024
/** Two numbers of up to ten bytes. */
const blockHeadBytes = 20
const metadataEntriesMax = 1000

/** What stands at the beginning of a container. */
export interface ContainerHeader {
  readonly metadata: ReadonlyMap<string, string>
  /** The schema's JSON. */
  readonly schema: string
  readonly codec: ContainerCodec
  readonly sync: Buffer
  /** Where the first block begins. */
  readonly endBytes: number
}

/** A block without its data. */
export interface BlockPlace {
  readonly count: number
  /** Where the block begins, and where the next one does. */
  readonly start: number
  readonly end: number
}

/** Reads containers, block by block. It never holds more than one block, and nothing that a stranger announces before it has come. */
export class AvroContainerReader {
  readonly header: ContainerHeader
  readonly #input: ContainerInput
  readonly #blockBytesMax: number

  private constructor(input: ContainerInput, header: ContainerHeader, blockBytesMax: number) {
    this.#input = input
    this.header = header
    this.#blockBytesMax = blockBytesMax
  }

  /** Reads the header. Rejects INVALID_DATA for what is no container, UNSUPPORTED for a codec that is not here, LIMIT. */
  static async open(input: ContainerInput, limits: ContainerLimits = {}): Promise<AvroContainerReader> {
    const header = await readContainerHeader(input, limits.headerBytesMax ?? headerBytesMaxDefault)
    return new AvroContainerReader(input, header, limits.blockBytesMax ?? blockBytesMaxDefault)
  }

  /** The block that begins at `start`, unread; undefined at the end of the file. Rejects INVALID_DATA, LIMIT. */
  async place(start: number): Promise<BlockPlace | undefined> {
    const head = await this.#head(start)
    return head && { count: head.count, start, end: head.dataStart + head.length + containerSyncBytes }
  }

  /** The block that begins at `start` with its data, uncompressed; undefined at the end of the file. Rejects INVALID_DATA, LIMIT. */
  async block(start: number): Promise<(BlockPlace & { readonly data: Buffer }) | undefined> {
    const head = await this.#head(start)
    if (!head) return undefined
    const { count, length, dataStart } = head
    const bytes = Buffer.allocUnsafeSlow(length + containerSyncBytes)
    if ((await readFully(this.#input, bytes, dataStart)) < bytes.length)
      throw broken(`the block at byte ${start} is cut off`)
    if (this.header.sync.compare(bytes, length) !== 0)
      throw broken(`the block at byte ${start} does not end with the file's sync marker`)
    const codec = codecs[this.header.codec] as (typeof codecs)['null']
    const data = asBuffer(codec.uncompress(bytes.subarray(0, length), this.#blockBytesMax))
    return { count, start, end: dataStart + bytes.length, data }
  }

  async #head(
    start: number,
  ): Promise<{ readonly count: number; readonly length: number; readonly dataStart: number } | undefined> {
    const left = this.#input.sizeBytes - start
    if (left <= 0) return undefined
    const head = Buffer.alloc(Math.min(blockHeadBytes, left))
    const got = await readFully(this.#input, head, start)
    if (got === 0) return undefined
    const reader = new AvroReader(head, 0, got)
    const [count, length] = numbersOf(reader)
    if (count === undefined || length === undefined || count < 0 || length < 0)
      throw broken(`there is no block at byte ${start}`)
    if (length > this.#blockBytesMax)
      throw new FlumeError('LIMIT', `a block of ${length} bytes at byte ${start}, more than ${this.#blockBytesMax}`)
    if (length + containerSyncBytes > left - reader.at) throw broken(`the block at byte ${start} is cut off`)
    return { count, length, dataStart: start + reader.at }
  }
}

async function readContainerHeader(input: ContainerInput, bytesMax: number): Promise<ContainerHeader> {
  const most = Math.min(input.sizeBytes, bytesMax)
  let problem: FlumeError | undefined
  for (let bytes = headerReadBytes; ; bytes *= 4) {
    const head = Buffer.alloc(Math.min(bytes, most))
    const got = await readFully(input, head, 0)
    try {
      return parseContainerHeader(head.subarray(0, got))
    } catch (error) {
      if (!(error instanceof FlumeError) || error.code !== 'PROTOCOL') throw error
      // It may only be cut: it is read again with more bytes, as long as there are more.
      problem = error
    }
    if (got < head.length || head.length === most) break
  }
  throw most < input.sizeBytes
    ? new FlumeError('LIMIT', `an Avro container's header of more than ${bytesMax} bytes`)
    : broken('its header is cut off', problem)
}

/** The header at the beginning of these bytes. Throws INVALID_DATA, UNSUPPORTED, and PROTOCOL where they end too soon. */
export function parseContainerHeader(bytes: Uint8Array): ContainerHeader {
  const head = asBuffer(bytes)
  const length = Math.min(head.length, containerMagic.length)
  if (head.compare(containerMagic, 0, length, 0, length) !== 0) throw broken('it does not begin with "Obj" and 1')
  const reader = new AvroReader(head)
  reader.fixed(containerMagic.length, 'the magic')
  const metadata = new Map<string, string>()
  for (let count = reader.block(2, 'metadata'); count > 0; count = reader.block(2, 'metadata')) {
    if (metadata.size + count > metadataEntriesMax) throw broken('it has too much metadata')
    for (let i = 0; i < count; i++) {
      const name = reader.string('a name')
      metadata.set(name, reader.string('a value'))
    }
  }
  const sync = Buffer.from(reader.fixed(containerSyncBytes, 'the sync marker'))
  const schema = metadata.get('avro.schema')
  if (schema === undefined) throw broken('it has no schema')
  const codec = metadata.get('avro.codec') ?? 'null'
  if (!(containerCodecs as readonly string[]).includes(codec)) {
    throw new FlumeError('UNSUPPORTED', `Avro's codec ${JSON.stringify(codec)} is not supported`, {
      hint: `${containerCodecs.join(', ')} are`,
    })
  }
  const problem = containerCodecProblem(codec as ContainerCodec)
  if (problem !== undefined)
    throw new FlumeError('UNSUPPORTED', `Avro's codec ${codec} cannot be used`, { hint: problem })
  return { metadata, schema, codec: codec as ContainerCodec, sync, endBytes: reader.at }
}

function numbersOf(reader: AvroReader): [number | undefined, number | undefined] {
  try {
    return [reader.long(), reader.long()]
  } catch {
    return [undefined, undefined]
  }
}

/** Fills `target`, or as much as there is. */
async function readFully(input: ContainerInput, target: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < target.length) {
    const got = await input.read(target.subarray(done), position + done)
    if (got === 0) break
    done += got
  }
  return done
}

function broken(problem: string, cause?: unknown): FlumeError {
  return new FlumeError('INVALID_DATA', `broken Avro container: ${problem}`, cause === undefined ? {} : { cause })
}
