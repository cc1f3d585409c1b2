import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { client } from './hdfs-lines.ts'
import { type Hdfs, startHdfs } from './peers.ts'

// HDFS_OPEN_FILES=5000 HDFS_IDLE_S=100 for as many files as a sink keeps by default, and a longer pause.
const fileCount = Number(process.env['HDFS_OPEN_FILES'] ?? 300)
/** A data node gives a writer up after 60 s without a packet. */
const idleMs = Number(process.env['HDFS_IDLE_S'] ?? 65) * 1000

describe('many open files of a real HDFS', () => {
  let hdfs: Hdfs
  const nodes: RunningProcess[] = []
  before(async () => {
    hdfs = await startHdfs({ dataNodes: 0 })
    // In processes of their own, each with its share of sockets, open files and threads (two a file).
    for (let node = 0; node < 3; node++) nodes.push(await hdfs.startDataNode())
  })
  after(async () => {
    for (const node of nodes) await node.stop()
    await hdfs.process.stop()
  })

  it(`holds ${fileCount} of them through a pause of ${idleMs / 1000} s, and goes on with each`, {
    timeout: 900_000,
  }, async () => {
    // A data node sets a whole block aside for each open file.
    const files = client(hdfs, { replication: 1, blockSizeBytes: 2 ** 20 })
    const all = Array.from({ length: fileCount }, (_, number) => `/many/${number % 100}/${number}`)
    const began = systemClock.monotonic()
    const open = await inTurns(all, async (path) => {
      const file = await files.begin(path, [])
      await file.write([Buffer.from(`${path} before\n`)])
      return file
    })
    const openedMs = systemClock.monotonic() - began
    const { rss } = process.memoryUsage()
    await systemClock.sleep(idleMs)
    await inTurns(all, async (path, at) => {
      const file = open[at]
      assert.ok(file)
      await file.write([Buffer.from(`${path} after\n`)])
      await file.close()
    })
    console.log(
      `${fileCount} files opened in ${Math.round(openedMs)} ms; ${Math.round(rss / 2 ** 20)} MiB with all of them open`,
    )
    const lines = (await hdfs.shell('-cat', '/many/*/*')).split('\n').slice(0, -1)
    assert.deepEqual(lines.sort(), all.flatMap((path) => [`${path} before`, `${path} after`]).sort())
    await files.close()
  })
})

/** Calls `work` for each item, sixteen at a time. */
async function inTurns<T, R>(items: readonly T[], work: (item: T, at: number) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const one = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++
      results[at] = await work(items[at] as T, at)
    }
  }
  await Promise.all(Array.from({ length: 16 }, one))
  return results
}
