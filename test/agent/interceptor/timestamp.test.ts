import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timestamp } from '../../../src/agent/interceptor/timestamp.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { batchOf, makeInterceptor, samplesOf } from '../../support/interceptor.ts'

const clock = new ManualClock()
const now = String(clock.now())

for (const [what, options, expected] of [
  ['overwrites by default (I-01)', {}, [{ timestamp: now }, { timestamp: now }]],
  ['keeps what is there when told to', { preserveExisting: 'true' }, [{ timestamp: '1' }, { timestamp: now }]],
  ['uses another header when told to', { headerName: 't' }, [{ timestamp: '1', t: now }, { t: now }]],
] as const) {
  test(`timestamp ${what}`, async () => {
    const interceptor = await makeInterceptor(timestamp, options, { clock })
    const batch = interceptor.intercept(batchOf([{ timestamp: '1' }], [{}]))
    assert.deepEqual(
      samplesOf(batch).map(([headers]) => headers),
      expected,
    )
  })
}

test('timestamp puts one text on the whole batch and copies no body', async () => {
  const batch = batchOf([{}, 'a'], [{}, 'b'])
  const stamped = (await makeInterceptor(timestamp, {}, { clock })).intercept(batch)
  assert.equal(stamped.headers.get('timestamp'), now)
  assert.equal(stamped.body, batch.body)
})
