import assert from 'node:assert/strict'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { tempDir } from '../support/temp-dir.ts'
import { type Side, type SideBySide, type Stand, sideBySide, startAgent } from './side-by-side.ts'

const source = (...more: readonly string[]): string[] => [
  'type = TAILDIR',
  'positionFile = FOLDER/state/positions.json',
  'writePosInterval = 50',
  ...more,
]
const oneGroup = ['filegroups = g', 'filegroups.g = FOLDER/in/.*log']

const inputOf = (folder: string, name: string): string => join(folder, 'in', name)
const prepareWith =
  (files: Readonly<Record<string, string>>) =>
  async (folder: string): Promise<void> => {
    await mkdir(join(folder, 'in'))
    for (const [name, text] of Object.entries(files)) await writeFile(inputOf(folder, name), text)
  }

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 1200; !(await condition()); left--) {
    if (left === 0) throw new Error(`it never came true: ${what}`)
    await systemClock.sleep(50)
  }
}

/** Resolves once the agent says that it has followed a file up to there; Flume writes for the first time after 5 s. */
async function untilAt(folder: string, name: string, offset: number): Promise<void> {
  const entry = `"pos":${offset},"file":"${inputOf(folder, name)}"`
  const positions = join(folder, 'state/positions.json')
  await eventually(entry, async () => (await readFile(positions, 'utf8').catch(() => '')).includes(entry))
}

/** Lines of header_and_text in one order: groups come in hash order there, and so do headers. */
function eventsOf(text: string): string[] {
  const lines = text.split('\n').slice(0, -1)
  return lines
    .map((line) => line.replace(/^\{(.*?)\}/, (_, headers: string) => `{${headers.split(', ').toSorted().join(', ')}}`))
    .toSorted()
}

interface Case extends Omit<SideBySide, 'version' | 'lines'> {
  readonly what: string
  /** In any order. */
  readonly expected: readonly string[]
}

const cases: readonly Case[] = [
  {
    what: 'fileHeader gives the absolute path under the key that fileHeaderKey names (S-95)',
    source: source(...oneGroup, 'fileHeader = true', 'fileHeaderKey = path'),
    prepare: prepareWith({ 'a.log': 'one\n', 'b.log': 'two\n' }),
    expected: ['{path=FOLDER/in/a.log} one', '{path=FOLDER/in/b.log} two'],
  },
  {
    what: 'byteOffsetHeader says where a line begins, with LF, CRLF and nothing in it, in each batch (S-94, S-95)',
    source: source(...oneGroup, 'byteOffsetHeader = true', 'batchSize = 2'),
    prepare: prepareWith({ 'a.log': 'one\ntwo\r\n\nfour\rlone\né\n' }),
    async feed({ folder, written }: Stand) {
      await written(5)
      await appendFile(inputOf(folder, 'a.log'), 'later\n')
    },
    expected: [
      '{byteoffset=0} one',
      '{byteoffset=4} two',
      '{byteoffset=9} ',
      '{byteoffset=10} four\rlone',
      '{byteoffset=20} Ã©',
      '{byteoffset=23} later',
    ],
  },
  {
    what: 'cachePatternMatching = false finds each new file, whenever it comes',
    source: source(...oneGroup, 'cachePatternMatching = false', 'fileHeader = true'),
    prepare: prepareWith({ 'a.log': 'one\n' }),
    async feed({ folder, written }: Stand) {
      await written(1)
      await writeFile(inputOf(folder, 'b.log'), 'two\n')
      await written(2)
      await writeFile(inputOf(folder, 'c.log'), 'three\n')
      await writeFile(inputOf(folder, 'no.txt'), 'never\n')
      await appendFile(inputOf(folder, 'a.log'), 'four\n')
    },
    expected: [
      '{file=FOLDER/in/a.log} four',
      '{file=FOLDER/in/a.log} one',
      '{file=FOLDER/in/b.log} two',
      '{file=FOLDER/in/c.log} three',
    ],
  },
  {
    what: 'skipToEnd leaves out what stood in files at the start, and nothing of files that come later (S-91)',
    source: source(...oneGroup, 'skipToEnd = true', 'byteOffsetHeader = true'),
    prepare: prepareWith({ 'a.log': 'old\nolder\n' }),
    async feed({ folder }: Stand) {
      await untilAt(folder, 'a.log', 10)
      await appendFile(inputOf(folder, 'a.log'), 'new\n')
      await writeFile(inputOf(folder, 'b.log'), 'first\nsecond\n')
    },
    expected: ['{byteoffset=0} first', '{byteoffset=10} new', '{byteoffset=6} second'],
  },
]

describe('taildir beside real Flume 1.11', () => {
  for (const { what, expected, ...options } of cases) {
    test(what, async (test) => {
      const { theirs, ours } = await sideBySide(test, { version: '1.11', lines: expected.length, ...options })
      assert.deepEqual(eventsOf(theirs), expected.toSorted())
      assert.deepEqual(eventsOf(ours), eventsOf(theirs))
    })
  }
})

const change: Readonly<Record<Side, Side>> = { ours: 'theirs', theirs: 'ours' }
const nameOf: Readonly<Record<Side, string>> = { ours: 'this source', theirs: 'Flume' }

for (const version of ['1.9', '1.11'] as const) {
  describe(`a taildir position file shared with Flume ${version}`, () => {
    for (const first of ['ours', 'theirs'] as const) {
      test(`${nameOf[change[first]]} goes on where ${nameOf[first]} stopped, in every file (S-92, S-96)`, async (test) => {
        const folder = await tempDir(test)
        const out = join(folder, 'out')
        await mkdir(out)
        await prepareWith({ 'a.log': 'a1\na2\na3\nnot yet', 'b.log': 'b1\n', 'done.log': 'd1\n' })(folder)
        await run(first, version, folder, 5)
        await untilAt(folder, 'a.log', 9)
        await appendFile(inputOf(folder, 'a.log'), ' but now\na5\n')
        await appendFile(inputOf(folder, 'b.log'), 'b2\n')
        await writeFile(inputOf(folder, 'c.log'), 'c1\n')
        await run(change[first], version, folder, 9)
        // And back again: what the second one wrote is good for the first one too.
        await appendFile(inputOf(folder, 'b.log'), 'b3\n')
        await run(first, version, folder, 10)
        assert.deepEqual(
          (await written(out)).toSorted(),
          ['a1', 'a2', 'a3', 'not yet but now', 'a5', 'b1', 'b2', 'b3', 'c1', 'd1'].toSorted(),
        )
      })
    }
  })
}

async function written(out: string): Promise<string[]> {
  const names = await readdir(out)
  const texts = await Promise.all(names.map((name) => readFile(join(out, name), 'utf8')))
  return texts.join('').split('\n').slice(0, -1)
}

/** One run of an agent, until so many lines have come out in all, stopped as a user stops it. */
async function run(side: Side, version: '1.9' | '1.11', folder: string, lines: number): Promise<void> {
  await using agent = await startAgent(side, version, resumeProperties(folder, side), folder)
  await eventually(`${lines} lines by ${side}`, async () => (await written(join(folder, 'out'))).length >= lines)
  await agent.stop()
}

function resumeProperties(folder: string, side: Side): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    ...source(...oneGroup, 'batchSize = 2').map((line) => `a1.sources.r1.${line}`),
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = memory',
    'a1.sinks.k1.type = file_roll',
    'a1.sinks.k1.sink.directory = FOLDER/out',
    // Each run has files of its own.
    `a1.sinks.k1.sink.pathManager.prefix = ${side}-${systemClock.now()}-`,
    'a1.sinks.k1.sink.rollInterval = 0',
    'a1.sinks.k1.sink.batchSize = 1',
    'a1.sinks.k1.channel = c1',
    '',
  ]
    .join('\n')
    .replaceAll('FOLDER', folder)
}
