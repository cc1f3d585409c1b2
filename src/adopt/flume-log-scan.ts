import {
  type FlumeRecord,
  fillMark,
  frameBytes,
  payloadBytesMin,
  readFlumeEvent,
  readFlumeRecord,
  recordMark,
  smallPayloadBytesMax,
  voidMark,
} from '../codec/flume-log/record.ts'
import { FlumeError } from '../core/error.ts'
import type { Disk, DiskFile } from '../storage/disk.ts'
import type { FlumeLog } from './flume-directory.ts'

export interface FoundFlumeRecord {
  readonly file: number
  readonly offset: number
  readonly record: FlumeRecord
}

/** Bytes [offset, end) of a log that are no record, with records behind them. */
export interface FlumeDamage {
  readonly path: string
  readonly offset: number
  readonly end: number
}

const firstWindowBytes = 4096
const windowBytesMax = 1024 * 1024
/** A record that is looked for behind damage is read as a whole, to be sure. */
const soughtBytesMax = 64 * 1024 * 1024

/**
 * Reads the records of a log in their order, some at a time. Of puts it reads the heads and steps over the rest. No file
 * stays open between two calls: there may be thousands of logs.
 *
 * A log ends where no record follows any more: at room made ahead (80), at zeros, or at what a crash cut off. What is no
 * record and has one behind it is damage.
 */
export class FlumeLogScan {
  readonly log: FlumeLog
  readonly #disk: Disk
  readonly #onDamage: (damage: FlumeDamage) => void
  #at: number
  #windowBytes = firstWindowBytes
  #voids = 0
  #tornFrom: number | undefined

  constructor(disk: Disk, log: FlumeLog, from: number, onDamage: (damage: FlumeDamage) => void) {
    this.#disk = disk
    this.log = log
    this.#at = from
    this.#onDamage = onDamage
  }

  /** Records that Flume's integrity tool made void. */
  get voids(): number {
    return this.#voids
  }

  /** Where bytes begin, once `next` has answered undefined, that are neither records nor room made ahead. */
  get tornFrom(): number | undefined {
    return this.#tornFrom
  }

  /** Undefined at the end. Rejects when the disk does, or when `onDamage` throws. */
  async next(): Promise<readonly FoundFlumeRecord[] | undefined> {
    const { path, bytes } = this.log
    if (this.#at >= bytes) return undefined
    const file = await this.#disk.openToRead(path)
    try {
      while (this.#at < bytes) {
        const window = Buffer.allocUnsafe(Math.min(this.#windowBytes, bytes - this.#at))
        const read = await file.read(window, this.#at)
        if (read < window.length) throw new FlumeError('IO', `${path} became shorter while it was read`)
        this.#windowBytes = Math.min(2 * this.#windowBytes, windowBytesMax)
        const found: FoundFlumeRecord[] = []
        const isBad = this.#parse(window.subarray(0, read), this.#at + read >= bytes, found)
        if (isBad) await this.#seek(file)
        if (found.length > 0) return found
      }
      return undefined
    } finally {
      await file.close()
    }
  }

  /** Takes the records of a window; true when it stopped at what is none. */
  #parse(window: Buffer, isLast: boolean, found: FoundFlumeRecord[]): boolean {
    const base = this.#at
    const { bytes, file } = this.log
    for (let at = 0; ; ) {
      this.#at = base + at
      if (window.length - at < frameBytes) return isLast && at < window.length
      const end = payloadEnd(window, at, base, bytes)
      if (end === undefined) return true
      if (window[at] === voidMark) this.#voids++
      else {
        // Of a put the head is enough; everything else is small, and read as a whole.
        const seen = Math.min(end - base, window.length)
        if (seen - at < smallPayloadBytesMax && end - base > window.length) return false
        let record: FlumeRecord
        try {
          record = readFlumeRecord(window, at + frameBytes, Math.min(seen, at + frameBytes + smallPayloadBytesMax))
        } catch {
          return true
        }
        found.push({ file, offset: base + at, record })
      }
      at = end - base
      if (at >= window.length) {
        this.#at = end
        return false
      }
    }
  }

  /** Goes to the next record behind what is none, or to the end. */
  async #seek(file: DiskFile): Promise<void> {
    const from = this.#at
    const { path, bytes } = this.log
    const window = Buffer.allocUnsafe(Math.min(windowBytesMax, bytes - from))
    let isTorn = false
    for (let base = from; base < bytes; ) {
      const read = await file.read(window.subarray(0, Math.min(window.length, bytes - base)), base)
      if (read === 0) break
      const piece = window.subarray(0, read)
      isTorn ||= !isBlank(piece)
      for (let at = piece.indexOf(recordMark, base === from ? 1 : 0); at >= 0; at = piece.indexOf(recordMark, at + 1)) {
        if (!(await this.#isRecord(file, base + at))) continue
        this.#onDamage({ path, offset: from, end: base + at })
        this.#at = base + at
        return
      }
      base += read
    }
    if (isTorn) this.#tornFrom = from
    this.#at = bytes
  }

  /** Whether a whole record stands there; one of a log's own bytes inside an event's body counts too, and is damage as well. */
  async #isRecord(file: DiskFile, at: number): Promise<boolean> {
    const frame = Buffer.alloc(frameBytes + 2)
    if ((await file.read(frame, at)) < frame.length) return false
    // The head of a record has 23 bytes, and begins with its type.
    if (frame[frameBytes] !== 0x17 || frame[frameBytes + 1] !== 0x0d) return false
    const end = payloadEnd(frame, 0, at, this.log.bytes)
    if (end === undefined || end - at > soughtBytesMax) return false
    const bytes = Buffer.allocUnsafe(end - at)
    if ((await file.read(bytes, at)) < bytes.length) return false
    try {
      const { type } = readFlumeRecord(bytes, frameBytes, bytes.length)
      if (type === 'put') readFlumeEvent(bytes, frameBytes, bytes.length)
      return true
    } catch {
      return false
    }
  }
}

/** Whether there is nothing but room made ahead, or zeros that a file system left. */
function isBlank(bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== fillMark && bytes[i] !== 0) return false
  return true
}

/** Where the record or void at window[at] ends in its log; undefined when that is none. */
function payloadEnd(window: Buffer, at: number, base: number, logBytes: number): number | undefined {
  const mark = window[at]
  if (mark !== recordMark && mark !== voidMark) return undefined
  const length = window.readInt32BE(at + 1)
  const end = base + at + frameBytes + length
  return length >= payloadBytesMin && end <= logBytes ? end : undefined
}
