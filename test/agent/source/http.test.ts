import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { describe, it } from 'node:test'
import type { SecureContextOptions } from 'node:tls'
import { deflateSync, gzipSync } from 'node:zlib'
import { http } from '../../../src/agent/source/http.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { askingTls, authority, keyStore, noSettings, serverTls } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import { FakeSourceContext, type FakeSourceContextOptions } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function serving(
  texts: Readonly<Record<string, string>>,
  use: (source: RunningSource) => Promise<void>,
  options: FakeSourceContextOptions = {},
): Promise<void> {
  const source = await startSource(http, texts, options)
  try {
    await use(source)
  } finally {
    await source.stop()
  }
}

/** A source that takes lines; `handler` are the options below `handler.`. */
async function lines(
  handler: Readonly<Record<string, string>>,
  use: (source: Pick<RunningSource, 'port' | 'context'>) => Promise<void>,
  options: FakeSourceContextOptions = {},
  texts: Readonly<Record<string, string>> = {},
): Promise<void> {
  const context = new FakeSourceContext(options)
  const values = {
    ...readOptions(http, { bind: '127.0.0.1', port: '0', handler: 'JSONLinesHandler', ...texts }),
    'handler.': handler,
  }
  const ended = (await http.create(values as never, context)).run()
  try {
    await use({ context, port: Number((await context.whenReady).split(':')[1]) })
  } finally {
    context.stop()
    await ended
  }
}

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly type?: string
  readonly body?: string | Buffer
  readonly tls?: SecureContextOptions
}

function send(
  port: number,
  { method = 'POST', path = '/', type, body = '', tls }: Sent,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-length': Buffer.byteLength(body),
      ...(type === undefined ? {} : { 'content-type': type }),
    }
    const ask = tls ? secureRequest : request
    const sent = ask({ host: '127.0.0.1', port, method, path, headers, agent: false, ...tls }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const two = '[{"headers":{"a":"1"},"body":"grün"},{"body":"two"}]'

describe('http source', () => {
  it('a list of events is one transaction and is answered 200 with nothing, on any path (S-110, S-114)', () =>
    serving({}, async ({ port, context }) => {
      assert.deepEqual(await send(port, { path: '/any/where?x=1', body: two }), { status: 200, text: '' })
      assert.deepEqual(context.events, [
        { headers: { a: '1' }, body: 'grün' },
        { headers: {}, body: 'two' },
      ])
      assert.equal(context.batches.length, 1)
      assert.equal(context.counters.appendBatchAccepted, 1)
      assert.equal((await send(port, { method: 'GET', body: '[]' })).status, 200)
      assert.equal(context.count, 2)
    }))

  const methods: readonly [method: string, status: number][] = [
    ['TRACE', 403],
    ['OPTIONS', 403],
    ['PUT', 405],
    ['DELETE', 405],
    ['HEAD', 500],
    ['PATCH', 501],
  ]
  for (const [method, status] of methods) {
    it(`${method} is answered ${status} (S-110)`, () =>
      serving({}, async ({ port, context }) => {
        assert.equal((await send(port, { method })).status, status)
        assert.equal(context.count, 0)
      }))
  }

  const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()
  const charsets: readonly [type: string | undefined, body: Buffer, hex: string][] = [
    ['application/json', Buffer.from('[{"body":"ü"}]'), 'c3bc'],
    ['text/plain', Buffer.from('[{"body":"ü"}]'), 'c3bc'],
    ['application/json; charset=UTF-8', Buffer.from('[{"body":"ü"}]'), 'c3bc'],
    ['application/json; charset="utf-16be"', utf16('[{"body":"ü"}]'), '00fc'],
    [
      'application/json;charset=utf-16',
      Buffer.concat([Buffer.from([0xfe, 0xff]), utf16('[{"body":"ü"}]')]),
      'feff00fc',
    ],
  ]
  for (const [type, body, hex] of charsets) {
    it(`the charset of the request is that of the bodies: ${type} (S-112)`, () =>
      serving({}, async ({ port, context }) => {
        assert.equal((await send(port, { ...(type ? { type } : {}), body })).status, 200)
        assert.equal(Buffer.from(context.batches[0]?.bodyAt(0) as Uint8Array).toString('hex'), hex)
      }))
  }

  const bad: readonly [body: string, status: number, type?: string][] = [
    ['{"body":"x"}', 400],
    ['[{', 400],
    ['', 500],
    ['null', 500],
    ['[null]', 500],
    ['[]', 500, 'application/json; charset=iso-8859-1'],
  ]
  for (const [body, status, type] of bad) {
    it(`"${body}" ${type ?? ''} is answered ${status} and counted as a failed read (S-112, S-113, S-116)`, () =>
      serving({}, async ({ port, context }) => {
        const answer = await send(port, { body, ...(type ? { type } : {}) })
        assert.equal(answer.status, status)
        assert.notEqual(answer.text, '')
        assert.equal(context.counters.eventReadFail, 1)
      }))
  }

  it('a full channel is answered 503, another failure 500; nothing is kept, and each is said (S-114, S-116)', async () => {
    const log = new RecordingLogger()
    await serving(
      {},
      async ({ port, context }) => {
        context.room = 1
        assert.equal((await send(port, { body: two })).status, 503)
        assert.equal(context.counters.channelWriteFail, 1)
        context.failure = new FlumeError('BATCH_TOO_LARGE', 'too large', { hint: 'send less' })
        assert.equal((await send(port, { body: two })).status, 503)
        context.failure = new Error('broken')
        assert.equal((await send(port, { body: two })).status, 500)
        assert.equal(context.counters.genericProcessingFail, 1)
        assert.equal(context.count, 0)
      },
      { log },
    )
    assert.deepEqual(log.lines, [
      'warn: refused a request of 2 events: no room in the channel',
      'warn: refused a request of 2 events: too large (send less)',
      'error: a delivery failed: broken',
    ])
  })

  it('the answer comes after the channel has the events', () =>
    serving({}, async ({ port, context }) => {
      const release = context.hold()
      let isAnswered = false
      const answer = send(port, { body: two }).then(({ status }) => {
        isAnswered = true
        return status
      })
      await until(() => context.pending === 1)
      assert.equal(isAnswered, false)
      release()
      assert.equal(await answer, 200)
    }))

  it('BLOBHandler: the body is one event, the first value of each parameter a header (S-115)', async () => {
    const context = new FakeSourceContext()
    const values = {
      ...readOptions(http, { bind: '127.0.0.1', port: '0', handler: 'org.apache.flume.source.http.BLOBHandler' }),
      'handler.': { mandatoryParameters: 'id, kind' },
    }
    const ended = (await http.create(values as never, context)).run()
    const port = Number((await context.whenReady).split(':')[1])
    const path = '/?id=1&kind=a%20b&id=2'
    assert.equal((await send(port, { path, body: Buffer.from([0, 0xff, 10]) })).status, 200)
    assert.deepEqual(context.batches[0]?.headersAt(0), { id: '1', kind: 'a b' })
    assert.equal(Buffer.from(context.batches[0]?.bodyAt(0) as Uint8Array).toString('hex'), '00ff0a')
    const missing = await send(port, { path: '/?id=1', body: 'x' })
    assert.deepEqual(missing, { status: 500, text: 'the parameter kind is missing\n' })
    const form = await send(port, { type: 'application/x-www-form-urlencoded', body: 'id=3&kind=c' })
    assert.equal(form.status, 200)
    assert.deepEqual(context.events[1], { headers: { id: '3', kind: 'c' }, body: 'id=3&kind=c' })
    context.stop()
    await ended
  })

  /** What Fluent Bit's `http` output sends with `format json_lines`, `header_tag fluent-tag` and `compress gzip`. */
  const fluentBit = (body: Buffer, ...more: readonly string[]): Buffer =>
    Buffer.concat([
      Buffer.from(
        [
          'POST /in HTTP/1.1',
          'Host: 127.0.0.1:8080',
          `Content-Length: ${body.length}`,
          'Content-Type: application/x-ndjson',
          'fluent-tag: cpu.local',
          'User-Agent: Fluent-Bit',
          ...more,
          '',
          '',
        ].join('\r\n'),
      ),
      body,
    ])
  const records = '{"date":1700000000.25,"log":"grün"}\n{"date":1700000001.5,"log":"two"}\n'

  for (const [what, body, more] of [
    ['as it is', Buffer.from(records), []],
    ['packed with gzip', gzipSync(records), ['Content-Encoding: gzip']],
    ['packed with deflate', deflateSync(records), ['Content-Encoding: deflate']],
    ['without a last newline', Buffer.from(records.trimEnd()), ['Content-Encoding: identity']],
  ] as const) {
    it(`JSONLinesHandler: what Fluent Bit sends as json_lines, ${what}, is an event a line with the headers that were chosen`, () =>
      lines({ headers: 'Fluent-Tag, X-None' }, async ({ port, context }) => {
        const client = await RawClient.connect(port)
        client.write(fluentBit(body, ...more))
        await context.whenDelivered(2)
        await until(() => client.text.startsWith('HTTP/1.1 200 OK\r\n'))
        client.destroy()
        const headers = { 'Fluent-Tag': 'cpu.local' }
        assert.deepEqual(
          context.events,
          records
            .trimEnd()
            .split('\n')
            .map((body) => ({ headers, body })),
        )
        assert.equal(context.batches.length, 1)
      }))
  }

  it('JSONLinesHandler: a request of more events than a transaction may have is delivered in several, in order', async () => {
    const all = Array.from({ length: 25 }, (_, i) => `{"n":${i}}`)
    await lines(
      {},
      async ({ port, context }) => {
        assert.equal((await send(port, { body: all.join('\n') })).status, 200)
        assert.deepEqual(
          context.batches.map(({ count }) => count),
          [10, 10, 5],
        )
        assert.deepEqual(
          context.events.map(({ body }) => body),
          all,
        )
        context.room = 10
        assert.equal((await send(port, { body: all.join('\n') })).status, 503)
      },
      { transactionCapacity: 10 },
    )
  })

  it('JSONLinesHandler: nothing is an answer of 200, what cannot be lines is refused, and the next request is taken', () =>
    lines({ headers: 'x-long' }, async ({ port, context }) => {
      assert.equal((await send(port, { body: '' })).status, 200)
      assert.equal((await send(port, { body: '\n\r\n' })).status, 200)
      assert.equal((await send(port, { body: 'x', type: 'application/x-ndjson; charset=UTF-16' })).status, 415)
      const refused: readonly (readonly [status: number, body: Buffer, header: string])[] = [
        [415, Buffer.from('x'), 'Content-Encoding: br'],
        [415, gzipSync('x'), 'Content-Encoding: gzip, gzip'],
        [400, Buffer.from('{"plain":1}'), 'Content-Encoding: gzip'],
        [400, gzipSync(records).subarray(0, -9), 'Content-Encoding: gzip'],
        [431, Buffer.from('x'), `X-Long: ${'y'.repeat(1025)}`],
        [413, Buffer.from('x\n'.repeat(1_000_001)), 'X-A: b'],
      ]
      for (const [status, body, header] of refused) {
        const client = await RawClient.connect(port)
        client.write(fluentBit(body, header))
        await until(() => client.text.includes('\r\n\r\n'))
        assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status} `), header)
        client.destroy()
      }
      assert.equal(context.count, 0)
      assert.equal((await send(port, { body: 'x' })).status, 200)
      assert.equal(context.count, 1)
    }))

  it('JSONLinesHandler: what unpacks to more than maxRequestBytes is 413, and costs no more than that', () =>
    lines(
      {},
      async ({ port, context }) => {
        const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024), { level: 9 })
        const before = process.memoryUsage().arrayBuffers
        const client = await RawClient.connect(port)
        client.write(fluentBit(bomb, 'Content-Encoding: gzip'))
        assert.match((await client.whenClosed()).toString(), /^HTTP\/1\.1 413 /)
        const grown = process.memoryUsage().arrayBuffers - before
        assert.ok(grown < 32 * 1024 * 1024, `${grown} bytes more`)
        assert.equal(context.count, 0)
      },
      {},
      { maxRequestBytes: String(1024 * 1024) },
    ))

  it('handler.headers names headers, and nothing else', () => {
    const read = readOptions(http, { port: '0', handler: 'JSONLinesHandler' })
    const values = { ...read, 'handler.': { headers: 'ok, not one, x:y' } }
    assert.deepEqual(
      http.check?.(values as never, noSettings).map(({ option, message }) => [option, /"(.*)"/.exec(message)?.[1]]),
      [
        ['handler.headers', 'not one'],
        ['handler.headers', 'x:y'],
      ],
    )
  })

  for (const [handler, keys, said] of [
    ['JSONHandler', { mandatoryParameters: 'id', maxBlobLength: '5' }, ['mandatoryParameters', 'maxBlobLength']],
    ['BLOBHandler', { mandatoryParameters: 'id', maxBlobLength: '5' }, []],
    ['JSONLinesHandler', { headers: 'id', header: 'id' }, ['header']],
  ] as const) {
    it(`${handler} says which settings it does not know`, () => {
      const values = { ...readOptions(http, { port: '0', handler }), 'handler.': keys }
      assert.deepEqual(
        http.check?.(values as never, noSettings).map(({ option, severity }) => `${severity} ${option}`),
        said.map((key) => `warning handler.${key}`),
      )
    })
  }

  it('the BlobHandler of the morphline module tells the type of the body, too; maxBlobLength refuses what it would cut (S-115)', async () => {
    const context = new FakeSourceContext()
    const handler = 'org.apache.flume.sink.solr.morphline.BlobHandler'
    const values = {
      ...readOptions(http, { bind: '127.0.0.1', port: '0', handler }),
      'handler.': { maxBlobLength: '5' },
    }
    const ended = (await http.create(values as never, context)).run()
    const port = Number((await context.whenReady).split(':')[1])
    assert.equal((await send(port, { path: '/?id=1', type: 'text/csv', body: '12345' })).status, 200)
    assert.equal((await send(port, { path: '/?id=1', body: '123456' })).status, 413)
    assert.deepEqual(context.events, [{ headers: { id: '1', 'Content-Type': 'text/csv' }, body: '12345' }])
    context.stop()
    await ended
    assert.deepEqual(
      http
        .check?.({ ...values, 'handler.': { maxBlobLength: 'much' } } as never, noSettings)
        .map(({ option }) => option),
      ['handler.maxBlobLength'],
    )
  })

  it('a body above maxRequestBytes is answered 413, announced or not, and the connection ends', () =>
    serving({ maxRequestBytes: '100' }, async ({ port, context }) => {
      const announced = await RawClient.connect(port)
      announced.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n')
      assert.match((await announced.whenClosed()).toString(), /^HTTP\/1\.1 413 /)
      const chunked = await RawClient.connect(port)
      chunked.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n${'x'.repeat(101)}\r\n`)
      assert.match((await chunked.whenClosed()).toString(), /^HTTP\/1\.1 413 /)
      assert.equal(context.count, 0)
      assert.equal((await send(port, { body: '[{"body":"fits"}]' })).status, 200)
    }))

  it('a flood of headers is answered 431', () =>
    serving({}, async ({ port }) => {
      const client = await RawClient.connect(port)
      client.write('POST / HTTP/1.1\r\nHost: x\r\n')
      for (let i = 0; i < 1000; i++) client.write(`x-${i}: ${'y'.repeat(50)}\r\n`)
      assert.match((await client.whenClosed()).toString(), /^HTTP\/1\.1 431 /)
    }))

  it('a request that is not all there after a minute is answered 408', async () => {
    const clock = new ManualClock()
    await serving(
      {},
      async ({ port }) => {
        const client = await RawClient.connect(port)
        client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\nslow')
        const goOn = 'HTTP/1.1 100 Continue\r\n\r\n'
        await until(() => client.text === goOn)
        await clock.advance(60_000)
        assert.match((await client.whenClosed()).toString().slice(goOn.length), /^HTTP\/1\.1 408 /)
      },
      { clock },
    )
  })

  it('what a refused sender says is not repeated to it raw', () =>
    serving({}, async ({ port }) => {
      const { text } = await send(port, { body: '[\u0007\u001b[31m' })
      assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f]/)
    }))

  it('a port in use makes the start fail, to be tried again', () =>
    serving({}, async ({ port }) => {
      const values = readOptions(http, { bind: '127.0.0.1', port: String(port) })
      const second = await http.create(values as never, new FakeSourceContext())
      await assert.rejects(second.run(), (error) => error instanceof FlumeError && error.code === 'IO' && error.retry)
    }))

  it('speaks HTTPS, and nothing else then', async () => {
    const log = new RecordingLogger()
    const clock = new ManualClock()
    await serving(
      serverTls,
      async ({ port, context }) => {
        assert.deepEqual(await send(port, { body: two, tls: { ca: authority } }), { status: 200, text: '' })
        assert.equal(context.count, 2)
        for (let i = 0; i < 3; i++) await assert.rejects(send(port, { body: two }))
        assert.equal(context.count, 2)
        await until(() => log.lines.length > 0)
        assert.equal(log.lines.length, 1)
        assert.match(log.lines[0] as string, /the TLS handshake failed: /)
      },
      { log, clock },
    )
  })

  for (const [name, texts] of [
    ['client-auth', askingTls],
    ["Jetty's needClientAuth", { ...serverTls, jetty: 'needClientAuth' }],
  ] as const) {
    it(`with ${name} takes requests only of those it trusts`, async () => {
      const { jetty, ...rest } = texts as Record<string, string>
      const context = new FakeSourceContext()
      const values = {
        ...readOptions(http, { bind: '127.0.0.1', port: '0', ...rest }),
        ...(jetty ? { 'SslContextFactory.': { [jetty]: 'true', trustStorePath: keyStore('ca.pem') } } : {}),
      }
      assert.deepEqual(http.check?.(values as never, noSettings), [])
      const source = await http.create(values as never, context)
      const running = source.run()
      const port = Number((await context.whenReady).split(':')[1])
      const identity = readFileSync(keyStore('server.pem'))
      const tls = { ca: authority, key: identity, cert: identity }
      assert.equal((await send(port, { body: two, tls })).status, 200)
      await assert.rejects(send(port, { body: two, tls: { ca: authority } }))
      assert.equal(context.count, 2)
      context.stop()
      await running
    })
  }

  it('another handler is an error, settings of Jetty are said to have no effect', () => {
    assert.throws(() => readOptions(http, { port: '0', handler: 'com.me.Handler' }), /JSONHandler/)
    const values = { ...readOptions(http, { port: '0' }), 'QueuedThreadPool.': { maxThreads: '5' } }
    assert.deepEqual(
      http.check?.(values as never).map(({ option, severity }) => [option, severity]),
      [['QueuedThreadPool.maxThreads', 'warning']],
    )
  })
})
