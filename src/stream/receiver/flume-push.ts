import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Status } from '../../codec/avro/flume.ts'
import { tellFirstBytes } from '../../codec/first-bytes.ts'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import { EventBatch } from '../../core/event-batch.ts'
import type { Logger } from '../../monitor/logger.ts'
import { flumeService } from '../../net/avro-rpc/flume-service.ts'
import { RpcServer } from '../../net/avro-rpc/server.ts'
import { type Peer, TcpListener } from '../../net/tcp-listener.ts'
import { type Wire, ZlibWire } from '../../net/wire.ts'
import type { StorageLevel } from '../storage-level.ts'
import { SparkFlumeEvent } from './flume-event.ts'
import { Receiver } from './receiver.ts'

/** Compression of the answers when the pipe is zlib. */
const answerLevel = 6
/** Longest line of text, in bytes; a longer one ends the connection. */
export const lineBytesMax = 1024 * 1024
const newline = 0x0a
const acknowledgement = 'OK\n'

/** Where events go; a rejection is answered as an error. */
export type TakeEvents = (batch: EventBatch) => Promise<void>

export interface FlumeListenerOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly logger: Logger
  readonly take: TakeEvents
  /** `avro` and `avro-deflate` listen for exactly that; `any` tells text, Avro and deflated Avro by their first bytes. */
  readonly speaks: 'avro' | 'avro-deflate' | 'any'
}

/** Listens for Flume's Avro clients, and for lines of text when `speaks` is `any`. Rejects IO when the port cannot be bound. */
export function listenForFlume(options: FlumeListenerOptions): Promise<TcpListener> {
  const { host, port, clock, logger, take, speaks } = options
  const accept = async (batch: EventBatch): Promise<Status> => {
    await take(batch)
    return 'OK'
  }
  const rpc = new RpcServer({ services: [flumeService({ append: accept, appendBatch: accept })], clock })
  return TcpListener.open({
    host,
    port,
    clock,
    log: logger,
    serve: async (wire, peer, signal) => {
      const kind = speaks === 'any' ? await tell(wire, peer, signal) : speaks
      if (kind === 'avro') await rpc.serve(wire, peer, signal)
      else if (kind === 'avro-deflate') await rpc.serve(new ZlibWire(wire, answerLevel), peer, signal)
      else if (kind === 'text') await serveText(wire, take, signal)
    },
  })
}

/** What the peer speaks, or undefined when it left before that showed. */
async function tell(
  wire: Wire,
  peer: Peer,
  signal: AbortSignal,
): Promise<'avro' | 'avro-deflate' | 'text' | undefined> {
  const stop = (): void => wire.stopReading()
  signal.addEventListener('abort', stop, { once: true })
  let seen: Buffer = Buffer.alloc(0)
  for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const kind = tellFirstBytes(seen)
    if (kind === undefined) continue
    wire.unread(seen)
    if (kind !== 'tls') return kind
    throw new FlumeError('UNSUPPORTED', `${peer.address} speaks TLS, and this port does not`)
  }
  if (seen.length === 0) return undefined
  wire.unread(seen)
  return 'text'
}

/** Each line is one event, answered with OK once it is kept; lines of one read are kept together. */
async function serveText(wire: Wire, take: TakeEvents, signal: AbortSignal): Promise<void> {
  const stop = (): void => wire.stopReading()
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  let rest: Buffer | undefined
  for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
    const bytes = rest ? Buffer.concat([rest, chunk]) : chunk
    const { batch, end } = cutLines(bytes)
    rest = end < bytes.length ? bytes.subarray(end) : undefined
    if (batch.count > 0) {
      await take(batch)
      wire.write(Buffer.from(acknowledgement.repeat(batch.count)))
      if (wire.backlogged) await wire.drained()
    }
    if (rest && rest.length > lineBytesMax) {
      throw new FlumeError('LIMIT', `a line is longer than ${lineBytesMax} bytes`)
    }
  }
  if (!rest) return
  await take(EventBatch.of([{ body: rest }]))
  wire.write(Buffer.from(acknowledgement))
}

/** The whole lines in `bytes`, as ranges of them, and where the first unfinished one begins. */
function cutLines(bytes: Buffer): { readonly batch: EventBatch; readonly end: number } {
  const starts: number[] = []
  const ends: number[] = []
  let start = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, start)) {
    starts.push(start)
    ends.push(at)
    start = at + 1
  }
  return { batch: new EventBatch(bytes, Uint32Array.from(starts), Uint32Array.from(ends)), end: start }
}

/** True when `host` is an address of this machine, so that a port on it can be listened on. */
export async function isThisMachine(host: string): Promise<boolean> {
  const addresses = isIP(host)
    ? [host]
    : (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address)
  const own = new Set(
    Object.values(networkInterfaces())
      .flat()
      .map((entry) => entry?.address),
  )
  return addresses.some(
    (address) =>
      own.has(address) || address === '0.0.0.0' || address === '::' || address === '::1' || address.startsWith('127.'),
  )
}

/** FlumeUtils.createStream: an Avro server that a Flume agent's Avro sink sends to. Each event is stored singly. */
export class FlumeReceiver extends Receiver<SparkFlumeEvent> {
  readonly #options: Omit<FlumeListenerOptions, 'take'>
  #listener: TcpListener | undefined

  constructor(options: Omit<FlumeListenerOptions, 'take'>, level: StorageLevel) {
    super(level)
    this.#options = options
  }

  async onStart(): Promise<void> {
    this.#listener = await listenForFlume({ ...this.#options, take: (batch) => this.#take(batch) })
  }

  async onStop(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    await listener?.close()
  }

  /** The port that is listened on; undefined while stopped. */
  get port(): number | undefined {
    return this.#listener?.port
  }

  async #take(batch: EventBatch): Promise<void> {
    for (let i = 0; i < batch.count; i++) {
      const room = this.push(new SparkFlumeEvent(batch, i))
      if (room) await room
    }
  }
}
