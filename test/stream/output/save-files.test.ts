import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { SaveFilesOptions } from '../../../src/stream/api.ts'
import { mountFileSystems } from '../../../src/stream/files.ts'
import { valuesOf } from '../../support/avro-container.ts'
import { StreamBench } from '../../support/stream-bench.ts'

async function tempFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'stream-save-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

/** What one partition of these records is as a file. */
async function saved(t: TestContext, records: readonly unknown[], options: SaveFilesOptions): Promise<Buffer> {
  const folder = join(await tempFolder(t), 'out')
  await using bench = new StreamBench()
  await bench.sc.parallelize(records, 1).saveAsFiles(folder, options)
  const names = (await readdir(folder)).filter((name) => name.startsWith('part-'))
  assert.equal(names.length, 1)
  return readFile(join(folder, names[0] as string))
}

describe('object files', () => {
  const records = [
    new Date(5),
    new Map([['a', new Set([1n])]]),
    { b: [undefined, null] },
    'line\nbreak',
    Uint8Array.of(1, 2),
  ]

  test('keep records with their types, of a data set and of every batch', async (t) => {
    const folder = await tempFolder(t)
    await using bench = new StreamBench()
    await bench.sc.parallelize(records, 2).saveAsObjectFile(join(folder, 'set'))
    assert.deepEqual(await (await bench.sc.objectFile(join(folder, 'set'))).collect(), records)
    bench.queue(records).saveAsObjectFiles(join(folder, 'batch'), 'obj')
    void bench.ssc.start()
    await bench.batches(1)
    const [first] = (await readdir(folder)).filter((name) => name.startsWith('batch-'))
    assert.equal(first, 'batch-1000.obj')
    assert.deepEqual(await (await bench.sc.objectFile(join(folder, 'batch-1000.obj'))).collect(), records)
  })

  test('of others are told', async (t) => {
    const path = join(await tempFolder(t), 'lines')
    await writeFile(path, 'no object\n')
    await using bench = new StreamBench()
    await assert.rejects((await bench.sc.objectFile(path)).collect(), /a line is no record of saveAsObjectFile/)
  })
})

describe('saveAsFiles', () => {
  test('every batch is a folder with a file per partition, named for its format, and _SUCCESS (B62, B63)', async (t) => {
    const folder = await tempFolder(t)
    await using bench = new StreamBench()
    const lines = bench.queue([
      ['a', 1],
      ['b', 2],
    ])
    lines.saveAsFiles(join(folder, 'j'), { format: 'json' })
    lines.saveAsFiles(join(folder, 'z'), { format: 'json', compression: 'gzip', suffix: 'jsonl' })
    lines.saveAsFiles(join(folder, 'c'), { format: 'csv', header: true })
    lines.saveAsFiles(join(folder, 'a'), { format: 'avro' })
    lines.saveAsFiles(join(folder, 't'), { format: 'text' })
    lines.saveAsTextFiles(join(folder, 'g'), undefined, 'gzip')
    void bench.ssc.start()
    await bench.batches(1)
    assert.deepEqual((await readdir(folder)).sort(), ['a-1000', 'c-1000', 'g-1000', 'j-1000', 't-1000', 'z-1000.jsonl'])
    for (const [name, ending] of [
      ['j-1000', '.json'],
      ['z-1000.jsonl', '.json.gz'],
      ['c-1000', '.csv'],
      ['a-1000', '.avro'],
      ['t-1000', ''],
      ['g-1000', '.gz'],
    ] as const) {
      assert.deepEqual((await readdir(join(folder, name))).sort(), [
        '_SUCCESS',
        `part-00000${ending}`,
        `part-00001${ending}`,
      ])
    }
    assert.equal(await readFile(join(folder, 'j-1000', 'part-00001.json'), 'utf8'), '["b",2]\n')
    assert.equal(gunzipSync(await readFile(join(folder, 'z-1000.jsonl', 'part-00000.json.gz'))).toString(), '["a",1]\n')
    assert.equal(await readFile(join(folder, 'c-1000', 'part-00001.csv'), 'utf8'), '_1,_2\r\nb,2\r\n')
    assert.equal(gunzipSync(await readFile(join(folder, 'g-1000', 'part-00000.gz'))).toString(), '(a,1)\n')
    assert.deepEqual(await (await bench.sc.textFile(join(folder, 'g-1000'))).collect(), ['(a,1)', '(b,2)'])
  })

  test('a batch that runs again replaces its files byte for byte, also from foreachRDD and transform (B65)', async (t) => {
    const folder = await tempFolder(t)
    const run = async (): Promise<Buffer[]> => {
      await using bench = new StreamBench()
      const words = bench.queue([{ word: 'a' }, { word: 'b' }])
      words.saveAsFiles(join(folder, 'avro'), { format: 'avro' })
      words.foreachRDD((rdd) => rdd.map((one) => one.word).saveAsTextFile(join(folder, 'each')))
      words
        .transform(async (rdd) => {
          await rdd.saveAsFiles(join(folder, 'transformed'), { format: 'json' })
          return rdd
        })
        .foreachRDD(() => undefined)
      void bench.ssc.start()
      await bench.batches(1)
      await bench.ssc.stop()
      return Promise.all(
        ['avro-1000/part-00001.avro', 'each/part-00001', 'transformed/part-00001.json'].map((name) =>
          readFile(join(folder, name)),
        ),
      )
    }
    const first = await run()
    await writeFile(join(folder, 'avro-1000', 'part-00001.avro'), 'half')
    await writeFile(join(folder, 'each', 'part-00001'), 'half')
    await writeFile(join(folder, 'transformed', 'part-00001.json'), 'half')
    assert.deepEqual(await run(), first)
    assert.equal(first[1]?.toString(), 'b\n')
  })

  test('outside of batches a folder that exists is refused', async (t) => {
    const folder = await tempFolder(t)
    await using bench = new StreamBench()
    await assert.rejects(bench.sc.parallelize([1]).saveAsFiles(folder, { format: 'json' }), { code: 'REFUSED' })
  })

  test('files land on a mounted address', async (t) => {
    const folder = await tempFolder(t)
    mountFileSystems(new Map([['hdfs://namenode:8020', folder]]))
    t.after(() => mountFileSystems(new Map()))
    await using bench = new StreamBench()
    const numbers = bench.sc.parallelize([{ n: 1 }], 1)
    await numbers.saveAsFiles('hdfs://namenode:8020/out', { format: 'csv', header: true, compression: 'gzip' })
    assert.equal(gunzipSync(await readFile(join(folder, 'out', 'part-00000.csv.gz'))).toString(), 'n\r\n1\r\n')
  })

  test('an empty batch has empty files, and without a schema no Avro file', async (t) => {
    const folder = await tempFolder(t)
    await using bench = new StreamBench()
    const nothing = bench.sc.parallelize<{ n: number }>([], 1)
    await nothing.saveAsFiles(join(folder, 'j'), { format: 'json', compression: 'gzip' })
    assert.equal(gunzipSync(await readFile(join(folder, 'j', 'part-00000.json.gz'))).length, 0)
    await nothing.saveAsFiles(join(folder, 'c'), { format: 'csv', header: true, columns: ['n'] })
    assert.equal(await readFile(join(folder, 'c', 'part-00000.csv'), 'utf8'), 'n\r\n')
    await nothing.saveAsFiles(join(folder, 'a'), { format: 'avro' })
    assert.deepEqual(await readdir(join(folder, 'a')), ['_SUCCESS'])
    const schema = { type: 'record', name: 'r', fields: [{ name: 'n', type: 'int' }] }
    await nothing.saveAsFiles(join(folder, 's'), { format: 'avro', schema })
    assert.deepEqual((await valuesOf(await readFile(join(folder, 's', 'part-00000.avro')))).values, [])
  })

  test('a record that cannot be saved fails the operation and leaves no file under a final name (B64)', async (t) => {
    const folder = await tempFolder(t)
    await using bench = new StreamBench()
    bench.queue<unknown>([{ n: 1 }, { n: 1 }, null]).saveAsFiles(join(folder, 'out'), { format: 'json' })
    void bench.ssc.start()
    await bench.batches(1)
    await assert.rejects(bench.ssc.awaitTermination(), /a null record cannot be saved as json/)
    const names = await readdir(join(folder, 'out-1000'))
    assert.ok(!names.includes('_SUCCESS') && !names.includes('part-00001.json'))
  })

  for (const { name, options, message } of [
    { name: 'a format', options: { format: 'orc' }, message: /"orc" is no format/ },
    {
      name: 'a compression',
      options: { format: 'json', compression: 'snappy' },
      message: /json files cannot be compressed with snappy/,
    },
    { name: 'an option', options: { format: 'json', header: true }, message: /json files have no option header/ },
    { name: 'a delimiter', options: { format: 'csv', delimiter: '"' }, message: /cannot stand between fields/ },
    { name: 'no columns', options: { format: 'csv', columns: [] }, message: /columns must be different names/ },
  ]) {
    test(`${name} that is not there is refused before the first batch`, async () => {
      await using bench = new StreamBench()
      const stream = bench.queue([1])
      assert.throws(() => stream.saveAsFiles('out', options as unknown as SaveFilesOptions), { code: 'USAGE', message })
    })
  }

  test('a compression that text files do not have is refused by saveAsTextFiles before the first batch', async () => {
    await using bench = new StreamBench()
    assert.throws(() => bench.queue([1]).saveAsTextFiles('out', undefined, 'zip' as 'gzip'), {
      code: 'USAGE',
      message: /text files cannot be compressed with zip/,
    })
  })
})

describe('JSON lines', () => {
  const at = new Date(Date.UTC(2024, 1, 29))
  for (const { name, record, line } of [
    {
      name: 'a plain object is as JSON has it',
      record: { a: [1, 'x', null], b: undefined },
      line: '{"a":[1,"x",null]}',
    },
    { name: 'a text is quoted', record: 'say "hi"\n', line: '"say \\"hi\\"\\n"' },
    { name: 'bytes are base64', record: { b: Buffer.from('hello') }, line: '{"b":"aGVsbG8="}' },
    { name: 'a date is ISO', record: [at], line: '["2024-02-29T00:00:00.000Z"]' },
    { name: 'a bigint is text', record: { n: 2n ** 60n }, line: '{"n":"1152921504606846976"}' },
    { name: 'no number is null', record: [Number.NaN, -1 / 0], line: '["NaN","-Infinity"]' },
    { name: 'a Map is an object and a Set a list', record: new Map([['s', new Set([1])]]), line: '{"s":[1]}' },
    { name: 'toJSON is asked', record: { v: { toJSON: () => 7 } }, line: '{"v":7}' },
  ]) {
    test(name, async (t) => {
      assert.equal((await saved(t, [record], { format: 'json' })).toString(), `${line}\n`)
    })
  }

  test('a function is no record', async (t) => {
    await assert.rejects(saved(t, [() => 1], { format: 'json' }), /a function cannot be saved as JSON/)
  })
})

describe('CSV', () => {
  test('fields are quoted where RFC 4180 says so; null and the empty text differ', async (t) => {
    const rows = [
      { a: 'x', b: null },
      { a: '', b: 'say "hi", all' },
      { a: ' blank', b: 'two\nlines' },
      { a: 1.5, b: { in: [1] } },
    ]
    assert.equal(
      (await saved(t, rows, { format: 'csv', header: true })).toString(),
      'a,b\r\nx,\r\n"","say ""hi"", all"\r\n" blank","two\nlines"\r\n1.5,"{""in"":[1]}"\r\n',
    )
  })

  test('columns say which fields and in which order, and the delimiter is quoted', async (t) => {
    const text = await saved(t, [{ a: 'x;y', b: 2 }], { format: 'csv', columns: ['b', 'c', 'a'], delimiter: ';' })
    assert.equal(text.toString(), '2;;"x;y"\r\n')
  })

  test('single values are the column value', async (t) => {
    assert.equal((await saved(t, ['x'], { format: 'csv', header: true })).toString(), 'value\r\nx\r\n')
  })

  test('a field that is no column is an error and not lost', async (t) => {
    await assert.rejects(
      saved(t, [{ a: 1, late: 2 }], { format: 'csv', columns: ['a'] }),
      /a record has the field "late", which is no column/,
    )
  })
})

describe('Avro', () => {
  const plain = (values: readonly unknown[]): unknown => JSON.parse(JSON.stringify(values))

  test('the schema comes from the first records, and every field may be null', async (t) => {
    const at = new Date(1_700_000_000_123)
    const bytes = await saved(
      t,
      [
        { text: 'ä', whole: 1, real: 1, yes: true, at, data: Buffer.from([1, 2]), list: ['x'], in: { deep: 1 } },
        { text: null, real: 2.5, map: new Map([['k', 2]]), nothing: null },
      ],
      { format: 'avro', compression: 'deflate' },
    )
    const { schema, codec, values } = await valuesOf(bytes)
    assert.equal(codec, 'deflate')
    assert.deepEqual(
      JSON.parse(schema).fields.map(({ name, type }: { name: string; type: unknown[] }) => [name, type[1]]),
      [
        ['text', 'string'],
        ['whole', 'long'],
        ['real', 'double'],
        ['yes', 'boolean'],
        ['at', { type: 'long', logicalType: 'timestamp-millis' }],
        ['data', 'bytes'],
        ['list', { type: 'array', items: ['null', 'string'] }],
        ['in', { type: 'record', name: 'row2', fields: [{ name: 'deep', type: ['null', 'long'], default: null }] }],
        ['map', { type: 'map', values: ['null', 'long'] }],
        ['nothing', 'string'],
      ],
    )
    const [first, second] = plain(values) as Record<string, unknown>[]
    assert.deepEqual(
      { ...first, data: undefined },
      {
        text: 'ä',
        whole: 1,
        real: 1,
        yes: true,
        at: at.getTime(),
        data: undefined,
        list: ['x'],
        in: { deep: 1 },
        map: null,
        nothing: null,
      },
    )
    assert.deepEqual(second?.['map'], { k: 2 })
  })

  test('pairs have the fields _1 and _2', async (t) => {
    const { values } = await valuesOf(await saved(t, [['a', 1]], { format: 'avro' }))
    assert.deepEqual(plain(values), [{ _1: 'a', _2: 1 }])
  })

  test('a given schema is kept to, and many blocks are written', async (t) => {
    const schema =
      '{"type":"record","name":"line","fields":[{"name":"n","type":"int"},{"name":"text","type":"string"}]}'
    const records = Array.from({ length: 20_000 }, (_, n) => ({ n, text: `line ${n} of a file that is long enough` }))
    const file = await valuesOf(await saved(t, records, { format: 'avro', schema }))
    assert.equal(file.schema, schema)
    assert.ok(file.blocks > 5, `${file.blocks} blocks`)
    assert.deepEqual(plain(file.values), records)
  })

  for (const { name, records, message } of [
    {
      name: 'a field of two types',
      records: [{ a: 1 }, { a: 'x' }],
      message: /a is long in one record and string in another/,
    },
    {
      name: 'a field that no schema can name',
      records: [{ 'a b': 1 }],
      message: /"a b" cannot be the name of a field/,
    },
    {
      name: 'a field that comes only later',
      records: [...new Array(1000).fill({ a: 1 }), { a: 1, late: 1 }],
      message: /a record has "late", and the schema has not/,
    },
    {
      name: 'a fraction where only whole numbers came first',
      records: [...new Array(1000).fill({ a: 1 }), { a: 1.5 }],
      message: /the field a of a record is 1.5, and the schema wants long/,
    },
  ]) {
    test(`${name} is an error`, async (t) => {
      await assert.rejects(saved(t, records, { format: 'avro' }), message)
    })
  }
})
