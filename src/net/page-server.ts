import { lookup } from 'node:dns/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { explain, FlumeError } from '../core/error.ts'
import type { Logger } from '../monitor/logger.ts'

/** What a path shows. */
export interface ServedPage {
  readonly status: number
  readonly contentType: string
  readonly body: string
  /** Further headers, such as a `Content-Security-Policy`. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface PageServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly log: Logger
  /** The page of a path; undefined answers 404. A throw answers 500. */
  page(path: string, query: URLSearchParams): ServedPage | undefined
}

/** More connections than this are closed as they come. */
const connectionsMax = 64
const headerBytesMax = 8 * 1024
/** A request must be complete within this time. */
const requestTimeoutMs = 10_000
const keepAliveTimeoutMs = 5_000
const requestsPerConnectionMax = 1000

/**
 * Serves pages that are read only, on a port of their own. Every method is answered as GET is, and TRACE and OPTIONS with
 * 403, as Flume's metrics server does (O-01). Bodies of requests are not read: the connection ends after the answer.
 */
export class PageServer {
  readonly #server: Server
  readonly #options: PageServerOptions

  private constructor(options: PageServerOptions) {
    this.#options = options
    this.#server = createServer(
      {
        maxHeaderSize: headerBytesMax,
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveTimeoutMs,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => this.#answer(request, response),
    )
    this.#server.maxConnections = connectionsMax
    this.#server.maxRequestsPerSocket = requestsPerConnectionMax
    this.#server.timeout = requestTimeoutMs
  }

  /** Resolves once the port takes connections; rejects IO (retry) when it cannot be bound. */
  static async open(options: PageServerOptions): Promise<PageServer> {
    const page = new PageServer(options)
    const where = `${options.host}:${options.port}`
    try {
      const { address } = await lookup(options.host, { verbatim: false })
      await new Promise<void>((resolve, reject) => {
        page.#server.once('error', reject)
        page.#server.listen(options.port, address, () => {
          page.#server.off('error', reject)
          page.#server.on('error', (error) => options.log.error(`accepting failed: ${explain(error)}`))
          resolve()
        })
      })
    } catch (cause) {
      throw new FlumeError('IO', `cannot listen on ${where}`, { cause, retry: true })
    }
    return page
  }

  /** The port in use. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : this.#options.port
  }

  /** Stops listening and drops every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = 'GET', headers } = request
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
      response.setHeader('Connection', 'close')
    }
    if (method === 'TRACE' || method === 'OPTIONS') send(response, { status: 403, contentType: textType, body: '' })
    else send(response, this.#find(request.url ?? '/'))
  }

  #find(url: string): ServedPage {
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    try {
      return (
        this.#options.page(path, new URLSearchParams(mark < 0 ? '' : url.slice(mark))) ?? {
          status: 404,
          contentType: textType,
          body: 'there is no such page\n',
        }
      )
    } catch (error) {
      this.#options.log.error(`the page ${path.slice(0, 100)} failed: ${explain(error)}`)
      return { status: 500, contentType: textType, body: 'the page could not be made; the log says why\n' }
    }
  }
}

const textType = 'text/plain;charset=utf-8'

function send(response: ServerResponse, { status, contentType, body, headers }: ServedPage): void {
  response.writeHead(status, {
    ...headers,
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  // Node leaves the body out where the method is HEAD.
  response.end(body)
}
