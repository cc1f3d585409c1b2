/*
 * Files of checked records, written once and then only read: state and received blocks.
 *
 *   file   := record*
 *   record := length u32 big-endian, crc32 u32 big-endian (of the payload), payload (V8's structured clone)
 *
 * A file that ends within a record was cut by a crash; a record whose sum is wrong was damaged.
 */
import { deserialize, serialize } from 'node:v8'
import { crc32 } from 'node:zlib'
import { asError, FlumeError } from '../../core/error.ts'

const headerBytes = 8
/** Longest record taken for one, in bytes: a length beyond it is damage. Nothing is allocated for a length before so many bytes are there. */
export const recordMaxBytes = 2 ** 30

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

/** Takes what comes in pieces of any size, in pieces of the sizes asked for. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #waiting: Uint8Array[] = []
  #waitingBytes = 0

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.#chunks = chunks
  }

  /** The next `length` bytes, or undefined when the file ends before. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#waitingBytes < length) {
      const { value, done } = await this.#chunks.next()
      if (done) return undefined
      this.#waiting.push(value)
      this.#waitingBytes += value.length
    }
    const [first] = this.#waiting
    const isOne = this.#waiting.length === 1 && first !== undefined
    const all = isOne ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(this.#waiting)
    this.#waiting = [all.subarray(length)]
    this.#waitingBytes = all.length - length
    return all.subarray(0, length)
  }

  get hasRest(): boolean {
    return this.#waitingBytes > 0
  }
}

/**
 * The records of the file called `name`, in order. Throws INVALID_DATA at a damaged one; `isTail` makes a cut-off last
 * record the quiet end (B139).
 */
export async function* readRecords(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  isTail = false,
): AsyncIterableIterator<unknown> {
  const chunks = bytes[Symbol.asyncIterator]()
  const reader = new Reader(chunks)
  const damaged = (why: string): FlumeError => new FlumeError('INVALID_DATA', `${name} is damaged: ${why}`)
  try {
    for (let record = 0; ; record++) {
      const header = await reader.take(headerBytes)
      if (!header) {
        if (reader.hasRest && !isTail) throw damaged(`it ends within the head of record ${record}`)
        return
      }
      const length = header.readUInt32BE(0)
      const sum = header.readUInt32BE(4)
      if (length > recordMaxBytes) {
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
    await chunks.return?.(undefined)
  }
}
