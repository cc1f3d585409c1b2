import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import { FlumeClient } from './flume-client.ts'

export interface FlumeSenderOptions {
  readonly host: string
  readonly port: number
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Undefined: no compression. */
  readonly deflateLevel: number | undefined
  /** A connection older than this is replaced before the next batch; 0 never. */
  readonly resetIntervalMs: number
  readonly clock: Clock
  readonly counters: SinkCounters
  readonly log: Logger
}

/** One connection to an Avro source, made when it is needed (N-07) and dropped after any failure (S-06). */
export class FlumeSender {
  readonly #options: FlumeSenderOptions
  #client: FlumeClient | undefined
  #connectedAtMs = 0
  readonly #stop = new AbortController()

  constructor(options: FlumeSenderOptions) {
    this.#options = options
  }

  /** Makes sure of a connection that is young enough; rejects CONNECTION or TIMEOUT. */
  async connect(): Promise<void> {
    if (this.#client?.usable && !this.#isOld()) return
    await this.#drop()
    const { host, port, clock, counters, connectTimeoutMs, requestTimeoutMs, deflateLevel, log } = this.#options
    const signal = this.#stop.signal
    try {
      this.#client = await FlumeClient.connect({
        host,
        port,
        clock,
        connectTimeoutMs,
        requestTimeoutMs,
        deflateLevel,
        signal,
      })
    } catch (error) {
      counters.connectionFailed++
      throw error
    }
    counters.connectionCreated++
    this.#connectedAtMs = clock.monotonic()
    log.debug(`connected to ${host}:${port}`)
  }

  /** Sends a batch in one call; resolves when the peer answered OK. Any failure drops the connection. */
  async send(batch: EventBatch): Promise<void> {
    await this.connect()
    try {
      const status = await this.#client?.appendBatch(batch)
      if (status !== 'OK')
        throw new FlumeError('DELIVERY', `${this.#options.host}:${this.#options.port} answered ${status}`, {
          retry: true,
          hint: "the receiving agent's channel may be full, or its transactionCapacity below this batch size",
        })
    } catch (error) {
      await this.#drop()
      throw error
    }
  }

  /** Closes the connection for good. Safe twice. */
  async close(): Promise<void> {
    this.#stop.abort(new FlumeError('CLOSED', 'the sender is closed'))
    await this.#drop()
  }

  #isOld(): boolean {
    const { resetIntervalMs, clock } = this.#options
    return resetIntervalMs > 0 && clock.monotonic() - this.#connectedAtMs >= resetIntervalMs
  }

  async #drop(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    if (!client) return
    this.#options.counters.connectionClosed++
    await client.close()
  }
}
