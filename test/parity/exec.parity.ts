import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
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
