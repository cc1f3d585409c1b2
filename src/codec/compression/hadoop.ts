// Hadoop's compression codecs, as its own readers take them. A file is one member behind the other:
//
//   gzip, bzip2, Zstandard   streams of the usual tools
//   deflate                  zlib streams
//   Snappy, LZ4              uint32 BE length of the data, then until that much is there: uint32 BE length, a raw chunk
import zlib from 'node:zlib'
import { FlumeError } from '../../core/error.ts'
import { bzip2Compress, bzip2End } from './bzip2.ts'
import { lz4Compress } from './lz4.ts'
import { snappyCompress } from './snappy.ts'
import { hasZstd, zstdCompress, zstdEnd, zstdHint } from './zstd.ts'

export interface HadoopCodec {
  /** The Java class, which a SequenceFile names. */
  readonly className: string
  /** What file names end with, the dot included. */
  readonly extension: string
  /** The bytes as one member, or as several; none for no bytes. */
  compress(data: Uint8Array): Uint8Array
  /** The same, not in the way of anything else; only where it pays. */
  compressAside?(data: Uint8Array): Promise<Uint8Array>
  /** Where the member that begins at `from` ends; undefined when the bytes end first. Throws INVALID_DATA where there is none, LIMIT. */
  memberEnd(data: Buffer, from: number): number | undefined
}

/** A member of more than this is not uncompressed to find its end. */
const memberBytesMax = 256 * 1024 * 1024
/** From this size on compressing takes longer than a call into another thread. */
const asideBytesMin = 32 * 1024
/** Hadoop's readers have buffers of 256 KiB for a chunk and for what it stands for; its writers leave room for growth. */
const blockBufferBytes = 256 * 1024
const snappyChunkBytes = blockBufferBytes - Math.floor(blockBufferBytes / 6) - 32
const lz4ChunkBytes = blockBufferBytes - Math.floor(blockBufferBytes / 255) - 16
const chunkBytesMax = 2 ** 30

const java = 'org.apache.hadoop.io.compress.'

const gzip: HadoopCodec = {
  className: `${java}GzipCodec`,
  extension: '.gz',
  compress: (data) => zlib.gzipSync(data),
  compressAside: aside(zlib.gzip),
  memberEnd: gzipEnd,
}

const deflate: HadoopCodec = {
  className: `${java}DefaultCodec`,
  extension: '.deflate',
  compress: (data) => zlib.deflateSync(data),
  compressAside: aside(zlib.deflate),
  memberEnd: (data, from) => inflated(zlib.inflateSync, data, from)?.end,
}

const codecs: readonly HadoopCodec[] = [
  gzip,
  deflate,
  { ...deflate, className: `${java}DeflateCodec` },
  { className: `${java}BZip2Codec`, extension: '.bz2', compress: bzip2Compress, memberEnd: bzip2End },
  blocked('SnappyCodec', '.snappy', snappyChunkBytes, snappyCompress),
  blocked('Lz4Codec', '.lz4', lz4ChunkBytes, lz4Compress),
  { className: `${java}ZStandardCodec`, extension: '.zst', compress: zstdCompress, memberEnd: zstdEnd },
]

/** Names people write that are no part of a class's name. */
const spoken: Readonly<Record<string, string>> = { zstd: 'zstandard', bz2: 'bzip2', gz: 'gzip' }
const names = codecs.map(({ className }) => shortName(className).replace(/codec$/, ''))

/** What `hdfs.codeC` takes. */
export const hadoopCodecNames: readonly string[] = ['gzip', 'bzip2', 'default', 'deflate', 'snappy', 'lz4', 'zstandard']

/**
 * The codec that a name means, as Flume looks for it: the class's full name, its short one, or that without `Codec`, in any
 * case. Otherwise why there is none.
 */
export function hadoopCodecNamed(name: string): HadoopCodec | { readonly problem: string; readonly hint: string } {
  const lower = name.toLowerCase()
  const short = shortName(name).replace(/codec$/, '')
  const isClass = !lower.includes('.') || codecs.some(({ className }) => className.toLowerCase() === lower)
  const index = names.indexOf(spoken[short] ?? short)
  const codec = isClass ? codecs[index] : undefined
  if (codec && (codec.extension !== '.zst' || hasZstd)) return codec
  if (codec) return { problem: 'this Node has no Zstandard', hint: zstdHint }
  if (/^lzop?$/.test(short)) {
    return { problem: 'LZO is a library of its own, under a licence that this one is not', hint: 'use lz4 or snappy' }
  }
  return { problem: `there is no codec ${name}`, hint: `use ${hadoopCodecNames.join(', ')}` }
}

function shortName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toLowerCase()
}

/** Compresses, small data at once and large data in a thread of Node's. */
export async function compressWith(codec: HadoopCodec, data: Uint8Array): Promise<Uint8Array> {
  if (data.length === 0) return data
  return codec.compressAside && data.length >= asideBytesMin ? codec.compressAside(data) : codec.compress(data)
}

function aside(
  compress: (data: Uint8Array, done: (error: Error | null, result: Buffer) => void) => void,
): (data: Uint8Array) => Promise<Uint8Array> {
  return (data) =>
    new Promise((resolve, reject) => compress(data, (error, result) => (error ? reject(error) : resolve(result))))
}

function blocked(
  name: string,
  extension: string,
  chunkBytes: number,
  compress: (data: Uint8Array) => Buffer,
): HadoopCodec {
  return {
    className: java + name,
    extension,
    compress: (data) => {
      const parts: Buffer[] = []
      for (let from = 0; from < data.length; from += chunkBytes) {
        const plain = data.subarray(from, from + chunkBytes)
        const packed = compress(plain)
        const head = Buffer.alloc(8)
        head.writeUInt32BE(plain.length, 0)
        head.writeUInt32BE(packed.length, 4)
        parts.push(head, packed)
      }
      return Buffer.concat(parts)
    },
    memberEnd: (data, from) => blockEnd(data, from, extension),
  }
}

/** A block says how much data it stands for, not in how many chunks: as many as its writer's buffer made of it. */
function blockEnd(data: Buffer, from: number, extension: string): number | undefined {
  if (data.length - from < 4) return undefined
  let left = data.readUInt32BE(from)
  let at = from + 4
  // Other writers' blocks may have several chunks, of which only the codec knows what each stands for.
  const chunkMax = extension === '.lz4' ? lz4ChunkBytes : snappyChunkBytes
  if (left > chunkBytesMax) throw broken(`a block of ${left} bytes`)
  while (left > 0) {
    if (data.length - at < 4) return undefined
    const length = data.readUInt32BE(at)
    if (length > 2 * blockBufferBytes) throw broken(`a chunk of ${length} bytes`)
    at += 4 + length
    if (at > data.length) return undefined
    left -= Math.min(left, chunkMax)
  }
  return at
}

const gzipMagic = Buffer.from([0x1f, 0x8b, 8])

/** A gzip member: a head of ten bytes and what its flags add, DEFLATE, CRC-32, length. */
function gzipEnd(data: Buffer, from: number): number | undefined {
  const known = Math.min(gzipMagic.length, data.length - from)
  if (gzipMagic.compare(data, from, from + known, 0, known) !== 0) throw broken('a gzip member has no beginning')
  if (data.length - from < 10) return undefined
  const flags = data[from + 3] as number
  let at = from + 10
  if (flags & 4) {
    if (data.length - at < 2) return undefined
    at += 2 + data.readUInt16LE(at)
  }
  // The file's name and a comment end with a zero.
  for (const flag of [8, 16]) {
    if (!(flags & flag)) continue
    const end = data.indexOf(0, at)
    if (end < 0) return undefined
    at = end + 1
  }
  if (flags & 2) at += 2
  const found = inflated(zlib.inflateRawSync, data, at)
  if (!found) return undefined
  if (data.length - found.end < 8) return undefined
  if (zlib.crc32(found.plain) !== data.readUInt32LE(found.end)) throw broken('the checksum of a gzip member is wrong')
  return found.end + 8
}

interface Info {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

function inflated(
  inflate: (data: Buffer, options: zlib.ZlibOptions) => Buffer,
  data: Buffer,
  from: number,
): { readonly plain: Buffer; readonly end: number } | undefined {
  if (from >= data.length) return undefined
  try {
    const options = { info: true, maxOutputLength: memberBytesMax }
    const { buffer, engine } = inflate(data.subarray(from), options) as unknown as Info
    return { plain: buffer, end: from + engine.bytesWritten }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'Z_BUF_ERROR') return undefined
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new FlumeError('LIMIT', `a member of more than ${memberBytesMax} bytes`)
    throw broken((cause as Error).message, cause)
  }
}

function broken(problem: string, cause?: unknown): FlumeError {
  return new FlumeError('INVALID_DATA', `broken compressed data: ${problem}`, cause === undefined ? {} : { cause })
}
