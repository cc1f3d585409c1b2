import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { sideBySide } from '../peers/side-by-side.ts'

const input = Buffer.concat([
  Buffer.from('one\ntwo\r\nthree\rgrün\n\ntab\there\n'),
  Buffer.from([0x62, 0xff, 0xe2, 0x82, 0x64, 0x0a]),
  Buffer.from('no end'),
])

const cases: readonly { readonly what: string; readonly source: readonly string[]; readonly lines: number }[] = [
  { what: 'a command without a shell', source: ['command = cat FOLDER/input'], lines: 8 },
  { what: 'latin1', source: ['command = cat FOLDER/input', 'charset = ISO-8859-1'], lines: 8 },
  { what: 'ascii', source: ['command = cat FOLDER/input', 'charset = US-ASCII'], lines: 8 },
  {
    what: 'a shell',
    source: ['shell = /bin/sh -c', 'command = for i in 1 2 3; do echo "n  $i"; done', 'batchSize = 2'],
    lines: 3,
  },
  {
    what: 'quotes without a shell',
    source: ['command = echo "a   b" $HOME *', 'restart = true', 'restartThrottle = 600000'],
    lines: 1,
  },
]

for (const version of ['1.9', '1.11'] as const) {
  for (const { what, source, lines } of cases) {
    test(`exec, ${what}: the events are those of Flume ${version} (S-10)`, async (t) => {
      const { theirs, ours } = await sideBySide(t, {
        version,
        source: ['type = exec', ...source],
        prepare: (folder) => writeFile(join(folder, 'input'), input),
        lines,
      })
      assert.equal(ours, theirs)
    })
  }
}

/** Counts its runs in a file, and fails. */
const counting = [
  'shell = /bin/sh -c',
  'command = n=$(cat FOLDER/n || echo 0); echo $((n+1)) > FOLDER/n; echo run $((n+1)); echo oops >&2; exit 3',
]

for (const version of ['1.9', '1.11'] as const) {
  test(`exec, restart: a command that ends is run again after restartThrottle, as in Flume ${version} (S-14)`, async (t) => {
    const throttleMs = 700
    const tookMs: number[] = []
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = exec', ...counting, 'restart = true', `restartThrottle = ${throttleMs}`, 'logStdErr = true'],
      feed: async ({ written }) => {
        await written(1)
        const from = systemClock.monotonic()
        await written(5)
        tookMs.push(systemClock.monotonic() - from)
      },
      lines: 5,
    })
    const first = (text: string): string[] => text.split('\n').slice(0, 5)
    assert.deepEqual(first(ours), first(theirs))
    assert.equal(first(ours)[4], ' run 5'.padStart(8, '{}'))
    for (const ms of tookMs) assert.ok(ms > 2 * throttleMs, `four pauses took ${ms} ms`)
  })

  test(`exec without restart: the command is run once, as in Flume ${version} (S-14)`, async (t) => {
    const { theirs, ours } = await sideBySide(t, {
      version,
      source: ['type = exec', ...counting, 'restartThrottle = 100'],
      feed: async ({ written }) => {
        await written(1)
        await systemClock.sleep(1500)
      },
      lines: 1,
    })
    assert.equal(ours, theirs)
    assert.equal(ours.trimEnd().split('\n').length, 1)
  })
}
