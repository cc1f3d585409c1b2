import type { DiskFile } from './disk.ts'
import { alignment, findMagic, headerBytes, isWhole, type RecordHeader, readHeader } from './record.ts'

/** A record that holds, at [offset, end) of its segment; `bytes` is all of it. */
export interface FoundRecord {
  readonly kind: 'record'
  readonly offset: number
  readonly end: number
  readonly header: RecordHeader
  readonly bytes: Buffer
}

/** Bytes that are no record, with a record behind them, or a record whose payload does not hold (`header` is right then). */
export interface FoundDamage {
  readonly kind: 'damage'
  readonly offset: number
  readonly end: number
  readonly header: RecordHeader | undefined
}

export type Found = FoundRecord | FoundDamage

const windowBytes = 1024 * 1024

/** Reads the records of a segment in order, and finds the next one behind what is damaged. Memory: a window, or one record. */
export class SegmentScan {
  readonly #file: DiskFile
  readonly #salt: Buffer
  readonly #windowBytes: number
  #at: number
  #end: number
  #needed = 0
  #badFrom: number | undefined
  #restFrom: number | undefined

  /** Reads [from, to) of the file. */
  constructor(file: DiskFile, salt: Buffer, from: number, to: number, window = windowBytes) {
    this.#file = file
    this.#salt = salt
    this.#at = from
    this.#end = to
    this.#windowBytes = window
  }

  /** Where the bytes at the end begin that are no record, once `next` has answered undefined; undefined when there are none. */
  get restFrom(): number | undefined {
    return this.#restFrom
  }

  /** Where the file ends, as far as it was asked for. */
  get end(): number {
    return this.#end
  }

  /** What comes next, some at a time; undefined at the end. Rejects when the disk does. */
  async next(): Promise<readonly Found[] | undefined> {
    while (this.#at < this.#end) {
      const window = await this.#read()
      const found = this.#parse(window)
      if (found.length > 0) return found
    }
    this.#restFrom = this.#badFrom
    return undefined
  }

  async #read(): Promise<Buffer> {
    const length = Math.min(this.#end - this.#at, Math.max(this.#windowBytes, this.#needed))
    const window = Buffer.allocUnsafeSlow(length)
    const read = await this.#file.read(window, this.#at)
    if (read === length) return window
    this.#end = this.#at + read
    return window.subarray(0, read)
  }

  #parse(window: Buffer): Found[] {
    const base = this.#at
    const isLast = base + window.length >= this.#end
    const found: Found[] = []
    let at = 0
    this.#needed = 0
    while (at < window.length) {
      const offset = base + at
      if (window.length - at < headerBytes) {
        if (isLast) {
          this.#badFrom ??= offset
          at = window.length
        } else this.#needed = headerBytes
        break
      }
      const header = readHeader(window, at, this.#salt, offset)
      if (!header || offset + header.totalBytes > this.#end) {
        this.#badFrom ??= offset
        at = this.#seek(window, at, base, isLast)
        continue
      }
      if (at + header.totalBytes > window.length) {
        this.#needed = header.totalBytes
        break
      }
      if (this.#badFrom !== undefined) {
        found.push({ kind: 'damage', offset: this.#badFrom, end: offset, header: undefined })
        this.#badFrom = undefined
      }
      const bytes = window.subarray(at, at + header.totalBytes)
      at += header.totalBytes
      const end = base + at
      if (isWhole(bytes, header)) found.push({ kind: 'record', offset, end, header, bytes })
      else found.push({ kind: 'damage', offset, end, header })
    }
    this.#at = base + at
    return found
  }

  /** The next place in the window where a record may begin; what of the window's end may be the start of one stays for the next. */
  #seek(window: Buffer, at: number, base: number, isLast: boolean): number {
    const next = findMagic(window, at + 1, (place) => (base + place) % alignment === 0)
    if (next >= 0) return next
    if (isLast) return window.length
    const kept = base + window.length - headerBytes
    return Math.max(at + alignment, kept - (kept % alignment) - base)
  }
}

const zeros = Buffer.alloc(64 * 1024)

/** Zeros at the end are room that a crash left, not something that was written. */
export async function holdsAnything(file: DiskFile, from: number, to: number): Promise<boolean> {
  const window = Buffer.allocUnsafe(zeros.length)
  for (let at = from; at < to; ) {
    const read = await file.read(window.subarray(0, Math.min(window.length, to - at)), at)
    if (read === 0) return false
    if (!window.subarray(0, read).equals(zeros.subarray(0, read))) return true
    at += read
  }
  return false
}
