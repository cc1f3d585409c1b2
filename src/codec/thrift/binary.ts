// Thrift's binary protocol; numbers are big-endian.
//   message = i32 0x8001 << 16 | type, string name, i32 sequence         (strict)
//           | string name, byte type, i32 sequence                      (old: the name's length is not negative)
//   field   = byte type, i16 id            stop = byte 0
//   string  = i32 length, bytes            map  = byte key type, byte value type, i32 count, (key, value) …
//   list    = byte element type, i32 count, elements …
import { FlumeError } from '../../core/error.ts'
import { type MessageHead, ThriftReader, ThriftWriter, thriftTypes } from './protocol.ts'

const versionMask = 0xffff0000 | 0
const version = 0x80010000 | 0
/** The first byte of a message in the compact protocol. */
const compactMark = 0x82

/** Bytes of a value inside a container at least, by its type. */
const bytesMinOf: Readonly<Record<number, number>> = {
  [thriftTypes.bool]: 1,
  [thriftTypes.byte]: 1,
  [thriftTypes.i16]: 2,
  [thriftTypes.i32]: 4,
  [thriftTypes.i64]: 8,
  [thriftTypes.double]: 8,
  [thriftTypes.uuid]: 16,
  [thriftTypes.string]: 4,
  [thriftTypes.struct]: 1,
  [thriftTypes.map]: 6,
  [thriftTypes.set]: 5,
  [thriftTypes.list]: 5,
}

export class BinaryReader extends ThriftReader {
  messageHead(): MessageHead {
    const first = this.i32('a message head')
    if (first >= 0) {
      // The old form begins with the name's length, which was just read.
      this.at -= 4
      const name = this.string('a message name')
      const type = this.#byte('a message type')
      return { name, type, sequence: this.i32('a sequence number') }
    }
    if ((first & versionMask) !== version) throw notBinary(first >>> 24)
    const name = this.string('a message name')
    return { name, type: first & 0xff, sequence: this.i32('a sequence number') }
  }

  beginStruct(): number {
    return 0
  }

  endStruct(): void {}

  fieldHead(): number {
    const type = this.#byte('a field')
    if (type === thriftTypes.stop) return type
    const at = this.advance(2, 'a field id')
    this.fieldId = this.bytes.readInt16BE(at)
    return type
  }

  mapHead(what: string): number {
    this.keyType = this.#byte(what)
    this.valueType = this.#byte(what)
    const count = this.i32(what)
    return count === 0 ? 0 : this.checkedCount(count, this.bytesMin(this.keyType) + this.bytesMin(this.valueType), what)
  }

  listHead(what: string): number {
    this.elementType = this.#byte(what)
    const count = this.i32(what)
    return count === 0 ? 0 : this.checkedCount(count, this.bytesMin(this.elementType), what)
  }

  i32(what: string): number {
    const at = this.advance(4, what)
    const { bytes } = this
    return (
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
    )
  }

  protected dataLength(what: string): number {
    return this.i32(what)
  }

  protected bytesMin(type: number): number {
    const bytes = bytesMinOf[type]
    if (bytes === undefined) throw this.broken(`there is no type ${type}`)
    return bytes
  }

  protected skipScalar(type: number): void {
    this.advance(this.bytesMin(type), 'a skipped value')
  }

  #byte(what: string): number {
    return this.bytes[this.advance(1, what)] as number
  }
}

function notBinary(firstByte: number): FlumeError {
  const hint =
    firstByte === compactMark ? 'the peer speaks the compact protocol: give both sides the same protocol' : undefined
  return new FlumeError('PROTOCOL', "a message that is not of Thrift's binary protocol", hint ? { hint } : {})
}

export class BinaryWriter extends ThriftWriter {
  readonly #strict: boolean

  /** `strict` false writes the old form of messages, as Scribe's servers do. */
  constructor(bytesHint: number, headroom = 0, strict = true) {
    super(bytesHint, headroom)
    this.#strict = strict
  }

  messageHead({ name, type, sequence }: MessageHead): void {
    if (this.#strict) {
      this.i32(version | type)
      this.string(name)
    } else {
      this.string(name)
      this.byte(type)
    }
    this.i32(sequence)
  }

  beginStruct(): number {
    return 0
  }

  endStruct(): void {}

  fieldHead(type: number, id: number): void {
    this.reserve(3)
    this.bytes[this.at++] = type
    this.bytes[this.at++] = id >> 8
    this.bytes[this.at++] = id
  }

  stop(): void {
    this.byte(thriftTypes.stop)
  }

  mapHead(keyType: number, valueType: number, count: number): void {
    this.byte(keyType)
    this.byte(valueType)
    this.i32(count)
  }

  listHead(elementType: number, count: number): void {
    this.byte(elementType)
    this.i32(count)
  }

  i32(value: number): void {
    this.reserve(4)
    const { bytes } = this
    bytes[this.at++] = value >> 24
    bytes[this.at++] = value >> 16
    bytes[this.at++] = value >> 8
    bytes[this.at++] = value
  }

  protected dataLength(length: number): void {
    this.i32(length)
  }
}
