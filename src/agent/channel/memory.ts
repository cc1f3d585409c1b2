import { getHeapStatistics } from 'node:v8'
import { bytesPerSlot, slotsForBodies, slotsWithin } from '../../core/body-slots.ts'
import { KeptBytes } from '../../core/kept-bytes.ts'
import { Slots } from '../../core/slots.ts'
import { Takers } from '../../core/takers.ts'
import { bytes, count, type Options, seconds } from '../../spec/option.ts'
import { type Channel, type ChannelContext, defineChannel, EventBatch, FlumeError } from '../contract.ts'

const options = {
  capacity: count({ default: 100, min: 1, doc: 'Most events held, those lent to sinks included.' }),
  transactionCapacity: count({ default: 100, min: 1, doc: 'Most events of one put or take.' }),
  'keep-alive': seconds({ default: 3, min: 0, doc: 'How long a put waits for room and a take for an event.' }),
  byteCapacity: bytes({
    optional: true,
    doc: 'Most bytes of bodies held, in slots of 100; below one slot: no limit. Left out: 80 % of the heap limit.',
  }),
  byteCapacityBufferPercentage: count({
    default: 20,
    min: 0,
    max: 100,
    doc: 'Share of byteCapacity kept back for headers and bookkeeping.',
  }),
}
export type MemoryOptions = Options<typeof options>

export const memory = defineChannel({
  type: 'memory',
  aliases: ['org.apache.flume.channel.MemoryChannel'],
  summary: 'Holds events in memory: fast, and empty after a crash.',
  options,
  transactionCapacityOption: 'transactionCapacity',
  capabilities: { durable: false, ordered: true, overlappingTakes: true, adjustable: true },
  check: ({ capacity, transactionCapacity }) =>
    transactionCapacity > capacity
      ? [
          {
            option: 'transactionCapacity',
            code: 'transaction-capacity',
            message: `${transactionCapacity} is more than the capacity of ${capacity}`,
            hint: 'raise capacity or lower transactionCapacity',
          },
        ]
      : [],
  create: (options, context) => new MemoryChannel(options, context),
})

/** Flume's default is 80 % of the JVM's heap. */
const heapShare = 0.8
/** Most events that are handed over at once. */
const moveCount = 500

/** Events that were committed together, or the rest of them; `first` is the number of the first one since the channel was made. */
interface Segment {
  readonly first: number
  readonly batch: EventBatch
  readonly byteSlots: number
}

/**
 * A queue of batches.
 *
 * Invariants: segments are in order of `first` and never overlap; an event is in the queue, or lent to exactly one
 * take, or gone; its slot is free again only when it is gone, so that a rollback always fits (MC-07).
 */
export class MemoryChannel implements Channel {
  readonly #context: ChannelContext
  readonly #slotBytes: number
  readonly #queue = new Deque()
  readonly #takers: Takers
  readonly #eventSlots: Slots
  readonly #byteSlots: Slots
  readonly #kept = new KeptBytes()
  #keepAliveMs: number
  #transactionCapacity: number
  #bufferPercentage: number
  #nextNumber = 0
  #lentCount = 0
  /** The first number of each take under way. */
  readonly #lentFrom = new Set<number>()
  #closed = false

  /** `slotBytes`: what bodies are accounted in. */
  constructor(options: MemoryOptions, context: ChannelContext, slotBytes = bytesPerSlot) {
    this.#context = context
    this.#takers = new Takers(context.clock)
    this.#slotBytes = slotBytes
    this.#keepAliveMs = options['keep-alive'] * 1000
    this.#transactionCapacity = options.transactionCapacity
    this.#bufferPercentage = options.byteCapacityBufferPercentage
    this.#eventSlots = new Slots(options.capacity, context.clock)
    this.#byteSlots = new Slots(byteSlotsOf(options, slotBytes), context.clock)
  }

  get transactionCapacity(): number {
    return this.#transactionCapacity
  }

  get capacity(): number {
    return this.#eventSlots.total
  }

  get size(): number {
    return this.#queue.eventCount + this.#lentCount
  }

  get room(): number {
    return this.#eventSlots.available
  }

  async put(batch: EventBatch): Promise<void> {
    if (this.#closed) throw closed()
    if (batch.count === 0) return
    this.#context.counters.eventPutAttempt += batch.count
    if (batch.count > this.#transactionCapacity) {
      throw new FlumeError(
        'BATCH_TOO_LARGE',
        `Put queue for MemoryTransaction of capacity ${this.#transactionCapacity} full, consider committing more frequently, increasing capacity or increasing thread count`,
        {
          hint: `a batch of ${batch.count} events needs transactionCapacity of channel ${this.#context.name} to be at least that`,
        },
      )
    }
    const byteSlots = slotsForBodies(batch, this.#slotBytes)
    await this.#reserve(batch.count, byteSlots)
    this.#keep(batch, byteSlots)
  }

  /** Puts a batch if there is room at this moment, with the number of its first event for `kept`; false: there is none. Attempts are not counted. */
  putNow(batch: EventBatch, kept: (first: number) => void): boolean {
    if (this.#closed) throw closed()
    const byteSlots = slotsForBodies(batch, this.#slotBytes)
    if (this.#byteSlots.available < byteSlots || this.#eventSlots.available < batch.count) return false
    void this.#byteSlots.acquire(byteSlots, 0)
    void this.#eventSlots.acquire(batch.count, 0)
    kept(this.#nextNumber)
    this.#keep(batch, byteSlots)
    return true
  }

  /** Whether the empty channel would have room for a batch. */
  couldHold(batch: EventBatch): boolean {
    return batch.count <= this.#eventSlots.total && slotsForBodies(batch, this.#slotBytes) <= this.#byteSlots.total
  }

  /** The number of the oldest event that could be lent; undefined when there is none. Numbers grow with each put. */
  get oldest(): number | undefined {
    return this.#queue.first?.first
  }

  /** Events with lower numbers are gone for good. */
  get floor(): number {
    let floor = this.oldest ?? this.#nextNumber
    for (const first of this.#lentFrom) floor = Math.min(floor, first)
    return floor
  }

  /** Free bytes of bodies. */
  get byteRoom(): number {
    return this.#byteSlots.available * this.#slotBytes
  }

  /** Hands over everything that is not lent, oldest first, without counting it as taken. Rejects as `to` does; what was not handed over stays. */
  async moveAll(to: (batch: EventBatch) => Promise<void>): Promise<void> {
    for (let segments = this.#lend(moveCount); segments.length > 0; segments = this.#lend(moveCount)) {
      const batch = EventBatch.concat(segments.map((segment) => segment.batch))
      this.#lentCount += batch.count
      try {
        await to(batch)
        this.#release(segments)
      } catch (error) {
        this.#queue.putBack(segments)
        throw error
      } finally {
        this.#lentCount -= batch.count
      }
    }
  }

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    if (this.#closed) throw closed()
    this.#context.counters.eventTakeAttempt++
    const untilMs = this.#context.clock.monotonic() + this.#keepAliveMs
    while (this.#queue.length === 0) {
      // Woken takers may find that an overlapping take was quicker: they stand in line again for the time that is left.
      const leftMs = untilMs - this.#context.clock.monotonic()
      if (this.#closed || signal?.aborted || leftMs <= 0) return undefined
      await this.#takers.wait(leftMs, signal)
    }
    return this.#lendTo(this.#lend(max), use)
  }

  /**
   * As take, without waiting or counting the attempt, and of events with numbers below `below()` only. `use` is told the
   * number of the last event; it is not called when there is none.
   */
  async takeNow(
    max: number,
    below: () => number,
    use: (batch: EventBatch, last: number) => Promise<void>,
  ): Promise<void> {
    if (this.#closed) throw closed()
    const segments = this.#lend(max, below())
    const last = segments.at(-1)
    if (last) await this.#lendTo(segments, (batch) => use(batch, last.first + last.batch.count - 1))
  }

  /** New limits for a live channel (MC-11): growing is immediate, shrinking waits keep-alive seconds and is given up with a warning. */
  async reconfigure(options: MemoryOptions): Promise<void> {
    this.#keepAliveMs = options['keep-alive'] * 1000
    this.#bufferPercentage = options.byteCapacityBufferPercentage
    await this.#resize('capacity', this.#eventSlots, options.capacity)
    await this.#resize('byteCapacity', this.#byteSlots, byteSlotsOf(options, this.#slotBytes))
    this.#transactionCapacity = Math.min(options.transactionCapacity, this.#eventSlots.total)
  }

  async stop(): Promise<void> {
    this.#closed = true
    this.#eventSlots.refuseAll()
    this.#byteSlots.refuseAll()
    this.#takers.wakeAll()
  }

  /** Byte slots first, then event slots, each waited for up to keep-alive (MC-03). */
  async #reserve(count: number, byteSlots: number): Promise<void> {
    const gotBytes = this.#byteSlots.acquire(byteSlots, this.#keepAliveMs)
    if (!(gotBytes === true || (await gotBytes))) {
      if (this.#closed) throw closed()
      throw new FlumeError(
        'CHANNEL_FULL',
        `Cannot commit transaction. Byte capacity allocated to store event body ${this.#byteSlots.total * this.#slotBytes} reached. Please increase heap space/byte capacity allocated to the channel as the sinks may not be keeping up with the sources`,
        { retry: true, hint: `channel ${this.#context.name} keeps ${this.#bufferPercentage} % of byteCapacity back` },
      )
    }
    const gotEvents = this.#eventSlots.acquire(count, this.#keepAliveMs)
    if (!(gotEvents === true || (await gotEvents))) {
      this.#byteSlots.release(byteSlots)
      if (this.#closed) throw closed()
      throw new FlumeError(
        'CHANNEL_FULL',
        "Space for commit to queue couldn't be acquired. Sinks are likely not keeping up with sources, or the buffer size is too tight",
        { retry: true },
      )
    }
    if (this.#closed) throw closed()
  }

  #keep(batch: EventBatch, byteSlots: number): void {
    this.#queue.push({ first: this.#nextNumber, batch: this.#kept.keep(batch), byteSlots })
    this.#nextNumber += batch.count
    this.#context.counters.eventPutSuccess += batch.count
    this.#takers.wakeOne()
  }

  #release(segments: readonly Segment[]): void {
    for (const { batch, byteSlots } of segments) {
      this.#kept.release(batch)
      this.#eventSlots.release(batch.count)
      this.#byteSlots.release(byteSlots)
    }
    if (this.#kept.isTooMuch) this.#queue.replaceEach((batch) => this.#kept.tidy(batch))
  }

  /** The oldest events, up to `max` and with numbers below `below`, out of the queue. */
  #lend(max: number, below = Number.POSITIVE_INFINITY): Segment[] {
    const lent: Segment[] = []
    let room = Math.min(max, this.#transactionCapacity)
    while (room > 0) {
      const head = this.#queue.first
      if (!head || head.first >= below) break
      this.#queue.shift()
      const fits = Math.min(room, below - head.first)
      if (head.batch.count > fits) {
        lent.push(this.#part(head, 0, fits))
        this.#queue.unshift(this.#part(head, fits, head.batch.count))
        break
      }
      lent.push(head)
      room -= head.batch.count
    }
    if (this.#queue.length > 0) this.#takers.wakeOne()
    return lent
  }

  #part({ first, batch }: Segment, from: number, to: number): Segment {
    const part = batch.slice(from, to)
    return { first: first + from, batch: part, byteSlots: slotsForBodies(part, this.#slotBytes) }
  }

  async #lendTo<T>(segments: readonly Segment[], use: (batch: EventBatch) => Promise<T>): Promise<T> {
    const batch = EventBatch.concat(segments.map((segment) => segment.batch))
    const from = (segments[0] as Segment).first
    this.#lentCount += batch.count
    this.#lentFrom.add(from)
    try {
      const result = await use(batch)
      this.#lentCount -= batch.count
      this.#release(segments)
      this.#context.counters.eventTakeSuccess += batch.count
      return result
    } catch (error) {
      this.#lentCount -= batch.count
      this.#queue.putBack(segments)
      this.#takers.wakeOne()
      throw error
    } finally {
      this.#lentFrom.delete(from)
    }
  }

  async #resize(what: string, slots: Slots, wanted: number): Promise<void> {
    if (wanted > slots.total) slots.grow(wanted - slots.total)
    else if (wanted < slots.total && !(await slots.shrink(slots.total - wanted, this.#keepAliveMs))) {
      this.#context.log.warn(`${what} stays as it was: the channel is too full to shrink`, { events: this.size })
    }
  }
}

/** Segments in order, taken from the front; a ring, so that neither end costs a copy. */
class Deque {
  #ring: (Segment | undefined)[] = new Array(64)
  #head = 0
  length = 0
  eventCount = 0

  get first(): Segment | undefined {
    return this.length === 0 ? undefined : this.#ring[this.#head]
  }

  push(segment: Segment): void {
    this.#makeRoom()
    this.eventCount += segment.batch.count
    this.#ring[(this.#head + this.length++) & (this.#ring.length - 1)] = segment
  }

  unshift(segment: Segment): void {
    this.#makeRoom()
    this.#head = (this.#head - 1) & (this.#ring.length - 1)
    this.#ring[this.#head] = segment
    this.length++
    this.eventCount += segment.batch.count
  }

  shift(): Segment | undefined {
    if (this.length === 0) return undefined
    const segment = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.length--
    if (segment) this.eventCount -= segment.batch.count
    return segment
  }

  /** Lent segments come back to where their numbers belong: ahead of everything newer (MC-08). */
  putBack(segments: readonly Segment[]): void {
    const merged: Segment[] = []
    for (const segment of segments) {
      while (this.length > 0 && (this.#ring[this.#head] as Segment).first < segment.first)
        merged.push(this.shift() as Segment)
      merged.push(segment)
    }
    for (const segment of merged.toReversed()) this.unshift(segment)
  }

  /** Puts another batch of the same events in the place of each. */
  replaceEach(by: (batch: EventBatch) => EventBatch): void {
    for (let i = 0; i < this.length; i++) {
      const place = (this.#head + i) & (this.#ring.length - 1)
      const segment = this.#ring[place] as Segment
      this.#ring[place] = { ...segment, batch: by(segment.batch) }
    }
  }

  #makeRoom(): void {
    if (this.length < this.#ring.length) return
    const size = this.#ring.length
    const grown: (Segment | undefined)[] = new Array(2 * size)
    for (let i = 0; i < size; i++) grown[i] = this.#ring[(this.#head + i) & (size - 1)]
    this.#ring = grown
    this.#head = 0
  }
}

function byteSlotsOf({ byteCapacity, byteCapacityBufferPercentage }: MemoryOptions, slotBytes: number): number {
  const limit = byteCapacity ?? Math.floor(getHeapStatistics().heap_size_limit * heapShare)
  return slotsWithin(limit, byteCapacityBufferPercentage, slotBytes)
}

function closed(): FlumeError {
  return new FlumeError('CLOSED', 'the channel is stopped', { retry: true })
}
