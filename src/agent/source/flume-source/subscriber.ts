import type { SparkEventBatch } from '../../../codec/sparksink.ts'
import type { Clock, Timer } from '../../../core/clock.ts'
import { BatchBuilder, EventBatch } from '../../../core/event-batch.ts'
import type { Logger } from '../../../monitor/logger.ts'

export interface SubscriberOptions {
  /** Events kept for the subscriber, those it has not acknowledged included. */
  readonly eventsMax: number
  /** Bytes of bodies kept for it, counting at least `eventBytesMin` for an event. */
  readonly bytesMax: number
  /** A batch not acknowledged by then is offered again. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Logger
  /** Who it is, for the log. */
  readonly who: string
  /** Makes sequence numbers: the prefix of all of them. */
  readonly prefix: string
  onDropped(events: number): void
}

/** Memory that an event costs besides its body. */
const eventBytesMin = 64
/** Batches below this are collected into one, so that single lines do not cost a batch each. */
const smallBatch = 64
const dropLogMs = 10_000

interface Pending {
  readonly batch: EventBatch
  readonly timer: Timer
}

/** One subscriber's copy of what is accepted: a bounded queue that drops the newest and never makes anyone wait. */
export class Subscriber {
  readonly #options: SubscriberOptions
  #queue: EventBatch[] = []
  #small = new BatchBuilder()
  /** Batches handed out, by their number. */
  readonly #pending = new Map<string, Pending>()
  #waiting: (() => void)[] = []
  #events = 0
  #bytes = 0
  #counter = 0
  #dropped = 0
  #dropLogAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SubscriberOptions) {
    this.#options = options
  }

  /** Takes what fits; the rest is dropped for this subscriber. */
  offer(batch: EventBatch): void {
    const room = Math.max(0, this.#options.eventsMax - this.#events)
    const fitting = batch.count <= room ? batch : batch.slice(0, room)
    const bytes = costOf(fitting)
    if (this.#bytes + bytes > this.#options.bytesMax) return this.#drop(batch.count)
    if (fitting.count < batch.count) this.#drop(batch.count - fitting.count)
    if (fitting.count === 0) return
    this.#events += fitting.count
    this.#bytes += bytes
    if (fitting.count < smallBatch) this.#small.addBatch(fitting)
    else {
      this.#flushSmall()
      this.#queue.push(fitting.compact())
    }
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Up to `max` events under a new number, as soon as there are any; an error batch when the signal aborts first. */
  async next(max: number, signal: AbortSignal): Promise<SparkEventBatch> {
    for (;;) {
      if (signal.aborted)
        return { errorMessage: 'the subscription has ended', sequenceNumber: '', events: EventBatch.empty }
      const events = this.#take(Math.max(1, max))
      if (events) return { errorMessage: '', sequenceNumber: this.#hand(events), events }
      await this.#untilOffered(signal)
    }
  }

  ack(sequenceNumber: string): void {
    const batch = this.#return(sequenceNumber)
    if (!batch) return
    this.#events -= batch.count
    this.#bytes -= costOf(batch)
  }

  nack(sequenceNumber: string): void {
    const batch = this.#return(sequenceNumber)
    if (!batch) return
    this.#queue.unshift(batch)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Forgets everything. */
  close(): void {
    for (const { timer } of this.#pending.values()) timer.cancel()
    this.#pending.clear()
    this.#queue = []
    this.#small = new BatchBuilder()
  }

  #take(max: number): EventBatch | undefined {
    if (this.#queue.length === 0) this.#flushSmall()
    const [first] = this.#queue
    if (!first) return undefined
    if (first.count <= max) this.#queue.shift()
    else this.#queue[0] = first.slice(max)
    return first.slice(0, max)
  }

  #hand(batch: EventBatch): string {
    const sequenceNumber = `${this.#options.prefix}${++this.#counter}`
    const timer = this.#options.clock.after(this.#options.timeoutMs, () => this.nack(sequenceNumber))
    this.#pending.set(sequenceNumber, { batch, timer })
    return sequenceNumber
  }

  #return(sequenceNumber: string): EventBatch | undefined {
    const pending = this.#pending.get(sequenceNumber)
    if (!pending) return undefined
    pending.timer.cancel()
    this.#pending.delete(sequenceNumber)
    return pending.batch
  }

  #flushSmall(): void {
    if (this.#small.count > 0) this.#queue.push(this.#small.build())
  }

  #untilOffered(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      this.#waiting.push(done)
    })
  }

  #drop(events: number): void {
    this.#dropped += events
    this.#options.onDropped(events)
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - this.#dropLogAtMs < dropLogMs) return
    this.#dropLogAtMs = nowMs
    this.#options.log.warn(
      `the subscriber ${this.#options.who} is too slow: its copy lacks ${this.#dropped} events by now`,
    )
  }
}

function costOf(batch: EventBatch): number {
  return batch.bodyBytes + batch.count * eventBytesMin
}
