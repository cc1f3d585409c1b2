import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  bytes,
  choice,
  count,
  flag,
  list,
  millis,
  type OptionTable,
  port,
  prefix,
  type RawValue,
  seconds,
  secret,
  text,
} from '../../src/spec/option.ts'
import { inlineComment, readOptions, suggestKey } from '../../src/spec/read.ts'

const place = { file: 'f', line: 1, column: 1 }

function raws(values: Readonly<Record<string, string>>): ReadonlyMap<string, RawValue> {
  return new Map(
    Object.entries(values).map(([key, value], index) => [key, { text: value, file: 'f', line: index + 2, column: 1 }]),
  )
}

function read(table: OptionTable, values: Readonly<Record<string, string>>) {
  return readOptions({ table, raws: raws(values), path: 'p.', place })
}

describe('a text read as its kind', () => {
  const words = { doc: 'x' }
  const cases: readonly [name: string, table: OptionTable, text: string, expected: unknown][] = [
    ['true in any case is true', { o: flag({ ...words, default: false }) }, 'TRUE', true],
    ['everything else is false', { o: flag({ ...words, default: true }) }, 'no', false],
    ['a count', { o: count(words) }, '12', 12],
    ['a sign is taken', { o: count(words) }, '-12', -12],
    ['Java’s largest long stands for no limit', { o: count(words) }, '9223372036854775807', Number.MAX_SAFE_INTEGER],
    ['1k is no count', { o: count(words) }, '1k', undefined],
    ['0x10 is no count', { o: bytes(words) }, '0x10', undefined],
    ['1_000 is no count', { o: millis(words) }, '1_000', undefined],
    ['1.5 is no count', { o: seconds(words) }, '1.5', undefined],
    ['a port', { o: port(words) }, '65535', 65535],
    ['a port too large', { o: port(words) }, '65536', undefined],
    [
      'a choice in any case is the word of the list',
      { o: choice({ ...words, of: ['None', 'Deflate'] }) },
      'DEFLATE',
      'Deflate',
    ],
    ['an exact choice minds case', { o: choice({ ...words, of: ['Text'], exact: true }) }, 'text', undefined],
    ['a list is cut at blanks', { o: list(words) }, 'a  b\tc', ['a', 'b', 'c']],
    ['a text stands as it is', { o: text(words) }, 'a  b', 'a  b'],
  ]
  for (const [name, table, value, expected] of cases) {
    it(name, () => {
      const { values, findings } = read(table, { o: value })
      assert.deepEqual(values.o, expected)
      assert.equal(
        findings.some(({ severity }) => severity === 'error'),
        expected === undefined,
      )
    })
  }
})

it('what is not set has its default, what is optional is undefined, what is required is missed', () => {
  const table = { a: count({ doc: 'x', default: 5 }), b: text({ doc: 'x', optional: true }), c: text({ doc: 'x' }) }
  const { values, findings } = read(table, {})
  assert.deepEqual(values, { a: 5, b: undefined })
  assert.deepEqual(
    findings.map(({ path, code, line }) => [path, code, line]),
    [['p.c', 'missing', 1]],
  )
})

it('a prefix takes every key below it, names of objects included, the longest prefix first', () => {
  const table = { 'k.': prefix({ doc: 'x' }), 'k.c.': prefix({ doc: 'x' }) }
  const { values, findings } = read(
    table,
    Object.fromEntries([
      ['k.a', '1'],
      ['k.c.b', '2'],
      ['k.__proto__', '3'],
    ]),
  )
  assert.deepEqual(findings, [])
  assert.deepEqual(values['k.c.'], { b: '2' })
  assert.deepEqual(Object.entries(values['k.'] as object), [
    ['a', '1'],
    ['__proto__', '3'],
  ])
})

describe('an old name', () => {
  const table = { new: count({ doc: 'x', default: 1, formerly: ['old'] }) }
  it('works, with a note', () => {
    const { values, findings } = read(table, { old: '7' })
    assert.deepEqual([values, findings.map(({ code }) => code)], [{ new: 7 }, ['old-key']])
  })
  for (const order of [
    { old: '7', new: '8' },
    { new: '8', old: '7' },
  ]) {
    it(`yields to the new one, given ${Object.keys(order).join(' then ')}`, () => {
      assert.deepEqual(read(table, order).values, { new: 8 })
    })
  }
})

it('a secret is not shown when it cannot be read', () => {
  const table = { pin: { ...count({ doc: 'x' }), secret: true }, word: secret({ doc: 'x' }) }
  const { findings, secretKeys } = read(table, { pin: '12x4', word: 'a # b' })
  assert.deepEqual(
    findings.map(({ message }) => message),
    ['the value is not a whole number'],
  )
  assert.deepEqual([...secretKeys], ['pin', 'word'])
})

describe('the key that was meant', () => {
  const table = {
    'hdfs.path': text({ doc: 'x' }),
    'hdfs.rollInterval': count({ doc: 'x', default: 1 }),
    serializer: text({ doc: 'x', default: 'x' }),
    'kafka.consumer.': prefix({ doc: 'x' }),
    hostname: text({ doc: 'x' }),
  }
  const cases: readonly [key: string, meant: string | undefined][] = [
    ['rollInterval', 'hdfs.rollInterval'],
    ['rollinterval', 'hdfs.rollInterval'],
    ['hdfs.rollinterval', 'hdfs.rollInterval'],
    ['hdfs.rolInterval', 'hdfs.rollInterval'],
    ['hdfs.serializer', 'serializer'],
    ['sink.serializer', 'serializer'],
    ['auto.offset.reset', 'kafka.consumer.auto.offset.reset'],
    ['Kafka.Consumer.x', 'kafka.consumer.x'],
    ['bind', 'hostname'],
    ['keywords', undefined],
    ['x', undefined],
  ]
  for (const [key, meant] of cases) it(`${key}: ${meant}`, () => assert.equal(suggestKey(key, table), meant))
})

describe('a comment behind a value', () => {
  const cases: readonly [text: string, value: string | undefined][] = [
    ['30 # seconds', '30'],
    ['30  ## seconds', '30'],
    ['30 // seconds', '30'],
    ['30 #seconds', '30'],
    ['30#seconds', undefined],
    ['hdfs://x//y', undefined],
    ['"a # b"', undefined],
    ['plain', undefined],
  ]
  for (const [value, before] of cases)
    it(JSON.stringify(value), () => assert.equal(inlineComment(value)?.value, before))
})
