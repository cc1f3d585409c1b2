// Kafka's primitive types. Fixed numbers are big-endian. "Flexible" message versions have compact strings, bytes and arrays
// (unsigned varint of length + 1, 0 = null) and end each structure with tagged fields (count, then tag, size, data).
import { FlumeError } from '../../core/error.ts'

const wordSize = 2 ** 32

/** Reads Kafka's types one after the other. Every length is checked against the bytes that are there before it is used. */
export class KafkaReader {
  readonly bytes: Buffer
  readonly end: number
  /** The next byte to be read. */
  at: number

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  int8(): number {
    return this.bytes.readInt8(this.skip(1))
  }

  int16(): number {
    return this.bytes.readInt16BE(this.skip(2))
  }

  int32(): number {
    return this.bytes.readInt32BE(this.skip(4))
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.skip(4))
  }

  /** A 64-bit number; rejects what a double cannot hold exactly. */
  int64(): number {
    return int64At(this.bytes, this.skip(8))
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.skip(1)] as number
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw this.broken('a number has more than 32 bits')
  }

  /** Items of a compact array whose items take at least `itemBytesMin` bytes each; 0 for null. */
  compactCount(itemBytesMin: number, what: string): number {
    const count = Math.max(0, this.uvarint() - 1)
    if (count * itemBytesMin > this.left) throw this.broken(`${count} ${what} where ${this.left} bytes are left`)
    return count
  }

  /** Items of an array whose items take at least `itemBytesMin` bytes each; 0 for null. */
  count(itemBytesMin: number, what: string): number {
    const count = Math.max(0, this.int32())
    if (count * itemBytesMin > this.left) throw this.broken(`${count} ${what} where ${this.left} bytes are left`)
    return count
  }

  compactString(): string | undefined {
    const length = this.uvarint() - 1
    if (length < 0) return undefined
    const start = this.skip(length)
    return this.bytes.toString('utf8', start, this.at)
  }

  string(): string | undefined {
    const length = this.int16()
    if (length < 0) return undefined
    const start = this.skip(length)
    return this.bytes.toString('utf8', start, this.at)
  }

  taggedFields(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint()
      this.skip(this.uvarint())
    }
  }

  /** Steps over `length` bytes and answers where they began. */
  skip(length: number): number {
    if (length < 0 || length > this.end - this.at) throw this.broken(`${length} bytes where ${this.left} are left`)
    const start = this.at
    this.at = start + length
    return start
  }

  broken(problem: string): FlumeError {
    return new FlumeError('PROTOCOL', `broken Kafka data: ${problem} (byte ${this.at} of ${this.end})`)
  }
}

/** The signed 64-bit number at `at`; rejects what a double cannot hold exactly. */
export function int64At(bytes: Buffer, at: number): number {
  const value = bytes.readInt32BE(at) * wordSize + bytes.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value))
    throw new FlumeError('PROTOCOL', `broken Kafka data: the number ${value} is too large`)
  return value
}

/** Writes Kafka's types into one growing buffer. */
export class KafkaWriter {
  #bytes: Buffer
  #at = 0

  constructor(bytesHint = 256) {
    this.#bytes = Buffer.allocUnsafe(bytesHint)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at
  }

  /** What was written; nothing may be written afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  int8(value: number): this {
    const at = this.#reserve(1)
    this.#bytes.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.#reserve(2)
    this.#bytes.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#reserve(4)
    this.#bytes.writeInt32BE(value, at)
    return this
  }

  int64(value: number): this {
    const at = this.#reserve(8)
    writeInt64(this.#bytes, value, at)
    return this
  }

  uvarint(value: number): this {
    let left = value
    while (left > 0x7f) {
      const at = this.#reserve(1)
      this.#bytes[at] = (left % 0x80) | 0x80
      left = Math.floor(left / 0x80)
    }
    const at = this.#reserve(1)
    this.#bytes[at] = left
    return this
  }

  compactCount(count: number): this {
    return this.uvarint(count + 1)
  }

  compactString(value: string | undefined): this {
    if (value === undefined) return this.uvarint(0)
    const length = Buffer.byteLength(value)
    this.uvarint(length + 1)
    const at = this.#reserve(length)
    this.#bytes.write(value, at, length)
    return this
  }

  string(value: string): this {
    const length = Buffer.byteLength(value)
    this.int16(length)
    const at = this.#reserve(length)
    this.#bytes.write(value, at, length)
    return this
  }

  raw(value: Uint8Array): this {
    const at = this.#reserve(value.length)
    this.#bytes.set(value, at)
    return this
  }

  /** The end of a structure that has no tagged fields. */
  noTags(): this {
    return this.int8(0)
  }

  #reserve(bytes: number): number {
    const start = this.#at
    const needed = start + bytes
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length))
      this.#bytes.copy(grown, 0, 0, start)
      this.#bytes = grown
    }
    this.#at = needed
    return start
  }
}

/** A whole number as 64 bits, two's complement. */
export function writeInt64(bytes: Buffer, value: number, at: number): void {
  const high = Math.floor(value / wordSize)
  bytes.writeInt32BE(high, at)
  bytes.writeUInt32BE(value - high * wordSize, at + 4)
}
