import { explain, isAbort } from '../../../core/error.ts'
import type { Logger } from '../../../monitor/logger.ts'
import { type FileStatus, type FileSystem, reasonOf } from '../../../net/hdfs/file-system.ts'
import { type Ending, FileFinisher } from '../../../net/hdfs/finish-file.ts'
import type { Clock } from '../../contract.ts'

export interface LeftoverSettings {
  /** Where to look, and in what lies below. */
  readonly root: string
  readonly inUsePrefix: string
  /** As configured, escape sequences and all. */
  readonly filePrefix: string
  readonly fileSuffix: string
  readonly inUseSuffix: string
}

/** A file under its in-use name, and its final one. */
export interface Leftover {
  readonly path: string
  readonly finalPath: string
}

/** Directories looked at in one start. */
const foldersMax = 10_000
/** Files that are worked on at a time. */
const atOnce = 8

/**
 * Finds by their names the files that a killed agent left where a lease tells a dead writer from a live one. Flume leaves them
 * as they are.
 */
export async function findLeftovers(
  fileSystem: FileSystem,
  settings: LeftoverSettings,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<readonly Leftover[]> {
  const { inUsePrefix, inUseSuffix, root } = settings
  // A file in use has the same name as a finished one.
  if (inUsePrefix === '' && inUseSuffix === '') return []
  const pattern = inUseNames(settings)
  const nowMs = clock.now()
  const found: Leftover[] = []
  const folders = [root]
  for (let looked = 0; folders.length > 0; looked++) {
    if (looked === foldersMax) {
      log.warn(`only ${foldersMax} directories below ${root} were searched for files that a killed agent left`)
      break
    }
    const folder = folders.pop() as string
    for (const { kind, path } of await list(fileSystem, folder)) {
      if (kind === 'directory') {
        folders.push(path)
        continue
      }
      const slash = path.lastIndexOf('/') + 1
      const [, name, number] = pattern.exec(path.slice(slash)) ?? []
      // What was there before this moment.
      if (Number(number) <= nowMs) found.push({ path, finalPath: `${path.slice(0, slash)}${name}` })
    }
  }
  return found
}

/**
 * Finishes files of a killed agent; resolves when all are done or given up, and soon after the signal aborts. `onDone` is told
 * of each that needs nothing more.
 */
export async function finishLeftovers(
  files: readonly Leftover[],
  { fileSystem, ending, clock, log, signal, onDone }: FinishTools,
): Promise<void> {
  const finisher = new FileFinisher(fileSystem, ending, { clock, log })
  const waiting = [...files]
  const finish = async ({ path, finalPath }: Leftover): Promise<void> => {
    try {
      const finished = await finisher.finish(path, finalPath, signal)
      if (finished === 'held') log.info(`${path} is being written by someone else, and stays`)
      else await onDone?.(path)
      if (typeof finished === 'object')
        log.info(`${finished.path} was left by an agent that was killed, and is finished now`)
    } catch (error) {
      if (isAbort(error)) return
      log.warn(`${path}, left by an agent that was killed, keeps its name: ${explain(error)}`)
    }
  }
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next && !signal.aborted; next = waiting.pop()) await finish(next)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

export interface FinishTools {
  readonly fileSystem: FileSystem
  readonly ending: Ending
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
  readonly onDone?: (path: string) => Promise<void>
}

function inUseNames({ filePrefix, fileSuffix, inUsePrefix, inUseSuffix }: LeftoverSettings): RegExp {
  const prefix = filePrefix.split(/%(?:\w|%|\{[\w.-]+\}|\[\w+\])/g).map(escapeRegExp)
  const [before, suffix, after] = [inUsePrefix, fileSuffix, inUseSuffix].map(escapeRegExp)
  return new RegExp(`^${before}(${prefix.join('[^/]*')}\\.(\\d{13,16})${suffix})${after}$`)
}

async function list(fileSystem: FileSystem, folder: string): Promise<readonly FileStatus[]> {
  try {
    return await fileSystem.list(folder)
  } catch (error) {
    if (reasonOf(error) === 'missing') return []
    throw error
  }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
