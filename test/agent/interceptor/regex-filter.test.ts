import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventBatch } from '../../../src/agent/contract.ts'
import { regexFilter } from '../../../src/agent/interceptor/regex-filter.ts'
import { textsOf } from '../../support/batches.ts'
import { batchOf, makeInterceptor, problemsOf } from '../../support/interceptor.ts'

const lines = ['INFO: a', 'DEBUG: b', 'a WARNING', '', 'gr\u00fc\u00df']

for (const [what, options, left] of [
  ['lets everything pass by default, the empty body too', {}, lines],
  ['keeps what matches somewhere (I-03)', { regex: '(INFO.*)|(WARNING.*)' }, ['INFO: a', 'a WARNING']],
  ['drops it when told to', { regex: '.*DEBUG.*', excludeEvents: 'true' }, lines.filter((line) => !/DEBUG/.test(line))],
  ['reads UTF-8', { regex: '^gr.{2}$' }, ['gr\u00fc\u00df']],
] as const) {
  test(`regex_filter ${what}`, async () => {
    const batch = batchOf(...lines.map((line, i) => [{ i: String(i) }, line] as const))
    const filtered = (await makeInterceptor(regexFilter, options)).intercept(batch)
    assert.deepEqual(textsOf(filtered), left)
    for (let i = 0; i < filtered.count; i++)
      assert.equal(filtered.headerAt('i', i), String(lines.indexOf(left[i] as string)))
  })
}

test('regex_filter shares the bytes, and hands a batch back that it keeps whole', async () => {
  const batch = batchOf([{}, 'a'], [{}, 'b'])
  assert.equal((await makeInterceptor(regexFilter, {})).intercept(batch), batch)
  assert.equal((await makeInterceptor(regexFilter, { regex: 'a' })).intercept(batch).body, batch.body)
})

test('regex_filter reads malformed input as U+FFFD, and ranges in any order', async () => {
  const body = Buffer.from([0x61, 0xff, 0x62, 0x63])
  const batch = new EventBatch(body, Uint32Array.of(2, 0), Uint32Array.of(4, 2))
  const filtered = (await makeInterceptor(regexFilter, { regex: '\uFFFD' })).intercept(batch)
  assert.deepEqual([...filtered.bodyAt(0)], [0x61, 0xff])
  assert.equal(filtered.count, 1)
})

test('regex_filter cannot be kept busy by (a+)+$', async () => {
  const batch = batchOf(...Array.from({ length: 100 }, () => [{}, `${'a'.repeat(30)}!`] as const))
  assert.equal((await makeInterceptor(regexFilter, { regex: '(a+)+$' })).intercept(batch).count, 0)
})

test('regex_filter refuses what would mean something else', () => {
  assert.match(problemsOf(regexFilter, { regex: 'a++' }).join(), /possessive/)
})
