import assert from 'node:assert/strict'
import { test } from 'node:test'
import { removeHeader } from '../../../src/agent/interceptor/remove-header.ts'
import { batchOf, makeInterceptor, problemsOf, samplesOf } from '../../support/interceptor.ts'

const headers = { one: '1', two: '2', three: '3', four: '4' }

for (const [options, left] of [
  [{}, ['one', 'two', 'three', 'four']],
  [{ withName: 'two' }, ['one', 'three', 'four']],
  [{ withName: 'tw' }, ['one', 'two', 'three', 'four']],
  [{ fromList: 'one , three' }, ['two', 'four']],
  [{ fromList: 'one;three', fromListSeparator: ';' }, ['two', 'four']],
  [{ fromList: 'one three', fromListSeparator: '\\s+' }, ['two', 'four']],
  [{ matching: 't.*' }, ['one', 'four']],
  [{ matching: 'o' }, ['one', 'two', 'three', 'four']],
  [{ withName: 'one', fromList: 'two', matching: '.*r' }, ['three']],
] as const) {
  test(`remove_header with ${JSON.stringify(options)} leaves ${left} (I-06)`, async () => {
    const batch = (await makeInterceptor(removeHeader, options)).intercept(
      batchOf([headers], [{ five: '5', ...headers }]),
    )
    assert.deepEqual(
      samplesOf(batch).map(([headers]) => Object.keys(headers).sort()),
      [[...left].sort(), ['five', ...left].sort()],
    )
  })
}

test('remove_header refuses a pattern that is none', () => {
  assert.match(problemsOf(removeHeader, { matching: '(' }).join(), /matching: is not a regular expression/)
})
