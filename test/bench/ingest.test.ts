import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RunningProcess } from '../support/running-process.ts'
import type { Measurement } from './measure.ts'

const bench = fileURLToPath(new URL('ingest.bench.js', import.meta.url))

test('the ingest bench runs every path, tiny, and each event is taken', {
  skip: process.platform === 'linux' ? false : 'it reads /proc',
}, async () => {
  await using run = new RunningProcess('bench', process.execPath, [bench, '--quick', '--json'])
  assert.equal(await run.exited, 0, run.stderr)
  const rows = JSON.parse(run.stdout) as { path: string; by: Record<string, Measurement> }[]
  assert.equal(rows.length, 14)
  for (const { path, by } of rows) {
    // The figures of so few events mean nothing; that there are any means that everything was taken.
    assert.ok((by['flume-ts']?.eventsPerSecond ?? 0) > 0, path)
    assert.ok((by['flume-ts']?.peakMebibytes ?? 0) > 10, path)
  }
})
