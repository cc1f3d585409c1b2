import assert from 'node:assert/strict'
import { it } from 'node:test'
import { randomRun } from '../support/random-run.ts'

it('an agent under load loses nothing through 1,000 random reloads', async () => {
  const { reloads } = await randomRun(1, { steps: 2600, reloadShare: 0.4 })
  const count = Object.values(reloads).reduce((a, b) => a + b, 0)
  assert.ok(count >= 1000, `${count} reloads`)
})

it('1,000 random agents balance at every reading', async () => {
  for (let seed = 1000; seed < 2000; seed++) await randomRun(seed)
})
