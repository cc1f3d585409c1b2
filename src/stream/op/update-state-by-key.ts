import type { Node } from '../graph/node.ts'
import { KeyMap } from '../rdd/key.ts'
import type { Partitioner } from '../rdd/partitioner.ts'
import type { Dataset, Runner } from '../rdd/plan.ts'
import { RDD } from '../rdd/rdd.ts'
import {
  type Advance,
  noPairs,
  type Pairs,
  paced,
  refusePromise,
  route,
  StatePlan,
  StateStep,
} from '../state/state-step.ts'
import type { Entry, StatePartition } from '../state/state-store.ts'
import { IllegalArgumentError, Time } from '../time.ts'
import { StateNode, type Step } from './state-node.ts'

/** The new state of a key from the values that came and the state so far; undefined removes the key. */
export type Update<K, V, S> = (time: Time, key: K, values: V[], state: S | undefined) => S | undefined

/** One key as the iterator form sees it. */
export type StateRow<K, V, S> = [key: K, values: V[], state: S | undefined]

/** A whole partition: every key that has state or new values, to every key that shall have state. */
export type UpdateAll<K, V, S> = (rows: Iterable<StateRow<K, V, S>>) => Iterable<readonly [K, S]>

export interface UpdateOptions<K, V, S> {
  readonly update: Update<K, V, S> | { readonly all: UpdateAll<K, V, S>; readonly mayMoveKeys: boolean }
  readonly partitioner: Partitioner
  /** State before the first batch. */
  readonly initial?: RDD<[K, S]> | undefined
}

const operation = 'updateStateByKey'

/** updateStateByKey: in every batch, each key that has state or new values (B75–B79). */
export class UpdateStateNode<K, V, S> extends StateNode<K, S, [K, S]> {
  readonly kind = operation
  readonly #parent: Node<[K, V]>
  readonly #options: UpdateOptions<K, V, S>

  constructor(parent: Node<[K, V]>, options: UpdateOptions<K, V, S>) {
    super(parent.graph, parent as Node<unknown>, options.partitioner)
    this.#parent = parent
    this.#options = options
  }

  get slideMs(): number {
    return this.#parent.slideMs
  }

  protected async stepAt(
    timeMs: number,
    previous: readonly Dataset<unknown>[],
  ): Promise<Step<K, S, [K, S]> | undefined> {
    const input = await this.#parent.rddAt(timeMs)
    // B77: old keys are updated without news; before any data there is nothing to do.
    if (!input && this.isFirst) return undefined
    const initial = this.isFirst ? this.#options.initial : undefined
    const parents = [...previous, ...[input, initial].filter((one) => one !== undefined)] as Dataset<unknown>[]
    const step = new StateStep<K, S, never>(this.store, this.versionAt(timeMs), parents, (runner) =>
      this.#advance(timeMs, input, initial, runner),
    )
    return {
      step,
      rdd: new RDD<[K, S]>(this.graph.sparkContext, new StatePlan(step), { partitioner: this.partitioner }),
    }
  }

  async #advance(
    timeMs: number,
    input: RDD<[K, V]> | undefined,
    initial: RDD<[K, S]> | undefined,
    runner: Runner,
  ): Promise<Advance<K, S, never>> {
    const { update } = this.#options
    const routed = input ? await route(input, this, runner, operation) : []
    const before = initial ? await route(initial, this, runner, operation) : []
    const rows = (index: number, partition: StatePartition<K, S>): Iterable<Row<K, V, S>> =>
      everyRow(partition, routed[index] ?? noPairs, byKey(before[index] ?? noPairs))
    if (typeof update !== 'function') return this.#replace(update, rows, runner)
    const time = new Time(timeMs)
    return async (index, partition) => {
      await paced(rows(index, partition), (row) => {
        const next = update(time, row.key, row.values, row.state)
        refusePromise(next, operation)
        keep(partition, row, next)
      })
      return []
    }
  }

  /** B78: the function sees a whole partition, and says which keys there are. */
  async #replace(
    { all, mayMoveKeys }: { readonly all: UpdateAll<K, V, S>; readonly mayMoveKeys: boolean },
    rows: (index: number, partition: StatePartition<K, S>) => Iterable<Row<K, V, S>>,
    runner: Runner,
  ): Promise<Advance<K, S, never>> {
    const { store, partitioner } = this
    const targets = store.partitions.map(() => new KeyMap<K, S>())
    const indexes = store.partitions.map((_, index) => index)
    await runner.runPartitions(indexes, (index) => {
      for (const [key, state] of all(triples(rows(index, store.partitions[index] as StatePartition<K, S>)))) {
        const home = partitioner.getPartition(key)
        if (home !== index && !mayMoveKeys) {
          throw new IllegalArgumentError(
            `updateStateByKeyIter changed a key to ${String(key)}, which belongs to another partition: set rememberPartitioner to false`,
          )
        }
        targets[home]?.set(key, state)
      }
    })
    return async (index, partition) => {
      const target = targets[index] as KeyMap<K, S>
      await paced(partition.entries(), (entry) => {
        if (!entry.exists) return
        const { key, state } = entry
        keep(partition, { key, state, entry }, target.get(key))
        target.delete(key)
      })
      await paced(target.pairs(), ([key, next]) => keep(partition, { key, state: undefined, entry: undefined }, next))
      return []
    }
  }
}

function byKey<K, S>({ keys, values }: Pairs<K, S>): KeyMap<K, S> {
  const map = new KeyMap<K, S>()
  for (let i = 0; i < keys.length; i++) map.set(keys[i] as K, values[i] as S)
  return map
}

function* triples<K, V, S>(rows: Iterable<Row<K, V, S>>): IterableIterator<StateRow<K, V, S>> {
  for (const { key, values, state } of rows) yield [key, values, state]
}

interface Row<K, V, S> {
  readonly key: K
  readonly values: V[]
  readonly state: S | undefined
  readonly entry: Entry<K, S> | undefined
}

/** Every key that has state, that starts with one, or that has values; each once. */
function* everyRow<K, V, S>(
  partition: StatePartition<K, S>,
  pairs: Pairs<K, V>,
  starts: KeyMap<K, S>,
): IterableIterator<Row<K, V, S>> {
  // Values of a known key wait at its entry: one look-up for each, and none for keys without news.
  const fresh = new KeyMap<K, V[]>()
  for (const entry of partition.entries()) entry.news = undefined
  for (let i = 0; i < pairs.keys.length; i++) {
    const key = pairs.keys[i] as K
    const value = pairs.values[i] as V
    const entry = partition.find(key)
    if (entry?.exists) {
      if (entry.news === undefined) entry.news = [value]
      else (entry.news as V[]).push(value)
      continue
    }
    const pair = fresh.pair(key)
    if (pair) pair[1].push(value)
    else fresh.set(key, [value])
  }
  for (const entry of partition.entries()) {
    if (!entry.exists) continue
    const values = (entry.news as V[] | undefined) ?? []
    entry.news = undefined
    yield { key: entry.key, values, state: entry.state, entry }
  }
  for (const [key, state] of starts.pairs()) {
    yield { key, values: fresh.get(key) ?? [], state, entry: undefined }
    fresh.delete(key)
  }
  for (const [key, values] of fresh.pairs()) yield { key, values, state: undefined, entry: undefined }
}

/** Writes a state down when it is another than before. An object may have been changed inside, so it always counts as changed. */
function keep<K, S>(
  partition: StatePartition<K, S>,
  { key, state, entry }: Pick<Row<K, never, S>, 'key' | 'state' | 'entry'>,
  next: S | undefined,
): void {
  if (next === undefined) {
    if (entry) partition.remove(entry)
  } else if (!entry) partition.put(partition.open(key), next)
  else if (!Object.is(state, next) || typeof next === 'object') partition.put(entry, next)
}
