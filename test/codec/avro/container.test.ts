import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AvroContainerReader,
  AvroContainerWriter,
  type ContainerCodec,
  type ContainerInput,
  containerCodecProblem,
  containerCodecs,
  parseContainerHeader,
} from '../../../src/codec/avro/container.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { fuzzRuns } from '../../support/fuzz-runs.ts'
import { fc } from '../../support/properties.ts'

const sync = Uint8Array.from({ length: 16 }, (_, i) => 200 + i)
const usable = containerCodecs.filter((codec) => containerCodecProblem(codec) === undefined)

function inputOf(bytes: Buffer, chunk = Number.POSITIVE_INFINITY): ContainerInput {
  return {
    sizeBytes: bytes.length,
    read: async (target, position) =>
      bytes.copy(target, 0, position, position + Math.min(target.length, chunk, bytes.length)),
  }
}

function containerOf(values: readonly string[], codec: ContainerCodec, syncIntervalBytes = 100): Buffer {
  const writer = new AvroContainerWriter({ schema: '"string"', codec, sync, syncIntervalBytes, metadata: { a: 'ü' } })
  return Buffer.concat([
    writer.header(),
    writer.blocks(values.length, (out, index) => out.string(values[index] as string)),
  ])
}

async function dataOf(reader: AvroContainerReader): Promise<{ count: number; data: string[] }> {
  let count = 0
  const data: string[] = []
  for (let at = reader.header.endBytes; ; ) {
    const block = await reader.block(at)
    if (!block) return { count, data }
    assert.deepEqual(await reader.place(at), { count: block.count, start: at, end: block.end })
    count += block.count
    data.push(block.data.toString('latin1'))
    at = block.end
  }
}

test('a container is what the specification says', () => {
  const writer = new AvroContainerWriter({ schema: '"int"', codec: 'null', sync })
  assert.equal(
    writer.header().toString('latin1'),
    `Obj\x01\x04\x16avro.schema\x0a"int"\x14avro.codec\x08null\x00${Buffer.from(sync).toString('latin1')}`,
  )
  const block = writer.blocks(3, (out, index) => out.long(index))
  assert.equal(block.toString('hex'), `0606000204${Buffer.from(sync).toString('hex')}`)
  assert.equal(writer.blocks(0, () => assert.fail()).length, 0)
})

for (const codec of usable) {
  test(`what is written with ${codec} is read again, also byte by byte`, async () => {
    const values = Array.from({ length: 50 }, (_, i) => `value ${i}`)
    for (const chunk of [Number.POSITIVE_INFINITY, 1]) {
      const reader = await AvroContainerReader.open(inputOf(containerOf(values, codec), chunk))
      assert.equal(reader.header.schema, '"string"')
      assert.equal(reader.header.metadata.get('a'), 'ü')
      const { count, data } = await dataOf(reader)
      assert.equal(count, 50)
      assert.deepEqual(data.join('').match(/value \d+/g), values)
      assert.equal(data.length, 5, 'a block ends when it has the bytes of the interval')
    }
  })
}

test('a codec that this Node cannot do says what would help', () => {
  const zstd = containerCodecProblem('zstandard')
  if (usable.includes('zstandard')) assert.equal(zstd, undefined)
  else assert.match(zstd as string, /22\.15/)
})

const whole = containerOf(['a', 'b'], 'null', 1)
const headerEnd = whole.indexOf(Buffer.from(sync)) + 16

const broken: readonly (readonly [what: string, bytes: Buffer, code: string])[] = [
  ['nothing', Buffer.alloc(0), 'INVALID_DATA'],
  ['another file', Buffer.from('SEQ\x06 and more'), 'INVALID_DATA'],
  ['a header that is cut off', whole.subarray(0, headerEnd - 3), 'INVALID_DATA'],
  ['a header without a schema', Buffer.from(`Obj\x01\x02\x14avro.codec\x08null\x00${'s'.repeat(16)}`), 'INVALID_DATA'],
  [
    'a codec of others',
    Buffer.from(`Obj\x01\x04\x16avro.schema\x0a"int"\x14avro.codec\x04xz\x00${'s'.repeat(16)}`),
    'UNSUPPORTED',
  ],
  [
    'a header that never ends',
    Buffer.concat([Buffer.from('Obj\x01\x02\xfe\xff\xff\x7f', 'latin1'), Buffer.alloc(30_000)]),
    'LIMIT',
  ],
]
for (const [what, bytes, code] of broken) {
  test(`${what} is refused`, () =>
    assert.rejects(AvroContainerReader.open(inputOf(bytes), { headerBytesMax: 20_000 }), { code }))
}

const brokenBlocks: readonly (readonly [what: string, block: Buffer, code: string])[] = [
  ['a block of a negative length', Buffer.from('0201', 'hex'), 'INVALID_DATA'],
  ['a block of a negative count', Buffer.from('0100', 'hex'), 'INVALID_DATA'],
  ['a block that announces more than there is', Buffer.from('02c803', 'hex'), 'INVALID_DATA'],
  ['a block that is cut off', whole.subarray(headerEnd, headerEnd + 10), 'INVALID_DATA'],
  ['half a number', Buffer.from('80', 'hex'), 'INVALID_DATA'],
  ['a block with another marker', Buffer.concat([Buffer.from('0202ff', 'hex'), Buffer.alloc(16)]), 'INVALID_DATA'],
  ['a block above the limit', Buffer.from('02d20f', 'hex'), 'LIMIT'],
]
for (const [what, block, code] of brokenBlocks) {
  test(`${what} is refused`, async () => {
    const reader = await AvroContainerReader.open(inputOf(Buffer.concat([whole.subarray(0, headerEnd), block])), {
      blockBytesMax: 1000,
    })
    await assert.rejects(reader.block(headerEnd), { code })
  })
}

for (const codec of usable.filter((name) => name !== 'null')) {
  test(`a ${codec} block that would become larger than the limit is refused`, async () => {
    const bytes = containerOf(['x'.repeat(100_000)], codec)
    const reader = await AvroContainerReader.open(inputOf(bytes), { blockBytesMax: 90_000 })
    await assert.rejects(reader.block(reader.header.endBytes), { code: 'LIMIT' })
  })

  test(`a damaged ${codec} block is found out, or is what it was`, async () => {
    const bytes = containerOf(['some text, some text'], codec)
    const { header } = await AvroContainerReader.open(inputOf(bytes))
    const good = await dataOf(await AvroContainerReader.open(inputOf(bytes)))
    for (let bit = 8 * header.endBytes; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >>> 3] = (damaged[bit >>> 3] as number) ^ (1 << (bit & 7))
      try {
        const found = await dataOf(await AvroContainerReader.open(inputOf(damaged)))
        // These two have no checksum here: what is wrong then is Avro's to find.
        if (codec !== 'deflate' && codec !== 'zstandard') assert.deepEqual(found.data, good.data)
      } catch (error) {
        assert.ok(error instanceof FlumeError, String(error))
      }
    }
  })
}

test('random bytes in any place end in an error of ours or in data', async () => {
  const seeds = usable.map((codec) => containerOf(['one', 'two two two two', 'three'.repeat(20)], codec, 30))
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...seeds),
      fc.nat(),
      fc.uint8Array({ maxLength: 12 }),
      fc.nat(20),
      async (seed, place, bytes, drop) => {
        const at = place % seed.length
        const fuzzed = Buffer.concat([seed.subarray(0, at), bytes, seed.subarray(at + drop)])
        try {
          await dataOf(await AvroContainerReader.open(inputOf(fuzzed), { blockBytesMax: 1 << 20 }))
          parseContainerHeader(fuzzed)
        } catch (error) {
          assert.ok(error instanceof FlumeError, String(error))
        }
      },
    ),
    { numRuns: fuzzRuns(3000) },
  )
})
