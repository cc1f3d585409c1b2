import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sink, SinkContext } from '../../src/agent/contract.ts'
import { hdfs } from '../../src/agent/sink/hdfs/index.ts'
import type { Clock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import { SinkCounters } from '../../src/monitor/counters.ts'
import { type Logger, silentLogger } from '../../src/monitor/logger.ts'
import { readOptions } from './read-options.ts'

export interface HdfsSinkSettings {
  readonly clock: Clock
  readonly log?: Logger
  readonly mounts?: ReadonlyMap<string, string>
  readonly env?: Readonly<Record<string, string>>
  readonly counters?: SinkCounters
}

/** What a sink is given. */
export function sinkContext({ clock, log = silentLogger, mounts, env = {}, counters }: HdfsSinkSettings): SinkContext {
  return {
    name: 'k1',
    clock,
    random: seededRandom(1),
    log,
    settings: { mounts: mounts ?? new Map(), env, properties: new Map() },
    counters: counters ?? new SinkCounters(),
  }
}

/** Options of the HDFS sink as the configuration would read them from texts. */
export function hdfsOptions(texts: Readonly<Record<string, string>>): Record<string, unknown> {
  for (const name of Object.keys(texts)) {
    if (!name.startsWith('serializer.') && !(name in hdfs.options)) throw new Error(`there is no option ${name}`)
  }
  return readOptions(hdfs, texts)
}

let openFilesDir: string | undefined

/** Where sinks note their files in use unless a test says otherwise: a folder of this process. */
function openFilesFolder(): string {
  if (openFilesDir === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'flume-ts-open-files-'))
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    openFilesDir = made
  }
  return openFilesDir
}

/** An HDFS sink with the given options. */
export async function hdfsSink(texts: Readonly<Record<string, string>>, settings: HdfsSinkSettings): Promise<Sink> {
  return (await hdfs.create(
    hdfsOptions({ 'hdfs.openFilesDir': openFilesFolder(), ...texts }) as never,
    sinkContext(settings),
  )) as Sink
}
