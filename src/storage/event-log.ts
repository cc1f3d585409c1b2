import type { Clock, Timer } from '../core/clock.ts'
import { asError, FlumeError } from '../core/error.ts'
import type { EventBatch } from '../core/event-batch.ts'
import { KeptBytes } from '../core/kept-bytes.ts'
import type { Random } from '../core/random.ts'
import type { Disk, DiskLock } from './disk.ts'
import { checkIdentity, checkPlace, prepareIdentity } from './log-identity.ts'
import { NumberSet } from './number-set.ts'
import { decodeBatch, draftBatch, draftTaken } from './record.ts'
import { type Damage, LogCursor, type LogLimits, type LogReporter, SegmentLog } from './segment-log.ts'
import type { FoundRecord } from './segment-scan.ts'
import { type Slice, SliceQueue } from './slice-queue.ts'

export interface EventLogOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly report: LogReporter
  readonly directories: readonly string[]
  /** For what makes opening quick, and for knowing that a directory is missing; undefined when only the segments are at hand. */
  readonly checkpointDirectory: string | undefined
  readonly segmentBytesMax: number
  readonly freeBytesMin: number
  readonly syncEach: boolean
  /** With syncEach, what was taken is synced this many milliseconds later at the latest; sooner with a put. Left out: with the next put, or `sync`. */
  readonly syncTakesWithinMs?: number
  /** Most bytes of the newest events that are kept in memory too, so that a quick reader needs no disk. */
  readonly memoryBytesMax: number
  /** Nothing on the disks is changed; `put` and `remove` must not be called. */
  readonly readOnly?: boolean
  /** Events of real Flume are being brought in: its files may lie there. */
  readonly importing?: boolean
  readonly onDamage: (damage: Damage) => void
  /** That many events which were held cannot be read any more. */
  readonly onLost: (count: number) => void
  /** There are events to lend where there were none. */
  readonly onArrival: () => void
  /** What makes opening quick could not be written. */
  readonly onIndexFailed?: () => void
}

export type { Slice } from './slice-queue.ts'

interface Arriving {
  readonly first: number
  readonly batch: EventBatch
  state: 'waits' | 'kept' | 'failed'
}

const unlimited = (): number => Number.POSITIVE_INFINITY
/** Bytes read from the disk ahead of the reader. */
const readAheadBytes = 1024 * 1024
const lockName = 'in_use.lock'

/**
 * Events in one order, kept in the logs of one or more directories.
 *
 * Each event has a number; numbers grow in the order of the puts and are never used twice. What was taken is a set of
 * numbers. Every directory has puts and takes of its own; all together they are the log.
 *
 * Invariants:
 * - an event can be lent only after it is kept, and when every event with a lower number is either kept or has failed;
 * - `#queue` < `#readTo` <= `#fresh`: given back or read ahead, then what is only on the disk, then what is also in memory;
 * - a number is in `#gone` when its event was taken, or when there is no such event and never will be;
 * - what is in `#gone` reaches the disk by taken records and, all of it, by the first record of each segment.
 */
export class EventLog {
  readonly #options: EventLogOptions
  readonly #logs: SegmentLog[] = []
  readonly #locks: DiskLock[] = []
  readonly #gone = new NumberSet()
  readonly #arriving: Arriving[] = []
  readonly #queue = new SliceQueue()
  readonly #fresh = new SliceQueue()
  /** What `#fresh` takes in memory. */
  readonly #kept = new KeptBytes()
  #next = 0
  /** Events below this number have been lent, or are in the queue. */
  #readTo = 0
  /** Events below this number may be lent. */
  #keptTo = 0
  /** Events that are on the disk only. */
  #stored = 0
  #lent = 0
  /** Events that are kept, and wait for those before them to be. */
  #keptBehind = 0
  #turn = 0
  #loading: Promise<void> | undefined
  #cursors: Merge | undefined
  #syncTimer: Timer | undefined
  #syncEach: boolean

  private constructor(options: EventLogOptions) {
    this.#options = options
    this.#syncEach = options.syncEach
  }

  /** Locks the directories and reads what is there. Rejects INVALID_STATE when they are in use, or are not those of one log. */
  static async open(options: EventLogOptions): Promise<EventLog> {
    const log = new EventLog(options)
    try {
      await log.#open()
      return log
    } catch (error) {
      await log.#release()
      throw error
    }
  }

  /** Events held, those lent included. */
  get size(): number {
    return this.available + this.#lent + this.#keptBehind
  }

  /** Events that could be lent now. */
  get available(): number {
    return this.#queue.count + this.#fresh.count + this.#stored
  }

  /** Why not everything works at the moment; undefined when it does. */
  get problem(): string | undefined {
    for (const { directory, problem } of this.#logs) {
      if (problem !== undefined) return problem.startsWith(directory) ? problem : `${directory}: ${problem}`
    }
    return undefined
  }

  get logs(): readonly SegmentLog[] {
    return this.#logs
  }

  /** Numbers of the events that are gone. */
  get gone(): NumberSet {
    return this.#gone
  }

  get next(): number {
    return this.#next
  }

  /** The lowest number that an event which is kept and not lent may have; undefined when there is no such event. */
  get oldest(): number | undefined {
    if (this.#queue.first) return this.#queue.first.first
    if (this.#stored > 0) return this.#readTo
    if (this.#fresh.first) return this.#fresh.first.first
    return this.#keptBehind > 0 ? this.#arriving.find(({ state }) => state === 'kept')?.first : undefined
  }

  /** Bytes on the disk of the events that are held: their share of the files they lie in. */
  get heldBytes(): number {
    let bytes = 0
    let events = 0
    for (const { segments } of this.#logs) {
      for (const segment of segments) {
        if (segment.events === 0 || segment.end <= this.#gone.floor) continue
        bytes += segment.length
        events += segment.events
      }
    }
    return events === 0 ? 0 : Math.round(bytes * Math.min(1, this.size / events))
  }

  /** New limits; what is written from now on keeps to them. */
  adjust(limits: LogLimits): void {
    this.#syncEach = limits.syncEach
    for (const log of this.#logs) log.adjust(limits)
  }

  /**
   * Keeps a batch. `kept` is called in the moment it counts, with the number of its first event. Resolves after that; rejects CHANNEL_FULL without room on
   * the disk, IO when it cannot be written: nothing may be acknowledged then.
   */
  put(batch: EventBatch, kept: (first: number) => void): Promise<void> {
    const { draft, stored } = draftBatch(batch)
    const log = this.#chooseLog()
    const arriving: Arriving = { first: this.#next, batch: stored, state: 'waits' }
    this.#next += batch.count
    this.#arriving.push(arriving)
    return new Promise((resolve, reject) => {
      log.append(draft, arriving.first, true, (error) => {
        arriving.state = error ? 'failed' : 'kept'
        const before = this.available
        if (!error) this.#keptBehind += batch.count
        this.#admit()
        if (error) reject(error)
        else {
          kept(arriving.first)
          resolve()
        }
        if (this.available > before) this.#options.onArrival()
      })
    })
  }

  /**
   * The oldest events that nobody has, up to `max`; none when there are none. Of those with numbers below `below()`, which
   * is asked in the moment they are lent, for the disk may have to be read first. Rejects when it cannot be.
   */
  async lend(max: number, below: () => number = unlimited): Promise<readonly Slice[]> {
    for (;;) {
      const limit = below()
      const lent = this.#lendNow(max, limit)
      if (lent.length > 0 || this.#stored === 0 || this.#queue.length > 0 || this.#readTo >= limit) return lent
      await this.#load()
    }
  }

  /** Lent events come back to their place, ahead of everything newer. */
  giveBack(slices: readonly Slice[]): void {
    for (const { batch } of slices) this.#lent -= batch.count
    this.#queue.putBack(slices)
  }

  /** Lent events are gone; `gone` is called in the moment they count no more. Resolves when that is written (a crash of the process does not bring them back; for the machine it is made sure of within `syncTakesWithinMs`), or could not be: it is written with the next thing that can be. */
  remove(slices: readonly Slice[], gone: () => void): Promise<void> {
    const ranges: { from: number; to: number }[] = []
    for (const { first, batch } of slices) {
      const last = ranges.at(-1)
      if (last?.to === first) last.to += batch.count
      else ranges.push({ from: first, to: first + batch.count })
    }
    // Known before it is written: a segment that begins in between says so too.
    for (const { from, to } of ranges) this.#gone.add(from, to)
    return new Promise((resolve) => {
      this.#chooseLog().append(draftTaken(ranges), 0, false, (error) => {
        if (error) {
          this.#options.report.error(
            `delivered events could not be noted as such, and may be delivered again after a crash: ${error.message}`,
          )
        }
        for (const { batch } of slices) this.#lent -= batch.count
        gone()
        this.#dropConsumed()
        this.#syncSoon()
        resolve()
      })
    })
  }

  /** Makes sure of what was written without a sync. */
  async sync(): Promise<void> {
    await Promise.all(this.#logs.map((log) => log.sync()))
  }

  /** One sync for all takes of a while, so that takes need not wait for one each and puts are hardly ever held up. */
  #syncSoon(): void {
    const { syncTakesWithinMs, clock } = this.#options
    if (syncTakesWithinMs === undefined || !this.#syncEach || this.#syncTimer) return
    this.#syncTimer = clock.after(syncTakesWithinMs, () => {
      this.#syncTimer = undefined
      void this.sync()
    })
  }

  /** Writes down what makes the next opening quick. */
  async saveIndex(): Promise<void> {
    for (const log of this.#logs) await log.saveIndex()
  }

  /** Ends the log and its locks; what waits is still written. */
  async close({ saveIndex }: { readonly saveIndex: boolean }): Promise<void> {
    this.#syncTimer?.cancel()
    this.#syncTimer = undefined
    await this.#loading?.catch(() => undefined)
    try {
      await Promise.all(this.#logs.map((log) => log.close({ saveIndex })))
    } finally {
      await this.#release()
    }
  }

  // ── Opening ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #open(): Promise<void> {
    const { directories, checkpointDirectory, disk, readOnly = false } = this.#options
    const all = [...new Set([...directories, ...(checkpointDirectory === undefined ? [] : [checkpointDirectory])])]
    if (!readOnly) for (const directory of all) await disk.makeDirectory(directory)
    for (const directory of all) await this.#lock(directory, readOnly)
    const ids = readOnly ? undefined : await prepareIdentity(this.#options)
    if (!ids) await checkIdentity(this.#options)
    const state = () => ({ next: this.#next, gone: this.#gone })
    for (const directory of directories) {
      const { log, next, gone } = await SegmentLog.open({
        ...this.#options,
        directory,
        indexDirectory: checkpointDirectory,
        state,
        checkPlace: async () => {
          const id = ids?.get(directory)
          if (id !== undefined) await checkPlace(disk, directory, id)
        },
      })
      this.#logs.push(log)
      this.#next = Math.max(this.#next, next)
      this.#gone.addAll(gone)
    }
    // Islands above what is there must not swallow events that come.
    this.#next = Math.max(this.#next, this.#gone.end)
    this.#readTo = this.#gone.floor
    this.#keptTo = this.#next
    for (const log of this.#logs) this.#stored += await log.countFrom(this.#readTo)
    // Between the islands, the numbers alone do not say how many events there are.
    while (this.#readTo < this.#gone.end && this.#stored > 0) await this.#load()
  }

  async #lock(directory: string, readOnly: boolean): Promise<void> {
    const { disk } = this.#options
    const path = `${directory}/${lockName}`
    if (readOnly && !(await disk.list(directory)).some(({ name }) => name === lockName)) return
    const lock = await disk.lock(path)
    if (!lock) {
      throw new FlumeError('INVALID_STATE', `${directory} is in use: another process holds ${path}`, {
        retry: true,
        hint: 'each file channel needs directories of its own, and only one agent may have them',
      })
    }
    this.#locks.push(lock)
  }

  async #release(): Promise<void> {
    await this.#cursors?.close()
    this.#cursors = undefined
    for (const lock of this.#locks.splice(0)) await lock.release()
  }

  // ── Puts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The directories in turn; one with a problem only when all have one, or as a try now and then. */
  #chooseLog(): SegmentLog {
    const logs = this.#logs
    for (let i = 0; i < logs.length; i++) {
      const log = logs[(this.#turn + i) % logs.length] as SegmentLog
      if (log.problem === undefined) {
        this.#turn += i + 1
        return log
      }
    }
    return logs[this.#turn++ % logs.length] as SegmentLog
  }

  /** What is kept, and has nothing before it that waits, may be lent. */
  #admit(): void {
    let count = 0
    for (; count < this.#arriving.length && (this.#arriving[count] as Arriving).state !== 'waits'; count++) {
      const { first, batch, state } = this.#arriving[count] as Arriving
      this.#keptTo = first + batch.count
      if (state === 'failed') continue
      this.#keptBehind -= batch.count
      this.#fresh.push({ first, batch: this.#kept.keep(batch) })
    }
    this.#arriving.splice(0, count)
    while (this.#kept.bodyBytes > this.#options.memoryBytesMax) {
      const oldest = this.#fresh.shift() as Slice
      this.#kept.release(oldest.batch)
      this.#stored += oldest.batch.count
    }
  }

  // ── Takes ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #lendNow(max: number, below: number): Slice[] {
    const lent: Slice[] = []
    let room = this.#lendFrom(this.#queue, max, below, lent)
    if (room > 0 && this.#stored === 0) {
      const before = lent.length
      room = this.#lendFrom(this.#fresh, room, below, lent)
      for (const slice of lent.slice(before)) this.#passTo(slice)
    }
    for (const { batch } of lent) this.#lent += batch.count
    return lent
  }

  #lendFrom(queue: SliceQueue, max: number, below: number, lent: Slice[]): number {
    let room = max
    while (room > 0) {
      const head = queue.first
      if (!head || head.first >= below) break
      queue.shift()
      const fits = Math.min(room, below - head.first)
      if (head.batch.count > fits) {
        const part = head.batch.slice(0, fits)
        lent.push({ first: head.first, batch: part })
        queue.unshift({ first: head.first + fits, batch: head.batch.slice(fits) })
        if (queue === this.#fresh) this.#kept.release(part)
        return 0
      }
      if (queue === this.#fresh) this.#kept.release(head.batch)
      lent.push(head)
      room -= head.batch.count
    }
    return room
  }

  /** The reader goes on behind a slice. Numbers left out on the way belong to no event, or to one that was refused. */
  #passTo({ first, batch }: Slice): void {
    this.#gone.add(this.#readTo, first)
    this.#readTo = first + batch.count
  }

  // ── The disk ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #load(): Promise<void> {
    this.#loading ??= this.#readAhead().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #readAhead(): Promise<void> {
    const cursors = (this.#cursors ??= new Merge(this.#logs, this.#readTo))
    try {
      for (let bytes = 0; bytes < readAheadBytes && this.#stored > 0; ) {
        // Everything below the limit was on the disk before the cursors look; what comes meanwhile may not be.
        const limit = this.#limit
        const record = await cursors.next()
        if (record && record.header.first < limit) {
          this.#takeIn(record, limit)
          bytes += record.bytes.length
          continue
        }
        if (record) cursors.putBack(record)
        this.#gone.add(this.#readTo, limit)
        this.#readTo = Math.max(this.#readTo, limit)
        if (limit === this.#limit) this.#giveUpRest()
      }
    } catch (error) {
      this.#cursors = undefined
      await cursors.close().catch(() => undefined)
      throw new FlumeError('IO', `the log cannot be read: ${asError(error).message}`, { cause: error, retry: true })
    }
    if (this.#stored > 0) return
    // They would have to read all that goes through memory from now on.
    this.#cursors = undefined
    await cursors.close()
  }

  /** Where memory begins. */
  get #limit(): number {
    return this.#fresh.first?.first ?? this.#keptTo
  }

  /** A record of the disk goes into the queue, but for what is in memory or gone. */
  #takeIn({ bytes, header }: FoundRecord, limit: number): void {
    const { first, count } = header
    const from = Math.max(first, this.#readTo)
    const to = Math.min(first + count, limit)
    if (to <= from) return
    let batch: EventBatch
    try {
      batch = decodeBatch(bytes, header)
    } catch (error) {
      // It is missed, and counted as lost, when the end is reached.
      this.#options.report.error(`events ${first} to ${first + count - 1}: ${asError(error).message}`)
      return
    }
    this.#gone.add(this.#readTo, from)
    for (const part of this.#gone.missing(from, to)) {
      this.#queue.push({ first: part.from, batch: batch.slice(part.from - first, part.to - first) })
    }
    this.#stored = Math.max(0, this.#stored - (to - from))
    this.#readTo = to
  }

  /** Everything that is only on the disk has been read; what was counted and did not come is lost. */
  #giveUpRest(): void {
    const lost = this.#stored
    this.#stored = 0
    if (lost > 0) this.#options.onLost(lost)
    this.#dropConsumed()
  }

  #dropConsumed(): void {
    if (this.#options.readOnly) return
    for (const log of this.#logs) void log.removeBelow(this.#gone.floor)
  }
}

/** The records of several logs in the order of their numbers. */
class Merge {
  readonly #sources: { readonly cursor: LogCursor; records: FoundRecord[] }[]
  #back: FoundRecord | undefined

  constructor(logs: readonly SegmentLog[], from: number) {
    this.#sources = logs.map((log) => ({ cursor: new LogCursor(log, from), records: [] }))
  }

  async next(): Promise<FoundRecord | undefined> {
    const back = this.#back
    // What was put back may not be the lowest any more only if a log went backwards, which none does.
    this.#back = undefined
    if (back) return back
    let lowest: FoundRecord[] | undefined
    for (const source of this.#sources) {
      if (source.records.length === 0) source.records = [...((await source.cursor.next()) ?? [])].reverse()
      const head = source.records.at(-1)
      if (head && (!lowest || head.header.first < (lowest.at(-1) as FoundRecord).header.first)) lowest = source.records
    }
    return lowest?.pop()
  }

  putBack(record: FoundRecord): void {
    this.#back = record
  }

  async close(): Promise<void> {
    for (const { cursor } of this.#sources) await cursor.close()
  }
}
