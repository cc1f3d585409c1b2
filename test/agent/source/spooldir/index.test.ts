import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { appendFile, chmod, copyFile, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { FlumeError } from '../../../../src/agent/contract.ts'
import { spooldir } from '../../../../src/agent/source/spooldir/index.ts'
import { readPosition } from '../../../../src/agent/source/spooldir/position.ts'
import { AvroContainerWriter } from '../../../../src/codec/avro/container.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'
import { readOptions } from '../../../support/read-options.ts'
import { realData } from '../../../support/real-data.ts'
import { RecordingLogger } from '../../../support/recording-logger.ts'
import { FakeSourceContext } from '../../../support/source-context.ts'
import { tempDir } from '../../../support/temp-dir.ts'
import { until } from '../../../support/until.ts'

const metaName = '.flumespool/.flumespool-main.meta'

interface Setup {
  readonly dir: string
  readonly options?: Record<string, string>
  readonly transactionCapacity?: number
}

/** A source that runs until the test is over, on a clock that the test moves. */
async function start(test: TestContext, { dir, options, transactionCapacity = 1000 }: Setup) {
  const clock = new ManualClock(1_000_000)
  const log = new RecordingLogger()
  const context = new FakeSourceContext({ clock, log, transactionCapacity })
  const source = await spooldir.create(readOptions(spooldir, { spoolDir: dir, ...options }), context)
  const ended = source.run()
  let failure: unknown
  ended.catch((error: unknown) => {
    failure = error
  })
  const stop = async (): Promise<void> => {
    context.stop()
    await ended
  }
  test.after(() => context.stop())
  return {
    context,
    clock,
    log,
    ended,
    stop,
    /** Moves on to the next look into the directory. */
    look: async (): Promise<void> => {
      await until(() => clock.timerCount > 0 || failure !== undefined, 'the pause between two looks')
      await clock.advance(500)
    },
    /** Resolves when the source has nothing to do but wait. */
    idle: () => until(() => clock.timerCount > 0 || failure !== undefined, 'the pause between two looks'),
    get bodies(): string[] {
      return context.events.map(({ body }) => body)
    },
  }
}

/** Files with the given texts, one second apart in age, the first one the oldest. */
async function fill(dir: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  let ageMs = 1_400_000_000_000
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(dir, name, '..'), { recursive: true })
    await writeFile(join(dir, name), content)
    ageMs += 1000
    await utimes(join(dir, name), ageMs / 1000, ageMs / 1000)
  }
}

async function namesIn(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => !name.startsWith('.')).sort()
}

describe('spooldir source', () => {
  it('delivers each line once and renames the file (S-70, S-74, S-76)', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: '1\n2\r\n3', b: '4\n' })
    const { context, idle, stop } = await start(test, { dir })
    assert.equal(await context.whenReady, dir)
    await idle()
    assert.deepEqual(
      context.events,
      ['1', '2\r', '3', '4'].map((body) => ({ headers: {}, body })),
    )
    assert.deepEqual(await readdir(dir), ['.flumespool', 'a.COMPLETED', 'b.COMPLETED'])
    assert.deepEqual(await readdir(join(dir, '.flumespool')), [], 'no position and no canary stay behind')
    assert.deepEqual([context.counters.appendBatchReceived, context.counters.appendBatchAccepted], [2, 2])
    await stop()
  })

  it('sees new files at the next look', async (test) => {
    const dir = await tempDir(test)
    const running = await start(test, { dir })
    await running.idle()
    await fill(dir, { a: 'late\n' })
    await running.clock.advance(499)
    assert.deepEqual(running.bodies, [])
    await running.clock.advance(1)
    await running.idle()
    assert.deepEqual(running.bodies, ['late'])
  })

  it('cuts batches at batchSize, and at what the channel takes', async (test) => {
    for (const [options, transactionCapacity, expected] of [
      [{ batchSize: '4' }, 1000, [4, 4, 2]],
      [{}, 3, [3, 3, 3, 1]],
      [{ deletePolicy: 'never' }, 1000, [10]],
    ] as const) {
      const dir = await tempDir(test)
      await fill(dir, { a: '0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n' })
      const { context, idle } = await start(test, { dir, options, transactionCapacity })
      await idle()
      assert.deepEqual(
        context.batches.map((batch) => batch.count),
        expected,
      )
    }
  })

  it('gives one empty event for an empty file, with its headers (S-77, S-80)', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: '', b: 'x\n', c: '' })
    const { context, idle } = await start(test, {
      dir,
      options: { basenameHeader: 'true', fileHeader: 'true', fileHeaderKey: 'f' },
    })
    await idle()
    const event = (name: string, body: string) => ({ headers: { f: join(dir, name), basename: name }, body })
    assert.deepEqual(context.events, [event('a', ''), event('b', 'x'), event('c', '')])
    assert.deepEqual(await namesIn(dir), ['a.COMPLETED', 'b.COMPLETED', 'c.COMPLETED'])
  })

  it('reads Avro containers and whole files, and adds its headers to those of the deserializer', async (test) => {
    const dir = await tempDir(test)
    const writer = new AvroContainerWriter({ schema: '"string"', codec: 'deflate', sync: new Uint8Array(16) })
    const values = writer.blocks(3, (out, index) => out.string(`v${index}`))
    await fill(dir, { a: Buffer.concat([writer.header(), values]) })
    const avro = await start(test, { dir, options: { deserializer: 'avro', basenameHeader: 'true', batchSize: '2' } })
    await avro.context.whenDelivered(3)
    await avro.idle()
    await avro.stop()
    assert.deepEqual(avro.bodies, ['\x04v0', '\x04v1', '\x04v2'])
    for (const { headers } of avro.context.events) {
      assert.deepEqual(headers, { 'flume.avro.schema.hash': 'c70345637248018f', basename: 'a' })
    }
    await fill(dir, { b: 'one\ntwo\n', c: '' })
    const options = { deserializer: 'BlobDeserializer', fileHeader: 'true' }
    const blob = await start(test, { dir, options })
    await blob.context.whenDelivered(2)
    await blob.idle()
    await blob.stop()
    assert.deepEqual(blob.context.events, [
      { headers: { file: join(dir, 'b') }, body: 'one\ntwo\n' },
      { headers: { file: join(dir, 'c') }, body: '' },
    ])
    assert.deepEqual(await namesIn(dir), ['a.COMPLETED', 'b.COMPLETED', 'c.COMPLETED'])
  })

  it('goes on in the middle of a container, where the channel was full when it stopped', async (test) => {
    const dir = await tempDir(test)
    const writer = new AvroContainerWriter({ schema: '"string"', codec: 'null', sync: new Uint8Array(16) })
    await fill(dir, { a: Buffer.concat([writer.header(), writer.blocks(10, (out, i) => out.string(`v${i}`))]) })
    const options = { deserializer: 'avro', batchSize: '2' }
    const first = await start(test, { dir, options })
    first.context.room = 4
    await first.context.whenDelivered(4)
    await first.idle()
    await first.stop()
    const second = await start(test, { dir, options })
    await second.context.whenDelivered(6)
    await second.idle()
    await second.stop()
    assert.deepEqual(
      [...first.bodies, ...second.bodies],
      Array.from({ length: 10 }, (_, i) => `\x04v${i}`),
    )
  })

  it('stops for good at a file that is no container', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: 'no container' })
    const { ended } = await start(test, { dir, options: { deserializer: 'avro' } })
    await assert.rejects(ended, { code: 'INVALID_STATE', message: /Avro container/ })
    assert.deepEqual(await namesIn(dir), ['a'])
  })

  describe('which files (S-71)', () => {
    const files = {
      'a.log': 'a.log',
      'b.log.gz': 'b',
      '.hidden': 'h',
      'c.log.COMPLETED': 'c',
      'd.txt': 'd',
      'sub/e.log': 'e',
      '.dot/f.log': 'f',
      'tmp/g.log': 'g',
      'sub/deep/h.log': 'hh',
    }
    for (const [what, options, expected] of [
      ['all but hidden and completed ones', {}, ['a.log', 'b', 'd']],
      ['those that include matches as a whole', { includePattern: '.*\\.log' }, ['a.log']],
      ['not those that ignore matches', { ignorePattern: '^.*\\.(gz|txt)$' }, ['a.log']],
      ['ignore is stronger than include', { includePattern: '^.*log.*$', ignorePattern: '.*gz' }, ['a.log']],
      [
        'sub-directories, but for hidden and ignored ones',
        { recursiveDirectorySearch: 'true', ignorePattern: 'tmp' },
        ['a.log', 'b', 'd', 'e', 'hh'],
      ],
      ['another suffix', { fileSuffix: '.gz' }, ['a.log', 'c', 'd']],
    ] as const) {
      it(what, async (test) => {
        const dir = await tempDir(test)
        await fill(dir, files)
        const running = await start(test, { dir, options })
        await running.idle()
        assert.deepEqual(running.bodies.sort(), expected)
      })
    }

    it('a link to a file is read, a directory that is a link is not', async (test) => {
      const dir = await tempDir(test)
      const elsewhere = await tempDir(test)
      await fill(elsewhere, { x: 'linked\n' })
      await symlink(join(elsewhere, 'x'), join(dir, 'x'))
      await symlink(elsewhere, join(dir, 'sub'))
      const running = await start(test, { dir, options: { recursiveDirectorySearch: 'true' } })
      await running.idle()
      assert.deepEqual(running.bodies, ['linked'])
    })

    it('a pattern that would mean something else here is refused', () => {
      assert.throws(() => readOptions(spooldir, { spoolDir: 'x', includePattern: 'a++' }), /possessive/)
    })
  })

  describe('in which order (S-72)', () => {
    const files = { b: 'b', a: 'a', c: 'c' }
    for (const [order, expected] of [
      ['oldest', ['b', 'a', 'c']],
      ['YOUNGEST', ['c', 'a', 'b']],
    ] as const) {
      it(`${order} by time of change`, async (test) => {
        const dir = await tempDir(test)
        await fill(dir, files)
        const running = await start(test, { dir, options: { consumeOrder: order } })
        await running.idle()
        assert.deepEqual(running.bodies, expected)
      })

      it(`${order} takes the smaller name of the same millisecond`, async (test) => {
        const dir = await tempDir(test)
        await fill(dir, files)
        for (const name of Object.keys(files)) await utimes(join(dir, name), 1_400_000_000.0004, 1_400_000_000.0004)
        await utimes(join(dir, 'a'), 1_400_000_000.0008, 1_400_000_000.0008)
        const running = await start(test, { dir, options: { consumeOrder: order } })
        await running.idle()
        assert.deepEqual(running.bodies, ['a', 'b', 'c'])
      })
    }

    it('a newcomer is considered while others wait, unless the order is random', async (test) => {
      for (const [consumeOrder, expected] of [
        ['oldest', ['1', '0', '2']],
        ['random', ['1', '2', '0']],
      ] as const) {
        const dir = await tempDir(test)
        await fill(dir, { one: '1', two: '2' })
        const running = await start(test, {
          dir,
          options: { consumeOrder, includePattern: consumeOrder === 'random' ? 'one|two|zero' : '.*' },
        })
        const release = running.context.hold()
        await until(() => running.context.pending === 1)
        await fill(dir, { zero: '0' })
        await utimes(join(dir, 'zero'), 1, 1)
        await running.clock.advance(100)
        release()
        await until(async () => (await namesIn(dir)).every((name) => name.endsWith('.COMPLETED')))
        if (consumeOrder === 'oldest') assert.deepEqual(running.bodies, expected)
        else assert.equal(running.bodies[2], '0', 'it waits until the listing is used up')
        await running.stop()
      }
    })

    it('a thousand files are read with few listings', async (test) => {
      const dir = await tempDir(test)
      await Promise.all(Array.from({ length: 1000 }, (_, i) => writeFile(join(dir, `f${i}`), `${i}\n`)))
      const running = await start(test, { dir })
      await running.context.whenDelivered(1000)
      await running.idle()
      assert.equal(new Set(running.bodies).size, 1000)
      assert.equal((await namesIn(dir)).filter((name) => name.endsWith('.COMPLETED')).length, 1000)
    })
  })

  describe('when a file is done (S-76)', () => {
    it('immediate deletes it', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n' })
      const { idle } = await start(test, { dir, options: { deletePolicy: 'IMMEDIATE' } })
      await idle()
      assert.deepEqual(await namesIn(dir), [])
    })

    it('tracker_dir leaves it and puts an empty marker beside the position, and a restart reads nothing again', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n', 'sub/b': '2\n' })
      const options = { trackingPolicy: 'tracker_dir', recursiveDirectorySearch: 'true', trackerDir: '.done' }
      const first = await start(test, { dir, options })
      await first.idle()
      await first.stop()
      assert.deepEqual(first.bodies.sort(), ['1', '2'])
      assert.deepEqual(await namesIn(dir), ['a', 'sub'])
      assert.equal(await readFile(join(dir, '.done/a.COMPLETED'), 'utf8'), '')
      assert.equal(await readFile(join(dir, '.done/sub/b.COMPLETED'), 'utf8'), '')
      const second = await start(test, { dir, options })
      await second.idle()
      await fill(dir, { c: '3\n' })
      await second.look()
      await second.idle()
      assert.deepEqual(second.bodies, ['3'])
    })

    it('a name that is taken stops the source for good, even when the contents are equal', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n', 'a.COMPLETED': '1\n', b: '2\n' })
      const { ended, context } = await start(test, { dir })
      await assert.rejects(ended, { code: 'INVALID_STATE', retry: false, message: /re-used.*a\.COMPLETED/ })
      assert.deepEqual(
        context.events.map(({ body }) => body),
        ['1'],
        'nothing after it is read',
      )
      assert.equal(context.counters.genericProcessingFail, 1)
    })
  })

  describe('when a file changes while it is read (S-75)', () => {
    for (const [what, change, message] of [
      ['its time', (path: string) => utimes(path, 1, 1), /modified since being read/],
      [
        'its size',
        async (path: string) => {
          await appendFile(path, 'more\n')
          await utimes(path, 1_400_000_001, 1_400_000_001)
        },
        /changed size since being read/,
      ],
      ['it goes away', (path: string) => rm(path), /went away/],
    ] as const) {
      it(`${what}: the source stops for good`, async (test) => {
        const dir = await tempDir(test)
        await fill(dir, { a: '1\n' })
        const { context, ended } = await start(test, { dir })
        const release = context.hold()
        await until(() => context.pending === 1)
        await change(join(dir, 'a'))
        release()
        await assert.rejects(ended, (error: unknown) => {
          assert.ok(error instanceof FlumeError)
          assert.deepEqual([error.code, error.retry], ['INVALID_STATE', false])
          assert.match(error.message, message)
          return true
        })
      })
    }
  })

  describe('the position (S-73, S-74)', () => {
    it('is saved after each batch and continued after a restart', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: 'line 0\nline 1\nline 2\nline 3\nline 4\n' })
      const first = await start(test, { dir, options: { batchSize: '2' } })
      first.context.room = 4
      await first.idle()
      await first.stop()
      assert.deepEqual(await readPosition(join(dir, metaName)), { file: join(dir, 'a'), offset: 28 })
      const second = await start(test, { dir, options: { batchSize: '2' } })
      await second.idle()
      assert.deepEqual(second.bodies, ['line 4'])
      assert.deepEqual(await readdir(join(dir, '.flumespool')), [])
    })

    it('that cannot be written, as on a full disk, is said once; no line comes twice for it', async (test) => {
      const dir = await tempDir(test)
      const lines = Array.from({ length: 9 }, (_, i) => `line ${i}`)
      await fill(dir, { a: lines.slice(0, 5).join('\n'), b: lines.slice(5).join('\n') })
      // Stands where the new position file is written.
      await mkdir(join(dir, `${metaName}.tmp`), { recursive: true })
      const running = await start(test, { dir, options: { batchSize: '1' } })
      running.context.room = 3
      await running.idle()
      const told = () => running.log.lines.filter((line) => line.includes('position'))
      await until(() => told().length > 0, 'a word of the position')
      running.context.room = Number.POSITIVE_INFINITY
      await running.clock.advance(250)
      await running.idle()
      await running.stop()
      assert.deepEqual(running.bodies, lines)
      assert.deepEqual(await namesIn(dir), ['a.COMPLETED', 'b.COMPLETED'])
      const said = told()
      assert.equal(said.length, 1)
      assert.match(String(said), /^warn: the position in .*\/a cannot be written to .*\.meta: EISDIR/)
    })

    it('outlives a process that dies anywhere: every event comes, and at most one batch twice (S-74)', async (test) => {
      const lines = Array.from({ length: 12 }, (_, i) => `line ${i}`)
      for (let room = 0; room < 12; room += 2) {
        const dir = await tempDir(test)
        await fill(dir, { a: `${lines.slice(0, 7).join('\n')}\n`, b: lines.slice(7).join('\n') })
        const first = await start(test, { dir, options: { batchSize: '2' } })
        first.context.room = room
        // It hangs in a pause that never ends, as good as dead; nothing is closed, flushed or written any more.
        await first.idle()
        const second = await start(test, { dir, options: { batchSize: '2' } })
        await second.idle()
        const kept = first.bodies
        const [next] = second.bodies
        const repeated = kept.length - lines.indexOf(next as string)
        assert.ok(repeated >= 0 && repeated <= 2, `${repeated} repeated after ${kept.length}`)
        assert.deepEqual(second.bodies, lines.slice(kept.length - repeated))
      }
    })

    it('of real Flume is continued', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { 'a.txt': 'line 0\nline 1\nline 2\nline 3\nline 4\n' })
      await mkdir(join(dir, '.flumespool'))
      const recorded = await readFile(
        join(import.meta.dirname, '../../../../../test/fixture/spooldir/flume-1.11-at-28.meta'),
        'latin1',
      )
      const path = join(dir, 'a.txt')
      assert.ok(path.length < 64)
      const moved = recorded.replace('4/tmp/files/rec/spool/a.txt', `${String.fromCharCode(2 * path.length)}${path}`)
      await writeFile(join(dir, metaName), moved, 'latin1')
      const running = await start(test, { dir })
      await running.idle()
      assert.deepEqual(running.bodies, ['line 4'])
    })

    it('of a file that still waits is continued first, whatever the order', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n2\n' })
      const first = await start(test, { dir, options: { batchSize: '1' } })
      first.context.room = 1
      await first.idle()
      await first.stop()
      await fill(dir, { older: '0\n' })
      await utimes(join(dir, 'older'), 1, 1)
      const second = await start(test, { dir, options: { batchSize: '1' } })
      await second.idle()
      assert.deepEqual(second.bodies, ['2', '0'])
    })

    it('of a file that is gone is discarded', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n' })
      await mkdir(join(dir, '.flumespool'))
      await copyFile(
        join(import.meta.dirname, '../../../../../test/fixture/spooldir/flume-1.11-at-28.meta'),
        join(dir, metaName),
      )
      const running = await start(test, { dir })
      await running.idle()
      assert.deepEqual(running.bodies, ['1'])
      assert.deepEqual(await readdir(join(dir, '.flumespool')), [])
    })

    it('that is damaged costs a warning and duplicates, never events', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n' })
      await mkdir(join(dir, '.flumespool'))
      await writeFile(join(dir, metaName), 'what is this')
      const running = await start(test, { dir })
      await running.idle()
      assert.deepEqual(running.bodies, ['1'])
      assert.match(running.log.lines.join('\n'), /warn: .*not a position file/)
    })

    it('at the very end of a file gives no empty event', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n' })
      const first = await start(test, { dir })
      const release = first.context.hold()
      await until(() => first.context.pending === 1)
      first.context.stop()
      release()
      await first.ended
      assert.equal(
        (await readPosition(join(dir, metaName)))?.offset,
        2,
        'what was kept is marked, though the source stops',
      )
      const second = await start(test, { dir })
      await second.idle()
      assert.deepEqual(second.bodies, [])
      assert.deepEqual(await namesIn(dir), ['a.COMPLETED'])
    })

    it('behind the end of a file that was replaced: it is read from its beginning, aloud', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n2\n3\n' })
      const first = await start(test, { dir, options: { batchSize: '1' } })
      first.context.room = 2
      await first.idle()
      await first.stop()
      await fill(dir, { a: 'x\n' })
      const second = await start(test, { dir })
      await second.idle()
      assert.deepEqual(second.bodies, ['x'])
      assert.match(second.log.lines.join('\n'), /shorter than its saved position/)
    })
  })

  describe('a full channel (S-81)', () => {
    it('is asked again after 250 ms, 500 ms, … up to maxBackoff, and loses nothing', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n2\n' })
      const { context, clock, idle, log } = await start(test, { dir, options: { maxBackoff: '900' } })
      context.room = 0
      const asked: number[] = []
      let attempts = 0
      for (let turn = 0; turn < 5; turn++) {
        await idle()
        assert.ok(context.counters.channelWriteFail > attempts)
        attempts = context.counters.channelWriteFail
        asked.push(clock.now())
        if (turn === 4) context.room = 10
        while (context.counters.channelWriteFail === attempts && context.count === 0) await clock.advance(1)
      }
      assert.deepEqual(
        asked.slice(1).map((at, i) => at - (asked[i] as number)),
        [250, 500, 900, 900],
      )
      await until(async () => (await namesIn(dir))[0] === 'a.COMPLETED')
      assert.deepEqual(
        context.events.map(({ body }) => body),
        ['1', '2'],
      )
      assert.equal(log.lines.filter((line) => line.startsWith('warn')).length, 2, 'said while the pauses grow')
    })

    it('does not keep the source from stopping', async (test) => {
      const dir = await tempDir(test)
      await fill(dir, { a: '1\n' })
      const { context, idle, stop } = await start(test, { dir })
      context.failure = new FlumeError('CHANNEL_FULL', 'full', { retry: true })
      await idle()
      await stop()
      assert.deepEqual(await namesIn(dir), ['a'])
    })
  })

  it('passes over a file that vanished, with a warning (S-82)', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: '1\n', b: '2\n', c: '3\n' })
    const running = await start(test, { dir })
    const release = running.context.hold()
    await until(() => running.context.pending === 1)
    await rm(join(dir, 'b'))
    release()
    await running.idle()
    assert.deepEqual(running.bodies, ['1', '3'])
    assert.match(running.log.lines.join('\n'), /warn: .*b is gone/)
  })

  it('stops for good at bytes that are no text, after the good lines (S-79)', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: Buffer.from('good\nbad\xff\nmore\n', 'latin1') })
    const { ended, context } = await start(test, { dir })
    await assert.rejects(ended, {
      code: 'INVALID_STATE',
      retry: false,
      message: /bytes 5 to 9 is not UTF-8/,
      hint: /decodeErrorPolicy/,
    })
    assert.deepEqual(
      context.events.map(({ body }) => body),
      ['good'],
    )
    assert.equal(context.counters.eventReadFail, 1)
    assert.equal((await readPosition(join(dir, metaName)))?.offset, 5)
  })

  it('hands inputCharset, decodeErrorPolicy and bufferMaxLineLength to the deserializer', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: Buffer.from('caf\xe9\n\x80\n', 'latin1') })
    const running = await start(test, {
      dir,
      options: {
        inputCharset: 'US-ASCII',
        decodeErrorPolicy: 'replace',
        bufferMaxLineLength: '3',
        'deserializer.maxLineLength': '99',
      },
    })
    await running.idle()
    assert.deepEqual(running.bodies, ['caf', '\uFFFD', '\uFFFD'])
  })

  for (const [what, prepare] of [
    ['does not exist', (dir: string) => rm(dir, { recursive: true })],
    [
      'is a file',
      async (dir: string) => {
        await rm(dir, { recursive: true })
        await writeFile(dir, '')
      },
    ],
  ] as const) {
    it(`fails to start when the directory ${what}, to be tried again (S-70)`, async (test) => {
      const dir = join(await tempDir(test), 'spool')
      await mkdir(dir)
      await prepare(dir)
      const { ended } = await start(test, { dir })
      await assert.rejects(ended, { code: 'IO', retry: true })
    })
  }

  it('fails to start in a directory that cannot be written, unless trackerDir is elsewhere (S-70)', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: '1\n' })
    await chmod(dir, 0o500)
    // Root may write anywhere but into the kernel's own tables.
    const unwritable = process.getuid?.() === 0 ? '/proc/sys/kernel' : dir
    await assert.rejects((await start(test, { dir: unwritable })).ended, { code: 'IO', hint: /tracker_dir/ })
    const trackerDir = await tempDir(test)
    const running = await start(test, { dir, options: { trackingPolicy: 'tracker_dir', trackerDir } })
    await running.idle()
    assert.deepEqual(running.bodies, ['1'])
    await chmod(dir, 0o700)
  })

  it('stops before its first look when it is told to', async (test) => {
    const dir = await tempDir(test)
    await fill(dir, { a: '1\n' })
    const context = new FakeSourceContext({ clock: new ManualClock() })
    context.stop()
    await (await spooldir.create(readOptions(spooldir, { spoolDir: dir }), context)).run()
    assert.deepEqual(await namesIn(dir), ['a'])
  })

  const accessLog = realData('access.log')
  it('brings 10,000 real lines through byte for byte', {
    skip: existsSync(accessLog) ? false : 'the access log is not here',
  }, async (test) => {
    const dir = await tempDir(test)
    await copyFile(accessLog, join(dir, 'access.log'))
    const { context, idle } = await start(test, { dir })
    await context.whenDelivered(10_000)
    await idle()
    const bytes = context.batches.flatMap((batch) =>
      Array.from(batch.events(), ({ body }) => [body, Buffer.from('\n')]).flat(),
    )
    assert.deepEqual(Buffer.concat(bytes), await readFile(accessLog))
  })
})

it('says once that a file is passed over whose name is no UTF-8', {
  skip: process.platform !== 'linux' && 'names are UTF-8 here',
}, async (test) => {
  for (const consumeOrder of ['oldest', 'random']) {
    const dir = await tempDir(test)
    await fill(dir, { good: 'a line' })
    const lossy = Buffer.concat([Buffer.from(`${dir}/b`), Buffer.from([0xe4])])
    await writeFile(lossy, 'never read')
    await writeFile(Buffer.concat([lossy, lossy.subarray(-1)]), 'never read either')
    const running = await start(test, { dir, options: { consumeOrder } })
    await running.idle()
    await running.clock.advance(500)
    await running.idle()
    await running.stop()
    assert.deepEqual(running.bodies, ['a line'])
    const said = running.log.lines.filter((line) => line.includes('UTF-8'))
    assert.equal(said.length, 1)
    assert.match(String(said), /^warn: .*\/b\ufffd+ is passed over: its name is no UTF-8/)
  }
})
