import { Buffer } from 'node:buffer'
import { FlumeError } from '../../core/error.ts'
import { crc32c, writeChecksums } from './crc32c.ts'
import { type Block, type DataNode, writeBlock } from './messages.ts'
import { ProtoReader, ProtoWriter } from './protobuf.ts'

// What is said to data nodes:
//
//   request := int16 28  byte operation  delimited(message)          answered by delimited(reply)
//   packet  := int32 length(itself, checksums, data)  int16 header length  header  checksum*  data
//   header  := 09 x8 offset in the block  11 x8 number  18 last?  25 x4 data length  (28 01 when it is to be synced)
//   ack     := delimited(number, statuses)                           one per packet, in their order
//
// Checksums are four bytes, big-endian, one per chunk of 512 bytes; the last chunk may be short.

export const operations = { writeBlock: 80, readBlock: 81, transferBlock: 86 } as const
export const stages = { append: 0, appendAgain: 1, streaming: 3, closing: 5, create: 6 } as const
export type Stage = (typeof stages)[keyof typeof stages]

export const statusSuccess = 0
export const statusRestarting = 8
/** Heartbeats, and their acks. */
export const heartbeatNumber = -1

/** A packet of more was never seen; a data node takes 16 MiB. */
export const packetMaxBytes = 16 * 1024 * 1024
export const replyMaxBytes = 1024 * 1024
const headerBytes = 25
const syncedHeaderBytes = 27

export interface Checksum {
  /** 0 none, 1 CRC-32, 2 CRC-32C. */
  readonly type: number
  readonly chunkBytes: number
}

export interface WriteRequest {
  readonly block: Block
  readonly token: Uint8Array
  readonly clientName: string
  readonly nodes: readonly DataNode[]
  readonly storageTypes: readonly number[]
  readonly storageIds: readonly string[]
  readonly stage: Stage
  readonly minBytes: number
  readonly maxBytes: number
  readonly latestStamp: bigint
  readonly checksum: Checksum
}

export function writeBlockRequest(request: WriteRequest): Buffer {
  const { nodes, storageTypes, storageIds, checksum } = request
  const writer = new ProtoWriter().message(1, (header) => clientHeader(header, request))
  for (const node of nodes.slice(1)) writer.bytes(2, node.info)
  writer.uint(4, request.stage).uint(5, nodes.length).uint(6, request.minBytes).uint(7, request.maxBytes)
  writer.uint(8, request.latestStamp)
  writer.message(9, (each) => each.uint(1, checksum.type).uint(2, checksum.chunkBytes))
  writer.message(10, () => undefined)
  if (storageTypes.length > 0) writer.uint(11, storageTypes[0] as number)
  for (const type of storageTypes.slice(1)) writer.uint(12, type)
  if (storageIds.length > 0) writer.text(16, storageIds[0] as string)
  for (const id of storageIds.slice(1)) writer.text(17, id)
  return requestOf(operations.writeBlock, writer)
}

export interface ReadRequest {
  readonly block: Block
  readonly token: Uint8Array
  readonly clientName: string
  readonly offset: number
  readonly lengthBytes: number
}

export function readBlockRequest(request: ReadRequest): Buffer {
  const writer = new ProtoWriter().message(1, (header) => clientHeader(header, request))
  return requestOf(operations.readBlock, writer.uint(2, request.offset).uint(3, request.lengthBytes).bool(4, true))
}

export interface TransferRequest {
  readonly block: Block
  readonly token: Uint8Array
  readonly clientName: string
  readonly target: DataNode
  readonly storageType: number
  readonly storageId: string
}

export function transferBlockRequest(request: TransferRequest): Buffer {
  const writer = new ProtoWriter().message(1, (header) => clientHeader(header, request))
  writer.bytes(2, request.target.info).uint(3, request.storageType).text(4, request.storageId)
  return requestOf(operations.transferBlock, writer)
}

function clientHeader(
  writer: ProtoWriter,
  { block, token, clientName }: Pick<WriteRequest, 'block' | 'token' | 'clientName'>,
): void {
  writer.message(1, (base) => base.message(1, (each) => writeBlock(each, block)).bytes(2, token)).text(2, clientName)
}

function requestOf(operation: number, message: ProtoWriter): Buffer {
  return new ProtoWriter()
    .raw(Buffer.from([0, 28, operation]))
    .delimited(message.finish())
    .finish()
}

export interface BlockReply {
  readonly status: number
  /** `ip:port` of the node that could not be reached; may be empty. */
  readonly badLink: string
  readonly message: string
  /** For reads: how the bytes are guarded, and where the first chunk begins in the block. */
  readonly checksum: Checksum
  readonly chunkOffset: number
}

export function readBlockReply(bytes: Uint8Array): BlockReply {
  const reader = new ProtoReader(bytes)
  const reply = { status: -1, badLink: '', message: '', checksum: { type: 0, chunkBytes: 512 }, chunkOffset: 0 }
  while (reader.next()) {
    if (reader.field === 1) reply.status = reader.uint()
    else if (reader.field === 2) reply.badLink = reader.text()
    else if (reader.field === 4) {
      const info = reader.message()
      while (info.next()) {
        if (info.field === 2) reply.chunkOffset = info.uint()
        else if (info.field === 1) {
          const checksum = info.message()
          while (checksum.next()) {
            if (checksum.field === 1) reply.checksum.type = checksum.uint()
            else if (checksum.field === 2) reply.checksum.chunkBytes = checksum.uint()
          }
        }
      }
    } else if (reader.field === 5) reply.message = reader.text()
  }
  const { type, chunkBytes } = reply.checksum
  if (reply.status < 0 || type > 2 || chunkBytes < 1 || chunkBytes > packetMaxBytes) {
    throw new FlumeError('PROTOCOL', 'the data node’s answer makes no sense', { retry: true })
  }
  return reply
}

export interface Ack {
  readonly number: number
  /** Index of the node that failed, counted from this side; -1 when all is well. */
  readonly badIndex: number
  /** The bad node says that it will be back. */
  readonly isRestarting: boolean
}

export function readAck(bytes: Uint8Array): Ack {
  const reader = new ProtoReader(bytes)
  let number: number | undefined
  const replies: number[] = []
  const flags: number[] = []
  while (reader.next()) {
    if (reader.field === 1) number = reader.sint()
    else if (reader.field === 2) reader.uints(replies)
    else if (reader.field === 4) reader.uints(flags)
  }
  if (number === undefined) throw new FlumeError('PROTOCOL', 'the data node’s ack has no number', { retry: true })
  const statuses = flags.length > 0 ? flags.map((flag) => flag & 15) : replies
  // From the last: a node blames its successor before the failure has made its way back.
  const badIndex = statuses.findLastIndex((status) => status !== statusSuccess)
  return { number, badIndex, isRestarting: badIndex >= 0 && statuses[badIndex] === statusRestarting }
}

/**
 * A packet ready to be sent, with `fill` called once to put `dataBytes` bytes into the place given to it. The data lies at a
 * multiple of four in memory, for the checksums' sake.
 */
export function packet(
  head: { readonly offset: number; readonly number: number; readonly isLast: boolean; readonly sync: boolean },
  dataBytes: number,
  chunkBytes: number,
  fill: (target: Buffer, at: number) => void,
): Buffer {
  const checksumBytes = 4 * Math.ceil(dataBytes / chunkBytes)
  const length = head.sync ? syncedHeaderBytes : headerBytes
  const beforeData = 6 + length + checksumBytes
  const room = Buffer.allocUnsafeSlow(3 + beforeData + dataBytes)
  const from = (4 - (beforeData & 3)) & 3
  const dataAt = from + beforeData
  let at = room.writeInt32BE(4 + checksumBytes + dataBytes, from)
  at = room.writeInt16BE(length, at)
  at = room.writeUInt8(0x09, at)
  at = writeInt64(room, head.offset, at)
  at = room.writeUInt8(0x11, at)
  at = writeInt64(room, head.number, at)
  at = room.writeUInt8(0x18, at)
  at = room.writeUInt8(head.isLast ? 1 : 0, at)
  at = room.writeUInt8(0x25, at)
  at = room.writeInt32LE(dataBytes, at)
  if (head.sync) at = room.writeUInt16BE(0x2801, at)
  if (dataBytes > 0) {
    fill(room, dataAt)
    writeChecksums(room, dataAt, dataAt + dataBytes, chunkBytes, room, at)
  }
  return room.subarray(from, dataAt + dataBytes)
}

function writeInt64(target: Buffer, value: number, at: number): number {
  target.writeUInt32LE(value >>> 0, at)
  return target.writeInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

export interface ReceivedPacket {
  readonly offset: number
  readonly isLast: boolean
  readonly checksums: Buffer
  readonly data: Buffer
  /** Bytes it took of those given. */
  readonly totalBytes: number
}

/** The packet at the beginning of `bytes`; undefined while it has not arrived. Throws LIMIT before anything is kept for a huge one. */
export function readPacket(bytes: Buffer, chunkBytes: number, hasChecksums: boolean): ReceivedPacket | undefined {
  if (bytes.length < 6) return undefined
  const payload = bytes.readInt32BE(0)
  const length = bytes.readInt16BE(4)
  if (payload < 4 || payload > packetMaxBytes || length < 0) {
    throw new FlumeError('LIMIT', `a packet of ${payload} bytes was announced`, { retry: true })
  }
  const totalBytes = 2 + length + payload
  if (bytes.length < totalBytes) return undefined
  const header = new ProtoReader(bytes, 6, 6 + length)
  let offset = 0
  let isLast = false
  let dataBytes = 0
  while (header.next()) {
    if (header.field === 1) offset = header.fixed64()
    else if (header.field === 3) isLast = header.bool()
    else if (header.field === 4) dataBytes = header.fixed32()
  }
  const checksumBytes = payload - 4 - dataBytes
  const expected = hasChecksums ? 4 * Math.ceil(dataBytes / chunkBytes) : 0
  if (dataBytes < 0 || checksumBytes !== expected) {
    throw new FlumeError('PROTOCOL', `a packet of ${dataBytes} bytes with ${checksumBytes} bytes of checksums`, {
      retry: true,
    })
  }
  const dataAt = 6 + length + checksumBytes
  return {
    offset,
    isLast,
    checksums: bytes.subarray(6 + length, dataAt),
    data: bytes.subarray(dataAt, dataAt + dataBytes),
    totalBytes,
  }
}

/** True when every chunk of the packet has the checksum that came with it. */
export function isWhole(
  { data, checksums }: ReceivedPacket,
  { type, chunkBytes }: Checksum,
  crc32: (chunk: Buffer) => number,
): boolean {
  if (type === 0) return true
  for (let at = 0, i = 0; at < data.length; at += chunkBytes, i += 4) {
    const end = Math.min(data.length, at + chunkBytes)
    const actual = type === 2 ? crc32c(data, at, end) : crc32(data.subarray(at, end)) | 0
    if (actual !== checksums.readInt32BE(i)) return false
  }
  return true
}

/** What a reader answers to the last packet. */
export function readStatus(): Buffer {
  return new ProtoWriter().delimited(new ProtoWriter().uint(1, 6).finish()).finish()
}
