import type { Clock } from './clock.ts'

/** The takes of a channel that wait for events, in the order they came. */
export class Takers {
  readonly #clock: Clock
  readonly #line: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when an event may have come, after `withinMs`, or when the signal aborts; never rejects. */
  wait(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#line.splice(this.#line.indexOf(wake), 1)
        timer.cancel()
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = this.#clock.after(withinMs, wake)
      signal?.addEventListener('abort', wake, { once: true })
      this.#line.push(wake)
    })
  }

  /** Wakes the one that has waited longest: it takes what it can and wakes the next when more is left. */
  wakeOne(): void {
    this.#line[0]?.()
  }

  wakeAll(): void {
    while (this.#line.length > 0) this.wakeOne()
  }
}
