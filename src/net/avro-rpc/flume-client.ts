import { eventsBytesHint, writeEvent, writeEvents } from '../../codec/avro/events.ts'
import { avroSourceProtocol, readStatus, type Status } from '../../codec/avro/flume.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import { RpcClient, type RpcClientOptions } from './client.ts'

/** Sends events to Flume's Avro source, or to whatever speaks as it does. */
export class FlumeClient {
  readonly #rpc: RpcClient

  private constructor(rpc: RpcClient) {
    this.#rpc = rpc
  }

  /** Connects; rejects CONNECTION or TIMEOUT (retry). */
  static async connect(options: RpcClientOptions): Promise<FlumeClient> {
    return new FlumeClient(await RpcClient.connect(avroSourceProtocol, options))
  }

  get usable(): boolean {
    return this.#rpc.usable
  }

  /** The server's status for a whole batch, sent in one call; rejections are those of `RpcClient.call`. */
  appendBatch(batch: EventBatch): Promise<Status> {
    return this.#rpc.call('appendBatch', eventsBytesHint(batch), (writer) => writeEvents(writer, batch), readStatus)
  }

  /** The server's status for event `index` of the batch, sent alone. */
  append(batch: EventBatch, index = 0): Promise<Status> {
    const hint = batch.bodyAt(index).length
    return this.#rpc.call('append', hint, (writer) => writeEvent(writer, batch, index), readStatus)
  }

  /** Drops the connection; calls under way reject CLOSED. */
  close(): Promise<void> {
    return this.#rpc.close()
  }
}
