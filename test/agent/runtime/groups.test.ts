import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SinkGroupModel } from '../../../src/agent/config/model.ts'
import { defineSink, FlumeError } from '../../../src/agent/contract.ts'
import { defaultProcessor } from '../../../src/agent/processor/default.ts'
import { failover } from '../../../src/agent/processor/failover.ts'
import { loadBalance } from '../../../src/agent/processor/load-balance.ts'
import { Agent } from '../../../src/agent/runtime/agent.ts'
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
import { RecordingLogger } from '../../support/recording-logger.ts'

async function grouped(makeGroup: (names: string[]) => SinkGroupModel, count = 2) {
  const source = new HandSource()
  const sinks = Array.from({ length: count }, () => new RecordingSink())
  for (const sink of sinks) sink.batchSize = 10
  const names = sinks.map((_, i) => `k${i + 1}`)
  const model = agentModel({
    channels: [memoryModel('c1')],
    sources: [sourceModel('r1', source.spec, ['c1'])],
    sinks: sinks.map((sink, i) => sinkModel(names[i] as string, sink.spec, 'c1')),
    groups: [makeGroup(names)],
  })
  const clock = new ManualClock()
  const log = new RecordingLogger()
  const agent = new Agent(model, { log, clock })
  return { agent, clock, log, source, sinks: sinks as [RecordingSink, RecordingSink] }
}

const byRank = (names: string[]) => groupModel('g1', failover, names, { 'priority.': { k1: '2', k2: '1' } })

describe('sink groups', () => {
  it('hand the batch that a failing sink gave back to the next one at once, in order and undoubled (K-02)', async () => {
    const { agent, source, sinks } = await grouped(byRank)
    await agent.start()
    sinks[0].failure = new FlumeError('IO', 'the disk is full', { retry: true })
    await source.context?.deliver(numbered(0, 25))
    await settle()
    assert.deepEqual(sinks[1].batches, [10, 10, 5])
    assert.deepEqual(sinks[1].written, [...Array(25).keys()].map(String))
    assert.equal(sinks[0].attempts, 1)
    await agent.stop()
  })

  it('go back to the better sink when it works again (K-03, K-04)', async () => {
    const { agent, clock, source, sinks } = await grouped(byRank)
    await agent.start()
    sinks[0].failure = new Error('broken')
    await source.context?.deliver(numbered(0, 1))
    await settle()
    sinks[0].failure = undefined
    await clock.advance(2000)
    await source.context?.deliver(numbered(1, 1))
    await settle()
    // The round that was waiting for events when the penalty ended is still the second sink's.
    await source.context?.deliver(numbered(2, 1))
    await settle()
    assert.deepEqual([sinks[0].written, sinks[1].written], [['2'], ['0', '1']])
    await agent.stop()
  })

  it('pause 5 s when every sink failed, say so once, and lose nothing (K-02, M-06)', async () => {
    const { agent, clock, log, source, sinks } = await grouped(byRank)
    await agent.start()
    for (const sink of sinks) sink.failure = new FlumeError('IO', 'gone', { retry: true })
    await source.context?.deliver(numbered(0, 3))
    await settle()
    assert.deepEqual([sinks[0].attempts, sinks[1].attempts], [1, 1])
    await clock.advance(4999)
    assert.deepEqual([sinks[0].attempts, sinks[1].attempts], [1, 1])
    for (const sink of sinks) sink.failure = undefined
    await clock.advance(1)
    assert.deepEqual(sinks[0].written, ['0', '1', '2'])
    assert.deepEqual(
      log.lines.filter((line) => line.startsWith('error')),
      [
        'error: gone; group g1 goes on without it',
        'error: gone; group g1 goes on without it',
        'error: All sinks failed to process, nothing left to failover to: gone; the events stay in the channel, trying again',
      ],
    )
    await agent.stop()
  })

  it('share batches over sinks in the order of the list (K-07, K-09)', async () => {
    const { agent, source, sinks } = await grouped((names) => groupModel('g1', loadBalance, names), 3)
    await agent.start()
    await source.context?.deliver(numbered(0, 60))
    await settle()
    assert.deepEqual(
      sinks.map(({ written }) => written[0]),
      ['0', '10', '20'],
    )
    assert.deepEqual(
      sinks.map(({ batches }) => batches),
      [
        [10, 10],
        [10, 10],
        [10, 10],
      ],
    )
    await agent.stop()
  })

  it('open all their sinks with the group and close them with it, used or not (K-11)', async () => {
    const { agent, sinks } = await grouped(byRank)
    await agent.start()
    await settle()
    assert.deepEqual([sinks[0].starts, sinks[1].starts], [1, 1])
    await agent.stop()
    assert.deepEqual([sinks[0].stopped, sinks[1].stopped], [true, true])
  })

  it('fail over from a sink that cannot be opened, and try to open it again when its penalty is over (K-11, M-03)', async () => {
    const { agent, clock, source, sinks } = await grouped(byRank)
    sinks[0].startFailure = new Error('no such folder')
    await agent.start()
    await source.context?.deliver(numbered(0, 1))
    await settle()
    assert.deepEqual(sinks[1].written, ['0'])
    sinks[0].startFailure = undefined
    await clock.advance(6000)
    await source.context?.deliver(numbered(1, 1))
    await settle()
    assert.deepEqual(sinks[0].written, ['1'])
    await agent.stop()
  })

  it('of one sink run as a sink without a group (default)', async () => {
    const { agent, source, sinks } = await grouped((names) => groupModel('g1', defaultProcessor, names), 1)
    await agent.start()
    await source.context?.deliver(numbered(0, 3))
    await settle()
    assert.deepEqual(sinks[0].written, ['0', '1', '2'])
    await agent.stop()
  })

  it('with a sink that is asked by its peer are refused: nobody can drive it', async () => {
    const pulled = defineSink({
      type: 'pulled',
      aliases: [],
      summary: '',
      options: {},
      create: () => ({ serve: async () => undefined }),
    })
    const model = agentModel({
      channels: [memoryModel('c1')],
      sources: [],
      sinks: [sinkModel('k1', pulled, 'c1'), sinkModel('k2', new RecordingSink().spec, 'c1')],
      groups: [groupModel('g1', loadBalance, ['k1', 'k2'])],
    })
    const agent = new Agent(model, { log: silentLogger, clock: new ManualClock() })
    await assert.rejects(agent.start(), { code: 'UNSUPPORTED' })
    await agent.stop()
  })

  it('do not spin on a channel that never waits (keep-alive = 0): they look again after 1, 2, 3 … s (M-06)', async () => {
    const source = new HandSource()
    const sink = new RecordingSink()
    const memory = memoryModel('c1')
    const model = agentModel({
      channels: [{ ...memory, options: { ...memory.options, 'keep-alive': 0 } }],
      sources: [sourceModel('r1', source.spec, ['c1'])],
      sinks: [sinkModel('k1', sink.spec, 'c1')],
    })
    const clock = new ManualClock()
    const agent = new Agent(model, { log: silentLogger, clock })
    await agent.start()
    await clock.advance(1000)
    await source.context?.deliver(numbered(0, 1))
    await clock.advance(1999)
    assert.deepEqual(sink.written, [])
    await clock.advance(1)
    assert.deepEqual(sink.written, ['0'])
    await agent.stop()
  })
})
