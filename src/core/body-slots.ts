import type { EventBatch } from './event-batch.ts'

/** Flume accounts bodies in slots of 100 bytes (MC-05). */
export const bytesPerSlot = 100

/** How many slots the bodies of a batch take: each its own, an empty one one; headers are free. */
export function slotsForBodies(batch: EventBatch, slotBytes = bytesPerSlot): number {
  let slots = 0
  for (let i = 0; i < batch.count; i++) {
    const length = (batch.ends[i] as number) - (batch.starts[i] as number)
    slots += length === 0 ? 1 : Math.ceil(length / slotBytes)
  }
  return slots
}

/** How many slots there are: a share of the bytes is kept back; less than one slot means that there is no limit. */
export function slotsWithin(byteCapacity: number, keptBackPercent: number, slotBytes = bytesPerSlot): number {
  const slots = Math.floor((byteCapacity * (1 - keptBackPercent / 100)) / slotBytes)
  return slots < 1 ? Number.MAX_SAFE_INTEGER : slots
}
