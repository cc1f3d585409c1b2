import { main } from '../../src/cli/flume-ts.ts'

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `flume-ts` in this process; what it prints is in the outcome. */
export async function runVerb(...argv: readonly string[]): Promise<Outcome> {
  let out = ''
  let err = ''
  const stdout = {
    write: (text: string) => {
      out += text
    },
  }
  const stderr = {
    write: (text: string) => {
      err += text
    },
  }
  const code = await main(argv, { stdout, stderr, env: {} })
  return { code, out, err }
}
