import { pino } from 'pino'
import { systemClock } from '../core/clock.ts'
import { RepeatLimiter, type RepeatLimits } from './repeat-limiter.ts'

/** Fields of a log line; secrets must never be among them. */
export type LogFields = Readonly<Record<string, unknown>>

/** What the project asks of a logger: a message, fields first when there are any. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger whose lines all carry `component`. */
  child(component: string): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LoggerOptions {
  readonly level?: LogLevel
  /** Where lines go; standard error when left out. */
  readonly stream?: { write(line: string): unknown }
  /** Readable lines instead of JSON; by default when standard error is a terminal. */
  readonly readable?: boolean
  /** How often one component may say one thing; ten times in ten seconds when left out. */
  readonly repeats?: RepeatLimits
}

/** A logger that can say at once which lines it held back as repetitions; for the end of the process. */
export interface RootLogger extends Logger {
  flush(): void
}

const repeatsDefault: RepeatLimits = { most: 10, intervalMs: 10_000, clock: systemClock }

/**
 * Logs by pino: one JSON object a line, or readable lines on a terminal. What one component says again and again is
 * written `repeats.most` times per interval, then once with how often it was said; warnings and errors that differ in
 * numbers only are the same.
 */
export function createLogger(options: LoggerOptions = {}): RootLogger {
  const { level = 'info', stream, readable, repeats = repeatsDefault } = options
  const target = stream ?? process.stderr
  const asText = readable ?? (stream === undefined && process.stderr.isTTY === true)
  const destination = asText ? { write: (line: string) => target.write(readableLine(line)) } : target
  const root = pino(
    { level, base: null, messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    destination,
  )
  return new PinoLogger(root, '', new RepeatLimiter(repeats))
}

/** A logger that says nothing; for tests and for commands that only print. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}

class PinoLogger implements RootLogger {
  readonly #pino: pino.Logger
  readonly #component: string
  readonly #limiter: RepeatLimiter

  constructor(target: pino.Logger, component: string, limiter: RepeatLimiter) {
    this.#pino = target
    this.#component = component
    this.#limiter = limiter
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#say('debug', message, fields)
  }

  info(message: string, fields: LogFields = {}): void {
    this.#say('info', message, fields)
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#say('warn', message, fields)
  }

  error(message: string, fields: LogFields = {}): void {
    this.#say('error', message, fields)
  }

  child(component: string): Logger {
    return new PinoLogger(this.#pino.child({ component }), component, this.#limiter)
  }

  flush(): void {
    this.#limiter.flush()
  }

  #say(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields): void {
    if (!this.#pino.isLevelEnabled(level)) return
    // Only complaints: an informative line often is its numbers.
    const words = level === 'warn' || level === 'error' ? message.replaceAll(/\d+/g, '#') : message
    const isWritten = this.#limiter.passes(`${level}\n${this.#component}\n${words}`, (held, intervalMs) =>
      this.#pino[level](fields, `${message} [and ${held} more like it within ${intervalMs / 1000} s]`),
    )
    if (isWritten) this.#pino[level](fields, message)
  }
}

/** `12:03:04.567 WARN  k1: message key=value`: what a person at a terminal reads. */
function readableLine(json: string): string {
  const { level, time, component, message, ...fields } = JSON.parse(json) as Record<string, unknown>
  const clock = new Date(Number(time)).toISOString().slice(11, 23)
  const rest = Object.entries(fields)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('')
  const where = typeof component === 'string' ? `${component}: ` : ''
  return `${clock} ${String(level).toUpperCase().padEnd(5)} ${escapeControls(`${where}${String(message)}${rest}`)}\n`
}

/** Control characters as visible escapes: what a stranger sends must not move the reader's cursor. */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    character === '\t' ? character : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
