import { compressWith, type HadoopCodec } from '../../../codec/compression/hadoop.ts'
import {
  encodeSequenceBlocks,
  encodeSequenceRecords,
  type SequenceFormat,
  sequenceFileHeader,
  syncLength,
} from '../../../codec/sequence-file.ts'
import type { Random } from '../../../core/random.ts'
import { type Clock, type EventBatch, RefusedEventsError, type Serializer } from '../../contract.ts'

/**
 * One SequenceFile: the key is the event's `timestamp` header, else the time of writing; the value is its body (H-23). With a
 * codec it is compressed in blocks, of which one ends with each batch.
 */
export class SequenceSerializer implements Serializer {
  readonly appendable = true
  readonly #format: SequenceFormat
  readonly #clock: Clock
  readonly #sync: Uint8Array
  readonly #codec: HadoopCodec | undefined
  #sinceMarkBytes = 0

  constructor(format: SequenceFormat, clock: Clock, random: Random, codec?: HadoopCodec) {
    this.#format = format
    this.#codec = codec
    this.#clock = clock
    this.#sync = Uint8Array.from({ length: syncLength }, () => Math.floor(random() * 256))
  }

  begin(): Uint8Array {
    const header = sequenceFileHeader(this.#format, this.#sync, this.#codec?.className)
    this.#sinceMarkBytes = header.length
    return header
  }

  encode(batch: EventBatch): Uint8Array | Promise<Uint8Array> {
    const codec = this.#codec
    if (codec) {
      return encodeSequenceBlocks(batch, this.#keys(batch), this.#format, this.#sync, (data) =>
        compressWith(codec, data),
      )
    }
    const records = encodeSequenceRecords(batch, this.#keys(batch), this.#format, this.#sync, this.#sinceMarkBytes)
    // Every batch ends with a mark.
    this.#sinceMarkBytes = 0
    return records
  }

  end(): Uint8Array {
    return new Uint8Array(0)
  }

  #keys(batch: EventBatch): BigInt64Array {
    const keys = new BigInt64Array(batch.count)
    const column = batch.headers.get('timestamp')
    if (typeof column !== 'object')
      return keys.fill(column === undefined ? BigInt(this.#clock.now()) : readLong(column, 0))
    const now = BigInt(this.#clock.now())
    for (let i = 0; i < keys.length; i++) {
      const text = column[i]
      keys[i] = text === undefined ? now : readLong(text, i)
    }
    return keys
  }
}

/** Rejects INVALID_DATA when an event's `timestamp` header cannot be a key; asked before any file of a batch is touched. */
export function checkKeys(batch: EventBatch): void {
  const column = batch.headers.get('timestamp')
  if (column === undefined) return
  const at = (index: number): string | undefined => (typeof column === 'string' ? column : column[index])
  const events: number[] = []
  for (let i = 0; i < batch.count; i++) {
    const text = at(i)
    if (text !== undefined && parseLong(text) === undefined) events.push(i)
    // One text for all of them.
    if (typeof column === 'string' && events.length === 0) return
  }
  const [first] = events
  if (first !== undefined) throw noKey(at(first) as string, first, events)
}

function readLong(text: string, index: number): bigint {
  const value = parseLong(text)
  if (value === undefined) throw noKey(text, index, [index])
  return value
}

function parseLong(text: string): bigint | undefined {
  if (!/^[+-]?\d{1,19}$/.test(text)) return undefined
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return BigInt.asIntN(64, value) === value ? value : undefined
}

function noKey(text: string, index: number, events: readonly number[]): RefusedEventsError {
  return new RefusedEventsError(
    'INVALID_DATA',
    `a SequenceFile's key is the timestamp header, but event ${index + 1} of the batch has ${JSON.stringify(text)}`,
    {
      events,
      hint: 'the header must be a whole number; repair it with an interceptor, or use hdfs.fileType = DataStream',
    },
  )
}
