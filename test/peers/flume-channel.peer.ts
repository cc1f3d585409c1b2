import assert from 'node:assert/strict'
import { mkdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { copyFolder, eventsOf, filesOf, saveRecording } from '../support/flume-channel.ts'
import { runVerb } from '../support/run-verb.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { startJava } from './peers.ts'

type Version = '1.9' | '1.11'

/** Steps done to a real file channel in `folder`; see FileChannelDriver.java. */
function drive(
  version: Version,
  folder: string,
  options: readonly string[],
  steps: readonly string[],
): Promise<RunningProcess> {
  const inFolder = options.map((option) => option.replaceAll('@', `${folder}/`))
  return startJava(`flume-${version}`, 'FileChannelDriver', [...inFolder, '--', ...steps])
}

async function driveToEnd(...given: Parameters<typeof drive>): Promise<{ readonly out: string; readonly log: string }> {
  await using driver = await drive(...given)
  const code = await driver.exited
  assert.equal(code, 0, driver.stderr.slice(-4_000))
  return { out: driver.stdout, log: driver.stderr }
}

const common = ['transactionCapacity=1000', 'minimumRequiredSpace=1048576', 'keep-alive=3']
const one = [...common, 'checkpointDir=@checkpoint', 'dataDirs=@data', 'capacity=3000']
const three = [
  ...common,
  'checkpointDir=@checkpoint',
  'dataDirs=@data-1,@data-2,@data-3',
  'capacity=20000',
  'maxFileSize=30000',
]
const two = [
  ...common.slice(1),
  'transactionCapacity=100',
  'checkpointDir=@checkpoint',
  'dataDirs=@data-1,@data-2',
  'capacity=500',
  'maxFileSize=20000',
]
const dual = [...one, 'useDualCheckpoints=true', 'backupCheckpointDir=@backup']

interface Scenario {
  readonly what: string
  readonly options: readonly string[]
  readonly lives: readonly (readonly string[])[]
  readonly directories: readonly string[]
  /** Done to the directories once Flume has ended. */
  readonly spoil?: (folder: string) => void
  readonly flags?: readonly string[]
  /** Events with a sink at the last checkpoint come first; Flume itself mixes those up. */
  readonly isMixed?: boolean
  /** Kept as a fixture of this name. */
  readonly record?: string
}

const scenarios: readonly Scenario[] = [
  {
    what: 'a channel that was closed in good order',
    options: one,
    lives: [['put:200/7', 'take:77/10', 'close']],
    directories: ['checkpoint', 'data'],
  },
  {
    what: 'a channel that was killed, with transactions of every kind since its checkpoint',
    options: one,
    lives: [
      [
        ...['put:60/10', 'take:20/7', 'checkpoint', 'put:40/5', 'put-back:3', 'take:4', 'take-back:2', 'roll'],
        ...['put:9', 'put-open:3', 'take-open:5', 'halt'],
      ],
    ],
    directories: ['checkpoint', 'data'],
    record: 'killed',
  },
  {
    what: 'transactions that were open at the checkpoint and ended after it',
    options: one,
    lives: [
      [
        ...['put:60/10', 'put-open:3', 'put-open:4', 'take-open:5', 'take-open:6', 'take-open:7', 'put-open:2'],
        ...['checkpoint', 'commit-open:0', 'rollback-open:1', 'commit-open:2', 'rollback-open:3', 'put:5', 'halt'],
      ],
    ],
    directories: ['checkpoint', 'data'],
    isMixed: true,
    record: 'open-at-checkpoint',
  },
  {
    what: 'a channel that never wrote a checkpoint but its first',
    options: one,
    lives: [['put:100/9', 'take:30/9', 'put:10', 'halt']],
    directories: ['checkpoint', 'data'],
  },
  {
    what: 'several lives, killed each time, in three data directories with many logs',
    options: three,
    lives: [
      ['storm:1500/3/1', 'halt'],
      ['first=5000', 'storm:900/3/2', 'checkpoint', 'storm:400/2/3', 'put:20', 'halt'],
      ['first=9000', 'put-open:3', 'put:2000/50', 'storm-halt:1200/4/4'],
    ],
    directories: ['checkpoint', 'data-1', 'data-2', 'data-3'],
  },
  {
    what: 'two data directories with small logs, in which threads put and take at the same time',
    options: two,
    lives: [
      ['storm:120/2/5', 'checkpoint', 'storm:100/2/6', 'halt'],
      ['first=1000', 'storm:60/2/7', 'put:5', 'put-open:2', 'halt'],
    ],
    directories: ['checkpoint', 'data-1', 'data-2'],
    record: 'two-directories',
  },
  {
    what: 'a checkpoint that was not finished, and its backup',
    options: dual,
    lives: [
      ['put:50/10', 'take:5', 'checkpoint', 'pause:800', 'put:20', 'checkpoint', 'pause:800', 'close'],
      ['first=100', 'pause:800', 'put:30/3', 'take:13', 'halt'],
    ],
    directories: ['checkpoint', 'backup', 'data'],
    spoil: (folder) => truncateSync(join(folder, 'checkpoint', 'checkpoint'), 1000),
  },
  {
    what: 'no checkpoint at all',
    options: one,
    lives: [['put:50/10', 'take:5', 'checkpoint', 'put:20', 'roll', 'put:7', 'take:3', 'take-back:2', 'halt']],
    directories: ['checkpoint', 'data'],
    spoil: (folder) => {
      rmSync(join(folder, 'checkpoint'), { recursive: true })
      mkdirSync(join(folder, 'checkpoint'))
    },
    flags: ['--no-checkpoint'],
  },
  {
    what: 'a channel that does not sync each transaction, killed in the middle of it all',
    options: [...one, 'fsyncPerTransaction=false'],
    lives: [['storm-halt:2500/4/9']],
    directories: ['checkpoint', 'data'],
  },
]

for (const version of ['1.9', '1.11'] as const) {
  describe(`events left in a file channel of Flume ${version}`, () => {
    for (const { what, options, lives, directories, spoil, flags = [], isMixed = false, record } of scenarios) {
      test(`import brings in what Flume itself would have delivered: ${what} (F-01, F-10, F-11, F-14, F-16)`, {
        timeout: 60_000,
      }, async (t) => {
        const base = await tempDir(t)
        const folder = join(base, 'flume')
        mkdirSync(folder)
        const steps: string[] = []
        for (const life of lives) {
          const first = life.filter((word) => word.startsWith('first='))
          const rest = life.filter((word) => !word.startsWith('first='))
          await driveToEnd(version, folder, [...options, ...first], rest)
          steps.push(life.join(' '))
        }
        spoil?.(folder)
        copyFolder(folder, join(base, 'copy'))
        const before = filesOf(folder)
        const drained = await driveToEnd(version, join(base, 'copy'), options, ['drain', 'close'])
        const delivered = [...drained.out.matchAll(/^EVENT (.*)$/gm)].map((match) => match[1] as string)

        const from = directories
          .map((directory) => join(folder, directory))
          .filter((path) => flags.length === 0 || !path.endsWith('checkpoint'))
        const imported = await runVerb(
          ...['channel', 'import', ...flags, ...from.flatMap((path) => ['--from', path])],
          ...[join(base, 'ours-1'), join(base, 'ours-2')],
        )
        assert.equal(imported.code, 0, imported.err)
        assert.match(imported.out, new RegExp(`^${delivered.length} events were imported into`, 'm'))
        const { out } = await runVerb('channel', 'export', join(base, 'ours-1'), join(base, 'ours-2'))
        const ours = eventsOf(out)
        assert.ok(ours.length > 0)
        if (isMixed) assert.deepEqual([...ours].sort(), [...delivered].sort())
        else assert.deepEqual(ours, delivered)
        assert.deepEqual(filesOf(folder), before, 'nothing of Flume is changed')
        if (record && process.env['RECORD']) {
          saveRecording(`flume-${version}-${record}`, { steps, directories, files: before, delivered })
        }
      })
    }

    test('import keeps away from a channel that Flume has open (F-09)', { timeout: 60_000 }, async (t) => {
      const folder = await tempDir(t)
      await using driver = await drive(version, folder, one, ['put:20', 'checkpoint', 'wait'])
      await driver.waitFor(/READY/)
      const from = ['--from', join(folder, 'checkpoint'), '--from', join(folder, 'data')]
      for (const argv of [
        ['import', ...from, join(folder, 'ours')],
        ['import', ...from, '--dry-run'],
        ['peek', join(folder, 'checkpoint'), join(folder, 'data')],
      ]) {
        const { code, err } = await runVerb('channel', ...argv)
        assert.equal(code, 1)
        assert.match(err, new RegExp(`checkpoint is in use: process ${driver.pid} has its in_use.lock open`))
      }
      await driver.kill()
      const imported = await runVerb('channel', 'import', ...from, join(folder, 'ours'))
      assert.match(imported.out, /^20 events were imported/m)
    })

    test('a channel killed at any moment gives what Flume would deliver', { timeout: 120_000 }, async (t) => {
      const base = await tempDir(t)
      for (let round = 0, compared = 0; compared < 2; round++) {
        assert.ok(round < 8, 'Flume could not read what it had left, again and again')
        const folder = join(base, `round-${round}`)
        mkdirSync(folder)
        const driver = await drive(
          version,
          folder,
          [...three, 'checkpointInterval=1000', 'capacity=100000'],
          [`storm:100000000/3/${round}`],
        )
        await driver.waitFor(/Updated checkpoint/)
        await systemClock.sleep(900 + 500 * (round % 2))
        await driver.kill()
        copyFolder(folder, `${folder}-copy`)
        const draining = driveToEnd(version, `${folder}-copy`, [...three, 'capacity=100000'], ['drain', 'close'])
        const drained = await draining.catch((error: Error) => {
          // A kill in the middle of a write can leave a record that Flume itself takes for damage (F-10): nothing to compare with.
          if (!error.message.includes('CorruptEventException')) throw error
          t.diagnostic(`round ${round}: Flume ${version} cannot read what it left`)
        })
        if (!drained) continue
        compared++
        const delivered = [...drained.out.matchAll(/^EVENT (.*)$/gm)].map((match) => match[1] as string)
        const { out, err, code } = await runVerb(
          'channel',
          'export',
          ...['checkpoint', 'data-1', 'data-2', 'data-3'].map((name) => join(folder, name)),
        )
        assert.equal(code, 0, err)
        const ours = eventsOf(out)
        const theirs = new Set(delivered)
        assert.equal(new Set(ours).size, ours.length)
        assert.deepEqual(
          ours.filter((event) => !theirs.has(event)),
          [],
        )
        // What a sink had at the checkpoint, gave back, and delivered later, Flume delivers again, and says so.
        const doubles = Number(/Pending takes (\d+) exist/.exec(drained.log)?.[1] ?? 0)
        assert.ok(delivered.length - ours.length <= doubles, `${delivered.length} - ${ours.length} <= ${doubles}`)
      }
    })
  })
}
