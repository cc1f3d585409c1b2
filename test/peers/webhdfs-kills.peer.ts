import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashFlow, spooldirHdfs } from '../sim/crash-flows.ts'
import { startHdfs } from './peers.ts'

test('an agent that is killed while it writes over WebHDFS to a real HDFS loses no line and leaves no file in use', async () => {
  const hdfs = await startHdfs()
  await using _ = hdfs.process
  const target = `${hdfs.httpUri.replace('http:', 'webhdfs:')}/crash`
  const { arrived, orphans, left } = await crashFlow(spooldirHdfs(target), 6, 3, () => undefined)
  assert.ok(arrived > 0)
  // A kill did leave files open: that this was repaired is seen.
  assert.ok(orphans > 0)
  assert.equal(left, 0)
})
