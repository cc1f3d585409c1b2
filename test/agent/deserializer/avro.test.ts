import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deserializer, EventBatch } from '../../../src/agent/contract.ts'
import { avro } from '../../../src/agent/deserializer/avro.ts'
import { AvroContainerWriter, type ContainerCodec } from '../../../src/codec/avro/container.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { deserializerInput } from '../../support/deserializer-input.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'
import { fc } from '../../support/properties.ts'
import { readOptions } from '../../support/read-options.ts'

const schema = '{"type":"record","name":"M","fields":[{"name":"m","type":"string"}]}'
const sync = Uint8Array.from({ length: 16 }, (_, i) => 200 + i)

function fileOf(values: readonly string[], codec: ContainerCodec = 'null', syncIntervalBytes = 40): Buffer {
  const writer = new AvroContainerWriter({ schema, codec, sync, syncIntervalBytes })
  return Buffer.concat([
    writer.header(),
    writer.blocks(values.length, (out, index) => out.string(values[index] as string)),
  ])
}

function open(file: Uint8Array, texts: Readonly<Record<string, string>> = {}, offset = 0): Deserializer {
  return avro.create(readOptions(avro, texts), deserializerInput(file, { offset })) as Deserializer
}

interface Read {
  readonly bodies: string[]
  readonly offsets: number[]
  readonly batches: EventBatch[]
}

async function readAll(deserializer: Deserializer, max = 1000): Promise<Read> {
  const read: Read = { bodies: [], offsets: [], batches: [] }
  for (let piece = await deserializer.read(max); piece; piece = await deserializer.read(max)) {
    read.bodies.push(...Array.from(piece.batch.events(), ({ body }) => Buffer.from(body).toString('latin1', 1)))
    read.offsets.push(piece.offset)
    read.batches.push(piece.batch)
  }
  return read
}

const values = Array.from({ length: 30 }, (_, i) => `value ${i}`)

test('each value is an event, its body what Avro wrote, its header the fingerprint of the schema', async () => {
  const { bodies, batches } = await readAll(open(fileOf(values)))
  assert.deepEqual(bodies, values)
  // Printed by Avro 1.11's SchemaNormalization for this schema.
  for (const batch of batches) assert.equal(batch.headers.get('flume.avro.schema.hash'), '7b291a4d226aded2')
  assert.equal(batches.length, 6, 'a batch is of one block')
})

test('with schemaType LITERAL the header is the schema itself', async () => {
  const { batches } = await readAll(open(fileOf(values), { schemaType: 'literal' }))
  assert.equal(batches[0]?.headers.get('flume.avro.schema.literal'), schema)
  assert.equal(batches[0]?.headers.size, 1)
})

for (const codec of ['null', 'deflate', 'snappy', 'bzip2'] as const) {
  test(`reading goes on at every offset that was given, in the middle of a ${codec} block, too`, async () => {
    const file = fileOf(values, codec)
    for (const max of [1, 2, 3, 7]) {
      const { offsets, bodies } = await readAll(open(file), max)
      assert.deepEqual(bodies, values)
      assert.equal(offsets.at(-1), file.length)
      const counts = (await readAll(open(file), max)).batches.map(({ count }) => count)
      let before = 0
      for (const [index, offset] of offsets.entries()) {
        before += counts[index] as number
        assert.deepEqual((await readAll(open(file, {}, offset))).bodies, values.slice(before), `${max} ${offset}`)
      }
    }
  })
}

test('values that their block compresses to less than a byte come again rather than not at all', async () => {
  const same = Array.from({ length: 500 }, () => 'a')
  const file = fileOf(same, 'deflate', 10_000)
  const { offsets } = await readAll(open(file), 400)
  const rest = await readAll(open(file, {}, offsets[0]))
  assert.ok(rest.bodies.length >= 100 && rest.bodies.length < 500, `${rest.bodies.length}`)
})

test('Flume’s own positions, sixteen bytes before the end of a block, are behind its values', async () => {
  const file = fileOf(values)
  const ends = (await readAll(open(file))).offsets
  assert.deepEqual((await readAll(open(file, {}, (ends[1] as number) - 16))).bodies, values.slice(10))
})

test('a container without values has no events', async () => {
  assert.deepEqual((await readAll(open(fileOf([])))).bodies, [])
  assert.deepEqual((await readAll(open(fileOf([]), {}, 100_000))).bodies, [])
})

test('what is broken is refused after the good values before it, and says where', async () => {
  const file = fileOf(['one', 'two'], 'null', 1)
  const second = file.lastIndexOf('two')
  const wrongMarker = Buffer.from(file)
  wrongMarker[wrongMarker.length - 1] = 0
  const wrongValue = Buffer.from(fileOf(['one', 'two'], 'null', 1000))
  wrongValue[wrongValue.lastIndexOf('two') - 1] = 99
  for (const [broken, good] of [
    [file.subarray(0, second + 1), ['one']],
    [wrongMarker, ['one']],
    [wrongValue, ['one']],
    [Buffer.from('no container'), []],
    [Buffer.alloc(0), []],
  ] as const) {
    const deserializer = open(broken)
    for (const body of good) {
      const piece = await deserializer.read(10)
      assert.equal(Buffer.from(piece?.batch.bodyAt(0) ?? []).toString('latin1', 1), body)
    }
    const refusal = { code: 'INVALID_DATA', message: /^\/spool\/a: / }
    await assert.rejects(deserializer.read(10), refusal)
    await assert.rejects(deserializer.read(10), refusal)
  }
})

test('a block of countless values without bytes is refused', async () => {
  const writer = new AvroContainerWriter({ schema: '"null"', codec: 'null', sync })
  const block = Buffer.concat([Buffer.from('808080808040', 'hex'), Buffer.from([0]), sync])
  await assert.rejects(open(Buffer.concat([writer.header(), block])).read(10), { code: 'LIMIT' })
})

test('random bytes and offsets end in an error of ours or in events', async () => {
  const seeds = (['null', 'deflate', 'snappy'] as const).map((codec) => fileOf(values.slice(0, 8), codec))
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...seeds),
      fc.nat(),
      fc.uint8Array({ maxLength: 8 }),
      fc.nat(8),
      fc.nat(1000),
      async (seed, place, bytes, drop, offset) => {
        const at = place % seed.length
        const fuzzed = Buffer.concat([seed.subarray(0, at), bytes, seed.subarray(at + drop)])
        try {
          const { offsets } = await readAll(open(fuzzed, {}, offset), 3)
          assert.ok(offsets.every((next, index) => index === 0 || next >= (offsets[index - 1] as number)))
        } catch (error) {
          assert.ok(error instanceof FlumeError, String(error))
        }
      },
    ),
    { numRuns: fuzzRuns(2000) },
  )
})
