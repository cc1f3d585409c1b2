export type Place = 'memory' | 'overflow'

/** Events that were put one after the other into one place: those with numbers below `end` that are in no span before. */
interface Span {
  /** Grows from span to span, whatever its place. */
  readonly sequence: number
  /** One more than the highest number in it. */
  end: number
}

/** Where an event stands: its span, and its number within that span's place. */
export interface Position {
  readonly sequence: number
  readonly number: number
}

/** Spans are only dropped from the front; while one event keeps the front, so many may follow. */
export const spanCountMax = 65_536

/**
 * The one order over two places, each of which numbers its own events: spans in turn of events in memory and
 * events on the disk. Which events a span still has is known to its place; the order only says whose turn it is.
 */
export class DrainOrder {
  readonly #spans: Readonly<Record<Place, Span[]>> = { memory: [], overflow: [] }
  #sequence = 0
  #last: Place | undefined

  /** False: the list of spans is at its limit, and memory must wait until some have gone. */
  get mayTurnToMemory(): boolean {
    return this.#last === 'memory' || this.#spans.memory.length < spanCountMax
  }

  /** Events with numbers below `end` are in `place` now, behind everything that was put before. */
  extend(place: Place, end: number): void {
    const spans = this.#spans[place]
    const last = spans.at(-1)
    if (last && end <= last.end) return
    if (last && this.#last === place) last.end = end
    else spans.push({ sequence: this.#sequence++, end })
    this.#last = place
  }

  /** Where the event with this number stands. */
  positionOf(place: Place, number: number): Position {
    const spans = this.#spans[place]
    const span = spans[firstIndex(spans, ({ end }) => end > number)]
    return { sequence: span ? span.sequence : this.#sequence, number }
  }

  /** Events of `place` with numbers below this come before the span `sequence`. */
  limitBefore(place: Place, sequence: number): number {
    const spans = this.#spans[place]
    return spans[firstIndex(spans, (span) => span.sequence > sequence) - 1]?.end ?? 0
  }

  /** Events of `place` with numbers below `floor` are gone for good. */
  drop(place: Place, floor: number): void {
    const spans = this.#spans[place]
    const count = firstIndex(spans, ({ end }) => end > floor)
    if (count === 0) return
    spans.splice(0, count)
    if (spans.length === 0 && this.#last === place) this.#last = undefined
  }
}

export function isBehind(one: Position, other: Position): boolean {
  return one.sequence > other.sequence || (one.sequence === other.sequence && one.number > other.number)
}

/** The first index whose item passes, where all after it pass too; the length when none does. */
function firstIndex<T>(items: readonly T[], passes: (item: T) => boolean): number {
  let from = 0
  let to = items.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (passes(items[middle] as T)) to = middle
    else from = middle + 1
  }
  return from
}
