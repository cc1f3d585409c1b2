import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Seconds } from '../../../src/stream/api.ts'
import { compared, outcomes } from '../../support/every-operator.ts'
import { launchJob } from '../../support/job-threads.ts'
import { tempDir } from '../../support/temp-dir.ts'

const file = new URL('../../support/every-operator.js', import.meta.url)
const batches = 15

interface Outcome {
  readonly lines: ReadonlyMap<string, readonly string[]>
  readonly printed: string
  readonly saved: readonly string[]
  readonly log: readonly string[]
}

/** Files of a batch are half a second older than it, and are moved in whole. */
async function writeFiles(folder: string, batch: number): Promise<void> {
  const [input] = compared.find(({ source }) => source === 'files')?.inputs ?? []
  const records = input?.[batch - 1]
  if (!records) return
  const outside = join(folder, 'moving')
  await writeFile(outside, records.map((record) => `${record}\n`).join(''))
  await utimes(outside, batch - 0.5, batch - 0.5)
  await rename(outside, join(folder, 'in0', String(batch)))
}

async function run(master: string, folder: string): Promise<Outcome> {
  await mkdir(join(folder, 'in0'), { recursive: true })
  return launchJob(
    { file, args: [folder], master, settings: { 'spark.default.parallelism': '2' } },
    async ({ ssc, time, logger, printed }) => {
      await ssc.start()
      for (let batch = 1; batch <= batches; batch++) {
        await writeFiles(folder, batch)
        await time.advance(Seconds(1))
      }
      await time.stop()
      const names = (await readdir(folder, { recursive: true })).filter((name) => name.startsWith('out')).sort()
      const saved = await Promise.all(
        names.map(async (name) => `${name}: ${await readFile(join(folder, name), 'utf8').catch(() => 'a folder')}`),
      )
      return { lines: new Map(outcomes), printed: printed(), saved, log: logger.lines }
    },
  )
}

describe('a job gives the same in one thread and on worker threads', async () => {
  let results: Promise<readonly [Outcome, Outcome]> | undefined
  const both = (t: Parameters<typeof tempDir>[0]): Promise<readonly [Outcome, Outcome]> => {
    results ??= (async () => [await run('local', await tempDir(t)), await run('local[2]', await tempDir(t))] as const)()
    return results
  }

  test('it runs on both without a warning', async (t) => {
    const [here, there] = await both(t)
    for (const { log } of [here, there]) {
      assert.deepEqual(
        log.filter((line) => line.startsWith('warn') || line.startsWith('error')),
        [],
      )
    }
    assert.equal(here.lines.size, there.lines.size)
  })

  for (const { name } of compared) {
    test(`${name}: batch for batch and record for record`, async (t) => {
      const [here, there] = await both(t)
      assert.deepEqual(there.lines.get(name), here.lines.get(name))
      if (!/^print|^save/.test(name)) assert.notEqual(here.lines.get(name)?.length, 0)
    })
  }

  test('what is printed', async (t) => {
    const [here, there] = await both(t)
    assert.match(here.printed, /Time: 1000 ms/)
    assert.equal(there.printed, here.printed)
  })

  test('what is saved', async (t) => {
    const [here, there] = await both(t)
    assert.ok(here.saved.length > 3)
    assert.deepEqual(there.saved, here.saved)
  })
})
