import { bytesPerSlot } from '../../../core/body-slots.ts'
import type { Timer } from '../../../core/clock.ts'
import { asError } from '../../../core/error.ts'
import { homePath } from '../../../core/home-path.ts'
import { Slots } from '../../../core/slots.ts'
import { Takers } from '../../../core/takers.ts'
import type { Disk } from '../../../storage/disk.ts'
import { EventLog, type Slice } from '../../../storage/event-log.ts'
import { realDisk } from '../../../storage/real-disk.ts'
import type { Damage, LogLimits } from '../../../storage/segment-log.ts'
import { type Channel, type ChannelContext, defineChannel, EventBatch, FlumeError } from '../../contract.ts'
import { ByteLimit } from './byte-limit.ts'
import { checkpointIntervalFloorMs, type FileOptions, freeBytesFloor, options, problemsOf } from './options.ts'

export const file = defineChannel({
  type: 'file',
  aliases: ['org.apache.flume.channel.file.FileChannel'],
  title: 'FileChannel',
  summary: 'Keeps events on disk: what it has taken survives a crash and a power failure.',
  options,
  transactionCapacityOption: 'transactionCapacity',
  capabilities: { durable: true, ordered: true, overlappingTakes: true, adjustable: true },
  fixedOptions: ['checkpointDir', 'dataDirs', 'encryption.'],
  check: problemsOf,
  describe: ({ dataDirs }) => dataDirs,
  create: (options, context) => new FileChannel(options, context, realDisk),
})

/** Newest events that are kept in memory too: a sink that keeps up never reads the disk. */
const memoryBytesMax = 16 * 1024 * 1024

/** Takes are synced with the next put, or after this long: a power failure brings back no more than was delivered meanwhile. */
const syncTakesWithinMs = 20

/** What this kind of channel counts, under Flume's names. */
type OwnCount = 'EventPutErrorCount' | 'EventTakeErrorCount' | 'CheckpointWriteErrorCount'

/** Flume's file channel over the log of events: capacity, waiting, counting and reporting; the log keeps the events. */
export class FileChannel implements Channel {
  #options: FileOptions
  readonly #context: ChannelContext
  readonly #disk: Disk
  readonly #slots: Slots
  readonly #bytes: ByteLimit
  readonly #takers: Takers
  #log: EventLog | undefined
  #closed = false
  #timers: Timer[] = []
  #told: string | undefined

  constructor(options: FileOptions, context: ChannelContext, disk: Disk) {
    this.#options = options
    this.#context = context
    this.#takers = new Takers(context.clock)
    this.#disk = disk
    this.#slots = new Slots(options.capacity, context.clock)
    this.#bytes = new ByteLimit(options, context.clock)
  }

  get transactionCapacity(): number {
    return this.#options.transactionCapacity
  }

  get capacity(): number {
    return this.#slots.total
  }

  get size(): number {
    return this.#log?.size ?? 0
  }

  get room(): number {
    return this.#slots.available
  }

  /** Why not everything works; undefined when it does. */
  get problem(): string | undefined {
    return this.#log?.problem
  }

  /** Events that could be lent now. */
  get available(): number {
    return this.#log?.available ?? 0
  }

  /** The lowest number that an event which is kept and not lent may have; undefined when there is none. Numbers grow with each put. */
  get oldest(): number | undefined {
    return this.#log?.oldest
  }

  /** Events with lower numbers are gone for good. */
  get floor(): number {
    return this.#log?.gone.floor ?? 0
  }

  /** The number that the next event gets. */
  get next(): number {
    return this.#log?.next ?? 0
  }

  async start(): Promise<void> {
    const { checkpointDir, dataDirs } = this.#options
    const { clock, random, log: report } = this.#context
    const startedMs = clock.monotonic()
    // Under Flume's names; unhealthy until it is open (F-09).
    const { more } = this.#context.counters
    Object.assign(more, { Open: 0, Closed: 0, Unhealthy: 1, EventPutErrorCount: 0, EventTakeErrorCount: 0 })
    // There is no copy of a checkpoint, so that writing one cannot fail.
    Object.assign(more, { CheckpointWriteErrorCount: 0, CheckpointBackupWriteErrorCount: 0 })
    const log = await EventLog.open({
      disk: this.#disk,
      clock,
      random,
      report,
      directories: directoriesOf(dataDirs),
      checkpointDirectory: homePath(checkpointDir),
      ...limitsOf(this.#options),
      syncTakesWithinMs,
      memoryBytesMax,
      onDamage: (damage) => this.#tellDamage(damage),
      onLost: (count) => this.#tellLost(count),
      onArrival: () => this.#takers.wakeOne(),
      onIndexFailed: () => this.#count('CheckpointWriteErrorCount'),
    })
    this.#log = log
    Object.assign(more, { Open: 1, Unhealthy: 0 })
    // More than fits, when capacity was lowered: nothing new is let in until enough has left.
    this.#slots.occupy(log.size)
    this.#bytes.found(log)
    if (log.size > 0) {
      const tookMs = Math.round(clock.monotonic() - startedMs)
      report.info(`${log.size} events were left in the channel; opened in ${tookMs} ms`)
    }
    this.#keepTime(log)
  }

  /** New options for the live channel. A capacity below what is held lets nothing in until enough has left, as at a start. */
  async reconfigure(options: FileOptions): Promise<void> {
    this.#options = options
    const more = options.capacity - this.#slots.total
    if (more >= 0) this.#slots.grow(more)
    else this.#slots.shrinkNow(-more)
    const log = this.#log
    if (!log || this.#closed) return
    this.#bytes.adjust(options)
    log.adjust(limitsOf(options))
    // What was written without a sync under the old options is not left to the new ones.
    await log.sync()
    for (const timer of this.#timers.splice(0)) timer.cancel()
    this.#keepTime(log)
  }

  async put(batch: EventBatch): Promise<void> {
    const log = this.#open()
    if (batch.count === 0) return
    const { counters } = this.#context
    counters.eventPutAttempt += batch.count
    if (batch.count > this.transactionCapacity) {
      throw new FlumeError(
        'BATCH_TOO_LARGE',
        `Put queue for FileBackedTransaction of capacity ${this.transactionCapacity} full, consider committing more frequently, increasing capacity or increasing thread count. [channel=${this.#context.name}]`,
        {
          hint: `a batch of ${batch.count} events needs transactionCapacity of channel ${this.#context.name} to be at least that`,
        },
      )
    }
    await this.#reserve(batch)
    await this.#keep(log, batch)
  }

  /** Puts a batch if there is room at this moment; undefined: there is none. `kept` is called in the moment it counts, with the number of its first event. Attempts are not counted. */
  putNow(batch: EventBatch, kept: (first: number) => void): Promise<void> | undefined {
    const log = this.#open()
    if (this.#slots.available < batch.count || this.#bytes.acquire(batch, 0) !== true) return undefined
    void this.#slots.acquire(batch.count, 0)
    return this.#keep(log, batch, kept)
  }

  /** Puts a batch whatever the capacity says, and does not count it as put: what was in memory and must not be lost. */
  async adopt(batch: EventBatch): Promise<void> {
    const log = this.#open()
    await log.put(batch, () => {
      this.#slots.occupy(batch.count)
      this.#bytes.occupy(batch)
    })
  }

  async #reserve(batch: EventBatch): Promise<void> {
    const keepAliveMs = this.#options['keep-alive'] * 1000
    const gotBytes = this.#bytes.acquire(batch, keepAliveMs)
    if (!(gotBytes === true || (await gotBytes))) {
      this.#open()
      throw new FlumeError(
        'CHANNEL_FULL',
        `Cannot commit transaction. Byte capacity allocated to store event body ${this.#bytes.slots * bytesPerSlot} reached. Please increase byte capacity allocated to the channel as the sinks may not be keeping up with the sources`,
        {
          retry: true,
          hint: `channel ${this.#context.name} keeps ${this.#options.byteCapacityBufferPercentage} % of byteCapacity back`,
        },
      )
    }
    const got = this.#slots.acquire(batch.count, keepAliveMs)
    if (got === true || (await got)) return
    this.#bytes.giveUp(batch)
    this.#open()
    throw new FlumeError(
      'CHANNEL_FULL',
      `The channel has reached it's capacity. This might be the result of a sink on the channel having too low of batch size, a downstream system running slower than normal, or that the channel capacity is just too low. [channel=${this.#context.name}]`,
      { retry: true },
    )
  }

  /** Writes a batch for which there is room. */
  async #keep(log: EventLog, batch: EventBatch, kept?: (first: number) => void): Promise<void> {
    try {
      this.#open()
      await log.put(batch, (first) => {
        this.#context.counters.eventPutSuccess += batch.count
        kept?.(first)
      })
    } catch (error) {
      this.#slots.release(batch.count)
      this.#bytes.giveUp(batch)
      if (!(error instanceof FlumeError && error.code === 'CLOSED')) this.#count('EventPutErrorCount')
      throw error
    } finally {
      this.#tellHealth(log)
    }
  }

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    const log = this.#open()
    const { counters, clock } = this.#context
    counters.eventTakeAttempt++
    const untilMs = clock.monotonic() + this.#options['keep-alive'] * 1000
    let slices = await this.#lend(log, max)
    while (slices.length === 0) {
      // Woken takers may find that an overlapping take was quicker: they stand in line again for the time that is left.
      const leftMs = untilMs - clock.monotonic()
      if (this.#closed || signal?.aborted || leftMs <= 0) return undefined
      if (log.available === 0) await this.#takers.wait(leftMs, signal)
      slices = await this.#lend(log, max)
    }
    if (log.available > 0) this.#takers.wakeOne()
    return this.#lendTo(log, slices, use)
  }

  /**
   * As take, without waiting or counting the attempt, and of events with numbers below `below()` only, which is asked in
   * the moment they are lent. `use` is told the number of the last event; it is not called when there is none.
   */
  async takeNow(
    max: number,
    below: () => number,
    use: (batch: EventBatch, last: number) => Promise<void>,
  ): Promise<void> {
    const log = this.#open()
    const slices = await this.#lend(log, max, below)
    const last = slices.at(-1)
    if (last) await this.#lendTo(log, slices, (batch) => use(batch, last.first + last.batch.count - 1))
  }

  async stop(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    Object.assign(this.#context.counters.more, { Open: 0, Closed: 1 })
    for (const timer of this.#timers) timer.cancel()
    this.#slots.refuseAll()
    this.#bytes.refuseAll()
    this.#takers.wakeAll()
    await this.#log?.close({ saveIndex: this.#options.checkpointOnClose })
  }

  async #lendTo<T>(log: EventLog, slices: readonly Slice[], use: (batch: EventBatch) => Promise<T>): Promise<T> {
    const batch = EventBatch.concat(slices.map((slice) => slice.batch))
    let result: T
    try {
      result = await use(batch)
    } catch (error) {
      log.giveBack(slices)
      this.#takers.wakeOne()
      throw error
    }
    await log.remove(slices, () => {
      this.#context.counters.eventTakeSuccess += batch.count
      this.#slots.release(batch.count)
      this.#bytes.release(slices)
    })
    this.#tellHealth(log)
    return result
  }

  async #lend(log: EventLog, max: number, below?: () => number): Promise<readonly Slice[]> {
    try {
      return await log.lend(Math.min(max, this.transactionCapacity), below)
    } catch (error) {
      this.#count('EventTakeErrorCount')
      throw error
    }
  }

  #count(name: OwnCount, times = 1): void {
    const { more } = this.#context.counters
    more[name] = (more[name] ?? 0) + times
  }

  /** Says once that something does not work, and once that it does again. */
  #tellHealth({ problem }: EventLog): void {
    if (problem === this.#told) return
    this.#context.counters.more['Unhealthy'] = problem === undefined ? 0 : 1
    if (problem === undefined) this.#context.log.info('works again')
    else if (this.#told === undefined) this.#context.log.error(`takes nothing for now: ${problem}`)
    this.#told = problem
  }

  #open(): EventLog {
    if (this.#log && !this.#closed) return this.#log
    throw new FlumeError('CLOSED', `Channel closed [channel=${this.#context.name}]`, { retry: true })
  }

  #keepTime(log: EventLog): void {
    const { checkpointInterval, fsyncPerTransaction, fsyncInterval } = this.#options
    this.#repeat(Math.max(checkpointInterval, checkpointIntervalFloorMs), () => log.saveIndex())
    if (!fsyncPerTransaction) this.#repeat(fsyncInterval * 1000, () => log.sync())
  }

  /** Does something every so often, the next time counted from its end; what goes wrong is only told. */
  #repeat(everyMs: number, act: () => Promise<void>): void {
    let timer: Timer | undefined
    let isCancelled = false
    const arm = (): void => {
      if (this.#closed || isCancelled) return
      timer = this.#context.clock.after(everyMs, () => {
        act()
          .catch((error: unknown) => this.#context.log.error(asError(error).message))
          .finally(arm)
      })
    }
    const cancel = (): void => {
      isCancelled = true
      timer?.cancel()
    }
    this.#timers.push({ cancel })
    arm()
  }

  #tellDamage({ path, offset, bytes, events, isEnd }: Damage): void {
    const range = events && events.to - events.from > 1 ? `events ${events.from} to ${events.to - 1}` : undefined
    const which = range ?? (events ? `event ${events.from}` : 'no event is known to have been in them')
    const { log } = this.#context
    if (isEnd) {
      log.warn(
        `${path} ends with ${bytes} bytes at ${offset} that are no whole record (${which}): a crash cut off what was not acknowledged yet; if there was none, they are damaged`,
      )
    } else {
      log.error(
        `${path} is damaged: ${bytes} bytes at ${offset} are no record (${which}); everything else is delivered`,
        { hint: 'flume-ts channel verify lists all damage; the file is kept as .damaged when the rest is delivered' },
      )
    }
  }

  #tellLost(count: number): void {
    this.#slots.release(count)
    this.#bytes.lose(count)
    this.#count('EventTakeErrorCount', count)
    this.#context.log.error(`${count} events of the log cannot be read any more`)
  }
}

function limitsOf({ maxFileSize, minimumRequiredSpace, fsyncPerTransaction }: FileOptions): LogLimits {
  return {
    segmentBytesMax: maxFileSize,
    freeBytesMin: Math.max(minimumRequiredSpace, freeBytesFloor),
    syncEach: fsyncPerTransaction,
  }
}

function directoriesOf(dataDirs: string): readonly string[] {
  const paths = dataDirs
    .split(',')
    .map((path) => path.trim())
    .filter((path) => path !== '')
  return [...new Set(paths.map(homePath))]
}
