// Thrift's compact protocol. varint = base 128, lowest bits first; zig-zag = sign in the lowest bit.
//   message = byte 0x82, byte type << 5 | version 1, varint sequence, string name
//   field   = byte delta << 4 | type                  id = the last field's + delta
//           | byte type, zig-zag id                   (delta 0)          stop = byte 0
//   bool    = in a field its type says it: 1 true, 2 false; in a container one byte
//   string  = varint length, bytes                    i16, i32, i64 = zig-zag varint
//   map     = varint count, byte key type << 4 | value type (not when empty), (key, value) …
//   list    = byte count << 4 | element type | byte 0xf0 | element type, varint count; elements …
import { FlumeError } from '../../core/error.ts'
import { type MessageHead, ThriftReader, ThriftWriter, thriftTypes } from './protocol.ts'

const protocolId = 0x82
const version = 1
const versionMask = 0x1f
const typeShift = 5
/** The first byte of a message in the strict binary protocol. */
const binaryMark = 0x80
/** Counts from here on do not fit into a list's first byte. */
const longList = 15

/** The types by their numbers on the wire. */
const typeOf: readonly number[] = [
  thriftTypes.stop,
  thriftTypes.bool,
  thriftTypes.bool,
  thriftTypes.byte,
  thriftTypes.i16,
  thriftTypes.i32,
  thriftTypes.i64,
  thriftTypes.double,
  thriftTypes.string,
  thriftTypes.list,
  thriftTypes.set,
  thriftTypes.map,
  thriftTypes.struct,
  thriftTypes.uuid,
]

const uuidBytes = 16
const doubleBytes = 8

export class CompactReader extends ThriftReader {
  #lastId = 0

  messageHead(): MessageHead {
    const first = this.#byte('a message head')
    if (first !== protocolId) throw notCompact(first)
    const second = this.#byte('a message head')
    if ((second & versionMask) !== version) throw this.broken(`version ${second & versionMask} of the compact protocol`)
    const sequence = this.#varint('a sequence number') | 0
    return { name: this.string('a message name'), type: (second >> typeShift) & 0x07, sequence }
  }

  beginStruct(): number {
    const outer = this.#lastId
    this.#lastId = 0
    return outer
  }

  endStruct(outer: number): void {
    this.#lastId = outer
  }

  fieldHead(): number {
    const head = this.#byte('a field')
    if (head === 0) return thriftTypes.stop
    const delta = head >> 4
    this.fieldId = delta === 0 ? this.i32('a field id') : this.#lastId + delta
    this.#lastId = this.fieldId
    return this.#type(head & 0x0f)
  }

  mapHead(what: string): number {
    const count = this.#varint(what) | 0
    if (count === 0) return 0
    const types = this.#byte(what)
    this.keyType = this.#type(types >> 4)
    this.valueType = this.#type(types & 0x0f)
    return this.checkedCount(count, this.bytesMin(this.keyType) + this.bytesMin(this.valueType), what)
  }

  listHead(what: string): number {
    const head = this.#byte(what)
    const short = head >> 4
    const count = short === longList ? this.#varint(what) | 0 : short
    if (count === 0) return 0
    this.elementType = this.#type(head & 0x0f)
    return this.checkedCount(count, this.bytesMin(this.elementType), what)
  }

  i32(what: string): number {
    const zigzag = this.#varint(what)
    return (zigzag >>> 1) ^ -(zigzag & 1)
  }

  protected dataLength(what: string): number {
    const first = this.bytes[this.at] as number
    if (first < 0x80 && this.at < this.end) {
      this.at++
      return first
    }
    return this.#varint(what) | 0
  }

  protected bytesMin(type: number): number {
    if (type === thriftTypes.uuid) return uuidBytes
    return type === thriftTypes.double ? doubleBytes : 1
  }

  protected skipScalar(type: number, inField: boolean): void {
    switch (type) {
      case thriftTypes.bool:
        // In a field the value lies in the field's type.
        if (!inField) this.advance(1, 'a skipped value')
        return
      case thriftTypes.byte:
      case thriftTypes.double:
      case thriftTypes.uuid:
        this.advance(this.bytesMin(type), 'a skipped value')
        return
      case thriftTypes.i16:
      case thriftTypes.i32:
      case thriftTypes.i64:
        this.#skipVarint()
        return
      default:
        throw this.broken(`there is no type ${type} in a container`)
    }
  }

  #type(compact: number): number {
    const type = typeOf[compact]
    if (type === undefined) throw this.broken(`there is no type ${compact}`)
    return type
  }

  #byte(what: string): number {
    return this.bytes[this.advance(1, what)] as number
  }

  /** A number of 32 bits, as its bits are. */
  #varint(what: string): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte(what)
      // The fifth byte has room for four bits only.
      if (shift === 28 && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw this.broken(`${what} has more than 32 bits`)
  }

  #skipVarint(): void {
    for (let bytes = 0; bytes < 10; bytes++) if (this.#byte('a skipped value') < 0x80) return
    throw this.broken('a number has more than 64 bits')
  }
}

function notCompact(firstByte: number): FlumeError {
  const hint =
    firstByte === binaryMark ? 'the peer speaks the binary protocol: give both sides the same protocol' : undefined
  return new FlumeError('PROTOCOL', "a message that is not of Thrift's compact protocol", hint ? { hint } : {})
}

export class CompactWriter extends ThriftWriter {
  #lastId = 0

  messageHead({ name, type, sequence }: MessageHead): void {
    this.byte(protocolId)
    this.byte((type << typeShift) | version)
    this.#varint(sequence)
    this.string(name)
  }

  beginStruct(): number {
    const outer = this.#lastId
    this.#lastId = 0
    return outer
  }

  endStruct(outer: number): void {
    this.#lastId = outer
  }

  fieldHead(type: number, id: number): void {
    const delta = id - this.#lastId
    this.#lastId = id
    if (delta > 0 && delta <= 15) {
      this.byte((delta << 4) | numberOf(type))
    } else {
      this.byte(numberOf(type))
      this.i32(id)
    }
  }

  stop(): void {
    this.byte(thriftTypes.stop)
  }

  mapHead(keyType: number, valueType: number, count: number): void {
    this.#varint(count)
    if (count > 0) this.byte((numberOf(keyType) << 4) | numberOf(valueType))
  }

  listHead(elementType: number, count: number): void {
    if (count < longList) {
      this.byte((count << 4) | numberOf(elementType))
    } else {
      this.byte((longList << 4) | numberOf(elementType))
      this.#varint(count)
    }
  }

  i32(value: number): void {
    this.#varint((value << 1) ^ (value >> 31))
  }

  protected dataLength(length: number): void {
    this.#varint(length)
  }

  #varint(bits: number): void {
    this.reserve(5)
    let rest = bits >>> 0
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.at++] = rest
  }
}

function numberOf(type: number): number {
  return typeOf.indexOf(type)
}
