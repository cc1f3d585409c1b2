import assert from 'node:assert/strict'
import { test } from 'node:test'
import { regexExtractor } from '../../../src/agent/interceptor/regex-extractor.ts'
import { batchOf, makeInterceptor, problemsOf, samplesOf } from '../../support/interceptor.ts'

const millis = 'org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer'
const three = { 'serializers.s1.name': 'Num1', 'serializers.s2.name': 'Num2', 'serializers.s3.name': 'Num3' }

for (const [what, options, body, headers] of [
  [
    'puts each group into its header',
    { regex: '(\\d):(\\d):(\\d)', serializers: 's1 s2 s3', ...three },
    '1:2:3.4foobar5',
    { Num1: '1', Num2: '2', Num3: '3' },
  ],
  [
    'ignores groups without a serializer',
    { regex: '(\\d):(\\d):(\\d)', serializers: 's1 s2', ...three },
    '1:2:3.4foobar5',
    { Num1: '1', Num2: '2' },
  ],
  ['ignores serializers without a group', { regex: '(\\d)', serializers: 's1 s2', ...three }, '1:2', { Num1: '1' }],
  ['takes the first match anywhere (I-03)', { regex: '(\\d)', serializers: 's1', ...three }, 'x 7 8', { Num1: '7' }],
  [
    'leaves out a group that took no part (I-04)',
    { regex: '(a)|(b)', serializers: 's1 s2', ...three },
    'b',
    { Num2: 'b' },
  ],
  ['overwrites what is there', { regex: '(o)', serializers: 's1', 'serializers.s1.name': 'own' }, 'o', { own: 'o' }],
  [
    'reads a time when told to',
    {
      regex: '^(\\S+ \\S+ \\S+)',
      serializers: 's1',
      'serializers.s1.name': 'timestamp',
      'serializers.s1.type': millis,
      'serializers.s1.pattern': 'yyyy-MM-dd HH:mm:ss Z',
    },
    '2012-10-18 18:47:57 +0200 x',
    { timestamp: '1350578877000' },
  ],
] as const) {
  test(`regex_extractor ${what}`, async () => {
    const interceptor = await makeInterceptor(regexExtractor, options)
    const own = 'own' in headers ? { own: 'before' } : {}
    const batch = interceptor.intercept(batchOf([{ a: '1' }, '-'], [own, body]))
    assert.deepEqual(samplesOf(batch), [
      [{ a: '1' }, '-'],
      [headers, body],
    ])
  })
}

test('regex_extractor lets an event with an unreadable time pass without the header', async () => {
  const options = {
    regex: '(.+)',
    serializers: 's',
    'serializers.s.name': 't',
    'serializers.s.type': millis,
    'serializers.s.pattern': 'yyyy',
  }
  const batch = (await makeInterceptor(regexExtractor, options)).intercept(
    batchOf([{ t: 'old' }, 'never'], [{}, '1970']),
  )
  assert.equal(batch.headerAt('t', 0), undefined)
  assert.ok(batch.headerAt('t', 1))
})

for (const [what, options, problem] of [
  ['without a regex', { serializers: 's1' }, /regex: is required/],
  ['with a bad regex', { regex: '?(\\d)', serializers: 's1' }, /regex: .* repeats nothing/],
  ['without serializers', { regex: '(a)' }, /serializers: is required/],
  ['with a serializer without name', { regex: '(a)', serializers: 's1' }, /serializers\.s1\.name is missing/],
  [
    'with a type that is none',
    { regex: '(a)', serializers: 's1', ...three, 'serializers.s1.type': 'x.Y' },
    /no serializer "x\.Y"/,
  ],
  [
    'with millis and no pattern',
    { regex: '(a)', serializers: 's1', ...three, 'serializers.s1.type': millis },
    /pattern is missing/,
  ],
  [
    'with a bad pattern',
    { regex: '(a)', serializers: 's1', ...three, 'serializers.s1.type': millis, 'serializers.s1.pattern': 'qqq' },
    /the letter q/,
  ],
] as const) {
  test(`regex_extractor ${what} is refused`, () => assert.match(problemsOf(regexExtractor, options).join(), problem))
}
