import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RunningProcess } from '../support/running-process.ts'

const bench = fileURLToPath(new URL('streams.bench.js', import.meta.url))

test('the streams bench runs every job, tiny, and each key is counted', {
  skip: process.platform === 'linux' ? false : 'it reads /proc',
}, async () => {
  await using run = new RunningProcess('bench', process.execPath, [bench, '--quick', '--json'])
  assert.equal(await run.exited, 0, run.stderr)
  const rows = JSON.parse(run.stdout) as { path: string; by: Record<string, { keys: number; peakMebibytes: number }> }[]
  assert.deepEqual(
    rows.map(({ path }) => path),
    ['word count', 'windowed count with inverse', 'updateStateByKey', 'empty batches', 'a batch every 50 ms for 60 s'],
  )
  const keys = rows.map(({ by }) => by['stream-ts']?.keys)
  assert.ok((keys[0] ?? 0) > 1000)
  assert.deepEqual(keys.slice(1), [keys[0], 2000, 0, 0])
  for (const { path, by } of rows) assert.ok((by['stream-ts']?.peakMebibytes ?? 0) > 10, path)
})
