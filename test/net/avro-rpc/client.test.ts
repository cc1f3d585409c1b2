import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../../src/codec/avro/binary.ts'
import { writeResult } from '../../../src/codec/avro/call.ts'
import { avroSourceProtocol, type Status, writeStatus } from '../../../src/codec/avro/flume.ts'
import { FrameDecoder, finishFrame, frameHeadBytes } from '../../../src/codec/avro/frame.ts'
import { type HandshakeMatch, readHandshakeRequest, writeHandshakeResponse } from '../../../src/codec/avro/handshake.ts'
import type { RpcProtocol } from '../../../src/codec/avro/protocol.ts'
import { sparkFlumeProtocol } from '../../../src/codec/sparksink.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { FlumeClient } from '../../../src/net/avro-rpc/flume-client.ts'
import { flumeService } from '../../../src/net/avro-rpc/flume-service.ts'
import { SparkSinkClient } from '../../../src/net/avro-rpc/spark-client.ts'
import { sparkService } from '../../../src/net/avro-rpc/spark-service.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { recordedRpc } from '../../support/recorded-rpc.ts'
import { listen, listenRpc } from '../../support/rpc.ts'
import { type PlainEvent, plainEvents } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

const host = '127.0.0.1'
const clock = systemClock
const two = EventBatch.of([{ body: 'one', headers: { host: 'é' } }, { body: 'two' }])

function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof FlumeError && error.code === code)
}

/** A server that answers a connection's first bytes with recorded ones, call by call. */
function replaying(name: string): Promise<{ port: number; close(): Promise<void>; asked: Buffer[] }> {
  const answers = recordedRpc(name, 'server')
  const asked: Buffer[] = []
  return listen({
    serve: async (wire) => {
      for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
        asked.push(chunk)
        wire.write(answers.shift() ?? Buffer.alloc(0))
      }
    },
  }).then((listener) => ({ port: listener.port, close: () => listener.close(), asked }))
}

for (const [name, deflateLevel] of [
  ['flume-1.9-avro-source', undefined],
  ['flume-1.9-avro-source-deflate', 6],
  ['flume-1.11-avro-source-deflate', 6],
  ['spark-2.4-push', undefined],
] as const) {
  test(`the recorded answer of ${name} is read as OK`, async () => {
    const server = await replaying(name)
    const client = await FlumeClient.connect({ host, port: server.port, clock, deflateLevel })
    assert.equal(await client.appendBatch(two), 'OK')
    await client.close()
    await server.close()
  })
}

test("the recorded answers of Spark's sink are read as batches; a refused batch comes again", async () => {
  const server = await replaying('flume-1.9-spark-sink')
  const client = await SparkSinkClient.connect({ host, port: server.port, clock })
  const first = await client.getEventBatch(1)
  assert.deepEqual(plainEvents(first.events), [{ headers: { dc: 'zürich' }, body: 'line one' }])
  assert.match(first.sequenceNumber, /^[0-9a-zA-Z]{8}1$/)
  assert.equal(first.errorMessage, '')
  await client.nack(first.sequenceNumber)
  const second = await client.getEventBatch(10)
  assert.deepEqual(
    plainEvents(second.events).map(({ body }) => body),
    ['line one', 'line two'],
  )
  await client.ack(second.sequenceNumber)
  // What is asked is what was recorded from the same calls.
  const recorded = recordedRpc('flume-1.9-spark-sink', 'client')
  assert.deepEqual(server.asked.slice(0, 3), recorded.slice(0, 3))
  await client.close()
  await server.close()
})

for (const deflateLevel of [undefined, 1, 9]) {
  test(`batches of many sizes arrive whole ${deflateLevel === undefined ? 'plain' : `at level ${deflateLevel}`}`, async () => {
    const got: PlainEvent[] = []
    const take = async (batch: EventBatch): Promise<Status> => {
      got.push(...plainEvents(batch))
      return 'OK'
    }
    const listener = await listenRpc({
      services: [flumeService({ append: take, appendBatch: take })],
      deflate: deflateLevel !== undefined,
    })
    const client = await FlumeClient.connect({ host, port: listener.port, clock, deflateLevel })
    const sent: PlainEvent[] = []
    for (const [count, size] of [
      [0, 0],
      [1, 0],
      [3, 10],
      [1000, 200],
      [2, 1_000_000],
    ] as const) {
      const batch = EventBatch.of(
        Array.from({ length: count }, (_, i) => ({ body: `${i}${'x'.repeat(size)}`, headers: { n: String(i) } })),
      )
      sent.push(...plainEvents(batch))
      assert.equal(await client.appendBatch(batch), 'OK')
    }
    assert.equal(await client.append(two, 1), 'OK')
    assert.deepEqual(got, [...sent, ...plainEvents(two.slice(1))])
    await client.close()
    await listener.close()
  })
}

interface Scripted {
  readonly match: HandshakeMatch
  readonly protocol: RpcProtocol
}

/** A server that answers handshakes by a script, and every call that is run with OK. */
async function scripted(
  script: Scripted[],
): Promise<{ port: number; close(): Promise<void>; declared: (string | undefined)[] }> {
  const declared: (string | undefined)[] = []
  const listener = await listen({
    serve: async (wire) => {
      const decoder = new FrameDecoder()
      for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
        decoder.push(chunk)
        for (let frame = decoder.next(); frame; frame = decoder.next()) {
          const step = script.shift()
          const writer = new AvroWriter(64, frameHeadBytes)
          if (step) {
            declared.push(readHandshakeRequest(new AvroReader(frame.payload)).clientProtocol)
            writeHandshakeResponse(writer, step.match, step.protocol)
          }
          if (step?.match !== 'NONE') {
            writeResult(writer)
            writeStatus(writer, 'OK')
          }
          wire.write(finishFrame(writer, frame.serial))
        }
      }
    },
  })
  return { port: listener.port, close: () => listener.close(), declared }
}

const elsewhere: RpcProtocol = {
  name: 'AvroSourceProtocol',
  text: avroSourceProtocol.text.replace('"doc":"', '"doc":"other '),
  hash: Buffer.alloc(16, 5),
}

test('NONE is followed by the same call with the protocol, then no handshake any more', async () => {
  const server = await scripted([
    { match: 'NONE', protocol: elsewhere },
    { match: 'BOTH', protocol: elsewhere },
  ])
  const client = await FlumeClient.connect({ host, port: server.port, clock })
  const statuses = await Promise.all([client.appendBatch(two), client.appendBatch(two), client.append(two)])
  assert.deepEqual(statuses, ['OK', 'OK', 'OK'])
  assert.deepEqual(server.declared, [undefined, avroSourceProtocol.text])
  await client.close()
  await server.close()
})

test('CLIENT brings the result and ends the handshakes', async () => {
  const server = await scripted([{ match: 'CLIENT', protocol: elsewhere }])
  const client = await FlumeClient.connect({ host, port: server.port, clock })
  assert.equal(await client.appendBatch(two), 'OK')
  assert.equal(await client.appendBatch(two), 'OK')
  assert.equal(server.declared.length, 1)
  await client.close()
  await server.close()
})

test('a server of another protocol is refused as UNSUPPORTED', async () => {
  const server = await scripted([{ match: 'NONE', protocol: sparkFlumeProtocol }])
  const client = await FlumeClient.connect({ host, port: server.port, clock })
  await rejects(client.appendBatch(two), 'UNSUPPORTED')
  assert.equal(client.usable, false)
  await client.close()
  await server.close()
})

test('a server that answers NONE again and again is given up', async () => {
  const server = await scripted(Array.from({ length: 5 }, () => ({ match: 'NONE' as const, protocol: elsewhere })))
  const client = await FlumeClient.connect({ host, port: server.port, clock })
  await rejects(client.appendBatch(two), 'PROTOCOL')
  assert.equal(server.declared.length, 2)
  await client.close()
  await server.close()
})

test("avsc's own server is called, with a full handshake", async () => {
  const service = avsc.Service.forProtocol({ ...JSON.parse(avroSourceProtocol.text), doc: 'another hash' })
  const got: string[] = []
  const server = service.createServer()
  server.onMessage(
    'appendBatch',
    (request: { events: { body: Buffer }[] }, done: (error: unknown, status: string) => void) => {
      got.push(...request.events.map(({ body }) => body.toString()))
      done(null, 'OK')
    },
  )
  const { createServer } = await import('node:net')
  const listener = createServer((socket) => void server.createChannel(socket))
  await new Promise<void>((resolve) => listener.listen(0, host, resolve))
  const { port } = listener.address() as { port: number }
  const client = await FlumeClient.connect({ host, port, clock })
  assert.equal(await client.appendBatch(two), 'OK')
  assert.equal(await client.appendBatch(two), 'OK')
  assert.deepEqual(got, ['one', 'two', 'one', 'two'])
  await client.close()
  await new Promise((resolve) => listener.close(resolve))
})

test("a call's error leaves the connection usable, with the server's words", async () => {
  const feed = {
    getEventBatch: async () => ({ errorMessage: 'empty', sequenceNumber: '', events: EventBatch.empty }),
    ack: async () => Promise.reject(new Error('the disk is full')),
    nack: async () => undefined,
  }
  const listener = await listenRpc({ services: [sparkService(feed)] })
  const client = await SparkSinkClient.connect({ host, port: listener.port, clock })
  await assert.rejects(client.ack('x1'), /the peer refused the call: the disk is full/)
  assert.equal(client.usable, true)
  assert.equal((await client.getEventBatch(1)).errorMessage, 'empty')
  await client.nack('x1')
  await client.close()
  await listener.close()
})

test('nobody listening is CONNECTION, to be tried again', async () => {
  const listener = await listen({ serve: async () => undefined })
  const { port } = listener
  await listener.close()
  await assert.rejects(
    FlumeClient.connect({ host, port, clock }),
    (error) => error instanceof FlumeError && error.code === 'CONNECTION' && error.retry,
  )
})

/** A server that takes everything and says nothing. */
const silent = (): Promise<Awaited<ReturnType<typeof listen>>> =>
  listen({
    serve: async (wire) => {
      for (let chunk = await wire.read(); chunk; chunk = await wire.read());
    },
  })

test('a first call may take the connect time-out and the request time-out together, later calls fail with it', async () => {
  const listener = await silent()
  const manual = new ManualClock()
  const client = await FlumeClient.connect({
    host,
    port: listener.port,
    clock: manual,
    connectTimeoutMs: 2000,
    requestTimeoutMs: 1000,
  })
  const first = client.appendBatch(two)
  const failed = rejects(first, 'TIMEOUT')
  await until(() => manual.timerCount === 1)
  await manual.advance(2999)
  assert.equal(client.usable, true)
  await manual.advance(1)
  await failed
  assert.equal(client.usable, false)
  await rejects(client.appendBatch(two), 'TIMEOUT')
  await listener.close()
})

test('the end of the connection fails the calls under way as CONNECTION', async () => {
  const listener = await listen({
    serve: async (wire) => {
      await wire.read()
      wire.destroy()
    },
  })
  const client = await FlumeClient.connect({ host, port: listener.port, clock })
  await rejects(client.appendBatch(two), 'CONNECTION')
  assert.equal(client.usable, false)
  await listener.close()
})

test('closing fails the calls under way as CLOSED, and is safe twice', async () => {
  const listener = await silent()
  const client = await SparkSinkClient.connect({ host, port: listener.port, clock })
  const failed = rejects(client.getEventBatch(5), 'CLOSED')
  await client.close()
  await client.close()
  await failed
  await listener.close()
})

test('an answer that makes no sense fails the call and closes the connection', async () => {
  const listener = await listen({
    serve: async (wire) => {
      await wire.read()
      wire.write(Buffer.from('0000000100000001000000040e000000', 'hex'))
      await wire.read()
    },
  })
  const client = await FlumeClient.connect({ host, port: listener.port, clock })
  await rejects(client.appendBatch(two), 'PROTOCOL')
  assert.equal(client.usable, false)
  await listener.close()
})

test('a plain server behind a deflating client shows as a broken stream', async () => {
  const listener = await listen({
    serve: async (wire) => {
      await wire.read()
      wire.write(Buffer.from('this is no zlib stream'))
      await wire.read()
    },
  })
  const client = await FlumeClient.connect({ host, port: listener.port, clock, deflateLevel: 6 })
  await rejects(client.appendBatch(two), 'CONNECTION')
  await client.close()
  await listener.close()
})
