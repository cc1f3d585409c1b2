// A channel: keeps what was put until somebody has used it. It passes the tests that every channel of flume-ts passes.
import { type Channel, type ChannelContext, count, defineChannel, EventBatch, FlumeError, millis } from 'flume-ts/agent'

const options = {
  capacity: count({ default: 100, min: 1, doc: 'Most events held.' }),
  transactionCapacity: count({ default: 100, min: 1, doc: 'Most events of one put or take.' }),
  patience: millis({ default: 3000, min: 0, doc: 'How long a put waits for room and a take for an event.' }),
}

export const boundedList = defineChannel({
  type: 'bounded-list',
  aliases: [],
  summary: 'Holds events in a list in memory.',
  options,
  transactionCapacityOption: 'transactionCapacity',
  capabilities: { durable: false, ordered: true, overlappingTakes: true },
  create: ({ capacity, transactionCapacity, patience }, context) =>
    new BoundedList(capacity, transactionCapacity, patience, context),
})

/** An event and its place in the order of all. */
interface Numbered {
  readonly number: number
  readonly event: EventBatch
}

class BoundedList implements Channel {
  readonly capacity: number
  readonly transactionCapacity: number
  readonly #patienceMs: number
  readonly #context: ChannelContext
  /** What can be lent, in order; lent events are not in it and still count as held. */
  #list: Numbered[] = []
  #size = 0
  #next = 0
  #isClosed = false
  #onChange: (() => void)[] = []

  constructor(capacity: number, transactionCapacity: number, patienceMs: number, context: ChannelContext) {
    this.capacity = capacity
    this.transactionCapacity = transactionCapacity
    this.#patienceMs = patienceMs
    this.#context = context
  }

  get size(): number {
    return this.#size
  }

  get room(): number {
    return this.capacity - this.#size
  }

  async put(batch: EventBatch): Promise<void> {
    if (this.#isClosed) throw closed()
    this.#context.counters.eventPutAttempt += batch.count
    if (batch.count > this.transactionCapacity) {
      throw new FlumeError('BATCH_TOO_LARGE', `${batch.count} events are more than ${this.transactionCapacity} at once`)
    }
    const isKept = await this.#whenPossible(() => this.room >= batch.count && this.#keep(batch))
    if (isKept) return
    throw this.#isClosed ? closed() : new FlumeError('CHANNEL_FULL', 'the list is full', { retry: true })
  }

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    if (this.#isClosed) throw closed()
    const lent = await this.#whenPossible(
      () => this.#list.length > 0 && this.#list.splice(0, Math.min(max, this.transactionCapacity)),
      signal,
    )
    if (!lent) return undefined
    try {
      const result = await use(EventBatch.concat(lent.map(({ event }) => event)))
      this.#size -= lent.length
      this.#context.counters.eventTakeSuccess += lent.length
      return result
    } catch (error) {
      this.#list = [...this.#list, ...lent].sort((a, b) => a.number - b.number)
      throw error
    } finally {
      this.#change()
    }
  }

  async stop(): Promise<void> {
    this.#isClosed = true
    this.#change()
  }

  #keep(batch: EventBatch): true {
    for (let i = 0; i < batch.count; i++) this.#list.push({ number: this.#next++, event: batch.slice(i, i + 1) })
    // In one step with the counter, so that the ledger balances whenever it is read.
    this.#size += batch.count
    this.#context.counters.eventPutSuccess += batch.count
    this.#change()
    return true
  }

  /** Tries now and after each change, until it works, the patience is over, or there is no more reason to wait. */
  async #whenPossible<T>(act: () => T | false, signal?: AbortSignal): Promise<T | false> {
    let isOver = false
    const giveUp = (): void => {
      isOver = true
      this.#change()
    }
    const timer = this.#context.clock.after(this.#patienceMs, giveUp)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      for (;;) {
        if (this.#isClosed || signal?.aborted) return false
        const result = act()
        if (result !== false || isOver) return result
        await new Promise<void>((resolve) => this.#onChange.push(resolve))
      }
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', giveUp)
    }
  }

  #change(): void {
    for (const resolve of this.#onChange.splice(0)) resolve()
  }
}

function closed(): FlumeError {
  return new FlumeError('CLOSED', 'the channel is stopped', { retry: true })
}
