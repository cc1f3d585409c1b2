// Kafka's source and sink beside the client library's own ways, on one real broker: `npm run bench:kafka [-- --quick] [--json]`.
import { parseArgs } from 'node:util'
import { Connection, Consumer, fetchV12, Producer } from '@platformatic/kafka'
import type { Sink, SourceContext } from '../../src/agent/contract.ts'
import { kafkaSinkOver } from '../../src/agent/sink/kafka/index.ts'
import { kafkaSourceOver } from '../../src/agent/source/kafka.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { connectKafka } from '../../src/net/kafka/platformatic.ts'
import { Broker } from '../peers/kafka.ts'
import { readOptions } from '../support/read-options.ts'
import { sinkContext } from '../support/sink-context.ts'
import { FakeSourceContext } from '../support/source-context.ts'

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
})
const events = values.quick ? 5000 : 500_000
const bodyBytes = 200

interface Row {
  readonly name: string
  readonly eventsPerSecond: number
  readonly cpuMicrosPerEvent: number
}
const rows: Row[] = []

/** Runs a loop over so many events and notes what it took. */
async function timed(name: string, count: number, run: () => Promise<void>): Promise<void> {
  const cpuBefore = process.cpuUsage()
  const startedMs = systemClock.monotonic()
  await run()
  const tookMs = systemClock.monotonic() - startedMs
  const { user, system } = process.cpuUsage(cpuBefore)
  const row = { name, eventsPerSecond: (count / tookMs) * 1000, cpuMicrosPerEvent: (user + system) / count }
  rows.push(row)
  console.error(
    `bench: ${name}: ${Math.round(row.eventsPerSecond)} events/s, ${row.cpuMicrosPerEvent.toFixed(2)} CPU µs each`,
  )
}

const broker = await Broker.start()
try {
  for (const size of [100, 1000]) {
    await broker.createTopic(`lib-${size}`, 1)
    await broker.createTopic(`ours-${size}`, 1)
    await produceByLibrary(size)
    await produceByOurs(size)
  }
  await consumeByStream('lib-1000')
  await consumeByFetch('lib-1000')
  await consumeByOurs('lib-1000')
} finally {
  await broker.close()
}
if (values.json) console.log(JSON.stringify(rows))
else console.table(rows.map(({ name, ...row }) => ({ name, ...row })))

async function produceByLibrary(size: number): Promise<void> {
  const topic = `lib-${size}`
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [broker.servers] })
  const value = Buffer.alloc(bodyBytes, 97)
  await timed(`produce, the library's send, batches of ${size}`, events, async () => {
    for (let sent = 0; sent < events; sent += size) {
      await producer.send({ acks: -1, messages: Array.from({ length: size }, () => ({ topic, partition: 0, value })) })
    }
  })
  await producer.close()
}

async function produceByOurs(size: number): Promise<void> {
  const spec = kafkaSinkOver(connectKafka)
  const options = readOptions(spec, {
    'kafka.bootstrap.servers': broker.servers,
    'kafka.topic': `ours-${size}`,
    'kafka.producer.acks': 'all',
  })
  const sink = (await spec.create(options as never, sinkContext())) as Sink
  const batch = EventBatch.of(Array.from({ length: size }, () => ({ body: Buffer.alloc(bodyBytes, 97) })))
  await sink.start?.()
  await timed(`produce, our sink, batches of ${size}`, events, async () => {
    for (let sent = 0; sent < events; sent += size) await sink.write(batch)
  })
  await sink.stop?.()
}

async function consumeByStream(topic: string): Promise<void> {
  const consumer = new Consumer({
    clientId: 'bench',
    groupId: 'stream',
    bootstrapBrokers: [broker.servers],
    maxWaitTime: 100,
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  let seen = 0
  await timed("consume, the library's stream", events, async () => {
    for await (const _ of stream) if (++seen >= events) break
  })
  await consumer.close(true)
}

async function consumeByFetch(topic: string): Promise<void> {
  const [host, port] = broker.servers.split(':') as [string, string]
  const connection = new Connection('bench')
  await connection.connect(host, Number(port))
  await timed("consume, the library's fetch request", events, async () => {
    for (let seen = 0, offset = 0n; seen < events; ) {
      const partition = {
        partition: 0,
        currentLeaderEpoch: -1,
        fetchOffset: offset,
        lastFetchedEpoch: -1,
        partitionMaxBytes: 1 << 20,
      }
      const answer = await fetchV12.api.async(
        connection,
        100,
        1,
        1 << 24,
        0,
        0,
        -1,
        [{ topicId: topic, partitions: [partition] }],
        [],
        '',
      )
      for (const batch of answer.responses[0]?.partitions[0]?.records ?? []) {
        seen += batch.records.length
        offset = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
      }
    }
  })
  await connection.close()
}

async function consumeByOurs(topic: string): Promise<void> {
  const spec = kafkaSourceOver(connectKafka)
  const options = {
    ...readOptions(spec, { 'kafka.bootstrap.servers': broker.servers, 'kafka.topics': topic }),
    'kafka.consumer.': { 'auto.offset.reset': 'earliest' },
  }
  const stop = new AbortController()
  let seen = 0
  const fake = new FakeSourceContext()
  const context: SourceContext = {
    ...fake,
    name: 'r1',
    signal: stop.signal,
    ready: () => undefined,
    deliverEach: () => Promise.reject(new Error('not asked for')),
    deliver: async (batch) => {
      seen += batch.count
      if (seen >= events) stop.abort()
    },
  }
  const source = await spec.create(options as never, context)
  await timed('consume, our source, batches of 1000, headers and commits included', events, () => source.run())
}
