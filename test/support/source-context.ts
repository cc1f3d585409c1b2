import type { AgentSettings, Delivered, SourceContext } from '../../src/agent/contract.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { FlumeError } from '../../src/core/error.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { SourceCounters } from '../../src/monitor/counters.ts'
import { type Logger, silentLogger } from '../../src/monitor/logger.ts'

export interface FakeSourceContextOptions {
  readonly clock?: Clock
  readonly log?: Logger
  readonly transactionCapacity?: number
  readonly console?: AsyncIterable<Uint8Array>
  readonly settings?: Partial<AgentSettings>
}

/** An event as tests like to compare it. */
export interface PlainEvent {
  readonly headers: Record<string, string>
  readonly body: string
}

/** Events of a batch with their bodies as text; `latin1` keeps every byte apart. */
export function plainEvents(batch: EventBatch, encoding: BufferEncoding = 'utf8'): PlainEvent[] {
  return Array.from(batch.events(), ({ headers, body }) => ({
    headers: { ...headers },
    body: Buffer.from(body).toString(encoding),
  }))
}

/** What a source is given, with a list in memory where the channels would be. It counts events as the runtime does. */
export class FakeSourceContext implements SourceContext {
  readonly name = 'r1'
  readonly clock: Clock
  readonly random: Random = seededRandom(1)
  readonly log: Logger
  readonly settings: AgentSettings
  readonly counters = new SourceCounters()
  readonly transactionCapacity: number
  readonly console: AsyncIterable<Uint8Array> | undefined
  /** What was delivered, in order, batch by batch. */
  readonly batches: EventBatch[] = []
  /** How many more events fit; what comes beyond is refused as a full channel refuses it. */
  room = Number.POSITIVE_INFINITY
  /** Thrown by deliveries while it is set. */
  failure: Error | undefined

  readonly #stop = new AbortController()
  readonly #ready = deferred<string>()
  readonly #waiters: { readonly atLeast: number; readonly resolve: () => void }[] = []
  #held: Promise<void> | undefined
  #pending = 0

  constructor(options: FakeSourceContextOptions = {}) {
    this.clock = options.clock ?? systemClock
    this.log = options.log ?? silentLogger
    this.transactionCapacity = options.transactionCapacity ?? 100_000
    this.console = options.console
    this.settings = { mounts: new Map(), env: {}, properties: new Map(), ...options.settings }
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Resolves to what the source said to `ready`. */
  get whenReady(): Promise<string> {
    return this.#ready.promise
  }

  /** Deliveries that are under way. */
  get pending(): number {
    return this.#pending
  }

  /** Events delivered so far. */
  get count(): number {
    return this.batches.reduce((sum, batch) => sum + batch.count, 0)
  }

  /** All delivered events, bodies as text. */
  get events(): PlainEvent[] {
    return this.batches.flatMap((batch) => plainEvents(batch))
  }

  /** Resolves once at least `count` events have been delivered. */
  whenDelivered(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ atLeast: count, resolve }))
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Deliveries wait from now on; the answer lets them go. */
  hold(): () => void {
    const { promise, resolve } = deferred<void>()
    this.#held = promise
    return () => {
      this.#held = undefined
      resolve()
    }
  }

  ready(where: string): void {
    this.#ready.resolve(where)
  }

  async deliver(batch: EventBatch): Promise<void> {
    this.counters.eventReceived += batch.count
    this.#pending++
    try {
      await this.#held
      if (this.failure) throw this.failure
      if (batch.count > this.transactionCapacity)
        throw new FlumeError('BATCH_TOO_LARGE', `${batch.count} events above transactionCapacity`)
      if (batch.count > this.room) throw channelFull()
      this.#keep(batch)
    } catch (error) {
      this.counters.channelWriteFail++
      throw error
    } finally {
      this.#pending--
    }
  }

  async deliverEach(batch: EventBatch): Promise<Delivered> {
    this.counters.eventReceived += batch.count
    this.#pending++
    try {
      await this.#held
      if (this.failure) return { accepted: 0, error: this.failure }
      const accepted = Math.min(batch.count, this.room)
      if (accepted > 0) this.#keep(batch.slice(0, accepted))
      return accepted < batch.count ? { accepted, error: channelFull() } : { accepted }
    } finally {
      this.#pending--
    }
  }

  #keep(batch: EventBatch): void {
    this.room -= batch.count
    this.batches.push(batch)
    this.counters.eventAccepted += batch.count
    const { count } = this
    for (let i = this.#waiters.length - 1; i >= 0; i--) {
      const waiter = this.#waiters[i]
      if (waiter && waiter.atLeast <= count) {
        this.#waiters.splice(i, 1)
        waiter.resolve()
      }
    }
  }
}

function channelFull(): FlumeError {
  return new FlumeError('CHANNEL_FULL', 'no room in the channel', { retry: true })
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
