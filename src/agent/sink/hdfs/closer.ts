import { explain, isAbort } from '../../../core/error.ts'
import type { Logger } from '../../../monitor/logger.ts'
import { type CommittedFile, leasePatienceMs } from '../../../net/hdfs/committed-file.ts'
import { type FileSystem, reasonOf } from '../../../net/hdfs/file-system.ts'
import type { Clock, SinkContext, Timer } from '../../contract.ts'
import type { OpenFiles } from './open-files.ts'
import { Pool } from './pool.ts'

/** A file that takes no more events and has to get its final name. */
export interface Finished {
  readonly file: CommittedFile
  /** Bytes the serializer puts at the end. */
  readonly end: Uint8Array
  readonly finalPath: string
  /** Another final name, for the case that the first is taken. */
  nextPath(): string
}

interface Waiting extends Finished {
  readonly inUsePath: string
  ended: boolean
  finalPath: string
  tries: number
  timer: Timer | undefined
  running: Promise<void> | undefined
}

export interface CloserSettings {
  /** How often closing is tried; 0 has no limit (H-07). */
  readonly closeTries: number
  /** Pause between tries in milliseconds; 0 or less means one try only. */
  readonly retryIntervalMs: number
}

/** Names in a row that may be taken before the pause. */
const takenNamesMax = 100
/** Files that a stop tries at a time. */
const lastTriesAtOnce = 16

/**
 * Closes files: cuts off what a failed write left, writes the end, renames. What fails is tried again later (H-07); a file
 * that may hold a torn batch keeps its in-use name until it was cut.
 */
export class Closer {
  readonly #fileSystem: FileSystem
  readonly #settings: CloserSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #counters: SinkContext['counters']
  readonly #openFiles: OpenFiles | undefined
  readonly #waiting = new Set<Waiting>()
  readonly #stop = new AbortController()
  /** HDFS did not answer while stopping. */
  #isAway = false
  #untried = 0

  constructor(
    fileSystem: FileSystem,
    settings: CloserSettings,
    context: Pick<SinkContext, 'clock' | 'log' | 'counters'>,
    openFiles: OpenFiles | undefined,
  ) {
    this.#openFiles = openFiles
    this.#fileSystem = fileSystem
    this.#settings = settings
    this.#clock = context.clock
    this.#log = context.log
    this.#counters = context.counters
  }

  /** Files not closed yet. */
  get count(): number {
    return this.#waiting.size
  }

  /** Closes a file. Resolves after the first try, whatever came of it; at once when the file has to be repaired first. */
  async close(finished: Finished): Promise<void> {
    const { file, end, finalPath } = finished
    const waiting: Waiting = {
      file,
      inUsePath: file.path,
      end,
      finalPath,
      nextPath: () => finished.nextPath(),
      ended: end.length === 0,
      tries: 0,
      timer: undefined,
      running: undefined,
    }
    this.#waiting.add(waiting)
    const torn = file.state === 'torn'
    if (torn) {
      this.#log.warn(
        `${file.path} may hold a torn batch behind byte ${file.committedBytes}; it keeps its name until that is cut off`,
      )
    }
    waiting.running = this.#try(waiting)
    if (!torn) await waiting.running
  }

  /** From now on nothing is waited for and a failed try is the last. */
  beginStop(): void {
    this.#stop.abort()
  }

  /** Gives every file that waits its last try (H-08). What then still has its in-use name is logged. */
  async stop(): Promise<void> {
    this.beginStop()
    const pool = new Pool(lastTriesAtOnce)
    await Promise.all(
      [...this.#waiting].map(async (waiting) => {
        waiting.timer?.cancel()
        await waiting.running
        if (this.#waiting.has(waiting)) await pool.run(() => this.#try(waiting))
      }),
    )
    if (this.#untried > 0) this.#log.error(`${this.#untried} more files keep their in-use names: HDFS is away`)
  }

  async #try(waiting: Waiting): Promise<void> {
    const { file } = waiting
    const { signal } = this.#stop
    if (signal.aborted && this.#isAway) {
      this.#waiting.delete(waiting)
      this.#untried++
      return
    }
    waiting.tries++
    try {
      await file.repair(signal.aborted ? 0 : leasePatienceMs, signal)
      if (!waiting.ended && file.state === 'clean') {
        await file.write([waiting.end])
        waiting.ended = true
      }
      await file.close()
      if (file.state === 'clean' && file.path !== waiting.finalPath) await this.#rename(waiting)
      this.#waiting.delete(waiting)
      await this.#openFiles?.closed(waiting.inUsePath)
      this.#counters.connectionClosed++
      if (waiting.tries > 1) this.#log.info(`${file.path} is closed, at try ${waiting.tries}`)
    } catch (error) {
      // A wait for a lease that a stop has ended: its last try comes.
      if (isAbort(error)) return
      const reason = reasonOf(error)
      this.#isAway ||= signal.aborted && (reason === 'unreachable' || reason === 'timeout')
      this.#again(waiting, error)
    }
  }

  #again(waiting: Waiting, error: unknown): void {
    const { closeTries, retryIntervalMs } = this.#settings
    const { file, tries } = waiting
    if (reasonOf(error) === 'missing') {
      this.#waiting.delete(waiting)
      void this.#openFiles?.closed(waiting.inUsePath)
      this.#log.error(`${file.path} was removed by someone else, and ${file.committedBytes} confirmed bytes with it`)
      return
    }
    const problem = `${file.path} could not be closed: ${explain(error)}`
    const isLast = this.#stop.signal.aborted || retryIntervalMs <= 0
    if (isLast || (closeTries > 0 && tries >= closeTries)) {
      this.#waiting.delete(waiting)
      this.#log.error(`${problem}; it keeps this name, and ${file.committedBytes} bytes of it are valid`)
      return
    }
    if (tries === 1) this.#log.warn(`${problem}; trying again every ${retryIntervalMs / 1000} s`)
    waiting.timer = this.#clock.after(retryIntervalMs, () => {
      waiting.timer = undefined
      waiting.running = this.#try(waiting)
    })
  }

  async #rename(waiting: Waiting): Promise<void> {
    const { file } = waiting
    for (let taken = 0; ; taken++) {
      try {
        return await file.rename(waiting.finalPath)
      } catch (error) {
        const reason = reasonOf(error)
        if (reason === 'missing' && (await this.#isThere(waiting))) return file.renamed(waiting.finalPath)
        if (reason !== 'exists' || taken === takenNamesMax) throw error
        waiting.finalPath = waiting.nextPath()
      }
    }
  }

  /** A rename whose answer was lost, and that was asked for again, has done it. */
  async #isThere({ file, finalPath }: Waiting): Promise<boolean> {
    const status = await this.#fileSystem.status(finalPath)
    return status?.kind === 'file' && status.sizeBytes === file.committedBytes
  }
}
