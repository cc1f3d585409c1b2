import { type Charset, charsetNamed } from '../../codec/charset.ts'
import { NoEvents, readFlumeJson } from '../../codec/flume-json.ts'
import { scanFlumeJson } from '../../codec/flume-json-scanner.ts'
import { readJsonLines } from '../../codec/json-lines.ts'
import { explain, FlumeError } from '../../core/error.ts'
import { type HttpAnswer, HttpListener, type HttpRequest } from '../../net/http-listener.ts'
import { serverTls, serverTlsProblems } from '../../net/tls/server.ts'
import { bytes, type Options, parsed, port, prefix, text } from '../../spec/option.ts'
import { type ServerTlsValues, serverTlsOptions } from '../../spec/tls-options.ts'
import { defineSource, EventBatch, type Source, type SourceContext } from '../contract.ts'

const handlerNames = ['JSONHandler', 'BLOBHandler', 'JSONLinesHandler'] as const
/** Of the morphline module, whose class name is all but that of the other. */
const morphlineBlob = 'org.apache.flume.sink.solr.morphline.BlobHandler'
type HandlerName = (typeof handlerNames)[number] | typeof morphlineBlob
/** What each knows below `handler.`. */
const handlerKeys: Readonly<Record<HandlerName, readonly string[]>> = {
  JSONHandler: [],
  BLOBHandler: ['mandatoryParameters', 'maxBlobLength'],
  JSONLinesHandler: ['headers'],
  [morphlineBlob]: ['maxBlobLength'],
}

const jettyDoc = "A setting of Jetty's, which is not here: without effect."
const options = {
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  bind: text({ default: '0.0.0.0', doc: 'Address to listen on.' }),
  handler: parsed<HandlerName>(
    handlerNames.join(' | '),
    `one of ${handlerNames.join(', ')}`,
    {
      default: 'org.apache.flume.source.http.JSONHandler',
      doc: 'What a request is: JSONHandler, a list of events; BLOBHandler (or that of the morphline module by its class name), one event whose headers are the parameters; JSONLinesHandler (not in Flume), each line the body of an event, as Vector and Fluent Bit send them.',
    },
    (name) => {
      if (name.trim() === morphlineBlob) return { value: morphlineBlob }
      const bare = name.trim().replace(/^org\.apache\.flume\.source\.http\./, '')
      const value = handlerNames.find((known) => known.toLowerCase() === bare.toLowerCase())
      return value ? { value } : { problem: `is none of ${handlerNames.join(', ')}` }
    },
  ),
  'handler.': prefix({
    doc: "BLOBHandler: mandatoryParameters, the parameters that must be there, with commas, and maxBlobLength, the longest body. JSONLinesHandler: headers, the request's headers that become headers of its events, with commas.",
  }),
  maxRequestBytes: bytes({
    default: 64 * 1024 * 1024,
    min: 1,
    max: 1024 * 1024 * 1024,
    doc: 'Largest body of a request; a larger one is answered 413.',
  }),
  'QueuedThreadPool.': prefix({ doc: jettyDoc }),
  'HttpConfiguration.': prefix({ doc: jettyDoc }),
  'SslContextFactory.': prefix({
    doc: "Of Jetty's settings for TLS: needClientAuth, wantClientAuth, trustStorePath, trustStorePassword, trustStoreType.",
    secret: true,
  }),
  'ServerConnector.': prefix({ doc: jettyDoc }),
  ...serverTlsOptions,
  ssl: { ...serverTlsOptions.ssl, formerly: ['enableSSL'] },
  'keystore-password': { ...serverTlsOptions['keystore-password'], formerly: ['keystorePassword'] },
  'exclude-protocols': { ...serverTlsOptions['exclude-protocols'], formerly: ['excludeProtocols'] },
}
type HttpOptions = Options<typeof options>

const jettyOptions = ['QueuedThreadPool.', 'HttpConfiguration.', 'SslContextFactory.', 'ServerConnector.'] as const
const jettyTlsKeys: readonly string[] = [
  'needClientAuth',
  'wantClientAuth',
  'trustStorePath',
  'trustStorePassword',
  'trustStoreType',
]

/** Jetty's own words for what the TLS block has, too: the only way to ask for certificates in Flume. */
function tlsOf(options: HttpOptions): ServerTlsValues {
  const jetty = options['SslContextFactory.']
  const isTrue = (key: string): boolean => jetty[key]?.trim().toLowerCase() === 'true'
  const asked = isTrue('needClientAuth') ? 'need' : isTrue('wantClientAuth') ? 'want' : undefined
  return {
    ...options,
    'client-auth': asked ?? options['client-auth'],
    truststore: jetty.trustStorePath ?? options.truststore,
    'truststore-password': jetty.trustStorePassword ?? options['truststore-password'],
    'truststore-type': jetty.trustStoreType ?? options['truststore-type'],
  }
}

export const http = defineSource({
  type: 'http',
  aliases: ['org.apache.flume.source.http.HTTPSource'],
  summary: 'Receives events over HTTP, each request one transaction.',
  options,
  describe: (options) => `${options.bind}:${options.port}`,
  check: (options, settings) => [
    ...jettyOptions.flatMap((name) =>
      Object.keys(options[name])
        .filter((key) => name !== 'SslContextFactory.' || !jettyTlsKeys.includes(key))
        .map((key) => ({
          option: `${name}${key}`,
          severity: 'warning' as const,
          code: 'no-effect',
          message: 'has no effect: there is no Jetty here',
        })),
    ),
    ...Object.keys(options['handler.'])
      .filter((key) => !handlerKeys[options.handler].includes(key))
      .map((key) => ({
        option: `handler.${key}`,
        severity: 'warning' as const,
        code: 'no-effect',
        message: `has no effect: ${options.handler.replace(/^.*\./, '')} does not know it`,
      })),
    ...(/^[1-9]\d{0,14}$/.test(options['handler.'].maxBlobLength ?? '1')
      ? []
      : [{ option: 'handler.maxBlobLength', message: 'is no number of bytes' }]),
    ...listed(options['handler.'].headers)
      .filter((name) => !headerName.test(name))
      .map((name) => ({ option: 'handler.headers', message: `names "${name}", which cannot be a header's name` })),
    ...serverTlsProblems(tlsOf(options), settings),
  ],
  create: (options, context) => new HttpSource(options, context),
})

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Each event has it, and a request as many events as fit. */
const headerBytesMax = 1024

function listed(names = ''): readonly string[] {
  return names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** Methods that are answered by their name alone (S-110). */
const answersByMethod: Readonly<Record<string, HttpAnswer>> = {
  TRACE: { status: 403, text: 'TRACE is not allowed' },
  OPTIONS: { status: 403, text: 'OPTIONS is not allowed' },
  HEAD: { status: 500 },
  PUT: { status: 405, text: 'only POST and GET are taken' },
  DELETE: { status: 405, text: 'only POST and GET are taken' },
}
const otherMethod: HttpAnswer = { status: 501, text: 'only POST and GET are taken' }

/** The request cannot be made events; the status says whose fault Flume takes it for. */
class BadRequest extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

class HttpSource implements Source {
  readonly #options: HttpOptions
  readonly #context: SourceContext
  readonly #mandatory: readonly string[]
  readonly #headers: readonly string[]

  constructor(options: HttpOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#mandatory = listed(options['handler.'].mandatoryParameters)
    this.#headers = listed(options['handler.'].headers)
  }

  async run(): Promise<void> {
    const { clock, log, signal } = this.#context
    const { bind, port, maxRequestBytes, handler } = this.#options
    const { maxBlobLength } = this.#options['handler.']
    const blobBytesMax =
      maxBlobLength !== undefined && handlerKeys[handler].includes('maxBlobLength')
        ? Number(maxBlobLength)
        : Number.POSITIVE_INFINITY
    const listener = await HttpListener.open({
      host: bind,
      port,
      clock,
      log,
      bodyBytesMax: Math.min(maxRequestBytes, blobBytesMax),
      headers: this.#headers,
      // Jetty hands bodies on as they came; whoever sends lines packs them as a matter of course.
      unpacks: handler === 'JSONLinesHandler',
      tls: serverTls(tlsOf(this.#options), this.#context.settings),
      refuse: (method) =>
        method === 'POST' || method === 'GET' ? undefined : (answersByMethod[method] ?? otherMethod),
      answer: (request) => this.#answer(request),
    })
    this.#context.ready(`${bind}:${listener.port}`)
    await listener.closeOn(signal)
  }

  async #answer(request: HttpRequest): Promise<HttpAnswer> {
    const { counters } = this.#context
    let batch: EventBatch
    try {
      batch = this.#read(request)
    } catch (error) {
      counters.eventReadFail++ // S-116
      if (error instanceof BadRequest) return { status: error.status, text: error.message }
      return { status: error instanceof NoEvents ? 500 : 400, text: (error as Error).message }
    }
    counters.appendBatchReceived++
    try {
      await this.#deliver(batch)
    } catch (error) {
      if (error instanceof FlumeError && (error.retry || error.code === 'BATCH_TOO_LARGE')) {
        this.#context.log.warn(`refused a request of ${batch.count} events: ${explain(error)}`)
        return { status: 503, text: error.message } // S-114
      }
      counters.genericProcessingFail++
      this.#context.log.error(`a delivery failed: ${explain(error)}`)
      return { status: 500, text: 'the events were not taken' }
    }
    counters.appendBatchAccepted++
    return { status: 200 }
  }

  #read(request: HttpRequest): EventBatch {
    switch (this.#options.handler) {
      case 'JSONHandler':
        return fromJson(request)
      case 'BLOBHandler':
      case morphlineBlob:
        return this.#fromBlob(request)
      case 'JSONLinesHandler':
        return this.#fromLines(request)
    }
  }

  /**
   * A request is one transaction, as in Flume. Senders of lines count bytes, not events: theirs may be as many as there
   * are; when a later one is refused they send all of them again.
   */
  async #deliver(batch: EventBatch): Promise<void> {
    const { transactionCapacity } = this.#context
    const size = this.#options.handler === 'JSONLinesHandler' ? transactionCapacity : batch.count
    for (let from = 0; from < batch.count; from += size) {
      await this.#context.deliver(size < batch.count ? batch.slice(from, from + size) : batch)
    }
  }

  #fromLines({ contentType, headers, body }: HttpRequest): EventBatch {
    if (/;\s*charset\s*=\s*"?utf-?(16|32)/i.test(contentType)) {
      throw new BadRequest(415, 'lines end with one byte: UTF-16 and UTF-32 are not taken')
    }
    let batch: EventBatch
    try {
      batch = readJsonLines(body)
    } catch (error) {
      throw new BadRequest(413, (error as Error).message)
    }
    for (const name of this.#headers) {
      const value = headers.get(name.toLowerCase())
      if (value === undefined) continue
      if (Buffer.byteLength(value) > headerBytesMax) {
        throw new BadRequest(431, `${name} may have ${headerBytesMax} bytes`)
      }
      batch = batch.withHeader(name, value)
    }
    return batch
  }

  #fromBlob({ url, contentType, body }: HttpRequest): EventBatch {
    const query = url.indexOf('?')
    const parameters = new URLSearchParams(query < 0 ? '' : url.slice(query + 1))
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(contentType)
    const all = isForm ? [...parameters, ...new URLSearchParams(body.toString())] : [...parameters]
    const isMorphline = this.#options.handler === morphlineBlob
    const headers = new Map<string, string>()
    for (const [name, value] of all) if (!headers.has(name)) headers.set(name, value)
    if (isMorphline && contentType !== '' && !headers.has('Content-Type')) headers.set('Content-Type', contentType)
    const missing = isMorphline ? undefined : this.#mandatory.find((name) => !headers.has(name))
    if (missing !== undefined) throw new BadRequest(500, `the parameter ${missing} is missing`) // S-115
    return new EventBatch(body, Uint32Array.of(0), Uint32Array.of(body.length), headers)
  }
}

/** Charsets that requests may be written in (S-112). */
const jsonCharsets = /^utf-16(be|le)?$/i

function fromJson({ contentType, body }: HttpRequest): EventBatch {
  const name = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1]
  const charset = charsetOf(name)
  if (body.length === 0) throw new BadRequest(500, 'there is no body')
  if (!charset) return scanFlumeJson(body) ?? readFlumeJson(body.toString())
  const { encode } = charset
  return readFlumeJson(charset.decode(body, '\uFFFD') ?? '', encode)
}

/** Undefined for UTF-8, which is what a request without a charset is in. */
function charsetOf(name: string | undefined): Charset | undefined {
  if (name === undefined || /^utf-?8$/i.test(name)) return undefined
  const charset = jsonCharsets.test(name) ? charsetNamed(name) : undefined
  if (!charset) throw new BadRequest(500, 'only UTF-8 and UTF-16 are taken')
  return charset
}
