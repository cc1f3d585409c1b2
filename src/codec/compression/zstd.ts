// Zstandard comes with Node from 22.15 on (and with 23.8); earlier ones cannot make it.
import zlib from 'node:zlib'
import { FlumeError } from '../../core/error.ts'

/** What newer versions of `node:zlib` have beyond the oldest one that is supported. */
interface ZlibWithZstd {
  zstdCompressSync?(data: Uint8Array): Buffer
  zstdDecompressSync?(data: Uint8Array, options: { readonly maxOutputLength: number }): Buffer
}
const { zstdCompressSync, zstdDecompressSync } = zlib as ZlibWithZstd

export const hasZstd = zstdCompressSync !== undefined && zstdDecompressSync !== undefined
/** What to say where it is missing. */
export const zstdHint = 'Zstandard needs Node 22.15 or newer; use another codec, or run with a newer Node'

/** The bytes as one frame. Throws UNSUPPORTED where Node has no Zstandard. */
export function zstdCompress(data: Uint8Array): Buffer {
  if (!zstdCompressSync) throw missing()
  return zstdCompressSync(data)
}

/** Rejects INVALID_DATA, and LIMIT when there are more than `bytesMax` bytes. */
export function zstdUncompress(data: Uint8Array, bytesMax: number): Buffer {
  if (!zstdDecompressSync) throw missing()
  try {
    return zstdDecompressSync(data, { maxOutputLength: Math.max(1, bytesMax) })
  } catch (cause) {
    throw uncompressError('Zstandard', bytesMax, cause)
  }
}

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const dictionaryBytes = [0, 1, 2, 4]
const sizeBytes = [0, 2, 4, 8]

/**
 * Where the frame that begins at `from` ends, by its blocks' lengths; undefined when the bytes end first. Throws INVALID_DATA
 * where there is none.
 */
export function zstdEnd(data: Buffer, from: number): number | undefined {
  if (data.length - from < 5) return undefined
  const magic = data.readUInt32LE(from)
  if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
    if (data.length - from < 8) return undefined
    const end = from + 8 + data.readUInt32LE(from + 4)
    return end <= data.length ? end : undefined
  }
  if (magic !== frameMagic) throw broken('a frame has no beginning')
  const flags = data[from + 4] as number
  const isSingleSegment = (flags & 0x20) !== 0
  const contentSize = sizeBytes[flags >>> 6] as number
  let at = from + 5 + (isSingleSegment ? 0 : 1) + (dictionaryBytes[flags & 3] as number)
  at += contentSize === 0 && isSingleSegment ? 1 : contentSize
  for (;;) {
    if (data.length - at < 3) return undefined
    const head = data.readUIntLE(at, 3)
    const kind = (head >>> 1) & 3
    if (kind === 3) throw broken('a block of no kind')
    at += 3 + (kind === 1 ? 1 : head >>> 3)
    if (head & 1) break
  }
  if (flags & 4) at += 4
  return at <= data.length ? at : undefined
}

function broken(problem: string): FlumeError {
  return new FlumeError('INVALID_DATA', `broken Zstandard data: ${problem}`)
}

/** What `node:zlib` said of data that it could not uncompress. */
export function uncompressError(what: string, bytesMax: number, cause: unknown): FlumeError {
  return (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    ? new FlumeError('LIMIT', `${what} data of more than the ${bytesMax} bytes that are allowed`)
    : new FlumeError('INVALID_DATA', `broken ${what} data: ${(cause as Error).message}`, { cause })
}

function missing(): FlumeError {
  return new FlumeError('UNSUPPORTED', 'this Node has no Zstandard', { hint: zstdHint })
}
