import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { replicating } from '../../../src/agent/selector/replicating.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { bodies } from '../../support/batches.ts'
import { channelContext } from '../../support/channel-context.ts'

async function routes(channels: string[], optional: string[]) {
  const selector = await replicating.create(
    { optional },
    {
      ...channelContext(new ManualClock()),
      channels,
      dropped: () => undefined,
    },
  )
  const batch = bodies('a', 'b')
  return selector.route(batch).map((route) => {
    assert.equal(route.batch, batch, 'the same batch goes to each channel')
    return `${route.channel}${route.required ? '' : '?'}`
  })
}

describe('replicating selector', () => {
  for (const [channels, optional, expected] of [
    [['c1'], [], ['c1']],
    [['c1', 'c2'], [], ['c1', 'c2']],
    [['c1', 'c2', 'c3'], ['c2'], ['c1', 'c3', 'c2?']],
    [
      ['c1', 'c2'],
      ['c2', 'c2'],
      ['c1', 'c2?'],
    ],
    [['c1'], ['c1'], ['c1?']],
  ] as const) {
    it(`routes to [${channels}] with [${optional}] optional as ${expected} (P-08)`, async () => {
      assert.deepEqual(await routes([...channels], [...optional]), expected)
    })
  }
})
