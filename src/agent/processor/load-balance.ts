import { FlumeError } from '../../core/error.ts'
import { flag, millis, type Options, parsed } from '../../spec/option.ts'
import {
  type DrivenSink,
  defineSinkProcessor,
  type Processed,
  type SinkProcessor,
  type SinkProcessorContext,
} from '../contract.ts'

const orders = ['round_robin', 'random'] as const
type Order = (typeof orders)[number]

const options = {
  selector: parsed<Order>(
    orders.join(' | '),
    `one of ${orders.join(', ')}`,
    { doc: 'Which sink is tried first: each in turn, or by chance.', default: 'round_robin' },
    (text) => {
      const order = orders.find((word) => word === text.toLowerCase())
      if (order) return { value: order }
      return text.includes('.')
        ? {
            problem:
              'is a Java class; write the order as a sink processor of your own (a module named as the type), or use round_robin or random',
          }
        : { problem: `is not one of ${orders.join(', ')}` }
    },
  ),
  backoff: flag({ default: false, doc: 'Leave a failed sink out for a while, for longer with each further failure.' }),
  'selector.maxTimeOut': millis({ default: 30_000, min: 0, doc: 'Longest time a failed sink is left out.' }),
}
type LoadBalanceOptions = Options<typeof options>

export const loadBalance = defineSinkProcessor({
  type: 'load_balance',
  aliases: ['org.apache.flume.sink.LoadBalancingSinkProcessor'],
  summary: 'Spreads batches over the sinks of its group; a batch that one cannot deliver goes to the next.',
  options,
  sinkCount: { min: 2 },
  create: (options, context) => new LoadBalanceProcessor(options, context),
})

/** The n-th failure in a row keeps a sink out for 2^n times this long (K-08). */
const penaltyMs = 1000
const failuresMax = 16
/** A failure that comes later than this after the last pause is a first one again (K-08). */
const sameTroubleMs = 3_600_000

/** What is known of one sink; its place in the list never changes. */
interface Candidate {
  readonly sink: DrivenSink
  failures: number
  failedAtMs: number
  backAtMs: number
}

/** The order in which candidates are tried; only its first elements matter when one of them delivers. */
type Choose = (candidates: readonly Candidate[]) => readonly Candidate[]

class LoadBalanceProcessor implements SinkProcessor {
  readonly #context: SinkProcessorContext
  readonly #candidates: readonly Candidate[]
  readonly #choose: Choose
  readonly #leavesOut: boolean
  readonly #timeOutMaxMs: number

  constructor(options: LoadBalanceOptions, context: SinkProcessorContext) {
    this.#context = context
    this.#leavesOut = options.backoff
    this.#timeOutMaxMs = options['selector.maxTimeOut']
    this.#choose = options.selector === 'random' ? shuffled(context.random) : inTurn()
    this.#candidates = context.sinks.map((sink) => ({ sink, failures: 0, failedAtMs: -Infinity, backAtMs: -Infinity }))
  }

  async process(): Promise<Processed> {
    const nowMs = this.#context.clock.monotonic()
    const present = this.#leavesOut ? this.#candidates.filter(({ backAtMs }) => backAtMs <= nowMs) : this.#candidates
    let cause: unknown
    // Flume: with every sink left out, the random order fails with an argument error (K-10); here both orders say the same.
    for (const candidate of this.#choose(present)) {
      try {
        return await candidate.sink.process()
      } catch (error) {
        cause = error
        if (this.#leavesOut) this.#leaveOut(candidate)
      }
    }
    throw new FlumeError('DELIVERY', 'All configured sinks have failed', { cause })
  }

  #leaveOut(candidate: Candidate): void {
    const nowMs = this.#context.clock.monotonic()
    const continues = nowMs - candidate.failedAtMs < this.#pauseMs(candidate.failures) + sameTroubleMs
    candidate.failures = continues ? Math.min(candidate.failures + 1, failuresMax) : 1
    candidate.failedAtMs = nowMs
    candidate.backAtMs = nowMs + this.#pauseMs(candidate.failures)
  }

  #pauseMs(failures: number): number {
    return Math.min(this.#timeOutMaxMs, penaltyMs * 2 ** failures)
  }
}

/** The start moves by one on every call, whatever happens then (K-07). */
function inTurn(): Choose {
  let head = 0
  return (candidates) => {
    // The list may have become shorter.
    if (head >= candidates.length) head = 0
    const begin = head++
    return candidates.map((_, i) => candidates[(begin + i) % candidates.length] as Candidate)
  }
}

function shuffled(random: () => number): Choose {
  return (candidates) => {
    const order = [...candidates]
    for (let last = order.length - 1; last > 0; last--) {
      const pick = Math.floor(random() * (last + 1))
      ;[order[last], order[pick]] = [order[pick] as Candidate, order[last] as Candidate]
    }
    return order
  }
}
