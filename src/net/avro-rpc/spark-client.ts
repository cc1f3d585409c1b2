import { readSparkEventBatch, type SparkEventBatch, sparkFlumeProtocol } from '../../codec/sparksink.ts'
import { RpcClient, type RpcClientOptions } from './client.ts'

/** Pulls events from Spark's sink for Flume, or from whatever speaks as it does. */
export class SparkSinkClient {
  readonly #rpc: RpcClient

  private constructor(rpc: RpcClient) {
    this.#rpc = rpc
  }

  /** Connects; rejects CONNECTION or TIMEOUT (retry). */
  static async connect(options: RpcClientOptions): Promise<SparkSinkClient> {
    return new SparkSinkClient(await RpcClient.connect(sparkFlumeProtocol, options))
  }

  get usable(): boolean {
    return this.#rpc.usable
  }

  /**
   * Up to `max` events. The sink answers when it has some, so this waits without limit, until the connection ends. A
   * batch with an `errorMessage` has no events and is neither to be acknowledged nor refused.
   */
  getEventBatch(max: number): Promise<SparkEventBatch> {
    return this.#rpc.call('getEventBatch', 8, (writer) => writer.long(max), readSparkEventBatch, 0)
  }

  /** Tells the sink that the batch is safe here. */
  ack(sequenceNumber: string): Promise<void> {
    return this.#rpc.call(
      'ack',
      64,
      (writer) => writer.string(sequenceNumber),
      () => undefined,
    )
  }

  /** Gives the batch back; the sink offers its events again. */
  nack(sequenceNumber: string): Promise<void> {
    return this.#rpc.call(
      'nack',
      64,
      (writer) => writer.string(sequenceNumber),
      () => undefined,
    )
  }

  /** Drops the connection; calls under way reject CLOSED. */
  close(): Promise<void> {
    return this.#rpc.close()
  }
}
