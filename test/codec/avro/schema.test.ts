import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../../src/codec/avro/binary.ts'
import { AvroSchema } from '../../../src/codec/avro/schema.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'
import { fc } from '../../support/properties.ts'

const person = {
  type: 'record',
  name: 'Person',
  namespace: 'org.example',
  doc: 'Somebody.',
  fields: [
    { name: 'name', type: 'string', default: 'x' },
    { name: 'age', type: ['null', { type: 'int', logicalType: 'date' }] },
    { name: 'colour', type: { type: 'enum', name: 'Colour', symbols: ['RED', 'GREEN'] } },
    { name: 'again', type: 'Colour', order: 'ignore' },
    { name: 'id', type: { type: 'fixed', name: 'com.acme.Id', size: 4 } },
    { name: 'tags', type: { type: 'map', values: { type: 'array', items: 'long' } } },
    { name: 'friend', type: ['null', 'Person'] },
    { name: 'ratio', type: 'double' },
    { name: 'half', type: 'float' },
    { name: 'yes', type: 'boolean' },
    { name: 'raw', type: 'bytes' },
    { name: 'none', type: 'null' },
  ],
}

// Printed by Avro 1.11's SchemaNormalization, parsingFingerprint("CRC-64-AVRO", …) in hexadecimal.
const fingerprints: readonly (readonly [schema: string, canonical: string, fingerprint: string])[] = [
  ['"int"', '"int"', '8f5c393f1ad57572'],
  ['{"type": "string", "avro.java.string": "String"}', '"string"', 'c70345637248018f'],
]
for (const [schema, canonical, fingerprint] of fingerprints) {
  test(`the fingerprint of ${schema} is Java’s`, () => {
    assert.equal(AvroSchema.parse(schema).canonical, canonical)
    assert.equal(AvroSchema.parse(schema).fingerprint().toString('hex'), fingerprint)
  })
}

test('the canonical form has full names, no more than is needed, and each type once', () => {
  assert.equal(
    AvroSchema.parse(JSON.stringify(person)).canonical,
    '{"name":"org.example.Person","type":"record","fields":[{"name":"name","type":"string"},{"name":"age","type":["null","int"]},' +
      '{"name":"colour","type":{"name":"org.example.Colour","type":"enum","symbols":["RED","GREEN"]}},{"name":"again","type":"org.example.Colour"},' +
      '{"name":"id","type":{"name":"com.acme.Id","type":"fixed","size":4}},{"name":"tags","type":{"type":"map","values":{"type":"array","items":"long"}}},' +
      '{"name":"friend","type":["null","org.example.Person"]},{"name":"ratio","type":"double"},{"name":"half","type":"float"},' +
      '{"name":"yes","type":"boolean"},{"name":"raw","type":"bytes"},{"name":"none","type":"null"}]}',
  )
  assert.equal(AvroSchema.parse(JSON.stringify(person)).fingerprint().toString('hex'), 'a824889b5f670201')
})

const avscType = avsc.Type.forSchema(person as avsc.Schema)

test('values that another library wrote are stepped over to the byte', () => {
  const schema = AvroSchema.parse(JSON.stringify(person))
  const random = avscType as avsc.Type & { random(): unknown }
  for (let i = 0; i < 300; i++) {
    const bytes = avscType.toBuffer(random.random())
    const reader = new AvroReader(Buffer.concat([bytes, Buffer.from('rest')]))
    schema.skip(reader)
    assert.equal(reader.at, bytes.length)
  }
})

test('numbers of 64 bits are stepped over, and so are arrays in blocks of which the size is told', () => {
  const reader = new AvroReader(Buffer.from('ffffffffffffffffff01', 'hex'))
  AvroSchema.parse('"long"').skip(reader)
  assert.equal(reader.left, 0)
  const writer = new AvroWriter()
  writer.long(-2)
  writer.long(2)
  writer.long(1)
  writer.long(2)
  writer.long(1)
  writer.long(3)
  writer.long(0)
  const blocks = new AvroReader(writer.finish())
  AvroSchema.parse('{"type":"array","items":"int"}').skip(blocks)
  assert.equal(blocks.left, 0)
})

test('a list of a million nothings is nothing to do', () => {
  const writer = new AvroWriter()
  writer.long(2 ** 40)
  writer.long(0)
  const reader = new AvroReader(writer.finish())
  AvroSchema.parse('{"type":"array","items":"null"}').skip(reader)
  assert.equal(reader.left, 0)
  assert.ok(AvroSchema.parse('{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}').isEmpty)
})

test('records in records without end are refused', () => {
  const schema = AvroSchema.parse('{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}')
  const deep = new AvroReader(Buffer.alloc(100_000, 2))
  assert.throws(() => schema.skip(deep), { code: 'LIMIT' })
  const endless = AvroSchema.parse('{"type":"record","name":"E","fields":[{"name":"e","type":"E"}]}')
  assert.throws(() => endless.skip(new AvroReader(Buffer.alloc(0))), { code: 'LIMIT' })
})

const broken: readonly string[] = [
  'no JSON',
  '"nothing"',
  '3',
  'null',
  '{}',
  '{"type":"record","name":"A"}',
  '{"type":"record","fields":[]}',
  '{"type":"record","name":"A b","fields":[]}',
  '{"type":"record","name":"A","fields":[{"name":"x"}]}',
  '{"type":"record","name":"A","fields":[{"type":"int"}]}',
  '[{"type":"fixed","name":"A","size":1},{"type":"fixed","name":"A","size":1}]',
  '{"type":"fixed","name":"A","size":-1}',
  '{"type":"enum","name":"A","symbols":[]}',
  '{"type":"enum","name":"A","symbols":["a\\"b"]}',
  '{"type":"array"}',
  '{"type":"map"}',
  '{"type":"constructor"}',
  `${'['.repeat(5000)}"int"${']'.repeat(5000)}`,
]
for (const text of broken) {
  test(`${text.slice(0, 60)} is no schema`, () => assert.throws(() => AvroSchema.parse(text), { code: 'INVALID_DATA' }))
}

test('random values and schemas end in an error of ours or behind a value', () => {
  const texts = [
    JSON.stringify(person),
    '["null","string",{"type":"array","items":"int"}]',
    '{"type":"map","values":"bytes"}',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.uint8Array({ maxLength: 60 }),
      fc.nat(),
      fc.string({ maxLength: 3 }),
      (text, bytes, place, junk) => {
        const at = place % text.length
        for (const schema of [text, `${text.slice(0, at)}${junk}${text.slice(at + junk.length)}`]) {
          try {
            const reader = new AvroReader(bytes)
            AvroSchema.parse(schema).skip(reader)
            assert.ok(reader.at <= bytes.length)
          } catch (error) {
            assert.ok(error instanceof FlumeError, String(error))
          }
        }
      },
    ),
    { numRuns: fuzzRuns(2000) },
  )
})
