import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Seconds, SparkConf, SparkException, StreamingContext } from '../../../src/stream/api.ts'
import { withSurroundings } from '../../../src/stream/launch.ts'
import { launchJob } from '../../support/job-threads.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { Point, seen, shared } from '../../support/threaded-job.ts'

const file = new URL('../../support/threaded-job.js', import.meta.url)

interface Result {
  /** What each batch put out. */
  readonly seen: readonly unknown[]
  readonly warnings: readonly string[]
  readonly failure: Error | undefined
}

/** Without those about the two variables by which the jobs tell where they run. */
function warningsOf(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith('warn') && !/uses `(isMainThread|threadId)`/.test(line))
}

/** Runs one job for some batches, the first of which has records. */
async function run(
  t: Parameters<typeof tempDir>[0],
  name: string,
  options: { master?: string; settings?: Readonly<Record<string, string>>; batches?: number; folder?: string } = {},
): Promise<Result> {
  const { master = 'local[2]', settings = {}, batches = 1, folder = await tempDir(t) } = options
  return launchJob({ file, args: [name, folder], master, settings }, async ({ ssc, time, logger }) => {
    let failure: Error | undefined
    ssc.awaitTermination().catch((error) => {
      failure = error
    })
    await ssc.start()
    for (let batch = 0; batch < batches; batch++) await time.advance(Seconds(1))
    return { seen: [...seen], warnings: warningsOf(logger.lines), failure }
  })
}

describe('where functions run', () => {
  test('local runs them in the thread of the job, local[n] and local[*] on worker threads', async (t) => {
    for (const [master, isMain] of [
      ['local', true],
      ['local[1]', false],
      ['local[2]', false],
      ['local[*]', false],
      ['local[2,3]', false],
    ] as const) {
      const { seen, warnings } = await run(t, 'where', { master })
      const [records] = seen as [boolean, number][][]
      assert.deepEqual(
        records?.map(([main]) => main),
        [isMain, isMain, isMain, isMain],
        master,
      )
      assert.deepEqual(warnings, [])
    }
  })

  test('two partitions run at a time, on two threads, each of which has loaded the module', async (t) => {
    const folder = await tempDir(t)
    const { seen } = await run(t, 'two that meet', { folder })
    const [one, two] = seen[0] as [number, number]
    assert.notEqual(one, two)
    assert.equal(await readFile(join(folder, 'loads'), 'utf8'), 'xxx')
  })

  test('what foreachRDD makes runs in the thread of the job, over records that came from the others', async (t) => {
    const { seen } = await run(t, 'made while it runs')
    assert.deepEqual(seen, [
      [
        [false, true],
        [false, true],
      ],
    ])
  })

  test('what transform makes runs in the thread of the job', async (t) => {
    assert.deepEqual((await run(t, 'in transform')).seen, [[true, true]])
  })

  test('a context that submit did not load says that it has no threads', async () => {
    const logger = new RecordingLogger()
    await withSurroundings({ logger }, async () => {
      const ssc = new StreamingContext(new SparkConf(false).setAppName('x').setMaster('local[2]'), Seconds(1))
      ssc.queueStream([]).foreachRDD(() => undefined)
      await ssc.start()
      await ssc.stop()
    })
    assert.ok(logger.lines.some((line) => line.includes('without worker threads, in this one')))
  })
})

describe('records on their way', () => {
  test('a large shuffle is merged on worker threads, and what follows it runs there', async (t) => {
    const { seen } = await run(t, 'a large shuffle')
    const records = seen[0] as [string, boolean, boolean][]
    assert.equal(records.length, 30_000)
    assert.equal(new Set(records.map(([key]) => key)).size, 30_000)
    assert.ok(records.every(([, mergedElsewhere, isMain]) => mergedElsewhere && !isMain))
  })

  test('a stream that is kept for a window is computed once, elsewhere, and read there again', async (t) => {
    const { seen, failure } = await run(t, 'a kept stream', { batches: 2 })
    assert.equal(failure, undefined)
    const [first, second] = seen as [number, number, boolean][][]
    assert.deepEqual(
      first?.map(([n, , isMain]) => [n, isMain]),
      [1, 2, 3, 4].map((n) => [n, false]),
    )
    // The thread that a record names is the one that made it: the second window made none anew.
    assert.deepEqual(second, first)
  })

  test('ranges of a Kafka topic are read by the threads that work on them', async (t) => {
    const { seen, failure, warnings } = await run(t, 'kafka')
    assert.equal(failure, undefined)
    assert.deepEqual(warnings, [])
    assert.deepEqual(seen, [
      [
        [0, 0, 'a', false],
        [0, 1, 'b', false],
        [1, 0, 'c', false],
      ],
    ])
  })

  test('objects of a class may pass between functions of a thread', async (t) => {
    const { seen, warnings } = await run(t, 'objects of a class on the way')
    assert.deepEqual(seen, [
      [
        [2, false],
        [4, false],
      ],
    ])
    assert.deepEqual(warnings, [])
  })

  test('objects of a class that would leave their thread are made in the thread of the job instead, with a warning', async (t) => {
    const { seen, warnings } = await run(t, 'objects of a class')
    assert.deepEqual(seen, [[new Point(2), new Point(4)]])
    assert.match(
      warnings.join(),
      /collect of map at threaded-job\.ts:\d+ runs in the thread of the job: its records hold an object of class Point/,
    )
  })

  test('maps, sets and dates come back as they were', async (t) => {
    assert.deepEqual((await run(t, 'shared memory and errors')).seen, [[new Map([['a', new Set([new Date(5)])]])]])
  })
})

describe('what tasks share with the job', () => {
  test('accumulators have what tasks added, each once, and nothing from a try that failed', async (t) => {
    const { failure } = await run(t, 'accumulators', { master: 'local[2,2]' })
    assert.equal(failure, undefined)
    assert.equal(shared.lines?.(), 4)
    assert.equal(shared.sum?.(), 5)
    assert.deepEqual(shared.words?.().sort(), ['n1', 'n2', 'n3', 'n4'])
    assert.equal(shared.longest?.(), 'three')
  })

  test('a broadcast value is the one of the thread of the job', async (t) => {
    const { seen } = await run(t, 'broadcast')
    assert.deepEqual(seen, [
      [
        [false, shared.token],
        [false, shared.token],
      ],
    ])
  })
})

test('variables that threads do not share are told: those the job changes, and those that differ from load to load', async (t) => {
  const { warnings } = await run(t, 'changed variables', { batches: 4 })
  assert.equal(warnings.length, 4, warnings.join('\n'))
  for (const name of ['late', 'none']) {
    assert.ok(
      warnings.some((line) => line.includes(`map [3] uses \`${name}\`, which the job has changed since the start`)),
      warnings.join('\n'),
    )
  }
  assert.ok(warnings.some((line) => /map \[1\] uses `limit`, which the job has changed since the start/.test(line)))
  assert.ok(warnings.some((line) => /map \[2\] uses `born`, which is not the same in every thread/.test(line)))
})

describe('failures', () => {
  test('an error keeps its class, its message, its cause and the line of the job', async (t) => {
    const { failure } = await run(t, 'fails')
    assert.ok(failure instanceof SparkException)
    assert.match(failure.message, /Job aborted due to stage failure: task of partition 1 failed: two is too much/)
    const { cause } = failure
    assert.ok(cause instanceof RangeError)
    assert.match(cause.stack ?? '', /threaded-job\.(ts|js):\d+:\d+/)
    assert.ok(cause.cause instanceof TypeError)
  })

  test('so does one of a shuffle, and one about records that are no pairs', async (t) => {
    assert.match((await run(t, 'fails in a shuffle')).failure?.message ?? '', /no sum/)
    // Both partitions fail, each in its own thread, and the first to do so is the one that is told.
    assert.match(
      (await run(t, 'no pairs')).failure?.message ?? '',
      /reduceByKey needs \[key, value\] pairs, and got [12]$/,
    )
  })

  test('B56: local[n] runs a task once, local[n,f] and spark.task.maxFailures f times', async (t) => {
    assert.match((await run(t, 'accumulators')).failure?.message ?? '', /failed: once/)
    assert.equal((await run(t, 'accumulators', { master: 'local[2,2]' })).failure, undefined)
    const settings = { 'spark.task.maxFailures': '2' }
    assert.equal((await run(t, 'accumulators', { settings })).failure, undefined)
    assert.match(
      (await run(t, 'fails', { master: 'local[2,3]' })).failure?.message ?? '',
      /failed 3 times, most recently: two is too much/,
    )
  })

  test('one in a stream that is kept is told once, to whoever reads it', async (t) => {
    // Both partitions fail, each in its own thread, and the first to do so is the one that is told.
    assert.match((await run(t, 'a kept stream that fails')).failure?.message ?? '', /failed: kept [12]$/)
  })

  test('a job that is stopped at once while a task runs ends without an error', async (t) => {
    const folder = await tempDir(t)
    await launchJob({ file, args: ['never ends', folder], master: 'local[2]' }, async ({ ssc, time, logger }) => {
      await ssc.start()
      const ended = ssc.awaitTermination()
      await time.clock.advance(1000)
      await time.stopNow()
      await ended
      assert.deepEqual(
        logger.lines.filter((line) => line.startsWith('error')),
        [],
      )
    })
  })

  test('a thread that ends is replaced and its task runs again', async (t) => {
    const { seen, warnings, failure } = await run(t, 'ends its thread once')
    assert.equal(failure, undefined)
    assert.deepEqual(seen, [[10, 20, 30, 40]])
    assert.match(warnings.join(), /a worker thread of the job died and is replaced: it ended with 7/)
  })

  test('a thread that runs out of memory is replaced and its task runs again', async (t) => {
    const { seen, warnings, failure } = await run(t, 'eats memory once', {
      settings: { 'spark.executor.memory': '48m' },
    })
    assert.equal(failure, undefined)
    assert.deepEqual(seen, [[1, 2]])
    assert.match(warnings.join(), /died and is replaced: .*memory/)
  })

  test('a task under which four threads die fails the job', async (t) => {
    const { failure } = await run(t, 'ends every thread')
    assert.match(failure?.message ?? '', /4 worker threads died while they ran it/)
  })

  test('a job that makes another graph in a worker thread, or other functions, runs in its own', async (t) => {
    for (const name of ['another graph', 'another function']) {
      const { seen, warnings, failure } = await run(t, name)
      assert.equal(failure, undefined)
      assert.deepEqual(seen, [[true, true]], name)
      assert.match(warnings.join(), /makes another graph in a worker thread.*everything runs in the thread of the job/)
    }
  })

  test('a job that cannot be loaded in a worker thread runs in its own', async (t) => {
    const { seen, warnings } = await run(t, 'cannot be loaded twice')
    assert.deepEqual(seen, [[true, true]])
    assert.match(warnings.join(), /cannot be loaded in a worker thread: it is a singleton; everything runs/)
  })
})
