import { FlumeError } from '../core/error.ts'
import { type Disk, readWhole, writeAtomically } from './disk.ts'

/*
 * What an import of real Flume's events leaves in each data directory that it writes to:
 *
 *   <data directory>/flume-import.json   { "format": 1, "state": "begun" | "done", "held": N, "events": N,
 *                                          "from": [DIR, …], "to": [DIR, …], "logs": [{ "name": "log-3", "bytes": N }, …] }
 *
 * Begun: no agent may have the directory, since an import that goes on counts the events that are there. Done: Flume's own
 * logs may lie beside ours, as long as they are those that were imported.
 */
const format = 1
const markFile = 'flume-import.json'
const markBytesMax = 16 * 1024 * 1024

export interface ImportMark {
  readonly format: number
  readonly state: 'begun' | 'done'
  /** Events that the channel held before. */
  readonly held: number
  /** Events imported; 0 as long as it goes on. */
  readonly events: number
  readonly from: readonly string[]
  /** All data directories that it writes to. */
  readonly to: readonly string[]
  /** Flume's logs as they were. */
  readonly logs: readonly { readonly name: string; readonly bytes: number }[]
}

/** Undefined when nothing was ever imported into the directory. */
export async function readImportMark(disk: Disk, directory: string): Promise<ImportMark | undefined> {
  const path = `${directory}/${markFile}`
  const bytes = await readWhole(disk, path, markBytesMax)
  if (!bytes) return undefined
  try {
    const mark = JSON.parse(bytes.toString('utf8')) as ImportMark
    if (mark.format === format && Array.isArray(mark.logs) && Array.isArray(mark.from) && Array.isArray(mark.to))
      return mark
  } catch {
    // Told below.
  }
  throw new FlumeError('INVALID_DATA', `${path} is damaged, or of a newer version`, {
    hint: 'without it nobody knows which events of Apache Flume are in the channel; compare, then remove it',
  })
}

export function writeImportMark(disk: Disk, directory: string, mark: Omit<ImportMark, 'format'>): Promise<void> {
  return writeAtomically(
    disk,
    directory,
    markFile,
    Buffer.from(`${JSON.stringify({ format, ...mark }, undefined, 1)}\n`),
  )
}

/** The command that brings in what real Flume left, to be typed as it is. */
export function importCommand(from: readonly string[], to: readonly string[]): string {
  const quoted = (path: string): string => (/^[\w@%+=:./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`)
  return ['flume-ts channel import', ...from.map((path) => `--from ${quoted(path)}`), ...to.map(quoted)].join(' ')
}
