import { Buffer } from 'node:buffer'
import type { EventBatch } from '../core/event-batch.ts'

// A Hadoop SequenceFile, version 6, not compressed:
//
//   header := "SEQ" 06  text(key class)  text(value class)  00 (records)  00 (blocks)  int32 0 (metadata)  sync
//   record := int32 length(key + value)  int32 length(key)  key  value
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

/** The bytes at the start of a file. `sync` is 16 bytes that should be different in every file. */
export function sequenceFileHeader(format: SequenceFormat, sync: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from('SEQ\x06'),
    text('org.apache.hadoop.io.LongWritable'),
    text(valueClass[format]),
    Buffer.from([0, 0, 0, 0, 0, 0]),
    sync,
  ])
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
