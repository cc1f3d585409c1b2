import { homedir } from 'node:os'
import { resolve } from 'node:path'
import type { Timer } from '../../../core/clock.ts'
import { asError } from '../../../core/error.ts'
import { Slots } from '../../../core/slots.ts'
import type { Disk } from '../../../storage/disk.ts'
import { EventLog, type Slice } from '../../../storage/event-log.ts'
import { realDisk } from '../../../storage/real-disk.ts'
import type { Damage } from '../../../storage/segment-log.ts'
import { type Channel, type ChannelContext, defineChannel, EventBatch, FlumeError } from '../../contract.ts'
import { checkpointIntervalFloorMs, type FileOptions, freeBytesFloor, options, problemsOf } from './options.ts'

export const file = defineChannel({
  type: 'file',
  aliases: ['org.apache.flume.channel.file.FileChannel'],
  title: 'FileChannel',
  summary: 'Keeps events on disk: what it has taken survives a crash and a power failure.',
  options,
  transactionCapacityOption: 'transactionCapacity',
  capabilities: { durable: true, ordered: true, overlappingTakes: true },
  check: problemsOf,
  describe: ({ dataDirs }) => dataDirs,
  create: (options, context) => new FileChannel(options, context, realDisk),
})

/** Newest events that are kept in memory too: a sink that keeps up never reads the disk. */
const memoryBytesMax = 16 * 1024 * 1024

/** Takes are synced with the next put, and this often: a power failure brings back no more than was delivered meanwhile. */
const syncTakesEveryMs = 1000

interface Taker {
  readonly wake: () => void
}

/** Flume's file channel over the log of events: capacity, waiting, counting and reporting; the log keeps the events. */
export class FileChannel implements Channel {
  readonly #options: FileOptions
  readonly #context: ChannelContext
  readonly #disk: Disk
  readonly #slots: Slots
  readonly #takers: Taker[] = []
  readonly #keepAliveMs: number
  #log: EventLog | undefined
  #closed = false
  #timers: Timer[] = []
  #told: string | undefined

  constructor(options: FileOptions, context: ChannelContext, disk: Disk) {
    this.#options = options
    this.#context = context
    this.#disk = disk
    this.#keepAliveMs = options['keep-alive'] * 1000
    this.#slots = new Slots(options.capacity, context.clock)
  }

  get transactionCapacity(): number {
    return this.#options.transactionCapacity
  }

  get capacity(): number {
    return this.#options.capacity
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

  async start(): Promise<void> {
    const { checkpointDir, dataDirs, maxFileSize, minimumRequiredSpace, fsyncPerTransaction } = this.#options
    const { clock, random, log: report } = this.#context
    const startedMs = clock.monotonic()
    // Under Flume's names; unhealthy until it is open (F-09).
    const { more } = this.#context.counters
    Object.assign(more, { Unhealthy: 1, Closed: 0, EventPutErrorCount: 0, EventTakeErrorCount: 0 })
    const log = await EventLog.open({
      disk: this.#disk,
      clock,
      random,
      report,
      directories: directoriesOf(dataDirs),
      checkpointDirectory: pathOf(checkpointDir),
      segmentBytesMax: maxFileSize,
      freeBytesMin: Math.max(minimumRequiredSpace, freeBytesFloor),
      syncEach: fsyncPerTransaction,
      memoryBytesMax,
      onDamage: (damage) => this.#tellDamage(damage),
      onLost: (count) => this.#tellLost(count),
      onArrival: () => this.#wakeOne(),
    })
    this.#log = log
    more['Unhealthy'] = 0
    // More than fits, when capacity was lowered: nothing new is let in until enough has left.
    this.#slots.occupy(log.size)
    if (log.size > 0) {
      const tookMs = Math.round(clock.monotonic() - startedMs)
      report.info(`${log.size} events were left in the channel; opened in ${tookMs} ms`)
    }
    this.#repeat(Math.max(this.#options.checkpointInterval, checkpointIntervalFloorMs), () => log.saveIndex())
    this.#repeat(fsyncPerTransaction ? syncTakesEveryMs : this.#options.fsyncInterval * 1000, () => log.sync())
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
    const got = this.#slots.acquire(batch.count, this.#keepAliveMs)
    if (!(got === true || (await got))) {
      this.#open()
      throw new FlumeError(
        'CHANNEL_FULL',
        `The channel has reached it's capacity. This might be the result of a sink on the channel having too low of batch size, a downstream system running slower than normal, or that the channel capacity is just too low. [channel=${this.#context.name}]`,
        { retry: true },
      )
    }
    try {
      this.#open()
      await log.put(batch, () => {
        counters.eventPutSuccess += batch.count
      })
    } catch (error) {
      this.#slots.release(batch.count)
      if (!(error instanceof FlumeError && error.code === 'CHANNEL_FULL')) this.#count('EventPutErrorCount')
      throw error
    } finally {
      this.#tellHealth(log)
    }
  }

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    const log = this.#open()
    const { counters, clock } = this.#context
    counters.eventTakeAttempt++
    const untilMs = clock.monotonic() + this.#keepAliveMs
    let slices = await this.#lend(log, max)
    while (slices.length === 0) {
      // Woken takers may find that an overlapping take was quicker: they stand in line again for the time that is left.
      const leftMs = untilMs - clock.monotonic()
      if (this.#closed || signal?.aborted || leftMs <= 0) return undefined
      if (log.available === 0) await this.#eventArrives(leftMs, signal)
      slices = await this.#lend(log, max)
    }
    if (log.available > 0) this.#wakeOne()
    return this.#lendTo(log, slices, use)
  }

  async stop(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#context.counters.more['Closed'] = 1
    for (const timer of this.#timers) timer.cancel()
    this.#slots.refuseAll()
    for (const taker of this.#takers.splice(0)) taker.wake()
    await this.#log?.close({ saveIndex: this.#options.checkpointOnClose })
  }

  async #lendTo<T>(log: EventLog, slices: readonly Slice[], use: (batch: EventBatch) => Promise<T>): Promise<T> {
    const batch = EventBatch.concat(slices.map((slice) => slice.batch))
    let result: T
    try {
      result = await use(batch)
    } catch (error) {
      log.giveBack(slices)
      this.#wakeOne()
      throw error
    }
    await log.remove(slices, () => {
      this.#context.counters.eventTakeSuccess += batch.count
      this.#slots.release(batch.count)
    })
    this.#tellHealth(log)
    return result
  }

  async #lend(log: EventLog, max: number): Promise<readonly Slice[]> {
    try {
      return await log.lend(Math.min(max, this.transactionCapacity))
    } catch (error) {
      this.#count('EventTakeErrorCount')
      throw error
    }
  }

  #count(name: 'EventPutErrorCount' | 'EventTakeErrorCount'): void {
    const { more } = this.#context.counters
    more[name] = (more[name] ?? 0) + 1
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

  /** Resolves when an event may have come, the time is over or the signal aborts. */
  #eventArrives(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const leave = (): void => {
        const index = this.#takers.indexOf(taker)
        if (index >= 0) this.#takers.splice(index, 1)
        taker.wake()
      }
      const timer = this.#context.clock.after(withinMs, leave)
      const taker: Taker = {
        wake: () => {
          timer.cancel()
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#takers.push(taker)
    })
  }

  #wakeOne(): void {
    this.#takers.shift()?.wake()
  }

  /** Does something every so often, the next time counted from its end; what goes wrong is only told. */
  #repeat(everyMs: number, act: () => Promise<void>): void {
    const slot = this.#timers.length
    const arm = (): void => {
      if (this.#closed) return
      this.#timers[slot] = this.#context.clock.after(everyMs, () => {
        act()
          .catch((error: unknown) => this.#context.log.error(asError(error).message))
          .finally(arm)
      })
    }
    arm()
  }

  #tellDamage({ path, offset, bytes, events, isEnd }: Damage): void {
    const which = events ? `events ${events.from} to ${events.to - 1}` : 'no event is known to have been in them'
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
    this.#context.log.error(`${count} events of the log cannot be read any more`)
  }
}

function directoriesOf(dataDirs: string): readonly string[] {
  const paths = dataDirs
    .split(',')
    .map((path) => path.trim())
    .filter((path) => path !== '')
  return [...new Set(paths.map(pathOf))]
}

/** `~` is what Flume's own default stands for, the home directory. */
function pathOf(path: string): string {
  return resolve(path.replace(/^~(?=\/|$)/, homedir()))
}
