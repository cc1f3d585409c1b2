import type { LogFields, Logger } from '../monitor/logger.ts'
import { IllegalArgumentError } from './time.ts'

const ranks = { ALL: 0, TRACE: 0, DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3, FATAL: 4, OFF: 5 } as const
type LevelName = keyof typeof ranks

interface Threshold {
  rank: number
}

/** A logger whose threshold can be moved while it is in use, by Spark's level names. */
export class LeveledLogger implements Logger {
  readonly #target: Logger
  readonly #threshold: Threshold

  constructor(target: Logger, threshold: Threshold = { rank: ranks.INFO }) {
    this.#target = target
    this.#threshold = threshold
  }

  /** Any case; throws for a word that is no level. */
  setLevel(name: string): void {
    const level = name.toUpperCase()
    if (!Object.hasOwn(ranks, level)) {
      throw new IllegalArgumentError(
        `requirement failed: Supplied level ${name} did not match one of: ${Object.keys(ranks).sort().join(',')}`,
      )
    }
    this.#threshold.rank = ranks[level as LevelName]
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#threshold.rank <= ranks.DEBUG) this.#target.debug(message, fields)
  }

  info(message: string, fields?: LogFields): void {
    if (this.#threshold.rank <= ranks.INFO) this.#target.info(message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#threshold.rank <= ranks.WARN) this.#target.warn(message, fields)
  }

  error(message: string, fields?: LogFields): void {
    if (this.#threshold.rank <= ranks.ERROR) this.#target.error(message, fields)
  }

  child(component: string): Logger {
    return new LeveledLogger(this.#target.child(component), this.#threshold)
  }
}
