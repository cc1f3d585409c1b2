import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { FlumeError, type SourceContext } from '../../contract.ts'

/**
 * How far the current file has been delivered: `.flumespool-main.meta`, as real Flume writes and reads it (S-73).
 *
 * An Avro container: magic `Obj\1`, a map of metadata (`avro.schema`, and `file`: the path the position is about), a
 * sync marker of 16 bytes, then blocks of `count, bytes, records, sync marker`. Each record is one long, the offset in
 * bytes; the last one counts. A torn block at the end is ignored.
 */
const magic = Buffer.from('Obj\x01', 'latin1')
const schema =
  '{"type":"record","name":"TransferStateFileMeta","namespace":"org.apache.flume.serialization","fields":[{"name":"offset","type":"long"}]}'
const syncBytes = 16
/** Flume appends a record for each batch: only the head and the tail of the file are ever read. */
const windowBytes = 64 * 1024
/** After this many bytes of records the file is written anew with the last one only. */
const recordBytesMax = 64 * 1024

export interface Position {
  /** The path as Flume writes it: spoolDir as configured, a slash, the rest. */
  readonly file: string
  readonly offset: number
}

/** The position that a file holds; undefined when there is no such file. Rejects INVALID_DATA when it is none. */
export async function readPosition(path: string): Promise<Position | undefined> {
  const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!handle) return undefined
  try {
    const { size } = await handle.stat()
    const head = await readAt(handle, 0, Math.min(size, windowBytes))
    const header = readHeader(head, path)
    const tailFrom = Math.max(header.length, size - windowBytes)
    const tail = await readAt(handle, tailFrom, size - tailFrom)
    // A tail that begins inside a block goes on behind the first marker.
    const blocksFrom = tailFrom === header.length ? 0 : tail.indexOf(header.sync) + syncBytes
    return { file: header.file, offset: lastOffset(tail, blocksFrom, header.sync) }
  } finally {
    await handle.close()
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

function readHeader(
  bytes: Buffer,
  path: string,
): { readonly file: string; readonly sync: Buffer; readonly length: number } {
  const reader = new Reader(bytes)
  const metadata = new Map<string, string>()
  if (!reader.take(magic.length)?.equals(magic)) throw damaged(path)
  for (let count = reader.long(); count !== 0; count = reader.long()) {
    if (count === undefined || Math.abs(count) > 1000) throw damaged(path)
    if (count < 0) reader.long()
    for (let i = 0; i < Math.abs(count); i++) {
      const key = reader.bytes()
      const value = reader.bytes()
      if (!key || !value) throw damaged(path)
      metadata.set(key.toString(), value.toString())
    }
  }
  const sync = reader.take(syncBytes)
  const file = metadata.get('file')
  const codec = metadata.get('avro.codec') ?? 'null'
  if (!sync || file === undefined || codec !== 'null') throw damaged(path)
  return { file, sync, length: reader.at }
}

function lastOffset(bytes: Buffer, from: number, sync: Buffer): number {
  const reader = new Reader(bytes)
  reader.at = from
  let offset = 0
  for (;;) {
    const count = reader.long()
    const length = reader.long()
    const records = length === undefined ? undefined : reader.take(length)
    const marker = reader.take(syncBytes)
    if (!count || !records || !marker?.equals(sync)) return offset
    const longs = new Reader(records)
    for (let i = 0; i < count; i++) offset = longs.long() ?? offset
  }
}

function damaged(path: string): FlumeError {
  return new FlumeError('INVALID_DATA', `${path} is not a position file`)
}

export interface PositionFileOptions {
  readonly isThere?: boolean
  readonly onWritten?: (error: unknown) => void
}

/** Writes the position of one file. Offsets that come while one is being written are combined: only the last counts. */
export class PositionFile {
  readonly #path: string
  readonly #header: Buffer
  readonly #sync: Buffer
  #handle: FileHandle | undefined
  #size = 0
  #noted: number | undefined
  #wanted: number | undefined
  #isThere: boolean
  #writing: Promise<void> | undefined
  /** Why the last writing failed. */
  #error: unknown
  readonly #onWritten: (error: unknown) => void

  /**
   * `isThere`: an earlier run has left a position of that file. `onWritten` hears of every writing, and why it failed if
   * it did; the next one is tried all the same.
   */
  constructor(
    path: string,
    file: string,
    random: SourceContext['random'],
    { isThere = false, onWritten = () => undefined }: PositionFileOptions = {},
  ) {
    this.#path = path
    this.#isThere = isThere
    this.#onWritten = onWritten
    this.#sync = Buffer.from(Array.from({ length: syncBytes }, () => Math.floor(random() * 256)))
    this.#header = Buffer.concat([
      magic,
      long(2),
      text('avro.schema'),
      text(schema),
      text('file'),
      text(file),
      long(0),
      this.#sync,
    ])
  }

  /** Everything before `offset` is delivered. It is written by `save` or `close`: a file that is done needs it no more. */
  note(offset: number): void {
    this.#noted = offset
  }

  /** Begins to write what is noted. */
  save(): void {
    if (this.#noted === undefined) return
    this.#wanted = this.#noted
    this.#noted = undefined
    this.#writing ??= this.#write()
  }

  /** Resolves when what is noted is in the file; rejects when it could not be written. */
  async flush(): Promise<void> {
    this.save()
    await this.#writing
    if (this.#error !== undefined) throw this.#error
  }

  /** Writes what is noted and lets go of the file. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      await this.#handle?.close()
      this.#handle = undefined
    }
  }

  /** The file it was about is done: the position goes away. */
  async remove(): Promise<void> {
    this.#noted = undefined
    this.#wanted = undefined
    await this.#writing
    await this.#handle?.close()
    this.#handle = undefined
    if (this.#isThere) await rm(this.#path, { force: true })
    this.#isThere = false
    this.#error = undefined
  }

  async #write(): Promise<void> {
    try {
      for (let offset = this.#wanted; offset !== undefined; offset = this.#wanted) {
        this.#wanted = undefined
        const record = long(offset)
        const block = Buffer.concat([long(1), long(record.length), record, this.#sync])
        if (!this.#handle || this.#size > this.#header.length + recordBytesMax) await this.#writeAnew(block)
        else {
          await writeWhole(this.#handle, block, this.#size)
          this.#size += block.length
        }
        this.#error = undefined
        this.#onWritten(undefined)
      }
    } catch (error) {
      this.#error = error
      this.#onWritten(error)
    } finally {
      this.#writing = undefined
    }
  }

  /** Beside the old file and then over it, so that there is a whole one at every moment. */
  async #writeAnew(block: Buffer): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
    const beside = `${this.#path}.tmp`
    const handle = await open(beside, 'w')
    const bytes = Buffer.concat([this.#header, block])
    try {
      await writeWhole(handle, bytes, 0)
      await rename(beside, this.#path)
    } catch (error) {
      await handle.close()
      await rm(beside, { force: true })
      throw error
    }
    this.#handle = handle
    this.#isThere = true
    this.#size = bytes.length
  }
}

/** A full disk takes a part first: the rest says why. */
async function writeWhole(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}

/** An empty position file is what a crash between creating and writing leaves: Flume deletes it at start (S-73). */
export async function removeIfEmpty(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size === 0) await rm(path, { force: true })
}

/** Avro's long: zig-zag, seven bits a byte, the lowest first. */
function long(value: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([long(bytes.length), bytes])
}

/** Reads Avro values; undefined where the bytes end or make no sense. */
class Reader {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  take(length: number): Buffer | undefined {
    if (length < 0 || this.at + length > this.#bytes.length) return undefined
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  long(): number | undefined {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) return undefined
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n))
    }
    return undefined
  }

  bytes(): Buffer | undefined {
    const length = this.long()
    return length === undefined ? undefined : this.take(length)
  }
}
