import type { EventBatch } from '../core/event-batch.ts'

const newline = 10
const nothing = new Uint8Array(0)

/** What stands before each body: one text for all events, or one each. */
export type Heads = Uint8Array | readonly Uint8Array[]

/**
 * Events as text: what `headsOf` gives, the body, and a newline unless it is turned off. A file of it begins and ends with
 * nothing, and can be gone on with at any time.
 */
export class EventLines {
  readonly appendable = true
  readonly #gap: 0 | 1
  readonly #headsOf: ((batch: EventBatch) => Heads) | undefined

  constructor(appendNewline: boolean, headsOf?: (batch: EventBatch) => Heads) {
    this.#gap = appendNewline ? 1 : 0
    this.#headsOf = headsOf
  }

  begin(): Uint8Array {
    return nothing
  }

  end(): Uint8Array {
    return nothing
  }

  /** Bodies that lie one behind the other with their newlines, as a line source read them, are handed on without a copy. */
  encode(batch: EventBatch): Uint8Array {
    if (batch.count === 0) return nothing
    return this.#headsOf ? this.#withHeads(batch, this.#headsOf(batch)) : this.#runs(batch)
  }

  #withHeads(batch: EventBatch, heads: Heads): Uint8Array {
    const { count, body, starts, ends } = batch
    const shared = heads instanceof Uint8Array ? heads : undefined
    let size = batch.bodyBytes + this.#gap * count
    for (let i = 0; i < count; i++) size += (shared ?? ((heads as readonly Uint8Array[])[i] as Uint8Array)).length
    const out = new Uint8Array(size)
    let at = 0
    for (let i = 0; i < count; i++) {
      const head = shared ?? ((heads as readonly Uint8Array[])[i] as Uint8Array)
      out.set(head, at)
      at = this.#put(out, at + head.length, body, starts[i] as number, ends[i] as number)
    }
    return out
  }

  #runs(batch: EventBatch): Uint8Array {
    const { count, body, starts, ends } = batch
    const firstRun = this.#runEnd(batch, 0)
    if (firstRun === count && (this.#gap === 0 || body[ends[count - 1] as number] === newline)) {
      return body.subarray(starts[0], (ends[count - 1] as number) + this.#gap)
    }
    const out = new Uint8Array(batch.bodyBytes + this.#gap * count)
    let at = 0
    for (let from = 0, to = firstRun; from < count; from = to, to = from < count ? this.#runEnd(batch, from) : count) {
      at = this.#put(out, at, body, starts[from] as number, ends[to - 1] as number)
    }
    return out
  }

  /** Copies bytes and adds the newline; returns the place behind them. */
  #put(out: Uint8Array, at: number, from: Uint8Array, start: number, end: number): number {
    if (end > start) out.set(from.subarray(start, end), at)
    const behind = at + end - start
    if (this.#gap) out[behind] = newline
    return behind + this.#gap
  }

  /** The first event behind `from` whose body does not follow its forerunner's as the file needs it. */
  #runEnd({ count, body, starts, ends }: EventBatch, from: number): number {
    let to = from + 1
    if (this.#gap) {
      while (to < count && starts[to] === (ends[to - 1] as number) + 1 && body[ends[to - 1] as number] === newline) to++
    } else {
      while (to < count && starts[to] === ends[to - 1]) to++
    }
    return to
  }
}
