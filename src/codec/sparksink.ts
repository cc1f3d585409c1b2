// SparkFlumeProtocol (flume-protocols §3): Spark asks for events, then acknowledges or refuses them by their number.
//   getEventBatch(n: int) → EventBatch { errorMsg, sequenceNumber, events }; ack(sequenceNumber) → null; nack(…) → null
import type { EventBatch } from '../core/event-batch.ts'
import type { AvroReader, AvroWriter } from './avro/binary.ts'
import { readEvents, writeEvents } from './avro/events.ts'
import { compiledProtocol, type RpcProtocol } from './avro/protocol.ts'

/** Text and hash of the class in spark-streaming-flume-sink_2.11 2.4.7. */
export const sparkFlumeProtocol: RpcProtocol = compiledProtocol(
  {
    protocol: 'SparkFlumeProtocol',
    namespace: 'org.apache.spark.streaming.flume.sink',
    types: [
      {
        type: 'record',
        name: 'SparkSinkEvent',
        fields: [
          { name: 'headers', type: { type: 'map', values: 'string' } },
          { name: 'body', type: 'bytes' },
        ],
      },
      {
        type: 'record',
        name: 'EventBatch',
        fields: [
          { name: 'errorMsg', type: 'string', default: '' },
          { name: 'sequenceNumber', type: 'string' },
          { name: 'events', type: { type: 'array', items: 'SparkSinkEvent' } },
        ],
      },
    ],
    messages: {
      getEventBatch: { request: [{ name: 'n', type: 'int' }], response: 'EventBatch' },
      ack: { request: [{ name: 'sequenceNumber', type: 'string' }], response: 'null' },
      nack: { request: [{ name: 'sequenceNumber', type: 'string' }], response: 'null' },
    },
  },
  '45f3c2c4aa53244ceaacda6731dedffb',
)

/** What getEventBatch answers. */
export interface SparkEventBatch {
  /** Empty, or why there are no events; then the number is empty too and nothing is to be acknowledged. */
  readonly errorMessage: string
  readonly sequenceNumber: string
  readonly events: EventBatch
}

export function writeSparkEventBatch(writer: AvroWriter, batch: SparkEventBatch): void {
  writer.string(batch.errorMessage)
  writer.string(batch.sequenceNumber)
  writeEvents(writer, batch.events)
}

/** The batch at the reader's place; bodies stay ranges of the reader's bytes. */
export function readSparkEventBatch(reader: AvroReader): SparkEventBatch {
  return {
    errorMessage: reader.string('errorMsg'),
    sequenceNumber: reader.string('sequenceNumber'),
    events: readEvents(reader),
  }
}
