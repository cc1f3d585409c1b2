/** An open file. Every call rejects with an error whose `code` is the system's word (`ENOSPC`, `EIO`). */
export interface DiskFile {
  readonly path: string
  /** Writes all of the chunks, one after the other, from `position` on. After a rejection any part of them may be there. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>
  /** Fills `target` from `position` on as far as the file goes; resolves to the bytes read. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Resolves when everything written is on the medium. After a rejection nothing is known of what was written since the last sync. */
  sync(): Promise<void>
  /** Cuts the file off at `bytes`. */
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

export interface DirectoryEntry {
  readonly name: string
  readonly sizeBytes: number
}

/** Ends with the process that holds it, however that ends. */
export interface DiskLock {
  release(): Promise<void>
}

/** What the log needs of a file system; the real one, or a simulated one that fails on request. */
export interface Disk {
  /** Makes a file; rejects EEXIST when it is there. */
  create(path: string): Promise<DiskFile>
  openToRead(path: string): Promise<DiskFile>
  /** Opens a file that is there, for reading and writing. */
  openToWrite(path: string): Promise<DiskFile>
  /** The files of a directory, sorted by name; empty when there is no such directory. */
  list(directory: string): Promise<readonly DirectoryEntry[]>
  /** Makes a directory and those above it; the new names are on the medium when it resolves. */
  makeDirectory(directory: string): Promise<void>
  /** Resolves when the directory's names are on the medium. */
  syncDirectory(directory: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Bytes that this process may still write there. */
  freeBytes(directory: string): Promise<number>
  /** Locks a file, made when it is not there; undefined when someone else holds it. */
  lock(path: string): Promise<DiskLock | undefined>
}

/** The system's word for what went wrong, such as `ENOENT`. */
export function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}

/** Writes a file so that there is the old one or the new one at every moment, whole, and the new one for good once it resolves. */
export async function writeAtomically(disk: Disk, directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const path = `${directory}/${name}`
  const beside = `${path}.tmp`
  await disk.remove(beside).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
  const file = await disk.create(beside)
  try {
    await file.write([bytes], 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(beside, path)
  await disk.syncDirectory(directory)
}

/** A small file's bytes; undefined when there is none. Rejects when it is larger than `bytesMax`. */
export async function readWhole(disk: Disk, path: string, bytesMax: number): Promise<Buffer | undefined> {
  let file: DiskFile
  try {
    file = await disk.openToRead(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    let size = 4096
    for (;;) {
      const bytes = Buffer.allocUnsafe(Math.min(size, bytesMax + 1))
      const read = await file.read(bytes, 0)
      if (read < bytes.length) return bytes.subarray(0, read)
      if (size > bytesMax) throw new Error(`${path} is larger than ${bytesMax} bytes`)
      size *= 8
    }
  } finally {
    await file.close()
  }
}
