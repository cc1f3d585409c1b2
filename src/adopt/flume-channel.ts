import { asError, FlumeError } from '../core/error.ts'
import type { EventBatch } from '../core/event-batch.ts'
import type { Disk } from '../storage/disk.ts'
import {
  type FlumeCheckpoint,
  type FlumeDirectories,
  type FlumeLog,
  findFlumeFiles,
  readCheckpoint,
} from './flume-directory.ts'
import { FlumeEvents } from './flume-events.ts'
import type { FlumeDamage } from './flume-log-scan.ts'
import { type FlumeQueue, replayFlume } from './flume-replay.ts'
import { PointerList } from './pointers.ts'

export interface FlumeChannelOptions {
  readonly disk: Disk
  /** Checkpoint, backup and data directories of one channel, in any order. */
  readonly directories: readonly string[]
  /** Answers a process that has the lock file of one of the directories open, when it can be told. */
  readonly lockHolder: (
    directories: readonly string[],
  ) => Promise<{ readonly directory: string; readonly pid: number } | undefined>
  /** Reads all logs from their beginning, and asks for no checkpoint. */
  readonly withoutCheckpoint: boolean
  /** Goes on behind what is damaged; otherwise opening, or reading, rejects INVALID_DATA. */
  readonly skipDamaged: boolean
  /** What people should know; a line each time. */
  readonly tell: (line: string) => void
}

/** The events that are left in a file channel of real Flume, which does not run. Nothing of it is ever changed. */
export class FlumeChannel {
  readonly #options: FlumeChannelOptions
  readonly #found: FlumeDirectories
  readonly #queue: FlumeQueue
  readonly #pointers: PointerList
  readonly #events: FlumeEvents
  readonly #checkpoint: FlumeCheckpoint | undefined
  #damaged = 0
  #voids = 0

  private constructor(
    options: FlumeChannelOptions,
    found: FlumeDirectories,
    checkpoint: FlumeCheckpoint | undefined,
    queue: FlumeQueue,
    damaged: number,
  ) {
    this.#options = options
    this.#found = found
    this.#checkpoint = checkpoint
    this.#queue = queue
    this.#damaged = damaged
    this.#pointers = new PointerList()
    this.#events = new FlumeEvents({
      disk: options.disk,
      logs: found.logs,
      onBroken: (path, offset, problem) => this.#passOver(`the event at ${offset} of ${path} is damaged: ${problem}`),
      onVoid: () => {
        this.#voids++
      },
    })
  }

  /** Finds out what is left. Rejects when Flume runs, when files are missing, damaged, encrypted or of another version. */
  static async open(options: FlumeChannelOptions): Promise<FlumeChannel> {
    const { disk, directories, skipDamaged, tell } = options
    await refuseRunning(options)
    const found = await findFlumeFiles(disk, directories)
    const checkpoint = await checkpointOf(options, found)
    let damaged = 0
    const onDamage = ({ path, offset, end }: FlumeDamage): void => {
      const what = `${path}: ${end - offset} bytes at ${offset} are damaged`
      if (!skipDamaged) throw damage(what)
      damaged++
      tell(`${what}; passed over`)
    }
    const queue = await replayFlume({ disk, logs: found.logs, checkpoint, onDamage })
    for (const { path, offset } of queue.torn) tell(`${path} ends at ${offset} with a record that a crash cut off`)
    const channel = new FlumeChannel(options, found, checkpoint, queue, damaged)
    channel.#pointers.pushAll(await channel.#events.inOrder(queue.givenBack))
    channel.#pointers.pushAll(queue.waiting)
    return channel
  }

  /** Events that are left, those included that turn out to be damaged when they are read. */
  get size(): number {
    return this.#pointers.count
  }

  get logs(): readonly FlumeLog[] {
    return [...this.#found.logs.values()].sort((a, b) => a.file - b.file)
  }

  get dataDirectories(): readonly string[] {
    return this.#found.dataDirectories
  }

  /** Damaged records passed over so far. */
  get damaged(): number {
    return this.#damaged
  }

  /** Events met so far that Flume's integrity tool made void. */
  get voids(): number {
    return this.#voids
  }

  /** What was found, for people. */
  describe(): readonly string[] {
    const { records, openPuts, openTakes } = this.#queue
    const lines = [`${this.size} events are left in the file channel of Apache Flume`]
    if (this.#checkpoint) {
      lines.push(`  ${this.#checkpoint.queue.count} waited at the checkpoint ${this.#checkpoint.path}`)
      lines.push(`  ${records} records were written since`)
    } else lines.push(`  ${records} records were read, without a checkpoint`)
    if (openTakes > 0) lines.push(`  ${openTakes} were with a sink that had not committed: they come again`)
    if (openPuts > 0) lines.push(`  ${openPuts} more were never committed: left out, as Flume does`)
    for (const { path, bytes } of this.logs) lines.push(`  ${path}  ${bytes} bytes`)
    return lines
  }

  /** The events in the order in which Flume would deliver them. Rejects INVALID_DATA at one that is damaged, unless such are passed over. */
  batches(): AsyncGenerator<EventBatch, void, void> {
    this.#voids = 0
    return this.#events.batches(this.#pointers)
  }

  /** Rejects INVALID_STATE when Flume runs, or has run since the channel was opened. */
  async checkUnchanged(): Promise<void> {
    await refuseRunning(this.#options)
    const now = await findFlumeFiles(this.#options.disk, this.#options.directories)
    const isSame = (log: FlumeLog): boolean => now.logs.get(log.file)?.bytes === log.bytes
    if (now.logs.size === this.#found.logs.size && this.logs.every(isSame)) return
    throw new FlumeError(
      'INVALID_STATE',
      `the logs in ${this.dataDirectories.join(', ')} changed while they were read`,
      {
        hint: 'stop Flume for good, and see that nothing starts it again',
      },
    )
  }

  #passOver(what: string): void {
    if (!this.#options.skipDamaged) throw damage(what)
    this.#damaged++
    this.#options.tell(`${what}; left out`)
  }
}

async function refuseRunning({ directories, lockHolder }: FlumeChannelOptions): Promise<void> {
  const holder = await lockHolder(directories)
  if (!holder) return
  throw new FlumeError(
    'INVALID_STATE',
    `${holder.directory} is in use: process ${holder.pid} has its in_use.lock open`,
    { retry: true, hint: 'stop the agent of Apache Flume first' },
  )
}

/** The first checkpoint that holds, as Flume does: its own one before the backup, and none at all rather than a bad one. */
async function checkpointOf(
  { disk, withoutCheckpoint, tell }: FlumeChannelOptions,
  { checkpointDirectories, dataDirectories, logs }: FlumeDirectories,
): Promise<FlumeCheckpoint | undefined> {
  if (withoutCheckpoint) return undefined
  if (checkpointDirectories.length === 0) {
    throw new FlumeError('INVALID_STATE', 'there is no checkpoint in the directories', {
      hint: 'give checkpointDir of the old agent, too; when it is lost, --no-checkpoint does without',
    })
  }
  const isBackup = new Map<string, boolean>()
  for (const directory of checkpointDirectories) {
    isBackup.set(
      directory,
      (await disk.list(directory)).some(({ name }) => name === 'backupComplete'),
    )
  }
  const inTurn = [...checkpointDirectories].sort((a, b) => Number(isBackup.get(a)) - Number(isBackup.get(b)))
  for (const directory of inTurn) {
    try {
      return await readCheckpoint(disk, directory, logs)
    } catch (error) {
      if (!(error instanceof FlumeError && error.code === 'INVALID_DATA')) throw error
      tell(asError(error).message)
    }
  }
  const doubles =
    dataDirectories.length > 1 ? '; with several data directories, events that were delivered may come again' : ''
  tell(`every log is read from its beginning instead, as Flume would${doubles}`)
  return undefined
}

function damage(what: string): FlumeError {
  return new FlumeError('INVALID_DATA', what, {
    hint: '--skip-damaged goes on without it; Flume\'s own "flume-ng tool fcintegritytool" would do the same',
  })
}
