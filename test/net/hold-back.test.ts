import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FlumeError } from '../../src/core/error.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { deliverOrDrop } from '../../src/net/hold-back.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { numbered, textsOf } from '../support/batches.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const full = new FlumeError('CHANNEL_FULL', 'no room', { retry: true })

describe('delivering or dropping', () => {
  it('each event is tried once, and refused ones leave the others in order', async () => {
    const taken: string[] = []
    let looks = 0
    const dropped = await deliverOrDrop(numbered(0, 2000), {
      clock: new ManualClock(),
      log: new RecordingLogger(),
      signal: new AbortController().signal,
      deliverEach: async (batch: EventBatch) => {
        looks += batch.count
        const texts = textsOf(batch)
        const bad = texts.findIndex((text) => Number(text) % 10 === 3)
        taken.push(...(bad < 0 ? texts : texts.slice(0, bad)))
        return bad < 0 ? { accepted: batch.count } : { accepted: bad, error: full }
      },
    })
    assert.equal(dropped, 200)
    assert.deepEqual(
      taken,
      Array.from({ length: 2000 }, (_, i) => String(i)).filter((text) => Number(text) % 10 !== 3),
    )
    // Not all the rest again for each one that is refused: that would be 200,000.
    assert.ok(looks < 60_000, `${looks} events were looked at`)
  })

  it('a channel that stays full is said once a second, not when all is over', async () => {
    const clock = new ManualClock()
    const log = new RecordingLogger()
    const dropped = await deliverOrDrop(numbered(0, 10), {
      clock,
      log,
      signal: new AbortController().signal,
      // As a memory channel with its keep-alive.
      deliverEach: async () => {
        await clock.advance(300)
        return { accepted: 0, error: full }
      },
    })
    assert.equal(dropped, 10)
    assert.deepEqual(
      log.lines.map((line) => /\d+ of 10/.exec(line)?.[0]),
      ['4 of 10', '8 of 10', '10 of 10'],
    )
  })

  it('stops with the first refusal after the end was asked for', async () => {
    const stop = new AbortController()
    let tries = 0
    await deliverOrDrop(numbered(0, 10), {
      clock: new ManualClock(),
      log: new RecordingLogger(),
      signal: stop.signal,
      deliverEach: async () => {
        if (++tries === 2) stop.abort()
        return { accepted: 0, error: full }
      },
    })
    assert.equal(tries, 2)
  })
})
