import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../../src/agent/channel/memory.ts'
import type { Channel, PulledSink, Sink } from '../../../src/agent/contract.ts'
import { sparkReceiver } from '../../../src/agent/sink/spark-receiver.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { flumeService } from '../../../src/net/avro-rpc/flume-service.ts'
import { SparkSinkClient } from '../../../src/net/avro-rpc/spark-client.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { channelContext } from '../../support/channel-context.ts'
import { freePort } from '../../support/free-port.ts'
import { readOptions } from '../../support/read-options.ts'
import { recordedRpc } from '../../support/recorded-rpc.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { listenRpc, RawClient } from '../../support/rpc.ts'
import { sinkContext } from '../../support/sink-context.ts'
import { type PlainEvent, plainEvents } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

interface Pulling {
  readonly channel: Channel
  readonly clock: ManualClock
  readonly port: number
  readonly log: RecordingLogger
  client(): Promise<SparkSinkClient>
  put(...bodies: string[]): Promise<void>
  /** Stops the sink; resolves when it has. */
  stop(): Promise<void>
}

async function pulling(
  use: (it: Pulling) => Promise<void>,
  texts: Readonly<Record<string, string>> = {},
  changed?: (channel: Channel) => Pick<Channel, 'take' | 'transactionCapacity'>,
): Promise<void> {
  const clock = new ManualClock()
  const log = new RecordingLogger()
  const channel = await memory.create(
    readOptions(memory, { 'keep-alive': '0', capacity: '1000', transactionCapacity: '100' }) as never,
    channelContext(clock),
  )
  await channel.start?.()
  const port = await freePort()
  const values = readOptions(sparkReceiver, { hostname: '127.0.0.1', port: String(port), ...texts })
  const sink = (await sparkReceiver.create(values as never, sinkContext({ clock, log }))) as PulledSink
  const stopping = new AbortController()
  const served = sink.serve(changed?.(channel) ?? channel, stopping.signal)
  await until(() => log.lines.some((line) => line.includes('serves Spark')))
  const clients: SparkSinkClient[] = []
  const it: Pulling = {
    channel,
    clock,
    port,
    log,
    client: async () => {
      const client = await SparkSinkClient.connect({ host: '127.0.0.1', port, clock: systemClock })
      clients.push(client)
      return client
    },
    put: (...bodies) => channel.put(EventBatch.of(bodies.map((body) => ({ body, headers: { h: 'v' } })))),
    stop: () => {
      stopping.abort()
      return served
    },
  }
  try {
    await use(it)
  } finally {
    for (const client of clients) await client.close()
    await it.stop()
    await channel.stop?.()
  }
}

const bodies = (events: EventBatch): string[] => plainEvents(events).map(({ body }) => body)

/** Moves time on until something is true: waits inside the sink and its channel are by the clock. */
async function advanceUntil(clock: ManualClock, condition: () => boolean): Promise<void> {
  await until(async () => {
    if (condition()) return true
    await clock.advance(50)
    return condition()
  })
}

test('a batch is at most what is asked, then what is there; an acknowledgement takes it out of the channel (3.1, 3.4)', () =>
  pulling(async ({ client, put, channel }) => {
    await put('a', 'b', 'c')
    const spark = await client()
    const first = await spark.getEventBatch(2)
    assert.deepEqual(plainEvents(first.events), [
      { headers: { h: 'v' }, body: 'a' },
      { headers: { h: 'v' }, body: 'b' },
    ])
    assert.equal(channel.size, 3)
    await spark.ack(first.sequenceNumber)
    assert.equal(channel.size, 1)
    const second = await spark.getEventBatch(100)
    assert.deepEqual(bodies(second.events), ['c'])
    await spark.ack(second.sequenceNumber)
    assert.equal(channel.size, 0)
  }))

test('numbers are eight characters of one start and a counter from 1 (3.2)', () =>
  pulling(async ({ client, put }) => {
    await put('a', 'b')
    const spark = await client()
    const numbers = [(await spark.getEventBatch(1)).sequenceNumber, (await spark.getEventBatch(1)).sequenceNumber]
    assert.match(numbers[0] as string, /^[A-Za-z0-9]{8}1$/)
    assert.equal(numbers[1], `${numbers[0]?.slice(0, 8)}2`)
  }))

test('a refused batch is back in order, ahead of newer ones (3.4)', () =>
  pulling(async ({ client, put, channel }) => {
    await put('a', 'b')
    const spark = await client()
    const first = await spark.getEventBatch(2)
    await put('c')
    await spark.nack(first.sequenceNumber)
    assert.equal(channel.size, 3)
    assert.deepEqual(bodies((await spark.getEventBatch(10)).events), ['a', 'b', 'c'])
  }))

test('a batch that nobody acknowledges is back after the time-out; its number is worth nothing then (3.4, 3.5)', () =>
  pulling(
    async ({ client, put, channel, clock, log }) => {
      await put('a')
      const spark = await client()
      const first = await spark.getEventBatch(1)
      await clock.advance(2000)
      await until(() => log.lines.some((line) => line.includes('not acknowledged within 2000 ms')))
      await spark.ack(first.sequenceNumber)
      assert.equal(channel.size, 1)
      const second = await spark.getEventBatch(1)
      await spark.ack(second.sequenceNumber)
      await spark.ack(second.sequenceNumber)
      await spark.nack('unknown')
      assert.equal(channel.size, 0)
    },
    { timeout: '2' },
  ))

test('an empty channel is looked into again and again until there is an event (3.1)', () =>
  pulling(
    async ({ client, put, clock }) => {
      const spark = await client()
      let answered = false
      const waiting = spark.getEventBatch(10).then((batch) => {
        answered = true
        return batch
      })
      await until(() => clock.timerCount > 0)
      await clock.advance(10_000)
      assert.equal(answered, false)
      await put('late')
      await advanceUntil(clock, () => answered)
      assert.deepEqual(bodies((await waiting).events), ['late'])
    },
    { backoffInterval: '50' },
  ))

test('takes overlap up to `threads`; the next call waits for one to end (3.6)', () =>
  pulling(
    async ({ client, put, clock }) => {
      await put('a', 'b', 'c')
      const [one, two, three] = await Promise.all([client(), client(), client()])
      const first = await one.getEventBatch(1)
      const second = await two.getEventBatch(1)
      assert.deepEqual([bodies(first.events), bodies(second.events)], [['a'], ['b']])
      let third: string[] | undefined
      const waiting = three.getEventBatch(1).then((batch) => {
        third = bodies(batch.events)
      })
      await clock.advance(1000)
      assert.equal(third, undefined)
      await one.ack(first.sequenceNumber)
      await advanceUntil(clock, () => third !== undefined)
      await waiting
      assert.deepEqual(third, ['c'])
      await two.ack(second.sequenceNumber)
    },
    { threads: '2' },
  ))

test("asking for more than the channel's transactionCapacity gives what one transaction holds", () =>
  pulling(async ({ client, put }) => {
    await put(...Array.from({ length: 100 }, (_, i) => String(i)))
    await put('more')
    const spark = await client()
    assert.equal((await spark.getEventBatch(1000)).events.count, 100)
  }))

test('a channel that fails is an error batch without number (3.3)', () =>
  pulling(
    async ({ client }) => {
      const spark = await client()
      const batch = await spark.getEventBatch(5)
      assert.deepEqual([batch.errorMessage, batch.sequenceNumber, batch.events.count], ['the disk is gone', '', 0])
      assert.equal(spark.usable, true)
    },
    {},
    () => ({ transactionCapacity: 10, take: () => Promise.reject(new FlumeError('IO', 'the disk is gone')) }),
  ))

test('a stop brings every batch back and answers who waits with an error batch (3.3)', () =>
  pulling(async ({ client, put, channel, clock, stop }) => {
    await put('a')
    const [one, two] = await Promise.all([client(), client()])
    await one.getEventBatch(1)
    const waiting = two.getEventBatch(1)
    await until(() => clock.timerCount > 1)
    await stop()
    assert.equal((await waiting).errorMessage, 'Spark sink has been stopped!')
    assert.equal(channel.size, 1)
    assert.deepEqual(await channel.take(10, async (batch) => bodies(batch)), ['a'])
  }))

test('events are not taken for a receiver that has hung up', () =>
  pulling(async ({ client, put, channel, clock }) => {
    const spark = await client()
    const failed = spark.getEventBatch(1).catch(() => 'gone')
    await until(() => clock.timerCount > 0)
    await spark.close()
    assert.equal(await failed, 'gone')
    await advanceUntil(clock, () => clock.timerCount === 0)
    await put('a')
    const next = await client()
    assert.deepEqual(bodies((await next.getEventBatch(1)).events), ['a'])
    assert.equal(channel.size, 1)
  }))

test("the recorded calls of Spark's polling receiver are answered with a batch and with null", () =>
  pulling(async ({ put, port, channel, clock }) => {
    await put('a')
    const [call = Buffer.alloc(0)] = recordedRpc('spark-2.4-poll', 'client')
    const spark = await RawClient.connect(port)
    spark.write(call)
    await advanceUntil(clock, () => spark.received.length > 12)
    // Handshake BOTH, metadata, no error, an empty errorMsg, the number, one event with one header, the end.
    const number = Buffer.from(spark.received.subarray(20, 29)).toString('hex')
    assert.equal(spark.received.subarray(12).toString('hex'), `0000000000000012${number}02020268027600026100`)
    assert.equal(channel.size, 1)
    spark.destroy()
  }))

async function pushSink(port: number, texts: Record<string, string> = {}): Promise<Sink> {
  const values = readOptions(sparkReceiver, { mode: 'push', hostname: '127.0.0.1', port: String(port), ...texts })
  return (await sparkReceiver.create(values as never, sinkContext())) as Sink
}

test("mode = push sends batches as the avro sink does, to the receiver of Spark's createStream", async () => {
  const got: PlainEvent[] = []
  const listener = await listenRpc({
    services: [
      flumeService({
        append: async () => 'UNKNOWN',
        appendBatch: async (batch) => {
          got.push(...plainEvents(batch))
          return 'OK'
        },
      }),
    ],
  })
  const sink = await pushSink(listener.port, { 'batch-size': '5' })
  assert.equal(sink.batchSize, 5)
  await sink.start?.()
  await sink.connect?.()
  await sink.write(EventBatch.of([{ body: 'a', headers: { k: 'v' } }]))
  assert.deepEqual(got, [{ headers: { k: 'v' }, body: 'a' }])
  await sink.stop?.()
  await listener.close()
})

test('mode = push needs a host; what belongs to the other mode is a warning; pull listens on every address when none is given', () => {
  const check = (texts: Record<string, string>): string[] =>
    (sparkReceiver.check?.(readOptions(sparkReceiver, { port: '1', ...texts }) as never) ?? []).map(
      ({ option }) => option,
    )
  assert.deepEqual(check({}), [])
  assert.deepEqual(check({ mode: 'push' }), ['hostname'])
  assert.deepEqual(check({ mode: 'push', hostname: 'h', threads: '3' }), ['threads'])
  assert.deepEqual(check({ 'compression-type': 'deflate', timeout: '5' }), ['compression-type'])
  assert.deepEqual(check({ mode: 'push', hostname: 'h', 'batch-size': '0' }), ['batch-size'])
  assert.equal(readOptions(sparkReceiver, { port: '1' }).hostname, '0.0.0.0')
})
