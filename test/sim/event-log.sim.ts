// Seeded histories of the log on a disk that fails: `npm run sim`. SIM_SEEDS=N and SIM_FROM=N choose which.
import { describe, it } from 'node:test'
import { simulate, simulateDamage } from './event-log-simulation.ts'

const seeds = Number(process.env['SIM_SEEDS'] ?? 100_000)
const from = Number(process.env['SIM_FROM'] ?? 1)
const kinds = [
  { name: 'faults and crashes', share: 0.7, run: (seed: number) => simulate(seed) },
  { name: 'changed bytes', share: 0.25, run: (seed: number) => simulateDamage(seed) },
  { name: 'a crash at every step', share: 0.05, run: (seed: number) => everyStep(seed) },
]

describe(`the log of events, ${seeds} seeds from ${from} on`, () => {
  for (const { name, share, run } of kinds) {
    it(name, async () => {
      const until = from + Math.ceil(seeds * share)
      for (let seed = from; seed < until; seed++) {
        try {
          await run(seed)
        } catch (error) {
          throw new Error(`SIM_FROM=${seed} SIM_SEEDS=1: ${(error as Error).message}`, { cause: error })
        }
      }
    })
  }
})

/** One history, ended at each of its steps in turn; counts as a seed for each. */
let stepsLeft = 0
async function everyStep(seed: number): Promise<void> {
  if (stepsLeft-- > 0) return
  const { steps } = await simulate(seed, Number.POSITIVE_INFINITY)
  for (let step = 1; step <= steps; step++) await simulate(seed, step)
  stepsLeft = steps
}
