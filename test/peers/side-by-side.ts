import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { startFlume } from './peers.ts'

const program = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))

/** Whose agent it is. */
export type Side = 'theirs' | 'ours'

/** Where one agent stands while it is fed. */
export interface Stand {
  readonly side: Side
  readonly port: number
  /** A folder of its own: `FOLDER` in the properties. */
  readonly folder: string
  /** Resolves once the agent has written so many lines. */
  written(lines: number): Promise<void>
}

export interface SideBySide {
  readonly version: '1.9' | '1.11'
  /** The source's properties, such as `type = exec`; `PORT` and `FOLDER` stand for the agent's own. */
  readonly source: readonly string[]
  /** The sink's serializer; headers and bodies when left out. */
  readonly serializer?: string
  /** Before the agent is started. */
  prepare?(folder: string): Promise<void>
  /** Gives the agent its input. */
  feed?(stand: Stand): Promise<void>
  /** Lines that must have come out before the agent is stopped. */
  readonly lines: number
}

interface Cleanup {
  after(release: () => Promise<void>): void
}

/** What comes out of the same configuration, fed the same way, in real Flume and here: the text of the sink's files. */
export async function sideBySide(test: Cleanup, options: SideBySide): Promise<Readonly<Record<Side, string>>> {
  const theirs = await run(test, options, 'theirs')
  const ours = await run(test, options, 'ours')
  return { theirs, ours }
}

async function run(test: Cleanup, options: SideBySide, side: Side): Promise<string> {
  const folder = await tempDir(test)
  const out = join(folder, 'out')
  const port = await freePort()
  await mkdir(out)
  await options.prepare?.(folder)
  const file = propertiesOf(options).replaceAll('PORT', String(port)).replaceAll('FOLDER', folder)
  await using agent = await startAgent(side, options.version, file, folder)
  const text = async (): Promise<string> => {
    const names = (await readdir(out)).sort()
    return (await Promise.all(names.map((name) => readFile(join(out, name), 'latin1')))).join('')
  }
  const written = async (lines: number): Promise<void> => {
    for (let left = attemptsMax; (await text()).split('\n').length <= lines; left--) {
      if (left === 0) {
        throw new Error(`${side}: fewer than ${lines} lines came out:\n${await text()}\n${agent.stderr.slice(-4000)}`)
      }
      await systemClock.sleep(attemptMs)
    }
  }
  await options.feed?.({ side, port, folder, written })
  await written(options.lines)
  await agent.stop()
  // Where a port stands: the same digits may be the number of a process in a log.
  const ports = new RegExp(`(?<=[:=])${port}(?!\\d)`, 'g')
  return (await text()).replaceAll(folder, 'FOLDER').replaceAll(ports, 'PORT')
}

const attemptMs = 50
const attemptsMax = 400

/** Starts the agent `a1` of this configuration, theirs or ours, and resolves once it runs. */
export async function startAgent(
  side: Side,
  version: '1.9' | '1.11',
  properties: string,
  folder: string,
  /** Settings such as `-Dx=y`. */
  settings: readonly string[] = [],
): Promise<RunningProcess> {
  if (side === 'theirs') return startFlume({ version, properties, jvm: settings })
  const path = join(folder, 'agent.properties')
  await writeFile(path, properties)
  const agent = new RunningProcess('flume-ts', process.execPath, [
    program,
    'agent',
    '-n',
    'a1',
    '-f',
    path,
    ...settings,
  ])
  try {
    await agent.waitFor(/agent \S+ runs/)
  } catch (error) {
    await agent.stop()
    throw error
  }
  return agent
}

/** Each event is written as soon as it is there, so that a test can wait for it. */
function propertiesOf({ source, serializer = 'header_and_text' }: SideBySide): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    ...source.map((line) => `a1.sources.r1.${line}`),
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = memory',
    'a1.channels.c1.capacity = 10000',
    'a1.channels.c1.transactionCapacity = 1000',
    'a1.channels.c1.keep-alive = 1',
    'a1.sinks.k1.type = file_roll',
    'a1.sinks.k1.sink.directory = FOLDER/out',
    'a1.sinks.k1.sink.rollInterval = 0',
    'a1.sinks.k1.sink.batchSize = 1',
    `a1.sinks.k1.sink.serializer = ${serializer}`,
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}
