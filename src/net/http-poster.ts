import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import type { SinkCounters } from '../monitor/counters.ts'
import type { ClientTls } from './tls/client.ts'

export interface HttpPosterOptions {
  /** http: or https:. */
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** For https: whom to trust; whom Node trusts when left out. */
  readonly tls?: ClientTls | undefined
  readonly connectTimeoutMs: number
  /** From the connection, or the request on one that is there, to the end of the answer. */
  readonly requestTimeoutMs: number
  readonly clock: Clock
  readonly counters: Pick<SinkCounters, 'connectionCreated' | 'connectionClosed' | 'connectionFailed'>
}

/** Answers are read to their end so that the connection can be used again; one that is longer costs the connection. */
const answerBytesMax = 1024 * 1024
/** What a connection that the server has closed meanwhile fails with. */
const goneCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED'])

/** Posts bodies to one URL, one after the other, over a connection that is kept. Redirections are answers like others. */
export class HttpPoster {
  readonly #options: HttpPosterOptions
  readonly #agent: HttpAgent
  #underWay: ClientRequest | undefined

  constructor(options: HttpPosterOptions) {
    this.#options = options
    const keeping = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 }
    this.#agent =
      options.url.protocol === 'https:'
        ? new HttpsAgent({ ...options.tls?.options, ...keeping })
        : new HttpAgent(keeping)
  }

  /** The status of the answer. Rejects CONNECTION, TIMEOUT or PROTOCOL (retry); one call at a time. */
  async post(body: Uint8Array): Promise<number> {
    try {
      return await this.#post(body)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
      // The server closed a connection that was kept, before it saw the request: a new one will do.
      return this.#post(body)
    }
  }

  /** Drops the connection; a call under way rejects. */
  close(): void {
    this.#underWay?.destroy()
    this.#agent.destroy()
  }

  #post(body: Uint8Array): Promise<number> {
    const { url, headers, clock, connectTimeoutMs, requestTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: this.#agent,
        headers: { ...headers, 'content-length': body.length },
      })
      this.#underWay = request
      let timer: Timer | undefined
      let problem: FlumeError | undefined
      const limit = (limitMs: number, what: string): void => {
        timer?.cancel()
        timer = clock.after(limitMs, () => {
          problem = new FlumeError('TIMEOUT', `${what} ${url.host} within ${limitMs} ms`, { retry: true })
          request.destroy(problem)
        })
      }
      const settle = (act: () => void): void => {
        timer?.cancel()
        this.#underWay = undefined
        act()
      }
      request.on('socket', (socket) => {
        if (request.reusedSocket) return limit(requestTimeoutMs, 'no answer from')
        limit(connectTimeoutMs, 'no connection to')
        this.#whenConnected(socket, () => limit(requestTimeoutMs, 'no answer from'))
      })
      request.on('response', (response) => {
        readToEnd(response, answerBytesMax).then(
          () => settle(() => resolve(response.statusCode ?? 0)),
          (error: Error) => settle(() => reject(problem ?? failed(url, request, error))),
        )
      })
      request.on('error', (error) => settle(() => reject(problem ?? failed(url, request, error))))
      request.end(body)
    })
  }

  #whenConnected(socket: Socket, then: () => void): void {
    const { counters } = this.#options
    let isConnected = false
    socket.once(this.#agent instanceof HttpsAgent ? 'secureConnect' : 'connect', () => {
      isConnected = true
      counters.connectionCreated++
      then()
    })
    socket.once('close', () => {
      if (isConnected) counters.connectionClosed++
      else counters.connectionFailed++
    })
  }
}

/** The server had closed the connection when the request came. */
class StaleConnection extends FlumeError {}

function failed(url: URL, request: ClientRequest, cause: Error): FlumeError {
  const { code = '' } = cause as NodeJS.ErrnoException
  const isStale = request.reusedSocket && goneCodes.has(code)
  if (code.startsWith('HPE_'))
    return new FlumeError('PROTOCOL', `${url.host} answers what is no HTTP`, { cause, retry: true })
  if (/CERT|SELF_SIGNED/.test(code)) {
    const hint = 'give the store of its authority as -Djavax.net.ssl.trustStore, or its PEM file as NODE_EXTRA_CA_CERTS'
    return new FlumeError('CONNECTION', `the certificate of ${url.host} is not trusted`, { cause, retry: true, hint })
  }
  return new (isStale ? StaleConnection : FlumeError)('CONNECTION', `no answer from ${url.host}`, {
    cause,
    retry: true,
  })
}

/** Reads an answer and forgets it; one that is too long ends the connection, and what was said of it stands. */
function readToEnd(response: IncomingMessage, bytesMax: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= bytesMax) return
      resolve()
      response.destroy()
    })
    response.on('end', resolve)
    response.on('error', reject)
    response.on('close', () => reject(new Error('the answer was cut off')))
  })
}
