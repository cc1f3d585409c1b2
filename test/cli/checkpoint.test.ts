import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../../src/core/random.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { until } from '../support/until.ts'

const command = fileURLToPath(new URL('../../../bin/stream-ts.js', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'checkpoint-cli-'))
after(() => rm(folder, { recursive: true }))

function streamTs(...args: string[]): RunningProcess {
  return new RunningProcess('stream-ts', process.execPath, [command, ...args], { cwd: folder, env: { TMPDIR: folder } })
}

async function outcome(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  await using running = streamTs(...args)
  const code = await running.exited
  return { code, stdout: running.stdout, stderr: running.stderr }
}

/** Counts words of files for ever, and writes the counts of each batch to a folder of its own. */
const job = `export default function (ssc) {
  const counts = ssc.textFileStream('in')
    .flatMap((line) => line.split(' '))
    .map((word) => [word, 1])
    .updateStateByKey((values, state) => (state ?? 0) + values.length)
  counts.saveAsTextFiles('out/counts')
  counts.foreachRDD(async (rdd, time) => console.log('batch', time.milliseconds, await rdd.count()))
}
`
const args = [
  'submit',
  ...['--batch-interval', '100', '--conf', 'spark.streaming.checkpoint.directory=state'],
  // A stop leaves what ten batches cannot work off, and on a slow disk there is more.
  ...['--conf', 'spark.streaming.gracefulStopTimeout=60s', 'count.js'],
]

test('a word count that is killed again and again counts every word once (B65, B134)', async () => {
  const random = seededRandom(7)
  await writeFile(join(folder, 'count.js'), job)
  await mkdir(join(folder, 'in'))
  const sent = new Map<string, number>()
  let files = 0
  /** Moves a file in, whole. */
  const send = async (): Promise<void> => {
    const words = Array.from({ length: 5 }, () => 'abcdefgh'[Math.floor(random() * 8)] as string)
    for (const word of words) sent.set(word, (sent.get(word) ?? 0) + 1)
    const name = `${files++}.txt`
    await writeFile(join(folder, name), `${words.join(' ')}\n`)
    await rename(join(folder, name), join(folder, 'in', name))
  }
  for (let kills = 0; kills < 6; kills++) {
    await using running = streamTs(...args)
    await running.waitFor(/^batch/m)
    await send()
    const batches = 1 + Math.floor(random() * 4)
    for (let batch = 0; batch < batches; batch++) {
      const before = running.stdout.length
      await running.waitUntil(() => (running.stdout.length > before ? true : undefined), 'a batch')
      if (random() < 0.5) await send()
    }
    // A kill may come at any moment of a batch: the wait is what is tried out.
    await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 120)))
    await running.kill()
  }
  await using last = streamTs(...args)
  const total = [...sent.values()].reduce((a, b) => a + b, 0)
  const counted = async (): Promise<Map<string, number>> => {
    const folders = (await readdir(join(folder, 'out'))).sort()
    for (const name of folders.reverse()) {
      const parts = await readdir(join(folder, 'out', name))
      if (!parts.includes('_SUCCESS')) continue
      const texts = await Promise.all(
        parts
          .filter((part) => part.startsWith('part-'))
          .map((part) => readFile(join(folder, 'out', name, part), 'utf8')),
      )
      const pairs = [...texts.join('').matchAll(/^\((\w+),(\d+)\)$/gm)]
      return new Map(pairs.map(([, word, n]) => [word as string, Number(n)]))
    }
    return new Map()
  }
  await last.waitFor(/^batch/m)
  await until(async () => [...(await counted()).values()].reduce((a, b) => a + b, 0) >= total)
  assert.deepEqual([...(await counted())].sort(), [...sent].sort())
  assert.equal(await last.stop('SIGTERM'), 0)

  const inspected = await outcome('checkpoint', 'inspect', 'state')
  assert.equal(inspected.code, 0)
  assert.match(inspected.stdout, /^checkpoint-\d+ of count\nbatches of {5}100 ms/)
  assert.match(inspected.stdout, /not complete {3}none\n/)
  assert.match(inspected.stdout, /updateStateByKey-[0-9a-f]{10}: 8 keys in \d+ files?/)
  const verified = await outcome('checkpoint', 'verify', 'state')
  assert.match(verified.stdout, /^ok {6}checkpoint-/)
  assert.match(verified.stdout, /ok {6}state of updateStateByKey-\w+: 8 keys/)
  assert.equal(verified.code, 0)

  const operators = await readdir(join(folder, 'state', 'state'))
  const state = join(folder, 'state', 'state', operators[0] as string)
  const newest = (await readdir(state)).sort().at(-1) as string
  await truncate(join(state, newest), 20)
  const broken = await outcome('checkpoint', 'verify', 'state')
  assert.match(broken.stdout, /broken {2}state of updateStateByKey-\w+: .*is damaged: /)
  assert.equal(broken.code, 1)
})

test('a second job on the folder of one that runs is refused, and the first goes on', async () => {
  await writeFile(join(folder, 'count.js'), job)
  await mkdir(join(folder, 'in'), { recursive: true })
  const twice = args.map((arg) => arg.replace('directory=state', 'directory=shared'))
  await using first = streamTs(...twice)
  await first.waitFor(/^batch/m)
  const second = await outcome(...twice)
  assert.match(
    second.stderr,
    new RegExp(
      `stream-ts: the checkpoint directory shared is in use: a job runs on it in process ${first.pid} \\(stop that job`,
    ),
  )
  assert.equal(second.code, 1)
  const before = first.stdout.length
  await first.waitUntil(() => (first.stdout.length > before ? true : undefined), 'a batch')
  // Killed, it is no hindrance.
  await first.kill()
  await using third = streamTs(...twice)
  await third.waitFor(/^batch/m)
  assert.match(third.stderr, /resuming from the checkpoint/)
  assert.equal(await third.stop(), 0)
  assert.deepEqual(
    (await readdir(join(folder, 'shared'))).filter((name) => /^(driver|writing)-/.test(name)),
    [],
  )
})

test('a checkpoint on HDFS is looked into through a mount', async () => {
  await writeFile(join(folder, 'count.js'), job)
  await mkdir(join(folder, 'in'), { recursive: true })
  const mount = ['--mount', 'hdfs://namenode:8020=hdfs']
  const address = 'hdfs://namenode:8020/jobs/count'
  {
    const [submit, ...rest] = args.map((arg) => arg.replace('directory=state', `directory=${address}`))
    await using running = streamTs(submit as string, ...mount, ...rest)
    await running.waitFor(/^batch/m)
    assert.equal(await running.stop(), 0)
  }
  assert.ok((await readdir(join(folder, 'hdfs', 'jobs', 'count'))).some((name) => /^checkpoint-\d+$/.test(name)))
  const inspected = await outcome('checkpoint', 'inspect', ...mount, address)
  assert.match(inspected.stdout, /^checkpoint-\d+ of count\n/)
  assert.equal(inspected.code, 0)
  const verified = await outcome('checkpoint', 'verify', ...mount, address)
  assert.match(verified.stdout, /^ok {6}checkpoint-/)
  assert.equal(verified.code, 0)
})

test('a checkpoint directory that does not answer is told in one line', async () => {
  const { code, stderr } = await outcome('checkpoint', 'inspect', `hdfs://127.0.0.1:${await freePort()}/jobs`)
  assert.match(stderr, /^stream-ts: cannot read the checkpoint directory hdfs:.*ECONNREFUSED.*\(is it running\?.*\)\n$/)
  assert.equal(code, 1)
})

test('a folder without checkpoint is said to have none', async () => {
  for (const verb of ['inspect', 'verify']) {
    const { code, stderr } = await outcome('checkpoint', verb, 'nothing')
    assert.match(stderr, /^stream-ts: there is no checkpoint in nothing \(give the directory/)
    assert.equal(code, 2)
  }
})
