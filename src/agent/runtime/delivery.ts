import { asError, explain, FlumeError, isAbort } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SourceCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { SourceLedger } from '../../monitor/snapshot.ts'
import type { Channel, Delivered, Interceptor, Selector } from '../contract.ts'
import { type ChannelAccount, countUnrouted, SourceAccount } from './account.ts'

/** A channel as a source sees it. */
export interface Target {
  readonly channel: Channel
  readonly account: ChannelAccount
}

export interface DeliveryParts {
  readonly interceptors: readonly Interceptor[]
  readonly selector: Selector
  /** The source's channels by name. */
  readonly targets: ReadonlyMap<string, Target>
  readonly counters: SourceCounters
  readonly log: Logger
  /** Deliveries wait for this; a rejection refuses them. For a source whose agent is still being changed. */
  readonly gate?: Promise<void> | undefined
}

/** From a source into its channels: interceptors, then the selector, then one put for each channel (P-01). */
export class Delivery {
  readonly #parts: DeliveryParts
  readonly #account: SourceAccount
  #gate: Promise<void> | undefined
  #underWay = 0
  #idle: (() => void)[] = []

  constructor(parts: DeliveryParts) {
    this.#parts = parts
    this.#account = new SourceAccount(parts.targets.keys())
    this.#gate = parts.gate
    parts.gate?.then(
      () => {
        this.#gate = undefined
      },
      () => undefined,
    )
  }

  /** What became of everything that was delivered, at this moment. */
  ledger(source: string): SourceLedger {
    return this.#account.ledger(source)
  }

  /** Most events that one delivery takes: the smallest transactionCapacity among the channels. */
  get transactionCapacity(): number {
    let smallest = Number.MAX_SAFE_INTEGER
    for (const { channel } of this.#parts.targets.values()) smallest = Math.min(smallest, channel.transactionCapacity)
    return smallest
  }

  /** One transaction: resolves when every required channel has committed, rejects with the first refusal (P-02). */
  async deliver(batch: EventBatch): Promise<void> {
    if (batch.count === 0) return
    this.#parts.counters.eventReceived += batch.count
    await this.#whileUnderWay(() => this.#transact(batch, true))
  }

  /** As if each event were a transaction of its own, in as few puts as the channels have room for. Never rejects. */
  deliverEach(batch: EventBatch): Promise<Delivered> {
    // Between two pieces, too, the delivery is under way: whoever stops the source waits for all of them.
    return this.#whileUnderWay(() => this.#deliverPieces(batch))
  }

  async #deliverPieces(batch: EventBatch): Promise<Delivered> {
    const { counters } = this.#parts
    let accepted = 0
    let pieceMax = this.transactionCapacity
    while (accepted < batch.count) {
      const piece = batch.slice(accepted, accepted + Math.min(pieceMax, this.#room()))
      try {
        await this.#transact(piece, piece.count === 1)
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
    for (const { channel } of this.#parts.targets.values()) room = Math.min(room, channel.room)
    return Math.max(1, room)
  }

  /** `isAnswered`: a refusal is told to the sender; otherwise smaller pieces are tried. */
  async #transact(batch: EventBatch, isAnswered: boolean): Promise<void> {
    const { counters } = this.#parts
    this.#account.begin(batch.count)
    try {
      if (this.#gate) await this.#gate
      const { left, unrouted } = await this.#put(batch)
      counters.eventAccepted += batch.count
      counters.dropped += Math.max(0, batch.count - left) + unrouted
      this.#account.accept(batch.count, left, unrouted)
    } catch (error) {
      counters.channelWriteFail++
      if (isAnswered) this.#account.refuse(batch.count)
      else this.#account.retry(batch.count)
      throw error
    }
  }

  async #whileUnderWay<T>(act: () => Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await act()
    } finally {
      if (--this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  /** Resolves to how many events the interceptors left, and how many of them no route took. */
  async #put(received: EventBatch): Promise<{ readonly left: number; readonly unrouted: number }> {
    const { interceptors, selector } = this.#parts
    let batch = received
    for (const interceptor of interceptors) batch = interceptor.intercept(batch)
    if (batch.count === 0) return { left: 0, unrouted: 0 }
    const routes = selector.route(batch)
    for (const { channel, batch, required } of routes) {
      if (required) await this.#required(channel, batch)
    }
    for (const { channel, batch, required } of routes) {
      if (!required) await this.#optional(channel, batch)
    }
    return { left: batch.count, unrouted: countUnrouted(batch, routes) }
  }

  async #required(name: string, batch: EventBatch): Promise<void> {
    const { channel } = this.#target(name)
    try {
      await channel.put(batch)
    } catch (error) {
      if (error instanceof FlumeError || isAbort(error)) throw error
      throw new FlumeError('DELIVERY', `Unable to put batch on required channel: ${name}`, {
        cause: error,
        retry: true,
      }) // P-04
    }
    this.#account.enter(name, batch.count)
  }

  async #optional(name: string, batch: EventBatch): Promise<void> {
    const { channel, account } = this.#target(name)
    try {
      await channel.put(batch)
    } catch (error) {
      // Flume: the optional channel's failure is only logged (P-03).
      account.refuseAsOptional(batch.count)
      this.#parts.log.error(`optional channel ${name} did not take ${batch.count} events: ${explain(error)}`)
      return
    }
    this.#account.enter(name, batch.count)
  }

  #target(name: string): Target {
    const target = this.#parts.targets.get(name)
    if (!target) throw new FlumeError('DELIVERY', `the selector names channel ${name}, which the source does not feed`)
    return target
  }
}
