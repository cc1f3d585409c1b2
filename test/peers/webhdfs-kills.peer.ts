import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { WebHdfs } from '../../src/net/hdfs/webhdfs.ts'
import { crashFlow, spooldirHdfs } from '../sim/crash-flows.ts'
import { hdfsSink } from '../support/hdfs-sink.ts'
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

test('a file whose agent and data node were killed together is finished once its lease is over', async (t) => {
  const hdfs = await startHdfs({ dataNodes: 0 })
  await using _ = hdfs.process
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-peer-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [data, notes] = [join(folder, 'data'), join(folder, 'notes')]
  const node = await hdfs.startDataNode(data)
  const files = new WebHdfs({ nameNodes: [hdfs.httpUri], user: 'flume', timeoutMs: 30_000, clock: systemClock })
  const name = '/left/FlumeData.1700000000001'
  await files.create(`${name}.tmp`, [Buffer.from('one\ntwo\n')])
  const line = 'x'.repeat(999)
  await appendHalf(`${hdfs.httpUri}/webhdfs/v1${name}.tmp?op=APPEND&user.name=flume`, `${line}\n`.repeat(300), 150_500)
  process.kill(node.pid, 'SIGKILL')
  await node.exited
  const again = await hdfs.startDataNode(data)
  await using _2 = again
  assert.equal(await files.recover(`${name}.tmp`), false, 'the dead writer holds its lease')

  await writeFile(
    join(await mkdtemp(`${notes}-`), '0123456789abcdef.open'),
    `{"version":1,"place":"${hdfs.httpUri}","user":"","ending":"newline"}\n+["${name}.tmp","${name}"]\n`,
  )
  const [made = ''] = (await readdir(folder)).filter((entry) => entry.startsWith('notes-'))
  const sink = await hdfsSink(
    {
      'hdfs.path': `${hdfs.httpUri.replace('http:', 'webhdfs:')}/left`,
      'hdfs.fileType': 'DataStream',
      'hdfs.openFilesDir': join(folder, made),
    },
    { clock: systemClock },
  )
  const beganMs = systemClock.monotonic()
  await sink.start?.()
  while (!(await files.status(name))) {
    assert.ok(systemClock.monotonic() - beganMs < 150_000, 'it keeps its in-use name')
    await systemClock.sleep(500)
  }
  t.diagnostic(`finished after ${Math.round((systemClock.monotonic() - beganMs) / 1000)} s`)
  await sink.stop?.()
  assert.deepEqual(await readdir(join(folder, made)), [])
  const text = await hdfs.shell('-cat', name)
  assert.match(text, /^one\ntwo\n(x{999}\n)*$/)
  await files.close()
})

/** Begins an append by hand and stops within its bytes; resolves once the data node has had time to store them. */
async function appendHalf(url: string, bytes: string, sent: number): Promise<void> {
  const location = await new Promise<string>((resolve, reject) => {
    request(url, { method: 'POST' }, (response) => {
      response.resume()
      resolve(String(response.headers.location))
    })
      .on('error', reject)
      .end()
  })
  const half = request(location, {
    method: 'POST',
    headers: { 'Content-Length': bytes.length, 'Content-Type': 'application/octet-stream' },
  })
  half.on('error', () => undefined)
  await new Promise<void>((resolve) => half.write(bytes.slice(0, sent), () => resolve()))
  await systemClock.sleep(2000)
}
