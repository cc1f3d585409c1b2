import { spawn } from 'node:child_process'
import { constants, fdatasync, fsync, read, writev } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { FlumeError } from '../core/error.ts'
import type { DirectoryEntry, Disk, DiskFile, DiskLock } from './disk.ts'

/** The kernel takes no more pieces in one writev. */
const piecesMax = 1024

/** The file system of this machine. */
export const realDisk: Disk = {
  create: async (path) => new RealFile(path, await open(path, 'wx+', 0o640)),
  openToRead: async (path) => new RealFile(path, await open(path, 'r')),
  openToWrite: async (path) => new RealFile(path, await open(path, 'r+')),
  list,
  makeDirectory,
  syncDirectory,
  rename,
  remove: unlink,
  freeBytes: async (directory) => {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  },
  lock,
}

class RealFile implements DiskFile {
  readonly path: string
  readonly #handle: FileHandle

  constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let at = position
    for (let first = 0; first < chunks.length; ) {
      let pieces = chunks.slice(first, first + piecesMax)
      first += pieces.length
      while (pieces.length > 0) {
        let written = await this.#writev(pieces, at)
        at += written
        // A short write: what is left goes on behind it.
        while (pieces.length > 0 && written >= (pieces[0] as Uint8Array).length) {
          written -= (pieces[0] as Uint8Array).length
          pieces = pieces.slice(1)
        }
        if (written > 0) pieces = [(pieces[0] as Uint8Array).subarray(written), ...pieces.slice(1)]
      }
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const count = await this.#read(target, filled, position + filled)
      if (count === 0) break
      filled += count
    }
    return filled
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#handle.fd, (error) => (error ? reject(error) : resolve()))
    })
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  #writev(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#handle.fd, chunks as Uint8Array[], position, (error, written) =>
        error ? reject(error) : resolve(written),
      )
    })
  }

  #read(target: Uint8Array, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#handle.fd, target, offset, target.length - offset, position, (error, count) =>
        error ? reject(error) : resolve(count),
      )
    })
  }
}

async function list(directory: string): Promise<readonly DirectoryEntry[]> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const entries: DirectoryEntry[] = []
  for (const name of names.sort()) {
    const found = await stat(join(directory, name)).catch(() => undefined)
    if (found?.isFile()) entries.push({ name, sizeBytes: found.size })
  }
  return entries
}

async function makeDirectory(directory: string): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode: 0o750 })
  if (made === undefined) return
  for (let path = resolve(directory); ; path = dirname(path)) {
    await syncDirectory(dirname(path))
    if (path === resolve(made)) return
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(handle.fd, (error) => (error ? reject(error) : resolve()))
    })
  } finally {
    await handle.close()
  }
}

/** open(2) of macOS and the BSDs locks by itself: O_EXLOCK | O_NONBLOCK. */
const openLocked = 0x20 | 0x04

/**
 * A lock of the kernel (flock), which ends with this process whatever becomes of it. Node has no call for it, and a lock
 * belongs to the open file, not to the process: the `flock` command takes it on our open file and goes away.
 */
async function lock(path: string): Promise<DiskLock | undefined> {
  const create = constants.O_RDWR | constants.O_CREAT
  if (process.platform !== 'linux') {
    if (process.platform === 'win32') {
      throw new FlumeError('UNSUPPORTED', `${path} cannot be locked on Windows`, { hint: 'run it on Linux or macOS' })
    }
    try {
      return holding(await open(path, create | openLocked, 0o640))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
      throw error
    }
  }
  const handle = await open(path, create, 0o640)
  try {
    if (await flock(handle.fd)) return holding(handle)
    await handle.close()
    return undefined
  } catch (error) {
    await handle.close()
    throw error
  }
}

function holding(handle: FileHandle): DiskLock {
  return { release: () => handle.close() }
}

/** Resolves to whether the open file is locked now; rejects when that cannot be found out. */
function flock(fd: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] })
    child.on('error', (cause) =>
      reject(
        new FlumeError('UNSUPPORTED', 'a directory cannot be locked: the command flock does not run', {
          cause,
          hint: 'install util-linux, or busybox',
        }),
      ),
    )
    child.on('close', (code) => {
      if (code === 0 || code === 1) resolve(code === 0)
      else reject(new FlumeError('IO', `flock ended with ${code}`, { hint: 'does the file system know locks?' }))
    })
  })
}
