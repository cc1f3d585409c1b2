import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AgentModel, ChannelModel } from '../../../src/agent/config/model.ts'
import {
  type ChannelSpec,
  defineInterceptor,
  defineSink,
  defineSource,
  FlumeError,
} from '../../../src/agent/contract.ts'
import { failover } from '../../../src/agent/processor/failover.ts'
import { Agent } from '../../../src/agent/runtime/agent.ts'
import { createLogger } from '../../../src/monitor/logger.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { bodies, numbered } from '../../support/batches.ts'
import {
  agentModel,
  groupModel,
  HandSource,
  memoryModel,
  RecordingSink,
  SlowSink,
  sinkModel,
  sourceModel,
} from '../../support/components.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'

async function running(model: AgentModel) {
  const clock = new ManualClock()
  const lines: string[] = []
  const log = createLogger({
    stream: { write: (line) => lines.push((JSON.parse(line) as { message: string }).message) },
    readable: false,
  })
  const agent = new Agent(model, { log, clock })
  await agent.start()
  await settle()
  return { agent, clock, lines }
}

function oneFlow(limits: { capacity?: number; transactionCapacity?: number } = {}) {
  const source = new HandSource()
  const sink = new RecordingSink()
  const model = agentModel({
    channels: [memoryModel('c1', limits)],
    sources: [sourceModel('r1', source.spec, ['c1'])],
    sinks: [sinkModel('k1', sink.spec, 'c1')],
  })
  return { source, sink, model }
}

describe('agent', () => {
  it('moves what a source delivers through the channel to the sink', async () => {
    const { source, sink, model } = oneFlow()
    const { agent } = await running(model)
    await source.context?.deliver(bodies('a', 'b'))
    await settle()
    assert.deepEqual(sink.written, ['a', 'b'])
    await agent.stop()
    assert.deepEqual(agent.summary, {
      sources: [{ name: 'r1', accepted: 2, refused: 0 }],
      channels: [{ name: 'c1', held: 0, lost: 0 }],
      sinks: [{ name: 'k1', delivered: 2 }],
    })
  })

  describe('a sink that takes several writes at once', () => {
    const slowFlow = async () => {
      const source = new HandSource()
      const sink = new SlowSink()
      const model = agentModel({
        channels: [memoryModel('c1')],
        sources: [sourceModel('r1', source.spec, ['c1'])],
        sinks: [sinkModel('k1', sink.spec, 'c1')],
      })
      return { ...(await running(model)), source, sink }
    }

    it('gets the next batch while it writes, as many as it says', async () => {
      const { agent, source, sink } = await slowFlow()
      await source.context?.deliver(bodies('1', '2', '3', '4', '5', '6', '7', '8'))
      await settle()
      assert.deepEqual(sink.underWay, [
        ['1', '2'],
        ['3', '4'],
        ['5', '6'],
      ])
      sink.endOldest()
      await settle()
      assert.deepEqual(sink.underWay.at(-1), ['7', '8'])
      for (let i = 0; i < 3; i++) sink.endOldest()
      await agent.stop()
      assert.deepEqual(sink.written, ['1', '2', '3', '4', '5', '6', '7', '8'])
      assert.deepEqual(agent.summary.sinks, [{ name: 'k1', delivered: 8 }])
    })

    it('writes nothing more after a failure until every write has ended, then all of it in order', async () => {
      const { agent, clock, source, sink } = await slowFlow()
      await source.context?.deliver(bodies('1', '2', '3', '4', '5', '6', '7', '8'))
      await settle()
      const failure = new FlumeError('IO', 'not now', { retry: true })
      sink.endOldest(failure)
      await settle()
      assert.equal(sink.underWay.length, 2)
      for (let i = 0; i < 2; i++) sink.endOldest(failure)
      await settle()
      assert.equal(sink.underWay.length, 0)
      await clock.advance(1000)
      assert.deepEqual(sink.underWay[0], ['1', '2'])
      for (let i = 0; i < 4; i++) {
        sink.endOldest()
        await settle()
      }
      await agent.stop()
      assert.deepEqual(sink.written, ['1', '2', '3', '4', '5', '6', '7', '8'])
    })

    it('is stopped when every write has ended', async () => {
      const { agent, source, sink } = await slowFlow()
      await source.context?.deliver(bodies('1', '2', '3', '4'))
      await settle()
      let stopped = false
      const stopping = agent.stop().then(() => {
        stopped = true
      })
      await settle()
      assert.equal(stopped, false)
      sink.endOldest()
      sink.endOldest()
      await stopping
      assert.deepEqual(sink.written, ['1', '2', '3', '4'])
    })

    it('is waited for at a stop, aloud after two seconds, so that nobody takes it for a hang', async () => {
      const { agent, clock, lines, source, sink } = await slowFlow()
      await source.context?.deliver(bodies('1', '2'))
      await settle()
      const stopping = agent.stop(0)
      await clock.advance(1999)
      const said = () => lines.filter((line) => line.includes('to finish what is under way'))
      assert.deepEqual(said(), [])
      await clock.advance(1)
      assert.deepEqual(said(), ['waiting for k1 to finish what is under way; stop once more to end at once'])
      sink.endOldest()
      await stopping
    })
  })

  it('shows what its channel says does not work, for as long as it says so', async () => {
    const { model } = oneFlow()
    let problem: string | undefined = '/data: no space'
    const [channel] = model.channels as [ChannelModel]
    const create: ChannelSpec['create'] = async (options, context) => {
      const made = await channel.spec.create(options, context)
      return Object.defineProperty(made, 'problem', { get: () => problem })
    }
    const { agent } = await running({ ...model, channels: [{ ...channel, spec: { ...channel.spec, create } }] })
    const health = () => agent.snapshot().health.find(({ kind }) => kind === 'channel')
    assert.deepEqual(health(), { kind: 'channel', name: 'c1', state: 'failing', problem })
    problem = undefined
    assert.deepEqual(health(), { kind: 'channel', name: 'c1', state: 'running' })
    await agent.stop()
  })

  it('pauses 1, 2, 3, 4, 5, 5 s after failures that may pass, and starts again at 1 s after a success (M-06)', async () => {
    const { source, sink, model } = oneFlow()
    const { agent, clock } = await running(model)
    for (let round = 0; round < 2; round++) {
      sink.failure = new FlumeError('IO', 'not now', { retry: true })
      sink.attempts = 0
      await source.context?.deliver(bodies('a'))
      await settle()
      assert.equal(sink.attempts, 1)
      let attempts = 1
      for (const pauseMs of [1000, 2000, 3000, 4000, 5000, 5000]) {
        await clock.advance(pauseMs - 1)
        assert.equal(sink.attempts, attempts, `before ${pauseMs} ms are over`)
        await clock.advance(1)
        assert.equal(sink.attempts, ++attempts, `after ${pauseMs} ms`)
      }
      sink.failure = undefined
      await clock.advance(5000)
    }
    assert.deepEqual(sink.written, ['a', 'a'])
    await agent.stop()
  })

  it('pauses 5 s after any other failure, says it once, and says when it delivers again (M-06)', async () => {
    const { source, sink, model } = oneFlow()
    const { agent, clock, lines } = await running(model)
    sink.failure = new Error('broken')
    await source.context?.deliver(bodies('a'))
    await clock.advance(4 * 5000)
    assert.equal(sink.attempts, 5)
    sink.failure = undefined
    await clock.advance(5000)
    assert.deepEqual(lines, ['broken; the events stay in the channel, trying again', 'delivers again after 5 failures'])
    await agent.stop()
  })

  it('starts a failed source again every 3 s until it runs (M-03)', async () => {
    const { source, model } = oneFlow()
    source.failures = [new Error('the port is in use'), new Error('the port is in use')]
    const { agent, clock, lines } = await running(model)
    assert.equal(source.runs, 1)
    await clock.advance(3000)
    assert.equal(source.runs, 2)
    await clock.advance(3000)
    assert.equal(source.runs, 3)
    assert.equal((await agent.ready()).get('r1'), 'the test')
    assert.deepEqual(lines, ['the port is in use; trying again every 3 s', 'takes input at the test after 2 failures'])
    await agent.stop()
  })

  it('runs the flows whose channels are open while others wait for theirs, which are tried every 3 s (F-09)', async () => {
    const sources = { r1: ['c1'], r2: ['c2'], both: ['c1', 'c2'] }
    const hands = new Map(Object.keys(sources).map((name) => [name, new HandSource()]))
    const sinks = new Map(['k1', 'k2', 'member', 'mate', 'setsAside'].map((name) => [name, new RecordingSink()]))
    const specOf = (name: string) => (sinks.get(name) as RecordingSink).spec
    const late = memoryModel('c2')
    let failures = 2
    const create: ChannelSpec['create'] = async (options, context) => {
      if (failures-- > 0) throw new FlumeError('INVALID_STATE', 'the disk is away', { retry: true })
      return late.spec.create(options, context)
    }
    const clock = new ManualClock()
    const log = new RecordingLogger()
    const agent = new Agent(
      agentModel({
        channels: [{ ...late, spec: { ...late.spec, create } }, memoryModel('c1')],
        sources: Object.entries(sources).map(([name, channels]) =>
          sourceModel(name, (hands.get(name) as HandSource).spec, channels),
        ),
        sinks: [
          sinkModel('k1', specOf('k1'), 'c1'),
          sinkModel('k2', specOf('k2'), 'c2'),
          // One of a group that waits is driven by nobody else.
          sinkModel('member', specOf('member'), 'c1'),
          sinkModel('mate', specOf('mate'), 'c2'),
          { ...sinkModel('setsAside', specOf('setsAside'), 'c1'), deadLetters: { channel: 'c2', attempts: undefined } },
        ],
        groups: [groupModel('g1', failover, ['member', 'mate'])],
      }),
      { log, clock },
    )
    const started = agent.start()
    const stateOf = () =>
      Object.fromEntries(agent.snapshot().health.map(({ name, state, problem }) => [name, problem ?? state]))
    await settle()
    const before = { c1: 'running', c2: 'the disk is away', r1: 'running', k1: 'running' }
    const waiting = { r2: 'starting', both: 'starting', k2: 'starting', member: 'starting', mate: 'starting' }
    assert.deepEqual(stateOf(), { ...before, ...waiting, setsAside: 'starting' })
    await hands.get('r1')?.context?.deliver(bodies('a'))
    await settle()
    assert.deepEqual(sinks.get('k1')?.written, ['a'])
    await clock.advance(6000)
    await started
    await settle()
    assert.deepEqual(new Set(Object.values(stateOf())), new Set(['running']))
    await hands.get('both')?.context?.deliver(bodies('b'))
    await settle()
    const wrote = (...names: string[]) =>
      names.flatMap((name) => sinks.get(name)?.written ?? []).filter((text) => text === 'b')
    assert.equal(wrote('k1', 'member', 'setsAside').length, 1)
    assert.equal(wrote('k2', 'mate').length, 1)
    assert.deepEqual(
      log.lines.filter((line) => line.startsWith('error')),
      ['error: the disk is away; trying again every 3 s; its sources and sinks wait, other flows run'],
    )
    await agent.stop()
  })

  it('leaves a source stopped that says it must not go on', async () => {
    const { source, model } = oneFlow()
    source.failures = [new FlumeError('INVALID_STATE', 'the file was changed')]
    const { agent, clock, lines } = await running(model)
    await clock.advance(10_000)
    assert.equal(source.runs, 1)
    assert.match(lines.join(), /the file was changed; the source stays stopped/)
    assert.equal((await agent.ready()).get('r1'), undefined)
    await agent.stop()
  })

  it('lets sinks empty memory channels before it stops, so that nothing acknowledged is lost', async () => {
    const { source, sink, model } = oneFlow()
    const { agent, clock } = await running(model)
    sink.failure = new FlumeError('IO', 'not now', { retry: true })
    await source.context?.deliver(numbered(0, 50))
    await settle()
    const stopped = agent.stop()
    await settle()
    assert.equal(sink.stopped, false)
    sink.failure = undefined
    await clock.advance(1000)
    await stopped
    assert.equal(sink.written.length, 50)
    assert.equal(sink.stopped, true)
    assert.equal(agent.atRisk, 0)
  })

  it('gives up emptying after the time it was given and says what is left', async () => {
    const { source, sink, model } = oneFlow()
    const { agent, clock } = await running(model)
    sink.failure = new FlumeError('IO', 'not now', { retry: true })
    await source.context?.deliver(numbered(0, 50))
    const stopped = agent.stop(10_000)
    await clock.advance(10_000)
    await stopped
    assert.equal(sink.stopped, true)
    assert.equal(agent.atRisk, 50)
  })

  it('starts channels, sinks, sources; stops sources, sinks, channels; interceptors come before a source and go after it (M-01, M-02, M-04)', async () => {
    const order: string[] = []
    const note = (what: string): void => void order.push(what)
    const source = defineSource({
      type: 'noting',
      aliases: [],
      summary: '',
      options: {},
      create: (_options, { signal, ready }) => ({
        run: async () => {
          note('source starts')
          ready('here')
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          note('source stops')
        },
      }),
    })
    const sink = defineSink({
      type: 'noting',
      aliases: [],
      summary: '',
      options: {},
      create: () => ({
        batchSize: 1,
        start: async () => note('sink starts'),
        write: async () => undefined,
        stop: async () => note('sink stops'),
      }),
    })
    const interceptor = defineInterceptor({
      type: 'noting',
      aliases: [],
      summary: '',
      options: {},
      create: () => {
        note('interceptor is made')
        return { intercept: (batch) => batch, close: () => note('interceptor is closed') }
      },
    })
    const memory = memoryModel('c1')
    const channel: typeof memory = {
      ...memory,
      spec: {
        ...memory.spec,
        create: async (options, context) => {
          const made = await memory.spec.create(options, context)
          note('channel opens')
          const stop = made.stop?.bind(made)
          made.stop = async () => {
            note('channel closes')
            await stop?.()
          }
          return made
        },
      },
    }
    const model = agentModel({
      channels: [channel],
      sources: [sourceModel('r1', source, ['c1'], { interceptors: [{ name: 'i1', spec: interceptor, options: {} }] })],
      sinks: [sinkModel('k1', sink, 'c1')],
    })
    const { agent } = await running(model)
    await agent.stop()
    assert.deepEqual(order, [
      'channel opens',
      'interceptor is made',
      'sink starts',
      'source starts',
      'source stops',
      'interceptor is closed',
      'sink stops',
      'channel closes',
    ])
  })

  it('may be stopped twice, and before it was started', async () => {
    const { sink, model } = oneFlow()
    const agent = new Agent(model, { log: createLogger({ level: 'silent' }), clock: new ManualClock() })
    await Promise.all([agent.stop(), agent.stop()])
    assert.equal(sink.attempts, 0)
    const { agent: started } = await running(oneFlow().model)
    await Promise.all([started.stop(), started.stop()])
  })

  it('limits a sink whose own batch is above the transactionCapacity of its channel', async () => {
    const { source, sink, model } = oneFlow()
    const { agent } = await running({ ...model, sinks: [sinkModel('k1', sink.spec, 'c1', 10)] })
    await source.context?.deliver(numbered(0, 35))
    await settle()
    assert.deepEqual(sink.batches, [10, 10, 10, 5])
    await agent.stop()
  })
})

describe('delivery', () => {
  function twoChannels(optional: string[] = []) {
    const source = new HandSource()
    const sink = new RecordingSink()
    const model = agentModel({
      channels: [
        memoryModel('c1', { capacity: 5, transactionCapacity: 5 }),
        memoryModel('c2', { capacity: 2, transactionCapacity: 2 }),
      ],
      sources: [sourceModel('r1', source.spec, ['c1', 'c2'], { optional })],
      sinks: [sinkModel('k1', sink.spec, 'c1')],
    })
    return { source, sink, model }
  }

  it('resolves when every required channel has committed and rejects when one refuses (P-01, P-02)', async () => {
    const { source, model, sink } = twoChannels()
    const { agent, clock } = await running(model)
    await source.context?.deliver(numbered(0, 2))
    const refused = assert.rejects(source.context?.deliver(numbered(2, 1)) as Promise<void>, { code: 'CHANNEL_FULL' })
    await clock.advance(3000)
    await refused
    // The first channel had committed already: that is where a retry doubles.
    assert.deepEqual(sink.written, ['0', '1', '2'])
    await agent.stop()
  })

  it('says which channel it was when a required one fails in a way of its own (P-04)', async () => {
    const { source, model } = oneFlow()
    const [memory] = model.channels
    const broken = {
      ...(memory as AgentModel['channels'][number]),
      spec: {
        ...(memory as AgentModel['channels'][number]).spec,
        create: () => ({
          transactionCapacity: 10,
          capacity: 10,
          size: 0,
          room: 10,
          put: () => Promise.reject(new TypeError('out of order')),
          take: () => Promise.resolve(undefined),
        }),
      },
    }
    const { agent } = await running({ ...model, channels: [broken], sinks: [] })
    await assert.rejects(source.context?.deliver(bodies('a')) as Promise<void>, (error: FlumeError) => {
      assert.equal(error.message, 'Unable to put batch on required channel: c1')
      return (error.cause as Error).message === 'out of order'
    })
    await agent.stop()
  })

  it('only logs what an optional channel refuses (P-03)', async () => {
    const { source, model, sink } = twoChannels(['c2'])
    const { agent, clock, lines } = await running(model)
    await source.context?.deliver(numbered(0, 2))
    const delivered = source.context?.deliver(numbered(2, 1))
    await clock.advance(3000)
    await delivered
    assert.deepEqual(sink.written, ['0', '1', '2'])
    assert.match(lines.join(), /optional channel c2 did not take 1 events/)
    await agent.stop()
  })

  it('lets in exactly as many single events as there is room for, whatever the batch was (S-23)', async () => {
    const source = new HandSource()
    const model = agentModel({
      channels: [memoryModel('c1', { capacity: 10, transactionCapacity: 4 })],
      sources: [sourceModel('r1', source.spec, ['c1'])],
      sinks: [],
    })
    const { agent, clock } = await running(model)
    const delivered = source.context?.deliverEach(numbered(0, 25))
    await clock.advance(3000)
    const { accepted, error } = (await delivered) ?? { accepted: -1 }
    assert.equal(accepted, 10)
    assert.equal((error as FlumeError).code, 'CHANNEL_FULL')
    assert.deepEqual(agent.summary.sources, [{ name: 'r1', accepted: 10, refused: 1 }])
    await agent.stop()
  })

  it('waits for every piece of a delivery before it stops what is behind the source', async () => {
    const { source, sink, model } = oneFlow({ capacity: 4, transactionCapacity: 4 })
    const { agent } = await running(model)
    const delivered = source.context?.deliverEach(numbered(0, 40))
    await Promise.all([delivered, agent.stop()])
    assert.equal((await delivered)?.accepted, 40)
    assert.equal(sink.written.length, 40)
  })

  it('runs interceptors once for a batch and reports what they leave out as accepted (P-06, I-07)', async () => {
    const { source, sink, model } = oneFlow()
    let calls = 0
    const [first] = model.sources
    const intercepted = {
      ...model,
      sources: [
        {
          ...(first as AgentModel['sources'][number]),
          interceptors: [
            {
              name: 'i1',
              options: {},
              spec: {
                kind: 'interceptor' as const,
                type: 'evens',
                aliases: [],
                summary: '',
                options: {},
                create: () => ({
                  intercept: (batch: import('../../../src/agent/contract.ts').EventBatch) => {
                    calls++
                    return batch.select([0, 2])
                  },
                }),
              },
            },
          ],
        },
      ],
    }
    const { agent } = await running(intercepted)
    await source.context?.deliver(numbered(0, 4))
    await settle()
    assert.deepEqual(sink.written, ['0', '2'])
    assert.equal(calls, 1)
    assert.equal(agent.summary.sources[0]?.accepted, 4)
    await agent.stop()
  })
})
