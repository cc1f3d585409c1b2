import type { Clock } from '../core/clock.ts'
import type { Logger } from '../monitor/logger.ts'

const pauseMs = 1000

/** Warnings about peers that nobody knows, one a second at most: strangers must not fill the log. */
export class StrangerLog {
  readonly #log: Logger
  readonly #clock: Clock
  #saidAtMs = Number.NEGATIVE_INFINITY
  #notSaid = 0

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  warn(message: string): void {
    const nowMs = this.#clock.monotonic()
    if (nowMs - this.#saidAtMs < pauseMs) {
      this.#notSaid++
      return
    }
    this.#log.warn(this.#notSaid > 0 ? `${message} (${this.#notSaid} like it were not logged)` : message)
    this.#saidAtMs = nowMs
    this.#notSaid = 0
  }
}
