import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { FlumeError } from '../../src/core/error.ts'
import { silentLogger } from '../../src/monitor/logger.ts'
import { PageServer } from '../../src/net/page-server.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { RawClient } from '../support/rpc.ts'

async function open(test: TestContext, log = silentLogger): Promise<PageServer> {
  const page = (path: string) => {
    if (path === '/broken') throw new Error('a defect')
    return path === '/a' ? { status: 200, contentType: 'text/plain', body: 'ä page\n' } : undefined
  }
  const server = await PageServer.open({ host: '127.0.0.1', port: 0, log, page })
  test.after(() => server.close())
  return server
}

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly connection: string | undefined
  readonly body: string
}

function ask(port: number, method: string, path: string, sent?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', method, path, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => {
        const { 'content-type': type, connection } = response.headers
        resolve({ status: response.statusCode ?? 0, type, connection, body })
      })
    })
    asked.on('error', reject)
    asked.end(sent)
  })
}

test('every method but TRACE and OPTIONS gets the page; other paths are 404 (O-01)', async (test) => {
  const { port } = await open(test)
  const cases: readonly [method: string, path: string, status: number, body: string][] = [
    ['GET', '/a', 200, 'ä page\n'],
    ['GET', '/a?x=1', 200, 'ä page\n'],
    ['POST', '/a', 200, 'ä page\n'],
    ['HEAD', '/a', 200, ''],
    ['OPTIONS', '/a', 403, ''],
    ['TRACE', '/a', 403, ''],
    ['OPTIONS', '/b', 403, ''],
    ['GET', '/b', 404, 'there is no such page\n'],
    ['GET', '/a/../a', 404, 'there is no such page\n'],
  ]
  for (const [method, path, status, body] of cases) {
    const answer = await ask(port, method, path)
    assert.deepEqual([answer.status, answer.body], [status, body], `${method} ${path}`)
  }
})

test('a body is not read, and the connection ends after the answer', async (test) => {
  const { port } = await open(test)
  const answer = await ask(port, 'POST', '/a', 'x'.repeat(1000))
  assert.deepEqual([answer.status, answer.connection], [200, 'close'])
})

test('a page that fails is a 500 that says nothing of why; the log does', async (test) => {
  const log = new RecordingLogger()
  const { port } = await open(test, log)
  const answer = await ask(port, 'GET', '/broken')
  assert.equal(answer.status, 500)
  assert.doesNotMatch(answer.body, /defect/)
  assert.deepEqual(log.lines, ['error: the page /broken failed: a defect'])
})

test('a header that is too long is refused', async (test) => {
  const { port } = await open(test)
  const client = await RawClient.connect(port)
  client.write(`GET /a HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(10_000)}\r\n\r\n`)
  assert.match((await client.whenClosed()).toString(), /^HTTP\/1\.1 431 /)
})

test('more connections than there may be are closed', async (test) => {
  const { port } = await open(test)
  const clients: RawClient[] = []
  for (let i = 0; i < 64; i++) clients.push(await RawClient.connect(port))
  const oneTooMany = await RawClient.connect(port)
  assert.equal((await oneTooMany.whenClosed()).length, 0)
  clients[0]?.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
  await clients[0]?.whenReceived(15)
  for (const client of clients) client.destroy()
})

test('a port that is taken rejects with what and where', async (test) => {
  const { port } = await open(test)
  await assert.rejects(
    PageServer.open({ host: '127.0.0.1', port, log: silentLogger, page: () => undefined }),
    (error) => error instanceof FlumeError && error.code === 'IO' && error.message.includes(`127.0.0.1:${port}`),
  )
})
