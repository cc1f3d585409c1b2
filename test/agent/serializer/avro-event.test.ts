import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Serializer } from '../../../src/agent/contract.ts'
import { avroEvent } from '../../../src/agent/serializer/avro-event.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { valuesOf } from '../../support/avro-container.ts'
import { bodies } from '../../support/batches.ts'
import { readOptions } from '../../support/read-options.ts'
import { sinkContext } from '../../support/sink-context.ts'

async function fileOf(texts: Readonly<Record<string, string>>, ...batches: readonly EventBatch[]): Promise<Buffer> {
  const serializer = (await avroEvent.create(readOptions(avroEvent, texts), sinkContext())) as Serializer
  const parts = [serializer.begin()]
  for (const batch of batches) parts.push(await serializer.encode(batch))
  return Buffer.concat([...parts, serializer.end()])
}

test('the container begins as Flume’s does, and holds headers and bodies', async () => {
  const batch = EventBatch.of([
    { body: 'one', headers: { a: '1', b: 'ü' } },
    { body: '', headers: {} },
    { body: 'three', headers: { b: 'x' } },
  ])
  const file = await fileOf({}, batch)
  const head =
    'Obj\x01\x04\x16avro.schema\x8a\x02{"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}\x14avro.codec\x08null\x00'
  assert.equal(file.toString('latin1', 0, head.length), head)
  assert.deepEqual(file.subarray(head.length, head.length + 16), file.subarray(-16))
  const { values } = await valuesOf(file)
  assert.deepEqual(JSON.parse(JSON.stringify(values)), [
    { headers: { a: '1', b: 'ü' }, body: { type: 'Buffer', data: [...Buffer.from('one')] } },
    { headers: {}, body: { type: 'Buffer', data: [] } },
    { headers: { b: 'x' }, body: { type: 'Buffer', data: [...Buffer.from('three')] } },
  ])
})

for (const codec of ['null', 'deflate', 'snappy', 'bzip2', 'DEFLATE']) {
  test(`with ${codec} every batch ends a block, and so does the interval`, async () => {
    const many = bodies(...Array.from({ length: 20 }, () => 'x'.repeat(10)))
    const file = await fileOf({ compressionCodec: codec, syncIntervalBytes: '100' }, bodies('a'), many, bodies('b'))
    const found = await valuesOf(file)
    assert.equal(found.codec, codec.toLowerCase())
    assert.equal(found.values.length, 22)
    assert.equal(found.blocks, 1 + 3 + 1)
  })
}

test('without a batch the file is a container without values', async () => {
  assert.deepEqual((await valuesOf(await fileOf({}))).values, [])
})

test('an interval and a codec that Java’s writer would not take are refused', () => {
  assert.throws(() => readOptions(avroEvent, { syncIntervalBytes: '31' }), /32 or more|from 32/)
  assert.throws(() => readOptions(avroEvent, { compressionCodec: 'xz' }), /null, deflate, snappy, bzip2, zstandard/)
})

test('zstandard is a finding where Node has none', () => {
  const problems = avroEvent.check?.(readOptions(avroEvent, { compressionCodec: 'zstandard' })) ?? []
  const hasZstd = Number(process.versions.node.split('.')[0]) >= 24
  if (hasZstd) assert.deepEqual(problems, [])
  else assert.ok(problems.every(({ option }) => option === 'compressionCodec'))
})
