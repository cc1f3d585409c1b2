import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashMapOrder } from '../../src/codec/java-hash-order.ts'

// Printed by Java 17: new HashMap<>(aLinkedHashMap).toString().
const orders: [names: string[], order: string[]][] = [
  [
    ['timestamp', 'host', 'topic'],
    ['host', 'topic', 'timestamp'],
  ],
  [
    ['timestamp', 'host', 'file', 'basename', 'category', 'priority', 'Severity', 'Facility'],
    ['file', 'basename', 'host', 'Severity', 'Facility', 'category', 'priority', 'timestamp'],
  ],
  [
    ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve', 'thirteen'],
    ['nine', 'six', 'one', 'seven', 'two', 'three', 'thirteen', 'eight', 'four', 'twelve', 'eleven', 'ten', 'five'],
  ],
  [
    ['Aa', 'BB', 'timestamp'],
    ['Aa', 'BB', 'timestamp'],
  ],
  [
    ['key', 'größe'],
    ['key', 'größe'],
  ],
  [['a'], ['a']],
]
for (const [names, order] of orders) {
  test(`${names.length} headers stand in Java’s order`, () => assert.deepEqual(hashMapOrder(names), order))
}
