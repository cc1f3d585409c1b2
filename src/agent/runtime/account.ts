import type { ChannelCounters } from '../../monitor/counters.ts'
import type { ChannelLedger, SourceLedger } from '../../monitor/snapshot.ts'
import type { Channel, EventBatch, Route } from '../contract.ts'

/** The ledger of one source. Invariants: received = accepted + refused, accepted = routed + dropped. */
export class SourceAccount {
  readonly #entered = new Map<string, number>()
  #received = 0
  #underWay = 0
  #accepted = 0
  #refused = 0
  #routed = 0
  #droppedByInterceptors = 0
  #droppedWithoutRoute = 0

  constructor(channels: Iterable<string>) {
    for (const channel of channels) this.#entered.set(channel, 0)
  }

  begin(count: number): void {
    this.#underWay += count
  }

  /** A delivery that is tried again in smaller pieces has not been answered. */
  retry(count: number): void {
    this.#underWay -= count
  }

  refuse(count: number): void {
    this.#underWay -= count
    this.#received += count
    this.#refused += count
  }

  /** `left` of `count` events were left by the interceptors, `unrouted` of those went nowhere. */
  accept(count: number, left: number, unrouted: number): void {
    // Events that an interceptor made are nobody's: the source has not sent them.
    const made = Math.max(0, left - count)
    const byInterceptors = Math.max(0, count - left)
    const withoutRoute = Math.max(0, unrouted - made)
    this.#underWay -= count
    this.#received += count
    this.#accepted += count
    this.#droppedByInterceptors += byInterceptors
    this.#droppedWithoutRoute += withoutRoute
    this.#routed += count - byInterceptors - withoutRoute
  }

  enter(channel: string, count: number): void {
    this.#entered.set(channel, (this.#entered.get(channel) ?? 0) + count)
  }

  ledger(source: string): SourceLedger {
    return {
      source,
      received: this.#received,
      underWay: this.#underWay,
      accepted: this.#accepted,
      refused: this.#refused,
      routed: this.#routed,
      dropped: { interceptor: this.#droppedByInterceptors, 'no-route': this.#droppedWithoutRoute },
      entered: Object.fromEntries(this.#entered),
    }
  }
}

/** The ledger of one channel. Invariant: entered = delivered + held + dropped, where `held` is what the channel itself says. */
export class ChannelAccount {
  readonly #channel: Channel
  readonly #counters: ChannelCounters
  readonly #traits: { readonly durable: boolean; readonly external?: boolean }
  readonly #recovered: number
  #refusedAsOptional = 0
  #givenUp = 0
  #deadLetters: number | undefined
  #heldAtStop: number | undefined
  #lostAtStop = 0

  /** `channel` must be open and not yet used. */
  constructor(
    channel: Channel,
    counters: ChannelCounters,
    traits: { readonly durable: boolean; readonly external?: boolean },
  ) {
    this.#channel = channel
    this.#counters = counters
    this.#traits = traits
    this.#recovered = channel.size
  }

  /** The channel did not take copies that it did not have to take. */
  refuseAsOptional(count: number): void {
    this.#refusedAsOptional += count
  }

  /** Events that were taken and not delivered: the destination does not want them, and its sink may go on without. */
  giveUp(count: number): void {
    this.#givenUp += count
  }

  /** A sink may set events of this channel aside from now on. */
  expectDeadLetters(): void {
    this.#deadLetters ??= 0
  }

  /** Events were taken out and set aside; the take has committed. */
  setAside(count: number): void {
    this.#deadLetters = (this.#deadLetters ?? 0) + count
  }

  /** The channel is about to be stopped, and nobody uses it any more: what it says of itself from now on does not count. */
  freeze(): void {
    this.#heldAtStop = this.#channel.size
  }

  /** The channel has been stopped: what it holds only in memory is lost. */
  stop(): void {
    this.#lostAtStop = this.atRisk
  }

  /** Events that are nowhere but in memory. */
  get atRisk(): number {
    if (this.#channel.atRisk !== undefined) return this.#channel.atRisk
    return this.#traits.durable ? 0 : (this.#heldAtStop ?? this.#channel.size)
  }

  ledger(name: string): ChannelLedger {
    const size = this.#heldAtStop ?? this.#channel.size
    const lost = this.#lostAtStop
    return {
      channel: name,
      entered: this.#recovered + this.#counters.eventPutSuccess + this.#refusedAsOptional,
      recovered: this.#recovered,
      delivered: this.#counters.eventTakeSuccess - this.#givenUp - (this.#deadLetters ?? 0),
      held: size - lost,
      dropped: {
        'refused-as-optional': this.#refusedAsOptional,
        'given-up': this.#givenUp,
        'lost-at-stop': lost,
        ...(this.#deadLetters === undefined ? {} : { 'dead-letter': this.#deadLetters }),
      },
      ...(this.#traits.external ? { external: true } : {}),
    }
  }
}

/** How many events of a batch no route takes. */
export function countUnrouted(batch: EventBatch, routes: readonly Route[]): number {
  // A route never holds an event twice: as many as the batch has are all of it.
  if (routes.some((route) => route.batch.count === batch.count)) return 0
  const isRouted = new Uint8Array(batch.count)
  for (const { batch: part, events } of routes) {
    if (events) for (let i = 0; i < events.length; i++) isRouted[events[i] as number] = 1
    else markByPlace(batch, part, isRouted)
  }
  let unrouted = 0
  for (const mark of isRouted) if (mark === 0) unrouted++
  return unrouted
}

/** Marks the events of `part`, a selection of `batch` in its order, by where their bodies lie. */
function markByPlace(batch: EventBatch, part: EventBatch, isRouted: Uint8Array): void {
  for (let i = 0, j = 0; i < batch.count && j < part.count; i++) {
    if (batch.starts[i] !== part.starts[j] || batch.ends[i] !== part.ends[j]) continue
    isRouted[i] = 1
    j++
  }
}
