import { inspect } from 'node:util'

/** What went wrong, as a word that programs may test. Messages are for people and may change; codes do not. */
export type ErrorCode =
  | 'CHANNEL_FULL'
  | 'BATCH_TOO_LARGE'
  | 'CLOSED'
  | 'CONNECTION'
  | 'DELIVERY'
  | 'INVALID_DATA'
  | 'INVALID_STATE'
  | 'IO'
  | 'LIMIT'
  | 'PROTOCOL'
  | 'REFUSED'
  | 'TIMEOUT'
  | 'UNSUPPORTED'
  | 'USAGE'

export interface ErrorDetails {
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retry?: boolean
  /** True when whoever asked for it wants the same call tried again without a pause. */
  readonly atOnce?: boolean
  /** What to do about it, in one sentence. */
  readonly hint?: string
  readonly cause?: unknown
}

/** The one error class of the project: a code, whether a retry may help, and a hint. Components throw; only runners decide. */
export class FlumeError extends Error {
  readonly code: ErrorCode
  readonly retry: boolean
  readonly atOnce: boolean
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'FlumeError'
    this.code = code
    this.retry = details.retry ?? false
    this.atOnce = details.atOnce ?? false
    this.hint = details.hint
  }
}

/**
 * What a sink throws when the destination refuses events for what they are, not for the state it is in. The runner takes
 * such events out of the way where a dead-letter channel is configured.
 */
export class RefusedEventsError extends FlumeError {
  /**
   * Places in the batch of the events that can never be delivered; nothing of the batch is taken for delivered then.
   * Undefined: the batch was refused as a whole, perhaps for one of its events; the runner finds out by smaller batches.
   */
  readonly events: readonly number[] | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails & { readonly events?: readonly number[] } = {}) {
    super(code, message, details)
    this.events = details.events
  }
}

/** Any thrown value as an Error, so that callers can read `message`. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  return new Error(typeof thrown === 'string' ? thrown : `${inspect(thrown)} was thrown, which is not an error`)
}

/** One line that says what went wrong, with the hint and the innermost system code (`ECONNREFUSED`), and no stack. */
export function explain(thrown: unknown): string {
  const error = asError(thrown)
  const parts = [error.message || error.name]
  for (let cause = error.cause, depth = 0; cause instanceof Error && depth < 3; cause = cause.cause, depth++) {
    if (cause.message && !parts.some((part) => part.includes(cause.message))) parts.push(cause.message)
  }
  const line = parts.join(': ').replaceAll(/\s*\n\s*/g, ' ')
  return error instanceof FlumeError && error.hint ? `${line} (${error.hint})` : line
}

/** True for the error that an aborted wait throws. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError'
}
