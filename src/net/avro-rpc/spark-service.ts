import type { AvroReader } from '../../codec/avro/binary.ts'
import { eventsBytesHint } from '../../codec/avro/events.ts'
import { type SparkEventBatch, sparkFlumeProtocol, writeSparkEventBatch } from '../../codec/sparksink.ts'
import type { Caller, RpcService, RpcValue } from './server.ts'

/** What Spark's polling receiver pulls from. */
export interface SparkFeed {
  /** Up to `max` events; waits until there is one, or the caller's signal aborts. */
  getEventBatch(max: number, caller: Caller): Promise<SparkEventBatch>
  /** The batch of this number arrived. Unknown numbers are ignored. */
  ack(sequenceNumber: string, caller: Caller): Promise<void>
  /** The batch of this number is to be offered again. Unknown numbers are ignored. */
  nack(sequenceNumber: string, caller: Caller): Promise<void>
}

const nothing: RpcValue = { bytesHint: 0, write: () => undefined }

/** SparkFlumeProtocol over a feed. */
export function sparkService(feed: SparkFeed): RpcService {
  return {
    protocol: sparkFlumeProtocol,
    messages: ['getEventBatch', 'ack', 'nack'],
    async call(message: string, args: AvroReader, caller: Caller): Promise<RpcValue> {
      if (message === 'getEventBatch') {
        const batch = await feed.getEventBatch(args.long(), caller)
        return {
          bytesHint: eventsBytesHint(batch.events) + batch.errorMessage.length + 64,
          write: (writer) => writeSparkEventBatch(writer, batch),
        }
      }
      const sequenceNumber = args.string('sequenceNumber')
      await (message === 'ack' ? feed.ack(sequenceNumber, caller) : feed.nack(sequenceNumber, caller))
      return nothing
    },
  }
}
