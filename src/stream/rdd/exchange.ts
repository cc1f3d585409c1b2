import { bytesOf, type Column, decodeList, decodePairs, decodeRecords, encodePairs } from './column.ts'
import { Combined, KeyMap } from './key.ts'
import type { Partitioner } from './partitioner.ts'
import {
  collectPartition,
  type Dataset,
  indexesOf,
  type Leaf,
  type Origin,
  type Plan,
  type Route,
  type Runner,
  type RunOne,
  type Stage,
  type UserFunction,
} from './plan.ts'
import { after, type Items, isThenable, type Push, pushPaced, type Signal } from './push.ts'

/** A partition behind a barrier: records of this thread, or bytes from another. */
type Part<T> = T[] | Column

/** Bytes of a shuffle from which on it is worth to merge them in other threads. */
const remoteMergeBytesMin = 1 << 20

/**
 * A plan with a barrier in it: all partitions of the parents are read first, then its own partitions are there as
 * arrays and stay there, as Spark's shuffle files do, for as long as somebody holds the data set.
 */
abstract class BarrierPlan<T> implements Plan<T> {
  origin: Origin | undefined
  parents: readonly Dataset<unknown>[]
  readonly partitionCount: number
  readonly stage: Stage
  readonly holdsRecords = true
  #partitions: readonly Part<T>[] | undefined
  #preparing: Promise<void> | undefined

  constructor(parents: readonly Dataset<unknown>[], partitionCount: number) {
    this.parents = parents
    this.partitionCount = partitionCount
    const plan = this
    this.stage = {
      get isDone() {
        return plan.#partitions !== undefined
      },
      prepare: (runner) => plan.#prepare(runner),
    }
  }

  /** Reads the parents and answers this plan's partitions. */
  protected abstract build(runner: Runner): Promise<readonly Part<T>[]>

  run(index: number, push: Push<T>): Signal {
    const part = this.#part(index)
    return pushPaced(Array.isArray(part) ? part : (decodeRecords(part) as Items<T>), push)
  }

  /** What was merged in another thread is bytes, and can go to one. */
  leafAt(index: number): Leaf | undefined {
    const part = this.#part(index)
    return Array.isArray(part) ? undefined : { kind: 'column', column: part }
  }

  #part(index: number): Part<T> {
    if (!this.#partitions) throw new Error('a partition was asked for before its stage was run')
    return this.#partitions[index] as Part<T>
  }

  #prepare(runner: Runner): Promise<void> {
    this.#preparing ??= this.build(runner).then(
      (partitions) => {
        this.#partitions = partitions
        this.parents = []
        this.release()
      },
      (error) => {
        this.#preparing = undefined
        throw error
      },
    )
    return this.#preparing
  }

  /** Lets go of what only `build` needed. */
  protected abstract release(): void
}

/** How values of one key become one: `create` for its first value, `mergeValue` for each later one, `mergeCombiners` across partitions. */
export interface Aggregator<V, C> {
  readonly operation: string
  create(value: V): C
  mergeValue(combined: C, value: V): C
  mergeCombiners(a: C, b: C): C
  /** False: values travel as they are and are merged where they arrive, so that `mergeCombiners` is never called (B88). */
  readonly mapSideCombine?: boolean
}

/** The pair halves of a record; throws when it is none. */
export function checkPair(item: unknown, operation: string): asserts item is [unknown, unknown] {
  if (!Array.isArray(item) || item.length !== 2) {
    throw new TypeError(`${operation} needs [key, value] pairs, and got ${describe(item)}`)
  }
}

function describe(item: unknown): string {
  const text = typeof item === 'string' ? JSON.stringify(item) : String(item)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** A result that must be there at once; a promise here is a mistake of the job's author that would only show as `[object Promise]`. */
function synchronous<C>(result: C, operation: string): C {
  if (isThenable(result)) throw new TypeError(`the function given to ${operation} must not be asynchronous`)
  return result
}

/** What one task has combined: here a map, elsewhere a column for each partition of the result. */
type TaskResult<K, C> = Combined<K, C> | readonly Column[]

/** Pairs by the partition of their key, on their way into columns. */
export class Spread {
  readonly #keys: unknown[][]
  readonly #values: unknown[][]
  readonly #partitioner: Partitioner

  constructor(partitioner: Partitioner) {
    const lists = (): unknown[][] => Array.from({ length: partitioner.numPartitions }, () => [])
    this.#keys = lists()
    this.#values = lists()
    this.#partitioner = partitioner
  }

  add(key: unknown, value: unknown): void {
    const index = this.#keys.length === 1 ? 0 : this.#partitioner.getPartition(key)
    this.#keys[index]?.push(key)
    this.#values[index]?.push(value)
  }

  /** One column of pairs for each partition. */
  columns(): Column[] {
    return this.#keys.map((keys, index) => encodePairs(keys, this.#values[index] as unknown[]))
  }
}

function columnsFor({ keys, values }: Combined<unknown, unknown>, partitioner: Partitioner): Column[] {
  if (partitioner.numPartitions === 1) return [encodePairs(keys, values)]
  const spread = new Spread(partitioner)
  for (let i = 0; i < keys.length; i++) spread.add(keys[i], values[i])
  return spread.columns()
}

/** reduceByKey and its family: combined per partition, sent to the partition of the key, combined there. */
export class CombinePlan<K, V, C> extends BarrierPlan<[K, C]> {
  #input: Dataset<[K, V]> | undefined
  readonly #partitioner: Partitioner
  readonly #aggregator: Aggregator<V, C>
  readonly functions: readonly UserFunction[]

  constructor(input: Dataset<[K, V]>, partitioner: Partitioner, aggregator: Aggregator<V, C>) {
    super([input as Dataset<unknown>], partitioner.numPartitions)
    this.#input = input
    this.#partitioner = partitioner
    this.#aggregator = aggregator
    const { create, mergeValue, mergeCombiners } = aggregator
    this.functions = [create, mergeValue, mergeCombiners]
  }

  protected async build(runner: Runner): Promise<readonly Part<[K, C]>[]> {
    const input = this.#input as Dataset<[K, V]>
    if (this.#aggregator.mapSideCombine === false) return this.#combineOnArrival(input, runner)
    const maps = await runner.runPartitions(indexesOf(input), (index): TaskResult<K, C> | Promise<TaskResult<K, C>> => {
      const { origin } = this
      const here = (): Combined<K, C> | Promise<Combined<K, C>> => this.#combined((push) => input.run(index, push))
      const elsewhere = origin && runner.remote?.combine(input as Dataset<unknown>, index, origin)
      return elsewhere ? elsewhere.then((columns) => columns ?? here()) : here()
    })
    return this.#merge(maps, runner)
  }

  /** One column of pairs for each partition of this plan; for tasks of other threads. */
  async combineOver(input: RunOne<[K, V]>): Promise<Column[]> {
    const combined = await this.#combined(input)
    return columnsFor(combined, this.#partitioner)
  }

  #combined(input: RunOne<[K, V]>): Combined<K, C> | Promise<Combined<K, C>> {
    const combined = new Combined<K, C>()
    return after(input(this.#combineInto(combined)), () => combined)
  }

  protected release(): void {
    this.#input = undefined
  }

  #combineInto(combined: Combined<K, C>): Push<[K, V]> {
    const { operation, create, mergeValue } = this.#aggregator
    const { values } = combined
    return (item) => {
      if (!Array.isArray(item) || item.length !== 2) checkPair(item, operation)
      const place = combined.place(item[0])
      if (place === values.length) values.push(synchronous(create(item[1]), operation))
      else values[place] = synchronous(mergeValue(values[place] as C, item[1]), operation)
      return undefined
    }
  }

  async #merge(results: readonly TaskResult<K, C>[], runner: Runner): Promise<readonly Part<[K, C]>[]> {
    const count = this.partitionCount
    const [only] = results
    if (results.length === 1 && count === 1 && only instanceof Combined) return [only.pairs()]
    const elsewhere = await this.#mergeElsewhere(results, runner)
    if (elsewhere) return elsewhere
    const targets = Array.from({ length: count }, () => new Combined<K, C>())
    for (const result of results) {
      if (!(result instanceof Combined)) {
        for (const [index, column] of result.entries()) this.#mergeColumn(targets[index] as Combined<K, C>, column)
        continue
      }
      const { keys, values } = result
      for (let i = 0; i < keys.length; i++) {
        const index = count === 1 ? 0 : this.#partitioner.getPartition(keys[i])
        this.#mergePair(targets[index] as Combined<K, C>, keys[i] as K, values[i] as C)
      }
    }
    return targets.map((target) => target.pairs())
  }

  /** Undefined: it is too little to be worth it, or cannot be. */
  async #mergeElsewhere(
    results: readonly TaskResult<K, C>[],
    runner: Runner,
  ): Promise<readonly Part<[K, C]>[] | undefined> {
    const { origin } = this
    const { remote } = runner
    if (!origin || !remote || this.partitionCount < 2) return undefined
    let bytes = 0
    for (const result of results) {
      if (!(result instanceof Combined)) for (const column of result) bytes += bytesOf(column)
    }
    if (bytes < remoteMergeBytesMin) return undefined
    const columns = results.map((result) =>
      result instanceof Combined ? columnsFor(result, this.#partitioner) : result,
    )
    return runner.runPartitions(indexesOf(this), async (index): Promise<Part<[K, C]>> => {
      const parts = columns.map((each) => each[index] as Column)
      return (await remote.merge(origin, parts)) ?? this.#merged(parts).pairs()
    })
  }

  /** Merges one partition; for tasks of other threads. */
  mergeOver(columns: readonly Column[]): Column {
    const { keys, values } = this.#merged(columns)
    return encodePairs(keys, values)
  }

  #merged(columns: readonly Column[]): Combined<K, C> {
    const target = new Combined<K, C>()
    for (const column of columns) this.#mergeColumn(target, column)
    return target
  }

  #mergeColumn(target: Combined<K, C>, column: Column): void {
    const { keys, values } = decodePairs(column) as { keys: K[]; values: C[] }
    for (let i = 0; i < keys.length; i++) this.#mergePair(target, keys[i] as K, values[i] as C)
  }

  #mergePair(target: Combined<K, C>, key: K, value: C): void {
    const { operation, mergeCombiners } = this.#aggregator
    const { values } = target
    const place = target.place(key)
    if (place === values.length) values.push(value)
    else values[place] = synchronous(mergeCombiners(values[place] as C, value), operation)
  }

  async #combineOnArrival(input: Dataset<[K, V]>, runner: Runner): Promise<[K, C][][]> {
    const parts = await runner.runPartitions(indexesOf(input), (index) => collectPartition(input, index))
    const targets = Array.from({ length: this.partitionCount }, () => new Combined<K, C>())
    const pushes = targets.map((target) => this.#combineInto(target))
    for (const items of parts) {
      for (const item of items) {
        checkPair(item, this.#aggregator.operation)
        pushes[this.#partitioner.getPartition(item[0])]?.(item)
      }
    }
    return targets.map((target) => target.pairs())
  }
}

/** A partition as its records, or by where they go as columns. */
export type Routed<T> =
  | { readonly items: T[]; readonly columns?: undefined }
  | { readonly columns: readonly Column[]; readonly items?: undefined }

/** A partition whose pairs are to go where their keys belong: sorted by another thread, which knows `to`, or as it is. */
export function routed<T>(
  input: Dataset<T>,
  index: number,
  runner: Runner,
  to: Route | undefined,
): Routed<T> | Promise<Routed<T>> {
  const here = (): Routed<T> | Promise<Routed<T>> => {
    const items = collectPartition(input, index)
    return items instanceof Promise ? items.then((all) => ({ items: all })) : { items }
  }
  const elsewhere = to && runner.remote?.route(input as Dataset<unknown>, index, to)
  return elsewhere ? elsewhere.then((columns) => (columns ? { columns } : here())) : here()
}

/** Several pair sets side by side: every key of any of them, with the list of its values from each. */
export class CogroupPlan<K> extends BarrierPlan<[K, unknown[][]]> {
  #inputs: readonly Dataset<[K, unknown]>[]
  readonly #partitioner: Partitioner
  readonly #operation: string

  constructor(inputs: readonly Dataset<[K, unknown]>[], partitioner: Partitioner, operation: string) {
    super(inputs as readonly Dataset<unknown>[], partitioner.numPartitions)
    this.#inputs = inputs
    this.#partitioner = partitioner
    this.#operation = operation
  }

  protected async build(runner: Runner): Promise<[K, unknown[][]][][]> {
    const targets = Array.from({ length: this.partitionCount }, () => new KeyMap<K, unknown[][]>())
    for (const [side, input] of this.#inputs.entries()) {
      const parts = await runner.runPartitions(indexesOf(input), (index) =>
        routed(input, index, runner, this.origin && { at: this.origin, operation: this.#operation }),
      )
      for (const part of parts) {
        if (part.columns) {
          for (const [index, column] of part.columns.entries()) {
            for (const item of decodeList(column) as [K, unknown][]) this.#addTo(targets[index], side, item)
          }
        } else for (const item of part.items) this.#add(targets, side, item)
      }
    }
    return targets.map((target) => target.pairs())
  }

  get partitioner(): Partitioner {
    return this.#partitioner
  }

  protected release(): void {
    this.#inputs = []
  }

  #add(targets: readonly KeyMap<K, unknown[][]>[], side: number, item: [K, unknown]): void {
    checkPair(item, this.#operation)
    this.#addTo(targets[this.#partitioner.getPartition(item[0])], side, item)
  }

  #addTo(target: KeyMap<K, unknown[][]> | undefined, side: number, item: [K, unknown]): void {
    if (!target) throw new RangeError(`the partitioner of ${this.#operation} names a partition that is not there`)
    let lists = target.get(item[0])
    if (!lists) {
      lists = this.#inputs.map(() => [])
      target.set(item[0], lists)
    }
    lists[side]?.push(item[1])
  }
}

/** Every record to the partition that `route` names; records keep their order within it. */
export class RoutePlan<T> extends BarrierPlan<T> {
  #input: Dataset<T> | undefined
  readonly #route: (item: T, inputIndex: number, ordinal: number) => number

  constructor(input: Dataset<T>, partitions: number, route: (item: T, inputIndex: number, ordinal: number) => number) {
    super([input as Dataset<unknown>], partitions)
    this.#input = input
    this.#route = route
  }

  protected async build(runner: Runner): Promise<T[][]> {
    const input = this.#input as Dataset<T>
    const parts = await runner.runPartitions(indexesOf(input), (index) => collectPartition(input, index))
    const targets: T[][] = Array.from({ length: this.partitionCount }, () => [])
    for (const [index, items] of parts.entries()) {
      for (let i = 0; i < items.length; i++) {
        const item = items[i] as T
        targets[this.#route(item, index, i)]?.push(item)
      }
    }
    return targets
  }

  protected release(): void {
    this.#input = undefined
  }
}

/** Whatever needs to see all records at once: a sort, positions. */
export class GatherPlan<T, U> extends BarrierPlan<U> {
  #input: Dataset<T> | undefined
  readonly #arrange: (partitions: T[][]) => U[][]

  constructor(input: Dataset<T>, partitions: number, arrange: (partitions: T[][]) => U[][]) {
    super([input as Dataset<unknown>], partitions)
    this.#input = input
    this.#arrange = arrange
  }

  protected async build(runner: Runner): Promise<U[][]> {
    const input = this.#input as Dataset<T>
    return this.#arrange(await runner.runPartitions(indexesOf(input), (index) => collectPartition(input, index)))
  }

  protected release(): void {
    this.#input = undefined
  }
}
