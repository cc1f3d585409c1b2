import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../../src/core/clock.ts'
import { FileSystemError } from '../../../src/net/hdfs/file-system.ts'
import { WebHdfs, type WebHdfsOptions } from '../../../src/net/hdfs/webhdfs.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { fileSystemContract } from '../../contract/file-system.ts'
import { FakeWebHdfs } from '../../support/fake-web-hdfs.ts'

for (const shape of ['with redirects', 'with locations in the body', 'without redirects'] as const) {
  fileSystemContract(`WebHDFS ${shape}`, async () => {
    const fake = await FakeWebHdfs.start()
    fake.locationInBody = shape === 'with locations in the body'
    fake.withoutRedirect = shape === 'without redirects'
    return { fileSystem: client(fake), root: '/data', stop: () => fake.stop() }
  })
}

describe('a WebHDFS client', () => {
  let fake: FakeWebHdfs
  let files: WebHdfs
  before(async () => {
    fake = await FakeWebHdfs.start()
  })
  beforeEach(() => {
    files = client(fake)
    fake.calls.length = 0
    fake.queries.length = 0
  })
  after(() => fake.stop())

  it('asks as its user, for another one when told to, and sends bytes as octets', async () => {
    await client(fake, { user: 'me & you', doAs: 'etl' }).create('/user', [Buffer.from('x')])
    for (const query of fake.queries) assert.match(query, /&user\.name=me%20%26%20you&doas=etl&/)
    assert.equal(fake.contentTypes.at(-1), 'application/octet-stream')
  })

  it('sends nothing to a data node before the name node has agreed', async () => {
    fake.put('/taken', 'x')
    await assert.rejects(files.create('/taken', [Buffer.from('y')]))
    assert.deepEqual(fake.calls, ['PUT CREATE /taken name'])
  })

  const answers = [
    { status: 403, exception: 'AlreadyBeingCreatedException', reason: 'leased', retry: true },
    { status: 403, exception: 'RecoveryInProgressException', reason: 'leased', retry: true },
    { status: 403, exception: 'StandbyException', reason: 'unreachable', retry: true },
    { status: 403, exception: 'AccessControlException', reason: 'denied', retry: false },
    { status: 404, exception: 'FileNotFoundException', reason: 'missing', retry: true },
    {
      status: 403,
      exception: 'IOException',
      message: 'org.apache…AlreadyBeingCreatedException: held',
      reason: 'leased',
      retry: true,
    },
    { status: 503, reason: 'unreachable', retry: true },
    { status: 429, reason: 'unreachable', retry: true },
    { status: 409, reason: 'other', retry: true },
    { status: 500, reason: 'other', retry: true },
    { status: 401, reason: 'denied', retry: false },
  ] as const
  for (const where of ['name', 'data'] as const) {
    for (const { reason, retry, ...fault } of answers) {
      const words = [fault.status, 'exception' in fault ? fault.exception : 'nothing more'].join(' with ')
      it(`takes ${words} from the ${where} node for ${reason}`, async () => {
        fake.put('/file', 'old')
        fake.fail('APPEND', where, { kind: 'status', ...fault })
        await assert.rejects(files.append('/file', [Buffer.from('new')], 3), (error: FileSystemError) => {
          assert.equal(error.reason, reason)
          assert.equal(error.retry, retry)
          assert.equal(error.untouched, where === 'name' || reason === 'missing')
          return true
        })
        assert.equal(fake.contentOf('/file'), 'old')
      })
    }
  }

  it('says so when a rename is answered with false, and why', async () => {
    fake.put('/from', 'x')
    fake.fail('RENAME', 'name', { kind: 'false' })
    await assert.rejects(files.rename('/from', '/to'), { reason: 'other' })
    await assert.rejects(files.rename('/from', '/no/folder'), { reason: 'other', hint: /target directory/ })
  })

  it('closes a file without an append where the server can cut files, and never cuts it', async () => {
    fake.put('/left', 'kept')
    assert.equal(await files.recover('/left'), true)
    fake.fail('TRUNCATE', 'name', { kind: 'status', status: 403, exception: 'RecoveryInProgressException' })
    assert.equal(await files.recover('/left'), false)
    // HttpFS does not say the exception's own name.
    const message = 'Cannot truncate to a larger file size. Current size: 4, truncate size: 9007199254740991.'
    fake.fail('TRUNCATE', 'name', { kind: 'status', status: 500, exception: 'RemoteException', message })
    assert.equal(await files.recover('/left'), true)
    assert.ok(fake.calls.every((call) => call.startsWith('POST TRUNCATE')))
    assert.equal(fake.contentOf('/left'), 'kept')
    await assert.rejects(files.recover('/nothing'), { reason: 'missing' })
  })

  it('closes a file by an empty append where the server cannot cut it', async () => {
    fake.put('/old', 'kept')
    for (const exception of ['IllegalArgumentException', 'UnsupportedOperationException']) {
      fake.fail('TRUNCATE', 'name', { kind: 'status', status: 400, exception })
      assert.equal(await files.recover('/old'), true)
      fake.fail('TRUNCATE', 'name', { kind: 'status', status: 400, exception })
      fake.fail('APPEND', 'data', { kind: 'status', status: 403, exception: 'AlreadyBeingCreatedException' })
      assert.equal(await files.recover('/old'), false)
    }
    assert.equal(fake.contentOf('/old'), 'kept')
  })

  it('says so when a directory is not made', async () => {
    fake.fail('MKDIRS', 'name', { kind: 'false' })
    await assert.rejects(files.mkdirs('/dir'), FileSystemError)
  })

  it('hands on that a truncation is still under way', async () => {
    fake.put('/cut', 'abc')
    fake.fail('TRUNCATE', 'name', { kind: 'false' })
    assert.equal(await files.truncate('/cut', 1), false)
    assert.equal(await files.truncate('/cut', 1), true)
  })

  for (const fault of [{ kind: 'torn', bytes: 2 }, { kind: 'lost' }] as const) {
    it(`never takes a ${fault.kind} append for a confirmed one`, async () => {
      fake.put('/file', 'old')
      fake.fail('APPEND', 'data', fault)
      await assert.rejects(files.append('/file', [Buffer.from('new')], 3), (error: FileSystemError) => {
        assert.equal(error.code, 'CONNECTION')
        assert.equal(error.retry, true)
        assert.equal(error.untouched, false)
        return true
      })
    })
  }

  it('gives up a call that is not answered in time', async () => {
    const clock = new ManualClock()
    fake.fail('GETFILESTATUS', 'name', { kind: 'hang' })
    const hung = new Promise<void>((resolve) => {
      fake.onHang = resolve
    })
    const call = client(fake, { clock, timeoutMs: 700 }).status('/x')
    const rejected = assert.rejects(call, { code: 'TIMEOUT', message: /did not answer within 700 ms/ })
    await hung
    await clock.advance(700)
    await rejected
  })

  it('asks the next name node when the first refuses, is down or stands by, and stays with it', async () => {
    fake.put('/file', 'x')
    const standby = await FakeWebHdfs.start()
    standby.chance = () => ({ kind: 'status', status: 403, exception: 'StandbyException' })
    const pair = client(fake, { nameNodes: ['http://127.0.0.1:1', standby.url, fake.url] })
    assert.equal((await pair.status('/file'))?.sizeBytes, 1)
    await pair.append('/file', [Buffer.from('y')], 1)
    assert.equal(standby.calls.length, 1)
    const stopped = client(fake, { nameNodes: [standby.url, fake.url] })
    await standby.stop()
    await stopped.append('/file', [Buffer.from('z')], 2)
    assert.equal(fake.contentOf('/file'), 'xyz')
  })

  it('finds the one in service also when many calls look for it at the same time', async (t) => {
    const [standby, active] = [await FakeWebHdfs.start(), await FakeWebHdfs.start()]
    t.after(() => Promise.all([standby.stop(), active.stop()]))
    standby.chance = () => ({ kind: 'status', status: 403, exception: 'StandbyException' })
    active.put('/file', 'x')
    const pair = client(fake, { nameNodes: [standby.url, active.url] })
    for (let round = 0; round < 3; round++) {
      const sizes = await Promise.all(Array.from({ length: 5 }, () => pair.status('/file')))
      assert.deepEqual(
        sizes.map((status) => status?.sizeBytes),
        [1, 1, 1, 1, 1],
      )
    }
    assert.equal(standby.calls.length, 5)
    await pair.close()
  })

  it('begins with the next name node after one that did not answer in time', async () => {
    const clock = new ManualClock()
    const hanging = await FakeWebHdfs.start()
    hanging.chance = () => ({ kind: 'hang' })
    const hung = new Promise<void>((resolve) => {
      hanging.onHang = resolve
    })
    fake.put('/file', 'x')
    const pair = client(fake, { nameNodes: [hanging.url, fake.url], clock, timeoutMs: 700 })
    const rejected = assert.rejects(pair.status('/file'), { code: 'TIMEOUT' })
    await hung
    await clock.advance(700)
    await rejected
    assert.equal((await pair.status('/file'))?.sizeBytes, 1)
    await hanging.stop()
  })

  it('speaks TLS with what the machine trusts (swebhdfs)', async (t) => {
    const folder = new URL('../../../../test/fixture/tls/', import.meta.url)
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(new URL(name, folder), 'utf8')) as [
      string,
      string,
    ]
    const secure = await FakeWebHdfs.start({ key, cert })
    t.after(() => secure.stop())
    await assert.rejects(client(secure).create('/secret', [Buffer.from('x')]), {
      code: 'CONNECTION',
      message: /self-signed certificate/,
      untouched: true,
    })
    assert.deepEqual(secure.paths, [])
    // What a process trusts is settled when it starts.
    const module = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href)
    const script = `
      import { WebHdfs } from ${module('net/hdfs/webhdfs.js')}
      import { systemClock } from ${module('core/clock.js')}
      const files = new WebHdfs({ nameNodes: ['${secure.url}'], user: 'x', timeoutMs: 60_000, clock: systemClock })
      await files.create('/secret', [Buffer.from('kept')])
      process.stdout.write(Buffer.from(await files.read('/secret', 0, 9)))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: fileURLToPath(new URL('cert.pem', folder)) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let printed = ''
    for await (const chunk of child.stdout) printed += chunk
    assert.equal(printed, 'kept')
    assert.equal(secure.contentOf('/secret'), 'kept')
  })

  it('follows no redirect to what is no web address', async () => {
    const odd = createServer((_, response) => response.writeHead(307, { Location: 'file:///etc/passwd' }).end())
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`
    await assert.rejects(client(fake, { nameNodes: [url] }).create('/x', []), { code: 'PROTOCOL' })
    odd.closeAllConnections()
    odd.close()
  })

  it('names every address when none answers, and that nothing was done', async () => {
    const nobody = client(fake, { nameNodes: ['http://127.0.0.1:1', 'http://127.0.0.1:2'], hint: 'is it running?' })
    await assert.rejects(nobody.create('/x', [Buffer.from('y')]), (error: FileSystemError) => {
      assert.match(error.message, /127\.0\.0\.1:1.*ECONNREFUSED.*127\.0\.0\.1:2.*ECONNREFUSED/)
      assert.equal(error.code, 'CONNECTION')
      assert.equal(error.hint, 'is it running?')
      return error.untouched && error.retry
    })
  })

  it('does not take some other web server for HDFS', async () => {
    fake.fail('GETFILESTATUS', 'name', { kind: 'false' })
    await assert.rejects(files.status('/x'), { code: 'PROTOCOL', hint: /HTTP address/ })
  })
})

function client(fake: FakeWebHdfs, more: Partial<WebHdfsOptions> = {}): WebHdfs {
  return new WebHdfs({ nameNodes: [fake.url], user: 'flume', timeoutMs: 60_000, clock: systemClock, ...more })
}
