import type { Node } from '../graph/node.ts'
import { KeyMap } from '../rdd/key.ts'
import type { Partitioner } from '../rdd/partitioner.ts'
import { collectPartition, type Dataset, describedBy, indexesOf, type Runner } from '../rdd/plan.ts'
import { RDD } from '../rdd/rdd.ts'
import { SparkException } from '../rdd/runner.ts'
import { type Advance, paced, refusePromise, StatePlan, StateStep } from '../state/state-step.ts'
import type { StatePartition } from '../state/state-store.ts'
import { type SavedBatch, StateNode, type Step } from './state-node.ts'
import { checkWindow } from './window.ts'

export interface ReduceWindowOptions<K, V> {
  readonly reduce: (a: V, b: V) => V
  /** Takes `b` away from `a` again. */
  readonly inverse: (a: V, b: V) => V
  /** Which pairs stay; the others are dropped from the result and from what is remembered (B20). */
  readonly filter: ((pair: [K, V]) => boolean) | undefined
  readonly windowMs: number
  readonly slideMs: number
  readonly partitioner: Partitioner
  readonly needsDirectory: boolean
}

/** The pairs of one batch, each key once, by partition. */
type Reduced<K, V> = readonly (readonly (readonly [K, V])[])[]

const operation = 'reduceByKeyAndWindow'

/**
 * Invertible reduceByKeyAndWindow: the window before, less the batches that leave it, and those that enter it (B19).
 * Only keys of batches that enter or leave are looked at. What leaves is kept with the state, so a job that is started
 * again subtracts what it had added.
 */
export class ReduceWindowNode<K, V> extends StateNode<K, V, [K, V]> {
  readonly kind = operation
  readonly slideMs: number
  readonly #parent: Node<[K, V]>
  readonly #options: ReduceWindowOptions<K, V>
  /** The batches that are in the window, and those that have just left it, by version. */
  readonly #batches = new Map<number, Reduced<K, V>>()

  constructor(parent: Node<[K, V]>, options: ReduceWindowOptions<K, V>) {
    checkWindow(parent as Node<unknown>, options.windowMs, options.slideMs)
    super(parent.graph, parent as Node<unknown>, options.partitioner, { needsDirectory: options.needsDirectory })
    this.#parent = parent
    this.#options = options
    this.slideMs = options.slideMs
  }

  protected override get parentRememberMs(): number {
    return this.rememberMs + this.slideMs
  }

  protected async stepAt(timeMs: number, previous: readonly Dataset<unknown>[]): Promise<Step<K, V, [K, V]>> {
    const entering = new Map<number, RDD<[K, V]>>()
    for (let ms = timeMs - this.slideMs + this.#parent.slideMs; ms <= timeMs; ms += this.#parent.slideMs) {
      const rdd = await this.#parent.rddAt(ms)
      if (rdd) entering.set(this.versionAt(ms), describedBy(this.id, () => this.#reduced(rdd)).result)
    }
    const parents = [...previous, ...(entering.values() as Iterable<unknown> as Iterable<Dataset<unknown>>)]
    const step = new StateStep<K, V, never>(this.store, this.versionAt(timeMs), parents, (runner) =>
      this.#advance(timeMs, entering, runner),
    )
    return {
      step,
      rdd: new RDD<[K, V]>(this.graph.sparkContext, new StatePlan(step), { partitioner: this.partitioner }),
    }
  }

  override describeOver([parent]: readonly RDD<never>[]): void {
    this.#reduced(parent as unknown as RDD<[K, V]>)
  }

  #reduced(rdd: RDD<[K, V]>): RDD<[K, V]> {
    return rdd.reduceByKey(this.#options.reduce, this.partitioner)
  }

  async #advance(
    timeMs: number,
    entering: ReadonlyMap<number, RDD<[K, V]>>,
    runner: Runner,
  ): Promise<Advance<K, V, never>> {
    for (const [version, rdd] of entering) {
      this.#batches.set(version, await runner.runPartitions(indexesOf(rdd), (index) => collectPartition(rdd, index)))
    }
    const version = this.versionAt(timeMs)
    const windowStart = version - this.#options.windowMs / this.graph.batchMs
    const leftBefore = windowStart - this.slideMs / this.graph.batchMs
    const leaving = this.#between(leftBefore, windowStart)
    const arriving = this.#between(version - this.slideMs / this.graph.batchMs, version)
    return async (index, partition) => {
      const gone = this.#reduceAll(leaving, index)
      const come = this.#reduceAll(arriving, index)
      await paced(come.pairs(), ([key, value]) => {
        this.#merge(partition, key, gone.pair(key), [key, value])
        gone.delete(key)
      })
      await paced(gone.pairs(), (pair) => this.#merge(partition, pair[0], pair, undefined))
      return []
    }
  }

  /** The kept batches after `from`, up to and with `to`, oldest first. */
  #between(from: number, to: number): Reduced<K, V>[] {
    return [...this.#batches]
      .filter(([version]) => version > from && version <= to)
      .sort(([a], [b]) => a - b)
      .map(([, batch]) => batch)
  }

  #reduceAll(batches: readonly Reduced<K, V>[], index: number): KeyMap<K, V> {
    const all = new KeyMap<K, V>()
    for (const batch of batches) {
      for (const [key, value] of batch[index] ?? []) {
        const pair = all.pair(key)
        if (pair) pair[1] = this.#options.reduce(pair[1], value)
        else all.set(key, value)
      }
    }
    return all
  }

  #merge(
    partition: StatePartition<K, V>,
    key: K,
    gone: readonly [K, V] | undefined,
    come: readonly [K, V] | undefined,
  ): void {
    const { reduce, inverse, filter } = this.#options
    const entry = partition.find(key)
    let value: V
    if (!entry?.exists) {
      if (!come) {
        throw new SparkException(
          'Neither previous window has value for key, nor new values found. Are you sure your key class hashes consistently?',
        )
      }
      value = come[1]
    } else {
      value = entry.state as V
      if (gone) value = inverse(value, gone[1])
      if (come) value = reduce(value, come[1])
    }
    refusePromise(value, operation)
    if (filter && !filter([key, value])) {
      if (entry) partition.remove(entry)
    } else partition.put(entry ?? partition.open(key), value)
  }

  override forget(version: number): void {
    super.forget(version)
    for (const kept of this.#batches.keys()) if (kept < this.oldestBatchNeeded(version)) this.#batches.delete(kept)
  }

  override savedBatches(since: number, version: number): SavedBatch[] {
    return [...this.#batches]
      .filter(([kept]) => kept > this.#aligned(since) && kept <= this.#aligned(version))
      .map(([kept, parts]) => ({ version: kept, pairs: parts.flat() }))
  }

  override loadBatch({ version, pairs }: SavedBatch): void {
    const parts: (readonly [K, V])[][] = this.store.partitions.map(() => [])
    const single = parts.length === 1
    for (const pair of pairs as readonly (readonly [K, V])[]) {
      parts[single ? 0 : this.partitioner.getPartition(pair[0])]?.push(pair)
    }
    this.#batches.set(version, parts)
  }

  override oldestBatchNeeded(version: number): number {
    return this.#aligned(version) - this.#options.windowMs / this.graph.batchMs + 1
  }

  /** The last batch of this window's own beat. */
  #aligned(version: number): number {
    const beat = this.slideMs / this.graph.batchMs
    return Math.floor(version / beat) * beat
  }
}
