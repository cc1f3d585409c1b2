import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzFlume } from './flume-log-fuzz.ts'

const inputs = Number(process.env['SIM_SEEDS'] ?? 200_000)

test(`${inputs} spoilt channels of Flume are read without a crash and without an event that was not put`, async () => {
  const { refused, events } = await fuzzFlume(1_000_000, inputs)
  console.log(`${inputs} inputs, ${refused} refused, ${events} events read from the others`)
  assert.ok(events > 0)
})
