import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { Seconds, SparkConf, StreamingContext } from '../../src/stream/api.ts'
import { BlockLog } from '../../src/stream/checkpoint/block-log.ts'
import { CheckpointFiles } from '../../src/stream/checkpoint/checkpoint-file.ts'
import { CheckpointFolder } from '../../src/stream/checkpoint/folder.ts'
import { lookFor } from '../../src/stream/checkpoint/recovery.ts'
import { type FileSystem, mountFileSystems, registerFileSystem } from '../../src/stream/files.ts'
import { blockFolder, type CheckpointPlace, checkpointContract } from '../contract/checkpoints.ts'
import { FakeHdfs } from '../support/fake-hdfs.ts'
import { FakeWebHdfs } from '../support/fake-web-hdfs.ts'
import { freePort } from '../support/free-port.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { StreamBench } from '../support/stream-bench.ts'

async function localFolder(): Promise<CheckpointPlace> {
  const root = await mkdtemp(join(tmpdir(), 'checkpoint-'))
  return { root, breakDown: blockFolder, stop: () => rm(root, { recursive: true, force: true }) }
}

checkpointContract('a local disk', 12, localFolder)

checkpointContract('a mounted address', 1, async () => {
  const local = await localFolder()
  mountFileSystems(new Map([['hdfs://namenode:8020', local.root]]))
  return {
    root: 'hdfs://namenode:8020/jobs',
    breakDown: blockFolder,
    stop: async () => {
      mountFileSystems(new Map())
      await local.stop()
    },
  }
})

checkpointContract('HDFS in its own protocol', 1, async () => {
  const fake = await FakeHdfs.start()
  const { host, port } = fake.nameNode
  return {
    root: `hdfs://${host}:${port}/jobs`,
    breakDown: async () => {
      fake.exceptions.set('create', { exception: 'java.io.IOException', times: Number.POSITIVE_INFINITY })
      return async () => void fake.exceptions.delete('create')
    },
    stop: async () => {
      await fake.stop()
      assert.deepEqual(fake.complaints, [])
    },
  }
})

checkpointContract('WebHDFS', 1, async () => {
  const fake = await FakeWebHdfs.start()
  return {
    root: `${fake.url.replace('http:', 'webhdfs:')}/jobs`,
    breakDown: async () => {
      fake.down()
      return async () => fake.up()
    },
    stop: () => fake.stop(),
  }
})

for (const scheme of ['hdfs', 'webhdfs']) {
  test(`a ${scheme}: directory that cannot be reached fails the job in one line`, async () => {
    const directory = `${scheme}://127.0.0.1:${await freePort()}/jobs`
    const conf = new SparkConf(false).setAppName('away').set('spark.ui.enabled', 'false')
    const context = (): StreamingContext => {
      const ssc = new StreamingContext(conf, Seconds(1), { logger: new RecordingLogger() })
      ssc.checkpoint(directory)
      ssc.queueStream([]).print()
      return ssc
    }
    const inOneLine = (what: string): object => ({
      code: 'IO',
      message: new RegExp(`^cannot ${what} the checkpoint directory ${directory}: .*127\\.0\\.0\\.1:\\d+.*`),
      hint: /^is it running\? A webhdfs:.*--mount (web)?hdfs:\/\/127\.0\.0\.1:\d+=/,
    })
    await assert.rejects(StreamingContext.getOrCreate(directory, context), inOneLine('read'))
    const ssc = context()
    await assert.rejects(ssc.start(), inOneLine('read'))
    await assert.rejects(ssc.awaitTermination(), inOneLine('read'))
    await ssc.stop()
  })
}

test('what a restart cannot read because HDFS does not answer fails it: nothing older, and no fewer blocks, are taken instead', async (t) => {
  const fake = await FakeHdfs.start()
  t.after(() => fake.stop())
  const { host, port } = fake.nameNode
  const directory = `hdfs://${host}:${port}/jobs`
  const folder = new CheckpointFolder(directory)
  await folder.take()
  const logger = new RecordingLogger()
  const open = (): BlockLog => new BlockLog(folder, 'op', systemClock, 60_000, logger)
  const log = open()
  await log.append({ items: ['a', 'b'], recordCount: 2 } as never)
  await log.close()
  for (const refusal of ['getBlockLocations', 'recoverLease']) {
    const exception = 'org.apache.hadoop.security.AccessControlException'
    fake.exceptions.set(refusal, { exception, times: 1 })
    await assert.rejects(open().recover(0), /^FolderUnusable|cannot read the checkpoint directory hdfs:/)
  }
  assert.equal((await open().recover(0)).size, 1)
  const checkpoints = new CheckpointFiles(folder)
  const nothing = { appName: 'a', batchMs: 1000, zeroMs: 0, stateMs: 0, pending: [], unlogged: [], operators: [] }
  await checkpoints.write({ ...nothing, timeMs: 1000 }, true)
  await checkpoints.write({ ...nothing, timeMs: 2000 }, true)
  assert.equal(await lookFor(folder), 'readable')
  fake.exceptions.set('getBlockLocations', {
    exception: 'org.apache.hadoop.security.AccessControlException',
    times: 1,
  })
  await assert.rejects(lookFor(folder), /cannot read the checkpoint directory hdfs:/)
  await folder.release()
})

test('a file system of the job’s own that has no logs is refused with a write-ahead log, before anything starts', () => {
  registerFileSystem('plain', () => ({}) as FileSystem)
  const conf = new SparkConf(false).setAppName('plain').set('spark.streaming.receiver.writeAheadLog.enable', 'true')
  const ssc = new StreamingContext(conf, Seconds(1), { logger: new RecordingLogger() })
  ssc.checkpoint('plain://host/jobs')
  ssc.socketTextStream('127.0.0.1', 1).print()
  assert.throws(() => ssc.start(), { code: 'UNSUPPORTED', message: /plain:\/\/host\/jobs keeps no write-ahead log/ })
})

test('a state that can never be saved is told as an error, a folder that is away as a warning', async () => {
  const place = await localFolder()
  class Point {
    readonly x = 1
  }
  const run = async (state: () => unknown, before: (directory: string) => Promise<unknown>): Promise<string[]> => {
    const logger = new RecordingLogger()
    const directory = join(place.root, String(state))
    await using bench = new StreamBench({ logger })
    bench.ssc.checkpoint(directory)
    bench
      .queue(['a'], ['a'])
      .map((word) => [word, 1])
      .updateStateByKey(state)
      .foreachRDD(() => undefined)
    await bench.ssc.start()
    await before(directory)
    await bench.batches(1)
    return logger.lines.filter((line) => line.includes('could not write a checkpoint'))
  }
  try {
    const lasting = await run(
      () => new Point(),
      async () => undefined,
    )
    assert.deepEqual([...new Set(lasting)], ['error: could not write a checkpoint: a restart loses what came since'])
    const passing = await run(() => 1, blockFolder)
    assert.deepEqual([...new Set(passing)], ['warn: could not write a checkpoint'])
  } finally {
    await place.stop()
  }
})
