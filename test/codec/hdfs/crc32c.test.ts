import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32c, writeChecksums } from '../../../src/codec/hdfs/crc32c.ts'
import { seededRandom } from '../../../src/core/random.ts'

/** The checksum as its definition says, a bit at a time. */
function slowly(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc
}

describe('CRC-32C', () => {
  it('is what RFC 3720 says', () => {
    const cases: [bytes: Buffer, crc: number][] = [
      [Buffer.from('123456789'), 0xe3069283],
      [Buffer.alloc(32), 0x8a9136aa],
      [Buffer.alloc(32, 255), 0x62a8ab43],
      [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
      [Buffer.alloc(0), 0],
    ]
    for (const [bytes, crc] of cases) assert.equal(crc32c(bytes, 0, bytes.length) >>> 0, crc)
  })

  it('is the same for every length and place in memory', () => {
    const random = seededRandom(7)
    const bytes = Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256)))
    for (let from = 0; from < 9; from++) {
      for (let to = from; to <= 120; to++) assert.equal(crc32c(bytes, from, to), slowly(bytes.subarray(from, to)))
    }
  })

  it('is written for each chunk, the short last one too, wherever the bytes lie', () => {
    const random = seededRandom(8)
    const bytes = Buffer.from(Array.from({ length: 3000 }, () => Math.floor(random() * 256)))
    for (const from of [0, 1, 4, 7]) {
      for (const [length, chunk] of [
        [2048, 512],
        [1300, 512],
        [5, 512],
        [0, 512],
        [600, 100],
        [16, 16],
      ] as const) {
        const out = Buffer.alloc(4 * Math.ceil(length / chunk) + 2)
        writeChecksums(bytes, from, from + length, chunk, out, 1)
        for (let at = 0, i = 0; at < length; at += chunk, i++) {
          const part = bytes.subarray(from + at, from + Math.min(length, at + chunk))
          assert.equal(out.readInt32BE(1 + 4 * i), slowly(part))
        }
        assert.equal(out[0], 0)
        assert.equal(out.at(-1), 0)
      }
    }
  })
})
