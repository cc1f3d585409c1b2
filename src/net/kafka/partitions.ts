import { RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'

/**
 * The partition of each event: that of its header, else the default one, else -1 for any; undefined when all may go anywhere
 * (N-13). Rejects INVALID_DATA, naming the events, for a header that holds no number.
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
  const refused: number[] = []
  for (let i = 0; i < batch.count; i++) {
    const value = typeof column === 'string' ? column : column[i]
    if (value === undefined) continue
    if (/^\+?\d{1,9}$/.test(value)) partitions[i] = Number(value)
    else refused.push(i)
  }
  const [first] = refused
  if (first === undefined) return partitions
  const shown = JSON.stringify(batch.headerAt(header as string, first)?.slice(0, 100))
  throw new RefusedEventsError(
    'INVALID_DATA',
    `Non integer partition id specified: header ${header} of event ${first + 1} of the batch is ${shown}`,
    { events: refused },
  )
}
