import { seededRandom } from '../../src/core/random.ts'

/** Patterns as people write them, and the corners in which Java and JavaScript differ. */
export const writtenPatterns: readonly string[] = [
  '^(\\S+) (\\S+) (\\S+) \\[([^\\]]+)\\] "([^"]*)" (\\d{3}) (\\S+)',
  '(\\d+)-(\\d+)',
  '(\\d{4}-\\d{2}-\\d{2}) (\\w+)',
  '^(?:\\n)?(\\d\\d\\d\\d-\\d\\d-\\d\\d\\s\\d\\d:\\d\\d)',
  '.*DEBUG.*',
  '(INFO.*)|(WARNING.*)',
  '^\\s*$',
  '([A-Za-z0-9_.]*)@',
  '[a-z]+=("[^"]*"|\\S+)',
  '(?i)error|fatal',
  '(?i)[^a-c]+',
  'a(?i)b+(?-i)c',
  '(?i:ab)c',
  '(?x) a \\s b # c\n c?',
  '(?s)a.b',
  '(?m)^\\w+$',
  '(?m)^',
  '(?m)$',
  '(?m)^.*$',
  '(?md)^.*$',
  '(?d).+$',
  '$',
  '^',
  '\\Z',
  '\\z',
  '\\A.',
  'x*',
  '(a)|b',
  '(?:(a)|b)*',
  '(?:(a)|b)*?c',
  '(?:(a)(b)?)+',
  '((a)|(b)|(c))+',
  '(a?)(ab)?',
  '(a*)?',
  '(a*?)??b',
  '(a|ab)(c|bcd)(d*)',
  '(a+|b+)+?c',
  '(ab|a)(bc|c)?',
  '\\bfoo\\b',
  '\\b\\w+\\b',
  '\\B.',
  '\\b\u00e9t\u00e9\\b',
  '\\w+',
  '\\W+',
  '[\\w.-]+',
  '\\p{Alpha}+',
  '\\p{L}+',
  '\\P{L}+',
  '[\\p{Lu}&&[^A]]+',
  '[a-z&&[^aeiou]]+',
  '[^a-c[x-z]]+',
  '[]a]+',
  '[a\\]]+',
  '\\Qa.b*\\E+',
  '\\x41|\\u0042|\\0103|\\t',
  '\\cA|\\e',
  '\\R',
  '\\R+',
  '\\h+|\\v+',
  '(?=a)\\w',
  '(?!a)\\w',
  '(?<=a)\\w',
  '(?<!a)\\w',
  '(?<=ab|c)\\w{1,2}',
  '^(?!.*foo).*$',
  '^(?=.*foo)(?=.*bar).*',
  '(?<year>\\d{4})/(?<month>\\d\\d)',
  'a{2}',
  'a{2,}',
  'a{1,2}?b',
  '(a{1,2}){2}',
  '(?:a|b){2,3}(c)?',
  '(\\w)(\\d)?',
  '"(.*?)"',
  '<[^>]+>',
  '(.*),(.*),(.*)',
  '(.*?),(.*?),(.*)',
  '(.+)\\s(.+)',
  '.',
  '..',
  '\\p{Punct}+',
  '\\p{IsGreek}+',
  '\ud83d\ude00',
  '[\ud83d\ude00a]',
  '[^a]',
  '\\d+(?:\\.\\d+)?',
  '(\\d+)(?:px|em)?;',
  '\\$\\{(\\w+)\\}',
  '^<(\\d+)>',
  '\\s+$',
  '(\\s|^)a',
  'a||b',
  '()',
  '(?:)',
  '(a|)b',
  'a*?',
  'a+?',
  '(?:a*?b)+',
  '((?:a|b)*c)+',
  '(^a|b$)',
  '(?:^|,)([^,]*)',
  '\\\\+',
  '[\\\\/]+',
  '[+\\-*/]',
  '(\\[)(\\])?',
]

/** Texts with something to find for most patterns, line ends of every kind and characters of every size. */
export const regexTexts: readonly string[] = [
  '',
  'a',
  'b',
  'ab',
  'abc',
  'abcd',
  'aab',
  'aaa',
  'bca',
  'cabbac',
  'abababc',
  'aabbcc',
  'ac,ab,,b',
  'foo bar',
  'bar-foo.foo',
  'a.b*a.b**',
  '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326',
  '2024-01-02 12:00 ERROR x="y z" id=7;',
  'WARNING: 12-34 and 56-78',
  'INFO DEBUG it@example.org',
  'line one\nline two\n',
  'one\r\ntwo\rthree\u0085four\u2028five',
  'end\r\n',
  '\n',
  '\r\n',
  ' \t x',
  'A\u0042C\t\u0001\u001b',
  '\u00e9t\u00e9 e\u0301 \u03b1\u03b2',
  '\ud83d\ude00a\ud83d\ude01',
  '[]a]{2} ${x} <34>tag',
  '2024/05 10px;3.14 xyzXYZ',
]

/** Texts that no random pattern can keep Java busy with. */
export const shortTexts = regexTexts.filter((text) => text.length <= 9 && !/[\ud800-\udfff]/.test(text))

export const randomPatternCount = 400
export const randomPatternSeed = 20240

/** Small patterns of every construction, over few letters so that they meet the texts often. */
export function randomPatterns(): readonly string[] {
  const random = seededRandom(randomPatternSeed)
  const below = (count: number): number => Math.floor(random() * count)
  const pick = (items: readonly string[]): string => items[below(items.length)] as string
  const atom = (depth: number): string => {
    const kind = below(depth > 2 ? 6 : 11)
    if (kind < 3) return pick(['a', 'b', 'c', 'ab', '1', ' '])
    if (kind < 5) return pick(['.', '[ab]', '[^a]', '\\w', '\\s', '\\d', '[a-c&&[^b]]'])
    if (kind === 5) return pick(['^', '$', '\\b', '(?=b)', '(?<=a)', '(?!c)', '(?<!b)'])
    if (kind < 9) return `(${choice(depth + 1)})`
    return `(?:${choice(depth + 1)})`
  }
  const quantified = (depth: number): string => {
    const item = atom(depth)
    if (/^[\^$]$|^\\b$|^\(\?[=!<]/.test(item)) return item
    return item + pick(['', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{0,2}?'])
  }
  const sequence = (depth: number): string => Array.from({ length: 1 + below(3) }, () => quantified(depth)).join('')
  function choice(depth: number): string {
    return Array.from({ length: 1 + below(depth > 1 ? 2 : 3) }, () => sequence(depth)).join('|')
  }
  return Array.from({ length: randomPatternCount }, () => choice(0))
}

/** One answer as text: where group 0 and the others of the first match lie, then the text with each match in brackets. */
export function answerText(groups: readonly (string | undefined)[] | undefined, replaced: string): string {
  return `${groups ? groups.map((group) => (group === undefined ? '-' : `'${group}'`)).join('') : 'none'}|${replaced}`
}
