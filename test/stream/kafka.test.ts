import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/monitor/logger.ts'
import { KafkaError } from '../../src/net/kafka/errors.ts'
import {
  ConsumerStrategies,
  type KafkaRDD,
  LocationStrategies,
  Milliseconds,
  OffsetRange,
  PerPartitionConfig,
  SparkConf,
  StreamingContext,
  TopicPartition,
} from '../../src/stream/api.ts'
import { kafkaUtilsOver } from '../../src/stream/kafka.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { FakeKafka } from '../support/fake-kafka.ts'
import { StreamBench } from '../support/stream-bench.ts'
import { tempDir } from '../support/temp-dir.ts'

const params = {
  'bootstrap.servers': 'b:9092',
  'group.id': 'g',
  'key.deserializer': 'org.apache.kafka.common.serialization.StringDeserializer',
  'value.deserializer': 'StringDeserializer',
  'auto.offset.reset': 'earliest',
  'enable.auto.commit': false,
}
const { PreferConsistent } = LocationStrategies

function direct(bench: StreamBench, kafka: FakeKafka, more: Record<string, unknown> = {}, config?: PerPartitionConfig) {
  const strategy = ConsumerStrategies.Subscribe<string, string>(['t'], { ...params, ...more })
  return kafkaUtilsOver(kafka.connect).createDirectStream(bench.ssc, PreferConsistent, strategy, config)
}

test('a batch holds what came since the last one, one partition for each of the topic (B74)', async () => {
  const kafka = new FakeKafka().createTopic('t', 2)
  kafka.put('t', 0, [{ value: 'a', key: 'k', timestamp: 5, headers: { h: 'x' } }])
  await using bench = new StreamBench()
  const stream = direct(bench, kafka)
  assert.equal(stream.name, 'Kafka 0.10 direct stream [0]')
  const seen = bench.watch(
    stream.map(({ topic, partition, offset, timestamp, key, value, headers }) => {
      return [
        topic,
        partition,
        offset,
        timestamp,
        key,
        value,
        headers.map(([name, bytes]) => `${name}=${Buffer.from(bytes ?? [])}`).join(),
      ].join(' ')
    }),
  )
  await bench.ssc.start()
  await bench.batches(1)
  kafka.put('t', 1, ['b', 'c'])
  await bench.batches(2)
  assert.deepEqual(seen, [
    { timeMs: 1000, items: ['t 0 0 5 k a h=x'], partitions: 2 },
    { timeMs: 2000, items: ['t 1 0 0  b ', 't 1 1 0  c '], partitions: 2 },
    { timeMs: 3000, items: [], partitions: 2 },
  ])
  const info = bench.completed[1]?.streamIdToInputInfo.get(0)
  assert.equal(info?.numRecords, 2)
  assert.equal(info?.metadata['Description'], 'topic: t\tpartition: 1\toffsets: 0 to 2')
})

test('the data set tells its ranges of offsets, and counts without reading', async () => {
  const kafka = new FakeKafka().createTopic('t', 2)
  kafka.put('t', 0, ['a', 'b'])
  await using bench = new StreamBench()
  const told: string[] = []
  direct(bench, kafka).foreachRDD(async (rdd) => {
    const { offsetRanges } = rdd as KafkaRDD<string, string>
    kafka.failNext('fetch', new Error('it was read'), 1)
    told.push(`${offsetRanges.join(' ')} ${await rdd.count()} ${await rdd.isEmpty()}`)
  })
  await bench.ssc.start()
  await bench.batches(1)
  assert.deepEqual(told, [
    "OffsetRange(topic: 't', partition: 0, range: [0 -> 2]) OffsetRange(topic: 't', partition: 1, range: [0 -> 0]) 2 false",
  ])
})

test('reading begins at the offsets given, else at those of the group, else as auto.offset.reset says', async () => {
  const kafka = new FakeKafka().createTopic('t', 3)
  for (const partition of [0, 1, 2]) kafka.put('t', partition, ['0', '1', '2'])
  kafka.group('g').committed.set('t-0', 1).set('t-1', 1)
  await using bench = new StreamBench()
  const offsets = new Map([[new TopicPartition('t', 0), 2]])
  const strategy = ConsumerStrategies.Subscribe<string, string>(
    ['t'],
    { ...params, 'auto.offset.reset': 'latest' },
    offsets,
  )
  const stream = kafkaUtilsOver(kafka.connect).createDirectStream(bench.ssc, PreferConsistent, strategy)
  const seen = bench.watch(stream.map(({ partition, value }) => `${partition}:${value}`))
  await bench.ssc.start()
  await bench.batches(1)
  assert.deepEqual(seen[0]?.items, ['0:2', '1:1', '1:2'])
})

test('auto.offset.reset = none without offsets fails the start, saying for which partitions', async () => {
  const kafka = new FakeKafka().createTopic('t', 1)
  await using bench = new StreamBench()
  bench.watch(direct(bench, kafka, { 'auto.offset.reset': 'none' }))
  const started = bench.ssc.start()
  await settle()
  await assert.rejects(
    Promise.all([started, bench.ssc.awaitTermination()]),
    /Undefined offset with no reset policy for partitions: \[t-0\]/,
  )
})

test('a coordinator that is not there at first is asked again', async () => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['a'])
  kafka.failNext('committed', new KafkaError(15, 'the coordinator of group g'), 2)
  await using bench = new StreamBench()
  const seen = bench.watch(direct(bench, kafka).map(({ value }) => value))
  const started = bench.ssc.start()
  await bench.clock.advance(200)
  await bench.clock.advance(200)
  await started
  await bench.batches(2)
  assert.deepEqual(
    seen.flatMap(({ items }) => items),
    ['a'],
  )
})

test('a pattern takes every topic whose whole name matches; new partitions are read from their beginning', async () => {
  const kafka = new FakeKafka().createTopic('logs-a', 1).createTopic('more-logs-a', 1)
  await using bench = new StreamBench()
  const strategy = ConsumerStrategies.SubscribePattern<string, string>(/logs-.*/, {
    ...params,
    'auto.offset.reset': 'latest',
    'metadata.max.age.ms': 1500,
  })
  const seen = bench.watch(
    kafkaUtilsOver(kafka.connect)
      .createDirectStream(bench.ssc, PreferConsistent, strategy)
      .map(({ topic, value }) => `${topic} ${value}`),
  )
  await bench.ssc.start()
  await bench.batches(1)
  kafka.put('logs-a', 0, ['1'])
  kafka.put('more-logs-a', 0, ['no'])
  kafka.createTopic('logs-b', 1)
  kafka.put('logs-b', 0, ['2'])
  await bench.batches(3)
  assert.deepEqual(seen.flatMap(({ items }) => items).sort(), ['logs-a 1', 'logs-b 2'])
})

test('Assign reads these partitions only', async () => {
  const kafka = new FakeKafka().createTopic('t', 2)
  kafka.put('t', 0, ['no'])
  kafka.put('t', 1, ['yes'])
  await using bench = new StreamBench()
  const strategy = ConsumerStrategies.Assign<string, string>([new TopicPartition('t', 1)], params)
  const seen = bench.watch(
    kafkaUtilsOver(kafka.connect)
      .createDirectStream(bench.ssc, PreferConsistent, strategy)
      .map(({ value }) => value),
  )
  await bench.ssc.start()
  await bench.batches(1)
  assert.deepEqual(seen, [{ timeMs: 1000, items: ['yes'], partitions: 1 }])
})

test('maxRatePerPartition bounds each partition of a batch; the rest comes later (B113)', async () => {
  const kafka = new FakeKafka().createTopic('t', 2)
  kafka.put('t', 0, ['0', '1', '2', '3', '4', '5', '6'])
  kafka.put('t', 1, ['x'])
  await using bench = new StreamBench({ batchMs: 2000, settings: { 'spark.streaming.kafka.maxRatePerPartition': '2' } })
  const seen = bench.watch(direct(bench, kafka).map(({ value }) => value))
  await bench.ssc.start()
  await bench.batches(3)
  assert.deepEqual(
    seen.map(({ items }) => items.join('')),
    ['0123x', '456', ''],
  )
})

test('a configuration of one’s own bounds single partitions', async () => {
  class Own extends PerPartitionConfig {
    override maxRatePerPartition({ partition }: TopicPartition): number {
      return partition === 0 ? 1 : 3
    }
  }
  const kafka = new FakeKafka().createTopic('t', 2)
  kafka.put('t', 0, ['a', 'b'])
  kafka.put('t', 1, ['1', '2', '3', '4'])
  await using bench = new StreamBench()
  const seen = bench.watch(direct(bench, kafka, {}, new Own()).map(({ value }) => value))
  await bench.ssc.start()
  await bench.batches(1)
  assert.deepEqual(seen[0]?.items, ['a', '1', '2', '3'])
})

test('back-pressure begins with initialRate, shared by lag, at least minRatePerPartition (B113)', async () => {
  const kafka = new FakeKafka().createTopic('t', 3)
  kafka.put(
    't',
    0,
    Array.from({ length: 90 }, (_, i) => `a${i}`),
  )
  kafka.put(
    't',
    1,
    Array.from({ length: 10 }, (_, i) => `b${i}`),
  )
  await using bench = new StreamBench({
    settings: {
      'spark.streaming.backpressure.enabled': 'true',
      'spark.streaming.backpressure.initialRate': '20',
      'spark.streaming.kafka.minRatePerPartition': '3',
    },
  })
  const ranges: string[] = []
  direct(bench, kafka).foreachRDD((rdd) => {
    ranges.push((rdd as KafkaRDD<string, string>).offsetRanges.map((range) => range.count()).join())
  })
  await bench.ssc.start()
  await bench.batches(1)
  assert.equal(ranges[0], '18,3,0')
})

test('commitAsync sends the highest offsets with the next batch, and at the stop', async () => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['a'])
  const calls: string[] = []
  {
    await using bench = new StreamBench()
    const stream = direct(bench, kafka)
    stream.foreachRDD((rdd) => {
      const { offsetRanges } = rdd as KafkaRDD<string, string>
      stream.commitAsync(offsetRanges, (offsets, error) => calls.push(`${[...offsets]} ${error}`))
    })
    await bench.ssc.start()
    await bench.batches(1)
    assert.equal(kafka.committed('g', 't'), undefined)
    kafka.put('t', 0, ['b'])
    await bench.batches(1)
    assert.equal(kafka.committed('g', 't'), 1)
    assert.deepEqual(calls, ['t-0,1 null'])
  }
  assert.equal(kafka.committed('g', 't'), 2)
})

test('a commit that is refused tells its callback, and the stream goes on', async () => {
  const kafka = new FakeKafka().createTopic('t', 1)
  await using bench = new StreamBench()
  const stream = direct(bench, kafka)
  const errors: string[] = []
  stream.foreachRDD(() => undefined)
  await bench.ssc.start()
  await bench.batches(1)
  kafka.failNext('commit', new KafkaError(30, 'group g'))
  stream.commitAsync([OffsetRange.create('t', 0, 0, 5)], (_, error) => errors.push(String(error?.message)))
  await bench.batches(2)
  assert.match(errors.join(), /may not use the group/)
})

test('after a crash a batch that was not complete has the same records, and the next goes on behind it (B135, B136)', async (t) => {
  const folder = await tempDir(t)
  const kafka = new FakeKafka().createTopic('t', 1)
  const clock = new ManualClock(0)
  const seen: string[] = []
  let fails = true
  const start = async (directory: string): Promise<StreamingContext> => {
    const ssc = await StreamingContext.getOrCreate(directory, () => {
      const conf = new SparkConf(false).setAppName('job').setMaster('local[2]')
      const made = new StreamingContext(conf, Milliseconds(1000), { clock, logger: silentLogger })
      made.checkpoint(directory)
      const strategy = ConsumerStrategies.Subscribe<string, string>(['t'], params)
      kafkaUtilsOver(kafka.connect)
        .createDirectStream(made, PreferConsistent, strategy)
        .map(({ value }) => value)
        .foreachRDD(async (rdd, time) => {
          if (fails && time.milliseconds === 2000) throw new Error('down')
          seen.push(`${time.milliseconds}:${(await rdd.collect()).join('')}`)
        })
      return made
    })
    ssc.awaitTermination().catch(() => undefined)
    await ssc.start()
    await ssc.settled()
    return ssc
  }
  const batches = async (ssc: StreamingContext, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await clock.advance(1000)
      await settle()
      await ssc.settled()
    }
  }
  const stop = async (ssc: StreamingContext): Promise<void> => {
    const stopping = ssc.stop()
    await settle()
    await clock.advance(0)
    await stopping
  }
  const first = await start(join(folder, 'one'))
  kafka.put('t', 0, ['a', 'b'])
  await batches(first, 1)
  kafka.put('t', 0, ['c', 'd'])
  await batches(first, 1)
  await cp(join(folder, 'one'), join(folder, 'two'), { recursive: true })
  await stop(first)
  fails = false
  kafka.put('t', 0, ['e'])
  const second = await start(join(folder, 'two'))
  await batches(second, 1)
  await stop(second)
  assert.deepEqual(seen, ['1000:ab', '2000:cd', '3000:e'])
})

test('records that have expired fail the batch with what is missing', async () => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, ['a'])
  kafka.put('t', 0, ['b'])
  await using bench = new StreamBench()
  const rdd = kafkaUtilsOver(kafka.connect).createRDD<string, string>(
    bench.sc,
    params,
    [OffsetRange.create('t', 0, 0, 2)],
    PreferConsistent,
  )
  assert.deepEqual(
    (await rdd.collect()).map(({ value }) => value),
    ['a', 'b'],
  )
  assert.deepEqual(
    (await rdd.take(1)).map(({ value }) => value),
    ['a'],
  )
  kafka.expire('t', 0, 1)
  await assert.rejects(rdd.collect(), /no such offset/)
})

test('deserializers: Kafka’s by name, functions, and null for what is missing', async () => {
  const kafka = new FakeKafka().createTopic('t', 1)
  kafka.put('t', 0, [{ value: Buffer.from('0000002a', 'hex'), key: 'k' }, { value: Buffer.from('ffffffff', 'hex') }])
  await using bench = new StreamBench()
  const own = {
    ...params,
    'key.deserializer': (bytes: Uint8Array) => bytes.length,
    'value.deserializer': 'IntegerDeserializer',
  }
  const rdd = kafkaUtilsOver(kafka.connect).createRDD<number, number>(
    bench.sc,
    own,
    [OffsetRange.create('t', 0, 0, 2)],
    PreferConsistent,
  )
  assert.deepEqual(
    (await rdd.collect()).map(({ key, value }) => [key, value]),
    [
      [1, 42],
      [null, -1],
    ],
  )
})

for (const [more, message] of [
  [{ 'value.deserializer': undefined }, /Missing required configuration "value.deserializer"/],
  [{ 'value.deserializer': 'com.example.Mine' }, /com\.example\.Mine is not there/],
  [{ 'bootstrap.servers': undefined }, /must have bootstrap.servers/],
  [{ 'group.id': undefined }, /must have group.id/],
  [{ 'security.protocol': 'SASL_PLAINTEXT' }, /Kerberos/],
] as const) {
  test(`kafkaParams without sense are refused at once: ${Object.keys(more)[0]}`, async () => {
    await using bench = new StreamBench()
    assert.throws(() => direct(bench, new FakeKafka(), more), { code: 'USAGE', message })
  })
}
