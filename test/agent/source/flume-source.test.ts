import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { flumeSource } from '../../../src/agent/source/flume-source/index.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { FlumeClient } from '../../../src/net/avro-rpc/flume-client.ts'
import { SparkSinkClient } from '../../../src/net/avro-rpc/spark-client.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { authority, noSettings, serverTls } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { recordedRpc } from '../../support/recorded-rpc.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import { type FakeSourceContextOptions, plainEvents } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function running(
  use: (source: RunningSource) => Promise<void>,
  texts: Readonly<Record<string, string>> = {},
  options: FakeSourceContextOptions = {},
): Promise<void> {
  const source = await startSource(flumeSource, texts, options)
  try {
    await use(source)
  } finally {
    await source.stop()
  }
}

const bodies = (batch: EventBatch): string[] => plainEvents(batch).map(({ body }) => body)
const kept = ({ context }: RunningSource): string[] => context.events.map(({ body }) => body)
const subscriber = (port: number): Promise<SparkSinkClient> =>
  SparkSinkClient.connect({ host: '127.0.0.1', port, clock: systemClock })

/** Resolves once the client's first call is waiting for events: from then on it gets copies. */
async function subscribed(log: RecordingLogger): Promise<void> {
  await until(() => log.lines.some((line) => line.includes('subscribes')))
}

test('one port takes text, Avro and deflated Avro, told apart by their first bytes', () =>
  running(async (source) => {
    const { port, context } = source
    const nc = await RawClient.connect(port)
    nc.write('typed\n')
    await nc.whenReceived(3)
    assert.equal(nc.text, 'OK\n')
    for (const deflateLevel of [undefined, 6]) {
      const client = await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock, deflateLevel })
      assert.equal(await client.appendBatch(EventBatch.of([{ body: `sent ${deflateLevel}` }])), 'OK')
      await client.close()
    }
    nc.write('again\n')
    await nc.whenReceived(6)
    nc.destroy()
    assert.deepEqual(kept(source), ['typed', 'sent undefined', 'sent 6', 'again'])
    assert.equal(context.counters.appendBatchAccepted, 2)
  }))

for (const name of [
  'flume-1.9-avro-sink',
  'flume-1.11-avro-sink',
  'flume-1.9-avro-sink-deflate',
  'flume-1.11-avro-sink-deflate',
]) {
  test(`the recorded stream of ${name} is taken, in one piece or byte by byte`, () =>
    running(async (source) => {
      const stream = Buffer.concat(recordedRpc(name, 'client'))
      const whole = await RawClient.connect(source.port)
      whole.write(stream)
      await source.context.whenDelivered(2)
      const dripping = await RawClient.connect(source.port)
      dripping.socket.setNoDelay(true)
      for (const byte of stream) {
        await new Promise<void>((resolve) => dripping.socket.write(Buffer.from([byte]), () => resolve()))
        await new Promise((resolve) => setImmediate(resolve))
      }
      const each = name.startsWith('flume-1.9') ? 3 : 2
      await source.context.whenDelivered(2 * each)
      assert.deepEqual(kept(source).slice(0, 2), ['line one', 'line two'])
      whole.destroy()
      dripping.destroy()
    }))
}

test('lines of text may be longer than netcat lets them be, up to a limit of their own', () =>
  running(async (source) => {
    const client = await RawClient.connect(source.port)
    client.write(`${'x'.repeat(60_000)}\n`)
    await client.whenReceived(3)
    client.write('y'.repeat(65_536))
    const answer = 'OK\nFAILED: Event exceeds the maximum length (65536 bytes, including newline)\n'
    assert.equal((await client.whenClosed()).toString(), answer)
    assert.equal(source.context.count, 1)
  }))

test('text that is no UTF-8 is kept as its bytes', () =>
  running(async (source) => {
    const client = await RawClient.connect(source.port)
    client.write(Buffer.from([0xff, 0xfe, 0x0a]))
    await client.whenReceived(3)
    assert.deepEqual(plainEvents(source.context.batches[0] as EventBatch, 'hex'), [{ headers: {}, body: 'fffe' }])
    client.destroy()
  }))

test('a subscriber gets what is accepted from then on, whatever it came by, and not what was refused', () => {
  const log = new RecordingLogger()
  return running(
    async (source) => {
      const { port, context } = source
      const nc = await RawClient.connect(port)
      nc.write('before\n')
      await nc.whenReceived(3)
      const spark = await subscriber(port)
      const first = spark.getEventBatch(100)
      await subscribed(log)
      nc.write('after\n')
      const batch = await first
      assert.deepEqual(bodies(batch.events), ['after'])
      await spark.ack(batch.sequenceNumber)
      context.room = 1
      nc.write('kept\nrefused\n')
      assert.deepEqual(bodies((await spark.getEventBatch(100)).events), ['kept'])
      context.room = 10
      const client = await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock })
      await client.appendBatch(EventBatch.of([{ body: 'avro', headers: { a: 'b' } }]))
      assert.deepEqual(plainEvents((await spark.getEventBatch(100)).events), [{ headers: { a: 'b' }, body: 'avro' }])
      await Promise.all([client.close(), spark.close()])
      nc.destroy()
      assert.deepEqual(kept(source), ['before', 'after', 'kept', 'avro'])
    },
    {},
    { log },
  )
})

test('a batch that is refused, or not acknowledged in time, is offered again', async () => {
  const clock = new ManualClock()
  const log = new RecordingLogger()
  await running(
    async ({ port }) => {
      const spark = await subscriber(port)
      const waiting = spark.getEventBatch(2)
      await subscribed(log)
      const nc = await RawClient.connect(port)
      nc.write('1\n2\n3\n')
      const first = await waiting
      await spark.nack(first.sequenceNumber)
      const second = await spark.getEventBatch(2)
      assert.deepEqual(
        [bodies(first.events), bodies(second.events)],
        [
          ['1', '2'],
          ['1', '2'],
        ],
      )
      assert.notEqual(second.sequenceNumber, first.sequenceNumber)
      await clock.advance(5000)
      const third = await spark.getEventBatch(10)
      assert.deepEqual(bodies(third.events), ['1', '2'])
      // A late or unknown number is ignored.
      await spark.ack(second.sequenceNumber)
      await spark.ack('nonsense')
      await spark.ack(third.sequenceNumber)
      assert.deepEqual(bodies((await spark.getEventBatch(10)).events), ['3'])
      nc.destroy()
      await spark.close()
    },
    { 'subscriber.timeout': '5' },
    { clock, log },
  )
})

test('a subscriber that is slow loses copies, counted and logged, and holds nobody back', async () => {
  const log = new RecordingLogger()
  await running(
    async (source) => {
      const { context, port } = source
      const spark = await subscriber(port)
      const waiting = spark.getEventBatch(1)
      await subscribed(log)
      const nc = await RawClient.connect(port)
      nc.write('first\n')
      const first = await waiting
      // The batch lent counts as kept for it: of ten more, four fit beside it.
      nc.write(Array.from({ length: 10 }, (_, i) => `${i}\n`).join(''))
      await nc.whenReceived(33)
      assert.equal(context.count, 11)
      assert.equal(context.counters.subscriberDropped, 6)
      assert.equal(context.counters.dropped, 0)
      assert.equal(log.lines.filter((line) => line.includes('too slow')).length, 1)
      await spark.ack(first.sequenceNumber)
      assert.deepEqual(bodies((await spark.getEventBatch(100)).events), ['0', '1', '2', '3'])
      nc.destroy()
      await spark.close()
    },
    { 'subscriber.events': '5' },
    { log },
  )
})

test('the bytes kept for a subscriber are limited too', async () => {
  const log = new RecordingLogger()
  await running(
    async ({ context, port }) => {
      const spark = await subscriber(port)
      const waiting = spark.getEventBatch(100)
      await subscribed(log)
      const nc = await RawClient.connect(port)
      nc.write('a\n')
      await spark.ack((await waiting).sequenceNumber)
      nc.write(`${'x'.repeat(900)}\n`)
      await nc.whenReceived(6)
      nc.write(`${'y'.repeat(900)}\n`)
      await nc.whenReceived(9)
      assert.equal(context.counters.subscriberDropped, 1)
      assert.equal(bodies((await spark.getEventBatch(100)).events)[0]?.[0], 'x')
      nc.destroy()
      await spark.close()
    },
    { 'subscriber.bytes': '1000' },
    { log },
  )
})

test('a large batch is given to subscribers in pieces of what they ask for', async () => {
  const log = new RecordingLogger()
  await running(
    async ({ port }) => {
      const spark = await subscriber(port)
      const waiting = spark.getEventBatch(60)
      await subscribed(log)
      const client = await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock })
      await client.appendBatch(EventBatch.of(Array.from({ length: 150 }, (_, i) => ({ body: String(i) }))))
      const counts: number[] = []
      const got: string[] = []
      for (let batch = await waiting; ; batch = await spark.getEventBatch(60)) {
        await spark.ack(batch.sequenceNumber)
        counts.push(batch.events.count)
        got.push(...bodies(batch.events))
        if (got.length === 150) break
      }
      assert.deepEqual(counts, [60, 60, 30])
      assert.deepEqual(
        got,
        Array.from({ length: 150 }, (_, i) => String(i)),
      )
      await Promise.all([client.close(), spark.close()])
    },
    {},
    { log },
  )
})

test('a subscription ends with its connection, and another begins afresh', async () => {
  const log = new RecordingLogger()
  await running(
    async ({ port }) => {
      const first = await subscriber(port)
      const waiting = first.getEventBatch(1).catch(() => undefined)
      await subscribed(log)
      await first.close()
      await waiting
      await until(() => log.lines.some((line) => line.includes('has ended its subscription')))
      const nc = await RawClient.connect(port)
      nc.write('between\n')
      await nc.whenReceived(3)
      const second = await subscriber(port)
      const next = second.getEventBatch(10)
      await until(() => log.lines.filter((line) => line.includes('subscribes')).length === 2)
      nc.write('now\n')
      assert.deepEqual(bodies((await next).events), ['now'])
      nc.destroy()
      await second.close()
    },
    {},
    { log },
  )
})

test('lines typed on the terminal enter as if sent to the port; refusals and overlong lines are logged', async () => {
  const log = new RecordingLogger()
  const typed: { next?: (chunk: string) => void } = {}
  let returned = false
  const console: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((resolve) => {
          typed.next = (chunk) => resolve({ value: Buffer.from(chunk), done: false })
        }),
      return: async () => {
        returned = true
        return { value: undefined, done: true }
      },
    }),
  }
  const type = async (chunk: string): Promise<void> => {
    await until(() => typed.next !== undefined)
    const { next } = typed
    delete typed.next
    next?.(chunk)
  }
  await running(
    async (source) => {
      await type('one\ntw')
      await type('o\n')
      await source.context.whenDelivered(2)
      source.context.room = 0
      await type('refused\n')
      await until(() => log.lines.some((line) => line.includes('refused: no room')))
      source.context.room = 10
      await type('x'.repeat(100))
      await until(() => log.lines.some((line) => line.includes('above 50 bytes')))
      await type('three\n')
      await source.context.whenDelivered(3)
      assert.deepEqual(kept(source), ['one', 'two', 'three'])
    },
    { 'max-line-length': '50' },
    { log, console },
  )
  assert.equal(returned, true)
})

test('a stop ends every kind of connection, those that have said nothing included', async () => {
  const log = new RecordingLogger()
  const source = await startSource(flumeSource, {}, { log })
  const silent = await RawClient.connect(source.port)
  const nc = await RawClient.connect(source.port)
  nc.write('a\n')
  await nc.whenReceived(3)
  const spark = await subscriber(source.port)
  const waiting = spark.getEventBatch(1)
  await subscribed(log)
  await source.stop()
  assert.equal((await waiting).errorMessage, 'the subscription has ended')
  await Promise.all([silent.whenClosed(), nc.whenClosed()])
  await spark.close()
})

test('a peer that speaks TLS is turned away with a line in the log', async () => {
  const log = new RecordingLogger()
  await running(
    async ({ port }) => {
      const client = await RawClient.connect(port)
      client.write(Buffer.from('1603010200', 'hex'))
      await client.whenClosed()
      assert.ok(log.lines.some((line) => /the peer speaks TLS, and this source does not/.test(line)))
    },
    {},
    { log },
  )
})

test('ssl = true without a keystore is an error, not an open port', () => {
  const values = readOptions(flumeSource, { bind: 'x', port: '1', ssl: 'true' })
  const problems = flumeSource.check?.(values as never, noSettings) ?? []
  assert.deepEqual(
    problems.map(({ option, severity }) => [option, severity]),
    [['keystore', 'error']],
  )
})

test('lines, Avro clients and subscribers come over TLS as well', async () => {
  await running(async ({ port, context }) => {
    const socket = connect({ port, host: '127.0.0.1', ca: authority })
    socket.write('over TLS\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(answer.toString(), 'OK\n')
    assert.deepEqual(context.events, [{ headers: {}, body: 'over TLS' }])
    socket.destroy()
  }, serverTls)
})
