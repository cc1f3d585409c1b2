import type { Push, Signal } from '../rdd/push.ts'
import type { RDD } from '../rdd/rdd.ts'
import type { SparkContext } from '../spark-context.ts'
import { StorageLevel } from '../storage-level.ts'
import { callSite } from './call-site.ts'

/** A node takes its parents' data set of a time, or tells that there is none. */
export type MaybeRdd<T> = RDD<T> | undefined

/** What a node sees of the graph it stands in. */
export interface NodeGraph {
  readonly sparkContext: SparkContext
  readonly batchMs: number
  /** Time of the batch before the first; undefined until the start. */
  readonly zeroMs: number | undefined
  /** True when there is a checkpoint directory. */
  readonly isCheckpointed: boolean
  add(node: Node<unknown>): number
  addInput(input: InputNode<unknown>): number
}

/**
 * One operator of the graph: what it depends on, how often it has data, and how the data of a batch comes about. What
 * it computed for a batch is kept until no one needs it; the node holds no other state.
 */
export abstract class Node<T> {
  readonly graph: NodeGraph
  /** Place in the order in which the job made its streams; the same in every run of the same module. */
  readonly id: number
  /** What it does, for pages and messages: `map`, `window`. */
  abstract readonly kind: string
  abstract readonly dependencies: readonly Node<unknown>[]
  abstract readonly slideMs: number
  #level = StorageLevel.NONE
  #rememberMs = 0
  #checkpointMs: number | undefined
  #label: string | undefined
  /** Its stack says where the job made this node; it is written out only when somebody asks. */
  readonly #made = new Error()
  /** How many streams and output operations read each batch of this one: with several, it is computed once for all (B71). */
  readers = 0
  readonly #generated = new Map<number, Promise<MaybeRdd<T>>>()

  constructor(graph: NodeGraph) {
    this.graph = graph
    this.id = graph.add(this as Node<unknown>)
  }

  /** The data set of the batch at `timeMs`, or undefined when there is none; may be asynchronous. */
  protected abstract compute(timeMs: number): MaybeRdd<T> | Promise<MaybeRdd<T>>

  /** The data set of the batch at `timeMs`: computed once and then the same object for everyone who asks (B9). */
  rddAt(timeMs: number): Promise<MaybeRdd<T>> {
    const known = this.#generated.get(timeMs)
    if (known) return known
    if (!this.isValid(timeMs)) return Promise.resolve(undefined)
    const computing = this.#generate(timeMs)
    this.#generated.set(timeMs, computing)
    return computing
  }

  async #generate(timeMs: number): Promise<MaybeRdd<T>> {
    try {
      const rdd = await this.compute(timeMs)
      if (rdd && this.#level.isKept && !rdd.storageLevel.isKept) rdd.persist(this.#level)
      else if (rdd && this.readers > 1) rdd.share()
      return rdd
    } catch (error) {
      this.#generated.delete(timeMs)
      throw error
    }
  }

  /** B6: only after zero time and on this stream's own beat. */
  isValid(timeMs: number): boolean {
    const { zeroMs } = this.graph
    if (zeroMs === undefined) throw new Error(`${this.describe()} has not been initialized`)
    return timeMs > zeroMs && (timeMs - zeroMs) % this.slideMs === 0
  }

  describe(): string {
    return `${this.kind} [${this.id}]`
  }

  /** Where the job made it, such as `map at job.ts:7`. */
  get place(): string {
    return callSite(this.kind, this.#made).short
  }

  get storageLevel(): StorageLevel {
    return this.#level
  }

  /** B37: not once the context runs. */
  persist(level: StorageLevel): void {
    if (this.graph.zeroMs !== undefined) {
      throw new Error('Cannot change storage level of a DStream after streaming context has started')
    }
    this.#level = level
  }

  /**
   * Describes the same data sets as for a batch, over data sets that stand for its parents' ones: what is described
   * here is what other threads can run.
   */
  describeOver(_parents: readonly RDD<never>[]): void {}

  /** How often the job wants this stream's state saved, in milliseconds; undefined leaves it to the engine. */
  get checkpointMs(): number | undefined {
    return this.#checkpointMs
  }

  /** B37: not once the context runs. */
  checkpoint(intervalMs: number): void {
    if (this.graph.zeroMs !== undefined) {
      throw new Error(`Cannot change checkpoint interval of ${this.describe()} after streaming context has started`)
    }
    this.#checkpointMs = intervalMs
    if (!this.#level.isKept) this.persist(StorageLevel.MEMORY_ONLY_SER)
  }

  /** A name that stays when the job around the operator changes: a checkpoint finds it by it. */
  get label(): string | undefined {
    return this.#label
  }

  setLabel(label: string): void {
    this.#label = label
  }

  /** What tells this operator from others of its kind in an other run of the job, apart from its place. */
  get detail(): string {
    return ''
  }

  get rememberMs(): number {
    return Math.max(this.#rememberMs, this.slideMs)
  }

  /** Grows what is remembered, here and up the graph. */
  rememberAtLeast(ms: number): void {
    this.#rememberMs = Math.max(this.rememberMs, ms)
    for (const parent of this.dependencies) parent.rememberAtLeast(this.parentRememberMs)
  }

  /** What this stream needs of its parents. */
  protected get parentRememberMs(): number {
    return this.rememberMs
  }

  /** B31: drops data sets that are older than what is remembered behind `timeMs`. */
  clear(timeMs: number): void {
    for (const [generatedMs, rdd] of this.#generated) {
      if (generatedMs > timeMs - this.rememberMs) continue
      this.#generated.delete(generatedMs)
      if (this.#level.isKept) void rdd.then((held) => held?.unpersist()).catch(() => undefined)
      else if (this.readers > 1) void rdd.then((held) => held?.unshare()).catch(() => undefined)
    }
  }

  /** Every data set from one time to another, both ends floored to this stream's beat and included (B34). */
  async slice(fromMs: number, toMs: number): Promise<RDD<T>[]> {
    const { zeroMs } = this.graph
    if (zeroMs === undefined) throw new Error(`${this.describe()} has not been initialized`)
    const align = (ms: number): number => Math.floor((ms - zeroMs) / this.slideMs) * this.slideMs + zeroMs
    const rdds: RDD<T>[] = []
    for (let ms = align(fromMs); ms <= align(toMs); ms += this.slideMs) {
      const rdd = await this.rddAt(ms)
      if (rdd) rdds.push(rdd)
    }
    return rdds
  }
}

/** What an input tells about the records of a batch; `metadata.Description` is shown on the batch page. */
export interface InputInfo {
  readonly inputStreamId: number
  readonly numRecords: number
  readonly metadata: Readonly<Record<string, unknown>>
}

/** A node without parents, fed from outside. Its beat is the batch interval (B7). */
export abstract class InputNode<T> extends Node<T> {
  readonly dependencies: readonly Node<unknown>[] = []
  /** 0, 1, 2… in creation order (B97). */
  readonly streamId: number
  readonly #infos = new Map<number, InputInfo>()

  constructor(graph: NodeGraph) {
    super(graph)
    this.streamId = graph.addInput(this as InputNode<unknown>)
  }

  get slideMs(): number {
    return this.graph.batchMs
  }

  /** For people: class name in words with the id. */
  abstract get name(): string

  /** Called when the context starts and stops. */
  start(): void | Promise<void> {}
  stop(): void | Promise<void> {}

  /** Tells how many records the batch holds; used on the page and by listeners. */
  protected report(timeMs: number, numRecords: number, metadata: Readonly<Record<string, unknown>> = {}): void {
    this.#infos.set(timeMs, { inputStreamId: this.streamId, numRecords, metadata })
  }

  /** True when the records of an earlier batch can be had again after a crash. */
  get isReplayable(): boolean {
    return false
  }

  /** What a checkpoint keeps, as JSON, of batches after `timeMs`; undefined for nothing (B136). */
  saveBatches(_timeMs: number): unknown {
    return undefined
  }

  /** Takes back what `saveBatches` gave, in a new process; `timeMs` is the last batch that was generated. */
  restoreBatches(_saved: unknown, _timeMs: number): void {}

  /** Pushes the records of a part that this input has named as the leaf of a plan; called in another thread than named it. */
  runPart(_part: unknown, _push: Push<T>): Signal {
    throw new Error(`${this.name} is read in the thread of the job`)
  }

  infoAt(timeMs: number): InputInfo | undefined {
    return this.#infos.get(timeMs)
  }

  override clear(timeMs: number): void {
    super.clear(timeMs)
    for (const ms of this.#infos.keys()) if (ms <= timeMs) this.#infos.delete(ms)
  }
}
