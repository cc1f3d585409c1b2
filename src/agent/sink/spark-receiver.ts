import type { SparkEventBatch } from '../../codec/sparksink.ts'
import { explain } from '../../core/error.ts'
import { EventBatch } from '../../core/event-batch.ts'
import { type Caller, RpcServer } from '../../net/avro-rpc/server.ts'
import { type SparkFeed, sparkService } from '../../net/avro-rpc/spark-service.ts'
import type { FlumeSender } from '../../net/flume-rpc/flume-sender.ts'
import {
  avroSpeech,
  createSender,
  senderBatchSize,
  senderOptions,
  senderProblems,
} from '../../net/flume-rpc/sender-options.ts'
import { TcpListener } from '../../net/tcp-listener.ts'
import { choice, count, millis, type Options, port, seconds, text } from '../../spec/option.ts'
import {
  type Channel,
  defineSink,
  type OptionProblem,
  type PulledSink,
  type Sink,
  type SinkContext,
} from '../contract.ts'

const anyAddress = '0.0.0.0'

const options = {
  mode: choice({
    of: ['pull', 'push'],
    default: 'pull',
    doc: "pull: Spark's createPollingStream connects here. push: events are sent to the receiver of createStream.",
  }),
  hostname: text({ default: anyAddress, doc: 'Address to listen on (pull), or the host of the receiver (push).' }),
  port: port({ doc: 'Port to listen on (pull; 0 takes a free one), or of the receiver (push).' }),
  threads: count({ default: 10, min: 1, doc: 'Batches that may be lent to receivers together (pull).' }),
  timeout: seconds({ default: 60, min: 1, doc: 'A batch not acknowledged by then goes back into the channel (pull).' }),
  backoffInterval: millis({ default: 200, min: 1, doc: 'Pause between looks into an empty channel (pull).' }),
  ...senderOptions,
}
type SparkOptions = Options<typeof options>

export const sparkReceiver = defineSink({
  type: 'spark-receiver',
  aliases: ['spark', 'org.apache.spark.streaming.flume.sink.SparkSink'],
  summary: "Feeds Spark Streaming's Flume receivers: those that poll, or those that listen.",
  options,
  batchSizeOption: 'batch-size',
  pulled: ({ mode }) => mode === 'pull',
  check,
  describe: (values) => `${values.mode} ${values.hostname}:${values.port}`,
  create: (values, context) =>
    values.mode === 'push' ? new SparkPush(values, context) : new SparkPull(values, context),
})

/** Options of one mode that mean nothing in the other. */
const pullOnly = ['threads', 'timeout', 'backoffInterval'] as const
const pushOnly = Object.keys(senderOptions) as (keyof typeof senderOptions)[]

function check(values: SparkOptions): readonly OptionProblem[] {
  const idle: readonly (keyof SparkOptions)[] = values.mode === 'pull' ? pushOnly : pullOnly
  const problems: OptionProblem[] = idle
    .filter((option) => values[option] !== options[option].default)
    .map((option) => ({
      option,
      severity: 'warning',
      code: 'no-effect',
      message: `has no effect when mode = ${values.mode}`,
    }))
  if (values.mode === 'pull') return problems
  if (values.hostname === anyAddress)
    problems.push({
      option: 'hostname',
      code: 'missing',
      message: 'is needed when mode = push: the host of the receiver',
    })
  return [...problems, ...senderProblems(values)]
}

class SparkPush implements Sink {
  readonly batchSize: number
  readonly #sender: FlumeSender

  constructor(values: SparkOptions, context: SinkContext) {
    this.batchSize = senderBatchSize(values)
    this.#sender = createSender(values, values, avroSpeech(values), context)
  }

  start(): Promise<void> {
    return this.#sender.connect()
  }

  connect(): Promise<void> {
    return this.#sender.connect()
  }

  write(batch: EventBatch): Promise<void> {
    return this.#sender.send(batch)
  }

  stop(): Promise<void> {
    return this.#sender.close()
  }
}

type Source = Pick<Channel, 'take' | 'transactionCapacity'>

class SparkPull implements PulledSink {
  readonly #options: SparkOptions
  readonly #context: SinkContext

  constructor(values: SparkOptions, context: SinkContext) {
    this.#options = values
    this.#context = context
  }

  async serve(channel: Source, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context
    const lending = new Lending(this.#options, this.#context, channel, signal)
    const server = new RpcServer({ clock, services: [sparkService(lending)] })
    const listener = await TcpListener.open({
      host: this.#options.hostname,
      port: this.#options.port,
      clock,
      log,
      serve: (wire, peer, stop) => server.serve(wire, peer, stop),
    })
    log.info(`serves Spark on ${this.#options.hostname}:${listener.port}`)
    await listener.closeOn(signal)
    await lending.idle()
  }
}

/** How a batch that was lent ended. */
type Outcome = 'ack' | 'nack' | 'timeout' | 'stop'

/** A getEventBatch call from its slot to the end of its take. */
interface Loan {
  /** Tells the take what became of its batch; set once something is lent. */
  settle?: (outcome: Outcome) => void
  /** Resolves once the events are gone from the channel, or back in it. */
  done: Promise<void>
}

/** Thrown inside a take to bring its events back. */
class NotKept extends Error {}

const prefixLength = 8
const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const stopped = 'Spark sink has been stopped!'

/**
 * Lends batches to Spark. Each getEventBatch is one take that stays open until its number is acknowledged (the events
 * are gone), refused or timed out (they are back). Numbers that are not lent out are ignored.
 */
class Lending implements SparkFeed {
  readonly #options: SparkOptions
  readonly #context: SinkContext
  readonly #channel: Source
  readonly #signal: AbortSignal
  readonly #prefix: string
  readonly #lent = new Map<string, Loan>()
  readonly #takes = new Set<Promise<void>>()
  /** Calls waiting until fewer than `threads` takes are open. */
  readonly #queue: (() => void)[] = []
  #open = 0
  #counter = 0

  constructor(values: SparkOptions, context: SinkContext, channel: Source, signal: AbortSignal) {
    this.#options = values
    this.#context = context
    this.#channel = channel
    this.#signal = signal
    this.#prefix = Array.from(
      { length: prefixLength },
      () => alphanumeric[Math.floor(context.random() * alphanumeric.length)],
    ).join('')
    signal.addEventListener('abort', () => this.#stop(), { once: true })
  }

  async getEventBatch(max: number, caller: Caller): Promise<SparkEventBatch> {
    if (this.#signal.aborted) return failed(stopped)
    await this.#slot()
    if (this.#signal.aborted || caller.signal.aborted) {
      this.#freeSlot()
      return failed(stopped)
    }
    return new Promise((reply) => {
      const loan: Loan = { done: Promise.resolve() }
      loan.done = this.#take(max, caller, loan, reply).finally(() => {
        this.#takes.delete(loan.done)
        this.#freeSlot()
      })
      this.#takes.add(loan.done)
    })
  }

  async ack(sequenceNumber: string): Promise<void> {
    await this.#settle(sequenceNumber, 'ack')
  }

  async nack(sequenceNumber: string): Promise<void> {
    await this.#settle(sequenceNumber, 'nack')
  }

  /** Resolves when nothing is lent any more. */
  async idle(): Promise<void> {
    while (this.#takes.size > 0) await Promise.all(this.#takes)
  }

  /** Looks into the channel until there is something, then lends it. Never rejects. */
  async #take(max: number, caller: Caller, loan: Loan, reply: (batch: SparkEventBatch) => void): Promise<void> {
    const { clock, counters, log } = this.#context
    // Flume: asking for more than the channel's transaction holds fails every time; here it is what there is.
    const wanted = Math.max(1, Math.min(max, this.#channel.transactionCapacity))
    // It aborts when the caller is gone and when the sink stops.
    const waiting = caller.signal
    try {
      while (!waiting.aborted) {
        const lent = await this.#channel.take(wanted, (batch) => this.#lend(batch, loan, reply), waiting)
        if (lent) return
        counters.batchEmpty++
        if (!waiting.aborted) await clock.sleep(this.#options.backoffInterval, waiting).catch(() => undefined)
      }
      reply(failed(stopped))
    } catch (error) {
      if (error instanceof NotKept) return
      // Nothing was lent, or the channel could not let the events go: they are offered again.
      reply(failed(explain(error)))
      counters.channelReadFail++
      log.warn(`the channel failed under a batch for Spark: ${explain(error)}`)
    }
  }

  /** Runs inside the take: answers the call, then waits for what becomes of the batch. */
  async #lend(batch: EventBatch, loan: Loan, reply: (batch: SparkEventBatch) => void): Promise<true> {
    const { clock, log } = this.#context
    const sequenceNumber = `${this.#prefix}${++this.#counter}`
    const timeoutMs = this.#options.timeout * 1000
    if (this.#signal.aborted) throw new NotKept('stop')
    const outcome = await new Promise<Outcome>((resolve) => {
      const timer = clock.after(timeoutMs, () => resolve('timeout'))
      loan.settle = (ending) => {
        timer.cancel()
        resolve(ending)
      }
      this.#lent.set(sequenceNumber, loan)
      reply({ errorMessage: '', sequenceNumber, events: batch })
    })
    this.#lent.delete(sequenceNumber)
    if (outcome === 'timeout')
      log.warn(`${batch.count} events were not acknowledged within ${timeoutMs} ms; they are offered again`)
    if (outcome !== 'ack') throw new NotKept(outcome)
    return true
  }

  /** Answers once the channel has let the events go, or has them back; a number that is not lent is ignored. */
  async #settle(sequenceNumber: string, outcome: Outcome): Promise<void> {
    const loan = this.#lent.get(sequenceNumber)
    if (!loan) return
    this.#lent.delete(sequenceNumber)
    loan.settle?.(outcome)
    await loan.done
  }

  #stop(): void {
    for (const loan of this.#lent.values()) loan.settle?.('stop')
    for (const resolve of this.#queue.splice(0)) {
      this.#open++
      resolve()
    }
  }

  async #slot(): Promise<void> {
    if (this.#open < this.#options.threads) {
      this.#open++
      return
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve))
  }

  /** Hands the slot to the call that waits longest. */
  #freeSlot(): void {
    const next = this.#queue.shift()
    if (next) next()
    else this.#open--
  }
}

function failed(errorMessage: string): SparkEventBatch {
  return { errorMessage, sequenceNumber: '', events: EventBatch.empty }
}
