import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as zlib from 'node:zlib'
import { decodeRecords, keyTextAt, valueAt } from '../../../src/codec/kafka/record-batch.ts'
import { KafkaWriter } from '../../../src/codec/kafka/wire.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { KafkaCluster, KafkaSettings } from '../../../src/net/kafka/cluster.ts'
import { connectKafka } from '../../../src/net/kafka/platformatic.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { until } from '../../support/until.ts'

const settings = (...ports: readonly number[]): KafkaSettings => ({
  brokers: ports.map((port) => ({ host: '127.0.0.1', port })),
  clientId: 'test',
  connectTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  metadataMaxAgeMs: 60_000,
})

interface Answering {
  readonly port: number
  readonly sockets: Set<Socket>
  /** Requests that came, by their keys. */
  readonly asked: number[]
}

const apiVersions = 18
const metadata = 3
const fetchRequest = 1
const findCoordinator = 10

/** A broker that tells versions and topics (it has none), and answers nothing else. */
async function broker(t: TestContext, { versionMax = 20 } = {}): Promise<Answering> {
  const sockets = new Set<Socket>()
  const asked: number[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    let rest = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
        const request = rest.subarray(4, 4 + rest.readInt32BE(0))
        rest = rest.subarray(4 + request.length)
        const key = request.readInt16BE(0)
        asked.push(key)
        const answer = new KafkaWriter().int32(request.readInt32BE(4))
        if (key === apiVersions) {
          answer.int16(0).compactCount(70)
          for (let api = 0; api < 70; api++) answer.int16(api).int16(0).int16(versionMax).noTags()
          answer.int32(0).noTags()
        } else if (key === metadata) {
          const { port } = server.address() as AddressInfo
          answer.noTags().int32(0).compactCount(1)
          answer.int32(1).compactString('127.0.0.1').int32(port).compactString(undefined).noTags()
          answer.compactString(undefined).int32(1).compactCount(0).int32(0).noTags()
        } else continue
        const bytes = answer.finish()
        socket.write(Buffer.concat([new KafkaWriter().int32(bytes.length).finish(), bytes]))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets, asked }
}

async function connected(t: TestContext): Promise<KafkaCluster> {
  const { port } = await broker(t)
  const cluster = await connectKafka(settings(port), systemClock)
  t.after(() => cluster.close())
  return cluster
}

const fixture = new URL('../../../../test/fixture/kafka/record-batches.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Record<string, string>
const hasZstd = 'zstdCompressSync' in zlib

for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  for (const size of ['', ' large']) {
    test(`records that Java's client compressed are read: ${compression}${size}`, async (t) => {
      const cluster = await connected(t)
      const read = () =>
        decodeRecords(Buffer.from(recorded[`${compression}${size}`] as string, 'hex'), {
          from: 0,
          decompress: (how, bytes, max) => cluster.decompress(how, bytes, max),
          decompressedBytesMax: 1_000_000,
        })
      if (compression === 'zstd' && !hasZstd) {
        assert.throws(read, { code: 'UNSUPPORTED', hint: /Node 22.15 or later/ })
        return
      }
      const [columns] = read().slices
      assert.ok(columns)
      assert.equal(columns.count, size === '' ? 6 : 1200)
      assert.equal(keyTextAt(columns, 2), 'ä')
      assert.equal(valueAt(columns, 4)?.toString(), 'x')
    })
  }
}

for (const compression of ['gzip', 'snappy', 'lz4'] as const) {
  test(`what is packed with ${compression} is unpacked again, up to its limit`, async (t) => {
    const cluster = await connected(t)
    const bytes = Buffer.alloc(300_000, 'abc')
    const packed = cluster.compress(compression, bytes)
    assert.ok(packed.length < bytes.length / 5)
    assert.deepEqual(Buffer.from(cluster.decompress(compression, packed, 300_000)), bytes)
    assert.throws(() => cluster.decompress(compression, packed, 299_999), { code: 'LIMIT' })
  })
}

test('brokers that are too old are told so', async (t) => {
  const { port, sockets } = await broker(t, { versionMax: 3 })
  await assert.rejects(connectKafka(settings(port), systemClock), {
    code: 'UNSUPPORTED',
    hint: 'Kafka 3.0 or later is needed',
  })
  await until(() => sockets.size === 0)
})

test('a broker that is not there is named, and the next one of the list is asked', async (t) => {
  const closed = await freePort()
  await assert.rejects(connectKafka(settings(closed), systemClock), {
    code: 'CONNECTION',
    retry: true,
    message: new RegExp(`no connection to Kafka at 127.0.0.1:${closed}: .*ECONNREFUSED`),
  })
  const { port } = await broker(t)
  const cluster = await connectKafka(settings(closed, port), systemClock)
  await cluster.close()
})

test('an answer that does not come in time closes the connection, and the next request opens another', async (t) => {
  const clock = new ManualClock()
  const { port, sockets, asked } = await broker(t)
  const cluster = await connectKafka(settings(port), clock)
  t.after(() => cluster.close())
  const before = sockets.size
  const limits = { maxWaitMs: 500, minBytes: 1, maxBytes: 1000, readCommitted: false }
  const fetch = () => cluster.fetch(1, [{ topic: 't', partition: 0, offset: 0, maxBytes: 1000 }], limits)
  const late = assert.rejects(fetch(), { code: 'TIMEOUT', retry: true, message: /did not answer within 60500 ms/ })
  await until(() => asked.includes(fetchRequest))
  await clock.advance(60_499)
  assert.equal(sockets.size, before + 1)
  await clock.advance(1)
  await late
  await until(() => sockets.size === before)
  const again = assert.rejects(fetch(), { code: 'TIMEOUT' })
  await until(() => asked.filter((key) => key === fetchRequest).length === 2)
  await clock.advance(60_500)
  await again
})

test('a connection that ends under a request rejects it with CONNECTION', async (t) => {
  const { port, sockets, asked } = await broker(t)
  const cluster = await connectKafka(settings(port), systemClock)
  t.after(() => cluster.close())
  await assert.rejects(cluster.leaderOf({ topic: 't', partition: 0 }), { code: 'REFUSED', retry: true })
  const cut = assert.rejects(cluster.committed('g', [{ topic: 't', partition: 0 }]), {
    code: 'CONNECTION',
    retry: true,
  })
  await until(() => asked.includes(findCoordinator))
  for (const socket of sockets) socket.destroy()
  await cut
})

test('a closed cluster rejects CLOSED and leaves no connection', async (t) => {
  const { port, sockets } = await broker(t)
  const cluster = await connectKafka(settings(port), systemClock)
  await cluster.close()
  await cluster.close()
  await until(() => sockets.size === 0)
  await assert.rejects(cluster.everyTopic(), { code: 'CLOSED' })
})

test('without the package there is one clear error, with the line to type', async (t) => {
  const folder = await tempDir(t)
  const built = fileURLToPath(new URL('../../../src', import.meta.url))
  for (const room of ['core', 'codec', 'net', 'spec', 'monitor']) {
    await cp(join(built, room), join(folder, room), { recursive: true })
  }
  await cp(fileURLToPath(new URL('../../../../package.json', import.meta.url)), join(folder, 'package.json'))
  const module = pathToFileURL(join(folder, 'net/kafka/platformatic.js'))
  const script = `import('${module}').then(({ connectKafka }) => connectKafka({ brokers: [] })).catch(({ code, retry, message, hint }) => console.log(JSON.stringify({ code, retry, message, hint })))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.deepEqual(JSON.parse(stdout || JSON.stringify(stderr)), {
    code: 'INVALID_STATE',
    retry: false,
    message: 'Kafka needs the package @platformatic/kafka, which is not installed',
    hint: 'type: npm install @platformatic/kafka@1.35.0',
  })
})
