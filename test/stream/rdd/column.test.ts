import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { EventBatch } from '../../../src/core/event-batch.ts'
import {
  bytesOf,
  CannotCross,
  type Column,
  countOf,
  decodeList,
  decodePairs,
  decodeRecords,
  encodeRecords,
  piecesOf,
} from '../../../src/stream/rdd/column.ts'
import { FlumeEvents, type SparkFlumeEvent } from '../../../src/stream/receiver/flume-event.ts'
import { fc } from '../../support/properties.ts'

/** As another thread gets it. */
const sent = (items: readonly unknown[]): Column => structuredClone(encodeRecords(items))

describe('records come back from a column as they were', () => {
  const cases: readonly (readonly [string, Column['kind'], readonly unknown[]])[] = [
    ['nothing', 'same', []],
    ['texts', 'texts', ['', 'a', 'é', 'long enough to be a view on something else']],
    ['texts beyond Latin-1, halves of pairs among them', 'texts', ['€', '\ud83d', '😀', '']],
    ['whole numbers', 'numbers', [1, -5, 2 ** 31 - 1, -(2 ** 31)]],
    ['all sorts of numbers', 'numbers', [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]],
    ['one number again and again', 'same', [7, 7, 7]],
    ['-0 again and again', 'numbers', [-0, -0]],
    ['null', 'same', [null, null]],
    ['undefined', 'same', [undefined, undefined]],
    ['true', 'same', [true, true]],
    ['null and undefined', 'any', [null, undefined]],
    [
      'pairs',
      'pairs',
      [
        ['a', 1],
        ['b', 2],
      ],
    ],
    [
      'pairs of pairs',
      'pairs',
      [
        [
          ['a', null],
          [1, 2],
        ],
        [
          ['b', null],
          [3, 4.5],
        ],
      ],
    ],
    ['lists of other lengths', 'any', [[1, 2], [3]]],
    ['objects', 'any', [{ a: 1, b: { c: [undefined, null] } }]],
    [
      'what V8 knows',
      'any',
      [new Date(0), new Map([[1, new Set(['x'])]]), new Uint8Array([1]), Buffer.from('b'), 10n, /x/g],
    ],
    ['texts and numbers', 'any', ['1', 1]],
  ]
  for (const [name, kind, items] of cases) {
    test(name, () => {
      const column = sent(items)
      assert.equal(column.kind, kind)
      assert.equal(countOf(column), items.length)
      assert.deepEqual(decodeList(column), items)
    })
  }

  test('a date that is none', () => {
    const [back] = decodeList(sent([new Date(Number.NaN)]))
    assert.ok(back instanceof Date && Number.isNaN(back.getTime()))
  })

  test('whatever they are', () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.anything({ withMap: true, withSet: true, withDate: true, withBigInt: true }))
          // Node 20's deepEqual holds no invalid date for equal to another.
          .filter((items) => !inspect(items, { depth: Number.POSITIVE_INFINITY }).includes('Invalid Date')),
        (items) => {
          assert.deepEqual(decodeList(sent(items)), items)
        },
      ),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.double())), (items) => {
        assert.deepEqual(decodeList(sent(items)), items)
        const { keys, values } = decodePairs(sent(items))
        assert.deepEqual(
          keys.map((key, i) => [key, values[i]]),
          items,
        )
      }),
    )
  })

  test('Flume events, as a block and one by one', () => {
    const batch = EventBatch.of([{ body: 'one', headers: { a: 'b' } }, { body: 'two' }])
    for (const items of [new FlumeEvents(batch), [...new FlumeEvents(batch)]]) {
      const column = structuredClone(encodeRecords(items))
      assert.equal(column.kind, 'events')
      assert.equal(countOf(column), 2)
      const events = [...decodeRecords(column)] as SparkFlumeEvent[]
      assert.deepEqual(
        events.map((event) => [event.bodyAsString(), event.headers]),
        [
          ['one', { a: 'b' }],
          ['two', {}],
        ],
      )
    }
  })

  test('large ones lie in shared memory, small ones do not', () => {
    const numbers = Array.from({ length: 10_000 }, (_, i) => i)
    const large = encodeRecords(numbers)
    assert.ok(large.kind === 'numbers' && large.values.buffer instanceof SharedArrayBuffer)
    assert.equal(bytesOf(large), 40_000)
    const small = encodeRecords(numbers.slice(0, 10))
    assert.ok(small.kind === 'numbers' && small.values.buffer instanceof ArrayBuffer)
  })
})

test('the pieces of a column are its records in order, and none is too long', () => {
  const text = fc.string({ unit: 'binary' })
  const items: fc.Arbitrary<unknown[]> = fc.oneof(
    fc.array(text),
    fc.array(fc.double()),
    fc.array(fc.constant(1)),
    fc.array(fc.tuple(text, fc.integer())),
    fc.array(fc.tuple(fc.tuple(fc.integer(), text), fc.constant(null))),
    fc.array(fc.constantFrom({ a: 1 }, [1, 2, 3])),
  )
  fc.assert(
    fc.property(items, fc.integer({ min: 1, max: 5 }), (records, countMax) => {
      const column = sent(records)
      const pieces = [...piecesOf(column, countMax)]
      assert.deepEqual(
        pieces.flatMap((piece) => decodeList(piece)),
        records,
      )
      const isAny = (each: Column): boolean =>
        each.kind === 'any' || (each.kind === 'pairs' && (isAny(each.keys) || isAny(each.values)))
      if (!isAny(column)) for (const piece of pieces) assert.ok(countOf(piece) <= countMax)
    }),
  )
})

describe('what would come back as something else is refused', () => {
  class Own {}
  class List extends Array {}
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ['an object of a class', new Own(), /an object of class Own/],
    ['a list of a class', List.from([1]), /class List/],
    ['one inside others', [{ a: new Map([['b', new Own()]]) }], /class Own/],
    ['a function', () => 1, /a function/],
    ['a symbol', Symbol('x'), /a symbol/],
    ['an object without prototype', Object.create(null), /without prototype/],
    ['a circle', circle, /nests more than 100 deep/],
    ['an error', new Error('x'), /class Error/],
  ]
  for (const [name, record, message] of refused) {
    test(name, () => {
      assert.throws(
        () => encodeRecords([record]),
        (error) => error instanceof CannotCross && message.test(error.message),
      )
    })
  }
})
