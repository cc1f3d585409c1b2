import type { AvroReader } from '../../codec/avro/binary.ts'
import { readEvent, readEvents } from '../../codec/avro/events.ts'
import { avroSourceProtocol, type Status, writeStatus } from '../../codec/avro/flume.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { Caller, RpcService, RpcValue } from './server.ts'

/** What receives the events of Flume's Avro clients. A rejection is answered as an RPC error. */
export interface FlumeReceiver {
  /** One event, as `append` sends it. */
  append(batch: EventBatch, caller: Caller): Promise<Status>
  /** The events of one call; none is possible. */
  appendBatch(batch: EventBatch, caller: Caller): Promise<Status>
}

/** Flume's AvroSourceProtocol over a receiver. */
export function flumeService(receiver: FlumeReceiver): RpcService {
  return {
    protocol: avroSourceProtocol,
    messages: ['append', 'appendBatch'],
    async call(message: string, args: AvroReader, caller: Caller): Promise<RpcValue> {
      const status =
        message === 'append'
          ? await receiver.append(readEvent(args), caller)
          : await receiver.appendBatch(readEvents(args), caller)
      return { bytesHint: 1, write: (writer) => writeStatus(writer, status) }
    },
  }
}
