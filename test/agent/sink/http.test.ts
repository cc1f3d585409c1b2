import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Sink, Written } from '../../../src/agent/contract.ts'
import { http } from '../../../src/agent/sink/http.ts'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { bodies } from '../../support/batches.ts'
import { freePort } from '../../support/free-port.ts'
import { keyStore } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { sinkContext } from '../../support/sink-context.ts'
import { until } from '../../support/until.ts'

interface Request {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A web server that keeps what it gets and answers what it is told. */
class Web {
  readonly requests: Request[] = []
  readonly #server: Server
  connections = 0
  status = 200
  answer = ''
  answerHeaders: Record<string, string> = {}
  /** Instead of an answer. */
  instead: ((response: ServerResponse) => void) | undefined

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        this.requests.push({ method, url, headers, body: Buffer.concat(chunks).toString('latin1') })
        if (this.instead) return this.instead(response)
        response.writeHead(this.status, this.answerHeaders)
        response.end(this.answer)
      })
    })
    this.#server.on('connection', () => this.connections++)
  }

  static async open(): Promise<Web> {
    const web = new Web()
    await new Promise<void>((resolve) => web.#server.listen(0, '127.0.0.1', resolve))
    return web
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get bodies(): string[] {
    return this.requests.map(({ body }) => body)
  }

  dropIdle(): void {
    this.#server.closeIdleConnections()
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

/** Options as the configuration gives them: keys below a prefix together. */
function valuesOf(texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const values = readOptions(http, texts)
  for (const name of ['backoff.', 'rollback.', 'incrementMetrics.'])
    values[name] = Object.fromEntries(
      Object.entries(texts).flatMap(([key, text]) => (key.startsWith(name) ? [[key.slice(name.length), text]] : [])),
    )
  return values
}

async function sinkTo(
  port: number,
  texts: Readonly<Record<string, string>> = {},
  {
    clock = systemClock,
    log = new RecordingLogger(),
    properties = new Map<string, string>(),
  }: { clock?: Clock; log?: RecordingLogger; properties?: ReadonlyMap<string, string> } = {},
): Promise<{ sink: Sink; counters: ReturnType<typeof sinkContext>['counters']; log: RecordingLogger }> {
  const plain = sinkContext({ clock, log })
  const context = { ...plain, settings: { ...plain.settings, properties } }
  const values = valuesOf({ endpoint: `http://127.0.0.1:${port}/in?q=1`, ...texts })
  return { sink: (await http.create(values as never, context)) as Sink, counters: context.counters, log }
}

/** What the sink says of one event, or the error it throws. */
async function outcomeOf(sink: Sink, body = 'x'): Promise<Written | FlumeError> {
  try {
    return (await sink.write(bodies(body))) ?? {}
  } catch (error) {
    assert.ok(error instanceof FlumeError, String(error))
    return error
  }
}

test('each event is a POST of its body, without its headers (N-10, ensureSuccessfulMessageDelivery)', async () => {
  const web = await Web.open()
  const { sink } = await sinkTo(web.port)
  assert.equal(sink.batchSize, 1)
  await sink.write(bodies('one'))
  await sink.write(bodies('grün\n\0'))
  const { host, connection, ...headers } = web.requests[0]?.headers ?? {}
  assert.deepEqual(
    { ...web.requests[0], headers },
    {
      method: 'POST',
      url: '/in?q=1',
      headers: { 'content-type': 'text/plain', accept: 'text/plain', 'content-length': '3' },
      body: 'one',
    },
  )
  assert.equal(host, `127.0.0.1:${web.port}`)
  assert.equal(Buffer.from(web.bodies[1] ?? '', 'latin1').toString(), 'grün\n\0')
  await sink.stop?.()
  await web.close()
})

test('the headers are those of contentTypeHeader and acceptHeader', async () => {
  const web = await Web.open()
  const { sink } = await sinkTo(web.port, { contentTypeHeader: 'application/json', acceptHeader: '*/*' })
  await sink.write(bodies('{}'))
  const { 'content-type': type, accept } = web.requests[0]?.headers ?? {}
  assert.deepEqual([type, accept], ['application/json', '*/*'])
  await sink.stop?.()
  await web.close()
})

test('one connection is used for all, also after long answers (ensureHttpConnectionReusedForSuccessfulRequests)', async () => {
  const web = await Web.open()
  const { sink, counters } = await sinkTo(web.port)
  web.answer = 'y'.repeat(300_000)
  for (let i = 0; i < 20; i++) await sink.write(bodies(`${i}`))
  assert.equal(web.connections, 1)
  assert.equal(counters.connectionCreated, 1)
  await sink.stop?.()
  await until(() => counters.connectionClosed === 1)
  await web.close()
})

test('an event without a body is dropped with a warning and a pause (N-10, ensureBackoffOnEmptyEvent)', async () => {
  const web = await Web.open()
  const { sink, log } = await sinkTo(web.port)
  assert.deepEqual(await outcomeOf(sink, ''), { delivered: false, pause: true })
  assert.equal(web.requests.length, 0)
  assert.match(log.lines.join(), /warn: an event without a body is dropped/)
  await sink.stop?.()
  await web.close()
})

const delivered: Written = { delivered: true, counted: true, pause: false }

type Expected = {
  readonly gone: boolean
  readonly pause: boolean
  readonly counted?: boolean
  readonly delivered?: boolean
}
const sentAgain = { gone: false, pause: true }
const outcomes: readonly [what: string, texts: Record<string, string>, answers: Record<number, Expected>][] = [
  [
    'nothing configured: a success is one (N-11 mended), everything else is sent again after a pause',
    {},
    {
      200: { gone: true, pause: false, counted: true, delivered: true },
      202: { gone: true, pause: false, counted: true, delivered: true },
      204: { gone: true, pause: false, counted: true, delivered: true },
      301: sentAgain,
      304: sentAgain,
      401: sentAgain,
      503: sentAgain,
      999: sentAgain,
    },
  ],
  [
    'rollback.200 = true gives Flume’s default (ensureRollbackBackoffAndIncrementMetricsIfConfigured)',
    { 'rollback.200': 'true', 'backoff.200': 'true' },
    { 200: sentAgain, 201: { gone: true, pause: false, counted: true, delivered: true } },
  ],
  [
    'all defaults off (ensureCommitReadyAndNoIncrementMetricsIfConfigured)',
    { defaultRollback: 'false', defaultBackoff: 'false', 'incrementMetrics.2XX': 'false' },
    {
      200: { gone: true, pause: false, counted: false, delivered: true },
      500: { gone: true, pause: false, counted: false, delivered: false },
    },
  ],
  [
    'a single status (ensureSingleErrorStatusConfigurationCorrectlyUsed)',
    { 'rollback.401': 'false', 'backoff.401': 'false', 'incrementMetrics.401': 'true' },
    { 401: { gone: true, pause: false, counted: true, delivered: false }, 403: sentAgain },
  ],
  [
    'a group (ensureGroupConfigurationCorrectlyUsed)',
    { 'rollback.4XX': 'FALSE', 'backoff.4XX': 'false' },
    {
      400: { gone: true, pause: false, counted: false, delivered: false },
      499: { gone: true, pause: false, counted: false, delivered: false },
      500: sentAgain,
    },
  ],
  [
    'a status before its group (ensureSingleStatusConfigurationOverridesGroupConfigurationCorrectly)',
    { 'rollback.4XX': 'false', 'rollback.429': 'true', 'backoff.2XX': 'true', 'backoff.201': 'false' },
    {
      400: { gone: true, pause: true, counted: false, delivered: false },
      429: sentAgain,
      200: { gone: true, pause: true, counted: true, delivered: true },
      201: { gone: true, pause: false, counted: true, delivered: true },
    },
  ],
  ['sent again without a pause', { defaultBackoff: 'false' }, { 503: { gone: false, pause: false } }],
]
for (const [what, texts, answers] of outcomes) {
  test(`status decides (N-10): ${what}`, async () => {
    const web = await Web.open()
    const { sink } = await sinkTo(web.port, texts)
    assert.deepEqual(http.check?.(valuesOf({ endpoint: 'http://h/', ...texts }) as never), [])
    for (const [status, expected] of Object.entries(answers)) {
      web.status = Number(status)
      const outcome = await outcomeOf(sink)
      const { gone, pause, ...rest } = expected
      if (outcome instanceof FlumeError) {
        assert.equal(gone, false, status)
        assert.match(outcome.message, new RegExp(`answered ${status}`))
        assert.deepEqual([outcome.code, outcome.retry, outcome.atOnce], ['REFUSED', true, !pause])
      } else assert.deepEqual({ gone: true, ...outcome }, { gone, pause, ...rest }, status)
    }
    await sink.stop?.()
    await web.close()
  })
}

test('a redirection is an answer like others: nothing is sent elsewhere', async () => {
  const web = await Web.open()
  const { sink } = await sinkTo(web.port)
  for (const status of [301, 302, 303, 307, 308]) {
    web.status = status
    web.answerHeaders = { location: `http://127.0.0.1:${web.port}/elsewhere` }
    const outcome = await outcomeOf(sink)
    assert.ok(outcome instanceof FlumeError && outcome.message.includes(`answered ${status}`))
  }
  assert.deepEqual(
    web.requests.map(({ method, url }) => `${method} ${url}`),
    new Array(5).fill('POST /in?q=1'),
  )
  await sink.stop?.()
  await web.close()
})

test('a server that is not there rejects CONNECTION, and is found when it is there (ensureEventsResentOnNetworkFailure)', async () => {
  const port = await freePort()
  const { sink, counters } = await sinkTo(port)
  const outcome = await outcomeOf(sink)
  assert.ok(outcome instanceof FlumeError && outcome.code === 'CONNECTION' && outcome.retry && !outcome.atOnce)
  await until(() => counters.connectionFailed === 1)
  await sink.stop?.()
})

test('no answer within requestTimeout rejects TIMEOUT (ensureEventsResentOnRequestTimeout)', async () => {
  const web = await Web.open()
  const clock = new ManualClock()
  const { sink } = await sinkTo(web.port, { requestTimeout: '3000', connectTimeout: '60000' }, { clock })
  web.instead = () => undefined
  let isDone = false
  const done = outcomeOf(sink).finally(() => {
    isDone = true
  })
  await until(() => web.requests.length === 1)
  await clock.advance(2999)
  assert.equal(isDone, false)
  await clock.advance(1)
  const outcome = await done
  assert.ok(outcome instanceof FlumeError && outcome.code === 'TIMEOUT' && /no answer .* 3000 ms/.test(outcome.message))
  web.instead = undefined
  assert.deepEqual(await outcomeOf(sink), { delivered: true, counted: true, pause: false })
  await sink.stop?.()
  await web.close()
})

test('an answer that does not end within requestTimeout rejects TIMEOUT as well', async () => {
  const web = await Web.open()
  const clock = new ManualClock()
  const { sink } = await sinkTo(web.port, {}, { clock })
  let isBegun = false
  web.instead = (response) => {
    response.writeHead(200)
    response.write('drop by drop')
    isBegun = true
  }
  const done = outcomeOf(sink)
  await until(() => isBegun)
  await until(() => clock.timerCount > 0)
  await clock.advance(5000)
  const outcome = await done
  assert.ok(outcome instanceof FlumeError && outcome.code === 'TIMEOUT')
  await sink.stop?.()
  await web.close()
})

test('no connection within connectTimeout rejects TIMEOUT (ensureEventsResentOnConnectionTimeout)', async () => {
  const clock = new ManualClock()
  let greeted = false
  // A connection is there once TLS is; this server does not speak it, nor anything else.
  const server = await rawServer(() => {
    greeted = true
  })
  const texts = { endpoint: `https://127.0.0.1:${server.port}/`, connectTimeout: '700', requestTimeout: '60000' }
  const { sink, counters } = await sinkTo(server.port, texts, { clock })
  const done = outcomeOf(sink)
  await until(() => greeted && clock.timerCount > 0)
  await clock.advance(700)
  const outcome = await done
  assert.ok(outcome instanceof FlumeError && outcome.code === 'TIMEOUT' && /no connection/.test(outcome.message))
  await until(() => counters.connectionFailed === 1)
  await sink.stop?.()
  server.close()
})

test('a kept connection that the server has closed costs nothing: the event goes over a new one', async () => {
  const web = await Web.open()
  const { sink, counters } = await sinkTo(web.port)
  for (let i = 0; i < 5; i++) {
    await sink.write(bodies(`${i}`))
    web.dropIdle()
  }
  assert.deepEqual(web.bodies, ['0', '1', '2', '3', '4'])
  await until(() => counters.connectionCreated >= 5)
  await sink.stop?.()
  await web.close()
})

/** A server that answers these raw bytes to each request's first chunk. */
async function rawServer(answer: string | ((socket: Socket) => void)): Promise<{ port: number; close(): void }> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => (typeof answer === 'string' ? socket.end(answer) : answer(socket)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

const badAnswers: readonly [what: string, answer: string | ((socket: Socket) => void), code: string][] = [
  ['what is no HTTP', 'SSH-2.0-OpenSSH\r\n', 'PROTOCOL'],
  ['the end of the connection', (socket) => socket.destroy(), 'CONNECTION'],
  ['a status of two digits (N-10)', 'HTTP/1.1 99 Low\r\n\r\n', 'PROTOCOL'],
  ['half an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', 'CONNECTION'],
  ['a head without an end', `HTTP/1.1 200 OK\r\n${'X-Long: aaaaaaaaaa\r\n'.repeat(2000)}`, 'PROTOCOL'],
]
for (const [what, answer, code] of badAnswers) {
  test(`${what} as answer rejects ${code}: the event is sent again`, async () => {
    const server = await rawServer(answer)
    const { sink } = await sinkTo(server.port)
    const outcome = await outcomeOf(sink)
    assert.ok(outcome instanceof FlumeError && outcome.retry, String(outcome))
    assert.equal(outcome.code, code)
    await sink.stop?.()
    server.close()
  })
}

test('an answer without end is not read to its end: its status counts, the connection does not stay', async () => {
  let written = 0
  const server = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const more = (): void => {
      while (!socket.destroyed && socket.write(`10000\r\n${'z'.repeat(65_536)}\r\n`)) written += 65_536
    }
    socket.on('drain', more)
    more()
  })
  const { sink, counters } = await sinkTo(server.port)
  assert.deepEqual(await outcomeOf(sink), { delivered: true, counted: true, pause: false })
  await until(() => counters.connectionClosed === 1)
  assert.ok(written < 64 * 1024 * 1024)
  await sink.stop?.()
  server.close()
})

test('https is spoken with whom the agent trusts, and to nobody else', async () => {
  const pem = readFileSync(keyStore('server.pem'))
  const posted: string[] = []
  const server = createHttpsServer({ key: pem, cert: pem }, (request, response) => {
    request.on('data', (chunk: Buffer) => posted.push(chunk.toString()))
    request.on('end', () => response.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const endpoint = `https://localhost:${port}/`
  const refuses = async (more: Parameters<typeof sinkTo>[2], hint: RegExp): Promise<void> => {
    const { sink } = await sinkTo(port, { endpoint }, more)
    const outcome = await outcomeOf(sink)
    assert.ok(outcome instanceof FlumeError && outcome.code === 'CONNECTION' && outcome.retry)
    assert.match(outcome.hint ?? '', hint)
    await sink.stop?.()
  }
  const trusting = (file: string, ...password: string[]) =>
    new Map(
      ['trustStore', 'trustStorePassword'].flatMap((name, i): [string, string][] => {
        const value = [keyStore(file), ...password][i]
        return value === undefined ? [] : [[`javax.net.ssl.${name}`, value]]
      }),
    )
  await refuses({}, /javax\.net\.ssl\.trustStore/)
  await refuses({ properties: trusting('stranger.pem') }, /javax\.net\.ssl\.trustStore/)
  assert.deepEqual(posted, [])
  const { sink, counters } = await sinkTo(port, { endpoint }, { properties: trusting('trust.jks', 'changeit') })
  for (const body of ['one', 'two']) assert.deepEqual(await outcomeOf(sink, body), delivered)
  assert.deepEqual(posted, ['one', 'two'])
  assert.equal(counters.connectionCreated, 1)
  await sink.stop?.()
  server.close()
})

test('a trust store that cannot be read is a finding of an https endpoint alone', () => {
  const settings = { env: { FLUME_SSL_TRUSTSTORE_PATH: '/nowhere/trust.jks' }, properties: new Map<string, string>() }
  const found = (endpoint: string): readonly string[] =>
    (http.check?.(valuesOf({ endpoint }) as never, settings) ?? []).map(({ option }) => option)
  assert.deepEqual(found('http://h/'), [])
  assert.deepEqual(found('https://h/'), ['endpoint'])
})

const findings: readonly [texts: Record<string, string>, found: readonly (readonly [string, string | undefined])[]][] =
  [
    [{ 'rollback.200': 'false', 'backoff.5XX': 'TRUE' }, []],
    [{ 'rollback.5xx': 'false' }, [['rollback.5xx', 'warning']]],
    [{ 'backoff.2000': 'false' }, [['backoff.2000', 'warning']]],
    [{ 'incrementMetrics.200': 'yes' }, [['incrementMetrics.200', 'warning']]],
    [{ contentTypeHeader: 'a\nb' }, [['contentTypeHeader', undefined]]],
    [{ endpoint: 'http://me:secret@h/' }, [['endpoint', 'warning']]],
  ]
for (const [texts, found] of findings) {
  test(`${JSON.stringify(texts)}: ${found.length === 0 ? 'nothing is wrong' : 'a finding'}`, () => {
    const problems = http.check?.(valuesOf({ endpoint: 'http://h/', ...texts }) as never) ?? []
    assert.deepEqual(
      problems.map(({ option, severity }) => [option, severity]),
      found,
    )
    assert.doesNotMatch(JSON.stringify(problems), /secret/)
  })
}

test('addresses and times that cannot be used are findings; defaults are Flume’s', () => {
  for (const endpoint of ['', 'h:80', 'ftp://h/', 'not a url'])
    assert.throws(() => readOptions(http, { endpoint }), /is not an http: or https: address/)
  for (const name of ['connectTimeout', 'requestTimeout'])
    for (const value of ['0', '-1']) assert.throws(() => readOptions(http, { endpoint: 'http://h/', [name]: value }))
  const { connectTimeout, requestTimeout, contentTypeHeader, acceptHeader } = readOptions(http, {
    endpoint: 'http://h/',
  })
  assert.deepEqual(
    [connectTimeout, requestTimeout, contentTypeHeader, acceptHeader],
    [5000, 5000, 'text/plain', 'text/plain'],
  )
  assert.equal(http.describe?.(valuesOf({ endpoint: 'https://u:p@h:8443/a/b?token=t' }) as never), 'https://h:8443/a/b')
})
