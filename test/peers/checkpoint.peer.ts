import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import { RunningProcess } from '../support/running-process.ts'
import { type Hdfs, startHdfs } from './peers.ts'

const command = fileURLToPath(new URL('../../../bin/stream-ts.js', import.meta.url))
const kills = 4

/** Counts words of files, with state that is saved often and a window whose batches leave. */
const wordCount = `import { Milliseconds } from 'flume-ts/stream'
export default function (ssc) {
  const pairs = ssc.textFileStream('in').flatMap((line) => line.split(' ')).map((word) => [word, 1])
  const counts = pairs.updateStateByKey((values, state) => (state ?? 0) + values.length).checkpoint(Milliseconds(400))
  counts.saveAsTextFiles('out/counts')
  pairs.reduceByKeyAndWindow((a, b) => a + b, (a, b) => a - b, Milliseconds(1200)).foreachRDD(() => undefined)
  counts.foreachRDD((rdd, time) => console.log('batch', time.milliseconds))
}
`

/** Counts numbered blocks of ten records; the receiver writes down a block when it is stored, and goes on behind the last. */
const received = `import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Receiver } from 'flume-ts/stream'
class Blocks extends Receiver {
  onStart() { this.run().catch((error) => console.log('receiver', error)) }
  onStop() {}
  async run() {
    let next = existsSync('stored') ? readFileSync('stored', 'utf8').split('\\n').length : 1
    for (; !this.isStopped(); next++) {
      await this.storeMany(Array.from({ length: 10 }, () => next))
      appendFileSync('stored', next + '\\n')
      await setTimeout(30)
    }
  }
}
export default function (ssc) {
  const counts = ssc.receiverStream(new Blocks())
    .map((block) => [block, 1])
    .updateStateByKey((values, state) => (state ?? 0) + values.length)
  counts.saveAsTextFiles('out/counts')
  counts.foreachRDD(async (rdd, time) => console.log('batch', time.milliseconds, await rdd.count()))
}
`

describe('the checkpoints of a job on a real HDFS', () => {
  let hdfs: Hdfs
  let folder: string
  before(async () => {
    hdfs = await startHdfs({ version: '3.2.1', dataNodes: 3 })
  })
  after(() => hdfs.process.stop())

  const streamTs = (...args: string[]): RunningProcess =>
    new RunningProcess('stream-ts', process.execPath, [command, ...args], {
      cwd: folder,
      env: { TMPDIR: folder, HADOOP_USER_NAME: 'alice' },
    })

  const outcome = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    await using running = streamTs(...args)
    const code = await running.exited
    return { code, stdout: running.stdout, stderr: running.stderr }
  }

  /** The counts in the newest whole output. */
  const counted = async (): Promise<Map<string, number>> => {
    for (const name of (await readdir(join(folder, 'out'))).sort().reverse()) {
      const parts = await readdir(join(folder, 'out', name))
      if (!parts.includes('_SUCCESS')) continue
      const texts = parts.filter((part) => part.startsWith('part-')).map((part) => join(folder, 'out', name, part))
      const text = (await Promise.all(texts.map((path) => readFile(path, 'utf8')))).join('')
      return new Map([...text.matchAll(/^\((\w+),(\d+)\)$/gm)].map(([, key, n]) => [key as string, Number(n)]))
    }
    return new Map()
  }

  const within = async (condition: () => Promise<boolean>): Promise<void> => {
    for (let waits = 0; !(await condition()); waits++) {
      assert.ok(waits < 300, 'within a minute')
      await systemClock.sleep(200)
    }
  }

  for (const scheme of ['hdfs', 'webhdfs'] as const) {
    const address = (name: string): string =>
      `${scheme === 'hdfs' ? hdfs.uri : hdfs.httpUri.replace('http:', 'webhdfs:')}/checkpoints/${scheme}/${name}`
    const submit = (directory: string, ...conf: string[]): string[] => [
      ...['submit', '--batch-interval', '400', '--conf', `spark.streaming.checkpoint.directory=${directory}`],
      ...conf.flatMap((one) => ['--conf', one]),
      'job.js',
    ]

    describe(`by ${scheme}:`, () => {
      before(async () => {
        folder = await mkdtemp(join(tmpdir(), 'checkpoint-peer-'))
        await mkdir(join(folder, 'in'))
      })
      after(() => rm(folder, { recursive: true, force: true }))

      it('keep every word counted once through SIGKILLs, and are seen by Hadoop’s own client', async () => {
        const directory = address('words')
        await writeFile(join(folder, 'job.js'), wordCount)
        const sent = new Map<string, number>()
        let files = 0
        const send = async (): Promise<void> => {
          const words = Array.from({ length: 7 }, (_, i) => 'abcdefgh'[(files * 5 + i * i) % 8] as string)
          for (const word of words) sent.set(word, (sent.get(word) ?? 0) + 1)
          const name = `${files++}.txt`
          await writeFile(join(folder, name), `${words.join(' ')}\n`)
          await rename(join(folder, name), join(folder, 'in', name))
        }
        for (let kill = 0; kill < kills; kill++) {
          await using running = streamTs(...submit(directory))
          await running.waitFor(/^batch/m)
          for (let batch = 0; batch < 3 + kill; batch++) {
            await send()
            const before = running.stdout.length
            await running.waitUntil(() => (running.stdout.length > before ? true : undefined), 'a batch')
          }
          await systemClock.sleep(kill * 40)
          await running.kill()
        }
        await using last = streamTs(...submit(directory))
        await last.waitFor(/^batch/m)
        assert.match(last.stderr, /resuming from the checkpoint/)
        const total = [...sent.values()].reduce((a, b) => a + b, 0)
        await within(async () => [...(await counted()).values()].reduce((a, b) => a + b, 0) >= total)
        assert.deepEqual([...(await counted())].sort(), [...sent].sort())
        assert.equal(await last.stop('SIGTERM'), 0)
        assert.doesNotMatch(last.stderr, /could not write|cannot read|cannot resume/)

        const listed = await hdfs.shell('-ls', '-R', `/checkpoints/${scheme}/words`)
        assert.ok((listed.match(/alice .*\/checkpoint-\d+(\.bk)?$/gm)?.length ?? 0) <= 10, listed)
        assert.match(listed, /alice .*\/state\/updateStateByKey-\w+\/\d{8}\.state$/m)
        assert.doesNotMatch(listed, /driver-|writing-/)
        const verified = await outcome('checkpoint', 'verify', directory)
        assert.match(verified.stdout, /^ok {6}state of updateStateByKey-\w+: 8 keys/m)
        assert.doesNotMatch(verified.stdout, /broken/)
        assert.equal(verified.code, 0)
        assert.match((await outcome('checkpoint', 'inspect', directory)).stdout, /^checkpoint-\d+ of job\n/)
      })

      it('keep every block that a receiver was told is stored, in the write-ahead log', async () => {
        const directory = address('blocks')
        await writeFile(join(folder, 'job.js'), received)
        await rm(join(folder, 'out'), { recursive: true, force: true })
        const args = submit(
          directory,
          'spark.streaming.receiver.writeAheadLog.enable=true',
          'spark.streaming.receiver.writeAheadLog.rollingIntervalSecs=2',
        )
        const storedCount = async (): Promise<number> =>
          (await readFile(join(folder, 'stored'), 'utf8').catch(() => '')).split('\n').length - 1
        for (let kill = 0; kill < kills; kill++) {
          const before = await storedCount()
          await using running = streamTs(...args)
          await within(async () => (await storedCount()) >= before + 12)
          await systemClock.sleep(kill * 50)
          await running.kill()
        }
        const stored = await storedCount()
        await using last = streamTs(...args)
        await within(async () => (await counted()).has(String(stored + 3)))
        assert.equal(await last.stop('SIGTERM'), 0)
        const counts = await counted()
        const twice: number[] = []
        for (let block = 1; block <= stored; block++) {
          const count = counts.get(String(block)) ?? 0
          assert.ok(count === 10 || count === 20, `block ${block} was counted ${count} times`)
          if (count === 20) twice.push(block)
        }
        // Stored, and killed before the receiver had written that down.
        assert.ok(twice.length <= kills, `sent again: ${twice}`)
        assert.doesNotMatch(last.stderr, /damaged|could not write/)
        assert.equal((await outcome('checkpoint', 'verify', directory)).code, 0)
      })
    })
  }
})
