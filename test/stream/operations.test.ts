import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { InputDStream, type RDD, Seconds, StorageLevel, type Time } from '../../src/stream/api.ts'
import type { DStream } from '../../src/stream/dstream.ts'
import { textForm } from '../../src/stream/text-form.ts'
import { fc } from '../support/properties.ts'
import { StreamBench } from '../support/stream-bench.ts'

const sorted = (items: readonly unknown[]): unknown[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** What a stream shows in each of `count` batches, each sorted. */
async function shown<T>(build: (bench: StreamBench) => DStream<T>, count: number): Promise<unknown[][]> {
  await using bench = new StreamBench()
  const seen = bench.watch(build(bench))
  void bench.ssc.start()
  await bench.batches(count)
  return seen.map((batch) => sorted(batch.items))
}

describe('operations on each batch', () => {
  const cases: readonly { name: string; build: (bench: StreamBench) => DStream<unknown>; expected: unknown[][] }[] = [
    { name: 'map', build: (b) => b.queue([1, 2], [3]).map((x) => x * 2), expected: [[2, 4], [6], []] },
    {
      name: 'flatMap',
      build: (b) => b.queue(['a b'], ['c']).flatMap((x) => x.split(' ')),
      expected: [['a', 'b'], ['c'], []],
    },
    { name: 'filter', build: (b) => b.queue([1, 2], [3]).filter((x) => x > 1), expected: [[2], [3], []] },
    { name: 'glom', build: (b) => b.queue([1, 2, 3]).glom(), expected: [[[1], [2, 3]], [[]]] },
    {
      name: 'mapPartitions',
      build: (b) => b.queue([1, 2, 3]).mapPartitions((xs) => [[...xs].length]),
      expected: [[1, 2], [0]],
    },
    { name: 'union', build: (b) => b.queue([1], [2]).union(b.queue([3])), expected: [[1, 3], [2]] },
    { name: 'count, 0 included', build: (b) => b.queue([5, 6, 7], [8]).count(), expected: [[3], [1], [0]] },
    {
      name: 'reduce, nothing for nothing',
      build: (b) => b.queue([5, 6, 7], [8]).reduce((a, c) => a + c),
      expected: [[18], [8], []],
    },
    {
      name: 'countByValue',
      build: (b) => b.queue(['a', 'b', 'a']).countByValue(),
      expected: [
        [
          ['a', 2],
          ['b', 1],
        ],
        [],
      ],
    },
    { name: 'repartition', build: (b) => b.queue([1, 2, 3]).repartition(5), expected: [[1, 2, 3], []] },
    {
      name: 'transform',
      build: (b) => b.queue([3, 1, 2]).transform((rdd) => rdd.sortBy((x) => x)),
      expected: [[1, 2, 3], []],
    },
    {
      name: 'transformWith',
      build: (b) => b.queue([1, 2]).transformWith(b.queue([2]), (x, y) => x.subtract(y)),
      expected: [[1], []],
    },
  ]
  for (const { name, build, expected } of cases) {
    test(name, async () => assert.deepEqual(await shown(build, expected.length), expected))
  }

  const left: [string, number][][] = [
    [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ],
    [['b', 4]],
  ]
  const right: [string, string][][] = [
    [
      ['a', 'x'],
      ['c', 'y'],
    ],
    [['b', 'z']],
  ]
  const pairs: typeof cases = [
    {
      name: 'reduceByKey',
      build: (b) => b.queue(...left).reduceByKey((x, y) => x + y),
      expected: [
        [
          ['a', 4],
          ['b', 2],
        ],
        [['b', 4]],
      ],
    },
    {
      name: 'groupByKey',
      build: (b) => b.queue(...left).groupByKey(),
      expected: [
        [
          ['a', [1, 3]],
          ['b', [2]],
        ],
        [['b', [4]]],
      ],
    },
    {
      name: 'combineByKey',
      build: (b) =>
        b.queue(...left).combineByKey(
          (x) => `${x}`,
          (s, x) => `${s},${x}`,
          (s, t) => `${s};${t}`,
        ),
      expected: [
        [
          ['a', '1;3'],
          ['b', '2'],
        ],
        [['b', '4']],
      ],
    },
    {
      name: 'mapValues',
      build: (b) => b.queue(...left).mapValues((x) => -x),
      expected: [
        [
          ['a', -1],
          ['a', -3],
          ['b', -2],
        ],
        [['b', -4]],
      ],
    },
    {
      name: 'flatMapValues',
      build: (b) => b.queue(...left).flatMapValues((x) => (x > 1 ? [x, x] : [])),
      expected: [
        [
          ['a', 3],
          ['a', 3],
          ['b', 2],
          ['b', 2],
        ],
        [
          ['b', 4],
          ['b', 4],
        ],
      ],
    },
    {
      name: 'join (B86)',
      build: (b) => b.queue(...left).join(b.queue(...right)),
      expected: [
        [
          ['a', [1, 'x']],
          ['a', [3, 'x']],
        ],
        [['b', [4, 'z']]],
      ],
    },
    {
      name: 'leftOuterJoin (B86)',
      build: (b) => b.queue(...left).leftOuterJoin(b.queue(...right)),
      expected: [
        [
          ['a', [1, 'x']],
          ['a', [3, 'x']],
          ['b', [2, undefined]],
        ],
        [['b', [4, 'z']]],
      ],
    },
    {
      name: 'rightOuterJoin (B86)',
      build: (b) => b.queue(...left).rightOuterJoin(b.queue(...right)),
      expected: [
        [
          ['a', [1, 'x']],
          ['a', [3, 'x']],
          ['c', [undefined, 'y']],
        ],
        [['b', [4, 'z']]],
      ],
    },
    {
      name: 'fullOuterJoin (B86)',
      build: (b) => b.queue(...left).fullOuterJoin(b.queue(...right)),
      expected: [
        [
          ['a', [1, 'x']],
          ['a', [3, 'x']],
          ['b', [2, undefined]],
          ['c', [undefined, 'y']],
        ],
        [['b', [4, 'z']]],
      ],
    },
    {
      name: 'cogroup (B86)',
      build: (b) => b.queue(...left).cogroup(b.queue(...right)),
      expected: [
        [
          ['a', [[1, 3], ['x']]],
          ['b', [[2], []]],
          ['c', [[], ['y']]],
        ],
        [['b', [[4], ['z']]]],
      ],
    },
  ]
  for (const { name, build, expected } of pairs) {
    test(name, async () => assert.deepEqual(await shown(build, expected.length), expected))
  }

  for (const { name, build, partitions } of [
    { name: 'reduce', build: (b: StreamBench) => b.queue([1, 2]).reduce((x, y) => x + y), partitions: 1 },
    { name: 'count', build: (b: StreamBench) => b.queue([1, 2]).count(), partitions: 2 },
    {
      name: 'reduceByKey(f, 5)',
      build: (b: StreamBench) =>
        b
          .queue([1])
          .map((x) => [x, x])
          .reduceByKey((x) => x, 5),
      partitions: 5,
    },
    { name: 'union', build: (b: StreamBench) => b.queue([1]).union(b.queue([2])), partitions: 4 },
    { name: 'window', build: (b: StreamBench) => b.queue([1]).window(Seconds(3)), partitions: 2 },
  ] as const) {
    test(`${name} has ${partitions} partitions (B74, B15)`, async () => {
      await using bench = new StreamBench()
      const seen = bench.watch<unknown>(build(bench) as DStream<unknown>)
      void bench.ssc.start()
      await bench.batches(1)
      assert.equal(seen[0]?.partitions, partitions)
    })
  }

  test('functions run once per record and batch, however many read the stream; what is read by one runs when it is asked (B71)', async () => {
    const builds: readonly { name: string; build: (bench: StreamBench, counted: DStream<number>) => void }[] = [
      {
        name: 'two output operations',
        build: (bench, counted) => {
          bench.watch(counted)
          bench.watch(counted)
        },
      },
      {
        name: 'two streams, one of them behind a shuffle',
        build: (bench, counted) => {
          bench.watch(counted.map((x) => x + 1))
          bench.watch(counted.countByValue())
        },
      },
      { name: 'a stream joined with itself', build: (bench, counted) => void bench.watch(counted.union(counted)) },
      {
        name: 'an operation that keeps and lets go by itself',
        build: (bench, counted) => {
          bench.watch(counted)
          counted.foreachRDD(async (rdd) => {
            rdd.persist(StorageLevel.MEMORY_AND_DISK)
            await rdd.count()
            await rdd.count()
          })
        },
      },
    ]
    for (const { name, build } of builds) {
      await using bench = new StreamBench()
      let calls = 0
      const counted = bench.queue([1, 2], [3]).map((x) => {
        calls++
        return x
      })
      build(bench, counted)
      void bench.ssc.start()
      await bench.batches(2)
      assert.equal(calls, 3, name)
    }
  })

  test('a stream of one reader that looks twice is computed twice, unless it is persisted (B71)', async () => {
    for (const { level, expected } of [
      { level: StorageLevel.NONE, expected: 4 },
      { level: StorageLevel.MEMORY_ONLY_SER, expected: 2 },
    ]) {
      await using bench = new StreamBench()
      let calls = 0
      const counted = bench.queue([1, 2]).map((x) => {
        calls++
        return x
      })
      if (level.isKept) counted.persist(level)
      counted.foreachRDD(async (rdd) => {
        await rdd.count()
        await rdd.collect()
      })
      void bench.ssc.start()
      await bench.batches(1)
      assert.equal(calls, expected)
    }
  })
})

test('a function of transform reads what changes between batches, every time anew (B87)', async () => {
  await using bench = new StreamBench()
  const blocked = new Set(['spam'])
  const seen = bench.watch(
    bench.queue(['a', 'spam', 'b'], ['a', 'spam', 'b']).transform(async (rdd, time) => {
      const now = new Set(await Promise.resolve(blocked))
      return rdd.filter((word) => !now.has(word)).map((word) => `${word}@${time.milliseconds}`)
    }),
  )
  void bench.ssc.start()
  await bench.batches(1)
  blocked.add('a')
  await bench.batches(1)
  assert.deepEqual(
    seen.map(({ items }) => items),
    [['a@1000', 'b@1000'], ['b@2000']],
  )
})

/** A stream whose batch holds its own time in seconds; it computes by time, as receivers do, not by being asked. */
class SecondsStream extends InputDStream<number> {
  compute(time: Time): RDD<number> {
    return this.context.sparkContext.parallelize([time.milliseconds / 1000], 1)
  }
}

test('pair operations are offered on pairs only', async () => {
  await using bench = new StreamBench()
  const words = bench.queue(['a'])
  const counts: DStream<[string, number]> = words.map((word) => [word, 1]).reduceByKey((a, b) => a + b)
  // @ts-expect-error: words are no pairs.
  words.reduceByKey((a: string) => a)
  // @ts-expect-error: the other side has another type of key.
  counts.join(bench.queue<[number, number]>())
})

describe('windows', () => {
  const data = [[1], [2], [3], [4], [5], [6]]
  const cases: readonly {
    name: string
    build: (bench: StreamBench) => DStream<unknown>
    batches: number
    expected: unknown[][]
  }[] = [
    {
      name: 'a window of 4 sliding by 2 is partial at first and ends empty (B12–B14)',
      build: (b) => b.queue(...data).window(Seconds(4), Seconds(2)),
      batches: 12,
      expected: [[1, 2], [1, 2, 3, 4], [3, 4, 5, 6], [5, 6], [], []],
    },
    {
      name: 'a window sliding by the batch',
      build: (b) => b.queue(...data).window(Seconds(2)),
      batches: 4,
      expected: [[1], [1, 2], [2, 3], [3, 4]],
    },
    {
      name: 'data between windows shorter than their slide is dropped (B11)',
      build: (b) => new SecondsStream(b.ssc).window(Seconds(1), Seconds(3)),
      batches: 6,
      expected: [[3], [6]],
    },
    {
      name: 'a window over a window',
      build: (b) =>
        b
          .queue(...data)
          .window(Seconds(2), Seconds(2))
          .window(Seconds(4), Seconds(2)),
      batches: 6,
      expected: [
        [1, 2],
        [1, 2, 3, 4],
        [3, 4, 5, 6],
      ],
    },
    {
      name: 'reduceByWindow has nothing for an empty window (B17)',
      build: (b) => b.queue([1, 2], [3]).reduceByWindow((x, y) => x + y, Seconds(2), Seconds(1)),
      batches: 4,
      expected: [[3], [6], [3], []],
    },
    {
      name: 'countByWindow has 0 for an empty window',
      build: (b) => b.queue([1, 2], [3]).countByWindow(Seconds(2), Seconds(1)),
      batches: 4,
      expected: [[2], [3], [1], [0]],
    },
    {
      name: 'reduceByKeyAndWindow forgets a key with its last batch (B18)',
      build: (b) =>
        b
          .queue(['a', 'b'], ['a'])
          .map((x) => [x, 1])
          .reduceByKeyAndWindow((x, y) => x + y, Seconds(2)),
      batches: 4,
      expected: [
        [
          ['a', 1],
          ['b', 1],
        ],
        [
          ['a', 2],
          ['b', 1],
        ],
        [['a', 1]],
        [],
      ],
    },
    {
      name: 'groupByKeyAndWindow',
      build: (b) =>
        b
          .queue(['a'], ['a'])
          .map((x) => [x, 1])
          .groupByKeyAndWindow(Seconds(3)),
      batches: 4,
      expected: [[['a', [1]]], [['a', [1, 1]]], [['a', [1, 1]]], [['a', [1]]]],
    },
    {
      name: 'countByValueAndWindow',
      build: (b) => b.queue(['a', 'b'], ['a']).countByValueAndWindow(Seconds(2), Seconds(1)),
      batches: 3,
      expected: [
        [
          ['a', 1],
          ['b', 1],
        ],
        [
          ['a', 2],
          ['b', 1],
        ],
        [['a', 1]],
      ],
    },
    {
      name: 'a join of windows joins across batches (B86)',
      build: (b) =>
        b
          .queue(['k'])
          .map((x) => [x, 1])
          .window(Seconds(2))
          .join(b.queue<string>([], ['k']).map((x) => [x, 'late'])),
      batches: 3,
      expected: [[], [['k', [1, 'late']]], []],
    },
  ]
  for (const { name, build, batches, expected } of cases) {
    test(name, async () => assert.deepEqual(await shown(build, batches), expected))
  }

  test('windows and what is computed over them agree with a plain model, for any data', async () => {
    const batches = fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(batches, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), async (data, w, s) => {
        await using bench = new StreamBench()
        const input = bench.queue(...data)
        // Keeps the input at its own beat, as a receiver is.
        bench.watch(input)
        const window = bench.watch(input.window(Seconds(w), Seconds(s)))
        const counts = bench.watch(
          input.map((x) => [x, 1]).reduceByKeyAndWindow((a, b) => a + b, Seconds(w), Seconds(s)),
        )
        const sizes = bench.watch(input.countByWindow(Seconds(w), Seconds(s)))
        await bench.ssc.start()
        const total = data.length + w + 1
        await bench.batches(total)
        const expected: string[][] = []
        for (let n = s; n <= total; n += s) expected.push(data.slice(Math.max(0, n - w), n).flat())
        const tally = (items: readonly string[]): unknown[] =>
          [...new Set(items)].map((x) => [x, items.filter((y) => y === x).length])
        assert.deepEqual(
          window.map(({ items }) => items),
          expected,
        )
        assert.deepEqual(
          counts.map(({ items }) => sorted(items)),
          expected.map((items) => sorted(tally(items))),
        )
        assert.deepEqual(
          sizes.map(({ items }) => items),
          // Nothing before the first record; then a number, unless windows with gaps are each reduced anew (B21, B22).
          expected.map((items, i) =>
            items.length > 0 || (s <= w && expected.slice(0, i).flat().length > 0) ? [items.length] : [],
          ),
        )
      }),
      { numRuns: 25 },
    )
  })

  for (const { w, s } of [
    { w: 1500, s: 1000 },
    { w: 2000, s: 1500 },
    { w: 0, s: 1000 },
  ]) {
    test(`a window of ${w} ms sliding by ${s} ms over batches of 1000 ms is refused (B11)`, async () => {
      await using bench = new StreamBench()
      assert.throws(
        () => bench.queue([1]).window(Seconds(w / 1000), Seconds(s / 1000)),
        /requirement failed: .* must be a multiple of the slide duration of parent DStream \(1000 ms\)$/,
      )
    })
  }

  test('a windowed reduce without a length is refused', async () => {
    await using bench = new StreamBench()
    const inverse = ((a: number, b: number) => a - b) as unknown as ReturnType<typeof Seconds>
    assert.throws(
      () => bench.queue([1]).reduceByWindow((a, b) => a + b, inverse, 2 as unknown as ReturnType<typeof Seconds>),
      /a window needs its length/,
    )
  })

  test('a window keeps its parent, and persisting it sets the level of the parent (B16)', async () => {
    await using bench = new StreamBench()
    const parent = bench.queue([1])
    const window = parent.window(Seconds(2))
    assert.equal(parent.node.storageLevel, StorageLevel.MEMORY_ONLY_SER)
    window.persist(StorageLevel.DISK_ONLY)
    assert.equal(parent.node.storageLevel, StorageLevel.DISK_ONLY)
    assert.equal(window.node.storageLevel, StorageLevel.NONE)
  })

  test('functions before a window run once per record, however many windows it is in', async () => {
    await using bench = new StreamBench()
    let calls = 0
    bench.watch(
      bench
        .queue([1], [2])
        .map((x) => {
          calls++
          return x
        })
        .window(Seconds(4)),
    )
    void bench.ssc.start()
    await bench.batches(4)
    assert.equal(calls, 2)
  })
})

describe('print', () => {
  const ruler = '-'.repeat(43)
  const cases: readonly { name: string; items: unknown[]; count?: number; lines: string[] }[] = [
    { name: 'an empty batch has header and an empty line', items: [], lines: [] },
    { name: 'up to ten records, one a line', items: [1, 'two', null], lines: ['1', 'two', 'null'] },
    { name: 'exactly as many as asked for have no dots', items: [1, 2], count: 2, lines: ['1', '2'] },
    { name: 'more than asked for end in three dots', items: [1, 2, 3], count: 2, lines: ['1', '2', '...'] },
    {
      name: 'pairs and nested pairs (B61)',
      items: [
        ['a', 1],
        [['a', 'b'], 2],
      ],
      lines: ['(a,1)', '((a,b),2)'],
    },
  ]
  for (const { name, items, count, lines } of cases) {
    test(`${name} (B60)`, async () => {
      await using bench = new StreamBench()
      bench.ssc.queueStream([bench.sc.parallelize(items, 2)]).print(count)
      void bench.ssc.start()
      await bench.batches(1)
      assert.equal(bench.printed, [ruler, 'Time: 1000 ms', ruler, ...lines, '', ''].join('\n'))
    })
  }

  test('grouped values print as a list, two of them as well (B61)', async () => {
    await using bench = new StreamBench()
    bench
      .queue<[string, number]>([
        ['a', 1],
        ['a', 2],
      ])
      .groupByKey()
      .print()
    void bench.ssc.start()
    await bench.batches(1)
    assert.match(bench.printed, /^\(a,\[1, 2\]\)$/m)
  })

  for (const { value, text } of [
    { value: undefined, text: 'undefined' },
    { value: [1, 2, 3], text: '[1, 2, 3]' },
    { value: { a: 1, b: [2n] }, text: '{"a":1,"b":["2"]}' },
    { value: new Uint8Array([1, 255]), text: '01ff' },
    { value: new Date(0), text: '1970-01-01T00:00:00.000Z' },
    { value: new Map([['a', 1]]), text: '{a: 1}' },
    { value: new Date(Number.NaN), text: 'Invalid Date' },
    { value: Object.assign(Object.create(null), { bare: 1 }), text: '{"bare":1}' },
    { value: [], text: '[]' },
    { value: { toString: () => 'mine' }, text: 'mine' },
  ]) {
    test(`the text form of ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))} is ${text}`, () => {
      assert.equal(textForm(value), text)
    })
  }
})

describe('saveAsTextFiles', () => {
  async function folder(t: { after(f: () => Promise<void>): void }): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'stream-save-'))
    t.after(() => rm(path, { recursive: true }))
    return path
  }

  test('every batch is a folder prefix-time.suffix with a file per partition and _SUCCESS, empty ones too (B62, B63)', async (t) => {
    const path = await folder(t)
    await using bench = new StreamBench()
    bench
      .queue([
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ])
      .saveAsTextFiles(join(path, 'out'), 'txt')
    void bench.ssc.start()
    for (let i = 1; i <= 2; i++) {
      await bench.clock.advance(1000)
      await bench.until(() => bench.completed.length === i)
    }
    assert.deepEqual((await readdir(path)).sort(), ['out-1000.txt', 'out-2000.txt'])
    assert.deepEqual((await readdir(join(path, 'out-1000.txt'))).sort(), ['_SUCCESS', 'part-00000', 'part-00001'])
    assert.equal(await readFile(join(path, 'out-1000.txt', 'part-00001'), 'utf8'), '(b,2)\n(c,3)\n')
    assert.equal(await readFile(join(path, 'out-2000.txt', 'part-00000'), 'utf8'), '')
    assert.equal(await readFile(join(path, 'out-2000.txt', '_SUCCESS'), 'utf8'), '')
  })

  test('a data set without partitions leaves a folder with _SUCCESS only (B63)', async (t) => {
    const path = await folder(t)
    await using bench = new StreamBench()
    bench
      .queue(['x'])
      .transform(() => bench.sc.emptyRDD<string>())
      .saveAsTextFiles(join(path, 'out'))
    void bench.ssc.start()
    await bench.clock.advance(1000)
    await bench.until(() => bench.completed.length === 1)
    assert.deepEqual(await readdir(join(path, 'out-1000')), ['_SUCCESS'])
  })

  test('a folder that exists is written into: files of the same name are replaced, others stay (B65)', async (t) => {
    const path = await folder(t)
    await using bench = new StreamBench()
    bench.queue(['new']).saveAsTextFiles(`${path}/out`)
    const { mkdir } = await import('node:fs/promises')
    await mkdir(join(path, 'out-1000'))
    await writeFile(join(path, 'out-1000', 'part-00001'), 'old')
    await writeFile(join(path, 'out-1000', 'part-00009'), 'kept')
    void bench.ssc.start()
    await bench.clock.advance(1000)
    await bench.until(() => bench.completed.length === 1)
    assert.equal(await readFile(join(path, 'out-1000', 'part-00001'), 'utf8'), 'new\n')
    assert.equal(await readFile(join(path, 'out-1000', 'part-00009'), 'utf8'), 'kept')
  })

  test('a null record fails the operation and leaves no half file under a final name (B63, B64)', async (t) => {
    const path = await folder(t)
    await using bench = new StreamBench()
    bench.queue<unknown>(['fine', null]).saveAsTextFiles(`${path}/out`)
    void bench.ssc.start()
    await bench.clock.advance(1000)
    await bench.until(() => bench.completed.length === 1)
    assert.ok(!(await readdir(join(path, 'out-1000'))).includes('_SUCCESS'))
    assert.ok(!(await readdir(join(path, 'out-1000'))).includes('part-00001'))
    await assert.rejects(bench.ssc.awaitTermination(), /a null record cannot be saved as text/)
  })

  test('a scheme without a file system is named', async () => {
    await using bench = new StreamBench()
    bench.queue(['x']).saveAsTextFiles('s3://bucket/out')
    void bench.ssc.start()
    await bench.batches(1)
    await assert.rejects(bench.ssc.awaitTermination(), /no file system for s3: in s3:\/\/bucket\/out-1000/)
  })
})
