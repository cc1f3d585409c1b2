import { isUtf8 } from 'node:buffer'
import { EventBatch } from '../core/event-batch.ts'

/** What a longest line is counted in: bytes, or characters as Java has them (UTF-16 units of UTF-8 text). */
export type LineUnit = 'bytes' | 'characters'

export interface LineOptions {
  /** Longest line, its newline included. */
  readonly lineMax: number
  readonly unit: LineUnit
  /** Lines must be UTF-8; `unit: 'characters'` counts right only then. */
  readonly checkUtf8?: boolean
}

/** The lines that a chunk completed. */
export interface Lines {
  /** One event per line, without the newline; a carriage return stays. Possibly empty. */
  readonly batch: EventBatch
  /** Set when nothing can follow: the next line is too long, or no UTF-8. The lines before it are in the batch. */
  readonly end: 'overlong' | 'invalid' | undefined
}

const newline = 0x0a
/** UTF-8 bytes of one UTF-16 unit, at most. */
const unitBytesMax = 3
const carryBytesMin = 256

/**
 * Cuts a stream of bytes into lines. The batch's bodies are ranges of the chunk itself, which becomes the cutter's own;
 * only an unfinished line is copied, and put in front of the chunk that continues it. Memory is bounded by `lineMax`.
 */
export class LineCutter {
  readonly #lineMax: number
  readonly #unit: LineUnit
  readonly #checkUtf8: boolean
  /** The unfinished line: its bytes, how many they are, and how many units. */
  #carry = Buffer.alloc(0)
  #carryBytes = 0
  #carryUnits = 0
  #starts = new Uint32Array(256)
  #ends = new Uint32Array(256)

  constructor({ lineMax, unit, checkUtf8 = false }: LineOptions) {
    this.#lineMax = lineMax
    this.#unit = unit
    this.#checkUtf8 = checkUtf8
  }

  /** Bytes of a line that is not complete yet. */
  get carryBytes(): number {
    return this.#carryBytes
  }

  cut(chunk: Buffer): Lines {
    const last = chunk.lastIndexOf(newline)
    if (last < 0) return { batch: EventBatch.empty, end: this.#keep(chunk, 0) }
    const body = this.#joined(chunk, last + 1)
    const bodyEnd = body === chunk ? last + 1 : body.length
    const valid = !this.#checkUtf8 || isUtf8(bodyEnd === body.length ? body : body.subarray(0, bodyEnd))
    let count = 0
    let end: Lines['end']
    for (let start = 0; start < bodyEnd && !end; count++) {
      const stop = body.indexOf(newline, start)
      end = this.#problem(body, start, stop, valid)
      if (end) break
      if (count === this.#starts.length) this.#grow()
      this.#starts[count] = start
      this.#ends[count] = stop
      start = stop + 1
    }
    const batch = new EventBatch(body, this.#starts.slice(0, count), this.#ends.slice(0, count))
    return { batch, end: end ?? this.#keep(chunk, last + 1) }
  }

  #problem(body: Buffer, start: number, stop: number, valid: boolean): Lines['end'] {
    if (!valid && !isUtf8(body.subarray(start, stop))) return 'invalid'
    // A line as long as the limit leaves no room for its newline.
    if (stop - start >= this.#lineMax && this.#units(body, start, stop) >= this.#lineMax) return 'overlong'
    return undefined
  }

  /** The unfinished line and the chunk up to `end` in one buffer; the chunk itself when there is no such line. */
  #joined(chunk: Buffer, end: number): Buffer {
    if (this.#carryBytes === 0) return chunk
    const joined = Buffer.allocUnsafeSlow(this.#carryBytes + end)
    this.#carry.copy(joined, 0, 0, this.#carryBytes)
    chunk.copy(joined, this.#carryBytes, 0, end)
    this.#carryBytes = 0
    this.#carryUnits = 0
    return joined
  }

  /** Keeps what follows the last newline. */
  #keep(chunk: Buffer, start: number): Lines['end'] {
    const bytes = chunk.length - start
    if (bytes === 0) return undefined
    this.#carryUnits += this.#units(chunk, start, chunk.length)
    // Too long before it is copied: memory stays bounded whatever comes.
    if (this.#carryUnits >= this.#lineMax || this.#carryBytes + bytes > unitBytesMax * this.#lineMax) return 'overlong'
    const needed = this.#carryBytes + bytes
    if (needed > this.#carry.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#carry.length, carryBytesMin))
      this.#carry.copy(grown, 0, 0, this.#carryBytes)
      this.#carry = grown
    }
    chunk.copy(this.#carry, this.#carryBytes, start)
    this.#carryBytes = needed
    return undefined
  }

  #units(bytes: Buffer, start: number, end: number): number {
    if (this.#unit === 'bytes') return end - start
    let units = 0
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      // Continuation bytes do not count, leads of four bytes stand for a surrogate pair.
      if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1
    }
    return units
  }

  #grow(): void {
    const grown = (column: Uint32Array): Uint32Array<ArrayBuffer> => {
      const larger = new Uint32Array(2 * column.length)
      larger.set(column)
      return larger
    }
    this.#starts = grown(this.#starts)
    this.#ends = grown(this.#ends)
  }
}
