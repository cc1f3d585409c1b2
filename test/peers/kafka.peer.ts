import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { kafkaChannelOver } from '../../src/agent/channel/kafka.ts'
import type { Sink } from '../../src/agent/contract.ts'
import { kafkaSinkOver } from '../../src/agent/sink/kafka/index.ts'
import { AvroReader } from '../../src/codec/avro/binary.ts'
import { readEvent } from '../../src/codec/avro/events.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { connectKafka } from '../../src/net/kafka/platformatic.ts'
import { channelContract } from '../contract/channel.ts'
import { channelContext } from '../support/channel-context.ts'
import { freePort } from '../support/free-port.ts'
import { readOptions } from '../support/read-options.ts'
import { RunningProcess } from '../support/running-process.ts'
import { sinkContext } from '../support/sink-context.ts'
import { Broker, OutFolder, type Side, startAgent, waitUntil } from './kafka.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

let broker: Broker
let folder: string
let count = 0
const fresh = (name: string): string => `${name}-${count++}`
const sides: readonly Side[] = ['theirs', 'ours']

before(async () => {
  broker = await Broker.start()
  folder = await mkdtemp(join(tmpdir(), 'flume-ts-kafka-peer-'))
})
after(async () => {
  await broker.close()
  await rm(folder, { recursive: true, force: true })
})

/** An agent with a source, a channel and a sink, each given by its lines. */
function agent(source: readonly string[], channel: readonly string[], sink: readonly string[]): string {
  return [
    ...(source.length > 0 ? ['a1.sources = r1', 'a1.sources.r1.channels = c1'] : []),
    'a1.channels = c1',
    ...(sink.length > 0 ? ['a1.sinks = k1', 'a1.sinks.k1.channel = c1'] : []),
    ...source.map((line) => `a1.sources.r1.${line}`),
    ...channel.map((line) => `a1.channels.c1.${line}`),
    ...sink.map((line) => `a1.sinks.k1.${line}`),
    '',
  ].join('\n')
}

const memory = ['type = memory', 'capacity = 10000', 'transactionCapacity = 1000']
const rollTo = ({ path }: OutFolder, serializer = 'header_and_text'): string[] => [
  'type = file_roll',
  `sink.directory = ${path}`,
  'sink.rollInterval = 0',
  'sink.batchSize = 1',
  `sink.serializer = ${serializer}`,
]
const kafkaSource = (topics: string, ...more: string[]): string[] => [
  'type = org.apache.flume.source.kafka.KafkaSource',
  `kafka.bootstrap.servers = ${broker.servers}`,
  `kafka.topics = ${topics}`,
  'kafka.consumer.auto.offset.reset = earliest',
  'batchDurationMillis = 200',
  ...more,
]
const kafkaSink = (topic: string, ...more: string[]): string[] => [
  'type = org.apache.flume.sink.kafka.KafkaSink',
  `kafka.bootstrap.servers = ${broker.servers}`,
  `kafka.topic = ${topic}`,
  ...more,
]
const kafkaChannel = (topic: string, group: string, ...more: string[]): string[] => [
  'type = org.apache.flume.channel.kafka.KafkaChannel',
  `kafka.bootstrap.servers = ${broker.servers}`,
  `kafka.topic = ${topic}`,
  `kafka.consumer.group.id = ${group}`,
  ...more,
]

/** A netcat source whose lines `key=K part=P topic=T kind=X|body` become events with these headers. */
function lineSource(port: number): string[] {
  const names = ['key', 'part', 'topic', 'ts', 'trace']
  return [
    'type = netcat',
    'bind = 127.0.0.1',
    `port = ${port}`,
    'ack-every-event = false',
    `interceptors = ${names.map((name) => `i-${name}`).join(' ')} cut`,
    ...names.flatMap((name) => [
      `interceptors.i-${name}.type = regex_extractor`,
      `interceptors.i-${name}.regex = ${name}=([^ |]+)`,
      `interceptors.i-${name}.serializers = s`,
      `interceptors.i-${name}.serializers.s.name = ${name}`,
    ]),
    'interceptors.cut.type = search_replace',
    'interceptors.cut.searchPattern = ^[^|]*[|]',
    'interceptors.cut.replaceString =',
  ]
}

async function send(port: number, lines: readonly string[]): Promise<void> {
  await waitUntil(
    () =>
      new Promise<true | undefined>((resolve) => {
        const socket = createConnection(port, '127.0.0.1', () => socket.end(`${lines.join('\n')}\n`))
        socket.on('close', (failed) => resolve(failed ? undefined : true))
        socket.on('error', () => undefined)
        socket.resume()
      }),
    `connection to ${port}`,
  )
}

const lines = [
  'key=k1 trace=T1|one',
  'key=k2|two',
  '|plain',
  'key=käse trace=ü|grün',
  'part=2|third partition',
  'key=k1 part=0|first partition',
  'ts=1500000000000|old',
  'key=k3|',
]

/** Puts the same events into a topic through each side's sink; what lies there then, one list for each. */
async function sunk(partitions: number, more: readonly string[], sent = lines): Promise<Record<Side, unknown[]>> {
  const found = {} as Record<Side, unknown[]>
  for (const side of sides) {
    const topic = fresh('sunk')
    await broker.createTopic(topic, partitions)
    const port = await freePort()
    const sink = kafkaSink(topic, ...more)
    await using running = await startAgent(side, agent(lineSource(port), memory, sink), folder)
    await send(port, sent)
    await broker.values(topic, sent.length)
    await running.stop()
    // Flume writes the headers of an event in the order of their hashes.
    const shown = (value: Buffer | undefined): unknown => {
      if (!value || !more.includes('useFlumeEventFormat = true')) return value?.toString('latin1')
      const event = readEvent(new AvroReader(value)).event(0)
      return [Object.entries(event.headers).sort(), Buffer.from(event.body).toString()]
    }
    found[side] = (await broker.records(topic)).map(({ partition, key, value, headers, timestamp }) => ({
      partition,
      key,
      value: shown(value),
      headers,
      isOld: timestamp === 1500000000000,
    }))
  }
  return found
}

describe('the sink beside real Flume 1.11', () => {
  for (const [name, partitions, more, sent] of [
    ['keys, values and partitions', 1, [], undefined],
    ['keys over several partitions', 5, [], lines.filter((line) => line.startsWith('key'))],
    [
      'the header and the default of the partition',
      3,
      ['partitionIdHeader = part', 'defaultPartitionId = 1'],
      undefined,
    ],
    ['Flume events as Avro', 1, ['useFlumeEventFormat = true'], undefined],
    [
      'record headers and times',
      1,
      ['header.trace = X-Trace', 'header.nothing = X-Nothing', 'timestampHeader = ts'],
      undefined,
    ],
    ['acks = all, gzip', 1, ['kafka.producer.acks = all', 'kafka.producer.compression.type = gzip'], undefined],
    ['small batches', 1, ['flumeBatchSize = 2'], undefined],
  ] as const) {
    test(`${name}: the same records (N-13)`, async () => {
      const { theirs, ours } = await sunk(partitions, more, sent ? [...sent] : undefined)
      assert.deepEqual(ours, theirs)
    })
  }

  test('the topic of the header, or with escapes: the same topics (N-13)', async () => {
    const found: string[][] = []
    for (const side of sides) {
      const stem = fresh('named')
      for (const topic of [`${stem}-k1`, `${stem}-`, `${stem}-own`]) await broker.createTopic(topic, 1)
      const port = await freePort()
      await using running = await startAgent(side, agent(lineSource(port), memory, kafkaSink(`${stem}-%{key}`)), folder)
      await send(port, ['key=k1|a', '|b', `topic=${stem}-own|c`])
      const values: string[] = []
      for (const topic of [`${stem}-k1`, `${stem}-`, `${stem}-own`]) values.push(...(await broker.values(topic, 1)))
      await running.stop()
      found.push(values)
    }
    assert.deepEqual(found[1], found[0])
    assert.deepEqual(found[1], ['a', 'b', 'c'])
  })
})

describe('the source beside real Flume 1.11', () => {
  /** Fills a topic through real Flume's sink, reads it with both sources, and answers both outputs, sorted. */
  async function read(more: readonly string[], sinkMore: readonly string[] = []): Promise<Record<Side, string[]>> {
    const topic = fresh('read')
    await broker.createTopic(topic, 3)
    const port = await freePort()
    {
      const sink = kafkaSink(
        topic,
        'partitionIdHeader = part',
        'header.trace = X-Trace',
        'timestampHeader = ts',
        ...sinkMore,
      )
      await using filling = await startAgent('theirs', agent(lineSource(port), memory, sink), folder)
      await send(port, lines)
      await broker.values(topic, lines.length)
      await filling.stop()
    }
    const found = {} as Record<Side, string[]>
    for (const side of sides) {
      const out = await OutFolder.make(folder)
      const source = kafkaSource(topic, `kafka.consumer.group.id = ${fresh('group')}`, ...more)
      await using running = await startAgent(side, agent(source, memory, rollTo(out)), folder)
      await out.waitForLines(lines.length)
      await running.stop()
      // Flume prints a header map in the order of its hashes.
      found[side] = (await out.lines())
        .map((line) =>
          line.replace(/^\{(.*?)\} /, (_, headers: string) => `{${headers.split(', ').sort().join(', ')}} `),
        )
        .sort()
    }
    return found
  }

  for (const [name, more, sinkMore] of [
    ['as it is', [], []],
    ['useFlumeEventFormat', ['useFlumeEventFormat = true'], ['useFlumeEventFormat = true']],
    ['another topic header, and a record header', ['topicHeader = from', 'header.trail = X-Trace'], []],
    ['no topic header, small batches', ['setTopicHeader = false', 'batchSize = 2'], []],
    ...(['gzip', 'snappy', 'lz4'] as const).map(
      (codec) => [`${codec} of Java's client`, [], [`kafka.producer.compression.type = ${codec}`]] as const,
    ),
    [
      'Avro, Snappy',
      ['useFlumeEventFormat = true'],
      ['useFlumeEventFormat = true', 'kafka.producer.compression.type = snappy'],
    ],
  ] as const) {
    test(`${name}: the same events (S-121)`, async () => {
      const { theirs, ours } = await read(more, sinkMore)
      assert.deepEqual(ours, theirs)
      assert.equal(ours.length, lines.length)
    })
  }

  test('a pattern of topics, and a second run that goes on where the first ended', async () => {
    const stem = fresh('pat')
    for (const topic of [`${stem}-a`, `${stem}-b`]) await broker.createTopic(topic, 1)
    const write = async (topic: string, ...bodies: string[]): Promise<void> => {
      const sink = await ourSink({ 'kafka.topic': topic })
      await sink.write(EventBatch.of(bodies.map((body) => ({ body }))))
      await sink.stop?.()
    }
    await write(`${stem}-a`, '1')
    const found: string[][] = []
    for (const side of sides) {
      const group = fresh('group')
      const all: string[] = []
      for (const [round, topic] of [
        [1, `${stem}-b`],
        [2, `${stem}-a`],
      ] as const) {
        const out = await OutFolder.make(folder)
        const source = [
          ...kafkaSource('none', `kafka.consumer.group.id = ${group}`, `kafka.topics.regex = ${stem}-.*`).filter(
            (line) => !line.startsWith('kafka.topics ='),
          ),
        ]
        await using running = await startAgent(side, agent(source, memory, rollTo(out, 'text')), folder)
        if (round === 1) await out.waitForLines(1)
        await write(topic, `${round}${side}`)
        await waitUntil(
          async () => ((await out.lines()).some((line) => line === `${round}${side}`) ? true : undefined),
          'the new record',
        )
        await running.stop()
        all.push(...(await out.lines()).filter((line) => !line.endsWith(side === 'ours' ? 'theirs' : 'ours')))
      }
      found.push(all)
    }
    assert.deepEqual(found, [
      ['1', '1theirs', '2theirs'],
      ['1', '1ours', '2ours'],
    ])
  })
})

async function ourSink(
  texts: Readonly<Record<string, string>>,
  producer: Readonly<Record<string, string>> = {},
): Promise<Sink> {
  const spec = kafkaSinkOver(connectKafka)
  const values = {
    ...readOptions(spec, { 'kafka.bootstrap.servers': broker.servers, ...texts }),
    'kafka.producer.': producer,
  }
  return (await spec.create(values as never, sinkContext())) as Sink
}

describe('what ours writes, real Flume reads', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4']) {
    test(`records compressed with ${compression}`, async () => {
      const topic = fresh('packed')
      await broker.createTopic(topic, 1)
      const sink = await ourSink({ 'kafka.topic': topic, 'header.h': 'H' }, { 'compression.type': compression })
      const bodies = Array.from({ length: 500 }, (_, i) => `${i} ${'abc '.repeat(i % 50)}`.trim())
      await sink.write(EventBatch.of(bodies.map((body, i) => ({ body, headers: { key: `k${i}`, h: `h${i}` } }))))
      await sink.stop?.()
      const out = await OutFolder.make(folder)
      const source = kafkaSource(topic, `kafka.consumer.group.id = ${fresh('group')}`)
      await using running = await startAgent('theirs', agent(source, memory, rollTo(out, 'text')), folder)
      assert.deepEqual(await out.waitForLines(500), bodies)
      await running.stop()
    })
  }

  test('a transaction that is committed, and not one that was given up', async () => {
    const topic = fresh('tx')
    await broker.createTopic(topic, 1)
    const sink = await ourSink(
      { 'kafka.topic': topic, 'kafka.producer.acks': 'all' },
      { 'transactional.id': fresh('tx-id'), 'max.request.size': '2000' },
    )
    const body = (text: string) => ({ body: text })
    await sink.write(EventBatch.of([body('kept')]))
    // The first batches of this transaction are sent before the event that is too large is met.
    await assert.rejects(
      sink.write(EventBatch.of([body('a'.repeat(1000)), body('b'.repeat(1000)), body('c'.repeat(3000))])),
      /too large/,
    )
    await sink.write(EventBatch.of([body('kept too')]))
    await sink.stop?.()
    for (const side of sides) {
      const out = await OutFolder.make(folder)
      const source = kafkaSource(
        topic,
        `kafka.consumer.group.id = ${fresh('group')}`,
        'kafka.consumer.isolation.level = read_committed',
      )
      await using running = await startAgent(side, agent(source, memory, rollTo(out, 'text')), folder)
      assert.deepEqual(await out.waitForLines(2), ['kept', 'kept too'])
      await running.stop()
    }
  })
})

describe('the channel beside real Flume 1.11', () => {
  for (const parse of ['true', 'false']) {
    for (const [filler, drainer] of [
      ['theirs', 'ours'],
      ['ours', 'theirs'],
      ['ours', 'ours'],
    ] as const) {
      test(`${filler} fill it, ${drainer} drain it, parseAsFlumeEvent = ${parse} (X-04, X-05)`, async () => {
        const topic = fresh('channel')
        await broker.createTopic(topic, 2)
        const group = fresh('group')
        const port = await freePort()
        const channel = kafkaChannel(topic, group, `parseAsFlumeEvent = ${parse}`)
        const sent = lines.filter((line) => !line.includes('ts='))
        {
          await using filling = await startAgent(filler, agent(lineSource(port), channel, []), folder)
          await send(port, sent)
          await broker.values(topic, sent.length)
          await filling.stop()
        }
        const out = await OutFolder.make(folder)
        await using draining = await startAgent(drainer, agent([], channel, rollTo(out)), folder)
        const found = await out.waitForLines(sent.length)
        await draining.stop()
        const headersOf = (line: string): string[] =>
          ['key', 'part', 'trace'].flatMap((name) => {
            const value = new RegExp(`${name}=([^ |]+)`).exec(line)?.[1]
            return value === undefined || (parse === 'false' && name !== 'key') ? [] : [`${name}=${value}`]
          })
        const expected = sent.map(
          (line) => `{${headersOf(line).sort().join(', ')}} ${line.slice(line.indexOf('|') + 1)}`,
        )
        const shown = found.map((line) =>
          line.replace(/^\{(.*?)\} ?/, (_, headers: string) => `{${headers.split(', ').sort().join(', ')}} `),
        )
        assert.deepEqual(shown.sort(), expected.sort())
        // Whoever drains next finds nothing left.
        const offsets = await (await broker.cluster()).committed(group, [
          { topic, partition: 0 },
          { topic, partition: 1 },
        ])
        const ends = await (await broker.cluster()).listOffsets('latest', [
          { topic, partition: 0 },
          { topic, partition: 1 },
        ])
        assert.deepEqual(
          offsets.map((offset) => offset ?? 0),
          ends,
        )
      })
    }
  }
})

channelContract(
  'kafka (real broker)',
  async ({ keepAliveMs }, clock) => {
    const topic = fresh('contract')
    await broker.createTopic(topic, 1)
    const spec = kafkaChannelOver((settings) => connectKafka(settings, systemClock))
    const values = readOptions(spec, {
      'kafka.bootstrap.servers': broker.servers,
      'kafka.topic': topic,
      'kafka.consumer.group.id': fresh('group'),
      'kafka.pollTimeout': String(keepAliveMs),
    })
    const context = channelContext(clock)
    const channel = await spec.create(values as never, context)
    await channel.start?.()
    return { channel, counters: context.counters, close: async () => channel.stop?.() }
  },
  { isBounded: false, seeds: 3 },
)

describe('security', () => {
  const body = [{ body: 'secret' }]
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="plain" password="p";'
  const scram = (password: string): string =>
    `org.apache.kafka.common.security.scram.ScramLoginModule required username="scram" password="${password}";`
  for (const [mechanism, jaas] of [
    ['PLAIN', plain],
    ['SCRAM-SHA-256', scram('s-256')],
    ['SCRAM-SHA-512', scram('s-512')],
  ] as const) {
    test(`SASL ${mechanism}`, async () => {
      const topic = fresh('sasl')
      await broker.createTopic(topic, 1)
      const keys = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': mechanism, 'sasl.jaas.config': jaas }
      const sink = await ourSink({ 'kafka.bootstrap.servers': broker.saslServers, 'kafka.topic': topic }, keys)
      await sink.write(EventBatch.of(body))
      await sink.stop?.()
      assert.deepEqual(await broker.values(topic, 1), ['secret'])
    })
  }

  test('a wrong password is refused with where to look', async () => {
    const keys = {
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config': plain.replace('"p"', '"wrong"'),
    }
    const sink = await ourSink({ 'kafka.bootstrap.servers': broker.saslServers, 'kafka.topic': 'none' }, keys)
    await assert.rejects(sink.write(EventBatch.of(body)), {
      code: 'REFUSED',
      message: /refused the user/,
      hint: /sasl\.jaas\.config/,
    })
    await sink.stop?.()
  })

  test('TLS with a trusted certificate, and a refusal without', async () => {
    const topic = fresh('tls')
    await broker.createTopic(topic, 1)
    const truststore = join(root, 'test/fixture/tls/cert.pem')
    const keys = { 'security.protocol': 'SSL', 'ssl.truststore.location': truststore, 'ssl.truststore.type': 'PEM' }
    const sink = await ourSink({ 'kafka.bootstrap.servers': broker.tlsServers, 'kafka.topic': topic }, keys)
    await sink.write(EventBatch.of(body))
    await sink.stop?.()
    assert.deepEqual(await broker.values(topic, 1), ['secret'])
    const untrusting = await ourSink(
      { 'kafka.bootstrap.servers': broker.tlsServers, 'kafka.topic': topic },
      { 'security.protocol': 'SSL' },
    )
    await assert.rejects(untrusting.write(EventBatch.of(body)), {
      code: 'CONNECTION',
      message: /self-signed|unable to verify/,
    })
    await untrusting.stop?.()
  })
})

describe('groups', () => {
  for (const other of sides) {
    test(`a second member of the group (${other}) comes, goes and dies: every record is read, none is lost`, async () => {
      const topic = fresh('shared')
      await broker.createTopic(topic, 4)
      const group = fresh('group')
      const source = kafkaSource(
        topic,
        `kafka.consumer.group.id = ${group}`,
        'kafka.consumer.session.timeout.ms = 6000',
        'kafka.consumer.heartbeat.interval.ms = 500',
        'kafka.consumer.max.poll.interval.ms = 20000',
      )
      const [one, two] = [await OutFolder.make(folder), await OutFolder.make(folder)]
      const sink = await ourSink({ 'kafka.topic': topic, partitionIdHeader: 'p' })
      let sent = 0
      const write = async (): Promise<void> => {
        await sink.write(
          EventBatch.of(Array.from({ length: 40 }, () => ({ body: String(sent), headers: { p: String(sent++ % 4) } }))),
        )
      }
      const numbers = async (): Promise<string[]> => [...(await one.lines()), ...(await two.lines())]
      const allRead = (): Promise<true> =>
        waitUntil(async () => (new Set(await numbers()).size === sent ? true : undefined), `${sent} records`)
      await using first = await startAgent('ours', agent(source, memory, rollTo(one, 'text')), folder)
      await write()
      await allRead()
      {
        await using second = await startAgent(other, agent(source, memory, rollTo(two, 'text')), folder)
        await waitUntil(async () => {
          await write()
          await allRead()
          return (await two.lines()).length > 0 ? true : undefined
        }, 'a share for the second member')
        await second.stop()
      }
      await write()
      await allRead()
      const before = (await numbers()).length
      assert.ok(before - sent <= 40, `${before - sent} doubles while nobody died`)
      {
        await using third = await startAgent(other, agent(source, memory, rollTo(two, 'text')), folder)
        const had = (await two.lines()).length
        await waitUntil(async () => {
          await write()
          await allRead()
          return (await two.lines()).length > had ? true : undefined
        }, 'a share for the third member')
        process.kill(third.pid, 'SIGKILL')
        await third.exited
      }
      await write()
      await allRead()
      await first.stop()
      await sink.stop?.()
    })
  }
})

describe('failures', () => {
  test('killed again and again, taildir → file → kafka delivers every line at least once', async () => {
    const topic = fresh('killed')
    await broker.createTopic(topic, 3)
    const log = join(folder, 'killed.log')
    await writeFile(log, '')
    const properties = agent(
      [
        'type = TAILDIR',
        'filegroups = f',
        `filegroups.f = ${log}`,
        `positionFile = ${join(folder, 'killed.json')}`,
        'writePosInterval = 50',
      ],
      [
        'type = file',
        `checkpointDir = ${join(folder, 'killed-checkpoint')}`,
        `dataDirs = ${join(folder, 'killed-data')}`,
      ],
      kafkaSink(topic, 'flumeBatchSize = 50', 'kafka.producer.acks = all'),
    )
    let written = 0
    for (let round = 0; round < 8; round++) {
      await using running = await startAgent('ours', properties, folder)
      for (let burst = 0; burst < 5; burst++) {
        const text = Array.from({ length: 200 }, () => `${written++}\n`).join('')
        await writeFile(log, text, { flag: 'a' })
        await systemClock.sleep(20)
      }
      process.kill(running.pid, 'SIGKILL')
      await running.exited
    }
    await using last = await startAgent('ours', properties, folder)
    const values = await waitUntil(async () => {
      const found = (await broker.records(topic)).map(({ value }) => value?.toString() ?? '')
      return new Set(found).size === written ? found : undefined
    }, `${written} lines`)
    assert.ok(values.length - written < 8 * 300, `${values.length - written} doubles`)
    await last.stop()
  })

  test('while the broker is away events wait in the channel, and all arrive when it is back', async () => {
    const topic = fresh('away')
    await broker.createTopic(topic, 2)
    const port = await freePort()
    const out = await OutFolder.make(folder)
    await using reading = await startAgent(
      'ours',
      agent(kafkaSource(topic, `kafka.consumer.group.id = ${fresh('group')}`), memory, rollTo(out, 'text')),
      folder,
    )
    await using writing = await startAgent(
      'ours',
      agent(lineSource(port), memory, kafkaSink(topic, 'kafka.producer.delivery.timeout.ms = 3000')),
      folder,
    )
    const bodies = (from: number): string[] => Array.from({ length: 200 }, (_, i) => `|${from + i}`)
    await send(port, bodies(0))
    await out.waitForLines(200)
    await broker.stop()
    await send(port, bodies(200))
    await broker.restart()
    await send(port, bodies(400))
    await waitUntil(async () => (new Set(await out.lines()).size === 600 ? true : undefined), '600 lines')
    await writing.stop()
    await reading.stop()
  })
})

describe('what conf/ shows', () => {
  test('conf/kafka.properties prints what is typed, by way of two topics', async () => {
    const port = await freePort()
    const text = await readFile(join(root, 'conf/kafka.properties'), 'utf8')
    const path = join(folder, 'conf.properties')
    await writeFile(path, text.replaceAll('localhost:9092', broker.servers).replaceAll('44445', String(port)))
    await using running = new RunningProcess('flume-ts', process.execPath, [
      join(root, 'bin/flume-ts.js'),
      'agent',
      '-f',
      path,
      '--no-reload-conf',
    ])
    await running.waitFor(/agent \S+ runs/)
    await send(port, ['hello kafka'])
    await running.waitFor(/hello kafka/)
    assert.equal(await running.stop(), 0)
  })

  test('conf/kafka-counts.ts counts what comes to a topic, and goes on where it ended', async () => {
    const topic = fresh('counts')
    await broker.createTopic(topic, 2)
    const sink = await ourSink({ 'kafka.topic': topic })
    const job = (): RunningProcess =>
      new RunningProcess('stream-ts', process.execPath, [
        join(root, 'bin/stream-ts.js'),
        'submit',
        '--conf',
        'spark.ui.enabled=false',
        join(root, 'conf/kafka-counts.ts'),
        broker.servers,
        topic,
      ])
    await sink.write(EventBatch.of([{ body: 'a b a' }]))
    {
      await using first = job()
      await first.waitFor(/^a 2\nb 1$/m)
      await sink.write(EventBatch.of([{ body: 'c' }]))
      await first.waitFor(/^c 1$/m)
      // What was counted is committed when the next batch is generated, or at the stop.
      assert.equal(await first.stop(), 0)
    }
    await sink.write(EventBatch.of([{ body: 'd d' }]))
    await sink.stop?.()
    await using second = job()
    await second.waitFor(/^d 2$/m)
    assert.doesNotMatch(second.stdout, /^[abc] /m)
    await second.stop()
  })
})
