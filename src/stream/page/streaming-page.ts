import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import { PageServer, type ServedPage } from '../../net/page-server.ts'
import type { StreamingProgress } from '../scheduler/progress.ts'
import { script, styleSheet } from './assets.ts'
import { batchPage } from './batch-page.ts'
import { type Application, retainedBatches, timeOf } from './figures.ts'
import { gaugesJson, prometheusText } from './gauges.ts'
import { escape, framed, pageHeaders } from './html.ts'
import { restAnswer, restText } from './rest.ts'
import { statisticsPage } from './statistics-page.ts'
import { dateTime } from './words.ts'

export interface StreamingPageOptions {
  readonly application: Application
  readonly progress: StreamingProgress
  /** For this machine only, unless told otherwise. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Ports after this one that are tried when it is taken. */
  readonly retries: number
  readonly clock: Clock
  readonly logger: Logger
}

const html = 'text/html;charset=utf-8'
const json = 'application/json'
const plain = 'text/plain;charset=utf-8'
/** With so many batches on it the page is made less often. */
const manyBatches = 200
const slowRefreshMs = 5000
const quickRefreshMs = 1000

/** The streaming page of one running job, with Spark's REST paths and gauges beside it (streaming-ui). Read only. */
export class StreamingPage {
  readonly #server: PageServer
  readonly #host: string

  private constructor(server: PageServer, host: string) {
    this.#server = server
    this.#host = host
  }

  /** Listens on the port or, when it is taken, on one of those after it. Rejects IO when all are. */
  static async open(options: StreamingPageOptions): Promise<StreamingPage> {
    const { host, port, retries, logger } = options
    const page = (path: string, query: URLSearchParams): ServedPage | undefined => answer(path, query, options)
    for (let tried = 0; ; tried++) {
      try {
        const server = await PageServer.open({ host, port: port === 0 ? 0 : port + tried, log: logger, page })
        return new StreamingPage(server, host)
      } catch (error) {
        const isTaken = error instanceof FlumeError && codeOf(error.cause) === 'EADDRINUSE'
        if (!isTaken || port === 0 || tried >= retries || port + tried >= 65_535) throw error
      }
    }
  }

  get address(): string {
    const host = this.#host === '0.0.0.0' || this.#host === '::' ? 'localhost' : this.#host
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#server.port}`
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}

function answer(path: string, query: URLSearchParams, options: StreamingPageOptions): ServedPage | undefined {
  const { application, progress, clock } = options
  switch (path.length > 1 ? path.replace(/\/$/, '') : path) {
    case '/':
      return { status: 302, contentType: plain, body: '', headers: { Location: '/streaming/' } }
    case '/streaming':
      return page(options, 'Streaming Statistics', 'streaming', statisticsPage(progress, clock.now()))
    case '/streaming/batch':
      return oneBatch(query.get('id'), options)
    case '/environment':
      return page(options, 'Environment', 'environment', environmentPage(application))
    case '/static/streaming/page.css':
      return { status: 200, contentType: 'text/css;charset=utf-8', body: styleSheet }
    case '/static/streaming/page.js':
      return { status: 200, contentType: 'text/javascript;charset=utf-8', body: script }
    case '/metrics/json':
      return { status: 200, contentType: json, body: JSON.stringify(gaugesJson(application, progress)) }
    case '/metrics':
    case '/metrics/prometheus':
      return {
        status: 200,
        contentType: 'text/plain;version=0.0.4;charset=utf-8',
        body: prometheusText(application, progress),
      }
  }
  const found = restAnswer(path, query, application, progress)
  if (!found) return undefined
  return found.status === 200
    ? { status: 200, contentType: json, body: restText(found.body) }
    : { status: found.status, contentType: plain, body: String(found.body) }
}

function oneBatch(id: string | null, options: StreamingPageOptions): ServedPage {
  const { progress } = options
  const fail = (status: number, text: string): ServedPage => ({
    ...page(options, text, 'batch', '<p><a href="/streaming/">All batches</a></p>'),
    status,
  })
  if (id === null || id === '') return fail(400, 'Missing id parameter')
  const batch = retainedBatches(progress).find((one) => String(timeOf(one)) === id)
  if (!batch) return fail(404, `Batch ${id.slice(0, 40)} does not exist`)
  const title = `Details of batch at ${dateTime(timeOf(batch), progress.batchDurationMs < 1000)}`
  return page(options, title, 'batch', batchPage(batch, progress))
}

function page(
  { application, progress }: StreamingPageOptions,
  title: string,
  place: 'streaming' | 'environment' | 'batch',
  body: string,
): ServedPage {
  const isMany = progress.completed.length > manyBatches
  const refreshMs = isMany ? slowRefreshMs : Math.max(quickRefreshMs, Math.min(progress.batchDurationMs, slowRefreshMs))
  const text = framed({
    title,
    appName: application.name,
    place,
    body,
    ...(place === 'streaming' && { refreshMs }),
  })
  return { status: 200, contentType: html, body: text, headers: pageHeaders }
}

function environmentPage(application: Application): string {
  const rows = application.settings
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `<tr><td>${escape(key)}</td><td>${escape(value)}</td></tr>`)
  return `<div class="wide"><table id="settings"><thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table></div>`
}

function codeOf(cause: unknown): unknown {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
}
