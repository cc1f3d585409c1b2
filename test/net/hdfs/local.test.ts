import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FileSystemError } from '../../../src/net/hdfs/file-system.ts'
import { LocalFileSystem } from '../../../src/net/hdfs/local.ts'
import { fileSystemContract } from '../../contract/file-system.ts'

fileSystemContract('a local folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-'))
  return {
    fileSystem: new LocalFileSystem(folder),
    root: '/data',
    stop: () => rm(folder, { recursive: true }),
  }
})

test('an append to a file that someone else has changed is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-'))
  t.after(() => rm(folder, { recursive: true }))
  const files = new LocalFileSystem(folder)
  await files.create('/f', [Buffer.from('abc')])
  await writeFile(join(folder, 'f'), 'abcdef')
  await assert.rejects(files.append('/f', [Buffer.from('x')], 3), (error: FileSystemError) => {
    assert.match(error.message, /6 bytes long, not 3/)
    return error.untouched
  })
})
