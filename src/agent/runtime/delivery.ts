import { asError, explain, FlumeError, isAbort } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SourceCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { Channel, Delivered, Interceptor, Selector } from '../contract.ts'

export interface DeliveryParts {
  readonly interceptors: readonly Interceptor[]
  readonly selector: Selector
  /** The source's channels by name. */
  readonly channels: ReadonlyMap<string, Channel>
  readonly counters: SourceCounters
  readonly log: Logger
}

/** From a source into its channels: interceptors, then the selector, then one put for each channel (P-01). */
export class Delivery {
  readonly #parts: DeliveryParts
  #underWay = 0
  #idle: (() => void)[] = []

  constructor(parts: DeliveryParts) {
    this.#parts = parts
  }

  /** Most events that one delivery takes: the smallest transactionCapacity among the channels. */
  get transactionCapacity(): number {
    let smallest = Number.MAX_SAFE_INTEGER
    for (const channel of this.#parts.channels.values()) smallest = Math.min(smallest, channel.transactionCapacity)
    return smallest
  }

  /** One transaction: resolves when every required channel has committed, rejects with the first refusal (P-02). */
  async deliver(batch: EventBatch): Promise<void> {
    if (batch.count === 0) return
    this.#parts.counters.eventReceived += batch.count
    await this.#transact(batch)
  }

  /** As if each event were a transaction of its own, in as few puts as the channels have room for. Never rejects. */
  async deliverEach(batch: EventBatch): Promise<Delivered> {
    const { counters } = this.#parts
    let accepted = 0
    let pieceMax = this.transactionCapacity
    while (accepted < batch.count) {
      const piece = batch.slice(accepted, accepted + Math.min(pieceMax, this.#room()))
      try {
        await this.#transact(piece)
        counters.eventReceived += piece.count
        accepted += piece.count
      } catch (error) {
        if (piece.count === 1) {
          counters.eventReceived++
          return { accepted, error: asError(error) }
        }
        // The room was a guess (bytes, another source): find out event by event which one is refused.
        pieceMax = 1
      }
    }
    return { accepted }
  }

  /** Resolves when no delivery is under way. */
  async settled(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  close(): void {
    for (const interceptor of this.#parts.interceptors) interceptor.close?.()
  }

  #room(): number {
    let room = Number.MAX_SAFE_INTEGER
    for (const channel of this.#parts.channels.values()) room = Math.min(room, channel.room)
    return Math.max(1, room)
  }

  async #transact(batch: EventBatch): Promise<void> {
    const { counters } = this.#parts
    this.#underWay++
    try {
      await this.#put(batch)
      counters.eventAccepted += batch.count
    } catch (error) {
      counters.channelWriteFail++
      throw error
    } finally {
      if (--this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  async #put(received: EventBatch): Promise<void> {
    const { counters, interceptors, selector, channels } = this.#parts
    let batch = received
    for (const interceptor of interceptors) batch = interceptor.intercept(batch)
    counters.dropped += Math.max(0, received.count - batch.count)
    if (batch.count === 0) return
    const routes = selector.route(batch)
    for (const { channel, batch, required } of routes) {
      if (required) await this.#required(channels.get(channel) as Channel, batch, channel)
    }
    for (const { channel, batch, required } of routes) {
      if (!required) await this.#optional(channels.get(channel) as Channel, batch, channel)
    }
  }

  async #required(channel: Channel, batch: EventBatch, name: string): Promise<void> {
    try {
      await channel.put(batch)
    } catch (error) {
      if (error instanceof FlumeError || isAbort(error)) throw error
      throw new FlumeError('DELIVERY', `Unable to put batch on required channel: ${name}`, {
        cause: error,
        retry: true,
      }) // P-04
    }
  }

  async #optional(channel: Channel, batch: EventBatch, name: string): Promise<void> {
    try {
      await channel.put(batch)
    } catch (error) {
      // Flume: the optional channel's failure is only logged (P-03).
      this.#parts.log.error(`optional channel ${name} did not take ${batch.count} events: ${explain(error)}`)
    }
  }
}
