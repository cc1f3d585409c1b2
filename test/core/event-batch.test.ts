import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BatchBuilder, EventBatch } from '../../src/core/event-batch.ts'
import { fc } from '../support/properties.ts'

interface Plain {
  readonly headers: Record<string, string>
  readonly body: string
}

const plainOf = (batch: EventBatch): Plain[] =>
  [...batch.events()].map(({ headers, body }) => ({ headers, body: Buffer.from(body).toString('latin1') }))

const header = fc.constantFrom('host', 'k', '__proto__', '')
const value = fc.constantFrom('', 'a', 'b')
const event: fc.Arbitrary<Plain> = fc.record(
  {
    headers: fc.dictionary(header, value, { maxKeys: 3, noNullPrototype: true }),
    body: fc.string({ maxLength: 12 }).map((text) => Buffer.from(text).toString('latin1')),
  },
  { noNullPrototype: true },
)
const events = fc.array(event, { maxLength: 12 })
const batchOf = (plain: readonly Plain[]): EventBatch =>
  EventBatch.of(plain.map(({ headers, body }) => ({ headers, body: Buffer.from(body, 'latin1') })))

describe('event batch', () => {
  it('gives back the events it was made of', () => {
    fc.assert(fc.property(events, (plain) => assert.deepEqual(plainOf(batchOf(plain)), plain)))
  })

  it('cuts, selects and joins as a list of events would', () => {
    fc.assert(
      fc.property(events, events, fc.nat(12), fc.nat(12), (left, right, a, b) => {
        const joined = EventBatch.concat([batchOf(left), EventBatch.empty, batchOf(right)])
        const list = [...left, ...right]
        assert.deepEqual(plainOf(joined), list)
        assert.deepEqual(plainOf(joined.slice(a, b)), list.slice(a, b))
        const odd = list.map((_, i) => i).filter((i) => i % 2 === 1)
        assert.deepEqual(
          plainOf(joined.select(odd.reverse())),
          odd.map((i) => list[i]),
        )
        assert.deepEqual(plainOf(joined.slice(a).compact()), list.slice(a))
      }),
    )
  })

  it('holds one text for a header that all events share', () => {
    const shared = EventBatch.of([
      { headers: { host: 'h' }, body: 'a' },
      { headers: { host: 'h' }, body: 'b' },
    ])
    assert.equal(shared.headers.get('host'), 'h')
    const mixed = EventBatch.of([{ headers: { host: 'h' }, body: 'a' }, { body: 'b' }])
    assert.deepEqual(mixed.headers.get('host'), ['h', undefined])
  })

  it('is a view on the chunk it was cut from, gaps and all', () => {
    const chunk = Buffer.from('one\ntwo\n')
    const batch = new EventBatch(chunk, Uint32Array.of(0, 4), Uint32Array.of(3, 7))
    assert.equal(batch.bodyBytes, 6)
    assert.equal(batch.bodyAt(1).buffer, chunk.buffer)
    assert.equal(batch.slice(1).body, chunk)
    assert.equal(batch.withHeader('h', 'x').body, chunk)
  })

  it('joins batches over the same bytes without a copy, headers and all, and copies others close together', () => {
    const chunk = Buffer.from('one\ntwo\nthree\n')
    const whole = new EventBatch(chunk, Uint32Array.of(0, 4, 8), Uint32Array.of(3, 7, 13))
    const parts = [whole.slice(0, 1), whole.slice(1, 2).withHeader('h', 'x'), whole.slice(2)]
    const joined = EventBatch.concat(parts)
    assert.equal(joined.body, chunk)
    assert.deepEqual(plainOf(joined), parts.flatMap(plainOf))
    assert.deepEqual(joined.headers.get('h'), [undefined, 'x', undefined])

    const scattered = new EventBatch(Buffer.alloc(100_000, 'z'), Uint32Array.of(90_000, 5), Uint32Array.of(90_002, 6))
    const copied = EventBatch.concat([whole.slice(1), scattered, whole.slice(0, 1)])
    assert.deepEqual(plainOf(copied), [whole.slice(1), scattered, whole.slice(0, 1)].flatMap(plainOf))
    assert.ok(copied.body.buffer.byteLength < 20, String(copied.body.buffer.byteLength))
  })

  it('compacts a small rest of a large buffer, in any order of its ranges, and leaves a dense one alone', () => {
    const buffer = Buffer.alloc(100_000, 'ab')
    for (const [starts, ends] of [
      [
        [10, 20],
        [12, 24],
      ],
      [
        [20, 10],
        [24, 12],
      ],
      [
        [0, 99_990],
        [2, 99_994],
      ],
    ] as const) {
      const batch = new EventBatch(buffer, Uint32Array.from(starts), Uint32Array.from(ends))
      const compact = batch.compact()
      assert.deepEqual(plainOf(compact), plainOf(batch))
      assert.ok(compact.body.buffer.byteLength < 2000)
    }
    const dense = new EventBatch(buffer, Uint32Array.of(0), Uint32Array.of(90_000))
    assert.equal(dense.compact(), dense)
  })
})

describe('batch builder', () => {
  it('starts afresh after build, and what it built does not change', () => {
    const builder = new BatchBuilder(4, 1)
    builder.add(Buffer.from('first'), { a: '1' })
    const first = builder.build()
    builder.add(Buffer.from('second'), { b: '2', gone: undefined })
    const second = builder.build()
    assert.deepEqual(plainOf(first), [{ headers: { a: '1' }, body: 'first' }])
    assert.deepEqual(plainOf(second), [{ headers: { b: '2' }, body: 'second' }])
    assert.equal(builder.build().count, 0)
  })
})
