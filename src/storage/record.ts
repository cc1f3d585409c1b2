import { crc32 } from 'node:zlib'
import { FlumeError } from '../core/error.ts'
import { EventBatch, type HeaderColumn } from '../core/event-batch.ts'
import type { NumberSet } from './number-set.ts'

/*
 * The format, little-endian throughout; docs/format/file-channel.md explains it.
 *
 *   segment  = record*                    the first record is a state
 *   record   = header payload padding     begins at a multiple of 8; padding: zeros up to the next one
 *   header   = magic:u32 payloadBytes:u32 first:u64 count:u32 type:u8 version:u8 flags:u16 payloadCrc:u32 headerCrc:u32
 *   flags    = 1: no sync came between the record before it and this one
 *   batch    = bodyBytes:u32 columns:u32 bodyLength:u32{count} column{columns} body{count}
 *   column   = shared:u8=0 text text | perEvent:u8=1 text length:u32{count} utf8*     length ffffffff: no such header
 *   text     = bytes:u32 utf8
 *   taken    = range*                     the events that are gone
 *   state    = next:u64 floor:u64 range*  the number of the next event, and all events that are gone
 *   range    = from:u64 to:u64            to: not included
 *   void     = anything                   a damaged record that was set aside
 *
 * Never:
 * - a reader takes bytes for a record whose two checksums do not both hold. headerCrc covers the header, the segment's
 *   salt (in its file name) and the record's place, payloadCrc the payload and the padding: bodies that hold a copy of a
 *   log are no records, nor are old bytes of another file.
 * - a reader sets aside memory for more than is left of the file.
 */

/** Of a header; also the smallest record. */
export const headerBytes = 32
/** Records begin at multiples of this. */
export const alignment = 8
/** Largest payload of a record. */
export const payloadBytesMax = 512 * 1024 * 1024
const magic = Buffer.from('FTr1', 'latin1')
const magicNumber = magic.readUInt32LE(0)
const version = 1
const absent = 0xffffffff

export type RecordType = 'batch' | 'taken' | 'state' | 'void'
const types: readonly RecordType[] = ['batch', 'taken', 'state', 'void']

export interface RecordHeader {
  readonly type: RecordType
  /** Number of the first event of a batch; of a void, of the first event that was lost. */
  readonly first: number
  readonly count: number
  /** No sync came between the record before it and this one. */
  readonly continues: boolean
  readonly payloadBytes: number
  readonly payloadCrc: number
  /** Header, payload and padding. */
  readonly totalBytes: number
}

/** A record without its place: `seal` completes it. */
export interface Draft {
  readonly bytes: Buffer
  readonly type: RecordType
  readonly count: number
}

/** An event's batch as it stands in the log, with a view of its events on the record's own bytes. */
export function draftBatch(batch: EventBatch): { readonly draft: Draft; readonly stored: EventBatch } {
  const { count } = batch
  const columns = [...batch.headers].map(([name, column]) => encodeColumn(name, column, count))
  let headBytes = 8 + 4 * count
  for (const column of columns) headBytes += column.length
  const payloadBytes = headBytes + batch.bodyBytes
  if (payloadBytes > payloadBytesMax) {
    throw new FlumeError(
      'BATCH_TOO_LARGE',
      `a batch of ${payloadBytes} bytes does not fit a record of the log, ${payloadBytesMax} bytes`,
      {
        hint: 'commit fewer events at once',
      },
    )
  }
  const draft = newDraft('batch', count, payloadBytes)
  const { bytes } = draft
  bytes.writeUInt32LE(batch.bodyBytes, headerBytes)
  bytes.writeUInt32LE(columns.length, headerBytes + 4)
  let at = headerBytes + 8
  const starts = new Uint32Array(count)
  const ends = new Uint32Array(count)
  let bodyAt = headerBytes + headBytes
  const { body } = batch
  // Bodies that touch are one copy; the usual short gaps are one copy an event.
  let runFrom = 0
  let runTo = 0
  let runAt = bodyAt
  for (let i = 0; i < count; i++) {
    const from = batch.starts[i] as number
    const to = batch.ends[i] as number
    if (from !== runTo) {
      if (runTo > runFrom) bytes.set(body.subarray(runFrom, runTo), runAt)
      runFrom = from
      runAt = bodyAt
    }
    runTo = to
    bytes.writeUInt32LE(to - from, at)
    at += 4
    starts[i] = bodyAt
    bodyAt += to - from
    ends[i] = bodyAt
  }
  if (runTo > runFrom) bytes.set(body.subarray(runFrom, runTo), runAt)
  for (const column of columns) {
    bytes.set(column, at)
    at += column.length
  }
  finish(draft, payloadBytes)
  return { draft, stored: new EventBatch(bytes, starts, ends, batch.headers) }
}

/** What is gone from now on. */
export function draftTaken(ranges: readonly { readonly from: number; readonly to: number }[]): Draft {
  const draft = newDraft('taken', 0, 16 * ranges.length)
  writeRanges(draft.bytes, headerBytes, ranges)
  finish(draft, 16 * ranges.length)
  return draft
}

export function draftState(next: number, gone: NumberSet): Draft {
  const payloadBytes = 16 + 16 * gone.islands.length
  const draft = newDraft('state', 0, payloadBytes)
  writeNumber(draft.bytes, headerBytes, next)
  writeNumber(draft.bytes, headerBytes + 8, gone.floor)
  writeRanges(draft.bytes, headerBytes + 16, gone.islands)
  finish(draft, payloadBytes)
  return draft
}

/** A record of exactly `totalBytes` that stands where a damaged one was; `first` and `count` as far as they are known. */
export function draftVoid(totalBytes: number, count: number): Draft {
  const draft: Draft = { bytes: Buffer.alloc(totalBytes), type: 'void', count }
  finish(draft, totalBytes - headerBytes)
  return draft
}

function newDraft(type: RecordType, count: number, payloadBytes: number): Draft {
  const bytes = Buffer.allocUnsafeSlow(padded(headerBytes + payloadBytes))
  bytes.fill(0, headerBytes + payloadBytes)
  return { bytes, type, count }
}

function finish({ bytes }: Draft, payloadBytes: number): void {
  bytes.writeUInt32LE(payloadBytes, 4)
  bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes)), 24)
}

/** Writes the rest of a draft's header: its number, and the checksum that ties it to its place. */
export function seal(draft: Draft, first: number, salt: Buffer, offset: number, continues: boolean): void {
  const { bytes } = draft
  bytes.writeUInt32LE(magicNumber, 0)
  writeNumber(bytes, 8, first)
  bytes.writeUInt32LE(draft.count, 16)
  bytes[20] = types.indexOf(draft.type) + 1
  bytes[21] = version
  bytes.writeUInt16LE(continues ? 1 : 0, 22)
  bytes.writeUInt32LE(headerCrc(bytes, 0, salt, offset), 28)
}

/** The header at `at` of the bytes, which stand at `offset` of the segment; undefined when there is none. */
export function readHeader(bytes: Buffer, at: number, salt: Buffer, offset: number): RecordHeader | undefined {
  if (bytes.readUInt32LE(at) !== magicNumber) return undefined
  if (bytes.readUInt32LE(at + 28) !== headerCrc(bytes, at, salt, offset)) return undefined
  const type = types[(bytes[at + 20] as number) - 1]
  const payloadBytes = bytes.readUInt32LE(at + 4)
  if (type === undefined || bytes[at + 21] !== version || payloadBytes > payloadBytesMax) return undefined
  return {
    type,
    first: readNumber(bytes, at + 8),
    count: bytes.readUInt32LE(at + 16),
    continues: (bytes.readUInt16LE(at + 22) & 1) === 1,
    payloadBytes,
    payloadCrc: bytes.readUInt32LE(at + 24),
    totalBytes: padded(headerBytes + payloadBytes),
  }
}

/** Where a record may begin next, from `from` on; -1 when nowhere. */
export function findMagic(bytes: Buffer, from: number, isAligned: (at: number) => boolean): number {
  for (let at = bytes.indexOf(magic, from); at >= 0; at = bytes.indexOf(magic, at + 1)) if (isAligned(at)) return at
  return -1
}

/** Whether the record's payload and padding are what was written. `record` is the whole record. */
export function isWhole(record: Buffer, header: RecordHeader): boolean {
  return crc32(record.subarray(headerBytes)) === header.payloadCrc
}

/** The events of a batch record; `record` is the whole record. Throws INVALID_DATA when it makes no sense. */
export function decodeBatch(record: Buffer, { count, payloadBytes }: RecordHeader): EventBatch {
  const end = headerBytes + payloadBytes
  const reader = new PayloadReader(record, headerBytes, end)
  const bodyBytes = reader.u32()
  const columnCount = reader.u32()
  reader.need(4 * count)
  const lengthsAt = reader.at
  reader.at += 4 * count
  const headers = new Map<string, HeaderColumn>()
  for (let i = 0; i < columnCount; i++) {
    const kind = reader.u8()
    const name = reader.text()
    headers.set(name, kind === 0 ? reader.text() : reader.texts(count))
  }
  if (reader.at + bodyBytes !== end) throw malformed()
  const starts = new Uint32Array(count)
  const ends = new Uint32Array(count)
  let at = reader.at
  for (let i = 0; i < count; i++) {
    starts[i] = at
    at += record.readUInt32LE(lengthsAt + 4 * i)
    if (at > end) throw malformed()
    ends[i] = at
  }
  if (at !== end) throw malformed()
  return new EventBatch(record, starts, ends, headers)
}

/** The ranges of a taken record, added to `gone`. */
export function readTaken(record: Buffer, { payloadBytes }: RecordHeader, gone: NumberSet): void {
  readRanges(record, headerBytes, headerBytes + payloadBytes, gone)
}

/** A state record's next number; its ranges are added to `gone`. */
export function readState(record: Buffer, { payloadBytes }: RecordHeader, gone: NumberSet): number {
  if (payloadBytes < 16) throw malformed()
  gone.add(0, readNumber(record, headerBytes + 8))
  readRanges(record, headerBytes + 16, headerBytes + payloadBytes, gone)
  return readNumber(record, headerBytes)
}

/** Bytes of a record with its padding. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

function encodeColumn(name: string, column: HeaderColumn, count: number): Buffer {
  if (typeof column === 'string') return Buffer.concat([Buffer.of(0), text(name), text(column)])
  const lengths = Buffer.allocUnsafe(4 * count)
  const texts: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const value = column[i]
    const bytes = value === undefined ? undefined : Buffer.from(value)
    lengths.writeUInt32LE(bytes?.length ?? absent, 4 * i)
    if (bytes) texts.push(bytes)
  }
  return Buffer.concat([Buffer.of(1), text(name), lengths, ...texts])
}

function text(value: string): Buffer {
  const utf8 = Buffer.from(value)
  const bytes = Buffer.allocUnsafe(4 + utf8.length)
  bytes.writeUInt32LE(utf8.length)
  bytes.set(utf8, 4)
  return bytes
}

class PayloadReader {
  readonly #bytes: Buffer
  readonly #end: number
  at: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes
    this.at = at
    this.#end = end
  }

  need(bytes: number): void {
    if (this.at + bytes > this.#end) throw malformed()
  }

  u8(): number {
    this.need(1)
    return this.#bytes[this.at++] as number
  }

  u32(): number {
    this.need(4)
    this.at += 4
    return this.#bytes.readUInt32LE(this.at - 4)
  }

  text(): string {
    return this.utf8(this.u32())
  }

  utf8(bytes: number): string {
    this.need(bytes)
    this.at += bytes
    return this.#bytes.toString('utf8', this.at - bytes, this.at)
  }

  texts(count: number): (string | undefined)[] {
    this.need(4 * count)
    const lengthsAt = this.at
    this.at += 4 * count
    const values: (string | undefined)[] = new Array(count)
    for (let i = 0; i < count; i++) {
      const length = this.#bytes.readUInt32LE(lengthsAt + 4 * i)
      values[i] = length === absent ? undefined : this.utf8(length)
    }
    return values
  }
}

function writeRanges(
  bytes: Buffer,
  from: number,
  ranges: readonly { readonly from: number; readonly to: number }[],
): void {
  let at = from
  for (const range of ranges) {
    writeNumber(bytes, at, range.from)
    writeNumber(bytes, at + 8, range.to)
    at += 16
  }
}

function readRanges(bytes: Buffer, from: number, to: number, gone: NumberSet): void {
  if ((to - from) % 16 !== 0) throw malformed()
  for (let at = from; at < to; at += 16) gone.add(readNumber(bytes, at), readNumber(bytes, at + 8))
}

function writeNumber(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value >>> 0, at)
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at)
}

/** One buffer for all: the checksum of a header is made in one go. */
const scratch = Buffer.alloc(16)

function headerCrc(bytes: Buffer, at: number, salt: Buffer, offset: number): number {
  salt.copy(scratch, 0, 0, 8)
  writeNumber(scratch, 8, offset)
  return crc32(bytes.subarray(at, at + 28), crc32(scratch))
}

function malformed(): FlumeError {
  return new FlumeError('INVALID_DATA', 'a record of the log makes no sense although its checksum holds')
}
