import { type FileStatus, type FileSystem, normalizePath, type OpenFile } from './file-system.ts'

/** Bytes that wait before they are sent on: an append over WebHDFS costs up to half a second, whatever its size. */
const chunkBytes = 8 * 1024 * 1024

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
}

/** A file system as streaming jobs use it: files written and read from end to end, output that replaces older output. */
export class JobFiles {
  readonly #fileSystem: FileSystem

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem
  }

  mkdirs(path: string): Promise<void> {
    return this.#fileSystem.mkdirs(path)
  }

  /** Starts a file afresh, replacing one of that name. Nothing is promised about it before `close`. */
  async create(path: string): Promise<JobFileWriter> {
    return new Writer(await this.#fileSystem.begin(path, [], { overwrite: true }))
  }

  /** Moves a file or folder, replacing a file that is in the way. */
  async rename(from: string, to: string): Promise<void> {
    const inTheWay = await this.#fileSystem.status(to)
    if (inTheWay?.kind === 'file' && normalizePath(from) !== normalizePath(to)) await this.#fileSystem.delete(to)
    await this.#fileSystem.rename(from, to)
  }

  async exists(path: string): Promise<boolean> {
    return (await this.#fileSystem.status(path)) !== undefined
  }

  /** The entries of a folder, sorted by name; rejects when there is no such folder. */
  async list(path: string): Promise<JobFileEntry[]> {
    return (await this.#fileSystem.list(path)).map(entryOf)
  }

  async status(path: string): Promise<JobFileEntry | undefined> {
    const status = await this.#fileSystem.status(path)
    return status && entryOf(status)
  }

  /** Deletes a file or a whole folder; a missing one is fine. */
  async delete(path: string): Promise<void> {
    await this.#fileSystem.delete(path, { recursive: true })
  }

  /** The bytes of a file in order. */
  async *read(path: string): AsyncGenerator<Uint8Array> {
    for (let offset = 0; ; ) {
      const chunk = await this.#fileSystem.read(path, offset, chunkBytes)
      if (chunk.length > 0) yield chunk
      if (chunk.length < chunkBytes) return
      offset += chunk.length
    }
  }
}

class Writer implements JobFileWriter {
  readonly #file: OpenFile
  #waiting: Uint8Array[] = []
  #waitingBytes = 0

  constructor(file: OpenFile) {
    this.#file = file
  }

  async write(bytes: Uint8Array): Promise<void> {
    // Copied, since the caller may use its buffer again; slice() of a Buffer would not.
    this.#waiting.push(new Uint8Array(bytes))
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= chunkBytes) await this.#send()
  }

  async close(): Promise<void> {
    if (this.#waitingBytes > 0) await this.#send()
    await this.#orLetGo(this.#file.close())
  }

  async #send(): Promise<void> {
    const parts = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    await this.#orLetGo(this.#file.write(parts))
  }

  async #orLetGo(done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      this.#file.abandon()
      throw error
    }
  }
}

function entryOf({ path, kind, sizeBytes, modifiedMs }: FileStatus): JobFileEntry {
  return { path, name: path.slice(path.lastIndexOf('/') + 1), isDirectory: kind === 'directory', sizeBytes, modifiedMs }
}
