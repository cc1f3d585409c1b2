import { readFileSync } from 'node:fs'
import type { Verb } from './verb.ts'

/** Five lines in the form of Flume's (L-11); what a package from the registry does not know is `Unknown`, as there. */
export const version: Verb = async (_argv, { stdout }) => {
  stdout.write(
    `flume-ts ${packageVersion()}
Source code repository: Unknown
Revision: Unknown
Compiled by Unknown on Unknown
From source with checksum Unknown
`,
  )
  return 0
}

/** The version in package.json, which lies three folders above the compiled file. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
