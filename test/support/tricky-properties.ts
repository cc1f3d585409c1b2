import { type Random, seededRandom } from '../../src/core/random.ts'

/** Texts that readers of properties files are known to get wrong. */
export const trickyTexts: readonly (readonly [name: string, text: string])[] = [
  ['an empty text', ''],
  ['only blanks and line ends', ' \t\f\n\r\n\r \n'],
  ['= with and without blanks', 'a=1\nb = 2\nc= 3\nd =4'],
  ['a colon as separator', 'a:1\nb : 2\nc: 3'],
  ['a blank as separator', 'a 1\nb\t2\nc\f3\nd   4'],
  ['a second separator belongs to the value', 'a==1\nb=:2\nc: =3\nd  =  = 4\ne : : 5'],
  ['a key without separator', 'alone\n  indented'],
  ['an empty value', 'a=\nb =\nc:\nd '],
  ['an empty key', '=1\n:2\n = 3'],
  ['both comment marks', '# one\n! two\n  # three\n\t!four\na=1'],
  ['a comment mark inside a line is text', 'a=1 # not a comment\nb=2 ! neither\nc#d=3'],
  ['a comment is never continued', '# comment \\\na=1\n! and \\\\\\\nb=2'],
  ['a comment without an end', 'a=1\n# last'],
  ['a continued value', 'a = /x/\\\n  y/\\\n\tz'],
  ['a continued key', 'lo\\\n   ng = 1'],
  ['a continuation between key and separator', 'a\\\n = 1'],
  ['a continuation right behind the separator', 'a =\\\n  1'],
  ['two backslashes do not continue', 'a=1\\\\\nb=2'],
  ['three backslashes do', 'a=1\\\\\\\nb=2'],
  ['a continuation followed by a comment mark', 'a=1\\\n# still the value'],
  ['an empty line continued, then a comment', '\\\n# comment\na=1'],
  ['an empty line continued, then a blank line', '\\\n\n\na=1'],
  ['an empty line continued, then an entry', '  \\\n  a=1'],
  ['a continuation followed by a blank line', 'a=1\\\n\nb=2'],
  ['a continuation followed by a line of blanks', 'a=1\\\n   \nb=2'],
  ['a continuation at the end', 'a=1\\'],
  ['a continuation at the end, line end included', 'a=1\\\n'],
  ['a lone backslash', '\\'],
  ['a lone backslash and a line end', '\\\n'],
  ['a lone backslash, a line end and a blank', '\\\n '],
  ['CRLF', 'a=1\r\nb=2\r\n\r\nc=3'],
  ['CR alone', 'a=1\rb=2\r\rc=3'],
  ['a continuation over CRLF', 'a=1\\\r\n  2\r\nb=3'],
  ['a continuation over CR', 'a=1\\\r  2\rb=3'],
  ['LF CR is two line ends', 'a=1\\\n\rb=2'],
  ['blanks at the end stay', 'a=1  \nb=2\t\nc = 3 \f\n'],
  ['form feeds are blanks', '\fa\f=\f1\f\n'],
  ['a vertical tab and a no-break space are not', 'a\u000b=\u000b1\n\u00a0b\u00a0=\u00a02'],
  ['short escapes', 'a=\\t\\n\\r\\f\\b\\0\\x41\nb=\\\\ \\" \\\' \\# \\!'],
  ['escaped separators in a key', 'a\\=b=1\nc\\:d:2\ne\\ f 3\n\\#g=4\n\\!h=5'],
  ['escaped separators in a value', 'a=\\=1\nb=\\:2\nc=\\ 3\nd \\  4'],
  ['a Unicode escape', 'a=\\u0041\\u00e9\\u4e2d\n\\u0062=2\nc=\\uD83D\\uDE00'],
  ['upper and lower hexadecimal digits', 'a=\\u00Ff\\u00fF'],
  ['an escaped separator written as Unicode', 'a\\u003db=1\nc\\u0020d=2'],
  ['u itself escaped', 'a=\\\\u0041\nb=\\\\\\u0041'],
  ['a broken Unicode escape: no digits', 'a=\\uzzzz'],
  ['a broken Unicode escape: too short at the end', 'a=\\u41'],
  ['a broken Unicode escape: too short before more', 'a=\\u41 more'],
  ['a broken Unicode escape: in a key', 'x=1\n\\u00=1'],
  ['a broken Unicode escape in a comment is nothing', '# \\uzzzz\na=1'],
  ['a Unicode escape cut by a continuation', 'a=\\u00\\\n41'],
  ['a capital U is no Unicode escape', 'a=\\U0041'],
  ['sections are keys', '[section]\na=1\n[x]=2'],
  ['duplicates', 'a=1\nb=2\na=3'],
  ['names of objects', '__proto__=1\nconstructor=2\ntoString=3'],
  ['text beyond Latin-1', 'schlüssel=wert\n键=值\nsmile=😀'],
  ['quotes are text', 'a="1"\nb=\'2 \''],
  ['dollar and percent', 'a=${b}\nb=%{c}/%Y-%m-%d'],
  ['a URL', 'u=hdfs://namenode:8020/a\nhttp://x y'],
  ['a NUL', 'a\u0000b=\u0000'],
  ['a Windows path', 'p=C:\\temp\\new\nq=C\\:\\\\temp'],
  ['a dot regular expression loses its backslash', 'r=.*\\.log\\d+'],
]

export const randomSeed = 20261123
export const randomCount = 2000

/** Texts made of the characters that matter, the same ones for the same seed. */
export function randomTexts(): readonly string[] {
  const random = seededRandom(randomSeed)
  return Array.from({ length: randomCount }, () => randomText(random))
}

// biome-ignore format: a table reads better in few lines
const pieces = [
  'a', 'b', 'key', 'value', '1', '=', '=', ':', ' ', '  ', '\t', '\f', '\\', '\\', '\\\\', '\n', '\n', '\r', '\r\n', '\\\n', '\\\r\n', '#', '!',
  '\\u0041', '\\u00e9', '\\u3d', '\\t', '\\n', '\\=', '\\:', '\\ ', '\\#', 'é', '中', '\u000b', '\u0085', '\u2028', '.', '"', '\\u000a',
]

function randomText(random: Random): string {
  let text = ''
  for (let left = 1 + Math.floor(random() * 24); left > 0; left--) {
    text += pieces[Math.floor(random() * pieces.length)]
  }
  return text
}
