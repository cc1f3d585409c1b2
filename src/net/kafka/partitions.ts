import { RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'

/**
 * The partition of each event: that of its header, else the default one, else -1 for any; undefined when all may go anywhere
 * (N-13). Rejects INVALID_DATA for a header that holds no number.
 */
export function partitionsOf(
  batch: EventBatch,
  header: string | undefined,
  fallback: number | undefined,
): Int32Array | undefined {
  const column = header === undefined ? undefined : batch.headers.get(header)
  if (column === undefined && fallback === undefined) return undefined
  const partitions = new Int32Array(batch.count).fill(fallback ?? -1)
  if (column === undefined) return partitions
  for (let i = 0; i < batch.count; i++) {
    const value = typeof column === 'string' ? column : column[i]
    if (value === undefined) continue
    if (!/^\+?\d{1,9}$/.test(value)) {
      const shown = JSON.stringify(value.slice(0, 100))
      throw new RefusedEventsError(
        'INVALID_DATA',
        `Non integer partition id specified: header ${header} of event ${i + 1} of the batch is ${shown}`,
        { events: [i] },
      )
    }
    partitions[i] = Number(value)
  }
  return partitions
}
