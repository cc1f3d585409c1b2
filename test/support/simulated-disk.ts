import type { Random } from '../../src/core/random.ts'
import type { DirectoryEntry, Disk, DiskFile, DiskLock } from '../../src/storage/disk.ts'

/** How often something goes wrong, as a probability of each call. */
export interface Faults {
  readonly write?: number
  readonly noSpace?: number
  readonly sync?: number
  readonly read?: number
  readonly name?: number
}

/** `kill`: the process ends, the system goes on. `power`: what was not synced may be there, or not, or in parts, in any order. */
export type CrashKind = 'kill' | 'power'

interface Inode {
  /** What a reader sees. */
  content: Buffer
  /** What is on the medium for sure. */
  durable: Buffer
  unsynced: { readonly position: number; readonly bytes: Buffer }[]
}

const sectorBytes = 64

/** A disk in memory that fails on request and can crash at any step. Sectors are small, so that small writes tear too. */
export class SimulatedDisk implements Disk {
  readonly #random: Random
  readonly #locked = new Set<string>()
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #unsyncedNames: { readonly directory: string; readonly apply: (names: Map<string, Inode>) => void }[] = []
  #steps = 0
  #crashAt = Number.POSITIVE_INFINITY
  #dead = false
  faults: Faults = {}
  free = Number.MAX_SAFE_INTEGER

  constructor(random: Random) {
    this.#random = random
  }

  /** Steps done so far: each call that a crash could come before, in the middle of, or after. */
  get steps(): number {
    return this.#steps
  }

  get isDead(): boolean {
    return this.#dead
  }

  /** Lets the disk die at its `step`-th step, counted from the beginning. */
  crashAt(step: number): void {
    this.#crashAt = step
  }

  /** The machine as it comes up again; this one answers nothing any more. */
  crash(kind: CrashKind): SimulatedDisk {
    this.#dead = true
    const disk = new SimulatedDisk(this.#random)
    disk.free = this.free
    const names = new Map(kind === 'kill' ? this.#names : this.#durableNames)
    if (kind === 'power') {
      const kept = Math.floor(this.#random() * (this.#unsyncedNames.length + 1))
      for (const { apply } of this.#unsyncedNames.slice(0, kept)) apply(names)
    }
    for (const [path, inode] of names) {
      const content = kind === 'kill' ? Buffer.from(inode.content) : this.#afterPowerFailure(inode)
      disk.#names.set(path, { content, durable: Buffer.from(content), unsynced: [] })
    }
    disk.#durableNames = new Map(disk.#names)
    return disk
  }

  /** The paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#names.keys()].sort()
  }

  contentOf(path: string): Buffer {
    return (this.#names.get(path) as Inode).content
  }

  /** Changes a file behind everyone's back. */
  damage(path: string, change: (content: Buffer) => Buffer): void {
    const inode = this.#names.get(path) as Inode
    inode.content = change(Buffer.from(inode.content))
    inode.durable = Buffer.from(inode.content)
    inode.unsynced = []
  }

  removeFile(path: string): void {
    this.#names.delete(path)
    this.#durableNames.delete(path)
  }

  async create(path: string): Promise<DiskFile> {
    await this.#step(this.faults.name)
    if (this.#names.has(path)) throw systemError('EEXIST')
    const inode: Inode = { content: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] }
    this.#rename(path, (names) => names.set(path, inode))
    return this.#file(path, inode)
  }

  async openToRead(path: string): Promise<DiskFile> {
    await this.#step(this.faults.read)
    const inode = this.#names.get(path)
    if (!inode) throw systemError('ENOENT')
    return this.#file(path, inode)
  }

  openToWrite(path: string): Promise<DiskFile> {
    return this.openToRead(path)
  }

  async list(directory: string): Promise<readonly DirectoryEntry[]> {
    await this.#step()
    return this.paths
      .filter((path) => directoryOf(path) === directory)
      .map((path) => ({ name: path.slice(directory.length + 1), sizeBytes: this.contentOf(path).length }))
  }

  async makeDirectory(): Promise<void> {
    await this.#step()
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#step(this.faults.name)
    const [own, others] = [
      this.#unsyncedNames.filter((change) => change.directory === directory),
      this.#unsyncedNames.filter((change) => change.directory !== directory),
    ]
    for (const { apply } of own) apply(this.#durableNames)
    this.#unsyncedNames = others
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(this.faults.name)
    const inode = this.#names.get(from)
    if (!inode) throw systemError('ENOENT')
    this.#rename(from, (names) => {
      names.delete(from)
      names.set(to, inode)
    })
  }

  async remove(path: string): Promise<void> {
    await this.#step(this.faults.name)
    if (!this.#names.has(path)) throw systemError('ENOENT')
    this.#rename(path, (names) => names.delete(path))
  }

  async freeBytes(): Promise<number> {
    await this.#step()
    return this.free
  }

  async lock(path: string): Promise<DiskLock | undefined> {
    await this.#step()
    if (this.#locked.has(path)) return undefined
    this.#locked.add(path)
    if (!this.#names.has(path)) {
      const inode: Inode = { content: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] }
      this.#rename(path, (names) => names.set(path, inode))
    }
    return {
      release: async () => {
        this.#locked.delete(path)
      },
    }
  }

  #rename(path: string, apply: (names: Map<string, Inode>) => void): void {
    apply(this.#names)
    this.#unsyncedNames.push({ directory: directoryOf(path), apply })
  }

  #file(path: string, inode: Inode): DiskFile {
    return {
      path,
      write: async (chunks, position) => {
        const bytes = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))
        const part = () => bytes.subarray(0, Math.floor(this.#random() * (bytes.length + 1)))
        try {
          await this.#step(this.faults.write)
          if (this.#random() < (this.faults.noSpace ?? 0)) throw systemError('ENOSPC')
        } catch (error) {
          write(inode, position, part())
          throw error
        }
        write(inode, position, bytes)
      },
      read: async (target, position) => {
        await this.#step(this.faults.read)
        return inode.content.copy(target, 0, position, position + target.length)
      },
      sync: async () => {
        try {
          await this.#step(this.faults.sync)
        } catch (error) {
          // As Linux does: some of it is lost, and the next sync would say that all is well.
          inode.durable = this.#afterPowerFailure(inode)
          inode.unsynced = []
          throw error
        }
        inode.durable = Buffer.from(inode.content)
        inode.unsynced = []
      },
      truncate: async (bytes) => {
        await this.#step(this.faults.write)
        inode.content = Buffer.from(inode.content.subarray(0, bytes))
      },
      close: async () => this.#pause(),
    }
  }

  /** Some of the sectors of what was not synced, in whatever order. */
  #afterPowerFailure({ durable, unsynced }: Inode): Buffer {
    const copy: Inode = { content: Buffer.from(durable), durable, unsynced: [] }
    for (const { position, bytes } of unsynced) {
      const fate = this.#random()
      if (fate < 0.25) continue
      if (fate < 0.5) {
        write(copy, position, bytes)
        continue
      }
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + sectorBytes - ((position + at) % sectorBytes))
        if (this.#random() < 0.6) write(copy, position + at, bytes.subarray(at, end))
        at = end
      }
    }
    return copy.content
  }

  async #step(fault = 0): Promise<void> {
    await this.#pause()
    if (this.#dead) throw systemError('EDEAD')
    if (++this.#steps >= this.#crashAt) {
      this.#dead = true
      throw systemError('EDEAD')
    }
    if (fault > 0 && this.#random() < fault) throw systemError('EIO')
  }

  /** A few turns, so that calls overtake each other. */
  async #pause(): Promise<void> {
    for (let turns = Math.floor(this.#random() * 4); turns > 0; turns--) await Promise.resolve()
  }
}

function write(inode: Inode, position: number, bytes: Uint8Array): void {
  const end = position + bytes.length
  if (bytes.length === 0) return
  if (end > inode.content.length)
    inode.content = Buffer.concat([inode.content, Buffer.alloc(end - inode.content.length)])
  inode.content.set(bytes, position)
  inode.unsynced.push({ position, bytes: Buffer.from(bytes) })
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated`), { code })
}
