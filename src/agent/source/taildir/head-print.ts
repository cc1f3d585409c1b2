import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

/** A file's first bytes as they were when they were read: another file in its place, or on its inode, begins differently. */
export interface HeadPrint {
  /** How many bytes it is about. */
  readonly bytes: number
  readonly sha256: string
}

/** As many bytes as tell log files apart: their first lines carry times. */
export const headBytesMax = 1024

export const noHead: HeadPrint = { bytes: 0, sha256: '' }

/** The print of a file's first bytes, up to `position`. */
export async function printHead(handle: FileHandle, position: number): Promise<HeadPrint> {
  const length = Math.min(position, headBytesMax)
  if (length === 0) return noHead
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0)
  return printOf(buffer.subarray(0, bytesRead))
}

/** True when the file still begins with what the print was taken of. */
export async function hasHead(handle: FileHandle, print: HeadPrint): Promise<boolean> {
  if (print.bytes === 0) return true
  const now = await printHead(handle, print.bytes)
  return now.bytes === print.bytes && now.sha256 === print.sha256
}

function printOf(bytes: Uint8Array): HeadPrint {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
