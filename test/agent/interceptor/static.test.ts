import assert from 'node:assert/strict'
import { test } from 'node:test'
import { staticInterceptor } from '../../../src/agent/interceptor/static.ts'
import { batchOf, makeInterceptor, samplesOf } from '../../support/interceptor.ts'

for (const [what, options, expected] of [
  ['puts key and value by default', {}, [{ key: 'own' }, { key: 'value' }]],
  ['overwrites when told to (I-02)', { preserveExisting: 'false' }, [{ key: 'value' }, { key: 'value' }]],
  [
    'takes key and value as configured',
    { key: 'dc', value: 'NEW YORK' },
    [{ key: 'own', dc: 'NEW YORK' }, { dc: 'NEW YORK' }],
  ],
] as const) {
  test(`static ${what}`, async () => {
    const interceptor = await makeInterceptor(staticInterceptor, options)
    const batch = interceptor.intercept(batchOf([{ key: 'own' }], [{}]))
    assert.deepEqual(
      samplesOf(batch).map(([headers]) => headers),
      expected,
    )
  })
}

test('static leaves a batch alone whose events all have the header', async () => {
  const batch = batchOf([{ key: 'own' }], [{ key: 'own' }])
  assert.equal((await makeInterceptor(staticInterceptor, {})).intercept(batch), batch)
})
