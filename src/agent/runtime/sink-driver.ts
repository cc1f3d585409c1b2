import type { Clock } from '../../core/clock.ts'
import { explain, isAbort, RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { ComponentHealth } from '../../monitor/snapshot.ts'
import type { Channel, DrivenSink, Processed, PulledSink, Sink } from '../contract.ts'
import { Complaint } from './complaint.ts'
import type { DeadLetters } from './dead-letters.ts'

export interface SinkDriverParts<S> {
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  readonly sink: S
  readonly channel: Channel
  readonly counters: SinkCounters
  /** Where the channel's transactionCapacity is below the sink's own batch size. */
  readonly batchLimit: number | undefined
  /** Where events go that can never be delivered; undefined: they block, as in Flume. */
  readonly deadLetters?: DeadLetters | undefined
  /** Told how many events of a take, which has committed, were set aside. */
  readonly onSetAside?: (count: number) => void
  /** Called after each take that may have made the channel emptier. */
  readonly onDelivered: () => void
}

type State = ComponentHealth['state']

/** One sink at work: a call takes one batch and writes it. It outlives the runner, so that a group can be changed around it. */
export class SinkDriver {
  readonly #parts: SinkDriverParts<Sink>
  readonly #complaint: Complaint
  #starting: Promise<void> | undefined
  #state: State = 'starting'
  #problem: string | undefined

  constructor(parts: SinkDriverParts<Sink>) {
    this.#parts = parts
    this.#complaint = new Complaint(parts.log, parts.clock)
  }

  get health(): { readonly state: State; readonly problem?: string } {
    return this.#problem === undefined ? { state: this.#state } : { state: this.#state, problem: this.#problem }
  }

  /** Opens the sink, once; after a rejection the next call tries again. */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  /** The sink as a processor sees it; `next` says what becomes of the events when it fails. */
  driven(signal: AbortSignal, next: string): DrivenSink {
    return { name: this.#parts.name, process: () => this.#process(signal, next) }
  }

  /** Closes the sink; nothing may be under way. */
  async stop(): Promise<void> {
    await this.#starting?.catch(() => undefined)
    this.#state = 'stopped'
    this.#problem = undefined
    try {
      await this.#parts.sink.stop?.()
    } catch (error) {
      this.#parts.log.error(`while stopping: ${explain(error)}`)
    }
  }

  async #start(): Promise<void> {
    await this.#parts.sink.start?.()
    this.#parts.counters.startTimeMs = this.#parts.clock.now()
    this.#state = 'running'
  }

  async #process(signal: AbortSignal, next: string): Promise<Processed> {
    const { sink, channel, counters } = this.#parts
    const max = Math.min(sink.batchSize, this.#parts.batchLimit ?? sink.batchSize)
    let step: 'open' | 'take' | 'write' = 'open'
    try {
      await this.start()
      await sink.connect?.()
      step = 'take'
      const write = (batch: EventBatch): Promise<number> => {
        step = 'write'
        return this.#write(batch, max, signal)
      }
      const setAside = await channel.take(max, write, signal)
      this.#state = 'running'
      this.#problem = undefined
      if (setAside !== undefined) {
        if (setAside > 0) this.#parts.onSetAside?.(setAside)
        this.#parts.onDelivered()
        return 'ready'
      }
      if (!signal.aborted) counters.batchEmpty++
      return 'backoff'
    } catch (error) {
      if (signal.aborted && isAbort(error)) return 'backoff'
      if ((step as string) === 'take') counters.channelReadFail++
      this.#state = 'failing'
      this.#problem = explain(error)
      const isBlocked = error instanceof RefusedEventsError && error.events && !this.#parts.deadLetters
      this.#complaint.failed(error, isBlocked ? `${next}; deadLetter.channel would set such events aside` : next)
      throw error
    }
  }

  /** Resolves to how many of the events were set aside instead of delivered. */
  async #write(batch: EventBatch, max: number, signal: AbortSignal): Promise<number> {
    const { sink, counters, deadLetters } = this.#parts
    let setAside = 0
    counters.eventDrainAttempt += batch.count
    try {
      await sink.write(batch)
    } catch (error) {
      counters.eventWriteFail++
      if (!(error instanceof RefusedEventsError) || !deadLetters?.canHelp(error)) throw error
      setAside = await deadLetters.deliver(sink, batch, error, signal)
    }
    counters.eventDrainSuccess += batch.count - setAside
    if (setAside > 0) counters.more['DeadLetterCount'] = (counters.more['DeadLetterCount'] ?? 0) + setAside
    if (batch.count >= max) counters.batchComplete++
    else counters.batchUnderflow++
    this.#complaint.worked('delivers again')
    return setAside
  }
}

/** A sink whose peer pulls, served until it is stopped. */
export class PulledDriver {
  readonly #parts: SinkDriverParts<PulledSink>
  #state: State = 'starting'
  #problem: string | undefined

  constructor(parts: SinkDriverParts<PulledSink>) {
    this.#parts = parts
  }

  get health(): { readonly state: State; readonly problem?: string } {
    return this.#problem === undefined ? { state: this.#state } : { state: this.#state, problem: this.#problem }
  }

  /** Serves until the signal aborts, again after `pauseMs` when it fails. Never rejects. */
  async serve(signal: AbortSignal, pauseMs: number): Promise<void> {
    const { clock, log, sink, channel, counters, onDelivered } = this.#parts
    const complaint = new Complaint(log, clock)
    const lending: Pick<Channel, 'take' | 'transactionCapacity'> = {
      get transactionCapacity() {
        return channel.transactionCapacity
      },
      take: async (max, use, takeSignal) => {
        const result = await channel.take(max, (batch) => this.#lend(batch, use), takeSignal)
        onDelivered()
        return result
      },
    }
    counters.startTimeMs = clock.now()
    while (!signal.aborted) {
      try {
        this.#state = 'running'
        await sink.serve(lending, signal)
        break
      } catch (error) {
        if (signal.aborted) break
        this.#state = 'failing'
        this.#problem = explain(error)
        complaint.failed(error, `trying again every ${pauseMs / 1000} s`)
        await clock.sleep(pauseMs, signal).catch(() => undefined)
      }
    }
    this.#state = 'stopped'
    this.#problem = undefined
  }

  /** Serving has ended before: there is nothing left to close. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
  }

  async #lend<T>(batch: EventBatch, use: (batch: EventBatch) => Promise<T>): Promise<T> {
    const { counters } = this.#parts
    counters.eventDrainAttempt += batch.count
    const result = await use(batch)
    counters.eventDrainSuccess += batch.count
    this.#problem = undefined
    this.#state = 'running'
    return result
  }
}
