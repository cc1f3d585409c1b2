import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSequenceRecords, sequenceFileHeader, syncIntervalBytes } from '../../src/codec/sequence-file.ts'
import { EventBatch } from '../../src/core/event-batch.ts'

const sync = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i)
const syncHex = Buffer.from(sync).toString('hex')

test('one event e1 gives the bytes that Flume 1.11 wrote (H-23)', () => {
  const header = Buffer.from(sequenceFileHeader('Writable', sync))
  const expected = [
    '53455106',
    `21${Buffer.from('org.apache.hadoop.io.LongWritable').toString('hex')}`,
    `22${Buffer.from('org.apache.hadoop.io.BytesWritable').toString('hex')}`,
    '000000000000',
    syncHex,
  ]
  assert.equal(header.toString('hex'), expected.join(''))
  const batch = EventBatch.of([{ body: 'e1' }])
  const records = encodeSequenceRecords(batch, BigInt64Array.of(0x1a20648b3bdn), 'Writable', sync, header.length)
  assert.equal(Buffer.from(records).toString('hex'), `0000000e00000008000001a20648b3bd000000026531ffffffff${syncHex}`)
})

test('Text values carry their length as Hadoop’s vint', () => {
  for (const [length, vint] of [
    [0, '00'],
    [127, '7f'],
    [128, '8f80'],
    [255, '8fff'],
    [256, '8e0100'],
    [70_000, '8d011170'],
  ] as const) {
    const batch = EventBatch.of([{ body: Buffer.alloc(length, 'x') }])
    const records = Buffer.from(encodeSequenceRecords(batch, BigInt64Array.of(-1n), 'Text', sync, 0))
    const size = 8 + vint.length / 2 + length
    assert.equal(records.readInt32BE(0), size)
    assert.equal(records.readBigInt64BE(8), -1n)
    assert.equal(records.subarray(16, 16 + vint.length / 2).toString('hex'), vint)
    assert.equal(records.length, 8 + size + 20)
  }
})

test('a mark stands before the record that comes after the interval, and at the end of a batch', () => {
  const body = Buffer.alloc(syncIntervalBytes - 20, 'x')
  const batch = EventBatch.of([{ body }, { body: 'next' }])
  const records = Buffer.from(encodeSequenceRecords(batch, new BigInt64Array(2), 'Writable', sync, 0))
  const first = 20 + body.length
  assert.equal(first, syncIntervalBytes)
  assert.equal(records.subarray(first, first + 20).toString('hex'), `ffffffff${syncHex}`)
  assert.equal(records.length, first + 20 + 20 + 4 + 20)
  const shorter = EventBatch.of([{ body: body.subarray(1) }, { body: 'next' }])
  const without = encodeSequenceRecords(shorter, new BigInt64Array(2), 'Writable', sync, 0)
  assert.equal(without.length, first - 1 + 20 + 4 + 20)
})

test('nothing gives nothing', () => {
  assert.equal(encodeSequenceRecords(EventBatch.empty, new BigInt64Array(0), 'Text', sync, 0).length, 0)
})
