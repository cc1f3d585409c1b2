import assert from 'node:assert/strict'
import { it } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import type { ConfigFilterSpec } from '../../../src/agent/contract.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

const env = components.find(({ kind, type }) => kind === 'config filter' && type === 'env') as ConfigFilterSpec

it('a key is a variable of the environment, an empty one included; others are unknown (C-26)', async () => {
  const filter = env.create({}, { name: 'f', env: { PASSWORD: 's3cret', EMPTY: '' }, clock: new ManualClock() })
  assert.equal(await filter.get('PASSWORD'), 's3cret')
  assert.equal(await filter.get('EMPTY'), '')
  assert.equal(await filter.get('NONE'), undefined)
  assert.equal(await filter.get('constructor'), undefined)
})
