import type { Severity } from '../../spec/finding.ts'

/** Something to say of an option. */
export interface TlsProblem {
  readonly option: string
  readonly severity: Severity
  readonly code: string
  readonly message: string
  readonly hint?: string
}

/** What `-Dkey=value` and the environment say, for keys that may be left out of the configuration. */
export interface TlsSettings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly properties: ReadonlyMap<string, string>
}
