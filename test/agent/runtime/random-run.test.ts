import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type RunFigures, randomRun } from '../../support/random-run.ts'

function sum(runs: readonly RunFigures[]) {
  const total = { delivered: 0, refused: 0, readings: 0, leftOnDisk: 0, applied: 0, 'rolled back': 0, unchanged: 0 }
  for (const { delivered, refused, readings, leftOnDisk, reloads } of runs) {
    total.delivered += delivered
    total.refused += refused
    total.readings += readings
    total.leftOnDisk += leftOnDisk
    for (const outcome of ['applied', 'rolled back', 'unchanged'] as const) total[outcome] += reloads[outcome] ?? 0
  }
  return total
}

describe('a random agent under load, failures, reloads and a stop', () => {
  it('balances at every reading and loses nothing that it acknowledged; 40 seeds', async () => {
    const runs: RunFigures[] = []
    for (let seed = 1; seed <= 40; seed++) runs.push(await randomRun(seed))
    const total = sum(runs)
    // It was not idle: every way a reload can end was met, and events were refused as well as delivered.
    for (const [name, count] of Object.entries(total)) assert.ok(count > 5, `${name} ${count}`)
  })

  it('does so through 100 reloads in a row', async () => {
    const { reloads } = await randomRun(4711, { steps: 300, reloadShare: 0.4 })
    const count = Object.values(reloads).reduce((a, b) => a + b, 0)
    assert.ok(count >= 100, `${count} reloads`)
  })
})
