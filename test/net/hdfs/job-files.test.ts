import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { JobFiles } from '../../../src/net/hdfs/job-files.ts'
import { WebHdfs } from '../../../src/net/hdfs/webhdfs.ts'
import { FakeHdfs } from '../../support/fake-hdfs.ts'
import { FakeWebHdfs } from '../../support/fake-web-hdfs.ts'
import { RunningProcess } from '../../support/running-process.ts'

describe('the files of a job', () => {
  let fake: FakeWebHdfs
  let files: JobFiles
  before(async () => {
    fake = await FakeWebHdfs.start()
    files = new JobFiles(new WebHdfs({ nameNodes: [fake.url], user: 'job', timeoutMs: 60_000, clock: systemClock }))
  })
  after(() => fake.stop())

  const write = async (path: string, ...parts: (string | Uint8Array)[]): Promise<void> => {
    const writer = await files.create(path)
    for (const part of parts) await writer.write(typeof part === 'string' ? Buffer.from(part) : part)
    await writer.close()
  }

  it('are written from end to end, short ones in one call, and replace older ones', async () => {
    await write('/out/part', 'old and long')
    fake.calls.length = 0
    await write('/out/part', 'a', 'b', 'c')
    assert.equal(fake.contentOf('/out/part'), 'abc')
    assert.deepEqual(fake.calls, ['PUT CREATE /out/part name', 'PUT CREATE /out/part data'])
    await write('/out/empty')
    assert.equal(fake.contentOf('/out/empty'), '')
  })

  it('do not hold the caller’s buffer', async () => {
    const buffer = Buffer.from('one')
    const writer = await files.create('/buffer')
    await writer.write(buffer)
    buffer.fill('x')
    await writer.close()
    assert.equal(fake.contentOf('/buffer'), 'one')
  })

  it('are sent and read in chunks when they are long', async () => {
    const part = Buffer.alloc(5 * 1024 * 1024, '0123456789')
    await write('/long', part, part, part, part)
    const read: Uint8Array[] = []
    for await (const chunk of files.read('/long')) read.push(chunk)
    assert.ok(read.length > 1)
    assert.ok(Buffer.concat(read).equals(Buffer.concat([part, part, part, part])))
  })

  it('say when a close did not keep every byte', async () => {
    const writer = await files.create('/torn')
    await writer.write(Buffer.from('abc'))
    fake.fail('CREATE', 'data', { kind: 'torn', bytes: 1 })
    await assert.rejects(writer.close(), { code: 'CONNECTION' })
  })

  it('move onto a file that is in the way, and a folder as a whole', async () => {
    await write('/move/_temporary/part', 'new')
    await write('/move/part', 'old')
    await files.rename('/move/_temporary/part', '/move/part')
    assert.equal(fake.contentOf('/move/part'), 'new')
    await files.rename('/move', '/moved')
    assert.deepEqual(
      (await files.list('/moved')).map(({ name, isDirectory, path }) => [name, isDirectory, path]),
      [
        ['_temporary', true, '/moved/_temporary'],
        ['part', false, '/moved/part'],
      ],
    )
    assert.equal((await files.status('/moved/part'))?.sizeBytes, 3)
    await files.delete('/moved')
    await files.delete('/moved')
    assert.equal(await files.exists('/moved'), false)
    assert.equal(await files.status('/moved'), undefined)
  })
})

it('a program that waits for nothing but HDFS lives until its file is there', async (t) => {
  const fake = await FakeHdfs.start()
  t.after(() => fake.stop())
  // The client looks again after a pause, without anything on the wire.
  fake.notYet = 2
  const { host, port } = fake.nameNode
  const at = (module: string): string => JSON.stringify(new URL(`../../../src/${module}.js`, import.meta.url).href)
  const program = `import { JobFiles } from ${at('net/hdfs/job-files')}
    import { NativeHdfs } from ${at('net/hdfs/native/native-hdfs')}
    import { systemClock } from ${at('core/clock')}
    const nameNodes = [{ host: ${JSON.stringify(host)}, port: ${port} }]
    const files = new JobFiles(new NativeHdfs({ nameNodes, user: 'job', timeoutMs: 60_000, clock: systemClock }))
    const writer = await files.create('/out/part')
    await writer.write(Buffer.from('all of it'))
    await writer.close()
    console.log('written')`
  await using running = new RunningProcess('writer', process.execPath, ['--input-type=module', '-e', program])
  assert.equal(await running.exited, 0, running.stderr)
  assert.equal(running.stdout, 'written\n')
  assert.equal(fake.contentOf('/out/part'), 'all of it')
})
