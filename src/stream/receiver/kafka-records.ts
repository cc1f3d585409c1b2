import { headersAt, keyAt, type RecordColumns, valueAt } from '../../codec/kafka/record-batch.ts'
import { FlumeError } from '../../core/error.ts'

/** One record as Kafka's own consumer hands it out. A key that is missing and a value that is deleted are null. */
export interface ConsumerRecord<K, V> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970; -1 when the record has none. */
  readonly timestamp: number
  readonly key: K
  readonly value: V
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[]
}

/** Turns the bytes of a key or a value into what the job works with; null stays null. */
export type Deserializer<T> = (bytes: Uint8Array, topic: string) => T

function sized(name: string, size: number, read: (bytes: Buffer) => unknown): Deserializer<unknown> {
  return (bytes) => {
    if (bytes.length !== size) {
      throw new FlumeError('INVALID_DATA', `Size of data received by ${name} is not ${size}: ${bytes.length}`)
    }
    return read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }
}

/** Kafka's own deserializers, by the last part of their class names. */
const known: Readonly<Record<string, Deserializer<unknown>>> = {
  StringDeserializer: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'),
  ByteArrayDeserializer: (bytes) => new Uint8Array(bytes),
  BytesDeserializer: (bytes) => new Uint8Array(bytes),
  ByteBufferDeserializer: (bytes) => new Uint8Array(bytes),
  ShortDeserializer: sized('ShortDeserializer', 2, (bytes) => bytes.readInt16BE(0)),
  IntegerDeserializer: sized('IntegerDeserializer', 4, (bytes) => bytes.readInt32BE(0)),
  LongDeserializer: sized('LongDeserializer', 8, (bytes) => Number(bytes.readBigInt64BE(0))),
  FloatDeserializer: sized('FloatDeserializer', 4, (bytes) => bytes.readFloatBE(0)),
  DoubleDeserializer: sized('DoubleDeserializer', 8, (bytes) => bytes.readDoubleBE(0)),
  VoidDeserializer: () => null,
}

/** The deserializer that a job gave: a function, or the name of one of Kafka's classes. Rejects USAGE otherwise. */
export function deserializerOf(params: Readonly<Record<string, unknown>>, key: string): Deserializer<unknown> {
  const given = params[key]
  if (typeof given === 'function') return given as Deserializer<unknown>
  if (given === undefined || given === null) {
    throw new FlumeError('USAGE', `Missing required configuration "${key}" which has no default value.`, {
      hint: 'give StringDeserializer, another of Kafka’s by its name, or a function from bytes to what you want',
    })
  }
  const found = known[String(given).replace(/^.*\./, '')]
  if (!found) {
    throw new FlumeError('USAGE', `${key}: ${String(given)} is not there`, {
      hint: `take one of ${Object.keys(known).join(', ')}, or a function from bytes to what you want`,
    })
  }
  return found
}

const noHeaders: ConsumerRecord<unknown, unknown>['headers'] = []

/** The records of a fetch as plain objects, in order: other threads can have them. */
export function toRecords<K, V>(
  topic: string,
  partition: number,
  records: RecordColumns,
  key: Deserializer<K>,
  value: Deserializer<V>,
): ConsumerRecord<K, V>[] {
  return Array.from({ length: records.count }, (_, i) => {
    const keyBytes = keyAt(records, i)
    const valueBytes = valueAt(records, i)
    return {
      topic,
      partition,
      offset: records.offsets[i] as number,
      timestamp: records.timestamps[i] as number,
      key: keyBytes ? key(keyBytes, topic) : (null as K),
      value: valueBytes ? value(valueBytes, topic) : (null as V),
      headers: headersOf(records, i),
    }
  })
}

function headersOf(records: RecordColumns, index: number): ConsumerRecord<unknown, unknown>['headers'] {
  // A count of 0: most records have none.
  if (records.bytes[records.headerStarts[index] as number] === 0) return noHeaders
  return headersAt(records, index).map(([name, value]) => [name, value ? new Uint8Array(value) : null] as const)
}
