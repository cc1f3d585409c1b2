import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { components } from '../../../../src/agent/components.ts'
import type { Sink } from '../../../../src/agent/contract.ts'
import { kafkaSinkOver } from '../../../../src/agent/sink/kafka/index.ts'
import { FlumeError, RefusedEventsError } from '../../../../src/core/error.ts'
import { EventBatch } from '../../../../src/core/event-batch.ts'
import { KafkaError, kafkaCodes } from '../../../../src/net/kafka/errors.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'
import { loadText } from '../../../support/configurations.ts'
import { FakeKafka } from '../../../support/fake-kafka.ts'
import { readOptions } from '../../../support/read-options.ts'
import { RecordingLogger } from '../../../support/recording-logger.ts'
import { sinkContext } from '../../../support/sink-context.ts'

const nowMs = 1_700_000_000_000

interface Made {
  readonly sink: Sink
  readonly clock: ManualClock
  readonly log: RecordingLogger
  readonly counters: ReturnType<typeof sinkContext>['counters']
}

async function make(
  t: TestContext,
  kafka: FakeKafka,
  texts: Readonly<Record<string, string>> = {},
  producer: Readonly<Record<string, string>> = {},
): Promise<Made> {
  const spec = kafkaSinkOver(kafka.connect)
  const headers = Object.entries(texts).filter(([key]) => key.startsWith('header.'))
  const plain = Object.fromEntries(Object.entries(texts).filter(([key]) => !key.startsWith('header.')))
  const values = {
    ...readOptions(spec, { 'kafka.bootstrap.servers': 'broker:9092', 'kafka.topic': 't', ...plain }),
    'header.': Object.fromEntries(headers.map(([key, value]) => [key.slice('header.'.length), value])),
    'kafka.producer.': producer,
  }
  const clock = new ManualClock(nowMs)
  const log = new RecordingLogger()
  const context = sinkContext({ clock, log })
  const sink = (await spec.create(values as never, context)) as Sink
  t.after(() => sink.stop?.())
  return { sink, clock, log, counters: context.counters }
}

const events = (...list: readonly (readonly [body: string, headers?: Record<string, string>])[]): EventBatch =>
  EventBatch.of(list.map(([body, headers]) => ({ body, ...(headers ? { headers } : {}) })))

test('the body is the value, the header key the key, and the time is now (N-13)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink, counters } = await make(t, kafka)
  await sink.write(events(['a'], ['', { key: 'k', host: 'h' }]))
  assert.deepEqual(kafka.records('t'), [
    { partition: 0, key: undefined, value: 'a', headers: {}, timestamp: nowMs },
    { partition: 0, key: 'k', value: '', headers: {}, timestamp: nowMs },
  ])
  assert.ok('KafkaEventSendTimer' in counters.more)
})

test('with useFlumeEventFormat the value is the event as Avro, its headers included', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka, { useFlumeEventFormat: 'true' })
  await sink.write(events(['body', { a: 'b' }]))
  assert.equal(kafka.records('t')[0]?.value, '\u0002\u0002a\u0002b\u0000\bbody')
})

const topics: readonly (readonly [
  name: string,
  texts: Record<string, string>,
  headers: Record<string, string>,
  topic: string,
])[] = [
  ['the header topic wins over kafka.topic', {}, { topic: 'other' }, 'other'],
  ['the header may have another name', { topicHeader: 'to' }, { to: 'named', topic: 'other' }, 'named'],
  ['allowTopicOverride = false: the header is not looked at', { allowTopicOverride: 'false' }, { topic: 'other' }, 't'],
  ['%{header} stands for a header', { 'kafka.topic': 'logs-%{dc}' }, { dc: 'eu' }, 'logs-eu'],
  ['a missing header is the empty text', { 'kafka.topic': 'logs-%{dc}' }, {}, 'logs-'],
  [
    'letters stand for the time of the event',
    { 'kafka.topic': 'at-%Y' },
    { timestamp: String(Date.UTC(2024, 5, 15)) },
    'at-2024',
  ],
]
for (const [name, texts, headers, topic] of topics) {
  test(`the topic: ${name} (N-13)`, async (t) => {
    const kafka = new FakeKafka()
    kafka.autoCreate = 1
    const { sink } = await make(t, kafka, texts)
    await sink.write(events(['x', headers]))
    assert.equal(kafka.records(topic).length, 1)
  })
}

test('events of one batch go to several topics, each in its order', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1).createTopic('u', 1)
  const { sink } = await make(t, kafka)
  await sink.write(events(['1'], ['2', { topic: 'u' }], ['3'], ['4', { topic: 'u' }]))
  assert.deepEqual(
    [kafka.records('t'), kafka.records('u')].map((records) => records.map(({ value }) => value)),
    [
      ['1', '3'],
      ['2', '4'],
    ],
  )
  assert.deepEqual(kafka.produced, [2])
})

for (const topic of ['a b', '..', 'x'.repeat(250), 'a/b']) {
  test(`a topic that Kafka does not take (${topic.slice(0, 5)}) fails the batch with what is wrong`, async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { sink, counters } = await make(t, kafka)
    await assert.rejects(sink.write(events(['1'], ['2', { topic }])), {
      code: 'INVALID_DATA',
      message: /event 2 of the batch is for topic/,
    })
    assert.equal(kafka.records('t').length, 0)
    assert.equal(counters.more['RollbackCount'], 1)
  })
}

test('the partition: the header, else the default, else any for the whole batch (N-13)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 4)
  const { sink } = await make(t, kafka, { partitionIdHeader: 'p', defaultPartitionId: '2' })
  await sink.write(events(['a', { p: '3' }], ['b'], ['c', { p: '0' }]))
  assert.deepEqual(
    kafka.records('t').map(({ partition, value }) => `${value}${partition}`),
    ['c0', 'b2', 'a3'],
  )
})

test('without key and partition a batch goes to one partition, the next one to another', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 3)
  const { sink } = await make(t, kafka)
  for (let i = 0; i < 3; i++) await sink.write(events(['x'], ['y']))
  const counts = [0, 1, 2].map((number) => kafka.records('t').filter(({ partition }) => partition === number).length)
  assert.deepEqual(counts, [2, 2, 2])
})

test('a key always goes to the partition where Java’s producer puts it', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 10)
  const { sink } = await make(t, kafka)
  // What murmur2 of org.apache.kafka.common.utils.Utils gives, positive, modulo 10.
  await sink.write(events(['', { key: '21' }], ['', { key: 'foobar' }], ['', { key: 'a-little-bit-long-string' }]))
  const found = Object.fromEntries(kafka.records('t').map(({ key, partition }) => [key, partition]))
  const expected = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 }
  assert.deepEqual(
    found,
    Object.fromEntries(Object.entries(expected).map(([key, hash]) => [key, (hash & 0x7fffffff) % 10])),
  )
})

for (const value of ['one', '-1', '1.5', '']) {
  test(`a partition "${value}" fails the batch as in Flume`, async (t) => {
    const kafka = new FakeKafka().createTopic('t', 2)
    const { sink } = await make(t, kafka, { partitionIdHeader: 'p' })
    await assert.rejects(sink.write(events(['a', { p: value }])), {
      code: 'INVALID_DATA',
      message: /Non integer partition id specified/,
    })
    assert.deepEqual(kafka.records('t'), [])
  })
}

test('a partition that the topic has not is an error and nothing is sent', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 2)
  const { sink } = await make(t, kafka, { defaultPartitionId: '2' })
  await assert.rejects(sink.write(events(['a'])), { message: /for partition 2, and topic t has 2/ })
})

test('timestampHeader gives the time of the record; what is no time is warned of', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink, log } = await make(t, kafka, { timestampHeader: 'ts' })
  await sink.write(events(['a', { ts: '1234' }], ['b', { ts: 'soon' }], ['c']))
  assert.deepEqual(
    kafka.records('t').map(({ timestamp }) => timestamp),
    [1234, nowMs, nowMs],
  )
  assert.match(log.lines.join('\n'), /header ts holds no time/)
})

test('header.NAME writes event headers as record headers', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka, { 'header.host': 'from-host', 'header.missing': 'm' })
  await sink.write(events(['a', { host: 'hä' }], ['b']))
  assert.deepEqual(
    kafka.records('t').map(({ headers }) => headers),
    [{ 'from-host': 'hä' }, {}],
  )
})

test('a refused request is sent again, and a batch that arrived all the same is doubled at most (N-14)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink, clock } = await make(t, kafka)
  kafka.failNext('produce', new KafkaError(19, 't-0'), 2)
  const written = sink.write(events(['a']))
  await clock.advance(500)
  await written
  assert.deepEqual(
    kafka.records('t').map(({ value }) => value),
    ['a'],
  )
})

test('a cluster that does not answer gives the batch back after delivery.timeout.ms', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink, clock, counters } = await make(t, kafka, {}, { 'delivery.timeout.ms': '1000' })
  kafka.failNext('produce', new FlumeError('CONNECTION', 'gone', { retry: true }), 1000)
  const written = assert.rejects(sink.write(events(['a'])), { code: 'CONNECTION' })
  await clock.advance(1500)
  await written
  assert.equal(counters.more['RollbackCount'], 1)
})

test('a refusal that no second try can help is told at once', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka)
  kafka.failNext('produce', new KafkaError(kafkaCodes.topicAuthorizationFailed, 't-0'))
  await assert.rejects(sink.write(events(['a'])), { code: 'REFUSED', message: /may not use the topic/ })
})

test('an event above max.request.size is named, and nothing of its batch is sent', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka, {}, { 'max.request.size': '2048' })
  await assert.rejects(sink.write(events(['a'], ['x'.repeat(3000)])), {
    code: 'LIMIT',
    message: /event 2 of the batch is too large for Kafka: about 3032 bytes, and max.request.size is 2048/,
    events: [1],
  })
  assert.deepEqual(kafka.records('t'), [])
})

test('a batch above max.request.size goes in several, in order', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka, {}, { 'max.request.size': '2048' })
  const bodies = Array.from({ length: 10 }, (_, i) => `${i}`.padEnd(600, '.'))
  await sink.write(events(...bodies.map((body) => [body] as const)))
  assert.deepEqual(
    kafka.records('t').map(({ value }) => value),
    bodies,
  )
  assert.equal(kafka.produced.length, 5)
})

test('a topic that takes less than max.request.size gets smaller batches, down to the event that is too large', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.maxMessageBytes = 1000
  const { sink } = await make(t, kafka)
  const bodies = Array.from({ length: 8 }, (_, i) => `${i}`.padEnd(300, '.'))
  await sink.write(events(...bodies.map((body) => [body] as const)))
  assert.deepEqual(
    kafka.records('t').map(({ value }) => value),
    bodies,
  )
  await assert.rejects(sink.write(events(['small'], ['x'.repeat(1000)])), {
    code: 'LIMIT',
    message: /event 2 of the batch .* topic t takes no such record/,
    events: [1],
  })
})

test('what no event can be sent with is told by its place, so that the others can go on (deadLetter.channel)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka, { partitionIdHeader: 'p' })
  for (const bad of [{ topic: 'a b' }, { p: 'x' }, { p: '7' }]) {
    const batch = events(['good', { p: '0' }], ['bad', bad as Record<string, string>], ['good', { p: '0' }])
    await assert.rejects(
      sink.write(batch),
      (error) => error instanceof RefusedEventsError && error.events?.length === 1 && error.events[0] === 1,
      JSON.stringify(bad),
    )
  }
})

test('a topic that is missing is waited for, then given up', async (t) => {
  const kafka = new FakeKafka()
  const { sink, clock } = await make(t, kafka, {}, { 'max.block.ms': '1000' })
  const late = sink.write(events(['a']))
  await clock.advance(500)
  kafka.createTopic('t', 1)
  await clock.advance(200)
  await late
  const never = assert.rejects(sink.write(events(['a', { topic: 'gone' }])), {
    message: /topic gone: there is no such topic/,
  })
  await clock.advance(1500)
  await never
})

test('with transactional.id each batch is a transaction, given up when a part of it fails', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const { sink } = await make(t, kafka, { 'kafka.producer.acks': 'all' }, { 'transactional.id': 'tx' })
  await sink.write(events(['a']))
  kafka.failNext('produce', new KafkaError(kafkaCodes.topicAuthorizationFailed, 't-0'))
  await assert.rejects(sink.write(events(['b'])))
  await sink.write(events(['c']))
  assert.deepEqual(kafka.transactions, [
    'tx begun',
    'tx committed',
    'tx begun',
    'tx given up',
    'tx begun',
    'tx committed',
  ])
})

const head = `
a.sources = r
a.channels = c
a.sinks = k
a.channels.c.type = memory
a.sources.r.type = seq
a.sources.r.channels = c
a.sinks.k.type = org.apache.flume.sink.kafka.KafkaSink
a.sinks.k.channel = c
`

test('old names work, and keys that never did anything are said to', async () => {
  const { findings } = await loadText(
    `${head}a.sinks.k.brokerList = b:9092\na.sinks.k.topic = t\na.sinks.k.requiredAcks = -1\na.sinks.k.batchSize = 20\na.sinks.k.kafka.flumeBatchSize = 20\na.sinks.k.kafka.producer.linger.ms = 1\n`,
    { components },
  )
  assert.deepEqual(
    findings.filter(({ severity }) => severity !== 'note').map(({ message }) => message),
    [],
  )
  const said = findings.map(({ path, message }) => `${path} ${message}`).join('\n')
  for (const name of ['kafka.bootstrap.servers', 'kafka.topic', 'kafka.producer.acks', 'flumeBatchSize'])
    assert.match(said, new RegExp(`is the old name of ${name}`))
  assert.match(said, /linger\.ms has no effect: a batch goes as soon as it is there/)
})

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ['kafka.producer.acks = 2', /"2" is not one of all, -1, 1, 0/],
  ['kafka.producer.partitioner.class = com.example.P', /Java class and cannot be loaded/],
  ['kafka.producer.transactional.id = t1', /must be all with transactional\.id/],
  ['kafka.producer.compression.type = brotli', /not one of none, gzip, snappy, lz4, zstd/],
  ['kafka.topic = a b', /is no name that Kafka takes/],
  ['kafka.topic = on-%[fqdn]', /uses %\[fqdn\], which is not there for topics/],
]
for (const [text, message] of wrong) {
  test(`"${text}" is an error that says why`, async () => {
    const { findings } = await loadText(`${head}a.sinks.k.kafka.bootstrap.servers = b:9092\na.sinks.k.${text}\n`, {
      components,
    })
    const errors = findings.filter(({ severity }) => severity === 'error').map((finding) => finding.message)
    assert.match(errors.join('\n'), message)
  })
}
