import { Buffer } from 'node:buffer'
import { FlumeError } from '../../core/error.ts'

// The part of Protocol Buffers (version 2) that Hadoop's messages use:
//
//   message   := (tag value)*          tag := varint(field << 3 | wire type)
//   wire type := 0 varint | 1 eight bytes, little-endian | 2 varint length, bytes | 5 four bytes, little-endian
//
// Numbers above 2^53 are read as bigint only where they are asked for so (block ids of old clusters are negative).

function broken(what: string): FlumeError {
  return new FlumeError('PROTOCOL', `this is not a Hadoop message: ${what}`, { retry: true })
}

/** Builds one message. Numbers are written as unsigned varints unless the method says otherwise. */
export class ProtoWriter {
  #bytes: Buffer = Buffer.allocUnsafe(256)
  #at = 0

  /** A number from 0 to 2^53, or a bigint as 64 bits in two's complement. */
  uint(field: number, value: number | bigint): this {
    this.#varint(field << 3)
    this.#varint(value)
    return this
  }

  /** A signed 32-bit number, zigzag. */
  sint(field: number, value: number): this {
    this.#varint(field << 3)
    this.#varint(value >= 0 ? 2 * value : -2 * value - 1)
    return this
  }

  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0)
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value))
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint((field << 3) | 2)
    return this.delimited(value)
  }

  message(field: number, write: (writer: ProtoWriter) => void): this {
    const inner = new ProtoWriter()
    write(inner)
    return this.bytes(field, inner.finish())
  }

  /** Bytes behind their length, without a tag. */
  delimited(value: Uint8Array): this {
    this.#varint(value.length)
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #varint(value: number | bigint): void {
    this.#room(10)
    if (typeof value === 'bigint') {
      let rest = BigInt.asUintN(64, value)
      for (; rest > 127n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 127n) | 128
      this.#bytes[this.#at++] = Number(rest)
      return
    }
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128
    this.#bytes[this.#at++] = rest
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const bigger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + bytes))
    bigger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = bigger
  }
}

/** Several messages, each behind its length. */
export function delimited(...messages: readonly Uint8Array[]): Buffer {
  const writer = new ProtoWriter()
  for (const message of messages) writer.delimited(message)
  return writer.finish()
}

/**
 * Walks through one message: `while (reader.next())`, then by `reader.field` one of the value methods; a value that is not
 * asked for is skipped. Every method throws PROTOCOL for bytes that are no message, and none reads beyond its end.
 */
export class ProtoReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  #wire = -1
  field = 0

  constructor(bytes: Uint8Array, from = 0, to: number = bytes.length) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = from
    this.#end = to
  }

  /** Where reading stands. */
  get position(): number {
    return this.#at
  }

  next(): boolean {
    if (this.#wire >= 0) this.#skip()
    if (this.#at === this.#end) return false
    const tag = this.#number()
    this.field = Math.floor(tag / 8)
    this.#wire = tag % 8
    if (this.field === 0 || this.field > 536_870_911) throw broken(`field ${this.field}`)
    return true
  }

  /** A varint of at most 2^53. */
  uint(): number {
    this.#expect(0)
    return this.#number()
  }

  /** A varint as a signed 64-bit number. */
  int64(): bigint {
    this.#expect(0)
    return this.#bigint()
  }

  /** A varint cut to a signed 32-bit number. */
  int32(): number {
    this.#expect(0)
    return Number(BigInt.asIntN(32, this.#bigint()))
  }

  /** A zigzag varint. */
  sint(): number {
    this.#expect(0)
    const value = this.#number()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  bool(): boolean {
    return this.uint() !== 0
  }

  /** Adds a varint to a list, or all of a packed list. */
  uints(into: number[]): void {
    if (this.#wire === 0) {
      into.push(this.uint())
      return
    }
    const end = this.#span()
    while (this.#at < end) into.push(this.#number(end))
  }

  fixed32(): number {
    this.#expect(5)
    this.#need(4)
    const value = this.#bytes.readInt32LE(this.#at)
    this.#at += 4
    return value
  }

  /** Eight bytes as a number; PROTOCOL beyond 2^53. */
  fixed64(): number {
    this.#expect(1)
    this.#need(8)
    const value = Number(this.#bytes.readBigInt64LE(this.#at))
    if (!Number.isSafeInteger(value)) throw broken('a number beyond 2^53')
    this.#at += 8
    return value
  }

  /** A view into the message, not a copy. */
  bytes(): Buffer {
    const end = this.#span()
    const value = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return value
  }

  text(): string {
    return this.bytes().toString()
  }

  message(): ProtoReader {
    return new ProtoReader(this.bytes())
  }

  /** A message behind its length, without a tag. */
  delimited(): ProtoReader {
    const length = this.#number()
    this.#need(length)
    const from = this.#at
    this.#at += length
    return new ProtoReader(this.#bytes, from, from + length)
  }

  #span(): number {
    this.#expect(2)
    const length = this.#number()
    this.#need(length)
    return this.#at + length
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw broken(`field ${this.field} has wire type ${this.#wire}`)
    this.#wire = -1
  }

  #skip(): void {
    if (this.#wire === 0) this.int64()
    else if (this.#wire === 1) this.#pass(1, 8)
    else if (this.#wire === 5) this.#pass(5, 4)
    else if (this.#wire === 2) this.bytes()
    else throw broken(`wire type ${this.#wire}`)
  }

  #pass(wire: number, bytes: number): void {
    this.#expect(wire)
    this.#need(bytes)
    this.#at += bytes
  }

  #need(bytes: number): void {
    if (bytes > this.#end - this.#at) throw broken('it ends too early')
  }

  #number(end = this.#end): number {
    let value = 0
    let unit = 1
    for (let count = 0; count < 10; count++) {
      if (this.#at >= end) throw broken('it ends too early')
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 127) * unit
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) throw broken('a number beyond 2^53')
        return value
      }
      unit *= 128
    }
    throw broken('a number of more than ten bytes')
  }

  #bigint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.#at >= this.#end) throw broken('it ends too early')
      const byte = this.#bytes[this.#at++] as number
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asIntN(64, value)
    }
    throw broken('a number of more than ten bytes')
  }
}

/**
 * The length and the place of the delimited message at the beginning of `bytes`, or undefined while its length, or a part of
 * it, has not arrived. Throws LIMIT for one longer than `maxBytes`.
 */
export function delimitedEnd(
  bytes: Uint8Array,
  maxBytes: number,
): { readonly from: number; readonly to: number } | undefined {
  let length = 0
  let unit = 1
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    length += (byte & 127) * unit
    if (length > maxBytes || at > 4) {
      throw new FlumeError('LIMIT', `a message of more than ${maxBytes} bytes was announced`, { retry: true })
    }
    if (byte < 128) return at + 1 + length <= bytes.length ? { from: at + 1, to: at + 1 + length } : undefined
    unit *= 128
  }
  return undefined
}
