/** What a failed batch was about, for whoever reports the error. */
export interface FailureContext {
  readonly batchTimeMs: number
  /** Such as `print at job.ts:12`; undefined when the batch could not be generated. */
  readonly operation: string | undefined
}

const contexts = new WeakMap<Error, FailureContext>()

/** The batch in which an error that `awaitTermination` threw came about. */
export function failureContextOf(error: Error): FailureContext | undefined {
  return contexts.get(error)
}

/** The meeting point of the running context and those who wait for its end (B54). The latest error stays and is thrown to everyone who asks. */
export class Termination {
  #error: Error | undefined
  #stopped = false
  #waiters: (() => void)[] = []

  fail(error: Error, context?: FailureContext): void {
    if (context) contexts.set(error, context)
    this.#error = error
    this.#wake()
  }

  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  /** Resolves when the context has stopped; rejects with the latest error. */
  async wait(): Promise<void> {
    if (this.#error === undefined && !this.#stopped) await new Promise<void>((resolve) => this.#waiters.push(resolve))
    if (this.#error) throw this.#error
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}
