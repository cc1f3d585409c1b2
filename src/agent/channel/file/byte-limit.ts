import { bytesPerSlot, slotsForBodies, slotsWithin } from '../../../core/body-slots.ts'
import type { Clock } from '../../../core/clock.ts'
import { Slots } from '../../../core/slots.ts'
import type { EventLog, Slice } from '../../../storage/event-log.ts'
import type { EventBatch } from '../../contract.ts'

interface ByteOptions {
  readonly byteCapacity: number | undefined
  readonly byteCapacityBufferPercentage: number
}

/**
 * How many bytes of bodies may be held. What was found in the log is not read to be measured: it counts with its share of
 * the files it lies in, and leaves in equal parts, so that nothing of it counts any more when all of it is gone.
 */
export class ByteLimit {
  readonly #slots: Slots
  /** Events with lower numbers were found. */
  #foundBelow = 0
  #foundCount = 0
  #foundSlots = 0

  constructor(options: ByteOptions, clock: Clock) {
    this.#slots = new Slots(slotsOf(options), clock)
  }

  /** All slots there are. */
  get slots(): number {
    return this.#slots.total
  }

  /** What is in the log as it was opened. */
  found({ next, size, heldBytes }: EventLog): void {
    this.#foundBelow = next
    this.#foundCount = size
    this.#foundSlots = Math.ceil(heldBytes / bytesPerSlot)
    this.#slots.occupy(this.#foundSlots)
  }

  /** Another limit; lower than what is held, it lets nothing in until enough has left. */
  adjust(options: ByteOptions): void {
    const more = slotsOf(options) - this.#slots.total
    if (more >= 0) this.#slots.grow(more)
    else this.#slots.shrinkNow(-more)
  }

  acquire(batch: EventBatch, waitMs: number): boolean | Promise<boolean> {
    return this.#slots.acquire(slotsForBodies(batch), waitMs)
  }

  /** Counts a batch whether there is room for it or not. */
  occupy(batch: EventBatch): void {
    this.#slots.occupy(slotsForBodies(batch))
  }

  /** A batch for which slots were acquired was not kept. */
  giveUp(batch: EventBatch): void {
    this.#slots.release(slotsForBodies(batch))
  }

  /** Events are gone. */
  release(slices: readonly Slice[]): void {
    let slots = 0
    for (const { first, batch } of slices) {
      slots += first < this.#foundBelow ? this.#partOfFound(batch.count) : slotsForBodies(batch)
    }
    this.#slots.release(slots)
  }

  /** Events that were found cannot be read any more. */
  lose(count: number): void {
    this.#slots.release(this.#partOfFound(count))
  }

  refuseAll(): void {
    this.#slots.refuseAll()
  }

  #partOfFound(count: number): number {
    if (this.#foundCount === 0) return 0
    const part =
      count >= this.#foundCount ? this.#foundSlots : Math.floor((this.#foundSlots * count) / this.#foundCount)
    this.#foundCount = Math.max(0, this.#foundCount - count)
    this.#foundSlots -= part
    return part
  }
}

function slotsOf({ byteCapacity, byteCapacityBufferPercentage }: ByteOptions): number {
  return byteCapacity === undefined ? Number.MAX_SAFE_INTEGER : slotsWithin(byteCapacity, byteCapacityBufferPercentage)
}
