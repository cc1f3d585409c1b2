import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../core/clock.ts'
import { explain, FlumeError } from '../core/error.ts'
import { escapeControls, type Logger } from '../monitor/logger.ts'
import { StrangerLog } from './stranger-log.ts'
import { plainWords } from './tls/acceptor.ts'
import type { ServerTls } from './tls/server.ts'

/** A request whose body is all there. */
export interface HttpRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly contentType: string
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
  /** Speaks HTTPS. */
  readonly tls?: ServerTls | undefined
  /** Answers before the body is read, where the method says it all. */
  refuse?(method: string): HttpAnswer | undefined
  answer(request: HttpRequest): Promise<HttpAnswer>
}

const connectionsMax = 10_000
/** A request that is not all there after this is answered 408; headers have half of it. */
const requestMs = 60_000
/** Bodies of all requests together; beyond it the answer is 503. */
const allBodiesBytesMin = 256 * 1024 * 1024
const lingerAtStopMs = 2000

/** Takes whole requests over HTTP/1.1; every part of them is bounded. */
export class HttpListener {
  readonly #options: HttpListenerOptions
  readonly #server: Server
  readonly #allBodiesBytesMax: number
  #bodiesBytes = 0
  readonly #strangers: StrangerLog

  private constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#strangers = new StrangerLog(options.log, options.clock)
    this.#allBodiesBytesMax = Math.max(allBodiesBytesMin, 2 * options.bodyBytesMax)
    const limits = { headersTimeout: requestMs / 2, requestTimeout: 2 * requestMs, noDelay: true }
    const serve = (request: IncomingMessage, response: ServerResponse): void => void this.#serve(request, response)
    const { tls } = options
    this.#server = tls ? createSecureServer({ ...tls.options, ...limits }, serve) : createServer(limits, serve)
    this.#server.maxConnections = connectionsMax
    if (tls) this.#watchHandshakes(tls)
  }

  /** Resolves once the port takes connections; rejects IO when it cannot be bound (retry: it may be free later). */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const listener = new HttpListener(options)
    const server = listener.#server
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        const where = `${options.host}:${options.port}`
        reject(new FlumeError('IO', `cannot listen on ${where}`, { cause, retry: true }))
      })
      server.listen(options.port, options.host, resolve)
    })
    server.on('error', (error) => options.log.error(`accepting failed: ${explain(error)}`))
    return listener
  }

  /** The port in use. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resolves when `signal` has aborted and the requests under way are answered. */
  async closeOn(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = this.#options.clock.after(lingerAtStopMs, () => this.#server.closeAllConnections())
    await closed
    timer.cancel()
  }

  #watchHandshakes(tls: ServerTls): void {
    this.#server.on('secureConnection', (socket: TLSSocket) => {
      const refusal = tls.refusal(socket)
      if (refusal === undefined) return
      this.#strangers.warn(`closed the connection of ${socket.remoteAddress}: ${refusal}`)
      socket.destroy()
    })
    this.#server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      const who = socket.remoteAddress ?? 'somebody'
      this.#strangers.warn(`closed the connection of ${who}: the TLS handshake failed: ${plainWords(error)}`)
      socket.destroy()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, refuse } = this.#options
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    const refused = refuse?.(request.method ?? '')
    if (refused) return this.#end(request, response, refused)
    const received = { bytes: 0 }
    try {
      const body = await this.#body(request, received)
      if (!Buffer.isBuffer(body)) return this.#end(request, response, body)
      const { method = '', url = '/', headers } = request
      const answer = await this.#options.answer({ method, url, contentType: headers['content-type'] ?? '', body })
      this.#end(request, response, answer)
    } catch (error) {
      // The sender has gone away; nobody waits for an answer.
      if (!request.destroyed || request.complete) {
        log.error(`a request failed: ${explain(error)}`)
        this.#end(request, response, { status: 500 })
      }
    } finally {
      this.#bodiesBytes -= received.bytes
    }
  }

  /** The whole body, or the answer to one that is too large, too much for now, or too slow. */
  #body(request: IncomingMessage, received: { bytes: number }): Promise<Buffer | HttpAnswer> {
    const { bodyBytesMax, clock } = this.#options
    const announced = Number(request.headers['content-length'] ?? 0)
    if (announced > bodyBytesMax) return Promise.resolve(tooLarge(bodyBytesMax))
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      const timer = clock.after(requestMs, () => resolve({ status: 408, text: 'the request takes too long' }))
      request.on('data', (chunk: Buffer) => {
        received.bytes += chunk.length
        this.#bodiesBytes += chunk.length
        if (received.bytes > bodyBytesMax) resolve(tooLarge(bodyBytesMax))
        else if (this.#bodiesBytes > this.#allBodiesBytesMax) resolve({ status: 503, text: 'too much at once' })
        else chunks.push(chunk)
      })
      request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
      request.on('close', () => {
        timer.cancel()
        reject(new Error('the sender has gone away'))
      })
    })
  }

  #end(request: IncomingMessage, response: ServerResponse, { status, text = '' }: HttpAnswer): void {
    // A reason may quote what the sender sent.
    const body = text === '' ? '' : `${escapeControls(text)}\n`
    const headers: Record<string, string | number> = { 'content-length': Buffer.byteLength(body) }
    if (body !== '') headers['content-type'] = 'text/plain; charset=utf-8'
    // What a refused sender still sends is not read: the connection ends with the answer.
    if (!request.complete) headers.connection = 'close'
    response.writeHead(status, headers)
    response.end(body, () => {
      if (!request.complete) request.destroy()
    })
  }
}

function tooLarge(bodyBytesMax: number): HttpAnswer {
  return { status: 413, text: `a body may have ${bodyBytesMax} bytes` }
}
