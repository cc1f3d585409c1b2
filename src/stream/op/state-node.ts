import { type MaybeRdd, Node, type NodeGraph } from '../graph/node.ts'
import type { Partitioner } from '../rdd/partitioner.ts'
import { type Dataset, prepare } from '../rdd/plan.ts'
import type { RDD } from '../rdd/rdd.ts'
import type { StateStep } from '../state/state-step.ts'
import { StateStore } from '../state/state-store.ts'

/** A list of records that travels with the state of a batch: what a window still has to take away. */
export interface SavedBatch {
  readonly version: number
  readonly pairs: readonly (readonly [unknown, unknown])[]
}

/** A step, and the data set by which it is asked for. */
export interface Step<K, S, R> {
  readonly step: StateStep<K, S, unknown>
  readonly rdd: RDD<R>
}

/**
 * An operator that carries keyed state from batch to batch. It takes part in every batch of its beat, whether or not
 * anybody reads it, so that its state never depends on who looks.
 */
export abstract class StateNode<K, S, R> extends Node<R> {
  readonly dependencies: readonly Node<unknown>[]
  readonly partitioner: Partitioner
  /** B35: true when a job must not start with it unless there is a checkpoint directory. */
  readonly needsDirectory: boolean
  readonly #keepsIdleLine: boolean
  #store: StateStore<K, S> | undefined
  #lastMs: number | undefined
  #last: Dataset<unknown> | undefined
  #isResumed = false
  /** Steps that may still have to be run, by batch time. */
  readonly #open = new Map<number, Step<K, S, R>>()
  #readHorizon = 0

  constructor(
    graph: NodeGraph,
    parent: Node<unknown>,
    partitioner: Partitioner,
    { keepsIdleLine = false, needsDirectory = true }: { keepsIdleLine?: boolean; needsDirectory?: boolean } = {},
  ) {
    super(graph)
    this.dependencies = [parent]
    this.partitioner = partitioner
    this.needsDirectory = needsDirectory
    this.#keepsIdleLine = keepsIdleLine
  }

  get store(): StateStore<K, S> {
    this.#store ??= new StateStore<K, S>(this.partitioner, {
      keepsIdleLine: this.#keepsIdleLine,
      keepsChanges: this.graph.isCheckpointed,
    })
    return this.#store
  }

  /** Batches since zero time. */
  versionAt(timeMs: number): number {
    return Math.round((timeMs - (this.graph.zeroMs ?? 0)) / this.graph.batchMs)
  }

  /** True when there was no batch and no checkpoint before. */
  protected get isFirst(): boolean {
    return this.#last === undefined && !this.#isResumed
  }

  /** Describes the batch at `timeMs`; undefined when there is none. `previous` is the batch before, if it may still have to run. */
  protected abstract stepAt(timeMs: number, previous: readonly Dataset<unknown>[]): Promise<Step<K, S, R> | undefined>

  protected async compute(timeMs: number): Promise<MaybeRdd<R>> {
    const startMs = this.#lastMs ?? (this.graph.zeroMs as number) + this.store.version * this.graph.batchMs
    // A batch from before the start, or one that is forgotten.
    if (timeMs <= startMs) return undefined
    for (let ms = this.#firstAfter(startMs); ms < timeMs; ms += this.slideMs) await this.rddAt(ms)
    const made = await this.stepAt(timeMs, this.#last ? [this.#last] : [])
    this.#lastMs = timeMs
    if (!made) return undefined
    this.#last = made.rdd as Dataset<unknown>
    this.#open.set(timeMs, made)
    return made.rdd
  }

  #firstAfter(timeMs: number): number {
    const zeroMs = this.graph.zeroMs as number
    return (Math.floor((timeMs - zeroMs) / this.slideMs) + 1) * this.slideMs + zeroMs
  }

  /** Runs what is left to run of batches up to `timeMs`. Rejects when a function of the job throws. */
  async settle(timeMs: number): Promise<void> {
    for (const [ms, { step, rdd }] of this.#open) {
      if (ms > timeMs) break
      if (!step.isDone) await prepare(rdd as Dataset<unknown>, this.graph.sparkContext.runner)
      this.#open.delete(ms)
    }
  }

  override clear(timeMs: number): void {
    super.clear(timeMs)
    this.#readHorizon = Math.max(this.#readHorizon, this.versionAt(timeMs - this.rememberMs) + 1)
  }

  /** Lets go of older states that neither a stream nor a checkpoint of `version` or later can want. */
  forget(version: number): void {
    this.store.forget(Math.min(version, this.#readHorizon))
  }

  /** State from a checkpoint: the next batch is not the first. */
  async resume(version: number, read: () => Promise<void>): Promise<void> {
    await this.store.loading(version, read)
    this.#isResumed = true
  }

  /** A job that resumes has this operator new: it begins without state where the others go on. */
  startAt(version: number): void {
    this.#store = new StateStore<K, S>(this.partitioner, {
      keepsIdleLine: this.#keepsIdleLine,
      keepsChanges: this.graph.isCheckpointed,
      version,
    })
  }

  /** Forgets what was loaded. */
  reset(): void {
    this.#store = undefined
    this.#isResumed = false
  }

  /** What is saved beside the keys, as of `version`, of batches after `since`. */
  savedBatches(_since: number, _version: number): SavedBatch[] {
    return []
  }

  /** Takes back what `savedBatches` gave. */
  loadBatch(_batch: SavedBatch): void {}

  /** Batches before this one are not asked for by a job that resumes at `version`. */
  oldestBatchNeeded(version: number): number {
    return version
  }
}
