import type { Clock } from '../../core/clock.ts'
import { asError, explain, FlumeError, RefusedEventsError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { Random } from '../../core/random.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { EventSender, FlumeSender } from './flume-sender.ts'

export interface BalancingSenderOptions {
  readonly senders: readonly FlumeSender[]
  readonly order: 'round_robin' | 'random'
  /** Leave a host that failed out for a while, at most `pauseMaxMs`; undefined never does. */
  readonly pauseMaxMs: number | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** The n-th failure in a row keeps a host out for 2^n times this long (K-08). */
const pauseMs = 1000
const failuresMax = 16
/** A failure that comes later than this after the last pause is a first one again (K-08). */
const sameTroubleMs = 3_600_000

interface Host {
  readonly sender: FlumeSender
  failures: number
  failedAtMs: number
  backAtMs: number
}

/** Spreads calls over hosts, in turn or by chance; what one host does not take goes to the next. */
export class BalancingSender implements EventSender {
  readonly #options: BalancingSenderOptions
  readonly #hosts: readonly Host[]
  #head = 0
  #closed = false

  constructor(options: BalancingSenderOptions) {
    this.#options = options
    this.#hosts = options.senders.map((sender) => ({ sender, failures: 0, failedAtMs: -Infinity, backAtMs: -Infinity }))
  }

  /** Content with any one connection: a host that is away is found out when its turn comes. */
  async connect(): Promise<void> {
    if (this.#hosts.some(({ sender }) => sender.connected)) return
    let cause: unknown
    for (const { sender } of this.#hosts) {
      try {
        return await sender.connect()
      } catch (error) {
        cause = error
      }
    }
    throw new FlumeError('CONNECTION', 'none of the hosts can be reached', { cause, retry: true })
  }

  /** Rejects DELIVERY when no host took the events. */
  async send(batch: EventBatch, oneByOne = false): Promise<void> {
    if (this.#closed) throw new FlumeError('CLOSED', 'the sender is closed')
    let cause: unknown
    for (const host of this.#inOrder()) {
      try {
        return await host.sender.send(batch, oneByOne)
      } catch (error) {
        cause = error
        this.#noteFailure(host)
        this.#options.log.warn(`${host.sender.where} failed: ${explain(error)}`)
      }
    }
    const why = cause === undefined ? 'every host is left out for a while after failures' : asError(cause).message
    // Refused by a host that could be reached: it may be for what the events are.
    const Failure = cause instanceof RefusedEventsError ? RefusedEventsError : FlumeError
    throw new Failure('DELIVERY', `no host took the events: ${why}`, { cause, retry: true })
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#hosts.map(({ sender }) => sender.close()))
  }

  #inOrder(): readonly Host[] {
    const { clock, order, random, pauseMaxMs } = this.#options
    const nowMs = clock.monotonic()
    const present = pauseMaxMs === undefined ? this.#hosts : this.#hosts.filter(({ backAtMs }) => backAtMs <= nowMs)
    if (order === 'random') return shuffle(present, random)
    // The list may have become shorter. The start moves by one on every call, whatever happens then (K-07).
    if (this.#head >= present.length) this.#head = 0
    const begin = this.#head++
    return present.map((_, i) => present[(begin + i) % present.length] as Host)
  }

  #noteFailure(host: Host): void {
    const { clock, pauseMaxMs } = this.#options
    if (pauseMaxMs === undefined) return
    const nowMs = clock.monotonic()
    const lengthMs = (failures: number): number => Math.min(pauseMaxMs, pauseMs * 2 ** failures)
    const continues = nowMs - host.failedAtMs < lengthMs(host.failures) + sameTroubleMs
    host.failures = continues ? Math.min(host.failures + 1, failuresMax) : 1
    host.failedAtMs = nowMs
    host.backAtMs = nowMs + lengthMs(host.failures)
  }
}

function shuffle(hosts: readonly Host[], random: Random): readonly Host[] {
  const order = [...hosts]
  for (let last = order.length - 1; last > 0; last--) {
    const pick = Math.floor(random() * (last + 1))
    ;[order[last], order[pick]] = [order[pick] as Host, order[last] as Host]
  }
  return order
}
