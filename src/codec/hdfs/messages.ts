import type { Buffer } from 'node:buffer'
import { FlumeError } from '../../core/error.ts'
import { ProtoReader, type ProtoWriter } from './protobuf.ts'

// Structures that name nodes and data nodes both use. What is only handed back (data nodes, tokens) stays as the bytes that
// came, so that fields of newer servers survive.

export interface Block {
  readonly poolId: string
  readonly id: bigint
  readonly stamp: bigint
  readonly lengthBytes: number
}

export interface DataNode {
  /** DatanodeInfoProto. */
  readonly info: Buffer
  /** DatanodeIDProto. */
  readonly id: Buffer
  readonly address: string
  readonly hostName: string
  readonly uuid: string
  readonly port: number
  readonly ipcPort: number
}

export interface LocatedBlock {
  readonly block: Block
  /** Where it begins in the file. */
  readonly offset: number
  readonly nodes: readonly DataNode[]
  readonly isCorrupt: boolean
  /** TokenProto. */
  readonly token: Buffer
  readonly storageTypes: readonly number[]
  readonly storageIds: readonly string[]
}

export interface LocatedBlocks {
  readonly lengthBytes: number
  readonly blocks: readonly LocatedBlock[]
  readonly isUnderConstruction: boolean
  readonly isLastComplete: boolean
  readonly isEncrypted: boolean
  readonly isErasureCoded: boolean
}

export interface HdfsFileStatus {
  readonly kind: 'directory' | 'file' | 'link'
  /** Empty for the asked file itself, its name in a listing. */
  readonly name: string
  readonly lengthBytes: number
  readonly modifiedMs: number
  readonly replication: number
  readonly blockSizeBytes: number
  readonly fileId: bigint
  readonly isEncrypted: boolean
  readonly isErasureCoded: boolean
  readonly owner: string
  readonly group: string
  readonly mode: number
}

export interface ServerDefaults {
  readonly blockSizeBytes: number
  readonly replication: number
  readonly bytesPerChecksum: number
  readonly encryptDataTransfer: boolean
  /** 0 none, 1 CRC-32, 2 CRC-32C. */
  readonly checksumType: number
}

export function writeBlock(writer: ProtoWriter, block: Block): void {
  writer.text(1, block.poolId).uint(2, block.id).uint(3, block.stamp).uint(4, block.lengthBytes)
}

export function readBlock(reader: ProtoReader): Block {
  let poolId = ''
  let id: bigint | undefined
  let stamp = 0n
  let lengthBytes = 0
  while (reader.next()) {
    if (reader.field === 1) poolId = reader.text()
    else if (reader.field === 2) id = reader.int64()
    else if (reader.field === 3) stamp = reader.int64()
    else if (reader.field === 4) lengthBytes = reader.uint()
  }
  if (id === undefined) throw missing('block id')
  return { poolId, id, stamp, lengthBytes }
}

export function readDataNode(bytes: Buffer): DataNode {
  const reader = new ProtoReader(bytes)
  let id: Buffer | undefined
  while (reader.next()) if (reader.field === 1) id = reader.bytes()
  if (!id) throw missing('data node')
  const fields = new ProtoReader(id)
  const node = { address: '', hostName: '', uuid: '', port: 0, ipcPort: 0 }
  while (fields.next()) {
    if (fields.field === 1) node.address = fields.text()
    else if (fields.field === 2) node.hostName = fields.text()
    else if (fields.field === 3) node.uuid = fields.text()
    else if (fields.field === 4) node.port = fields.uint()
    else if (fields.field === 6) node.ipcPort = fields.uint()
  }
  for (const port of [node.port, node.ipcPort]) if (port > 65_535) throw missing('port of a data node')
  return { info: bytes, id, ...node }
}

export function readLocatedBlock(reader: ProtoReader): LocatedBlock {
  let block: Block | undefined
  let offset = 0
  let isCorrupt = false
  let token: Buffer | undefined
  const nodes: DataNode[] = []
  const storageTypes: number[] = []
  const storageIds: string[] = []
  while (reader.next()) {
    if (reader.field === 1) block = readBlock(reader.message())
    // Without a place in a file it is -1.
    else if (reader.field === 2) offset = Number(reader.int64())
    else if (reader.field === 3) nodes.push(readDataNode(reader.bytes()))
    else if (reader.field === 4) isCorrupt = reader.bool()
    else if (reader.field === 5) token = reader.bytes()
    else if (reader.field === 7) reader.uints(storageTypes)
    else if (reader.field === 8) storageIds.push(reader.text())
  }
  if (!block || !token) throw missing('block or its token')
  return { block, offset, nodes, isCorrupt, token, storageTypes, storageIds }
}

export function readLocatedBlocks(reader: ProtoReader): LocatedBlocks {
  const blocks: LocatedBlock[] = []
  let last: LocatedBlock | undefined
  const found = {
    lengthBytes: 0,
    isUnderConstruction: false,
    isLastComplete: true,
    isEncrypted: false,
    isErasureCoded: false,
  }
  while (reader.next()) {
    if (reader.field === 1) found.lengthBytes = reader.uint()
    else if (reader.field === 2) blocks.push(readLocatedBlock(reader.message()))
    else if (reader.field === 3) found.isUnderConstruction = reader.bool()
    else if (reader.field === 4) last = readLocatedBlock(reader.message())
    else if (reader.field === 5) found.isLastComplete = reader.bool()
    else if (reader.field === 6) found.isEncrypted = true
    else if (reader.field === 7) found.isErasureCoded = true
  }
  // The last block stands apart while it is written, and may not be among the others.
  if (last && !found.isLastComplete && !blocks.some(({ block }) => block.id === last.block.id)) blocks.push(last)
  return { ...found, blocks }
}

export function readFileStatus(reader: ProtoReader): HdfsFileStatus {
  const kinds = [undefined, 'directory', 'file', 'link'] as const
  let kind: HdfsFileStatus['kind'] | undefined
  const status = {
    name: '',
    lengthBytes: 0,
    modifiedMs: 0,
    replication: 0,
    blockSizeBytes: 0,
    fileId: 0n,
    isEncrypted: false,
    isErasureCoded: false,
    owner: '',
    group: '',
    mode: 0,
  }
  while (reader.next()) {
    if (reader.field === 1) kind = kinds[reader.uint()]
    else if (reader.field === 2) status.name = reader.text()
    else if (reader.field === 3) status.lengthBytes = reader.uint()
    else if (reader.field === 4) {
      const permission = reader.message()
      while (permission.next()) if (permission.field === 1) status.mode = permission.uint()
    } else if (reader.field === 5) status.owner = reader.text()
    else if (reader.field === 6) status.group = reader.text()
    else if (reader.field === 7) status.modifiedMs = reader.uint()
    else if (reader.field === 10) status.replication = reader.uint()
    else if (reader.field === 11) status.blockSizeBytes = reader.uint()
    else if (reader.field === 13) status.fileId = reader.int64()
    else if (reader.field === 15) status.isEncrypted = true
    else if (reader.field === 17) status.isErasureCoded = true
  }
  if (!kind) throw missing('kind of a file')
  return { kind, ...status }
}

export function readListing(reader: ProtoReader): {
  readonly entries: readonly HdfsFileStatus[]
  readonly remaining: number
} {
  const entries: HdfsFileStatus[] = []
  let remaining = 0
  while (reader.next()) {
    if (reader.field === 1) entries.push(readFileStatus(reader.message()))
    else if (reader.field === 2) remaining = reader.uint()
  }
  return { entries, remaining }
}

export function readServerDefaults(reader: ProtoReader): ServerDefaults {
  const found = {
    blockSizeBytes: 134_217_728,
    replication: 3,
    bytesPerChecksum: 512,
    encryptDataTransfer: false,
    checksumType: 1,
  }
  while (reader.next()) {
    if (reader.field === 1) found.blockSizeBytes = reader.uint()
    else if (reader.field === 2) found.bytesPerChecksum = reader.uint()
    else if (reader.field === 4) found.replication = reader.uint()
    else if (reader.field === 6) found.encryptDataTransfer = reader.bool()
    else if (reader.field === 8) found.checksumType = reader.uint()
  }
  return found
}

function missing(what: string): FlumeError {
  return new FlumeError('PROTOCOL', `HDFS sent a message without a usable ${what}`, { retry: true })
}
