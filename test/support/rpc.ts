import { connect, type Socket } from 'node:net'
import { systemClock } from '../../src/core/clock.ts'
import { silentLogger } from '../../src/monitor/logger.ts'
import { RpcServer, type RpcServerOptions } from '../../src/net/avro-rpc/server.ts'
import { TcpListener, type TcpListenerOptions } from '../../src/net/tcp-listener.ts'
import { ZlibWire } from '../../src/net/wire.ts'

/** Listens on a free port of the loopback address. */
export function listen(options: Pick<TcpListenerOptions, 'serve'> & Partial<TcpListenerOptions>): Promise<TcpListener> {
  return TcpListener.open({ host: '127.0.0.1', port: 0, clock: systemClock, log: silentLogger, ...options })
}

/** An Avro RPC server on a free port. */
export function listenRpc(
  options: Pick<RpcServerOptions, 'services'> & Partial<RpcServerOptions> & { readonly deflate?: boolean },
  more: Partial<TcpListenerOptions> = {},
): Promise<TcpListener> {
  const server = new RpcServer({ clock: systemClock, ...options })
  return listen({
    serve: (wire, peer, signal) => server.serve(options.deflate ? new ZlibWire(wire) : wire, peer, signal),
    ...more,
  })
}

/** A plain client socket that keeps what it receives. */
export class RawClient {
  readonly socket: Socket
  readonly #received: Buffer[] = []
  #bytes = 0
  readonly #waiting: (() => void)[] = []
  #closed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#bytes += chunk.length
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static connect(port: number, { allowHalfOpen = false } = {}): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RawClient(socket)))
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  get text(): string {
    return this.received.toString()
  }

  write(bytes: Buffer | string): void {
    this.socket.write(bytes)
  }

  /** Resolves to everything received once it is at least so many bytes. */
  async whenReceived(bytes: number): Promise<Buffer> {
    while (this.#bytes < bytes) {
      if (this.#closed) throw new Error(`closed after ${this.#bytes} of ${bytes} bytes: ${this.text}`)
      await this.#more()
    }
    return this.received
  }

  /** Resolves to everything received once the connection is closed. */
  async whenClosed(): Promise<Buffer> {
    while (!this.#closed) await this.#more()
    return this.received
  }

  /** Ends this side. */
  end(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
