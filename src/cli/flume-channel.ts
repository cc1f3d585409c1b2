import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { FlumeChannel } from '../adopt/flume-channel.ts'
import { isFlumeDirectory } from '../adopt/flume-directory.ts'
import { flumeLockHolder } from '../adopt/flume-lock.ts'
import { importFlume } from '../adopt/import.ts'
import { systemClock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { systemRandom } from '../core/random.ts'
import { escapeControls } from '../monitor/logger.ts'
import { importCommand } from '../storage/import-mark.ts'
import { realDisk } from '../storage/real-disk.ts'
import type { Terminal } from './verb.ts'

/** Of the options of `flume-ts channel`, those that matter to a channel of real Flume. */
export interface FlumeGiven {
  readonly from: readonly string[]
  readonly dryRun: boolean
  readonly append: boolean
  readonly again: boolean
  readonly skipDamaged: boolean
  readonly checkpoint: boolean
}

/** Whether the directories are those of real Flume, and none of ours lies in them. */
export async function areFlumes(directories: readonly string[]): Promise<boolean> {
  let isFlumes = false
  for (const directory of directories) {
    const names = (await realDisk.list(directory)).map(({ name }) => name)
    if (names.some((name) => name === 'directory.json' || name.endsWith('.flog'))) return false
    isFlumes ||= await isFlumeDirectory(realDisk, directory)
  }
  return isFlumes
}

export function openFlume(
  directories: readonly string[],
  { checkpoint, skipDamaged }: FlumeGiven,
  { stderr }: Terminal,
): Promise<FlumeChannel> {
  return FlumeChannel.open({
    disk: realDisk,
    directories,
    lockHolder: flumeLockHolder,
    withoutCheckpoint: !checkpoint,
    skipDamaged,
    tell: (line) => stderr.write(`${escapeControls(line)}\n`),
  })
}

/** Reads every event that is left; 1 when one is damaged. */
export async function verifyFlume(flume: FlumeChannel, stdout: Terminal['stdout']): Promise<number> {
  let events = 0
  let bytes = 0
  for await (const batch of flume.batches()) {
    events += batch.count
    bytes += batch.bodyBytes
  }
  const voids = flume.voids > 0 ? `, ${flume.voids} made void by Flume's integrity tool` : ''
  stdout.write(`${events} events read, ${bytes} bytes of bodies, ${flume.damaged} damaged records${voids}\n`)
  return flume.damaged > 0 ? 1 : 0
}

/** `flume-ts channel import`: what real Flume left goes into a channel of ours. 1 when something damaged was left out. */
export async function importChannel(to: readonly string[], given: FlumeGiven, terminal: Terminal): Promise<number> {
  const { stdout, stderr } = terminal
  const from = await places(given.from.flatMap((one) => one.split(',')).filter((path) => path.trim() !== ''))
  if (from.length === 0) {
    throw usage('--from names the directories of the old channel: checkpointDir, and each of its dataDirs')
  }
  const targets = await places(to)
  for (const directory of targets) await refuseCheckpoint(directory)
  const flume = await openFlume(from, given, terminal)
  stdout.write(`${flume.describe().map(escapeControls).join('\n')}\n`)
  if (given.dryRun) {
    const code = await verifyFlume(flume, stdout)
    const command = importCommand(from, targets.length > 0 ? targets : ['DATADIR'])
    stdout.write(`nothing was changed; this would import them:\n  ${escapeControls(command)}\n`)
    return code
  }
  if (targets.length === 0) throw usage('no data directory is given to import into; --dry-run needs none')
  const { events, held } = await importFlume({
    disk: realDisk,
    clock: systemClock,
    random: systemRandom,
    flume,
    from,
    to: targets,
    append: given.append,
    again: given.again,
    tell: (line) => stderr.write(`${escapeControls(line)}\n`),
  })
  stdout.write(
    `${events} events were imported into ${escapeControls(targets.join(', '))}; the channel holds ${held}\n` +
      `start the agent with dataDirs = ${escapeControls(targets.join(','))}; Flume must not be started on the old directories again\n` +
      "Flume's files are as they were; remove them once the agent has delivered\n",
  )
  if (flume.damaged > 0) stderr.write(`${flume.damaged} damaged records were left out\n`)
  return flume.damaged > 0 ? 1 : 0
}

/** Each directory once, whatever it is called; one that is not there yet stays as it was given. */
async function places(given: readonly string[]): Promise<readonly string[]> {
  const paths = await Promise.all(given.map(async (path) => realpath(path.trim()).catch(() => resolve(path.trim()))))
  return [...new Set(paths)]
}

async function refuseCheckpoint(directory: string): Promise<void> {
  const names = (await realDisk.list(directory)).map(({ name }) => name)
  if (!names.includes('checkpoint') && !names.includes('checkpoint.meta')) return
  throw usage(`${directory} is a checkpoint directory of Apache Flume; events go into data directories`)
}

function usage(message: string): FlumeError {
  return new FlumeError('USAGE', message, { hint: 'flume-ts channel --help' })
}
