/** Header values of a batch: one text shared by every event, or one per event (undefined: that event has no such header). */
export type HeaderColumn = string | readonly (string | undefined)[]

/** One event, for user code and tests; the project's own loops stay on columns. */
export interface Event {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const noHeaders: ReadonlyMap<string, HeaderColumn> = new Map()

/**
 * The unit that moves: an immutable, columnar batch of events.
 *
 * Body i is `body[starts[i] .. ends[i])`. Gaps and any order are allowed, so a chunk as it was read (newlines and all)
 * is already a batch, and slices and selections share its bytes. Whoever holds a batch may rely on its bytes never
 * changing; whoever makes one gives the buffer away.
 */
export class EventBatch {
  readonly count: number
  readonly body: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly headers: ReadonlyMap<string, HeaderColumn>
  #bodyBytes = -1

  constructor(
    body: Uint8Array,
    starts: Uint32Array,
    ends: Uint32Array,
    headers: ReadonlyMap<string, HeaderColumn> = noHeaders,
  ) {
    this.count = starts.length
    this.body = body
    this.starts = starts
    this.ends = ends
    this.headers = headers
  }

  /** A batch without events. */
  static readonly empty = new EventBatch(new Uint8Array(0), new Uint32Array(0), new Uint32Array(0))

  /** Copies single events into a batch; for tests, user code and rare paths. */
  static of(
    events: readonly { readonly headers?: Readonly<Record<string, string>>; readonly body: Uint8Array | string }[],
  ): EventBatch {
    const builder = new BatchBuilder()
    for (const { body, headers } of events) builder.add(typeof body === 'string' ? Buffer.from(body) : body, headers)
    return builder.build()
  }

  /**
   * One batch with the events of all, in order. A single batch is handed back as it is; several that share their bytes go
   * on sharing them; others are copied into one buffer.
   */
  static concat(batches: readonly EventBatch[]): EventBatch {
    const [first] = batches
    if (!first) return EventBatch.empty
    if (batches.length === 1) return first
    return batches.every(({ body }) => body === first.body) ? joinSharing(first.body, batches) : joinCopying(batches)
  }

  /** Sum of the body lengths in bytes; headers and gaps do not count. */
  get bodyBytes(): number {
    if (this.#bodyBytes < 0) {
      let sum = 0
      for (let i = 0; i < this.count; i++) sum += (this.ends[i] as number) - (this.starts[i] as number)
      this.#bodyBytes = sum
    }
    return this.#bodyBytes
  }

  /** Body i as a view on the shared bytes, not a copy. */
  bodyAt(index: number): Uint8Array {
    return this.body.subarray(this.starts[index], this.ends[index])
  }

  /** Header `name` of event i, or undefined. */
  headerAt(name: string, index: number): string | undefined {
    const column = this.headers.get(name)
    return typeof column === 'object' ? column[index] : column
  }

  /** All headers of event i. */
  headersAt(index: number): Record<string, string> {
    const entries: [string, string][] = []
    for (const [name, column] of this.headers) {
      const value = typeof column === 'string' ? column : column[index]
      if (value !== undefined) entries.push([name, value])
    }
    // Not by assignment: a stranger may send a header named __proto__.
    return Object.fromEntries(entries)
  }

  /** A view of one event. */
  event(index: number): Event {
    return { headers: this.headersAt(index), body: this.bodyAt(index) }
  }

  *events(): IterableIterator<Event> {
    for (let i = 0; i < this.count; i++) yield this.event(i)
  }

  /** Events from `start` up to, not including, `end`, sharing the bytes. */
  slice(start: number, end = this.count): EventBatch {
    if (start <= 0 && end >= this.count) return this
    return new EventBatch(
      this.body,
      this.starts.subarray(start, end),
      this.ends.subarray(start, end),
      mapColumns(this.headers, (column) => column.slice(start, end)),
    )
  }

  /** The events at `indices`, in that order, sharing the bytes. */
  select(indices: ArrayLike<number>): EventBatch {
    const starts = new Uint32Array(indices.length)
    const ends = new Uint32Array(indices.length)
    for (let i = 0; i < indices.length; i++) {
      starts[i] = this.starts[indices[i] as number] as number
      ends[i] = this.ends[indices[i] as number] as number
    }
    return new EventBatch(
      this.body,
      starts,
      ends,
      mapColumns(this.headers, (column) => Array.from(indices, (index) => column[index])),
    )
  }

  /** The same events with one header set; undefined takes the header away. */
  withHeader(name: string, column: HeaderColumn | undefined): EventBatch {
    const headers = new Map(this.headers)
    if (column === undefined) headers.delete(name)
    else headers.set(name, column)
    return new EventBatch(this.body, this.starts, this.ends, headers)
  }

  /** The same events with other headers, each of them one text or one value per event. */
  withHeaders(headers: ReadonlyMap<string, HeaderColumn>): EventBatch {
    return new EventBatch(this.body, this.starts, this.ends, headers)
  }

  /** The same events with one header set to one text; `keep` leaves events alone that have it. */
  withShared(name: string, value: string, keep = false): EventBatch {
    const present = keep ? this.headers.get(name) : undefined
    if (typeof present === 'string') return this
    return this.withHeader(name, present ? present.map((own) => own ?? value) : value)
  }

  /** The same events, keeping no more memory alive than a small multiple of their bodies; a batch that wastes little is handed back as it is. */
  compact(): EventBatch {
    if (this.count === 0) return EventBatch.empty
    if (this.body.buffer.byteLength <= wasteRatioMax * this.bodyBytes + wasteBytesMax) return this
    return joinCopying([this])
  }

  /** Where all of the bodies lie with little else between them; undefined when there is no such place. */
  get denseSpan(): { readonly start: number; readonly end: number } | undefined {
    const start = this.starts[0] ?? 0
    const end = this.ends[this.count - 1] ?? 0
    const span = end - start
    const isTight = span >= this.bodyBytes && span <= 2 * this.bodyBytes + wasteBytesMax
    return isTight && this.#isWithin(start, end) ? { start, end } : undefined
  }

  #isWithin(from: number, to: number): boolean {
    for (let i = 0; i < this.count; i++) {
      if ((this.starts[i] as number) < from || (this.ends[i] as number) > to) return false
    }
    return true
  }
}

/** The events of batches over the same bytes. */
function joinSharing(body: Uint8Array, batches: readonly EventBatch[]): EventBatch {
  const { starts, ends, headers } = new Joined(batches)
  let filled = 0
  for (const batch of batches) {
    starts.set(batch.starts, filled)
    ends.set(batch.ends, filled)
    filled += batch.count
  }
  return new EventBatch(body, starts, ends, headers)
}

/** The events of batches with bytes of their own, in one buffer that holds little else. */
function joinCopying(batches: readonly EventBatch[]): EventBatch {
  const { starts, ends, headers } = new Joined(batches)
  const spans = batches.map((batch) => batch.denseSpan)
  const size = batches.reduce((sum, { bodyBytes }, i) => {
    const span = spans[i]
    return sum + (span ? span.end - span.start : bodyBytes)
  }, 0)
  const body = Buffer.allocUnsafeSlow(size)
  let used = 0
  let filled = 0
  for (const [i, batch] of batches.entries()) {
    const span = spans[i]
    // Lines of a chunk lie close together: one copy of their span, newlines and all, beats one copy a line.
    if (span) body.set(batch.body.subarray(span.start, span.end), used)
    const shift = span ? used - span.start : 0
    for (let event = 0; event < batch.count; event++, filled++) {
      const start = batch.starts[event] as number
      const end = batch.ends[event] as number
      if (!span) body.set(batch.body.subarray(start, end), used)
      starts[filled] = span ? start + shift : used
      if (!span) used += end - start
      ends[filled] = span ? end + shift : used
    }
    if (span) used += span.end - span.start
  }
  return new EventBatch(body, starts, ends, headers)
}

/** Room for the ranges of several batches, and their headers as one. */
class Joined {
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly headers: ReadonlyMap<string, HeaderColumn>

  constructor(batches: readonly EventBatch[]) {
    const headers = new GrowingHeaders()
    let count = 0
    for (const batch of batches) {
      headers.addBatch(batch, count)
      count += batch.count
    }
    this.starts = new Uint32Array(count)
    this.ends = new Uint32Array(count)
    this.headers = headers.build(count)
  }
}

/** Memory a batch may keep alive for each byte of its bodies, and in all, before it is worth a copy. */
const wasteRatioMax = 4
const wasteBytesMax = 1024

function mapColumns(
  headers: ReadonlyMap<string, HeaderColumn>,
  pick: (column: readonly (string | undefined)[]) => readonly (string | undefined)[],
): ReadonlyMap<string, HeaderColumn> {
  if (headers.size === 0) return headers
  const picked = new Map<string, HeaderColumn>()
  for (const [name, column] of headers) picked.set(name, typeof column === 'string' ? column : pick(column))
  return picked
}

/** A header column while it is built: one text for the first `through` events as long as they agree, one value per event after that. */
interface GrowingColumn {
  readonly shared: string
  through: number
  values: (string | undefined)[] | undefined
}

/** Header columns of events that come one after the other. */
class GrowingHeaders {
  readonly #columns = new Map<string, GrowingColumn>()

  /** Sets a header of the events from `from` up to, not including, `to`, the last ones so far. */
  set(name: string, from: number, to: number, value: string): void {
    if (to <= from) return
    const column = this.#columns.get(name)
    if (!column) {
      this.#columns.set(name, {
        shared: value,
        through: from === 0 ? to : 0,
        values: from === 0 ? undefined : spread([], from, to, value),
      })
    } else if (!column.values && column.through === from && column.shared === value) {
      column.through = to
    } else {
      column.values = spread(column.values ?? new Array(column.through).fill(column.shared), from, to, value)
    }
  }

  /** The headers of a batch whose first event is number `first`. */
  addBatch(batch: EventBatch, first: number): void {
    for (const [name, column] of batch.headers) {
      if (typeof column === 'string') this.set(name, first, first + batch.count, column)
      else
        for (let i = 0; i < batch.count; i++) {
          const value = column[i]
          if (value !== undefined) this.set(name, first + i, first + i + 1, value)
        }
    }
  }

  /** The columns of `count` events in all. */
  build(count: number): ReadonlyMap<string, HeaderColumn> {
    if (this.#columns.size === 0) return noHeaders
    const headers = new Map<string, HeaderColumn>()
    for (const [name, column] of this.#columns) headers.set(name, finished(column, count))
    return headers
  }
}

/** Collects events by copying them into one growing buffer. `build` hands the batch over and starts afresh. */
export class BatchBuilder {
  #body: Buffer
  #used = 0
  #starts: Uint32Array
  #ends: Uint32Array
  #count = 0
  #headers = new GrowingHeaders()

  constructor(bytesHint = 1024, countHint = 16) {
    this.#body = Buffer.allocUnsafeSlow(Math.max(16, bytesHint))
    this.#starts = new Uint32Array(Math.max(1, countHint))
    this.#ends = new Uint32Array(Math.max(1, countHint))
  }

  /** Events collected so far. */
  get count(): number {
    return this.#count
  }

  /** Body bytes collected so far. */
  get bytes(): number {
    return this.#used
  }

  /** Appends one event, copying its body. */
  add(body: Uint8Array, headers?: Readonly<Record<string, string | undefined>>): void {
    this.addRange(body, 0, body.length)
    if (headers)
      for (const name of Object.keys(headers)) {
        const value = headers[name]
        if (value !== undefined) this.setHeader(name, value)
      }
  }

  /** Appends one event whose body is `from[start .. end)`, copying it. */
  addRange(from: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.#used + length > this.#body.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#used + length, 2 * this.#body.length))
      this.#body.copy(grown, 0, 0, this.#used)
      this.#body = grown
    }
    if (this.#count === this.#starts.length) {
      this.#starts = grow(this.#starts)
      this.#ends = grow(this.#ends)
    }
    this.#body.set(start === 0 && end === from.length ? from : from.subarray(start, end), this.#used)
    this.#starts[this.#count] = this.#used
    this.#used += length
    this.#ends[this.#count] = this.#used
    this.#count++
  }

  /** Sets a header of the event that was added last. */
  setHeader(name: string, value: string): void {
    this.#headers.set(name, this.#count - 1, this.#count, value)
  }

  /** Appends every event of another batch, copying its bodies. */
  addBatch(batch: EventBatch): void {
    this.#headers.addBatch(batch, this.#count)
    for (let i = 0; i < batch.count; i++) this.addRange(batch.body, batch.starts[i] as number, batch.ends[i] as number)
  }

  /** The collected events as a batch; the builder is empty afterwards. */
  build(): EventBatch {
    const batch = new EventBatch(
      this.#body.subarray(0, this.#used),
      this.#starts.subarray(0, this.#count),
      this.#ends.subarray(0, this.#count),
      this.#headers.build(this.#count),
    )
    this.#body = Buffer.allocUnsafeSlow(Math.max(16, this.#used))
    this.#starts = new Uint32Array(this.#starts.length)
    this.#ends = new Uint32Array(this.#ends.length)
    this.#headers = new GrowingHeaders()
    this.#used = 0
    this.#count = 0
    return batch
  }
}

function finished(column: GrowingColumn, count: number): HeaderColumn {
  if (!column.values && column.through === count) return column.shared
  const values = column.values ?? new Array(column.through).fill(column.shared)
  while (values.length < count) values.push(undefined)
  return values
}

/** Writes `value` at [from, to), filling what lies before with undefined. */
function spread(values: (string | undefined)[], from: number, to: number, value: string): (string | undefined)[] {
  while (values.length < from) values.push(undefined)
  for (let i = from; i < to; i++) values[i] = value
  return values
}

function grow(column: Uint32Array): Uint32Array {
  const grown = new Uint32Array(2 * column.length)
  grown.set(column)
  return grown
}
