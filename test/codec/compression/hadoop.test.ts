import assert from 'node:assert/strict'
import { test } from 'node:test'
import zlib from 'node:zlib'
import { bzip2Uncompress } from '../../../src/codec/compression/bzip2.ts'
import { compressWith, type HadoopCodec, hadoopCodecNamed } from '../../../src/codec/compression/hadoop.ts'
import { snappyUncompress } from '../../../src/codec/compression/snappy.ts'
import { hasZstd, zstdEnd, zstdUncompress } from '../../../src/codec/compression/zstd.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'
import { logLines } from '../../support/log-lines.ts'
import { lz4Uncompress } from '../../support/lz4.ts'
import { fc } from '../../support/properties.ts'

const plenty = 2 ** 26

/** Undoes the blocks of Snappy and LZ4. */
function unblock(data: Buffer, uncompress: (chunk: Buffer) => Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt32BE(at)
    const packed = data.readUInt32BE(at + 4)
    const plain = uncompress(data.subarray(at + 8, at + 8 + packed))
    assert.equal(plain.length, length)
    parts.push(plain)
    at += 8 + packed
  }
  return Buffer.concat(parts)
}

const codecs: readonly (readonly [name: string, extension: string, uncompress: (data: Buffer) => Buffer])[] = [
  ['gzip', '.gz', (data) => zlib.gunzipSync(data)],
  ['default', '.deflate', (data) => zlib.inflateSync(data)],
  ['bzip2', '.bz2', (data) => bzip2Uncompress(data, plenty)],
  ['snappy', '.snappy', (data) => unblock(data, (chunk) => snappyUncompress(chunk, plenty))],
  ['lz4', '.lz4', (data) => unblock(data, lz4Uncompress)],
  ...(hasZstd ? [['zstd', '.zst', (data: Buffer) => zstdUncompress(data, plenty)] as const] : []),
]

function codecOf(name: string): HadoopCodec {
  const codec = hadoopCodecNamed(name)
  assert.ok(!('problem' in codec), JSON.stringify(codec))
  return codec
}

const bodies = [logLines(1), logLines(100), logLines(40_000), logLines(700_000), Buffer.alloc(300_000, 1)]

for (const [name, extension, uncompress] of codecs) {
  test(`${name} comes back as it was`, async () => {
    const codec = codecOf(name)
    assert.equal(codec.extension, extension)
    for (const body of bodies) {
      assert.ok(uncompress(Buffer.from(codec.compress(body))).equals(body))
      assert.ok(uncompress(Buffer.from(await compressWith(codec, body))).equals(body))
    }
    assert.equal((await compressWith(codec, Buffer.alloc(0))).length, 0)
  })

  test(`members of ${name} are told apart, and one that is cut off is none`, () => {
    const codec = codecOf(name)
    const members = [logLines(50), logLines(3), logLines(2000)].map((body) => Buffer.from(codec.compress(body)))
    const file = Buffer.concat(members)
    let at = 0
    for (const member of members) {
      assert.equal(codec.memberEnd(file, at), at + member.length)
      for (let length = 0; length < member.length; length += member.length > 200 ? 17 : 1) {
        assert.equal(codec.memberEnd(file.subarray(0, at + length), at), undefined, `${length} of ${member.length}`)
      }
      at += member.length
    }
  })

  test(`random bytes in a ${name} file end in an error of ours or at some place`, () => {
    const codec = codecOf(name)
    const seed = Buffer.from(codec.compress(logLines(200)))
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ maxLength: 12 }), fc.nat(12), (place, bytes, drop) => {
        const at = place % seed.length
        const fuzzed = Buffer.concat([seed.subarray(0, at), bytes, seed.subarray(at + drop)])
        try {
          const end = codec.memberEnd(fuzzed, 0)
          assert.ok(end === undefined || (end > 0 && end <= fuzzed.length), `${end} of ${fuzzed.length}`)
        } catch (error) {
          assert.ok(error instanceof FlumeError, String(error))
        }
      }),
      { numRuns: fuzzRuns(1000) },
    )
  })
}

test('gzip members with names, comments and extra fields have an end, too', () => {
  const plain = Buffer.from(zlib.gzipSync('x'))
  const member = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3, 3, 0]),
    Buffer.from('abcname\0comment\0hc'),
    plain.subarray(10),
  ])
  assert.equal(codecOf('gzip').memberEnd(Buffer.concat([member, plain]), 0), member.length)
})

test('frames of Zstandard have an end, also where Node cannot read them', () => {
  // Written by `printf 'hello\n' | zstd -c`, with and without --no-check.
  for (const hex of ['28b52ffd045831000068656c6c6f0a5388bd91', '28b52ffd005831000068656c6c6f0a']) {
    const whole = Buffer.from(hex, 'hex')
    assert.equal(zstdEnd(Buffer.concat([whole, whole]), 0), whole.length)
    assert.equal(zstdEnd(whole.subarray(0, -1), 0), undefined)
  }
  assert.equal(zstdEnd(Buffer.from('502a4d1802000000ffff28', 'hex'), 0), 10)
  assert.throws(() => zstdEnd(Buffer.from('nothing'), 0), { code: 'INVALID_DATA' })
})

const named: readonly (readonly [name: string, className: string])[] = [
  ['gzip', 'GzipCodec'],
  ['GZIP', 'GzipCodec'],
  ['GzipCodec', 'GzipCodec'],
  ['org.apache.hadoop.io.compress.GzipCodec', 'GzipCodec'],
  ['bzip2', 'BZip2Codec'],
  ['BZip2Codec', 'BZip2Codec'],
  ['default', 'DefaultCodec'],
  ['deflate', 'DeflateCodec'],
  ['snappy', 'SnappyCodec'],
  ['lz4', 'Lz4Codec'],
  ...(hasZstd
    ? ([
        ['zstd', 'ZStandardCodec'],
        ['ZStandard', 'ZStandardCodec'],
      ] as const)
    : []),
]
for (const [name, className] of named) {
  test(`${name} means ${className}`, () =>
    assert.equal(codecOf(name).className, `org.apache.hadoop.io.compress.${className}`))
}

const unknown: readonly (readonly [name: string, problem: RegExp])[] = [
  ['lzo', /licence/],
  ['com.hadoop.compression.lzo.LzopCodec', /LZO|licence|there is no codec/],
  ['com.acme.GzipCodec', /there is no codec/],
  ['zip', /there is no codec/],
  ...(hasZstd ? [] : [['zstd', /Zstandard/] as const]),
]
for (const [name, problem] of unknown) {
  test(`${name} is refused, with what can be used`, () => {
    const answer = hadoopCodecNamed(name)
    assert.ok('problem' in answer)
    assert.match(`${answer.problem}; ${answer.hint}`, problem)
    assert.match(answer.hint, /use|Node/)
  })
}
