import { setImmediate } from 'node:timers/promises'
import type { Items } from '../rdd/push.ts'
import { StorageLevel } from '../storage-level.ts'

/** What stands behind a receiver once it is attached to a running context. */
export interface ReceiverSupport<T> {
  readonly streamId: number
  /** Buffers one record; undefined when there is nothing to wait for. */
  push(item: T): Promise<void> | undefined
  pushBlock(items: Items<T>, countsRecords: boolean, metadata?: unknown): Promise<void>
  reportError(message: string, error: Error): void
  restart(message: string, error?: Error, delayMs?: number): void
  stop(message: string, error?: Error): void
  isStarted(): boolean
  isStopped(): boolean
}

const nothing = Promise.resolve()

/** Records after which a loop that awaits each `store` lets the event loop turn: else no batch and no signal comes through. */
const turnCount = 1024

/**
 * Brings records in from outside. `onStart` begins the reading and returns; `onStop` ends it. Both may be called many
 * times: a receiver is started again after each stop that the context did not ask for.
 */
export abstract class Receiver<T> {
  readonly storageLevel: StorageLevel
  #support: ReceiverSupport<T> | undefined
  #storedCount = 0

  constructor(storageLevel: StorageLevel = StorageLevel.MEMORY_AND_DISK_SER_2) {
    this.storageLevel = storageLevel
  }

  /** Begins to receive; must return soon. A throw means "start me again later". */
  abstract onStart(): void | Promise<void>

  /** Ends what `onStart` began. */
  abstract onStop(): void | Promise<void>

  /** Called by the context before the first `onStart`. */
  attach(support: ReceiverSupport<T>): void {
    this.#support = support
  }

  /** -1 until the context has started. */
  get streamId(): number {
    return this.#support?.streamId ?? -1
  }

  /** Buffers one record into the current block. Awaiting it is what applies the rate limit. */
  store(item: T): Promise<void> {
    const stored = this.#attached().push(item)
    if (stored) return stored
    if (++this.#storedCount % turnCount !== 0) return nothing
    return setImmediate()
  }

  /** As `store`, without a promise when there is nothing to wait for: for loops over many records. */
  protected push(item: T): Promise<void> | undefined {
    return this.#attached().push(item)
  }

  /** Stores records as one block; resolves when they are stored. This is what makes a receiver reliable (B102). */
  async storeMany(items: Iterable<T> | AsyncIterable<T>, metadata?: unknown): Promise<void> {
    const list: T[] = []
    if (Symbol.asyncIterator in items) for await (const item of items) list.push(item)
    else if (Array.isArray(items)) return this.#attached().pushBlock([...items], true, metadata)
    else for (const item of items) list.push(item)
    await this.#attached().pushBlock(list, true, metadata)
  }

  /** Stores records that are made while they are read, as one block. */
  protected storeBlock(items: Items<T>): Promise<void> {
    return this.#attached().pushBlock(items, true)
  }

  /** Stores one opaque block as a single record, which counts as none. */
  async storeBytes(block: T & Uint8Array, metadata?: unknown): Promise<void> {
    await this.#attached().pushBlock([block], false, metadata)
  }

  /** Tells listeners and the log; nothing else happens. */
  reportError(message: string, error: Error): void {
    this.#attached().reportError(message, error)
  }

  /** Stops, waits (default: `spark.streaming.receiverRestartDelay`), starts. Returns at once. */
  restart(message: string, error?: Error, delayMs?: number): void {
    this.#attached().restart(message, error, delayMs)
  }

  /** Stops the receiver; the context starts it again after a growing pause unless it is stopping itself (B106). */
  stop(message: string, error?: Error): void {
    this.#attached().stop(message, error)
  }

  isStarted(): boolean {
    return this.#support?.isStarted() ?? false
  }

  isStopped(): boolean {
    return this.#support?.isStopped() ?? true
  }

  #attached(): ReceiverSupport<T> {
    if (!this.#support) throw new Error('Cannot store data or report errors before the receiver has been started')
    return this.#support
  }
}
