import { type Clock, sleepOn, type Timer } from '../core/clock.ts'

interface Waiting extends Timer {
  readonly atMs: number
  readonly act: () => void
}

/** A clock that stands still until it is moved. Timers fire in the order of their time, each seeing its own time as `now()`. */
export class ManualClock implements Clock {
  #nowMs: number
  #waiting: Waiting[] = []

  constructor(startMs = 0) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  /** How many timers are armed; a test can wait for this before it moves time. */
  get timerCount(): number {
    return this.#waiting.length
  }

  /** What `now()` says when the next timer fires; undefined when none is armed. Tells a pause from the time limit of a call. */
  get dueMs(): number | undefined {
    return this.#due(Number.POSITIVE_INFINITY)?.atMs
  }

  after(delayMs: number, act: () => void): Timer {
    const waiting: Waiting = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      act,
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
      },
    }
    this.#waiting.push(waiting)
    return waiting
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  /** Moves time forward by `byMs`, firing what falls due on the way and letting promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    await settle()
    for (let next = this.#due(untilMs); next; next = this.#due(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.cancel()
      next.act()
      await settle()
    }
    this.#nowMs = untilMs
  }

  #due(untilMs: number): Waiting | undefined {
    let first: Waiting | undefined
    for (const waiting of this.#waiting) {
      if (waiting.atMs <= untilMs && (!first || waiting.atMs < first.atMs)) first = waiting
    }
    return first
  }
}

/** Lets every promise and immediate that is ready run, without time passing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}
