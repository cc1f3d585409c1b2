import type { Clock, Timer } from '../../core/clock.ts'

/**
 * Fires at every multiple of a period, counted from the epoch, each with its nominal time: a timer that wakes late
 * fires once for each multiple it missed, back to back, so that none is skipped or merged (B1, B4).
 */
export class RecurringTimer {
  readonly #clock: Clock
  readonly #periodMs: number
  readonly #fire: (timeMs: number) => void
  #timer: Timer | undefined
  #nextMs = 0
  #running = false

  constructor(clock: Clock, periodMs: number, fire: (timeMs: number) => void) {
    this.#clock = clock
    this.#periodMs = periodMs
    this.#fire = fire
  }

  /** The first time at which it would fire when started now: strictly after now. */
  firstMs(): number {
    return (Math.floor(this.#clock.now() / this.#periodMs) + 1) * this.#periodMs
  }

  /** What is due already fires at once. */
  start(firstMs = this.firstMs()): void {
    this.#running = true
    this.#nextMs = firstMs
    this.#wake()
  }

  stop(): void {
    this.#running = false
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#nextMs - this.#clock.now(), () => this.#wake())
  }

  #wake(): void {
    while (this.#running && this.#nextMs <= this.#clock.now()) {
      const timeMs = this.#nextMs
      this.#nextMs += this.#periodMs
      this.#fire(timeMs)
    }
    if (this.#running) this.#arm()
  }
}
