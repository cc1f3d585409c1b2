import { IllegalArgumentError } from '../time.ts'
import type { Partitioner } from './partitioner.ts'
import { naturalOrder, type RDD } from './rdd.ts'

/** Keys drawn for each partition to be, to find its borders. */
const drawsPerPartition = 20

/**
 * Partitions by the order of the keys: every key of a partition is below every key of the next one (above it, when
 * descending). Made from a sample of the pairs it shall part, so sizes are about even.
 */
export class RangePartitioner<K> implements Partitioner {
  readonly #borders: readonly K[]
  readonly #sign: number

  /** `borders` are the greatest key of each partition but the last, in ascending order. */
  constructor(borders: readonly K[], ascending = true) {
    for (const [index, border] of borders.entries()) {
      if (index > 0 && naturalOrder(borders[index - 1], border) >= 0)
        throw new IllegalArgumentError('the borders of a RangePartitioner must rise')
    }
    this.#borders = borders
    this.#sign = ascending ? 1 : -1
  }

  /** A partitioner of at most `partitions` ranges for the keys of `rdd`, which is read once. */
  static async of<K, V>(partitions: number, rdd: RDD<[K, V]>, ascending = true): Promise<RangePartitioner<K>> {
    if (!Number.isInteger(partitions) || partitions < 1)
      throw new IllegalArgumentError(`requirement failed: Number of partitions (${partitions}) must be positive.`)
    const drawn = await rdd.keys().takeSample(false, drawsPerPartition * partitions)
    drawn.sort(naturalOrder)
    const borders: K[] = []
    for (let i = 1; i < partitions; i++) {
      const border = drawn[Math.floor((i * drawn.length) / partitions)]
      if (border === undefined || (borders.length > 0 && naturalOrder(borders.at(-1), border) >= 0)) continue
      borders.push(border)
    }
    return new RangePartitioner<K>(borders, ascending)
  }

  get numPartitions(): number {
    return this.#borders.length + 1
  }

  getPartition(key: unknown): number {
    let [low, high] = [0, this.#borders.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (naturalOrder(key, this.#borders[middle]) > 0) low = middle + 1
      else high = middle
    }
    return this.#sign > 0 ? low : this.#borders.length - low
  }
}
