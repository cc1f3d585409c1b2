import {
  type Block,
  type DataNode,
  type HdfsFileStatus,
  type LocatedBlock,
  type LocatedBlocks,
  readFileStatus,
  readListing,
  readLocatedBlock,
  readLocatedBlocks,
  readServerDefaults,
  type ServerDefaults,
  writeBlock,
} from '../../../codec/hdfs/messages.ts'
import { type ProtoReader, ProtoWriter } from '../../../codec/hdfs/protobuf.ts'
import { FlumeError } from '../../../core/error.ts'
import type { NameNodeRpc } from './name-node-rpc.ts'

/** A file that a client holds open. */
export interface FileHandle {
  readonly path: string
  readonly fileId: bigint
}

const createFlags = { create: 1, overwrite: 2, append: 4, replicate: 0x80 } as const
const patient = { patient: true } as const

/** The calls of ClientProtocol that a writer and an operator need, one method each; all reject FileSystemError. */
export class NameNode {
  readonly #rpc: NameNodeRpc
  readonly #clientName: string
  #defaults: Promise<ServerDefaults> | undefined

  /** `clientName` owns the lease; it must be new in every process. */
  constructor(rpc: NameNodeRpc, clientName: string) {
    this.#rpc = rpc
    this.#clientName = clientName
  }

  /** Asked for once. */
  serverDefaults(): Promise<ServerDefaults> {
    this.#defaults ??= this.#rpc.call('getServerDefaults', 'reading the server defaults', new Uint8Array(0)).then(
      (reply) => readServerDefaults(inner(reply)),
      (error) => {
        this.#defaults = undefined
        throw error
      },
    )
    return this.#defaults
  }

  async fileInfo(path: string): Promise<HdfsFileStatus | undefined> {
    const reply = await this.#call('getFileInfo', path, (w) => w.text(1, path))
    const found = optional(reply, 1)
    return found && readFileStatus(found)
  }

  async isFileClosed(path: string): Promise<boolean> {
    return flag(await this.#call('isFileClosed', path, (w) => w.text(1, path)))
  }

  async mkdirs(path: string, mode: number): Promise<boolean> {
    return flag(
      await this.#call('mkdirs', path, (w) =>
        w
          .text(1, path)
          .message(2, (m) => m.uint(1, mode))
          .bool(3, true),
      ),
    )
  }

  async create(
    path: string,
    options: {
      readonly overwrite: boolean
      readonly mode: number
      readonly unmaskedMode: number
      readonly replication: number
      readonly blockSizeBytes: number
    },
  ): Promise<HdfsFileStatus> {
    // Replicated even where the folder is erasure-coded. Field 8, the versions of encryption, is left out: so a create in an
    // encryption zone fails, instead of writing plain text into it.
    const flags = createFlags.create | createFlags.replicate | (options.overwrite ? createFlags.overwrite : 0)
    const reply = await this.#call('create', path, (w) =>
      w
        .text(1, path)
        .message(2, (m) => m.uint(1, options.mode))
        .text(3, this.#clientName)
        .uint(4, flags)
        .bool(5, true)
        .uint(6, options.replication)
        .uint(7, options.blockSizeBytes)
        .message(9, (m) => m.uint(1, options.unmaskedMode)),
    )
    return readFileStatus(inner(reply))
  }

  async append(path: string): Promise<{ readonly block: LocatedBlock | undefined; readonly status: HdfsFileStatus }> {
    const reply = await this.#call('append', path, (w) =>
      w.text(1, path).text(2, this.#clientName).uint(3, createFlags.append),
    )
    let block: LocatedBlock | undefined
    let status: HdfsFileStatus | undefined
    while (reply.next()) {
      if (reply.field === 1) block = readLocatedBlock(reply.message())
      else if (reply.field === 2) status = readFileStatus(reply.message())
    }
    if (!status) throw incomplete()
    return { block, status }
  }

  async addBlock(file: FileHandle, previous: Block | undefined, excluded: readonly DataNode[]): Promise<LocatedBlock> {
    const reply = await this.#call(
      'addBlock',
      file.path,
      (w) => {
        w.text(1, file.path).text(2, this.#clientName)
        if (previous) w.message(3, (m) => writeBlock(m, previous))
        for (const node of excluded) w.bytes(4, node.info)
        w.uint(5, file.fileId)
      },
      patient,
    )
    return readLocatedBlock(inner(reply))
  }

  async additionalDataNode(
    file: FileHandle,
    block: Block,
    existing: readonly DataNode[],
    storageIds: readonly string[],
    excluded: readonly DataNode[],
  ): Promise<LocatedBlock> {
    const reply = await this.#call('getAdditionalDatanode', file.path, (w) => {
      w.text(1, file.path).message(2, (m) => writeBlock(m, block))
      for (const node of existing) w.bytes(3, node.info)
      for (const node of excluded) w.bytes(4, node.info)
      w.uint(5, 1).text(6, this.#clientName)
      for (const id of storageIds) w.text(7, id)
      w.uint(8, file.fileId)
    })
    return readLocatedBlock(inner(reply))
  }

  async abandonBlock(file: FileHandle, block: Block): Promise<void> {
    await this.#call(
      'abandonBlock',
      file.path,
      (w) =>
        w
          .message(1, (m) => writeBlock(m, block))
          .text(2, file.path)
          .text(3, this.#clientName)
          .uint(4, file.fileId),
      patient,
    )
  }

  /** False: not yet, ask again. */
  async complete(file: FileHandle, last: Block | undefined): Promise<boolean> {
    const reply = await this.#call(
      'complete',
      file.path,
      (w) => {
        w.text(1, file.path).text(2, this.#clientName)
        if (last) w.message(3, (m) => writeBlock(m, last))
        w.uint(4, file.fileId)
      },
      patient,
    )
    return flag(reply)
  }

  async fsync(file: FileHandle, lastBlockBytes: number): Promise<void> {
    await this.#call(
      'fsync',
      file.path,
      (w) => w.text(1, file.path).text(2, this.#clientName).sint(3, lastBlockBytes).uint(4, file.fileId),
      patient,
    )
  }

  async renewLease(): Promise<void> {
    await this.#rpc.call('renewLease', 'renewing the lease', new ProtoWriter().text(1, this.#clientName).finish())
  }

  /** True: the file is closed now. */
  async recoverLease(path: string): Promise<boolean> {
    return flag(await this.#call('recoverLease', path, (w) => w.text(1, path).text(2, this.#clientName)))
  }

  /** Never onto something, never into a folder that has the name. */
  async rename(from: string, to: string, overwrite: boolean): Promise<void> {
    await this.#call('rename2', `${from} to ${to}`, (w) => w.text(1, from).text(2, to).bool(3, overwrite))
  }

  /** False: it was not there. */
  async delete(path: string, recursive: boolean): Promise<boolean> {
    return flag(await this.#call('delete', path, (w) => w.text(1, path).bool(2, recursive)))
  }

  /** False: under way. */
  async truncate(path: string, lengthBytes: number): Promise<boolean> {
    return flag(
      await this.#call('truncate', path, (w) => w.text(1, path).uint(2, lengthBytes).text(3, this.#clientName)),
    )
  }

  /** Undefined when nothing has that name. */
  async list(path: string): Promise<readonly HdfsFileStatus[] | undefined> {
    const all: HdfsFileStatus[] = []
    for (let after = Buffer.alloc(0); ; after = Buffer.from((all.at(-1) as HdfsFileStatus).name)) {
      const startAfter = after
      const reply = await this.#call('getListing', path, (w) => w.text(1, path).bytes(2, startAfter).bool(3, false))
      const found = optional(reply, 1)
      if (!found) return undefined
      const { entries, remaining } = readListing(found)
      all.push(...entries)
      if (remaining === 0 || entries.length === 0) return all
    }
  }

  async blockLocations(path: string, offset: number, lengthBytes: number): Promise<LocatedBlocks> {
    const reply = await this.#call('getBlockLocations', path, (w) =>
      w.text(1, path).uint(2, offset).uint(3, lengthBytes),
    )
    const found = optional(reply, 1)
    if (!found) throw incomplete()
    return readLocatedBlocks(found)
  }

  /** The stamp and token for going on with a block after a failure. */
  async updateBlockForPipeline(block: Block): Promise<LocatedBlock> {
    const reply = await this.#call(
      'updateBlockForPipeline',
      'a block',
      (w) => w.message(1, (m) => writeBlock(m, block)).text(2, this.#clientName),
      patient,
    )
    return readLocatedBlock(inner(reply))
  }

  async updatePipeline(
    before: Block,
    after: Block,
    nodes: readonly DataNode[],
    storageIds: readonly string[],
  ): Promise<void> {
    await this.#call(
      'updatePipeline',
      'a block',
      (w) => {
        w.text(1, this.#clientName)
          .message(2, (m) => writeBlock(m, before))
          .message(3, (m) => writeBlock(m, after))
        for (const node of nodes) w.bytes(4, node.id)
        for (const id of storageIds) w.text(5, id)
      },
      patient,
    )
  }

  #call(
    method: string,
    what: string,
    write: (writer: ProtoWriter) => unknown,
    patience?: { readonly patient: boolean },
  ): Promise<ProtoReader> {
    const writer = new ProtoWriter()
    write(writer)
    return this.#rpc.call(method, `${method} ${what}`, writer.finish(), patience)
  }
}

function optional(reply: ProtoReader, field: number): ProtoReader | undefined {
  let found: ProtoReader | undefined
  while (reply.next()) if (reply.field === field) found = reply.message()
  return found
}

function inner(reply: ProtoReader): ProtoReader {
  const found = optional(reply, 1)
  if (!found) throw incomplete()
  return found
}

function flag(reply: ProtoReader): boolean {
  let found: boolean | undefined
  while (reply.next()) if (reply.field === 1) found = reply.bool()
  if (found === undefined) throw incomplete()
  return found
}

function incomplete(): FlumeError {
  return new FlumeError('PROTOCOL', 'the name node’s answer lacks what was asked for', { retry: true })
}
