import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  HashPartitioner,
  RangePartitioner,
  type RDD,
  SparkConf,
  SparkContext,
  SparkException,
  StorageLevel,
} from '../../src/stream/api.ts'
import { fc } from '../support/properties.ts'

function context(settings: Readonly<Record<string, string>> = {}): SparkContext {
  const conf = new SparkConf(false).setAppName('rdd').setMaster('local[3]').setAll(Object.entries(settings))
  return new SparkContext(conf)
}

const sc = context()
const sorted = <T>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

describe('the context', () => {
  test('slice i of parallelize holds the items from ⌊i·len/n⌋ up to ⌊(i+1)·len/n⌋', async () => {
    const parts = await sc.parallelize([1, 2, 3, 4, 5], 3).glom().collect()
    assert.deepEqual(parts, [[1], [2, 3], [4, 5]])
  })

  for (const { master, cores } of [
    { master: 'local', cores: 1 },
    { master: 'local[4]', cores: 4 },
    { master: 'local[2,3]', cores: 2 },
  ]) {
    test(`master ${master} stands for ${cores} partitions at a time`, () => {
      assert.equal(new SparkContext(new SparkConf(false).setAppName('x').setMaster(master)).defaultParallelism, cores)
    })
  }

  for (const master of ['yarn', 'spark://host:7077', 'local[]', 'local[0]', 'local[x]', 'locally']) {
    test(`master ${master} is refused with what is offered`, () => {
      assert.throws(() => new SparkContext(new SparkConf(false).setAppName('x').setMaster(master)), {
        code: 'USAGE',
        message: `Could not parse Master URL: '${master}'`,
      })
    })
  }

  test('getOrCreate answers the context that is there, and a new one once it has stopped', () => {
    const conf = new SparkConf(false).setAppName('one')
    const one = new SparkContext(conf)
    assert.equal(SparkContext.getOrCreate(conf), one)
    one.stop()
    assert.notEqual(SparkContext.getOrCreate(conf), one)
  })

  test('an application without a name is refused', () => {
    assert.throws(() => new SparkContext(new SparkConf(false)), /An application name must be set/)
  })

  test('setLogLevel takes any case and refuses what is no level', () => {
    sc.setLogLevel('info')
    assert.throws(() => sc.setLogLevel('LOUD'), /did not match one of: ALL,DEBUG,ERROR,FATAL,INFO,OFF,TRACE,WARN/)
  })

  test('textFile reads files, folders, globs and lists, unpacks .gz and refuses what is not there', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'rdd-text-'))
    t.after(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'a.txt'), 'one\r\ntwo\rthree\n')
    await writeFile(join(folder, 'b.gz'), gzipSync('four\nfive'))
    await writeFile(join(folder, '_hidden'), 'no')
    assert.deepEqual(await (await sc.textFile(folder)).collect(), ['one', 'two', 'three', 'four', 'five'])
    assert.deepEqual(await (await sc.textFile(`${folder}/*.gz,file://${folder}/a.txt`)).collect(), [
      'four',
      'five',
      'one',
      'two',
      'three',
    ])
    await assert.rejects(sc.textFile(join(folder, 'none')), /Input path does not exist/)
  })
})

describe('transformations', () => {
  const words = sc.parallelize(['a b', '', 'b c b'], 2)

  const cases: readonly { name: string; rdd: () => RDD<unknown>; expected: unknown[] }[] = [
    { name: 'map', rdd: () => words.map((line) => line.length), expected: [3, 0, 5] },
    { name: 'flatMap', rdd: () => words.flatMap((line) => line.split(' ')), expected: ['a', 'b', '', 'b', 'c', 'b'] },
    {
      name: 'flatMap over a set',
      rdd: () => words.flatMap((line) => new Set(line)),
      expected: ['a', ' ', 'b', 'b', ' ', 'c'],
    },
    { name: 'filter', rdd: () => words.filter((line) => line.length > 3), expected: ['b c b'] },
    { name: 'map with a promise', rdd: () => words.map(async (line) => line.length), expected: [3, 0, 5] },
    {
      name: 'flatMap with a promise',
      rdd: () => words.flatMap(async (line) => line.split('')),
      expected: ['a', ' ', 'b', 'b', ' ', 'c', ' ', 'b'],
    },
    { name: 'filter with a promise', rdd: () => words.filter(async (line) => line === ''), expected: [''] },
    {
      name: 'mapPartitions with a generator',
      rdd: () =>
        words.mapPartitions(function* (lines) {
          for (const line of lines) yield `${line}!`
        }),
      expected: ['a b!', '!', 'b c b!'],
    },
    {
      name: 'mapPartitions with an async generator',
      rdd: () =>
        words.mapPartitions(async function* (lines) {
          for (const line of lines) yield await Promise.resolve(`${line}?`)
        }),
      expected: ['a b?', '?', 'b c b?'],
    },
    {
      name: 'mapPartitionsWithIndex',
      rdd: () => words.mapPartitionsWithIndex((i, lines) => [[i, [...lines].length]]),
      expected: [
        [0, 1],
        [1, 2],
      ],
    },
    { name: 'union', rdd: () => words.union(sc.parallelize(['z'])), expected: ['a b', '', 'b c b', 'z'] },
    {
      name: 'zipWithIndex',
      rdd: () => words.zipWithIndex(),
      expected: [
        ['a b', 0],
        ['', 1],
        ['b c b', 2],
      ],
    },
    {
      name: 'zip',
      rdd: () => words.zip(words.map((line) => line.length)),
      expected: [
        ['a b', 3],
        ['', 0],
        ['b c b', 5],
      ],
    },
    {
      name: 'cartesian',
      rdd: () => sc.parallelize([1, 2], 1).cartesian(sc.parallelize(['x', 'y'], 1)),
      expected: [
        [1, 'x'],
        [1, 'y'],
        [2, 'x'],
        [2, 'y'],
      ],
    },
    {
      name: 'sortBy descending',
      rdd: () => words.sortBy((line) => line.length, false),
      expected: ['b c b', 'a b', ''],
    },
    {
      name: 'coalesce',
      rdd: () => sc.parallelize([1, 2, 3, 4, 5], 5).coalesce(2).glom(),
      expected: [
        [1, 2],
        [3, 4, 5],
      ],
    },
    {
      name: 'keyBy',
      rdd: () => words.keyBy((line) => line.length),
      expected: [
        [3, 'a b'],
        [0, ''],
        [5, 'b c b'],
      ],
    },
  ]
  for (const { name, rdd, expected } of cases) {
    test(`${name} gives its records in order`, async () => assert.deepEqual(await rdd().collect(), expected))
  }

  const unordered: readonly { name: string; rdd: () => RDD<unknown>; expected: unknown[] }[] = [
    {
      name: 'distinct',
      rdd: () =>
        sc
          .parallelize([
            [1, 'a'],
            [1, 'a'],
            [2, 'a'],
          ])
          .distinct(),
      expected: [
        [1, 'a'],
        [2, 'a'],
      ],
    },
    { name: 'subtract', rdd: () => sc.parallelize([1, 2, 3]).subtract(sc.parallelize([2])), expected: [1, 3] },
    {
      name: 'intersection',
      rdd: () => sc.parallelize([1, 2, 2, 3]).intersection(sc.parallelize([2, 3, 4])),
      expected: [2, 3],
    },
    { name: 'repartition', rdd: () => sc.parallelize([1, 2, 3], 1).repartition(3), expected: [1, 2, 3] },
    {
      name: 'groupBy',
      rdd: () => sc.parallelize([1, 2, 3], 1).groupBy((x) => x % 2),
      expected: [
        [0, [2]],
        [1, [1, 3]],
      ],
    },
  ]
  for (const { name, rdd, expected } of unordered) {
    test(`${name} gives its records in some order`, async () =>
      assert.deepEqual(sorted(await rdd().collect()), sorted(expected)))
  }

  test('a chain of synchronous functions runs once per record, without a list in between', async () => {
    const order: string[] = []
    const chain = sc
      .parallelize([1, 2], 1)
      .map((x) => {
        order.push(`map ${x}`)
        return x
      })
      .filter((x) => {
        order.push(`filter ${x}`)
        return true
      })
    await chain.count()
    assert.deepEqual(order, ['map 1', 'filter 1', 'map 2', 'filter 2'])
  })

  test('asynchronous functions are awaited in order inside a partition, partitions run side by side', async () => {
    let running = 0
    let most = 0
    const order: number[] = []
    await sc.parallelize([1, 2, 3, 4], 2).foreach(async (x) => {
      running++
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      order.push(x)
      running--
    })
    assert.equal(most, 2)
    assert.ok(order.indexOf(1) < order.indexOf(2) && order.indexOf(3) < order.indexOf(4))
  })

  test('without persist a function runs for every action, with it once (B71)', async () => {
    let calls = 0
    const counted = sc.parallelize([1, 2, 3], 2).map((x) => {
      calls++
      return x
    })
    await counted.count()
    await counted.count()
    assert.equal(calls, 6)
    counted.persist(StorageLevel.MEMORY_ONLY)
    await Promise.all([counted.count(), counted.collect()])
    assert.deepEqual(await counted.collect(), [1, 2, 3])
    assert.equal(calls, 9)
    counted.unpersist()
    await counted.count()
    assert.equal(calls, 12)
  })
})

describe('chance', () => {
  const numbers = sc.parallelize(
    Array.from({ length: 2000 }, (_, i) => i),
    3,
  )

  test('sample keeps about its fraction, and the same records for the same seed', async () => {
    const one = await numbers.sample(false, 0.3, 7).collect()
    assert.ok(one.length > 500 && one.length < 700, String(one.length))
    assert.deepEqual(await numbers.sample(false, 0.3, 7).collect(), one)
    assert.notDeepEqual(await numbers.sample(false, 0.3, 8).collect(), one)
  })

  test('sample with replacement takes each record so many times on average, some several times', async () => {
    const drawn = await numbers.sample(true, 1.5, 3).collect()
    assert.ok(drawn.length > 2800 && drawn.length < 3200, String(drawn.length))
    const times = new Map<number, number>()
    for (const n of drawn) times.set(n, (times.get(n) ?? 0) + 1)
    // Poisson: about 22 % never, 33 % once.
    assert.ok(times.size > 1450 && times.size < 1650, String(times.size))
    assert.ok([...times.values()].filter((count) => count > 1).length > 700)
    assert.deepEqual(await numbers.sample(true, 1.5, 3).collect(), drawn)
  })

  test('sampleByKey has a fraction for each key, and none for a key that is not named', async () => {
    const pairs = numbers.keyBy((n) => 'abc'[n % 3] as string)
    const fractions = new Map([
      ['a', 1],
      ['b', 0.5],
    ])
    const counts = await pairs.sampleByKey(false, fractions, 5).countByKey()
    assert.equal(counts.get('a'), 667)
    assert.ok(Math.abs((counts.get('b') ?? 0) - 333) < 60, String(counts.get('b')))
    assert.equal(counts.has('c'), false)
    const many = await pairs.sampleByKey(true, new Map([['c', 3]]), 5).count()
    assert.ok(Math.abs(many - 1998) < 150, String(many))
  })

  test('countApproxDistinct is near the number of different records', async () => {
    for (const { records, relativeSd } of [
      { records: 10, relativeSd: 0.05 },
      { records: 5000, relativeSd: 0.02 },
      { records: 200_000, relativeSd: 0.02 },
    ]) {
      const words = sc.parallelize(
        Array.from({ length: records * 2 }, (_, i) => `word ${i % records}`),
        3,
      )
      const estimate = await words.countApproxDistinct(relativeSd)
      assert.ok(Math.abs(estimate - records) <= 4 * relativeSd * records, `${estimate} for ${records}`)
    }
    await assert.rejects(sc.parallelize([1]).countApproxDistinct(0), /accuracy \(0\) must be greater than 0.002/)
  })

  test('randomSplit puts every record into exactly one part', async () => {
    const parts = await Promise.all(numbers.randomSplit([1, 3], 5).map((part) => part.collect()))
    assert.deepEqual(
      parts.flat().sort((a, b) => a - b),
      await numbers.collect(),
    )
    const [small = []] = parts
    assert.ok(small.length > 400 && small.length < 600, String(small.length))
  })
})

describe('what Spark has beside', () => {
  test('pipe writes records to a process of each partition and takes its lines', async () => {
    const lines = sc.parallelize(['b', 'a', 'd', 'c'], 2)
    assert.deepEqual(await lines.pipe('sort').collect(), ['a', 'b', 'c', 'd'])
    assert.deepEqual(await lines.pipe(['sh', '-c', 'read x; echo "$GREETING $x"'], { GREETING: 'hello' }).collect(), [
      'hello b',
      'hello d',
    ])
    assert.deepEqual(
      await sc
        .parallelize([['k', 1]], 1)
        .pipe('cat')
        .collect(),
      ['(k,1)'],
    )
    const long = sc.parallelize(
      Array.from({ length: 50_000 }, (_, i) => `line ${i}`),
      1,
    )
    assert.deepEqual(await long.pipe('head -n 2').collect(), ['line 0', 'line 1'])
    assert.equal(await long.pipe('cat').count(), 50_000)
    await assert.rejects(
      lines.pipe(['sh', '-c', 'echo no >&2; exit 3']).collect(),
      /Subprocess exited with status 3. Command ran: sh -c/,
    )
    await assert.rejects(
      lines.pipe('no-such-program-here').collect(),
      /cannot start the command of pipe: no-such-program-here/,
    )
    assert.throws(() => lines.pipe('  '), /pipe needs a command/)
  })

  test('a data set that is checkpointed is read from disk from then on, by its children too', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'rdd-checkpoint-'))
    t.after(() => rm(folder, { recursive: true }))
    const own = context()
    let calls = 0
    const counted = own.parallelize([1, 2, 3, 4], 2).map((x) => {
      calls++
      return { x, at: new Date(x) }
    })
    assert.throws(() => counted.checkpoint(), /Checkpoint directory has not been set in the SparkContext/)
    own.setCheckpointDir(folder)
    counted.checkpoint()
    assert.deepEqual([counted.isCheckpointed, counted.getCheckpointFile()], [false, undefined])
    // The action of a child saves its parent.
    const child = counted.map(({ x }) => x * 10)
    assert.deepEqual(await child.collect(), [10, 20, 30, 40])
    assert.equal(counted.isCheckpointed, true)
    const file = counted.getCheckpointFile() as string
    assert.deepEqual(await readdir(file), ['part-00000', 'part-00001'])
    const callsBefore = calls
    assert.deepEqual(
      (await counted.collect()).map(({ x, at }) => [x, at.getTime()]),
      [
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 4],
      ],
    )
    assert.equal(await child.count(), 4)
    assert.equal(calls, callsBefore, 'nothing is computed again')
    await writeFile(join(file, 'part-00001'), 'damaged')
    await assert.rejects(child.collect(), /part-00001 is damaged/)
  })

  test('localCheckpoint keeps the records in the process', async () => {
    let calls = 0
    const counted = sc
      .parallelize([1, 2], 2)
      .map(() => calls++)
      .localCheckpoint()
    await counted.count()
    await counted.count()
    assert.equal(calls, 2)
  })

  test('toDebugString tells what a data set is made from', () => {
    const words = sc.parallelize(['a'], 2).setName('words')
    const counts = words
      .map((word): [string, number] => [word, 1])
      .reduceByKey((a, b) => a + b, 3)
      .persist()
    assert.equal(
      counts.toDebugString().replaceAll(/\[\d+\]/g, '[n]'),
      '(3) Combine [n] [MEMORY_ONLY]\n(2)   Wrap [n]\n(2)     Items words [n]',
    )
  })

  test('treeReduce, treeAggregate and reduceByKeyLocally are the plain ones', async () => {
    const numbers = sc.parallelize([1, 2, 3], 2)
    const add = (a: number, b: number): number => a + b
    assert.equal(await numbers.treeReduce(add), 6)
    assert.equal(await numbers.treeAggregate(10)(add, add), await numbers.aggregate(10)(add, add))
    assert.deepEqual(
      await numbers.keyBy((n) => n % 2).reduceByKeyLocally(add),
      new Map([
        [1, 4],
        [0, 2],
      ]),
    )
  })

  test('a RangePartitioner parts keys in order, about evenly', async () => {
    const pairs = sc.parallelize(
      Array.from({ length: 1000 }, (_, i): [number, string] => [(i * 7919) % 1000, 'x']),
      4,
    )
    for (const ascending of [true, false]) {
      const partitioner = await RangePartitioner.of(4, pairs, ascending)
      assert.equal(partitioner.numPartitions, 4)
      const parts = await pairs.partitionBy(partitioner).keys().glom().collect()
      assert.ok(
        parts.every((part) => part.length > 100),
        String(parts.map((part) => part.length)),
      )
      const ranges = (ascending ? parts : parts.toReversed()).map((part) => [Math.min(...part), Math.max(...part)])
      for (let i = 1; i < 4; i++) assert.ok((ranges[i]?.[0] ?? 0) > (ranges[i - 1]?.[1] ?? 0), JSON.stringify(ranges))
    }
    assert.equal((await RangePartitioner.of(5, sc.parallelize<[string, number]>([], 1))).numPartitions, 1)
    const same = await RangePartitioner.of(
      3,
      sc.parallelize<[string, number]>(
        [
          ['a', 1],
          ['a', 2],
        ],
        1,
      ),
    )
    assert.ok(same.numPartitions <= 2)
    assert.throws(() => new RangePartitioner([3, 1]), /must rise/)
  })

  test('whole files, as text and as bytes, and records of one length are read', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'rdd-files-'))
    t.after(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'a'), 'größe\n')
    await writeFile(join(folder, 'b'), Buffer.from([1, 2, 3, 4]))
    assert.deepEqual(await (await sc.wholeTextFiles(join(folder, 'a'))).collect(), [[join(folder, 'a'), 'größe\n']])
    const bytes = await sc.binaryFiles(folder)
    assert.equal(bytes.getNumPartitions(), 2)
    assert.deepEqual(
      (await bytes.collect()).map(([path, content]) => [path, content.length]),
      [
        [join(folder, 'a'), 8],
        [join(folder, 'b'), 4],
      ],
    )
    const records = await sc.binaryRecords(join(folder, 'b'), 2)
    assert.deepEqual(
      (await records.collect()).map((record) => [...record]),
      [
        [1, 2],
        [3, 4],
      ],
    )
    await assert.rejects(
      (await sc.binaryRecords(join(folder, 'b'), 3)).collect(),
      /ends with 1 of the 3 bytes of a record/,
    )
    await assert.rejects(sc.wholeTextFiles(join(folder, 'none')), /Input path does not exist/)
    await assert.rejects(sc.binaryRecords(folder, 0), /recordLength must be a positive number/)
  })
})

describe('pairs', () => {
  const left = sc.parallelize<[string, number]>(
    [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ],
    2,
  )
  const right = sc.parallelize<[string, string]>(
    [
      ['a', 'x'],
      ['c', 'y'],
    ],
    2,
  )

  const cases: readonly { name: string; rdd: () => RDD<unknown>; expected: unknown[] }[] = [
    {
      name: 'reduceByKey',
      rdd: () => left.reduceByKey((a, b) => a + b),
      expected: [
        ['a', 4],
        ['b', 2],
      ],
    },
    {
      name: 'groupByKey',
      rdd: () => left.groupByKey(),
      expected: [
        ['a', [1, 3]],
        ['b', [2]],
      ],
    },
    {
      name: 'mapValues',
      rdd: () => left.mapValues((x) => x * 2),
      expected: [
        ['a', 2],
        ['a', 6],
        ['b', 4],
      ],
    },
    {
      name: 'flatMapValues',
      rdd: () => left.flatMapValues((x) => [x, -x]),
      expected: [
        ['a', 1],
        ['a', -1],
        ['b', 2],
        ['b', -2],
        ['a', 3],
        ['a', -3],
      ],
    },
    { name: 'keys', rdd: () => left.keys(), expected: ['a', 'a', 'b'] },
    { name: 'values', rdd: () => left.values(), expected: [1, 2, 3] },
    {
      name: 'join',
      rdd: () => left.join(right),
      expected: [
        ['a', [1, 'x']],
        ['a', [3, 'x']],
      ],
    },
    {
      name: 'leftOuterJoin',
      rdd: () => left.leftOuterJoin(right),
      expected: [
        ['a', [1, 'x']],
        ['a', [3, 'x']],
        ['b', [2, undefined]],
      ],
    },
    {
      name: 'rightOuterJoin',
      rdd: () => left.rightOuterJoin(right),
      expected: [
        ['a', [1, 'x']],
        ['a', [3, 'x']],
        ['c', [undefined, 'y']],
      ],
    },
    {
      name: 'fullOuterJoin',
      rdd: () => left.fullOuterJoin(right),
      expected: [
        ['a', [1, 'x']],
        ['a', [3, 'x']],
        ['b', [2, undefined]],
        ['c', [undefined, 'y']],
      ],
    },
    {
      name: 'cogroup',
      rdd: () => left.cogroup(right),
      expected: [
        ['a', [[1, 3], ['x']]],
        ['b', [[2], []]],
        ['c', [[], ['y']]],
      ],
    },
    { name: 'subtractByKey', rdd: () => left.subtractByKey(right), expected: [['b', 2]] },
    {
      name: 'foldByKey',
      rdd: () => left.foldByKey(10, 1)((a, b) => a + b),
      expected: [
        ['a', 24],
        ['b', 12],
      ],
    },
    {
      name: 'aggregateByKey',
      rdd: () =>
        left.aggregateByKey<string, number, number[]>([])(
          (all, x) => [...all, x],
          (a, b) => [...a, ...b],
        ),
      expected: [
        ['a', [1, 3]],
        ['b', [2]],
      ],
    },
  ]
  for (const { name, rdd, expected } of cases) {
    test(`${name} of pairs`, async () => assert.deepEqual(sorted(await rdd().collect()), sorted(expected)))
  }

  test('keys are equal by value, and 1 is not "1" (B70)', async () => {
    const keys: unknown[] = [
      ['a', 1],
      ['a', 1],
      ['a', '1'],
      1,
      '1',
      1,
      { x: 1, y: 2 },
      { y: 2, x: 1 },
      null,
      undefined,
      null,
    ]
    const counts = await sc.parallelize(keys, 3).countByValue()
    assert.deepEqual([...counts.values()].sort(), [1, 1, 1, 2, 2, 2, 2])
  })

  test('grouping by any key agrees with a comparison of the keys one by one', async () => {
    const key = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(key, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), async (keys, partitions) => {
        const grouped = await sc
          .parallelize(
            keys.map((k, i): [unknown, number] => [k, i]),
            partitions,
          )
          .groupByKey(partitions)
          .collect()
        for (const [k, positions] of grouped) {
          const same = keys.flatMap((other, i) => (JSON.stringify(other) === JSON.stringify(k) ? [i] : []))
          assert.deepEqual(
            [...positions].sort((a, b) => a - b),
            same,
          )
        }
        assert.equal(
          grouped.reduce((sum, [, positions]) => sum + positions.length, 0),
          keys.length,
        )
      }),
      { numRuns: 60 },
    )
  })

  for (const { key, partition } of [
    { key: 'hello', partition: 99162322 % 7 },
    { key: 42, partition: 0 },
    { key: -1, partition: 6 },
    { key: true, partition: 1231 % 7 },
    { key: null, partition: 0 },
    { key: 'polygenelubricants', partition: 5 },
  ]) {
    test(`key ${key} hashes as in Java into partition ${partition} of 7 (B73)`, () => {
      assert.equal(new HashPartitioner(7).getPartition(key), partition)
    })
  }

  test('combineByKey without map-side combine never calls mergeCombiners (B88)', async () => {
    const combined = left.combineByKey<string, number, number[]>(
      (x) => [x],
      (all, x) => [...all, x],
      () => assert.fail('mergeCombiners was called'),
      2,
      false,
    )
    assert.deepEqual(sorted(await combined.collect()), [
      ['a', [1, 3]],
      ['b', [2]],
    ])
  })

  test('a record that is no pair is named', async () => {
    const wrong = sc.parallelize(['plain']) as unknown as RDD<[string, number]>
    await assert.rejects(
      wrong.reduceByKey((a, b) => a + b).collect(),
      /reduceByKey needs \[key, value\] pairs, and got "plain"/,
    )
  })

  test('an asynchronous reduce function is refused', async () => {
    const wrong = left.reduceByKey((async (a: number) => a) as unknown as (a: number, b: number) => number, 1)
    await assert.rejects(wrong.collect(), /the function given to reduceByKey must not be asynchronous/)
  })
})

describe('actions', () => {
  test('take reads only as many partitions and records as it needs (B60)', async () => {
    const seen: number[] = []
    const watched = sc.parallelize([1, 2, 3, 4, 5, 6], 3).map((x) => {
      seen.push(x)
      return x
    })
    assert.deepEqual(await watched.take(3), [1, 2, 3])
    assert.deepEqual(seen, [1, 2, 3])
  })

  test('first and reduce of nothing reject with "empty collection"', async () => {
    await assert.rejects(sc.emptyRDD<number>().first(), /empty collection/)
    await assert.rejects(
      sc.emptyRDD<number>().reduce((a) => a),
      /empty collection/,
    )
    assert.equal(await sc.emptyRDD().isEmpty(), true)
  })

  const numbers = sc.parallelize([5, 3, 8, 1], 2)
  const results: readonly { name: string; run: () => Promise<unknown>; expected: unknown }[] = [
    { name: 'count', run: () => numbers.count(), expected: 4 },
    { name: 'reduce', run: () => numbers.reduce((a, b) => a + b), expected: 17 },
    { name: 'fold', run: () => numbers.fold(0)((a, b) => a + b), expected: 17 },
    {
      name: 'aggregate',
      run: () =>
        numbers.aggregate<string>('')(
          (s, x) => s + x,
          (a, b) => `${a}|${b}`,
        ),
      expected: '|53|81',
    },
    { name: 'top', run: () => numbers.top(2), expected: [8, 5] },
    { name: 'takeOrdered', run: () => numbers.takeOrdered(2), expected: [1, 3] },
    { name: 'max', run: () => numbers.max(), expected: 8 },
    { name: 'min', run: () => numbers.min(), expected: 1 },
    { name: 'sum', run: () => numbers.sum(), expected: 17 },
    { name: 'mean', run: () => numbers.mean(), expected: 4.25 },
    {
      name: 'stats',
      run: async () => String(await numbers.stats()),
      expected: `(count: 4, mean: 4.25, stdev: ${Math.sqrt(6.6875)}, max: 8, min: 1)`,
    },
    { name: 'variance', run: () => numbers.variance(), expected: 6.6875 },
    { name: 'stdev', run: () => numbers.stdev(), expected: Math.sqrt(6.6875) },
    {
      name: 'zipWithUniqueId',
      run: () => numbers.zipWithUniqueId().collect(),
      expected: [
        [5, 0],
        [3, 2],
        [8, 1],
        [1, 3],
      ],
    },
    {
      name: 'zipPartitions',
      run: () => numbers.zipPartitions(sc.parallelize(['a', 'b'], 2), (xs, ys) => [[...xs, ...ys].join('')]).collect(),
      expected: ['53a', '81b'],
    },
    { name: 'lookup', run: () => numbers.keyBy((x) => x % 2).lookup(1), expected: [5, 3, 1] },
    {
      name: 'collectAsMap',
      run: () => numbers.keyBy((x) => x % 2).collectAsMap(),
      expected: new Map([
        [1, 1],
        [0, 8],
      ]),
    },
    {
      name: 'countByKey',
      run: () => numbers.keyBy((x) => x % 2).countByKey(),
      expected: new Map([
        [1, 3],
        [0, 1],
      ]),
    },
    {
      name: 'toLocalIterator',
      run: async () => {
        const all: number[] = []
        for await (const x of numbers.toLocalIterator()) all.push(x)
        return all
      },
      expected: [5, 3, 8, 1],
    },
  ]
  for (const { name, run, expected } of results) {
    test(`${name} answers ${JSON.stringify(expected)}`, async () => assert.deepEqual(await run(), expected))
  }

  test('what a function over the records throws is the cause of the SparkException (B54)', async () => {
    const boom = new RangeError('too large')
    const failing = sc.parallelize([1]).map(() => {
      throw boom
    })
    await assert.rejects(failing.collect(), (error: unknown) => {
      assert.ok(error instanceof SparkException)
      assert.match(error.message, /Job aborted due to stage failure.*too large/)
      assert.equal(error.cause, boom)
      return true
    })
  })

  test('saveAsTextFile writes a file per partition and _SUCCESS, and refuses a folder that exists', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'rdd-save-'))
    t.after(() => rm(folder, { recursive: true }))
    const target = join(folder, 'out')
    await sc
      .parallelize(
        [
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ],
        2,
      )
      .saveAsTextFile(target)
    assert.deepEqual((await readdir(target)).sort(), ['_SUCCESS', 'part-00000', 'part-00001'])
    assert.equal(await readFile(join(target, 'part-00001'), 'utf8'), '(b,2)\n(c,3)\n')
    await assert.rejects(sc.parallelize([1]).saveAsTextFile(target), /already exists/)
    await sc.parallelize([1], 1).saveAsTextFile(join(folder, 'zip'), 'gzip')
    assert.deepEqual(await (await sc.textFile(join(folder, 'zip'))).collect(), ['1'])
  })
})
