import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../../src/codec/avro/binary.ts'
import { eventsBytesHint, readEvent, readEvents, writeEvent, writeEvents } from '../../../src/codec/avro/events.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { fc } from '../../support/properties.ts'

interface AvroEvent {
  readonly headers: Record<string, string>
  readonly body: Buffer
}

const eventType = avsc.Type.forSchema({
  type: 'record',
  name: 'AvroFlumeEvent',
  fields: [
    { name: 'headers', type: { type: 'map', values: 'string' } },
    { name: 'body', type: 'bytes' },
  ],
})
const eventsType = avsc.Type.forSchema({ type: 'array', items: eventType })

const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.constantFrom('a', 'b'),
)
const headers = fc.dictionary(fc.oneof(fc.constantFrom('host', 'timestamp', 'k'), fc.string({ maxLength: 5 })), text, {
  maxKeys: 4,
  noNullPrototype: true,
})
const body = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const events = fc.array(fc.record({ headers, body }), { maxLength: 20 })

function plain(batch: EventBatch): AvroEvent[] {
  return Array.from(batch.events(), (event) => ({ headers: { ...event.headers }, body: Buffer.from(event.body) }))
}

function written(batch: EventBatch): Buffer {
  const writer = new AvroWriter(eventsBytesHint(batch))
  writeEvents(writer, batch)
  return writer.finish()
}

test('what is written here, avsc reads', () => {
  fc.assert(
    fc.property(events, (wanted) => {
      const read = eventsType.fromBuffer(written(EventBatch.of(wanted))) as AvroEvent[]
      assert.deepEqual(
        read.map((event) => ({ headers: { ...event.headers }, body: event.body })),
        wanted.map((event) => ({ ...event, headers: wellFormed(event.headers) })),
      )
    }),
    { numRuns: 500 },
  )
})

test('what avsc writes, is read here without copying bodies', () => {
  fc.assert(
    fc.property(events, (wanted) => {
      const bytes = eventsType.toBuffer(wanted)
      const batch = readEvents(new AvroReader(bytes))
      assert.deepEqual(
        plain(batch),
        wanted.map((event) => ({ ...event, headers: wellFormed(event.headers) })),
      )
      if (batch.count > 0) assert.equal(batch.body.buffer, bytes.buffer)
    }),
    { numRuns: 500 },
  )
})

/** Half a surrogate pair cannot be written as UTF-8. */
function wellFormed(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [Buffer.from(name).toString(), Buffer.from(value).toString()]),
  )
}

test('one event alone is written and read as the array has it', () => {
  const batch = EventBatch.of([{ body: 'no' }, { body: 'yes', headers: { a: 'ü', b: 'x'.repeat(100) } }])
  const writer = new AvroWriter()
  writeEvent(writer, batch, 1)
  assert.deepEqual(plain(readEvent(new AvroReader(writer.finish()))), plain(batch.slice(1)))
  assert.deepEqual({ ...(eventType.fromBuffer(writer.finish()) as AvroEvent) }, plain(batch)[1])
})

test('a header that all events share becomes one text, others one per event', () => {
  const wanted = Array.from({ length: 50 }, (_, i) => ({
    headers: { host: 'h', n: String(i), ...(i % 2 ? { odd: 'yes' } : {}) },
    body: Buffer.from(`${i}`),
  }))
  const batch = readEvents(new AvroReader(eventsType.toBuffer(wanted)))
  assert.equal(batch.headers.get('host'), 'h')
  assert.equal((batch.headers.get('n') as string[])[49], '49')
  assert.deepEqual((batch.headers.get('odd') as string[]).slice(0, 3), [undefined, 'yes', undefined])
  assert.deepEqual(plain(batch), wanted)
})

test('of a name that stands twice in a map the last value counts, and the other events keep theirs', () => {
  // Three events with the headers {a: 1}, {a: 1, a: 2}, {a: 1}.
  const entry = (value: string): string => `026102${Buffer.from(value).toString('hex')}`
  const bytes = `0602${entry('1')}000004${entry('1')}${entry('2')}000002${entry('1')}000000`
  const batch = readEvents(new AvroReader(Buffer.from(bytes, 'hex')))
  assert.deepEqual(
    plain(batch).map((event) => event.headers),
    [{ a: '1' }, { a: '2' }, { a: '1' }],
  )
})

test('arrays and maps in blocks, with their sizes or without, are one array and one map', () => {
  const firstEvent = ['02', '0261', '0262', '02', '0263', '0264', '00', '0278'].join('')
  const sizeOfFirst = (2 * (firstEvent.length / 2)).toString(16).padStart(2, '0')
  // A block of -1 with its size, a block of 1, the end; the first map has two blocks of one entry.
  const batch = readEvents(new AvroReader(Buffer.from(`01${sizeOfFirst}${firstEvent}0200027900`, 'hex')))
  assert.deepEqual(
    plain(batch).map((event) => [event.headers, event.body.toString()]),
    [
      [{ a: 'b', c: 'd' }, 'x'],
      [{}, 'y'],
    ],
  )
})

const broken: { readonly name: string; readonly hex: string }[] = [
  { name: 'more events than bytes', hex: 'feffffff0f' },
  { name: 'a body longer than the frame', hex: '0200ff0141' },
  { name: 'a body of negative length', hex: '020001' },
  { name: 'a header name longer than the frame', hex: '0202feff03' },
  { name: 'a number that never ends', hex: 'ffffffffffffffffffffffff' },
  { name: 'a number above 53 bits', hex: 'ffffffffffffffff7f' },
  { name: 'an array that is cut off', hex: '020002' },
  { name: 'a block size above what is left', hex: '01ff01' },
  { name: 'no bytes at all', hex: '' },
]
for (const { name, hex } of broken) {
  test(`${name} is refused as broken data`, () => {
    assert.throws(
      () => readEvents(new AvroReader(Buffer.from(hex, 'hex'))),
      (error) => error instanceof FlumeError && error.code === 'PROTOCOL' && /broken Avro data/.test(error.message),
    )
  })
}

test('a batch in which every event has a header name of its own is refused before it takes memory with its square', () => {
  const count = 6000
  const wanted = Array.from({ length: count }, (_, i) => ({ headers: { [`h${i}`]: 'v' }, body: Buffer.alloc(0) }))
  const bytes = eventsType.toBuffer(wanted)
  assert.throws(
    () => readEvents(new AvroReader(bytes)),
    (error) => error instanceof FlumeError && error.code === 'LIMIT',
  )
})

test('many small blocks cost no more than one large block', () => {
  const blocks = 200_000
  const bytes = Buffer.concat([Buffer.from('020000'.repeat(blocks), 'hex'), Buffer.from('00', 'hex')])
  assert.equal(readEvents(new AvroReader(bytes)).count, blocks)
})

test('whatever is done to real events, reading gives ranges inside the bytes or one clear error', () => {
  const seed = 31_337
  const random = seededRandom(seed)
  const sample = eventsType.toBuffer([
    { headers: { host: 'h1', timestamp: '1700000000000' }, body: Buffer.from('one') },
    { headers: { host: 'h1', timestamp: '1700000000001' }, body: Buffer.from('two') },
  ])
  for (let run = 0; run < 4000; run++) {
    const bytes = Buffer.from(sample)
    for (let change = Math.floor(random() * 3); change >= 0; change--)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    try {
      const batch = readEvents(new AvroReader(bytes))
      for (let i = 0; i < batch.count; i++)
        assert.ok((batch.starts[i] as number) <= (batch.ends[i] as number) && (batch.ends[i] as number) <= bytes.length)
    } catch (error) {
      assert.ok(error instanceof FlumeError && ['PROTOCOL', 'LIMIT'].includes(error.code), `seed ${seed}, run ${run}`)
    }
  }
})
