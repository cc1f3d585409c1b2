import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TextLineCutter } from '../../src/codec/text-lines.ts'
import { textsOf } from '../support/batches.ts'
import { fc } from '../support/properties.ts'

function linesOf(chunks: readonly string[], lineBytesMax = 1000): string[] {
  const cutter = new TextLineCutter(lineBytesMax)
  return [...chunks.flatMap((chunk) => textsOf(cutter.cut(Buffer.from(chunk)).batch)), ...textsOf(cutter.end().batch)]
}

describe('lines of text', () => {
  const cases: readonly [what: string, chunks: readonly string[], lines: readonly string[]][] = [
    ['LF, CR and CRLF end a line', ['a\nb\rc\r\nd'], ['a', 'b', 'c', 'd']],
    ['empty lines are lines', ['\n\r\r\n\n'], ['', '', '', '']],
    ['a CRLF across two chunks is one end', ['a\r', '\nb'], ['a', 'b']],
    ['an empty chunk between CR and LF changes nothing', ['a\r', '', '\nb'], ['a', 'b']],
    ['a line across many chunks is one', ['a', 'b', 'c\nd'], ['abc', 'd']],
    ['nothing behind the last end is no line', ['a\n'], ['a']],
    ['a lone LF behind a chunk that ended with CR is skipped', ['a\r', '\n', 'b\n'], ['a', 'b']],
  ]
  for (const [what, chunks, lines] of cases) it(what, () => assert.deepEqual(linesOf(chunks), lines))

  it('a line above the limit becomes several, whichever way it comes', () => {
    assert.deepEqual(linesOf(['abcdefgh\nij'], 3), ['abc', 'def', 'gh', 'ij'])
    assert.deepEqual(linesOf(['ab', 'cd', 'ef', 'gh', '\nij'], 3), ['abc', 'def', 'gh', 'ij'])
    const cutter = new TextLineCutter(3)
    cutter.cut(Buffer.from('abcdefg'))
    assert.equal(cutter.end().cuts, 2)
  })

  it('however it is cut into chunks, the lines are the same', () => {
    const chunk = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r') })
    fc.assert(
      fc.property(fc.array(chunk), (chunks) => {
        const all = chunks.join('')
        const expected = all.split(/\r\n|\r|\n/)
        if (expected.at(-1) === '') expected.pop()
        assert.deepEqual(linesOf(chunks), expected)
      }),
      { numRuns: 2000 },
    )
  })
})
