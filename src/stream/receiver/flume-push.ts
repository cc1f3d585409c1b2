import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Status } from '../../codec/avro/flume.ts'
import { type StreamCharset, streamCharset } from '../../codec/stream-charset.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { Logger } from '../../monitor/logger.ts'
import { flumeService } from '../../net/avro-rpc/flume-service.ts'
import { portService } from '../../net/avro-rpc/port-service.ts'
import { RpcServer } from '../../net/avro-rpc/server.ts'
import { serveLines } from '../../net/line-session.ts'
import { TcpListener } from '../../net/tcp-listener.ts'
import { tellConnection } from '../../net/tell-connection.ts'
import { type Wire, ZlibWire } from '../../net/wire.ts'
import type { StorageLevel } from '../storage-level.ts'
import { SparkFlumeEvent } from './flume-event.ts'
import { Receiver } from './receiver.ts'

/** Compression of the answers when the pipe is zlib. */
const answerLevel = 6
/** Longest line of text, in bytes and newline included, as an agent's FlumeSource has it; a longer one ends the connection. */
export const lineBytesMax = 64 * 1024
const utf8 = streamCharset('utf-8') as StreamCharset

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
  /** Called when an agent on this machine asks for the port; answers whether it will be free in a moment. */
  readonly onYield?: () => boolean
}

/** Listens for Flume's Avro clients, and for lines of text when `speaks` is `any`. Rejects IO when the port cannot be bound. */
export function listenForFlume(options: FlumeListenerOptions): Promise<TcpListener> {
  const { host, port, clock, logger, take, speaks, onYield } = options
  const accept = async (batch: EventBatch): Promise<Status> => {
    await take(batch)
    return 'OK'
  }
  const services = [flumeService({ append: accept, appendBatch: accept })]
  const rpc = new RpcServer({ services: onYield ? [...services, portService(onYield)] : services, clock })
  return TcpListener.open({
    host,
    port,
    clock,
    log: logger,
    serve: async (wire, peer, signal) => {
      const kind = speaks === 'any' ? await tellConnection(wire) : speaks
      if (kind === 'avro') await rpc.serve(wire, peer, signal)
      else if (kind === 'avro-deflate') await rpc.serve(new ZlibWire(wire, answerLevel), peer, signal)
      else if (kind === 'text') await serveText(wire, take, signal)
      else if (kind === 'tls') {
        throw new FlumeError('UNSUPPORTED', `${peer.address} speaks TLS, and this port does not`)
      }
    },
  })
}

/** Each line is one event, answered with OK once it is kept. */
function serveText(wire: Wire, take: TakeEvents, signal: AbortSignal): Promise<void> {
  return serveLines({
    wire,
    signal,
    charset: utf8,
    lineMax: lineBytesMax,
    unit: 'bytes',
    strict: false,
    acks: true,
    deliver: async (batch) => {
      try {
        await take(batch)
        return { accepted: batch.count }
      } catch (error) {
        return { accepted: 0, error: asError(error) }
      }
    },
  })
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
