import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { memory } from '../../src/agent/channel/memory.ts'
import type { PulledSink, Sink } from '../../src/agent/contract.ts'
import { avro as avroSink } from '../../src/agent/sink/avro.ts'
import { sparkReceiver } from '../../src/agent/sink/spark-receiver.ts'
import { avro as avroSource } from '../../src/agent/source/avro.ts'
import { flumeSource } from '../../src/agent/source/flume-source/index.ts'
import { systemClock } from '../../src/core/clock.ts'
import { FlumeError } from '../../src/core/error.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { SparkSinkClient } from '../../src/net/avro-rpc/spark-client.ts'
import { channelContext } from '../support/channel-context.ts'
import { freePort } from '../support/free-port.ts'
import { readOptions } from '../support/read-options.ts'
import { startSource } from '../support/running-source.ts'
import { sinkContext } from '../support/sink-context.ts'
import { plainEvents } from '../support/source-context.ts'
import { startFlume, startSparkReceiver } from './peers.ts'

const two = EventBatch.of([{ body: 'first line', headers: { from: 'us' } }, { body: 'second line' }])

for (const version of ['1.9', '1.11'] as const) {
  test(`avro sinks of a real Flume ${version} deliver to the avro source and to FlumeSource, plain and deflated`, async () => {
    const receivers = [
      { source: await startSource(avroSource), deflate: false },
      { source: await startSource(avroSource, { 'compression-type': 'deflate' }), deflate: true },
      { source: await startSource(flumeSource), deflate: false },
      { source: await startSource(flumeSource), deflate: true },
    ]
    const port = await freePort()
    const numbers = receivers.map((_, i) => i)
    const sinks = receivers.map(
      ({ source, deflate }, i) => `
        a1.channels.c${i}.type = memory
        a1.sinks.k${i}.type = avro
        a1.sinks.k${i}.hostname = 127.0.0.1
        a1.sinks.k${i}.port = ${source.port}
        a1.sinks.k${i}.channel = c${i}
        ${deflate ? `a1.sinks.k${i}.compression-type = deflate` : ''}`,
    )
    await using _ = await startFlume({
      version,
      properties: `
        a1.sources = r1
        a1.channels = ${numbers.map((i) => `c${i}`).join(' ')}
        a1.sinks = ${numbers.map((i) => `k${i}`).join(' ')}
        a1.sources.r1.type = netcat
        a1.sources.r1.bind = 127.0.0.1
        a1.sources.r1.port = ${port}
        a1.sources.r1.channels = ${numbers.map((i) => `c${i}`).join(' ')}
        a1.sources.r1.interceptors = i1
        a1.sources.r1.interceptors.i1.type = static
        a1.sources.r1.interceptors.i1.key = dc
        a1.sources.r1.interceptors.i1.value = zh
        ${sinks.join('\n')}`,
    })
    connect(port, '127.0.0.1', function (this: import('node:net').Socket) {
      this.end('one\ntwo\n')
    })
    for (const { source } of receivers) {
      await source.context.whenDelivered(2)
      assert.deepEqual(source.context.events, [
        { headers: { dc: 'zh' }, body: 'one' },
        { headers: { dc: 'zh' }, body: 'two' },
      ])
    }
    for (const { source } of receivers) await source.stop()
  })

  test(`the avro sink delivers to avro sources of a real Flume ${version}, plain and deflated`, async () => {
    const [plain, deflate] = [await freePort(), await freePort()]
    await using flume = await startFlume({
      version,
      properties: `
        a1.sources = r1 r2
        a1.channels = c1
        a1.sinks = k1
        a1.sources.r1.type = avro
        a1.sources.r1.bind = 127.0.0.1
        a1.sources.r1.port = ${plain}
        a1.sources.r1.channels = c1
        a1.sources.r2.type = avro
        a1.sources.r2.bind = 127.0.0.1
        a1.sources.r2.port = ${deflate}
        a1.sources.r2.compression-type = deflate
        a1.sources.r2.channels = c1
        a1.channels.c1.type = memory
        a1.sinks.k1.type = logger
        a1.sinks.k1.channel = c1`,
    })
    for (const [port, texts] of [
      [plain, {}],
      [deflate, { 'compression-type': 'deflate' }],
    ] as const) {
      const values = readOptions(avroSink, { hostname: '127.0.0.1', port: String(port), ...texts })
      const sink = (await avroSink.create(values as never, sinkContext())) as Sink
      await sink.start?.()
      await sink.write(two)
      await flume.waitFor(/headers:\{from=us\} body: .* first line \}/)
      await sink.write(EventBatch.of([{ body: Buffer.alloc(300_000, 'large') }]))
      // Above the channel's transactionCapacity of 100 (S-02); the connection is made anew afterwards.
      await assert.rejects(
        sink.write(EventBatch.of(Array.from({ length: 101 }, () => ({ body: 'x' })))),
        (error) => error instanceof FlumeError && /answered FAILED/.test(error.message),
      )
      await sink.connect?.()
      await sink.write(EventBatch.of([{ body: `done ${port}` }]))
      await flume.waitFor(new RegExp(`done ${port}`))
      await sink.stop?.()
    }
  })
}

test('a real Spark 2.4 polls the spark-receiver', async () => {
  const channel = await memory.create(
    readOptions(memory, { capacity: '1000', transactionCapacity: '100' }) as never,
    channelContext(systemClock),
  )
  await channel.start?.()
  await channel.put(
    EventBatch.of(Array.from({ length: 25 }, (_, i) => ({ body: `event ${i}`, headers: { n: `${i}` } }))),
  )
  const port = await freePort()
  const values = readOptions(sparkReceiver, { hostname: '127.0.0.1', port: String(port) })
  const sink = (await sparkReceiver.create(values as never, sinkContext())) as PulledSink
  const stop = new AbortController()
  const served = sink.serve(channel, stop.signal)
  {
    const spark = await startSparkReceiver('poll', port)
    await using _ = spark.process
    const bodies = await spark.waitForBodies(25)
    assert.deepEqual(
      bodies,
      Array.from({ length: 25 }, (_, i) => `event ${i}`),
    )
    await channel.put(two)
    assert.deepEqual((await spark.waitForBodies(27)).slice(25), ['first line', 'second line'])
  }
  assert.equal(channel.size, 0)
  stop.abort()
  await served
  await channel.stop?.()
})

test('a real Spark 2.4 subscribes to a FlumeSource and gets what is typed from then on', async () => {
  const source = await startSource(flumeSource)
  const spark = await startSparkReceiver('poll', source.port)
  await using _ = spark.process
  const nc = connect(source.port, '127.0.0.1')
  // Spark says nowhere that it has subscribed: type until it has the first line.
  let typed = 0
  while (spark.bodies().length === 0) {
    nc.write(`line ${typed++}\n`)
    await systemClock.sleep(200)
  }
  const [first = ''] = spark.bodies()
  const from = Number(first.slice('line '.length))
  const wanted = Array.from({ length: typed - from }, (_, i) => `line ${from + i}`)
  assert.deepEqual(await spark.waitForBodies(wanted.length), wanted)
  assert.equal(source.context.count, typed)
  nc.destroy()
  await source.stop()
})

test('mode = push delivers to the listening receiver of a real Spark 2.4', async () => {
  const port = await freePort()
  const spark = await startSparkReceiver('push', port)
  await using _ = spark.process
  const values = readOptions(sparkReceiver, { mode: 'push', hostname: '127.0.0.1', port: String(port) })
  const sink = (await sparkReceiver.create(values as never, sinkContext())) as Sink
  await sink.start?.()
  await sink.write(two)
  await sink.write(two.slice(1))
  assert.deepEqual(await spark.waitForBodies(3), ['first line', 'second line', 'second line'])
  await sink.stop?.()
})

test("the Spark sink client pulls from Spark's own sink inside a real Flume 1.9", async () => {
  const [netcat, pull] = [await freePort(), await freePort()]
  await using _ = await startFlume({
    version: '1.9',
    properties: `
      a1.sources = r1
      a1.channels = c1
      a1.sinks = k1
      a1.sources.r1.type = netcat
      a1.sources.r1.bind = 127.0.0.1
      a1.sources.r1.port = ${netcat}
      a1.sources.r1.channels = c1
      a1.channels.c1.type = memory
      a1.sinks.k1.type = org.apache.spark.streaming.flume.sink.SparkSink
      a1.sinks.k1.hostname = 127.0.0.1
      a1.sinks.k1.port = ${pull}
      a1.sinks.k1.channel = c1`,
  })
  const client = await whenListening(pull)
  const nc = connect(netcat, '127.0.0.1')
  const waiting = client.getEventBatch(1)
  nc.write('one\ntwo\n')
  const first = await waiting
  assert.deepEqual(plainEvents(first.events), [{ headers: {}, body: 'one' }])
  await client.nack(first.sequenceNumber)
  // The refused event comes first again once the sink has rolled back, which it does after it has answered.
  const bodies: string[] = []
  while (bodies.length < 2) {
    const batch = await client.getEventBatch(10)
    bodies.push(...plainEvents(batch.events).map(({ body }) => body))
    await client.ack(batch.sequenceNumber)
  }
  assert.deepEqual(bodies.toSorted(), ['one', 'two'])
  nc.destroy()
  await client.close()
})

/** Flume says nowhere that a sink listens: try until it does. */
async function whenListening(port: number): Promise<SparkSinkClient> {
  for (let left = 100; ; left--) {
    try {
      return await SparkSinkClient.connect({ host: '127.0.0.1', port, clock: systemClock })
    } catch (error) {
      if (left === 0) throw error
      await systemClock.sleep(100)
    }
  }
}
