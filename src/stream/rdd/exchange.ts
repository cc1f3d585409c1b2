import { KeyMap } from './key.ts'
import type { Partitioner } from './partitioner.ts'
import { collectPartition, type Dataset, indexesOf, type Plan, type Runner, type Stage } from './plan.ts'
import { after, isThenable, type Push, pushPaced, type Signal } from './push.ts'

/**
 * A plan with a barrier in it: all partitions of the parents are read first, then its own partitions are there as
 * arrays and stay there, as Spark's shuffle files do, for as long as somebody holds the data set.
 */
abstract class BarrierPlan<T> implements Plan<T> {
  parents: readonly Dataset<unknown>[]
  readonly partitionCount: number
  readonly stage: Stage
  readonly holdsRecords = true
  #partitions: readonly T[][] | undefined
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
  protected abstract build(runner: Runner): Promise<T[][]>

  run(index: number, push: Push<T>): Signal {
    if (!this.#partitions) throw new Error('a partition was asked for before its stage was run')
    return pushPaced(this.#partitions[index] as T[], push)
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
function checkPair(item: unknown, operation: string): void {
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

/** reduceByKey and its family: combined per partition, sent to the partition of the key, combined there. */
export class CombinePlan<K, V, C> extends BarrierPlan<[K, C]> {
  #input: Dataset<[K, V]> | undefined
  readonly #partitioner: Partitioner
  readonly #aggregator: Aggregator<V, C>

  constructor(input: Dataset<[K, V]>, partitioner: Partitioner, aggregator: Aggregator<V, C>) {
    super([input as Dataset<unknown>], partitioner.numPartitions)
    this.#input = input
    this.#partitioner = partitioner
    this.#aggregator = aggregator
  }

  protected async build(runner: Runner): Promise<[K, C][][]> {
    const input = this.#input as Dataset<[K, V]>
    if (this.#aggregator.mapSideCombine === false) return this.#combineOnArrival(input, runner)
    const maps = await runner.runPartitions(indexesOf(input), (index) => {
      const combined = new KeyMap<K, C>()
      return after(input.run(index, this.#combineInto(combined)), () => combined)
    })
    return this.#merge(maps)
  }

  protected release(): void {
    this.#input = undefined
  }

  #combineInto(combined: KeyMap<K, C>): Push<[K, V]> {
    const { operation, create, mergeValue } = this.#aggregator
    return (item) => {
      if (!Array.isArray(item) || item.length !== 2) checkPair(item, operation)
      const pair = combined.pair(item[0])
      if (pair === undefined) combined.set(item[0], synchronous(create(item[1]), operation))
      else pair[1] = synchronous(mergeValue(pair[1], item[1]), operation)
      return undefined
    }
  }

  #merge(maps: readonly KeyMap<K, C>[]): [K, C][][] {
    const count = this.partitionCount
    if (maps.length === 1 && count === 1) return [(maps[0] as KeyMap<K, C>).pairs()]
    const { operation, mergeCombiners } = this.#aggregator
    const targets = Array.from({ length: count }, () => new KeyMap<K, C>())
    for (const map of maps) {
      for (const [key, value] of map.pairs()) {
        const target = targets[count === 1 ? 0 : this.#partitioner.getPartition(key)] as KeyMap<K, C>
        const pair = target.pair(key)
        if (pair === undefined) target.set(key, value)
        else pair[1] = synchronous(mergeCombiners(pair[1], value), operation)
      }
    }
    return targets.map((target) => target.pairs())
  }

  async #combineOnArrival(input: Dataset<[K, V]>, runner: Runner): Promise<[K, C][][]> {
    const parts = await runner.runPartitions(indexesOf(input), (index) => collectPartition(input, index))
    const targets = Array.from({ length: this.partitionCount }, () => new KeyMap<K, C>())
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
      const parts = await runner.runPartitions(indexesOf(input), (index) => collectPartition(input, index))
      for (const items of parts) for (const item of items) this.#add(targets, side, item)
    }
    return targets.map((target) => target.pairs())
  }

  protected release(): void {
    this.#inputs = []
  }

  #add(targets: readonly KeyMap<K, unknown[][]>[], side: number, item: [K, unknown]): void {
    checkPair(item, this.#operation)
    const target = targets[this.#partitioner.getPartition(item[0])] as KeyMap<K, unknown[][]>
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
