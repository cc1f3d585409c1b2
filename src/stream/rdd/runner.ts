import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { asError } from '../../core/error.ts'
import type { Remote, Runner } from './plan.ts'

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
 * Runs the tasks of partitions: one after the other while their functions are synchronous, up to `parallelism` at a time
 * when they are not, or when other threads do the work.
 */
export class LocalRunner implements Runner {
  /** The threads of the running job. */
  remote: Remote | undefined
  readonly #parallelism: number
  readonly #clock: Clock
  readonly #tries: number

  /** `tries`: how often a task may run before its failure is that of the job (B56). */
  constructor(parallelism: number, clock: Clock, tries = 1) {
    this.#parallelism = parallelism
    this.#clock = clock
    this.#tries = tries
  }

  async runPartitions<U>(
    indexes: readonly number[],
    task: (index: number) => U | Promise<U>,
    isRepeatable = true,
  ): Promise<U[]> {
    const results = new Array<U>(indexes.length)
    let next = 0
    const lane = async (): Promise<void> => {
      let turnedMs = this.#clock.monotonic()
      while (next < indexes.length) {
        const at = next++
        try {
          const result = this.#try(indexes[at] as number, task, isRepeatable ? this.#tries : 1)
          results[at] = result instanceof Promise ? await result : result
        } catch (thrown) {
          next = indexes.length
          throw thrown
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

  #try<U>(index: number, task: (index: number) => U | Promise<U>, tries: number, tried = 1): U | Promise<U> {
    const again = (thrown: unknown): U | Promise<U> => {
      // What was thrown by a task inside this one has had its tries.
      if (thrown instanceof SparkException || tried >= tries) throw jobAborted(index, tried, thrown)
      return this.#try(index, task, tries, tried + 1)
    }
    let result: U | Promise<U>
    try {
      result = task(index)
    } catch (thrown) {
      return again(thrown)
    }
    return result instanceof Promise ? result.catch(again) : result
  }
}

function jobAborted(partition: number, tried: number, thrown: unknown): SparkException {
  if (thrown instanceof SparkException) return thrown
  const error = asError(thrown)
  const times = tried === 1 ? 'failed' : `failed ${tried} times, most recently`
  return new SparkException(
    `Job aborted due to stage failure: task of partition ${partition} ${times}: ${error.message}`,
    error,
  )
}
