import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { stress } from '../../../src/agent/source/stress.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { readOptions } from '../../support/read-options.ts'
import { FakeSourceContext } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function start(test: TestContext, texts: Record<string, string>, room = 1000) {
  const clock = new ManualClock()
  const context = new FakeSourceContext({ clock })
  context.room = room
  const ended = (await stress.create(readOptions(stress, texts) as never, context)).run()
  test.after(async () => {
    context.stop()
    await ended
  })
  return { context, clock }
}

describe('stress source', () => {
  it('makes bodies of size bytes of 0x7F, in batches, the last one cut to what remains', async (test) => {
    const { context } = await start(test, { size: '3', batchSize: '4', maxTotalEvents: '10' })
    await context.whenDelivered(10)
    assert.deepEqual(
      context.batches.map(({ count }) => count),
      [4, 4, 2],
    )
    assert.ok(context.events.every(({ body }) => body === '\x7f\x7f\x7f'))
  })

  it('maxSuccessfulEvents counts what is kept, maxTotalEvents what is tried', async (test) => {
    const { context, clock } = await start(test, { batchSize: '2', maxSuccessfulEvents: '4' }, 2)
    await until(() => clock.timerCount === 1)
    assert.equal(context.count, 2)
    context.room = 100
    await clock.advance(1000)
    await context.whenDelivered(4)
    const tried = await start(test, { batchSize: '2', maxTotalEvents: '4' }, 0)
    await until(() => tried.clock.timerCount === 1)
    tried.context.room = 100
    await tried.clock.advance(1000)
    await tried.context.whenDelivered(2)
    await tried.clock.advance(10_000)
    assert.equal(tried.context.count, 2)
  })

  it('maxEventsPerSecond spreads them over time', async (test) => {
    const { context, clock } = await start(test, { maxEventsPerSecond: '10', maxTotalEvents: '100' })
    await until(() => clock.timerCount === 1)
    for (let second = 0; second < 3; second++) await clock.advance(1000)
    assert.equal(context.count, 31)
  })
})
