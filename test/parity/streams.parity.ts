import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Seconds, SparkConf, StreamingContext } from '../../src/stream/api.ts'
import { withManualClock } from '../../src/testing/api.ts'
import { startJava } from '../peers/peers.ts'
import { type StreamJob, Streams, streamJobs } from './stream-jobs.ts'

/** What a job made of its batches. */
interface Outcome {
  /** One line for each batch of each result, the records sorted. */
  readonly results: readonly string[]
  readonly printed: string
  /** Path and text of each file that was saved. */
  readonly files: readonly string[]
}

const batchesOf = (job: StreamJob): number =>
  job.batches ?? Math.max(...job.inputs.map((batches) => batches.length)) + 1

/** A record as the driver in Java shows it. */
function show(value: unknown): string {
  return Array.isArray(value) ? `(${value.map(show).join(',')})` : String(value)
}

const line = (time: string | number, records: readonly string[]): string => [time, ...[...records].sort()].join('\t')

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath ?? entry.path, entry.name)] : []))
  const saved = paths.filter((path) => path.startsWith(join(folder, 'out-')) && !path.endsWith('.crc')).sort()
  return Promise.all(saved.map(async (path) => `${path.slice(folder.length)}: ${await readFile(path, 'utf8')}`))
}

/** Files of a batch are half a second older than it, and are moved in whole. */
async function writeFiles(job: StreamJob, folder: string, batch: number): Promise<void> {
  for (const [stream, batches] of job.inputs.entries()) {
    const records = batches[batch - 1]
    if (!records) continue
    const outside = join(folder, 'moving')
    await writeFile(outside, records.map((record) => `${record}\n`).join(''))
    await utimes(outside, batch - 0.5, batch - 0.5)
    await rename(outside, join(folder, `in${stream}`, String(batch)))
  }
}

async function ours(job: StreamJob, folder: string): Promise<Outcome> {
  for (const stream of job.inputs.keys()) await mkdir(join(folder, `in${stream}`), { recursive: true })
  return withManualClock(async (time) => {
    const results: string[] = []
    const ssc = new StreamingContext(new SparkConf(false).setAppName('parity').setMaster('local[2]'), Seconds(1))
    ssc.checkpoint(join(folder, 'checkpoint'))
    job.define(new Streams(ssc, job, folder, (ms, records) => results.push(line(ms, records.map(show)))))
    // As in the driver: every batch has this one.
    ssc.queueStream([]).foreachRDD(() => undefined)
    ssc.awaitTermination().catch(() => undefined)
    await ssc.start()
    for (let batch = 1; batch <= batchesOf(job); batch++) {
      if (job.source === 'files') await writeFiles(job, folder, batch)
      await time.advance(Seconds(1))
    }
    await ssc.stop()
    return { results: results.sort(), printed: time.printed, files: await filesIn(folder) }
  })
}

/** One virtual machine for all jobs. */
async function theirs(peer: 'spark-2.4' | 'spark-3.5', folder: string): Promise<Map<string, Outcome>> {
  const text = streamJobs.flatMap((job) => [
    ['JOB', job.name, job.source ?? 'queue', batchesOf(job)].join('\t'),
    ...job.inputs.flatMap((batches, stream) =>
      batches.map((records) => [records ? 'BATCH' : 'NONE', stream, ...(records ?? [])].join('\t')),
    ),
  ])
  await writeFile(join(folder, 'jobs'), `${text.join('\n')}\n`)
  await using spark = await startJava(peer, 'StreamJobs', [join(folder, 'jobs')])
  await spark.waitFor(/^DONE$/m, 240_000)
  const outcomes = new Map<string, Outcome>()
  for (const [index, part] of spark.stdout.split(/^# /m).slice(1).entries()) {
    const [name = '', ...lines] = part.replace(/^DONE\n/m, '').split('\n')
    assert.deepEqual(
      lines.filter((one) => one.startsWith('! ')),
      [],
    )
    const results = lines.flatMap((one) => {
      const [, time, ...records] = one.startsWith(`> ${name}\t`) ? one.split('\t') : []
      return time === undefined ? [] : [line(time, records)]
    })
    const printed = lines.filter((one) => !one.startsWith('> ')).join('\n')
    const files = await filesIn(join(folder, String(index)))
    outcomes.set(name, { results: results.sort(), printed, files })
  }
  return outcomes
}

for (const peer of ['spark-3.5', 'spark-2.4'] as const) {
  const folder = await mkdtemp(join(tmpdir(), 'stream-parity-'))
  describe(`batch for batch the same as ${peer}`, () => {
    after(() => rm(folder, { recursive: true, force: true }))
    let spark: Promise<Map<string, Outcome>> | undefined
    for (const [index, job] of streamJobs.entries()) {
      test(job.name, async () => {
        spark ??= theirs(peer, folder)
        const expected = (await spark).get(job.name)
        const outcome = await ours(job, join(folder, `ours-${index}`))
        assert.deepEqual(outcome, expected)
        assert.ok(
          outcome.results.length + outcome.printed.length + outcome.files.length > 0,
          'nothing was put out, so nothing was compared',
        )
      })
    }
  })
}
