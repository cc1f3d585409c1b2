// Scribe's only call: Log(1: list of entries) → ResultCode; entry = struct with 1: category and 2: message, both strings.
import { EventBatch, type HeaderColumn } from '../../core/event-batch.ts'
import { textOf } from '../text-range.ts'
import { readOneField, type ThriftReader, thriftTypes } from './protocol.ts'

/** OK, or: nothing was kept, send it again later. */
export const scribeResults = { ok: 0, tryLater: 1 } as const

const categoryField = 1
const messageField = 2
/** Smallest entry in the binary protocol, which is Scribe's: the head and the length of its message, stop. */
const entryBytesMin = 8

/**
 * The entries that are the argument of `Log`, as events with the header `category` (none where an entry has none);
 * bodies are ranges of the reader's bytes. Undefined when there is no list.
 */
export function readLog(reader: ThriftReader): EventBatch | undefined {
  return readOneField(reader, 1, thriftTypes.list, () => {
    const count = reader.listHead('entries')
    if (count === 0) return EventBatch.empty
    if (reader.elementType !== thriftTypes.struct)
      throw reader.broken(`a list of type ${reader.elementType} of entries`)
    if (count > reader.left / entryBytesMin)
      throw reader.broken(`entries announce ${count} where ${reader.left} bytes are left`)
    return readEntries(reader, count)
  })
}

function readEntries(reader: ThriftReader, count: number): EventBatch {
  const categories = new Categories(reader.bytes, count)
  const starts = new Uint32Array(count)
  const ends = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const outer = reader.beginStruct()
    let hasMessage = false
    for (let type = reader.fieldHead(); type !== thriftTypes.stop; type = reader.fieldHead()) {
      if (reader.fieldId === categoryField && type === thriftTypes.string) {
        const start = reader.skipData('a category')
        categories.set(i, start, reader.at)
      } else if (reader.fieldId === messageField && type === thriftTypes.string) {
        hasMessage = true
        starts[i] = reader.skipData('a message')
        ends[i] = reader.at
      } else reader.skipField(type)
    }
    reader.endStruct(outer)
    if (!hasMessage) throw reader.broken(`entry ${i} has no message`)
  }
  return new EventBatch(reader.bytes, starts, ends, categories.finish())
}

/** The categories of a batch; one that repeats the entry before is not read again. */
class Categories {
  readonly #bytes: Buffer
  readonly #values: (string | undefined)[]
  #last = ''
  #lastStart = 0
  #lastEnd = -1
  #distinct = 0
  #present = 0

  constructor(bytes: Buffer, count: number) {
    this.#bytes = bytes
    this.#values = new Array<string | undefined>(count).fill(undefined)
  }

  set(index: number, start: number, end: number): void {
    const bytes = this.#bytes
    if (this.#lastEnd < 0 || bytes.compare(bytes, this.#lastStart, this.#lastEnd, start, end) !== 0) {
      this.#last = textOf(bytes, start, end)
      this.#distinct++
    }
    this.#lastStart = start
    this.#lastEnd = end
    if (this.#values[index] === undefined) this.#present++
    this.#values[index] = this.#last
  }

  finish(): ReadonlyMap<string, HeaderColumn> {
    if (this.#present === 0) return new Map()
    const isShared = this.#distinct === 1 && this.#present === this.#values.length
    return new Map([['category', isShared ? this.#last : this.#values]])
  }
}
