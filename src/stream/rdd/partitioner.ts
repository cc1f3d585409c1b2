import { IllegalArgumentError } from '../time.ts'
import { hashKey } from './key.ts'

/** Says in which of its partitions a key lives. */
export interface Partitioner {
  readonly numPartitions: number
  /** A number from 0 up to, not including, `numPartitions`; synchronous. */
  getPartition(key: unknown): number
}

/** Spark's default: the non-negative remainder of the key's hash; null goes to partition 0. */
export class HashPartitioner implements Partitioner {
  readonly numPartitions: number

  constructor(partitions: number) {
    if (!Number.isInteger(partitions) || partitions < 0) {
      throw new IllegalArgumentError(`requirement failed: Number of partitions (${partitions}) cannot be negative.`)
    }
    this.numPartitions = partitions
  }

  getPartition(key: unknown): number {
    const remainder = hashKey(key) % this.numPartitions
    return remainder < 0 ? remainder + this.numPartitions : remainder
  }
}

/** A number of partitions, a partitioner, or nothing, as the last argument of every pair operation. */
export function toPartitioner(given: number | Partitioner | undefined, fallback: number): Partitioner {
  if (given === undefined) return new HashPartitioner(Math.max(1, fallback))
  if (typeof given !== 'number') return given
  if (given < 1) throw new IllegalArgumentError(`requirement failed: Number of partitions (${given}) must be positive.`)
  return new HashPartitioner(given)
}
