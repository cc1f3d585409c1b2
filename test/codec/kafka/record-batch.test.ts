import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { murmur2 } from '../../../src/codec/kafka/murmur2.ts'
import {
  type DecodeOptions,
  decodeRecords,
  encodeRecords,
  headersAt,
  keyTextAt,
  type OutgoingRecords,
  recordBytesMax,
  valueAt,
} from '../../../src/codec/kafka/record-batch.ts'
import { writeInt64 } from '../../../src/codec/kafka/wire.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { fc } from '../../support/properties.ts'

/** Broken inputs for each decoder. */
const inputs = Number(process.env['FUZZ_INPUTS'] ?? 20_000)

interface Plain {
  readonly key: string | undefined
  readonly value: string
  readonly timestamp: number
  readonly header: string | undefined
}

function outgoing(records: readonly Plain[]): OutgoingRecords {
  const values = records.map(({ value }) => Buffer.from(value))
  const starts = new Uint32Array(values.length)
  const ends = new Uint32Array(values.length)
  let at = 0
  values.forEach((value, i) => {
    starts[i] = at
    at += value.length
    ends[i] = at
  })
  return {
    bytes: Buffer.concat(values),
    starts,
    ends,
    keys: records.map(({ key }) => key),
    timestamps: Float64Array.from(records, ({ timestamp }) => timestamp),
    headers: [['h', records.map(({ header }) => header)]],
  }
}

function batchOf(
  records: readonly Plain[],
  firstOffset = 0,
  options: Parameters<typeof encodeRecords>[2] = {},
): Buffer {
  const batch = encodeRecords(outgoing(records), Array.from(records.keys()), options)
  writeInt64(batch, firstOffset, 0)
  return batch
}

const options: DecodeOptions = {
  from: 0,
  decompress: (compression, bytes, bytesMax) => {
    if (compression !== 'gzip') throw new FlumeError('UNSUPPORTED', compression)
    try {
      return gunzipSync(bytes, { maxOutputLength: bytesMax })
    } catch (error) {
      throw new FlumeError('INVALID_DATA', String(error))
    }
  },
  decompressedBytesMax: 1_000_000,
}

function decoded(bytes: Buffer, more: Partial<DecodeOptions> = {}): (Plain & { readonly offset: number })[] {
  return decodeRecords(bytes, { ...options, ...more }).slices.flatMap((columns) =>
    Array.from({ length: columns.count }, (_, i) => ({
      key: keyTextAt(columns, i),
      value: valueAt(columns, i)?.toString() ?? 'null',
      timestamp: columns.timestamps[i] as number,
      header: headersAt(columns, i)[0]?.[1]?.toString(),
      offset: columns.offsets[i] as number,
    })),
  )
}

const plain = (value: string): Plain => ({ key: undefined, value, timestamp: 7, header: undefined })

test('what is written is read again, whatever it is', () => {
  const record = fc.record({
    key: fc.option(fc.string(), { nil: undefined }),
    value: fc.string({ maxLength: 300 }),
    timestamp: fc.integer({ min: 0, max: 2 ** 43 }),
    header: fc.option(fc.string(), { nil: undefined }),
  })
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 2 ** 45 }),
      (records, isPacked, first) => {
        const packing = isPacked
          ? { compression: 'gzip' as const, compress: (_: string, bytes: Buffer) => gzipSync(bytes) }
          : {}
        const batch = batchOf(records, first, packing)
        assert.deepEqual(
          decoded(batch),
          records.map((own, i) => ({ ...own, offset: first + i })),
        )
        const bound = records.reduce((sum, _, i) => sum + recordBytesMax(outgoing(records), i), 61)
        if (!isPacked) assert.ok(batch.length <= bound)
      },
    ),
    { numRuns: 300, seed: 20_261_123 },
  )
})

const fixture = new URL('../../../../test/fixture/kafka/record-batches.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Record<string, string> & {
  murmur2: Record<string, number>
}

test('the bytes of a batch are those that Java’s client writes', () => {
  const batch = batchOf(
    [
      { key: 'k', value: 'v', timestamp: 1000, header: 'w' },
      { ...plain('x'), timestamp: 1007 },
    ],
    5,
  )
  assert.equal(batch.toString('hex'), recorded['plain'])
})

for (const [name, repeats] of [
  ['none', 2],
  ['gzip', 2],
  ['gzip large', 400],
] as const) {
  test(`a batch of Java’s client is read: ${name}`, () => {
    const records = decoded(Buffer.from(recorded[name] as string, 'hex'))
    const expected = Array.from({ length: repeats }, (_, i) => [
      { key: 'k', value: 'v', timestamp: 1000 + 10 * i, header: 'w', offset: 5 + 3 * i },
      { key: undefined, value: 'x'.repeat(i % 90), timestamp: 1007 + 10 * i, header: undefined, offset: 6 + 3 * i },
      { key: 'ä', value: 'null', timestamp: 990 + 10 * i, header: undefined, offset: 7 + 3 * i },
    ]).flat()
    assert.deepEqual(records, expected)
  })
}

test('keys are hashed as Java’s client hashes them', () => {
  const hashes = Object.keys(recorded.murmur2).map((key) => [key, murmur2(Buffer.from(key))])
  assert.deepEqual(Object.fromEntries(hashes), recorded.murmur2)
})

test('batches that follow each other are one list, and one that is cut off waits for the next fetch', () => {
  const both = Buffer.concat([batchOf([plain('a'), plain('b')]), batchOf([plain('c')], 2)])
  assert.deepEqual(
    decoded(both).map(({ value }) => value),
    ['a', 'b', 'c'],
  )
  for (let cut = 1; cut < batchOf([plain('c')], 2).length; cut++) {
    const { nextOffset, slices } = decodeRecords(both.subarray(0, both.length - cut), options)
    assert.equal(nextOffset, 2)
    assert.equal(slices[0]?.count, 2)
  }
})

test('records before the wanted offset, and at the end of a range, are left out', () => {
  const batch = batchOf(['a', 'b', 'c', 'd'].map(plain), 10)
  assert.deepEqual(
    decoded(batch, { from: 11, until: 13 }).map(({ offset }) => offset),
    [11, 12],
  )
})

test('a batch with a changed byte is refused, unless checksums are not checked', () => {
  const batch = batchOf([plain('abc')])
  const damaged = Buffer.from(batch)
  damaged[batch.length - 2] = (damaged[batch.length - 2] as number) ^ 1
  assert.throws(() => decoded(damaged), { code: 'INVALID_DATA', message: /offset 0 is damaged/ })
  assert.equal(decoded(damaged, { checkCrc: false }).length, 1)
})

test('records of a transaction that was given up are left out when only committed ones are wanted', () => {
  const stamp = (producerId: bigint) => ({
    stamp: { producerId, producerEpoch: 0, firstSequence: 0, isTransactional: true },
  })
  const marker = (producerId: bigint, offset: number, type: number): Buffer => {
    const batch = batchOf([{ ...plain(''), key: '\0\0\0\0' }], offset, stamp(producerId))
    batch.writeInt16BE(batch.readInt16BE(21) | 0x20, 21)
    batch[61 + 1 + 1 + 1 + 1 + 1 + 3] = type
    return batch
  }
  const log = Buffer.concat([
    batchOf([plain('a1')], 0, stamp(1n)),
    batchOf([plain('b1')], 1, stamp(2n)),
    marker(1n, 2, 0),
    batchOf([plain('a2')], 3, stamp(1n)),
    marker(2n, 4, 1),
    marker(1n, 5, 1),
  ])
  const read = (more: Partial<DecodeOptions>): string[] =>
    decoded(log, { checkCrc: false, ...more }).map(({ value }) => value)
  assert.deepEqual(read({ aborted: [{ producerId: 1n, firstOffset: 0 }] }), ['b1', 'a2'])
  assert.deepEqual(read({}), ['a1', 'b1', 'a2'])
  assert.equal(decodeRecords(log, { ...options, checkCrc: false }).nextOffset, 6)
})

test('a batch that unpacks to more than its limit is refused', () => {
  const batch = batchOf([plain('x'.repeat(100_000))], 0, {
    compression: 'gzip',
    compress: (_, bytes) => gzipSync(bytes),
  })
  assert.throws(() => decoded(batch, { decompressedBytesMax: 10_000 }))
})

test('records of formats before Kafka 0.11 are refused with what to do', () => {
  const batch = batchOf([plain('a')])
  batch[16] = 1
  assert.throws(() => decoded(batch), { code: 'UNSUPPORTED', message: /format 1 \(before Kafka 0\.11\)/ })
})

test('mutated batches are read or refused, never anything else', () => {
  const random = seededRandom(11)
  const whole = Buffer.concat([
    batchOf([{ key: 'key', value: 'value', timestamp: 99, header: 'head' }, plain('b')]),
    batchOf(['c', 'd'].map(plain), 2),
  ])
  let refused = 0
  for (let run = 0; run < inputs; run++) {
    const bytes = Buffer.from(whole)
    for (let change = 0; change <= random() * 4; change++)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    try {
      for (const columns of decodeRecords(bytes, { ...options, checkCrc: false }).slices) {
        for (let i = 0; i < columns.count; i++) {
          valueAt(columns, i)
          keyTextAt(columns, i)
          headersAt(columns, i)
        }
      }
    } catch (error) {
      if (!(error instanceof FlumeError)) throw error
      refused++
    }
  }
  assert.ok(refused > inputs / 20, `${refused} refused`)
})
