import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { decodeProperties, formatProperties, parseProperties } from '../../src/codec/properties.ts'
import { fc } from '../support/properties.ts'
import { randomCount, randomSeed, randomTexts, trickyTexts } from '../support/tricky-properties.ts'

type Pairs = [string, string][] | null

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../test/fixture/properties/${name}`, import.meta.url), 'utf8'))
}

/** What was read, in the form the fixture has: pairs, or null where Java throws. */
function pairsOf(text: string): Pairs {
  const { entries, problems } = parseProperties(text)
  return problems.length > 0 ? null : entries.map(({ key, value }) => [key, value])
}

describe('a properties text reads as java.util.Properties reads it (C-01)', () => {
  const recorded = fixture('tricky.json') as { name: string; text: string; expected: Pairs }[]
  it('the recording covers every tricky text', () => {
    assert.deepEqual(
      recorded.map(({ name, text }) => [name, text]),
      trickyTexts,
    )
    assert.ok(recorded.length >= 50)
  })
  for (const { name, text, expected } of recorded) {
    it(name, () => assert.deepEqual(pairsOf(text), expected))
  }
})

it('two thousand random texts read as java.util.Properties reads them (C-01)', () => {
  const recorded = fixture('random.json') as { seed: number; count: number; digests: string[] }
  assert.deepEqual([recorded.seed, recorded.count, recorded.digests.length], [randomSeed, randomCount, randomCount])
  for (const [index, text] of randomTexts().entries()) {
    const digest = createHash('sha256')
      .update(JSON.stringify(pairsOf(text)))
      .digest('hex')
      .slice(0, 12)
    assert.equal(digest, recorded.digests[index], `text ${index}: ${JSON.stringify(text)}`)
  }
})

describe('the place of an entry', () => {
  const cases: readonly [name: string, text: string, places: readonly (readonly number[])[]][] = [
    [
      'counts lines and columns from one',
      'a=1\n  b : 2',
      [
        [1, 1, 1, 3],
        [2, 3, 2, 7],
      ],
    ],
    [
      'counts CRLF as one line end and CR as another',
      'a=1\r\nb=2\rc=3',
      [
        [1, 1, 1, 3],
        [2, 1, 2, 3],
        [3, 1, 3, 3],
      ],
    ],
    ['skips comments and blank lines', '# x\n\n! y\na = 1', [[4, 1, 4, 5]]],
    ['follows a value over a continuation', 'a = \\\n   1', [[1, 1, 2, 4]]],
    [
      'stays with the key of a continued value',
      'a = 1\\\n   2\nb = 3',
      [
        [1, 1, 1, 5],
        [3, 1, 3, 5],
      ],
    ],
    [
      'is known for the earlier of two duplicates too',
      'a=1\na=2',
      [
        [1, 1, 1, 3],
        [2, 1, 2, 3],
      ],
    ],
    ['of an empty value is behind the separator', 'a =', [[1, 1, 1, 4]]],
  ]
  for (const [name, text, places] of cases) {
    it(name, () => {
      const found = parseProperties(text).entries.map((at) => [at.line, at.column, at.valueLine, at.valueColumn])
      assert.deepEqual(found, places)
    })
  }
})

it('a broken Unicode escape is a problem with its place', () => {
  const { entries, problems } = parseProperties('a=1\nbad = x\\u00zz\nb=2')
  assert.deepEqual(
    entries.map(({ key }) => key),
    ['a', 'b'],
  )
  assert.deepEqual(problems, [
    { line: 2, column: 8, message: '"\\u00zz" is not an escape: \\u takes four hexadecimal digits' },
  ])
})

describe('the bytes of a properties file', () => {
  const cases: readonly [name: string, bytes: readonly number[], text: string][] = [
    ['are UTF-8 where they are valid UTF-8', [0x61, 0xc3, 0xa9], 'aé'],
    ['are ISO-8859-1 otherwise', [0x61, 0xe9, 0x80], 'aé\u0080'],
    ['lose a byte order mark', [0xef, 0xbb, 0xbf, 0x61], 'a'],
  ]
  for (const [name, bytes, text] of cases) {
    it(name, () => assert.equal(decodeProperties(Uint8Array.from(bytes)), text))
  }
})

it('what is written reads back the same, and is plain ASCII in any charset (C-33)', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'a =:#!\\\t\n\r\fé\u{1f600}') }),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text)), (entries) => {
      const written = formatProperties(entries)
      assert.match(written, /^[\x20-\x7e\n]*$/)
      const { entries: read, problems } = parseProperties(written)
      assert.deepEqual(problems, [])
      assert.deepEqual(
        read.map(({ key, value }) => [key, value]),
        entries,
      )
    }),
    { numRuns: 500 },
  )
})
