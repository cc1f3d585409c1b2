import { createConnection, type Socket } from 'node:net'
import { asError, FlumeError } from '../../core/error.ts'
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

/** Longest frame taken, in bytes: a length beyond it is damage, and nothing is allocated for it. */
export const frameMaxBytes = 64 * 2 ** 20

/** Frames of 4 bytes of length and so many bytes; each is stored as a block before the next is read. */
export class RawSocketReceiver extends ConnectingReceiver<Buffer> {
  protected async read(socket: AsyncIterable<Uint8Array>): Promise<void> {
    const waiting: Uint8Array[] = []
    let waitingBytes = 0
    let wantedBytes: number | undefined
    for await (const chunk of socket) {
      waiting.push(chunk)
      waitingBytes += chunk.length
      while (waitingBytes >= (wantedBytes ?? 4)) {
        const [only = Buffer.alloc(0), ...more] = waiting.splice(0)
        // Many small frames come in one piece, which is not copied for each.
        const bytes =
          more.length > 0 ? Buffer.concat([only, ...more]) : Buffer.from(only.buffer, only.byteOffset, only.length)
        const end = wantedBytes ?? 4
        if (bytes.length > end) waiting.push(bytes.subarray(end))
        waitingBytes = bytes.length - end
        if (wantedBytes === undefined) wantedBytes = frameLength(bytes)
        else {
          wantedBytes = undefined
          await this.storeMany([Buffer.from(bytes.subarray(0, end))])
        }
      }
    }
  }
}

function frameLength(head: Buffer): number {
  const length = head.readUInt32BE(0)
  if (length <= frameMaxBytes) return length
  throw new FlumeError('LIMIT', `a frame claims ${length} bytes, and ${frameMaxBytes} are taken at most`)
}
