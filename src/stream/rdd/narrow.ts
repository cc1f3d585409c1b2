import {
  collectPartition,
  collectRun,
  type Dataset,
  type Origin,
  type Plan,
  type RunOne,
  type UserFunction,
} from './plan.ts'
import { isAsyncIterable, isThenable, type Push, pushAsyncIterable, pushIterable, type Signal, STOP } from './push.ts'

/** Turns the push of the result into the push of the parent's records; called once per pass over a partition. */
export type Wrap<T, U> = (push: Push<U>, index: number) => Push<T>

/** Record by record: the parent's pass, with one more function in it. Chains of these are one pass. */
export class WrapPlan<T, U> implements Plan<U> {
  origin: Origin | undefined
  readonly parents: readonly Dataset<unknown>[]
  readonly #parent: Dataset<T>
  readonly #wrap: Wrap<T, U>
  readonly functions: readonly UserFunction[]

  /** `functions`: those of the job that `wrap` calls. */
  constructor(parent: Dataset<T>, wrap: Wrap<T, U>, functions: readonly UserFunction[] = []) {
    this.functions = functions
    this.parents = [parent as Dataset<unknown>]
    this.#parent = parent
    this.#wrap = wrap
  }

  get partitionCount(): number {
    return this.#parent.partitionCount
  }

  run(index: number, push: Push<U>): Signal {
    return this.#parent.run(index, this.#wrap(push, index))
  }

  runOver(parent: RunOne<T>, index: number, push: Push<U>): Signal {
    return parent(this.#wrap(push, index))
  }

  sourceOf(index: number): { readonly dataset: Dataset<unknown>; readonly index: number } {
    return { dataset: this.#parent as Dataset<unknown>, index }
  }
}

export function mapping<T, U>(f: (item: T) => U | PromiseLike<U>): Wrap<T, U> {
  return (push) => (item) => {
    const result = f(item)
    return isThenable(result) ? (Promise.resolve(result).then(push) as Signal) : push(result as U)
  }
}

export function flatMapping<T, U>(f: (item: T) => Iterable<U> | PromiseLike<Iterable<U>>): Wrap<T, U> {
  return (push) => (item) => {
    const result = f(item)
    if (Array.isArray(result)) {
      // The common case, kept in this function so that the engine inlines it.
      for (let i = 0; i < result.length; i++) {
        const signal = push(result[i])
        if (signal !== undefined) return continueArray(result, i, push, signal)
      }
      return undefined
    }
    if (isThenable(result))
      return Promise.resolve(result).then((items) => pushIterable(items as Iterable<U>, push)) as Signal
    return pushIterable(result as Iterable<U>, push)
  }
}

function continueArray<U>(items: readonly U[], at: number, push: Push<U>, signal: Exclude<Signal, undefined>): Signal {
  if (signal === STOP) return STOP
  return signal.then((settled) => (settled === STOP ? STOP : pushIterable(items.slice(at + 1), push)))
}

export function filtering<T>(f: (item: T) => unknown): Wrap<T, T> {
  return (push) => (item) => {
    const kept = f(item)
    if (isThenable(kept)) return Promise.resolve(kept).then((answer) => (answer ? push(item) : undefined)) as Signal
    return kept ? push(item) : undefined
  }
}

/** A whole partition at a time; the function gets the records as a list and may answer an iterable or an async one. */
export class PartitionPlan<T, U> implements Plan<U> {
  origin: Origin | undefined
  readonly parents: readonly Dataset<unknown>[]
  readonly #parent: Dataset<T>
  readonly functions: readonly UserFunction[]
  readonly #f: (index: number, items: T[]) => Iterable<U> | AsyncIterable<U> | PromiseLike<Iterable<U>>

  constructor(
    parent: Dataset<T>,
    f: (index: number, items: T[]) => Iterable<U> | AsyncIterable<U> | PromiseLike<Iterable<U>>,
    functions: readonly UserFunction[] = [],
  ) {
    this.parents = [parent as Dataset<unknown>]
    this.#parent = parent
    this.#f = f
    this.functions = functions
  }

  get partitionCount(): number {
    return this.#parent.partitionCount
  }

  run(index: number, push: Push<U>): Signal {
    return this.runOver((each) => this.#parent.run(index, each), index, push)
  }

  runOver(parent: RunOne<T>, index: number, push: Push<U>): Signal {
    const items = collectRun(parent)
    return items instanceof Promise ? items.then((all) => this.#push(index, all, push)) : this.#push(index, items, push)
  }

  sourceOf(index: number): { readonly dataset: Dataset<unknown>; readonly index: number } {
    return { dataset: this.#parent as Dataset<unknown>, index }
  }

  #push(index: number, items: T[], push: Push<U>): Signal {
    const result = this.#f(index, items)
    if (isThenable(result))
      return Promise.resolve(result).then((all) => pushIterable(all as Iterable<U>, push)) as Signal
    if (isAsyncIterable(result)) return pushAsyncIterable(result as AsyncIterable<U>, push)
    return pushIterable(result as Iterable<U>, push)
  }
}

/** All partitions of all parents, one after the other. */
export class UnionPlan<T> implements Plan<T> {
  readonly parents: readonly Dataset<unknown>[]
  readonly partitionCount: number
  readonly #homes: readonly { readonly parent: Dataset<T>; readonly index: number }[]

  constructor(parents: readonly Dataset<T>[]) {
    this.parents = parents as readonly Dataset<unknown>[]
    this.#homes = parents.flatMap((parent) =>
      Array.from({ length: parent.partitionCount }, (_, index) => ({ parent, index })),
    )
    this.partitionCount = this.#homes.length
  }

  run(index: number, push: Push<T>): Signal {
    const home = this.#homes[index]
    return home?.parent.run(home.index, push)
  }

  sourceOf(index: number): { readonly dataset: Dataset<unknown>; readonly index: number } {
    const home = this.#homes[index] as { readonly parent: Dataset<T>; readonly index: number }
    return { dataset: home.parent as Dataset<unknown>, index: home.index }
  }
}

/** Fewer partitions without moving records: partition i is a run of neighbouring parent partitions. */
export class CoalescePlan<T> implements Plan<T> {
  readonly parents: readonly Dataset<unknown>[]
  readonly partitionCount: number
  readonly #parent: Dataset<T>

  constructor(parent: Dataset<T>, partitions: number) {
    this.parents = [parent as Dataset<unknown>]
    this.#parent = parent
    this.partitionCount = Math.min(partitions, parent.partitionCount)
  }

  run(index: number, push: Push<T>): Signal {
    const parents = this.#parent.partitionCount
    const end = Math.floor(((index + 1) * parents) / this.partitionCount)
    const from = (at: number): Signal => {
      for (let i = at; i < end; i++) {
        const signal = this.#parent.run(i, push)
        if (signal === undefined) continue
        if (signal === STOP) return STOP
        return signal.then((settled) => (settled === STOP ? STOP : from(i + 1)))
      }
      return undefined
    }
    return from(Math.floor((index * parents) / this.partitionCount))
  }
}

/** Every pair of partitions of two parents: each record with each record. */
export class CartesianPlan<T, U> implements Plan<[T, U]> {
  readonly parents: readonly Dataset<unknown>[]
  readonly #left: Dataset<T>
  readonly #right: Dataset<U>

  constructor(left: Dataset<T>, right: Dataset<U>) {
    this.parents = [left as Dataset<unknown>, right as Dataset<unknown>]
    this.#left = left
    this.#right = right
  }

  get partitionCount(): number {
    return this.#left.partitionCount * this.#right.partitionCount
  }

  run(index: number, push: Push<[T, U]>): Signal {
    const width = this.#right.partitionCount
    const right = collectPartition(this.#right, index % width)
    const go = (others: U[]): Signal =>
      this.#left.run(Math.floor(index / width), (item) =>
        pushIterable(
          others.map((other): [T, U] => [item, other]),
          push,
        ),
      )
    return right instanceof Promise ? right.then(go) : go(right)
  }
}
