import type { Status } from '../../codec/avro/flume.ts'
import type { Clock } from '../../core/clock.ts'
import { FlumeError, RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { ClientTls } from '../tls/client.ts'
import { FlumeClient } from './flume-client.ts'

export interface FlumeSenderOptions {
  readonly host: string
  readonly port: number
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Undefined: no compression. */
  readonly deflateLevel: number | undefined
  readonly tls: ClientTls | undefined
  /** A connection older than this is replaced before the next batch; 0 never. */
  readonly resetIntervalMs: number
  readonly clock: Clock
  readonly counters: SinkCounters
  readonly log: Logger
}

/** What sends events to an Avro source, or to one of several. */
export interface EventSender {
  /** Makes sure of a connection; rejects CONNECTION or TIMEOUT when none can be had. */
  connect(): Promise<void>
  /**
   * Sends a batch in one call, each event in a call of its own when `oneByOne`; resolves when a peer answered OK. One
   * call of `send` at a time.
   */
  send(batch: EventBatch, oneByOne?: boolean): Promise<void>
  /** Ends every connection for good. Safe twice. */
  close(): Promise<void>
}

/** One connection to an Avro source, made when it is needed (N-07) and dropped after any failure (S-06). */
export class FlumeSender implements EventSender {
  readonly #options: FlumeSenderOptions
  #client: FlumeClient | undefined
  #connectedAtMs = 0
  readonly #stop = new AbortController()

  constructor(options: FlumeSenderOptions) {
    this.#options = options
  }

  /** `host:port`. */
  get where(): string {
    return `${this.#options.host}:${this.#options.port}`
  }

  /** True while there is a connection on which nothing has failed. */
  get connected(): boolean {
    return this.#client?.usable === true
  }

  /** Makes sure of a connection that is young enough; rejects CONNECTION or TIMEOUT. */
  async connect(): Promise<void> {
    if (this.#client?.usable && !this.#isOld()) return
    await this.#drop()
    const { host, port, clock, counters, connectTimeoutMs, requestTimeoutMs, deflateLevel, tls, log } = this.#options
    const signal = this.#stop.signal
    try {
      this.#client = await FlumeClient.connect({
        host,
        port,
        clock,
        connectTimeoutMs,
        requestTimeoutMs,
        deflateLevel,
        tls,
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

  /** Any failure drops the connection. */
  async send(batch: EventBatch, oneByOne = false): Promise<void> {
    await this.connect()
    try {
      if (!oneByOne) this.#check(await this.#client?.appendBatch(batch))
      else for (let i = 0; i < batch.count; i++) this.#check(await this.#client?.append(batch, i))
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

  #check(status: Status | undefined): void {
    if (status === 'OK') return
    throw new RefusedEventsError('DELIVERY', `${this.where} answered ${status}`, {
      retry: true,
      hint: "the receiving agent's channel may be full, or its transactionCapacity below this batch size",
    })
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
