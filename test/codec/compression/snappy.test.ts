import assert from 'node:assert/strict'
import { test } from 'node:test'
import { snappyCompress, snappyUncompress } from '../../../src/codec/compression/snappy.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'
import { logLines } from '../../support/log-lines.ts'
import { fc } from '../../support/properties.ts'

const plenty = 2 ** 26

const samples: readonly (readonly [what: string, data: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('a')],
  ['fifteen bytes', Buffer.from('abcdabcdabcdabc')],
  ['a long run', Buffer.alloc(300_000, 7)],
  ['a block and a byte', logLines(65_537)],
  ['many blocks', logLines(1_000_000)],
  ['literals of every length', Buffer.concat([60, 61, 256, 257, 5000].flatMap((n) => [noise(n), Buffer.alloc(80)]))],
]

for (const [what, data] of samples) {
  test(`${what} comes back as it was`, () => assert.ok(snappyUncompress(snappyCompress(data), plenty).equals(data)))
}

test('log lines become less than half', () => {
  const data = logLines(500_000)
  assert.ok(snappyCompress(data).length < data.length / 2)
})

test('every kind of element is read', () => {
  const cases: [hex: string, text: string][] = [
    ['0308616263', 'abc'],
    // A copy with an offset of 11 bits, one with 16, one with 32.
    ['07086162630103', 'abcabca'],
    ['06086162630a0300', 'abcabc'],
    ['06086162630b03000000', 'abcabc'],
    // A copy that overlaps what it makes.
    ['0800611a0100', 'aaaaaaaa'],
  ]
  for (const [hex, text] of cases) assert.equal(snappyUncompress(Buffer.from(hex, 'hex'), plenty).toString(), text)
})

test('anything comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(40)), { maxLength: 40 }), (parts) => {
      const data = Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes)))
      assert.ok(snappyUncompress(snappyCompress(data), plenty).equals(data))
    }),
    { numRuns: 500 },
  )
})

const broken: readonly (readonly [what: string, hex: string])[] = [
  ['nothing at all', ''],
  ['a length without an end', 'ffffffffffff'],
  ['a literal that is cut off', '050861'],
  ['more than was announced', '0108616263'],
  ['less than was announced', '0408616263'],
  ['a copy from before the beginning', '0708616263010f'],
  ['a copy from nowhere', '07086162630100'],
  ['a copy that is cut off', '070861626301'],
  ['a length that so few bytes cannot stand for', 'ffff7f0061'],
]
for (const [what, hex] of broken) {
  test(`${what} is broken data`, () =>
    assert.throws(() => snappyUncompress(Buffer.from(hex, 'hex'), plenty), { code: 'INVALID_DATA' }))
}

test('more than is allowed is refused before room is made for it', () => {
  const packed = snappyCompress(Buffer.alloc(1000))
  assert.throws(() => snappyUncompress(packed, 999), { code: 'LIMIT' })
  assert.equal(snappyUncompress(packed, 1000).length, 1000)
})

test('random bytes in any place end in an error of ours or in data', () => {
  const seeds = [snappyCompress(logLines(300)), snappyCompress(Buffer.alloc(200, 1)), snappyCompress(noise(70))]
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.nat(),
      fc.uint8Array({ maxLength: 6 }),
      fc.nat(6),
      (seed, place, bytes, drop) => {
        const at = place % seed.length
        const fuzzed = Buffer.concat([seed.subarray(0, at), bytes, seed.subarray(at + drop)])
        try {
          assert.ok(snappyUncompress(fuzzed, 100_000).length <= 100_000)
        } catch (error) {
          assert.ok(error instanceof FlumeError, String(error))
        }
      },
    ),
    { numRuns: fuzzRuns(3000) },
  )
})

function noise(length: number): Buffer {
  let state = length
  return Buffer.from(
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state >>> 24
    }),
  )
}
