import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Sink } from '../../../src/agent/contract.ts'
import { fileRoll } from '../../../src/agent/sink/file-roll.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { bodies } from '../../support/batches.ts'
import { readOptions } from '../../support/read-options.ts'
import { sinkContext } from '../../support/sink-context.ts'
import { tempDir } from '../../support/temp-dir.ts'

const startMs = Date.UTC(2026, 4, 17, 10, 20, 30)
const stamp = (() => {
  const wall = new Date(startMs)
  const two = (number: number): string => String(number).padStart(2, '0')
  return `${wall.getFullYear()}${two(wall.getMonth() + 1)}${two(wall.getDate())}${two(wall.getHours())}${two(wall.getMinutes())}`
})()

async function make(test: TestContext, texts: Record<string, string> = {}) {
  const folder = await tempDir(test)
  const clock = new ManualClock(startMs)
  const context = sinkContext({ clock })
  const values = readOptions(fileRoll, { 'sink.directory': folder, ...texts })
  const sink = (await fileRoll.create(values as never, context)) as Sink
  await sink.start?.()
  test.after(() => sink.stop?.())
  const files = async (): Promise<Record<string, string>> => {
    const names = (await readdir(folder)).sort()
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
    )
  }
  return { folder, clock, sink, files, context }
}

describe('file_roll sink', () => {
  it('names files by the start and a number, and rolls by time at the next call, events or not (N-04, N-05)', async (test) => {
    const { sink, clock, files, context } = await make(test, { 'sink.rollInterval': '10' })
    await sink.connect?.()
    await sink.write(bodies('a', 'b'))
    await clock.advance(9_999)
    await sink.write(bodies('c'))
    await clock.advance(1)
    await sink.connect?.()
    await clock.advance(25_000)
    await sink.connect?.()
    await sink.write(bodies('d'))
    await sink.stop?.()
    assert.deepEqual(await files(), {
      [`${startMs}-1`]: 'a\nb\nc\n',
      [`${startMs}-2`]: '',
      [`${startMs}-3`]: 'd\n',
    })
    assert.equal(context.counters.connectionCreated, 3)
    assert.equal(context.counters.connectionClosed, 3)
  })

  it('an interval of 0 never rolls (N-05)', async (test) => {
    const { sink, clock, files } = await make(test, { 'sink.rollInterval': '0', 'sink.pathManager.extension': 'log' })
    await sink.write(bodies('a'))
    await clock.advance(10_000_000)
    await sink.write(bodies('b'))
    assert.deepEqual(await files(), { [`${startMs}-1.log`]: 'a\nb\n' })
  })

  for (const name of ['rolltime', 'ROLLTIME', 'org.apache.flume.formatter.output.RollTimePathManager$Builder']) {
    it(`names files by the time they are begun, numbers anew each second: ${name} (N-04)`, async (test) => {
      const { sink, clock, files } = await make(test, {
        'sink.pathManager': name,
        'sink.pathManager.prefix': 'app-',
        'sink.rollInterval': '1',
      })
      await sink.write(bodies('a'))
      await clock.advance(1000)
      await sink.write(bodies('b'))
      assert.deepEqual(await files(), { [`app-${stamp}30-1`]: 'a\n', [`app-${stamp}31-1`]: 'b\n' })
    })
  }

  it('never writes over a file that is there: the next number is taken', async (test) => {
    const { sink, folder, files } = await make(test)
    await writeFile(join(folder, `${startMs}-1`), 'kept')
    await sink.write(bodies('a'))
    assert.deepEqual(await files(), { [`${startMs}-1`]: 'kept', [`${startMs}-2`]: 'a\n' })
  })

  it('writes with the configured serializer', async (test) => {
    const { sink, files } = await make(test, {
      'sink.serializer': 'text',
      'sink.serializer.appendNewline': 'false',
    })
    await sink.write(bodies('a', 'b'))
    assert.deepEqual(Object.values(await files()), ['ab'])
  })

  it('a directory that is not there is an error each time, until it is there (N-06)', async (test) => {
    const { sink, folder, files, context } = await make(test)
    await rm(folder, { recursive: true })
    const isOpenError = (error: unknown): boolean => error instanceof FlumeError && error.code === 'IO' && error.retry
    await assert.rejects(async () => sink.connect?.(), isOpenError)
    await assert.rejects(async () => sink.write(bodies('a')), isOpenError)
    assert.equal(context.counters.connectionFailed, 2)
    await mkdir(folder)
    await sink.write(bodies('a'))
    assert.deepEqual(Object.values(await files()), ['a\n'])
  })

  it('batchSize is the most that is taken at once, 100 by default', async (test) => {
    assert.equal((await make(test)).sink.batchSize, 100)
    assert.equal((await make(test, { 'sink.batchSize': '7' })).sink.batchSize, 7)
  })

  it('an unknown path manager is a finding', () => {
    assert.throws(() => readOptions(fileRoll, { 'sink.directory': '/', 'sink.pathManager': 'daily' }), /path manager/)
  })
})
