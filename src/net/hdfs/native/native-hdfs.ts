import type { Checksum } from '../../../codec/hdfs/data-transfer.ts'
import type { HdfsFileStatus, ServerDefaults } from '../../../codec/hdfs/messages.ts'
import type { Clock, Timer } from '../../../core/clock.ts'
import {
  byteLength,
  type FileStatus,
  type FileSystem,
  FileSystemError,
  normalizePath,
  type OpenFile,
  reasonOf,
} from '../file-system.ts'
import { type ReadSettings, readBlock, visibleLength } from './block-reader.ts'
import { silenceLimitMs } from './data-node.ts'
import { encryptedTransfer, encryptionZone, erasureCoded } from './errors.ts'
import { NameNode } from './name-node.ts'
import { NameNodeRpc } from './name-node-rpc.ts'
import { ExcludedNodes, OutputStream, type StreamSettings } from './output-stream.ts'
import type { RpcAddress } from './rpc-connection.ts'
import { hasEnded, newWriterName, writerNamedIn } from './writer-name.ts'

export interface NativeHdfsOptions {
  /** In the order they are tried. */
  readonly nameNodes: readonly RpcAddress[]
  readonly user: string
  /** Whose rights are used, when not the user's own. */
  readonly proxyUser?: string | undefined
  /** Longest time of one call, write or close, in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Copies of a new file, and bytes of its blocks; what the name node has as its default when left out. */
  readonly replication?: number | undefined
  readonly blockSizeBytes?: number | undefined
  /** Permissions that new files and folders do not get; octal 022 when left out. */
  readonly umask?: number | undefined
  readonly checksum?: Checksum | undefined
  /** Bytes of one packet on the wire. */
  readonly packetBytes?: number | undefined
  /** Connect to data nodes by name instead of by address. */
  readonly useHostNames?: boolean | undefined
  /** A write resolves only when it is on the data nodes' disks. */
  readonly sync?: boolean | undefined
  /** What people should do when nothing answers. */
  readonly hint?: string | undefined
}

/** Half of the time after which others may take an open file. */
const renewalMs = 30_000
const packetBytesDefault = 65_536
/** A data node is asked whether it lives after this part of a call's time. */
const stallPart = 4

/**
 * HDFS in its own protocol: Hadoop RPC to the name node, data transfer to the data nodes. Opened files stay open between
 * writes; a write resolves at hflush (hsync when `sync`), and survives the death of data nodes.
 */
export class NativeHdfs implements FileSystem {
  readonly address: string
  readonly hasLeases = true
  readonly #options: NativeHdfsOptions
  readonly #rpc: NameNodeRpc
  readonly #nameNode: NameNode
  readonly #clientName = newWriterName()
  readonly #excluded: ExcludedNodes
  readonly #open = new Set<NativeFile>()
  #renewal: Timer | undefined

  constructor(options: NativeHdfsOptions) {
    this.#options = options
    this.address = options.nameNodes.map(({ host, port }) => `hdfs://${host}:${port}`).join(', ')
    this.#rpc = new NameNodeRpc(options)
    this.#nameNode = new NameNode(this.#rpc, this.#clientName)
    this.#excluded = new ExcludedNodes(options.clock)
    const { chunkBytes } = this.#checksum
    if (options.blockSizeBytes !== undefined && options.blockSizeBytes % chunkBytes !== 0) {
      throw new FileSystemError('other', `dfs.blocksize ${options.blockSizeBytes} is not a multiple of ${chunkBytes}`, {
        retry: false,
        untouched: true,
      })
    }
  }

  async mkdirs(path: string): Promise<void> {
    const where = normalizePath(path)
    if (!(await this.#nameNode.mkdirs(where, 0o777 & ~this.#umask))) {
      throw new FileSystemError('other', `${path} was not made`, { untouched: true })
    }
  }

  async create(path: string, bytes: readonly Uint8Array[], options?: { readonly overwrite?: boolean }): Promise<void> {
    await closeAfter(await this.begin(path, bytes, options))
  }

  async append(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<void> {
    await closeAfter(await this.resume(path, bytes, lengthBytes))
  }

  async begin(path: string, bytes: readonly Uint8Array[], { overwrite = false } = {}): Promise<OpenFile> {
    const where = normalizePath(path)
    const defaults = await this.#writable()
    const status = await this.#nameNode.create(where, {
      overwrite,
      mode: 0o666 & ~this.#umask,
      unmaskedMode: 0o666,
      replication: this.#options.replication ?? defaults.replication,
      blockSizeBytes: this.#options.blockSizeBytes ?? defaults.blockSizeBytes,
    })
    const stream = this.#stream(where, status)
    if (byteLength(bytes) > 0) await this.#orAbandon(stream, stream.write(bytes))
    return stream
  }

  async resume(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<OpenFile> {
    const where = normalizePath(path)
    await this.#writable()
    const before = await this.#fileInfo(where)
    if (before.kind !== 'file') throw new FileSystemError('other', `${path} is not a file`, { untouched: true })
    if (before.isErasureCoded) throw erasureCoded(path)
    if (before.isEncrypted) throw encryptionZone(path)
    if (before.lengthBytes !== lengthBytes) {
      const message = `${path} is ${before.lengthBytes} bytes long, not ${lengthBytes}`
      throw new FileSystemError('other', message, { untouched: true })
    }
    const { block, status } = await this.#nameNode.append(where)
    const stream = this.#stream(where, status)
    await this.#orAbandon(stream, stream.resume(block))
    await this.#orAbandon(stream, stream.write(bytes))
    return stream
  }

  /**
   * Ends the writing of a file whose writer is gone; false while that is under way, or the writer may live: it is taken for
   * dead after a minute of silence, and at once when it was a process of this machine that has ended. `force` takes the
   * file from a live writer too.
   */
  async recover(path: string, { force = false } = {}): Promise<boolean> {
    const where = normalizePath(path)
    await this.#fileInfo(where)
    if (force) return this.#nameNode.recoverLease(where)
    if (await this.#nameNode.isFileClosed(where)) return true
    try {
      // Asking to append is the polite way: a live writer keeps its file.
      const { block, status } = await this.#nameNode.append(where)
      const stream = this.#stream(where, status)
      await this.#orAbandon(stream, stream.resume(block))
      await stream.close()
      return true
    } catch (error) {
      if (reasonOf(error) !== 'leased') throw error
      const writer = writerNamedIn((error as FileSystemError).message)
      return writer !== undefined && hasEnded(writer) ? this.#nameNode.recoverLease(where) : false
    }
  }

  async truncate(path: string, lengthBytes: number): Promise<boolean> {
    const where = normalizePath(path)
    // Also where the length looks right: what a dead writer left in the last block is not counted before it is recovered.
    if (!(await this.#nameNode.recoverLease(where))) return false
    const status = await this.#fileInfo(where)
    if (status.lengthBytes < lengthBytes) {
      throw new FileSystemError('other', `${path} is ${status.lengthBytes} bytes long, shorter than ${lengthBytes}`)
    }
    return status.lengthBytes === lengthBytes || this.#nameNode.truncate(where, lengthBytes)
  }

  async rename(from: string, to: string, { overwrite = false } = {}): Promise<void> {
    const source = normalizePath(from)
    try {
      await this.#nameNode.rename(source, normalizePath(to), overwrite)
    } catch (error) {
      // The same exception stands for a target whose parent is missing.
      if (reasonOf(error) === 'missing' && (await this.#nameNode.fileInfo(source))) {
        throw new FileSystemError('other', `HDFS did not rename ${from} to ${to}`, {
          cause: error,
          untouched: true,
          hint: 'does the target directory exist?',
        })
      }
      throw error
    }
  }

  async status(path: string): Promise<FileStatus | undefined> {
    const where = normalizePath(path)
    const found = await this.#nameNode.fileInfo(where)
    return found && statusOf(found, where)
  }

  async list(path: string): Promise<readonly FileStatus[]> {
    const folder = normalizePath(path)
    const entries = await this.#nameNode.list(folder)
    if (!entries) throw missing(path)
    const statuses = entries.map((entry) => statusOf(entry, entry.name === '' ? folder : join(folder, entry.name)))
    return statuses.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  }

  async read(path: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    const where = normalizePath(path)
    const { encryptDataTransfer } = await this.#nameNode.serverDefaults()
    if (encryptDataTransfer) throw encryptedTransfer()
    const found = await this.#nameNode.blockLocations(where, offset, lengthBytes)
    if (found.isErasureCoded) {
      throw new FileSystemError('other', `${path} is erasure-coded, which is not supported`, {
        retry: false,
        hint: 'read it with hdfs.client = webhdfs, or a webhdfs:// address',
      })
    }
    if (found.isEncrypted) throw encryptionZone(path)
    const settings = this.#reading()
    const parts: Uint8Array[] = []
    let at = offset
    const end = offset + lengthBytes
    for (const located of [...found.blocks].sort((a, b) => a.offset - b.offset)) {
      let blockBytes = located.block.lengthBytes
      const isOpen = located.offset >= found.lengthBytes || (!found.isLastComplete && located === found.blocks.at(-1))
      if (isOpen) blockBytes = (await visibleLength(located, settings)) ?? blockBytes
      const from = at - located.offset
      const take = Math.min(end - at, blockBytes - from)
      if (from < 0 || take <= 0) continue
      const bytes = await readBlock(
        { ...located, block: { ...located.block, lengthBytes: blockBytes } },
        from,
        take,
        settings,
      )
      parts.push(bytes)
      at += bytes.length
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
  }

  async delete(path: string, { recursive = false } = {}): Promise<boolean> {
    return this.#nameNode.delete(normalizePath(path), recursive)
  }

  async close(): Promise<void> {
    this.#renewal?.cancel()
    for (const file of this.#open) file.abandon()
    this.#rpc.close()
  }

  get #umask(): number {
    return this.#options.umask ?? 0o022
  }

  get #checksum(): Checksum {
    return this.#options.checksum ?? { type: 2, chunkBytes: 512 }
  }

  get #stallMs(): number {
    const { timeoutMs } = this.#options
    return timeoutMs > 0 ? Math.max(250, Math.ceil(timeoutMs / stallPart)) : silenceLimitMs(0) / stallPart
  }

  /** Rejects where a write would fail for sure. */
  async #writable(): Promise<ServerDefaults> {
    const defaults = await this.#nameNode.serverDefaults()
    if (defaults.encryptDataTransfer) throw encryptedTransfer()
    return defaults
  }

  async #fileInfo(path: string): Promise<HdfsFileStatus> {
    const found = await this.#nameNode.fileInfo(path)
    if (!found) throw missing(path)
    return found
  }

  #stream(path: string, { fileId, blockSizeBytes, replication }: HdfsFileStatus): NativeFile {
    const { clock, timeoutMs, packetBytes = packetBytesDefault, sync = false, useHostNames = false } = this.#options
    const checksum = this.#checksum
    const settings: StreamSettings = {
      nameNode: this.#nameNode,
      dataNodes: { clock, useHostNames, stallMs: this.#stallMs },
      clock,
      clientName: this.#clientName,
      checksum,
      // Java's sum: 33 bytes of head, and four for each chunk's checksum.
      packetBytes: Math.max(1, Math.floor((packetBytes - 33) / (checksum.chunkBytes + 4))) * checksum.chunkBytes,
      timeoutMs,
      sync,
      excluded: this.#excluded,
    }
    const file = new NativeFile(new OutputStream({ path, fileId, blockSizeBytes, replication }, settings), () =>
      this.#closed(file),
    )
    this.#open.add(file)
    this.#renewal ??= this.#renewLater()
    return file
  }

  #closed(file: NativeFile): void {
    this.#open.delete(file)
    if (this.#open.size > 0) return
    this.#renewal?.cancel()
    this.#renewal = undefined
  }

  #renewLater(): Timer {
    return this.#options.clock.after(renewalMs, () => {
      this.#renewal = this.#renewLater()
      // When it fails others may take the files after a while; the next write then says so.
      this.#nameNode.renewLease().catch(() => undefined)
    })
  }

  async #orAbandon(file: NativeFile, done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      file.abandon()
      throw error
    }
  }

  #reading(): ReadSettings {
    const { clock, useHostNames = false, user } = this.#options
    return { clock, useHostNames, stallMs: this.#stallMs, clientName: this.#clientName, user }
  }
}

/** A stream whose calls run one after the other, and that is forgotten when it ends. */
class NativeFile implements OpenFile {
  readonly #stream: OutputStream
  readonly #forget: () => void
  #tail: Promise<unknown> = Promise.resolve()

  constructor(stream: OutputStream, forget: () => void) {
    this.#stream = stream
    this.#forget = forget
  }

  get replicas(): { readonly actual: number; readonly wanted: number } {
    return { actual: this.#stream.replicas, wanted: this.#stream.replication }
  }

  resume(...located: Parameters<OutputStream['resume']>): Promise<void> {
    return this.#inTurn(() => this.#stream.resume(...located))
  }

  write(parts: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn(() => this.#stream.write(parts))
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#stream.close()
      } finally {
        this.#forget()
      }
    })
  }

  abandon(): void {
    this.#stream.abandon()
    this.#forget()
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(act)
    this.#tail = done.catch(() => undefined)
    return done
  }
}

async function closeAfter(file: OpenFile): Promise<void> {
  try {
    await file.close()
  } catch (error) {
    file.abandon()
    throw error
  }
}

function missing(path: string): FileSystemError {
  return new FileSystemError('missing', `${path} does not exist`, { untouched: true })
}

function join(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`
}

function statusOf({ kind, lengthBytes, modifiedMs }: HdfsFileStatus, path: string): FileStatus {
  return { path, kind: kind === 'directory' ? 'directory' : 'file', sizeBytes: lengthBytes, modifiedMs }
}
