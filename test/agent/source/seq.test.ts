import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FlumeError } from '../../../src/agent/contract.ts'
import { seq } from '../../../src/agent/source/seq.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { readOptions } from '../../support/read-options.ts'
import { FakeSourceContext } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function start(options: Record<string, string>) {
  const clock = new ManualClock()
  const context = new FakeSourceContext({ clock })
  const ended = (await seq.create(readOptions(seq, options), context)).run()
  const stop = async (): Promise<void> => {
    context.stop()
    await ended
  }
  return { clock, context, stop, numbers: () => context.events.map(({ body }) => body) }
}

describe('seq source', () => {
  it('counts from 0 in decimal, one event at a time (S-120)', async () => {
    const { context, numbers, stop } = await start({ totalEvents: '12' })
    await context.whenDelivered(12)
    assert.deepEqual(
      numbers(),
      Array.from({ length: 12 }, (_, i) => String(i)),
    )
    assert.ok(context.batches.every((batch) => batch.count === 1))
    assert.equal(await context.whenReady, 'counting')
    await stop()
    assert.equal(numbers().length, 12, 'it is idle after totalEvents')
  })

  it('counts in batches, the last one cut to the rest', async () => {
    const { context, stop } = await start({ batchSize: '5', totalEvents: '12' })
    await context.whenDelivered(12)
    await stop()
    assert.deepEqual(
      context.batches.map((batch) => batch.count),
      [5, 5, 2],
    )
    assert.deepEqual([context.counters.appendBatchReceived, context.counters.appendBatchAccepted], [3, 3])
  })

  it('tries the same numbers again when the channel refuses them (S-120)', async () => {
    const { clock, context, numbers, stop } = await start({ batchSize: '2', totalEvents: '6' })
    context.failure = new FlumeError('CHANNEL_FULL', 'full', { retry: true })
    for (let attempt = 0; attempt < 3; attempt++) {
      await until(() => clock.timerCount === 1)
      if (attempt === 2) context.failure = undefined
      await clock.advance(1)
    }
    await context.whenDelivered(6)
    assert.deepEqual(numbers(), ['0', '1', '2', '3', '4', '5'])
    await stop()
  })

  it('lets everything else run while it counts without end', async () => {
    const { context, stop } = await start({})
    for (const count of [10, 100, 1000]) await until(() => context.count > count)
    await stop()
  })

  it('starts again at 0 when it is made anew (S-120)', async () => {
    for (let run = 0; run < 2; run++) {
      const { context, numbers, stop } = await start({ totalEvents: '2' })
      await context.whenDelivered(2)
      assert.deepEqual(numbers(), ['0', '1'])
      await stop()
    }
  })
})
