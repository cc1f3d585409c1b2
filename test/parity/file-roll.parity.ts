import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Sink } from '../../src/agent/contract.ts'
import { fileRoll } from '../../src/agent/sink/file-roll.ts'
import { systemClock } from '../../src/core/clock.ts'
import { startFlume } from '../peers/peers.ts'
import { type Side, startAgent } from '../peers/side-by-side.ts'
import { bodies } from '../support/batches.ts'
import { freePort } from '../support/free-port.ts'
import { readOptions } from '../support/read-options.ts'
import { sinkContext } from '../support/sink-context.ts'
import { tempDir } from '../support/temp-dir.ts'

const cases: readonly Readonly<Record<string, string>>[] = [
  { 'sink.rollInterval': '0' },
  { 'sink.rollInterval': '0', 'sink.pathManager.prefix': 'pre-', 'sink.pathManager.extension': 'log' },
  { 'sink.rollInterval': '0', 'sink.pathManager': 'ROLLTIME', 'sink.pathManager.extension': 'log' },
  { 'sink.rollInterval': '0', 'sink.serializer': 'HEADER_AND_TEXT' },
]

for (const version of ['1.9', '1.11'] as const) {
  test(`the names and bytes of rolled files are those of Flume ${version} (N-04)`, async (t) => {
    const folder = await tempDir(t)
    const port = await freePort()
    const rows = [
      'a1.sources = r1',
      `a1.channels = ${cases.map((_, i) => `c${i}`).join(' ')}`,
      `a1.sinks = ${cases.map((_, i) => `k${i}`).join(' ')}`,
      'a1.sources.r1.type = netcat',
      'a1.sources.r1.bind = 127.0.0.1',
      `a1.sources.r1.port = ${port}`,
      `a1.sources.r1.channels = ${cases.map((_, i) => `c${i}`).join(' ')}`,
    ]
    for (const [i, options] of cases.entries()) {
      rows.push(`a1.channels.c${i}.type = memory`, `a1.sinks.k${i}.type = file_roll`, `a1.sinks.k${i}.channel = c${i}`)
      rows.push(`a1.sinks.k${i}.sink.batchSize = 1`, `a1.sinks.k${i}.sink.directory = ${folder}/theirs/${i}`)
      for (const [key, value] of Object.entries(options)) rows.push(`a1.sinks.k${i}.${key} = ${value}`)
      await mkdir(join(folder, 'theirs', String(i)), { recursive: true })
      await mkdir(join(folder, 'ours', String(i)), { recursive: true })
    }
    await using flume = await startFlume({ version, properties: rows.join('\n') })
    const socket = connect(port, '127.0.0.1')
    socket.end('one\n\nthree\n')
    for await (const _ of socket);
    const isDone = async (i: number): Promise<boolean> =>
      (await contents(join(folder, 'theirs', String(i)))).join('').includes('three')
    for (let left = 400; left > 0; left--) {
      if ((await Promise.all(cases.map((_, i) => isDone(i)))).every(Boolean)) break
      await systemClock.sleep(25)
    }
    await flume.stop()
    for (const [i, options] of cases.entries()) {
      const values = readOptions(fileRoll, { 'sink.directory': join(folder, 'ours', String(i)), ...lower(options) })
      const sink = (await fileRoll.create(values as never, sinkContext())) as Sink
      await sink.write(bodies('one', '', 'three'))
      await sink.stop?.()
      const theirs = await contents(join(folder, 'theirs', String(i)))
      assert.ok(theirs.length > 0)
      assert.deepEqual(await contents(join(folder, 'ours', String(i))), theirs)
    }
  })
}

/** What can be said of rolled files whatever the moment at which each begins. */
interface Rolled {
  /** Names without their digits, each once. */
  readonly shapes: readonly string[]
  /** Whether the numbers are 1, 2, 3 and so on, for each time in a name. */
  readonly isCounted: boolean
  /** How many times stand in the names: one, or more. */
  readonly times: 'one' | 'several'
  readonly text: string
  /** Files without a line: nothing came while they were the one that is written. */
  readonly hasEmpty: boolean
  /** No file has all the lines. */
  readonly isSpread: boolean
}

const rolling: readonly (readonly string[])[] = [
  ['pathManager.prefix = pre-', 'pathManager.extension = log'],
  ['pathManager = rolltime', 'pathManager.prefix = at-'],
]

async function rolled(
  t: Parameters<typeof tempDir>[0],
  side: Side,
  version: '1.9' | '1.11',
): Promise<readonly Rolled[]> {
  const folder = await tempDir(t)
  const port = await freePort()
  const numbers = rolling.map((_, i) => i)
  const rows = [
    'a1.sources = r1',
    `a1.channels = ${numbers.map((i) => `c${i}`).join(' ')}`,
    `a1.sinks = ${numbers.map((i) => `k${i}`).join(' ')}`,
    'a1.sources.r1.type = netcat',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    `a1.sources.r1.channels = ${numbers.map((i) => `c${i}`).join(' ')}`,
  ]
  for (const [i, options] of rolling.entries()) {
    const sink = `a1.sinks.k${i}`
    rows.push(`a1.channels.c${i}.type = memory`, `${sink}.type = file_roll`, `${sink}.channel = c${i}`)
    rows.push(`${sink}.sink.directory = ${folder}/${i}`, `${sink}.sink.batchSize = 1`, `${sink}.sink.rollInterval = 1`)
    for (const option of options) rows.push(`${sink}.sink.${option}`)
    await mkdir(join(folder, String(i)))
  }
  {
    await using _ = await startAgent(side, version, rows.join('\n'), folder)
    const lines = async (i: number): Promise<number> =>
      (await filesOf(join(folder, String(i))))
        .map(({ text }) => text)
        .join('')
        .split('\n').length - 1
    for (let line = 1; line <= 4; line++) {
      const socket = connect(port, '127.0.0.1')
      socket.end(`line ${line}\n`)
      for await (const _ of socket);
      // The next one comes when this one is written and its file's second is over.
      for (const i of numbers) while ((await lines(i)) < line) await systemClock.sleep(25)
      await systemClock.sleep(1100)
    }
    const hasEmpty = async (i: number): Promise<boolean> =>
      (await filesOf(join(folder, String(i)))).slice(0, -1).some(({ text }) => text === '')
    for (const i of numbers) for (let left = 400; left > 0 && !(await hasEmpty(i)); left--) await systemClock.sleep(50)
  }
  return Promise.all(
    numbers.map(async (i) => {
      const files = await filesOf(join(folder, String(i)))
      const next = new Map<string, number>()
      const isCounted = files.every(({ time, number }) => {
        const expected = next.get(time) ?? 1
        next.set(time, number + 1)
        return number === expected
      })
      return {
        shapes: [...new Set(files.map(({ shape }) => shape))],
        isCounted,
        times: next.size === 1 ? ('one' as const) : ('several' as const),
        text: files.map(({ text }) => text).join(''),
        hasEmpty: files.some(({ text }) => text === ''),
        isSpread: files.filter(({ text }) => text !== '').length > 2,
      }
    }),
  )
}

/** In the order in which they were begun. */
async function filesOf(folder: string) {
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const [, time = '', number = ''] = /(\d{13,14})-(\d+)/.exec(name) ?? []
      const shape = name.replace(/\d{13,14}-\d+/, `<${time.length}>-<n>`)
      return { shape, time, number: Number(number), text: await readFile(join(folder, name), 'utf8') }
    }),
  )
  return files.sort((a, b) => (a.time === b.time ? a.number - b.number : a.time < b.time ? -1 : 1))
}

for (const version of ['1.9', '1.11'] as const) {
  test(`files roll, also empty ones, under the names of Flume ${version} (N-04, N-05)`, async (t) => {
    const theirs = await rolled(t, 'theirs', version)
    const ours = await rolled(t, 'ours', version)
    assert.deepEqual(ours, theirs)
    for (const { text, hasEmpty, isSpread, isCounted } of ours) {
      assert.deepEqual([text, hasEmpty, isSpread, isCounted], ['line 1\nline 2\nline 3\nline 4\n', true, true, true])
    }
  })
}

function lower(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, value.toLowerCase()]))
}

/** Names, numbers of a time as their count of digits, and contents. */
async function contents(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).sort()
  const text = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
  return Promise.all(
    names.map(async (name) => `${name.replace(/\d{13,14}/, (digits) => `<${digits.length}>`)}: ${await text(name)}`),
  )
}
