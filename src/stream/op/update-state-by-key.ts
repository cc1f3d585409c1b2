import type { Node } from '../graph/node.ts'
import { Combined, KeyMap } from '../rdd/key.ts'
import type { Partitioner } from '../rdd/partitioner.ts'
import type { Dataset, Runner } from '../rdd/plan.ts'
import { RDD } from '../rdd/rdd.ts'
import {
  type Advance,
  paced,
  type RoutedPairs,
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
      everyRow(partition, routed[index], byKey(before[index]))
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

function byKey<K, S>(pairs: RoutedPairs<K, S> | undefined): KeyMap<K, S> {
  const map = new KeyMap<K, S>()
  for (const { keys, values } of pairs?.lists() ?? []) {
    for (let i = 0; i < keys.length; i++) map.set(keys[i] as K, values[i] as S)
  }
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

/** Several values of one key, or one that is undefined. */
class Several<V> {
  readonly values: V[]

  constructor(values: V[]) {
    this.values = values
  }
}

/** Values that have come for a key: most keys have one, and no list is made for it until the function is called. */
type News<V> = V | Several<V> | undefined

function withNews<V>(news: News<V>, value: V): News<V> {
  if (news === undefined) return value === undefined ? new Several([value]) : value
  if (!(news instanceof Several)) return new Several([news, value])
  news.values.push(value)
  return news
}

function valuesOf<V>(news: News<V>): V[] {
  if (news === undefined) return []
  return news instanceof Several ? news.values : [news]
}

/** Every key that has state, that starts with one, or that has values; each once. */
function* everyRow<K, V, S>(
  partition: StatePartition<K, S>,
  pairs: RoutedPairs<K, V> | undefined,
  starts: KeyMap<K, S>,
): IterableIterator<Row<K, V, S>> {
  // Values of a known key wait at its entry: one look-up for each, and none for keys without news.
  const fresh = new Combined<K, News<V>>()
  for (const entry of partition.entries()) entry.news = undefined
  for (const { keys, values } of pairs?.lists() ?? []) {
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as K
      const value = values[i] as V
      const entry = partition.find(key)
      if (entry?.exists) {
        entry.news = withNews(entry.news as News<V>, value)
        continue
      }
      const place = fresh.place(key)
      fresh.values[place] = withNews(fresh.values[place], value)
    }
  }
  for (const entry of partition.entries()) {
    if (!entry.exists) continue
    const values = valuesOf(entry.news as News<V>)
    entry.news = undefined
    yield { key: entry.key, values, state: entry.state, entry }
  }
  for (const [key, state] of starts.pairs()) {
    const place = fresh.find(key)
    yield { key, values: place === undefined ? [] : valuesOf(fresh.values[place]), state, entry: undefined }
  }
  for (let i = 0; i < fresh.keys.length; i++) {
    const key = fresh.keys[i] as K
    if (!starts.has(key)) yield { key, values: valuesOf(fresh.values[i]), state: undefined, entry: undefined }
  }
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
