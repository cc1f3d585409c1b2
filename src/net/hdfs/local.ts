import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AppendingFile } from './appending-file.ts'
import {
  byteLength,
  type FileStatus,
  type FileSystem,
  FileSystemError,
  type FileSystemReason,
  normalizePath,
  type OpenFile,
  parentOf,
} from './file-system.ts'

/** A folder of this machine as a file system: `file:///`, and what `--mount` puts in the place of an HDFS. */
export class LocalFileSystem implements FileSystem {
  readonly address: string
  readonly hasLeases = false
  readonly #root: string

  /** `root` is the folder that `/` stands for. */
  constructor(root: string) {
    this.#root = resolve(root)
    this.address = this.#root
  }

  async mkdirs(path: string): Promise<void> {
    await this.#call(path, (file) => this.#mkdirs(file))
  }

  async create(path: string, bytes: readonly Uint8Array[], { overwrite = false } = {}): Promise<void> {
    await this.#call(path, async (file) => {
      const folder = parentOf(file)
      await this.#mkdirs(folder)
      const handle = await open(file, overwrite ? 'w' : 'wx')
      try {
        await writeAll(handle, bytes, 0)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await syncFolder(folder)
    })
  }

  async append(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<void> {
    await this.#call(path, async (file) => {
      const handle = await open(file, constants.O_WRONLY)
      try {
        const { size } = await handle.stat()
        if (size !== lengthBytes) {
          throw new FileSystemError('other', `${file} is ${size} bytes long, not ${lengthBytes}`, { untouched: true })
        }
        await writeAll(handle, bytes, lengthBytes)
        await handle.datasync()
      } finally {
        await handle.close()
      }
    })
  }

  async begin(
    path: string,
    bytes: readonly Uint8Array[],
    options?: { readonly overwrite?: boolean },
  ): Promise<OpenFile> {
    await this.create(path, bytes, options)
    return new AppendingFile(this, path, byteLength(bytes))
  }

  async resume(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<OpenFile> {
    await this.append(path, bytes, lengthBytes)
    return new AppendingFile(this, path, lengthBytes + byteLength(bytes))
  }

  /** True: nothing is held open here. */
  async recover(path: string): Promise<boolean> {
    return this.#call(path, (file) => stat(file).then(() => true))
  }

  async truncate(path: string, lengthBytes: number): Promise<boolean> {
    return this.#call(path, async (file) => {
      const handle = await open(file, constants.O_WRONLY)
      try {
        const { size } = await handle.stat()
        if (size < lengthBytes) {
          throw new FileSystemError('other', `${file} is ${size} bytes long, shorter than ${lengthBytes}`)
        }
        await handle.truncate(lengthBytes)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      return true
    })
  }

  async rename(from: string, to: string, { overwrite = false } = {}): Promise<void> {
    const target = this.#file(to)
    await this.#call(from, async (file) => {
      await stat(file)
      // rename(2) would replace a file silently; HDFS would not.
      const taken = overwrite ? undefined : await stat(target).catch(() => undefined)
      if (taken) throw new FileSystemError('exists', `${target} exists already`, { untouched: true })
      await rename(file, target)
      await syncFolder(parentOf(target))
      if (parentOf(file) !== parentOf(target)) await syncFolder(parentOf(file))
    })
  }

  async status(path: string): Promise<FileStatus | undefined> {
    return this.#call(path, (file) =>
      stat(file).then(
        (found) => ({
          path: normalizePath(path),
          kind: found.isDirectory() ? 'directory' : 'file',
          sizeBytes: found.isDirectory() ? 0 : found.size,
          modifiedMs: Math.floor(found.mtimeMs),
        }),
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
          throw error
        },
      ),
    )
  }

  async list(path: string): Promise<readonly FileStatus[]> {
    const names = await this.#call(path, async (file) => {
      const found = await stat(file)
      return found.isDirectory() ? (await readdir(file)).sort() : undefined
    })
    const folder = normalizePath(path)
    const paths = names?.map((name) => (folder === '/' ? `/${name}` : `${folder}/${name}`)) ?? [folder]
    const statuses: FileStatus[] = []
    for (const each of paths) {
      const status = await this.status(each)
      if (status) statuses.push(status)
    }
    return statuses
  }

  async read(path: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    return this.#call(path, async (file) => {
      const handle = await open(file, 'r')
      try {
        const { size } = await handle.stat()
        const target = Buffer.allocUnsafeSlow(Math.max(0, Math.min(lengthBytes, size - offset)))
        let filled = 0
        while (filled < target.length) {
          const { bytesRead } = await handle.read(target, filled, target.length - filled, offset + filled)
          if (bytesRead === 0) break
          filled += bytesRead
        }
        return target.subarray(0, filled)
      } finally {
        await handle.close()
      }
    })
  }

  async delete(path: string, { recursive = false } = {}): Promise<boolean> {
    return this.#call(path, async (file) => {
      const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
        throw error
      })
      if (!found) return false
      if (recursive) await rm(file, { recursive: true })
      else if (found.isDirectory()) await rmdir(file)
      else await unlink(file)
      return true
    })
  }

  async close(): Promise<void> {}

  #file(path: string): string {
    return join(this.#root, normalizePath(path))
  }

  /** Makes the directories that are missing and syncs what names them, so that a synced file in them is found after power loss. */
  async #mkdirs(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true })
    if (first === undefined) return
    for (let made = folder; made.length >= first.length; made = parentOf(made)) await syncFolder(parentOf(made))
  }

  async #call<T>(path: string, act: (file: string) => Promise<T>): Promise<T> {
    const file = this.#file(path)
    try {
      return await act(file)
    } catch (error) {
      if (error instanceof FileSystemError) throw error
      const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? 'other'
      throw new FileSystemError(reason, `${file}: ${(error as Error).message}`, {
        cause: error,
        untouched: reason !== 'other',
      })
    }
  }
}

const reasons: Readonly<Record<string, FileSystemReason>> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EEXIST: 'exists',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
}

async function writeAll(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<void> {
  const { bytesWritten } = await handle.writev(parts as Uint8Array[], position)
  let written = bytesWritten
  if (written === byteLength(parts)) return
  // A short write, such as the one before a disk is full: go on behind it, and let the next one say why.
  const rest = Buffer.concat(parts)
  while (written < rest.length) {
    const next = await handle.write(rest, written, rest.length - written, position + written)
    if (next.bytesWritten === 0) throw new Error('the disk takes no more bytes')
    written += next.bytesWritten
  }
}

/** A name is only as durable as the directory that holds it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
