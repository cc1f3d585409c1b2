import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AgentModel, ChannelModel, SourceModel } from '../../../src/agent/config/model.ts'
import { defineChannel, defineSource, FlumeError, type SourceSpec } from '../../../src/agent/contract.ts'
import { loadBalance } from '../../../src/agent/processor/load-balance.ts'
import { Agent, type ReloadReport } from '../../../src/agent/runtime/agent.ts'
import { silentLogger } from '../../../src/monitor/logger.ts'
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts'
import { numbered } from '../../support/batches.ts'
import {
  agentModel,
  groupModel,
  HandSource,
  memoryModel,
  RecordingSink,
  sinkModel,
  sourceModel,
} from '../../support/components.ts'
import { imbalanceOf } from '../../support/imbalance.ts'

const changed = <M extends { readonly fingerprint: string }>(model: M, more: Partial<M> = {}): M => ({
  ...model,
  fingerprint: `${model.fingerprint}, changed`,
  ...more,
})

/** Two flows: r1 → c1 → k1 and r2 → c2 → k2. */
function twoFlows() {
  const [r1, r2] = [new HandSource(), new HandSource()]
  const [k1, k2] = [new RecordingSink(), new RecordingSink()]
  const model = agentModel({
    channels: [memoryModel('c1'), memoryModel('c2')],
    sources: [sourceModel('r1', r1.spec, ['c1']), sourceModel('r2', r2.spec, ['c2'])],
    sinks: [sinkModel('k1', k1.spec, 'c1'), sinkModel('k2', k2.spec, 'c2')],
  })
  return { r1, r2, k1, k2, model }
}

async function running(model: AgentModel) {
  const clock = new ManualClock()
  const agent = new Agent(model, { log: silentLogger, clock })
  await agent.start()
  await settle()
  return { agent, clock }
}

const outcome = ({ outcome, error }: ReloadReport): string => (error ? `${outcome}: ${error.message}` : outcome)
const without = <M extends { readonly name: string }>(models: readonly M[], name: string): M[] =>
  models.filter((model) => model.name !== name)
const with_ = <M extends { readonly name: string }>(models: readonly M[], next: M): M[] =>
  models.map((model) => (model.name === next.name ? next : model))

describe('reload', () => {
  it('of an equal agent touches nothing (R-03)', async () => {
    const { r1, k1, model } = twoFlows()
    const { agent } = await running(model)
    const report = await agent.reload({ ...model })
    assert.equal(report.outcome, 'unchanged')
    assert.deepEqual(new Set(report.changes.map(({ change }) => change)), new Set(['keep']))
    assert.deepEqual([r1.runs, k1.stopped], [1, false])
    await agent.stop()
  })

  it('restarts only what changed: the other flow keeps its instances and its events (R-03)', async () => {
    const { r1, r2, k1, k2, model } = twoFlows()
    const { agent } = await running(model)
    k2.failure = new FlumeError('IO', 'not now', { retry: true })
    await r2.context?.deliver(numbered(0, 3))
    const sinks = with_(model.sinks, changed(model.sinks[0] as AgentModel['sinks'][number]))
    const report = await agent.reload({ ...model, sinks })
    assert.equal(outcome(report), 'applied')
    assert.deepEqual(
      report.changes.filter(({ change }) => change !== 'keep').map(({ name, change }) => `${name} ${change}`),
      ['k1 restart'],
    )
    assert.deepEqual([r1.runs, r2.runs, k1.starts, k1.stopped, k2.starts, k2.stopped], [1, 1, 2, true, 1, false])
    assert.equal(agent.snapshot().channels.find(({ channel }) => channel === 'c2')?.held, 3)
    k1.stopped = false
    await r1.context?.deliver(numbered(10, 1))
    await settle()
    assert.deepEqual(k1.written, ['10'])
    await agent.stop(0)
  })

  it('adds and removes whole flows', async () => {
    const { r1, r2, k1, k2, model } = twoFlows()
    const first = {
      ...model,
      channels: without(model.channels, 'c2'),
      sources: without(model.sources, 'r2'),
      sinks: without(model.sinks, 'k2'),
    }
    const { agent } = await running(first)
    await agent.reload(model)
    await r2.context?.deliver(numbered(0, 1))
    await settle()
    assert.deepEqual(k2.written, ['0'])
    await agent.reload(first)
    assert.deepEqual(
      [r2.context?.signal.aborted, k2.stopped, r1.context?.signal.aborted, k1.stopped],
      [true, true, false, false],
    )
    assert.deepEqual(
      agent.snapshot().channels.map(({ channel }) => channel),
      ['c1'],
    )
    await agent.stop()
  })

  it('gives a memory channel new limits while it holds events (R-05, MC-11)', async () => {
    const { r1, k1, model } = twoFlows()
    const { agent, clock } = await running(model)
    k1.failure = new FlumeError('IO', 'not now', { retry: true })
    await r1.context?.deliver(numbered(0, 90))
    const larger = memoryModel('c1', { capacity: 500 })
    const report = await agent.reload({ ...model, channels: with_(model.channels, changed(larger)) })
    assert.equal(report.changes.find(({ name }) => name === 'c1')?.change, 'adjust')
    await r1.context?.deliver(numbered(90, 90))
    assert.equal(agent.snapshot().channels[0]?.held, 180)
    k1.failure = undefined
    await clock.advance(5000)
    assert.equal(k1.written.length, 180)
    await agent.stop()
  })

  it('lets the old sinks empty a memory channel before it goes', async () => {
    const { r2, k2, model } = twoFlows()
    const { agent, clock } = await running(model)
    k2.failure = new FlumeError('IO', 'not now', { retry: true })
    await r2.context?.deliver(numbered(0, 5))
    await settle()
    const reloaded = agent.reload({
      ...model,
      channels: without(model.channels, 'c2'),
      sources: without(model.sources, 'r2'),
      sinks: without(model.sinks, 'k2'),
    })
    await settle()
    assert.deepEqual([r2.context?.signal.aborted, k2.stopped], [true, false])
    k2.failure = undefined
    await clock.advance(1000)
    assert.equal(outcome(await reloaded), 'applied')
    assert.deepEqual([k2.written, k2.stopped], [['0', '1', '2', '3', '4'], true])
    await agent.stop()
  })

  it('is given up when the events of a channel that goes cannot be delivered in time: everything is as before', async () => {
    const { r2, k2, model } = twoFlows()
    const { agent, clock } = await running(model)
    k2.failure = new FlumeError('IO', 'not now', { retry: true })
    await r2.context?.deliver(numbered(0, 5))
    const reloaded = agent.reload({
      ...model,
      channels: without(model.channels, 'c2'),
      sources: without(model.sources, 'r2'),
      sinks: without(model.sinks, 'k2'),
    })
    await clock.advance(30_000)
    assert.equal(outcome(await reloaded), 'rolled back: c2 holds 5 events in memory that no sink delivered within 30 s')
    assert.deepEqual([r2.runs, k2.stopped], [2, false])
    k2.failure = undefined
    await r2.context?.deliver(numbered(5, 1))
    await clock.advance(5000)
    assert.deepEqual(k2.written, ['0', '1', '2', '3', '4', '5'])
    await agent.stop()
  })

  it('turns a memory channel into one of another type without losing what it held', async () => {
    const { r1, k1, model } = twoFlows()
    const { agent, clock } = await running(model)
    k1.failure = new FlumeError('IO', 'not now', { retry: true })
    await r1.context?.deliver(numbered(0, 5))
    const other = memoryModel('c1')
    const reloaded = agent.reload({
      ...model,
      channels: with_(model.channels, {
        ...other,
        spec: { ...other.spec, type: 'other', create: (o, c) => other.spec.create(o, c) },
      }),
    })
    await settle()
    k1.failure = undefined
    await clock.advance(1000)
    assert.equal(outcome(await reloaded), 'applied')
    await r1.context?.deliver(numbered(5, 1))
    await settle()
    assert.deepEqual(k1.written, ['0', '1', '2', '3', '4', '5'])
    assert.deepEqual(imbalanceOf(agent.snapshot()), [])
    await agent.stop()
  })

  describe('rolls back when something new does not start:', () => {
    const brokenChannel = (): ChannelModel => {
      const model = memoryModel('c1')
      const spec = defineChannel({
        ...model.spec,
        type: 'broken',
        create: () => {
          throw new Error('the directory is locked')
        },
      } as Parameters<typeof defineChannel>[0])
      return { ...model, spec }
    }
    const brokenSource = (): SourceModel => {
      const source = new HandSource()
      source.failures = [new Error('the port is in use')]
      return sourceModel('r1', source.spec, ['c1'])
    }
    const brokenSink = (): AgentModel['sinks'][number] => {
      const sink = new RecordingSink()
      sink.startFailure = new Error('no such folder')
      return sinkModel('k1', sink.spec, 'c1')
    }
    const cases: readonly [name: string, change: (model: AgentModel) => Partial<AgentModel>, message: string][] = [
      ['a channel', ({ channels }) => ({ channels: with_(channels, brokenChannel()) }), 'the directory is locked'],
      ['a sink', ({ sinks }) => ({ sinks: with_(sinks, brokenSink()) }), 'no such folder'],
      ['a source', ({ sources }) => ({ sources: with_(sources, brokenSource()) }), 'the port is in use'],
    ]
    for (const [name, change, message] of cases) {
      it(name, async () => {
        const { r1, k1, model } = twoFlows()
        const { agent } = await running(model)
        const report = await agent.reload({ ...model, ...change(model) })
        assert.equal(outcome(report), `rolled back: ${message}`)
        assert.equal(agent.model, model)
        await r1.context?.deliver(numbered(0, 2))
        await settle()
        assert.deepEqual(k1.written, ['0', '1'])
        assert.deepEqual(
          agent.snapshot().health.map(({ name, state }) => `${name} ${state}`),
          ['r1 running', 'r2 running', 'c1 running', 'c2 running', 'k1 running', 'k2 running'],
        )
        // And it is not the end of reloading.
        assert.equal(
          (await agent.reload({ ...model, sinks: with_(model.sinks, changed(model.sinks[0] as never)) })).outcome,
          'applied',
        )
        await agent.stop()
      })
    }

    it('nothing is acknowledged by a new source before the whole change holds', async () => {
      const { model } = twoFlows()
      const { agent, clock } = await running(model)
      const told: string[] = []
      const eager: SourceSpec = defineSource({
        type: 'eager',
        aliases: [],
        summary: '',
        options: {},
        create: (_options, context) => ({
          run: async () => {
            context.ready('at once')
            await context.deliver(numbered(0, 1)).then(
              () => told.push('kept'),
              (error: FlumeError) => told.push(error.code),
            )
          },
        }),
      })
      const late: SourceSpec = defineSource({
        type: 'late',
        aliases: [],
        summary: '',
        options: {},
        create: (_options, context) => ({
          run: async () => {
            await context.clock.sleep(1000, context.signal)
            throw new Error('after all, no')
          },
        }),
      })
      const wanted = {
        ...model,
        channels: [...model.channels, memoryModel('c3')],
        sources: [...model.sources, sourceModel('r3', eager, ['c3']), sourceModel('r4', late, ['c3'])],
      }
      const reloaded = agent.reload(wanted)
      await settle()
      assert.deepEqual(told, [])
      assert.deepEqual(imbalanceOf(agent.snapshot()), [])
      await clock.advance(1000)
      assert.equal(outcome(await reloaded), 'rolled back: after all, no')
      assert.deepEqual(told, ['CLOSED'])
      await agent.stop()
    })
  })

  it('of a configuration whose mended channel did not open starts what was missing', async () => {
    const { r1, k1, model } = twoFlows()
    const broken = {
      ...memoryModel('c1'),
      spec: {
        ...memoryModel('c1').spec,
        create: () => {
          throw new Error('no such disk')
        },
      },
    }
    const clock = new ManualClock()
    const agent = new Agent({ ...model, channels: with_(model.channels, broken) }, { log: silentLogger, clock })
    const started = agent.start()
    await clock.advance(4000)
    assert.deepEqual(agent.snapshot().health[2], {
      kind: 'channel',
      name: 'c1',
      state: 'failing',
      problem: 'no such disk',
    })
    assert.equal(outcome(await agent.reload(model)), 'applied')
    await started
    await r1.context?.deliver(numbered(0, 1))
    await settle()
    assert.deepEqual(k1.written, ['0'])
    assert.equal((await agent.ready()).get('r1'), 'the test')
    await agent.stop()
  })

  it('moves sinks into a group and out of it without closing them (K-11)', async () => {
    const { r1, k1, k2, model } = twoFlows()
    const onOne = {
      ...model,
      channels: without(model.channels, 'c2'),
      sources: without(model.sources, 'r2'),
      sinks: [sinkModel('k1', k1.spec, 'c1'), sinkModel('k2', k2.spec, 'c1')],
    }
    k1.batchSize = 10
    k2.batchSize = 10
    const { agent } = await running(onOne)
    await agent.reload({ ...onOne, groups: [groupModel('g1', loadBalance, ['k1', 'k2'])] })
    await r1.context?.deliver(numbered(0, 40))
    await settle()
    assert.deepEqual(
      [k1.batches, k2.batches],
      [
        [10, 10],
        [10, 10],
      ],
    )
    await agent.reload(onOne)
    await r1.context?.deliver(numbered(40, 1))
    await settle()
    assert.equal(k1.written.length + k2.written.length, 41)
    assert.deepEqual([k1.starts, k2.starts, k1.stopped, k2.stopped], [1, 1, false, false])
    await agent.stop()
  })

  it('hands the terminal on to the source that takes its place, with the line that was typed meanwhile', async () => {
    const taken: string[] = []
    const spec: SourceSpec = defineSource({
      type: 'console',
      aliases: [],
      summary: '',
      options: {},
      takesConsole: true,
      create: (_options, context) => ({
        run: async () => {
          context.ready('here')
          const stopped = new Promise<undefined>((resolve) =>
            context.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
          )
          const iterator = (context.console as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
          for (;;) {
            const next = await Promise.race([iterator.next(), stopped])
            if (!next || next.done) break
            taken.push(`${context.name} ${Buffer.from(next.value)}`)
          }
          await iterator.return?.()
        },
      }),
    })
    const { model } = twoFlows()
    const keys: ((text: string) => void)[] = []
    let isEnded = false
    const typed: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise((resolve) => keys.push((text) => resolve({ done: false, value: Buffer.from(text) }))),
        return: async () => {
          isEnded = true
          return { done: true, value: undefined }
        },
      }),
    }
    const first = { ...model, sources: [sourceModel('r1', spec, ['c1'])] }
    const agent = new Agent(first, { log: silentLogger, clock: new ManualClock(), console: typed })
    await agent.start()
    await settle()
    keys.shift()?.('a')
    await settle()
    await agent.reload({ ...model, sources: [sourceModel('r9', spec, ['c1'])] })
    await settle()
    keys.shift()?.('b')
    await settle()
    assert.deepEqual([taken, keys.length, isEnded], [['r1 a', 'r9 b'], 1, false])
    await agent.stop()
    assert.equal(isEnded, true)
  })

  it('follows the reload before it, and is refused before start and after stop', async () => {
    const { k1, model } = twoFlows()
    const agent = new Agent(model, { log: silentLogger, clock: new ManualClock() })
    await assert.rejects(agent.reload(model), { code: 'INVALID_STATE' })
    await agent.start()
    const next = { ...model, sinks: with_(model.sinks, changed(model.sinks[0] as never)) }
    const reports = await Promise.all([agent.reload(next), agent.reload(next), agent.reload(model)])
    assert.deepEqual(reports.map(outcome), ['applied', 'unchanged', 'applied'])
    assert.equal(k1.starts, 3)
    await agent.stop()
    await assert.rejects(agent.reload(model), { code: 'CLOSED' })
  })

  it('ends a reload that waits when the agent is stopped; the stop then waits for its own time', async () => {
    const { r2, k2, model } = twoFlows()
    const { agent, clock } = await running(model)
    k2.failure = new FlumeError('IO', 'not now', { retry: true })
    await r2.context?.deliver(numbered(0, 5))
    const reloaded = agent.reload({
      ...model,
      channels: without(model.channels, 'c2'),
      sources: without(model.sources, 'r2'),
      sinks: without(model.sinks, 'k2'),
    })
    await settle()
    const stopped = agent.stop(5000)
    assert.match(outcome(await reloaded), /^rolled back/)
    k2.failure = undefined
    await clock.advance(5000)
    await stopped
    assert.equal(k2.written.length, 5)
    assert.equal(agent.atRisk, 0)
  })
})
