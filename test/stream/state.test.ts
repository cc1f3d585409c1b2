import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  InputDStream,
  Milliseconds,
  type RDD,
  Seconds,
  type State,
  StateSpec,
  type StreamingContext,
  type Time,
} from '../../src/stream/api.ts'
import type { DStream } from '../../src/stream/dstream.ts'
import { fc } from '../support/properties.ts'
import { StreamBench, type StreamBenchOptions } from '../support/stream-bench.ts'

const folder = await mkdtemp(join(tmpdir(), 'state-'))
after(() => rm(folder, { recursive: true, force: true }))
let count = 0

/** A bench with a checkpoint directory of its own. */
function stateful(options: StreamBenchOptions = {}): StreamBench {
  const bench = new StreamBench(options)
  bench.ssc.checkpoint(join(folder, String(count++)))
  return bench
}

/** An input that has no data set in some batches. */
class Gaps<T> extends InputDStream<T> {
  readonly #ssc: StreamingContext
  readonly #batches: readonly (T[] | null)[]

  constructor(ssc: StreamingContext, batches: readonly (T[] | null)[]) {
    super(ssc)
    this.#ssc = ssc
    this.#batches = batches
  }

  compute(time: Time): RDD<T> | undefined {
    const items = this.#batches[time.milliseconds / 1000 - 1]
    return items ? this.#ssc.sparkContext.parallelize(items) : undefined
  }
}

const sorted = <T>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** What a stream shows in each of `batches` batches, sorted within the batch. */
async function shown<T>(bench: StreamBench, stream: DStream<T>, batches: number): Promise<T[][]> {
  const seen = bench.watch(stream)
  void bench.ssc.start()
  await bench.batches(batches)
  return seen.map(({ items }) => sorted(items))
}

const sum = (values: number[], state: number | undefined): number => values.reduce((a, b) => a + b, state ?? 0)
const add = (a: number, b: number): number => a + b
const less = (a: number, b: number): number => a - b
const pairs = (bench: StreamBench, ...batches: string[][]): DStream<[string, number]> =>
  bench.queue(...batches).map((word) => [word, 1])

describe('updateStateByKey', () => {
  test('calls the function for every key in every batch, and drops a key for which it answers nothing (B75)', async () => {
    await using bench = stateful({ master: 'local[1]' })
    const calls: string[] = []
    const stream = pairs(bench, ['a', 'a', 'b'], ['b'], []).updateStateByKey<string, number, number>(
      (values, state) => {
        calls.push(`${values}/${state}`)
        return values.length === 0 ? undefined : sum(values, state)
      },
    )
    assert.deepEqual(await shown(bench, stream, 4), [
      [
        ['a', 2],
        ['b', 1],
      ],
      [['b', 2]],
      [],
      [],
    ])
    assert.deepEqual(calls, ['1,1/undefined', '1/undefined', '/2', '1/1', '/2'])
  })

  test('a key removed and seen again starts afresh', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a'], [], ['a'], ['a']).updateStateByKey<string, number, number>((values, state) =>
      values.length === 0 ? undefined : sum(values, state),
    )
    assert.deepEqual(await shown(bench, stream, 4), [[['a', 1]], [], [['a', 1]], [['a', 2]]])
  })

  test('initial state is the state before the first batch, and is shown without data (B76)', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a'], ['c']).updateStateByKey(sum, 3, [
      ['a', 10],
      ['b', 20],
    ])
    assert.deepEqual(await shown(bench, stream, 2), [
      [
        ['a', 11],
        ['b', 20],
      ],
      [
        ['a', 11],
        ['b', 20],
        ['c', 1],
      ],
    ])
  })

  test('old keys are updated in a batch whose parent has none, and there is nothing before the first (B10, B77)', async () => {
    await using bench = stateful()
    const { ssc, sc } = bench
    const gaps = new Gaps<[string, number]>(ssc, [null, [['a', 1]], null, [['a', 1]]])
    const seen = bench.watch(
      gaps.updateStateByKey<string, number, number>((values, state) => (state ?? 0) * 10 + values.length),
    )
    assert.ok(sc)
    void ssc.start()
    await bench.batches(4)
    assert.deepEqual(
      seen.map(({ timeMs, items }) => [timeMs, items]),
      [
        [2000, [['a', 1]]],
        [3000, [['a', 10]]],
        [4000, [['a', 101]]],
      ],
    )
  })

  test('the iterator form sees a whole partition, and may change keys only without the partitioner (B78)', async () => {
    for (const rememberPartitioner of [true, false]) {
      await using bench = stateful()
      const failures: string[] = []
      const stream = pairs(bench, ['a', 'b'], []).updateStateByKeyIter<string, number, number>(
        function* (rows) {
          for (const [key, values, state] of rows) yield [`${key}'`.slice(0, 2), sum(values, state)]
        },
        { rememberPartitioner, partitioner: 2 },
      )
      const seen = bench.watch(stream)
      bench.ssc.awaitTermination().catch((error: Error) => failures.push(error.message))
      void bench.ssc.start()
      await bench.batches(2)
      if (rememberPartitioner) assert.match(failures[0] ?? '', /belongs to another partition/)
      else {
        assert.deepEqual(
          seen.map(({ items }) => sorted(items)),
          [
            [
              ["a'", 1],
              ["b'", 1],
            ],
            [
              ["a'", 1],
              ["b'", 1],
            ],
          ],
        )
      }
    }
  })

  test('the form with time gets batch time and key; values keep their order (B79)', async () => {
    await using bench = stateful()
    const stream = bench
      .queue<[string, number]>(
        [
          ['a', 3],
          ['a', 1],
          ['a', 2],
        ],
        [],
      )
      .updateStateByKeyWithTime<string, number, string>(
        (time, key, values, state) => `${state ?? ''}${time.milliseconds}${key}${values};`,
      )
    assert.deepEqual(await shown(bench, stream, 2), [[['a', '1000a3,1,2;']], [['a', '1000a3,1,2;2000a;']]])
  })

  test('keys are equal by value (B70)', async () => {
    await using bench = stateful()
    const stream = bench.queue<[[string, number], number]>([[['x', 1], 1]], [[['x', 1], 1]]).updateStateByKey(sum)
    assert.deepEqual(await shown(bench, stream, 2), [[[['x', 1], 1]], [[['x', 1], 2]]])
  })

  test('a window over the state shows it as it was after each batch', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a'], ['a'], ['a', 'b'], ['b']).updateStateByKey(sum).window(Seconds(2), Seconds(2))
    assert.deepEqual(await shown(bench, stream, 4), [
      [
        ['a', 1],
        ['a', 2],
      ],
      [
        ['a', 3],
        ['a', 3],
        ['b', 1],
        ['b', 2],
      ],
    ])
  })

  test('state goes on in batches that nobody reads', async () => {
    await using bench = stateful()
    const counts = pairs(bench, ['a'], ['a'], ['a']).updateStateByKey(sum)
    const seen: unknown[] = []
    counts.foreachRDD(async (rdd, time) => {
      if (time.milliseconds === 3000) seen.push(await rdd.collect())
    })
    void bench.ssc.start()
    await bench.batches(3)
    assert.deepEqual(seen, [[['a', 3]]])
  })

  test('a function that throws leaves the state as it was, and the batch after runs it again', async () => {
    await using bench = stateful()
    let fails = true
    const stream = pairs(bench, ['a', 'b'], ['a'], ['b']).updateStateByKey<string, number, number>((values, state) => {
      if (fails && state === 1 && values.length === 0) throw new Error('no')
      return sum(values, state)
    })
    const seen = bench.watch(stream)
    bench.ssc.awaitTermination().catch(() => undefined)
    void bench.ssc.start()
    await bench.batches(2)
    assert.deepEqual(seen.length, 1)
    fails = false
    await bench.batches(1)
    assert.deepEqual(sorted(seen.at(-1)?.items ?? []), [
      ['a', 2],
      ['b', 2],
    ])
  })

  test('an asynchronous function is refused by name', async () => {
    await using bench = stateful()
    // @ts-expect-error an asynchronous update answers a promise, which is no state
    const stream: DStream<[string, number]> = pairs(bench, ['a']).updateStateByKey(async () => 1)
    bench.watch(stream)
    void bench.ssc.start()
    await bench.batches(1)
    await assert.rejects(
      bench.ssc.awaitTermination(),
      /the function given to updateStateByKey must not be asynchronous/,
    )
  })
})

describe('mapWithState', () => {
  const running = StateSpec.function((key: string, value: number | undefined, state: State<number>) => {
    const total = (state.getOption() ?? 0) + (value ?? 0)
    state.update(total)
    return `${key}${total}`
  })

  test('calls once per record, which see each other, and only for keys with data; snapshots show all (B80)', async () => {
    await using bench = stateful({ master: 'local[1]' })
    const mapped = pairs(bench, ['a', 'b', 'a'], [], ['a']).mapWithState(running)
    const snapshots = bench.watch(mapped.stateSnapshots())
    const seen = bench.watch(mapped)
    void bench.ssc.start()
    await bench.batches(3)
    assert.deepEqual(
      seen.map(({ items }) => items),
      [['a1', 'b1', 'a2'], [], ['a3']],
    )
    assert.deepEqual(
      snapshots.map(({ items }) => sorted(items)),
      [
        [
          ['a', 2],
          ['b', 1],
        ],
        [
          ['a', 2],
          ['b', 1],
        ],
        [
          ['a', 3],
          ['b', 1],
        ],
      ],
    )
  })

  test('the simple form emits undefined too, the form with time only what is defined (B80)', async () => {
    await using bench = stateful()
    const input = pairs(bench, ['a', 'b'])
    const all = bench.watch(
      input.mapWithState(StateSpec.function((_key: string, _value: number | undefined) => undefined)),
    )
    const some = bench.watch(
      input.mapWithState(
        StateSpec.functionWithTime((time: Time, key: string) => (key === 'a' ? time.milliseconds : undefined)),
      ),
    )
    void bench.ssc.start()
    await bench.batches(1)
    assert.deepEqual([all[0]?.items, some[0]?.items], [[undefined, undefined], [1000]])
  })

  for (const { name, act, message } of [
    { name: 'get without state', act: (s: State<number>) => s.get(), message: /State is not set/ },
    {
      name: 'update after remove',
      act: (s: State<number>) => {
        s.update(1)
        s.remove()
        assert.equal(s.exists(), false)
        s.update(2)
      },
      message: /Cannot update the state after it has been removed/,
    },
    {
      name: 'remove twice',
      act: (s: State<number>) => {
        s.update(1)
        s.remove()
        s.remove()
      },
      message: /has already been removed/,
    },
  ]) {
    test(`${name} is refused (B81)`, async () => {
      await using bench = stateful()
      bench.watch(
        pairs(bench, ['a']).mapWithState(
          StateSpec.function((_k: string, _v: number | undefined, s: State<number>) => act(s)),
        ),
      )
      void bench.ssc.start()
      await bench.batches(1)
      await assert.rejects(bench.ssc.awaitTermination(), message)
    })
  }

  test('an idle key gets one last call in the first batch after its timeout, and is gone (B81, B83)', async () => {
    await using bench = stateful()
    const changes: string[] = []
    const spec = StateSpec.functionWithTime(
      (time: Time, key: string, value: number | undefined, state: State<number>) => {
        if (state.isTimingOut()) {
          assert.equal(value, undefined)
          assert.throws(() => state.update(1), /Cannot update the state that is timing out/)
          assert.throws(() => state.remove(), /Cannot remove the state that is timing out/)
          return `${key} out with ${state.get()}`
        }
        // Looking keeps a key alive as well as updating does (B82).
        if (!state.exists()) state.update(time.milliseconds)
        return undefined
      },
    ).timeout(Seconds(2))
    const mapped = pairs(bench, ['a', 'b'], ['b'], ['b'], [], [], []).mapWithState(spec)
    mapped.foreachRDD(async (rdd, time) => {
      for (const item of await rdd.collect()) changes.push(`${time.milliseconds} ${item}`)
    })
    const snapshots = bench.watch(mapped.stateSnapshots())
    void bench.ssc.start()
    await bench.batches(7)
    // Idle means touched before t - 2000: a at 4000 (touched 1000), b at 6000 (touched 3000).
    assert.deepEqual(changes, ['4000 a out with 1000', '6000 b out with 1000'])
    assert.deepEqual(
      snapshots.map(({ items }) => items.length),
      [2, 2, 2, 1, 1, 0, 0],
    )
  })

  test('a record in the batch of the timeout saves its key (B83)', async () => {
    await using bench = stateful()
    const mapped = pairs(bench, ['a'], [], [], ['a'], []).mapWithState(running.timeout(Seconds(2)))
    assert.deepEqual(await shown(bench, mapped, 5), [['a1'], [], [], ['a2'], []])
  })

  test('initial state counts as touched at the first batch (B84)', async () => {
    await using bench = stateful()
    const spec = StateSpec.function((key: string, value: number | undefined, state: State<number>) => {
      if (!state.isTimingOut()) state.update((state.getOption() ?? 0) + (value ?? 0))
      return `${key}${state.get()}`
    })
      .initialState([['x', 5]])
      .timeout(Seconds(1))
      .numPartitions(2)
    const mapped = pairs(bench, ['a'], ['a'], ['a'], []).mapWithState(spec)
    assert.deepEqual(await shown(bench, mapped, 3), [['a1'], ['a2'], ['a3', 'x5']])
  })

  test('a window over snapshots shows each as it was', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a'], ['a'], ['a'], ['a'])
      .mapWithState(running)
      .stateSnapshots()
      .window(Seconds(2), Seconds(2))
    assert.deepEqual(await shown(bench, stream, 4), [
      [
        ['a', 1],
        ['a', 2],
      ],
      [
        ['a', 3],
        ['a', 4],
      ],
    ])
  })
})

describe('windows with an inverse', () => {
  test('add what enters and take away what leaves; without a filter a key stays with what is left (B19, B20)', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a', 'b'], ['a'], [], [], []).reduceByKeyAndWindow(add, less, Seconds(2), Seconds(1))
    assert.deepEqual(await shown(bench, stream, 4), [
      [
        ['a', 1],
        ['b', 1],
      ],
      [
        ['a', 2],
        ['b', 1],
      ],
      [
        ['a', 1],
        ['b', 0],
      ],
      [
        ['a', 0],
        ['b', 0],
      ],
    ])
  })

  test('a filter drops pairs from the result and from what is remembered (B20)', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a', 'b'], ['a'], [], ['b']).reduceByKeyAndWindow(
      add,
      less,
      Seconds(2),
      Seconds(1),
      2,
      ([, n]) => n > 0,
    )
    assert.deepEqual(await shown(bench, stream, 5), [
      [
        ['a', 1],
        ['b', 1],
      ],
      [
        ['a', 2],
        ['b', 1],
      ],
      [['a', 1]],
      [['b', 1]],
      [['b', 1]],
    ])
  })

  test('counts and inverse reduces say nothing until the first record was seen, then a value for every window (B21)', async () => {
    await using bench = stateful()
    const input = bench.queue<number>([], [4, 5], [], [], [])
    const counts = bench.watch(input.countByWindow(Seconds(2), Seconds(1)))
    const sums = bench.watch(input.reduceByWindow(add, less, Seconds(2), Seconds(1)))
    void bench.ssc.start()
    await bench.batches(5)
    assert.deepEqual(
      counts.map(({ items }) => items),
      [[], [2], [2], [0], [0]],
    )
    assert.deepEqual(
      sums.map(({ items }) => items),
      [[], [9], [9], [0], [0]],
    )
  })

  test('with gaps between the windows each is reduced anew: skipped batches do not count (B22)', async () => {
    await using bench = stateful()
    const input = new Gaps<[string, number]>(bench.ssc, [[['a', 1]], [['b', 1]], [['c', 1]], [['d', 1]]])
    const stream = input.reduceByKeyAndWindow(add, less, Seconds(1), Seconds(2))
    assert.deepEqual(await shown(bench, stream, 4), [[['b', 1]], [['d', 1]]])
  })

  test('a key among what leaves that the window does not have fails the batch (B23)', async () => {
    await using bench = stateful()
    bench.watch(pairs(bench, ['a'], [], []).reduceByKeyAndWindow(add, less, Seconds(1), Seconds(1), 1, () => false))
    void bench.ssc.start()
    await bench.batches(2)
    await assert.rejects(bench.ssc.awaitTermination(), /Neither previous window has value for key/)
  })

  test('are, for sums, what reducing each window anew gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        async (data, w, s) => {
          await using bench = stateful()
          const input = pairs(bench, ...data)
          const positive = ([, n]: [string, number]): boolean => n !== 0
          const fast = bench.watch(input.reduceByKeyAndWindow(add, less, Seconds(w), Seconds(s), 2, positive))
          const plain = bench.watch(input.reduceByKeyAndWindow(add, Seconds(w), Seconds(s)))
          const values = bench.watch(
            input.map(([word]) => word).countByValueAndWindow(Seconds(w), Seconds(s)) as DStream<[string, number]>,
          )
          void bench.ssc.start()
          await bench.batches(data.length + w + 1)
          const show = (seen: readonly { timeMs: number; items: [string, number][] }[]): unknown =>
            seen.map(({ timeMs, items }) => [timeMs, sorted(items)])
          assert.deepEqual(show(fast), show(plain))
          assert.deepEqual(show(values), show(plain))
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('the checkpoint directory', () => {
  for (const { name, build } of [
    { name: 'updateStateByKey', build: (s: DStream<[string, number]>): DStream<unknown> => s.updateStateByKey(sum) },
    {
      name: 'mapWithState',
      build: (s: DStream<[string, number]>): DStream<unknown> =>
        s.mapWithState(StateSpec.function((key: string) => key)),
    },
    {
      name: 'reduceByKeyAndWindow with an inverse',
      build: (s: DStream<[string, number]>): DStream<unknown> => s.reduceByKeyAndWindow(add, less, Seconds(2)),
    },
  ]) {
    test(`is asked for by ${name} (B24, B35)`, async () => {
      await using bench = new StreamBench()
      build(pairs(bench, ['a'])).print()
      assert.throws(
        () => bench.ssc.start(),
        /The checkpoint directory has not been set. Please set it by StreamingContext.checkpoint\(\)/,
      )
      assert.equal(bench.ssc.getState(), 'STOPPED')
    })
  }

  for (const { interval, message } of [
    { interval: Milliseconds(500), message: /lower than its slide time/ },
    { interval: Milliseconds(1500), message: /not a multiple of its slide time/ },
  ]) {
    test(`an interval of ${interval} is refused at the start (B36)`, async () => {
      await using bench = stateful()
      pairs(bench, ['a']).updateStateByKey(sum).checkpoint(interval).print()
      assert.throws(() => bench.ssc.start(), message)
    })
  }

  test('the interval cannot be changed once the context runs (B37)', async () => {
    await using bench = stateful()
    const stream = pairs(bench, ['a']).updateStateByKey(sum)
    stream.print()
    void bench.ssc.start()
    assert.throws(() => stream.checkpoint(Seconds(2)), /Cannot change checkpoint interval of/)
  })

  test('on a file system that nobody knows is refused', async () => {
    await using bench = new StreamBench()
    assert.throws(() => bench.ssc.checkpoint('s3://bucket/x'), { code: 'UNSUPPORTED' })
  })
})
