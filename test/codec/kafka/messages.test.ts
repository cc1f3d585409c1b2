import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFetched, writeFetch } from '../../../src/codec/kafka/fetch.ts'
import {
  assignors,
  readAssignment,
  readSubscription,
  type TopicPartition,
  writeAssignment,
  writeSubscription,
} from '../../../src/codec/kafka/membership.ts'
import { readProduced, writeProduce } from '../../../src/codec/kafka/produce.ts'
import { snappyBlocks, snappyLength } from '../../../src/codec/kafka/snappy-blocks.ts'
import { KafkaReader, KafkaWriter } from '../../../src/codec/kafka/wire.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { seededRandom } from '../../../src/core/random.ts'

/** Broken inputs for each decoder. */
const inputs = Number(process.env['FUZZ_INPUTS'] ?? 20_000)

const fetched = new KafkaWriter()
  .int32(0)
  .int16(0)
  .int32(0)
  .compactCount(1)
  .compactString('t')
  .compactCount(2)
  .int32(0)
  .int16(0)
  .int64(9)
  .int64(8)
  .int64(1)
  .compactCount(2)
  .int64(5)
  .int64(7)
  .noTags()
  .int64(4)
  .int64(2)
  .noTags()
  .int32(-1)
  .uvarint(4)
  .raw(Buffer.from('abc'))
  .noTags()
  .int32(1)
  .int16(1)
  .int64(-1)
  .int64(-1)
  .int64(-1)
  .uvarint(0)
  .int32(-1)
  .uvarint(0)
  .noTags()
  .noTags()
  .noTags()
  .finish()

const produced = new KafkaWriter()
  .compactCount(1)
  .compactString('t')
  .compactCount(1)
  .int32(3)
  .int16(87)
  .int64(-1)
  .int64(-1)
  .int64(0)
  .compactCount(2)
  .int32(4)
  .compactString(undefined)
  .noTags()
  .int32(6)
  .compactString('no key')
  .noTags()
  .compactString(undefined)
  .noTags()
  .noTags()
  .int32(0)
  .noTags()
  .finish()

test('a fetch asks topic by topic and reads records, ends and given up transactions', () => {
  const body = writeFetch(
    [
      { topic: 'a', partition: 0, offset: 5, maxBytes: 10 },
      { topic: 'b', partition: 1, offset: 2 ** 40, maxBytes: 10 },
      { topic: 'a', partition: 2, offset: 0, maxBytes: 10 },
    ],
    { maxWaitMs: 500, minBytes: 1, maxBytes: 1000, readCommitted: true },
  )
  assert.equal(body.toString('hex').split('02610').length, 2)
  const { error, partitions } = readFetched(new KafkaReader(fetched))
  assert.equal(error, 0)
  assert.deepEqual(
    partitions.map(({ records, ...rest }) => ({ ...rest, records: records.toString() })),
    [
      {
        topic: 't',
        partition: 0,
        error: 0,
        highWatermark: 9,
        lastStableOffset: 8,
        logStartOffset: 1,
        aborted: [
          { producerId: 4n, firstOffset: 2 },
          { producerId: 5n, firstOffset: 7 },
        ],
        records: 'abc',
      },
      {
        topic: 't',
        partition: 1,
        error: 1,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
        aborted: [],
        records: '',
      },
    ],
  )
})

test('a produce answer tells the error, its words, and the records that were refused', () => {
  assert.deepEqual(readProduced(new KafkaReader(produced)), [
    { topic: 't', partition: 3, error: 87, message: 'no key', baseOffset: -1, refused: [4, 6] },
  ])
  const body = writeProduce([{ topic: 't', partition: 1, records: Buffer.from('xyz') }], -1, 1000)
  assert.equal(body.toString('hex'), '00ffff000003e802027402000000010478797a000000')
})

test('subscriptions and assignments are read again, later versions of subscriptions too', () => {
  assert.deepEqual(readSubscription(writeSubscription(['a', 'bä'])), ['a', 'bä'])
  // Version 1 appends the partitions owned before; Java's clients send it.
  assert.deepEqual(
    readSubscription(
      Buffer.concat([Buffer.from([0, 1]), writeSubscription(['a']).subarray(2), Buffer.from('00000000', 'hex')]),
    ),
    ['a'],
  )
  const partitions = [
    { topic: 'a', partition: 1 },
    { topic: 'b', partition: 0 },
    { topic: 'a', partition: 3 },
  ]
  assert.deepEqual(readAssignment(writeAssignment(partitions)), [partitions[0], partitions[2], partitions[1]])
  assert.deepEqual(readAssignment(Buffer.alloc(0)), [])
})

const shown = (shares: ReadonlyMap<string, readonly TopicPartition[]> | undefined): string[] =>
  Array.from(
    shares ?? [],
    ([id, partitions]) => `${id}: ${partitions.map(({ topic, partition }) => `${topic}${partition}`).join(' ')}`,
  )

const members = [
  { id: 'c', topics: ['t', 'u'] },
  { id: 'a', topics: ['t', 'u'] },
  { id: 'b', topics: ['u'] },
]

test('range gives neighbouring partitions, topic by topic, the first members one more', () => {
  const counts = new Map([
    ['t', 5],
    ['u', 4],
  ])
  assert.deepEqual(shown(assignors['range']?.(members, counts)).sort(), ['a: t0 t1 t2 u0 u1', 'b: u2', 'c: t3 t4 u3'])
})

test('roundrobin deals all partitions out in turn to those who read the topic', () => {
  const counts = new Map([
    ['t', 3],
    ['u', 3],
  ])
  assert.deepEqual(shown(assignors['roundrobin']?.(members, counts)).sort(), ['a: t0 t2 u2', 'b: u0', 'c: t1 u1'])
})

test('Snappy of Java is read in its frame, other Snappy as one block', () => {
  const framed = Buffer.concat([Buffer.from('82534e415050590000000001000000010000000261620000000163', 'hex')])
  assert.deepEqual(snappyBlocks(framed).map(String), ['ab', 'c'])
  assert.deepEqual(snappyBlocks(Buffer.from('raw')).map(String), ['raw'])
  assert.equal(snappyLength(Buffer.from([0x80, 0x01, 0])), 128)
})

for (const [name, whole, read] of [
  ['fetch answers', fetched, (bytes: Buffer) => readFetched(new KafkaReader(bytes))],
  ['produce answers', produced, (bytes: Buffer) => readProduced(new KafkaReader(bytes))],
  ['subscriptions', writeSubscription(['topic', 'another']), readSubscription],
  [
    'assignments',
    writeAssignment([
      { topic: 'topic', partition: 1 },
      { topic: 'u', partition: 2 },
    ]),
    readAssignment,
  ],
  [
    'Snappy frames',
    Buffer.from('82534e415050590000000001000000010000000261620000000163', 'hex'),
    (bytes: Buffer) => snappyBlocks(bytes).map(snappyLength),
  ],
] as const) {
  test(`mutated ${name} are read or refused, never anything else`, () => {
    const random = seededRandom(5)
    let refused = 0
    for (let run = 0; run < inputs; run++) {
      let bytes = Buffer.from(whole)
      for (let change = 0; change <= random() * 3; change++)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      if (random() < 0.3) bytes = bytes.subarray(0, Math.floor(random() * bytes.length))
      try {
        read(bytes)
      } catch (error) {
        if (!(error instanceof FlumeError)) throw error
        refused++
      }
    }
    assert.ok(refused > inputs / 200, `${refused} refused`)
  })
}
