import { FlumeError } from '../../core/error.ts'
import { millis, type Options, prefix } from '../../spec/option.ts'
import {
  type DrivenSink,
  defineSinkProcessor,
  type OptionProblem,
  type Processed,
  type SinkProcessor,
  type SinkProcessorContext,
} from '../contract.ts'

const options = {
  'priority.': prefix({
    doc: 'priority.<sink> = a whole number; the live sink with the largest one works. Left out: -1, -2, … in the order of the list.',
  }),
  maxpenalty: millis({ default: 30_000, min: 0, doc: 'Longest time a failed sink is left alone.' }),
}
type FailoverOptions = Options<typeof options>

export const failover = defineSinkProcessor({
  type: 'failover',
  aliases: ['org.apache.flume.sink.FailoverSinkProcessor'],
  summary: 'One sink works; when it fails, the one with the next lower priority takes over until it is back.',
  options,
  check,
  sinksNamed: (options) => Object.keys(options['priority.']).map((sink) => ({ option: `priority.${sink}`, sink })),
  create: (options, context) => new FailoverProcessor(options, context),
})

/** A first failure keeps a sink away for twice this long, each further one doubles it (K-03). */
const penaltyMs = 1000
/** 2 to this power is beyond any maxpenalty that is an exact number. */
const doublingsMax = 40

const isPriority = (text: string): boolean => /^[+-]?\d{1,10}$/.test(text)

function check({ 'priority.': priorities }: FailoverOptions): readonly OptionProblem[] {
  return Object.entries(priorities).flatMap(([sink, text]) =>
    isPriority(text)
      ? []
      : [
          {
            option: `priority.${sink}`,
            severity: 'warning' as const,
            code: 'priority',
            message: `"${text}" is not a whole number: the sink comes after those that have one`,
          },
        ],
  )
}

interface Ranked {
  readonly sink: DrivenSink
  readonly priority: number
}

interface Failed extends Ranked {
  failures: number
  retryAtMs: number
}

/**
 * Invariant: a sink is either among the live ones, which are in order of priority, or among the failed ones, which are
 * in order of their retry time. Flume leaves out a sink whose priority another one has (K-05); here both serve, the one
 * that is listed first before the other.
 */
class FailoverProcessor implements SinkProcessor {
  readonly #context: SinkProcessorContext
  readonly #maxPenaltyMs: number
  readonly #live: Ranked[] = []
  readonly #failed: Failed[] = []
  readonly #order: ReadonlyMap<DrivenSink, number>

  constructor(options: FailoverOptions, context: SinkProcessorContext) {
    this.#context = context
    this.#maxPenaltyMs = options.maxpenalty
    this.#order = new Map(context.sinks.map((sink, index) => [sink, index]))
    for (const name of Object.keys(options['priority.'])) {
      if (!context.sinks.some((sink) => sink.name === name)) {
        context.log.warn(`priority.${name} counts for nothing: the group has no sink ${name}`)
      }
    }
    let next = 0
    for (const sink of context.sinks) {
      const text = options['priority.'][sink.name]
      this.#enliven({ sink, priority: text !== undefined && isPriority(text) ? Number(text) : --next })
    }
  }

  async process(): Promise<Processed> {
    return (await this.#retryFailed()) ?? (await this.#useLive())
  }

  /** Failed sinks whose time has passed go first (K-04); undefined when none of them did anything. */
  async #retryFailed(): Promise<Processed | undefined> {
    for (let first = this.#failed[0]; first && first.retryAtMs <= this.#nowMs; first = this.#failed[0]) {
      this.#failed.shift()
      try {
        const processed = await first.sink.process()
        if (processed === 'ready') {
          this.#context.log.info(`sink ${first.sink.name} is back`)
          this.#enliven(first)
        } else this.#penalize(first)
        return processed
      } catch {
        first.failures++
        first.retryAtMs = this.#retryTime(first.failures)
        this.#penalize(first)
      }
    }
    return undefined
  }

  async #useLive(): Promise<Processed> {
    for (let active = this.#live[0]; active; active = this.#live[0]) {
      try {
        return await active.sink.process()
      } catch (error) {
        this.#live.shift()
        this.#penalize({ ...active, failures: 1, retryAtMs: this.#retryTime(1) })
        const next = this.#live[0]
        if (next) this.#context.log.warn(`sink ${active.sink.name} failed, sink ${next.sink.name} takes over`)
        else throw allFailed(error)
      }
    }
    throw allFailed(undefined)
  }

  get #nowMs(): number {
    return this.#context.clock.monotonic()
  }

  #retryTime(failures: number): number {
    return this.#nowMs + Math.min(this.#maxPenaltyMs, 2 ** Math.min(failures, doublingsMax) * penaltyMs)
  }

  #enliven({ sink, priority }: Ranked): void {
    const order = this.#order.get(sink) as number
    const behind = this.#live.findIndex(
      (other) =>
        other.priority < priority || (other.priority === priority && (this.#order.get(other.sink) as number) > order),
    )
    this.#live.splice(behind < 0 ? this.#live.length : behind, 0, { sink, priority })
  }

  #penalize(failed: Failed): void {
    const behind = this.#failed.findIndex((other) => other.retryAtMs > failed.retryAtMs)
    this.#failed.splice(behind < 0 ? this.#failed.length : behind, 0, failed)
  }
}

function allFailed(cause: unknown): FlumeError {
  return new FlumeError('DELIVERY', 'All sinks failed to process, nothing left to failover to', { cause })
}
