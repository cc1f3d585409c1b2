/** Where a verb writes and what it sees of its surroundings. */
export interface Terminal {
  readonly stdout: { write(text: string | Uint8Array): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Answers the exit code: 0 done, 1 the work failed, 2 the command line is wrong. Rejects USAGE for 2. */
export type Verb = (argv: readonly string[], terminal: Terminal) => Promise<number>
