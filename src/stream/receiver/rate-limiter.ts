import type { Clock } from '../../core/clock.ts'

/** Permits that were not used are kept this long, so that a burst after a pause may pass at once. */
const burstMs = 1000

/** Lets records pass one at a time, `rate` a second; without a rate it lets everything pass (B108). */
export class RateLimiter {
  readonly #clock: Clock
  readonly #maxRate: number | undefined
  #rate: number | undefined
  #nextFreeMs: number

  constructor(clock: Clock, initialRate?: number, maxRate?: number) {
    this.#clock = clock
    this.#maxRate = maxRate
    this.#rate = capped(initialRate ?? maxRate, maxRate)
    this.#nextFreeMs = clock.monotonic()
  }

  /** Records a second, or undefined when there is no limit. */
  get rate(): number | undefined {
    return this.#rate
  }

  /** Sets a new rate, capped by the maximum; 0 and less are ignored. */
  update(rate: number): void {
    if (rate > 0) this.#rate = capped(rate, this.#maxRate)
  }

  /** Takes one permit: undefined when it is there, else a promise of it. */
  acquire(): Promise<void> | undefined {
    if (this.#rate === undefined) return undefined
    const nowMs = this.#clock.monotonic()
    const freeMs = Math.max(this.#nextFreeMs, nowMs - burstMs)
    this.#nextFreeMs = freeMs + 1000 / this.#rate
    return freeMs <= nowMs ? undefined : this.#clock.sleep(freeMs - nowMs)
  }
}

function capped(rate: number | undefined, maxRate: number | undefined): number | undefined {
  return rate === undefined || maxRate === undefined ? rate : Math.min(rate, maxRate)
}
