import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import type { JavaPattern } from '../../../codec/java-regex.ts'
import { isLossyName } from '../../../codec/lossy-name.ts'
import type { Clock } from '../../contract.ts'

export type ConsumeOrder = 'oldest' | 'youngest' | 'random'

/** A file that waits: its path as Flume writes it, and that path behind spoolDir. */
export interface Candidate {
  readonly path: string
  readonly relative: string
  readonly name: string
  readonly modifiedMs: number
}

export interface CandidatesParts {
  readonly clock: Clock
  readonly spoolDir: string
  readonly order: ConsumeOrder
  readonly recursive: boolean
  readonly fileSuffix: string
  readonly include: JavaPattern
  readonly ignore: JavaPattern
  /** Where completed files are remembered by markers (trackingPolicy tracker_dir). */
  readonly markerDir: string | undefined
  /** There is a file that cannot be found by the name it is listed with. */
  readonly onLossyName: (path: string) => void
}

/**
 * A listing is good for so long. Flume lists the directory for every file; with ten thousand small ones that is all it
 * does. What comes later than this is seen by the next listing.
 */
const listingAgeMaxMs = 100

/** The files that wait in a spool directory, in the order they are to be read (S-71, S-72). */
export class Candidates {
  readonly #parts: CandidatesParts
  /** Next one last. */
  #waiting: Candidate[] = []
  #listedAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: CandidatesParts) {
    this.#parts = parts
  }

  /** The next file, or undefined when none waits. */
  async next(): Promise<Candidate | undefined> {
    const { clock, order } = this.#parts
    // Listing order goes on until it is used up; the other two want to know of newcomers.
    const isOld = order !== 'random' && clock.monotonic() - this.#listedAtMs >= listingAgeMaxMs
    if (isOld || this.#waiting.length === 0) await this.#list()
    return this.#waiting.pop()
  }

  /** The waiting file of that path, taken out of the line; undefined when it does not wait. */
  async take(path: string): Promise<Candidate | undefined> {
    await this.#list()
    const index = this.#waiting.findIndex((candidate) => candidate.path === path)
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0]
  }

  /** Forgets the listing, so that the next file comes from a new one. */
  forget(): void {
    this.#waiting = []
  }

  async #list(): Promise<void> {
    const { clock, spoolDir, order } = this.#parts
    const found: Candidate[] = []
    await this.#walk(spoolDir, '', found)
    this.#listedAtMs = clock.monotonic()
    if (order !== 'random') found.sort(order === 'oldest' ? byAge : (a, b) => byAge(swapAge(a), swapAge(b)))
    this.#waiting = found.reverse()
  }

  async #walk(dir: string, under: string, found: Candidate[]): Promise<void> {
    const { fileSuffix, include, ignore, order, recursive, markerDir } = this.#parts
    const markers = markerDir === undefined ? undefined : await namesIn(`${markerDir}/${under}`)
    for (const entry of await entriesOf(dir, under !== '')) {
      const { name } = entry
      if (name.startsWith('.')) continue
      const path = `${dir}/${name}`
      const relative = under + name
      if (entry.isDirectory()) {
        if (recursive && !ignore.matches(name)) await this.#walk(path, `${relative}/`, found)
        continue
      }
      if (name.endsWith(fileSuffix) || !include.matches(name) || ignore.matches(name)) continue
      if (markers?.has(name + fileSuffix)) continue
      if (order === 'random' && entry.isFile() && !isLossyName(name))
        found.push({ path, relative, name, modifiedMs: 0 })
      else {
        const status = await stat(path).catch(() => undefined)
        if (status?.isFile()) found.push({ path, relative, name, modifiedMs: Math.floor(status.mtimeMs) })
        else if (!status && isLossyName(name)) this.#parts.onLossyName(path)
      }
    }
  }
}

/** Older first; at the same millisecond the smaller name (S-72). */
function byAge(a: Candidate, b: Candidate): number {
  return a.modifiedMs - b.modifiedMs || compare(a.name, b.name) || compare(a.path, b.path)
}

function swapAge(candidate: Candidate): Candidate {
  return { ...candidate, modifiedMs: -candidate.modifiedMs }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A sub-directory that went away, or may not be read, hides nothing else. */
async function entriesOf(dir: string, mayBeGone: boolean): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true })
  } catch (error) {
    if (mayBeGone) return []
    throw error
  }
}

async function namesIn(dir: string): Promise<ReadonlySet<string>> {
  return new Set(await readdir(dir).catch(() => []))
}
