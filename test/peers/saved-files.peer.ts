import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { SaveFilesOptions } from '../../src/stream/api.ts'
import { StreamBench } from '../support/stream-bench.ts'
import { tempDir } from '../support/temp-dir.ts'
import { startJava } from './peers.ts'

const rich = [
  {
    text: 'ä',
    whole: 2 ** 40,
    real: 1.5,
    yes: true,
    list: ['x', null],
    in: { deep: 1, deeper: [{ n: 1 }, { n: null }, null] },
    map: { k: 2, l: null },
  },
  { text: '', whole: -1, real: null, yes: false, list: [], in: { deep: null, deeper: [] }, map: {} },
  { text: null, whole: null, real: 0.1, yes: null, list: null, in: null, map: null },
]
const mapped = rich.map((record) => ({ ...record, map: record.map && new Map(Object.entries(record.map)) }))
const flat = [
  { a: 'x', b: 'say "hi", all' },
  { a: 'two\nlines', b: ' blank ' },
  { a: null, b: '' },
]
const many = Array.from({ length: 5000 }, (_, n) => ({ n, text: `line ${n % 50}` }))
const at = new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 250))

interface Case {
  readonly name: string
  readonly records: readonly unknown[]
  readonly options: SaveFilesOptions
  readonly expected: readonly unknown[]
}

const cases: readonly Case[] = [
  {
    name: 'json',
    records: rich,
    options: { format: 'json' },
    // In JSON Spark takes an object for a record, not for a map.
    expected: rich.map((record) => ({ ...record, map: record.map && { k: null, l: null, ...record.map } })),
  },
  { name: 'json.gz', records: many, options: { format: 'json', compression: 'gzip' }, expected: many },
  {
    name: 'csv',
    records: flat,
    options: { format: 'csv', header: true },
    // Spark writes "" for the empty text as we do, and reads it as null unless told otherwise.
    expected: flat.map((record) => ({ ...record, b: record.b || null })),
  },
  {
    name: 'text.gz',
    records: ['a', 'b c', 'd'],
    options: { format: 'text', compression: 'gzip' },
    expected: ['a', 'b c', 'd'].map((value) => ({ value })),
  },
  { name: 'text.gz of nothing', records: [], options: { format: 'text', compression: 'gzip' }, expected: [] },
  { name: 'avro', records: mapped, options: { format: 'avro' }, expected: rich },
  { name: 'avro.deflate', records: many, options: { format: 'avro', compression: 'deflate' }, expected: many },
  { name: 'parquet', records: mapped, options: { format: 'parquet' }, expected: rich },
  { name: 'parquet.gzip', records: many, options: { format: 'parquet', compression: 'gzip' }, expected: many },
  {
    name: 'parquet of times',
    records: [{ at, day: at, micros: at }],
    options: {
      format: 'parquet',
      schema: {
        type: 'record',
        name: 'r',
        fields: [
          { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
          { name: 'day', type: { type: 'int', logicalType: 'date' } },
          { name: 'micros', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }] },
        ],
      },
    },
    expected: [{ at: '2024-02-29T12:30:15.250Z', day: '2024-02-29', micros: '2024-02-29T12:30:15.250Z' }],
  },
]

/** Spark compiles a program for each kind of file first. */
const readTimeoutMs = 240_000
const folder = await tempDir({ after })
const folderOf = ({ name }: Case): string => join(folder, name.replaceAll(' ', '-'))

async function answers(): Promise<ReadonlyMap<string, unknown[]>> {
  await using bench = new StreamBench()
  for (const each of cases) await bench.sc.parallelize(each.records, 2).saveAsFiles(folderOf(each), each.options)
  await using java = await startJava(
    'spark-sql-3.5',
    'SavedFiles',
    cases.map((each) => `${cases.indexOf(each)}=${each.options.format}=${folderOf(each)}`),
  )
  await java.waitFor(/^DONE$/m, readTimeoutMs)
  const found = new Map<string, unknown[]>(cases.map(({ name }) => [name, []]))
  for (const line of java.stdout.split('\n')) {
    const [, index, json] = /^(\d+) (.*)$/.exec(line) ?? []
    if (json !== undefined) found.get((cases[Number(index)] as Case).name)?.push(JSON.parse(json))
  }
  return found
}

const found = await answers()
const sorted = (records: readonly unknown[]): unknown[] =>
  records.map((record) => JSON.stringify(record, sortKeys)).sort()
/** The order of fields is not compared: readers have their own. */
const sortKeys = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

for (const { name, expected } of cases) {
  test(`Spark 3.5 reads what a stream has saved as ${name}`, () => {
    assert.deepEqual(sorted(found.get(name) ?? []), sorted(expected))
  })
}
