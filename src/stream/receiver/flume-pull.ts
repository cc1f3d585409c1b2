import { Backoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError, isAbort } from '../../core/error.ts'
import { SparkSinkClient } from '../../net/avro-rpc/spark-client.ts'
import type { StorageLevel } from '../storage-level.ts'
import { FlumeEvents, type SparkFlumeEvent } from './flume-event.ts'
import { Receiver } from './receiver.ts'

/** Pauses between tries to reach a sink, in milliseconds. */
export const reconnectIncrementMs = 500
export const reconnectMaxMs = 5000
/** Events asked for at once. */
export const pullBatchMax = 1000
export const pullParallelism = 5
/** Longest wait for workers that store or acknowledge while the receiver stops, in milliseconds. */
const workersMaxMs = 60_000

/** Where a Spark sink listens. */
export interface SinkAddress {
  readonly host: string
  readonly port: number
}

/** Stores the events of one pull as one block; a rejection gives them back to the sink. */
export type StoreEvents = (events: FlumeEvents) => Promise<void>

/**
 * One sink and the connection to it. A batch is stored, then acknowledged; one that could not be stored is given back.
 * Nothing is acknowledged that was not stored, and an acknowledgement that gets lost makes the sink send again.
 */
export class SinkConnection {
  readonly #address: SinkAddress
  readonly #clock: Clock
  #client: SparkSinkClient | undefined
  #waiting = false

  constructor(address: SinkAddress, clock: Clock) {
    this.#address = address
    this.#clock = clock
  }

  get place(): string {
    return `${this.#address.host}:${this.#address.port}`
  }

  /**
   * Connects unless it is connected, and resolves once the other side knows of it; rejects CONNECTION or TIMEOUT, and
   * PROTOCOL or UNSUPPORTED when the peer is no Spark sink.
   */
  async open(signal: AbortSignal): Promise<void> {
    if (this.#client?.usable) return
    await this.close()
    const client = await SparkSinkClient.connect({ ...this.#address, clock: this.#clock, signal })
    this.#client = client
    const onAbort = (): void => void client.close()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      // An acknowledgement of nothing: Spark's own sink ignores it, an agent's FlumeSource takes it as "copy to me from
      // now on", and a peer that is no sink shows here, where the first request for events would wait for ever.
      await client.ack('')
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Waits for one batch and stores it; answers how many events it had. Rejects with the sink's own message when it has an error to tell. */
  async pull(max: number, store: StoreEvents): Promise<number> {
    const client = this.#client
    if (!client) throw new FlumeError('CLOSED', 'the connection was closed here')
    this.#waiting = true
    const batch = await client.getEventBatch(max).finally(() => {
      this.#waiting = false
    })
    if (batch.errorMessage !== '') {
      throw new FlumeError('REFUSED', `the sink at ${this.place} has no events: ${batch.errorMessage}`, { retry: true })
    }
    try {
      await store(new FlumeEvents(batch.events))
    } catch (error) {
      await client.nack(batch.sequenceNumber)
      throw error
    }
    await client.ack(batch.sequenceNumber)
    return batch.events.count
  }

  /** Drops a connection that only waits for events; one that stores or acknowledges is left to finish. */
  interrupt(): void {
    if (this.#waiting) void this.close()
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.close()
  }
}

export interface PollingOptions {
  readonly addresses: readonly SinkAddress[]
  readonly clock: Clock
  readonly maxBatchSize: number
  readonly parallelism: number
}

/** FlumeUtils.createPollingStream: pulls from Spark sinks; one connection per address, shared by the workers. */
export class FlumePollingReceiver extends Receiver<SparkFlumeEvent> {
  readonly #options: PollingOptions
  #running:
    | { readonly stop: AbortController; readonly pool: SinkConnection[]; readonly workers: Promise<unknown> }
    | undefined

  constructor(options: PollingOptions, level: StorageLevel) {
    super(level)
    this.#options = options
  }

  onStart(): void {
    const stop = new AbortController()
    const { addresses, clock, parallelism } = this.#options
    const pool = addresses.map((address) => new SinkConnection(address, clock))
    const free = [...pool]
    const backoffs = new Map(pool.map((connection) => [connection, new Backoff(reconnectIncrementMs, reconnectMaxMs)]))
    const worker = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const connection = free.shift() as SinkConnection
        await this.#round(connection, backoffs.get(connection) as Backoff, stop.signal)
        free.push(connection)
      }
    }
    const workers = Promise.all(Array.from({ length: Math.min(parallelism, pool.length) }, worker))
    this.#running = { stop, pool, workers }
  }

  async onStop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (!running) return
    running.stop.abort()
    for (const connection of running.pool) connection.interrupt()
    const limit = new AbortController()
    await Promise.race([running.workers, this.#options.clock.sleep(workersMaxMs, limit.signal).catch(() => undefined)])
    limit.abort()
    await Promise.all(running.pool.map((connection) => connection.close()))
  }

  async #round(connection: SinkConnection, backoff: Backoff, signal: AbortSignal): Promise<void> {
    try {
      await connection.open(signal)
      await connection.pull(this.#options.maxBatchSize, (events) => this.storeBlock(events))
      backoff.reset()
    } catch (error) {
      if (signal.aborted || isAbort(error)) return
      const pauseMs = backoff.next()
      this.reportError(`Error polling ${connection.place}; next try in ${pauseMs} ms`, asError(error))
      await this.#options.clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }
}
