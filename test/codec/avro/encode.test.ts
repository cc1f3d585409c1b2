import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import avsc from 'avsc'
import { AvroWriter } from '../../../src/codec/avro/binary.ts'
import { AvroEncoder } from '../../../src/codec/avro/encode.ts'
import { fc } from '../../support/properties.ts'

function encoded(schema: unknown, value: unknown): Buffer {
  const writer = new AvroWriter()
  AvroEncoder.of(JSON.stringify(schema)).write(writer, value)
  return Buffer.from(writer.finish())
}

const record = {
  type: 'record',
  name: 'org.acme.Order',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'note', type: ['null', 'string'] },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['OLD', 'NEW'] } },
    { name: 'other', type: ['Kind', 'int', 'null'] },
    { name: 'sum', type: { type: 'fixed', name: 'Sum', size: 2 } },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'prices', type: { type: 'map', values: 'double' } },
    { name: 'next', type: ['null', 'Order'] },
  ],
}

describe('Avro values', () => {
  test('are what another library reads, records in records and named types included', () => {
    const inner = {
      id: -5,
      note: null,
      kind: 'OLD',
      other: null,
      sum: Buffer.from('ab'),
      tags: [],
      prices: {},
      next: null,
    }
    const value = {
      ...inner,
      note: 'ü',
      other: 3,
      tags: ['x', 'y'],
      prices: { eur: 1.25 },
      next: { ...inner, other: 'NEW' },
    }
    const read = avsc.Type.forSchema(record as avsc.Schema, { wrapUnions: false }).fromBuffer(encoded(record, value))
    assert.deepEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(value)))
  })

  for (const [type, values] of [
    ['int', fc.integer()],
    // The other library is exact up to here.
    ['long', fc.maxSafeInteger().map((value) => Math.trunc(value / 4) || 0)],
    ['double', fc.double()],
    ['float', fc.float()],
    ['string', fc.string({ unit: 'grapheme' })],
    ['boolean', fc.boolean()],
    ['bytes', fc.uint8Array().map((bytes) => Buffer.from(bytes))],
  ] as const) {
    test(`of type ${type} come back as they were`, () => {
      const reader = avsc.Type.forSchema(type)
      fc.assert(
        fc.property(values as fc.Arbitrary<unknown>, (value) => {
          assert.deepEqual(reader.fromBuffer(encoded(type, value)), value)
        }),
      )
    })
  }

  test('of 64 bits are whole', () => {
    for (const value of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, -1n]) {
      const long = avsc.types.LongType.__with({
        fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
        toBuffer: () => Buffer.alloc(8),
        fromJSON: BigInt,
        toJSON: Number,
        isValid: () => true,
        compare: () => 0,
      })
      assert.equal(long.fromBuffer(encoded('long', value)), value)
    }
  })

  test('of time are Dates or numbers', () => {
    const at = new Date(Date.UTC(1969, 11, 31, 12))
    for (const [type, logicalType, value] of [
      ['int', 'date', -1],
      ['long', 'timestamp-millis', -43_200_000],
      ['long', 'timestamp-micros', -43_200_000_000],
    ] as const) {
      assert.deepEqual(encoded({ type, logicalType }, at), encoded(type, value))
      assert.deepEqual(encoded({ type, logicalType }, value), encoded(type, value))
    }
  })

  for (const { schema, value, message } of [
    { schema: 'int', value: 2 ** 31, message: /a record is 2147483648, and the schema wants int/ },
    { schema: 'long', value: 0.5, message: /wants long/ },
    { schema: 'long', value: 2n ** 63n, message: /wants long/ },
    { schema: record, value: { id: 1 }, message: /the field kind of a record is missing, and the schema wants Kind/ },
    { schema: { type: 'fixed', name: 'F', size: 2 }, value: Buffer.alloc(3), message: /wants F \(2 bytes\)/ },
    {
      schema: { type: 'array', items: { type: 'map', values: ['null', 'string'] } },
      value: [{ a: 'x' }, { b: 5 }],
      message: /the field 1\.b of a record is 5, and the schema wants string/,
    },
    { schema: ['int', 'string'], value: true, message: /is true, and the schema wants int or string/ },
  ]) {
    test(`${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))} is told not to fit ${JSON.stringify(schema).slice(0, 40)}`, () => {
      assert.throws(() => encoded(schema, value), { code: 'INVALID_DATA', message })
    })
  }
})
