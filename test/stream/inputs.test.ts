import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { InputDStream, type RDD, type Time } from '../../src/stream/api.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { StreamBench } from '../support/stream-bench.ts'

const root = await mkdtemp(join(tmpdir(), 'stream-inputs-'))
after(() => rm(root, { recursive: true }))
let folders = 0

async function folder(): Promise<string> {
  const path = join(root, `in${folders++}`)
  await mkdir(path)
  return path
}

/** A file that was last changed at `modifiedMs`, moved in whole. */
async function put(path: string, text: string | Buffer, modifiedMs: number): Promise<void> {
  const outside = join(root, 'moving')
  await writeFile(outside, text)
  await utimes(outside, modifiedMs / 1000, modifiedMs / 1000)
  await rename(outside, path)
}

/** Moves over one batch of real file work. */
async function oneBatch(bench: StreamBench): Promise<void> {
  const before = bench.completed.length
  await bench.clock.advance(bench.batchMs)
  await bench.until(() => bench.completed.length > before)
}

describe('file streams', () => {
  test('take new files by modification time, each once, one partition each (B91, B94)', async () => {
    const path = await folder()
    await put(join(path, 'old'), 'too old\n', 100_000)
    await using bench = new StreamBench({ startMs: 100_000 })
    const seen = bench.watch(bench.ssc.textFileStream(path))
    await bench.ssc.start()
    await put(join(path, 'a'), 'one\ntwo\n', 100_500)
    await put(join(path, 'b.gz'), gzipSync('three\n'), 100_600)
    await put(join(path, 'future'), 'later\n', 101_500)
    await oneBatch(bench)
    await oneBatch(bench)
    await oneBatch(bench)
    assert.deepEqual(seen, [
      { timeMs: 101_000, items: ['one', 'two', 'three'], partitions: 2 },
      { timeMs: 102_000, items: ['later'], partitions: 1 },
      { timeMs: 103_000, items: [], partitions: 0 },
    ])
    const info = bench.completed[0]?.streamIdToInputInfo.get(0)
    assert.equal(info?.numRecords, 0)
    assert.deepEqual(info?.metadata['files'], [join(path, 'a'), join(path, 'b.gz')])
  })

  test('names with . or _ in front, copies under way and sub-directories are left alone (B95)', async () => {
    const path = await folder()
    await using bench = new StreamBench({ startMs: 100_000 })
    const seen = bench.watch(bench.ssc.textFileStream(path))
    await bench.ssc.start()
    for (const name of ['.hidden', '_temporary', 'x._COPYING_', 'good'])
      await put(join(path, name), `${name}\n`, 100_500)
    await mkdir(join(path, 'sub'))
    await put(join(path, 'sub', 'deep'), 'deep\n', 100_500)
    await oneBatch(bench)
    assert.deepEqual(seen[0]?.items, ['good'])
  })

  test('with newFilesOnly false files of the last minute are taken, older ones not (B92)', async () => {
    const path = await folder()
    await put(join(path, 'recent'), 'recent\n', 60_000)
    await put(join(path, 'older'), 'older\n', 41_000)
    await using bench = new StreamBench({ startMs: 100_000 })
    const seen = bench.watch(bench.ssc.fileStream(path, { newFilesOnly: false }))
    await bench.ssc.start()
    await oneBatch(bench)
    assert.deepEqual(seen[0]?.items, ['recent'])
  })

  for (const [name, given, taken] of [
    ['a minute', {}, ['old']],
    ['20 seconds, a bare number', { 'spark.streaming.fileStream.minRememberDuration': '20' }, []],
    ['40 seconds under the older name', { 'spark.streaming.minRememberDuration': '40' }, ['old']],
    ['20000 milliseconds', { 'spark.streaming.minRememberDuration': '20000ms' }, []],
  ] as const) {
    test(`a file of 30 seconds ago, when files are remembered for ${name} (B92)`, async () => {
      const path = await folder()
      await put(join(path, 'old'), 'old\n', 70_000)
      await using bench = new StreamBench({ startMs: 100_000, settings: given })
      const seen = bench.watch(bench.ssc.fileStream(path, { newFilesOnly: false }))
      await bench.ssc.start()
      await oneBatch(bench)
      assert.deepEqual(seen[0]?.items, taken)
    })
  }

  test('a glob names folders, a filter chooses files, a reader makes the records (B93)', async () => {
    const path = await folder()
    await mkdir(join(path, 'day-1'))
    await mkdir(join(path, 'day-2'))
    await mkdir(join(path, 'night-1'))
    await using bench = new StreamBench({ startMs: 100_000 })
    const seen = bench.watch(
      bench.ssc.fileStream(join(path, 'day-*'), {
        filter: (name) => name.endsWith('.log'),
        reader: async function* (name) {
          yield name.slice(path.length + 1)
        },
      }),
    )
    await bench.ssc.start()
    for (const name of ['day-1/a.log', 'day-2/a.log', 'day-2/a.txt', 'night-1/a.log'])
      await put(join(path, name), '', 100_500)
    await oneBatch(bench)
    assert.deepEqual(seen[0]?.items, ['day-1/a.log', 'day-2/a.log'])
  })

  test('a file of the same name in another folder is another file; one written anew is not read again (B93)', async () => {
    const path = await folder()
    await mkdir(join(path, 'day-1'))
    await mkdir(join(path, 'day-2'))
    await using bench = new StreamBench({ startMs: 100_000 })
    const seen = bench.watch(bench.ssc.textFileStream(join(path, 'day-*')))
    await bench.ssc.start()
    await put(join(path, 'day-1', 'a'), 'one\n', 100_500)
    await oneBatch(bench)
    await put(join(path, 'day-2', 'a'), 'two\n', 101_500)
    await put(join(path, 'day-1', 'a'), 'changed\n', 101_500)
    await oneBatch(bench)
    assert.deepEqual(
      seen.map((batch) => batch.items),
      [['one'], ['two']],
    )
  })

  test('binaryRecordsStream cuts files into records, and a torn one fails its batch (B95)', async () => {
    const path = await folder()
    await using bench = new StreamBench({ startMs: 100_000 })
    const seen = bench.watch(bench.ssc.binaryRecordsStream(path, 4).map((record) => Buffer.from(record).toString()))
    assert.throws(() => bench.ssc.binaryRecordsStream(path, 0), /recordLength must be a positive number of bytes/)
    await bench.ssc.start()
    await put(join(path, 'whole'), 'aaaabbbb', 100_500)
    await oneBatch(bench)
    await put(join(path, 'torn'), 'ccccdd', 101_500)
    await oneBatch(bench)
    assert.deepEqual(
      seen.map((batch) => batch.items),
      [['aaaa', 'bbbb']],
    )
    await assert.rejects(bench.ssc.awaitTermination(), /torn ends with 2 of the 4 bytes of a record/)
  })

  test('a folder that is not there is an empty batch, told once, and is read once it appears (B94)', async () => {
    const path = join(await folder(), 'later')
    const logger = new RecordingLogger()
    await using bench = new StreamBench({ startMs: 98_000, logger })
    const seen = bench.watch(bench.ssc.textFileStream(path))
    await bench.ssc.start()
    await oneBatch(bench)
    await oneBatch(bench)
    await oneBatch(bench)
    assert.deepEqual(
      logger.lines.filter((line) => line.startsWith('warn')),
      ['warn: there is no such folder; batches are empty until there is one'],
    )
    await mkdir(path)
    await put(join(path, 'a'), 'here\n', 101_500)
    await oneBatch(bench)
    assert.deepEqual(
      seen.map((batch) => batch.items),
      [[], [], [], ['here']],
    )
  })
})

describe('queue streams', () => {
  test('one at a time, or all that is there; later pushes are seen (B96)', async () => {
    await using bench = new StreamBench()
    const single: RDD<number>[] = [[1], [2]].map((items) => bench.sc.parallelize(items, 1))
    const all: RDD<number>[] = [[1], [2]].map((items) => bench.sc.parallelize(items, 1))
    const one = bench.watch(bench.ssc.queueStream(single))
    const many = bench.watch(bench.ssc.queueStream(all, false))
    await bench.ssc.start()
    await bench.batches(1)
    single.push(bench.sc.parallelize([3], 1))
    await bench.batches(2)
    assert.deepEqual(
      one.map((batch) => batch.items),
      [[1], [2], [3]],
    )
    assert.deepEqual(
      many.map((batch) => batch.items),
      [[1, 2], [], []],
    )
  })

  for (const { name, defaultRDD, partitions } of [
    { name: 'without a default an RDD with one empty partition', defaultRDD: undefined, partitions: 1 },
    { name: 'with null an RDD without partitions', defaultRDD: null, partitions: 0 },
  ]) {
    test(`an empty queue gives ${name} (B96)`, async () => {
      await using bench = new StreamBench()
      const seen = bench.watch(bench.ssc.queueStream<number>([], true, defaultRDD))
      await bench.ssc.start()
      await bench.batches(1)
      assert.deepEqual(seen[0], { timeMs: 1000, items: [], partitions })
    })
  }

  test('inputs are numbered in creation order and named for people (B97)', async () => {
    await using bench = new StreamBench()
    const socket = bench.ssc.socketTextStream('localhost', 1)
    bench.queue([1])
    bench.ssc.textFileStream(root)
    assert.equal(socket.id, 0)
    assert.equal(socket.name, 'Socket stream [0]')
    assert.deepEqual(
      [...bench.ssc.progress.inputNames.values()],
      ['Socket stream [0]', 'Queue stream [1]', 'File stream [2]'],
    )
  })
})

test("a user's own input is started, asked for each batch, and stopped", async () => {
  const calls: string[] = []
  class MyOwnStream extends InputDStream<number> {
    override start(): void {
      calls.push('start')
    }

    override stop(): void {
      calls.push('stop')
    }

    compute(time: Time): RDD<number> {
      calls.push(`compute ${time.milliseconds}`)
      return this.context.sparkContext.parallelize([time.milliseconds], 1)
    }
  }
  await using bench = new StreamBench()
  const mine = new MyOwnStream(bench.ssc)
  const seen = bench.watch(mine.map((ms) => ms + 1))
  await bench.ssc.start()
  await bench.batches(2)
  await bench.ssc.stop()
  assert.equal(mine.name, 'My Own stream [0]')
  assert.deepEqual(calls, ['start', 'compute 1000', 'compute 2000', 'stop'])
  assert.deepEqual(
    seen.map((batch) => batch.items),
    [[1001], [2001]],
  )
})

test('an input whose start fails is told by awaitTermination, and an un-awaited start rejects nobody', async () => {
  class Broken extends InputDStream<number> {
    override async start(): Promise<void> {
      throw new Error('no broker')
    }

    compute(): undefined {
      return undefined
    }
  }
  await using bench = new StreamBench()
  bench.watch(new Broken(bench.ssc))
  bench.ssc.start()
  await assert.rejects(bench.ssc.awaitTermination(), /no broker/)
})
