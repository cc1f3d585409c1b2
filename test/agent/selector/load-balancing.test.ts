import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadBalancing } from '../../../src/agent/selector/load-balancing.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { numbered, textsOf } from '../../support/batches.ts'
import { channelContext } from '../../support/channel-context.ts'

const make = (policy: string) =>
  loadBalancing.create(
    { policy },
    { ...channelContext(new ManualClock()), channels: ['c1', 'c2', 'c3'], dropped: () => undefined },
  )

describe('load_balancing selector (P-11)', () => {
  it('gives each event to the next channel, across batches', async () => {
    const selector = await make('round_robin')
    const seen = [numbered(0, 4), numbered(4, 1), numbered(5, 4)].map((batch) =>
      selector.route(batch).map((route) => `${route.channel}:${textsOf(route.batch)}${route.required ? '' : '?'}`),
    )
    assert.deepEqual(seen, [['c1:0,3', 'c2:1', 'c3:2'], ['c2:4'], ['c1:6', 'c2:7', 'c3:5,8']])
  })

  it('by chance gives each event to exactly one, evenly', async () => {
    const routes = (await make('random')).route(numbered(0, 3000))
    const all = routes.flatMap((route) => textsOf(route.batch))
    assert.equal(new Set(all).size, 3000)
    assert.equal(all.length, 3000)
    for (const { batch } of routes) assert.ok(batch.count > 900 && batch.count < 1100, String(batch.count))
  })
})
