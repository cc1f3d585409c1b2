import { crc32 } from 'node:zlib'
import type { Clock } from '../core/clock.ts'
import { asError, FlumeError } from '../core/error.ts'
import type { Random } from '../core/random.ts'
import { type Disk, type DiskFile, readWhole, systemCode, writeAtomically } from './disk.ts'
import { NumberSet, type Range } from './number-set.ts'
import { type Draft, draftState, headerBytes, padded, readState, readTaken, seal } from './record.ts'
import { type Found, type FoundRecord, holdsAnything, SegmentScan } from './segment-scan.ts'

/** Bytes of a segment that do not hold. */
export interface Damage {
  readonly path: string
  readonly offset: number
  readonly bytes: number
  /** The events that were there, where the record's header still says so. */
  readonly events: Range | undefined
  /** The last bytes of a file: a crash may have cut them off before anything of them was acknowledged. */
  readonly isEnd: boolean
}

/** What a log wants people to know. */
export interface LogReporter {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** What may change while the log is open. */
export interface LogLimits {
  /** A segment gets no longer, unless one record alone is. */
  readonly segmentBytesMax: number
  /** Puts are refused when less than this is left on the disk. */
  readonly freeBytesMin: number
  /** True: a batch is kept when it is on the medium. False: when it is written. What was taken is always noted when it is written. */
  readonly syncEach: boolean
}

export interface SegmentLogOptions extends LogLimits {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly report: LogReporter
  /** Where the segments lie. */
  readonly directory: string
  /** Where what a scan would find is kept, so that opening need not scan; undefined: always scan, and keep nothing. */
  readonly indexDirectory: string | undefined
  readonly onDamage: (damage: Damage) => void
  /** What makes opening quick could not be written. */
  readonly onIndexFailed?: () => void
  /** What a new segment begins with: the next number, and everything that is gone. */
  readonly state: () => { readonly next: number; readonly gone: NumberSet }
  /** Rejects when `directory` is not the one that was opened any more. Asked before a file is made in it. */
  readonly checkPlace?: () => Promise<void>
}

/** A segment, as far as it may be read. */
interface Segment {
  readonly sequence: number
  readonly name: string
  readonly salt: Buffer
  /** Everything before this offset was written and, where appends are synced, synced. */
  length: number
  /** One more than the highest number in it. */
  end: number
  events: number
  /** Every now and then a record: its offset, its first number, the events before it. */
  readonly marks: number[]
  isDamaged: boolean
  /** A write or a sync of it has failed: what is on the medium of its end is not known. */
  isDoubtful: boolean
}

interface Waiting {
  readonly draft: Draft
  readonly first: number
  readonly needsRoom: boolean
  readonly settle: (error: Error | undefined) => void
}

const segmentName = /^(\d{10,15})-([0-9a-f]{16})\.flog$/

/** What a segment's name says; undefined when it is none. */
export function segmentNameParts(name: string): { readonly sequence: number; readonly salt: Buffer } | undefined {
  const match = segmentName.exec(name)
  return match ? { sequence: Number(match[1]), salt: Buffer.from(match[2] as string, 'hex') } : undefined
}

/** A mark for each so many bytes: what seeking a number has to read at most. */
const markEveryBytes = 1024 * 1024
/** Most bytes that wait together for one sync. */
const groupBytesMax = 16 * 1024 * 1024
const groupCountMax = 4096
/** Groups up to this size write into room that was made ahead. */
const smallGroupBytes = 64 * 1024
const roomAheadBytes = 512 * 1024
const zeros = Buffer.alloc(roomAheadBytes)
/** Flume looks at the free space every 15 s; this also looks when much has been written. */
const freeCheckEveryMs = 5000
const freeCheckEveryBytes = 16 * 1024 * 1024
/** Damage that is not told of twice. */
const notedMax = 10_000
const indexBytesMax = 64 * 1024 * 1024
const progressEveryMs = 2000

/**
 * The log of one directory: segments, written by appends that share their syncs.
 *
 * Invariants:
 * - bytes are only ever appended, and only to the newest segment, by one writer at a time;
 * - `length` of a segment never passes what is synced (with syncEach), but for takes, which the next sync includes;
 * - after a write or a sync has failed, nothing more is written to that segment: what the medium holds of the group is
 *   unknown, everyone in it is told so, and the next group begins a new segment;
 * - a segment is removed only when a newer one is on the medium, which began with everything that was gone then.
 */
export class SegmentLog {
  readonly #options: SegmentLogOptions
  #limits: LogLimits
  readonly #segments: Segment[] = []
  readonly #waiting: Waiting[] = []
  readonly #syncWaiting: (() => void)[] = []
  #file: DiskFile | undefined
  #writing: Promise<void> | undefined
  #removing: Promise<void> = Promise.resolve()
  #closed = false
  #problem: string | undefined
  #isUnsynced = false
  #isFull = false
  #freeBytes = Number.POSITIVE_INFINITY
  #freeCheckedMs = Number.NEGATIVE_INFINITY
  #bytesSinceCheck = 0
  #indexedTo = 0
  #isOwn = false
  /** The newest file is this long, zeros at its end included. */
  #roomTo = 0
  #sequence = 0
  readonly #noted = new Set<string>()

  private constructor(options: SegmentLogOptions) {
    this.#options = options
    this.#limits = options
  }

  /** Reads what is there. Nothing on the disk is changed. Rejects when it cannot be read. */
  static async open(options: SegmentLogOptions): Promise<{ log: SegmentLog; next: number; gone: NumberSet }> {
    const log = new SegmentLog(options)
    const gone = new NumberSet()
    const next = await log.#load(gone)
    return { log, next, gone }
  }

  get directory(): string {
    return this.#options.directory
  }

  /** Why this directory takes nothing at the moment; undefined when it does. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** New limits for what is written from now on. */
  adjust(limits: LogLimits): void {
    this.#limits = limits
    // What is free is compared with the new limit before anything else is put.
    this.#freeCheckedMs = Number.NEGATIVE_INFINITY
  }

  /** Records that wait to be written. */
  get queueLength(): number {
    return this.#waiting.length
  }

  get segments(): readonly {
    readonly name: string
    readonly length: number
    readonly end: number
    readonly events: number
    readonly isDamaged: boolean
  }[] {
    return this.#segments
  }

  /** Puts a record behind the others; `settle` is called when it is kept, or with why it is not. Calls settle in order. */
  append(draft: Draft, first: number, needsRoom: boolean, settle: (error: Error | undefined) => void): void {
    if (this.#closed) {
      settle(new FlumeError('CLOSED', 'the log is closed', { retry: true }))
      return
    }
    this.#waiting.push({ draft, first, needsRoom, settle })
    this.#writing ??= this.#write()
  }

  /** Makes sure of what is written and not yet synced. A failure is reported, and that segment is left alone from then on. */
  async sync(): Promise<void> {
    // A writer that never comes to an end does it between two groups.
    if (this.#writing) await new Promise<void>((resolve) => this.#syncWaiting.push(resolve))
    else if (this.#isUnsynced) {
      // Whoever appends meanwhile waits: after a failure nothing may follow in this file.
      this.#writing = this.#write()
      await this.sync()
    }
  }

  async #syncFile(): Promise<void> {
    const { report } = this.#options
    const { syncEach } = this.#limits
    const waiting = this.#syncWaiting.splice(0)
    if (this.#isUnsynced && this.#file) {
      this.#isUnsynced = false
      try {
        await this.#file.sync()
      } catch (error) {
        await this.#abandon(error)
        const what = syncEach ? 'delivered events may be delivered again' : 'events may be lost'
        report.error(`${this.directory}: ${what} if the machine stops: ${asError(error).message}`)
      }
    }
    for (const resolve of waiting) resolve()
  }

  /** How many events with numbers from `number` on there are, as a count of whole records but for the one it falls into. */
  async countFrom(number: number): Promise<number> {
    let count = 0
    for (const segment of this.#segments) if (segment.end > number) count += segment.events
    const start = this.#locate(number)
    if (!start) return 0
    count -= start.eventsBefore
    const cursor = new LogCursor(this, number)
    try {
      await cursor.next()
      return count - cursor.eventsSkipped
    } finally {
      await cursor.close()
    }
  }

  /** Removes segments all of whose events are gone: numbers below `floor`. */
  removeBelow(floor: number): Promise<void> {
    // The newest segment must be one of this run: of one that was found, a crash may have cut off the beginning.
    while (this.#isOwn && this.#segments.length > 1 && (this.#segments[0] as Segment).end <= floor) {
      const segment = this.#segments[0] as Segment
      this.#segments.shift()
      this.#removing = this.#removing.then(() => this.#remove(segment))
    }
    return this.#removing
  }

  /** Writes down what a scan of the newest segment would find, where that is worth it. */
  async saveIndex(): Promise<void> {
    await this.sync()
    const segment = this.#segments.at(-1)
    if (!segment || this.#isUnsynced || this.#writing || segment.length === this.#indexedTo) return
    const length = segment.length
    await this.#saveIndexOf(segment)
    this.#indexedTo = length
  }

  /** Ends the log; what waits is still written. */
  async close({ saveIndex }: { readonly saveIndex: boolean }): Promise<void> {
    this.#closed = true
    while (this.#writing) await this.#writing
    await this.sync()
    await this.#removing
    if (saveIndex) await this.saveIndex()
    await this.#finishFile()
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Where to begin to read for the events from `number` on. */
  #locate(number: number): { segment: Segment; offset: number; eventsBefore: number } | undefined {
    const segment = this.#segments.find(({ end }) => end > number)
    if (!segment) return undefined
    let offset = 0
    let eventsBefore = 0
    for (let i = 0; i < segment.marks.length && (segment.marks[i + 1] as number) <= number; i += 3) {
      offset = segment.marks[i] as number
      eventsBefore = segment.marks[i + 2] as number
    }
    return { segment, offset, eventsBefore }
  }

  /** For cursors: where to go on reading; `after` is the segment that has been read. */
  locate(number: number, after = -1): ReadablePlace | undefined {
    if (after < 0) {
      const place = this.#locate(number)
      return place && { segment: place.segment, offset: place.offset }
    }
    const segment = this.#segments.find(({ sequence }) => sequence > after)
    return segment && { segment, offset: 0 }
  }

  openSegment(name: string): Promise<DiskFile> {
    return this.#options.disk.openToRead(`${this.directory}/${name}`)
  }

  /** Notes and reports bytes that do not hold. */
  noteDamage(segmentName: string, { offset, end, header }: Exclude<Found, FoundRecord>, isEnd = false): void {
    const segment = this.#segments.find(({ name }) => name === segmentName)
    if (segment) segment.isDamaged = true
    const events =
      header?.type === 'batch' || header?.type === 'void'
        ? { from: header.first, to: header.first + header.count }
        : undefined
    const path = `${this.directory}/${segmentName}`
    const place = `${segmentName}:${offset}`
    if (this.#noted.has(place)) return
    if (this.#noted.size < notedMax) this.#noted.add(place)
    this.#options.onDamage({ path, offset, bytes: end - offset, events, isEnd })
  }

  // ── Opening ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #load(gone: NumberSet): Promise<number> {
    const { disk, directory, report, clock } = this.#options
    const entries = await disk.list(directory)
    let next = 0
    let toldMs = clock.monotonic()
    const files = entries.flatMap(({ name, sizeBytes }) => {
      const match = segmentName.exec(name)
      return match
        ? [{ name, sizeBytes, sequence: Number(match[1]), salt: Buffer.from(match[2] as string, 'hex') }]
        : []
    })
    files.sort((one, other) => one.sequence - other.sequence)
    for (const [index, { name, sizeBytes, sequence, salt }] of files.entries()) {
      const segment: Segment = {
        sequence,
        name,
        salt,
        length: 0,
        end: 0,
        events: 0,
        marks: [],
        isDamaged: false,
        isDoubtful: false,
      }
      this.#segments.push(segment)
      next = Math.max(next, await this.#readIndex(segment, sizeBytes, gone))
      if (segment.length < sizeBytes) next = Math.max(next, await this.#scan(segment, sizeBytes, gone))
      next = Math.max(next, segment.end)
      if (clock.monotonic() - toldMs >= progressEveryMs) {
        toldMs = clock.monotonic()
        report.info(`opening ${directory}: ${index + 1} of ${files.length} files read`)
      }
    }
    this.#indexedTo = -1
    return Math.max(next, gone.end)
  }

  /** Reads [segment.length, sizeBytes) and adds what is found. */
  async #scan(segment: Segment, sizeBytes: number, gone: NumberSet): Promise<number> {
    const file = await this.openSegment(segment.name)
    let next = 0
    try {
      const scan = new SegmentScan(file, segment.salt, segment.length, sizeBytes)
      const held: Exclude<Found, FoundRecord>[] = []
      for (let found = await scan.next(); found; found = await scan.next()) {
        for (const one of found) {
          if (one.kind === 'damage') {
            held.push(one)
            continue
          }
          // What follows was written later, so what is damaged had been acknowledged.
          if (!one.header.continues) for (const damage of held.splice(0)) this.noteDamage(segment.name, damage)
          addTo(segment, one.header.type === 'batch' ? one.header : undefined, one.offset, one.end)
          if (one.header.type === 'taken') readTaken(one.bytes, one.header, gone)
          else if (one.header.type === 'state') next = Math.max(next, readState(one.bytes, one.header, gone))
        }
      }
      if (scan.restFrom !== undefined && (await holdsAnything(file, scan.restFrom, scan.end))) {
        held.push({ kind: 'damage', offset: scan.restFrom, end: scan.end, header: undefined })
      }
      // In what was written last: as likely cut off by a crash as damaged.
      for (const damage of held) {
        this.noteDamage(segment.name, damage, true)
        if (damage.header?.type === 'batch') next = Math.max(next, damage.header.first + damage.header.count)
      }
      return next
    } finally {
      await file.close()
    }
  }

  async #readIndex(segment: Segment, sizeBytes: number, gone: NumberSet): Promise<number> {
    const { disk, indexDirectory, report } = this.#options
    if (indexDirectory === undefined) return 0
    const path = `${indexDirectory}/${segment.name}.index`
    try {
      const bytes = await readWhole(disk, path, indexBytesMax)
      if (!bytes) return 0
      const index = parseIndex(bytes)
      if (!index || index.length > sizeBytes) {
        report.warn(`${path} does not hold; the segment is read instead`)
        return 0
      }
      segment.length = index.length
      segment.end = index.end
      segment.events = index.events
      segment.marks.push(...index.marks)
      gone.add(0, index.floor)
      for (const [from, to] of index.islands) gone.add(from, to)
      return index.next
    } catch (error) {
      report.warn(`${path} cannot be read (${asError(error).message}); the segment is read instead`)
      return 0
    }
  }

  // ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #write(): Promise<void> {
    // Whoever comes in this turn of the loop shares the first sync.
    await Promise.resolve()
    while (this.#waiting.length > 0 || this.#syncWaiting.length > 0) {
      if (this.#syncWaiting.length > 0) await this.#syncFile()
      const group = this.#nextGroup()
      if (group.length === 0) continue
      let kept: Waiting[] = group
      let failure: Error | undefined
      try {
        kept = await this.#refuseForRoom(group)
        if (kept.length > 0) await this.#writeGroup(kept)
        if (!this.#isFull) this.#problem = undefined
      } catch (error) {
        await this.#abandon(error)
        failure = new FlumeError('IO', `${this.directory} cannot be written: ${asError(error).message}`, {
          cause: error,
          retry: true,
          hint:
            systemCode(error) === 'ENOSPC' ? 'make room on that disk' : 'look at that disk; a new file is tried next',
        })
      }
      for (const { settle } of kept) settle(failure)
    }
    this.#writing = undefined
  }

  #nextGroup(): Waiting[] {
    const bytesMax = Math.min(groupBytesMax, this.#limits.segmentBytesMax - segmentBytesFloor)
    let bytes = 0
    let count = 0
    for (; count < this.#waiting.length && count < groupCountMax; count++) {
      bytes += (this.#waiting[count] as Waiting).draft.bytes.length
      if (bytes > bytesMax && count > 0) break
    }
    return this.#waiting.splice(0, count)
  }

  /** Refuses what needs room while there is too little of it (F-06); the rest goes on, since it makes room. */
  async #refuseForRoom(group: Waiting[]): Promise<Waiting[]> {
    const { disk, clock, directory } = this.#options
    const { freeBytesMin } = this.#limits
    let bytes = 0
    for (const { draft } of group) bytes += draft.bytes.length
    const nowMs = clock.monotonic()
    this.#bytesSinceCheck += bytes
    const isLow = this.#freeBytes - this.#bytesSinceCheck <= freeBytesMin
    if (isLow || this.#bytesSinceCheck > freeCheckEveryBytes || nowMs - this.#freeCheckedMs >= freeCheckEveryMs) {
      this.#freeBytes = await disk.freeBytes(directory)
      this.#freeCheckedMs = nowMs
      this.#bytesSinceCheck = bytes
    }
    if (this.#freeBytes - bytes <= freeBytesMin && (await this.#giveUpNewest())) {
      this.#freeBytes = await disk.freeBytes(directory)
    }
    this.#isFull = this.#freeBytes - bytes <= freeBytesMin
    if (!this.#isFull) return group
    const kept = group.filter(({ needsRoom }) => !needsRoom)
    if (kept.length === group.length) return group
    this.#problem = `Usable space exhausted, only ${this.#freeBytes} bytes remaining, required ${freeBytesMin} bytes`
    const error = new FlumeError('CHANNEL_FULL', `${this.#problem} in ${directory}`, {
      retry: true,
      hint: 'make room on that disk, or lower minimumRequiredSpace; it goes on by itself',
    })
    for (const { needsRoom, settle } of group) if (needsRoom) settle(error)
    return kept
  }

  /**
   * Begins a new segment when all events of the newest one are gone, so that it can be removed: with no room for another
   * event it would never get full. False when there was nothing to give up.
   */
  async #giveUpNewest(): Promise<boolean> {
    const segment = this.#segments.at(-1)
    const { floor } = this.#options.state().gone
    if (!segment || segment.events === 0 || segment.end > floor) return false
    await this.#roll(segment)
    await this.removeBelow(floor)
    return true
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const { segmentBytesMax, syncEach } = this.#limits
    let bytes = 0
    for (const { draft } of group) bytes += draft.bytes.length
    let segment = this.#segments.at(-1)
    if (!this.#file || !segment || segment.length + bytes > segmentBytesMax) segment = await this.#roll(segment)
    const file = this.#file as DiskFile
    let offset = segment.length
    for (const [index, { draft, first }] of group.entries()) {
      seal(draft, first, segment.salt, offset, index > 0 || this.#isUnsynced)
      offset += draft.bytes.length
    }
    const pieces: Uint8Array[] = group.map(({ draft }) => draft.bytes)
    if (offset > this.#roomTo) {
      // A file that grows costs a sync of the file system's own log too: room for the next small groups is made at once.
      this.#roomTo = offset
      if (bytes <= smallGroupBytes) {
        const room = Math.min(roomAheadBytes, segmentBytesMax - offset)
        if (room > 0) pieces.push(zeros.subarray(0, room))
        this.#roomTo += Math.max(0, room)
      }
    }
    await file.write(pieces, segment.length)
    // What was taken may wait for the next sync: without it, a power failure would only bring it back.
    if (syncEach && group.some(({ draft }) => draft.type === 'batch')) {
      await file.sync()
      this.#isUnsynced = false
    } else this.#isUnsynced = true
    offset = segment.length
    for (const { draft, first } of group) {
      const end = offset + draft.bytes.length
      addTo(segment, draft.type === 'batch' ? { first, count: draft.count } : undefined, offset, end)
      offset = end
    }
  }

  /** Gives back the room that was made ahead, and the file. */
  async #finishFile(): Promise<void> {
    const file = this.#file
    const length = this.#segments.at(-1)?.length ?? 0
    this.#file = undefined
    if (!file) return
    try {
      // Zeros at the end do no harm: a failure is no news.
      if (this.#roomTo > length) await file.truncate(length).catch(() => undefined)
    } finally {
      await file.close()
    }
  }

  /** Begins a new segment with everything that is gone; it is on the medium when this resolves. */
  async #roll(last: Segment | undefined): Promise<Segment> {
    const { disk, directory, random, state } = this.#options
    if (this.#isUnsynced) await this.#file?.sync()
    this.#isUnsynced = false
    await this.#finishFile()
    await this.#options.checkPlace?.()
    // Never twice, also when a file of which nothing came could not be removed.
    this.#sequence = Math.max(this.#sequence, last?.sequence ?? 0) + 1
    const sequence = this.#sequence
    const salt = Buffer.from(Array.from({ length: 8 }, () => Math.floor(random() * 256)))
    const name = `${String(sequence).padStart(10, '0')}-${salt.toString('hex')}.flog`
    const file = await disk.create(`${directory}/${name}`)
    try {
      const { next, gone } = state()
      const draft = draftState(next, gone)
      seal(draft, 0, salt, 0, false)
      await file.write([draft.bytes], 0)
      await file.sync()
      await disk.syncDirectory(directory)
      const length = draft.bytes.length
      const segment: Segment = {
        sequence,
        name,
        salt,
        length,
        end: 0,
        events: 0,
        marks: [],
        isDamaged: false,
        isDoubtful: false,
      }
      this.#segments.push(segment)
      this.#isOwn = true
      this.#file = file
      this.#roomTo = length
      if (last) await this.#saveIndexOf(last)
      return segment
    } catch (error) {
      await file.close().catch(() => undefined)
      await disk.remove(`${directory}/${name}`).catch(() => undefined)
      throw error
    }
  }

  /** Leaves the newest segment alone for good: nothing is known of what was written to it last. */
  async #abandon(error: unknown): Promise<void> {
    this.#problem = asError(error).message
    const segment = this.#segments.at(-1)
    if (this.#file && segment) segment.isDoubtful = true
    this.#isUnsynced = false
    this.#freeCheckedMs = Number.NEGATIVE_INFINITY
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => undefined)
  }

  async #remove({ name, isDamaged }: Segment): Promise<void> {
    const { disk, directory, indexDirectory, report } = this.#options
    const path = `${directory}/${name}`
    try {
      // What is damaged stays for people to look at.
      if (isDamaged) await disk.rename(path, `${path}.damaged`)
      else await disk.remove(path)
      if (indexDirectory !== undefined) await disk.remove(`${indexDirectory}/${name}.index`)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') report.warn(`${path} is done with and stays: ${asError(error).message}`)
    }
  }

  async #saveIndexOf({ name, length, end, events, marks, isDamaged, isDoubtful }: Segment): Promise<void> {
    const { disk, indexDirectory, report, state } = this.#options
    // What is damaged is read at each start, so that it is told of each time, and as what it is.
    if (indexDirectory === undefined || isDamaged || isDoubtful) return
    const { next, gone } = state()
    const islands = gone.islands.map(({ from, to }) => [from, to])
    const json = JSON.stringify({ length, end, events, next, floor: gone.floor, islands, marks })
    const bytes = Buffer.from(`${crc32(json).toString(16)}\n${json}\n`)
    try {
      await writeAtomically(disk, indexDirectory, `${name}.index`, bytes)
    } catch (error) {
      // It only saves time at the next start.
      report.warn(`${indexDirectory}/${name}.index cannot be written: ${asError(error).message}`)
      this.#options.onIndexFailed?.()
    }
  }
}

export interface ReadablePlace {
  readonly segment: { readonly sequence: number; readonly name: string; readonly salt: Buffer; readonly length: number }
  readonly offset: number
}

/** Reads the batches of one log in order of their numbers, as far as they are kept. */
export class LogCursor {
  readonly #log: SegmentLog
  readonly #from: number
  #place: ReadablePlace | undefined
  #offset = 0
  #file: DiskFile | undefined
  /** Events of records that begin before the number asked for, and all that lie before it. */
  eventsSkipped = 0

  /** Begins with the events from number `from` on. */
  constructor(log: SegmentLog, from: number) {
    this.#log = log
    this.#from = from
  }

  /** Some more records with events, oldest first; undefined when there are no more for now. */
  async next(): Promise<readonly FoundRecord[] | undefined> {
    for (;;) {
      if (!this.#place) {
        const place = this.#log.locate(this.#from)
        if (!place) return undefined
        this.#place = place
        this.#offset = place.offset
      }
      const { segment } = this.#place
      if (this.#offset >= segment.length) {
        const following = this.#log.locate(this.#from, segment.sequence)
        if (!following) return undefined
        await this.close()
        this.#place = following
        this.#offset = 0
        continue
      }
      this.#file ??= await this.#log.openSegment(segment.name)
      const batches = await this.#read(segment)
      if (batches.length > 0) return batches
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #read(segment: ReadablePlace['segment']): Promise<FoundRecord[]> {
    const until = segment.length
    const scan = new SegmentScan(this.#file as DiskFile, segment.salt, this.#offset, until)
    const found = await scan.next()
    if (!found) {
      if (scan.restFrom !== undefined) {
        this.#log.noteDamage(segment.name, {
          kind: 'damage',
          offset: scan.restFrom,
          end: Math.max(until, scan.restFrom),
          header: undefined,
        })
      } else if (scan.end < until) {
        this.#log.noteDamage(segment.name, { kind: 'damage', offset: scan.end, end: until, header: undefined })
      }
      this.#offset = until
      return []
    }
    const batches: FoundRecord[] = []
    for (const one of found) {
      this.#offset = one.end
      if (one.kind === 'damage') this.#log.noteDamage(segment.name, one)
      else if (one.header.type === 'batch') {
        const { first, count } = one.header
        if (first + count > this.#from) batches.push(one)
        this.eventsSkipped += Math.max(0, Math.min(count, this.#from - first))
      }
    }
    return batches
  }
}

function addTo(
  segment: Segment,
  batch: { readonly first: number; readonly count: number } | undefined,
  offset: number,
  end: number,
): void {
  if (batch) {
    const lastMark = segment.marks.at(-3)
    if (lastMark === undefined || offset - lastMark >= markEveryBytes) {
      segment.marks.push(offset, batch.first, segment.events)
    }
    segment.end = Math.max(segment.end, batch.first + batch.count)
    segment.events += batch.count
  }
  segment.length = Math.max(segment.length, end)
}

interface Index {
  readonly length: number
  readonly end: number
  readonly events: number
  readonly next: number
  readonly floor: number
  readonly islands: readonly (readonly [number, number])[]
  readonly marks: readonly number[]
}

function parseIndex(bytes: Buffer): Index | undefined {
  const [checksum, json, rest] = bytes.toString('utf8').split('\n')
  if (checksum === undefined || json === undefined || rest !== '') return undefined
  return crc32(json).toString(16) === checksum ? (JSON.parse(json) as Index) : undefined
}

/** The smallest segment that makes sense: a state and a record. */
export const segmentBytesFloor = 2 * padded(headerBytes + 16)
