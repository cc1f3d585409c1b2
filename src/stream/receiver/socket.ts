import { createConnection, type Socket } from 'node:net'
import { asError } from '../../core/error.ts'
import { LineSplitter } from '../lines.ts'
import type { StorageLevel } from '../storage-level.ts'
import { Receiver } from './receiver.ts'

/** Makes records from the bytes of a connection. */
export type SocketConverter<T> = (source: AsyncIterable<Uint8Array>) => AsyncIterable<T>

/** Reads one connection at a time and connects again when it ends (B90). */
abstract class ConnectingReceiver<T> extends Receiver<T> {
  readonly #host: string
  readonly #port: number
  #socket: Socket | undefined

  constructor(host: string, port: number, level: StorageLevel) {
    super(level)
    this.#host = host
    this.#port = port
  }

  onStart(): void {
    const socket = createConnection({ host: this.#host, port: this.#port })
    this.#socket = socket
    let connected = false
    socket.once('connect', () => {
      connected = true
    })
    const isCurrent = (): boolean => this.#socket === socket
    void this.read(socket).then(
      () => {
        if (isCurrent()) this.restart('Socket data stream had no more data')
      },
      (error) => {
        if (!isCurrent()) return
        const place = `${this.#host}:${this.#port}`
        this.restart(connected ? `Error receiving data from ${place}` : `Error connecting to ${place}`, asError(error))
      },
    )
  }

  onStop(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }

  /** Reads until the end; a wait in here holds the peer back. */
  protected abstract read(socket: AsyncIterable<Uint8Array>): Promise<void>
}

/** Lines of UTF-8 text. */
export class SocketTextReceiver extends ConnectingReceiver<string> {
  protected async read(socket: AsyncIterable<Uint8Array>): Promise<void> {
    const splitter = new LineSplitter()
    for await (const chunk of socket) await this.#storeAll(splitter.push(chunk))
    await this.#storeAll(splitter.end())
  }

  async #storeAll(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      const room = this.push(line)
      if (room) await room
    }
  }
}

/** Whatever a converter makes of the bytes. */
export class SocketReceiver<T> extends ConnectingReceiver<T> {
  readonly #converter: SocketConverter<T>

  constructor(host: string, port: number, converter: SocketConverter<T>, level: StorageLevel) {
    super(host, port, level)
    this.#converter = converter
  }

  protected async read(socket: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const item of this.#converter(socket)) {
      const room = this.push(item)
      if (room) await room
    }
  }
}
