import { homedir } from 'node:os'
import { resolve } from 'node:path'

/** An absolute path; `~` at its beginning is the home directory, as in Flume's own defaults. */
export function homePath(path: string): string {
  return resolve(path.replace(/^~(?=\/|$)/, homedir()))
}
