// Arrays of {headers: map of string, body: bytes} ↔ batches, in columns: a header name is read once per batch, a value
// that repeats the event before is not read again, and bodies stay where they are.
import { FlumeError } from '../../core/error.ts'
import { EventBatch, type HeaderColumn } from '../../core/event-batch.ts'
import { type AvroReader, type AvroWriter, textOf } from './binary.ts'

/** Smallest event: an empty map and an empty body. */
const eventBytesMin = 2
/**
 * Header values a batch may have room for, names × events. A stranger's batch in which every event brings a name of its
 * own would otherwise take memory with the square of its size.
 */
const headerCellsMax = 16 * 1024 * 1024

/** The array of events at the reader's place as a batch; bodies are ranges of the reader's bytes. */
export function readEvents(reader: AvroReader): EventBatch {
  const columns = new HeaderColumns(reader.bytes)
  let starts: Uint32Array | undefined
  let ends: Uint32Array | undefined
  let count = 0
  for (let block = reader.block(eventBytesMin, 'events'); block > 0; block = reader.block(eventBytesMin, 'events')) {
    starts = withRoom(starts, count, block)
    ends = withRoom(ends, count, block)
    columns.announce(count + block)
    for (const last = count + block; count < last; count++) {
      columns.readMap(reader, count)
      starts[count] = reader.skipData('body')
      ends[count] = reader.at
    }
  }
  if (!starts || !ends) return EventBatch.empty
  return new EventBatch(reader.bytes, starts.subarray(0, count), ends.subarray(0, count), columns.finish(count))
}

/** One event at the reader's place as a batch. */
export function readEvent(reader: AvroReader): EventBatch {
  const columns = new HeaderColumns(reader.bytes)
  columns.announce(1)
  columns.readMap(reader, 0)
  const start = reader.skipData('body')
  return new EventBatch(reader.bytes, Uint32Array.of(start), Uint32Array.of(reader.at), columns.finish(1))
}

/** The batch as an array of events. */
export function writeEvents(writer: AvroWriter, batch: EventBatch): void {
  if (batch.count > 0) {
    const events = new EventWriter(batch)
    writer.long(batch.count)
    for (let i = 0; i < batch.count; i++) events.write(writer, i)
  }
  writer.long(0)
}

/** Event `index` of the batch. */
export function writeEvent(writer: AvroWriter, batch: EventBatch, index: number): void {
  new EventWriter(batch).write(writer, index)
}

/** About how many bytes `writeEvents` will need; a hint for the writer's first buffer. */
export function eventsBytesHint(batch: EventBatch): number {
  let perEvent = 6
  for (const [name, column] of batch.headers) {
    const sample = typeof column === 'string' ? column : (column[0] ?? '')
    perEvent += name.length + sample.length + 4
  }
  return batch.bodyBytes + batch.count * perEvent + 16
}

/** Writes the events of a batch one by one; headers with one text for all events are counted once. */
export class EventWriter {
  readonly #batch: EventBatch
  readonly #names: readonly string[]
  readonly #columns: readonly HeaderColumn[]
  readonly #shared: number

  constructor(batch: EventBatch) {
    this.#batch = batch
    this.#names = [...batch.headers.keys()]
    this.#columns = [...batch.headers.values()]
    this.#shared = this.#columns.reduce<number>((count, column) => count + (typeof column === 'string' ? 1 : 0), 0)
  }

  /** Event `index`: its map and its body. */
  write(writer: AvroWriter, index: number): void {
    const columns = this.#columns
    let present = this.#shared
    if (present < columns.length)
      for (const column of columns) if (typeof column !== 'string' && column[index] !== undefined) present++
    if (present > 0) {
      writer.long(present)
      for (let k = 0; k < columns.length; k++) {
        const column = columns[k] as HeaderColumn
        const value = typeof column === 'string' ? column : column[index]
        if (value === undefined) continue
        writer.string(this.#names[k] as string)
        writer.string(value)
      }
    }
    writer.long(0)
    const { body, starts, ends } = this.#batch
    writer.data(body, starts[index] as number, ends[index] as number)
  }
}

/** A header while a batch is read: one text for the first `through` events as long as they agree, then one value each. */
interface Column {
  readonly name: string
  /** Where the name last stood. */
  nameStart: number
  readonly nameLength: number
  shared: string
  through: number
  values: (string | undefined)[] | undefined
  /** The value read last and where it stood. */
  last: string
  lastStart: number
  lastLength: number
}

class HeaderColumns {
  readonly #bytes: Buffer
  readonly #byName = new Map<string, Column>()
  /** Columns in the order in which the event before had them: the next event mostly has the same. */
  #order: Column[] = []
  #count = 0
  #cells = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** There will be `count` events in all, as far as is known. */
  announce(count: number): void {
    this.#count = count
  }

  /** Reads the map of event `index`. */
  readMap(reader: AvroReader, index: number): void {
    let position = 0
    for (let block = reader.block(2, 'headers'); block > 0; block = reader.block(2, 'headers')) {
      for (let i = 0; i < block; i++) this.#readEntry(reader, index, position++)
    }
  }

  finish(count: number): ReadonlyMap<string, HeaderColumn> {
    const headers = new Map<string, HeaderColumn>()
    for (const column of this.#byName.values()) {
      if (!column.values && column.through === count) {
        headers.set(column.name, column.shared)
        continue
      }
      const values = column.values ?? this.#spread(column)
      this.#reserveCells(count - values.length)
      while (values.length < count) values.push(undefined)
      headers.set(column.name, values)
    }
    return headers
  }

  #readEntry(reader: AvroReader, index: number, position: number): void {
    const nameStart = reader.skipData('a header name')
    const column = this.#column(nameStart, reader.at, position)
    const start = reader.skipData('a header value')
    const length = reader.at - start
    if (length !== column.lastLength || !same(this.#bytes, start, column.lastStart, length)) {
      column.last = textOf(this.#bytes, start, reader.at)
      column.lastLength = length
    }
    column.lastStart = start
    this.#set(column, index, column.last)
  }

  #column(start: number, end: number, position: number): Column {
    const guess = this.#order[position]
    if (guess && guess.nameLength === end - start && same(this.#bytes, start, guess.nameStart, end - start)) {
      guess.nameStart = start
      return guess
    }
    const name = textOf(this.#bytes, start, end)
    let column = this.#byName.get(name)
    if (!column) {
      column = {
        name,
        nameStart: start,
        nameLength: end - start,
        shared: '',
        through: 0,
        values: undefined,
        last: '',
        lastStart: 0,
        lastLength: -1,
      }
      this.#byName.set(name, column)
    }
    this.#order[position] = column
    return column
  }

  #set(column: Column, index: number, value: string): void {
    if (!column.values) {
      if (index === 0 && column.through === 0) column.shared = value
      if (column.shared === value && column.through >= index) {
        column.through = index + 1
        return
      }
      column.values = this.#spread(column)
    }
    // A name that stands twice in a map: the last value counts, as in a Java map.
    column.values[index] = value
  }

  #spread(column: Column): (string | undefined)[] {
    this.#reserveCells(this.#count)
    const values = new Array<string | undefined>(this.#count).fill(undefined)
    return values.fill(column.shared, 0, column.through)
  }

  #reserveCells(cells: number): void {
    this.#cells += cells
    if (this.#cells > headerCellsMax)
      throw new FlumeError('LIMIT', `a batch of ${this.#count} events has too many different header names`, {
        hint: 'send smaller batches',
      })
  }
}

function same(bytes: Buffer, a: number, b: number, length: number): boolean {
  // From the end: timestamps and counters differ there.
  for (let i = length - 1; i >= 0; i--) if (bytes[a + i] !== bytes[b + i]) return false
  return true
}

/** Doubles at least: a stranger's array of many small blocks must not cost time with the square of its size. */
function withRoom(column: Uint32Array | undefined, used: number, more: number): Uint32Array {
  if (!column) return new Uint32Array(more)
  if (used + more <= column.length) return column
  const grown = new Uint32Array(Math.max(used + more, 2 * column.length))
  grown.set(column)
  return grown
}
