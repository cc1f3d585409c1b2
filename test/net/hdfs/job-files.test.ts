import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { JobFiles } from '../../../src/net/hdfs/job-files.ts'
import { WebHdfs } from '../../../src/net/hdfs/webhdfs.ts'
import { FakeWebHdfs } from '../../support/fake-web-hdfs.ts'

describe('the files of a job', () => {
  let fake: FakeWebHdfs
  let files: JobFiles
  before(async () => {
    fake = await FakeWebHdfs.start()
    files = new JobFiles(new WebHdfs({ nameNodes: [fake.url], user: 'job', timeoutMs: 10_000, clock: systemClock }))
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
