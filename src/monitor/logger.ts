import { pino } from 'pino'

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
}

/** Logs by pino: one JSON object a line, or readable lines on a terminal. */
export function createLogger({ level = 'info', stream, readable }: LoggerOptions = {}): Logger {
  const target = stream ?? process.stderr
  const asText = readable ?? (stream === undefined && process.stderr.isTTY === true)
  const destination = asText ? { write: (line: string) => target.write(readableLine(line)) } : target
  const root = pino(
    { level, base: null, messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    destination,
  )
  return new PinoLogger(root)
}

/** A logger that says nothing; for tests and for commands that only print. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}

class PinoLogger implements Logger {
  readonly #pino: pino.Logger

  constructor(target: pino.Logger) {
    this.#pino = target
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#pino.debug(fields, message)
  }

  info(message: string, fields: LogFields = {}): void {
    this.#pino.info(fields, message)
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#pino.warn(fields, message)
  }

  error(message: string, fields: LogFields = {}): void {
    this.#pino.error(fields, message)
  }

  child(component: string): Logger {
    return new PinoLogger(this.#pino.child({ component }))
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
