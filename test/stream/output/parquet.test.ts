import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import type { SaveFilesOptions } from '../../../src/stream/api.ts'
import { loadLibrary } from '../../../src/stream/output/parquet.ts'
import { StreamBench } from '../../support/stream-bench.ts'

type Options = Omit<Extract<SaveFilesOptions, { format: 'parquet' }>, 'format'>

/** The one file of a partition, as another library sees it. */
async function saved(t: TestContext, records: readonly unknown[], options: Options = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'stream-parquet-'))
  t.after(() => rm(folder, { recursive: true }))
  await using bench = new StreamBench()
  await bench.sc.parallelize(records, 1).saveAsFiles(join(folder, 'out'), { format: 'parquet', ...options })
  const names = (await readdir(join(folder, 'out'))).filter((name) => name.startsWith('part-'))
  assert.deepEqual(names, ['part-00000.parquet'])
  const file = Uint8Array.from(await readFile(join(folder, 'out', 'part-00000.parquet'))).buffer
  const compressors = { GZIP: (bytes: Uint8Array) => new Uint8Array(gunzipSync(bytes)) }
  return { rows: await parquetReadObjects({ file, compressors }), metadata: parquetMetadata(file) }
}

/** A null in a list stays; whether other nulls are there or missing is the reader's business. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  const there = Object.entries(value).filter(([, one]) => one !== null && one !== undefined)
  return Object.fromEntries(there.map(([name, one]) => [name, withoutNulls(one)]))
}

/** Numbers of 64 bits are bigints there. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? Number(one) : one)))

describe('Parquet', () => {
  test('columns of every type, nested ones and nulls come back', async (t) => {
    const at = new Date(1_700_000_000_123)
    const first = {
      text: 'ä',
      whole: 2 ** 40,
      real: 1.5,
      yes: true,
      at,
      list: ['x', null, 'y'],
      in: { deep: 1, deeper: [{ n: 1 }, { n: null }] },
      map: new Map([['k', 2]]),
    }
    const second = { text: null, list: [], in: { deep: null, deeper: null } }
    const { rows } = await saved(t, [first, second, {}])
    assert.deepEqual(withoutNulls(plain(rows)), [
      withoutNulls(plain({ ...first, map: { k: 2 } })),
      { list: [], in: {} },
      {},
    ])
  })

  test('a given schema makes the columns', async (t) => {
    const fields = [
      { name: 'n', type: 'int' },
      { name: 'day', type: { type: 'int', logicalType: 'date' } },
      { name: 'data', type: 'bytes' },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
      { name: 'other', type: ['null', 'Kind'] },
      { name: 'sum', type: { type: 'fixed', name: 'Sum', size: 2 } },
      { name: 'ratio', type: 'float' },
    ]
    const day = new Date(Date.UTC(2024, 1, 29))
    const record = { n: 1, day, data: Buffer.from('x'), kind: 'B', other: 'A', sum: Buffer.from('ab'), ratio: 0.5 }
    const { rows, metadata } = await saved(t, [record], { schema: { type: 'record', name: 'r', fields } })
    assert.deepEqual(plain(rows), [
      { ...(plain(record) as object), data: 'x', sum: rows[0]?.['sum'] && plain(rows[0]['sum']) },
    ])
    assert.deepEqual(
      metadata.schema.slice(1).map(({ name, type, repetition_type }) => [name, type, repetition_type]),
      [
        ['n', 'INT32', 'REQUIRED'],
        ['day', 'INT32', 'REQUIRED'],
        ['data', 'BYTE_ARRAY', 'REQUIRED'],
        ['kind', 'BYTE_ARRAY', 'REQUIRED'],
        ['other', 'BYTE_ARRAY', 'OPTIONAL'],
        ['sum', 'FIXED_LEN_BYTE_ARRAY', 'REQUIRED'],
        ['ratio', 'FLOAT', 'REQUIRED'],
      ],
    )
  })

  for (const compression of ['uncompressed', 'snappy', 'gzip'] as const) {
    test(`pages are ${compression}`, async (t) => {
      const records = Array.from({ length: 500 }, (_, n) => ({ n, text: `t${n % 100}` }))
      const { rows, metadata } = await saved(t, records, { compression })
      assert.equal(metadata.row_groups[0]?.columns[0]?.meta_data?.codec, compression.toUpperCase())
      assert.deepEqual(plain(rows), records)
    })
  }

  test('many rows are several groups', async (t) => {
    const records = Array.from({ length: 100_001 }, (_, n) => ({ n }))
    const { rows, metadata } = await saved(t, records)
    assert.deepEqual(
      metadata.row_groups.map((group) => Number(group.num_rows)),
      [100_000, 1],
    )
    assert.deepEqual(plain([rows[99_999], rows[100_000]]), records.slice(-2))
  })

  for (const { name, schema, message } of [
    {
      name: 'of several types',
      schema: { type: 'record', name: 'r', fields: [{ name: 'a', type: ['int', 'string'] }] },
      message: /a may be of several types/,
    },
    {
      name: 'that holds itself',
      schema: { type: 'record', name: 'r', fields: [{ name: 'a', type: ['null', 'r'] }] },
      message: /the record r holds itself/,
    },
    { name: 'of no record', schema: 'string', message: /not that of a record/ },
  ]) {
    test(`a schema ${name} is refused`, async (t) => {
      await assert.rejects(saved(t, [{ a: 1 }], { schema }), message)
    })
  }

  test('a value that does not fit is an error that names the field', async (t) => {
    const schema = { type: 'record', name: 'r', fields: [{ name: 'a', type: 'int' }] }
    await assert.rejects(saved(t, [{ a: 'x' }], { schema }), /the field a of a record is the text "x"/)
  })

  test('without the package the error has the line to type', async () => {
    await assert.rejects(loadLibrary('hyparquet-writer-that-is-not-installed'), {
      code: 'UNSUPPORTED',
      hint: 'type: npm install hyparquet-writer@0.17.0',
    })
  })
})
