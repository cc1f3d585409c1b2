import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashLoop } from './crash-loop.ts'

test('an agent that is killed loses nothing that it has acknowledged (F-11, F-14, F-16)', async () => {
  const { acknowledged, delivered, doubles } = await crashLoop(3, 1, () => undefined)
  assert.ok(acknowledged > 0)
  assert.equal(delivered - doubles >= acknowledged, true)
})
