// Arrays of {headers: map of string, body: bytes} ↔ batches, in columns: a header name is read once per batch, a value
// that repeats the event before is not read again, and bodies stay where they are.
import { asError } from '../../core/error.ts'
import { EventBatch, type HeaderColumn } from '../../core/event-batch.ts'
import { HeaderColumns, HeaderRows, headerBytesHint } from '../header-columns.ts'
import { AvroReader, AvroWriter } from './binary.ts'

/** An event's schema as Flume's serializer prints it. */
export const eventSchema =
  '{"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}'

/** Smallest event: an empty map and an empty body. */
const eventBytesMin = 2

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
      readMap(reader, columns, count)
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
  readMap(reader, columns, 0)
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

/** Events as values of their own: value i is `bytes[starts[i] .. ends[i])`. */
export interface SeparateEvents {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
}

/** Each event of the batch as a value of its own, as a message queue keeps it. */
export function writeSeparateEvents(batch: EventBatch): SeparateEvents {
  const writer = new AvroWriter(eventsBytesHint(batch))
  const events = new EventWriter(batch)
  const starts = new Uint32Array(batch.count)
  const ends = new Uint32Array(batch.count)
  for (let i = 0; i < batch.count; i++) {
    starts[i] = writer.length
    events.write(writer, i)
    ends[i] = writer.length
  }
  return { bytes: writer.finish(), starts, ends }
}

/**
 * Values that hold one event each as one batch; bodies are ranges of their bytes. A value that is no event is left out and
 * told with its index; `indices` says which values the events of the batch were.
 */
export function readSeparateEvents(
  { bytes, starts, ends }: SeparateEvents & { readonly bytes: Buffer },
  onBroken: (index: number, error: Error) => void,
): { readonly batch: EventBatch; readonly indices: Uint32Array } {
  const count = starts.length
  const columns = new HeaderColumns(bytes)
  columns.announce(count)
  const bodyStarts = new Uint32Array(count)
  const bodyEnds = new Uint32Array(count)
  const indices = new Uint32Array(count)
  let kept = 0
  for (let i = 0; i < count; i++) {
    const start = starts[i] as number
    const end = ends[i] as number
    try {
      // Looked through first: half a map of headers must not stay in the columns.
      skipEvent(new AvroReader(bytes, start, end))
      const reader = new AvroReader(bytes, start, end)
      readMap(reader, columns, kept)
      bodyStarts[kept] = reader.skipData('body')
      bodyEnds[kept] = reader.at
      indices[kept++] = i
    } catch (error) {
      onBroken(i, asError(error))
    }
  }
  const headers = new Map<string, HeaderColumn>()
  for (const [name, column] of columns.finish(kept)) {
    headers.set(name, typeof column === 'string' || kept === count ? column : column.slice(0, kept))
  }
  const batch = new EventBatch(bytes, bodyStarts.subarray(0, kept), bodyEnds.subarray(0, kept), headers)
  return { batch, indices: indices.subarray(0, kept) }
}

function skipEvent(reader: AvroReader): void {
  for (let block = reader.block(2, 'headers'); block > 0; block = reader.block(2, 'headers')) {
    for (let i = 0; i < block; i++) {
      reader.skipData('a header name')
      reader.skipData('a header value')
    }
  }
  reader.skipData('body')
}

/** About how many bytes `writeEvents` will need; a hint for the writer's first buffer. */
export function eventsBytesHint(batch: EventBatch): number {
  const perEvent = 6 + headerBytesHint(batch, 4)
  return batch.bodyBytes + batch.count * perEvent + 16
}

/** Writes the events of a batch one by one; headers with one text for all events are counted once. */
export class EventWriter {
  readonly #batch: EventBatch
  readonly #headers: HeaderRows

  constructor(batch: EventBatch) {
    this.#batch = batch
    this.#headers = new HeaderRows(batch)
  }

  /** Event `index`: its map and its body. */
  write(writer: AvroWriter, index: number): void {
    writeMap(writer, this.#headers, index)
    const { body, starts, ends } = this.#batch
    writer.data(body, starts[index] as number, ends[index] as number)
  }
}

function readMap(reader: AvroReader, columns: HeaderColumns, index: number): void {
  let position = 0
  for (let block = reader.block(2, 'headers'); block > 0; block = reader.block(2, 'headers')) {
    for (let i = 0; i < block; i++) {
      const nameStart = reader.skipData('a header name')
      const nameEnd = reader.at
      const valueStart = reader.skipData('a header value')
      columns.add(index, position++, nameStart, nameEnd, valueStart, reader.at)
    }
  }
}

function writeMap(writer: AvroWriter, headers: HeaderRows, index: number): void {
  const present = headers.countAt(index)
  if (present > 0) {
    const { names, columns } = headers
    writer.long(present)
    for (let k = 0; k < columns.length; k++) {
      const column = columns[k] as HeaderColumn
      const value = typeof column === 'string' ? column : column[index]
      if (value === undefined) continue
      writer.string(names[k] as string)
      writer.string(value)
    }
  }
  writer.long(0)
}

/** Doubles at least: a stranger's array of many small blocks must not cost time with the square of its size. */
function withRoom(column: Uint32Array | undefined, used: number, more: number): Uint32Array {
  if (!column) return new Uint32Array(more)
  if (used + more <= column.length) return column
  const grown = new Uint32Array(Math.max(used + more, 2 * column.length))
  grown.set(column)
  return grown
}
