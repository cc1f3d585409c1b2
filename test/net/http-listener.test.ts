import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { describe, it } from 'node:test'
import { silentLogger } from '../../src/monitor/logger.ts'
import { HttpListener, type HttpListenerOptions, type HttpRequest } from '../../src/net/http-listener.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { RawClient } from '../support/rpc.ts'
import { until } from '../support/until.ts'

/** A listener that keeps requests and answers their bodies' lengths. */
async function listening(
  use: (port: number, requests: HttpRequest[], clock: ManualClock) => Promise<void>,
  more: Partial<HttpListenerOptions> = {},
): Promise<void> {
  const requests: HttpRequest[] = []
  const clock = new ManualClock(1_000_000)
  const listener = await HttpListener.open({
    host: '127.0.0.1',
    port: 0,
    clock,
    log: silentLogger,
    bodyBytesMax: 1_000_000,
    answer: async (request) => {
      requests.push({ ...request, body: Buffer.from(request.body) })
      return { status: 200, text: `${request.body.length}` }
    },
    ...more,
  })
  const stop = new AbortController()
  const closed = listener.closeOn(stop.signal)
  try {
    await use(listener.port, requests, clock)
  } finally {
    stop.abort()
    await closed
  }
}

const post = (body: string, ...lines: string[]): string =>
  [`POST /x HTTP/1.1`, 'Host: x', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n')

describe('an HTTP listener', () => {
  it('answers requests on one connection in their order, also when they come in one piece', () =>
    listening(async (port, requests) => {
      const client = await RawClient.connect(port)
      client.write(post('one') + post('') + post('three'))
      await until(() => client.text.split('HTTP/1.1').length === 4)
      assert.deepEqual(
        requests.map(({ body }) => body.toString()),
        ['one', '', 'three'],
      )
      assert.match(client.text, /\r\n\r\n3\nHTTP\/1\.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:16:40 GMT\r\n.*\r\n\r\n0\n/s)
      client.destroy()
    }))

  it('reads a request byte by byte', () =>
    listening(async (port, requests) => {
      const client = await RawClient.connect(port)
      client.socket.setNoDelay(true)
      for (const byte of post('hello', 'Content-Type: text/x')) {
        client.write(byte)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until(() => requests.length === 1)
      assert.deepEqual([requests[0]?.body.toString(), requests[0]?.contentType], ['hello', 'text/x'])
      client.destroy()
    }))

  it('serves a client of its own kind, plain and in chunks, on a kept connection', () =>
    listening(async (port, requests) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const large = 'x'.repeat(300_000)
      for (const isChunked of [false, true, false]) {
        const text = await new Promise<string>((resolve, reject) => {
          const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': large.length }
          const sent = request({ host: '127.0.0.1', port, method: 'POST', agent, headers }, (response) => {
            let body = ''
            response.on('data', (chunk) => {
              body += chunk
            })
            response.on('end', () => resolve(body))
          })
          sent.on('error', reject)
          sent.end(large)
        })
        assert.equal(text, '300000\n')
      }
      assert.equal(requests.length, 3)
      agent.destroy()
    }))

  it('says that a sender may go on that waits for it, and not when the body is too large', () =>
    listening(async (port, requests) => {
      const client = await RawClient.connect(port)
      client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
      await until(() => client.text === 'HTTP/1.1 100 Continue\r\n\r\n')
      client.write('ok')
      await until(() => requests.length === 1)
      client.destroy()
      const greedy = await RawClient.connect(port)
      greedy.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n')
      assert.match((await greedy.whenClosed()).toString(), /^HTTP\/1\.1 413 /)
    }))

  it('keeps the connection as both sides like, and says so', () =>
    listening(async (port) => {
      const closing = await RawClient.connect(port)
      closing.write(post('a', 'Connection: close') + post('b'))
      assert.match((await closing.whenClosed()).toString(), /\r\nConnection: close\r\n\r\n1\n$/)
      const old = await RawClient.connect(port)
      old.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n')
      const text = (await old.whenClosed()).toString()
      assert.deepEqual(text.match(/Connection: [\w-]+/g), ['Connection: keep-alive', 'Connection: close'])
    }))

  it('two lengths, folded lines and their like end the connection with 400: nobody may read them otherwise', () =>
    listening(async (port, requests) => {
      for (const line of ['Transfer-Encoding: chunked', 'Content-Length: 4', ' folded']) {
        const client = await RawClient.connect(port)
        client.write(post('abc', line) + post('smuggled'))
        assert.match((await client.whenClosed()).toString(), /^HTTP\/1\.1 400 .*\r\nConnection: close\r\n/s)
      }
      assert.equal(requests.length, 0)
    }))

  it('a connection without a request is closed after 30 s, headers have 30 s, a request a minute', () =>
    listening(async (port, _, clock) => {
      const idle = await RawClient.connect(port)
      await until(() => clock.timerCount === 1)
      await clock.advance(30_000)
      assert.equal((await idle.whenClosed()).length, 0)
      const slow = await RawClient.connect(port)
      // What begins in the same piece as the request before it has been read when that is answered.
      slow.write(`${post('x')}POST / HTTP/1.1\r\nHost`)
      await until(() => slow.text.endsWith('\r\n\r\n1\n'))
      await clock.advance(30_000)
      assert.match((await slow.whenClosed()).toString(), /\r\n\r\n1\nHTTP\/1\.1 408 /)
    }))

  it('the time an answer takes is nobody’s fault', async () => {
    let answering = false
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await listening(
      async (port, _, clock) => {
        const client = await RawClient.connect(port)
        client.write(post('x'))
        await until(() => answering)
        await clock.advance(300_000)
        release()
        await until(() => client.text.startsWith('HTTP/1.1 200'))
        client.destroy()
      },
      {
        answer: async () => {
          answering = true
          await held
          return { status: 200 }
        },
      },
    )
  })

  it('a stop lets the request under way be answered', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let answering = false
    let client: RawClient | undefined
    const done = listening(
      async (port) => {
        client = await RawClient.connect(port)
        client.write(post('x'))
        await until(() => answering)
        setImmediate(release)
      },
      {
        answer: async () => {
          answering = true
          await held
          return { status: 200, text: 'late' }
        },
      },
    )
    await done
    assert.match((await client?.whenClosed())?.toString() ?? '', /^HTTP\/1\.1 200 OK\r\n.*late\n$/s)
  })

  it('an answer that fails is 500, and the connection goes on', () =>
    listening(
      async (port) => {
        const client = await RawClient.connect(port)
        client.write(post('x') + post('y'))
        await until(() => client.text.split('HTTP/1.1 500').length === 3)
        client.destroy()
      },
      { answer: () => Promise.reject(new Error('a defect')) },
    ))
})
