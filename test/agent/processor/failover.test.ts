import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { failover } from '../../../src/agent/processor/failover.ts'
import { group } from '../../support/driven-sinks.ts'

const threeRanks = { 'priority.': { s1: '3', s2: '2', s3: '1' }, maxpenalty: 10_000 }

describe('failover sink processor', () => {
  it('goes down the priorities and comes back as Flume does in its own test (testFailover)', async () => {
    const { supply, clock, sinks, drain, shares } = await group(failover, threeRanks)
    const [s1, s2] = sinks as [(typeof sinks)[0], (typeof sinks)[0]]
    s1.good = 10
    s2.good = 50
    supply.left = 15
    await drain()
    assert.deepEqual(shares(), [10, 5, 0])
    supply.left = 50
    await drain()
    assert.deepEqual(shares(), [10, 50, 5])
    s2.good = 20
    await clock.advance(5000)
    supply.left = 100
    await drain()
    assert.deepEqual(shares(), [10, 70, 85])
  })

  it('uses the live sink with the largest priority, whatever the order of the list (K-01)', async () => {
    const { supply, drain, shares } = await group(failover, { 'priority.': { s1: '-7', s2: '5', s3: '12' } })
    supply.left = 4
    await drain()
    assert.deepEqual(shares(), [0, 0, 4])
  })

  it('ranks sinks without a priority, or with one that is no number, -1, -2, … by the list (K-05, K-09)', async () => {
    const { supply, sinks, rounds, shares } = await group(
      failover,
      { 'priority.': { s2: '-2', s3: 'high' } },
      { sinks: 4 },
    )
    // s1 is -1, s2 is -2 by its own word, s3 is -2 by its place and so comes after s2, s4 is -3.
    supply.left = 4
    for (const sink of sinks) {
      await rounds(1)
      sink.failing = true
    }
    assert.deepEqual(shares(), [1, 1, 1, 1])
  })

  it('uses sinks of equal priority too, the first of the list first, where Flume leaves the second out (K-05)', async () => {
    const { supply, sinks, rounds, shares } = await group(failover, { 'priority.': { s1: '5', s2: '5', s3: '1' } })
    supply.left = 3
    await rounds(1)
    Object.assign(sinks[0] as object, { failing: true })
    await rounds(1)
    Object.assign(sinks[1] as object, { failing: true })
    await rounds(1)
    assert.deepEqual(shares(), [1, 1, 1])
  })

  it('tries the next live sink within the same round, and rejects when none is left (K-02)', async () => {
    const { supply, sinks, processor, log } = await group(failover, threeRanks)
    supply.left = 5
    for (const sink of sinks) sink.failing = true
    await assert.rejects(processor.process(), {
      code: 'DELIVERY',
      message: 'All sinks failed to process, nothing left to failover to',
    })
    assert.deepEqual(
      sinks.map((sink) => sink.rounds),
      [1, 1, 1],
    )
    assert.deepEqual(log.lines, [
      'warn: sink s1 failed, sink s2 takes over',
      'warn: sink s2 failed, sink s3 takes over',
    ])
    await assert.rejects(processor.process(), /nothing left to failover to/)
    assert.equal(sinks[0]?.rounds, 1, 'in its penalty it is not even tried')
  })

  it('retries a failed sink after 2, 4, 8, 16, 30, 30 s, and after 2 s again once it has been back (K-03)', async () => {
    const { supply, clock, sinks, rounds } = await group(failover, { 'priority.': { s1: '2', s2: '1' } }, { sinks: 2 })
    const [s1] = sinks as [(typeof sinks)[0]]
    supply.left = 1000
    for (let life = 0; life < 2; life++) {
      s1.failing = true
      await rounds(1)
      for (const pauseMs of [2000, 4000, 8000, 16_000, 30_000, 30_000]) {
        const before = s1.rounds
        await clock.advance(pauseMs - 1)
        await rounds(1)
        assert.equal(s1.rounds, before, `before ${pauseMs} ms are over`)
        await clock.advance(1)
        await rounds(1)
        assert.equal(s1.rounds, before + 1, `after ${pauseMs} ms`)
      }
      s1.failing = false
      await clock.advance(30_000)
      await rounds(1)
    }
  })

  it('keeps the penalty at its ceiling however long a sink stays away', async () => {
    const { supply, clock, sinks, rounds } = await group(
      failover,
      { 'priority.': { s1: '2', s2: '1' }, maxpenalty: 5000 },
      { sinks: 2 },
    )
    supply.left = 1000
    Object.assign(sinks[0] as object, { failing: true })
    await rounds(1)
    for (let i = 0; i < 100; i++) {
      await clock.advance(5000)
      await rounds(1)
    }
    assert.equal(sinks[0]?.rounds, 101)
  })

  it('answers with what the recovered sink did: delivered, it is live again; nothing to take, it waits on at the same time (K-04)', async () => {
    const { supply, clock, sinks, processor } = await group(failover, threeRanks)
    const [s1, s2] = sinks as [(typeof sinks)[0], (typeof sinks)[0]]
    supply.left = 1
    s1.failing = true
    assert.equal(await processor.process(), 'ready')
    await clock.advance(2000)
    // Nothing to take: s1 stays among the failed, s2 is not asked in that round.
    assert.equal(await processor.process(), 'backoff')
    assert.deepEqual([s1.rounds, s2.rounds], [2, 1])
    s1.failing = false
    supply.left = 2
    assert.equal(await processor.process(), 'ready')
    assert.equal(await processor.process(), 'ready')
    assert.deepEqual([s1.taken, s2.taken], [2, 1])
  })

  it('goes on to the live sinks in the same round when a failed one fails again (K-04)', async () => {
    const { supply, clock, sinks, processor } = await group(failover, threeRanks)
    const [s1, s2] = sinks as [(typeof sinks)[0], (typeof sinks)[0]]
    s1.failing = true
    supply.left = 2
    await processor.process()
    await clock.advance(2000)
    assert.equal(await processor.process(), 'ready')
    assert.deepEqual([s1.rounds, s2.taken], [2, 2])
  })

  it('says which priorities count for nothing', async () => {
    const { log } = await group(failover, { 'priority.': { s1: '1', s9: '2' } })
    assert.deepEqual(log.lines, ['warn: priority.s9 counts for nothing: the group has no sink s9'])
    assert.deepEqual(
      failover.check?.({ 'priority.': { s1: '1', s2: 'high', s3: '1.5' } }).map(({ option }) => option),
      ['priority.s2', 'priority.s3'],
    )
  })
})
