import { getHeapStatistics } from 'node:v8'
import { Slots } from '../../core/slots.ts'
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
type MemoryOptions = Options<typeof options>

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

/** Flume accounts bodies in slots of 100 bytes; an empty body takes one (MC-05). */
const bytesPerSlot = 100
/** Flume's default is 80 % of the JVM's heap. */
const heapShare = 0.8

/** Events that were committed together, or the rest of them; `first` is the number of the first one since the channel was made. */
interface Segment {
  readonly first: number
  readonly batch: EventBatch
}

interface Taker {
  readonly wake: () => void
}

/**
 * A queue of batches.
 *
 * Invariants: segments are in order of `first` and never overlap; an event is in the queue, or lent to exactly one
 * take, or gone; its slot is free again only when it is gone, so that a rollback always fits (MC-07).
 */
class MemoryChannel implements Channel {
  readonly #context: ChannelContext
  readonly #queue = new Deque()
  readonly #takers: Taker[] = []
  readonly #eventSlots: Slots
  readonly #byteSlots: Slots
  #keepAliveMs: number
  #transactionCapacity: number
  #bufferPercentage: number
  #nextNumber = 0
  #lentCount = 0
  #closed = false

  constructor(options: MemoryOptions, context: ChannelContext) {
    this.#context = context
    this.#keepAliveMs = options['keep-alive'] * 1000
    this.#transactionCapacity = options.transactionCapacity
    this.#bufferPercentage = options.byteCapacityBufferPercentage
    this.#eventSlots = new Slots(options.capacity, context.clock)
    this.#byteSlots = new Slots(byteSlotsOf(options), context.clock)
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
    await this.#reserve(batch)
    this.#queue.push({ first: this.#nextNumber, batch: batch.compact() })
    this.#nextNumber += batch.count
    this.#context.counters.eventPutSuccess += batch.count
    this.#takers.shift()?.wake()
  }

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    if (this.#closed) throw closed()
    this.#context.counters.eventTakeAttempt++
    const untilMs = this.#context.clock.monotonic() + this.#keepAliveMs
    while (this.#queue.length === 0) {
      // Woken takers may find that an overlapping take was quicker: they stand in line again for the time that is left.
      const leftMs = untilMs - this.#context.clock.monotonic()
      if (this.#closed || signal?.aborted || leftMs <= 0) return undefined
      await this.#eventArrives(leftMs, signal)
    }
    const segments = this.#lend(Math.min(max, this.#transactionCapacity))
    const batch = EventBatch.concat(segments.map((segment) => segment.batch))
    this.#lentCount += batch.count
    try {
      const result = await use(batch)
      this.#lentCount -= batch.count
      this.#eventSlots.release(batch.count)
      this.#byteSlots.release(byteSlotsFor(batch))
      this.#context.counters.eventTakeSuccess += batch.count
      return result
    } catch (error) {
      this.#lentCount -= batch.count
      this.#queue.putBack(segments)
      this.#takers.shift()?.wake()
      throw error
    }
  }

  /** New limits for a live channel (MC-11): growing is immediate, shrinking waits keep-alive seconds and is given up with a warning. */
  async reconfigure(options: MemoryOptions): Promise<void> {
    this.#keepAliveMs = options['keep-alive'] * 1000
    this.#bufferPercentage = options.byteCapacityBufferPercentage
    await this.#resize('capacity', this.#eventSlots, options.capacity)
    await this.#resize('byteCapacity', this.#byteSlots, byteSlotsOf(options))
    this.#transactionCapacity = Math.min(options.transactionCapacity, this.#eventSlots.total)
  }

  async stop(): Promise<void> {
    this.#closed = true
    this.#eventSlots.refuseAll()
    this.#byteSlots.refuseAll()
    for (const taker of this.#takers.splice(0)) taker.wake()
  }

  /** Byte slots first, then event slots, each waited for up to keep-alive (MC-03). */
  async #reserve(batch: EventBatch): Promise<void> {
    const byteSlots = byteSlotsFor(batch)
    const gotBytes = this.#byteSlots.acquire(byteSlots, this.#keepAliveMs)
    if (!(gotBytes === true || (await gotBytes))) {
      if (this.#closed) throw closed()
      throw new FlumeError(
        'CHANNEL_FULL',
        `Cannot commit transaction. Byte capacity allocated to store event body ${this.#byteSlots.total * bytesPerSlot} reached. Please increase heap space/byte capacity allocated to the channel as the sinks may not be keeping up with the sources`,
        { retry: true, hint: `channel ${this.#context.name} keeps ${this.#bufferPercentage} % of byteCapacity back` },
      )
    }
    const gotEvents = this.#eventSlots.acquire(batch.count, this.#keepAliveMs)
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

  /** Resolves when an event may have come, the time is over (MC-02) or the signal aborts. */
  #eventArrives(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const leave = (): void => {
        const index = this.#takers.indexOf(taker)
        if (index >= 0) this.#takers.splice(index, 1)
        taker.wake()
      }
      const timer = this.#context.clock.after(withinMs, leave)
      const taker: Taker = {
        wake: () => {
          timer.cancel()
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#takers.push(taker)
    })
  }

  /** The oldest events, up to `max`, out of the queue. */
  #lend(max: number): Segment[] {
    const lent: Segment[] = []
    let room = max
    for (let head = this.#queue.shift(); head; head = this.#queue.shift()) {
      if (head.batch.count > room) {
        lent.push({ first: head.first, batch: head.batch.slice(0, room) })
        this.#queue.unshift({ first: head.first + room, batch: head.batch.slice(room) })
        break
      }
      lent.push(head)
      room -= head.batch.count
      if (room === 0) break
    }
    if (this.#queue.length > 0) this.#takers.shift()?.wake()
    return lent
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

  #makeRoom(): void {
    if (this.length < this.#ring.length) return
    const size = this.#ring.length
    const grown: (Segment | undefined)[] = new Array(2 * size)
    for (let i = 0; i < size; i++) grown[i] = this.#ring[(this.#head + i) & (size - 1)]
    this.#ring = grown
    this.#head = 0
  }
}

function byteSlotsOf(options: MemoryOptions): number {
  const byteCapacity = options.byteCapacity ?? Math.floor(getHeapStatistics().heap_size_limit * heapShare)
  const slots = Math.floor((byteCapacity * (1 - options.byteCapacityBufferPercentage / 100)) / bytesPerSlot)
  return slots < 1 ? Number.MAX_SAFE_INTEGER : slots
}

function byteSlotsFor(batch: EventBatch): number {
  let slots = 0
  for (let i = 0; i < batch.count; i++) {
    const length = (batch.ends[i] as number) - (batch.starts[i] as number)
    slots += length === 0 ? 1 : Math.ceil(length / bytesPerSlot)
  }
  return slots
}

function closed(): FlumeError {
  return new FlumeError('CLOSED', 'the channel is stopped', { retry: true })
}
