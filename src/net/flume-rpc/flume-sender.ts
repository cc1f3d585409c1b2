import type { Clock } from '../../core/clock.ts'
import { FlumeError, RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'

/** A connection to a receiver of events, whatever protocol it speaks. */
export interface EventConnection {
  /** True until the connection ends or a call fails on it. */
  readonly usable: boolean
  /** The receiver's status for a whole batch, sent in one call; `OK` when the events are kept. */
  appendBatch(batch: EventBatch): Promise<string>
  /** The receiver's status for event `index` of the batch, sent alone. */
  append(batch: EventBatch, index: number): Promise<string>
  /** Drops the connection; calls under way reject CLOSED. */
  close(): Promise<void>
}

export interface FlumeSenderOptions {
  readonly host: string
  readonly port: number
  /** Makes a connection; rejects CONNECTION or TIMEOUT, or the signal's reason. */
  connect(signal: AbortSignal): Promise<EventConnection>
  /** A connection older than this is replaced before the next batch; 0 never. */
  readonly resetIntervalMs: number
  readonly clock: Clock
  readonly counters: SinkCounters
  readonly log: Logger
}

/** What sends events to a Flume agent, or to one of several. */
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

/** One connection to a Flume agent, made when it is needed (N-07) and dropped after any failure (S-06). */
export class FlumeSender implements EventSender {
  readonly #options: FlumeSenderOptions
  #client: EventConnection | undefined
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
    const { clock, counters, log } = this.#options
    try {
      this.#client = await this.#options.connect(this.#stop.signal)
    } catch (error) {
      counters.connectionFailed++
      throw error
    }
    counters.connectionCreated++
    this.#connectedAtMs = clock.monotonic()
    log.debug(`connected to ${this.where}`)
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

  #check(status: string | undefined): void {
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
