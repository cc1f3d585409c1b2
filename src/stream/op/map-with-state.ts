import { type MaybeRdd, Node } from '../graph/node.ts'
import { KeyMap } from '../rdd/key.ts'
import { HashPartitioner, type Partitioner } from '../rdd/partitioner.ts'
import type { Dataset, Runner } from '../rdd/plan.ts'
import { RDD } from '../rdd/rdd.ts'
import {
  type Advance,
  EmittedPlan,
  paced,
  pacedPairs,
  refusePromise,
  route,
  StatePlan,
  StateStep,
} from '../state/state-step.ts'
import type { StatePartition } from '../state/state-store.ts'
import { type Duration, IllegalArgumentError, require_, Time } from '../time.ts'
import { StateNode, type Step } from './state-node.ts'

/** The state of one key while the function of `mapWithState` runs for one of its records. */
export interface State<S> {
  exists(): boolean
  /** Throws when there is none. */
  get(): S
  getOption(): S | undefined
  /** Throws after `remove`, and while the key is timing out. */
  update(state: S): void
  /** Throws when it was removed already, and while the key is timing out. */
  remove(): void
  /** True in the last call for a key that was idle too long; it has no value, and the state goes away after it. */
  isTimingOut(): boolean
}

class StateHandle<S> implements State<S> {
  #state: S | undefined
  #exists = false
  #change: 'none' | 'updated' | 'removed' | 'timing out' = 'none'

  /** Makes it the state of another key. */
  open(exists: boolean, state: S | undefined, isTimingOut = false): void {
    this.#exists = exists
    this.#state = state
    this.#change = isTimingOut ? 'timing out' : 'none'
  }

  get isUpdated(): boolean {
    return this.#change === 'updated'
  }

  get isRemoved(): boolean {
    return this.#change === 'removed'
  }

  exists(): boolean {
    return this.#exists
  }

  get(): S {
    if (!this.#exists) throw new Error('State is not set')
    return this.#state as S
  }

  getOption(): S | undefined {
    return this.#exists ? this.#state : undefined
  }

  update(state: S): void {
    if (this.#change === 'removed') {
      throw new IllegalArgumentError('requirement failed: Cannot update the state after it has been removed')
    }
    this.#refuseWhileTimingOut('update')
    this.#state = state
    this.#exists = true
    this.#change = 'updated'
  }

  remove(): void {
    if (this.#change === 'removed') {
      throw new IllegalArgumentError('requirement failed: Cannot remove the state as it has already been removed')
    }
    this.#refuseWhileTimingOut('remove')
    this.#state = undefined
    this.#exists = false
    this.#change = 'removed'
  }

  isTimingOut(): boolean {
    return this.#change === 'timing out'
  }

  toString(): string {
    return this.#exists ? String(this.#state) : '<state not set>'
  }

  #refuseWhileTimingOut(what: string): void {
    if (this.#change !== 'timing out') return
    throw new IllegalArgumentError(`requirement failed: Cannot ${what} the state that is timing out`)
  }
}

export type StateFunction<K, V, S, M> = (time: Time, key: K, value: V | undefined, state: State<S>) => M | undefined

interface SpecSettings<K, S> {
  readonly initial?: RDD<[K, S]> | Iterable<readonly [K, S]>
  readonly partitioner?: Partitioner
  readonly timeout?: Duration
}

/** What `mapWithState` is to do; each method answers a new one. */
export class StateSpec<K, V, S, M> {
  readonly run: StateFunction<K, V, S, M>
  readonly emitsAll: boolean
  readonly settings: SpecSettings<K, S>

  private constructor(run: StateFunction<K, V, S, M>, emitsAll: boolean, settings: SpecSettings<K, S>) {
    this.run = run
    this.emitsAll = emitsAll
    this.settings = settings
  }

  /** `f` runs for each record; whatever it answers is emitted, undefined included. */
  static function<K, V, S, M>(f: (key: K, value: V | undefined, state: State<S>) => M): StateSpec<K, V, S, M> {
    return new StateSpec<K, V, S, M>((_, key, value, state) => f(key, value, state), true, {})
  }

  /** `f` runs for each record with the batch time; undefined emits nothing. */
  static functionWithTime<K, V, S, M>(
    f: (time: Time, key: K, value: V | undefined, state: State<S>) => M | undefined,
  ): StateSpec<K, V, S, M> {
    return new StateSpec<K, V, S, M>(f, false, {})
  }

  /** State before the first batch; replaces an earlier setting. */
  initialState(initial: RDD<[K, S]> | Iterable<readonly [K, S]>): StateSpec<K, V, S, M> {
    return this.#with({ initial })
  }

  /** Replaces a partitioner set before. */
  numPartitions(partitions: number): StateSpec<K, V, S, M> {
    return this.partitioner(new HashPartitioner(partitions))
  }

  partitioner(partitioner: Partitioner): StateSpec<K, V, S, M> {
    return this.#with({ partitioner })
  }

  /** A key that no record touched for longer than this gets one last call and goes away. */
  timeout(timeout: Duration): StateSpec<K, V, S, M> {
    require_(timeout.milliseconds > 0, 'a state timeout must be positive')
    return this.#with({ timeout })
  }

  #with(settings: SpecSettings<K, S>): StateSpec<K, V, S, M> {
    return new StateSpec<K, V, S, M>(this.run, this.emitsAll, { ...this.settings, ...settings })
  }
}

const operation = 'mapWithState'

/** mapWithState: the function sees the records one by one, and only keys that have some (B80–B84). */
export class MapWithStateNode<K, V, S, M> extends StateNode<K, S, M> {
  readonly kind = operation
  readonly #parent: Node<[K, V]>
  readonly #spec: StateSpec<K, V, S, M>
  readonly #steps = new WeakMap<RDD<M>, StateStep<K, S, M>>()

  constructor(parent: Node<[K, V]>, spec: StateSpec<K, V, S, M>, partitioner: Partitioner) {
    super(parent.graph, parent as Node<unknown>, partitioner, { keepsIdleLine: spec.settings.timeout !== undefined })
    this.#parent = parent
    this.#spec = spec
  }

  get slideMs(): number {
    return this.#parent.slideMs
  }

  /** Every key with its state, as it is after the batch that emitted `rdd`. */
  snapshot(rdd: RDD<M>): RDD<[K, S]> {
    const step = this.#steps.get(rdd) as StateStep<K, S, M>
    return new RDD<[K, S]>(this.graph.sparkContext, new StatePlan(step), { partitioner: this.partitioner })
  }

  protected async stepAt(timeMs: number, previous: readonly Dataset<unknown>[]): Promise<Step<K, S, M>> {
    const input = await this.#parent.rddAt(timeMs)
    const { initial } = this.#spec.settings
    const start = this.isFirst && initial !== undefined ? this.#asRdd(initial) : undefined
    const parents = [...previous, ...[input, start].filter((one) => one !== undefined)] as Dataset<unknown>[]
    const step = new StateStep<K, S, M>(this.store, this.versionAt(timeMs), parents, (runner) =>
      this.#advance(timeMs, input, start, runner),
    )
    const rdd = new RDD<M>(this.graph.sparkContext, new EmittedPlan<K, S, M>(step))
    this.#steps.set(rdd, step)
    return { step, rdd }
  }

  #asRdd(initial: RDD<[K, S]> | Iterable<readonly [K, S]>): RDD<[K, S]> {
    if (initial instanceof RDD) return initial
    return this.graph.sparkContext.parallelize<[K, S]>(Array.from(initial, ([key, state]): [K, S] => [key, state]))
  }

  async #advance(
    timeMs: number,
    input: RDD<[K, V]> | undefined,
    start: RDD<[K, S]> | undefined,
    runner: Runner,
  ): Promise<Advance<K, S, M>> {
    const routed = input ? await route(input, this, runner, operation) : []
    const before = start ? await route(start, this, runner, operation) : []
    const time = new Time(timeMs)
    return async (index, partition) => {
      const first = new KeyMap<K, S>()
      await pacedPairs(before[index], (key, state) => first.set(key, state))
      await paced(first.pairs(), ([key, state]) => partition.put(partition.open(key), state))
      const emitted: M[] = []
      const handle = new StateHandle<S>()
      await pacedPairs(routed[index], (key, value) => {
        this.#callFor(time, key, value, partition, handle, emitted)
      })
      await this.#timeOut(time, partition, handle, emitted)
      return emitted
    }
  }

  #callFor(time: Time, key: K, value: V, partition: StatePartition<K, S>, handle: StateHandle<S>, emitted: M[]): void {
    const entry = partition.find(key)
    const exists = entry?.exists ?? false
    handle.open(exists, entry?.state)
    this.#emit(this.#spec.run(time, key, value, handle), emitted)
    if (handle.isRemoved) {
      if (entry) partition.remove(entry)
    } else if (handle.isUpdated) partition.put(entry ?? partition.open(key), handle.get())
    // B82: with a timeout, a record that only looks keeps its key alive.
    else if (entry && exists && this.#spec.settings.timeout) partition.touch(entry)
  }

  /** B83, but in every batch: Spark looks for idle keys in every tenth only. */
  async #timeOut(time: Time, partition: StatePartition<K, S>, handle: StateHandle<S>, emitted: M[]): Promise<void> {
    const { timeout } = this.#spec.settings
    if (!timeout) return
    const limit = this.store.writing - timeout.milliseconds / this.graph.batchMs
    await paced(partition.idleSince(limit), (entry) => {
      handle.open(true, entry.state, true)
      this.#emit(this.#spec.run(time, entry.key, undefined, handle), emitted)
      partition.remove(entry)
    })
  }

  #emit(result: M | undefined, emitted: M[]): void {
    refusePromise(result, operation)
    if (result !== undefined || this.#spec.emitsAll) emitted.push(result as M)
  }
}

/** Every key with its state, after each batch. */
export class SnapshotNode<K, V, S, M> extends Node<[K, S]> {
  readonly kind = 'stateSnapshots'
  readonly dependencies: readonly Node<unknown>[]
  readonly #state: MapWithStateNode<K, V, S, M>

  constructor(state: MapWithStateNode<K, V, S, M>) {
    super(state.graph)
    this.#state = state
    this.dependencies = [state as unknown as Node<unknown>]
  }

  get slideMs(): number {
    return this.#state.slideMs
  }

  protected async compute(timeMs: number): Promise<MaybeRdd<[K, S]>> {
    const rdd = await this.#state.rddAt(timeMs)
    return rdd && this.#state.snapshot(rdd)
  }
}
