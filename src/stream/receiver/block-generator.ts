import type { Clock } from '../../core/clock.ts'
import { RecurringTimer } from '../scheduler/recurring-timer.ts'
import type { RateLimiter } from './rate-limiter.ts'

export interface BlockGeneratorOptions<T> {
  readonly clock: Clock
  readonly limiter: RateLimiter
  /** How often the buffer is cut into a block (`spark.streaming.blockInterval`). */
  readonly intervalMs: number
  /** Cut blocks that may wait to be stored (`spark.streaming.blockQueueSize`). */
  readonly queueMax: number
  /** Stores one block; a promise makes the next one wait. */
  readonly store: (items: T[]) => void | Promise<void>
  /** Told when a block could not be stored: its records are lost. */
  readonly onError: (error: unknown) => void
}

/**
 * Collects single records and cuts them into blocks at every multiple of the interval (B100, B101).
 * A record is in the buffer, in the queue or handed to `store`: never in two of them, never in none.
 */
export class BlockGenerator<T> {
  readonly #options: BlockGeneratorOptions<T>
  readonly #timer: RecurringTimer
  #buffer: T[] = []
  #queue: T[][] = []
  #storing: Promise<void> | undefined
  #full = false
  #waiters: (() => void)[] = []

  constructor(options: BlockGeneratorOptions<T>) {
    this.#options = options
    this.#timer = new RecurringTimer(options.clock, options.intervalMs, () => this.cut())
  }

  start(): void {
    this.#timer.start()
  }

  /** Buffers a record; undefined when there is nothing to wait for. */
  push(item: T): Promise<void> | undefined {
    const permit = this.#options.limiter.acquire()
    if (permit !== undefined || this.#full) return this.#pushLater(item, permit)
    this.#buffer.push(item)
    return undefined
  }

  /** Cuts what is left and resolves when all of it is stored. */
  async stop(): Promise<void> {
    this.#timer.stop()
    while (this.#buffer.length > 0 || this.#storing) {
      this.cut()
      await this.#storing
    }
  }

  async #pushLater(item: T, permit: Promise<void> | undefined): Promise<void> {
    await permit
    while (this.#full) await new Promise<void>((resolve) => this.#waiters.push(resolve))
    this.#buffer.push(item)
  }

  /** Makes a block of what is buffered, unless the queue is full. */
  cut(): void {
    if (this.#buffer.length === 0) return
    this.#full = this.#queue.length >= this.#options.queueMax
    if (this.#full) return
    this.#queue.push(this.#buffer)
    this.#buffer = []
    this.#drain()
  }

  /** Stores waiting blocks in order, without a promise as long as storing needs none. */
  #drain(): void {
    if (this.#storing) return
    for (let items = this.#queue.shift(); items; items = this.#queue.shift()) {
      const stored = this.#store(items)
      if (!stored) continue
      this.#storing = stored.finally(() => {
        this.#storing = undefined
        // Taking a block out of the queue is what makes room in it.
        this.#drain()
        this.#makeRoom()
      })
      return
    }
  }

  #store(items: T[]): Promise<void> | undefined {
    try {
      const stored = this.#options.store(items)
      return stored ? stored.catch(this.#options.onError) : undefined
    } catch (error) {
      this.#options.onError(error)
      return undefined
    }
  }

  #makeRoom(): void {
    if (!this.#full) return
    this.#full = false
    this.cut()
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}
