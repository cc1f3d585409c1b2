import type { Clock } from '../../core/clock.ts'
import { explain, RefusedEventsError } from '../../core/error.ts'
import { EventBatch } from '../../core/event-batch.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { Channel, Sink } from '../contract.ts'

/** Headers that a dead letter gets besides its own. */
export const deadLetterHeaders = {
  reason: 'deadLetter.reason',
  sink: 'deadLetter.sink',
  timeMs: 'deadLetter.time',
} as const

/** A reason is a header, not a report. */
const reasonLengthMax = 1000
/** Halves, quarters and eighths are tried first; when all of them are refused, single events are looked for. */
const refusedWideMax = 15
/** Pieces that may be refused before any is taken: beyond that the destination refuses everything. */
const refusedFirstMax = 48
/** Between two tries of an event that was refused alone; each pause is longer by this much, up to the most. */
const pauseMs = 1000
const pauseMaxMs = 30_000

export interface DeadLettersParts {
  /** Name of the sink whose events these are. */
  readonly sink: string
  readonly channelName: string
  readonly channel: Channel
  /** How often an event is tried alone that is refused while others are taken; undefined: nothing is done by guessing. */
  readonly attempts: number | undefined
  readonly clock: Clock
  readonly log: Logger
  /** Told of each further batch that was refused. */
  onRefused(): void
}

/** Events of one take that are to be set aside, with why. */
interface Letter {
  readonly batch: EventBatch
  readonly reason: string
}

/**
 * Delivers a batch without the events that the destination will never take. They are put into the dead-letter channel
 * before the take that lent them commits: after a crash in between they are in both channels, never in none.
 */
export class DeadLetters {
  readonly #parts: DeadLettersParts

  constructor(parts: DeadLettersParts) {
    this.#parts = parts
  }

  /** Resolves to the number of events set aside. Rejects what `sink.write` throws when the events are not at fault. */
  async deliver(sink: Sink, batch: EventBatch, refusal: RefusedEventsError, signal: AbortSignal): Promise<number> {
    const letters: Letter[] = []
    const suspects = await this.#split(sink, batch, refusal, letters)
    for (const { batch: event, error } of await this.#tryAgain(sink, suspects, signal)) {
      letters.push({ batch: event, reason: explain(error) })
    }
    await this.#put(letters)
    return letters.reduce((sum, letter) => sum + letter.batch.count, 0)
  }

  /** Whether anything can be done about this refusal. */
  canHelp({ events }: RefusedEventsError): boolean {
    return events !== undefined || this.#parts.attempts !== undefined
  }

  /**
   * Delivers what is taken in smaller and smaller pieces, the large ones first. Answers single events that were refused
   * while others were taken; where nothing is taken it rejects.
   */
  async #split(sink: Sink, whole: EventBatch, refusal: RefusedEventsError, letters: Letter[]): Promise<Suspect[]> {
    const suspects: Suspect[] = []
    const pieces = [{ batch: whole, error: refusal as RefusedEventsError | undefined }]
    let refused = 0
    let isTaking = false
    const next = () => (!isTaking && refused > refusedWideMax ? pieces.pop() : pieces.shift())
    for (let piece = next(); piece; piece = next()) {
      const { batch } = piece
      const error = piece.error ?? (await this.#write(sink, batch))
      if (!error) {
        isTaking = true
        continue
      }
      if (error.events) {
        const rest = this.#setAside(batch, error, letters)
        // Known events are out, and what is left is tried as it is.
        if (rest.count > 0) pieces.unshift({ batch: rest, error: undefined })
        else isTaking = true
        continue
      }
      if (!this.canHelp(error) || (!isTaking && ++refused > refusedFirstMax)) throw error
      if (batch.count === 1) suspects.push({ batch, error })
      else {
        const half = Math.ceil(batch.count / 2)
        pieces.push({ batch: batch.slice(0, half), error: undefined })
        pieces.push({ batch: batch.slice(half), error: undefined })
      }
    }
    const [first] = suspects
    if (first && !isTaking) throw first.error
    return suspects
  }

  /** The events that are at fault for certain go to `letters`; answers the others. */
  #setAside(batch: EventBatch, error: RefusedEventsError, letters: Letter[]): EventBatch {
    const isBad = new Uint8Array(batch.count)
    for (const place of error.events ?? []) isBad[place] = 1
    const bad: number[] = []
    const good: number[] = []
    for (let i = 0; i < batch.count; i++) (isBad[i] ? bad : good).push(i)
    // A sink that names no event of the batch would be asked for ever.
    if (bad.length === 0) throw error
    letters.push({ batch: batch.select(bad), reason: explain(error) })
    return batch.select(good)
  }

  /** Answers those that are refused every time. */
  async #tryAgain(sink: Sink, suspects: readonly Suspect[], signal: AbortSignal): Promise<readonly Suspect[]> {
    let left = suspects
    for (let round = 1; round < (this.#parts.attempts ?? 1) && left.length > 0; round++) {
      await this.#parts.clock.sleep(Math.min(round * pauseMs, pauseMaxMs), signal)
      const still: Suspect[] = []
      for (const { batch } of left) {
        const error = await this.#write(sink, batch)
        if (error) still.push({ batch, error })
      }
      left = still
    }
    return left
  }

  async #write(sink: Sink, batch: EventBatch): Promise<RefusedEventsError | undefined> {
    try {
      await sink.connect?.()
      await sink.write(batch)
      return undefined
    } catch (error) {
      if (!(error instanceof RefusedEventsError)) throw error
      this.#parts.onRefused()
      return error
    }
  }

  async #put(letters: readonly Letter[]): Promise<void> {
    const { channel, channelName, sink, clock, log } = this.#parts
    const [first] = letters
    if (!first) return
    const { reason, sink: sinkHeader, timeMs } = deadLetterHeaders
    const now = String(clock.now())
    const all = EventBatch.concat(
      letters.map((letter) => letter.batch.withHeader(reason, letter.reason.slice(0, reasonLengthMax))),
    )
      .withHeader(sinkHeader, sink)
      .withHeader(timeMs, now)
    const size = Math.max(1, channel.transactionCapacity)
    for (let i = 0; i < all.count; i += size) await channel.put(all.slice(i, i + size))
    const events = `${all.count} ${all.count === 1 ? 'event goes' : 'events go'}`
    log.warn(`${events} to the dead-letter channel ${channelName}: ${first.reason}`)
  }
}

interface Suspect {
  readonly batch: EventBatch
  readonly error: RefusedEventsError
}
