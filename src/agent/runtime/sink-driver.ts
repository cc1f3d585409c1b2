import { Backoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { explain, isAbort, RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { ComponentHealth } from '../../monitor/snapshot.ts'
import type { Channel, DrivenSink, Processed, PulledSink, Sink, Written } from '../contract.ts'
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
  /** Called after each take that may have made the channel emptier. */
  readonly onTaken: (undelivered: Undelivered) => void
}

/** Events of a take, which has committed, that did not arrive. */
export interface Undelivered {
  /** The destination does not want them, and the configuration says to go on without. */
  readonly givenUp: number
  /** They are in the dead-letter channel. */
  readonly setAside: number
}

type State = ComponentHealth['state']

/** Flume's sink runner: n × 1 s after a back-off, 5 s at most (M-06). */
const pauseFirstMs = 1000
const pauseMaxMs = 5000

/** One sink at work: a call takes one batch and writes it. It outlives the runner, so that a group can be changed around it. */
export class SinkDriver {
  readonly #parts: SinkDriverParts<Sink>
  readonly #complaint: Complaint
  /** For pauses that the sink asks for itself. */
  readonly #backoff = new Backoff(pauseFirstMs, pauseMaxMs)
  #starting: Promise<void> | undefined
  #state: State = 'starting'
  #problem: string | undefined
  /** Rounds that have not ended, where the sink takes several writes at once. */
  readonly #underWay = new Set<Promise<unknown>>()
  /** What ended the first of those that failed; until it is told nothing more is written. */
  #broken: { readonly error: unknown } | undefined

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

  /**
   * As `driven`, for a sink that no group chooses from: where it takes several writes at once, a call resolves as soon as
   * its batch is being written, and a failed write is told to the call after it, when every other has ended too.
   */
  drivenAhead(signal: AbortSignal, next: string): DrivenSink {
    if (this.#parts.sink.overlap === undefined) return this.driven(signal, next)
    return { name: this.#parts.name, process: () => this.#processAhead(signal, next) }
  }

  /** Resolves when no write is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay)
    this.#broken = undefined
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

  async #processAhead(signal: AbortSignal, next: string): Promise<Processed> {
    if (this.#underWay.size >= (this.#parts.sink.overlap ?? 1))
      await Promise.race(this.#underWay).catch(() => undefined)
    if (this.#broken) {
      const { error } = this.#broken
      await this.settled()
      throw error
    }
    return new Promise((resolve) => {
      const round: Promise<unknown> = this.#process(signal, next, () => resolve('ready'))
        .then(resolve, (error: unknown) => {
          this.#broken ??= { error }
          resolve('ready')
        })
        .finally(() => this.#underWay.delete(round))
      this.#underWay.add(round)
    })
  }

  async #process(signal: AbortSignal, next: string, onWriting?: () => void): Promise<Processed> {
    const { sink, channel, counters } = this.#parts
    const max = Math.min(sink.batchSize, this.#parts.batchLimit ?? sink.batchSize)
    let step: 'open' | 'take' | 'write' = 'open'
    try {
      await this.start()
      await sink.connect?.()
      step = 'take'
      const write = async (batch: EventBatch): Promise<Written & Undelivered> => {
        step = 'write'
        // A write before this one has failed: these events follow it back into the channel, so that they stay in order.
        if (onWriting && this.#broken) throw this.#broken.error
        const written = this.#write(batch, max, signal)
        if (onWriting) {
          written.catch((error: unknown) => {
            this.#broken ??= { error }
          })
          onWriting()
        }
        return written
      }
      const taken = await channel.take(max, write, signal)
      this.#state = 'running'
      this.#problem = undefined
      if (taken) {
        this.#parts.onTaken(taken)
        if (taken.pause) await this.#parts.clock.sleep(this.#backoff.next(), signal).catch(() => undefined)
        else this.#backoff.reset()
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

  async #write(batch: EventBatch, max: number, signal: AbortSignal): Promise<Written & Undelivered> {
    const { sink, counters, deadLetters } = this.#parts
    let setAside = 0
    counters.eventDrainAttempt += batch.count
    let written: Written = {}
    try {
      written = (await sink.write(batch)) ?? {}
    } catch (error) {
      counters.eventWriteFail++
      if (!(error instanceof RefusedEventsError) || !deadLetters?.canHelp(error)) throw error
      setAside = await deadLetters.deliver(sink, batch, error, signal)
    }
    if (written.counted ?? written.delivered ?? true) counters.eventDrainSuccess += batch.count - setAside
    if (setAside > 0) counters.more['DeadLetterCount'] = (counters.more['DeadLetterCount'] ?? 0) + setAside
    if (batch.count >= max) counters.batchComplete++
    else counters.batchUnderflow++
    this.#complaint.worked('delivers again')
    return { ...written, setAside, givenUp: written.delivered === false ? batch.count : 0 }
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
    const { clock, log, sink, channel, counters, onTaken } = this.#parts
    const complaint = new Complaint(log, clock)
    const lending: Pick<Channel, 'take' | 'transactionCapacity'> = {
      get transactionCapacity() {
        return channel.transactionCapacity
      },
      take: async (max, use, takeSignal) => {
        const result = await channel.take(max, (batch) => this.#lend(batch, use), takeSignal)
        onTaken({ givenUp: 0, setAside: 0 })
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
