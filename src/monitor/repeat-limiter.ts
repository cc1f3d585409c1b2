import type { Clock, Timer } from '../core/clock.ts'

export interface RepeatLimits {
  /** Lines of one kind that pass per interval. */
  readonly most: number
  readonly intervalMs: number
  readonly clock: Clock
}

interface Count {
  passed: number
  held: number
  timer: Timer | undefined
  readonly sum: (held: number, intervalMs: number) => void
}

/** Kinds of lines told apart at a time; beyond that the oldest is forgotten, so that strangers cannot fill the memory. */
const kindsMax = 2000

/** Lets the first lines of a kind pass and counts the rest, which come as one line at the end of the interval. */
export class RepeatLimiter {
  readonly #limits: RepeatLimits
  readonly #counts = new Map<string, Count>()

  constructor(limits: RepeatLimits) {
    this.#limits = limits
  }

  /** Whether a line of this kind may be written now; if not, `sum` is called later with how many were held back. */
  passes(kind: string, sum: Count['sum']): boolean {
    const { most, intervalMs, clock } = this.#limits
    let count = this.#counts.get(kind)
    if (!count) {
      if (this.#counts.size >= kindsMax) this.#close(this.#counts.keys().next().value as string)
      const timer = clock.after(intervalMs, () => this.#close(kind))
      count = { passed: 0, held: 0, timer, sum }
      this.#counts.set(kind, count)
    }
    if (count.passed < most) {
      count.passed++
      return true
    }
    count.held++
    return false
  }

  /** Says at once what was held back; for the end of the process. */
  flush(): void {
    for (const kind of [...this.#counts.keys()]) this.#close(kind)
  }

  #close(kind: string): void {
    const count = this.#counts.get(kind)
    if (!count) return
    this.#counts.delete(kind)
    count.timer?.cancel()
    if (count.held > 0) count.sum(count.held, this.#limits.intervalMs)
  }
}
