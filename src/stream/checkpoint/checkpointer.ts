import { asError, explain, FlumeError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { StreamGraph } from '../graph/graph.ts'
import { InputNode } from '../graph/node.ts'
import { MapWithStateNode } from '../op/map-with-state.ts'
import { StateNode } from '../op/state-node.ts'
import { ReceiverNode } from '../receiver/node.ts'
import { StateFiles, type StateRange } from '../state/state-files.ts'
import type { BlockLog } from './block-log.ts'
import {
  type BlockSpan,
  type Checkpoint,
  CheckpointFiles,
  checkpointsKept,
  type SavedOperator,
} from './checkpoint-file.ts'
import { type CheckpointFolder, FolderLost } from './folder.ts'
import type { KeptOperator } from './operators.ts'

/** Default of how often state is saved: Spark's (B36). */
const stateIntervalMs = 10_000
const mapWithStateBatches = 10
/** Tries to write a checkpoint before it is given up with a warning (B131). */
const writeTries = 3

/** What an earlier run has left, once it was read. */
export interface Resumed {
  readonly checkpoint: Checkpoint
  /** State files by operator of this run. */
  readonly states: ReadonlyMap<string, StateRange>
  readonly spans: ReadonlyMap<string, readonly BlockSpan[]>
}

export interface CheckpointerOptions {
  readonly folder: CheckpointFolder
  readonly graph: StreamGraph
  readonly operators: readonly KeptOperator[]
  /** Logs by operator; empty without write-ahead log. */
  readonly logs: ReadonlyMap<string, BlockLog>
  readonly logger: Logger
  readonly appName: string
  readonly resumed: Resumed | undefined
  /** Called once, when another context has taken the folder: the job must end. */
  readonly onLost: (error: Error) => void
}

/**
 * Saves where the job stands: before the jobs of a batch run, and when they are done. One thing at a time, in order.
 *
 * - What a batch was given (blocks, files) is on disk before its jobs run, so a rerun is given the same.
 * - State is saved as of a batch before which all are complete, so a rerun starts from what was before it.
 * - A failed batch counts as not complete, and is run again after a restart (B55), as long as its input is remembered.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions
  readonly #checkpoints: CheckpointFiles
  readonly #stateFiles: {
    readonly id: string
    readonly node: StateNode<unknown, unknown, unknown>
    readonly files: StateFiles
  }[]
  readonly #intervalMs: number
  readonly #open = new Set<number>()
  readonly #failed = new Set<number>()
  readonly #unlogged = new Set<number>()
  readonly #spans = new Map<string, BlockSpan[]>()
  /** The first state files that each kept checkpoint needs, newest last. */
  readonly #needed: ReadonlyMap<string, number>[] = []
  #lastMs: number
  #stateMs: number
  /** As `#stateMs`, for jobs without state too. */
  #syncedMs: number
  #opening: Promise<void> = Promise.resolve()
  #chain: Promise<void> = Promise.resolve()
  #completionQueued = false
  #generationQueued = false
  /** The last try to write something has failed. */
  #isFailing = false
  #lost: FolderLost | undefined
  /** The batch whose state is being saved. */
  #savingMs: number | undefined

  constructor(options: CheckpointerOptions) {
    const { graph, operators, folder, resumed } = options
    this.#options = options
    this.#checkpoints = new CheckpointFiles(folder)
    const zeroMs = graph.zeroMs as number
    this.#lastMs = resumed?.checkpoint.timeMs ?? zeroMs
    this.#stateMs = resumed?.checkpoint.stateMs ?? zeroMs
    this.#syncedMs = this.#stateMs
    for (const pending of resumed?.checkpoint.pending ?? []) this.#open.add(pending)
    for (const [id, spans] of resumed?.spans ?? []) this.#spans.set(id, [...spans])
    this.#stateFiles = operators.flatMap(({ id, node }) =>
      node instanceof StateNode ? [{ id, node, files: new StateFiles(node, id, folder, resumed?.states.get(id)) }] : [],
    )
    if (resumed) {
      const first = new Map([...resumed.states].map(([id, range]) => [id, range.first]))
      for (let i = 0; i < checkpointsKept; i++) this.#needed.push(first)
    }
    this.#intervalMs = this.#stateInterval()
  }

  /** How often state is saved, in milliseconds: as the job says, else after every batch when input cannot be had again, else as Spark does. */
  #stateInterval(): number {
    const { graph, operators } = this.#options
    const wanted = this.#stateFiles.flatMap(({ node }) => node.checkpointMs ?? [])
    if (wanted.length > 0) return Math.min(...wanted)
    if (this.#stateFiles.length === 0) return stateIntervalMs
    const lasting = operators.every(({ node }) => !(node instanceof InputNode) || node.isReplayable)
    if (!lasting) return graph.batchMs
    const defaults = this.#stateFiles.map(({ node }) =>
      node instanceof MapWithStateNode
        ? node.slideMs * mapWithStateBatches
        : node.slideMs * Math.ceil(stateIntervalMs / node.slideMs),
    )
    return Math.min(stateIntervalMs, ...defaults)
  }

  /**
   * Takes the folder, and writes down that a job that starts afresh runs, before anything is received: what an earlier one
   * has left there is moved aside, not deleted. Rejects when the folder cannot be written.
   */
  open(nowMs: number): Promise<void> {
    this.#opening = this.#start(nowMs)
    return this.#opening
  }

  async #start(nowMs: number): Promise<void> {
    const { folder, resumed, logger } = this.#options
    if (!folder.isTaken) await folder.take()
    if (resumed) return
    const left = (await folder.names()).filter(
      (name) => /^checkpoint-\d+(\.bk)?$/.test(name) || name === 'state' || name === 'receivedData',
    )
    if (left.length > 0) {
      await folder.moveInto(`replaced-${nowMs}`, left)
      logger.warn(
        'the checkpoint directory holds the state of an earlier run, which is moved aside: StreamingContext.getOrCreate would go on from it',
        { folder: folder.address },
      )
    }
    await this.#checkpoints.write(this.#describe(), true)
  }

  /** A batch has been generated; resolves when what it needs to be run again is saved. Rejects when the folder is lost: it must not run. */
  async generated(timeMs: number): Promise<void> {
    this.#open.add(timeMs)
    this.#lastMs = Math.max(this.#lastMs, timeMs)
    this.#noteBlocks(timeMs)
    // While nothing can be written, batches do not wait for one try after the other: the next that succeeds has them all.
    if (this.#isFailing && this.#generationQueued) return
    this.#generationQueued = true
    const saved = this.#enqueue(async () => {
      this.#generationQueued = false
      await this.#write(false)
    })
    if (!this.#isFailing) await saved
    if (this.#lost) throw this.#lost
  }

  /** A batch is done. */
  completed(timeMs: number, failed: boolean): void {
    if (failed) this.#failed.add(timeMs)
    else {
      this.#open.delete(timeMs)
      this.#failed.delete(timeMs)
    }
    this.#giveUpFailed(timeMs)
    this.#forget()
    if (this.#completionQueued) return
    this.#completionQueued = true
    void this.#enqueue(async () => {
      this.#completionQueued = false
      const hasSaved = await this.#saveStates(this.#intervalMs)
      await this.#write(hasSaved)
    })
  }

  /** Saves everything that is complete, for a restart that has nothing to run again. */
  async finish(): Promise<void> {
    if (
      !(await this.#opening.then(
        () => true,
        () => false,
      ))
    )
      return
    await this.#enqueue(async () => {
      await this.#saveStates(this.#options.graph.batchMs)
      await this.#write(true)
    })
    for (const log of this.#options.logs.values()) {
      await log.close().catch((error) => {
        this.#options.logger.warn('could not close a write-ahead log', { error: explain(error) })
      })
    }
    await this.#options.folder.release()
  }

  /** Resolves when everything asked for so far is on disk. */
  async whenIdle(): Promise<void> {
    await this.#chain
  }

  #enqueue(act: () => Promise<void>): Promise<void> {
    this.#chain = this.#chain
      .then(async () => {
        if (this.#lost) return
        await act()
        this.#isFailing = false
      })
      .catch((error) => {
        this.#isFailing = true
        if (error instanceof FolderLost) {
          this.#lost = error
          this.#options.onLost(error)
        } else this.#tellFailure(error)
      })
    return this.#chain
  }

  /** A folder may be there again for the next try; a state that cannot be saved will be there in every one. */
  #tellFailure(error: unknown): void {
    const isLasting = error instanceof FlumeError && error.code === 'INVALID_DATA'
    const details = { error: explain(error), goesBackTo: this.#stateMs }
    if (isLasting) this.#options.logger.error('could not write a checkpoint: a restart loses what came since', details)
    else this.#options.logger.warn('could not write a checkpoint', details)
  }

  /** The last batch up to which all are complete. */
  get #floorMs(): number {
    let floor = this.#lastMs
    for (const open of this.#open) floor = Math.min(floor, open - this.#options.graph.batchMs)
    return floor
  }

  /** A batch whose input is gone cannot be run again. */
  #giveUpFailed(timeMs: number): void {
    const { graph, logger } = this.#options
    const limitMs = timeMs - Math.max(graph.inputRememberMs, this.#intervalMs) * 2
    for (const failed of this.#failed) {
      if (failed >= limitMs) continue
      this.#failed.delete(failed)
      this.#open.delete(failed)
      logger.warn(`batch ${failed} ms failed and its input is no longer kept: it will not be run again`)
    }
  }

  #noteBlocks(timeMs: number): void {
    const { graph, operators } = this.#options
    for (const { id, node } of operators) {
      if (!(node instanceof ReceiverNode)) continue
      const blocks = graph.tracker.blocksAt(timeMs, node.streamId)
      const numbers = blocks.flatMap(({ logNumber }) => logNumber ?? [])
      if (numbers.length < blocks.length) this.#unlogged.add(timeMs)
      if (numbers.length === 0) continue
      const spans = this.#spans.get(id) ?? []
      // A batch that is run again has its blocks already.
      if (!spans.some(([known]) => known === timeMs)) {
        spans.push([timeMs, Math.min(...numbers), Math.max(...numbers) + 1])
      }
      this.#spans.set(id, spans)
    }
  }

  /** Answers true when it is time to sync: there is new state on disk, or there would be if there were any. */
  async #saveStates(intervalMs: number): Promise<boolean> {
    const floorMs = this.#floorMs
    const isDue = floorMs - this.#syncedMs >= intervalMs
    if (isDue) this.#syncedMs = floorMs
    if (this.#stateFiles.length === 0) this.#stateMs = floorMs
    else if (isDue) {
      this.#savingMs = floorMs
      try {
        for (const { node, files } of this.#stateFiles) await files.save(node.versionAt(floorMs))
      } finally {
        this.#savingMs = undefined
      }
      this.#stateMs = floorMs
    }
    this.#forget()
    return isDue
  }

  /** At once, and not behind what is still to be written: the next batch would make a third version of every key. */
  #forget(): void {
    const horizonMs = Math.min(this.#floorMs, this.#savingMs ?? Number.POSITIVE_INFINITY)
    for (const { node } of this.#stateFiles) node.forget(node.versionAt(horizonMs))
  }

  async #write(sync: boolean): Promise<void> {
    const { logger } = this.#options
    const checkpoint = this.#describe()
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#checkpoints.write(checkpoint, sync, attempt > 1)
        break
      } catch (error) {
        if (attempt === writeTries || error instanceof FolderLost) throw error
        logger.warn(`try ${attempt} to write checkpoint ${checkpoint.timeMs} failed`, { error: asError(error).message })
      }
    }
    await this.#checkpoints.trim()
    if (sync) await this.#cleanUp()
  }

  #describe(): Checkpoint {
    const { graph, operators, appName } = this.#options
    // A batch needs its own input and, for windows, that of the batches it remembers.
    const keptMs = this.#stateMs - graph.inputRememberMs
    for (const timeMs of this.#unlogged) if (timeMs <= this.#stateMs) this.#unlogged.delete(timeMs)
    const states = new Map(this.#stateFiles.map(({ id, files }) => [id, files.range]))
    return {
      appName,
      batchMs: graph.batchMs,
      zeroMs: graph.zeroMs as number,
      timeMs: this.#lastMs,
      stateMs: this.#stateMs,
      pending: [...this.#open].sort((a, b) => a - b),
      unlogged: [...this.#unlogged],
      operators: operators.map(({ id, node }): SavedOperator => {
        const state = states.get(id)
        const batches = node instanceof InputNode ? node.saveBatches(keptMs) : undefined
        const blocks = this.#blocksOf(id, keptMs)
        return {
          id,
          kind: node.kind,
          ...(state && { state }),
          ...(batches !== undefined && { batches }),
          ...(blocks && { blocks }),
        }
      }),
    }
  }

  #blocksOf(id: string, keptMs: number): SavedOperator['blocks'] {
    const spans = this.#spans.get(id)
    if (!spans) return undefined
    const next = spans.at(-1)?.[2] ?? 0
    const needed = spans.filter(([timeMs]) => timeMs > keptMs)
    // The last one stays: it says from where on blocks belong to no batch.
    this.#spans.set(id, needed.length > 0 ? needed : spans.slice(-1))
    // A list of its own: batches that are generated while this is being written belong to the next checkpoint.
    return { next, spans: [...needed] }
  }

  /** Deletes what no kept checkpoint needs, now that the newest is on disk. */
  async #cleanUp(): Promise<void> {
    this.#needed.push(
      new Map(this.#stateFiles.flatMap(({ id, files }) => (files.range ? [[id, files.range.first]] : []))),
    )
    if (this.#needed.length > checkpointsKept) this.#needed.shift()
    for (const { id, files } of this.#stateFiles) {
      const first = Math.min(...this.#needed.map((needed) => needed.get(id) ?? 0))
      await files.prune(first)
    }
    for (const [id, log] of this.#options.logs) {
      const [oldest] = this.#spans.get(id) ?? []
      if (oldest) await log.release(oldest[1])
    }
  }
}
