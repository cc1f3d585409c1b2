/** Growing pauses: the n-th in a row is min(n × incrementMs, maxMs). Flume's source and sink runners use 1000 and 5000 (M-06, M-07). */
export class Backoff {
  readonly #incrementMs: number
  readonly #maxMs: number
  #consecutive = 0

  constructor(incrementMs: number, maxMs: number) {
    this.#incrementMs = incrementMs
    this.#maxMs = maxMs
  }

  /** The next pause in milliseconds. */
  next(): number {
    this.#consecutive++
    return Math.min(this.#consecutive * this.#incrementMs, this.#maxMs)
  }

  reset(): void {
    this.#consecutive = 0
  }
}
