import { Takers } from '../../../core/takers.ts'
import type { Disk } from '../../../storage/disk.ts'
import { realDisk } from '../../../storage/real-disk.ts'
import { type Channel, type ChannelContext, defineChannel, EventBatch, FlumeError } from '../../contract.ts'
import { FileChannel } from '../file/index.ts'
import { MemoryChannel } from '../memory.ts'
import { DrainOrder, isBehind, type Place, type Position } from './drain-order.ts'
import {
  fileOptionsOf,
  memoryOptionsOf,
  options,
  overflowCapacityOf,
  problemsOf,
  type SpillableOptions,
} from './options.ts'

export const spillable = defineChannel({
  type: 'spillablememory',
  aliases: ['org.apache.flume.channel.SpillableMemoryChannel'],
  title: 'SpillableMemoryChannel',
  summary: 'Holds events in memory, and on disk what does not fit; a crash loses what is in memory.',
  options,
  transactionCapacityOption: 'transactionCapacity',
  capabilities: { durable: false, ordered: true, overlappingTakes: true, adjustable: true },
  fixedOptions: ['checkpointDir', 'dataDirs', 'encryption.', 'avgEventSize'],
  check: problemsOf,
  describe: ({ dataDirs }) => dataDirs,
  create: (options, context) => new SpillableChannel(options, context, realDisk),
})

/** Most stretches of memory and disk in turn that one take goes over. */
const stretchesMax = 16

/** Wakes one that waits; of no effect when it does not. */
interface Waiter {
  wake: () => void
}

/** Before every event. */
const beginning: Position = { sequence: -1, number: -1 }

/**
 * A memory channel and a file channel with one order over both (X-01…X-03).
 *
 * A batch goes wholly into memory, or wholly to the disk when memory has no room for it within overflowTimeout. From then
 * on what does not fit goes to the disk at once, until a take leaves enough of memory free. Takes follow the order of the
 * puts; one may go over several stretches of memory and disk, where Flume's ends at the first change.
 *
 * Promises: an event on the disk survives everything that the file channel survives. What is in memory is lost in a crash.
 * At a stop it is written to the disk behind what lies there: not lost, but later than its place if both held events.
 */
export class SpillableChannel implements Channel {
  #options: SpillableOptions
  readonly #context: ChannelContext
  readonly #memory: MemoryChannel
  readonly #file: FileChannel
  readonly #order = new DrainOrder()
  /** Puts that wait for room, first come, first served. */
  readonly #line: Waiter[] = []
  readonly #takers: Takers
  #isOverflowing = false
  #closed = false

  constructor(options: SpillableOptions, context: ChannelContext, disk: Disk) {
    this.#options = options
    this.#context = context
    this.#takers = new Takers(context.clock)
    // Both count what they keep and lend into the counters of the whole, in the moment it counts.
    this.#memory = new MemoryChannel(memoryOptionsOf(options), context, options.avgEventSize)
    this.#file = new FileChannel(fileOptionsOf(options), context, disk)
  }

  get transactionCapacity(): number {
    return this.#options.transactionCapacity
  }

  get capacity(): number {
    return this.#memory.capacity + this.#file.capacity
  }

  get size(): number {
    return this.#memory.size + this.#file.size
  }

  /** A batch goes wholly to one of the two, and to the disk without waiting only when memory has been too small before. */
  get room(): number {
    if (this.#line.length > 0) return 0
    const isReady = this.#isOverflowing || this.#memory.capacity === 0
    return Math.max(this.#memory.room, isReady ? this.#file.room : 0)
  }

  get atRisk(): number {
    return this.#memory.size
  }

  get problem(): string | undefined {
    return this.#file.problem
  }

  async start(): Promise<void> {
    await this.#file.start()
    if (this.#file.size > 0) this.#order.extend('overflow', this.#file.next)
  }

  async put(batch: EventBatch): Promise<void> {
    this.#open()
    if (batch.count === 0) return
    const { counters, clock, name } = this.#context
    counters.eventPutAttempt += batch.count
    if (batch.count > this.transactionCapacity) {
      throw new FlumeError(
        'BATCH_TOO_LARGE',
        `Put queue in ${name} channel's Transaction having capacity ${this.transactionCapacity} full, consider reducing batch size of sources`,
        { hint: `a batch of ${batch.count} events needs transactionCapacity of channel ${name} to be at least that` },
      )
    }
    const untilMs = clock.monotonic() + this.#options.overflowTimeout * 1000
    const placed = this.#line.length === 0 ? this.#place(batch, untilMs <= clock.monotonic()) : undefined
    try {
      await (placed ?? this.#placeInTurn(batch, untilMs))
    } catch (error) {
      // It has given its room back.
      this.#line[0]?.wake()
      throw error
    } finally {
      // What failed may have stood before what was kept after it.
      this.#takers.wakeOne()
    }
  }

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    this.#open()
    if (max < 1) return undefined
    const { counters, clock } = this.#context
    counters.eventTakeAttempt++
    const untilMs = clock.monotonic() + this.#options.overflowTimeout * 1000
    const lendTo = (batch: EventBatch): Promise<T> => {
      if (this.#hasMore) this.#takers.wakeOne()
      return use(batch)
    }
    for (;;) {
      const taken = await this.#lend(Math.min(max, this.transactionCapacity), beginning, [], lendTo)
      if (taken) return taken.result
      const leftMs = untilMs - clock.monotonic()
      if (this.#closed || signal?.aborted) return undefined
      // While the disk was read, an older event may have come back.
      if (this.#hasMore) continue
      if (leftMs <= 0) return undefined
      await this.#takers.wait(leftMs, signal)
    }
  }

  /** New options for the live channel: memory as the memory channel takes them (MC-11), the disk as the file channel does. */
  async reconfigure(options: SpillableOptions): Promise<void> {
    this.#options = options
    await this.#file.reconfigure(fileOptionsOf(options))
    await this.#memory.reconfigure(memoryOptionsOf(options))
    this.#line[0]?.wake()
  }

  async stop(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const waiter of [...this.#line]) waiter.wake()
    this.#takers.wakeAll()
    try {
      await this.#saveMemory()
    } finally {
      await this.#memory.stop()
      await this.#file.stop()
    }
  }

  // ── Puts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Waits in line until there is room, up to `untilMs`. */
  async #placeInTurn(batch: EventBatch, untilMs: number): Promise<void> {
    const { clock } = this.#context
    const waiter: Waiter = { wake: () => undefined }
    this.#line.push(waiter)
    let placed: Promise<void> | undefined
    try {
      while (!placed) {
        await this.#isWoken(waiter, untilMs - clock.monotonic())
        this.#open()
        const isOver = clock.monotonic() >= untilMs
        if (isOver || this.#line[0] === waiter) placed = this.#place(batch, isOver)
        if (isOver && !placed) throw this.#full(batch)
      }
    } finally {
      this.#line.splice(this.#line.indexOf(waiter), 1)
      this.#line[0]?.wake()
    }
    await placed
  }

  /** Resolves when someone wakes the waiter, or the time is over. */
  async #isWoken(waiter: Waiter, withinMs: number): Promise<void> {
    if (withinMs <= 0) return
    await new Promise<void>((resolve) => {
      const timer = this.#context.clock.after(withinMs, resolve)
      waiter.wake = () => {
        timer.cancel()
        resolve()
      }
    })
    waiter.wake = () => undefined
  }

  /** Puts the batch where there is room now; undefined: it has to wait. `isOver`: it has waited long enough for memory. */
  #place(batch: EventBatch, isOver: boolean): Promise<void> | undefined {
    if (this.#order.mayTurnToMemory && this.#memory.putNow(batch, this.#keptIn('memory', batch))) {
      return Promise.resolve()
    }
    if (overflowCapacityOf(this.#options) === 0) return undefined
    if (!this.#isOverflowing) {
      // What could never be in memory need not wait for it.
      if (!isOver && this.#memory.couldHold(batch)) return undefined
      this.#isOverflowing = true
      this.#context.log.info('memory is full: what does not fit goes to the disk')
    }
    return this.#file.putNow(batch, this.#keptIn('overflow', batch))
  }

  #keptIn(place: Place, batch: EventBatch): (first: number) => void {
    return (first) => this.#order.extend(place, first + batch.count)
  }

  /** In Flume's words. */
  #full(batch: EventBatch): FlumeError {
    const isOff = overflowCapacityOf(this.#options) === 0
    if (!isOff) {
      return new FlumeError(
        'CHANNEL_FULL',
        `The channel has reached it's capacity. This might be the result of a sink on the channel having too low of batch size, a downstream system running slower than normal, or that the channel capacity is just too low. [channel=${this.#context.name}]`,
        { retry: true, hint: 'both memoryCapacity and overflowCapacity are used up' },
      )
    }
    const words =
      this.#memory.room < batch.count
        ? "Spillable Memory Channel's memory capacity has been reached and overflow is disabled. Consider increasing memoryCapacity."
        : `Spillable Memory Channel's memory capacity has been reached. ${this.#memory.byteRoom} bytes are free and overflow is disabled. Consider increasing byteCapacity or capacity.`
    return new FlumeError('CHANNEL_FULL', words, { retry: true })
  }

  // ── Takes ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Lends what comes next behind `after`, and with it what comes behind that from the other place, up to `max` in all;
   * `use` gets all of it as one batch. Undefined: there was nothing, and `use` was not called.
   */
  async #lend<T>(
    max: number,
    after: Position,
    before: readonly EventBatch[],
    use: (batch: EventBatch) => Promise<T>,
  ): Promise<{ readonly result: T } | undefined> {
    const place = this.#turn(after)?.place
    if (place === undefined) return undefined
    let used: { readonly result: T } | undefined
    // Asked again in the moment of lending: the disk may have to be read first, and meanwhile something may come back.
    const below = (): number => {
      const turn = this.#turn(after)
      return turn?.place === place ? turn.below : 0
    }
    const part = place === 'memory' ? this.#memory : this.#file
    await part
      .takeNow(max, below, async (batch, last) => {
        const all = [...before, batch]
        const left = max - batch.count
        if (left > 0 && all.length < stretchesMax)
          used = await this.#lendMore(left, this.#order.positionOf(place, last), all, use)
        used ??= { result: await use(EventBatch.concat(all)) }
      })
      .catch((error: unknown) => {
        this.#takers.wakeOne()
        throw error
      })
    if (used) this.#released()
    return used
  }

  /** As lend, behind events that are lent already: what cannot be read then is no reason to bring them back. */
  async #lendMore<T>(
    max: number,
    after: Position,
    before: readonly EventBatch[],
    use: (batch: EventBatch) => Promise<T>,
  ): Promise<{ readonly result: T } | undefined> {
    let isUsed = false
    try {
      return await this.#lend(max, after, before, (batch) => {
        isUsed = true
        return use(batch)
      })
    } catch (error) {
      if (isUsed) throw error
      return undefined
    }
  }

  /** Whose turn it is, and up to which number; undefined when nothing that could be lent comes behind `after`. */
  #turn(after: Position): { readonly place: Place; readonly below: number } | undefined {
    const memory = this.#oldest('memory')
    const overflow = this.#oldest('overflow')
    if (!memory && !overflow) return undefined
    const isMemory = memory !== undefined && (overflow === undefined || isBehind(overflow, memory))
    const [first, other] = isMemory ? [memory, overflow] : [overflow as Position, memory]
    if (!isBehind(first, after)) return undefined
    const place = isMemory ? 'memory' : 'overflow'
    return { place, below: other ? this.#order.limitBefore(place, other.sequence) : Number.POSITIVE_INFINITY }
  }

  /** There is something that could be lent now; what is kept on the disk behind what is not yet kept cannot. */
  get #hasMore(): boolean {
    const turn = this.#turn(beginning)
    return turn !== undefined && (turn.place === 'memory' || this.#file.available > 0)
  }

  #oldest(place: Place): Position | undefined {
    const number = place === 'memory' ? this.#memory.oldest : this.#file.oldest
    return number === undefined ? undefined : this.#order.positionOf(place, number)
  }

  /** Events are gone: others may come. */
  #released(): void {
    this.#order.drop('memory', this.#memory.floor)
    this.#order.drop('overflow', this.#file.floor)
    if (this.#isOverflowing && this.#memory.capacity > 0) {
      const freePercent = (100 * this.#memory.room) / this.#memory.capacity
      if (freePercent >= this.#options.overflowDeactivationThreshold) {
        this.#isOverflowing = false
        this.#context.log.info('memory has room again: what does not fit waits for it first')
      }
    }
    this.#line[0]?.wake()
  }

  // ── Stopping ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What nobody has taken goes to the disk, where it is found at the next start; rejects when it cannot be written. */
  async #saveMemory(): Promise<void> {
    if (overflowCapacityOf(this.#options) === 0 || this.#memory.oldest === undefined) return
    const behind = this.#file.size
    let saved = 0
    try {
      await this.#memory.moveAll(async (batch) => {
        await this.#file.adopt(batch)
        saved += batch.count
      })
    } finally {
      const where = behind > 0 ? `, behind the ${behind} that were there` : ''
      if (saved > 0) this.#context.log.info(`${saved} events were written from memory to the disk${where}`)
    }
  }

  // ── Waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #open(): void {
    if (this.#closed) {
      throw new FlumeError('CLOSED', `Channel closed [channel=${this.#context.name}]`, { retry: true })
    }
  }
}
