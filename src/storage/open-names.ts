import { randomBytes } from 'node:crypto'
import { type Disk, type DiskFile, type DiskLock, readWhole, systemCode } from './disk.ts'

/*
 * What a process has open elsewhere, so that another one can tidy up after it. Each holder has a file of its own in a
 * directory that many share, `<16 random digits>.open`, locked by the kernel for as long as the holder lives:
 *
 *     {"version":1,"place":"…","ending":"newline"}     who holds it, in words of the holder's own
 *     +["/logs/a.1.tmp","/logs/a.1"]                   open under the first name, to be called by the second
 *     -"/logs/a.1.tmp"                                 no longer
 *
 * Never: a name open that was not written here, and is on the medium, before; the file of a holder that lives claimed by another.
 * A line that cannot be read was being written when the machine stopped, and nobody relied on it.
 */

export interface OpenName {
  readonly name: string
  /** What it is to be called once it is finished. */
  readonly finalName: string
}

/** What a holder says of itself. */
export type About = Readonly<Record<string, string>>

const suffix = '.open'
/** Longest file that is read. */
const readBytesMax = 256 * 1024 * 1024
/** A file is written anew when it is this large, and four fifths of it are history. */
const rewriteBytes = 1024 * 1024
const staleShare = 5

export interface Claimed {
  /** Each must be closed. */
  readonly claimed: readonly OpenNames[]
  /** Names of wanted holders that live, or that someone else has just claimed. */
  readonly alive: readonly OpenName[]
  /** Why files were left out. */
  readonly problems: readonly unknown[]
}

interface Waiting {
  readonly line: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The open names of one holder. */
export class OpenNames {
  readonly #disk: Disk
  readonly #directory: string
  readonly about: About
  readonly #names: Map<string, string>
  #place: Place | undefined
  #bytes = 0
  #rewriteAtBytes = rewriteBytes
  /** A write has failed: what lies there is unknown, and the next one begins a new file. */
  #isBroken = false
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined

  private constructor(disk: Disk, directory: string, about: About, names: Map<string, string>, place?: Place) {
    this.#disk = disk
    this.#directory = directory
    this.about = about
    this.#names = names
    this.#place = place
  }

  /** Begins a file in the directory, which is made if need be. Rejects when it cannot be written or locked. */
  static async begin(disk: Disk, directory: string, about: About): Promise<OpenNames> {
    await disk.makeDirectory(directory)
    const open = new OpenNames(disk, directory, about, new Map())
    await open.#rewrite()
    return open
  }

  /** Takes over the files of holders that are gone, as far as they are wanted. Rejects when the directory cannot be read. */
  static async claim(
    disk: Disk,
    directory: string,
    isWanted: (about: About, names: readonly OpenName[]) => boolean,
  ): Promise<Claimed> {
    const claimed: OpenNames[] = []
    const alive: OpenName[] = []
    const problems: unknown[] = []
    for (const { name } of await disk.list(directory)) {
      if (!name.endsWith(suffix)) continue
      const path = `${directory}/${name}`
      try {
        // Without a first line it is just being made.
        const found = await readNames(disk, path)
        if (!found || !isWanted(found.about, listOf(found.names))) continue
        const open = await OpenNames.#takeOver(disk, directory, path)
        if (open === 'locked') alive.push(...listOf(found.names))
        else if (open) claimed.push(open)
      } catch (error) {
        problems.push(error)
      }
    }
    return { claimed, alive, problems }
  }

  static async #takeOver(disk: Disk, directory: string, path: string): Promise<OpenNames | 'locked' | undefined> {
    const lock = await disk.lock(path)
    if (!lock) return 'locked'
    try {
      // Its holder may have written, and another claimed and finished it, before it was locked.
      const found = await readNames(disk, path)
      if (found && found.names.size > 0) {
        const file = await disk.openToWrite(path)
        const open = new OpenNames(disk, directory, found.about, found.names, { path, lock, file })
        // Behind the last whole line: what was torn is overwritten.
        open.#bytes = found.bytes
        return open
      }
      await removeIfThere(disk, path)
    } catch (error) {
      await lock.release()
      throw error
    }
    await lock.release()
    return undefined
  }

  /** What is open, the oldest first. */
  get names(): readonly OpenName[] {
    return listOf(this.#names)
  }

  /** Resolves when it is on the medium: the name may be opened then. After a rejection the next write brings it there. */
  async add({ name, finalName }: OpenName): Promise<void> {
    this.#names.set(name, finalName)
    await this.#write(addLine(name, finalName))
  }

  /** Resolves when it is written; what a power failure takes back of that is found out when the name is missing. */
  async remove(name: string): Promise<void> {
    if (this.#names.delete(name)) await this.#write(removeLine(name))
  }

  /** Lets go. Nothing is left behind when nothing is open. */
  async close(): Promise<void> {
    await this.#writing?.catch(() => undefined)
    const place = this.#place
    this.#place = undefined
    if (!place) return
    try {
      await place.file.close()
      if (this.#names.size === 0) await removeIfThere(this.#disk, place.path)
    } finally {
      await place.lock.release()
    }
  }

  /** What comes while a write is under way is written together, and synced once. */
  #write(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject })
      this.#writing ??= this.#writeWaiting()
    })
  }

  async #writeWaiting(): Promise<void> {
    // The others of this turn come along.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const together = this.#waiting.splice(0)
      try {
        await this.#append(together.map(({ line }) => line))
        for (const { resolve } of together) resolve()
      } catch (error) {
        this.#isBroken = true
        for (const { reject } of together) reject(error)
      }
    }
    this.#writing = undefined
  }

  async #append(lines: readonly string[]): Promise<void> {
    const place = this.#place
    if (!place || this.#isBroken || this.#isMostlyHistory()) return this.#rewrite()
    const bytes = Buffer.from(lines.join(''))
    await place.file.write([bytes], this.#bytes)
    if (lines.some((line) => line.startsWith('+'))) await place.file.sync()
    this.#bytes += bytes.length
  }

  #isMostlyHistory(): boolean {
    if (this.#bytes < this.#rewriteAtBytes) return false
    const openBytes = listOf(this.#names).reduce((sum, { name, finalName }) => sum + addLine(name, finalName).length, 0)
    this.#rewriteAtBytes = Math.max(rewriteBytes, 2 * this.#bytes)
    return this.#bytes > staleShare * openBytes
  }

  /** Begins a new file with what is open now, and removes the one before. */
  async #rewrite(): Promise<void> {
    const before = this.#place
    const path = `${this.#directory}/${randomBytes(8).toString('hex')}${suffix}`
    const lock = await this.#disk.lock(path)
    if (!lock) throw new Error(`${path} is locked by someone else`)
    let file: DiskFile | undefined
    try {
      file = await this.#disk.openToWrite(path)
      const lines = listOf(this.#names).map(({ name, finalName }) => addLine(name, finalName))
      const bytes = Buffer.from(`${JSON.stringify({ version: 1, ...this.about })}\n${lines.join('')}`)
      await file.write([bytes], 0)
      await file.sync()
      await this.#disk.syncDirectory(this.#directory)
      this.#place = { path, lock, file }
      this.#bytes = bytes.length
      this.#rewriteAtBytes = Math.max(rewriteBytes, 2 * bytes.length)
      this.#isBroken = false
    } catch (error) {
      await file?.close()
      await removeIfThere(this.#disk, path).catch(() => undefined)
      await lock.release()
      throw error
    }
    if (!before) return
    await before.file.close()
    await removeIfThere(this.#disk, before.path)
    await before.lock.release()
  }
}

interface Place {
  readonly path: string
  readonly lock: DiskLock
  readonly file: DiskFile
}

interface Found {
  readonly about: About
  readonly names: Map<string, string>
  /** Up to the end of the last whole line. */
  readonly bytes: number
}

/** Undefined for what is gone, or has no first line yet. */
async function readNames(disk: Disk, path: string): Promise<Found | undefined> {
  const bytes = await readWhole(disk, path, readBytesMax)
  const whole = bytes ? bytes.lastIndexOf(10) + 1 : 0
  if (!bytes || whole === 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, whole).toString().split('\n')
  const about = parsed(first)
  if (typeof about !== 'object' || about === null || !('version' in about) || about.version !== 1) return undefined
  const names = new Map<string, string>()
  for (const line of lines) {
    const value = parsed(line.slice(1))
    if (line.startsWith('-') && typeof value === 'string') names.delete(value)
    if (!line.startsWith('+') || !Array.isArray(value)) continue
    const [name, finalName] = value as unknown[]
    if (typeof name === 'string' && typeof finalName === 'string') names.set(name, finalName)
  }
  const words = Object.entries(about).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return { about: Object.fromEntries(words), names, bytes: whole }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function addLine(name: string, finalName: string): string {
  return `+${JSON.stringify([name, finalName])}\n`
}

function removeLine(name: string): string {
  return `-${JSON.stringify(name)}\n`
}

function listOf(names: ReadonlyMap<string, string>): OpenName[] {
  return [...names].map(([name, finalName]) => ({ name, finalName }))
}

async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
