import type { EventBatch } from '../core/event-batch.ts'

/** Events of the log, in the order of their numbers; `first` is the number of the first of them. */
export interface Slice {
  readonly first: number
  readonly batch: EventBatch
}

/** Slices in order, none overlapping another; a ring, so that neither end costs a copy. */
export class SliceQueue {
  #ring: (Slice | undefined)[] = new Array(64)
  #head = 0
  #length = 0
  #count = 0

  get length(): number {
    return this.#length
  }

  /** Events in it. */
  get count(): number {
    return this.#count
  }

  get first(): Slice | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head]
  }

  push(slice: Slice): void {
    this.#makeRoom()
    this.#ring[(this.#head + this.#length++) & (this.#ring.length - 1)] = slice
    this.#count += slice.batch.count
  }

  unshift(slice: Slice): void {
    this.#makeRoom()
    this.#head = (this.#head - 1) & (this.#ring.length - 1)
    this.#ring[this.#head] = slice
    this.#length++
    this.#count += slice.batch.count
  }

  shift(): Slice | undefined {
    if (this.#length === 0) return undefined
    const slice = this.#ring[this.#head] as Slice
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#length--
    this.#count -= slice.batch.count
    return slice
  }

  /** Slices that were taken out come back to where their numbers belong. */
  putBack(slices: readonly Slice[]): void {
    const merged: Slice[] = []
    for (const slice of slices) {
      while (this.#length > 0 && (this.first as Slice).first < slice.first) merged.push(this.shift() as Slice)
      merged.push(slice)
    }
    for (const slice of merged.toReversed()) this.unshift(slice)
  }

  #makeRoom(): void {
    if (this.#length < this.#ring.length) return
    const size = this.#ring.length
    const grown: (Slice | undefined)[] = new Array(2 * size)
    for (let i = 0; i < size; i++) grown[i] = this.#ring[(this.#head + i) & (size - 1)]
    this.#ring = grown
    this.#head = 0
  }
}
