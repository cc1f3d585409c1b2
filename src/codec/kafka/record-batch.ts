// Record batches, format 2 (Kafka 0.11 and later), as they lie in fetch answers, produce requests and log segments.
//   batch  = int64 firstOffset, int32 length (of what follows), int32 leaderEpoch, int8 magic 2, uint32 crc32c (of what
//            follows), int16 attributes, int32 lastOffsetDelta, int64 firstTimestamp, int64 maxTimestamp,
//            int64 producerId, int16 producerEpoch, int32 firstSequence, int32 count, records (compressed as one)
//   record = varint length, int8 attributes, varlong timestampDelta, varint offsetDelta, varint keyLength (-1: null), key,
//            varint valueLength (-1: null), value, varint headers, { varint keyLength, key, varint valueLength, value }
//   attributes: bits 0–2 compression, 3 time of appending, 4 transactional, 5 control
// Varints are zig-zag. A fetch answer may end within a batch: that rest is left for the next fetch.
import { FlumeError } from '../../core/error.ts'
import type { HeaderColumn } from '../../core/event-batch.ts'
import { crc32c } from '../hdfs/crc32c.ts'
import { int64At, writeInt64 } from './wire.ts'

/** Records in columns: keys, values and headers are ranges of `bytes`. */
export interface RecordColumns {
  readonly count: number
  readonly bytes: Buffer
  readonly valueStarts: Uint32Array
  readonly valueEnds: Uint32Array
  /** Where the key begins, or `none` for a record without key. */
  readonly keyStarts: Uint32Array
  readonly keyEnds: Uint32Array
  /** Where the count of headers stands. */
  readonly headerStarts: Uint32Array
  readonly offsets: Float64Array
  /** Milliseconds since 1970; -1 when the record has none. */
  readonly timestamps: Float64Array
  /** Records whose value is null (a tombstone), 1 each; absent when there is none. */
  readonly nullValues: Uint8Array | undefined
}

/** In place of a start: there is no such thing. */
export const none = 0xffffffff

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
/** In the order of their numbers in the attributes. */
export const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** A transaction that was given up: its records from `firstOffset` on are not to be seen. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface DecodeOptions {
  /** Records before this offset are left out: a batch is always fetched whole. */
  readonly from: number
  /** Records at and after this offset are left out; no limit when left out. */
  readonly until?: number
  /** Undoes a compression; rejects what it does not know and what grows beyond `bytesMax`. */
  readonly decompress: (compression: Compression, bytes: Buffer, bytesMax: number) => Buffer
  /** The most that a batch may hold when it is decompressed, in bytes. */
  readonly decompressedBytesMax: number
  /** Given up transactions whose records are left out, ascending by `firstOffset`; none: all records are seen. */
  readonly aborted?: readonly AbortedTransaction[]
  readonly checkCrc?: boolean
}

export interface Decoded {
  readonly slices: readonly RecordColumns[]
  /** Where reading goes on: behind the last whole batch, records left out included. */
  readonly nextOffset: number
  /** Bytes of whole batches. */
  readonly bytes: number
}

const batchHeadBytes = 12
const recordsAt = 61
/** length, attributes, timestamp, offset, key length, value length, headers: a byte each. */
const recordBytesMin = 7
const timeOfAppending = 1 << 3
const transactional = 1 << 4
const control = 1 << 5

interface Head {
  readonly at: number
  readonly end: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly attributes: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  readonly count: number
}

/** Reads every whole batch of `bytes`. Uncompressed records of all batches make one slice, each compressed batch one of its own. */
export function decodeRecords(bytes: Buffer, options: DecodeOptions): Decoded {
  const heads = readHeads(bytes, options)
  const last = heads.at(-1)
  if (!last) return { slices: [], nextOffset: options.from, bytes: 0 }
  const slices: RecordColumns[] = []
  const visible = withoutAborted(heads, bytes, options.aborted)
  for (let i = 0; i < visible.length; ) {
    const head = visible[i] as Head
    const compression = compressionOf(head)
    if (compression !== 'none') {
      const packed = bytes.subarray(head.at + recordsAt, head.end)
      const unpacked = options.decompress(compression, packed, options.decompressedBytesMax)
      const columns = new Columns(unpacked, checkCount(head, unpacked.length), options)
      columns.read(head, 0, unpacked.length)
      columns.finishInto(slices)
      i++
      continue
    }
    let end = i
    let count = 0
    for (; end < visible.length && compressionOf(visible[end] as Head) === 'none'; end++) {
      const { at, end: to } = visible[end] as Head
      count += checkCount(visible[end] as Head, to - at - recordsAt)
    }
    const columns = new Columns(bytes, count, options)
    for (; i < end; i++) {
      const plain = visible[i] as Head
      columns.read(plain, plain.at + recordsAt, plain.end)
    }
    columns.finishInto(slices)
  }
  return { slices, nextOffset: Math.max(options.from, last.lastOffset + 1), bytes: last.end }
}

function readHeads(bytes: Buffer, { checkCrc = true }: DecodeOptions): Head[] {
  const heads: Head[] = []
  for (let at = 0; bytes.length - at >= batchHeadBytes; ) {
    const length = bytes.readInt32BE(at + 8)
    const end = at + batchHeadBytes + length
    if (length < recordsAt - batchHeadBytes) throw broken(`a batch of ${length} bytes`, at)
    // Format 0 and 1 have the magic byte at the same place.
    if (bytes.length - at > 16) {
      const magic = bytes.readInt8(at + 16)
      if (magic !== 2) {
        throw new FlumeError('UNSUPPORTED', `records of format ${magic} (before Kafka 0.11) cannot be read`, {
          hint: 'let the topic be written anew by brokers of 0.11 or later, or wait until those records have expired',
        })
      }
    }
    if (end > bytes.length) break
    if (checkCrc) {
      const stored = bytes.readInt32BE(at + 17)
      if (crc32c(bytes, at + 21, end) !== stored) {
        throw new FlumeError(
          'INVALID_DATA',
          `the batch of records at offset ${int64At(bytes, at)} is damaged: its checksum is wrong`,
          {
            hint: 'a disk or a network is at fault; check.crcs = false reads it all the same',
          },
        )
      }
    }
    const firstOffset = int64At(bytes, at)
    heads.push({
      at,
      end,
      firstOffset,
      lastOffset: firstOffset + bytes.readInt32BE(at + 23),
      attributes: bytes.readInt16BE(at + 21),
      firstTimestamp: int64At(bytes, at + 27),
      maxTimestamp: int64At(bytes, at + 35),
      producerId: bytes.readBigInt64BE(at + 43),
      count: bytes.readInt32BE(at + 57),
    })
    at = end
  }
  return heads
}

/** Leaves out control batches, and those of transactions that were given up. */
function withoutAborted(
  heads: readonly Head[],
  bytes: Buffer,
  aborted: readonly AbortedTransaction[] | undefined,
): Head[] {
  const waiting = [...(aborted ?? [])]
  const open = new Set<bigint>()
  return heads.filter((head) => {
    while (waiting[0] && waiting[0].firstOffset <= head.lastOffset)
      open.add((waiting.shift() as AbortedTransaction).producerId)
    if (head.attributes & control) {
      if (isAbortMarker(head, bytes)) open.delete(head.producerId)
      return false
    }
    return !((head.attributes & transactional) !== 0 && open.has(head.producerId))
  })
}

/** The key of a control record is int16 version, int16 type; type 0 ends a transaction that was given up. */
function isAbortMarker(head: Head, bytes: Buffer): boolean {
  const cursor = new Cursor(bytes, head.at + recordsAt, head.end)
  cursor.long()
  cursor.skip(1)
  cursor.long()
  cursor.long()
  const length = cursor.long()
  return length >= 4 && bytes.readInt16BE(cursor.skip(length) + 2) === 0
}

function compressionOf({ attributes, firstOffset }: Head): Compression {
  const compression = compressions[attributes & 7]
  if (!compression)
    throw new FlumeError(
      'UNSUPPORTED',
      `the batch at offset ${firstOffset} has the unknown compression ${attributes & 7}`,
    )
  return compression
}

function checkCount(head: Head, bytes: number): number {
  if (head.count < 0 || head.count * recordBytesMin > bytes)
    throw broken(`${head.count} records in ${bytes} bytes`, head.at)
  return head.count
}

class Columns {
  readonly #cursor: Cursor
  readonly #from: number
  readonly #until: number
  readonly #valueStarts: Uint32Array
  readonly #valueEnds: Uint32Array
  readonly #keyStarts: Uint32Array
  readonly #keyEnds: Uint32Array
  readonly #headerStarts: Uint32Array
  readonly #offsets: Float64Array
  readonly #timestamps: Float64Array
  #nullValues: Uint8Array | undefined
  #count = 0

  constructor(bytes: Buffer, count: number, { from, until }: DecodeOptions) {
    this.#cursor = new Cursor(bytes, 0, bytes.length)
    this.#from = from
    this.#until = until ?? Number.POSITIVE_INFINITY
    this.#valueStarts = new Uint32Array(count)
    this.#valueEnds = new Uint32Array(count)
    this.#keyStarts = new Uint32Array(count)
    this.#keyEnds = new Uint32Array(count)
    this.#headerStarts = new Uint32Array(count)
    this.#offsets = new Float64Array(count)
    this.#timestamps = new Float64Array(count)
  }

  read(head: Head, start: number, end: number): void {
    const cursor = this.#cursor
    cursor.at = start
    cursor.end = end
    const fixedTime = head.attributes & timeOfAppending ? head.maxTimestamp : undefined
    let i = this.#count
    for (let left = head.count; left > 0; left--) {
      const length = cursor.long()
      if (length < recordBytesMin - 1 || length > end - cursor.at)
        throw broken(`a record of ${length} bytes`, cursor.at)
      const next = cursor.at + length
      cursor.end = next
      cursor.at++
      const timestampDelta = cursor.long()
      const offset = head.firstOffset + cursor.long()
      if (offset >= this.#from && offset < this.#until) {
        this.#timestamps[i] = fixedTime ?? head.firstTimestamp + timestampDelta
        this.#offsets[i] = offset
        const keyLength = cursor.long()
        if (keyLength < 0) this.#keyStarts[i] = none
        else {
          this.#keyStarts[i] = cursor.skip(keyLength)
          this.#keyEnds[i] = cursor.at
        }
        const valueLength = cursor.long()
        if (valueLength < 0) {
          this.#nullValues ??= new Uint8Array(this.#offsets.length)
          this.#nullValues[i] = 1
        } else {
          this.#valueStarts[i] = cursor.skip(valueLength)
          this.#valueEnds[i] = cursor.at
        }
        this.#headerStarts[i] = cursor.at
        i++
      }
      cursor.at = next
      cursor.end = end
    }
    this.#count = i
  }

  finishInto(slices: RecordColumns[]): void {
    const count = this.#count
    if (count === 0) return
    slices.push({
      count,
      bytes: this.#cursor.bytes,
      valueStarts: this.#valueStarts.subarray(0, count),
      valueEnds: this.#valueEnds.subarray(0, count),
      keyStarts: this.#keyStarts.subarray(0, count),
      keyEnds: this.#keyEnds.subarray(0, count),
      headerStarts: this.#headerStarts.subarray(0, count),
      offsets: this.#offsets.subarray(0, count),
      timestamps: this.#timestamps.subarray(0, count),
      nullValues: this.#nullValues?.subarray(0, count),
    })
  }
}

/** Records from `start` up to, not including, `end`, sharing the bytes. */
export function sliceRecords(records: RecordColumns, start: number, end: number): RecordColumns {
  if (start <= 0 && end >= records.count) return records
  return {
    count: end - start,
    bytes: records.bytes,
    valueStarts: records.valueStarts.subarray(start, end),
    valueEnds: records.valueEnds.subarray(start, end),
    keyStarts: records.keyStarts.subarray(start, end),
    keyEnds: records.keyEnds.subarray(start, end),
    headerStarts: records.headerStarts.subarray(start, end),
    offsets: records.offsets.subarray(start, end),
    timestamps: records.timestamps.subarray(start, end),
    nullValues: records.nullValues?.subarray(start, end),
  }
}

/** Key i, undefined when the record has none. */
export function keyAt({ bytes, keyStarts, keyEnds }: RecordColumns, index: number): Buffer | undefined {
  const start = keyStarts[index] as number
  return start === none ? undefined : bytes.subarray(start, keyEnds[index])
}

/** Key i as text (UTF-8). */
export function keyTextAt({ bytes, keyStarts, keyEnds }: RecordColumns, index: number): string | undefined {
  const start = keyStarts[index] as number
  return start === none ? undefined : bytes.toString('utf8', start, keyEnds[index])
}

/** Value i, undefined when it is null. */
export function valueAt(
  { bytes, valueStarts, valueEnds, nullValues }: RecordColumns,
  index: number,
): Buffer | undefined {
  return nullValues?.[index] ? undefined : bytes.subarray(valueStarts[index], valueEnds[index])
}

/** Headers of record i, in their order; a name may stand several times. */
export function headersAt(
  { bytes, headerStarts }: RecordColumns,
  index: number,
): [name: string, value: Buffer | undefined][] {
  const cursor = new Cursor(bytes, headerStarts[index] as number, bytes.length)
  const count = cursor.long()
  if (count < 0 || 2 * count > bytes.length - cursor.at) throw broken(`${count} headers`, cursor.at)
  const headers: [string, Buffer | undefined][] = []
  for (let i = 0; i < count; i++) {
    const nameLength = cursor.long()
    const nameStart = cursor.skip(Math.max(0, nameLength))
    const name = bytes.toString('utf8', nameStart, cursor.at)
    const length = cursor.long()
    if (length < 0) headers.push([name, undefined])
    else {
      const start = cursor.skip(length)
      headers.push([name, bytes.subarray(start, cursor.at)])
    }
  }
  return headers
}

class Cursor {
  readonly bytes: Buffer
  at: number
  end: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** A zig-zag number of up to 64 bits; what a double cannot hold exactly is refused. */
  long(): number {
    const { bytes } = this
    const first = bytes[this.at] as number
    if (first < 0x80 && this.at < this.end) {
      this.at++
      return (first >>> 1) ^ -(first & 1)
    }
    let zigzag = 0
    let scale = 1
    for (let i = 0; i < 10; i++, scale *= 0x80) {
      if (this.at >= this.end) throw broken('a number is cut off', this.at)
      const byte = bytes[this.at++] as number
      zigzag += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(zigzag)) throw broken('a number is too large', this.at)
        return zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2
      }
    }
    throw broken('a number has more than 64 bits', this.at)
  }

  skip(length: number): number {
    if (length < 0 || length > this.end - this.at)
      throw broken(`${length} bytes where ${this.end - this.at} are left`, this.at)
    const start = this.at
    this.at = start + length
    return start
  }
}

function broken(problem: string, at: number): FlumeError {
  return new FlumeError('PROTOCOL', `broken Kafka records: ${problem} (byte ${at})`)
}

/** What is to be sent: values are ranges of `bytes`, the rest stands in columns. */
export interface OutgoingRecords {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  /** Keys as text; undefined: none has one. */
  readonly keys: HeaderColumn | undefined
  /** Milliseconds since 1970, one for all or one each. */
  readonly timestamps: number | Float64Array
  /** Record headers by name; an undefined value: that record has no such header. */
  readonly headers: readonly (readonly [name: string, column: HeaderColumn])[]
}

/** Who writes, where the broker is to notice doubles and gaps. */
export interface ProducerStamp {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly firstSequence: number
  readonly isTransactional: boolean
}

export interface EncodeOptions {
  readonly compression?: Compression
  readonly compress?: (compression: Compression, bytes: Buffer) => Buffer
  readonly stamp?: ProducerStamp | undefined
}

/** The records at `indices`, in that order, as one batch. */
export function encodeRecords(
  records: OutgoingRecords,
  indices: ArrayLike<number>,
  options: EncodeOptions = {},
): Buffer {
  const { compression = 'none', compress, stamp } = options
  const writer = new RecordWriter(records, indices)
  const packed =
    compression === 'none' || !compress ? undefined : compress(compression, writer.finish().subarray(recordsAt))
  const batch = packed ? Buffer.concat([writer.finish().subarray(0, recordsAt), packed]) : writer.finish()
  const attributes = (packed ? compressions.indexOf(compression) : 0) | (stamp?.isTransactional ? transactional : 0)
  batch.fill(0, 0, 8)
  batch.writeInt32BE(batch.length - batchHeadBytes, 8)
  batch.writeInt32BE(-1, 12)
  batch.writeInt8(2, 16)
  batch.writeInt16BE(attributes, 21)
  batch.writeInt32BE(indices.length - 1, 23)
  writeInt64(batch, writer.firstTimestamp, 27)
  writeInt64(batch, writer.maxTimestamp, 35)
  batch.writeBigInt64BE(stamp?.producerId ?? -1n, 43)
  batch.writeInt16BE(stamp?.producerEpoch ?? -1, 51)
  batch.writeInt32BE(stamp?.firstSequence ?? -1, 53)
  batch.writeInt32BE(indices.length, 57)
  batch.writeInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}

/** About how many bytes record `index` takes, before compression; never less than it does. */
export function recordBytesMax(records: OutgoingRecords, index: number): number {
  let bytes = 32 + (records.ends[index] as number) - (records.starts[index] as number)
  const key = textAt(records.keys, index)
  if (key !== undefined) bytes += 3 * key.length
  for (const [name, column] of records.headers) {
    const value = textAt(column, index)
    if (value !== undefined) bytes += 10 + 3 * (name.length + value.length)
  }
  return bytes
}

function textAt(column: HeaderColumn | undefined, index: number): string | undefined {
  return typeof column === 'object' ? column[index] : column
}

class RecordWriter {
  readonly firstTimestamp: number
  maxTimestamp: number
  #bytes: Buffer
  #at = recordsAt

  constructor(records: OutgoingRecords, indices: ArrayLike<number>) {
    let bytes = recordsAt
    for (let i = 0; i < indices.length; i++) bytes += recordBytesMax(records, indices[i] as number)
    this.#bytes = Buffer.allocUnsafeSlow(bytes)
    this.firstTimestamp = timestampOf(records, indices[0] as number)
    this.maxTimestamp = this.firstTimestamp
    for (let i = 0; i < indices.length; i++) this.#record(records, indices[i] as number, i)
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #record(records: OutgoingRecords, index: number, delta: number): void {
    const timestamp = timestampOf(records, index)
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp
    const start = records.starts[index] as number
    const end = records.ends[index] as number
    const key = textAt(records.keys, index)
    const keyLength = key === undefined ? -1 : Buffer.byteLength(key)
    let headerCount = 0
    let headerBytes = 0
    for (const [name, column] of records.headers) {
      const value = textAt(column, index)
      if (value === undefined) continue
      headerCount++
      headerBytes += sizedBytes(Buffer.byteLength(name)) + sizedBytes(Buffer.byteLength(value))
    }
    const timeDelta = timestamp - this.firstTimestamp
    this.#varint(
      1 +
        varintBytes(timeDelta) +
        varintBytes(delta) +
        sizedBytes(keyLength) +
        sizedBytes(end - start) +
        varintBytes(headerCount) +
        headerBytes,
    )
    this.#bytes[this.#at++] = 0
    this.#varint(timeDelta)
    this.#varint(delta)
    if (key === undefined) this.#varint(-1)
    else this.#text(key, keyLength)
    this.#varint(end - start)
    this.#bytes.set(records.bytes.subarray(start, end), this.#at)
    this.#at += end - start
    this.#varint(headerCount)
    if (headerCount === 0) return
    for (const [name, column] of records.headers) {
      const value = textAt(column, index)
      if (value === undefined) continue
      this.#text(name, Buffer.byteLength(name))
      this.#text(value, Buffer.byteLength(value))
    }
  }

  #text(text: string, length: number): void {
    this.#varint(length)
    this.#at += this.#bytes.write(text, this.#at, length)
  }

  #varint(value: number): void {
    let zigzag = value < 0 ? -value * 2 - 1 : value * 2
    while (zigzag > 0x7f) {
      this.#bytes[this.#at++] = (zigzag % 0x80) | 0x80
      zigzag = Math.floor(zigzag / 0x80)
    }
    this.#bytes[this.#at++] = zigzag
  }
}

function timestampOf({ timestamps }: OutgoingRecords, index: number): number {
  return typeof timestamps === 'number' ? timestamps : (timestamps[index] as number)
}

/** Bytes of a length and what it announces; -1 announces nothing. */
function sizedBytes(length: number): number {
  return varintBytes(length) + Math.max(0, length)
}

function varintBytes(value: number): number {
  let zigzag = value < 0 ? -value * 2 - 1 : value * 2
  let bytes = 1
  for (; zigzag > 0x7f; bytes++) zigzag = Math.floor(zigzag / 0x80)
  return bytes
}
