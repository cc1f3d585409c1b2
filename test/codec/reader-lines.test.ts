import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReaderLines } from '../../src/codec/reader-lines.ts'
import { FlumeError } from '../../src/core/error.ts'
import { plainEvents } from '../support/source-context.ts'

/** What the lines of these chunks are, and in how many batches they came. */
function cut(chunks: readonly string[], lineMaxBytes = 1000): string[] {
  const lines = new ReaderLines(lineMaxBytes)
  const batches = [...chunks.map((chunk) => lines.push(Buffer.from(chunk, 'latin1'))), lines.end()]
  return batches.flatMap((batch) => plainEvents(batch, 'latin1').map(({ body }) => body))
}

test('lines end at LF, CR or CRLF, as in Java (L-09)', () => {
  const cases: readonly [chunks: string[], lines: string[]][] = [
    [['a\nb\r\nc\rd'], ['a', 'b', 'c', 'd']],
    [['a\n'], ['a']],
    [['\n\n'], ['', '']],
    [['\r\r\n\n'], ['', '', '']],
    [
      ['a\r', '\nb'],
      ['a', 'b'],
    ],
    [
      ['a\r', '', '\nb'],
      ['a', 'b'],
    ],
    [
      ['a\r', 'b'],
      ['a', 'b'],
    ],
    [
      ['a', 'b', 'c\nd', 'e'],
      ['abc', 'de'],
    ],
    [
      ['\r', '\n', '\n'],
      ['', ''],
    ],
    [[''], []],
  ]
  for (const [chunks, lines] of cases) assert.deepEqual(cut(chunks), lines, JSON.stringify(chunks))
})

test('however the bytes are torn apart, the lines are those of the whole', () => {
  const bytes = fc.array(fc.constantFrom('a', 'b', '\r', '\n'), { maxLength: 40 })
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(40), { maxLength: 8 }), (letters, cuts) => {
      const text = letters.join('')
      const at = [...new Set([0, ...cuts.filter((one) => one < text.length), text.length])].sort((a, b) => a - b)
      const chunks = at.slice(1).map((end, i) => text.slice(at[i], end))
      const whole = text.split(/\r\n|\r|\n/)
      if (whole.at(-1) === '') whole.pop()
      assert.deepEqual(cut(chunks), whole)
    }),
  )
})

test('a line that is too long is refused, before it is all in memory', () => {
  const tooLong = (chunks: readonly string[]): void =>
    assert.throws(
      () => cut(chunks, 10),
      (error) => error instanceof FlumeError && error.code === 'LIMIT',
    )
  tooLong(['x'.repeat(11)])
  tooLong(['ok\n12345678901\n'])
  tooLong(['12345', '67890', '1'])
  tooLong(['12345', '678901\n'])
  assert.deepEqual(cut(['12345', '67890\n1234567890']), ['1234567890', '1234567890'])
})
