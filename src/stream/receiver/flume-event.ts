import type { EventBatch } from '../../core/event-batch.ts'

/** One Flume event of a stream: a view on the batch it came in, made when it is looked at. */
export class SparkFlumeEvent {
  readonly #batch: EventBatch
  readonly #index: number

  constructor(batch: EventBatch, index: number) {
    this.#batch = batch
    this.#index = index
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#batch.headersAt(this.#index)
  }

  get body(): Buffer {
    const body = this.#batch.bodyAt(this.#index)
    return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  }

  /** The body as text, UTF-8 unless said otherwise. */
  bodyAsString(encoding: BufferEncoding = 'utf8'): string {
    return this.body.toString(encoding)
  }

  toJSON(): { headers: Readonly<Record<string, string>>; body: string } {
    return { headers: this.headers, body: this.bodyAsString() }
  }

  /** The body as text, after the headers as JSON when there are any. */
  toString(): string {
    const { headers } = this
    return Object.keys(headers).length === 0 ? this.bodyAsString() : `${JSON.stringify(headers)} ${this.bodyAsString()}`
  }
}

/** The events of a batch as a block of records; no event object is made before somebody walks over them. */
export class FlumeEvents implements Iterable<SparkFlumeEvent> {
  readonly batch: EventBatch

  constructor(batch: EventBatch) {
    this.batch = batch
  }

  get length(): number {
    return this.batch.count
  }

  *[Symbol.iterator](): Iterator<SparkFlumeEvent> {
    for (let i = 0; i < this.batch.count; i++) yield new SparkFlumeEvent(this.batch, i)
  }
}
