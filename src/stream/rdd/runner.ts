import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { asError } from '../../core/error.ts'
import type { Runner } from './plan.ts'

/** What an action throws when a function that ran over the records threw: its text contains the function's message, `cause` is what was thrown. */
export class SparkException extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SparkException'
  }
}

/** Milliseconds of work after which the event loop gets a turn between two partitions. */
const turnMs = 10

/**
 * Runs partitions in this process: one after the other while their functions are synchronous, up to `parallelism` at
 * a time when they are not.
 */
export class LocalRunner implements Runner {
  readonly #parallelism: number
  readonly #clock: Clock

  constructor(parallelism: number, clock: Clock) {
    this.#parallelism = parallelism
    this.#clock = clock
  }

  async runPartitions<U>(indexes: readonly number[], task: (index: number) => U | Promise<U>): Promise<U[]> {
    const results = new Array<U>(indexes.length)
    let next = 0
    const lane = async (): Promise<void> => {
      let turnedMs = this.#clock.monotonic()
      while (next < indexes.length) {
        const at = next++
        try {
          const result = task(indexes[at] as number)
          results[at] = result instanceof Promise ? await result : result
        } catch (thrown) {
          next = indexes.length
          throw jobAborted(indexes[at] as number, thrown)
        }
        if (this.#clock.monotonic() - turnedMs >= turnMs) {
          await setImmediate()
          turnedMs = this.#clock.monotonic()
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(this.#parallelism, indexes.length) }, lane))
    return results
  }
}

function jobAborted(partition: number, thrown: unknown): SparkException {
  if (thrown instanceof SparkException) return thrown
  const error = asError(thrown)
  return new SparkException(
    `Job aborted due to stage failure: task of partition ${partition} failed: ${error.message}`,
    error,
  )
}
