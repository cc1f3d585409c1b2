import { isAscii } from 'node:buffer'
import type { EventBatch } from '../core/event-batch.ts'
import type { Charset } from './charset.ts'

/** The bodies of a batch as texts, malformed input as U+FFFD; made one at a time, and cheaply where all is ASCII. */
export class BodyTexts {
  readonly #batch: EventBatch
  readonly #charset: Charset
  readonly #ascii: Buffer | undefined

  constructor(batch: EventBatch, charset: Charset) {
    this.#batch = batch
    this.#charset = charset
    const { body, starts, ends, count } = batch
    const [from, to] = [starts[0] ?? 0, ends[count - 1] ?? 0]
    // Bodies that lie close together, as lines of a chunk do, are looked at in one go.
    const isDense = to - from >= batch.bodyBytes && to - from <= 2 * batch.bodyBytes + 1024
    if (!charset.ascii || !isDense || !isAscii(body.subarray(from, to))) return
    for (let i = 0; i < count; i++) if ((starts[i] as number) < from || (ends[i] as number) > to) return
    this.#ascii = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  }

  at(index: number): string {
    const { body, starts, ends } = this.#batch
    if (this.#ascii) return this.#ascii.toString('latin1', starts[index], ends[index])
    return this.#charset.decode(body.subarray(starts[index], ends[index]), '\uFFFD') as string
  }
}
