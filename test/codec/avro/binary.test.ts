import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../../src/codec/avro/binary.ts'
import { fc } from '../../support/properties.ts'

const longType = avsc.Type.forSchema('long')
const stringType = avsc.Type.forSchema('string')

const edges = [
  0,
  -1,
  1,
  63,
  64,
  -64,
  -65,
  8191,
  8192,
  2 ** 30 - 1,
  2 ** 30,
  -(2 ** 30),
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 52 - 1,
  -(2 ** 52) + 1,
]
const long = fc.oneof(fc.constantFrom(...edges), fc.integer(), fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 }))

test('numbers are written and read as avsc has them', () => {
  fc.assert(
    fc.property(long, (value) => {
      const writer = new AvroWriter(1)
      writer.long(value)
      assert.deepEqual(writer.finish(), longType.toBuffer(value))
      assert.equal(new AvroReader(writer.finish()).long(), value)
    }),
    { numRuns: 2000 },
  )
})

test('texts are written and read as avsc has them, short and long, ASCII or not', () => {
  const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 60 }))
  fc.assert(
    fc.property(text, (value) => {
      const writer = new AvroWriter(1)
      writer.string(value)
      assert.deepEqual(writer.finish(), stringType.toBuffer(value))
      assert.equal(new AvroReader(writer.finish()).string('a text'), value)
    }),
    { numRuns: 1000 },
  )
})

test('a reader that ends early does not see the bytes behind its end', () => {
  const bytes = Buffer.from('02410243', 'hex')
  const reader = new AvroReader(bytes, 0, 2)
  assert.equal(reader.string('first'), 'A')
  assert.equal(reader.left, 0)
  assert.throws(() => reader.long(), /cut off/)
  assert.throws(() => new AvroReader(Buffer.from(`${'80'.repeat(2)}01`, 'hex'), 0, 1).long(), /cut off/)
})

test('a writer leaves its headroom alone while it grows', () => {
  const writer = new AvroWriter(1, 12)
  writer.fixed(Buffer.alloc(500, 7))
  writer.boolean(true)
  const bytes = writer.finish()
  assert.equal(bytes.length, 12 + 501)
  assert.ok(bytes.subarray(12, 512).every((byte) => byte === 7))
})
