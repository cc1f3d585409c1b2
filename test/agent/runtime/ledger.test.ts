import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AgentModel } from '../../../src/agent/config/model.ts'
import {
  defineChannel,
  defineInterceptor,
  defineSelector,
  type EventBatch,
  FlumeError,
  type Route,
  type Written,
} from '../../../src/agent/contract.ts'
import { Agent } from '../../../src/agent/runtime/agent.ts'
import { silentLogger } from '../../../src/monitor/logger.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { bodies, numbered } from '../../support/batches.ts'
import { agentModel, HandSource, memoryModel, RecordingSink, sinkModel, sourceModel } from '../../support/components.ts'
import { imbalanceOf } from '../../support/imbalance.ts'

async function running(model: AgentModel) {
  const clock = new ManualClock(1_000_000)
  const agent = new Agent(model, { log: silentLogger, clock })
  await agent.start()
  await settle()
  const source = (name = 'r1') => agent.snapshot().sources.find((one) => one.source === name)
  const channel = (name = 'c1') => agent.snapshot().channels.find((one) => one.channel === name)
  return { agent, clock, source, channel }
}

/** c1 is required and drained, c2 holds two events and is drained by nobody. */
function fanOut(optional: string[] = []) {
  const source = new HandSource()
  const sink = new RecordingSink()
  const model = agentModel({
    channels: [memoryModel('c1'), memoryModel('c2', { capacity: 2, transactionCapacity: 2 })],
    sources: [sourceModel('r1', source.spec, ['c1', 'c2'], { optional })],
    sinks: [sinkModel('k1', sink.spec, 'c1')],
  })
  return { source, sink, model }
}

/** One source, one channel, one sink. */
function straight() {
  const source = new HandSource()
  const sink = new RecordingSink()
  const model = agentModel({
    channels: [memoryModel('c1')],
    sources: [sourceModel('r1', source.spec, ['c1'])],
    sinks: [sinkModel('k1', sink.spec, 'c1')],
  })
  return { source, sink, model }
}

describe('ledger', () => {
  it('follows events from the source through the channel to the sink', async () => {
    const { source: r1, model } = fanOut()
    const { agent, source, channel } = await running(model)
    await r1.context?.deliver(numbered(0, 2))
    await settle()
    assert.deepEqual(source(), {
      source: 'r1',
      received: 2,
      underWay: 0,
      accepted: 2,
      refused: 0,
      routed: 2,
      dropped: { interceptor: 0, 'no-route': 0 },
      entered: { c1: 2, c2: 2 },
    })
    const none = { 'refused-as-optional': 0, 'given-up': 0, 'lost-at-stop': 0 }
    assert.deepEqual(channel('c1'), { channel: 'c1', entered: 2, recovered: 0, delivered: 2, held: 0, dropped: none })
    assert.deepEqual(channel('c2'), { channel: 'c2', entered: 2, recovered: 0, delivered: 0, held: 2, dropped: none })
    await agent.stop(0)
  })

  it('counts a refused delivery as refused, and the copies that a channel had already taken as entered (P-02)', async () => {
    const { source: r1, model } = fanOut()
    const { agent, clock, source, channel } = await running(model)
    const refused = assert.rejects(r1.context?.deliver(numbered(0, 3)) as Promise<void>, { code: 'BATCH_TOO_LARGE' })
    await refused
    await r1.context?.deliver(numbered(0, 2))
    const waiting = assert.rejects(r1.context?.deliver(numbered(0, 1)) as Promise<void>, { code: 'CHANNEL_FULL' })
    await settle()
    assert.equal(source()?.underWay, 1, 'while the put waits for room')
    assert.equal(source()?.received, 5)
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    await clock.advance(3000)
    await waiting
    assert.deepEqual(
      [source()?.received, source()?.accepted, source()?.refused, source()?.underWay, source()?.entered],
      [6, 2, 4, 0, { c1: 6, c2: 2 }],
    )
    assert.equal(channel('c1')?.delivered, 6)
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    await agent.stop(0)
  })

  it('counts what an optional channel did not take as entered and dropped there (P-03)', async () => {
    const { source: r1, model } = fanOut(['c2'])
    const { agent, clock, source, channel } = await running(model)
    await r1.context?.deliver(numbered(0, 2))
    const delivered = r1.context?.deliver(numbered(2, 2))
    await clock.advance(3000)
    await delivered
    assert.deepEqual([source()?.accepted, source()?.routed, source()?.entered], [4, 4, { c1: 4, c2: 2 }])
    assert.deepEqual(
      [channel('c2')?.entered, channel('c2')?.held, channel('c2')?.dropped],
      [4, 2, { 'refused-as-optional': 2, 'given-up': 0, 'lost-at-stop': 0 }],
    )
    await agent.stop(0)
  })

  it('counts what interceptors leave out and what no route takes, each by its reason (P-06, P-09)', async () => {
    const { source: r1, model } = fanOut()
    // Of four events: the first is left out, the second goes to c1 and c2, the third and fourth nowhere.
    const first = defineInterceptor({
      type: 'first',
      aliases: [],
      summary: '',
      options: {},
      create: () => ({ intercept: (batch: EventBatch) => batch.select([1, 2, 3]) }),
    })
    const route =
      (withIndices: boolean) =>
      (batch: EventBatch): Route[] =>
        ['c1', 'c2'].map((channel) => ({
          channel,
          required: true,
          batch: batch.select([0]),
          ...(withIndices ? { events: [0] } : {}),
        }))
    for (const withIndices of [true, false]) {
      const selector = defineSelector({
        type: 'narrow',
        aliases: [],
        summary: '',
        options: {},
        create: () => ({ route: route(withIndices) }),
      })
      const [source] = model.sources
      const { agent, source: ledger } = await running({
        ...model,
        sources: [
          {
            ...(source as AgentModel['sources'][number]),
            interceptors: [{ name: 'i1', spec: first, options: {} }],
            selector: { spec: selector, options: {} },
          },
        ],
      })
      await r1.context?.deliver(bodies('a', 'b', 'c', 'd'))
      assert.deepEqual(
        [ledger()?.accepted, ledger()?.routed, ledger()?.dropped],
        [4, 1, { interceptor: 1, 'no-route': 2 }],
      )
      assert.deepEqual(imbalanceOf(agent.snapshot()), [])
      await agent.stop(0)
    }
  })

  it('counts what was only in memory when the agent stopped as dropped', async () => {
    const { source: r1, model } = fanOut()
    const { agent, channel } = await running(model)
    await r1.context?.deliver(numbered(0, 2))
    await agent.stop(0)
    assert.deepEqual([channel('c2')?.held, channel('c2')?.dropped['lost-at-stop']], [0, 2])
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
  })

  it('keeps to what a durable channel held when it was stopped, whatever the closed channel says', async () => {
    let size = 3
    const durable = defineChannel({
      type: 'durable',
      aliases: [],
      summary: '',
      options: {},
      capabilities: { durable: true, ordered: true, overlappingTakes: true },
      create: () => ({
        transactionCapacity: 10,
        capacity: 10,
        get size() {
          return size
        },
        room: 7,
        put: async () => undefined,
        take: async () => undefined,
        stop: async () => {
          size = 0
        },
      }),
    })
    const model = agentModel({
      channels: [{ name: 'c1', spec: durable, options: {}, fingerprint: '' }],
      sources: [],
      sinks: [],
    })
    const { agent, channel } = await running(model)
    assert.deepEqual([channel()?.entered, channel()?.recovered, channel()?.held], [3, 3, 3])
    await agent.stop()
    assert.deepEqual([channel()?.held, channel()?.dropped['lost-at-stop']], [3, 0])
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
  })

  it('answers single events piece by piece: what is tried again in smaller pieces is counted once', async () => {
    const { source: r1, model } = fanOut()
    const { agent, clock, source } = await running(model)
    const delivered = r1.context?.deliverEach(numbered(0, 5))
    await clock.advance(10_000)
    assert.equal((await delivered)?.accepted, 2)
    assert.deepEqual([source()?.received, source()?.accepted, source()?.refused, source()?.underWay], [3, 2, 1, 0])
    await agent.stop(0)
  })
})

describe('snapshot', () => {
  it("has every component's counters under Flume's names, with its start and stop (O-03)", async () => {
    const { source: r1, model } = fanOut()
    const { agent, clock } = await running(model)
    await r1.context?.deliver(numbered(0, 2))
    await settle()
    await clock.advance(500)
    const { components, takenAtMs, agent: name } = agent.snapshot()
    assert.deepEqual([name, takenAtMs], ['a1', 1_000_500])
    assert.deepEqual(
      components.map(({ kind, name, type }) => `${kind}.${name} ${type}`),
      ['SOURCE.r1 hand', 'CHANNEL.c1 memory', 'CHANNEL.c2 memory', 'SINK.k1 recording'],
    )
    assert.deepEqual(components[0]?.values, {
      StartTime: 1_000_000,
      StopTime: 0,
      EventReceivedCount: 2,
      EventAcceptedCount: 2,
      AppendReceivedCount: 0,
      AppendAcceptedCount: 0,
      AppendBatchReceivedCount: 0,
      AppendBatchAcceptedCount: 0,
      OpenConnectionCount: 0,
      EventReadFail: 0,
      ChannelWriteFail: 0,
      GenericProcessingFail: 0,
    })
    assert.deepEqual(components[2]?.values, {
      StartTime: 1_000_000,
      StopTime: 0,
      ChannelSize: 2,
      ChannelCapacity: 2,
      ChannelFillPercentage: 100,
      EventPutAttemptCount: 2,
      EventPutSuccessCount: 2,
      EventTakeAttemptCount: 0,
      EventTakeSuccessCount: 0,
    })
    assert.deepEqual(components[3]?.values, {
      StartTime: 1_000_000,
      StopTime: 0,
      ConnectionCreatedCount: 0,
      ConnectionClosedCount: 0,
      ConnectionFailedCount: 0,
      BatchEmptyCount: 0,
      BatchUnderflowCount: 1,
      BatchCompleteCount: 0,
      EventDrainAttemptCount: 2,
      EventDrainSuccessCount: 2,
      EventWriteFail: 0,
      ChannelReadFail: 0,
    })
    await agent.stop(0)
    assert.equal(agent.snapshot().components[3]?.values['StopTime'], 1_000_500)
  })

  it('counts a batch as complete, underflow or empty, and writes that fail', async () => {
    const { source: r1, sink, model } = fanOut()
    sink.batchSize = 2
    const { agent, clock } = await running({ ...model, sources: [sourceModel('r1', r1.spec, ['c1'])] })
    await r1.context?.deliver(numbered(0, 2))
    await settle()
    await r1.context?.deliver(numbered(0, 1))
    await clock.advance(6500)
    sink.failure = new Error('broken')
    await r1.context?.deliver(numbered(0, 1))
    await settle()
    const values = agent.snapshot().components.find(({ kind }) => kind === 'SINK')?.values ?? {}
    assert.deepEqual(
      [
        'BatchCompleteCount',
        'BatchUnderflowCount',
        'EventWriteFail',
        'EventDrainAttemptCount',
        'EventDrainSuccessCount',
      ].map((name) => values[name]),
      [1, 1, 1, 4, 3],
    )
    assert.ok((values['BatchEmptyCount'] as number) >= 1)
    await agent.stop(0)
  })

  it('counts as given up what a sink goes on without, and as drained what it says', async () => {
    const { source: r1, sink, model } = straight()
    const { agent, channel } = await running(model)
    const drained = () =>
      agent.snapshot().components.find(({ kind }) => kind === 'SINK')?.values['EventDrainSuccessCount']
    const says: readonly [Written, givenUp: number, drained: number][] = [
      [{}, 0, 1],
      [{ delivered: false }, 1, 1],
      [{ delivered: false, counted: true }, 2, 2],
      [{ counted: false }, 2, 2],
      [{ delivered: true }, 2, 3],
    ]
    for (const [written, givenUp, counted] of says) {
      sink.says = written
      await r1.context?.deliver(numbered(0, 1))
      await settle()
      assert.equal(channel('c1')?.dropped['given-up'], givenUp)
      assert.equal(channel('c1')?.delivered, sink.written.length - givenUp)
      assert.equal(drained(), counted)
      assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    }
    await agent.stop(0)
  })

  it('pauses after a batch when the sink asks for it, 1 s longer each time in a row, up to 5 s (M-06)', async () => {
    const { source: r1, sink, model } = straight()
    sink.batchSize = 1
    const { agent, clock } = await running(model)
    sink.says = { pause: true }
    await r1.context?.deliver(numbered(0, 7))
    await settle()
    let written = 1
    for (const seconds of [1, 2, 3, 4, 5, 5]) {
      assert.equal(sink.written.length, written)
      await clock.advance(seconds * 1000 - 1)
      assert.equal(sink.written.length, written)
      await clock.advance(1)
      assert.equal(sink.written.length, ++written)
    }
    await agent.stop(0)
  })

  it('tries a batch again without a pause when the sink asks for it', async () => {
    const { source: r1, sink, model } = straight()
    const { agent, channel } = await running(model)
    sink.failure = new FlumeError('REFUSED', 'not now', { retry: true, atOnce: true })
    await r1.context?.deliver(numbered(0, 1))
    await settle()
    assert.ok(sink.attempts > 2, `${sink.attempts} attempts`)
    sink.failure = undefined
    await settle()
    assert.deepEqual(sink.written, ['0'])
    assert.equal(channel('c1')?.held, 0)
    await agent.stop(0)
  })

  it('tells starting, running, failing and stopped parts apart, with what is wrong', async () => {
    const { source: r1, sink, model } = fanOut()
    const clock = new ManualClock()
    const agent = new Agent(model, { log: silentLogger, clock })
    const states = () => agent.snapshot().health.map(({ name, state }) => `${name} ${state}`)
    assert.deepEqual(states(), ['r1 starting', 'c1 starting', 'c2 starting', 'k1 starting'])
    r1.failures = [new Error('the port is in use')]
    await agent.start()
    await settle()
    assert.deepEqual(states(), ['r1 failing', 'c1 running', 'c2 running', 'k1 running'])
    assert.equal(agent.snapshot().health[0]?.problem, 'the port is in use')
    await clock.advance(3000)
    sink.failure = new FlumeError('IO', 'the disk is full', { retry: true })
    await r1.context?.deliver(numbered(0, 1))
    await settle()
    assert.deepEqual(states(), ['r1 running', 'c1 running', 'c2 running', 'k1 failing'])
    assert.equal(agent.snapshot().health[3]?.problem, 'the disk is full')
    sink.failure = undefined
    await clock.advance(1000)
    assert.deepEqual(states(), ['r1 running', 'c1 running', 'c2 running', 'k1 running'])
    await agent.stop(0)
    assert.deepEqual(states(), ['r1 stopped', 'c1 stopped', 'c2 stopped', 'k1 stopped'])
  })
})
