// The headers of many events, each a list of names and values, ↔ the columns of a batch.
import { FlumeError } from '../core/error.ts'
import type { EventBatch, HeaderColumn } from '../core/event-batch.ts'
import { textOf } from './text-range.ts'

/**
 * Header values a batch may have room for, names × events. A stranger's batch in which every event brings a name of its
 * own would otherwise take memory with the square of its size.
 */
const headerCellsMax = 16 * 1024 * 1024

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

/**
 * The headers of events that are read one after the other. A name is read once per batch, a value that repeats the event
 * before is not read again.
 */
export class HeaderColumns {
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

  /**
   * The header at `position` of event `index`: the ranges of its name and its value. Events come in order.
   */
  add(index: number, position: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const column = this.#column(nameStart, nameEnd, position)
    const length = valueEnd - valueStart
    if (length !== column.lastLength || !same(this.#bytes, valueStart, column.lastStart, length)) {
      column.last = textOf(this.#bytes, valueStart, valueEnd)
      column.lastLength = length
    }
    column.lastStart = valueStart
    this.#set(column, index, column.last)
  }

  /** The columns of all `count` events. */
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

/** The headers of a batch, event by event: those with one text for all events are counted once. */
export class HeaderRows {
  readonly names: readonly string[]
  readonly columns: readonly HeaderColumn[]
  readonly #shared: number

  constructor(batch: EventBatch) {
    this.names = [...batch.headers.keys()]
    this.columns = [...batch.headers.values()]
    this.#shared = this.columns.reduce<number>((count, column) => count + (typeof column === 'string' ? 1 : 0), 0)
  }

  /** How many headers event `index` has. */
  countAt(index: number): number {
    const { columns } = this
    let present = this.#shared
    if (present < columns.length)
      for (const column of columns) if (typeof column !== 'string' && column[index] !== undefined) present++
    return present
  }
}

/** About how many bytes the headers of one event take, lengths aside. */
export function headerBytesHint(batch: EventBatch, lengthsBytes: number): number {
  let hint = 0
  for (const [name, column] of batch.headers) {
    const sample = typeof column === 'string' ? column : (column[0] ?? '')
    hint += name.length + sample.length + lengthsBytes
  }
  return hint
}
