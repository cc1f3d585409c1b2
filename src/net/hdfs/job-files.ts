import { type Clock, systemClock } from '../../core/clock.ts'
import { keepAlive } from '../../core/keep-alive.ts'
import { leasePatienceMs } from './committed-file.ts'
import { type FileStatus, type FileSystem, FileSystemError, type OpenFile } from './file-system.ts'

/** Bytes that wait before they are sent on: an append over WebHDFS costs up to half a second, whatever its size. */
const chunkBytes = 8 * 1024 * 1024
/** Between two questions whether a dead writer's file is closed. */
const recoveryPauseMs = 250

export interface JobFileEntry {
  readonly path: string
  readonly name: string
  readonly isDirectory: boolean
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** A file that is being written. */
export interface JobFileWriter {
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when every byte is there for other readers; rejects when it is not. */
  close(): Promise<void>
  /** Lets go of a file whose writing has failed; what was sent of it stays. */
  abandon(): Promise<void>
}

/** A file that grows as long as it is open. */
export interface JobFileLog {
  /** Resolves when every reader can see the bytes. After a rejection the file takes no more. */
  append(parts: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
}

/** Keeps the process alive while something is done: a job may wait for HDFS and for nothing else, such as in a pause before another try. */
async function held<T>(act: () => Promise<T>): Promise<T> {
  const release = keepAlive()
  try {
    return await act()
  } finally {
    release()
  }
}

/** A file system as streaming jobs use it: files written and read from end to end, output that replaces older output. */
export class JobFiles {
  readonly #fileSystem: FileSystem
  readonly #clock: Clock

  constructor(fileSystem: FileSystem, clock: Clock = systemClock) {
    this.#fileSystem = fileSystem
    this.#clock = clock
  }

  mkdirs(path: string): Promise<void> {
    return held(() => this.#fileSystem.mkdirs(path))
  }

  /** Starts a file afresh, replacing one of that name: when its first bytes are sent. Nothing is promised about it before `close`. */
  async create(path: string): Promise<JobFileWriter> {
    return new Writer(this.#fileSystem, path)
  }

  /** Starts a file that grows, replacing one of that name: when its first bytes are sent. */
  async openLog(path: string): Promise<JobFileLog> {
    return new Log(this.#fileSystem, path)
  }

  /**
   * Closes a file that a writer has left open, dead or not, so that all that was confirmed can be read; that takes HDFS up
   * to some seconds. Rejects when it is not closed after a minute and a half.
   */
  async recover(path: string): Promise<void> {
    const untilMs = this.#clock.monotonic() + leasePatienceMs
    await held(async () => {
      while (!(await this.#fileSystem.recover(path, { force: true }))) {
        if (this.#clock.monotonic() > untilMs) throw new FileSystemError('leased', `${path} is still being written`)
        await this.#clock.sleep(recoveryPauseMs)
      }
    })
  }

  /** Moves a file or folder, replacing a file that is in the way. */
  async rename(from: string, to: string): Promise<void> {
    await held(() => this.#fileSystem.rename(from, to, { overwrite: true }))
  }

  async exists(path: string): Promise<boolean> {
    return (await held(() => this.#fileSystem.status(path))) !== undefined
  }

  /** The entries of a folder, sorted by name; rejects when there is no such folder. */
  async list(path: string): Promise<JobFileEntry[]> {
    return (await held(() => this.#fileSystem.list(path))).map(entryOf)
  }

  async status(path: string): Promise<JobFileEntry | undefined> {
    const status = await held(() => this.#fileSystem.status(path))
    return status && entryOf(status)
  }

  /** Deletes a file or a whole folder; a missing one is fine. */
  async delete(path: string): Promise<void> {
    await held(() => this.#fileSystem.delete(path, { recursive: true }))
  }

  /** The bytes of a file in order. */
  async *read(path: string): AsyncGenerator<Uint8Array> {
    for (let offset = 0; ; ) {
      const from = offset
      const chunk = await held(() => this.#fileSystem.read(path, from, chunkBytes))
      if (chunk.length > 0) yield chunk
      if (chunk.length < chunkBytes) return
      offset += chunk.length
    }
  }
}

class Writer implements JobFileWriter {
  readonly #fileSystem: FileSystem
  readonly #path: string
  #file: OpenFile | undefined
  #waiting: Uint8Array[] = []
  #waitingBytes = 0

  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem
    this.#path = path
  }

  async write(bytes: Uint8Array): Promise<void> {
    // Copied, since the caller may use its buffer again; slice() of a Buffer would not.
    this.#waiting.push(new Uint8Array(bytes))
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= chunkBytes) await this.#send()
  }

  async close(): Promise<void> {
    // What fits into one chunk is one call where calls are dear.
    const file = this.#file
    if (!file) return held(() => this.#fileSystem.create(this.#path, this.#take(), { overwrite: true }))
    if (this.#waitingBytes > 0) await this.#send()
    await this.#orLetGo(() => file.close())
  }

  async abandon(): Promise<void> {
    this.#file?.abandon()
  }

  #take(): readonly Uint8Array[] {
    const parts = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    return parts
  }

  async #send(): Promise<void> {
    const file = this.#file
    if (file) await this.#orLetGo(() => file.write(this.#take()))
    else this.#file = await held(() => this.#fileSystem.begin(this.#path, this.#take(), { overwrite: true }))
  }

  async #orLetGo(act: () => Promise<void>): Promise<void> {
    try {
      await held(act)
    } catch (error) {
      this.#file?.abandon()
      throw error
    }
  }
}

class Log implements JobFileLog {
  readonly #fileSystem: FileSystem
  readonly #path: string
  #file: OpenFile | undefined

  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem
    this.#path = path
  }

  async append(parts: readonly Uint8Array[]): Promise<void> {
    const file = this.#file
    if (file) await this.#orLetGo(() => file.write(parts))
    else this.#file = await held(() => this.#fileSystem.begin(this.#path, parts, { overwrite: true }))
  }

  async close(): Promise<void> {
    const file = this.#file
    if (file) await this.#orLetGo(() => file.close())
  }

  async #orLetGo(act: () => Promise<void>): Promise<void> {
    try {
      await held(act)
    } catch (error) {
      this.#file?.abandon()
      throw error
    }
  }
}

function entryOf({ path, kind, sizeBytes, modifiedMs }: FileStatus): JobFileEntry {
  return { path, name: path.slice(path.lastIndexOf('/') + 1), isDirectory: kind === 'directory', sizeBytes, modifiedMs }
}
