import { explain, FlumeError, RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { EventSender, FlumeSender } from './flume-sender.ts'

export interface FailoverSenderOptions {
  /** In the order in which they are tried. */
  readonly senders: readonly FlumeSender[]
  /** Hosts that one call of `send` tries at most. */
  readonly attemptsMax: number
  readonly log: Logger
}

/** Stays with one host until it fails, then takes the next that can be reached, from the last to the first again. */
export class FailoverSender implements EventSender {
  readonly #options: FailoverSenderOptions
  /** The host last turned to; -1 before the first. */
  #at = -1
  #works = false

  constructor(options: FailoverSenderOptions) {
    this.#options = options
  }

  async connect(): Promise<void> {
    await this.#connected()
  }

  /** Rejects DELIVERY once `attemptsMax` hosts have failed, CONNECTION when none can be reached. */
  async send(batch: EventBatch, oneByOne = false): Promise<void> {
    const { attemptsMax, log } = this.#options
    let cause: unknown
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const sender = await this.#connected()
      try {
        return await sender.send(batch, oneByOne)
      } catch (error) {
        this.#works = false
        cause = error
        log.warn(`${sender.where} failed, turning to the next host: ${explain(error)}`)
      }
    }
    // Refused by a host that could be reached: it may be for what the events are.
    const Failure = cause instanceof RefusedEventsError ? RefusedEventsError : FlumeError
    throw new Failure('DELIVERY', `no host took the events in ${attemptsMax} attempts`, { cause, retry: true })
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.senders.map((sender) => sender.close()))
  }

  async #connected(): Promise<FlumeSender> {
    const { senders, log } = this.#options
    let cause: unknown
    // A host that works stays; after a failure it is the last to be tried.
    const first = this.#works ? this.#at : this.#at + 1
    for (let turn = 0; turn < senders.length; turn++) {
      const at = (first + turn) % senders.length
      const sender = senders[at] as FlumeSender
      try {
        await sender.connect()
        this.#at = at
        this.#works = true
        return sender
      } catch (error) {
        this.#works = false
        cause = error
        log.debug(`${sender.where}: ${explain(error)}`)
      }
    }
    this.#at = -1
    throw new FlumeError('CONNECTION', 'none of the hosts can be reached', { cause, retry: true })
  }
}
