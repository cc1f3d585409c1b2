/** Numbers from `from` up to, not including, `to`. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** A set of whole numbers that grows from 0 upwards, kept as few ranges: all below `floor`, and islands above it. */
export class NumberSet {
  #floor: number
  /** Sorted; they neither touch nor overlap, and all lie above the floor. */
  readonly #islands: { from: number; to: number }[] = []

  constructor(floor = 0) {
    this.#floor = floor
  }

  /** The smallest number that is not in the set. */
  get floor(): number {
    return this.#floor
  }

  /** One more than the largest number in the set. */
  get end(): number {
    return this.#islands.at(-1)?.to ?? this.#floor
  }

  /** What is in the set above the floor. */
  get islands(): readonly Range[] {
    return this.#islands
  }

  add(from: number, to: number): void {
    if (to <= this.#floor || to <= from) return
    if (from <= this.#floor) {
      this.#floor = to
      this.#absorb()
      return
    }
    const islands = this.#islands
    let low = 0
    for (let high = islands.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((islands[middle] as Range).to < from) low = middle + 1
      else high = middle
    }
    let end = low
    const grown = { from, to }
    for (; end < islands.length && (islands[end] as Range).from <= to; end++) {
      const met = islands[end] as Range
      grown.from = Math.min(grown.from, met.from)
      grown.to = Math.max(grown.to, met.to)
    }
    islands.splice(low, end - low, grown)
  }

  addAll(other: NumberSet): void {
    this.add(0, other.floor)
    for (const { from, to } of other.islands) this.add(from, to)
  }

  /** The parts of [from, to) that are not in the set, in order. */
  missing(from: number, to: number): Range[] {
    const parts: Range[] = []
    let at = Math.max(from, this.#floor)
    for (const island of this.#islands) {
      if (island.to <= at) continue
      if (island.from >= to) break
      if (island.from > at) parts.push({ from: at, to: island.from })
      at = Math.max(at, island.to)
    }
    if (at < to) parts.push({ from: at, to })
    return parts
  }

  copy(): NumberSet {
    const copy = new NumberSet()
    copy.addAll(this)
    return copy
  }

  #absorb(): void {
    let count = 0
    for (; count < this.#islands.length; count++) {
      const island = this.#islands[count] as Range
      if (island.from > this.#floor) break
      this.#floor = Math.max(this.#floor, island.to)
    }
    this.#islands.splice(0, count)
  }
}
