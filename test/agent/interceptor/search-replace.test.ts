import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventBatch } from '../../../src/agent/contract.ts'
import { searchReplace } from '../../../src/agent/interceptor/search-replace.ts'
import { batchOf, makeInterceptor, problemsOf, samplesOf } from '../../support/interceptor.ts'

for (const [searchPattern, replaceString, body, replaced] of [
  ['^prefix', '', 'prefix non-prefix suffix', ' non-prefix suffix'],
  ['^<[0-9]+>', '', '<13>Feb  5 17:32:18 10.0.0.99 x', 'Feb  5 17:32:18 10.0.0.99 x'],
  [
    'The quick brown ([a-z]+) jumped over the lazy ([a-z]+)',
    'The hungry $2 ate the careless $1',
    'The quick brown fox jumped over the lazy dog',
    'The hungry dog ate the careless fox',
  ],
  ['[A-Za-z0-9_.]+@[A-Za-z0-9_-]+\\.com', 'REDACTED', 'to a@b.com and c@d.com', 'to REDACTED and REDACTED'],
  ['\\d', '\\$$0\\\\', 'a1', 'a$1\\'],
  ['x', 'y', 'none', 'none'],
  ['\u00fc', 'ue', 'm\u00fcd \u20ac', 'mued \u20ac'],
] as const) {
  test(`search_replace makes "${body}" into "${replaced}" (I-05)`, async () => {
    const interceptor = await makeInterceptor(searchReplace, {
      searchPattern,
      ...(replaceString ? { replaceString } : {}),
    })
    const batch = interceptor.intercept(batchOf([{ h: '1' }, 'first'], [{}, body], [{ h: '2' }, 'last']))
    assert.deepEqual(samplesOf(batch), [
      [{ h: '1' }, 'first'],
      [{}, replaced],
      [{ h: '2' }, 'last'],
    ])
  })
}

test('search_replace hands back a batch without a match, malformed bytes and all', async () => {
  const batch = EventBatch.of([{ body: Buffer.from([0xff, 0x61]) }])
  assert.equal((await makeInterceptor(searchReplace, { searchPattern: 'b' })).intercept(batch), batch)
})

test('search_replace reads and writes the charset it is told', async () => {
  const interceptor = await makeInterceptor(searchReplace, {
    searchPattern: '\u00fc',
    replaceString: '\u00f6',
    charset: 'ISO-8859-1',
  })
  const batch = interceptor.intercept(EventBatch.of([{ body: Buffer.from('f\u00fcr', 'latin1') }]))
  assert.deepEqual(batch.bodyAt(0), Buffer.from('f\u00f6r', 'latin1'))
})

for (const [options, problem] of [
  [{ searchPattern: '(a)', replaceString: '$2' }, /replaceString: refers to group 2; the pattern has 1/],
  [{ searchPattern: 'a', replaceString: 'x\\' }, /ends in a single backslash/],
  [{ searchPattern: 'a', charset: 'no-such' }, /charset: .*no charset that is known/],
  [{}, /searchPattern: is required/],
] as const) {
  test(`search_replace with ${JSON.stringify(options)} is refused before anything starts`, () => {
    assert.match(problemsOf(searchReplace, options).join(), problem)
  })
}
