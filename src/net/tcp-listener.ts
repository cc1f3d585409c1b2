import { lookup } from 'node:dns/promises'
import { setMaxListeners } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { explain, FlumeError, isAbort } from '../core/error.ts'
import type { Logger } from '../monitor/logger.ts'
import { StrangerLog } from './stranger-log.ts'
import { TlsAcceptor } from './tls/acceptor.ts'
import type { ServerTls } from './tls/server.ts'
import { SocketWire } from './wire.ts'

/** A connected peer. */
export interface Peer {
  readonly address: string
  readonly port: number
}

export interface TcpListenerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly clock: Clock
  readonly log: Logger
  /** More connections than this are closed as they come. */
  readonly connectionsMax?: number
  /** Speaks TLS; a connection is served once its handshake is over. */
  readonly tls?: ServerTls | undefined
  /** Decides whether a peer may stay; a rejection means no. */
  admit?(peer: Peer): boolean | Promise<boolean>
  /**
   * Serves one connection until it or the listener ends; `signal` aborts when the listener closes, and reading ends:
   * finish what is under way, return. A throw is logged. What was written is flushed before the connection is closed.
   */
  serve(wire: SocketWire, peer: Peer, signal: AbortSignal): Promise<void>
  /** Called whenever the number of open connections changes. */
  onCount?(open: number): void
}

export const connectionsMaxDefault = 10_000
/** How long a connection that is closed here may take to deliver its last bytes, and how long when everything stops. */
const lingerMs = 2000
const lingerAtStopMs = 200

/** A TCP port and the sessions on it. */
export class TcpListener {
  readonly #options: TcpListenerOptions
  readonly #server: Server
  readonly #stop = new AbortController()
  readonly #sessions = new Set<Promise<void>>()
  readonly #acceptor: TlsAcceptor | undefined
  readonly #strangers: StrangerLog

  private constructor(options: TcpListenerOptions) {
    this.#options = options
    this.#strangers = new StrangerLog(options.log, options.clock)
    this.#acceptor = options.tls && new TlsAcceptor(options.tls, options.clock)
    // Every session listens to it; that is no leak.
    setMaxListeners(0, this.#stop.signal)
    // A peer may end its side and still wait for answers; but a plain socket under a TLS one that is ended by one side
    // only would never be closed.
    this.#server = createServer({ allowHalfOpen: !options.tls }, (socket) => this.#accept(socket))
  }

  /** Resolves once the port takes connections; rejects IO when it cannot be bound (retry: it may be free later). */
  static async open(options: TcpListenerOptions): Promise<TcpListener> {
    const listener = new TcpListener(options)
    const address = await addressOf(options.host)
    await new Promise<void>((resolve, reject) => {
      const onError = (cause: Error): void => {
        const where = `${options.host}:${options.port}`
        reject(new FlumeError('IO', `cannot listen on ${where}`, { cause, retry: true, hint: hintFor(cause) }))
      }
      listener.#server.once('error', onError)
      listener.#server.listen(options.port, address, () => {
        listener.#server.off('error', onError)
        listener.#server.on('error', (error) => options.log.error(`accepting failed: ${explain(error)}`))
        resolve()
      })
    })
    return listener
  }

  /** The port in use. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : this.#options.port
  }

  /** Open connections. */
  get connections(): number {
    return this.#sessions.size
  }

  /** Resolves when `signal` has aborted and every session is over. */
  async closeOn(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    await this.close()
  }

  /** Takes no more connections, lets every session finish what is under way, and resolves when all are gone. */
  async close(): Promise<void> {
    this.#stop.abort()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await Promise.all(this.#sessions)
    await closed
  }

  #accept(socket: Socket): void {
    const wire = this.#acceptor ? undefined : new SocketWire(socket)
    if (!wire) socket.on('error', () => undefined)
    const { connectionsMax = connectionsMaxDefault } = this.#options
    if (this.#sessions.size >= connectionsMax || this.#stop.signal.aborted) {
      this.#strangers.warn(`refused a connection: ${this.#sessions.size} are open`)
      socket.destroy()
      return
    }
    const peer = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 }
    const session = this.#run(socket, wire, peer)
    this.#sessions.add(session)
    this.#options.onCount?.(this.#sessions.size)
    void session.finally(() => {
      this.#sessions.delete(session)
      this.#options.onCount?.(this.#sessions.size)
    })
  }

  async #run(socket: Socket, plain: SocketWire | undefined, peer: Peer): Promise<void> {
    let wire = plain
    let isSecuring = false
    const onStop = (): void => wire?.stopReading()
    this.#stop.signal.addEventListener('abort', onStop, { once: true })
    try {
      if (await this.#admits(peer)) {
        isSecuring = this.#acceptor !== undefined
        if (this.#acceptor) wire = await this.#acceptor.secure(socket, this.#stop.signal)
        isSecuring = false
        if (wire) await this.#options.serve(wire, peer, this.#stop.signal)
      }
    } catch (error) {
      const isWanted = isAbort(error) || (isSecuring && this.#stop.signal.aborted)
      if (!isWanted) this.#strangers.warn(`closed the connection of ${peer.address}:${peer.port}: ${explain(error)}`)
    } finally {
      this.#stop.signal.removeEventListener('abort', onStop)
    }
    if (wire) await this.#hangUp(wire)
    else if (!isSecuring) socket.destroy()
  }

  async #admits(peer: Peer): Promise<boolean> {
    if (!this.#options.admit) return true
    if (await this.#options.admit(peer)) return true
    this.#strangers.warn(`refused a connection of ${peer.address}: not allowed`)
    return false
  }

  /** Ends the connection so that what was written arrives: an early close would make the system throw it away. */
  async #hangUp(wire: SocketWire): Promise<void> {
    wire.stopReading()
    if (wire.gone.aborted) return
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(this.#stop.signal.aborted ? lingerAtStopMs : lingerMs, () =>
        wire.destroy(),
      )
      wire.gone.addEventListener(
        'abort',
        () => {
          timer.cancel()
          resolve()
        },
        { once: true },
      )
      wire.end()
    })
  }
}

/** As Java does, a name of both kinds is bound by its IPv4 address. */
async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host, { verbatim: false })).address
  } catch (cause) {
    throw new FlumeError('IO', `cannot listen on ${host}: no such host`, { cause, retry: true })
  }
}

function hintFor(cause: Error): string {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return 'another program uses the port'
  if (code === 'EACCES') return 'ports below 1024 need a privilege'
  return 'check the address to listen on'
}

/** `::ffff:10.0.0.1` is 10.0.0.1. */
function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}
