import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib'
import { FlumeError } from '../core/error.ts'

/** A connection as a session sees it: chunks in, bytes out, back-pressure both ways. */
export interface Wire {
  /** The next bytes; undefined at the end of the input, whatever ended it. One call at a time. */
  read(): Promise<Buffer | undefined>
  /** Puts bytes back in front of what `read` answers next. */
  unread(chunk: Buffer): void
  /** Sends bytes; drops them when the connection is gone. The buffer must not change afterwards. */
  write(bytes: Uint8Array): void
  /** More was written than the peer takes; wait for `drained` before more is read. */
  readonly backlogged: boolean
  /** Resolves when the peer has taken what was written, is gone, or reading was stopped. */
  drained(): Promise<void>
  /** Resolves when everything written has reached the socket, though perhaps not the peer. */
  flushed(): Promise<void>
  /** Ends the input here: a waiting `read` answers undefined, later ones too. Writing goes on. */
  stopReading(): void
  /** Drops the connection at once. */
  destroy(): void
  /** Why the input ended, when it was an error. */
  readonly error: Error | undefined
  /** Aborts when the connection is gone in both directions. */
  readonly gone: AbortSignal
}

/** Turns a stream's pushing into pulling, at most one chunk ahead. */
class ChunkReader {
  readonly #stream: Readable
  readonly #chunks: Buffer[] = []
  #waiting: ((chunk: Buffer | undefined) => void) | undefined
  #ended = false
  error: Error | undefined

  constructor(stream: Readable) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.end())
    stream.on('close', () => this.end())
    stream.on('error', (error) => {
      this.error ??= error
      this.end()
    })
  }

  read(): Promise<Buffer | undefined> {
    const chunk = this.#chunks.shift()
    if (chunk) {
      if (this.#chunks.length === 0 && !this.#ended) this.#stream.resume()
      return Promise.resolve(chunk)
    }
    if (this.#ended) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  unread(chunk: Buffer): void {
    this.#chunks.unshift(chunk)
  }

  end(): void {
    this.#ended = true
    this.#waiting?.(undefined)
    this.#waiting = undefined
  }

  /** Ends the input and forgets what was not read. */
  stop(): void {
    this.#chunks.length = 0
    this.end()
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return
    const waiting = this.#waiting
    if (waiting) {
      this.#waiting = undefined
      waiting(chunk)
    } else {
      this.#chunks.push(chunk)
      this.#stream.pause()
    }
  }
}

/** Written and not yet taken by the system, above which a sender should wait, in bytes. */
const backlogBytesMax = 256 * 1024
/** A peer that says nothing for so long is asked by the system whether it is still there. */
const keepAliveMs = 60_000

/** A socket. Create it in the tick in which the socket appears, so that no byte is missed. */
export class SocketWire implements Wire {
  readonly #socket: Socket
  readonly #reader: ChunkReader
  readonly #gone = new AbortController()
  #drains: (() => void)[] = []
  #stopped = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMs)
    this.#reader = new ChunkReader(socket)
    socket.once('close', () => this.#gone.abort())
  }

  get error(): Error | undefined {
    return this.#reader.error
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  read(): Promise<Buffer | undefined> {
    return this.#reader.read()
  }

  unread(chunk: Buffer): void {
    this.#reader.unread(chunk)
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  get backlogged(): boolean {
    return this.#socket.writableLength > backlogBytesMax
  }

  drained(): Promise<void> {
    if (!this.#socket.writable || this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drains.push(resolve)
      // An empty write is called back once everything before it has gone.
      this.#socket.write('', () => this.#release())
    })
  }

  flushed(): Promise<void> {
    return Promise.resolve()
  }

  stopReading(): void {
    this.#stopped = true
    this.#reader.stop()
    this.#release()
  }

  /** Ends the output; the connection is gone once the peer has ended its side too. */
  end(): void {
    this.#socket.end()
    // What the peer still sends is thrown away, so that its end can be seen.
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #release(): void {
    for (const resolve of this.#drains) resolve()
    this.#drains = []
  }
}

const inflateChunkBytes = 64 * 1024

/**
 * One zlib stream per direction over another wire, flushed after every write (flume-protocols §1.5). What a small input
 * inflates to is held back by the reader, so it never exceeds a few chunks.
 */
export class ZlibWire implements Wire {
  readonly #inner: Wire
  // Java clients never send the last block, so the end of the input must not count as an error.
  readonly #inflate: Inflate = createInflate({ chunkSize: inflateChunkBytes, finishFlush: constants.Z_SYNC_FLUSH })
  readonly #deflate: Deflate
  readonly #reader: ChunkReader
  /** Bytes written that are not compressed yet, and who waits for them. */
  #waitingBytes = 0
  #waiting: (() => void)[] = []

  constructor(inner: Wire, level = constants.Z_DEFAULT_COMPRESSION) {
    this.#inner = inner
    this.#deflate = createDeflate({ level, flush: constants.Z_SYNC_FLUSH })
    this.#reader = new ChunkReader(this.#inflate)
    this.#deflate.on('data', (chunk: Buffer) => inner.write(chunk))
    // A compressor fails only when it is destroyed with writes under way; the connection is gone then.
    this.#deflate.on('error', () => inner.destroy())
    if (inner.gone.aborted) this.#free()
    else inner.gone.addEventListener('abort', () => this.#free(), { once: true })
    void this.#pump()
  }

  get error(): Error | undefined {
    const { error } = this.#reader
    return this.#inner.error ?? (error && new FlumeError('PROTOCOL', 'the peer sends no zlib stream', { cause: error }))
  }

  get gone(): AbortSignal {
    return this.#inner.gone
  }

  read(): Promise<Buffer | undefined> {
    return this.#reader.read()
  }

  unread(chunk: Buffer): void {
    this.#reader.unread(chunk)
  }

  write(bytes: Uint8Array): void {
    if (this.#deflate.destroyed) return
    this.#waitingBytes += bytes.length
    this.#deflate.write(bytes, () => {
      this.#waitingBytes -= bytes.length
      this.#release()
    })
  }

  get backlogged(): boolean {
    return this.#inner.backlogged || this.#waitingBytes > backlogBytesMax
  }

  async drained(): Promise<void> {
    await this.flushed()
    await this.#inner.drained()
  }

  flushed(): Promise<void> {
    if (this.#waitingBytes === 0 || this.#deflate.destroyed) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  stopReading(): void {
    this.#inner.stopReading()
    this.#reader.stop()
  }

  destroy(): void {
    this.#inner.destroy()
  }

  #release(): void {
    if (this.#waitingBytes > 0 && !this.#deflate.destroyed) return
    for (const resolve of this.#waiting) resolve()
    this.#waiting = []
  }

  async #pump(): Promise<void> {
    for (let chunk = await this.#inner.read(); chunk; chunk = await this.#inner.read()) {
      if (this.#inflate.destroyed) return
      if (!this.#inflate.write(chunk)) await this.#inflated()
    }
    if (!this.#inflate.destroyed) this.#inflate.end()
  }

  #inflated(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#inflate.off('drain', done)
        this.#inflate.off('close', done)
        resolve()
      }
      this.#inflate.once('drain', done)
      this.#inflate.once('close', done)
    })
  }

  #free(): void {
    this.#inflate.destroy()
    this.#deflate.destroy()
    this.#release()
  }
}
