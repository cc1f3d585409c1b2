// Protocol Buffers' wire format, as far as Flume's file channel uses it.
//   message = field*   field = varint(number << 3 | type) value
//   value   = type 0: varint | 1: 8 bytes, little-endian | 2: varint length, bytes | 5: 4 bytes, little-endian
//   delimited message = varint(bytes) message
import { FlumeError } from '../../core/error.ts'

export type WireType = 0 | 1 | 2 | 5

/** Reads one message after the other. Every length is checked against the bytes that are there before it is used. */
export class WireReader {
  readonly bytes: Buffer
  #at: number
  #end: number
  #number = 0
  #type: WireType = 0

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes
    this.#at = at
    this.#end = end
  }

  /** The next byte to be read. */
  get at(): number {
    return this.#at
  }

  /** Number of the field that `next` stopped at. */
  get number(): number {
    return this.#number
  }

  get type(): WireType {
    return this.#type
  }

  /** A reader of the delimited message that begins here; this one goes on behind it. */
  message(what: string): WireReader {
    const { start, end } = this.range(what)
    return new WireReader(this.bytes, start, end)
  }

  /** A length and what it counts: [start, end) of the bytes. */
  range(what: string): { readonly start: number; readonly end: number } {
    const length = this.#varint(what)
    const start = this.#at
    if (length > this.#end - start) throw broken(`${what} of ${length} bytes where ${this.#end - start} are left`)
    this.#at = start + length
    return { start, end: this.#at }
  }

  text(what: string): string {
    const { start, end } = this.range(what)
    return this.bytes.toString('utf8', start, end)
  }

  /** Goes to the next field; false at the end. */
  next(what: string): boolean {
    if (this.#at >= this.#end) return false
    const tag = this.#varint(what)
    const type = tag % 8
    this.#number = Math.floor(tag / 8)
    if (this.#number === 0 || !(type === 0 || type === 1 || type === 2 || type === 5)) {
      throw broken(`${what} has the field tag ${tag}`)
    }
    this.#type = type
    return true
  }

  /** Whether this is the field `number`, and of that type; a known field of another type is refused. */
  is(number: number, type: WireType, what: string): boolean {
    if (this.#number !== number) return false
    if (this.#type !== type) throw broken(`${what} is of wire type ${this.#type}`)
    return true
  }

  /** The error of a field that nobody knows. Flume's messages have had the same fields since 1.3: one more is damage. */
  unknown(what: string): FlumeError {
    return broken(`${what} has a field ${this.#number}`)
  }

  int32(what: string): number {
    return this.bytes.readInt32LE(this.#fixed(4, what))
  }

  /** A number of 64 bits that is not negative and that a double holds exactly; all that Flume writes are. */
  count64(what: string): number {
    const at = this.#fixed(8, what)
    const high = this.bytes.readUInt32LE(at + 4)
    if (high >= 2 ** 21) throw broken(`${what} is out of range`)
    return high * 2 ** 32 + this.bytes.readUInt32LE(at)
  }

  #fixed(size: number, what: string): number {
    if (size > this.#end - this.#at) throw broken(`${what} is cut off`)
    this.#at += size
    return this.#at - size
  }

  #varint(what: string): number {
    let value = 0
    for (let shift = 1; shift < 2 ** 35; shift *= 128) {
      if (this.#at >= this.#end) throw broken(`${what} is cut off`)
      const byte = this.bytes[this.#at++] as number
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
    throw broken(`${what} has a number of more than five bytes`)
  }
}

export function broken(problem: string): FlumeError {
  return new FlumeError('INVALID_DATA', problem)
}
