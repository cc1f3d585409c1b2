/** How much a finding matters: an error keeps the agent from starting, a warning does not, a note is only worth knowing. */
export type Severity = 'error' | 'warning' | 'note'

/** Where in a configuration something stands; line and column count from 1, 0 when there is no such place. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One thing found in a configuration. Configuration never throws for what a user wrote: it collects these. */
export interface Finding extends Place {
  readonly severity: Severity
  /** The key it is about, such as `a1.sources.r1.port`; empty when it is about the file. */
  readonly path: string
  /** A stable word for programs, such as `unknown-key`. */
  readonly code: string
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
}

/** `file:line:column: severity: path: message (hint)`, the line people and editors read. */
export function formatFinding(finding: Finding): string {
  const place = finding.line > 0 ? `${finding.file}:${finding.line}:${finding.column}` : finding.file
  const about = finding.path ? `${finding.path}: ` : ''
  return `${place}: ${finding.severity}: ${about}${finding.message}${finding.hint ? ` (${finding.hint})` : ''}`
}
