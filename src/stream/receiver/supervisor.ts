import { Backoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, explain } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import { placeOf } from '../graph/call-site.ts'
import type { Items } from '../rdd/push.ts'
import type { ListenerBus, ReceiverInfo } from '../scheduler/listener.ts'
import { BlockGenerator } from './block-generator.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { Receiver, ReceiverSupport } from './receiver.ts'
import type { ReceivedBlock } from './tracker.ts'

export interface SupervisorOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly bus: ListenerBus
  readonly limiter: RateLimiter
  readonly streamId: number
  readonly blockIntervalMs: number
  readonly blockQueueMax: number
  readonly restartDelayMs: number
  /** Keeps a block; a promise when that takes time. */
  readonly store: (block: ReceivedBlock) => void | Promise<void>
}

/** Pauses before a receiver that failed to start, or stopped by itself, is started again; Spark starts it at once and for ever. */
const againIncrementMs = 500
const againMaxMs = 30_000
/** How long a stop waits for `onStart`, which may hold the whole loop of a receiver, before it calls `onStop` meanwhile. */
const startMaxMs = 2000

/**
 * Runs one receiver: stopped → starting → started → stopped …, one change at a time, until `shutDown`.
 */
export class ReceiverSupervisor<T> implements ReceiverSupport<T> {
  readonly streamId: number
  readonly #receiver: Receiver<T>
  readonly #options: SupervisorOptions
  readonly #generator: BlockGenerator<T>
  readonly #backoff = new Backoff(againIncrementMs, againMaxMs)
  readonly #closing = new AbortController()
  #state: 'stopped' | 'starting' | 'started' = 'stopped'
  #changes: Promise<void> = Promise.resolve()
  #restarting = false
  /** Ends the waiting for `onStart`; undefined while nobody waits. */
  #leaveStart: (() => void) | undefined
  #lastErrorMessage = ''
  #lastError = ''
  #lastErrorTime = -1

  constructor(receiver: Receiver<T>, options: SupervisorOptions) {
    this.#receiver = receiver
    this.#options = options
    this.streamId = options.streamId
    this.#generator = new BlockGenerator<T>({
      clock: options.clock,
      limiter: options.limiter,
      intervalMs: options.blockIntervalMs,
      queueMax: options.blockQueueMax,
      store: (items) => options.store({ streamId: this.streamId, items, recordCount: items.length }),
      onError: (error) => this.reportError('Error storing a block', asError(error)),
    })
    receiver.attach(this)
  }

  get info(): ReceiverInfo {
    return {
      streamId: this.streamId,
      name: `${this.#receiver.constructor.name}-${this.streamId}`,
      active: this.#state === 'started',
      location: 'localhost',
      executorId: 'driver',
      lastErrorMessage: this.#lastErrorMessage,
      lastError: this.#lastError,
      lastErrorTime: this.#lastErrorTime,
    }
  }

  /** Records a second that the receiver may store from now on. */
  updateRate(rate: number): void {
    this.#options.limiter.update(rate)
  }

  /** Makes a block of what is buffered, so that it is in the batch that is about to be generated. */
  cut(): void {
    this.#generator.cut()
  }

  start(): void {
    this.#generator.start()
    this.#change(() => this.#startReceiver())
  }

  /** Stops for good; resolves when the receiver has ended and what it stored is in blocks. */
  async shutDown(): Promise<void> {
    this.#closing.abort()
    const timer = this.#options.clock.after(startMaxMs, () => this.#leaveStart?.())
    this.#change(() => this.#stopReceiver('the context is stopping'))
    await this.#changes
    timer.cancel()
    await this.#generator.stop()
  }

  push(item: T): Promise<void> | undefined {
    return this.#generator.push(item)
  }

  async pushBlock(items: Items<T>, countsRecords: boolean, metadata?: unknown): Promise<void> {
    const block = { streamId: this.streamId, items, recordCount: countsRecords ? items.length : 0 }
    await this.#options.store(metadata === undefined ? block : { ...block, metadata })
  }

  reportError(message: string, error: Error): void {
    this.#noteError(message, error)
    const at = placeOf(error)
    this.#options.logger.warn(message, {
      stream: this.streamId,
      error: explain(error),
      ...(at !== undefined && { at }),
    })
    const receiverInfo = this.info
    this.#options.bus.post((listener) => listener.onReceiverError?.({ receiverInfo }))
  }

  restart(message: string, error?: Error, delayMs = this.#options.restartDelayMs): void {
    if (this.#closing.signal.aborted || this.#restarting) return
    this.#restarting = true
    const text = `Restarting receiver with delay ${delayMs}ms: ${message}`
    this.#options.logger.warn(text, { stream: this.streamId, ...(error && { error: explain(error) }) })
    this.#change(async () => {
      await this.#stopReceiver(text, error)
      await this.#pause(delayMs)
      this.#restarting = false
      await this.#startReceiver()
    })
  }

  stop(message: string, error?: Error): void {
    if (this.#closing.signal.aborted || this.#restarting) return
    this.#restarting = true
    this.#options.logger.warn(`Stopped receiver: ${message}`, {
      stream: this.streamId,
      ...(error && { error: explain(error) }),
    })
    this.#change(async () => {
      await this.#stopReceiver(message, error)
      await this.#startAgain()
    })
  }

  isStarted(): boolean {
    return this.#state === 'started'
  }

  isStopped(): boolean {
    // A loop that `onStart` waits for has to see that it must end.
    return this.#state === 'stopped' || (this.#state === 'starting' && this.#closing.signal.aborted)
  }

  #change(change: () => Promise<void>): void {
    this.#changes = this.#changes.then(change).catch((error) => {
      this.reportError(`Error in receiver ${this.streamId}`, asError(error))
    })
  }

  async #startReceiver(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#state = 'starting'
    try {
      await this.#untilLeft(this.#receiver.onStart())
    } catch (error) {
      this.#state = 'stopped'
      this.reportError(`Error starting receiver ${this.streamId}`, asError(error))
      this.#restarting = true
      return this.#startAgain()
    }
    this.#state = 'started'
    const receiverInfo = this.info
    this.#options.bus.post((listener) => listener.onReceiverStarted?.({ receiverInfo }))
  }

  /** Waits for `start`, but not longer than until `shutDown` gives it up; what it throws later is only told. */
  async #untilLeft(start: void | Promise<void>): Promise<void> {
    if (!start) return
    let isLeft = false
    const left = new Promise<void>((resolve) => {
      this.#leaveStart = () => {
        isLeft = true
        resolve()
      }
    })
    start.catch((error) => {
      if (isLeft) this.reportError(`Error starting receiver ${this.streamId}`, asError(error))
    })
    await Promise.race([start, left])
    this.#leaveStart = undefined
  }

  async #startAgain(): Promise<void> {
    await this.#pause(this.#backoff.next())
    this.#restarting = false
    await this.#startReceiver()
  }

  async #stopReceiver(message: string, error?: Error): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#noteError(message, error)
    try {
      await this.#receiver.onStop()
    } catch (thrown) {
      // It counts as stopped all the same: what follows must not depend on a clean end.
      this.reportError(`Error stopping receiver ${this.streamId}`, asError(thrown))
    }
    const receiverInfo = this.info
    this.#options.bus.post((listener) => listener.onReceiverStopped?.({ receiverInfo }))
  }

  #noteError(message: string, error: Error | undefined): void {
    this.#lastErrorMessage = message
    this.#lastError = error ? (error.stack ?? error.message) : ''
    this.#lastErrorTime = this.#options.clock.now()
  }

  /** Waits, or not at all once the context is stopping. */
  #pause(delayMs: number): Promise<void> {
    return this.#options.clock.sleep(delayMs, this.#closing.signal).catch(() => undefined)
  }
}
