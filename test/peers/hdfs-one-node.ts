import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import type { NativeHdfs } from '../../src/net/hdfs/native/native-hdfs.ts'
import { RunningProcess } from '../support/running-process.ts'
import { client, Lines } from './hdfs-lines.ts'
import { type HadoopVersion, type Hdfs, startHdfs } from './peers.ts'

// A single data node: nobody goes on in its place, and nothing that was confirmed may be gone.

const nativeHdfs = new URL('../../src/net/hdfs/native/native-hdfs.js', import.meta.url).href
const clockModule = new URL('../../src/core/clock.js', import.meta.url).href

/** The tests on one version of Hadoop. */
export function oneNode(version: HadoopVersion): void {
  describe(`a writer of a real HDFS ${version} with one data node`, () => {
    let hdfs: Hdfs
    let node: RunningProcess
    let disk: string
    before(async () => {
      hdfs = await startHdfs({ version, dataNodes: 0 })
      disk = await mkdtemp(join(tmpdir(), 'flume-ts-disk-'))
      node = await hdfs.startDataNode(disk)
    })
    after(async () => {
      await node.stop()
      await hdfs.process.stop()
      await rm(disk, { recursive: true, force: true })
    })
    const single = (): NativeHdfs => client(hdfs, { replication: 1, blockSizeBytes: 256 * 1024, timeoutMs: 8000 })

    it('goes on over a restart of the name node', async () => {
      const files = single()
      const file = await files.begin('/restarted', [])
      const lines = new Lines(file)
      await lines.write(20)
      const restarted = hdfs.restartNameNode()
      await lines.write(40)
      await restarted
      await lines.write(100)
      await file.close()
      assert.equal(await hdfs.shell('-cat', '/restarted'), lines.text)
      await files.close()
    })

    it('waits for a data node that hangs for a moment', async () => {
      const files = single()
      const file = await files.begin('/hung', [])
      const lines = new Lines(file)
      await lines.write(5)
      process.kill(node.pid, 'SIGSTOP')
      const written = lines.write(5)
      await systemClock.sleep(1000)
      process.kill(node.pid, 'SIGCONT')
      await written
      await file.close()
      assert.equal(await hdfs.shell('-cat', '/hung'), lines.text)
      await files.close()
    })

    it('fails when its only data node is killed, and finds all it confirmed when that is back', async () => {
      const files = single()
      const lines = new Lines(await files.begin('/killed', []))
      await lines.write(30)
      await node.kill()
      await assert.rejects(lines.write(5))
      assert.equal(await files.recover('/killed', { force: true }), false)
      node = await hdfs.startDataNode(disk)
      while (!(await files.recover('/killed', { force: true }))) await systemClock.sleep(500)
      await files.close()
      // What was under way when it died may be there too, in part.
      const found = await hdfs.shell('-cat', '/killed')
      assert.equal(found.slice(0, lines.text.length), lines.text)
    })

    it('leaves whole what it confirmed when it is killed with SIGKILL', async () => {
      const program = `import { NativeHdfs } from ${JSON.stringify(nativeHdfs)}
      import { systemClock } from ${JSON.stringify(clockModule)}
      const files = new NativeHdfs({
        nameNodes: [{ host: '127.0.0.1', port: ${hdfs.rpcPort} }],
        user: 'flume', timeoutMs: 30000, clock: systemClock, replication: 1, blockSizeBytes: 65536,
      })
      const file = await files.begin('/gone', [])
      for (let i = 0; ; i++) {
        await file.write([Buffer.from('line ' + i + ' ' + 'x'.repeat((i * 37) % 5000) + '\\n')])
        console.log('confirmed', i)
      }`
      const writer = new RunningProcess('writer', process.execPath, ['--input-type=module', '-e', program])
      await writer.waitFor(/confirmed 60$/m)
      await writer.kill()
      const confirmed = Number(/.*confirmed (\d+)\n/s.exec(writer.stdout)?.[1])
      const files = single()
      // Its process has ended: nobody waits for its lease.
      const began = systemClock.monotonic()
      while (!(await files.recover('/gone'))) await systemClock.sleep(200)
      assert.ok(systemClock.monotonic() - began < 30_000)
      await files.close()
      const lines = (await hdfs.shell('-cat', '/gone')).split('\n')
      for (let i = 0; i <= confirmed; i++) assert.equal(lines[i], `line ${i} ${'x'.repeat((i * 37) % 5000)}`)
      assert.ok(lines.length <= confirmed + 3)
    })
  })
}
