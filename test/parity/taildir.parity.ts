import assert from 'node:assert/strict'
import { appendFile, mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Side, type Stand, sideBySide } from '../peers/side-by-side.ts'

const source = [
  'type = TAILDIR',
  'filegroups = f1 f2 f3',
  'filegroups.f1 = FOLDER/logs/a.*\\\\.log',
  'filegroups.f2 = FOLDER/logs/b.log',
  'filegroups.f3 = FOLDER/logs/[cd]',
  'headers.f1.kind = first',
  'headers.f3.x.y = dotted',
  'positionFile = FOLDER/state/pos.json',
  'writePosInterval = 100',
]

async function prepare(folder: string): Promise<void> {
  await mkdir(join(folder, 'logs'))
  const files: readonly [name: string, content: Buffer | string, second: number][] = [
    ['a2.log', 'a2 one\na2 two\r\n\n\r\ra2 three\n', 1000],
    ['a1.log', Buffer.concat([Buffer.from([0xff, 0x00, 0x41, 0x0a]), Buffer.from('unfinished')]), 2000],
    ['b.log', 'grün\n', 3000],
    ['d', '', 4000],
    ['alog', 'no match\n', 4000],
  ]
  for (const [name, content, second] of files) {
    await writeFile(join(folder, 'logs', name), content)
    await utimes(join(folder, 'logs', name), second, second)
  }
}

/** Groups come in hash order in Flume: lines are compared file by file. */
function sorted(text: string): string[] {
  return text.split('\n').sort()
}

for (const version of ['1.9', '1.11'] as const) {
  for (const options of [
    [],
    ['byteOffsetHeader = true', 'fileHeader = true'],
    ['maxBatchCount = 1', 'batchSize = 1'],
  ]) {
    test(`taildir ${options.join(', ') || 'as it is'}: events and positions are those of Flume ${version} (S-90…S-96)`, async (t) => {
      const folders: Partial<Record<Side, string>> = {}
      const { theirs, ours } = await sideBySide(t, {
        version,
        source: [...source, ...options],
        prepare,
        feed: async ({ side, folder, written }: Stand) => {
          folders[side] = folder
          await written(6)
          await appendFile(join(folder, 'logs', 'a1.log'), ' and finished\nmore\n')
          await writeFile(join(folder, 'logs', 'c'), 'new file\n')
        },
        lines: 9,
      })
      assert.deepEqual(sorted(ours), sorted(theirs))
      const [theirPositions, ourPositions] = await Promise.all([
        positions(folders.theirs as string),
        positions(folders.ours as string),
      ])
      assert.deepEqual(ourPositions, theirPositions)
      assert.equal(Object.keys(ourPositions).length, 5)
    })
  }
}

async function positions(folder: string): Promise<Record<string, number>> {
  const text = await readFile(join(folder, 'state', 'pos.json'), 'utf8')
  const entries = JSON.parse(text) as { inode: number; pos: number; file: string }[]
  return Object.fromEntries(
    entries
      .map(({ pos, file }) => [file.replace(folder, ''), pos] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  )
}
