import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { formatLetter, roundDown } from '../../src/codec/date-letters.ts'
import { TimeZone } from '../../src/codec/time-zone.ts'

type Row = [zone: string, timeMs: number, texts: string, ...rounded: number[]]
const fixture = new URL('../../../test/fixture/java-dates/dates.json', import.meta.url)
const rows = JSON.parse(readFileSync(fixture, 'utf8')) as Row[]
// The letters in the order of the fixture's patterns (H-22).
const letters = [...'aAbBcdeDHIjmnMpSyYz']

test('every letter prints what Java prints, in every zone (H-22)', () => {
  assert.ok(rows.length >= 200)
  for (const [id, timeMs, texts] of rows) {
    const zone = TimeZone.find(id) ?? TimeZone.utc
    const ours = letters.map((letter) => formatLetter(letter, timeMs, zone)).join('|')
    assert.equal(ours, texts, `${id} at ${timeMs}`)
  }
})

test('times are rounded down on the clock’s fields, also where clocks were put back (H-21)', () => {
  for (const [id, timeMs, , ...rounded] of rows) {
    if (timeMs <= 0) continue
    const zone = TimeZone.find(id) ?? TimeZone.utc
    const ours = [
      roundDown(timeMs, 10, 'second', zone),
      roundDown(timeMs, 7, 'minute', zone),
      roundDown(timeMs, 30, 'minute', zone),
      roundDown(timeMs, 1, 'hour', zone),
      roundDown(timeMs, 6, 'hour', zone),
    ]
    assert.deepEqual(ours, rounded, `${id} at ${timeMs}`)
  }
})

test('the letters of the reference print the reference’s texts (H-22)', () => {
  const expected = {
    a: 'Tue',
    A: 'Tuesday',
    b: 'Nov',
    B: 'November',
    c: 'Tue Nov 14 22:13:20 2023',
    d: '14',
    e: '14',
    D: '11/14/23',
    H: '22',
    I: '10',
    j: '318',
    k: '22',
    l: '10',
    m: '11',
    n: '11',
    M: '13',
    p: 'PM',
    s: '1700000000',
    S: '20',
    y: '23',
    Y: '2023',
    z: '+0000',
    '%': '%',
    q: '',
  }
  for (const [letter, text] of Object.entries(expected)) {
    assert.equal(formatLetter(letter, 1_700_000_000_123, TimeZone.utc), text, letter)
  }
})

test('%e, %k, %l and %n have no leading zero, %d, %H, %I and %m have one', () => {
  const timeMs = Date.UTC(2023, 1, 4, 5, 6, 7)
  const texts = [...'eklndHIm'].map((letter) => formatLetter(letter, timeMs, TimeZone.utc))
  assert.deepEqual(texts, ['4', '5', '5', '2', '04', '05', '05', '02'])
})

test('an unknown zone is told apart, so that it can be GMT as in Java', () => {
  for (const id of ['Nowhere/Land', '+05:00', 'GMT+24', '']) assert.equal(TimeZone.find(id), undefined, id)
})
