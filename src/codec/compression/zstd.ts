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

/** What `node:zlib` said of data that it could not uncompress. */
export function uncompressError(what: string, bytesMax: number, cause: unknown): FlumeError {
  return (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    ? new FlumeError('LIMIT', `${what} data of more than the ${bytesMax} bytes that are allowed`)
    : new FlumeError('INVALID_DATA', `broken ${what} data: ${(cause as Error).message}`, { cause })
}

function missing(): FlumeError {
  return new FlumeError('UNSUPPORTED', 'this Node has no Zstandard', { hint: zstdHint })
}
