import type { Socket } from 'node:net'
import {
  type Ack,
  type BlockReply,
  heartbeatNumber,
  packet,
  readAck,
  replyMaxBytes,
  statusRestarting,
  type WriteRequest,
  writeBlockRequest,
} from '../../../codec/hdfs/data-transfer.ts'
import { delimitedEnd } from '../../../codec/hdfs/protobuf.ts'
import type { Timer } from '../../../core/clock.ts'
import { asError } from '../../../core/error.ts'
import { connectTo, type DataNodeSettings, exchange, findSilent, refusalOf, silenceLimitMs } from './data-node.ts'

/** Why a pipeline is of no more use, and whose fault it is. */
export class PipelineError extends Error {
  /** Indexes of the nodes that should be left out. */
  readonly bad: readonly number[]
  /** The bad node said that it will be back. */
  readonly isRestarting: boolean

  constructor(cause: unknown, bad: readonly number[], isRestarting = false) {
    super(asError(cause).message, { cause })
    this.bad = bad
    this.isRestarting = isRestarting
  }
}

export interface PipelineListener {
  /** A packet is at every node. Throws when that is not the number which was due. */
  acked(number: number): void
  failed(error: PipelineError): void
}

/** Half of the time after which a data node hangs up. */
const heartbeatMs = 30_000
/** Packets that go to the system in one call. */
const corkedMax = 8

/** One connection to the first of a block's data nodes, which hands everything on to the next. */
export class BlockPipeline {
  readonly #socket: Socket
  readonly #request: WriteRequest
  readonly #settings: DataNodeSettings
  readonly #listener: PipelineListener
  #received: Buffer = Buffer.alloc(0)
  #failure: PipelineError | undefined
  #corked = 0
  #unacked = 0
  #lastAckMs = 0
  #lastSentMs = 0
  #stallTimer: Timer | undefined
  #heartbeat: Timer | undefined

  private constructor(socket: Socket, request: WriteRequest, settings: DataNodeSettings, listener: PipelineListener) {
    this.#socket = socket
    this.#request = request
    this.#settings = settings
    this.#listener = listener
    this.#lastSentMs = settings.clock.monotonic()
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(new PipelineError(error, [0])))
    socket.on('close', () => this.#fail(new PipelineError(new Error('the data node closed the connection'), [0])))
    this.#beat()
  }

  /** Connects the nodes of the request; rejects PipelineError. */
  static async open(
    request: WriteRequest,
    settings: DataNodeSettings,
    listener: PipelineListener,
  ): Promise<BlockPipeline> {
    const { nodes, block, token } = request
    const socket = await connectTo(nodes[0] as WriteRequest['nodes'][number], settings).catch((error) => {
      throw new PipelineError(error, [0])
    })
    let early: Buffer = Buffer.alloc(0)
    let timer: Timer | undefined
    const limit = new Promise<never>((_, reject) => {
      const beganMs = settings.clock.monotonic()
      const look = async (): Promise<void> => {
        const silent = await findSilent(nodes, block, token, settings)
        const isOver = settings.clock.monotonic() - beganMs > silenceLimitMs(nodes.length)
        if (silent.length > 0 || isOver) {
          reject(new PipelineError(new Error('a data node does not answer'), silent.length > 0 ? silent : [0]))
        } else if (timer) timer = settings.clock.after(settings.stallMs, look)
      }
      timer = settings.clock.after(settings.stallMs, look)
    })
    try {
      const reply = await Promise.race([
        limit,
        exchange(socket, writeBlockRequest(request), (bytes) => {
          early = bytes
        }),
      ])
      const refusal = refusalOf(reply)
      if (refusal !== undefined) {
        throw new PipelineError(new Error(refusal), [indexOf(reply, request)], reply.status === statusRestarting)
      }
    } catch (error) {
      socket.on('error', () => undefined).destroy()
      throw error instanceof PipelineError ? error : new PipelineError(error, [0])
    } finally {
      timer?.cancel()
      timer = undefined
    }
    const pipeline = new BlockPipeline(socket, request, settings, listener)
    if (early.length > 0) pipeline.#take(early)
    return pipeline
  }

  get failure(): PipelineError | undefined {
    return this.#failure
  }

  send(bytes: Buffer): void {
    if (this.#failure) return
    if (this.#unacked++ === 0) {
      this.#lastAckMs = this.#settings.clock.monotonic()
      this.#socket.ref()
      this.#watch()
    }
    this.#write(bytes)
  }

  /** Ends the connection without a word. */
  destroy(): void {
    this.#failure ??= new PipelineError(new Error('closed here'), [])
    this.#release()
  }

  #write(bytes: Buffer): void {
    this.#lastSentMs = this.#settings.clock.monotonic()
    if (this.#corked++ === 0) {
      this.#socket.cork()
      process.nextTick(() => this.#uncork())
    }
    this.#socket.write(bytes)
    if (this.#corked >= corkedMax) this.#uncork()
  }

  #uncork(): void {
    if (this.#corked === 0) return
    this.#corked = 0
    this.#socket.uncork()
  }

  #take(chunk: Buffer): void {
    if (this.#failure) return
    try {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      for (;;) {
        const found = delimitedEnd(this.#received, replyMaxBytes)
        if (!found) return
        const ack = readAck(this.#received.subarray(found.from, found.to))
        this.#received = this.#received.subarray(found.to)
        this.#acked(ack)
        if (this.#failure) return
      }
    } catch (error) {
      this.#fail(new PipelineError(error, [0]))
    }
  }

  #acked({ number, badIndex, isRestarting }: Ack): void {
    if (badIndex >= 0) {
      const who = Math.min(badIndex, this.#request.nodes.length - 1)
      const why = isRestarting ? 'is being restarted' : 'could not store a packet'
      return this.#fail(
        new PipelineError(new Error(`data node ${who + 1} of the pipeline ${why}`), [who], isRestarting),
      )
    }
    if (number === heartbeatNumber) return
    this.#lastAckMs = this.#settings.clock.monotonic()
    this.#unacked--
    if (this.#unacked === 0) {
      this.#stallTimer?.cancel()
      this.#stallTimer = undefined
      this.#socket.unref()
    }
    this.#listener.acked(number)
  }

  /** While acks are due: when none came for a while, the nodes are asked one by one which of them hangs. */
  #watch(): void {
    const { clock, stallMs } = this.#settings
    const { nodes, block, token } = this.#request
    const silentMs = clock.monotonic() - this.#lastAckMs
    this.#stallTimer = clock.after(Math.max(1, stallMs - (silentMs % stallMs)), async () => {
      if (this.#failure || this.#unacked === 0) return
      const silentMs = clock.monotonic() - this.#lastAckMs
      if (silentMs >= stallMs) {
        const hung = await findSilent(nodes, block, token, this.#settings)
        if (this.#failure || this.#unacked === 0) return
        const isOver = silentMs > silenceLimitMs(nodes.length)
        if (hung.length > 0 || isOver) {
          return this.#fail(new PipelineError(new Error('a data node does not answer'), hung.length > 0 ? hung : [0]))
        }
      }
      if (!this.#failure && this.#unacked > 0) this.#watch()
    })
  }

  /** Whatever goes out puts the next heartbeat off: never more than `heartbeatMs` pass without a packet. */
  #beat(): void {
    const { clock } = this.#settings
    const dueMs = this.#lastSentMs + heartbeatMs - clock.monotonic()
    this.#heartbeat = clock.after(dueMs, () => {
      if (clock.monotonic() - this.#lastSentMs >= heartbeatMs) {
        const head = { offset: 0, number: heartbeatNumber, isLast: false, sync: false }
        this.#write(packet(head, 0, this.#request.checksum.chunkBytes, () => undefined))
      }
      this.#beat()
    })
  }

  #fail(error: PipelineError): void {
    if (this.#failure) return
    this.#failure = error
    this.#release()
    this.#listener.failed(error)
  }

  #release(): void {
    this.#heartbeat?.cancel()
    this.#stallTimer?.cancel()
    this.#uncork()
    this.#socket.destroy()
  }
}

/** Data nodes name each other as `ip:port`, however they were reached. */
function indexOf({ badLink }: BlockReply, { nodes }: WriteRequest): number {
  return Math.max(
    0,
    nodes.findIndex(({ address, port }) => badLink === `${address}:${port}`),
  )
}
