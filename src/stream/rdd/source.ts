import type { FilePart, Leaf, Plan } from './plan.ts'
import { type Items, type Push, pushBlocks, pushPaced, type Signal } from './push.ts'

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

  /** Nothing to send where there is nothing. */
  leafAt(index: number): Leaf | undefined {
    const items = this.#partitions[index] as Items<T>
    return items.length === 0 ? undefined : { kind: 'items', items }
  }
}

/** How the records of a part of a file are read, many at a time. */
export type ReadPart<T> = (part: FilePart) => AsyncIterable<readonly T[]>

/** One partition for each part of a file, each read anew whenever it is needed. */
export class FilesPlan<T> implements Plan<T> {
  readonly parents = []
  readonly #parts: readonly FilePart[]
  readonly #read: ReadPart<T>
  readonly #node: number | undefined

  /** `node`: the operator that reads them so; without one `read` gives the lines of text files. */
  constructor(parts: readonly FilePart[], read: ReadPart<T>, node?: number) {
    this.#parts = parts
    this.#read = read
    this.#node = node
  }

  get partitionCount(): number {
    return this.#parts.length
  }

  run(index: number, push: Push<T>): Signal {
    return pushBlocks(this.#read(this.#parts[index] as FilePart), push)
  }

  leafAt(index: number): Leaf {
    const part = this.#parts[index] as FilePart
    return this.#node === undefined ? { kind: 'text', part } : { kind: 'input', node: this.#node, part }
  }
}

/** Cuts a list as Spark does: slice i holds the items from ⌊i·len/n⌋ up to ⌊(i+1)·len/n⌋. */
export function slice<T>(items: readonly T[], slices: number): T[][] {
  return Array.from({ length: slices }, (_, i) =>
    items.slice(Math.floor((i * items.length) / slices), Math.floor(((i + 1) * items.length) / slices)),
  )
}
