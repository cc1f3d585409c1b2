import { STATUS_CODES } from 'node:http'
import { createUnzip } from 'node:zlib'
import { ChunkedBody, findHeadEnd, HttpError, type HttpHead, headBytesMax, parseHead } from '../codec/http-request.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { explain } from '../core/error.ts'
import { escapeControls, type Logger } from '../monitor/logger.ts'
import { TcpListener } from './tcp-listener.ts'
import type { ServerTls } from './tls/server.ts'
import type { Wire } from './wire.ts'

/** A request whose body is all there. */
export interface HttpRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly contentType: string
  /** Those of `headers`, by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Given away: whoever answers may change it. */
  readonly body: Buffer
}

/** Status and, for people, a line of text. */
export interface HttpAnswer {
  readonly status: number
  readonly text?: string
}

export interface HttpListenerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly clock: Clock
  readonly log: Logger
  /** A larger body is answered 413, and the connection closed. */
  readonly bodyBytesMax: number
  /** Names of headers that requests are handed on with, in any case. */
  readonly headers?: readonly string[] | undefined
  /** Unpacks bodies whose Content-Encoding is gzip or deflate, and refuses others; without it nobody looks. */
  readonly unpacks?: boolean
  /** Speaks HTTPS. */
  readonly tls?: ServerTls | undefined
  /** Answers before the body is read, where the method says it all. */
  refuse?(method: string): HttpAnswer | undefined
  answer(request: HttpRequest): Promise<HttpAnswer>
}

/** A request that is not all there after this is answered 408; the headers have half of it. */
const requestMs = 60_000
/** A connection without a request is closed after this. */
const idleMs = 30_000
/** Bodies of all requests together; beyond it the answer is 503. */
const allBodiesBytesMin = 256 * 1024 * 1024
const contentEncoding = 'content-encoding'
const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/** Takes whole requests over HTTP/1.1, one after the other on each connection; every part of them is bounded. */
export class HttpListener {
  readonly #options: HttpListenerOptions
  readonly #allBodiesBytesMax: number
  readonly #kept: ReadonlySet<string>
  #listener: TcpListener | undefined
  /** Bytes of all requests that are being read or answered. */
  #bodiesBytes = 0
  /** The Date of answers, made anew each second. */
  #date = ''
  #dateSecond = Number.NaN

  private constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#kept = new Set([...(options.headers ?? []).map((name) => name.toLowerCase()), contentEncoding])
    this.#allBodiesBytesMax = Math.max(allBodiesBytesMin, 2 * options.bodyBytesMax)
  }

  /** Resolves once the port takes connections; rejects IO when it cannot be bound (retry: it may be free later). */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const { host, port, clock, log, tls } = options
    const listener = new HttpListener(options)
    listener.#listener = await TcpListener.open({
      host,
      port,
      clock,
      log,
      tls,
      serve: (wire) => listener.#serve(wire),
    })
    return listener
  }

  /** The port in use. */
  get port(): number {
    return (this.#listener as TcpListener).port
  }

  /** Resolves when `signal` has aborted and the requests under way are answered. */
  closeOn(signal: AbortSignal): Promise<void> {
    return (this.#listener as TcpListener).closeOn(signal)
  }

  async #serve(wire: Wire): Promise<void> {
    const deadline = new Deadline(wire, this.#options.clock)
    const charged = { bytes: 0 }
    try {
      while (await this.#exchange(wire, deadline, charged)) {
        // One request after the other, for as long as both sides like.
      }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      this.#send(wire, { status: error.status, text: error.message }, { keepsAlive: false, isOld: false })
    } finally {
      deadline.stop()
      this.#bodiesBytes -= charged.bytes
    }
  }

  /** Reads a request and answers it; answers whether there may be another one. */
  async #exchange(wire: Wire, deadline: Deadline, charged: { bytes: number }): Promise<boolean> {
    const head = await this.#head(wire, deadline)
    if (!head) return false
    const refused = this.#options.refuse?.(head.method)
    if (refused) {
      // What a refused sender still sends is not read: the connection ends with the answer.
      const keepsAlive = head.keepsAlive && head.contentLength === 0
      this.#send(wire, refused, { ...head, keepsAlive })
      return keepsAlive
    }
    const { bodyBytesMax } = this.#options
    if ((head.contentLength ?? 0) > bodyBytesMax) throw tooLarge(bodyBytesMax)
    if (head.expectsContinue) wire.write(continueLine)
    deadline.set(requestMs)
    const sent =
      head.contentLength === undefined
        ? await this.#chunked(wire, deadline, charged)
        : await this.#whole(wire, deadline, head.contentLength, charged)
    if (!sent) return false
    deadline.clear()
    const { method, url, contentType, headers } = head
    const body = this.#options.unpacks ? await this.#unpacked(sent, headers.get(contentEncoding), charged) : sent
    let answer: HttpAnswer
    try {
      answer = await this.#options.answer({ method, url, contentType, headers, body })
    } catch (error) {
      this.#options.log.error(`a request failed: ${explain(error)}`)
      answer = { status: 500 }
    }
    this.#bodiesBytes -= charged.bytes
    charged.bytes = 0
    this.#send(wire, answer, head)
    if (head.keepsAlive && wire.backlogged) await wire.drained()
    return head.keepsAlive
  }

  /** The next request's head; undefined when the connection ends, or has been idle for long enough. */
  async #head(wire: Wire, deadline: Deadline): Promise<HttpHead | undefined> {
    deadline.set(idleMs)
    let bytes = await wire.read()
    if (!bytes) return undefined
    // Empty lines before a request are passed over (RFC 9112, 2.2).
    while (bytes[0] === 0x0d && bytes[1] === 0x0a) bytes = bytes.subarray(2)
    deadline.set(requestMs / 2)
    let end = findHeadEnd(bytes)
    while (end === undefined) {
      const more = await wire.read()
      if (!more) return this.#gone(deadline)
      const before = bytes.length
      bytes = Buffer.concat([bytes, more.length > headBytesMax ? more.subarray(0, headBytesMax + 4) : more])
      if (more.length > headBytesMax) wire.unread(more.subarray(headBytesMax + 4))
      end = findHeadEnd(bytes, before)
    }
    if (end < bytes.length) wire.unread(bytes.subarray(end))
    return parseHead(bytes.toString('latin1', 0, end - 4), this.#kept)
  }

  /** A body of known length: a range of one chunk where it came in one. */
  async #whole(
    wire: Wire,
    deadline: Deadline,
    length: number,
    charged: { bytes: number },
  ): Promise<Buffer | undefined> {
    if (length === 0) return Buffer.alloc(0)
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      const chunk = await wire.read()
      if (!chunk) return this.#gone(deadline)
      const part = chunk.length > left ? chunk.subarray(0, left) : chunk
      if (chunk.length > left) wire.unread(chunk.subarray(left))
      this.#charge(part.length, charged)
      parts.push(part)
      left -= part.length
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts, length)
  }

  async #chunked(wire: Wire, deadline: Deadline, charged: { bytes: number }): Promise<Buffer | undefined> {
    const body = new ChunkedBody(this.#options.bodyBytesMax)
    while (!body.isDone) {
      const chunk = await wire.read()
      if (!chunk) return this.#gone(deadline)
      this.#charge(chunk.length, charged)
      const rest = body.push(chunk)
      if (rest.length > 0) wire.unread(rest)
    }
    return body.take()
  }

  /** What a packed body holds: never more than a body may have, however small it is packed. */
  async #unpacked(body: Buffer, encoding = 'identity', charged: { bytes: number }): Promise<Buffer> {
    if (encoding.toLowerCase() === 'identity' || body.length === 0) return body
    if (!/^(x-gzip|gzip|deflate)$/i.test(encoding))
      throw new HttpError(415, 'bodies may be packed with gzip or deflate')
    const { bodyBytesMax } = this.#options
    const unpacking = createUnzip()
    unpacking.end(body)
    const parts: Buffer[] = []
    let bytes = 0
    try {
      for await (const part of unpacking as AsyncIterable<Buffer>) {
        bytes += part.length
        if (bytes > bodyBytesMax) throw tooLarge(bodyBytesMax)
        this.#charge(part.length, charged)
        parts.push(part)
      }
    } catch (error) {
      throw error instanceof HttpError ? error : new HttpError(400, 'the body is not packed as it says')
    }
    return Buffer.concat(parts, bytes)
  }

  /** The input has ended in the middle of a request: its time is over, or its sender has gone away. */
  #gone(deadline: Deadline): undefined {
    if (deadline.isOver) throw new HttpError(408, 'the request takes too long')
    return undefined
  }

  #charge(bytes: number, charged: { bytes: number }): void {
    charged.bytes += bytes
    this.#bodiesBytes += bytes
    if (this.#bodiesBytes > this.#allBodiesBytesMax) throw new HttpError(503, 'too much at once')
  }

  #send(wire: Wire, { status, text = '' }: HttpAnswer, to: Pick<HttpHead, 'keepsAlive' | 'isOld'>): void {
    // A reason may quote what the sender sent.
    const body = text === '' ? '' : `${escapeControls(text)}\n`
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, `Date: ${this.#now()}`]
    if (body !== '') lines.push('Content-Type: text/plain; charset=utf-8')
    lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
    if (!to.keepsAlive) lines.push('Connection: close')
    else if (to.isOld) lines.push('Connection: keep-alive')
    wire.write(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`))
  }

  #now(): string {
    const nowMs = this.#options.clock.now()
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#dateSecond) {
      this.#dateSecond = second
      this.#date = new Date(nowMs).toUTCString()
    }
    return this.#date
  }
}

/** Ends a connection's input when its time is over. One timer serves all the requests of a connection. */
class Deadline {
  readonly #wire: Wire
  readonly #clock: Clock
  #atMs = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  isOver = false

  constructor(wire: Wire, clock: Clock) {
    this.#wire = wire
    this.#clock = clock
  }

  set(afterMs: number): void {
    const nowMs = this.#clock.monotonic()
    this.#atMs = nowMs + afterMs
    if (this.#timerAtMs <= this.#atMs) return
    this.#timer?.cancel()
    this.#arm(afterMs)
  }

  /** Time does not count for now. */
  clear(): void {
    this.#atMs = Number.POSITIVE_INFINITY
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #arm(afterMs: number): void {
    this.#timerAtMs = this.#clock.monotonic() + afterMs
    this.#timer = this.#clock.after(afterMs, () => {
      const leftMs = this.#atMs - this.#clock.monotonic()
      this.#timerAtMs = Number.POSITIVE_INFINITY
      this.#timer = undefined
      if (leftMs > 0) {
        // Set anew meanwhile, or not counting.
        if (leftMs !== Number.POSITIVE_INFINITY) this.#arm(leftMs)
        return
      }
      this.isOver = true
      this.#wire.stopReading()
    })
  }
}

function tooLarge(bodyBytesMax: number): HttpError {
  return new HttpError(413, `a body may have ${bodyBytesMax} bytes`)
}
