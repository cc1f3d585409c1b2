// Avro's binary primitives.
//   long/int = zig-zag varint; bytes/string = long length, data; array/map = blocks (count, items …) ended by a count
//   of 0, a negative count being followed by the block's size in bytes; union = branch as long, value; enum = int.
import { FlumeError } from '../../core/error.ts'
import { asBuffer, shortText, textOf } from '../text-range.ts'

/** Bytes a varint of 64 bits can have. */
const varintBytesMax = 10

/** Reads Avro values one after the other. Every length is checked against the bytes that are there before it is used. */
export class AvroReader {
  readonly bytes: Buffer
  readonly end: number
  /** The next byte to be read. */
  at: number

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = asBuffer(bytes)
    this.at = at
    this.end = end
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.end - this.at
  }

  /** A zig-zag number; rejects what a double cannot hold exactly. */
  long(): number {
    const first = this.bytes[this.at] as number
    if (first < 0x80 && this.at < this.end) {
      this.at++
      return (first >>> 1) ^ -(first & 1)
    }
    const second = this.bytes[this.at + 1] as number
    if (second < 0x80 && this.at + 1 < this.end) {
      this.at += 2
      return (((first & 0x7f) >>> 1) | (second << 6)) ^ -(first & 1)
    }
    return this.#longSlow()
  }

  /** Steps over a zig-zag number, of any size that 64 bits have. */
  skipNumber(): void {
    for (let i = 0; i < varintBytesMax; i++) {
      if (this.at >= this.end) throw this.#broken('a number is cut off')
      if ((this.bytes[this.at++] as number) < 0x80) return
    }
    throw this.#broken('a number has more than 64 bits')
  }

  /** A length or count that is not negative. */
  length(what: string): number {
    const length = this.long()
    if (length < 0) throw this.#broken(`${what} has the negative length ${length}`)
    return length
  }

  /** Steps over `bytes` or `string` data and answers where it began; `at` then stands behind it. */
  skipData(what: string): number {
    const length = this.length(what)
    if (length > this.end - this.at) throw this.#broken(`${what} of ${length} bytes where ${this.left} are left`)
    const start = this.at
    this.at = start + length
    return start
  }

  string(what: string): string {
    const start = this.skipData(what)
    return textOf(this.bytes, start, this.at)
  }

  /** A view of `size` raw bytes. */
  fixed(size: number, what: string): Uint8Array {
    if (size > this.end - this.at) throw this.#broken(`${what} of ${size} bytes where ${this.left} are left`)
    this.at += size
    return this.bytes.subarray(this.at - size, this.at)
  }

  boolean(what: string): boolean {
    const byte = this.fixed(1, what)[0] as number
    if (byte > 1) throw this.#broken(`${what} is ${byte}, neither true nor false`)
    return byte === 1
  }

  /** An enum index or union branch below `branches`. */
  index(branches: number, what: string): number {
    const index = this.long()
    if (index < 0 || index >= branches) throw this.#broken(`${what} is ${index}, not one of 0 to ${branches - 1}`)
    return index
  }

  /**
   * The item count of the next block of an array or map, 0 at its end. A count that the bytes left cannot hold, each
   * item taking `itemBytesMin`, is refused.
   */
  block(itemBytesMin: number, what: string): number {
    let count = this.long()
    if (count < 0) {
      count = -count
      const size = this.length(what)
      if (size > this.left) throw this.#broken(`${what} has a block of ${size} bytes where ${this.left} are left`)
    }
    if (count > this.left / itemBytesMin)
      throw this.#broken(`${what} announces ${count} items where ${this.left} bytes are left`)
    return count
  }

  /** Steps over a map of bytes or strings. */
  skipMap(what: string): void {
    for (let count = this.block(2, what); count > 0; count = this.block(2, what)) {
      for (let i = 0; i < count; i++) {
        this.skipData(what)
        this.skipData(what)
      }
    }
  }

  #longSlow(): number {
    let low = 0
    let high = 0
    for (let i = 0; i < varintBytesMax; i++) {
      if (this.at >= this.end) throw this.#broken('a number is cut off')
      const byte = this.bytes[this.at++] as number
      // 28 bits below, the rest above, so that both stay whole in doubles.
      if (i < 4) low |= (byte & 0x7f) << (7 * i)
      else high += (byte & 0x7f) * 2 ** (7 * (i - 4))
      if (byte < 0x80) {
        // high holds up to 36 bits, so the zig-zag number is below 2^64; refuse what loses precision.
        if (high >= 2 ** 25) throw this.#broken('a number is too large')
        const zigzag = high * 2 ** 28 + low
        return low & 1 ? -(zigzag + 1) / 2 : zigzag / 2
      }
    }
    throw this.#broken('a number has more than 64 bits')
  }

  #broken(problem: string): FlumeError {
    return new FlumeError('PROTOCOL', `broken Avro data: ${problem} (byte ${this.at} of ${this.end})`)
  }
}

/** Writes Avro values into one growing buffer. */
export class AvroWriter {
  #bytes: Buffer
  #at: number

  /** `headroom` bytes at the start are left for what is known last, such as a frame's head. */
  constructor(bytesHint = 256, headroom = 0) {
    this.#bytes = Buffer.allocUnsafe(bytesHint + headroom)
    this.#at = headroom
  }

  /** Bytes written so far, the headroom included. */
  get length(): number {
    return this.#at
  }

  /** What was written, headroom included; nothing may be written afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  long(value: number): void {
    this.#reserve(varintBytesMax)
    if (value >= -0x40000000 && value < 0x40000000) {
      let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
      while (zigzag > 0x7f) {
        this.#bytes[this.#at++] = (zigzag & 0x7f) | 0x80
        zigzag >>>= 7
      }
      this.#bytes[this.#at++] = zigzag
    } else {
      let zigzag = value < 0 ? -value * 2 - 1 : value * 2
      while (zigzag > 0x7f) {
        this.#bytes[this.#at++] = (zigzag % 0x80) | 0x80
        zigzag = Math.floor(zigzag / 0x80)
      }
      this.#bytes[this.#at++] = zigzag
    }
  }

  boolean(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = value ? 1 : 0
  }

  string(value: string): void {
    if (value.length <= shortText && this.#shortAscii(value)) return
    const length = Buffer.byteLength(value)
    this.long(length)
    this.#reserve(length)
    this.#at += this.#bytes.write(value, this.#at, length)
  }

  /** Raw bytes, without a length before them. */
  fixed(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  /** Data with its length: `from[start .. end)`. */
  data(from: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.long(length)
    this.#reserve(length)
    const bytes = this.#bytes
    if (length <= shortText) for (let i = start, at = this.#at; i < end; i++, at++) bytes[at] = from[i] as number
    else bytes.set(from.subarray(start, end), this.#at)
    this.#at += length
  }

  #shortAscii(value: string): boolean {
    const { length } = value
    this.#reserve(1 + length)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = length << 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return false
      bytes[at++] = code
    }
    this.#at = at
    return true
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}
