import { flag, type Options } from '../../spec/option.ts'
import { defineSerializer, type EventBatch, type Serializer } from '../contract.ts'

const options = {
  appendNewline: flag({ default: true, doc: 'End every body with a newline.' }),
}
type TextOptions = Options<typeof options>

export const text = defineSerializer({
  type: 'text',
  aliases: ['org.apache.flume.serialization.BodyTextEventSerializer', 'BodyTextEventSerializer'],
  summary: 'Writes the bodies, one a line; headers are left out.',
  options,
  create: (options) => new TextSerializer(options),
})

const newline = 10
const nothing = new Uint8Array(0)

class TextSerializer implements Serializer {
  readonly appendable = true
  readonly #appendNewline: boolean

  constructor({ appendNewline }: TextOptions) {
    this.#appendNewline = appendNewline
  }

  begin(): Uint8Array {
    return nothing
  }

  end(): Uint8Array {
    return nothing
  }

  /** Bodies that lie one behind the other with their newlines, as a line source read them, are handed on without a copy. */
  encode(batch: EventBatch): Uint8Array {
    const { count, body, starts, ends } = batch
    if (count === 0) return nothing
    const gap = this.#appendNewline ? 1 : 0
    const firstRun = this.#runEnd(batch, 0)
    if (firstRun === count && this.#hasNewline(batch, count - 1)) {
      return body.subarray(starts[0], (ends[count - 1] as number) + gap)
    }
    const out = new Uint8Array(batch.bodyBytes + gap * count)
    let at = 0
    for (let from = 0, to = firstRun; from < count; from = to, to = from < count ? this.#runEnd(batch, from) : count) {
      const start = starts[from] as number
      const end = ends[to - 1] as number
      if (end > start) out.set(body.subarray(start, end), at)
      at += end - start
      if (gap) out[at++] = newline
    }
    return out
  }

  /** The first event behind `from` whose body does not follow its forerunner's as the file needs it. */
  #runEnd({ count, body, starts, ends }: EventBatch, from: number): number {
    let to = from + 1
    if (this.#appendNewline) {
      while (to < count && starts[to] === (ends[to - 1] as number) + 1 && body[ends[to - 1] as number] === newline) to++
    } else {
      while (to < count && starts[to] === ends[to - 1]) to++
    }
    return to
  }

  #hasNewline({ body, ends }: EventBatch, index: number): boolean {
    return !this.#appendNewline || body[ends[index] as number] === newline
  }
}
