import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { OpenFile } from '../../src/net/hdfs/file-system.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { client, Lines } from './hdfs-lines.ts'
import { type HadoopVersion, type Hdfs, startHdfs } from './peers.ts'

// A name node, and data nodes in processes of their own that are killed and halted under a writer. What a write confirmed
// is read back by Hadoop's own client.

/** Begins files until one has so many copies: a data node that has just come is not given blocks at once. */
async function begun(begin: () => Promise<OpenFile>, copies: number): Promise<OpenFile> {
  for (;;) {
    const file = await begin().catch(() => undefined)
    if (file?.replicas?.actual === copies) return file
    await file?.close()
    await systemClock.sleep(500)
  }
}

/** The tests on one version of Hadoop. */
export function failures(version: HadoopVersion): void {
  describe(`a writer of a real HDFS ${version} with three data nodes`, () => {
    let hdfs: Hdfs
    let nodes: RunningProcess[] = []
    before(async () => {
      hdfs = await startHdfs({ version, dataNodes: 0 })
      nodes = await Promise.all([hdfs.startDataNode(), hdfs.startDataNode(), hdfs.startDataNode()])
    })
    after(async () => {
      for (const node of nodes) process.kill(node.pid, 'SIGCONT')
      await Promise.all(nodes.map((node) => node.stop()))
      await hdfs.process.stop()
    })

    it('goes on when a data node is killed, and gets another in its place where there is one', async () => {
      const files = client(hdfs)
      const file = await files.begin('/killed', [])
      const lines = new Lines(file)
      await lines.write(20)
      assert.equal(file.replicas?.actual, 3)
      const spare = await hdfs.startDataNode()
      process.kill((nodes.shift() as RunningProcess).pid, 'SIGKILL')
      await lines.write(30)
      assert.equal(file.replicas?.actual, 3)
      nodes.push(spare)
      // Now there is no other one: the file goes on with two, then with one.
      process.kill((nodes.shift() as RunningProcess).pid, 'SIGKILL')
      await lines.write(30)
      assert.equal(file.replicas?.actual, 2)
      await file.close()
      await files.close()
      assert.equal(await hdfs.shell('-cat', '/killed'), lines.text)
      nodes.push(await hdfs.startDataNode())
    })

    it('finds out which data node hangs, and goes on without it', async () => {
      const files = client(hdfs, { timeoutMs: 20_000, replication: 2 })
      const file = await files.begin('/hung', [])
      const lines = new Lines(file)
      await lines.write(5)
      // Whichever is in the pipeline: with two of three halted at most one of the file's two is left.
      const halted = nodes[0] as RunningProcess
      process.kill(halted.pid, 'SIGSTOP')
      await lines.write(20)
      await file.close()
      process.kill(halted.pid, 'SIGCONT')
      const first = await hdfs.shell('-cat', '/hung')
      assert.equal(first, lines.text)
      const again = await files.begin('/hung-2', [])
      const more = new Lines(again)
      await more.write(5)
      process.kill((nodes[1] as RunningProcess).pid, 'SIGSTOP')
      await more.write(20)
      await again.close()
      process.kill((nodes[1] as RunningProcess).pid, 'SIGCONT')
      assert.equal(await hdfs.shell('-cat', '/hung-2'), more.text)
      await files.close()
    })

    it('goes on without a data node whose disk is full, and finishes without it', async (t) => {
      const disk = await mkdtemp(join(tmpdir(), 'flume-ts-disk-'))
      if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]).status !== 0) {
        await rm(disk, { recursive: true })
        t.diagnostic('no full disk was tried: a small one cannot be mounted here, that takes root')
        return
      }
      try {
        // With it there are three: every block wants the small disk.
        await (nodes.shift() as RunningProcess).kill()
        const small = await hdfs.startDataNode(disk)
        nodes.push(small)
        const files = client(hdfs, { blockSizeBytes: 4 * 1024 * 1024 })
        const file = await begun(() => files.begin('/full', [Buffer.from('first\n')], { overwrite: true }), 3)
        const lines = new Lines(file, 'first\n')
        await lines.write(10)
        assert.equal(file.replicas?.actual, 3)
        const { bavail, bsize } = await statfs(disk)
        await writeFile(join(disk, 'filler'), Buffer.alloc(bavail * bsize - 200_000, 'x'))
        while (lines.text.length < 600_000) await lines.write(20)
        assert.equal(file.replicas?.actual, 2)
        // Further blocks do without it too.
        const large = `${'y'.repeat(1 << 20)}\n`
        for (let mib = 0; mib < 8; mib++) {
          await file.write([Buffer.from(large)])
          lines.text += large
        }
        await file.close()
        await files.close()
        assert.equal(await hdfs.shell('-cat', '/full'), lines.text)
        nodes.pop()
        await small.kill()
        nodes.push(await hdfs.startDataNode())
      } finally {
        spawnSync('umount', ['-l', disk])
        await rm(disk, { recursive: true, force: true })
      }
    })

    it('waits for the name node at the end of a block, and not before', async () => {
      const files = client(hdfs, { blockSizeBytes: 256 * 1024 })
      const file = await files.begin('/restarted', [])
      const lines = new Lines(file)
      await lines.write(20)
      const restarted = hdfs.restartNameNode()
      await lines.write(200)
      await restarted
      await file.close()
      assert.equal(await hdfs.shell('-cat', '/restarted'), lines.text)
      await files.close()
    })

    it('leaves whole what it confirmed when it is gone, and the next one takes the file', async () => {
      const gone = client(hdfs, { blockSizeBytes: 64 * 1024 })
      const lines = new Lines(await gone.begin('/gone', []))
      await lines.write(30)
      await gone.close()
      const files = client(hdfs)
      assert.equal(await files.recover('/gone'), false)
      while (!(await files.recover('/gone', { force: true }))) await systemClock.sleep(200)
      const length = (await files.status('/gone'))?.sizeBytes ?? 0
      assert.equal(length, Buffer.byteLength(lines.text))
      const file = await files.resume('/gone', [Buffer.from('and more\n')], length)
      await file.write([Buffer.from('to the end\n')])
      await file.close()
      assert.equal(await hdfs.shell('-cat', '/gone'), `${lines.text}and more\nto the end\n`)
      await files.close()
    })

    it('finishes, as an agent, what agents before it left when they were killed', async () => {
      const port = await freePort()
      const folder = await mkdtemp(join(tmpdir(), 'flume-ts-killed-'))
      const properties = join(folder, 'agent.properties')
      await writeFile(
        properties,
        `a1.sources = r1
      a1.channels = c1
      a1.sinks = k1
      a1.sources.r1.type = netcat
      a1.sources.r1.bind = 127.0.0.1
      a1.sources.r1.port = ${port}
      a1.sources.r1.channels = c1
      a1.channels.c1.type = memory
      a1.sinks.k1.type = hdfs
      a1.sinks.k1.channel = c1
      a1.sinks.k1.hdfs.path = ${hdfs.uri}/agents
      a1.sinks.k1.hdfs.fileType = DataStream
      a1.sinks.k1.hdfs.rollInterval = 0
      a1.sinks.k1.hdfs.rollSize = 0
      a1.sinks.k1.hdfs.rollCount = 0\n`,
      )
      // This name node was begun without data nodes, and has no default that can be met.
      const replication = '<property><name>dfs.replication</name><value>2</value></property>'
      await writeFile(join(folder, 'hdfs-site.xml'), `<configuration>${replication}</configuration>`)
      const startAgent = async (): Promise<RunningProcess> => {
        const program = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
        const args = [program, 'agent', '-f', properties, '--no-console']
        const agent = new RunningProcess('agent', process.execPath, args, { env: { HADOOP_CONF_DIR: folder } })
        await agent.waitFor(/agent a1 runs/)
        return agent
      }
      const files = client(hdfs)
      const seen = async (): Promise<string> => {
        const paths = await files.list('/agents').catch(() => [])
        const texts = await Promise.all(
          paths.map(({ path }) => files.read(path, 0, 1 << 20).catch(() => Buffer.alloc(0))),
        )
        return texts.map((bytes) => Buffer.from(bytes).toString()).join('')
      }
      const sent: string[] = []
      for (let round = 0; round < 4; round++) {
        const agent = await startAgent()
        const lines = Array.from({ length: 50 }, (_, i) => `round ${round} line ${i}`)
        sent.push(...lines)
        const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\n')}\n`))
        socket.on('error', () => undefined)
        // What is flushed must be there afterwards; what had not got so far was in memory.
        while (!(await seen()).includes(`${lines.at(-1)}\n`)) await systemClock.sleep(100)
        await agent.kill()
      }
      const last = await startAgent()
      const open = async (): Promise<number> =>
        (await files.list('/agents')).filter(({ path }) => path.endsWith('.tmp')).length
      while ((await open()) > 0) await systemClock.sleep(500)
      await last.stop()
      await files.close()
      await rm(folder, { recursive: true })
      const lines = (await hdfs.shell('-cat', '/agents/*')).trimEnd().split('\n')
      assert.deepEqual([...new Set(lines)].sort(), [...sent].sort())
    })

    it('writes every size around chunks, packets and blocks, with flushes anywhere, opened again now and then', async () => {
      const files = client(hdfs, { blockSizeBytes: 128 * 1024, packetBytes: 8192 })
      const random = seededRandom(5)
      const sizes = [0, 1, 511, 512, 513, 1024, 7679, 7680, 7681, 65_536, 131_071, 131_072, 131_073, 300_000]
      const bytes = Buffer.alloc(1 << 20)
      for (let i = 0; i < bytes.length; i++) bytes[i] = 97 + Math.floor(random() * 26)
      const expected: string[] = []
      for (let run = 0; run < 12; run++) {
        const path = `/sizes/${String(run).padStart(2, '0')}`
        let file = await files.begin(path, [])
        let length = 0
        for (let writes = 0; writes < 12; writes++) {
          const size =
            random() < 0.6 ? (sizes[Math.floor(random() * sizes.length)] as number) : Math.floor(random() * 3000)
          const piece = bytes.subarray(length % 1000, (length % 1000) + size)
          if (random() < 0.2) {
            await file.close()
            file = await files.resume(path, [piece], length)
          } else await file.write([piece.subarray(0, size >> 1), piece.subarray(size >> 1)])
          expected[run] = (expected[run] ?? '') + piece.toString()
          length += size
          // Every reader sees it at once, its length too.
          if (random() < 0.2) assert.equal((await files.read(path, 0, 1 << 24)).length, length)
        }
        await file.close()
      }
      assert.equal(await hdfs.shell('-cat', '/sizes/*'), expected.join(''))
      await files.close()
    })
  })
}
