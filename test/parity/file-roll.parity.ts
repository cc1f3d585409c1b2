import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Sink } from '../../src/agent/contract.ts'
import { fileRoll } from '../../src/agent/sink/file-roll.ts'
import { systemClock } from '../../src/core/clock.ts'
import { startFlume } from '../peers/peers.ts'
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
