import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { LinearPattern } from '../../src/codec/java-regex/linear.ts'
import { parsePattern } from '../../src/codec/java-regex/parse.ts'
import { type JavaSearch, readJavaPattern, readJavaReplacement, readJavaSearch } from '../../src/codec/java-regex.ts'
import { FlumeError } from '../../src/core/error.ts'
import { answerText, randomPatterns, regexTexts, shortTexts, writtenPatterns } from '../support/java-patterns.ts'

const names: readonly string[] = [
  '',
  'a',
  'b',
  'ab',
  'abb',
  'access.log',
  'ACCESS.LOG',
  'a.b',
  'a.bc',
  'acd.txt',
  'abc.txt',
  'a-b-c_d',
  'a_b-c.csv',
  'x.tmp',
  'xx',
  '[x]',
  '-a',
  'a-',
  '\u03b1\u03b2\u03b3',
  'Ab12',
  'ab12',
  'ABC',
  'AB',
  'web_2024-01-02.log',
  'app_2024-01-02.gz',
  'aa',
  'aaa',
  '124',
  '1254',
  'foo',
  '#&~',
  '!"#$',
  '\u65e5\u672c',
  'with space',
  '\t',
  '\u00e9',
  'a b',
  '_x',
  'xyz',
  'abcxyz',
  'def',
  '*,-',
  'foo\n',
  'a\u0085b',
  '\n',
]

/** Which of the names java.util.regex (Java 17) matches as a whole. */
const cases: readonly (readonly [string, readonly string[]])[] = [
  [
    '^.*$',
    [
      '',
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'x.tmp',
      'xx',
      '[x]',
      '-a',
      'a-',
      '\u03b1\u03b2\u03b3',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      'with space',
      '\t',
      '\u00e9',
      'a b',
      '_x',
      'xyz',
      'abcxyz',
      'def',
      '*,-',
    ],
  ],
  ['^$', ['']],
  ['.*\\.log', ['access.log', 'web_2024-01-02.log']],
  ['[a-z&&[^b]]+\\.txt', ['acd.txt']],
  [
    '[\\w-.]+',
    [
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'x.tmp',
      'xx',
      '-a',
      'a-',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '_x',
      'xyz',
      'abcxyz',
      'def',
    ],
  ],
  ['[\\w.-]+\\.csv', ['a_b-c.csv']],
  ['\\Qa.b\\E.*', ['a.b', 'a.bc']],
  ['(?i)ACCESS.*', ['access.log', 'ACCESS.LOG']],
  ['\\p{Alpha}+\\d{2}', ['Ab12', 'ab12']],
  [
    '[^\\s]+',
    [
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'x.tmp',
      'xx',
      '[x]',
      '-a',
      'a-',
      '\u03b1\u03b2\u03b3',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      '\u00e9',
      '_x',
      'xyz',
      'abcxyz',
      'def',
      '*,-',
      'a\u0085b',
    ],
  ],
  [
    '\\S+',
    [
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'x.tmp',
      'xx',
      '[x]',
      '-a',
      'a-',
      '\u03b1\u03b2\u03b3',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      '\u00e9',
      '_x',
      'xyz',
      'abcxyz',
      'def',
      '*,-',
      'a\u0085b',
    ],
  ],
  ['a|b', ['a', 'b']],
  ['(a)(b)\\2', ['abb']],
  ['a-b\\-c\\_d', ['a-b-c_d']],
  ['[\\[\\]x]+', ['xx', '[x]']],
  ['[-a]+', ['a', '-a', 'a-', 'aa', 'aaa']],
  ['[a-]+', ['a', '-a', 'a-', 'aa', 'aaa']],
  ['\\p{Lu}.*', ['ACCESS.LOG', 'Ab12', 'ABC', 'AB']],
  ['\\p{IsGreek}+', ['\u03b1\u03b2\u03b3']],
  [
    '.*(?<!tmp)',
    [
      '',
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'xx',
      '[x]',
      '-a',
      'a-',
      '\u03b1\u03b2\u03b3',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      'with space',
      '\t',
      '\u00e9',
      'a b',
      '_x',
      'xyz',
      'abcxyz',
      'def',
      '*,-',
    ],
  ],
  ['[a-c[x-z]]+', ['a', 'b', 'ab', 'abb', 'xx', 'aa', 'aaa', 'xyz', 'abcxyz']],
  [
    '[^a-c[x-z]]+',
    [
      'ACCESS.LOG',
      '\u03b1\u03b2\u03b3',
      'ABC',
      'AB',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      '\t',
      '\u00e9',
      'def',
      '*,-',
      'foo\n',
      '\n',
    ],
  ],
  ['(?:web|app)_\\d{4}-\\d{2}-\\d{2}\\.(log|gz)', ['web_2024-01-02.log', 'app_2024-01-02.gz']],
  ['a{2,3}?', ['aa', 'aaa']],
  ['\\ba\\b', ['a']],
  ['[\\d&&[^5]]+', ['124']],
  ['foo$', ['foo']],
  ['[#&~]+', ['#&~']],
  ['[a&b]+', ['a', 'b', 'ab', 'abb', 'aa', 'aaa']],
  ['\\p{Punct}+', ['#&~', '!"#$', '*,-']],
  ['\\P{Alpha}+', ['\u03b1\u03b2\u03b3', '124', '1254', '#&~', '!"#$', '\u65e5\u672c', '\t', '\u00e9', '*,-', '\n']],
  ['[\\p{Alpha}_]+', ['a', 'b', 'ab', 'abb', 'xx', 'ABC', 'AB', 'aa', 'aaa', 'foo', '_x', 'xyz', 'abcxyz', 'def']],
  ['[\\P{Alpha}]+', ['\u03b1\u03b2\u03b3', '124', '1254', '#&~', '!"#$', '\u65e5\u672c', '\t', '\u00e9', '*,-', '\n']],
  [
    '(?s).+',
    [
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'x.tmp',
      'xx',
      '[x]',
      '-a',
      'a-',
      '\u03b1\u03b2\u03b3',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      'with space',
      '\t',
      '\u00e9',
      'a b',
      '_x',
      'xyz',
      'abcxyz',
      'def',
      '*,-',
      'foo\n',
      'a\u0085b',
      '\n',
    ],
  ],
  [
    '.+',
    [
      'a',
      'b',
      'ab',
      'abb',
      'access.log',
      'ACCESS.LOG',
      'a.b',
      'a.bc',
      'acd.txt',
      'abc.txt',
      'a-b-c_d',
      'a_b-c.csv',
      'x.tmp',
      'xx',
      '[x]',
      '-a',
      'a-',
      '\u03b1\u03b2\u03b3',
      'Ab12',
      'ab12',
      'ABC',
      'AB',
      'web_2024-01-02.log',
      'app_2024-01-02.gz',
      'aa',
      'aaa',
      '124',
      '1254',
      'foo',
      '#&~',
      '!"#$',
      '\u65e5\u672c',
      'with space',
      '\t',
      '\u00e9',
      'a b',
      '_x',
      'xyz',
      'abcxyz',
      'def',
      '*,-',
    ],
  ],
  ['\u65e5.*', ['\u65e5\u672c']],
  ['[]a]+', ['a', 'aa', 'aaa']],
  ['\\h+', ['\t']],
  ['\\R', ['\n']],
  ['(?<n>x)\\k<n>', ['xx']],
  ['[\\Qa-c\\E]+', ['a', '-a', 'a-', 'aa', 'aaa']],
  ['[+--]+', []],
]

describe('regular expressions in Java’s form', () => {
  for (const [pattern, expected] of cases) {
    it(`reads ${pattern} as Java does`, () => {
      const reading = readJavaPattern(pattern)
      assert.ok('value' in reading, 'problem' in reading ? reading.problem : '')
      assert.deepEqual(
        names.filter((name) => reading.value.matches(name)),
        expected,
      )
      assert.equal(String(reading.value), pattern)
    })
  }

  for (const [pattern, reason] of [
    ['a++', /possessive/],
    ['(?>a)b', /group/],
    ['(?U)a', /flag/],
    ['(?iu)a', /flags i and u/],
    ['(a)?\\1', /may not have taken part/],
    ['(?i)\\p{Lu}', /under the flag i/],
    ['a{2}{3}', /repeats a repetition/],
    ['(?<=a+)b', /greatest length/],
    ['(a|aa)+\\1', /take for ever/],
    ['(?:.{0,100}){100}', /too large/],
    ['\\p{InGreek}x', /\\p\{InGreek\}/],
    ['\\G', /\\G/],
    ['[a', /\[ without/],
    ['(a', /not a regular expression/],
    ['a{', /write/],
    ['\\', /single backslash/],
  ] as const) {
    it(`refuses ${pattern} and says why`, () => {
      const reading = readJavaPattern(pattern)
      assert.ok('problem' in reading)
      assert.match(reading.problem, reason)
    })
  }
})

interface Recorded {
  readonly written: Readonly<Record<string, readonly string[] | null>>
  readonly random: readonly string[]
}
const recorded = JSON.parse(
  readFileSync(new URL('../../../test/fixture/java-regex/answers.json', import.meta.url), 'utf8'),
) as Recorded

function searchOf(pattern: string, groups = true): JavaSearch {
  const reading = readJavaSearch(pattern, groups)
  assert.ok('value' in reading, 'problem' in reading ? reading.problem : '')
  return reading.value
}

function replacementOf(text: string, search: JavaSearch) {
  const reading = readJavaReplacement(text, search)
  assert.ok('value' in reading, 'problem' in reading ? reading.problem : '')
  return reading.value
}

/** The same answers from the engine whose time is linear, whatever the bound says. */
function linearAnswer(pattern: string, text: string): string {
  const { root, groupCount } = parsePattern(pattern)
  const places = new LinearPattern(root, false).searcher(text).find(0)
  const groups =
    places &&
    Array.from({ length: groupCount + 1 }, (_, group) =>
      (places[2 * group] as number) < 0 ? undefined : text.slice(places[2 * group], places[2 * group + 1]),
    )
  return answerText(groups, '')
}

/** Java looks for matches of nothing between the halves of a surrogate pair too, and tears it apart. */
const isTorn = (answer: string): boolean => answer.includes('\uFFFD')

describe('searching in Java’s form: first match, groups and replacements as java.util.regex has them', () => {
  it('the fixture was recorded from the patterns that are here', () => {
    assert.deepEqual(Object.keys(recorded.written).sort(), [...writtenPatterns].sort())
  })

  for (const pattern of writtenPatterns) {
    const answers = recorded.written[pattern]
    if (!answers) {
      it(`refuses ${pattern}, as Java does`, () => assert.ok('problem' in readJavaSearch(pattern, true)))
      continue
    }
    it(`finds and replaces ${pattern}`, () => {
      const search = searchOf(pattern)
      const replacement = replacementOf('<$0>', search)
      for (const [index, text] of regexTexts.entries()) {
        const answer = answers[index] as string
        if (isTorn(answer)) continue
        assert.equal(answerText(search.exec(text), search.replaceAll(text, replacement)), answer, JSON.stringify(text))
        const first = linearAnswer(pattern, text)
        assert.equal(answer.slice(0, first.length), first, `side by side: ${JSON.stringify(text)}`)
        assert.equal(search.test(text), !answer.startsWith('none'))
      }
    })
  }

  it('random patterns', () => {
    let compared = 0
    for (const [index, pattern] of randomPatterns().entries()) {
      const reading = readJavaSearch(pattern, true)
      if ('problem' in reading) {
        if (recorded.random[index] !== '!') assert.match(reading.problem, /can be empty|inside a look-around/, pattern)
        continue
      }
      compared++
      const search = reading.value
      const replacement = replacementOf('<$0>', search)
      const answers = shortTexts.map((text) => answerText(search.exec(text), search.replaceAll(text, replacement)))
      const digest = createHash('sha256')
        .update(`${answers.join('\0')}\0`, 'utf16le')
        .digest('hex')
        .slice(0, 12)
      assert.equal(digest, recorded.random[index], pattern)
      for (const [at, text] of shortTexts.entries()) {
        const first = linearAnswer(pattern, text)
        assert.equal(answers[at]?.slice(0, first.length), first, `side by side: ${pattern} on ${JSON.stringify(text)}`)
      }
    }
    assert.ok(compared > 100, `${compared} compared`)
  })

  it('a pattern whose repetition can be empty is good for tests, not for groups', () => {
    assert.ok('problem' in readJavaSearch('(a*)*b', true))
    assert.equal(searchOf('(a*)*b', false).test('aab'), true)
    assert.equal(searchOf('^(a*)*$', false).test('aac'), false)
  })
})

describe('a replacement in Java’s form', () => {
  const search = searchOf('(?<first>\\w)(\\d)?')
  for (const [text, replaced] of [
    ['$2$1', 'b1a c'],
    ['[$0]', '[b][a1] [c]'],
    ['\\$1', '$1$1 $1'],
    ['${first}!', 'b!a! c!'],
    ['$15', 'b5a5 c5'],
    ['$&$$', undefined],
    ['$3', undefined],
    ['${other}', undefined],
    ['x\\', undefined],
    ['$', undefined],
    ["$1\\$'", "b$'a$' c$'"],
    ['', ' '],
  ] as const) {
    it(`${text || '(nothing)'} ${replaced === undefined ? 'is refused' : `makes "ba1 c" ${replaced}`} (I-05)`, () => {
      const reading = readJavaReplacement(text, search)
      if (replaced === undefined) assert.ok('problem' in reading)
      else {
        assert.ok('value' in reading)
        assert.equal(search.replaceAll('ba1 c', reading.value), replaced)
      }
    })
  }
})

describe('no pattern and no text can keep the agent busy', () => {
  const long = 'a'.repeat(100_000)
  const hopeless: readonly (readonly [pattern: string, text: string])[] = [
    ['(a+)+$', `${'a'.repeat(30)}!`],
    ['(a+)+$', `${long}!`],
    ['^(a|aa)+$', `${'a'.repeat(60)}!`],
    ['^(a|a?)+$', `${'a'.repeat(60)}!`],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', long],
    ['(.*)*x$', `${long}!`],
    ['(?:a?){40}b', `${'a'.repeat(40)}!`],
    ['^(?:(?:a|b)|a)*c', `${'a'.repeat(60)}!`],
    ['a*a*a*a*a*b', long],
    ['.*.*.*=.*', long],
    ['(?=(a+)+$)b', long],
    ['(?<!a{1,20}b)(a+)+c', 'a'.repeat(10_000)],
  ]
  for (const [pattern, text] of hopeless) {
    it(`${pattern} answers at once for ${text.length} characters`, () => {
      const search = searchOf(pattern, false)
      assert.ok(search.directLengthMax < text.length, `it thinks ${search.directLengthMax} characters are safe`)
      assert.equal(search.test(text), false)
    })
  }

  it('patterns of everyday cost nothing: a line of an access log goes to the engine of JavaScript', () => {
    for (const [pattern, length] of [
      ['^(\\S+) (\\S+) (\\S+) \\[([^\\]]+)\\] "([^"]*)" (\\d{3}) (\\S+)', 10_000],
      ['(\\d{4}-\\d{2}-\\d{2}) (\\w+)', 300],
      ['(INFO.*)|(WARNING.*)', 300],
      ['.*DEBUG.*', 200],
      ['^(\\w+)=(.*)$', 300],
    ] as const) {
      assert.ok(searchOf(pattern).directLengthMax >= length, `${pattern}: ${searchOf(pattern).directLengthMax}`)
    }
  })

  it('names of files too', () => {
    const reading = readJavaPattern('(a+)+')
    assert.ok('value' in reading)
    assert.equal(reading.value.matches(`${'a'.repeat(200)}!`), false)
    assert.equal(reading.value.matches('a'.repeat(200)), true)
  })

  it('replacing that would look at a long text again and again is given up with a hint', () => {
    const search = searchOf('x|x.*y')
    const slow = searchOf('x.*y|x')
    const text = 'x'.repeat(20_000)
    assert.equal(search.replaceAll(text, replacementOf('', search)), '')
    assert.throws(
      () => slow.replaceAll(text, replacementOf('', slow)),
      (error: unknown) => error instanceof FlumeError && error.code === 'LIMIT',
    )
  })
})
