import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bzip2Compress, bzip2End, bzip2Uncompress } from '../../../src/codec/compression/bzip2.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'
import { logLines } from '../../support/log-lines.ts'
import { fc } from '../../support/properties.ts'

const plenty = 2 ** 26

/** Made by bzip2 1.0.8: `printf … | bzip2 -9 | xxd -p`. */
const recorded: readonly (readonly [text: string, hex: string])[] = [
  ['', '425a683917724538509000000000'],
  [
    'hello, hello, hello\n',
    '425a6839314159265359cb52e5670000055100001040040244a00021243108602f1844c715178bb9229c284865a972b380',
  ],
  [
    Array.from({ length: 40 }, (_, i) => `line ${i % 7} of the log\n`).join(''),
    '425a6839314159265359e2535b530000f2d980001040007f0003e58400200070534c8c4c4c40a5520d1b29a36a644c04c4e375e97b5c2f131322644fc2722741342684e84dc4d09b09dc4d84fe2ee48a70a121c4a6b6a6',
  ],
]

test('what the bzip2 program wrote is read', () => {
  for (const [text, hex] of recorded) {
    assert.equal(bzip2Uncompress(Buffer.from(hex, 'hex'), plenty).toString(), text)
  }
})

const samples: readonly (readonly [what: string, data: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('a')],
  [
    'runs of every length from 1 to 600',
    Buffer.concat(Array.from({ length: 600 }, (_, i) => Buffer.alloc(i + 1, 65 + (i % 7)))),
  ],
  ['a long run', Buffer.alloc(300_000, 0)],
  ['every byte', Buffer.from(Uint8Array.from({ length: 1024 }, (_, i) => i * 7))],
  ['a period of two', Buffer.from('ab'.repeat(50_000))],
  ['a period of 1021', Buffer.concat(Array.from({ length: 200 }, () => logLines(1021)))],
  ['more than a block', logLines(950_000)],
]

for (const [what, data] of samples) {
  test(`${what} comes back as it was`, () => {
    const packed = bzip2Compress(data)
    assert.ok(bzip2Uncompress(packed, plenty).equals(data))
    assert.equal(bzip2End(packed, 0), packed.length)
  })
}

test('streams that lie one behind the other are read as one', () => {
  const [first, second] = [bzip2Compress(Buffer.from('one ')), bzip2Compress(Buffer.from('two'))]
  assert.equal(bzip2Uncompress(Buffer.concat([first, second]), plenty).toString(), 'one two')
  assert.equal(bzip2End(Buffer.concat([first, second]), 0), first.length)
})

test('log lines become less than a third', () => {
  const data = logLines(500_000)
  assert.ok(bzip2Compress(data).length < data.length / 3)
})

test('anything comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 300 })), { maxLength: 60 }), (runs) => {
      const data = Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte)))
      assert.ok(bzip2Uncompress(bzip2Compress(data), plenty).equals(data))
    }),
    { numRuns: 200 },
  )
})

test('more than is allowed is refused', () => {
  const packed = bzip2Compress(Buffer.alloc(1000))
  assert.throws(() => bzip2Uncompress(packed, 999), { code: 'LIMIT' })
  assert.equal(bzip2Uncompress(packed, 1000).length, 1000)
})

test('the end of a stream is found at every bit, and not before it is there', () => {
  for (let bytes = 0; bytes < 60; bytes++) {
    const packed = bzip2Compress(logLines(bytes))
    for (let length = 0; length < packed.length; length++) {
      assert.equal(bzip2End(packed.subarray(0, length), 0), undefined)
    }
    assert.equal(bzip2End(packed, 0), packed.length)
    assert.equal(bzip2End(Buffer.concat([packed, Buffer.from('BZ')]), 0), packed.length)
  }
  assert.throws(() => bzip2End(Buffer.from('BZip'), 0), { code: 'INVALID_DATA' })
})

test('every cut is found out, and every bit that is turned', () => {
  const data = logLines(3000)
  const packed = bzip2Compress(data)
  for (let length = 0; length < packed.length; length += 7) {
    assert.throws(() => bzip2Uncompress(packed.subarray(0, length), plenty), { code: 'INVALID_DATA' })
  }
  for (let bit = 0; bit < 8 * packed.length; bit += 11) {
    const damaged = Buffer.from(packed)
    damaged[bit >>> 3] = (damaged[bit >>> 3] as number) ^ (1 << (bit & 7))
    try {
      // Padding at the end, the block size and unused selectors mean nothing.
      assert.ok(bzip2Uncompress(damaged, plenty).equals(data))
    } catch (error) {
      assert.ok(error instanceof FlumeError, String(error))
    }
  }
})

test('random bytes in any place end in an error of ours or in data', () => {
  const seeds = [
    bzip2Compress(logLines(300)),
    bzip2Compress(Buffer.from('aaaaaaaaaabbbbb')),
    bzip2Compress(Buffer.alloc(0)),
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.nat(),
      fc.uint8Array({ maxLength: 6 }),
      fc.nat(6),
      (seed, place, bytes, drop) => {
        const at = place % seed.length
        const fuzzed = Buffer.concat([seed.subarray(0, at), bytes, seed.subarray(at + drop)])
        for (const decode of [() => bzip2Uncompress(fuzzed, 100_000), () => bzip2End(fuzzed, 0)]) {
          try {
            decode()
          } catch (error) {
            assert.ok(error instanceof FlumeError, String(error))
          }
        }
      },
    ),
    { numRuns: fuzzRuns(3000) },
  )
})
