import { EventBatch } from '../core/event-batch.ts'

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Lines of a chunk. */
export interface TextLines {
  readonly batch: EventBatch
  /** Lines above the limit that were cut into pieces, so far. */
  readonly cuts: number
}

/**
 * Cuts a stream of bytes into lines as Java's BufferedReader does: at LF, CR or CRLF, and a last line without an end is
 * one too. Bodies are ranges of the chunks; only a line that runs over the end of one is copied. A line longer than
 * `lineBytesMax` becomes several.
 */
export class TextLineCutter {
  readonly #lineBytesMax: number
  #carry: Buffer[] = []
  #carryBytes = 0
  #skipLineFeed = false
  #cuts = 0

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** The lines that end in the chunk, which becomes the cutter's own. */
  cut(chunk: Buffer): TextLines {
    const starts: number[] = []
    const ends: number[] = []
    let from = this.#skipLineFeed && chunk[0] === lineFeed ? 1 : 0
    if (chunk.length > 0) this.#skipLineFeed = false
    if (this.#carryBytes > 0 && this.#isPartOfLine(chunk)) return this.#keep(chunk)
    let body = chunk
    // An unfinished line goes in front of the part of the chunk that ends it.
    if (this.#carryBytes > 0 && from < chunk.length) {
      body = Buffer.concat([...this.#carry, chunk.subarray(from)])
      this.#carry = []
      this.#carryBytes = 0
      from = 0
    }
    let nextReturn = body.indexOf(carriageReturn, from)
    let nextFeed = body.indexOf(lineFeed, from)
    while (nextReturn >= 0 || nextFeed >= 0) {
      const isReturn = nextReturn >= 0 && (nextFeed < 0 || nextReturn < nextFeed)
      const end = isReturn ? nextReturn : nextFeed
      this.#add(from, end, starts, ends)
      from = end + 1
      if (isReturn) {
        if (from === body.length) this.#skipLineFeed = true
        else if (nextFeed === from) from++
        nextReturn = body.indexOf(carriageReturn, from)
      }
      if (nextFeed >= 0 && nextFeed < from) nextFeed = body.indexOf(lineFeed, from)
    }
    while (body.length - from > this.#lineBytesMax) {
      this.#add(from, from + this.#lineBytesMax, starts, ends)
      this.#cuts++
      from += this.#lineBytesMax
    }
    if (from < body.length) {
      this.#carry.push(body.subarray(from))
      this.#carryBytes += body.length - from
    }
    return { batch: new EventBatch(body, Uint32Array.from(starts), Uint32Array.from(ends)), cuts: this.#cuts }
  }

  /** What follows the last end of a line; empty when there is nothing. */
  end(): TextLines {
    if (this.#carryBytes === 0) return { batch: EventBatch.empty, cuts: this.#cuts }
    const body = Buffer.concat(this.#carry)
    this.#carry = []
    this.#carryBytes = 0
    return { batch: new EventBatch(body, Uint32Array.of(0), Uint32Array.of(body.length)), cuts: this.#cuts }
  }

  #isPartOfLine(chunk: Buffer): boolean {
    return (
      this.#carryBytes + chunk.length <= this.#lineBytesMax &&
      !chunk.includes(lineFeed) &&
      !chunk.includes(carriageReturn)
    )
  }

  /** Without a copy: a long line that comes in many pieces is put together once. */
  #keep(chunk: Buffer): TextLines {
    this.#carry.push(chunk)
    this.#carryBytes += chunk.length
    return { batch: EventBatch.empty, cuts: this.#cuts }
  }

  #add(from: number, end: number, starts: number[], ends: number[]): void {
    let start = from
    for (; end - start > this.#lineBytesMax; start += this.#lineBytesMax) {
      starts.push(start)
      ends.push(start + this.#lineBytesMax)
      this.#cuts++
    }
    starts.push(start)
    ends.push(end)
  }
}
