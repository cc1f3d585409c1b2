import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type DStream, Milliseconds, type RDD, Seconds, SparkConf, StreamingContext } from '../../src/stream/api.ts'
import { runBatches, withManualClock } from '../../src/testing/api.ts'

const folder = await mkdtemp(join(tmpdir(), 'kit-'))
after(() => rm(folder, { recursive: true, force: true }))

test('runBatches gives each batch with its time, on a clock that starts at 0', async () => {
  const results = await runBatches(
    { batchDuration: Seconds(2), inputs: [[['a', 'b'], [], ['c']]], numPartitions: 1 },
    (_, words) => words.map((word) => word.toUpperCase()),
  )
  assert.deepEqual(results, [
    { time: 2000, items: ['A', 'B'] },
    { time: 4000, items: [] },
    { time: 6000, items: ['C'] },
  ])
})

test('null is a batch without data set; after the last batch there is nothing, for as many batches as asked', async () => {
  const results = await runBatches(
    { batchDuration: Seconds(1), inputs: [[['a'], null]], batches: 4 },
    (_, words) => words,
  )
  assert.deepEqual(results, [
    { time: 1000, items: ['a'] },
    { time: 3000, items: [] },
    { time: 4000, items: [] },
  ])
})

test('streams keep their own types, and records are spread over the partitions', async () => {
  const inputs: [string[][], number[][]] = [[['a', 'b']], [[1, 2, 3]]]
  const results = await runBatches({ batchDuration: Seconds(1), inputs, numPartitions: 3 }, (_, words, numbers) => {
    const lengths: DStream<number> = words.map((word) => word.length)
    // @ts-expect-error numbers have no length
    numbers.map((n) => n.length)
    return lengths.union(numbers).transform((rdd: RDD<number>) => rdd.glom())
  })
  assert.deepEqual(results, [{ time: 1000, items: [[], [1], [1], [1], [2], [3]] }])
})

test('a job with state needs a checkpointDir, and takes settings', async () => {
  const job = { batchDuration: Seconds(1), inputs: [[['a'], ['a', 'b'], []]] as string[][][], numPartitions: 1 }
  const count = (_: StreamingContext, words: DStream<string>): DStream<[string, number]> =>
    words
      .map((word) => [word, 1])
      .updateStateByKey<string, number, number>((values, state) => (state ?? 0) + values.length)
  await assert.rejects(runBatches(job, count), /The checkpoint directory has not been set/)
  const results = await runBatches({ ...job, checkpointDir: join(folder, 'state') }, count)
  assert.deepEqual(
    results.map(({ items }) => items),
    [
      [['a', 1]],
      [
        ['a', 2],
        ['b', 1],
      ],
      [
        ['a', 2],
        ['b', 1],
      ],
    ],
  )
  const named = await runBatches(
    { batchDuration: Seconds(1), inputs: [[['x']]], conf: { 'spark.app.name': 'mine' } },
    (ssc, words) => words.map(() => ssc.sparkContext.appName),
  )
  assert.deepEqual(named[0]?.items, ['mine'])
})

test('an error in a batch rejects', async () => {
  const failing = runBatches({ batchDuration: Milliseconds(100), inputs: [[['a']]] }, (_, words) =>
    words.map((word): number => {
      throw new Error(`no ${word}`)
    }),
  )
  await assert.rejects(failing, /no a/)
  assert.equal(StreamingContext.getActive(), undefined)
})

test('withManualClock drives a job that makes its own context, through a restart', async () => {
  const directory = join(folder, 'job')
  const seen: string[] = []
  // The job, as it is written for stream-ts submit.
  const make = (): StreamingContext => {
    const ssc = new StreamingContext(new SparkConf(false).setAppName('job').setMaster('local[1]'), Seconds(1))
    ssc.checkpoint(directory)
    ssc
      .textFileStream(folder)
      .count()
      .map((n): [string, number] => ['files', n])
      .updateStateByKey<string, number, number>((values, state) => (state ?? 0) + values.length)
      .foreachRDD(async (rdd, time) => void seen.push(`${time.milliseconds} ${await rdd.collect()}`))
    return ssc
  }
  const printed = await withManualClock(async (time) => {
    await (await StreamingContext.getOrCreate(directory, make)).start()
    await time.advance(Seconds(2))
    await time.stop()
    await time.advance(Milliseconds(1500))
    const again = await StreamingContext.getOrCreate(directory, make)
    again.textFileStream(folder).print()
    await again.start()
    await time.advance(Milliseconds(500))
    await time.stopNow()
    return time.printed
  })
  assert.deepEqual(seen, ['1000 files,1', '2000 files,2', '3000 files,3', '4000 files,4'])
  assert.match(printed, /Time: 4000 ms/)
})
