import { createReadStream } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { JobFiles } from '../net/hdfs/job-files.ts'
import { openFileSystem } from '../net/hdfs/open.ts'

/** One entry of a folder. */
export interface FileEntry {
  /** The whole path, in the form the file system takes it. */
  readonly path: string
  readonly name: string
  readonly isDirectory: boolean
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** A file that is being written. */
export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>
  /**
   * Resolves when every byte is there for other readers; rejects when it is not. With `sync` the bytes of a local file are
   * also on the disk; another file system keeps them as it keeps every file that is closed.
   */
  close(options?: { readonly sync?: boolean }): Promise<void>
  /** Lets go of a file whose writing has failed. */
  abandon?(): Promise<void>
}

/** A file that grows as long as it is open. */
export interface FileLog {
  /** Resolves when every reader can see the bytes, the end of this process or not. After a rejection the file takes no more. */
  append(parts: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
}

/** The few calls that jobs need of a file system. Paths are those of `splitScheme`, without scheme and host for local files. */
export interface FileSystem {
  /** Makes a folder and those above it; one that exists is fine. */
  mkdirs(path: string): Promise<void>
  /** Starts a file afresh, replacing one of that name. */
  create(path: string): Promise<FileWriter>
  /** Moves a file or folder, replacing a file that is in the way. */
  rename(from: string, to: string): Promise<void>
  exists(path: string): Promise<boolean>
  /** The entries of a folder, sorted by name; rejects when there is no such folder. */
  list(path: string): Promise<FileEntry[]>
  /** What lies at a path, or undefined. */
  status(path: string): Promise<FileEntry | undefined>
  /** Deletes a file or a whole folder; a missing one is fine. */
  delete(path: string): Promise<void>
  /** The bytes of a file in order. */
  read(path: string): AsyncIterable<Uint8Array>
  /** The bytes from a place on. A file system without it has text files read as a whole, by one task. */
  readRange?(path: string, start: number): AsyncIterable<Uint8Array>
  /** Starts a file that grows, replacing one of that name. A file system without it keeps no write-ahead log. */
  openLog?(path: string): Promise<FileLog>
  /** Closes what a writer that is gone has left open, so that all it was told is there can be read. */
  recover?(path: string): Promise<void>
  /** As `readRange`, or `read` without a place, into memory that is used again: a chunk is the reader's until it asks for the next. */
  lend?(path: string, start?: number): AsyncIterable<Uint8Array>
}

/** Makes the file system of one authority, such as `namenode:8020` (empty for local files). */
export type FileSystemFactory = (authority: string) => FileSystem

/** Bytes of a local file read at a time. */
const chunkBytes = 256 * 1024
/** Longest wait for an answer of HDFS, in milliseconds. */
const hdfsTimeoutMs = 30_000
const hdfsSchemes = ['hdfs', 'webhdfs', 'swebhdfs']

const factories = new Map<string, FileSystemFactory>([['file', () => localFiles]])
const systems = new Map<string, FileSystem>()
mountFileSystems(new Map())

/** Serves HDFS, with some addresses (`hdfs://namenode:8020`) from local folders instead. Throws USAGE for a part of one. */
export function mountFileSystems(mounts: ReadonlyMap<string, string>): void {
  for (const url of mounts.keys()) {
    if (/^[^:]+:\/\/[^/]*$/.test(url)) continue
    throw new FlumeError('USAGE', `--mount ${url}: a job mounts whole file systems, such as hdfs://namenode:8020`)
  }
  const settings = { mounts, env: process.env, clock: systemClock, timeoutMs: hdfsTimeoutMs }
  for (const scheme of hdfsSchemes) {
    registerFileSystem(scheme, (authority) => {
      return new JobFiles(openFileSystem(`${scheme}://${authority}/`, settings).fileSystem)
    })
  }
}

/** Adds a scheme, such as `hdfs`. */
export function registerFileSystem(scheme: string, factory: FileSystemFactory): void {
  factories.set(scheme, factory)
  for (const key of systems.keys()) if (key.startsWith(`${scheme}://`)) systems.delete(key)
}

/** The file system of a path or URI, and the path in it. Throws for a scheme nobody has registered. */
export function locate(uri: string): { readonly files: FileSystem; readonly path: string } {
  const [, scheme = 'file', rest = uri] = /^([a-zA-Z][a-zA-Z0-9+.-]+):(\/.*)$/s.exec(uri) ?? []
  const factory = factories.get(scheme)
  if (!factory) {
    throw new FlumeError('UNSUPPORTED', `no file system for ${scheme}: in ${uri}`, {
      hint: `known are ${[...factories.keys()].map((name) => `${name}:`).join(', ')}`,
    })
  }
  if (scheme === 'file') return { files: localFiles, path: uri.startsWith('file:') ? localPath(uri) : resolve(uri) }
  const [, authority = '', path = rest] = /^\/\/([^/]*)(.*)$/s.exec(rest) ?? []
  const key = `${scheme}://${authority}`
  let files = systems.get(key)
  if (!files) {
    files = factory(authority)
    systems.set(key, files)
  }
  return { files, path: path || '/' }
}

function localPath(uri: string): string {
  return uri.startsWith('file://') ? fileURLToPath(uri) : resolve(uri.slice('file:'.length))
}

/** `join` that keeps URIs as they are. */
export function joinPath(parent: string, name: string): string {
  return parent.endsWith('/') ? `${parent}${name}` : `${parent}/${name}`
}

class LocalFiles implements FileSystem {
  async mkdirs(path: string): Promise<void> {
    await mkdir(path, { recursive: true })
  }

  async create(path: string): Promise<FileWriter> {
    await mkdir(dirname(path), { recursive: true })
    const handle = await open(path, 'w')
    return {
      write: async (bytes) => {
        await handle.appendFile(bytes)
      },
      close: async ({ sync = false } = {}) => {
        try {
          if (sync) await handle.datasync()
        } finally {
          await handle.close()
        }
      },
      abandon: () => handle.close(),
    }
  }

  async openLog(path: string): Promise<FileLog> {
    await mkdir(dirname(path), { recursive: true })
    const handle = await open(path, 'w')
    return {
      append: async (parts) => {
        await handle.appendFile(Buffer.concat(parts))
        await handle.datasync()
      },
      close: () => handle.close(),
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to)
  }

  async exists(path: string): Promise<boolean> {
    return (await this.status(path)) !== undefined
  }

  async list(path: string): Promise<FileEntry[]> {
    const names = await readdir(path)
    const entries = await Promise.all(names.sort().map((name) => this.status(join(path, name))))
    // A file may be gone between the listing and the look at it.
    return entries.filter((entry) => entry !== undefined)
  }

  async status(path: string): Promise<FileEntry | undefined> {
    try {
      // A dangling link is an entry too.
      const found = await stat(path).catch(() => lstat(path))
      return {
        path,
        name: posix.basename(path),
        isDirectory: found.isDirectory(),
        sizeBytes: found.size,
        modifiedMs: Math.floor(found.mtimeMs),
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  async delete(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
  }

  read(path: string): AsyncIterable<Uint8Array> {
    return createReadStream(path, { highWaterMark: chunkBytes })
  }

  readRange(path: string, start: number): AsyncIterable<Uint8Array> {
    return createReadStream(path, { start, highWaterMark: chunkBytes })
  }

  /** The next chunk is read while the reader works on the one before. */
  async *lend(path: string, start?: number): AsyncIterable<Uint8Array> {
    const file = await open(path)
    const buffers = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)] as const
    // Without a place it is read on from where it stands: a pipe has no places.
    let at = start ?? null
    let reading = file.read(buffers[0], 0, chunkBytes, at)
    try {
      for (let turn: 0 | 1 = 0; ; turn = turn === 0 ? 1 : 0) {
        const { bytesRead } = await reading
        if (bytesRead === 0) return
        if (at !== null) at += bytesRead
        reading = file.read(buffers[turn === 0 ? 1 : 0], 0, chunkBytes, at)
        // Whoever goes on reading hears of a failure.
        reading.catch(() => undefined)
        yield buffers[turn].subarray(0, bytesRead)
      }
    } finally {
      await reading.catch(() => undefined)
      await file.close()
    }
  }
}

const localFiles: FileSystem = new LocalFiles()

/** True for the disks of this machine, but not for a folder that `--mount` puts in the place of another file system. */
export function isLocal(files: FileSystem): boolean {
  return files === localFiles
}

/** Expands `*`, `?`, `[…]` and `{a,b}` in the parts of a path; a path without them is answered as it is when it exists. */
export async function glob(files: FileSystem, pattern: string): Promise<FileEntry[]> {
  const parts = pattern.split('/').filter((part, index) => part !== '' || index === 0)
  let found: string[] = [pattern.startsWith('/') ? '/' : '.']
  for (const part of parts) {
    if (part === '') continue
    if (!/[*?[{]/.test(part)) {
      found = found.map((path) => joinPath(path, part))
      continue
    }
    const matches = matcher(part)
    const next: string[] = []
    for (const path of found) {
      const entry = await files.status(path)
      if (!entry?.isDirectory) continue
      for (const child of await files.list(path)) if (matches(child.name)) next.push(child.path)
    }
    found = next
  }
  const entries = await Promise.all(found.map((path) => files.status(path)))
  return entries.filter((entry) => entry !== undefined)
}

/** A name pattern as a test in linear steps: `*` backtracks only to the last star, never further. */
function matcher(pattern: string): (name: string) => boolean {
  const alternatives = expandBraces(pattern)
  return (name) => alternatives.some((alternative) => matchesWildcard(name, alternative))
}

function expandBraces(pattern: string): string[] {
  const [, before, inner, behind] = /^([^{]*)\{([^{}]*)\}(.*)$/s.exec(pattern) ?? []
  if (inner === undefined) return [pattern]
  return inner.split(',').flatMap((choice) => expandBraces(`${before}${choice}${behind}`))
}

function matchesWildcard(name: string, pattern: string): boolean {
  const tokens = pattern.match(/\[[^\]]+\]|[\s\S]/g) ?? []
  let at = 0
  let token = 0
  let starToken = -1
  let starAt = 0
  while (at < name.length) {
    if (token < tokens.length && tokens[token] === '*') {
      starToken = token++
      starAt = at
    } else if (token < tokens.length && matchesOne(name[at] as string, tokens[token] as string)) {
      token++
      at++
    } else if (starToken >= 0) {
      token = starToken + 1
      at = ++starAt
    } else return false
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

function matchesOne(character: string, token: string): boolean {
  if (token === '?') return true
  if (token.length === 1) return token === character
  const negated = token[1] === '!' || token[1] === '^'
  const set = token.slice(negated ? 2 : 1, -1)
  let inside = false
  for (let i = 0; i < set.length; i++) {
    if (set[i + 1] === '-' && i + 2 < set.length) {
      inside ||= character >= (set[i] as string) && character <= (set[i + 2] as string)
      i += 2
    } else inside ||= character === set[i]
  }
  return inside !== negated
}
