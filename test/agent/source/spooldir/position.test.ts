import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import avro from 'avsc'
import { PositionFile, readPosition, removeIfEmpty } from '../../../../src/agent/source/spooldir/position.ts'
import { seededRandom } from '../../../../src/core/random.ts'
import { tempDir } from '../../../support/temp-dir.ts'

const recorded = join(import.meta.dirname, '../../../../../test/fixture/spooldir/flume-1.11-at-28.meta')

/** Offsets in a container file, read by another implementation of Avro. */
function offsetsIn(bytes: Buffer): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const decoder = new avro.streams.BlockDecoder()
    const offsets: number[] = []
    decoder.on('data', (record: { offset: number }) => offsets.push(record.offset))
    decoder.on('end', () => resolve(offsets))
    decoder.on('error', reject)
    decoder.end(bytes)
  })
}

describe('spooldir position file', () => {
  it('reads the one that Flume 1.11 wrote (S-73)', async () => {
    assert.deepEqual(await readPosition(recorded), { file: '/tmp/files/rec/spool/a.txt', offset: 28 })
  })

  it('writes the same bytes as Flume but for the marker', async (test) => {
    const path = join(await tempDir(test), 'meta')
    const position = new PositionFile(path, '/tmp/files/rec/spool/a.txt', seededRandom(1))
    for (const offset of [14, 28]) {
      position.note(offset)
      await position.flush()
    }
    await position.close()
    const [ours, theirs] = [await readFile(path), await readFile(recorded)]
    const markerOf = (bytes: Buffer): Buffer => bytes.subarray(-16)
    const without = (bytes: Buffer): string =>
      bytes.toString('latin1').replaceAll(markerOf(bytes).toString('latin1'), '<marker>')
    assert.equal(without(ours), without(theirs))
    assert.deepEqual(await offsetsIn(ours), [14, 28])
  })

  for (const offset of [0, 1, 63, 64, 8191, 8192, 2 ** 31, 10_000_000_000, Number.MAX_SAFE_INTEGER]) {
    it(`keeps the offset ${offset}`, async (test) => {
      const path = join(await tempDir(test), 'meta')
      const position = new PositionFile(path, '/spool/ä b', seededRandom(1))
      position.note(offset)
      await position.close()
      assert.deepEqual(await readPosition(path), { file: '/spool/ä b', offset })
    })
  }

  it('is usable up to the last whole record when it is torn anywhere', async (test) => {
    const path = join(await tempDir(test), 'meta')
    const whole = await readFile(recorded)
    const records = [whole.length - 2 * 19, whole.length - 19, whole.length]
    for (let length = records[0] as number; length <= whole.length; length++) {
      await writeFile(path, whole.subarray(0, length))
      const expected = length >= (records[2] as number) ? 28 : length >= (records[1] as number) ? 14 : 0
      assert.equal((await readPosition(path))?.offset, expected, `${length} bytes`)
    }
    for (let length = 1; length < (records[0] as number); length++) {
      await writeFile(path, whole.subarray(0, length))
      await assert.rejects(readPosition(path), { code: 'INVALID_DATA' }, `${length} bytes`)
    }
  })

  it('stays small, whatever is marked in it', async (test) => {
    const path = join(await tempDir(test), 'meta')
    const position = new PositionFile(path, '/spool/a', seededRandom(1))
    for (let offset = 1; offset <= 8000; offset++) {
      position.note(offset)
      await position.flush()
    }
    await position.close()
    assert.ok((await stat(path)).size < 70_000)
    assert.equal((await readPosition(path))?.offset, 8000)
  })

  it('finds the last record of a file that Flume let grow', async (test) => {
    const path = join(await tempDir(test), 'meta')
    const whole = await readFile(recorded)
    const record = (offset: number): Buffer => {
      const zigzag = offset * 2
      const data = Buffer.from([(zigzag & 0x7f) | 0x80, ((zigzag >> 7) & 0x7f) | 0x80, zigzag >> 14])
      return Buffer.concat([Buffer.from([2, 2 * data.length]), data, whole.subarray(-16)])
    }
    const grown = Array.from({ length: 20_000 }, (_, i) => record(100_000 + i))
    await writeFile(path, Buffer.concat([whole, ...grown]))
    assert.equal((await readPosition(path))?.offset, 119_999)
  })

  it('combines offsets that come while one is being written', async (test) => {
    const path = join(await tempDir(test), 'meta')
    const position = new PositionFile(path, '/spool/a', seededRandom(1))
    for (let offset = 1; offset <= 1000; offset++) {
      position.note(offset)
      position.save()
    }
    await position.close()
    assert.deepEqual(await offsetsIn(await readFile(path)), [1, 1000])
  })

  it('is not written for a file that is done at once', async (test) => {
    const dir = await tempDir(test)
    const position = new PositionFile(join(dir, 'meta'), '/spool/a', seededRandom(1))
    position.note(5)
    await position.remove()
    await position.close()
    assert.equal(await readPosition(join(dir, 'meta')), undefined)
  })

  it('goes away with its file', async (test) => {
    const path = join(await tempDir(test), 'meta')
    const position = new PositionFile(path, '/spool/a', seededRandom(1))
    position.note(5)
    position.save()
    position.note(6)
    await position.remove()
    assert.equal(await readPosition(path), undefined)
  })

  it('says how each writing went, and tries the next one all the same', async (test) => {
    const dir = join(await tempDir(test), 'not-there-yet')
    const told: string[] = []
    const position = new PositionFile(join(dir, 'meta'), '/spool/a', seededRandom(1), {
      onWritten: (error) => told.push(error instanceof Error ? error.message.slice(0, 6) : String(error)),
    })
    position.note(5)
    await assert.rejects(position.flush(), { code: 'ENOENT' })
    await mkdir(dir)
    position.note(6)
    await position.flush()
    assert.deepEqual(told, ['ENOENT', 'undefined'])
    await position.close()
    assert.equal((await readPosition(join(dir, 'meta')))?.offset, 6)
  })

  it('deletes an empty one at start and leaves others alone (S-73)', async (test) => {
    const dir = await tempDir(test)
    await writeFile(join(dir, 'empty'), '')
    await copyFile(recorded, join(dir, 'full'))
    for (const name of ['empty', 'full', 'none']) await removeIfEmpty(join(dir, name))
    assert.equal(await readPosition(join(dir, 'empty')), undefined)
    assert.equal((await readPosition(join(dir, 'full')))?.offset, 28)
  })
})
