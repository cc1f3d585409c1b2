import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { kafkaChannelOver } from '../../../src/agent/channel/kafka.ts'
import { components } from '../../../src/agent/components.ts'
import type { Channel } from '../../../src/agent/contract.ts'
import { FlumeError } from '../../../src/core/error.ts'
import type { EventBatch } from '../../../src/core/event-batch.ts'
import { KafkaError } from '../../../src/net/kafka/errors.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { channelContract } from '../../contract/channel.ts'
import { bodies, numbered, textsOf } from '../../support/batches.ts'
import { channelContext } from '../../support/channel-context.ts'
import { loadText } from '../../support/configurations.ts'
import { FakeKafka } from '../../support/fake-kafka.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { plainEvents } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

interface Made {
  readonly channel: Channel
  readonly clock: ManualClock
  readonly log: RecordingLogger
  readonly counters: ReturnType<typeof channelContext>['counters']
}

async function open(
  kafka: FakeKafka,
  texts: Readonly<Record<string, string>> = {},
  clock = new ManualClock(),
  consumer: Readonly<Record<string, string>> = {},
): Promise<Made> {
  const spec = kafkaChannelOver(kafka.connect)
  const values = {
    ...readOptions(spec, { 'kafka.bootstrap.servers': 'b:9092', 'kafka.topic': 't', ...texts }),
    'kafka.consumer.': consumer,
  }
  const log = new RecordingLogger()
  const context = channelContext(clock, log)
  const channel = await spec.create(values as never, context)
  await channel.start?.()
  return { channel, clock, log, counters: context.counters }
}

channelContract(
  'kafka',
  async ({ keepAliveMs }, clock) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel, counters } = await open(kafka, { 'kafka.pollTimeout': String(keepAliveMs) }, clock)
    return { channel, counters, close: async () => channel.stop?.() }
  },
  { isBounded: false },
)

const all = async (batch: EventBatch): Promise<string[]> => textsOf(batch)

describe('kafka channel', () => {
  const opened = async (t: TestContext, ...args: Parameters<typeof open>): Promise<Made> => {
    const made = await open(...args)
    t.after(() => made.channel.stop?.())
    return made
  }

  it('sends at the put and commits offsets once the taken events are delivered (X-04)', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel } = await opened(t, kafka)
    await channel.put(numbered(0, 3))
    assert.equal(kafka.records('t').length, 3)
    await channel.take(2, async () => assert.equal(kafka.committed('flume', 't'), undefined))
    assert.equal(kafka.committed('flume', 't'), 2)
  })

  it('keeps headers as Avro, the header key being the record key too, and what is read has it (X-05)', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel } = await opened(t, kafka)
    await channel.put(bodies('a', 'b').withHeader('key', ['k1', undefined]).withHeader('h', 'x'))
    assert.deepEqual(
      kafka.records('t').map(({ key }) => key),
      ['k1', undefined],
    )
    assert.deepEqual(await channel.take(5, async (batch) => plainEvents(batch)), [
      { headers: { key: 'k1', h: 'x' }, body: 'a' },
      { headers: { h: 'x' }, body: 'b' },
    ])
  })

  it('without parseAsFlumeEvent the body is the value, and no header but key comes back (X-05)', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel } = await opened(t, kafka, { parseAsFlumeEvent: 'false' })
    await channel.put(bodies('a', 'b').withHeader('key', ['k1', undefined]).withHeader('h', 'x'))
    assert.deepEqual(
      kafka.records('t').map(({ value }) => value),
      ['a', 'b'],
    )
    assert.deepEqual(await channel.take(5, async (batch) => plainEvents(batch)), [
      { headers: { key: 'k1' }, body: 'a' },
      { headers: {}, body: 'b' },
    ])
  })

  it('reads what others put there, from the earliest on', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    kafka.put('t', 0, ['theirs', 'too'])
    const { channel } = await opened(t, kafka, { parseAsFlumeEvent: 'false' })
    assert.deepEqual(await channel.take(5, all), ['theirs', 'too'])
  })

  it('passes over what is no Flume event, aloud, and commits past it', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    kafka.put('t', 0, ['no event'])
    const { channel, log } = await opened(t, kafka)
    await channel.put(numbered(0, 1))
    assert.deepEqual(await channel.take(5, all), ['0'])
    assert.match(log.lines.join('\n'), /offset 0 of t-0 is no Flume event and is left out, look at parseAsFlumeEvent/)
    assert.equal(kafka.committed('flume', 't'), 2)
  })

  it('commits only up to the first event that is not delivered', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel } = await opened(t, kafka)
    await channel.put(numbered(0, 4))
    let fail: (error: Error) => void = () => undefined
    const first = channel.take(2, () => new Promise((_, reject) => (fail = reject))).catch(() => 'failed')
    assert.deepEqual(await channel.take(2, all), ['2', '3'])
    assert.equal(kafka.committed('flume', 't'), undefined)
    fail(new Error('no'))
    assert.equal(await first, 'failed')
    assert.deepEqual(await channel.take(1, all), ['0'])
    assert.equal(kafka.committed('flume', 't'), 1)
    assert.deepEqual(await channel.take(5, all), ['1'])
    assert.equal(kafka.committed('flume', 't'), 4)
  })

  it('what was not delivered comes again after a restart, and only that', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const before = await open(kafka)
    await before.channel.put(numbered(0, 5))
    await before.channel.take(2, all)
    await assert.rejects(
      before.channel.take(2, async () => Promise.reject(new Error('no'))),
      /no/,
    )
    await before.channel.stop?.()
    const { channel } = await opened(t, kafka)
    assert.deepEqual(await channel.take(10, all), ['2', '3', '4'])
  })

  it('is not a member of its group before something is taken: a channel that is only fed takes no partitions from others', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 2)
    const { channel } = await opened(t, kafka)
    await channel.put(numbered(0, 2))
    await settle()
    assert.equal(kafka.group('flume').members.size, 0)
    assert.equal(channel.size, 2)
  })

  it('two channels share the partitions; a take answers undefined while the group shares anew (X-04)', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 2)
    const one = await opened(t, kafka, { parseAsFlumeEvent: 'false' })
    kafka.put('t', 0, ['a'])
    kafka.put('t', 1, ['b'])
    assert.deepEqual((await one.channel.take(2, all))?.sort(), ['a', 'b'])
    const two = await opened(t, kafka, { parseAsFlumeEvent: 'false' })
    kafka.put('t', 0, ['c'])
    kafka.put('t', 1, ['d'])
    let release: (() => void) | undefined
    const lent = one.channel.take(1, async (batch) => {
      await new Promise<void>((resolve) => (release = resolve))
      return textsOf(batch)
    })
    await until(() => release !== undefined)
    const waiting = two.channel.take(5, all)
    await until(() => kafka.group('flume').members.size === 2)
    const during = one.channel.take(1, all)
    await one.clock.advance(500)
    assert.equal(await during, undefined)
    ;(release as unknown as () => void)()
    const delivered = (await lent) as string[]
    const after = one.channel.take(5, all)
    for (let i = 0; i < 4; i++) for (const { clock } of [one, two]) await clock.advance(200)
    assert.deepEqual([...delivered, ...((await after) ?? []), ...((await waiting) ?? [])].sort(), ['c', 'd'])
  })

  it('events delivered by a member that the group has lost come again, and this is said', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel, log } = await opened(t, kafka)
    await channel.put(numbered(0, 2))
    assert.deepEqual(
      await channel.take(1, async (batch) => {
        kafka.evict('flume')
        return textsOf(batch)
      }),
      ['0'],
    )
    assert.match(log.lines.join('\n'), /not committed, so these may come twice/)
    assert.deepEqual(await channel.take(5, all), ['0', '1'])
  })

  it('a commit that fails for once is made good by the next', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel } = await opened(t, kafka)
    await channel.put(numbered(0, 2))
    kafka.failNext('commit', new KafkaError(-1, 'commit'))
    await channel.take(1, all)
    assert.equal(kafka.committed('flume', 't'), undefined)
    await channel.take(1, all)
    assert.equal(kafka.committed('flume', 't'), 2)
  })

  it('a put that the cluster refuses is refused to the source, and counted', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel, counters } = await opened(t, kafka)
    kafka.failNext('produce', new KafkaError(29, 't-0'))
    await assert.rejects(channel.put(numbered(0, 1)), { code: 'REFUSED' })
    assert.equal(counters.eventPutSuccess, 0)
    assert.equal(counters.more['RollbackCount'], 1)
  })

  it('a take that cannot read rejects after a pause', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 1)
    const { channel, clock } = await opened(t, kafka)
    kafka.failNext('fetch', new FlumeError('CONNECTION', 'gone', { retry: true }))
    const refused = assert.rejects(channel.take(1, all), { code: 'CONNECTION' })
    await clock.advance(1000)
    await refused
    await channel.put(numbered(0, 1))
    assert.deepEqual(await channel.take(1, all), ['0'])
  })

  it('sends to the partition of the header or the default, and refuses a text that is no number', async (t) => {
    const kafka = new FakeKafka().createTopic('t', 3)
    const { channel } = await opened(t, kafka, {
      partitionIdHeader: 'p',
      defaultPartitionId: '1',
      parseAsFlumeEvent: 'false',
    })
    await channel.put(bodies('a', 'b').withHeader('p', ['2', undefined]))
    assert.deepEqual(
      kafka.records('t').map(({ partition, value }) => `${value}${partition}`),
      ['b1', 'a2'],
    )
    await assert.rejects(channel.put(bodies('c').withHeader('p', 'x')), {
      message: /Non integer partition id specified/,
    })
  })

  for (const [texts, expected] of [
    [{ readSmallestOffset: 'false' }, undefined],
    [{ readSmallestOffset: 'true' }, ['old']],
  ] as const) {
    it(`readSmallestOffset = ${texts.readSmallestOffset} still says where reading begins`, async (t) => {
      const kafka = new FakeKafka().createTopic('t', 1)
      kafka.put('t', 0, ['old'])
      const { channel, clock } = await opened(t, kafka, { ...texts, parseAsFlumeEvent: 'false' })
      const take = channel.take(5, all)
      await clock.advance(500)
      assert.deepEqual(await take, expected)
    })
  }

  it('needs no source and no sink; capacities of older guides are only noted', async () => {
    const { findings } = await loadText(
      `a.sources = r\na.channels = c\na.sources.r.type = seq\na.sources.r.channels = c\na.channels.c.type = org.apache.flume.channel.kafka.KafkaChannel\na.channels.c.brokerList = b:9092\na.channels.c.capacity = 10\na.channels.c.transactionCapacity = 10\n`,
      { components },
    )
    assert.deepEqual(
      findings.filter(({ severity }) => severity !== 'note').map(({ message }) => message),
      [],
    )
  })
})
