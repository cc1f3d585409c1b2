import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { type FileSystem, FileSystemError, type FileSystemReason } from '../../src/net/hdfs/file-system.ts'

export interface FileSystemUnderTest {
  readonly fileSystem: FileSystem
  /** An empty directory, or one that can be made. */
  readonly root: string
  stop(): Promise<void>
}

/** What every file system must do, whatever is behind it. */
export function fileSystemContract(name: string, open: () => Promise<FileSystemUnderTest>): void {
  describe(`${name} keeps the file-system contract`, () => {
    let under: FileSystemUnderTest
    let files: FileSystem
    let folder = 0
    before(async () => {
      under = await open()
      files = under.fileSystem
    })
    after(async () => {
      await files.close()
      await under.stop()
    })
    const fresh = (): string => `${under.root}/case-${++folder}`
    const contentOf = async (path: string): Promise<string> =>
      Buffer.from(await files.read(path, 0, 1 << 20)).toString()

    it('creates a file, its parents too, with its first bytes', async () => {
      const root = fresh()
      await files.create(`${root}/a/b/file`, [Buffer.from('one '), Buffer.from('two')])
      assert.equal(await contentOf(`${root}/a/b/file`), 'one two')
      const status = await files.status(`${root}/a/b/file`)
      assert.equal(status?.kind, 'file')
      assert.equal(status?.sizeBytes, 7)
      assert.ok((status?.modifiedMs ?? 0) > 0)
    })

    it('creates an empty file', async () => {
      const path = `${fresh()}/empty`
      await files.create(path, [])
      assert.equal((await files.status(path))?.sizeBytes, 0)
      assert.equal((await files.read(path, 0, 10)).length, 0)
    })

    it('does not create over an existing file, unless told to', async () => {
      const path = `${fresh()}/file`
      await files.create(path, [Buffer.from('first')])
      await rejects(files.create(path, [Buffer.from('second')]), 'exists', true)
      assert.equal(await contentOf(path), 'first')
      await files.create(path, [Buffer.from('third')], { overwrite: true })
      assert.equal(await contentOf(path), 'third')
    })

    it('appends behind what is there, and only to what is there', async () => {
      const root = fresh()
      await files.create(`${root}/file`, [Buffer.from('one ')])
      await files.append(`${root}/file`, [Buffer.from('two '), Buffer.from('three')], 4)
      assert.equal(await contentOf(`${root}/file`), 'one two three')
      await rejects(files.append(`${root}/other`, [Buffer.from('x')], 0), 'missing', true)
    })

    it('keeps a file open between writes, each of which every reader sees', async () => {
      const path = `${fresh()}/a/open`
      const file = await files.begin(path, [Buffer.from('one ')])
      assert.equal(await contentOf(path), 'one ')
      await file.write([Buffer.from('two '), Buffer.from('three')])
      assert.equal(await contentOf(path), 'one two three')
      await file.write([])
      await file.close()
      assert.equal((await files.status(path))?.sizeBytes, 13)
      await rejects(files.begin(path, [Buffer.from('x')]), 'exists', true)
    })

    it('opens a file again behind what is there, and only to what is there', async () => {
      const path = `${fresh()}/file`
      await files.create(path, [Buffer.from('one ')])
      const file = await files.resume(path, [Buffer.from('two ')], 4)
      await file.write([Buffer.from('three')])
      await file.close()
      assert.equal(await contentOf(path), 'one two three')
      await rejects(files.resume(`${path}.other`, [Buffer.from('x')], 0), 'missing', true)
    })

    it('cuts a file that was let go while it was open, and takes more behind that', async () => {
      const path = `${fresh()}/file`
      const file = await files.begin(path, [Buffer.from('kept ')])
      await file.write([Buffer.from('dropped')])
      file.abandon()
      while (!(await files.truncate(path, 5))) await systemClock.sleep(100)
      await files.append(path, [Buffer.from('more')], 5)
      assert.equal(await contentOf(path), 'kept more')
    })

    it('closes what was let go, with all that was confirmed', async () => {
      const path = `${fresh()}/file`
      const file = await files.begin(path, [Buffer.from('one ')])
      await file.write([Buffer.from('two')])
      file.abandon()
      while (!(await files.recover(path, { force: true }))) await systemClock.sleep(100)
      assert.equal(await files.recover(path), true)
      assert.equal((await files.status(path))?.sizeBytes, 7)
      assert.equal(await contentOf(path), 'one two')
      await rejects(files.recover(`${path}.other`), 'missing')
    })

    it('cuts a file, never lengthens it', async () => {
      const path = `${fresh()}/file`
      await files.create(path, [Buffer.from('0123456789')])
      while (!(await files.truncate(path, 4)));
      assert.equal(await contentOf(path), '0123')
      while (!(await files.truncate(path, 4)));
      await assert.rejects(files.truncate(path, 5), FileSystemError)
      assert.equal(await contentOf(path), '0123')
      await rejects(files.truncate(`${path}.other`, 0), 'missing')
    })

    it('renames a file, never onto another', async () => {
      const root = fresh()
      await files.create(`${root}/a`, [Buffer.from('a')])
      await files.create(`${root}/b`, [Buffer.from('b')])
      await rejects(files.rename(`${root}/a`, `${root}/b`), 'exists', true)
      assert.equal(await contentOf(`${root}/b`), 'b')
      await files.rename(`${root}/a`, `${root}/c`)
      assert.equal(await files.status(`${root}/a`), undefined)
      assert.equal(await contentOf(`${root}/c`), 'a')
      await rejects(files.rename(`${root}/a`, `${root}/d`), 'missing', true)
      await assert.rejects(files.rename(`${root}/c`, `${root}/no/such/folder`), FileSystemError)
    })

    it('renames a file onto another where that is asked for, and keeps the other while there is no source', async () => {
      const root = fresh()
      await files.create(`${root}/a`, [Buffer.from('a')])
      await files.create(`${root}/b`, [Buffer.from('b')])
      await files.rename(`${root}/a`, `${root}/b`, { overwrite: true })
      assert.equal(await files.status(`${root}/a`), undefined)
      assert.equal(await contentOf(`${root}/b`), 'a')
      await files.rename(`${root}/b`, `${root}/c`, { overwrite: true })
      await rejects(files.rename(`${root}/a`, `${root}/c`, { overwrite: true }), 'missing', true)
      assert.equal(await contentOf(`${root}/c`), 'a')
    })

    it('renames a directory with what is in it', async () => {
      const root = fresh()
      await files.create(`${root}/from/x`, [Buffer.from('x')])
      await files.rename(`${root}/from`, `${root}/to`)
      assert.equal(await contentOf(`${root}/to/x`), 'x')
      assert.equal(await files.status(`${root}/from`), undefined)
    })

    it('lists a directory by name, and a file as itself', async () => {
      const root = fresh()
      for (const name of ['b', 'a', 'dir/c']) await files.create(`${root}/${name}`, [Buffer.from(name)])
      const found = await files.list(root)
      assert.deepEqual(
        found.map(({ path, kind, sizeBytes }) => [path, kind, sizeBytes]),
        [
          [`${root}/a`, 'file', 1],
          [`${root}/b`, 'file', 1],
          [`${root}/dir`, 'directory', 0],
        ],
      )
      assert.deepEqual(
        (await files.list(`${root}/a`)).map(({ path }) => path),
        [`${root}/a`],
      )
      await rejects(files.list(`${root}/nothing`), 'missing')
    })

    it('reads a range, less at the end', async () => {
      const path = `${fresh()}/file`
      await files.create(path, [Buffer.from('0123456789')])
      assert.equal(Buffer.from(await files.read(path, 3, 4)).toString(), '3456')
      assert.equal(Buffer.from(await files.read(path, 8, 4)).toString(), '89')
      assert.equal((await files.read(path, 10, 4)).length, 0)
      assert.equal((await files.read(path, 11, 4)).length, 0)
      await rejects(files.read(`${path}.other`, 0, 1), 'missing')
    })

    it('deletes a file, and a full directory only when asked to', async () => {
      const root = fresh()
      await files.create(`${root}/dir/file`, [])
      await assert.rejects(files.delete(`${root}/dir`), FileSystemError)
      assert.equal(await files.delete(`${root}/dir/file`), true)
      assert.equal(await files.delete(`${root}/dir/file`), false)
      await files.create(`${root}/dir/file`, [])
      assert.equal(await files.delete(`${root}/dir`, { recursive: true }), true)
      assert.equal(await files.status(`${root}/dir`), undefined)
    })

    it('makes directories, again without harm', async () => {
      const root = fresh()
      await files.mkdirs(`${root}/x/y`)
      await files.mkdirs(`${root}/x/y`)
      assert.equal((await files.status(`${root}/x/y`))?.kind, 'directory')
    })

    it('takes names with blanks, percent signs, plus signs, question marks and letters beyond ASCII', async () => {
      const root = fresh()
      for (const name of ['a b', '100%', 'a%20b', 'x+y', 'what?', 'größe', '#1', 'a&b=c']) {
        await files.create(`${root}/${name}`, [Buffer.from(name)])
        assert.equal(await contentOf(`${root}/${name}`), name)
        await files.rename(`${root}/${name}`, `${root}/${name}.done`)
      }
      assert.equal((await files.list(root)).length, 8)
    })

    it('takes a megabyte at once', async () => {
      const path = `${fresh()}/file`
      const bytes = Buffer.alloc(1 << 20, 'abcdefghij')
      await files.create(path, [bytes])
      await files.append(path, [bytes], bytes.length)
      assert.equal((await files.status(path))?.sizeBytes, 2 << 20)
      assert.deepEqual(Buffer.from(await files.read(path, 1 << 20, 1 << 20)), bytes)
    })

    it('refuses paths that lead elsewhere', async () => {
      for (const path of ['relative', '/a/../b', '/a/./b', '/a\0b', '']) {
        await assert.rejects(files.create(path, []), FileSystemError, path)
      }
    })
  })
}

async function rejects(call: Promise<unknown>, reason: FileSystemReason, untouched?: boolean): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof FileSystemError, String(error))
    assert.equal(error.reason, reason, error.message)
    if (untouched !== undefined) assert.equal(error.untouched, untouched, error.message)
    return true
  })
}
