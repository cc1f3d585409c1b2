import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { didYouMean, editDistance, nearest } from '../../src/spec/nearest.ts'

describe('edits between two words', () => {
  const cases: readonly [from: string, to: string, edits: number][] = [
    ['', '', 0],
    ['same', 'same', 0],
    ['', 'abc', 3],
    ['memory', 'memroy', 1],
    ['capacity', 'capacty', 1],
    ['capacity', 'capacityy', 1],
    ['capacity', 'kapacity', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ]
  for (const [from, to, edits] of cases) {
    it(`${JSON.stringify(from)} and ${JSON.stringify(to)} are ${edits} apart, both ways`, () => {
      assert.equal(editDistance(from, to), edits)
      assert.equal(editDistance(to, from), edits)
    })
  }

  it('more than the limit is infinitely far', () => {
    assert.equal(editDistance('kitten', 'sitting', 2), Number.POSITIVE_INFINITY)
    assert.equal(editDistance('a', 'abcdef', 2), Number.POSITIVE_INFINITY)
  })

  it('endless words are only compared for equality', () => {
    const long = 'x'.repeat(100_000)
    assert.equal(editDistance(long, long), 0)
    assert.equal(editDistance(long, `${long}y`), Number.POSITIVE_INFINITY)
  })
})

describe('the nearest words', () => {
  it('come nearest first, whatever their case, and at most three', () => {
    assert.deepEqual(nearest('netcta', ['netcatudp', 'NETCAT', 'exec', 'netcut']), ['NETCAT', 'netcut'])
    assert.deepEqual(nearest('aaa', ['aab', 'aac', 'aad', 'aae']), ['aab', 'aac', 'aad'])
  })

  it('are none when nothing is near', () => assert.deepEqual(nearest('spooldir', ['avro', 'exec']), []))
})

describe('"did you mean"', () => {
  const cases: readonly [word: string, candidates: string[], expected: string | undefined][] = [
    ['x', ['abc'], undefined],
    ['ab', ['ac'], 'did you mean "ac"?'],
    ['ab', ['ac', 'ad'], 'did you mean "ac" or "ad"?'],
    ['ab', ['ac', 'ad', 'ae'], 'did you mean "ac", "ad" or "ae"?'],
  ]
  for (const [word, candidates, expected] of cases) {
    it(`of ${word} among ${candidates.join(', ')}`, () => assert.equal(didYouMean(word, candidates), expected))
  }
})
