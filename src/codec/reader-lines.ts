import { FlumeError } from '../core/error.ts'
import { EventBatch } from '../core/event-batch.ts'

const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Cuts bytes into lines as Java's `BufferedReader.readLine` does: a line ends at LF, CR or CRLF, and what follows the
 * last of them is a line if it is not empty. Bodies are ranges of the chunk; only an unfinished line is copied. Any
 * charset in which CR and LF are these bytes serves.
 */
export class ReaderLines {
  readonly #lineMaxBytes: number
  #rest: Uint8Array[] = []
  #restBytes = 0
  #afterCr = false

  constructor(lineMaxBytes: number) {
    this.#lineMaxBytes = lineMaxBytes
  }

  /** The lines that the chunk completes. Throws LIMIT for a line above the limit. The chunk becomes the cutter's own. */
  push(chunk: Uint8Array): EventBatch {
    const starts: number[] = []
    const ends: number[] = []
    // The LF of a CRLF that was torn apart belongs to the line before.
    let start = this.#afterCr && chunk[0] === lineFeed ? 1 : 0
    if (chunk.length > 0) this.#afterCr = false
    let feed = chunk.indexOf(lineFeed, start)
    let back = chunk.indexOf(carriageReturn, start)
    while (feed >= 0 || back >= 0) {
      const isBack = back >= 0 && (feed < 0 || back < feed)
      const end = isBack ? back : feed
      this.#check(end - start + (starts.length === 0 ? this.#restBytes : 0))
      starts.push(start)
      ends.push(end)
      const isPair = isBack && feed === back + 1
      start = end + (isPair ? 2 : 1)
      if (isBack && start === chunk.length && !isPair) this.#afterCr = true
      if (feed >= 0 && feed < start) feed = chunk.indexOf(lineFeed, start)
      if (isBack) back = chunk.indexOf(carriageReturn, start)
    }
    const left = chunk.length - start
    if (starts.length === 0) {
      this.#keep(chunk.subarray(start), left)
      return EventBatch.empty
    }
    const batch = new EventBatch(chunk, Uint32Array.from(starts), Uint32Array.from(ends))
    const whole = this.#restBytes === 0 ? batch : this.#joined(batch)
    if (left > 0) this.#keep(chunk.subarray(start), left)
    return whole
  }

  /** The last line, when it has no end. */
  end(): EventBatch {
    if (this.#restBytes === 0) return EventBatch.empty
    return EventBatch.of([{ body: this.#takeRest() }])
  }

  /** The batch with what was left before in front of its first line. */
  #joined(batch: EventBatch): EventBatch {
    const first = Buffer.concat([this.#takeRest(), batch.bodyAt(0)])
    const head = EventBatch.of([{ body: first }])
    return batch.count === 1 ? head : EventBatch.concat([head, batch.slice(1)])
  }

  #keep(bytes: Uint8Array, length: number): void {
    if (length === 0) return
    this.#check(this.#restBytes + length)
    // A copy, so that a few bytes do not keep their whole chunk in memory.
    this.#rest.push(Uint8Array.from(bytes))
    this.#restBytes += length
  }

  #takeRest(): Uint8Array {
    const rest = Buffer.concat(this.#rest)
    this.#rest = []
    this.#restBytes = 0
    return rest
  }

  #check(bytes: number): void {
    if (bytes > this.#lineMaxBytes) throw new FlumeError('LIMIT', `a line is longer than ${this.#lineMaxBytes} bytes`)
  }
}
