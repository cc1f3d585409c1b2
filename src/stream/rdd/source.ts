import type { Plan } from './plan.ts'
import { type Items, type Push, pushAsyncIterable, pushPaced, type Signal } from './push.ts'

/** Partitions that are already there: slices of a list, blocks of a receiver. */
export class ItemsPlan<T> implements Plan<T> {
  readonly parents = []
  readonly holdsRecords = true
  readonly #partitions: readonly Items<T>[]

  constructor(partitions: readonly Items<T>[]) {
    this.#partitions = partitions
  }

  get partitionCount(): number {
    return this.#partitions.length
  }

  /** Records in all partitions. */
  get recordCount(): number {
    return this.#partitions.reduce((sum, items) => sum + items.length, 0)
  }

  run(index: number, push: Push<T>): Signal {
    return pushPaced(this.#partitions[index] as Items<T>, push)
  }
}

/** One partition per reader, each read anew whenever it is needed: the lines of files. */
export class ReaderPlan<T> implements Plan<T> {
  readonly parents = []
  readonly #readers: readonly (() => AsyncIterable<T>)[]

  constructor(readers: readonly (() => AsyncIterable<T>)[]) {
    this.#readers = readers
  }

  get partitionCount(): number {
    return this.#readers.length
  }

  run(index: number, push: Push<T>): Signal {
    return pushAsyncIterable((this.#readers[index] as () => AsyncIterable<T>)(), push)
  }
}

/** Cuts a list as Spark does: slice i holds the items from ⌊i·len/n⌋ up to ⌊(i+1)·len/n⌋. */
export function slice<T>(items: readonly T[], slices: number): T[][] {
  return Array.from({ length: slices }, (_, i) =>
    items.slice(Math.floor((i * items.length) / slices), Math.floor(((i + 1) * items.length) / slices)),
  )
}
