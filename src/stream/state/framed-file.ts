/*
 * Files of checked records, written once and then only read: state and received blocks.
 *
 *   file   := record*
 *   record := length u32 big-endian, crc32 u32 big-endian (of the payload), payload (V8's structured clone)
 *
 * A file that ends within a record was cut by a crash; a record whose sum is wrong was damaged.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { deserialize, serialize } from 'node:v8'
import { crc32 } from 'node:zlib'
import { asError, FlumeError } from '../../core/error.ts'

const headerBytes = 8
/** Longest record taken for one, in bytes: a length beyond it is damage, and nothing is allocated for it. */
export const recordMaxBytes = 2 ** 30
/** Bytes read at a time. */
const readBytes = 1 << 20

/** One record, ready to be written. Throws INVALID_DATA for values that cannot be written down, such as functions. */
export function encodeRecord(value: unknown, what: string): Uint8Array[] {
  let payload: Buffer
  try {
    payload = serialize(value)
  } catch (cause) {
    throw new FlumeError('INVALID_DATA', `${what} cannot be saved: ${asError(cause).message}`, {
      cause,
      hint: 'plain values, lists, objects, maps, sets, dates and bytes can be saved; functions and class instances cannot',
    })
  }
  if (payload.length > recordMaxBytes) {
    throw new FlumeError('LIMIT', `${what} takes ${payload.length} bytes, and a record holds ${recordMaxBytes} at most`)
  }
  const header = Buffer.allocUnsafe(headerBytes)
  header.writeUInt32BE(payload.length, 0)
  header.writeUInt32BE(crc32(payload), 4)
  return [header, payload]
}

/** Reads a file piece by piece. */
class Reader {
  readonly #handle: FileHandle
  #rest = Buffer.alloc(0)
  #atEnd = false

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** The next `length` bytes, or undefined when the file ends before. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#rest.length < length && !this.#atEnd) {
      const chunk = Buffer.allocUnsafe(Math.max(readBytes, Math.min(length - this.#rest.length, recordMaxBytes)))
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, null)
      if (bytesRead === 0) this.#atEnd = true
      else this.#rest = Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)])
    }
    if (this.#rest.length < length) return undefined
    const bytes = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return bytes
  }

  get hasRest(): boolean {
    return this.#rest.length > 0
  }
}

/** The records of a file in order. Throws INVALID_DATA at a damaged one; `isTail` makes a cut-off last record the quiet end (B139). */
export async function* readRecords(path: string, isTail = false): AsyncIterableIterator<unknown> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const reader = new Reader(handle)
    const damaged = (why: string): FlumeError => new FlumeError('INVALID_DATA', `${path} is damaged: ${why}`)
    for (let record = 0; ; record++) {
      const header = await reader.take(headerBytes)
      if (!header) {
        if (reader.hasRest && !isTail) throw damaged(`it ends within the head of record ${record}`)
        return
      }
      const length = header.readUInt32BE(0)
      const sum = header.readUInt32BE(4)
      if (length > Math.min(size, recordMaxBytes)) {
        if (isTail) return
        throw damaged(`record ${record} claims ${length} bytes`)
      }
      const payload = await reader.take(length)
      if (!payload) {
        if (isTail) return
        throw damaged(`it ends within record ${record}`)
      }
      if (crc32(payload) !== sum) throw damaged(`the sum of record ${record} is wrong`)
      yield deserialize(payload)
    }
  } finally {
    await handle.close()
  }
}
