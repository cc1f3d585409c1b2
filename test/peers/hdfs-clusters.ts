import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { FileSystemError } from '../../src/net/hdfs/file-system.ts'
import { openFileSystem } from '../../src/net/hdfs/open.ts'
import { numbered } from '../support/batches.ts'
import { hdfsSink } from '../support/hdfs-sink.ts'
import { tempDir } from '../support/temp-dir.ts'
import { client } from './hdfs-lines.ts'
import { type HadoopVersion, type Hdfs, startHdfs, startSecuredNameNode } from './peers.ts'

// Clusters that are not as simple as the others: with two name nodes, and such as must be refused.

/** The tests on one version of Hadoop. */
export function clusters(version: HadoopVersion): void {
  describe(`an HDFS ${version} with two name nodes`, () => {
    let hdfs: Hdfs
    before(async () => {
      hdfs = await startHdfs({ version, nameNodes: 2 })
    })
    after(async () => {
      await hdfs.process.stop()
    })

    it('loses no batch of a sink when the active one dies, and when the other gives back', async () => {
      const env = { HADOOP_CONF_DIR: await hdfs.configurationFor('ha') }
      const sink = await hdfsSink(
        {
          'hdfs.path': 'hdfs://ha/flume',
          'hdfs.fileType': 'DataStream',
          'hdfs.rollCount': '70',
          'hdfs.rollSize': '0',
          'hdfs.rollInterval': '0',
        },
        { clock: systemClock, env },
      )
      await sink.start?.()
      let next = 0
      let rejected = 0
      const until = async (done: { readonly isDone: boolean }, more: number): Promise<void> => {
        for (let left = more; left > 0; ) {
          try {
            await sink.write(numbered(next, 50))
            next += 50
            if (done.isDone) left--
          } catch (error) {
            // As the sink's runner does: the batch comes again.
            assert.ok(error instanceof FileSystemError && error.retry, String(error))
            rejected++
          }
          await systemClock.sleep(5)
        }
      }
      await until({ isDone: true }, 10)
      for (const command of ['kill-active', 'change-over']) {
        const state = { isDone: false }
        const changed = hdfs.command(command).then(() => {
          state.isDone = true
        })
        await until(state, 10)
        await changed
      }
      await sink.stop?.()
      assert.doesNotMatch(await hdfs.shell('-ls', '/flume'), /\.tmp$/m)
      const lines = (await hdfs.shell('-cat', '/flume/*')).trimEnd().split('\n').map(Number)
      assert.deepEqual(
        [...new Set(lines)].sort((a, b) => a - b),
        Array.from({ length: next }, (_, i) => i),
      )
      assert.ok(lines.length - next <= rejected * 50, `${lines.length - next} twice, ${rejected} batches came again`)
    })
  })

  describe(`what an HDFS ${version} asks for and is not given`, () => {
    it('Kerberos: said in one line, before anything is sent', async () => {
      const { process: door, port } = await startSecuredNameNode(version)
      const { fileSystem } = openFileSystem(`hdfs://127.0.0.1:${port}/x`, {
        mounts: new Map(),
        env: {},
        clock: systemClock,
        timeoutMs: 20_000,
      })
      await assert.rejects(fileSystem.create('/x', [Buffer.from('x')]), {
        reason: 'denied',
        retry: false,
        untouched: true,
        message: /Kerberos/,
        hint: /hdfs\.client = webhdfs/,
      })
      await fileSystem.close()
      await door.stop()
    })

    it('encrypted data transfer (dfs.encrypt.data.transfer)', async () => {
      const hdfs = await startHdfs({
        version,
        configuration: { 'dfs.encrypt.data.transfer': 'true', 'dfs.block.access.token.enable': 'true' },
      })
      const files = client(hdfs, { replication: 1 })
      await assert.rejects(files.create('/x', [Buffer.from('x')]), {
        reason: 'denied',
        retry: false,
        untouched: true,
        message: /dfs\.encrypt\.data\.transfer/,
        hint: /webhdfs/,
      })
      assert.equal(await files.status('/x'), undefined)
      await files.close()
      await hdfs.process.stop()
    })

    it('an encryption zone, a file of erasure-coded blocks; a new file beside that is replicated', async (t) => {
      const keys = `jceks://file${join(await tempDir(t), 'keys.jceks')}`
      const hdfs = await startHdfs({ version, configuration: { 'hadoop.security.key.provider.path': keys } })
      const files = client(hdfs, { replication: 1 })
      await hdfs.command('encrypt /zone')
      await assert.rejects(files.create('/zone/x', [Buffer.from('secret')]), {
        reason: 'denied',
        retry: false,
        untouched: true,
        message: /encryption zone/,
        hint: /another directory/,
      })
      assert.equal(await files.status('/zone/x'), undefined)

      await hdfs.command('erasure-code /coded')
      await hdfs.shell('-touchz', '/coded/theirs')
      await assert.rejects(files.append('/coded/theirs', [Buffer.from('x')], 0), {
        reason: 'denied',
        untouched: true,
        message: /erasure-coded/,
        hint: /new file/,
      })
      await files.create('/coded/ours', [Buffer.from('one\n')])
      await files.append('/coded/ours', [Buffer.from('two\n')], 4)
      assert.equal(await hdfs.shell('-cat', '/coded/ours'), 'one\ntwo\n')
      await files.close()
      await hdfs.process.stop()
    })
  })
}
