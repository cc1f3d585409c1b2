import { type Checksum, packet, type Stage, stages, transferBlockRequest } from '../../../codec/hdfs/data-transfer.ts'
import type { Block, DataNode, LocatedBlock } from '../../../codec/hdfs/messages.ts'
import type { Clock } from '../../../core/clock.ts'
import { asError } from '../../../core/error.ts'
import { byteLength, FileSystemError } from '../file-system.ts'
import { BlockPipeline, PipelineError, type PipelineListener } from './block-pipeline.ts'
import { connectTo, type DataNodeSettings, exchange, refusalOf } from './data-node.ts'
import { isException } from './errors.ts'
import type { FileHandle, NameNode } from './name-node.ts'

// A file that is being written, block by block:
//
//   no block ──addBlock, pipeline──▶ block ──full──▶ last packet, its ack ──▶ no block
//                                      │ ▲
//                 bad ack, lost socket ▼ │ the rest of the nodes, a new stamp, what was not acked sent again
//                                    recovery
//
// Never: a write that resolves before its last byte is acked by every node of the pipeline; a block restarted after a
// write in it resolved (that would drop what was promised); a second attempt at anything once the stream is `dead`.

export interface StreamSettings {
  readonly nameNode: NameNode
  readonly dataNodes: DataNodeSettings
  readonly clock: Clock
  readonly clientName: string
  readonly checksum: Checksum
  /** Data of one packet, in bytes; a multiple of the checksum's chunk. */
  readonly packetBytes: number
  /** Longest time of one write or close, in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number
  /** Wait for the data nodes' disks as well. */
  readonly sync: boolean
  /** Data nodes that could not be reached lately, shared by the streams of a client. */
  readonly excluded: ExcludedNodes
}

export interface OpenedFile extends FileHandle {
  readonly blockSizeBytes: number
  readonly replication: number
}

interface Packet {
  readonly number: number
  readonly bytes: Buffer
  readonly endOffset: number
}

/** Unacked bytes at which a write waits. */
const inFlightMaxBytes = 8 * 1024 * 1024
/** Java's: recoveries without an acked packet in between. */
const recoveriesMax = 5
/**
 * Set-ups of one block, each without the nodes that are known by then. Java's client gives up after four; but for ten
 * minutes the name node offers nodes that have just died, and a rack has more than three.
 */
const setUpTriesMax = 12
const restartPauseMs = 4000
const restartPatienceMs = 30_000
/** The answer is yes within milliseconds; Java's first pause of 400 ms is most of what a small file costs there. */
const firstPauseMs = 5
const pauseMaxMs = 400
const completePatienceMs = 12_000

export class OutputStream implements PipelineListener {
  readonly #file: OpenedFile
  readonly #settings: StreamSettings
  readonly #died: Promise<never>
  #dead: Error | undefined
  #rejectDied: (error: Error) => void = () => undefined
  #located: LocatedBlock | undefined
  #pipeline: BlockPipeline | undefined
  /** The last finished block, with its length. */
  #previous: Block | undefined
  #isLastPacketSent = false
  #isBlockKnown = false
  /** Bytes of the block that went into packets, and that were acked. */
  #position = 0
  #ackedBytes = 0
  /** What stands in the unfinished chunk; undefined when that was written by someone before us. */
  #tail: Buffer | undefined = Buffer.alloc(0)
  #queue: Packet[] = []
  #queuedBytes = 0
  #nextNumber = 0
  #recoveries = 0
  #restartingSinceMs: number | undefined
  #wake: (() => void) | undefined
  #removed: DataNode[] = []

  constructor(file: OpenedFile, settings: StreamSettings) {
    this.#file = file
    this.#settings = settings
    this.#died = new Promise((_, reject) => {
      this.#rejectDied = reject
    })
    this.#died.catch(() => undefined)
  }

  /** Data nodes that take the bytes now; the file's replication while there is no block. */
  get replicas(): number {
    return this.#located?.nodes.length ?? this.#file.replication
  }

  get replication(): number {
    return this.#file.replication
  }

  get isDead(): boolean {
    return this.#dead !== undefined
  }

  /** Goes on in the last block of a file that was opened for appending; without one the next bytes begin a new block. */
  resume(located: LocatedBlock | undefined): Promise<void> {
    return this.#limited('append', async () => {
      if (!located) return
      const length = located.block.lengthBytes
      this.#located = located
      this.#position = length
      this.#ackedBytes = length
      this.#isBlockKnown = true
      this.#tail = length % this.#settings.checksum.chunkBytes === 0 ? Buffer.alloc(0) : undefined
      await this.#connect(stages.append)
    })
  }

  /** Resolves when every byte is at all data nodes of the pipeline. After a rejection the stream is dead. */
  write(parts: readonly Uint8Array[]): Promise<void> {
    return this.#limited('write', async () => {
      await this.#put(parts)
      await this.#drain()
      if (!this.#isBlockKnown && this.#located) {
        // So that the name node knows of the block after a restart.
        await this.#settings.nameNode.fsync(this.#file, this.#position)
        this.#isBlockKnown = true
      }
    })
  }

  /** Resolves when the file is closed. After a rejection the stream is dead. */
  close(): Promise<void> {
    return this.#limited('close', async () => {
      if (this.#located) await this.#endBlock()
      const { clock, nameNode } = this.#settings
      const untilMs = clock.monotonic() + completePatienceMs
      for (let pauseMs = firstPauseMs; !(await nameNode.complete(this.#file, this.#previous)); pauseMs *= 2) {
        if (clock.monotonic() > untilMs) {
          throw new FileSystemError('other', `${this.#file.path}: the name node does not see its last block`)
        }
        await this.#sleep(pauseMs)
      }
    })
  }

  /** Lets go of the data nodes; the file stays open at the name node until its lease is recovered. */
  abandon(reason: Error = new FileSystemError('other', `${this.#file.path} was let go`)): void {
    if (this.#dead) return
    this.#dead = reason
    this.#pipeline?.destroy()
    this.#queue = []
    this.#rejectDied(reason)
    this.#wake?.()
  }

  acked(number: number): void {
    const first = this.#queue[0]
    if (first?.number !== number) throw new Error(`ack of packet ${number} instead of ${first?.number}`)
    this.#queue.shift()
    this.#queuedBytes -= first.bytes.length
    this.#ackedBytes = Math.max(this.#ackedBytes, first.endOffset)
    this.#recoveries = 0
    this.#restartingSinceMs = undefined
    if (this.#queue.length === 0 || this.#queuedBytes < inFlightMaxBytes / 2) this.#wake?.()
  }

  failed(): void {
    this.#wake?.()
  }

  async #limited(what: string, act: () => Promise<void>): Promise<void> {
    const { clock, timeoutMs } = this.#settings
    const { path } = this.#file
    const timer =
      timeoutMs > 0
        ? clock.after(timeoutMs, () =>
            this.abandon(new FileSystemError('timeout', `${what} ${path} took longer than ${timeoutMs} ms`)),
          )
        : undefined
    try {
      this.#check()
      await Promise.race([act(), this.#died])
    } catch (error) {
      const failure =
        error instanceof FileSystemError
          ? new FileSystemError(error.reason, error.message, {
              retry: error.retry,
              hint: error.hint,
              cause: error.cause,
            })
          : new FileSystemError('other', `${what} ${path}: ${asError(error).message}`, { cause: error })
      this.abandon(failure)
      throw failure
    } finally {
      timer?.cancel()
    }
  }

  #check(): void {
    if (this.#dead) throw this.#dead
  }

  async #sleep(ms: number): Promise<void> {
    await this.#settings.clock.sleep(Math.min(ms, 5000))
    this.#check()
  }

  /** Cuts the bytes into packets and sends them; waits only for room in flight and at the ends of blocks. */
  async #put(parts: readonly Uint8Array[]): Promise<void> {
    const { checksum, packetBytes, sync } = this.#settings
    const { chunkBytes } = checksum
    const { blockSizeBytes } = this.#file
    let left = byteLength(parts)
    let part = 0
    let partAt = 0
    const fill = (target: Buffer, at: number, bytes: number): void => {
      for (let to = at, rest = bytes; rest > 0; ) {
        const source = parts[part] as Uint8Array
        const take = Math.min(rest, source.length - partAt)
        target.set(take === source.length ? source : source.subarray(partAt, partAt + take), to)
        to += take
        rest -= take
        partAt += take
        if (partAt === source.length) {
          part++
          partAt = 0
        }
      }
    }
    while (left > 0) {
      if (this.#located && this.#position === blockSizeBytes) await this.#endBlock()
      if (!this.#located) await this.#beginBlock()
      const inChunk = this.#position % chunkBytes
      // A packet that begins inside a chunk may not leave it; so one does only where the chunk's beginning is not known.
      const head = this.#tail
      const most = head ? packetBytes - head.length : chunkBytes - inChunk
      const take = Math.min(left, most, blockSizeBytes - this.#position)
      const headBytes = head?.length ?? 0
      const endOffset = this.#position + take
      const number = this.#nextNumber++
      const made = packet(
        { offset: this.#position - headBytes, number, isLast: false, sync: sync && take === left },
        headBytes + take,
        chunkBytes,
        (target, at) => {
          if (head) target.set(head, at)
          fill(target, at + headBytes, take)
        },
      )
      const rest = endOffset % chunkBytes
      if (head || rest === 0) this.#tail = Buffer.from(made.subarray(made.length - rest))
      this.#position = endOffset
      left -= take
      this.#send({ number, bytes: made, endOffset })
      if (this.#queuedBytes >= inFlightMaxBytes || this.#pipeline?.failure) await this.#settle(inFlightMaxBytes / 2)
    }
  }

  #send(each: Packet): void {
    this.#queue.push(each)
    this.#queuedBytes += each.bytes.length
    this.#pipeline?.send(each.bytes)
  }

  #drain(): Promise<void> {
    return this.#settle(0)
  }

  /** Resolves when at most so many bytes are not acked, recovering whatever breaks meanwhile. */
  async #settle(bytes: number): Promise<void> {
    for (;;) {
      this.#check()
      const failure = this.#pipeline?.failure
      // A pipeline that broke after the last ack is mended before the next byte is due, not now.
      if (this.#queuedBytes <= bytes && (bytes === 0 || !failure)) return
      if (failure) await this.#recover(failure)
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }

  async #beginBlock(): Promise<void> {
    const { nameNode, excluded } = this.#settings
    for (let tries = 1; ; tries++) {
      const located = await this.#addBlock()
      this.#check()
      this.#located = located
      this.#position = 0
      this.#ackedBytes = 0
      this.#isLastPacketSent = false
      this.#isBlockKnown = false
      this.#tail = Buffer.alloc(0)
      this.#removed = []
      try {
        this.#pipeline = await this.#open(located, stages.create, 0n)
        return
      } catch (error) {
        this.#located = undefined
        if (!(error instanceof PipelineError)) throw error
        for (const index of error.bad) excluded.add(located.nodes[index] as DataNode)
        await nameNode.abandonBlock(this.#file, located.block)
        if (tries === setUpTriesMax) {
          throw new FileSystemError('unreachable', `${this.#file.path}: no data nodes take a block: ${error.message}`, {
            cause: error,
          })
        }
      }
    }
  }

  async #addBlock(): Promise<LocatedBlock> {
    const { nameNode, excluded, clock } = this.#settings
    const untilMs = clock.monotonic() + completePatienceMs
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      try {
        const located = await nameNode.addBlock(this.#file, this.#previous, excluded.list())
        if (located.nodes.length > 0) return located
        throw new FileSystemError('unreachable', `${this.#file.path}: HDFS has no data node for it`)
      } catch (error) {
        const mayPass = isException(error, 'NotReplicatedYetException') || hasNoDataNodes(error)
        if (!mayPass || clock.monotonic() > untilMs) {
          // Perhaps the nodes that were left out are the only ones.
          if (error instanceof FileSystemError && /could only be (written|replicated) to/.test(error.message)) {
            if (excluded.clear()) continue
          }
          throw error
        }
        await this.#sleep(Math.min(pauseMs, pauseMaxMs))
      }
    }
  }

  async #endBlock(): Promise<void> {
    await this.#drain()
    if (this.#pipeline?.failure) await this.#recover(this.#pipeline.failure)
    const located = this.#located as LocatedBlock
    const number = this.#nextNumber++
    const bytes = packet(
      { offset: this.#position, number, isLast: true, sync: this.#settings.sync },
      0,
      this.#settings.checksum.chunkBytes,
      () => undefined,
    )
    this.#isLastPacketSent = true
    this.#send({ number, bytes, endOffset: this.#position })
    await this.#drain()
    this.#pipeline?.destroy()
    this.#pipeline = undefined
    this.#previous = { ...(this.#located ?? located).block, lengthBytes: this.#position }
    this.#located = undefined
  }

  /** Goes on with the nodes that are left; resolves when what was not acked is on its way again. */
  async #recover(failure: PipelineError): Promise<void> {
    this.#pipeline?.destroy()
    if (++this.#recoveries > recoveriesMax) throw noProgress(this.#file.path, failure)
    await this.#leaveOut(failure)
    await this.#replace()
    await this.#connect(this.#isLastPacketSent ? stages.closing : stages.streaming)
    if (this.#isLastPacketSent) {
      // On connecting the nodes have finished the block.
      this.#pipeline?.destroy()
      this.#queue = []
      this.#queuedBytes = 0
      return
    }
    for (const { bytes } of this.#queue) this.#pipeline?.send(bytes)
  }

  /** Opens a pipeline for the block there is, with a new stamp. */
  async #connect(first: Stage): Promise<void> {
    const { nameNode } = this.#settings
    for (let stage = first; ; stage = first === stages.append ? stages.appendAgain : first) {
      this.#check()
      const located = this.#located as LocatedBlock
      const before = { ...located.block, lengthBytes: this.#ackedBytes }
      const { block, token } = await nameNode.updateBlockForPipeline(before)
      this.#check()
      try {
        this.#pipeline = await this.#open({ ...located, token }, stage, block.stamp)
      } catch (error) {
        if (!(error instanceof PipelineError)) throw error
        if (++this.#recoveries > recoveriesMax + located.nodes.length) throw noProgress(this.#file.path, error)
        await this.#leaveOut(error)
        continue
      }
      const after = { ...before, stamp: block.stamp }
      await nameNode.updatePipeline(before, after, located.nodes, located.storageIds)
      this.#check()
      this.#located = { ...located, block: { ...located.block, stamp: block.stamp }, token }
      return
    }
  }

  #open(located: LocatedBlock, stage: Stage, latestStamp: bigint): Promise<BlockPipeline> {
    const { clientName, checksum, dataNodes } = this.#settings
    const { nodes, storageTypes, storageIds, token } = located
    const sentBytes = stage === stages.create ? 0 : this.#position
    const request = {
      block: { ...located.block, lengthBytes: this.#file.blockSizeBytes },
      token,
      clientName,
      nodes,
      storageTypes,
      storageIds,
      stage,
      minBytes: this.#ackedBytes,
      maxBytes: sentBytes,
      latestStamp,
      checksum,
    }
    return BlockPipeline.open(request, dataNodes, this).then((pipeline) => {
      if (this.#dead) pipeline.destroy()
      return pipeline
    })
  }

  /** Takes the bad nodes out of the block. Rejects when none is left. */
  async #leaveOut({ bad, isRestarting, message }: PipelineError): Promise<void> {
    const { clock } = this.#settings
    const located = this.#located as LocatedBlock
    const { nodes } = located
    if (nodes.length === 1 && (isRestarting || this.#restartingSinceMs !== undefined)) {
      this.#restartingSinceMs ??= clock.monotonic()
      if (clock.monotonic() - this.#restartingSinceMs < restartPatienceMs) {
        this.#recoveries = 0
        return this.#sleep(restartPauseMs)
      }
    }
    const keep = (_: unknown, index: number): boolean => !bad.includes(index)
    this.#removed.push(...nodes.filter((_, index) => bad.includes(index)))
    if (bad.length >= nodes.length) {
      throw new FileSystemError('unreachable', `${this.#file.path}: no data node of its block is left: ${message}`)
    }
    this.#located = {
      ...located,
      nodes: nodes.filter(keep),
      storageTypes: located.storageTypes.filter(keep),
      storageIds: located.storageIds.filter(keep),
    }
  }

  /**
   * Brings one more data node in, as Java does for files of three and more replicas; when there is none it goes on without
   * (Java: only with `replace-datanode-on-failure.best-effort`).
   */
  async #replace(): Promise<void> {
    const { nameNode, clientName, dataNodes } = this.#settings
    const located = this.#located as LocatedBlock
    const { nodes, block, storageIds } = located
    if (this.#file.replication < 3 || nodes.length >= this.#file.replication) return
    if (this.#isLastPacketSent || this.#ackedBytes === 0) return
    const acked = { ...block, lengthBytes: this.#ackedBytes }
    try {
      const found = await nameNode.additionalDataNode(this.#file, acked, nodes, storageIds, this.#removed)
      this.#check()
      const known = new Set(nodes.map(({ uuid }) => uuid))
      const index = found.nodes.findIndex(({ uuid }) => !known.has(uuid))
      if (index < 0 || found.storageIds.length !== found.nodes.length) return
      const target = found.nodes[index] as DataNode
      const source = found.nodes[index === 0 ? 1 : index - 1] as DataNode
      const request = transferBlockRequest({
        block: acked,
        token: found.token,
        clientName,
        target,
        storageType: found.storageTypes[index] ?? 1,
        storageId: found.storageIds[index] as string,
      })
      const socket = await connectTo(source, dataNodes)
      const timer = dataNodes.clock.after(dataNodes.stallMs, () => socket.destroy())
      try {
        const refusal = refusalOf(await exchange(socket, request, () => undefined))
        if (refusal !== undefined) throw new Error(refusal)
      } finally {
        timer.cancel()
        socket.on('error', () => undefined).destroy()
      }
      this.#located = {
        ...located,
        nodes: found.nodes,
        storageTypes: found.storageTypes,
        storageIds: found.storageIds,
      }
    } catch {
      this.#check()
    }
  }
}

function noProgress(path: string, failure: PipelineError): FileSystemError {
  return new FileSystemError('other', `${path}: ${recoveriesMax} recoveries brought no progress: ${failure.message}`)
}

/** Data nodes that new blocks should not go to, for ten minutes each. */
export class ExcludedNodes {
  readonly #clock: Clock
  readonly #untilMs = new Map<string, { readonly node: DataNode; readonly untilMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(node: DataNode): void {
    this.#untilMs.set(node.uuid, { node, untilMs: this.#clock.monotonic() + 600_000 })
  }

  list(): readonly DataNode[] {
    const nowMs = this.#clock.monotonic()
    for (const [uuid, { untilMs }] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(uuid)
    return [...this.#untilMs.values()].map(({ node }) => node)
  }

  /** True when there were any. */
  clear(): boolean {
    const had = this.#untilMs.size > 0
    this.#untilMs.clear()
    return had
  }
}

/** The name node has just started, and its data nodes have not found it again: they do within seconds. */
function hasNoDataNodes(error: unknown): boolean {
  return error instanceof FileSystemError && /There are 0 datanode\(s\) running/.test(error.message)
}
