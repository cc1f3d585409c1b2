import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashFlow, spooldirHdfs } from './crash-flows.ts'
import { crashLoop } from './crash-loop.ts'

test('an agent that is killed loses nothing that it has acknowledged (F-11, F-14, F-16)', async () => {
  const { acknowledged, delivered, doubles } = await crashLoop(3, 1, () => undefined)
  assert.ok(acknowledged > 0)
  assert.equal(delivered - doubles >= acknowledged, true)
})

test('an agent that is killed loses no line of its files, and leaves none under its in-use name on the local disk', async () => {
  const { arrived, left } = await crashFlow(spooldirHdfs(), 4, 2, () => undefined)
  assert.ok(arrived > 0)
  assert.equal(left, 0)
})
