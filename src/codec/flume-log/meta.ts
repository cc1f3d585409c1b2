// What real Flume's file channel writes beside its logs:
//
//   log-N.meta      = delimited: 1 version:sfixed32=3  2 file:sfixed32  3 position:sfixed64  4 order:sfixed64
//                     5 encryption { 1 cipher  2 key alias  3 parameters }  6 position before that  7 order before that
//   checkpoint.meta = delimited: 1 version:sfixed32=3  2 order:sfixed64  3 size:sfixed32  4 head:sfixed32
//                     5 log { 1 file:sfixed32  2 count:sfixed32 }*
//   checkpoint      = i64be*: [0] version, [1] order, [4] 0 when complete, from [1029] on a ring of `capacity` pointers
//   inflightputs, inflighttakes = md5 (transaction:i64be count:i64be pointer:i64be{count})*    md5 of all that follows
//   pointer         = file << 32 | offset
import { createHash } from 'node:crypto'
import { broken, WireReader } from './wire.ts'

const version = 3
/** Numbers before the first pointer of a checkpoint. */
const headCount = 1029
export const checkpointHeadBytes = 8 * headCount

export interface FlumeLogMeta {
  readonly file: number
  /** Where the log stood at the last checkpoint, and that one's order id; 0 when there was none. */
  readonly position: number
  readonly order: number
  readonly positionBefore: number
  readonly orderBefore: number
  readonly encryption: { readonly cipher: string; readonly keyAlias: string } | undefined
}

/** Throws INVALID_DATA when the bytes are no metadata of a log of version 3. */
export function readLogMeta(bytes: Buffer): FlumeLogMeta {
  const meta = new WireReader(bytes, 0, bytes.length).message('metadata')
  let found = 0
  let file = -1
  let [position, order, positionBefore, orderBefore] = [0, 0, 0, 0]
  let encryption: FlumeLogMeta['encryption']
  while (meta.next('metadata')) {
    if (meta.is(1, 5, 'version')) found = meta.int32('version')
    else if (meta.is(2, 5, 'file')) file = meta.int32('file')
    else if (meta.is(3, 1, 'position')) position = meta.count64('position')
    else if (meta.is(4, 1, 'order')) order = meta.count64('order')
    else if (meta.is(5, 2, 'encryption')) encryption = readEncryption(meta.message('encryption'))
    else if (meta.is(6, 1, 'position')) positionBefore = meta.count64('position')
    else if (meta.is(7, 1, 'order')) orderBefore = meta.count64('order')
    else throw meta.unknown('metadata')
  }
  if (found !== version) throw broken(`version ${found}, not ${version}`)
  return { file, position, order, positionBefore, orderBefore, encryption }
}

function readEncryption(reader: WireReader): { readonly cipher: string; readonly keyAlias: string } {
  let [cipher, keyAlias] = ['', '']
  while (reader.next('encryption')) {
    // Told to people: names, not pages.
    if (reader.is(1, 2, 'cipher')) cipher = reader.text('cipher').slice(0, 100)
    else if (reader.is(2, 2, 'key alias')) keyAlias = reader.text('key alias').slice(0, 100)
    else if (reader.is(3, 2, 'parameters')) reader.range('parameters')
    else throw reader.unknown('encryption')
  }
  return { cipher, keyAlias }
}

export interface FlumeCheckpointMeta {
  readonly order: number
  readonly size: number
  readonly head: number
  /** Logs with events in the queue. */
  readonly files: readonly number[]
}

export function readCheckpointMeta(bytes: Buffer): FlumeCheckpointMeta {
  const meta = new WireReader(bytes, 0, bytes.length).message('metadata')
  let found = 0
  let [order, size, head] = [-1, -1, -1]
  const files: number[] = []
  while (meta.next('metadata')) {
    if (meta.is(1, 5, 'version')) found = meta.int32('version')
    else if (meta.is(2, 1, 'order')) order = meta.count64('order')
    else if (meta.is(3, 5, 'size')) size = meta.int32('size')
    else if (meta.is(4, 5, 'head')) head = meta.int32('head')
    else if (meta.is(5, 2, 'log')) {
      const log = meta.message('log')
      while (log.next('log')) {
        if (log.is(1, 5, 'file')) files.push(log.int32('file'))
        else if (log.is(2, 5, 'count')) log.int32('count')
        else throw log.unknown('log')
      }
    } else throw meta.unknown('metadata')
  }
  if (found !== version) throw broken(`version ${found}, not ${version}`)
  if (order < 0 || size < 0 || head < 0) throw broken('order, size or head is missing')
  return { order, size, head, files }
}

export interface FlumeCheckpointHead {
  readonly order: number
  /** Pointers that the ring has room for. */
  readonly capacity: number
}

/** The head of a checkpoint of `fileBytes`, of which `bytes` are the first. Throws INVALID_DATA when it is none that was completed. */
export function readCheckpointHead(bytes: Buffer, fileBytes: number): FlumeCheckpointHead {
  if (bytes.length < checkpointHeadBytes || fileBytes % 8 !== 0 || fileBytes <= checkpointHeadBytes) {
    throw broken(`it has ${fileBytes} bytes`)
  }
  const found = numberAt(bytes, 0)
  if (found !== version) throw broken(`version ${found}, not ${version}`)
  if (numberAt(bytes, 4) !== 0) throw broken('Flume was stopped while it wrote it')
  return { order: numberAt(bytes, 1), capacity: fileBytes / 8 - headCount }
}

/** Pointer number `index` of the bytes of a ring: the put's log, and its place there. */
export function pointerAt(bytes: Buffer, index: number): { readonly file: number; readonly offset: number } {
  return { file: bytes.readInt32BE(8 * index), offset: bytes.readInt32BE(8 * index + 4) }
}

export interface InFlight {
  readonly transaction: number
  readonly pointers: readonly { readonly file: number; readonly offset: number }[]
}

/** The transactions of `inflightputs` or `inflighttakes`. Throws INVALID_DATA when the checksum does not hold. */
export function readInFlight(bytes: Buffer): readonly InFlight[] {
  if (bytes.length === 0) return []
  const rest = bytes.subarray(16)
  if (bytes.length < 16 || !createHash('md5').update(rest).digest().equals(bytes.subarray(0, 16))) {
    throw broken('the checksum does not hold')
  }
  const transactions: InFlight[] = []
  const count = Math.floor(rest.length / 8)
  for (let at = 0; at + 2 <= count; ) {
    const transaction = numberAt(rest, at)
    const length = numberAt(rest, at + 1)
    at += 2
    if (length > count - at) throw broken(`${length} events are announced where ${count - at} are left`)
    const pointers = Array.from({ length }, (_, index) => pointerAt(rest, at + index))
    transactions.push({ transaction, pointers })
    at += length
  }
  return transactions
}

function numberAt(bytes: Buffer, index: number): number {
  const value = Number(bytes.readBigInt64BE(8 * index))
  if (!Number.isSafeInteger(value) || value < 0) throw broken(`the number ${value} is out of range`)
  return value
}
