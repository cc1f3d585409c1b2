import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lz4Compress } from '../../../src/codec/compression/lz4.ts'
import { logLines } from '../../support/log-lines.ts'
import { lz4Uncompress } from '../../support/lz4.ts'
import { fc } from '../../support/properties.ts'

test('a block is what the format says', () => {
  assert.equal(lz4Compress(Buffer.from('abc')).toString('latin1'), '\x30abc')
  assert.equal(lz4Compress(Buffer.alloc(0)).toString('hex'), '00')
  // One literal, 26 bytes from one before, the last five as they are.
  assert.equal(lz4Compress(Buffer.alloc(32, 'a')).toString('latin1'), '\x1fa\x01\x00\x07\x50aaaaa')
})

const samples: readonly (readonly [what: string, data: Buffer])[] = [
  ['a long run', Buffer.alloc(300_000, 7)],
  ['more than offsets reach', logLines(200_000)],
  ['what does not compress', Buffer.from(Uint8Array.from({ length: 5000 }, (_, i) => (i * i * 2_654_435_761) >>> 13))],
]
for (const [what, data] of samples) {
  test(`${what} comes back as it was`, () => assert.ok(lz4Uncompress(lz4Compress(data)).equals(data)))
}

test('log lines become less than half', () => {
  const data = logLines(500_000)
  assert.ok(lz4Compress(data).length < data.length / 2)
})

test('anything comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(40)), { maxLength: 40 }), (parts) => {
      const data = Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes)))
      assert.ok(lz4Uncompress(lz4Compress(data)).equals(data))
    }),
    { numRuns: 500 },
  )
})
