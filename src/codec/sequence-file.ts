import { Buffer } from 'node:buffer'
import type { EventBatch } from '../core/event-batch.ts'

// A Hadoop SequenceFile, version 6, not compressed or compressed in blocks:
//
//   header := "SEQ" 06  text(key class)  text(value class)  bool (records)  bool (blocks)  [text(codec class)]  metadata  sync
//             the two are 00 00 or 01 01; metadata is int32 0
//   record := int32 length(key + value)  int32 length(key)  key  value
//   block  := mark  vint records  buffer (lengths of keys)  buffer (keys)  buffer (lengths of values)  buffer (values)
//   buffer := vint length  compressed bytes                    lengths inside are vints
//   mark   := int32 -1  sync                                   a reader that is lost looks for the 16 bytes of sync
//   key    := int64                                            LongWritable
//   value  := int32 length  bytes | vint length  bytes         BytesWritable | Text
//   text   := vint length  UTF-8

export const syncLength = 16
/** Hadoop 3 writes a mark before a record when this much passed since the last one. */
export const syncIntervalBytes = 102_400
const markLength = 4 + syncLength
const keyLength = 8

/** How values are stored: `Writable` as BytesWritable, `Text` as Text (the bytes as they are, not validated). */
export type SequenceFormat = 'Writable' | 'Text'

const valueClass: Record<SequenceFormat, string> = {
  Writable: 'org.apache.hadoop.io.BytesWritable',
  Text: 'org.apache.hadoop.io.Text',
}

/** The bytes at the start of a file. `sync` is 16 bytes that should be different in every file; `codecClass` compresses blocks. */
export function sequenceFileHeader(format: SequenceFormat, sync: Uint8Array, codecClass?: string): Uint8Array {
  return Buffer.concat([
    Buffer.from('SEQ\x06'),
    text('org.apache.hadoop.io.LongWritable'),
    text(valueClass[format]),
    codecClass === undefined ? Buffer.from([0, 0]) : Buffer.concat([Buffer.from([1, 1]), text(codecClass)]),
    Buffer.from([0, 0, 0, 0]),
    sync,
  ])
}

/** What a file's first bytes say; undefined when they are no SequenceFile's of this version without metadata, or too few. */
export function readSequenceHeader(
  bytes: Uint8Array,
): { readonly sync: Buffer; readonly inBlocks: boolean; readonly endBytes: number } | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (head.length < 4 || head.toString('latin1', 0, 4) !== 'SEQ\x06') return undefined
  let at = 4
  const skipText = (): void => {
    const found = readVint(head, at)
    at = found ? found.end + found.value : head.length + 1
  }
  skipText()
  skipText()
  const [isCompressed, inBlocks] = [head[at], head[at + 1]]
  at += 2
  if (isCompressed) skipText()
  const metadata = at + 4 <= head.length ? head.readInt32BE(at) : -1
  at += 4
  if (metadata !== 0 || at + syncLength > head.length) return undefined
  return { sync: Buffer.from(head.subarray(at, at + syncLength)), inBlocks: inBlocks === 1, endBytes: at + syncLength }
}

/** Where the block that begins with a mark at `from` ends; undefined when the bytes end first. */
export function sequenceBlockEnd(bytes: Uint8Array, from: number): number | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = readVint(data, from + markLength)?.end
  for (let buffer = 0; buffer < 4 && at !== undefined; buffer++) {
    const length = readVint(data, at)
    at = length && length.end + length.value
  }
  return at !== undefined && at <= data.length ? at : undefined
}

/** Raw bytes of keys and values after which Hadoop ends a block. */
const blockBytes = 1_000_000

/**
 * The batch's bodies as blocks, the last one ended with the batch, so that all of it can be read (H-23). `compress` makes a
 * stream of the codec of the file's header.
 */
export async function encodeSequenceBlocks(
  batch: EventBatch,
  keys: BigInt64Array,
  format: SequenceFormat,
  sync: Uint8Array,
  compress: (data: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const prefixLength = (length: number): number => (format === 'Text' ? vintLength(length) : 4)
  for (let from = 0; from < batch.count; ) {
    let to = from
    let valueBytes = 0
    let lengthBytes = 0
    while (to < batch.count && keyLength * (to - from) + valueBytes < blockBytes) {
      const length = lengthOf(batch, to++)
      valueBytes += prefixLength(length) + length
      lengthBytes += vintLength(prefixLength(length) + length)
    }
    const count = to - from
    const keyBuffer = Buffer.allocUnsafeSlow(keyLength * count)
    const lengthBuffer = Buffer.allocUnsafeSlow(lengthBytes)
    const valueBuffer = Buffer.allocUnsafeSlow(valueBytes)
    let lengthAt = 0
    let valueAt = 0
    for (let i = from; i < to; i++) {
      keyBuffer.writeBigInt64BE(keys[i] as bigint, keyLength * (i - from))
      const length = lengthOf(batch, i)
      lengthAt = writeVint(lengthBuffer, prefixLength(length) + length, lengthAt)
      valueAt = format === 'Text' ? writeVint(valueBuffer, length, valueAt) : valueBuffer.writeInt32BE(length, valueAt)
      if (length > 0) valueBuffer.set(batch.bodyAt(i), valueAt)
      valueAt += length
    }
    parts.push(Buffer.from([255, 255, 255, 255]), sync, vint(count))
    for (const buffer of [Buffer.alloc(count, keyLength), keyBuffer, lengthBuffer, valueBuffer]) {
      const packed = await compress(buffer)
      parts.push(vint(packed.length), packed)
    }
    from = to
  }
  return Buffer.concat(parts)
}

function lengthOf({ starts, ends }: EventBatch, index: number): number {
  return (ends[index] as number) - (starts[index] as number)
}

/**
 * The batch's bodies as records, and a sync mark behind the last as Flume's flush leaves it (H-23). `keys` has one number
 * per event; `sinceMarkBytes` is what stands in the file since its last mark (a new file: its header).
 */
export function encodeSequenceRecords(
  batch: EventBatch,
  keys: BigInt64Array,
  format: SequenceFormat,
  sync: Uint8Array,
  sinceMarkBytes: number,
): Uint8Array {
  if (batch.count === 0) return new Uint8Array(0)
  const asText = format === 'Text'
  const { body, starts, ends } = batch
  let size = markLength
  let since = sinceMarkBytes
  for (let i = 0; i < batch.count; i++) {
    if (since >= syncIntervalBytes) {
      size += markLength
      since = 0
    }
    const length = (ends[i] as number) - (starts[i] as number)
    const record = 8 + keyLength + (asText ? vintLength(length) : 4) + length
    size += record
    since += record
  }
  const out = Buffer.allocUnsafeSlow(size)
  let at = 0
  since = sinceMarkBytes
  const mark = (): void => {
    at = out.writeInt32BE(-1, at)
    out.set(sync, at)
    at += syncLength
    since = 0
  }
  for (let i = 0; i < batch.count; i++) {
    if (since >= syncIntervalBytes) mark()
    const start = starts[i] as number
    const end = ends[i] as number
    const length = end - start
    const from = at
    at = out.writeInt32BE(keyLength + (asText ? vintLength(length) : 4) + length, at)
    at = out.writeInt32BE(keyLength, at)
    at = out.writeBigInt64BE(keys[i] as bigint, at)
    at = asText ? writeVint(out, length, at) : out.writeInt32BE(length, at)
    if (length > 0) out.set(body.subarray(start, end), at)
    at += length
    since += at - from
  }
  mark()
  return out
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const out = Buffer.alloc(vintLength(bytes.length) + bytes.length)
  bytes.copy(out, writeVint(out, bytes.length, 0))
  return out
}

function vint(value: number): Buffer {
  const out = Buffer.alloc(vintLength(value))
  writeVint(out, value, 0)
  return out
}

/** A length and the place behind it; undefined where the bytes end, and for a negative one. */
function readVint(data: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  const first = at < data.length ? data.readInt8(at) : -1
  if (first >= 0) return { value: first, end: at + 1 }
  const bytes = -112 - first
  if (bytes < 1 || bytes > 4 || at + 1 + bytes > data.length) return undefined
  return { value: data.readUIntBE(at + 1, bytes), end: at + 1 + bytes }
}

/** Bytes of Hadoop's variable-length form of a length (never negative). */
function vintLength(value: number): number {
  if (value <= 127) return 1
  return value <= 0xff ? 2 : value <= 0xffff ? 3 : value <= 0xffffff ? 4 : 5
}

/** Up to 127 in one byte; else −112 less the count of the big-endian bytes that follow. Returns the offset behind. */
function writeVint(out: Buffer, value: number, at: number): number {
  if (value <= 127) return out.writeInt8(value, at)
  const bytes = vintLength(value) - 1
  out.writeInt8(-112 - bytes, at)
  return out.writeUIntBE(value, at + 1, bytes)
}
