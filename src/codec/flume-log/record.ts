// What real Flume's file channel (1.3 to 1.11) writes into a log file, `log-N`:
//
//   log    = (record | void)* fill          fill: bytes 80, set aside ahead in steps of 1 MiB
//   record = 7f length:i32be payload        void = 00 length:i32be anything    (what Flume's integrity tool made of a record)
//   payload = head body footer              three delimited protobuf messages
//   head   = 1 type:sfixed32  2 transaction:sfixed64  3 order:sfixed64      order: rises with every record of the channel
//   put    = 1 event { 1 header { 1 key  2 value }*  2 body }  2 crc:sfixed64   CRC-32 of the body
//   take   = 1 file:sfixed32  2 offset:sfixed32                             where the put's record begins
//   commit = 1 type:sfixed32                                                1: of puts, 2: of takes
//   rollback, footer = nothing
import { crc32 } from 'node:zlib'
import { broken, WireReader } from './wire.ts'

/** First byte of a record, of one that was made void, and of room made ahead. */
export const recordMark = 0x7f
export const voidMark = 0x00
export const fillMark = 0x80
/** The mark and the payload's length. */
export const frameBytes = 5
/** Of a payload: a head of 24 bytes, its length included, an empty body and an empty footer. */
export const payloadBytesMin = 26
/** A head and the body of a take, with room for fields that nobody knows. */
export const smallPayloadBytesMax = 1024

export type FlumeRecordType = 'put' | 'take' | 'rollback' | 'commit'
const types: readonly (FlumeRecordType | undefined)[] = [undefined, 'put', 'take', 'rollback', 'commit']

export interface FlumeRecord {
  readonly type: FlumeRecordType
  readonly transaction: number
  /** Flume's write order id. */
  readonly order: number
  /** Of a take: the put that it took. */
  readonly file: number
  readonly offset: number
  /** Of a commit: whether it commits takes. */
  readonly commitsTakes: boolean
}

export interface FlumeEvent {
  readonly headers: Readonly<Record<string, string>>
  /** The body is [start, end) of the bytes that were read. */
  readonly start: number
  readonly end: number
}

/** The record whose payload is [start, end); of a put only the head is looked at. Throws INVALID_DATA when it is none. */
export function readFlumeRecord(bytes: Buffer, start: number, end: number): FlumeRecord {
  const reader = new WireReader(bytes, start, end)
  const head = readHead(reader)
  let file = 0
  let offset = 0
  let commits = 0
  if (head.type !== 'put') {
    const body = reader.message(head.type)
    while (body.next(head.type)) {
      if (head.type === 'take' && body.is(1, 5, 'file of a take')) file = body.int32('file of a take')
      else if (head.type === 'take' && body.is(2, 5, 'offset of a take')) offset = body.int32('offset of a take')
      else if (head.type === 'commit' && body.is(1, 5, 'type of a commit')) commits = body.int32('type of a commit')
      else throw body.unknown(head.type)
    }
    if (head.type === 'take' && (file <= 0 || offset < 0)) throw broken(`a take of file ${file}, offset ${offset}`)
    if (head.type === 'commit' && commits !== 1 && commits !== 2) throw broken(`a commit of type ${commits}`)
    readFooter(reader, end)
  }
  return { ...head, file, offset, commitsTakes: commits === 2 }
}

/** The event of a put's payload, its checksum checked. Throws INVALID_DATA when it is not a put, or not whole. */
export function readFlumeEvent(bytes: Buffer, start: number, end: number): FlumeEvent {
  const reader = new WireReader(bytes, start, end)
  const { type } = readHead(reader)
  if (type !== 'put') throw broken(`a ${type} where an event is expected`)
  const put = reader.message('put')
  let event: FlumeEvent | undefined
  let crc: number | undefined
  while (put.next('put')) {
    if (put.is(1, 2, 'event')) event = readEvent(put.message('event'))
    else if (put.is(2, 1, 'checksum')) crc = put.count64('checksum')
    else throw put.unknown('put')
  }
  readFooter(reader, end)
  if (!event) throw broken('a put without an event')
  // Flume checks it when it is there; 1.3 did not write one.
  const found = crc === undefined ? undefined : crc32(bytes.subarray(event.start, event.end))
  if (found !== crc) throw broken(`the checksum of an event is ${crc}, its body's is ${found}`)
  return event
}

function readHead(reader: WireReader): Pick<FlumeRecord, 'type' | 'transaction' | 'order'> {
  const head = reader.message('head of a record')
  let number = 0
  let transaction: number | undefined
  let order: number | undefined
  while (head.next('head of a record')) {
    if (head.is(1, 5, 'type')) number = head.int32('type')
    else if (head.is(2, 1, 'transaction id')) transaction = head.count64('transaction id')
    else if (head.is(3, 1, 'write order id')) order = head.count64('write order id')
    else throw head.unknown('head of a record')
  }
  const type = types[number]
  if (!type || transaction === undefined || order === undefined) throw broken('no head of a record')
  return { type, transaction, order }
}

function readFooter(reader: WireReader, end: number): void {
  const footer = reader.message('footer')
  while (footer.next('footer')) throw footer.unknown('footer')
  if (reader.at !== end) throw broken(`${end - reader.at} bytes behind the footer of a record`)
}

function readEvent(reader: WireReader): FlumeEvent {
  const headers: [string, string][] = []
  let body: { readonly start: number; readonly end: number } | undefined
  while (reader.next('event')) {
    if (reader.is(1, 2, 'header')) headers.push(readHeader(reader.message('header')))
    else if (reader.is(2, 2, 'body')) body = reader.range('body')
    else throw reader.unknown('event')
  }
  if (!body) throw broken('an event without a body')
  // Not by assignment: a stranger may have sent a header named __proto__.
  return { headers: Object.fromEntries(headers), start: body.start, end: body.end }
}

function readHeader(reader: WireReader): [string, string] {
  let key: string | undefined
  // Flume: a header without a value comes back as the empty text (F-13).
  let value = ''
  while (reader.next('header')) {
    if (reader.is(1, 2, 'key')) key = reader.text('key')
    else if (reader.is(2, 2, 'value')) value = reader.text('value')
    else throw reader.unknown('header')
  }
  if (key === undefined) throw broken('a header without a key')
  return [key, value]
}
