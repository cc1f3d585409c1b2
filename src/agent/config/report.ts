import type { Finding, Place, Severity } from '../../spec/finding.ts'

export type Mode = 'normal' | 'strict' | 'lenient'

export interface Words {
  readonly code: string
  readonly path: string
  readonly message: string
  readonly hint?: string | undefined
}

/** Collects findings and knows what the mode makes of them. */
export class Report {
  readonly mode: Mode
  readonly #findings: Finding[] = []

  constructor(mode: Mode) {
    this.mode = mode
  }

  /** Nothing may start, whatever the mode. */
  fatal(at: Place, words: Words): void {
    this.add(finding('error', at, words))
  }

  /** A part cannot run: nothing starts, or, when lenient, the part is left out as Flume does. */
  error(at: Place, words: Words): void {
    this.add(finding(this.mode === 'lenient' ? 'warning' : 'error', at, words))
  }

  warning(at: Place, words: Words): void {
    this.add(finding('warning', at, words))
  }

  note(at: Place, words: Words): void {
    this.add(finding('note', at, words))
  }

  /** A finding whose severity is settled. */
  add(found: Finding): void {
    this.#findings.push(found)
  }

  /** A finding about a part, an error of which costs only that part when lenient. Answers whether it is an error. */
  addOfPart(found: Finding): boolean {
    const isError = found.severity === 'error'
    this.add(isError && this.mode === 'lenient' ? { ...found, severity: 'warning' } : found)
    return isError
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }
}

function finding(severity: Severity, { file, line, column }: Place, { hint, ...words }: Words): Finding {
  return { severity, file, line, column, ...words, ...(hint === undefined ? {} : { hint }) }
}
