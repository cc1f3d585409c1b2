import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import { kafkaSourceOver } from '../../../src/agent/source/kafka.ts'
import { writeSeparateEvents } from '../../../src/codec/avro/events.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { KafkaError } from '../../../src/net/kafka/errors.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { loadText } from '../../support/configurations.ts'
import { FakeKafka } from '../../support/fake-kafka.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { FakeSourceContext } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

interface Running {
  readonly context: FakeSourceContext
  readonly clock: ManualClock
  readonly log: RecordingLogger
  readonly ended: Promise<void>
  /** Lets time pass until so many events were delivered. */
  delivered(count: number): Promise<void>
  stop(): Promise<void>
}

async function start(t: TestContext, kafka: FakeKafka, texts: Readonly<Record<string, string>> = {}): Promise<Running> {
  const spec = kafkaSourceOver(kafka.connect)
  const clock = new ManualClock(1_700_000_000_000)
  const log = new RecordingLogger()
  const context = new FakeSourceContext({ clock, log })
  const values = readOptions(spec, {
    'kafka.bootstrap.servers': 'broker:9092',
    'kafka.topics': 't',
  })
  Object.assign(values, below(texts))
  const source = await spec.create(values as never, context)
  const ended = source.run()
  ended.catch(() => undefined)
  const stop = async (): Promise<void> => {
    context.stop()
    for (let i = 0; i < 20; i++) await clock.advance(500)
    await ended.catch(() => undefined)
  }
  t.after(stop)
  const delivered = async (count: number): Promise<void> => {
    for (let i = 0; i < 40 && context.count < count; i++) await clock.advance(250)
    assert.ok(context.count >= count, `${context.count} of ${count} events came`)
    await clock.advance(0)
  }
  return { context, clock, log, ended, stop, delivered }
}

/** Texts of options, keys below a prefix gathered as the configuration does it. */
function below(texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const spec = kafkaSourceOver(new FakeKafka().connect)
  const plain: Record<string, string> = {}
  const gathered: Record<string, Record<string, string>> = {
    'kafka.consumer.': { 'auto.offset.reset': 'earliest' },
    'header.': {},
  }
  for (const [key, value] of Object.entries(texts)) {
    const prefix = Object.keys(gathered).find((stem) => key.startsWith(stem) && !(key in spec.options))
    if (prefix) (gathered[prefix] as Record<string, string>)[key.slice(prefix.length)] = value
    else plain[key] = value
  }
  const read = readOptions(spec, { 'kafka.bootstrap.servers': 'broker:9092', ...plain })
  return { ...Object.fromEntries(Object.keys(plain).map((key) => [key, read[key]])), ...gathered }
}

test('a record becomes an event with its time, topic, partition and offset, and its key where it has one (S-121)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, [
    { value: 'one', timestamp: 111 },
    { value: '', key: 'k1', timestamp: 222 },
  ])
  const { context, delivered } = await start(t, kafka)
  await delivered(2)
  assert.deepEqual(context.events, [
    { headers: { timestamp: '111', topic: 't', partition: '0', offset: '0' }, body: 'one' },
    { headers: { timestamp: '222', topic: 't', partition: '0', offset: '1', key: 'k1' }, body: '' },
  ])
})

test('headers of a Flume event stay, those that are missing are added, and the key always wins (S-121)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  const events = EventBatch.of([
    { headers: { timestamp: 'mine', key: 'old', host: 'h' }, body: 'a' },
    { headers: { partition: 'p' }, body: 'b' },
  ])
  const { bytes, starts, ends } = writeSeparateEvents(events)
  const valueAt = (i: number): Buffer => Buffer.from(bytes.subarray(starts[i], ends[i]))
  kafka.put('t', 0, [
    { value: valueAt(0), key: 'new', timestamp: 5 },
    { value: 'no event at all', timestamp: 6 },
    { value: valueAt(1), timestamp: 7 },
  ])
  const { context, log, delivered } = await start(t, kafka, { useFlumeEventFormat: 'true' })
  await delivered(2)
  assert.deepEqual(context.events, [
    { headers: { timestamp: 'mine', key: 'new', host: 'h', topic: 't', partition: '0', offset: '0' }, body: 'a' },
    { headers: { timestamp: '7', topic: 't', partition: 'p', offset: '2' }, body: 'b' },
  ])
  assert.match(log.lines.join('\n'), /offset 1 of t-0 is no Flume event and is left out/)
  await until(() => kafka.committed('flume', 't') === 3)
})

test('record headers are copied where they are asked for, and the topic header can be named or left out', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, [
    { value: 'x', timestamp: 1, headers: { trace: 'T1', other: 'o' } },
    { value: 'y', timestamp: 2 },
  ])
  const named = await start(t, kafka, { 'header.id': 'trace', topicHeader: 'from', 'kafka.consumer.group.id': 'g1' })
  await named.delivered(2)
  assert.deepEqual(
    named.context.events.map(({ headers }) => headers),
    [
      { timestamp: '1', id: 'T1', from: 't', partition: '0', offset: '0' },
      { timestamp: '2', from: 't', partition: '0', offset: '1' },
    ],
  )
  const without = await start(t, kafka, { setTopicHeader: 'false', 'kafka.consumer.group.id': 'g2' })
  await without.delivered(2)
  assert.deepEqual(Object.keys(without.context.events[0]?.headers ?? {}), ['timestamp', 'partition', 'offset'])
})

test('a batch ends at batchSize', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['1', '2', '3', '4', '5', '6', '7'])
  const { context, clock } = await start(t, kafka, { batchSize: '3' })
  await until(() => context.count === 6)
  await clock.advance(1000)
  assert.deepEqual(
    context.batches.map(({ count }) => count),
    [3, 3, 1],
  )
})

test('a batch that does not fill ends after batchDurationMillis (S-121)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['1'])
  const { context, clock } = await start(t, kafka, { batchDurationMillis: '2000' })
  await clock.advance(1000)
  kafka.put('t', 0, ['2'])
  await clock.advance(900)
  assert.equal(context.count, 0)
  await clock.advance(200)
  assert.deepEqual(
    context.batches.map(({ count }) => count),
    [2],
  )
  assert.equal(context.counters.more['KafkaEmptyCount'], 1)
})

test('offsets are committed only once the channel has the events', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['1', '2'])
  const { context, clock } = await start(t, kafka, { batchSize: '2' })
  const release = context.hold()
  await until(() => context.pending === 1)
  await clock.advance(100)
  assert.equal(kafka.committed('flume', 't'), undefined)
  release()
  await until(() => kafka.committed('flume', 't') === 2)
})

test('a batch that the channel refuses is kept and tried again, and then committed (S-121)', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['1', '2'])
  const { context, clock } = await start(t, kafka, { batchSize: '2' })
  context.failure = new FlumeError('CHANNEL_FULL', 'full', { retry: true })
  await until(() => context.counters.channelWriteFail === 1)
  await clock.advance(999)
  assert.equal(context.counters.channelWriteFail, 1)
  await clock.advance(1)
  assert.equal(context.counters.channelWriteFail, 2)
  await clock.advance(1999)
  assert.equal(context.counters.channelWriteFail, 2)
  context.failure = undefined
  await clock.advance(1)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['1', '2'],
  )
  await until(() => kafka.committed('flume', 't') === 2)
})

test('a second member takes over some partitions, and nothing is lost or read twice', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 2)
  kafka.put('t', 0, ['a0'])
  kafka.put('t', 1, ['b0'])
  const first = await start(t, kafka)
  await first.clock.advance(1000)
  assert.equal(first.context.count, 2)
  const second = await start(t, kafka)
  await until(() => kafka.group('flume').members.size === 2)
  for (let i = 0; i < 4; i++) for (const { clock } of [first, second]) await clock.advance(500)
  kafka.put('t', 0, ['a1', 'a2'])
  kafka.put('t', 1, ['b1', 'b2'])
  for (let i = 0; i < 4; i++) for (const { clock } of [first, second]) await clock.advance(500)
  const bodies = (running: Running): string[] => running.context.events.map(({ body }) => body)
  assert.deepEqual([...bodies(first), ...bodies(second)].sort(), ['a0', 'a1', 'a2', 'b0', 'b1', 'b2'])
  assert.equal(bodies(second).length, 2)
  await second.stop()
  for (let i = 0; i < 4; i++) await first.clock.advance(500)
  kafka.put('t', 0, ['a3'])
  kafka.put('t', 1, ['b3'])
  for (let i = 0; i < 4; i++) await first.clock.advance(500)
  assert.deepEqual(bodies(first).slice(-2).sort(), ['a3', 'b3'])
})

test('what the channel refuses while partitions are shared anew is left to their next reader', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['1', '2'])
  const { context, clock, log } = await start(t, kafka, { batchSize: '2' })
  context.failure = new FlumeError('CHANNEL_FULL', 'full', { retry: true })
  await until(() => context.counters.channelWriteFail === 1)
  kafka.evict('flume')
  await clock.advance(1000)
  await until(() => log.lines.some((line) => line.includes('read again by whom')))
  context.failure = undefined
  for (let i = 0; i < 8; i++) await clock.advance(500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['1', '2'],
  )
  assert.equal(kafka.committed('flume', 't'), 2)
})

test('a member that was thrown out while it delivered cannot commit, says so, and the events come again', async (t) => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['1'])
  const { context, clock, log } = await start(t, kafka, { batchSize: '1' })
  const release = context.hold()
  await until(() => context.pending === 1)
  kafka.evict('flume')
  release()
  for (let i = 0; i < 6; i++) await clock.advance(500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['1', '1'],
  )
  assert.match(log.lines.join('\n'), /were not committed, so these may come twice/)
  assert.equal(kafka.committed('flume', 't'), 1)
})

test('a pattern picks topics, new ones included, and wins over the list', async (t) => {
  const kafka = new FakeKafka().createTopic('logs-a').createTopic('other')
  kafka.put('logs-a', 0, ['a'])
  kafka.put('other', 0, ['o'])
  const { context, clock } = await start(t, kafka, {
    'kafka.topics': 'other',
    'kafka.topics.regex': 'logs-.*',
    'kafka.consumer.metadata.max.age.ms': '3000',
  })
  await clock.advance(1000)
  kafka.createTopic('logs-b')
  kafka.put('logs-b', 0, ['b'])
  for (let i = 0; i < 10; i++) await clock.advance(500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['a', 'b'],
  )
})

test('a topic that is made later is found, and read from where the group begins', async (t) => {
  const kafka = new FakeKafka()
  const { context, clock, log } = await start(t, kafka)
  await clock.advance(1000)
  assert.match(log.lines.join('\n'), /there is no topic t yet/)
  kafka.createTopic('t')
  kafka.put('t', 0, ['late'])
  for (let i = 0; i < 20; i++) await clock.advance(500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['late'],
  )
})

test('without an offset of the group reading begins at the end, unless auto.offset.reset says otherwise', async (t) => {
  const kafka = new FakeKafka().createTopic('t')
  kafka.put('t', 0, ['old'])
  const { context, clock } = await start(t, kafka, { 'kafka.consumer.auto.offset.reset': 'latest' })
  await clock.advance(1000)
  kafka.put('t', 0, ['new'])
  await clock.advance(1500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['new'],
  )
})

test('an offset that has expired is replaced as auto.offset.reset says, aloud', async (t) => {
  const kafka = new FakeKafka().createTopic('t')
  kafka.put('t', 0, ['0'])
  kafka.put('t', 0, ['1'])
  kafka.put('t', 0, ['2'])
  kafka.group('flume').committed.set('t-0', 0)
  kafka.expire('t', 0, 2)
  const { context, clock, log } = await start(t, kafka)
  for (let i = 0; i < 4; i++) await clock.advance(500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['2'],
  )
  assert.match(log.lines.join('\n'), /t-0 has no record at offset 0 .*goes on at 2 \(auto.offset.reset = earliest\)/)
})

test('auto.offset.reset = none without an offset ends the run with what to do', async (t) => {
  const kafka = new FakeKafka().createTopic('t')
  const { ended } = await start(t, kafka, { 'kafka.consumer.auto.offset.reset': 'none' })
  await assert.rejects(ended, { code: 'INVALID_STATE', message: /no offset for t-0, and auto.offset.reset is none/ })
  assert.equal(kafka.open, 0)
})

test('a fetch that fails is tried again after a pause, and nothing is lost', async (t) => {
  const kafka = new FakeKafka().createTopic('t')
  kafka.put('t', 0, ['1'])
  kafka.failNext('fetch', new FlumeError('CONNECTION', 'gone', { retry: true }), 2)
  const { context, clock, log } = await start(t, kafka)
  for (let i = 0; i < 12; i++) await clock.advance(500)
  assert.deepEqual(
    context.events.map(({ body }) => body),
    ['1'],
  )
  assert.match(log.lines.join('\n'), /reading failed, trying again: gone/)
})

test('a commit that fails is made good by the next one', async (t) => {
  const kafka = new FakeKafka().createTopic('t')
  kafka.put('t', 0, ['1'])
  kafka.failNext('commit', new KafkaError(-1, 'commit'))
  const { clock, log } = await start(t, kafka)
  await clock.advance(1500)
  assert.equal(kafka.committed('flume', 't'), undefined)
  assert.match(log.lines.join('\n'), /may come twice/)
  kafka.put('t', 0, ['2'])
  await clock.advance(1500)
  assert.equal(kafka.committed('flume', 't'), 2)
})

test('a stop leaves the group, commits what was delivered and closes the connection', async (t) => {
  const kafka = new FakeKafka().createTopic('t')
  kafka.put('t', 0, ['1'])
  const { delivered, stop } = await start(t, kafka)
  await delivered(1)
  await stop()
  assert.equal(kafka.open, 0)
  assert.equal(kafka.group('flume').members.size, 0)
  assert.equal(kafka.committed('flume', 't'), 1)
})

const head = `
a.sources = r
a.channels = c
a.sinks = k
a.channels.c.type = memory
a.channels.c.transactionCapacity = 1000
a.channels.c.capacity = 1000
a.sinks.k.type = null
a.sinks.k.channel = c
a.sources.r.channels = c
a.sources.r.type = org.apache.flume.source.kafka.KafkaSource
`

const load = (text: string) => loadText(text, { components })

test('old names work and say so; ZooKeeper is not asked', async () => {
  const { findings } = await load(
    `${head}a.sources.r.kafka.bootstrap.servers = b:9092\na.sources.r.topic = t\na.sources.r.groupId = g\na.sources.r.zookeeperConnect = z:2181\n`,
  )
  const said = findings.map(({ severity, path, message }) => `${severity} ${path} ${message}`)
  assert.deepEqual(
    said.filter((line) => line.startsWith('error')),
    [],
  )
  assert.ok(
    said.some((line) => /note .*topic is the old name of kafka.topics/.test(line)),
    said.join('\n'),
  )
  assert.ok(said.some((line) => /note .*groupId is the old name of kafka.consumer.group.id/.test(line)))
  assert.ok(said.some((line) => /warning .*zookeeperConnect has no effect: ZooKeeper is not asked/.test(line)))
})

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ['kafka.bootstrap.servers = b', /"b" is no list of brokers/],
  ['migrateZookeeperOffsets = true', /cannot be taken over from ZooKeeper/],
  ['kafka.topics.regex = (a', /kafka\.topics\.regex|"\(a"/],
  ['kafka.topics = ,', /names no topic/],
  ['kafka.consumer.auto.offset.reset = newest', /not one of earliest, latest, none/],
  ['kafka.consumer.security.protocol = SASL_PLAINTEXT', /Kerberos \(GSSAPI, the default\) is not there/],
  ['kafka.consumer.value.deserializer = com.example.Mine', /Java class and cannot be loaded/],
  [
    'kafka.consumer.partition.assignment.strategy = org.apache.kafka.clients.consumer.StickyAssignor',
    /only RangeAssignor and RoundRobinAssignor/,
  ],
  ['kafka.consumer.heartbeat.interval.ms = 20000', /not less than session.timeout.ms/],
  ['kafka.consumer.fetch.min.bytes = many', /not a whole number/],
]

for (const [text, message] of wrong) {
  test(`"${text}" is an error that says why`, async () => {
    const basics = ['kafka.bootstrap.servers = b:9092', 'kafka.topics = t'].filter(
      (line) => line.split(' ')[0] !== text.split(' ')[0],
    )
    const { findings } = await load(`${head}${[...basics, text].map((line) => `a.sources.r.${line}`).join('\n')}\n`)
    const errors = findings
      .filter(({ severity }) => severity === 'error')
      .map((finding) => `${finding.path} ${finding.message}`)
    assert.match(errors.join('\n'), message)
  })
}

test('keys of Java’s consumer that do nothing here are named, and a password is never shown', async () => {
  const { findings } = await load(
    `${head}a.sources.r.kafka.bootstrap.servers = b:9092\na.sources.r.kafka.topics = t\na.sources.r.kafka.consumer.max.poll.records = 5\na.sources.r.kafka.consumer.no.such.key = hush\na.sources.r.kafka.consumer.sasl.jaas.config = x required username="u" password="hush";\n`,
  )
  const said = findings.map(({ severity, path, message }) => `${severity} ${path} ${message}`).join('\n')
  assert.match(said, /note .*max\.poll\.records has no effect: batchSize/)
  assert.match(said, /warning .*no\.such\.key is not known here/)
  assert.match(said, /warning .*sasl\.jaas\.config has no effect: security\.protocol is PLAINTEXT/)
  assert.doesNotMatch(said, /hush/)
})
