import type { Clock } from '../../core/clock.ts'
import { explain } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'

/** How often a failure that goes on is said again. */
const againAfterMs = 60_000

/** Says a repeated failure once, again when it changes in more than numbers or has gone on for a minute, and once when it is over. */
export class Complaint {
  readonly #log: Logger
  readonly #clock: Clock
  #said = ''
  #saidAtMs = 0
  #failures = 0

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** A failure; `next` says what happens now, such as "trying again every 3 s". */
  failed(error: unknown, next: string): void {
    const line = explain(error)
    // Names with a number or a time in them are new with every try.
    const kind = line.replaceAll(/\d+/g, '0')
    this.#failures++
    if (kind === this.#said && this.#clock.monotonic() - this.#saidAtMs < againAfterMs) return
    this.#said = kind
    this.#saidAtMs = this.#clock.monotonic()
    const times = this.#failures > 1 ? ` [failure ${this.#failures} in a row]` : ''
    this.#log.error(`${line}; ${next}${times}`)
    if (error instanceof Error && error.stack) this.#log.debug(error.stack)
  }

  /** It works; `what` is said only after a failure. */
  worked(what: string): void {
    if (this.#failures === 0) return
    this.#log.info(`${what} after ${this.#failures} ${this.#failures === 1 ? 'failure' : 'failures'}`)
    this.#said = ''
    this.#failures = 0
  }
}
