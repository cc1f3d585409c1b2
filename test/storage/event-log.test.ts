import { describe, it } from 'node:test'
import { simulate, simulateDamage } from '../sim/event-log-simulation.ts'

const seeds = 200

/** Says which seed it was: `npm run sim -- --seed N` runs that one alone. */
async function named(seed: number, run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
  }
}

describe('the log of events on a disk that fails', () => {
  it('keeps its promises through faults and crashes, as a list would', async () => {
    for (let seed = 1; seed <= seeds; seed++) await named(seed, () => simulate(seed))
  })

  it('keeps its promises when the crash comes at any step', async () => {
    const seed = 7
    const { steps } = await simulate(seed, Number.POSITIVE_INFINITY)
    for (let step = 1; step <= steps; step++) await named(step, () => simulate(seed, step))
  })

  it('loses at most the record that a changed byte is in, and says so', async () => {
    for (let seed = 1; seed <= seeds; seed++) await named(seed, () => simulateDamage(seed))
  })
})
