import assert from 'node:assert/strict'
import { test } from 'node:test'
import { avroSourceProtocol } from '../../../src/codec/avro/flume.ts'
import { messageShape } from '../../../src/codec/avro/shape.ts'

const ours = messageShape(avroSourceProtocol.text, 'appendBatch')

function protocol(types: unknown[], message: string, type: unknown, response: unknown): string {
  const messages = { [message]: { request: [{ name: 'x', type }], response } }
  return JSON.stringify({ protocol: 'AvroSourceProtocol', types, messages })
}

const status = { type: 'enum', name: 'other.Status', doc: 'd', symbols: ['OK', 'FAILED', 'UNKNOWN'] }
const javaString = { type: 'string', 'avro.java.string': 'String' }
const event = {
  type: 'record',
  name: 'E',
  namespace: 'elsewhere',
  fields: [
    { name: 'headers', type: { type: 'map', values: javaString, default: {} } },
    { name: 'body', type: { type: 'bytes' } },
  ],
}

test('names of types, documentation, defaults and hints for Java make no difference', () => {
  const theirs = protocol([status, event], 'appendBatch', { type: 'array', items: 'elsewhere.E' }, 'Status')
  assert.equal(messageShape(theirs, 'appendBatch'), ours)
})

const different = [
  {
    name: 'fields in another order',
    types: [status, { ...event, fields: event.fields.toReversed() }],
    response: 'Status',
  },
  { name: 'one symbol less', types: [{ ...status, symbols: ['OK', 'FAILED'] }, event], response: 'Status' },
  { name: 'another response', types: [status, event], response: 'int' },
  {
    name: 'a text body',
    types: [status, { ...event, fields: [event.fields[0], { name: 'body', type: 'string' }] }],
    response: 'Status',
  },
]
for (const { name, types, response } of different) {
  test(`${name} makes another shape`, () => {
    const theirs = protocol(types, 'appendBatch', { type: 'array', items: 'E' }, response)
    assert.notEqual(messageShape(theirs, 'appendBatch'), undefined)
    assert.notEqual(messageShape(theirs, 'appendBatch'), ours)
  })
}

test('what is no protocol, or lacks the message, has no shape', () => {
  for (const text of ['', '{', '[]', 'null', '{"messages":[]}', '{"messages":{"append":{}}}'])
    assert.equal(messageShape(text, 'appendBatch'), undefined)
  assert.equal(messageShape(avroSourceProtocol.text, 'constructor'), undefined)
})

test('types that name each other over and over are given up at once', () => {
  const types = Array.from({ length: 30 }, (_, i) => ({
    type: 'record',
    name: `T${i}`,
    fields: Array.from({ length: 50 }, (_, f) => ({ name: `f${f}`, type: `T${(i + 1) % 30}` })),
  }))
  const shape = messageShape(protocol(types, 'append', 'T0', 'null'), 'append')
  assert.ok(shape !== undefined && shape.length < 200_000)
})
