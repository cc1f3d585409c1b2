import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Combined, encodeKey, ownKey } from '../../../src/stream/rdd/key.ts'
import { fc } from '../../support/properties.ts'

const key = fc.oneof(
  fc.constantFrom<unknown>(0, -0, 1, '1', 'a word that is longer than thirteen characters', null, undefined, true, 10n),
  fc.string({ unit: 'binary', minLength: 10, maxLength: 20 }),
  fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 2 })),
  fc.record({ a: fc.integer({ min: 0, max: 2 }) }),
)

test('what is combined has each key once, in the order in which keys came, with all of its values', () => {
  fc.assert(
    fc.property(fc.array(key), (keys) => {
      const combined = new Combined<unknown, number[]>()
      const expected = new Map<string, [unknown, number[]]>()
      for (const [i, each] of keys.entries()) {
        const encoded = encodeKey(each)
        assert.equal(combined.find(each) !== undefined, expected.has(encoded))
        const place = combined.place(each)
        if (place === combined.values.length) combined.values.push([i])
        else combined.values[place]?.push(i)
        const pair = expected.get(encoded)
        if (pair) pair[1].push(i)
        else expected.set(encoded, [each, [i]])
      }
      assert.deepEqual(combined.pairs(), [...expected.values()])
    }),
  )
})

test('a key without a value to compare is refused', () => {
  for (const refused of [() => 1, Symbol('x')]) assert.throws(() => new Combined().place(refused), TypeError)
})

test('an object that shows nothing to compare is refused as a key, as two of them would be one', () => {
  class Hidden {
    readonly #value: string
    constructor(value: string) {
      this.#value = value
    }
    toString(): string {
      return this.#value
    }
  }
  const table: readonly [unknown, RegExp][] = [
    [new URL('http://a/'), /^an object of class URL cannot be a key: it shows no fields to compare/],
    [/a/, /^an object of class RegExp cannot be a key/],
    [new ArrayBuffer(1), /^an object of class ArrayBuffer cannot be a key/],
    [new Hidden('a'), /^an object of class Hidden cannot be a key/],
    [['a', new Hidden('a')], /^an object of class Hidden cannot be a key/],
  ]
  for (const [refused, message] of table) {
    assert.throws(() => new Combined().place(refused), { name: 'TypeError', message })
  }
  for (const taken of [{}, Object.create(null), [], new Map(), new Set(), new Date(0), new Uint8Array()])
    assert.equal(new Combined().place(taken), 0)
  assert.equal(encodeKey(Object.create(null)), encodeKey({}))
})

test('a key of its own is equal to the one it was made from, however long and wide', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => assert.equal(ownKey(text), text)))
  for (const character of ['a', 'é', '€', '\ud83d']) {
    for (const length of [12, 13, 1024, 2048, 2049, 5000]) {
      const text = character.repeat(length)
      assert.equal(ownKey(`${text} `.slice(0, -1)), text)
    }
  }
  for (const other of [1, null, undefined, true]) assert.equal(ownKey(other), other)
})
