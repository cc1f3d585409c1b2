import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { joinPath, locate, mountFileSystems } from '../../src/stream/files.ts'
import { tempDir } from '../support/temp-dir.ts'

describe('the file systems of jobs', () => {
  it('serve a mounted address from its folder, replacing older output', async (t) => {
    const folder = await tempDir(t)
    mountFileSystems(new Map([['hdfs://namenode:8020', folder]]))
    const { files, path } = locate('hdfs://namenode:8020/out/words')
    for (const text of ['old', 'new']) {
      await files.mkdirs(path)
      const writer = await files.create(joinPath(path, '_part'))
      await writer.write(Buffer.from(text))
      await writer.close()
      await files.rename(joinPath(path, '_part'), joinPath(path, 'part-00000'))
    }
    assert.deepEqual(await readdir(join(folder, 'out', 'words')), ['part-00000'])
    const read: Uint8Array[] = []
    for await (const chunk of files.read(joinPath(path, 'part-00000'))) read.push(chunk)
    assert.equal(Buffer.concat(read).toString(), 'new')
    mountFileSystems(new Map())
  })

  it('mount whole file systems only', () => {
    assert.throws(() => mountFileSystems(new Map([['hdfs://namenode:8020/logs', '.']])), { code: 'USAGE' })
  })

  it('refuse a scheme nobody knows, naming those there are', () => {
    assert.throws(() => locate('s3://bucket/key'), /no file system for s3: in s3:\/\/bucket\/key/)
  })
})
