import type { Finding, Place, Severity } from '../../spec/finding.ts'

export type Mode = 'normal' | 'strict' | 'lenient'

/** Findings show so much of a long value. */
const quotedMax = 80

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
  /** Texts that no finding may show, the longest first. */
  #hidden: string[] = []

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
    this.#findings.push(this.#hidden.length === 0 ? found : this.#withoutHidden(found))
  }

  /** From now on no finding shows this text, or a word of it. */
  hide(text: string): void {
    const words = text.split(/\s+/)
    // Findings quote texts, and cut long ones.
    const forms = [text, ...words].flatMap((one) => [one, JSON.stringify(one).slice(1, -1), one.slice(0, quotedMax)])
    const hidden = new Set([...this.#hidden, ...forms].filter((one) => one !== ''))
    this.#hidden = [...hidden].sort((one, other) => other.length - one.length)
  }

  #withoutHidden(found: Finding): Finding {
    const { path, message, hint } = found
    const covered = { ...found, path: this.#cover(path), message: this.#cover(message) }
    return hint === undefined ? covered : { ...covered, hint: this.#cover(hint) }
  }

  #cover(text: string): string {
    let covered = text
    for (const one of this.#hidden) {
      // A short one that is part of a longer word is not the secret.
      const before = one.length < 6 ? '(?<![\\p{L}\\p{N}_])' : ''
      const behind = one.length < 6 ? '(?![\\p{L}\\p{N}_])' : ''
      covered = covered.replaceAll(new RegExp(before + escapeRegExp(one) + behind, 'gu'), '•••')
    }
    return covered
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

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
