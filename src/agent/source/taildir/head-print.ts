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

/** True when the file still begins with what the print was taken of. */
export async function hasHead(handle: FileHandle, print: HeadPrint): Promise<boolean> {
  return (await readHead(handle, print)) !== undefined
}

/** The bytes that the print was taken of, where the file still begins with them. */
export async function readHead(handle: FileHandle, print: HeadPrint): Promise<Buffer | undefined> {
  const bytes = await readFirst(handle, print.bytes)
  const now = printOf(bytes)
  return print.bytes === 0 || (now.bytes === print.bytes && now.sha256 === print.sha256) ? bytes : undefined
}

/** The first bytes of a file, up to `length`; fewer where it is shorter. */
export async function readFirst(handle: FileHandle, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0)
  return buffer.subarray(0, bytesRead)
}

export function printOf(bytes: Uint8Array): HeadPrint {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
