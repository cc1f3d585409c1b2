import { type FileHandle, open } from 'node:fs/promises'
import { EventBatch } from '../../contract.ts'
import { type HeadPrint, headBytesMax, noHead, printOf, readFirst, readHead } from './head-print.ts'
import type { Found } from './matcher.ts'

/**
 * How much of a file is read at once: little at first, since a file that is left again after a few batches (maxBatchCount)
 * keeps what was read until its next turn; then more, since handing a read to another thread costs as much as copying
 * some 200 KiB.
 */
const firstChunkBytes = 128 * 1024
const chunkBytesMax = 1024 * 1024
/** A longer line becomes several events: what is read must fit in memory. */
export const lineBytesMax = 16 * 1024 * 1024
const noBytes: Buffer = Buffer.alloc(0)
const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Lines of a file, and the offset behind them. */
export interface Lines {
  readonly batch: EventBatch
  /** File offset of the batch's buffer. */
  readonly from: number
  readonly to: number
  /** It is the beginning of a line that is longer than a line may be. */
  readonly isCut?: boolean
}

/** One file that is followed, known by device and inode: its name may change. */
export class TailFile {
  readonly inode: bigint
  readonly headers: ReadonlyMap<string, string>
  path: string
  /** Everything before it is delivered. */
  position: number
  /** The directory shows it no more: it is read to its end and then forgotten. */
  isLeaving = false
  /** When bytes last came, in the clock's monotonic time. */
  grewAtMs: number
  #head: HeadPrint
  /** What `#head` is the print of, once the file has been looked at. */
  #headBytes: Buffer = noBytes
  #handle: FileHandle | undefined
  /** As it was when last asked for: the file is asked again only where that has been read. */
  #size = 0
  #chunkBytes = firstChunkBytes
  /** Size and time of change as they were when the file was last read to its end. */
  #seen = ''
  #atEnd = false
  /** Bytes that were read and not handed out, and their offset. */
  #bytes: Buffer = noBytes
  #from = 0

  constructor(
    found: Pick<Found, 'inode' | 'path'>,
    headers: ReadonlyMap<string, string>,
    start: { readonly position: number; readonly head: HeadPrint | undefined; readonly nowMs: number },
  ) {
    this.inode = found.inode
    this.path = found.path
    this.headers = headers
    this.position = start.position
    this.#head = start.head ?? noHead
    this.grewAtMs = start.nowMs
  }

  get isOpen(): boolean {
    return this.#handle !== undefined
  }

  /** False while lines that were seen have not been read, because a poll reads so many batches only. */
  get isAtEnd(): boolean {
    return this.#atEnd
  }

  get head(): HeadPrint {
    return this.#head
  }

  /**
   * Looks whether there is something to read: opens the file if need be, and goes back to its beginning where it has been
   * cut or is another one (S-93). `restarted` says so.
   */
  async look(): Promise<'new' | 'nothing' | 'restarted'> {
    const isFirst = this.#handle === undefined
    this.#handle ??= await open(this.path, 'r')
    const { size, mtimeMs } = await this.#handle.stat()
    this.#size = size
    this.#chunkBytes = firstChunkBytes
    const seen = `${size} ${mtimeMs}`
    if (seen === this.#seen && !isFirst) return this.#atEnd ? 'nothing' : 'new'
    this.#seen = seen
    // A file that was cut and has grown again behind our back begins differently.
    const head = size >= this.position ? await readHead(this.#handle, this.#head) : undefined
    const isSame = head !== undefined
    if (!isSame) {
      this.position = 0
      this.#setHead(noBytes)
    } else if (this.#head.bytes === 0) {
      this.#setHead(await readFirst(this.#handle, Math.min(this.position, headBytesMax)))
    } else {
      this.#headBytes = head
    }
    this.#forget()
    this.#atEnd = size <= this.position
    return isSame ? (this.#atEnd ? 'nothing' : 'new') : 'restarted'
  }

  /** The next complete lines, up to `max`; undefined when there are none. `last`: the unfinished one is one too. */
  async read(max: number, last = false): Promise<Lines | undefined> {
    for (let scanned = 0; ; ) {
      const start = this.position - this.#from
      const lines = this.#cut(start, max, scanned)
      if (lines) return lines
      scanned = this.#bytes.length - start
      if (scanned >= lineBytesMax) return { ...this.#piece(start, lineBytesMax), isCut: true }
      if (!(await this.#fill(start))) break
    }
    this.#atEnd = true
    const start = this.position - this.#from
    const left = this.#bytes.length - start
    if (last && left > 0) return this.#piece(start, left)
    this.#forget()
    return undefined
  }

  /** The lines up to `to` are delivered. */
  commit(to: number): void {
    const known = this.#headBytes
    if (known.length < headBytesMax && known.length >= this.#from) {
      // Of what was read, not of what the file says now: it may have been cut since, and grown again.
      const more = this.#bytes.subarray(known.length - this.#from, Math.min(to, headBytesMax) - this.#from)
      if (more.length > 0) this.#setHead(Buffer.concat([known, more]))
    }
    this.position = to
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    this.#forget()
    await handle?.close()
  }

  #cut(start: number, max: number, scanned: number): Lines | undefined {
    const bytes = this.#bytes
    let from = start
    let count = 0
    for (let end = bytes.indexOf(lineFeed, start + scanned); end >= 0; end = bytes.indexOf(lineFeed, from)) {
      if (count === foundStarts.length) makeRoom()
      foundStarts[count] = from
      foundEnds[count] = end > from && bytes[end - 1] === carriageReturn ? end - 1 : end
      count++
      from = end + 1
      if (count === max) break
    }
    if (count === 0) return undefined
    const batch = new EventBatch(bytes, foundStarts.slice(0, count), foundEnds.slice(0, count))
    return { batch, from: this.#from, to: this.#from + from }
  }

  #piece(start: number, length: number): Lines {
    const batch = new EventBatch(this.#bytes, Uint32Array.of(start), Uint32Array.of(start + length))
    return { batch, from: this.#from, to: this.#from + start + length }
  }

  /** Reads on into a buffer of its own, what is left of the last one in front; false at the end of the file. */
  async #fill(start: number): Promise<boolean> {
    const handle = this.#handle as FileHandle
    const rest = this.#bytes.subarray(start)
    const readFrom = this.position + rest.length
    if (readFrom >= this.#size) this.#size = (await handle.stat()).size
    const room = lineBytesMax - rest.length
    const wanted = Math.min(Math.max(this.#chunkBytes, rest.length), room, this.#size - readFrom)
    if (wanted <= 0) return false
    const bytes = Buffer.allocUnsafeSlow(rest.length + wanted)
    bytes.set(rest)
    const { bytesRead } = await handle.read(bytes, rest.length, wanted, readFrom)
    this.#bytes = bytes.subarray(0, rest.length + bytesRead)
    this.#from = this.position
    this.#chunkBytes = Math.min(2 * this.#chunkBytes, chunkBytesMax)
    return bytesRead > 0
  }

  #setHead(bytes: Buffer): void {
    this.#headBytes = bytes
    this.#head = bytes.length === 0 ? noHead : printOf(bytes)
  }

  #forget(): void {
    this.#bytes = noBytes
    this.#from = this.position
  }
}

/** Where the lines of a batch begin and end while they are looked for; the batch gets its own. */
let foundStarts = new Uint32Array(1024)
let foundEnds = new Uint32Array(1024)

function makeRoom(): void {
  const starts = new Uint32Array(2 * foundStarts.length)
  const ends = new Uint32Array(2 * foundEnds.length)
  starts.set(foundStarts)
  ends.set(foundEnds)
  foundStarts = starts
  foundEnds = ends
}
