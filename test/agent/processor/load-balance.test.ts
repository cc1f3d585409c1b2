import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadBalance } from '../../../src/agent/processor/load-balance.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { group } from '../../support/driven-sinks.ts'

const n = 100

describe('load balancing sink processor, round robin', () => {
  it('shares evenly by default (testDefaultConfiguration, testRoundRobinNoFailure)', async () => {
    const { supply, drain, shares } = await group(loadBalance, {})
    supply.left = 3 * n
    await drain()
    assert.deepEqual(shares(), [n, n, n])
  })

  it('moves its start by one each round, so that the neighbour of a failing sink gets its share (K-07, testRoundRobinPersistentFailure)', async () => {
    const { supply, sinks, drain, shares } = await group(loadBalance, {})
    Object.assign(sinks[1] as object, { failing: true })
    supply.left = 3 * n
    await drain()
    assert.deepEqual(shares(), [n, 0, 2 * n])
  })

  it('gives everything to the only sink that works (testRoundRobinOneActiveSink)', async () => {
    const { supply, sinks, drain, shares } = await group(loadBalance, {})
    for (const sink of sinks.slice(0, 2)) sink.failing = true
    supply.left = n
    await drain()
    assert.deepEqual(shares(), [0, 0, n])
  })

  it('leaves a failed sink out (K-08, testRoundRobinBackoffInitialFailure)', async () => {
    const { supply, sinks, rounds, drain, shares } = await group(loadBalance, { backoff: true })
    const s2 = sinks[1] as (typeof sinks)[0]
    supply.left = 3 * n
    await rounds(3)
    s2.failing = true
    await rounds(3)
    s2.failing = false
    await drain()
    assert.deepEqual(shares(), [(3 * n) / 2, 1, (3 * n) / 2 - 1])
  })

  it('leaves it out for longer each time (K-08, testRoundRobinBackoffIncreasingBackoffs)', async () => {
    const { supply, clock, sinks, rounds, drain, shares } = await group(loadBalance, { backoff: true })
    const s2 = sinks[1] as (typeof sinks)[0]
    s2.failing = true
    supply.left = 3 * n
    await rounds(3)
    await clock.advance(2100)
    await rounds(3)
    assert.equal(s2.rounds, 2)
    s2.failing = false
    await clock.advance(2100)
    await rounds(3)
    assert.equal(s2.rounds, 2)
    await clock.advance(2500)
    await drain()
    assert.deepEqual(shares(), [n + 2, n - 3, n + 1])
  })

  it('takes it back after its pause (testRoundRobinBackoffFailureRecovery)', async () => {
    const { supply, clock, sinks, rounds, drain, shares } = await group(loadBalance, { backoff: true })
    const s2 = sinks[1] as (typeof sinks)[0]
    s2.failing = true
    supply.left = 3 * n
    await rounds(3)
    s2.failing = false
    await clock.advance(2001)
    await drain()
    assert.deepEqual(shares(), [n + 1, n - 1, n])
  })

  it('pauses 2, 4, 8 … s up to maxTimeOut and counts anew after an hour without failure (K-08)', async () => {
    const { supply, clock, sinks, rounds } = await group(
      loadBalance,
      { backoff: true, 'selector.maxTimeOut': 20_000 },
      { sinks: 2 },
    )
    const s1 = sinks[0] as (typeof sinks)[0]
    supply.left = 10_000
    s1.failing = true
    await rounds(1)
    const pauses = [2000, 4000, 8000, 16_000, 20_000, 20_000]
    for (const pauseMs of pauses) {
      const before = s1.rounds
      await clock.advance(pauseMs - 1)
      await rounds(2)
      assert.equal(s1.rounds, before, `before ${pauseMs} ms are over`)
      await clock.advance(1)
      await rounds(2)
      assert.equal(s1.rounds, before + 1, `after ${pauseMs} ms`)
    }
    s1.failing = false
    await clock.advance(20_000 + 3_600_000)
    s1.failing = true
    await rounds(2)
    const before = s1.rounds
    await clock.advance(2000)
    await rounds(2)
    assert.equal(s1.rounds, before + 1, 'the first pause again')
  })

  it('counts an empty channel as success and asks no other sink (K-06)', async () => {
    const { sinks, processor } = await group(loadBalance, {})
    assert.equal(await processor.process(), 'backoff')
    assert.deepEqual(
      sinks.map((sink) => sink.rounds),
      [1, 0, 0],
    )
  })

  for (const selector of ['round_robin', 'random']) {
    it(`rejects when every sink fails, and when every sink is left out, with ${selector} order (K-06, K-10)`, async () => {
      const { supply, sinks, processor } = await group(loadBalance, { backoff: true, selector })
      supply.left = 1
      for (const sink of sinks) sink.failing = true
      const all = { code: 'DELIVERY', message: 'All configured sinks have failed' }
      await assert.rejects(processor.process(), all)
      // Flume's random order fails here with an argument error.
      await assert.rejects(processor.process(), all)
      assert.deepEqual(
        sinks.map((sink) => sink.rounds),
        [1, 1, 1],
      )
    })
  }
})

describe('load balancing sink processor, random', () => {
  it('delivers everything, unevenly but near the third (testRandomNoFailure)', async () => {
    const { supply, drain, shares } = await group(loadBalance, { selector: 'random' }, { random: seededRandom(7) })
    supply.left = 3000
    await drain()
    const got = shares()
    assert.equal((got[0] as number) + (got[1] as number) + (got[2] as number), 3000)
    for (const share of got) assert.ok(share > 900 && share < 1100, String(got))
    assert.notDeepEqual(got, [1000, 1000, 1000])
  })

  it("moves a failing sink's share to the others (testRandomPersistentFailure)", async () => {
    const { supply, sinks, drain, shares } = await group(loadBalance, { selector: 'random' })
    Object.assign(sinks[1] as object, { failing: true })
    supply.left = 1000
    await drain()
    const [s1, s2, s3] = shares() as [number, number, number]
    assert.equal(s2, 0)
    assert.ok(Math.abs(s1 - s3) < 120, `${s1} ${s3}`)
  })

  it('gives everything to the only sink that works (testRandomOneActiveSink)', async () => {
    const { supply, sinks, drain, shares } = await group(loadBalance, { selector: 'random' })
    for (const sink of sinks.slice(0, 2)) sink.failing = true
    supply.left = n
    await drain()
    assert.deepEqual(shares(), [0, 0, n])
  })

  it('leaves failed sinks out and takes them back (testRandomBackoff)', async () => {
    const { supply, clock, sinks, rounds, drain, shares } = await group(loadBalance, {
      selector: 'random',
      backoff: true,
    })
    supply.left = 1000
    for (const sink of sinks.slice(0, 2)) sink.failing = true
    await rounds(50)
    assert.deepEqual(
      sinks.map((sink) => sink.rounds),
      [1, 1, 50],
    )
    for (const sink of sinks) sink.failing = false
    await clock.advance(2000)
    await drain()
    for (const share of shares()) assert.ok(share > 250, String(shares()))
  })
})

describe('load balancing sink processor, options', () => {
  for (const [text, value] of [
    ['round_robin', 'round_robin'],
    ['ROUND_ROBIN', 'round_robin'],
    ['Random', 'random'],
  ]) {
    it(`reads selector = ${text} as ${value}`, () => {
      assert.deepEqual(loadBalance.options['selector']?.read(text as string), { value })
    })
  }

  it('refuses a selector class with advice, and any other word with the words there are', () => {
    const read = (text: string) =>
      (loadBalance.options['selector']?.read(text) as { problem: string } | undefined)?.problem ?? ''
    assert.match(read('com.example.FixedOrderSelector'), /Java class; write .* of your own/)
    assert.match(read('fixed'), /is not one of round_robin, random/)
  })
})
