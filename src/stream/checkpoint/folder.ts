/*
 * The folder of a job's checkpoints, on a local disk or any file system that jobs know. Names in it are separated by `/`.
 *
 *   driver-<writer>      whose folder it is: one running context
 *   writing-<writer>/    what that one has not finished
 *
 * - A file has its name only when it is whole: it is written under `writing-…` and moved.
 * - One context writes at a time, the one that came last. It takes the folder by deleting the `driver-…` of others, then
 *   their `writing-…`, and reads only after that. The others look for their own `driver-…` when a file is whole and before
 *   it is moved, and when a log has grown and before anybody is told: whoever passes that look before its `driver-…` is
 *   gone has its file seen by the new one, or can no longer move it.
 * - A context that certainly runs, in another process of this machine, is not driven out.
 */
import { mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { asError, FlumeError } from '../../core/error.ts'
import { reasonOf } from '../../net/hdfs/file-system.ts'
import { newWriterName, runningElsewhere } from '../../net/hdfs/native/writer-name.ts'
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

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')))
}

/** True for what a file system answers when there is no such file. */
function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT' || reasonOf(error) === 'missing'
}

/** True for an error that is about the way to the files, not about one of them. */
function isAway(error: unknown): boolean {
  return ['unreachable', 'timeout', 'leased', 'denied'].includes(reasonOf(error))
}

/** The folder belongs to another context now, or is gone: nothing may be written, and nothing put out, any more. */
export class FolderLost extends FlumeError {
  constructor(address: string) {
    super(
      'CLOSED',
      `the checkpoint directory ${address} was taken over by another job, or deleted: this one must end`,
      {
        hint: 'let one job run on a checkpoint directory at a time',
      },
    )
  }
}

/** The folder does not answer, or is not to be used by this user: what lies in it is not known, and may be whole. */
export class FolderUnusable extends FlumeError {}

const driverPrefix = 'driver-'
const writingPrefix = 'writing-'
/** Deleting what another context is just writing into may need another try. */
const clearTries = 3

/** What is read needs nobody's leave; what is written does. */
export class CheckpointFolder {
  /** As the job gave it. */
  readonly address: string
  readonly #files: FileSystem
  readonly #root: string
  /** Folders that are known to be there. */
  readonly #made = new Set<string>()
  /** Set while the folder is this context's. */
  #driver: string | undefined
  #count = 0

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
    return this.#driver !== undefined
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

  /** The bytes of a file. Rejects with FolderUnusable when that says nothing about the file. */
  async *read(name: string): AsyncIterable<Uint8Array> {
    try {
      yield* this.#files.read(this.#path(name))
    } catch (error) {
      throw isAway(error) ? this.#unusable('read', error) : error
    }
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

  /** Makes a log that a killed job has left readable to its end. Rejects as `read` does. */
  async recover(name: string): Promise<void> {
    try {
      await this.#files.recover?.(this.#path(name))
    } catch (error) {
      throw isAway(error) ? this.#unusable('read', error) : error
    }
  }

  /** Makes the folder this context's. Rejects with what is wrong with it and what to do; REFUSED while its job runs. */
  async take(): Promise<void> {
    const driver = newWriterName()
    for (const name of await this.names()) {
      const pid = name.startsWith(driverPrefix) ? runningElsewhere(name.slice(driverPrefix.length)) : undefined
      if (pid === undefined) continue
      throw new FlumeError(
        'REFUSED',
        `the checkpoint directory ${this.address} is in use: a job runs on it in process ${pid}`,
        { hint: 'stop that job, or take another directory' },
      )
    }
    try {
      await this.#files.mkdirs(this.#root)
      const file = await this.#files.create(this.#path(driverPrefix + driver))
      await file.write(Buffer.from(`process ${process.pid} on ${hostname()}\n`))
      await file.close()
      // Looked at again: of two that come at the same moment, the later one sees the other.
      const others = (await this.names()).filter((name) => !name.endsWith(driver))
      for (const prefix of [driverPrefix, writingPrefix]) {
        for (const name of others) if (name.startsWith(prefix)) await this.#clear(name)
      }
      this.#driver = driver
      // Two that take it at the same moment drive each other out: at most one of them goes on.
      await this.#check()
    } catch (error) {
      this.#driver = undefined
      throw error instanceof FolderLost ? error : this.#unusable('use', error)
    }
  }

  /** Lets go of the folder; what another has taken, or nothing can be said to, stays as it is. */
  async release(): Promise<void> {
    const driver = this.#driver
    this.#driver = undefined
    if (driver === undefined) return
    try {
      await this.#files.delete(this.#path(writingPrefix + driver))
      await this.#files.delete(this.#path(driverPrefix + driver))
    } catch {
      // The next job takes it from a context that is gone as from one that has gone properly.
    }
  }

  async #clear(name: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#files.delete(this.#path(name))
        return
      } catch (error) {
        if (attempt === clearTries) throw error
      }
    }
  }

  /** Rejects with FolderLost when the folder is no longer this context's. */
  async #check(): Promise<void> {
    if (!(await this.#files.exists(this.#path(driverPrefix + this.#owner)))) throw new FolderLost(this.address)
  }

  get #owner(): string {
    if (this.#driver !== undefined) return this.#driver
    throw new FlumeError('INVALID_STATE', `the checkpoint directory ${this.address} is not taken`)
  }

  /** Writes a file; the name has the old content or all of the new. */
  async write(
    name: string,
    { sync, keepAs }: WriteOptions,
    put: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const path = this.#path(name)
    const temporary = this.#path(`${writingPrefix}${this.#owner}/${++this.#count}`)
    try {
      const file = await this.#files.create(temporary)
      try {
        await put((bytes) => file.write(bytes))
      } catch (error) {
        await file.abandon?.().catch(() => undefined)
        throw error
      }
      await file.close({ sync })
      await this.#makeFolder(parentOf(name))
      await this.#check()
      if (keepAs !== undefined) {
        await this.#files.rename(path, this.#path(keepAs)).catch((error) => {
          if (!isMissing(error)) throw error
        })
      }
      await this.#files.rename(temporary, path)
    } catch (error) {
      await this.#files.delete(temporary).catch(() => undefined)
      throw error
    }
  }

  /** Starts a log, under a name that no other has. */
  async openLog(name: string): Promise<FolderLog> {
    if (!this.#files.openLog) throw new FlumeError('UNSUPPORTED', `${this.address} keeps no write-ahead log`)
    await this.#makeFolder(parentOf(name))
    const log = await this.#files.openLog(this.#path(name))
    return {
      append: async (parts) => {
        await log.append(parts)
        await this.#check()
      },
      close: () => log.close(),
    }
  }

  /** Deletes a file that the last checkpoint written has made needless, for everybody; a missing one is fine. */
  async remove(name: string): Promise<void> {
    await this.#files.delete(this.#path(name))
  }

  /** Moves files and folders into another folder here. */
  async moveInto(folder: string, names: readonly string[]): Promise<void> {
    await this.#makeFolder(folder)
    for (const name of names) await this.#files.rename(this.#path(name), this.#path(`${folder}/${name}`))
  }

  async #makeFolder(folder: string): Promise<void> {
    if (folder === '' || this.#made.has(folder)) return
    await this.#files.mkdirs(this.#path(folder))
    this.#made.add(folder)
  }

  #path(name: string): string {
    return name === '' ? this.#root : joinPath(this.#root, name)
  }

  #unusable(what: string, thrown: unknown): FolderUnusable {
    const { message } = asError(thrown)
    const [, place = ''] = /^([^:/]+:\/\/[^/]*)/.exec(this.address) ?? []
    const hint =
      reasonOf(thrown) === 'unreachable'
        ? `is it running? A webhdfs:// address goes by HTTP, --mount ${place}=./folder takes a local folder`
        : thrown instanceof FlumeError
          ? thrown.hint
          : undefined
    return new FolderUnusable('IO', `cannot ${what} the checkpoint directory ${this.address}: ${message}`, {
      cause: thrown,
      ...(hint !== undefined && { hint }),
    })
  }
}
