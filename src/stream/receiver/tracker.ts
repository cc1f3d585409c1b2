import type { Items } from '../rdd/push.ts'

/** Records that came in together; one block is one partition. */
export interface ReceivedBlock {
  readonly streamId: number
  readonly items: Items<unknown>
  /** Records it counts as: 0 for an opaque block. */
  readonly recordCount: number
  readonly metadata?: unknown
  /** Its number in the write-ahead log. */
  readonly logNumber?: number
}

/** Knows every block from its arrival until its batch is forgotten. Each block belongs to exactly one batch (B103). */
export class ReceiverTracker {
  #waiting: ReceivedBlock[] = []
  readonly #allocated = new Map<number, Map<number, ReceivedBlock[]>>()

  add(block: ReceivedBlock): void {
    this.#waiting.push(block)
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Gives all blocks that wait to the batch at `timeMs`. */
  allocate(timeMs: number): void {
    if (this.#waiting.length === 0) return
    const byStream = new Map<number, ReceivedBlock[]>()
    for (const block of this.#waiting) {
      const blocks = byStream.get(block.streamId)
      if (blocks) blocks.push(block)
      else byStream.set(block.streamId, [block])
    }
    this.#allocated.set(timeMs, byStream)
    this.#waiting = []
  }

  /** Gives back to a batch of an earlier run what it had. */
  restore(timeMs: number, blocks: readonly ReceivedBlock[]): void {
    const byStream = this.#allocated.get(timeMs) ?? new Map<number, ReceivedBlock[]>()
    for (const block of blocks) byStream.set(block.streamId, [...(byStream.get(block.streamId) ?? []), block])
    this.#allocated.set(timeMs, byStream)
  }

  /** The blocks of one stream in one batch, in order of arrival. */
  blocksAt(timeMs: number, streamId: number): readonly ReceivedBlock[] {
    return this.#allocated.get(timeMs)?.get(streamId) ?? []
  }

  /** Forgets the blocks of batches up to and with `timeMs`. */
  clear(timeMs: number): void {
    for (const allocatedMs of this.#allocated.keys()) if (allocatedMs <= timeMs) this.#allocated.delete(allocatedMs)
  }
}
