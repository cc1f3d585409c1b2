import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultProcessor } from '../../../src/agent/processor/default.ts'
import { group } from '../../support/driven-sinks.ts'

describe('default sink processor', () => {
  it('hands every round to its one sink, failures included', async () => {
    const { supply, sinks, drain, processor } = await group(defaultProcessor, {}, { sinks: 1 })
    supply.left = 3
    await drain()
    assert.equal(sinks[0]?.taken, 3)
    supply.left = 1
    Object.assign(sinks[0] as object, { failing: true })
    await assert.rejects(processor.process(), /s1 is broken/)
  })

  for (const sinks of [0, 2]) {
    it(`refuses a group with ${sinks} sinks and says what to use`, async () => {
      await assert.rejects(group(defaultProcessor, {}, { sinks }), { code: 'USAGE', hint: /failover or load_balance/ })
    })
  }
})
