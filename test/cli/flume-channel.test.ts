import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import avsc from 'avsc'
import { FlumeChannel } from '../../src/adopt/flume-channel.ts'
import { importFlume } from '../../src/adopt/import.ts'
import { file } from '../../src/agent/channel/file/index.ts'
import type { Channel } from '../../src/agent/contract.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { systemRandom } from '../../src/core/random.ts'
import { realDisk } from '../../src/storage/real-disk.ts'
import { channelContext } from '../support/channel-context.ts'
import {
  delimited,
  eventsOf,
  field,
  filesOf,
  fixed32,
  fixed64,
  layOut,
  type RecordedChannel,
  readRecording,
  recordings,
} from '../support/flume-channel.ts'
import { readOptions } from '../support/read-options.ts'
import { type Outcome, runVerb } from '../support/run-verb.ts'
import { tempDir } from '../support/temp-dir.ts'

interface Laid {
  readonly folder: string
  readonly recording: RecordedChannel
  readonly directories: readonly string[]
  readonly from: readonly string[]
  readonly data: string
  readonly log: string
}

async function laid(test: TestContext, name = 'flume-1.11-killed'): Promise<Laid> {
  const folder = await tempDir(test)
  const recording = readRecording(name)
  const directories = layOut(recording, join(folder, 'flume'))
  const data = directories[1] as string
  return {
    folder,
    recording,
    directories,
    from: directories.flatMap((directory) => ['--from', directory]),
    data,
    log: join(data, 'log-1'),
  }
}

const importing = (from: readonly string[], ...rest: string[]): Promise<Outcome> =>
  runVerb('channel', 'import', ...from, ...rest)

async function exported(...directories: string[]): Promise<string[]> {
  const { out, err } = await runVerb('channel', 'export', ...directories)
  assert.equal(err, '')
  return eventsOf(out)
}

/** An agent's channel there; rejects as its start does. */
async function startChannel(folder: string, data: string): Promise<Channel> {
  const options = { checkpointDir: join(folder, 'checkpoint'), dataDirs: data, minimumRequiredSpace: '0' }
  const channel = await file.create(readOptions(file, options), channelContext(systemClock))
  await channel.start?.()
  return channel
}

describe('flume-ts channel import', () => {
  for (const name of recordings) {
    it(`brings in what real Flume left, in its order, and leaves its files as they are: ${name} (F-01, F-11, F-14, F-16)`, async (t) => {
      const { folder, recording, from, directories } = await laid(t, name)
      const before = filesOf(join(folder, 'flume'))
      const dry = await importing(from, '--dry-run', join(folder, 'ours'))
      assert.equal(dry.code, 0, dry.err)
      assert.match(dry.out, new RegExp(`^${recording.delivered.length} events are left in the file channel`))
      assert.match(dry.out, /nothing was changed; this would import them:\n {2}flume-ts channel import --from /)
      assert.ok(!existsSync(join(folder, 'ours')))
      const { code, out, err } = await importing(from, join(folder, 'ours'))
      assert.equal(code, 0, err)
      assert.match(out, new RegExp(`^${recording.delivered.length} events were imported into`, 'm'))
      const ours = await exported(join(folder, 'ours'))
      const looked = await exported(...directories)
      assert.deepEqual(looked, ours)
      // Flume keeps what sinks had at the checkpoint as a set, and gives it back in any order.
      if (name.endsWith('open-at-checkpoint')) assert.deepEqual([...ours].sort(), [...recording.delivered].sort())
      else assert.deepEqual(ours, recording.delivered)
      assert.deepEqual(filesOf(join(folder, 'flume')), before)
    })
  }

  it('gives back first what sinks had at the checkpoint, in the order in which it was put (F-16)', async (t) => {
    const { directories } = await laid(t, 'flume-1.11-open-at-checkpoint')
    const numbers = (await exported(...directories)).map((event) =>
      Number(/n=(\d+);/.exec(Buffer.from(event.split(' ')[0] as string, 'base64').toString())?.[1]),
    )
    // Three sinks took 5, 6 and 7 events; the first did not commit before Flume was killed.
    const head = numbers.slice(
      0,
      numbers.findIndex((number, index) => number < (numbers[index - 1] ?? 0)),
    )
    assert.deepEqual(
      head,
      [...head].sort((a, b) => a - b),
    )
  })

  it('imports the same logs once, and again only when told to', async (t) => {
    const { folder, from, recording } = await laid(t)
    const ours = join(folder, 'ours')
    await importing(from, ours)
    const twice = await importing(from, ours)
    assert.equal(twice.code, 1)
    assert.match(twice.err, /these logs were imported before, \d+ events \(nothing was done; --again/)
    assert.match((await importing(from, ours, '--again')).err, /holds \d+ events \(let it deliver them first, or add/)
    const again = await importing(from, ours, '--again', '--append')
    assert.match(again.out, new RegExp(`the channel holds ${2 * recording.delivered.length}$`, 'm'))
  })

  it('puts nothing into a channel that holds events unless told to, and then behind them', async (t) => {
    const { folder, from, recording } = await laid(t)
    const ours = join(folder, 'ours')
    const channel = await startChannel(folder, ours)
    await channel.put(EventBatch.of([{ body: 'own' }]))
    const open = await importing(from, ours)
    assert.match(open.err, /ours is in use: another process holds/)
    await channel.stop?.()
    assert.match((await importing(from, ours)).err, /holds 1 events \(--append puts the imported ones behind them\)/)
    assert.equal((await importing(from, ours, '--append')).code, 0)
    const events = await exported(ours)
    assert.equal(events.length, recording.delivered.length + 1)
    assert.equal(Buffer.from((events[0] as string).trim(), 'base64').toString(), 'own')
  })

  it('goes on where it was interrupted, and no agent has the channel before it is done', async (t) => {
    const { folder, directories, from, recording } = await laid(t)
    const ours = [join(folder, 'ours-1'), join(folder, 'ours-2')]
    const flume = await FlumeChannel.open({
      disk: realDisk,
      directories,
      lockHolder: async () => undefined,
      withoutCheckpoint: false,
      skipDamaged: false,
      tell: () => undefined,
    })
    // In small batches, and cut off in the middle.
    const cut = new Proxy(flume, {
      get(target, name) {
        if (name !== 'batches') {
          const value = Reflect.get(target, name) as unknown
          return typeof value === 'function' ? value.bind(target) : value
        }
        return async function* (): AsyncGenerator<EventBatch> {
          for await (const batch of target.batches()) {
            for (let at = 0; at < 20; at += 5) yield batch.slice(at, at + 5)
            throw new Error('the power failed')
          }
        }
      },
    })
    const common = { disk: realDisk, clock: systemClock, random: systemRandom, from: directories, to: ours }
    await assert.rejects(
      importFlume({ ...common, flume: cut, append: false, again: false, tell: () => undefined }),
      /power failed/,
    )
    await assert.rejects(startChannel(folder, ours.join(',')), (error: Error & { hint: string }) => {
      assert.match(error.message, /import of Apache Flume's events into .*ours-1 was not finished/)
      assert.ok(error.hint.endsWith(`flume-ts channel import ${from.join(' ')} ${ours.join(' ')}`), error.hint)
      return true
    })
    assert.match(
      (await importing(from, join(folder, 'ours-1'))).err,
      /another import into .* was begun and not finished/,
    )
    const rest = await importing(from, ...ours)
    assert.match(rest.err, /20 events are there already; the import goes on behind them/)
    assert.deepEqual(await exported(...ours), recording.delivered)
    const channel = await startChannel(folder, ours.join(','))
    assert.equal(channel.size, recording.delivered.length)
    await channel.stop?.()
  })

  it("imports into Flume's own data directories, which an agent then may have until Flume runs there again", async (t) => {
    const { folder, directories, from, data, recording } = await laid(t)
    const [checkpoint] = directories as [string]
    await assert.rejects(startChannel(join(folder, 'flume'), data), (error: Error & { hint: string }) => {
      assert.match(error.message, /data holds files of Apache Flume, such as log-1/)
      assert.equal(
        error.hint,
        `stop Flume, then bring in the events that are left in them with: flume-ts channel import --from ${checkpoint} --from ${data} ${data}`,
      )
      return true
    })
    const imported = await importing(from, data)
    assert.equal(imported.code, 0, imported.err)
    const channel = await startChannel(join(folder, 'flume'), data)
    assert.equal(channel.size, recording.delivered.length)
    await channel.stop?.()
    copyFileSync(join(data, 'log-1'), join(data, 'log-77'))
    await assert.rejects(
      startChannel(join(folder, 'flume'), data),
      /holds files of Apache Flume that were written since the import, such as log-77/,
    )
  })

  it('refuses a damaged event by file and place, and leaves out just that one when told to', async (t) => {
    const { folder, from, log, recording } = await laid(t)
    const bytes = readFileSync(log)
    const at = bytes.indexOf('event 30 ')
    bytes[at] = 0x45
    writeFileSync(log, bytes)
    const refused = await importing(from, join(folder, 'ours'))
    assert.equal(refused.code, 1)
    assert.match(
      refused.err,
      /the event at \d+ of .*log-1 is damaged: the checksum of an event is .*--skip-damaged goes/,
    )
    assert.equal((await importing(from, '--dry-run')).code, 1)
    const verified = await runVerb('channel', 'verify', '--skip-damaged', ...from.filter((word) => word !== '--from'))
    assert.match(verified.out, new RegExp(`^${recording.delivered.length - 1} events read, .* 1 damaged records`))
    const { code, err } = await importing(from, '--skip-damaged', join(folder, 'ours'))
    assert.equal(code, 1)
    assert.match(err, /; left out\n.*1 damaged records were left out/s)
    const isSpoilt = (event: string): boolean =>
      Buffer.from(event.split(' ')[1] as string, 'base64')
        .toString()
        .startsWith('event 30 ')
    assert.deepEqual(
      await exported(join(folder, 'ours')),
      recording.delivered.filter((event) => !isSpoilt(event)),
    )
  })

  it('finds the next record behind a broken length, and says which bytes it passed over', async (t) => {
    const { from, log, recording } = await laid(t)
    const bytes = readFileSync(log)
    const at = bytes.indexOf('event 70 ')
    const record = bytes.lastIndexOf(Buffer.of(0x17, 0x0d), at) - 5
    assert.equal(bytes[record], 0x7f)
    bytes[record + 1] = 0x55
    writeFileSync(log, bytes)
    const refused = await importing(from, '--dry-run')
    assert.match(refused.err, new RegExp(`log-1: \\d+ bytes at ${record} are damaged \\(--skip-damaged`))
    const passed = await importing(from, '--dry-run', '--skip-damaged')
    assert.match(passed.err, new RegExp(`bytes at ${record} are damaged; passed over`))
    assert.match(passed.out, new RegExp(`^${recording.delivered.length - 1} events are left`))
  })

  it('takes what a crash cut off for the end of a log, and says so (F-10)', async (t) => {
    const { directories, from, recording } = await laid(t)
    const last = join(directories[1] as string, 'log-2')
    const bytes = readFileSync(last)
    let end = bytes.length
    while (bytes[end - 1] === 0x80) end--
    truncateSync(last, end - 3)
    const { code, out, err } = await importing(from, '--dry-run')
    assert.equal(code, 0, err)
    assert.match(err, /log-2 ends at \d+ with a record that a crash cut off/)
    // The last one was a take that was never committed.
    assert.match(out, new RegExp(`^${recording.delivered.length} events are left`))
  })

  it("leaves out what Flume's integrity tool made void", async (t) => {
    const { from, log, recording } = await laid(t)
    const bytes = readFileSync(log)
    bytes[bytes.lastIndexOf(Buffer.of(0x17, 0x0d), bytes.indexOf('event 30 ')) - 5] = 0
    writeFileSync(log, bytes)
    const { code, out } = await importing(from, '--dry-run')
    assert.equal(code, 0)
    assert.match(out, new RegExp(`${recording.delivered.length - 1} events read, .*, 1 made void by Flume's integrity`))
  })

  it('reads every log when the checkpoint does not hold, as Flume does (F-07)', async (t) => {
    const { directories, from, recording } = await laid(t)
    const path = join(directories[0] as string, 'inflighttakes')
    const bytes = readFileSync(path)
    bytes[3] = (bytes[3] as number) ^ 1
    writeFileSync(path, bytes)
    const { code, out, err } = await importing(from, '--dry-run')
    assert.equal(code, 0)
    assert.match(err, /inflighttakes cannot be used: the checksum does not hold\nevery log is read from its beginning/)
    assert.match(out, new RegExp(`^${recording.delivered.length} events are left`))
  })

  it('an Avro container holds the exported events with their headers', async (t) => {
    const { folder, directories, recording } = await laid(t)
    const pieces: Uint8Array[] = []
    const { main } = await import('../../src/cli/flume-ts.ts')
    const code = await main(['channel', 'export', '--format', 'avro', ...directories], {
      stdout: { write: (piece) => pieces.push(Buffer.from(piece)) },
      stderr: { write: () => undefined },
      env: {},
    })
    assert.equal(code, 0)
    const path = join(folder, 'events.avro')
    writeFileSync(path, Buffer.concat(pieces))
    const lines: string[] = []
    for await (const { headers, body } of avsc.createFileDecoder(path) as AsyncIterable<{
      headers: Record<string, string>
      body: Buffer
    }>) {
      lines.push(JSON.stringify({ headers, base64: body.toString('base64') }))
    }
    assert.deepEqual(eventsOf(lines.join('\n')), recording.delivered)
  })

  const refusals: readonly {
    readonly what: string
    readonly recording?: string
    readonly spoil: (laid: Laid) => void
    readonly argv?: (laid: Laid) => readonly string[]
    readonly message: RegExp
    readonly code?: number
  }[] = [
    {
      what: 'a data directory that was not given',
      recording: 'flume-1.11-two-directories',
      spoil: () => undefined,
      argv: ({ directories }) => directories.slice(0, 2).flatMap((path) => ['--from', path]),
      message:
        /names events in log-\d+, which is not there \(give every directory that dataDirs of the old agent names\)/,
    },
    {
      what: 'no checkpoint directory',
      spoil: () => undefined,
      argv: ({ data }) => ['--from', data],
      message:
        /there is no checkpoint in the directories \(give checkpointDir of the old agent, too; .*--no-checkpoint/,
    },
    {
      what: 'no data directory',
      spoil: () => undefined,
      argv: ({ directories }) => ['--from', directories[0] as string],
      message: /there is no log in .*checkpoint \(give the directories that dataDirs names, too\)/,
    },
    {
      what: 'a directory of something else',
      spoil: () => undefined,
      argv: ({ from, folder }) => [...from, '--from', folder],
      message: /holds no files of a file channel of Apache Flume/,
    },
    {
      what: 'an encrypted log, by its cipher and key (F-12)',
      spoil: ({ log }) => {
        const encryption = Buffer.concat([
          field(1, Buffer.from('AESCTRNOPADDING')),
          field(2, Buffer.from('key-0')),
          field(3, Buffer.alloc(16)),
        ])
        const meta = [fixed32(1, 3), fixed32(2, 1), fixed64(3, 0), fixed64(4, 0), field(5, encryption)]
        writeFileSync(`${log}.meta`, delimited(Buffer.concat(meta)))
      },
      message: /log-1 is encrypted \(cipher AESCTRNOPADDING, key key-0\) \(encrypted logs are not read: let Flume/,
    },
    {
      what: 'a log of Flume 1.2',
      spoil: ({ log }) => rmSync(`${log}.meta`),
      message: /log-1 has no log-1.meta: it is of Flume 1.2, or that file was lost/,
    },
    {
      what: 'metadata of another log',
      spoil: ({ data }) => copyFileSync(join(data, 'log-2.meta'), join(data, 'log-1.meta')),
      message: /log-1.meta cannot be used: it is of log-2/,
    },
    {
      what: 'directories of two channels',
      spoil: ({ folder, recording }) => layOut(recording, join(folder, 'other')),
      argv: ({ from, folder }) => [...from, '--from', join(folder, 'other', 'data')],
      message: /log-1 and .*log-1 have the same number \(these are directories of two channels/,
    },
    {
      what: 'no --from',
      spoil: () => undefined,
      argv: () => [],
      message: /--from names the directories of the old channel/,
      code: 2,
    },
    {
      what: "Flume's checkpoint directory as a target",
      spoil: () => undefined,
      argv: ({ from, directories }) => [...from, directories[0] as string],
      message: /is a checkpoint directory of Apache Flume; events go into data directories/,
      code: 2,
    },
  ]
  for (const { what, recording, spoil, argv = ({ from }: Laid) => from, message, code = 1 } of refusals) {
    it(`refuses, and makes nothing: ${what}`, async (t) => {
      const given = await laid(t, recording)
      spoil(given)
      const outcome = await importing(argv(given), join(given.folder, 'ours'))
      assert.equal(outcome.code, code, outcome.err)
      assert.match(outcome.err, message)
      assert.ok(!existsSync(join(given.folder, 'ours')))
    })
  }

  it('asks for a target, and only looks at a channel of Flume otherwise', async (t) => {
    const { from, directories } = await laid(t)
    assert.match((await importing(from)).err, /no data directory is given to import into; --dry-run needs none/)
    for (const what of ['repair', 'replay']) {
      const { code, err } = await runVerb('channel', what, ...directories)
      assert.equal(code, 1)
      assert.match(err, /is a channel of Apache Flume, and is only looked at/)
    }
    const { out } = await runVerb('channel', 'inspect', ...directories)
    assert.match(out, /events are left in the file channel of Apache Flume\n.* waited at the checkpoint/)
    assert.equal(eventsOf((await runVerb('channel', 'peek', '-n', '3', ...directories)).out).length, 3)
  })

  it('makes no file larger than its events need', async (t) => {
    const { folder, from } = await laid(t)
    await importing(from, join(folder, 'ours'))
    const sizes = readdirSync(join(folder, 'ours')).map((name) => statSync(join(folder, 'ours', name)).size)
    assert.ok(Math.max(...sizes) < 4 * 1024 * 1024)
  })
})
