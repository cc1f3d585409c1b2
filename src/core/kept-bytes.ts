import type { EventBatch } from './event-batch.ts'

/** What may be kept alive for each byte of the bodies, for each buffer and, beyond that, in all. */
const perBodyByte = 4
const perBuffer = 1024
const slackBytes = 4 * 1024 * 1024

/**
 * What a queue of batches keeps alive. Batches cut out of one buffer keep all of it until the last of them is gone: as
 * long as they go on soon that is cheaper than a copy of each.
 *
 * Invariant, while the owner calls `tidy` where it is asked to: the buffers take at most 4 × the bytes of the bodies,
 * 1 KiB each and 4 MiB.
 */
export class KeptBytes {
  /** How many events of each buffer are kept. */
  readonly #events = new Map<ArrayBufferLike, number>()
  #bufferBytes = 0
  #bodyBytes = 0

  /** Bytes of all buffers that are kept alive. */
  get bufferBytes(): number {
    return this.#bufferBytes
  }

  /** Bytes of the bodies that are kept. */
  get bodyBytes(): number {
    return this.#bodyBytes
  }

  /** True when so much has been released that what is left keeps too much alive. */
  get isTooMuch(): boolean {
    return this.#isTooMuch(this.#bufferBytes, this.#bodyBytes, this.#events.size)
  }

  /** Takes a batch in: answers it as it is, or a copy of its events where its buffer would be too much. */
  keep(batch: EventBatch): EventBatch {
    const { buffer } = batch.body
    const isNew = !this.#events.has(buffer)
    const wouldBeTooMuch =
      isNew &&
      this.#isTooMuch(this.#bufferBytes + buffer.byteLength, this.#bodyBytes + batch.bodyBytes, this.#events.size + 1)
    const kept = wouldBeTooMuch ? batch.compact() : batch
    this.#add(kept)
    return kept
  }

  /** Lets go of a batch that was kept, or of a part of one. */
  release(batch: EventBatch): void {
    const { buffer } = batch.body
    const left = (this.#events.get(buffer) ?? 0) - batch.count
    this.#bodyBytes -= batch.bodyBytes
    if (left > 0) {
      this.#events.set(buffer, left)
    } else if (this.#events.delete(buffer)) {
      this.#bufferBytes -= buffer.byteLength
    }
  }

  /** A batch that is kept in as little as its events need. */
  tidy(batch: EventBatch): EventBatch {
    const compact = batch.compact()
    if (compact === batch) return batch
    this.release(batch)
    this.#add(compact)
    return compact
  }

  #add(batch: EventBatch): void {
    const { buffer } = batch.body
    const present = this.#events.get(buffer)
    if (present === undefined) this.#bufferBytes += buffer.byteLength
    this.#events.set(buffer, (present ?? 0) + batch.count)
    this.#bodyBytes += batch.bodyBytes
  }

  #isTooMuch(bufferBytes: number, bodyBytes: number, buffers: number): boolean {
    return bufferBytes > perBodyByte * bodyBytes + perBuffer * buffers + slackBytes
  }
}
