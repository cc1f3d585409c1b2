import { type ErrorCode, FlumeError } from '../../core/error.ts'

export interface FileStatus {
  /** Absolute path inside the file system. */
  readonly path: string
  readonly kind: 'file' | 'directory'
  readonly sizeBytes: number
  /** Milliseconds since the Unix epoch. */
  readonly modifiedMs: number
}

/** A file that is being written and stays open between the writes. */
export interface OpenFile {
  /** Data nodes that have the bytes now, and how many should have; undefined where that is not known. */
  readonly replicas: { readonly actual: number; readonly wanted: number } | undefined
  /** Adds bytes; resolves when every reader can see them. After a rejection the file takes no more, unless it is `untouched`. */
  write(bytes: readonly Uint8Array[]): Promise<void>
  /** Resolves when the file is closed. After a rejection it may be either. */
  close(): Promise<void>
  /** Lets go without closing: `truncate` or `recover` closes the file. */
  abandon(): void
}

/**
 * What is asked of HDFS, and of the local folder that stands in for it. Paths are absolute, separated by `/`, without
 * `.` and `..`. Every call ends within the time-out it was opened with and rejects with a FileSystemError.
 *
 * What a resolved call means: the bytes are at the data nodes and visible to every reader (native: hflush, or hsync;
 * WebHDFS: flushed and the file closed), or on the disk (local: fdatasync). What a rejected `create`, `append` or `write` means: any leading part of the bytes
 * may be there, unless the error is `untouched`; `CommittedFile` puts that right.
 */
export interface FileSystem {
  /** Where it is, for people. */
  readonly address: string
  /** True where a file that is open is held by a lease: `recover` then tells a dead writer from a live one. */
  readonly hasLeases: boolean
  /** Makes a directory and its parents; one that exists is fine. */
  mkdirs(path: string): Promise<void>
  /** Makes a file, and its parents, with its first bytes. Rejects `exists` when the name is taken, unless `overwrite`. */
  create(path: string, bytes: readonly Uint8Array[], options?: { readonly overwrite?: boolean }): Promise<void>
  /** Adds bytes to a file that is `lengthBytes` long. One append per file at a time. */
  append(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<void>
  /** As `create`, and leaves the file open where that can be. */
  begin(path: string, bytes: readonly Uint8Array[], options?: { readonly overwrite?: boolean }): Promise<OpenFile>
  /** As `append`, and leaves the file open where that can be. */
  resume(path: string, bytes: readonly Uint8Array[], lengthBytes: number): Promise<OpenFile>
  /**
   * Closes a file whose writer has gone. False: not yet, ask again; a silent writer is taken for dead after a minute, at once
   * when it was a process of this machine that has ended, or with `force`. Rejects `missing`.
   */
  recover(path: string, options?: { readonly force?: boolean }): Promise<boolean>
  /** Cuts a file. False: under way, ask again (HDFS recovers the last block). Rejects when the file is shorter. */
  truncate(path: string, lengthBytes: number): Promise<boolean>
  /**
   * Moves a file or directory. Rejects `missing` without a source, which changes nothing, and `exists` when the target's
   * name is taken, unless `overwrite`: then a file in the way is replaced, in one step (WebHDFS: deleted just before).
   */
  rename(from: string, to: string, options?: { readonly overwrite?: boolean }): Promise<void>
  /** Undefined when nothing has that name. */
  status(path: string): Promise<FileStatus | undefined>
  /** What lies in a directory, by name. Rejects `missing`. */
  list(path: string): Promise<readonly FileStatus[]>
  /** Up to `lengthBytes` bytes from `offset`; fewer only at the end of the file. */
  read(path: string, offset: number, lengthBytes: number): Promise<Uint8Array>
  /** False when there was nothing. Rejects for a directory with content unless `recursive`. */
  delete(path: string, options?: { readonly recursive?: boolean }): Promise<boolean>
  /** Lets go of idle connections. */
  close(): Promise<void>
}

/** Why a file system said no, as far as callers act on it. */
export type FileSystemReason =
  | 'missing'
  | 'exists'
  /** Another writer, or the recovery after one, holds the file; passes within about 65 s. */
  | 'leased'
  /** Not reachable, or not in service (standby, safe mode). */
  | 'unreachable'
  | 'timeout'
  | 'denied'
  | 'other'

const codes: Record<FileSystemReason, ErrorCode> = {
  missing: 'IO',
  exists: 'IO',
  leased: 'IO',
  unreachable: 'CONNECTION',
  timeout: 'TIMEOUT',
  denied: 'REFUSED',
  other: 'IO',
}

interface FileSystemErrorDetails {
  /** True unless told otherwise, or access was denied. */
  readonly retry?: boolean
  readonly hint?: string | undefined
  readonly cause?: unknown
  readonly untouched?: boolean
}

export class FileSystemError extends FlumeError {
  readonly reason: FileSystemReason
  /** True when the file system has certainly changed nothing. */
  readonly untouched: boolean

  constructor(reason: FileSystemReason, message: string, details: FileSystemErrorDetails = {}) {
    const { retry = reason !== 'denied', hint, cause, untouched = false } = details
    super(codes[reason], message, { retry, cause, ...(hint === undefined ? {} : { hint }) })
    this.name = 'FileSystemError'
    this.reason = reason
    this.untouched = untouched
  }
}

/** The reason of a file-system error; `other` for anything else. */
export function reasonOf(error: unknown): FileSystemReason {
  return error instanceof FileSystemError ? error.reason : 'other'
}

/** The path with single slashes and no slash at its end. Rejects relative paths, `.`, `..` and NUL. */
export function normalizePath(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '')
  if (!path.startsWith('/') || path.includes('\0') || segments.some((segment) => segment === '.' || segment === '..')) {
    throw new FileSystemError('other', `${JSON.stringify(path)} is not an absolute path without . and ..`, {
      retry: false,
      untouched: true,
    })
  }
  return `/${segments.join('/')}`
}

/** The directory a path lies in. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

export function byteLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}
