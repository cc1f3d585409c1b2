import { readAppend, readAppendBatch, statusNumber, type ThriftStatus } from '../../codec/thrift/flume.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { ThriftCall } from './server.ts'

/** What receives the events of Flume's Thrift clients. A rejection is answered as a Thrift exception. */
export interface ThriftReceiver {
  /** One event, as `append` sends it. */
  append(batch: EventBatch): Promise<ThriftStatus>
  /** The events of one call; none is possible. */
  appendBatch(batch: EventBatch): Promise<ThriftStatus>
}

/** Flume's ThriftSourceProtocol over a receiver. */
export function flumeCalls(receiver: ThriftReceiver): Readonly<Record<string, ThriftCall>> {
  return {
    append: async (args) => statusNumber(await receiver.append(readAppend(args))),
    appendBatch: async (args) => statusNumber(await receiver.appendBatch(readAppendBatch(args))),
  }
}
