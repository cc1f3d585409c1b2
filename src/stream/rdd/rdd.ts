import { seededRandom } from '../../core/random.ts'
import type { SaveFilesOptions } from '../output/format.ts'
import { objectLine } from '../output/object-line.ts'
import { StorageLevel } from '../storage-level.ts'
import { type Shape, textForm } from '../text-form.ts'
import { IllegalArgumentError } from '../time.ts'
import { type Column, decodeRecords } from './column.ts'
import { DistinctEstimate } from './distinct-estimate.ts'
import { type Aggregator, CogroupPlan, CombinePlan, GatherPlan, RoutePlan } from './exchange.ts'
import { KeyMap } from './key.ts'
import {
  CartesianPlan,
  CoalescePlan,
  filtering,
  flatMapping,
  mapping,
  PartitionPlan,
  UnionPlan,
  type Wrap,
  WrapPlan,
} from './narrow.ts'
import { type Partitioner, toPartitioner } from './partitioner.ts'
import { pipeThrough } from './pipe.ts'
import {
  collectPartition,
  collectRun,
  type Dataset,
  indexesOf,
  noteOrigin,
  type Plan,
  prepare,
  type Runner,
  type UserFunction,
} from './plan.ts'
import { type Items, isThenable, type Push, pushArray, pushPaced, type Settled, type Signal, STOP } from './push.ts'
import { saveFiles } from './save.ts'
import { partitionFile, readPartition, savePartition } from './saved.ts'
import { slice } from './source.ts'
import { StatCounter } from './stat-counter.ts'

/** What a data set needs of the context it was made in. */
export interface RddContext {
  readonly defaultParallelism: number
  /** True when `spark.default.parallelism` was set: pair operations then take it as their number of partitions. */
  readonly hasSetParallelism: boolean
  readonly runner: Runner
  readonly random: () => number
  nextRddId(): number
  parallelize<T>(items: Iterable<T>, slices?: number): RDD<T>
  emptyRDD<T>(): RDD<T>
  /** Where data sets save what `checkpoint` asks for. */
  getCheckpointDir(): string | undefined
}

/** Anything a function may hand back for one record. */
type OneOrPromise<T> = T | PromiseLike<T>
type Many<T> = Iterable<T> | PromiseLike<Iterable<T>>
type Lists = readonly unknown[][]
export type Comparator<T> = (a: T, b: T) => number

/** The curried second halves of fold and aggregate, written as methods so that RDD<A> stays assignable to RDD<A | B>. */
interface Curried<T, C> {
  fold(f: (a: T, b: T) => T): Promise<T>
  aggregate(seq: (combined: C, item: T) => C, comb: (a: C, b: C) => C): Promise<C>
}

/** The natural order of strings, numbers, bigints, booleans and dates, and of arrays of them, item by item. */
export function naturalOrder(a: unknown, b: unknown): number {
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < a.length && i < b.length; i++) {
      const order = naturalOrder(a[i], b[i])
      if (order !== 0) return order
    }
    return a.length - b.length
  }
  const left = a as number
  const right = b as number
  return left < right ? -1 : left > right ? 1 : 0
}

interface RddDetails {
  readonly partitioner?: Partitioner | undefined
  readonly shape?: Shape
}

/** A partition that is kept. */
type Kept<T> =
  | { readonly items: T[]; readonly column?: undefined }
  | { readonly column: Column; readonly items?: undefined }

function itemsOf<T>(kept: Kept<T>): Items<T> {
  return kept.items ?? (decodeRecords(kept.column as Column) as Items<T>)
}

/** A data set as if nothing of it were kept. */
class Unkept<T> implements Dataset<T> {
  readonly plan: Plan<T>
  readonly isHeld = false

  constructor(plan: Plan<T>) {
    this.plan = plan
  }

  get partitionCount(): number {
    return this.plan.partitionCount
  }

  run(index: number, push: Push<T>): Signal {
    return this.plan.run(index, push)
  }
}

/**
 * A lazy, immutable, partitioned data set. Transformations only describe; actions run, answer promises, and reject
 * with a SparkException when a function over the records threw. Chains of record-by-record functions are one pass.
 */
export class RDD<T> implements Dataset<T> {
  readonly id: number
  readonly context: RddContext
  readonly partitioner: Partitioner | undefined
  /** What `print` and text files need to know about the records' shape. */
  readonly shape: Shape
  #plan: Plan<T>
  #name: string | undefined
  #level: StorageLevel = StorageLevel.NONE
  #isShared = false
  #checkpoint: { readonly folder: string; readonly isDone: boolean } | undefined
  /** Records that were computed, as a list here or as bytes from another thread. */
  #kept: (Kept<T> | undefined)[] = []
  #keeping: (Promise<Kept<T>> | undefined)[] = []
  #keptCount = 0

  constructor(context: RddContext, plan: Plan<T>, details: RddDetails = {}) {
    this.id = context.nextRddId()
    this.context = context
    this.partitioner = details.partitioner
    this.shape = details.shape
    this.#plan = plan
    noteOrigin(plan as Plan<unknown>)
  }

  // --- what it is

  get plan(): Plan<T> {
    return this.#plan
  }

  get partitionCount(): number {
    return this.#plan.partitionCount
  }

  get isHeld(): boolean {
    return this.#keptCount > 0 && this.#keptCount === this.partitionCount
  }

  get name(): string | undefined {
    return this.#name
  }

  setName(name: string): this {
    this.#name = name
    return this
  }

  /** One entry per partition. */
  get partitions(): { readonly index: number }[] {
    return indexesOf(this).map((index) => ({ index }))
  }

  getNumPartitions(): number {
    return this.partitionCount
  }

  /** Pushes the records of one partition; used by the engine. */
  run(index: number, push: Push<T>): Signal {
    if (this.#isKeeping) {
      const kept = this.#keep(index)
      return kept instanceof Promise
        ? kept.then((one) => pushPaced(itemsOf(one), push))
        : pushPaced(itemsOf(kept), push)
    }
    const elsewhere = this.context.runner.remote?.collect(this as Dataset<unknown>, index)
    if (!elsewhere) return this.#plan.run(index, push)
    return elsewhere.then((column) =>
      column ? pushPaced(decodeRecords(column) as Items<T>, push) : this.#plan.run(index, push),
    )
  }

  get #isKeeping(): boolean {
    return (this.#level.isKept || this.#isShared) && !this.#plan.holdsRecords
  }

  /** What is kept of a partition in a form that other threads can have; used by the engine. */
  keptColumn(index: number): Column | Promise<Column | undefined> | undefined {
    if (!this.#isKeeping) return undefined
    const kept = this.#keep(index)
    return kept instanceof Promise ? kept.then((one) => one.column) : kept.column
  }

  /** A partition that was computed, or is now: by another thread where there are some. */
  #keep(index: number): Kept<T> | Promise<Kept<T>> {
    const known = this.#kept[index] ?? this.#keeping[index]
    if (known) return known
    const settle = (kept: Kept<T>): Kept<T> => {
      this.#keeping[index] = undefined
      if (this.#isKeeping && !this.#kept[index]) {
        this.#kept[index] = kept
        this.#keptCount++
      }
      return kept
    }
    const here = (): Kept<T> | Promise<Kept<T>> => {
      const items = collectRun<T>((push) => this.#plan.run(index, push))
      return items instanceof Promise ? items.then((all) => ({ items: all })) : { items }
    }
    const elsewhere = this.context.runner.remote?.collect(new Unkept(this.#plan) as Dataset<unknown>, index)
    const kept = elsewhere ? elsewhere.then((column) => (column ? { column } : here())) : here()
    if (!(kept instanceof Promise)) return settle(kept)
    const keeping = kept.then(settle, (error) => {
      this.#keeping[index] = undefined
      throw error
    })
    this.#keeping[index] = keeping
    return keeping
  }

  /** Keeps the records once they were computed. Default level: MEMORY_ONLY. */
  persist(level: StorageLevel = StorageLevel.MEMORY_ONLY): this {
    if (this.#level.isKept && level !== this.#level) {
      throw new Error('Cannot change storage level of an RDD after it was already assigned a level')
    }
    this.#level = level
    return this
  }

  cache(): this {
    return this.persist()
  }

  /** Keeps the records without a level of its own: several streams read them in the same batch. Used by the engine. */
  share(): void {
    this.#isShared = true
  }

  /** The batch is over: what was kept for it alone is let go of. */
  unshare(): void {
    this.#isShared = false
    if (!this.#level.isKept) this.unpersist()
  }

  /** Lets go of kept records. */
  unpersist(): this {
    this.#level = StorageLevel.NONE
    this.#isShared = false
    this.#kept = []
    this.#keptCount = 0
    return this
  }

  get storageLevel(): StorageLevel {
    return this.#level
  }

  toString(): string {
    return `${this.#name ?? 'RDD'}[${this.id}]`
  }

  // --- transformations, record by record

  map<K, V>(f: (item: T) => readonly [K, V]): RDD<[K, V]>
  map<U>(f: (item: T) => OneOrPromise<U>): RDD<U>
  map<U>(f: (item: T) => OneOrPromise<U>): RDD<U> {
    return this.#wrapped(mapping(f), {}, [f])
  }

  mapToPair<K, V>(f: (item: T) => readonly [K, V]): RDD<[K, V]> {
    return this.map(f)
  }

  flatMap<K, V>(f: (item: T) => Iterable<readonly [K, V]>): RDD<[K, V]>
  flatMap<U>(f: (item: T) => Many<U>): RDD<U>
  flatMap<U>(f: (item: T) => Many<U>): RDD<U> {
    return this.#wrapped(flatMapping(f), {}, [f])
  }

  filter<S extends T>(f: (item: T) => item is S): RDD<S>
  filter(f: (item: T) => OneOrPromise<unknown>): RDD<T>
  filter(f: (item: T) => OneOrPromise<unknown>): RDD<T> {
    return this.#wrapped(filtering(f), { partitioner: this.partitioner, shape: this.shape }, [f])
  }

  keyBy<K>(f: (item: T) => K): RDD<[K, T]> {
    return this.map((item): [K, T] => [f(item), item])
  }

  /** `f` gets all records of a partition at once; the place for one connection per partition. */
  mapPartitions<U>(
    f: (items: Iterable<T>) => Iterable<U> | AsyncIterable<U> | PromiseLike<Iterable<U>>,
    preservesPartitioning = false,
  ): RDD<U> {
    return this.#partitionwise((_, items) => f(items), preservesPartitioning, f)
  }

  mapPartitionsWithIndex<U>(
    f: (index: number, items: Iterable<T>) => Iterable<U> | AsyncIterable<U> | PromiseLike<Iterable<U>>,
    preservesPartitioning = false,
  ): RDD<U> {
    return this.#partitionwise(f, preservesPartitioning, f)
  }

  #partitionwise<U>(
    run: (index: number, items: Iterable<T>) => Iterable<U> | AsyncIterable<U> | PromiseLike<Iterable<U>>,
    preservesPartitioning: boolean,
    f: UserFunction,
  ): RDD<U> {
    return new RDD<U>(this.context, new PartitionPlan<T, U>(this, run, [f]), {
      partitioner: preservesPartitioning ? this.partitioner : undefined,
    })
  }

  /** One list per partition. */
  glom(): RDD<T[]> {
    return new RDD<T[]>(this.context, new PartitionPlan<T, T[]>(this, (_, items) => [items]), { shape: 'list' })
  }

  union(...others: RDD<T>[]): RDD<T> {
    return new RDD<T>(this.context, new UnionPlan<T>([this, ...others]), { shape: this.shape })
  }

  cartesian<U>(other: RDD<U>): RDD<[T, U]> {
    return new RDD<[T, U]>(this.context, new CartesianPlan<T, U>(this, other))
  }

  /** Keeps each record with probability `fraction`, or so many times on average with replacement; with the same seed the same records. */
  sample(withReplacement: boolean, fraction: number, seed?: number): RDD<T> {
    if (withReplacement)
      return this.#wrapped(repeated(seed ?? Math.floor(this.context.random() * 2 ** 32), () => fraction))
    return this.#wrapped(chosen(seed ?? Math.floor(this.context.random() * 2 ** 32), (draw) => draw < fraction))
  }

  /** The lines that a program writes when each record is written to it as a line; one process per partition. Text is cut at blanks. */
  pipe(command: string | readonly string[], env: Readonly<Record<string, string>> = {}): RDD<string> {
    const words = typeof command === 'string' ? command.split(/\s+/).filter((word) => word !== '') : command
    if (words.length === 0) throw new IllegalArgumentError('pipe needs a command')
    return this.mapPartitions((items) => pipeThrough(items, words, env))
  }

  // --- transformations that move records

  distinct(partitions?: number): RDD<T> {
    return this.map((item): [T, null] => [item, null])
      .reduceByKey(() => null, partitions)
      .keys()
  }

  /** Spreads the records evenly; their order is not kept. */
  repartition(partitions: number): RDD<T> {
    return new RDD<T>(
      this.context,
      new RoutePlan<T>(this, partitions, (_, index, ordinal) => (index + ordinal) % partitions),
      { shape: this.shape },
    )
  }

  coalesce(partitions: number, shuffle = false): RDD<T> {
    if (shuffle) return this.repartition(partitions)
    return new RDD<T>(this.context, new CoalescePlan<T>(this, partitions), { shape: this.shape })
  }

  sortBy<K>(key: (item: T) => K, ascending = true, partitions = this.partitionCount): RDD<T> {
    const sign = ascending ? 1 : -1
    const plan = new GatherPlan<T, T>(this, Math.max(1, partitions), (parts) => {
      const keyed = parts.flat().map((item): [K, T] => [key(item), item])
      keyed.sort(([a], [b]) => sign * naturalOrder(a, b))
      return slice(
        keyed.map(([, item]) => item),
        Math.max(1, partitions),
      )
    })
    return new RDD<T>(this.context, plan, { shape: this.shape })
  }

  groupBy<K>(key: (item: T) => K, partitions?: number | Partitioner): RDD<[K, T[]]> {
    return this.keyBy(key).groupByKey(partitions)
  }

  /** Each record with its position over all partitions. */
  zipWithIndex(): RDD<[T, number]> {
    return new RDD<[T, number]>(
      this.context,
      new GatherPlan<T, [T, number]>(this, this.partitionCount, (parts) => {
        let position = 0
        return parts.map((items) => items.map((item): [T, number] => [item, position++]))
      }),
    )
  }

  /** Records side by side; both need the same number of partitions with the same number of records in each. */
  zip<U>(other: RDD<U>): RDD<[T, U]> {
    if (other.partitionCount !== this.partitionCount) {
      throw new Error(
        `Can't zip RDDs with unequal numbers of partitions: ${this.partitionCount}, ${other.partitionCount}`,
      )
    }
    const plan = new PartitionPlan<T, [T, U]>(this, async (index, items) => {
      const others = await collectPartition(other, index)
      if (others.length !== items.length) {
        throw new Error('Can only zip RDDs with same number of elements in each partition')
      }
      return items.map((item, i): [T, U] => [item, others[i] as U])
    })
    return new RDD<[T, U]>(this.context, { ...planParts(plan), parents: [this, other] as Dataset<unknown>[] })
  }

  /** A whole partition of each, side by side; both need the same number of partitions. */
  zipPartitions<U, R>(
    other: RDD<U>,
    f: (items: Iterable<T>, others: Iterable<U>) => Iterable<R> | PromiseLike<Iterable<R>>,
  ): RDD<R> {
    if (other.partitionCount !== this.partitionCount) {
      throw new Error(
        `Can't zip RDDs with unequal numbers of partitions: ${this.partitionCount}, ${other.partitionCount}`,
      )
    }
    const plan = new PartitionPlan<T, R>(this, async (index, items) => f(items, await collectPartition(other, index)))
    return new RDD<R>(this.context, { ...planParts(plan), parents: [this, other] as Dataset<unknown>[] })
  }

  /** Each record with a number of its own: record i of partition k of n has i·n + k. Needs no pass to count. */
  zipWithUniqueId(): RDD<[T, number]> {
    const partitions = this.partitionCount
    return this.#wrapped((push, index) => {
      let next = index
      return (item) => {
        const id = next
        next += partitions
        return push([item, id])
      }
    })
  }

  /** Splits by chance in proportion to `weights`; every record is in exactly one part, with the same seed in the same. */
  randomSplit(weights: readonly number[], seed = Math.floor(this.context.random() * 2 ** 32)): RDD<T>[] {
    const sum = weights.reduce((a, b) => a + b, 0)
    let from = 0
    return weights.map((weight) => {
      const [low, high] = [from, from + weight / sum]
      from = high
      return this.#wrapped(chosen(seed, (draw) => draw >= low && draw < high))
    })
  }

  subtract(other: RDD<T>, partitions?: number | Partitioner): RDD<T> {
    return this.map((item): [T, null] => [item, null])
      .subtractByKey(
        other.map((item): [T, null] => [item, null]),
        partitions,
      )
      .keys()
  }

  /** The records of both, each once. */
  intersection(other: RDD<T>, partitions?: number | Partitioner): RDD<T> {
    return this.map((item): [T, null] => [item, null])
      .cogroup(
        other.map((item): [T, null] => [item, null]),
        partitions,
      )
      .filter(([, [left, right]]) => left.length > 0 && right.length > 0)
      .keys()
  }

  // --- pairs

  keys<K, V>(this: RDD<[K, V]>): RDD<K> {
    return this.map((pair) => pair[0])
  }

  values<K, V>(this: RDD<[K, V]>): RDD<V> {
    return this.map((pair) => pair[1])
  }

  mapValues<K, V, U>(this: RDD<[K, V]>, f: (value: V) => OneOrPromise<U>): RDD<[K, U]> {
    const wrap = mapping<[K, V], [K, U]>((pair) => {
      const value = f(pair[1])
      return isThenable(value)
        ? Promise.resolve(value).then((settled): [K, U] => [pair[0], settled as U])
        : ([pair[0], value] as [K, U])
    })
    return new RDD<[K, U]>(this.context, new WrapPlan(this, wrap, [f]), { partitioner: this.partitioner })
  }

  flatMapValues<K, V, U>(this: RDD<[K, V]>, f: (value: V) => Many<U>): RDD<[K, U]> {
    const pairs = (key: K, values: Iterable<U>): [K, U][] => Array.from(values, (value) => [key, value])
    const wrap = flatMapping<[K, V], [K, U]>((pair) => {
      const values = f(pair[1])
      return isThenable(values)
        ? Promise.resolve(values).then((settled) => pairs(pair[0], settled as Iterable<U>))
        : pairs(pair[0], values as Iterable<U>)
    })
    return new RDD<[K, U]>(this.context, new WrapPlan(this, wrap, [f]), { partitioner: this.partitioner })
  }

  reduceByKey<K, V>(this: RDD<[K, V]>, f: (a: V, b: V) => V, partitions?: number | Partitioner): RDD<[K, V]> {
    return this.combine(
      { operation: 'reduceByKey', create: (value) => value, mergeValue: f, mergeCombiners: f },
      partitions,
    )
  }

  foldByKey<K, V>(
    this: RDD<[K, V]>,
    zero: V,
    partitions?: number | Partitioner,
  ): (f: (a: V, b: V) => V) => RDD<[K, V]> {
    return (f) =>
      this.combine(
        {
          operation: 'foldByKey',
          create: (value) => f(structuredClone(zero), value),
          mergeValue: f,
          mergeCombiners: f,
        },
        partitions,
      )
  }

  aggregateByKey<K, V, C>(
    this: RDD<[K, V]>,
    zero: C,
    partitions?: number | Partitioner,
  ): (seq: (combined: C, value: V) => C, comb: (a: C, b: C) => C) => RDD<[K, C]> {
    return (seq, comb) =>
      this.combine(
        {
          operation: 'aggregateByKey',
          create: (value) => seq(structuredClone(zero), value),
          mergeValue: seq,
          mergeCombiners: comb,
        },
        partitions,
      )
  }

  combineByKey<K, V, C>(
    this: RDD<[K, V]>,
    create: (value: V) => C,
    mergeValue: (combined: C, value: V) => C,
    mergeCombiners: (a: C, b: C) => C,
    partitions?: number | Partitioner,
    mapSideCombine = true,
  ): RDD<[K, C]> {
    return this.combine({ operation: 'combineByKey', create, mergeValue, mergeCombiners, mapSideCombine }, partitions)
  }

  groupByKey<K, V>(this: RDD<[K, V]>, partitions?: number | Partitioner): RDD<[K, V[]]> {
    return this.combine(grouping<V>(), partitions, 'pair-of-list')
  }

  /** The one door to the keyed shuffle; used by the operations above and by the streams. */
  combine<K, V, C>(
    this: RDD<[K, V]>,
    aggregator: Aggregator<V, C>,
    partitions: number | Partitioner | undefined,
    shape?: Shape,
  ): RDD<[K, C]> {
    const partitioner = choosePartitioner(partitions, [this])
    return new RDD<[K, C]>(this.context, new CombinePlan(this, partitioner, aggregator), { partitioner, shape })
  }

  partitionBy<K, V>(this: RDD<[K, V]>, partitioner: Partitioner): RDD<[K, V]> {
    const plan = new RoutePlan<[K, V]>(this, partitioner.numPartitions, ([key]) => partitioner.getPartition(key))
    return new RDD<[K, V]>(this.context, plan, { partitioner, shape: this.shape })
  }

  cogroup<K, V, W>(this: RDD<[K, V]>, other: RDD<[K, W]>, p?: number | Partitioner): RDD<[K, [V[], W[]]]>
  cogroup<K, V, W, X>(
    this: RDD<[K, V]>,
    other: RDD<[K, W]>,
    third: RDD<[K, X]>,
    p?: number | Partitioner,
  ): RDD<[K, [V[], W[], X[]]]>
  cogroup<K, V, W, X, Y>(
    this: RDD<[K, V]>,
    other: RDD<[K, W]>,
    third: RDD<[K, X]>,
    fourth: RDD<[K, Y]>,
    p?: number | Partitioner,
  ): RDD<[K, [V[], W[], X[], Y[]]]>
  cogroup<K>(
    this: RDD<[K, unknown]>,
    ...rest: (RDD<[K, unknown]> | number | Partitioner | undefined)[]
  ): RDD<[K, unknown[][]]> {
    const others = rest.filter((one): one is RDD<[K, unknown]> => one instanceof RDD)
    const last = rest.find((one): one is number | Partitioner => one !== undefined && !(one instanceof RDD))
    return this.grouped(others, 'cogroup', last)
  }

  /** Cogroup of any number of sets. */
  grouped<K>(
    this: RDD<[K, unknown]>,
    others: readonly RDD<[K, unknown]>[],
    operation: string,
    partitions?: number | Partitioner,
  ): RDD<[K, unknown[][]]> {
    const partitioner = choosePartitioner(partitions, [this, ...others])
    const plan = new CogroupPlan<K>([this, ...others], partitioner, operation)
    return new RDD<[K, unknown[][]]>(this.context, plan, { partitioner, shape: 'pair-of-lists' })
  }

  join<K, V, W>(this: RDD<[K, V]>, other: RDD<[K, W]>, p?: number | Partitioner): RDD<[K, [V, W]]> {
    return joined(this, other, 'join', p, ([left, right]) => cross(left, right)) as RDD<[K, [V, W]]>
  }

  leftOuterJoin<K, V, W>(
    this: RDD<[K, V]>,
    other: RDD<[K, W]>,
    p?: number | Partitioner,
  ): RDD<[K, [V, W | undefined]]> {
    return joined(this, other, 'leftOuterJoin', p, ([left, right]) => cross(left, orNone(right))) as RDD<
      [K, [V, W | undefined]]
    >
  }

  rightOuterJoin<K, V, W>(
    this: RDD<[K, V]>,
    other: RDD<[K, W]>,
    p?: number | Partitioner,
  ): RDD<[K, [V | undefined, W]]> {
    return joined(this, other, 'rightOuterJoin', p, ([left, right]) => cross(orNone(left), right)) as RDD<
      [K, [V | undefined, W]]
    >
  }

  fullOuterJoin<K, V, W>(
    this: RDD<[K, V]>,
    other: RDD<[K, W]>,
    p?: number | Partitioner,
  ): RDD<[K, [V | undefined, W | undefined]]> {
    return joined(this, other, 'fullOuterJoin', p, ([left, right]) => cross(orNone(left), orNone(right))) as RDD<
      [K, [V | undefined, W | undefined]]
    >
  }

  /** The pairs whose key `other` does not have. */
  subtractByKey<K, V>(this: RDD<[K, V]>, other: RDD<[K, unknown]>, p?: number | Partitioner): RDD<[K, V]> {
    return joined(this, other, 'subtractByKey', p, ([left, right]) => (right?.length === 0 ? (left ?? []) : [])) as RDD<
      [K, V]
    >
  }

  sortByKey<K, V>(this: RDD<[K, V]>, ascending = true, partitions = this.partitionCount): RDD<[K, V]> {
    return this.sortBy((pair) => pair[0], ascending, partitions)
  }

  /** As `sample`, with a fraction for each key; a key without one has none. */
  sampleByKey<K, V>(
    this: RDD<[K, V]>,
    withReplacement: boolean,
    fractions: ReadonlyMap<K, number>,
    seed = Math.floor(this.context.random() * 2 ** 32),
  ): RDD<[K, V]> {
    const byKey = new KeyMap<K, number>()
    for (const [key, fraction] of fractions) byKey.set(key, fraction)
    const fractionOf = ([key]: [K, V]): number => byKey.get(key) ?? 0
    const wrap = withReplacement
      ? repeated<[K, V]>(seed, fractionOf)
      : chosen<[K, V]>(seed, (draw, pair) => draw < fractionOf(pair))
    return new RDD<[K, V]>(this.context, new WrapPlan(this, wrap), { partitioner: this.partitioner, shape: this.shape })
  }

  // --- saving and telling

  /**
   * Saves the records in the context's checkpoint directory when the first action has run; from then on they are read from
   * there, and what they were made from is let go of. Throws without a directory.
   */
  checkpoint(): void {
    const folder = this.context.getCheckpointDir()
    if (folder === undefined) throw new Error('Checkpoint directory has not been set in the SparkContext')
    this.#checkpoint ??= { folder: `${folder}/rdd-${this.id}`, isDone: false }
  }

  /** Keeps the records in this process once they are computed, as `persist` does. */
  localCheckpoint(): this {
    return this.#level.isKept ? this : this.persist(StorageLevel.MEMORY_AND_DISK)
  }

  /** True once the records lie in the checkpoint directory. */
  get isCheckpointed(): boolean {
    return this.#checkpoint?.isDone ?? false
  }

  /** The folder with the records, once they are there. */
  getCheckpointFile(): string | undefined {
    return this.isCheckpointed ? this.#checkpoint?.folder : undefined
  }

  /** What it is made from, one line each: partitions in brackets, then what, then its number. */
  toDebugString(): string {
    const lines: string[] = []
    const visit = (one: Dataset<unknown>, depth: number): void => {
      const kept = one instanceof RDD && one.storageLevel.isKept ? ` [${one.storageLevel}]` : ''
      const what = one instanceof RDD ? `${one.name === undefined ? '' : `${one.name} `}[${one.id}]` : ''
      lines.push(
        `(${one.partitionCount}) ${'  '.repeat(depth)}${one.plan.constructor.name.replace(/Plan$/, '')} ${what}${kept}`,
      )
      for (const parent of one.plan.parents) visit(parent, depth + 1)
    }
    visit(this as Dataset<unknown>, 0)
    return lines.join('\n')
  }

  /** Saves what an action has just computed, here or further up, where `checkpoint` asked for it. */
  async #saveMarked(): Promise<void> {
    const marked: RDD<unknown>[] = []
    const visit = (one: Dataset<unknown>): void => {
      if (one instanceof RDD && one.#checkpoint) {
        if (!one.#checkpoint.isDone) marked.push(one)
        return
      }
      for (const parent of one.plan.parents) visit(parent)
    }
    visit(this as Dataset<unknown>)
    for (const one of marked) await one.#save()
  }

  async #save(): Promise<void> {
    const { folder } = this.#checkpoint as { folder: string }
    const { runner } = this.context
    await prepare(this as Dataset<unknown>, runner)
    const indexes = indexesOf(this)
    await runner.runPartitions(indexes, async (index) =>
      savePartition(folder, index, await collectPartition(this, index)),
    )
    const files = indexes.map((index) => partitionFile(folder, index))
    const saved = files.length === 0 ? this.context.emptyRDD<T>() : this.#readBack(files)
    this.#plan = saved.plan
    this.#checkpoint = { folder, isDone: true }
  }

  #readBack(files: readonly string[]): RDD<T> {
    return this.context.parallelize(files, files.length).mapPartitions(async function* (paths) {
      for (const path of paths) yield* readPartition<T>(path)
    })
  }

  // --- actions

  async collect(): Promise<T[]> {
    const parts = await this.#collectAll()
    return parts.length === 1 ? (parts[0] as T[]) : parts.flat()
  }

  async count(): Promise<number> {
    const counts = await this.#eachPartition((index) => {
      const here = (): number | Promise<number> => {
        let count = 0
        const signal = this.run(index, () => {
          count++
          return undefined
        })
        return signal instanceof Promise ? signal.then(() => count) : count
      }
      const elsewhere = this.context.runner.remote?.count(this as Dataset<unknown>, index)
      return elsewhere ? elsewhere.then((count) => count ?? here()) : here()
    })
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** The first `count` records in partition order; reads only as many partitions as it needs. */
  async take(count: number): Promise<T[]> {
    const taken: T[] = []
    if (count <= 0) return taken
    await prepare(this as Dataset<unknown>, this.context.runner)
    for (let index = 0; index < this.partitionCount && taken.length < count; index++) {
      const [found] = await this.context.runner.runPartitions([index], async (at) => {
        const some: T[] = []
        const limit = count - taken.length
        const take = (item: T): Settled => {
          some.push(item)
          return some.length >= limit ? STOP : undefined
        }
        const column = await this.context.runner.remote?.collect(this as Dataset<unknown>, at, limit)
        if (column) await pushPaced(decodeRecords(column) as Items<T>, take)
        else await this.run(at, take)
        return some
      })
      for (const item of found as T[]) taken.push(item)
    }
    await this.#saveMarked()
    return taken
  }

  /** Rejects with "empty collection" when there is no record. */
  async first(): Promise<T> {
    const taken = await this.take(1)
    if (taken.length === 0) throw new Error('empty collection')
    return taken[0] as T
  }

  async isEmpty(): Promise<boolean> {
    return (await this.take(1)).length === 0
  }

  async foreach(f: (item: T) => void | PromiseLike<void>): Promise<void> {
    await this.#eachPartition(async (index) => {
      await this.run(index, (item): Signal => {
        const done = f(item)
        return isThenable(done) ? Promise.resolve(done).then(() => undefined) : undefined
      })
    })
  }

  async foreachPartition(f: (items: Iterable<T>) => void | PromiseLike<void>): Promise<void> {
    await this.#eachPartition(async (index) => {
      await f(await collectPartition(this, index))
    })
  }

  /** Rejects with "empty collection" when there is no record. */
  async reduce(f: (a: T, b: T) => T): Promise<T> {
    const parts = await this.#reduceParts(f)
    if (parts.length === 0) throw new Error('empty collection')
    return parts.reduce(f)
  }

  /** Count, mean, variance, smallest and largest in one pass. */
  async stats(this: RDD<number>): Promise<StatCounter> {
    const parts = await this.context.runner.runPartitions(await preparedIndexes(this), async (index) => {
      const part = new StatCounter()
      await this.run(index, (item): Settled => {
        part.add(item)
        return undefined
      })
      return part
    })
    return parts.reduce((all, part) => all.merge(part), new StatCounter())
  }

  /** Of the whole population, as Spark's `variance` is. */
  async variance(this: RDD<number>): Promise<number> {
    return (await this.stats()).variance
  }

  async stdev(this: RDD<number>): Promise<number> {
    return (await this.stats()).stdev
  }

  /** How many records fall between each two neighbouring borders, or into `buckets` even ranges; the last range holds its end. */
  async histogram(
    this: RDD<number>,
    buckets: number | readonly number[],
  ): Promise<{ borders: number[]; counts: number[] }> {
    const borders = typeof buckets === 'number' ? evenBorders(await this.stats(), buckets) : [...buckets]
    if (borders.length < 2 || borders.some((border, i) => i > 0 && border <= (borders[i - 1] as number))) {
      throw new Error('a histogram needs at least two borders, each above the one before')
    }
    const counts = borders.slice(1).map(() => 0)
    const last = borders.length - 1
    for (const item of await this.collect()) {
      if (!(item >= (borders[0] as number) && item <= (borders[last] as number))) continue
      let bucket = 0
      while (bucket < last - 1 && item >= (borders[bucket + 1] as number)) bucket++
      counts[bucket] = (counts[bucket] as number) + 1
    }
    return { borders, counts }
  }

  /** `count` records by chance, each at most once unless with replacement; with the same seed the same. */
  async takeSample(withReplacement: boolean, count: number, seed?: number): Promise<T[]> {
    const draw = seededRandom(seed ?? Math.floor(this.context.random() * 2 ** 32))
    const items = await this.collect()
    if (withReplacement) {
      const drawn = items.length === 0 ? 0 : count
      return Array.from({ length: drawn }, () => items[Math.floor(draw() * items.length)] as T)
    }
    for (let i = 0; i < Math.min(count, items.length); i++) {
      const other = i + Math.floor(draw() * (items.length - i))
      ;[items[i], items[other]] = [items[other] as T, items[i] as T]
    }
    return items.slice(0, count)
  }

  /** The same as `reduce`: Spark's tree of tasks spares the driver, which here is the same process. */
  treeReduce(f: (a: T, b: T) => T): Promise<T> {
    return this.reduce(f)
  }

  /** The same as `aggregate`: Spark's tree of tasks spares the driver, which here is the same process. */
  treeAggregate<C>(zero: C): Curried<T, C>['aggregate'] {
    return this.aggregate(zero)
  }

  /** About how many different records there are, with a relative error of `relativeSd`, in a few kilobytes. */
  async countApproxDistinct(relativeSd = 0.05): Promise<number> {
    const all = new DistinctEstimate(relativeSd)
    const parts = await this.#eachPartition(async (index) => {
      const part = new DistinctEstimate(relativeSd)
      await this.run(index, (item): Settled => {
        part.add(item)
        return undefined
      })
      return part
    })
    return parts.reduce((sum, part) => sum.merge(part), all).count
  }

  /** Reduces by key into a Map of this process. */
  async reduceByKeyLocally<K, V>(this: RDD<[K, V]>, f: (a: V, b: V) => V): Promise<Map<K, V>> {
    return this.reduceByKey(f).collectAsMap()
  }

  async #reduceParts(f: (a: T, b: T) => T): Promise<T[]> {
    const parts = await this.#eachPartition(async (index): Promise<T[]> => {
      let found = false
      let value: T | undefined
      await this.run(index, (item): Settled => {
        value = found ? f(value as T, item) : item
        if (isThenable(value)) throw new TypeError('the function given to reduce must not be asynchronous')
        found = true
        return undefined
      })
      return found ? [value as T] : []
    })
    return parts.flat()
  }

  fold(zero: T): Curried<T, never>['fold'] {
    return (f) => this.aggregate(zero)(f, f)
  }

  aggregate<C>(zero: C): Curried<T, C>['aggregate'] {
    return async (seq, comb) => {
      const parts = await this.#eachPartition(async (index) => {
        let value = structuredClone(zero)
        await this.run(index, (item): Settled => {
          value = seq(value, item)
          return undefined
        })
        return value
      })
      return parts.reduce(comb, structuredClone(zero))
    }
  }

  async countByKey<K, V>(this: RDD<[K, V]>): Promise<Map<K, number>> {
    return this.keys().countByValue()
  }

  /** How often each record occurs; records are equal by value. */
  async countByValue(): Promise<Map<T, number>> {
    const counts = this.map((item): [T, number] => [item, 1]).reduceByKey((a, b) => a + b)
    return new Map(await counts.collect())
  }

  /** The pairs as a Map; of pairs with one key the last wins. */
  async collectAsMap<K, V>(this: RDD<[K, V]>): Promise<Map<K, V>> {
    const pairs = new KeyMap<K, V>()
    for (const [key, value] of await this.collect()) pairs.set(key, value)
    return new Map(pairs.pairs())
  }

  /** Every value of one key. */
  async lookup<K, V>(this: RDD<[K, V]>, key: K): Promise<V[]> {
    const wanted = new KeyMap<K, true>()
    wanted.set(key, true)
    return this.filter((pair) => wanted.has(pair[0]))
      .values()
      .collect()
  }

  /** The `count` largest, largest first. */
  async top(count: number, order: Comparator<T> = naturalOrder): Promise<T[]> {
    return this.takeOrdered(count, (a, b) => order(b, a))
  }

  /** The `count` smallest, smallest first. */
  async takeOrdered(count: number, order: Comparator<T> = naturalOrder): Promise<T[]> {
    const parts = await this.#eachPartition(async (index) =>
      (await collectPartition(this, index)).sort(order).slice(0, count),
    )
    return parts.flat().sort(order).slice(0, count)
  }

  async max(order: Comparator<T> = naturalOrder): Promise<T> {
    return this.reduce((a, b) => (order(a, b) >= 0 ? a : b))
  }

  async min(order: Comparator<T> = naturalOrder): Promise<T> {
    return this.reduce((a, b) => (order(a, b) <= 0 ? a : b))
  }

  async sum(this: RDD<number>): Promise<number> {
    return this.fold(0)((a, b) => a + b)
  }

  async mean(this: RDD<number>): Promise<number> {
    const { sum, count } = await this.aggregate({ sum: 0, count: 0 })(
      (total, item) => ({ sum: total.sum + item, count: total.count + 1 }),
      (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
    )
    return sum / count
  }

  /**
   * One text file per partition in a folder that must not exist yet; within a batch of a stream it may, and files of the
   * same name are replaced (B65).
   */
  saveAsTextFile(path: string, compression?: 'gzip'): Promise<void> {
    return saveFiles(this, path, { format: 'text', ...(compression && { compression }) })
  }

  /** As `saveAsTextFile`, in the form of `saveAsObjectFiles`. */
  saveAsObjectFile(path: string): Promise<void> {
    return saveFiles(this.map(objectLine), path, { format: 'text' })
  }

  /** As `saveAsTextFile`, in other formats. Not in Spark, where a data set has them only as a DataFrame. */
  saveAsFiles(path: string, options: SaveFilesOptions): Promise<void> {
    return saveFiles(this, path, options)
  }

  /** The records one partition after the other, never more than one partition in memory. */
  async *toLocalIterator(): AsyncIterableIterator<T> {
    await prepare(this as Dataset<unknown>, this.context.runner)
    for (let index = 0; index < this.partitionCount; index++) {
      const [items] = await this.context.runner.runPartitions([index], (at) => collectPartition(this, at))
      yield* items as T[]
    }
  }

  /** A record as `print` and the text files show it. */
  textOf(item: T): string {
    return textForm(item, this.shape)
  }

  #collectAll(): Promise<T[][]> {
    return this.#eachPartition((index) => collectPartition(this, index))
  }

  async #eachPartition<U>(task: (index: number) => U | Promise<U>): Promise<U[]> {
    await prepare(this as Dataset<unknown>, this.context.runner)
    const results = await this.context.runner.runPartitions(indexesOf(this), task)
    await this.#saveMarked()
    return results
  }

  #wrapped<U>(wrap: Wrap<T, U>, details: RddDetails = {}, functions: readonly UserFunction[] = []): RDD<U> {
    return new RDD<U>(this.context, new WrapPlan<T, U>(this, wrap, functions), details)
  }
}

function evenBorders({ min, max }: StatCounter, buckets: number): number[] {
  if (!Number.isInteger(buckets) || buckets < 1) throw new Error(`a histogram has at least one bucket, not ${buckets}`)
  if (min === max) return [min, max + 1]
  return Array.from({ length: buckets + 1 }, (_, i) => (i === buckets ? max : min + (i * (max - min)) / buckets))
}

/** How groupByKey collects: a fresh list per key. */
export function grouping<V>(): Aggregator<V, V[]> {
  return {
    operation: 'groupByKey',
    create: (value) => [value],
    mergeValue: (values, value) => {
      values.push(value)
      return values
    },
    mergeCombiners: (a, b) => {
      for (const value of b) a.push(value)
      return a
    },
  }
}

/** Spark's default: the largest partitioner among the inputs, else hashing into the set parallelism, else into the largest input's partition count. */
function choosePartitioner(given: number | Partitioner | undefined, inputs: readonly RDD<unknown>[]): Partitioner {
  if (given !== undefined) return toPartitioner(given, 1)
  const { context } = inputs[0] as RDD<unknown>
  const largest = Math.max(...inputs.map((input) => input.partitionCount))
  let best: Partitioner | undefined
  for (const { partitioner } of inputs) {
    if (partitioner && partitioner.numPartitions > (best?.numPartitions ?? 0)) best = partitioner
  }
  if (best && best.numPartitions * 10 >= largest) return best
  return toPartitioner(undefined, context.hasSetParallelism ? context.defaultParallelism : largest)
}

function joined<K>(
  left: RDD<[K, unknown]>,
  right: RDD<[K, unknown]>,
  operation: string,
  partitions: number | Partitioner | undefined,
  pick: (lists: Lists) => readonly unknown[],
): RDD<[K, unknown]> {
  const groups = left.grouped([right], operation, partitions)
  const wrap = flatMapping<[K, unknown[][]], [K, unknown]>(([key, lists]) => pick(lists).map((value) => [key, value]))
  return new RDD<[K, unknown]>(left.context, new WrapPlan(groups, wrap), { partitioner: groups.partitioner })
}

function cross(left: readonly unknown[] = [], right: readonly unknown[] = []): [unknown, unknown][] {
  return left.flatMap((a) => right.map((b): [unknown, unknown] => [a, b]))
}

function orNone(values: readonly unknown[] | undefined): readonly unknown[] {
  return values && values.length > 0 ? values : [undefined]
}

/** Keeps the records whose draw pleases; the draws depend on the seed, the partition and the place in it alone. */
function chosen<T>(seed: number, pleases: (draw: number, item: T) => boolean): Wrap<T, T> {
  return (push, index) => {
    const draw = seededRandom(seed + Math.imul(index + 1, 0x9e3779b9))
    return (item) => (pleases(draw(), item) ? push(item) : undefined)
  }
}

/** Each record so many times as a Poisson draw says, `mean` on average. */
function repeated<T>(seed: number, mean: (item: T) => number): Wrap<T, T> {
  return (push, index) => {
    const draw = seededRandom(seed + Math.imul(index + 1, 0x9e3779b9))
    return (item) => {
      const limit = Math.exp(-mean(item))
      let times = 0
      for (let product = draw(); product > limit; product *= draw()) times++
      return times === 0 ? undefined : pushArray(new Array<T>(times).fill(item), push)
    }
  }
}

async function preparedIndexes(rdd: RDD<number>): Promise<number[]> {
  await prepare(rdd, rdd.context.runner)
  return indexesOf(rdd)
}

function planParts<T>(plan: Plan<T>): Plan<T> {
  return { partitionCount: plan.partitionCount, parents: plan.parents, run: (index, push) => plan.run(index, push) }
}
