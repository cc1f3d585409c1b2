// Thrift's message layer, whichever protocol carries it (flume-protocols §2).
//   message   = head (name, type, sequence number), struct: the arguments of a call, or its result
//   struct    = fields (type, id, value) … stop
//   result    = struct with field 0; an exception is a struct with 1: message, 2: i32 code
// A reader never goes beyond its bytes, and checks every length and count against those that are left before it uses it.
import { FlumeError } from '../../core/error.ts'
import { asBuffer, shortText, textOf } from '../text-range.ts'

/** Which of Thrift's protocols is spoken. */
export type ThriftProtocol = 'compact' | 'binary'

/** Types of values, by the numbers of the binary protocol. */
export const thriftTypes = {
  stop: 0,
  bool: 2,
  byte: 3,
  double: 4,
  i16: 6,
  i32: 8,
  i64: 10,
  string: 11,
  struct: 12,
  map: 13,
  set: 14,
  list: 15,
  uuid: 16,
} as const
/** Types of messages. */
export const messageTypes = { call: 1, reply: 2, exception: 3, oneway: 4 } as const
/** Codes of the exceptions that a server answers by itself. */
export const exceptionCodes = { unknownMethod: 1, internalError: 6, protocolError: 7 } as const

/** Structs and containers inside one another; Thrift's own libraries stop there too. */
const depthMax = 64

export interface MessageHead {
  readonly name: string
  readonly type: number
  readonly sequence: number
}

/** Reads Thrift values one after the other from one frame. */
export abstract class ThriftReader {
  readonly bytes: Buffer
  readonly end: number
  /** The next byte to be read. */
  at: number
  /** The id of the field whose head was read last. */
  fieldId = 0
  /** The types of the map whose head was read last. */
  keyType = 0
  valueType = 0
  /** The type of the elements of the list or set whose head was read last. */
  elementType = 0

  constructor(bytes: Uint8Array) {
    this.bytes = asBuffer(bytes)
    this.at = 0
    this.end = bytes.length
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.end - this.at
  }

  abstract messageHead(): MessageHead
  /** Enters a struct; what it answers is for `endStruct`. */
  abstract beginStruct(): number
  abstract endStruct(outer: number): void
  /** The type of the next field, whose id is then in `fieldId`; `stop` behind the last one. */
  abstract fieldHead(): number
  /** The number of entries of a map; their types are in `keyType` and `valueType`. */
  abstract mapHead(what: string): number
  /** The number of elements of a list or set; their type is in `elementType`. */
  abstract listHead(what: string): number
  abstract i32(what: string): number
  /** The length of a string or binary value, not checked against the bytes left. */
  protected abstract dataLength(what: string): number
  /** Bytes that a value of the type takes at least, inside a container. */
  protected abstract bytesMin(type: number): number
  /** Steps over a value that is no container; `inField` when its field's head was read just now. */
  protected abstract skipScalar(type: number, inField: boolean): void

  /** Steps over string or binary data and answers where it began; `at` then stands behind it. */
  skipData(what: string): number {
    const length = this.dataLength(what)
    if (length < 0) throw this.broken(`${what} has the negative length ${length}`)
    if (length > this.end - this.at) throw this.broken(`${what} of ${length} bytes where ${this.left} are left`)
    const start = this.at
    this.at = start + length
    return start
  }

  string(what: string): string {
    const start = this.skipData(what)
    return textOf(this.bytes, start, this.at)
  }

  /** Steps over the value of a field whose head was read just now. */
  skipField(type: number): void {
    this.#skip(type, true, 0)
  }

  /** A count that the bytes left can hold, each entry taking `entryBytesMin`. */
  protected checkedCount(count: number, entryBytesMin: number, what: string): number {
    if (count < 0) throw this.broken(`${what} has the negative count ${count}`)
    if (count > this.left / entryBytesMin)
      throw this.broken(`${what} announces ${count} entries where ${this.left} bytes are left`)
    return count
  }

  protected advance(bytes: number, what: string): number {
    if (bytes > this.end - this.at) throw this.broken(`${what} is cut off`)
    this.at += bytes
    return this.at - bytes
  }

  broken(problem: string): FlumeError {
    return new FlumeError('PROTOCOL', `broken Thrift data: ${problem} (byte ${this.at} of ${this.end})`)
  }

  #skip(type: number, inField: boolean, depth: number): void {
    if (depth > depthMax) throw this.broken(`values more than ${depthMax} deep`)
    switch (type) {
      case thriftTypes.string:
        this.skipData('a skipped value')
        return
      case thriftTypes.struct: {
        const outer = this.beginStruct()
        for (let field = this.fieldHead(); field !== thriftTypes.stop; field = this.fieldHead())
          this.#skip(field, true, depth + 1)
        this.endStruct(outer)
        return
      }
      case thriftTypes.map: {
        const count = this.mapHead('a skipped map')
        const { keyType, valueType } = this
        for (let i = 0; i < count; i++) {
          this.#skip(keyType, false, depth + 1)
          this.#skip(valueType, false, depth + 1)
        }
        return
      }
      case thriftTypes.set:
      case thriftTypes.list: {
        const count = this.listHead('a skipped list')
        const { elementType } = this
        for (let i = 0; i < count; i++) this.#skip(elementType, false, depth + 1)
        return
      }
      default:
        this.skipScalar(type, inField)
    }
  }
}

/** Writes Thrift values into one growing buffer. */
export abstract class ThriftWriter {
  protected bytes: Buffer
  protected at: number

  /** `headroom` bytes at the start are left for what is known last, such as a frame's head. */
  constructor(bytesHint: number, headroom = 0) {
    this.bytes = Buffer.allocUnsafe(bytesHint + headroom)
    this.at = headroom
  }

  abstract messageHead(head: MessageHead): void
  abstract beginStruct(): number
  abstract endStruct(outer: number): void
  abstract fieldHead(type: number, id: number): void
  /** Behind the last field of a struct. */
  abstract stop(): void
  abstract mapHead(keyType: number, valueType: number, count: number): void
  abstract listHead(elementType: number, count: number): void
  abstract i32(value: number): void
  protected abstract dataLength(length: number): void

  /** What was written, headroom included; nothing may be written afterwards. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at)
  }

  string(value: string): void {
    const length = Buffer.byteLength(value)
    this.dataLength(length)
    this.reserve(length)
    if (length <= shortText && length === value.length) {
      for (let i = 0; i < length; i++) this.bytes[this.at + i] = value.charCodeAt(i)
      this.at += length
    } else this.at += this.bytes.write(value, this.at, length)
  }

  /** Binary data: `from[start .. end)`. */
  data(from: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.dataLength(length)
    this.reserve(length)
    this.bytes.set(from.subarray(start, end), this.at)
    this.at += length
  }

  protected byte(value: number): void {
    this.reserve(1)
    this.bytes[this.at++] = value
  }

  protected reserve(bytes: number): void {
    const needed = this.at + bytes
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.bytes.length))
    this.bytes.copy(grown, 0, 0, this.at)
    this.bytes = grown
  }
}

/** Reads a whole struct and answers its field of this id and type, undefined when it is not there; others are skipped. */
export function readOneField<T>(reader: ThriftReader, id: number, type: number, read: () => T): T | undefined {
  let found: T | undefined
  const outer = reader.beginStruct()
  for (let field = reader.fieldHead(); field !== thriftTypes.stop; field = reader.fieldHead()) {
    if (reader.fieldId === id && field === type) found = read()
    else reader.skipField(field)
  }
  reader.endStruct(outer)
  return found
}

/** An answer whose result is one number, as every enum is. */
export function writeNumberResult(writer: ThriftWriter, value: number): void {
  const outer = writer.beginStruct()
  writer.fieldHead(thriftTypes.i32, 0)
  writer.i32(value)
  writer.stop()
  writer.endStruct(outer)
}

/** The number that an answer with this head brings; throws REFUSED with the server's words when it is an exception. */
export function readNumberResult(reader: ThriftReader, { type, name }: MessageHead): number {
  if (type === messageTypes.exception)
    throw new FlumeError('REFUSED', `the peer refused the call: ${problemIn(reader)}`)
  if (type !== messageTypes.reply) throw reader.broken(`a message of type ${type} where an answer was expected`)
  const value = readOneField(reader, 0, thriftTypes.i32, () => reader.i32('a result'))
  if (value === undefined) throw reader.broken(`the answer to ${name} has no result`)
  return value
}

/** What went wrong with a call, in the form that every Thrift client understands. */
export function writeException(writer: ThriftWriter, code: number, message: string): void {
  const outer = writer.beginStruct()
  writer.fieldHead(thriftTypes.string, 1)
  writer.string(message)
  writer.fieldHead(thriftTypes.i32, 2)
  writer.i32(code)
  writer.stop()
  writer.endStruct(outer)
}

function problemIn(reader: ThriftReader): string {
  const message = readOneField(reader, 1, thriftTypes.string, () => reader.string('an exception'))
  return message ?? 'it gave no reason'
}
