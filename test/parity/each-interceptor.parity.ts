import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { type Flow, type Outcome, postEvents, runFlows } from '../peers/flows.ts'

interface Case {
  readonly name: string
  /** Properties of the interceptor. */
  readonly interceptor: readonly string[]
  readonly events: readonly { readonly headers?: Readonly<Record<string, string>>; readonly body: string }[]
  /** Events that come out. */
  readonly lines: number
}

const plain = [{ body: 'one' }, { headers: { timestamp: '5', host: 'there', key: 'mine', id: '7' }, body: 'two' }]
const headers = { a: '1', ab: '2', abc: '3', 'x-y': '4', 'b,c': '5', ' b': '6', timestamp: '7' }
const texts = ['DEBUG x', 'a DEBUG', '', 'grün', 'with\ttab', 'x'.repeat(300)].map((body) => ({ body }))
const requests = [
  '10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326',
  '10.0.0.2 - - [29/Feb/2024:00:00:00 +0000] "POST /b HTTP/1.1" 302 0',
  'nothing of it',
  '',
].map((body) => ({ body }))
const extractor = (regex: string, ...serializers: readonly string[]): readonly string[] => [
  'type = regex_extractor',
  `regex = ${regex}`,
  ...serializers,
]
const millis = 'org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer'

const cases: readonly Case[] = [
  {
    name: 'timestamp: now, also over a time that is there (I-01)',
    interceptor: ['type = timestamp'],
    events: plain,
    lines: 2,
  },
  {
    name: 'timestamp: preserveExisting keeps what is there',
    interceptor: ['type = timestamp', 'preserveExisting = true'],
    events: plain,
    lines: 2,
  },
  {
    name: 'timestamp: headerName, by the class of its builder',
    interceptor: ['type = org.apache.flume.interceptor.TimestampInterceptor$Builder', 'headerName = when'],
    events: plain,
    lines: 2,
  },
  {
    name: 'timestamp: the header of older guides is not read',
    interceptor: ['type = timestamp', 'header = when'],
    events: plain,
    lines: 2,
  },
  { name: 'host: the address, over what is there (I-02)', interceptor: ['type = host'], events: plain, lines: 2 },
  { name: 'host: the name of this machine', interceptor: ['type = host', 'useIP = false'], events: plain, lines: 2 },
  {
    name: 'host: hostHeader and preserveExisting',
    interceptor: ['type = host', 'hostHeader = key', 'preserveExisting = true'],
    events: plain,
    lines: 2,
  },
  {
    name: 'static: key and value are there by default, and keep what is there',
    interceptor: ['type = static'],
    events: plain,
    lines: 2,
  },
  {
    name: 'static: preserveExisting = false writes over it',
    interceptor: ['type = static', 'preserveExisting = false', 'key = host', 'value = over there, now'],
    events: plain,
    lines: 2,
  },
  {
    name: 'static: a value may hold what else separates',
    interceptor: ['type = static', 'key = k', 'value = a = b'],
    events: plain,
    lines: 2,
  },
  {
    name: 'remove_header: withName',
    interceptor: ['type = remove_header', 'withName = ab'],
    events: [{ headers, body: 'x' }, ...plain],
    lines: 3,
  },
  {
    name: 'remove_header: fromList',
    interceptor: ['type = remove_header', 'fromList = a , abc,nothing,timestamp'],
    events: [{ headers, body: 'x' }, ...plain],
    lines: 3,
  },
  {
    name: 'remove_header: fromListSeparator is an expression',
    interceptor: ['type = remove_header', 'fromList = a;b,c;;x-y', 'fromListSeparator = ;+'],
    events: [{ headers, body: 'x' }, ...plain],
    lines: 3,
  },
  {
    name: 'remove_header: matching a whole name',
    interceptor: ['type = remove_header', 'matching = ab?|x.*'],
    events: [{ headers, body: 'x' }, ...plain],
    lines: 3,
  },
  {
    name: 'remove_header: nothing is asked for',
    interceptor: ['type = remove_header'],
    events: [{ headers, body: 'x' }],
    lines: 1,
  },
  {
    name: 'regex_filter: everything matches by default',
    interceptor: ['type = regex_filter'],
    events: texts,
    lines: 6,
  },
  {
    name: 'regex_filter: what does not match is left out',
    interceptor: ['type = regex_filter', 'regex = DEBUG'],
    events: texts,
    lines: 2,
  },
  {
    name: 'regex_filter: excludeEvents leaves out what matches',
    interceptor: ['type = regex_filter', 'regex = ^DEBUG|^$', 'excludeEvents = true'],
    events: texts,
    lines: 4,
  },
  {
    name: 'regex_filter: letters beyond ASCII, classes and counts',
    interceptor: ['type = regex_filter', 'regex = \\\\bgr.n|\\\\t|x{300}$'],
    events: texts,
    lines: 3,
  },
  {
    name: 'search_replace: without a replacement what matches goes away',
    interceptor: ['type = search_replace', 'searchPattern = [aeiou]'],
    events: texts,
    lines: 6,
  },
  {
    name: 'search_replace: groups by number and by name, escapes',
    interceptor: [
      'type = search_replace',
      'searchPattern = (?<first>\\\\w)(\\\\w)',
      'replaceString = $2${first}\\\\$\\\\\\\\',
    ],
    events: texts,
    lines: 6,
  },
  {
    name: 'search_replace: a charset',
    interceptor: ['type = search_replace', 'searchPattern = \\u00c3', 'replaceString = u', 'charset = ISO-8859-1'],
    events: texts,
    lines: 6,
  },
  {
    name: 'search_replace: matches of nothing',
    interceptor: ['type = search_replace', 'searchPattern = x*', 'replaceString = -'],
    events: texts,
    lines: 6,
  },
  {
    name: 'regex_extractor: groups by their number (I-04)',
    interceptor: extractor(
      '^(\\\\S+) \\\\S+ (\\\\w+)?.*" (\\\\d{3})',
      'serializers = s1 s2 s3',
      'serializers.s1.name = ip',
      'serializers.s2.name = user',
      'serializers.s3.name = status',
      'serializers.s3.type = DEFAULT',
    ),
    events: requests,
    lines: 4,
  },
  {
    name: 'regex_extractor: fewer serializers than groups, over a header that is there',
    interceptor: extractor('(\\\\w)(\\\\w)(\\\\w)', 'serializers = s', 'serializers.s.name = key'),
    events: plain,
    lines: 2,
  },
  {
    name: 'regex_extractor: the serializer that passes on, by its class',
    interceptor: extractor(
      '\\\\[(.*?)\\\\]',
      'serializers = s',
      'serializers.s.name = time',
      'serializers.s.type = org.apache.flume.interceptor.RegexExtractorInterceptorPassThroughSerializer',
    ),
    events: requests,
    lines: 4,
  },
  {
    name: 'regex_extractor: the millis serializer reads a time with its zone',
    interceptor: extractor(
      '\\\\[(.*?)\\\\]',
      'serializers = s',
      'serializers.s.name = timestamp',
      `serializers.s.type = ${millis}`,
      'serializers.s.pattern = dd/MMM/yyyy:HH:mm:ss Z',
    ),
    events: requests,
    lines: 4,
  },
]

/** A time of now, and of this run, is one like another. */
function withoutNow({ answers, events }: Outcome, fromMs: number, toMs: number): Outcome {
  const hide = (line: string): string =>
    line.replaceAll(/(?<==)\d{13}(?=[,}])/g, (time) => (Number(time) >= fromMs && Number(time) <= toMs ? 'NOW' : time))
  return { answers, events: Object.fromEntries(Object.entries(events).map(([name, lines]) => [name, lines.map(hide)])) }
}

const flows: readonly Flow[] = cases.map(({ name, interceptor, events, lines }) => ({
  name,
  source: [
    'type = http',
    'bind = 127.0.0.1',
    'port = PORT',
    'interceptors = i1',
    ...interceptor.map((line) => `interceptors.i1.${line}`),
  ],
  feed: (port) => postEvents(port, events),
  lines: { c: lines },
}))

for (const version of ['1.9', '1.11'] as const) {
  test(`interceptors one by one give the events of Flume ${version} (I-01 to I-06)`, async (t) => {
    const fromMs = systemClock.now()
    const theirs = await runFlows(t, 'theirs', version, flows)
    const ours = await runFlows(t, 'ours', version, flows)
    const toMs = systemClock.now()
    for (const [i, { name }] of flows.entries()) {
      await t.test(name, () => {
        const [outcome, expected] = [ours, theirs].map((all) => withoutNow(all[i] as Outcome, fromMs, toMs))
        assert.equal(expected?.answers, 200)
        assert.equal(expected.events['c']?.length, cases[i]?.lines)
        assert.deepEqual(outcome, expected)
      })
    }
  })
}
