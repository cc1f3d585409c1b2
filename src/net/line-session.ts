import { LineCutter, type LineUnit } from '../codec/lines.ts'
import type { StreamCharset } from '../codec/stream-charset.ts'
import { FlumeError } from '../core/error.ts'
import type { EventBatch } from '../core/event-batch.ts'
import type { Wire } from './wire.ts'

/** What became of a batch of lines: the first `accepted` are kept; `error` says why the one after them is not. */
export interface LinesAccepted {
  readonly accepted: number
  readonly error?: Error
}

export interface LineSessionOptions {
  readonly wire: Wire
  /** Aborts when the session must end, and with it the wire's input: what is being delivered is still answered. */
  readonly signal: AbortSignal
  readonly charset: StreamCharset
  /** Longest line, newline included. */
  readonly lineMax: number
  readonly unit: LineUnit
  /** Lines that are no text of the character set end the session. */
  readonly strict: boolean
  /** Answer OK for every line that is kept. */
  readonly acks: boolean
  /** Takes lines as if each were a transaction of its own; never rejects. */
  deliver(batch: EventBatch): Promise<LinesAccepted>
}

/** As many acknowledgements as most chunks need, made once. */
const readyAcks = 4096

/**
 * Netcat's dialogue (S-20 to S-24): lines in; `OK` or `FAILED: …` out, one for each, in one write per chunk. Rejects
 * LIMIT after a line that is too long (answered), INVALID_DATA after one that is no text (not answered).
 */
export async function serveLines(options: LineSessionOptions): Promise<void> {
  const { wire, charset, lineMax, unit, strict } = options
  const decode = charset.decoder()
  const replies = new Replies(options)
  const cutter = new LineCutter({ lineMax, unit, checkUtf8: strict && charset.name === 'utf-8' })
  for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
    const { batch, end } = cutter.cut(decode(chunk))
    await deliverAll(options, replies, batch)
    if (end === 'overlong') {
      const limit = `${lineMax} ${unit === 'bytes' ? 'bytes' : 'chars'}, including newline`
      replies.failed(`Event exceeds the maximum length (${limit})`)
      throw new FlumeError('LIMIT', `a line above ${lineMax} ${unit}`)
    }
    if (end === 'invalid') throw new FlumeError('INVALID_DATA', `a line that is no ${charset.name}`)
    if (wire.backlogged) await wire.drained()
  }
}

/** Delivers the lines one refusal after the other; a stop leaves the rest unanswered, as if it had not been read. */
async function deliverAll(options: LineSessionOptions, replies: Replies, batch: EventBatch): Promise<void> {
  for (let rest = batch; rest.count > 0; ) {
    const { accepted, error } = await options.deliver(rest)
    replies.ok(accepted)
    if (!error) return
    replies.failed(error.message)
    if (options.signal.aborted) return
    rest = rest.slice(accepted + 1)
  }
}

class Replies {
  readonly #wire: Wire
  readonly #acks: boolean
  readonly #encode: (text: string) => Buffer
  #first = true
  #ready: Buffer | undefined
  #readyBytesEach = 0

  constructor({ wire, acks, charset }: LineSessionOptions) {
    this.#wire = wire
    this.#acks = acks
    this.#encode = charset.encoder()
  }

  ok(count: number): void {
    if (!this.#acks || count === 0) return
    if (this.#first) {
      // What an encoder says first may hold a byte order mark.
      this.#first = false
      this.#wire.write(this.#encode('OK\n'))
      count--
    }
    if (!this.#ready && count > 0) {
      this.#ready = this.#encode('OK\n'.repeat(readyAcks))
      this.#readyBytesEach = this.#ready.length / readyAcks
    }
    for (; count > 0; count -= readyAcks)
      this.#wire.write((this.#ready as Buffer).subarray(0, Math.min(count, readyAcks) * this.#readyBytesEach))
  }

  /** Sent even when acknowledgements are off (S-21). */
  failed(problem: string): void {
    this.#first = false
    this.#wire.write(this.#encode(`FAILED: ${problem.replaceAll(/[\r\n]+/g, ' ')}\n`))
  }
}
