import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import { SocketWire } from '../wire.ts'
import { handshakeMs, type ServerTls } from './server.ts'

interface Waiting {
  readonly done: (socket: TLSSocket) => void
  readonly failed: (error: Error) => void
}

/** Turns accepted connections into TLS ones. It has no port of its own. */
export class TlsAcceptor {
  readonly #tls: ServerTls
  readonly #clock: Clock
  readonly #server: Server
  /** Handshakes under way, by both ends of the connection: that is all a TLS socket has in common with its plain one. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(tls: ServerTls, clock: Clock) {
    this.#tls = tls
    this.#clock = clock
    this.#server = createServer(tls.options)
    // Inside these two the plain socket must be left alone: OpenSSL is still at work on it, and Node would crash.
    this.#server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined)
      const refusal = this.#tls.refusal(socket)
      const waiting = this.#waiting.get(endsOf(socket))
      if (refusal === undefined && waiting) return waiting.done(socket)
      waiting?.failed(new FlumeError('REFUSED', refusal ?? 'nobody waits for it'))
      socket.destroy()
    })
    this.#server.on('tlsClientError', (error, socket) => {
      this.#waiting.get(endsOf(socket))?.failed(error)
      socket.destroy()
    })
  }

  /** Resolves when the handshake is over. Rejects PROTOCOL, REFUSED, TIMEOUT or CLOSED; the connection is going then, and nobody else may end it. */
  secure(plain: Socket, signal: AbortSignal): Promise<SocketWire> {
    const ends = endsOf(plain)
    return new Promise<SocketWire>((resolve, reject) => {
      const fail = (cause: Error): void => {
        settle()
        if (cause instanceof FlumeError) reject(cause)
        else reject(new FlumeError('PROTOCOL', `the TLS handshake failed: ${plainWords(cause)}`))
      }
      // Only after whatever is going on: who gives up may be called by OpenSSL's own work on this connection.
      const drop = (cause: Error): void => {
        fail(cause)
        setImmediate(() => plain.destroy())
      }
      const timer = this.#clock.after(handshakeMs, () =>
        drop(new FlumeError('TIMEOUT', `no TLS handshake within ${handshakeMs / 1000} s`)),
      )
      const onAbort = (): void => drop(new FlumeError('CLOSED', 'the listener stops'))
      const onClose = (): void => fail(new Error('the connection ended'))
      const settle = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        plain.off('close', onClose)
        this.#waiting.delete(ends)
      }
      if (signal.aborted) return onAbort()
      if (plain.remoteAddress === undefined) return drop(new Error('the connection ended'))
      plain.once('close', onClose)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.set(ends, {
        done: (socket) => {
          settle()
          resolve(new SocketWire(socket))
        },
        failed: fail,
      })
      this.#server.emit('connection', plain)
    })
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

/** What OpenSSL says, without the places in its own code. */
export function plainWords(error: Error): string {
  const { reason, message } = error as Error & { reason?: string }
  return reason ?? message.replace(/^[0-9A-F]+:error:[0-9A-F]*:/i, '').trim()
}
