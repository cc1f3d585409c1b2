import { setImmediate } from 'node:timers/promises'
import { type Column, decodePairs, piecesOf } from '../rdd/column.ts'
import { checkPair, type Routed, routed } from '../rdd/exchange.ts'
import type { Partitioner } from '../rdd/partitioner.ts'
import { type Dataset, indexesOf, type Plan, type Runner, type Stage } from '../rdd/plan.ts'
import { isThenable, type Push, pushPaced, type Settled, type Signal, STOP } from '../rdd/push.ts'
import type { StatePartition, StateStore } from './state-store.ts'

/** Records or keys worked on before the event loop gets a turn. */
const turnCount = 16_384

/** Works on items one by one, letting receivers and timers live through a long list. */
export async function paced<T>(items: Iterable<T>, act: (item: T) => void): Promise<void> {
  let count = 0
  for (const item of items) {
    act(item)
    if (++count % turnCount === 0) await setImmediate()
  }
}

/**
 * Pairs that are decoded at a time: V8 keeps longer lists apart from young objects, and what such a list held lives on
 * with it until the next great collection.
 */
const decodedCount = 8192

/** A result that must be there at once. */
export function refusePromise(result: unknown, operation: string): void {
  if (isThenable(result)) throw new TypeError(`the function given to ${operation} must not be asynchronous`)
}

/** Pairs as two lists of one length: nothing is made for a pair itself. */
export interface Pairs<K, V> {
  readonly keys: K[]
  readonly values: V[]
}

/** The pairs of one partition in order. What came as bytes from another thread becomes pairs a few at a time, as it is read. */
export class RoutedPairs<K, V> {
  readonly #runs: (Pairs<K, V> | Column)[] = []
  #last: Pairs<K, V> | undefined

  add(key: K, value: V): void {
    if (!this.#last) {
      this.#last = { keys: [], values: [] }
      this.#runs.push(this.#last)
    }
    this.#last.keys.push(key)
    this.#last.values.push(value)
  }

  addColumn(column: Column): void {
    this.#runs.push(column)
    this.#last = undefined
  }

  *lists(): IterableIterator<Pairs<K, V>> {
    for (const run of this.#runs) {
      if (!('kind' in run)) yield run
      else for (const piece of piecesOf(run, decodedCount)) yield decodePairs(piece) as Pairs<K, V>
    }
  }
}

/** Works on pairs one by one, as `paced`. */
export async function pacedPairs<K, V>(
  pairs: RoutedPairs<K, V> | undefined,
  act: (key: K, value: V) => void,
): Promise<void> {
  let count = 0
  for (const { keys, values } of pairs?.lists() ?? []) {
    for (let i = 0; i < keys.length; i++) {
      act(keys[i] as K, values[i] as V)
      if (++count % turnCount === 0) await setImmediate()
    }
  }
}

/** Every pair to the partition of its key, in order of the input's partitions and of the records in them (B79). */
export async function route<K, V>(
  input: Dataset<[K, V]>,
  node: { readonly id: number; readonly partitioner: Partitioner },
  runner: Runner,
  operation: string,
): Promise<RoutedPairs<K, V>[]> {
  const { partitioner } = node
  const to = { at: { node: node.id }, operation }
  const parts: (Routed<[K, V]> | undefined)[] = await runner.runPartitions(indexesOf(input), (index) =>
    routed(input, index, runner, to),
  )
  const targets = Array.from({ length: partitioner.numPartitions }, () => new RoutedPairs<K, V>())
  const single = partitioner.numPartitions === 1
  for (let i = 0; i < parts.length; i++) {
    const { items, columns } = parts[i] as Routed<[K, V]>
    // Each part is let go as soon as it is spread.
    parts[i] = undefined
    for (const [index, column] of columns?.entries() ?? []) targets[index]?.addColumn(column)
    await paced(items ?? [], (item) => {
      checkPair(item, operation)
      targets[single ? 0 : partitioner.getPartition(item[0])]?.add(item[0], item[1])
    })
  }
  return targets
}

/** Changes the state of one partition and answers what the operator emits for it. */
export type Advance<K, S, R> = (index: number, partition: StatePartition<K, S>) => Promise<R[]>

/**
 * One batch of a stateful operator: waiting, then done. It runs after the step before it, once, and changes the state
 * whole or not at all: a function that throws leaves the state as it was, and whoever asks next tries again.
 */
export class StateStep<K, S, R> implements Stage {
  readonly version: number
  readonly store: StateStore<K, S>
  /** What must be ready first: the input and, until it is done, the step before. Let go once done. */
  parents: readonly Dataset<unknown>[]
  #advance: ((runner: Runner) => Promise<Advance<K, S, R>>) | undefined
  #emitted: readonly R[][] | undefined
  #preparing: Promise<void> | undefined

  constructor(
    store: StateStore<K, S>,
    version: number,
    parents: readonly Dataset<unknown>[],
    advance: (runner: Runner) => Promise<Advance<K, S, R>>,
  ) {
    this.store = store
    this.version = version
    this.parents = parents
    this.#advance = advance
  }

  get isDone(): boolean {
    return this.#emitted !== undefined
  }

  /** What the operator emitted for one partition. */
  emitted(index: number): readonly R[] {
    if (!this.#emitted) throw new Error('a partition was asked for before its stage was run')
    return this.#emitted[index] as readonly R[]
  }

  prepare(runner: Runner): Promise<void> {
    this.#preparing ??= this.#run(runner).catch((error) => {
      this.#preparing = undefined
      throw error
    })
    return this.#preparing
  }

  async #run(runner: Runner): Promise<void> {
    if (!this.#advance) return
    const advance = await this.#advance(runner)
    const { store } = this
    store.begin(this.version)
    try {
      const indexes = store.partitions.map((_, index) => index)
      // A second try would change again what the first has changed.
      const emitted = await runner.runPartitions(
        indexes,
        (index) => advance(index, store.partitions[index] as StatePartition<K, S>),
        false,
      )
      store.commit()
      this.#emitted = emitted
      this.parents = []
      this.#advance = undefined
    } catch (error) {
      store.rollback()
      throw error
    }
  }
}

/** What the operator emitted in a batch. */
export class EmittedPlan<K, S, R> implements Plan<R> {
  readonly partitionCount: number
  readonly stage: StateStep<K, S, R>
  readonly holdsRecords = true

  constructor(step: StateStep<K, S, R>) {
    this.stage = step
    this.partitionCount = step.store.partitions.length
  }

  get parents(): readonly Dataset<unknown>[] {
    return this.stage.parents
  }

  run(index: number, push: Push<R>): Signal {
    return pushPaced(this.stage.emitted(index), push)
  }
}

/** Every key with its state as it was after a batch; read from the store when it is asked for. */
export class StatePlan<K, S, R> implements Plan<[K, S]> {
  readonly partitionCount: number
  readonly stage: StateStep<K, S, R>
  readonly holdsRecords = true

  constructor(step: StateStep<K, S, R>) {
    this.stage = step
    this.partitionCount = step.store.partitions.length
  }

  get parents(): readonly Dataset<unknown>[] {
    return this.stage.parents
  }

  run(index: number, push: Push<[K, S]>): Signal {
    return pushTurning(this.stage.store.pairsAt(index, this.stage.version), push)
  }
}

/** Pushes from an iterator in turns, so that millions of keys do not stop the event loop; stops reading when told to. */
function pushTurning<T>(items: IterableIterator<T>, push: Push<T>): Signal {
  const end = pushSome(items, push)
  if (end === 'done') return undefined
  return end === STOP ? STOP : pushRest(items, push, end)
}

/** How a turn has ended: there is nothing more, the reader has enough, there may be more. */
type TurnEnd = 'done' | typeof STOP | 'more'

async function pushRest<T>(
  items: IterableIterator<T>,
  push: Push<T>,
  first: Promise<TurnEnd> | 'more',
): Promise<Settled> {
  for (let end = await first; ; end = await pushSome(items, push)) {
    if (end !== 'more') return end === STOP ? STOP : undefined
    await setImmediate()
  }
}

function pushSome<T>(items: IterableIterator<T>, push: Push<T>): TurnEnd | Promise<TurnEnd> {
  for (let count = 0; count < turnCount; count++) {
    const step = items.next()
    if (step.done) return 'done'
    const signal = push(step.value)
    if (signal === undefined) continue
    if (signal === STOP) return STOP
    return signal.then((settled) => settled ?? 'more')
  }
  return 'more'
}
