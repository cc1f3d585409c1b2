import { FlumeError } from '../core/error.ts'
import { EventBatch } from '../core/event-batch.ts'

// Lines of JSON in one piece, as log shippers send them (NDJSON):
//
//   body = ( line ( CR? LF | end ) )*       a line without anything in it is none
//
// What a line holds is nobody's business here: it becomes the body of an event as it stands.

/** Eight bytes are kept for each line, and a line may be one byte. */
export const jsonLinesMax = 1_000_000

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** The lines as events; their bodies are ranges of these bytes. Rejects LIMIT for more than `jsonLinesMax` of them. */
export function readJsonLines(bytes: Uint8Array): EventBatch {
  let count = 0
  forEachLine(bytes, () => {
    count++
    if (count > jsonLinesMax) throw new FlumeError('LIMIT', `there are more than ${jsonLinesMax} lines`)
  })
  if (count === 0) return EventBatch.empty
  const starts = new Uint32Array(count)
  const ends = new Uint32Array(count)
  let index = 0
  forEachLine(bytes, (start, end) => {
    starts[index] = start
    ends[index++] = end
  })
  return new EventBatch(bytes, starts, ends)
}

function forEachLine(bytes: Uint8Array, use: (start: number, end: number) => void): void {
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(lineFeed, start)
    const next = feed < 0 ? bytes.length : feed
    const end = next > start && bytes[next - 1] === carriageReturn ? next - 1 : next
    if (end > start) use(start, end)
    start = next + 1
  }
}
