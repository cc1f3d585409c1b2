import assert from 'node:assert/strict'
import {
  appendFile,
  copyFile,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { taildir } from '../../../../src/agent/source/taildir/index.ts'
import { FlumeError } from '../../../../src/core/error.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'
import { readOptions } from '../../../support/read-options.ts'
import { RecordingLogger } from '../../../support/recording-logger.ts'
import { FakeSourceContext, type PlainEvent } from '../../../support/source-context.ts'
import { tempDir } from '../../../support/temp-dir.ts'
import { until } from '../../../support/until.ts'

const startMs = Date.UTC(2026, 4, 17)

/** A folder of logs and a source that follows them; it may be stopped and started again. */
class Fixture {
  readonly dir: string
  readonly log = new RecordingLogger()
  readonly clock = new ManualClock(startMs)
  readonly #texts: Record<string, string>
  readonly #earlier: PlainEvent[] = []
  context: FakeSourceContext
  #ended: Promise<void> | undefined

  private constructor(dir: string, texts: Record<string, string>) {
    this.dir = dir
    this.#texts = {
      filegroups: 'g',
      'filegroups.g': join(dir, 'app\\.log'),
      positionFile: join(dir, 'state', 'pos.json'),
      ...texts,
    }
    this.context = this.#newContext()
  }

  static async create(
    test: TestContext,
    texts: (dir: string) => Record<string, string> = () => ({}),
  ): Promise<Fixture> {
    let fixture: Fixture | undefined
    // Before the folder goes.
    test.after(() => fixture?.stop())
    const dir = await tempDir(test)
    fixture = new Fixture(dir, texts(dir))
    return fixture
  }

  #newContext(): FakeSourceContext {
    return new FakeSourceContext({ clock: this.clock, log: this.log })
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  append(name: string, ...lines: string[]): Promise<void> {
    return appendFile(this.path(name), lines.map((line) => `${line}\n`).join(''))
  }

  values(): Record<string, unknown> {
    const { filegroups, ...rest } = this.#texts
    const below = (start: string): Record<string, string> =>
      Object.fromEntries(
        Object.entries(rest).flatMap(([key, text]) => (key.startsWith(start) ? [[key.slice(start.length), text]] : [])),
      )
    const plain = Object.entries(this.#texts).filter(([key]) => !/^(filegroups|headers)\./.test(key))
    return {
      ...readOptions(taildir, { filegroups: filegroups as string, ...Object.fromEntries(plain) }),
      'filegroups.': below('filegroups.'),
      'headers.': below('headers.'),
    }
  }

  async start(): Promise<void> {
    this.context = this.#newContext()
    const source = await taildir.create(this.values() as never, this.context)
    this.#ended = source.run()
    this.#ended.catch(() => undefined)
    await Promise.race([this.idle(), this.#ended])
  }

  /** Resolves when the source waits for its next look. */
  async idle(): Promise<void> {
    await until(() => this.clock.timerCount === 1, 'the pause after a look')
  }

  /** Lets time pass until the next look is over. */
  async look(ms = 5000): Promise<void> {
    await this.clock.advance(ms)
    await this.idle()
  }

  async stop(): Promise<void> {
    this.context.stop()
    const ended = this.#ended
    this.#ended = undefined
    if (ended) {
      await ended
      this.#earlier.push(...this.context.events)
    }
  }

  /** As SIGKILL does: what is not written now is never written. */
  async crash(): Promise<void> {
    const [positions, heads] = await Promise.all([this.positionText(), this.positionText('.heads')])
    await this.stop()
    await writeFile(this.path('state/pos.json'), positions)
    await writeFile(this.path('state/pos.json.heads'), heads)
  }

  get events(): PlainEvent[] {
    return this.#ended ? [...this.#earlier, ...this.context.events] : this.#earlier
  }

  get bodies(): string[] {
    return this.events.map(({ body }) => body)
  }

  positionText(suffix = ''): Promise<string> {
    return readFile(this.path(`state/pos.json${suffix}`), 'utf8').catch(() => '')
  }

  async inode(name: string): Promise<number> {
    return (await stat(this.path(name))).ino
  }
}

describe('taildir source', () => {
  it('lines that are there and lines that come are events; LF and CRLF are taken off, a lone CR stays (S-94)', async (test) => {
    const f = await Fixture.create(test)
    await writeFile(f.path('app.log'), 'one\r\ntwo\n\nthree\rthree\n')
    await f.start()
    await f.append('app.log', 'four')
    await f.look()
    assert.deepEqual(f.bodies, ['one', 'two', '', 'three\rthree', 'four'])
  })

  it('an unfinished line waits, and is an event when the file becomes idle (S-94, S-100)', async (test) => {
    const f = await Fixture.create(test, () => ({ idleTimeout: '20000' }))
    await writeFile(f.path('app.log'), 'one\ntw')
    await f.start()
    await f.look()
    assert.deepEqual(f.bodies, ['one'])
    await appendFile(f.path('app.log'), 'o')
    await f.look()
    await f.look(19_000)
    assert.deepEqual(f.bodies, ['one'])
    await f.look()
    assert.deepEqual(f.bodies, ['one', 'two'])
    await f.append('app.log', '', 'three')
    await f.look()
    assert.deepEqual(f.bodies, ['one', 'two', '', 'three'])
  })

  it('files of a group come in the order of their change; batches never mix files (S-90)', async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, '.*\\.log'), fileHeader: 'true' }))
    for (const [name, second] of [
      ['b.log', 1],
      ['a.log', 3],
      ['c.log', 2],
    ] as const) {
      await f.append(name, `${name} 1`, `${name} 2`)
      await utimes(f.path(name), second, second)
    }
    await f.append('d.txt', 'not followed')
    await mkdir(f.path('dir.log'))
    await f.start()
    assert.deepEqual(f.bodies, ['b.log 1', 'b.log 2', 'c.log 1', 'c.log 2', 'a.log 1', 'a.log 2'])
    assert.deepEqual(
      f.context.batches.map(({ headers }) => headers.get('file')),
      ['b.log', 'c.log', 'a.log'].map((name) => f.path(name)),
    )
  })

  it('gives headers by group, the path, and the offset of each line (S-95)', async (test) => {
    const f = await Fixture.create(test, (dir) => ({
      filegroups: 'f1 f2 none',
      'filegroups.f1': join(dir, 'one'),
      'filegroups.f2': join(dir, 'two'),
      'headers.f1.kind': 'x',
      'headers.f1.a.b': 'dotted',
      byteOffsetHeader: 'true',
      fileHeader: 'true',
      fileHeaderKey: 'path',
    }))
    await f.append('one', 'ab', 'cde')
    await f.append('two', 'z')
    await f.start()
    assert.deepEqual(f.events, [
      { headers: { kind: 'x', 'a.b': 'dotted', path: f.path('one'), byteoffset: '0' }, body: 'ab' },
      { headers: { kind: 'x', 'a.b': 'dotted', path: f.path('one'), byteoffset: '3' }, body: 'cde' },
      { headers: { path: f.path('two'), byteoffset: '0' }, body: 'z' },
    ])
  })

  it('bodies are the raw bytes', async (test) => {
    const f = await Fixture.create(test)
    await writeFile(f.path('app.log'), Buffer.from([0xff, 0x00, 0xfe, 0x0a]))
    await f.start()
    assert.deepEqual(Buffer.from(f.context.batches[0]?.bodyAt(0) as Uint8Array), Buffer.from([0xff, 0x00, 0xfe]))
  })

  it('batchSize cuts batches; maxBatchCount gives the other files their turn without a pause (S-99)', async (test) => {
    const f = await Fixture.create(test, (dir) => ({
      'filegroups.g': join(dir, '[ab]'),
      batchSize: '2',
      maxBatchCount: '2',
    }))
    await f.append('a', ...Array.from({ length: 7 }, (_, i) => `a${i}`))
    await f.append('b', ...Array.from({ length: 5 }, (_, i) => `b${i}`))
    await utimes(f.path('a'), 1, 1)
    await f.start()
    assert.deepEqual(f.bodies.join(' '), 'a0 a1 a2 a3 b0 b1 b2 b3 a4 a5 a6 b4')
    assert.deepEqual(
      f.context.batches.map(({ count }) => count),
      [2, 2, 2, 2, 2, 1, 1],
    )
  })

  it('looks again after backoffSleepIncrement, longer while nothing comes, at most maxBackoffSleep (S-99)', async (test) => {
    const f = await Fixture.create(test, () => ({ backoffSleepIncrement: '100', maxBackoffSleep: '250' }))
    await f.append('app.log', 'one')
    await f.start()
    for (const [pauseMs, line] of [
      [100, ''],
      [200, ''],
      [250, ''],
      [250, 'two'],
      [100, 'three'],
    ] as const) {
      if (line) await f.append('app.log', line)
      const before = f.bodies.length
      await f.clock.advance(pauseMs - 1)
      assert.equal(f.bodies.length, before)
      await f.look(1)
      assert.equal(f.bodies.length, before + (line ? 1 : 0))
    }
  })

  it('skipToEnd begins known files where they end, at the start only', async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, '[ab]'), skipToEnd: 'true' }))
    await f.append('a', 'old')
    await f.start()
    await f.append('a', 'new')
    await f.append('b', 'later')
    await f.look()
    assert.deepEqual(f.bodies.sort(), ['later', 'new'])
  })

  it('the position is written 5 s after the start, then every writePosInterval, and at the stop (S-96)', async (test) => {
    const f = await Fixture.create(test, () => ({ writePosInterval: '30000' }))
    await f.append('app.log', 'one')
    await f.start()
    await f.look(4000)
    assert.equal(await f.positionText(), '')
    await f.look(1000)
    const entry = async (pos: number): Promise<string> =>
      `[{"inode":${await f.inode('app.log')},"pos":${pos},"file":"${f.path('app.log')}"}]`
    await until(async () => (await f.positionText()) === (await entry(4)))
    await f.append('app.log', 'two')
    await f.look()
    assert.equal(await f.positionText(), await entry(4))
    await f.stop()
    assert.equal(await f.positionText(), await entry(8))
  })

  it('a position that cannot be written is said with its reason, and written later', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one')
    await f.start()
    // Stands where the new file is written.
    const inTheWay = f.path('state/pos.json.heads.tmp')
    await mkdir(inTheWay)
    await f.look(5000)
    await until(() => f.log.lines.some((line) => /^warn: the positions cannot be written: .*EISDIR/.test(line)))
    await rmdir(inTheWay)
    await f.stop()
    assert.match(await f.positionText(), /"pos":4/)
  })

  it('a stop before anything was looked at keeps the positions', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one')
    await f.start()
    await f.stop()
    const before = await f.positionText()
    assert.notEqual(before, '')
    f.context = new FakeSourceContext({ clock: f.clock })
    f.context.stop()
    await (await taildir.create(f.values() as never, f.context)).run()
    assert.equal(await f.positionText(), before)
  })

  it('a refused batch comes again after 1, 2, 4 and then 5 s, and the position does not move (S-96, S-98)', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one')
    f.context.stop()
    await f.start()
    f.context.room = 0
    await f.append('app.log', 'two')
    await f.look()
    for (const pauseMs of [1000, 2000, 4000, 5000, 5000]) {
      const tried = f.context.counters.appendBatchReceived
      assert.equal(tried, 2)
      await f.clock.advance(pauseMs - 1)
      assert.equal(f.context.counters.channelWriteFail > 0, true)
      await f.look(1)
    }
    assert.equal(f.context.counters.channelWriteFail, 6)
    assert.ok(!(await f.positionText()).includes('"pos":8'))
    f.context.room = 10
    await f.look()
    assert.deepEqual(f.bodies, ['one', 'two'])
  })

  it('a directory that is not there makes the start fail, to be tried again (S-102)', async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, 'no', 'a') }))
    const source = await taildir.create(f.values() as never, f.context)
    await assert.rejects(source.run(), (error) => error instanceof FlumeError && error.code === 'IO' && error.retry)
  })

  it('a position file that is none makes the start fail; one that ends in the middle counts as far as it is whole (S-102)', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one', 'two')
    await mkdir(f.path('state'))
    await writeFile(f.path('state/pos.json'), '[{"pos":4}]')
    const source = await taildir.create(f.values() as never, f.context)
    await assert.rejects(source.run(), /not a position file/)
    const entry = `{"inode":${await f.inode('app.log')},"pos":4,"file":"${f.path('app.log')}"}`
    await writeFile(f.path('state/pos.json'), `[${entry},{"inode":77,"pos":`)
    await f.start()
    assert.deepEqual(f.bodies, ['two'])
    assert.ok(f.log.lines.some((line) => line.includes('ends in the middle')))
  })

  it("entries of Flume's own are used when inode and path agree, and not otherwise (S-91, S-92)", async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, '[ab]') }))
    await f.append('a', 'a1', 'a2')
    await f.append('b', 'b1', 'b2')
    await mkdir(f.path('state'))
    const [a, b] = [await f.inode('a'), await f.inode('b')]
    await writeFile(
      f.path('state/pos.json'),
      JSON.stringify([
        { inode: a, pos: 3, file: f.path('a') },
        { inode: b, pos: 3, file: f.path('elsewhere') },
      ]),
    )
    await f.start()
    assert.deepEqual(f.bodies.sort(), ['a2', 'b1', 'b2'])
  })

  it('a line above 16 MiB becomes several events, and that is said once: memory is bounded', async (test) => {
    const f = await Fixture.create(test)
    await writeFile(f.path('app.log'), Buffer.concat([Buffer.from('first\n'), Buffer.alloc(33 * 1024 * 1024, 'x')]))
    await appendFile(f.path('app.log'), '\nnext\n')
    await f.start()
    assert.deepEqual(
      f.bodies.map((body) => body.length),
      [5, 16 * 1024 * 1024, 16 * 1024 * 1024, 1024 * 1024, 4],
    )
    const said = f.log.lines.filter((line) => line.includes('several events'))
    assert.equal(said.length, 1)
    assert.match(
      String(said),
      /app\.log: a line above 16777216 bytes becomes several events, the first such line at byte 6$/,
    )
  })

  it('a file whose name is no UTF-8 is passed over, and that is said once', {
    skip: process.platform !== 'linux' && 'names are UTF-8 here',
  }, async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, 'app.*') }))
    await f.append('app.log', 'one')
    await writeFile(Buffer.concat([Buffer.from(f.path('app')), Buffer.from([0xe4])]), 'never read\n')
    await f.start()
    await f.append('app.log', 'two')
    await f.look()
    assert.deepEqual(f.bodies, ['one', 'two'])
    const said = f.log.lines.filter((line) => line.includes('UTF-8'))
    assert.equal(said.length, 1)
    assert.match(String(said), /app\ufffd is passed over: its name is no UTF-8/)
  })

  it('a path that is not absolute, a pattern that is none, and no path at all are findings', () => {
    const problems = (groups: Record<string, string>): readonly string[] =>
      taildir.check?.({ filegroups: ['g'], 'filegroups.': groups } as never).map(({ message }) => message) ?? []
    assert.match(problems({ g: 'logs/a' })[0] ?? '', /absolute/)
    assert.match(problems({ g: '/logs/(' })[0] ?? '', /regular expression/)
    assert.match(problems({ other: '/logs/a' })[0] ?? '', /no group has a path/)
    assert.deepEqual(problems({ g: '/logs/a.*' }), [])
  })

  it('cachePatternMatching off lists the directory at every look', async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, '.*'), cachePatternMatching: 'false' }))
    await f.start()
    await f.append('new', 'line')
    await f.look()
    assert.deepEqual(f.bodies, ['line'])
  })
})

/** What may happen to a log between two looks. Lines are numbered; `write` appends the next one. */
interface Turn {
  readonly fixture: Fixture
  /** Appends the next numbered line to a file. */
  write(name?: string): Promise<void>
}

const rotations: Readonly<Record<string, { readonly pattern: string; readonly act: (turn: Turn) => Promise<void> }>> = {
  'renamed out of the pattern': {
    pattern: 'app\\.log',
    act: async ({ fixture, write }) => {
      await rename(fixture.path('app.log'), fixture.path('app.log.1'))
      // The writer goes on with the old file for a moment.
      await write('app.log.1')
      await write()
    },
  },
  'renamed within the pattern': {
    pattern: 'app\\.log.*',
    act: async ({ fixture, write }) => {
      await rename(fixture.path('app.log'), fixture.path('app.log.1'))
      await write('app.log.1')
      await write()
    },
  },
  'copied and truncated': {
    pattern: 'app\\.log',
    act: async ({ fixture, write }) => {
      await fixture.idle()
      await fixture.look()
      await copyFile(fixture.path('app.log'), fixture.path('app.log.1'))
      await truncate(fixture.path('app.log'))
      await write()
    },
  },
  'copied, truncated, and longer than before at the next look': {
    pattern: 'app\\.log',
    act: async ({ fixture, write }) => {
      await fixture.look()
      await truncate(fixture.path('app.log'))
      for (let i = 0; i < 20; i++) await write()
    },
  },
  'deleted and made again': {
    pattern: 'app\\.log',
    act: async ({ fixture, write }) => {
      await fixture.look()
      await unlink(fixture.path('app.log'))
      await write()
    },
  },
  'replaced by a rename over it': {
    pattern: 'app\\.log',
    act: async ({ fixture, write }) => {
      await fixture.look()
      await write('.new')
      await rename(fixture.path('.new'), fixture.path('app.log'))
      await write()
    },
  },
  'given a second name by a hard link': {
    pattern: 'app\\.log.*',
    act: async ({ fixture, write }) => {
      await link(fixture.path('app.log'), fixture.path('app.log.link'))
      await write()
      await fixture.look()
      await write('app.log.link')
    },
  },
  'followed while the clock goes back': {
    pattern: 'app\\.log',
    act: async ({ fixture, write }) => {
      await write()
      await utimes(fixture.path('app.log'), 1000, 1000)
      await fixture.look()
      await write()
      await utimes(fixture.path('app.log'), 500, 500)
    },
  },
}

describe('a file that is followed through rotation: no line is lost, none comes twice (S-93)', () => {
  for (const [what, { pattern, act }] of Object.entries(rotations)) {
    for (const moment of ['while it runs', 'and the source starts again', 'again and again'] as const) {
      it(`${what}, ${moment}`, async (test) => {
        const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, pattern) }))
        let written = 0
        const write = (name = 'app.log'): Promise<void> => f.append(name, `line ${written++}`)
        for (let i = 0; i < 3; i++) await write()
        await f.start()
        await f.look()
        for (let round = 0; round < (moment === 'again and again' ? 3 : 1); round++) {
          await write()
          await act({ fixture: f, write })
          if (moment !== 'while it runs') {
            await f.stop()
            await write()
            await f.start()
          }
          await f.look()
          for (const name of ['app.log.1', 'app.log.link']) await rm(f.path(name), { force: true })
          await f.look()
        }
        await write()
        await f.look()
        assert.deepEqual(
          f.bodies.map((body) => Number(body.slice(5))).sort((one, other) => one - other),
          Array.from({ length: written }, (_, i) => i),
        )
      })
    }
  }

  it('renamed within the pattern while the source is down', async (test) => {
    const f = await Fixture.create(test, (dir) => ({ 'filegroups.g': join(dir, 'app\\.log.*') }))
    await f.append('app.log', 'one')
    await f.start()
    await f.stop()
    await f.append('app.log', 'two')
    await rename(f.path('app.log'), f.path('app.log.1'))
    await f.append('app.log', 'three')
    await f.start()
    assert.deepEqual(f.bodies.sort(), ['one', 'three', 'two'])
  })

  it('renamed out of the pattern while the source is down: what was not read is read', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one')
    await f.start()
    await f.stop()
    await f.append('app.log', 'two')
    await rename(f.path('app.log'), f.path('app.log.1'))
    await f.append('app.log', 'three')
    await f.start()
    assert.deepEqual(f.bodies.sort(), ['one', 'three', 'two'])
  })

  it('a crash brings back at most what came after the last written position, and loses nothing (S-96)', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one')
    await f.start()
    await f.look()
    await f.look()
    await f.append('app.log', 'two')
    await f.look(1000)
    await f.crash()
    await f.append('app.log', 'three')
    await f.start()
    assert.equal(f.bodies.filter((body) => body === 'one').length, 1)
    assert.deepEqual([...new Set(f.bodies)], ['one', 'two', 'three'])
  })

  it('another file on the same name that is longer than the position is read from its beginning', async (test) => {
    const f = await Fixture.create(test)
    await f.append('app.log', 'one')
    await f.start()
    await f.stop()
    // Written over in place: name and inode stay.
    await writeFile(f.path('app.log'), 'other 1\nother 2\n')
    await f.start()
    assert.deepEqual(f.bodies, ['one', 'other 1', 'other 2'])
  })
})
