import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mountFileSystems } from '../../src/stream/files.ts'
import { type CheckpointPlace, checkpointContract } from '../contract/checkpoints.ts'
import { FakeHdfs } from '../support/fake-hdfs.ts'
import { FakeWebHdfs } from '../support/fake-web-hdfs.ts'

async function localFolder(): Promise<CheckpointPlace> {
  const root = await mkdtemp(join(tmpdir(), 'checkpoint-'))
  return { root, stop: () => rm(root, { recursive: true, force: true }) }
}

checkpointContract('a local disk', 12, localFolder)

checkpointContract('a mounted address', 2, async () => {
  const local = await localFolder()
  mountFileSystems(new Map([['hdfs://namenode:8020', local.root]]))
  return {
    root: 'hdfs://namenode:8020/jobs',
    stop: async () => {
      mountFileSystems(new Map())
      await local.stop()
    },
  }
})

checkpointContract('HDFS in its own protocol', 2, async () => {
  const fake = await FakeHdfs.start()
  const { host, port } = fake.nameNode
  return {
    root: `hdfs://${host}:${port}/jobs`,
    stop: async () => {
      await fake.stop()
      assert.deepEqual(fake.complaints, [])
    },
  }
})

checkpointContract('WebHDFS', 2, async () => {
  const fake = await FakeWebHdfs.start()
  return { root: `${fake.url.replace('http:', 'webhdfs:')}/jobs`, stop: () => fake.stop() }
})
