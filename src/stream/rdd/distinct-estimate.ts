import { IllegalArgumentError } from '../time.ts'
import { hashKey } from './key.ts'

/** Counts distinct records in a few kilobytes, with a relative error of about 1.04 / √registers (HyperLogLog). */
export class DistinctEstimate {
  readonly #bits: number
  readonly #registers: Uint8Array

  /** Throws for an error that no number of registers gives. */
  constructor(relativeSd: number) {
    if (!(relativeSd > 0.002 && relativeSd < 1))
      throw new IllegalArgumentError(
        `requirement failed: accuracy (${relativeSd}) must be greater than 0.002 and below 1`,
      )
    this.#bits = Math.max(4, Math.ceil(2 * Math.log2(1.04 / relativeSd)))
    this.#registers = new Uint8Array(2 ** this.#bits)
  }

  add(record: unknown): void {
    const hash = mixed(hashKey(record))
    const register = hash >>> (32 - this.#bits)
    const rank = Math.min(Math.clz32(hash << this.#bits), 32 - this.#bits) + 1
    if (rank > (this.#registers[register] as number)) this.#registers[register] = rank
  }

  merge(that: DistinctEstimate): this {
    for (const [i, rank] of that.#registers.entries()) {
      if (rank > (this.#registers[i] as number)) this.#registers[i] = rank
    }
    return this
  }

  get count(): number {
    const m = this.#registers.length
    let sum = 0
    let empty = 0
    for (const rank of this.#registers) {
      sum += 2 ** -rank
      if (rank === 0) empty++
    }
    const raw = ((0.7213 / (1 + 1.079 / m)) * m * m) / sum
    if (raw <= 2.5 * m && empty > 0) return Math.round(m * Math.log(m / empty))
    const all = 2 ** 32
    return Math.round(raw > all / 30 ? -all * Math.log(1 - raw / all) : raw)
  }
}

/** Spreads neighbouring hashes over all bits. */
function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
