import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import type { JavaPattern } from '../../../codec/java-regex.ts'
import { isLossyName } from '../../../codec/lossy-name.ts'
import { type Clock, FlumeError } from '../../contract.ts'

/** A file as the directory shows it now. */
export interface Found {
  /** Device and inode. */
  readonly key: string
  /** As Java has it: a signed long. */
  readonly inode: bigint
  readonly path: string
  readonly modifiedMs: number
  readonly size: number
}

/** A directory whose time of change lies so close to the listing may have changed again without showing it. */
const coarseTimeMs = 2000

/** The files of one group: those in a directory whose name matches a pattern. */
export class Matcher {
  readonly directory: string
  readonly #pattern: JavaPattern
  readonly #clock: Clock
  readonly #cached: boolean
  readonly #onLossyName: (path: string) => void
  #listedMtimeMs: number | undefined
  #listedAtMs = 0
  #names: string[] = []

  constructor(
    directory: string,
    pattern: JavaPattern,
    clock: Clock,
    cached: boolean,
    onLossyName: (path: string) => void,
  ) {
    this.directory = directory
    this.#pattern = pattern
    this.#clock = clock
    this.#cached = cached
    this.#onLossyName = onLossyName
  }

  /** The group's files, the one that changed longest ago first (S-90). Rejects IO when the directory cannot be read. */
  async find(): Promise<Found[]> {
    try {
      await this.#list()
    } catch (cause) {
      throw new FlumeError('IO', `the directory ${this.directory} cannot be read`, { cause, retry: true })
    }
    const found: Found[] = []
    for (const name of this.#names) {
      const path = `${this.directory}/${name}`.replace(/^\/\//, '/')
      const file = await look(path)
      if (file) found.push(file)
      else if (isLossyName(name)) this.#onLossyName(path)
    }
    return found.sort((one, other) => one.modifiedMs - other.modifiedMs)
  }

  async #list(): Promise<void> {
    const { mtimeMs } = await stat(this.directory)
    const isKnown = this.#cached && mtimeMs === this.#listedMtimeMs && mtimeMs < this.#listedAtMs - coarseTimeMs
    if (isKnown) return
    this.#listedAtMs = this.#clock.now()
    this.#names = (await readdir(this.directory)).filter((name) => this.#pattern.matches(name))
    this.#listedMtimeMs = mtimeMs
  }
}

/** What is at a path, if it is a file. */
export async function look(path: string): Promise<Found | undefined> {
  const status = await stat(path, { bigint: true }).catch(() => undefined)
  return status?.isFile() ? foundOf(path, status) : undefined
}

/** The file of that inode, whatever it is called now; undefined when the directory has none. */
export async function findInode(directory: string, inode: bigint): Promise<Found | undefined> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    const file = await look(`${directory}/${name}`)
    if (file?.inode === inode) return file
  }
  return undefined
}

function foundOf(path: string, { dev, ino, mtimeNs, size }: BigIntStats): Found {
  return {
    key: `${dev}:${ino}`,
    inode: BigInt.asIntN(64, ino),
    path,
    modifiedMs: Number(mtimeNs) / 1e6,
    size: Number(size),
  }
}
