/*
 * The folder of a job's checkpoints, on a local disk or any file system that jobs know. Names in it are separated by `/`.
 *
 * - A file has its name only when it is whole: it is written under another one and moved.
 */
import { mkdirSync } from 'node:fs'
import { asError, FlumeError } from '../../core/error.ts'
import { reasonOf } from '../../net/hdfs/file-system.ts'
import { type FileLog, type FileSystem, isLocal, joinPath, locate } from '../files.ts'

/** A log in the folder. */
export type FolderLog = FileLog

export interface WriteOptions {
  /** The bytes are on the disk before the file has its name, where a file system makes the difference. */
  readonly sync: boolean
  /** The name that a file which is in the way is given. */
  readonly keepAs?: string
}

/** Makes the folder of a checkpoint directory if it is on a local disk; others are made by the start. Throws UNSUPPORTED for a file system that nobody knows. */
export function makeLocalFolder(directory: string): void {
  const { files, path } = locate(directory)
  if (!isLocal(files)) return
  try {
    mkdirSync(path, { recursive: true })
  } catch (cause) {
    throw new FlumeError('IO', `cannot make the checkpoint directory ${path}`, { cause })
  }
}

/** True for what a file system answers when there is no such file. */
function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT' || reasonOf(error) === 'missing'
}

/** What is read needs nobody's leave; what is written does. */
export class CheckpointFolder {
  /** As the job gave it. */
  readonly address: string
  readonly #files: FileSystem
  readonly #root: string
  /** Folders that are known to be there. */
  readonly #made = new Set<string>()
  #isTaken = false

  /** Throws UNSUPPORTED for a file system that nobody knows. */
  constructor(directory: string) {
    const { files, path } = locate(directory)
    this.address = directory
    this.#files = files
    this.#root = path
  }

  /** False where a write-ahead log cannot be kept. */
  get keepsLogs(): boolean {
    return this.#files.openLog !== undefined
  }

  get isTaken(): boolean {
    return this.#isTaken
  }

  /** The names in a folder, sorted; none when it does not exist. */
  async names(folder = ''): Promise<string[]> {
    try {
      return (await this.#files.list(this.#path(folder))).map(({ name }) => name)
    } catch (error) {
      if (isMissing(error)) return []
      throw this.#unusable('read', error)
    }
  }

  read(name: string): AsyncIterable<Uint8Array> {
    return this.#files.read(this.#path(name))
  }

  /** Rejects IO for a file that is not there. */
  async sizeOf(name: string): Promise<number> {
    const status = await this.#files.status(this.#path(name))
    if (status) return status.sizeBytes
    throw new FlumeError('IO', `${this.pathOf(name)} does not exist`)
  }

  /** A name as people know it. */
  pathOf(name: string): string {
    return joinPath(this.address, name)
  }

  /** Makes a log that a killed job has left readable to its end. */
  async recover(name: string): Promise<void> {
    await this.#files.recover?.(this.#path(name))
  }

  /** Begins to write. Rejects with what is wrong with the folder, and what to do. */
  async take(): Promise<void> {
    try {
      await this.#files.mkdirs(this.#root)
    } catch (error) {
      throw this.#unusable('use', error)
    }
    this.#isTaken = true
  }

  /** Writes a file; the name has the old content or all of the new. */
  async write(
    name: string,
    { sync, keepAs }: WriteOptions,
    put: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const path = this.#path(name)
    const temporary = `${path}.writing`
    const file = await this.#files.create(temporary)
    try {
      await put((bytes) => file.write(bytes))
    } catch (error) {
      await file.abandon?.().catch(() => undefined)
      throw error
    }
    await file.close({ sync })
    if (keepAs !== undefined) {
      await this.#files.rename(path, this.#path(keepAs)).catch((error) => {
        if (!isMissing(error)) throw error
      })
    }
    await this.#files.rename(temporary, path)
  }

  /** Starts a log, under a name that no other has. */
  async openLog(name: string): Promise<FolderLog> {
    if (!this.#files.openLog) throw new FlumeError('UNSUPPORTED', `${this.address} keeps no write-ahead log`)
    return this.#files.openLog(this.#path(name))
  }

  /** Deletes a file; a missing one is fine. */
  async remove(name: string): Promise<void> {
    await this.#files.delete(this.#path(name))
  }

  /** Moves files and folders into another folder here. */
  async moveInto(folder: string, names: readonly string[]): Promise<void> {
    await this.#makeFolder(folder)
    for (const name of names) await this.#files.rename(this.#path(name), this.#path(`${folder}/${name}`))
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#made.has(folder)) return
    await this.#files.mkdirs(this.#path(folder))
    this.#made.add(folder)
  }

  #path(name: string): string {
    return name === '' ? this.#root : joinPath(this.#root, name)
  }

  #unusable(what: string, thrown: unknown): FlumeError {
    const { message } = asError(thrown)
    const hint = thrown instanceof FlumeError ? thrown.hint : undefined
    return new FlumeError('IO', `cannot ${what} the checkpoint directory ${this.address}: ${message}`, {
      cause: thrown,
      ...(hint !== undefined && { hint }),
    })
  }
}
