// ThriftSourceProtocol (flume-protocols §2): append(1: event) → Status, appendBatch(1: list of events) → Status.
//   event = struct with 1: headers (map of strings) and 2: body (binary), both required
// Events are read into columns: a header name is read once per batch, and bodies stay where they are.
import { EventBatch, type HeaderColumn } from '../../core/event-batch.ts'
import { HeaderColumns, HeaderRows, headerBytesHint } from '../header-columns.ts'
import { readOneField, type ThriftReader, type ThriftWriter, thriftTypes } from './protocol.ts'

/** A source's answer to append and appendBatch. */
export type ThriftStatus = 'OK' | 'FAILED' | 'ERROR' | 'UNKNOWN'

/** In the order of the enum. */
const statuses: readonly ThriftStatus[] = ['OK', 'FAILED', 'ERROR', 'UNKNOWN']

/** The status of a number; one that a later version may have is UNKNOWN. */
export function statusOf(value: number): ThriftStatus {
  return statuses[value] ?? 'UNKNOWN'
}

export function statusNumber(status: ThriftStatus): number {
  return statuses.indexOf(status)
}

const headersField = 1
const bodyField = 2
/** Bits for what an event must have. */
const hasHeaders = 1
const hasBody = 2
/** Smallest event in the compact protocol: two field heads, an empty map, an empty body, stop. */
const eventBytesMin = 5

/** The event that is the argument of `append`, as a batch. */
export function readAppend(reader: ThriftReader): EventBatch {
  const batch = readOneField(reader, 1, thriftTypes.struct, () => readEvents(reader, 1))
  if (!batch) throw reader.broken('append without its event')
  return batch
}

/** The events that are the argument of `appendBatch`; bodies are ranges of the reader's bytes. */
export function readAppendBatch(reader: ThriftReader): EventBatch {
  const batch = readOneField(reader, 1, thriftTypes.list, () => {
    const count = reader.listHead('events')
    if (count === 0) return EventBatch.empty
    if (reader.elementType !== thriftTypes.struct)
      throw reader.broken(`a list of type ${reader.elementType} for events`)
    if (count > reader.left / eventBytesMin)
      throw reader.broken(`events announce ${count} entries where ${reader.left} bytes are left`)
    return readEvents(reader, count)
  })
  if (!batch) throw reader.broken('appendBatch without its events')
  return batch
}

/** The arguments of `append`: event `index` of the batch. */
export function writeAppend(writer: ThriftWriter, batch: EventBatch, index: number): void {
  const outer = writer.beginStruct()
  writer.fieldHead(thriftTypes.struct, 1)
  writeEvent(writer, batch, new HeaderRows(batch), index)
  writer.stop()
  writer.endStruct(outer)
}

/** The arguments of `appendBatch`. */
export function writeAppendBatch(writer: ThriftWriter, batch: EventBatch): void {
  const outer = writer.beginStruct()
  writer.fieldHead(thriftTypes.list, 1)
  writer.listHead(thriftTypes.struct, batch.count)
  const rows = new HeaderRows(batch)
  for (let i = 0; i < batch.count; i++) writeEvent(writer, batch, rows, i)
  writer.stop()
  writer.endStruct(outer)
}

/** About how many bytes `writeAppendBatch` will need; a hint for the writer's first buffer. */
export function appendBatchBytesHint(batch: EventBatch): number {
  // Field heads, the map's head, the body's length, stop: 17 in the binary protocol, with 8 for each header's lengths.
  return batch.bodyBytes + batch.count * (17 + headerBytesHint(batch, 8)) + 32
}

function readEvents(reader: ThriftReader, count: number): EventBatch {
  const columns = new HeaderColumns(reader.bytes)
  columns.announce(count)
  const starts = new Uint32Array(count)
  const ends = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const outer = reader.beginStruct()
    let seen = 0
    for (let type = reader.fieldHead(); type !== thriftTypes.stop; type = reader.fieldHead()) {
      if (reader.fieldId === headersField && type === thriftTypes.map) {
        if (seen & hasHeaders) throw reader.broken(`event ${i} has its headers twice`)
        seen |= hasHeaders
        readHeaders(reader, columns, i)
      } else if (reader.fieldId === bodyField && type === thriftTypes.string) {
        seen |= hasBody
        starts[i] = reader.skipData('body')
        ends[i] = reader.at
      } else reader.skipField(type)
    }
    reader.endStruct(outer)
    if (seen !== (hasHeaders | hasBody))
      throw reader.broken(`event ${i} has no ${seen & hasHeaders ? 'body' : 'headers'}`)
  }
  return new EventBatch(reader.bytes, starts, ends, columns.finish(count))
}

function readHeaders(reader: ThriftReader, columns: HeaderColumns, index: number): void {
  const count = reader.mapHead('headers')
  if (count > 0 && (reader.keyType !== thriftTypes.string || reader.valueType !== thriftTypes.string))
    throw reader.broken(`headers of types ${reader.keyType} and ${reader.valueType}, which are no strings`)
  for (let position = 0; position < count; position++) {
    const nameStart = reader.skipData('a header name')
    const nameEnd = reader.at
    const valueStart = reader.skipData('a header value')
    columns.add(index, position, nameStart, nameEnd, valueStart, reader.at)
  }
}

function writeEvent(writer: ThriftWriter, batch: EventBatch, rows: HeaderRows, index: number): void {
  const { names, columns } = rows
  const outer = writer.beginStruct()
  writer.fieldHead(thriftTypes.map, headersField)
  writer.mapHead(thriftTypes.string, thriftTypes.string, rows.countAt(index))
  for (let k = 0; k < columns.length; k++) {
    const column = columns[k] as HeaderColumn
    const value = typeof column === 'string' ? column : column[index]
    if (value === undefined) continue
    writer.string(names[k] as string)
    writer.string(value)
  }
  writer.fieldHead(thriftTypes.string, bodyField)
  writer.data(batch.body, batch.starts[index] as number, batch.ends[index] as number)
  writer.stop()
  writer.endStruct(outer)
}
