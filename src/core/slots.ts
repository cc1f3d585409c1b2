import type { Clock, Timer } from './clock.ts'

interface Waiter {
  readonly wanted: number
  readonly settle: (granted: boolean) => void
  timer: Timer | undefined
}

/** A counted supply of slots with waiting in line: first come, first served, each for a bounded time. */
export class Slots {
  readonly #clock: Clock
  readonly #waiting: Waiter[] = []
  #total: number
  #free: number

  constructor(total: number, clock: Clock) {
    this.#clock = clock
    this.#total = total
    this.#free = total
  }

  get total(): number {
    return this.#total
  }

  get used(): number {
    return this.#total - this.#free
  }

  /** What `acquire` would grant at once: nothing while others stand in line. */
  get available(): number {
    return this.#waiting.length > 0 ? 0 : Math.max(0, this.#free)
  }

  /** Takes `wanted` slots, waiting up to `waitMs` for them; resolves to whether it got them. */
  acquire(wanted: number, waitMs: number): boolean | Promise<boolean> {
    if (this.#waiting.length === 0 && this.#free >= wanted) {
      this.#free -= wanted
      return true
    }
    if (waitMs <= 0) return false
    return new Promise((resolve) => {
      const waiter: Waiter = { wanted, settle: resolve, timer: undefined }
      waiter.timer = this.#clock.after(waitMs, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        resolve(false)
        this.#grant()
      })
      this.#waiting.push(waiter)
    })
  }

  /** Takes slots that are in use already, whether they are free or not: nobody gets one until as many have come back. */
  occupy(count: number): void {
    this.#free -= count
  }

  /** Gives slots back. */
  release(count: number): void {
    this.#free += count
    this.#grant()
  }

  /** Adds slots at once. */
  grow(by: number): void {
    this.#total += by
    this.release(by)
  }

  /** Takes slots out of the supply for good, waiting up to `waitMs` until they are free; resolves to whether it did. */
  async shrink(by: number, waitMs: number): Promise<boolean> {
    if (!(await this.acquire(by, waitMs))) return false
    this.#total -= by
    return true
  }

  /** Takes slots out of the supply at once, those in use too: nobody gets one until as many have come back. */
  shrinkNow(by: number): void {
    this.#total -= by
    this.#free -= by
  }

  /** Refuses everyone who waits. */
  refuseAll(): void {
    for (const waiter of this.#waiting.splice(0)) {
      waiter.timer?.cancel()
      waiter.settle(false)
    }
  }

  #grant(): void {
    for (let first = this.#waiting[0]; first && this.#free >= first.wanted; first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#free -= first.wanted
      first.timer?.cancel()
      first.settle(true)
    }
  }
}
