import { isUtf8 } from 'node:buffer'
import { EventBatch, type HeaderColumn } from '../core/event-batch.ts'
import type { Charset } from './charset.ts'
import type { TimeZone } from './time-zone.ts'

// Syslog as Flume reads it (S-40…S-66).
//
//   syslogtcp, syslogudp: "<" 1*3digit ">" [digit] [ws] (stamp | "-") ws (host | "-") ws body       RFC 5424-like
//                         "<" 1*3digit ">" [digit] [ws] Mmm ws*2 d ws hh:mm:ss ws host ws body       RFC 3164-like
//   multiport_syslogtcp:  "<" 1*5digit ">" ["1 "] ("-" | stamp | 15 characters) " " host " " body
//   on TCP:               message LF, or digits " " message of so many bytes (octet counting, RFC 6587)

/** Which of Flume's two parsers is followed: they name headers differently. */
export type SyslogDialect = 'utils' | 'parser'

/** What of a message's head stays in the body: nothing, all of it, or some fields. */
export interface KeepFields {
  readonly all: boolean
  readonly priority: boolean
  readonly version: boolean
  readonly timestamp: boolean
  readonly hostname: boolean
}

/** `none`, `false`, `all`, `true`, or any text with names of fields in it (S-48). */
export function keepFieldsOf(text: string): KeepFields {
  const words = text.trim().toLowerCase()
  const all = words === 'all' || words === 'true'
  const has = (word: string): boolean => words !== 'none' && words !== 'false' && words.includes(word)
  return {
    all,
    priority: has('priority'),
    version: has('version'),
    timestamp: has('timestamp'),
    hostname: has('hostname'),
  }
}

export interface SyslogReaderOptions {
  readonly dialect: SyslogDialect
  readonly keepFields: KeepFields
  /** Longest message, in bytes; a longer one becomes several events, marked Incomplete (S-49, S-64). */
  readonly eventSize: number
  /** The time now, in milliseconds since the epoch: old stamps have no year. */
  readonly now: () => number
  /** What stamps without a zone are read in. */
  readonly zone: TimeZone
  /** Messages that are no text in it are marked Invalid. */
  readonly charset?: Charset
}

const statusHeader = 'flume.syslog.status'
const lineFeed = 0x0a
const carriageReturn = 0x0d
const zero = 0x30
const nine = 0x39
const dash = 0x2d
/** Digits of a count of octets, at most. */
const countDigitsMax = 7
/** A stamp is no longer than this, whatever its fraction. */
const stampBytesMax = 64

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= nine
const isUpper = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x41 && byte <= 0x5a
const isLower = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x61 && byte <= 0x7a
const isBlank = (byte: number | undefined): boolean => byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13)
const isWord = (byte: number | undefined): boolean => isDigit(byte) || isUpper(byte) || isLower(byte) || byte === 0x5f
/** What may follow in a host name: dot, at sign, dash. */
const isHost = (byte: number | undefined): boolean => isWord(byte) || byte === 0x2e || byte === 0x40 || byte === dash

const numbers: readonly string[] = Array.from({ length: 1000 }, (_, i) => String(i))
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Header columns of a batch while it is made. */
class Columns {
  readonly #names: readonly string[]
  readonly #values: (string | undefined)[][]
  readonly #isShared: boolean[]

  constructor(names: readonly string[]) {
    this.#names = names
    this.#values = names.map(() => [])
    this.#isShared = names.map(() => true)
  }

  add(column: number, value: string | undefined): void {
    const values = this.#values[column] as (string | undefined)[]
    if (values.length > 0 && values[0] !== value) this.#isShared[column] = false
    values.push(value)
  }

  build(): Map<string, HeaderColumn> {
    const headers = new Map<string, HeaderColumn>()
    for (const [i, name] of this.#names.entries()) {
      const values = this.#values[i] as (string | undefined)[]
      if (!this.#isShared[i]) headers.set(name, values)
      else if (values[0] !== undefined) headers.set(name, values[0])
    }
    return headers
  }
}

const columnNames: Readonly<Record<SyslogDialect, readonly string[]>> = {
  utils: ['Facility', 'Severity', 'priority', 'version', 'timestamp', 'host', statusHeader],
  parser: ['Facility', 'Severity', 'Priority', 'Version', 'timestamp', 'host', statusHeader],
}

/** Makes events of the bytes of one connection, or of single datagrams. */
export class SyslogReader {
  readonly #options: SyslogReaderOptions
  readonly #keepsSome: boolean
  #carry: Buffer = Buffer.alloc(0)
  /** Bytes that a count of octets has promised and that have not come. */
  #octetsLeft = 0

  // The batch in the making.
  #body: Buffer = Buffer.alloc(0)
  #starts: number[] = []
  #ends: number[] = []
  #prefixes: string[] = []
  #columns: Columns

  // The message in the making; positions in #body.
  #priority = -1
  #version: string | undefined
  #stampText: string | undefined
  #stampMs = Number.NaN
  #host: string | undefined
  #bodyStart = 0
  #lastStampText = ''
  #lastStampMs = Number.NaN

  constructor(options: SyslogReaderOptions) {
    this.#options = options
    const { all, priority, version, timestamp, hostname } = options.keepFields
    this.#keepsSome = !all && (priority || version || timestamp || hostname)
    this.#columns = new Columns(columnNames[options.dialect])
  }

  /** Bytes of a message that is not complete yet. */
  get carryBytes(): number {
    return this.#carry.length
  }

  /** The messages that the next chunk of a connection completes. The chunk becomes the reader's own. */
  read(chunk: Buffer): EventBatch {
    const body = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk
    this.#begin(body)
    let at = 0
    while (at < body.length) {
      const next = this.#octetsLeft > 0 ? this.#takeOctets(at) : this.#takeMessage(at)
      if (next < 0) break
      at = next
    }
    // A copy: what is kept must not keep the whole chunk.
    this.#carry = Buffer.from(body.subarray(at))
    return this.#build()
  }

  /** Each datagram as one event: what comes behind a newline in it is lost (S-40). */
  readDatagrams(datagrams: readonly Uint8Array[]): EventBatch {
    const body = datagrams.length === 1 ? Buffer.from(datagrams[0] as Uint8Array) : Buffer.concat(datagrams)
    this.#begin(body)
    let at = 0
    for (const { length } of datagrams) {
      const end = at + length
      let start = at
      while (start < end && body[start] === lineFeed) start++
      const feed = body.subarray(start, end).indexOf(lineFeed)
      this.#message(start, feed < 0 ? end : start + feed, false)
      at = end
    }
    return this.#build()
  }

  /** Where the next message begins, when the one at `at` is complete; -1 when it is not. */
  #takeMessage(at: number): number {
    const body = this.#body
    const { eventSize } = this.#options
    if (body[at] === lineFeed) return at + 1
    if (body[at] === carriageReturn && body[at + 1] === lineFeed) return at + 2
    const count = this.#octetCount(at)
    if (count !== undefined) return count
    const feed = body.indexOf(lineFeed, at)
    const end = feed < 0 ? body.length : feed
    if (end - at >= eventSize) {
      this.#message(at, at + eventSize, true)
      return at + eventSize
    }
    if (feed < 0) return -1
    this.#message(at, feed, false)
    return feed + 1
  }

  /** `83 <34>…`: where the message begins; -1 when more bytes are needed to tell, undefined when it is no count. */
  #octetCount(at: number): number | undefined {
    const body = this.#body
    let end = at
    if (body[at] === zero) return undefined
    while (end - at <= countDigitsMax && isDigit(body[end])) end++
    if (end === at || end - at > countDigitsMax) return undefined
    if (end < body.length && body[end] !== 0x20) return undefined
    if (end + 1 < body.length && body[end + 1] !== 0x3c) return undefined
    if (end + 1 >= body.length) return -1
    this.#octetsLeft = Number(body.toString('latin1', at, end))
    return end + 1
  }

  #takeOctets(at: number): number {
    const { eventSize } = this.#options
    const length = Math.min(this.#octetsLeft, eventSize)
    if (this.#body.length - at < length) return -1
    let end = at + length
    this.#octetsLeft -= length
    const isCut = this.#octetsLeft > 0
    if (!isCut && this.#body[end - 1] === lineFeed) end--
    if (end > at) this.#message(at, end, isCut)
    return at + length
  }

  #begin(body: Buffer): void {
    this.#body = body
    this.#starts = []
    this.#ends = []
    this.#prefixes = []
    this.#columns = new Columns(columnNames[this.#options.dialect])
    this.#lastStampText = ''
  }

  #build(): EventBatch {
    const headers = this.#columns.build()
    if (!this.#keepsSome) {
      return new EventBatch(this.#body, Uint32Array.from(this.#starts), Uint32Array.from(this.#ends), headers)
    }
    const parts: Buffer[] = []
    const starts = new Uint32Array(this.#starts.length)
    const ends = new Uint32Array(this.#starts.length)
    let at = 0
    for (const [i, start] of this.#starts.entries()) {
      const prefix = Buffer.from(this.#prefixes[i] as string)
      const rest = this.#body.subarray(start, this.#ends[i])
      parts.push(prefix, rest)
      starts[i] = at
      at += prefix.length + rest.length
      ends[i] = at
    }
    return new EventBatch(Buffer.concat(parts), starts, ends, headers)
  }

  /** One message, framing taken off. A carriage return before the newline belongs to that. */
  #message(start: number, messageEnd: number, isCut: boolean): void {
    const body = this.#body
    const end = !isCut && messageEnd > start && body[messageEnd - 1] === carriageReturn ? messageEnd - 1 : messageEnd
    this.#priority = -1
    this.#version = undefined
    this.#stampText = undefined
    this.#stampMs = Number.NaN
    this.#host = undefined
    this.#bodyStart = start
    const isUtils = this.#options.dialect === 'utils'
    const isValid = isUtils ? this.#parseUtils(start, end) : this.#isText(start, end) && this.#parseParser(start, end)
    // What has no body keeps the whole message (S-51, S-66).
    const hasBody = isValid && this.#bodyStart < end
    this.#starts.push(hasBody && !this.#options.keepFields.all ? this.#bodyStart : start)
    this.#ends.push(end)
    if (this.#keepsSome) this.#prefixes.push(hasBody && this.#bodyStart > start ? this.#prefix() : '')
    const priority = isValid ? this.#priority : isUtils ? 0 : -1
    const columns = this.#columns
    columns.add(0, priority < 0 ? undefined : textOf(Math.floor(priority / 8)))
    columns.add(1, priority < 0 ? undefined : textOf(priority % 8))
    // A message that matches no pattern has neither priority nor version (S-43).
    const isMatched = isValid && (!isUtils || this.#bodyStart > start)
    columns.add(2, isMatched ? textOf(this.#priority) : undefined)
    columns.add(3, isMatched ? this.#version : undefined)
    columns.add(4, isMatched && !Number.isNaN(this.#stampMs) ? String(this.#stampMs) : undefined)
    columns.add(5, isMatched ? this.#host : undefined)
    columns.add(6, isValid ? (isCut ? 'Incomplete' : undefined) : 'Invalid')
  }

  /** The fields that are kept, in front of the body; what the message has not is a dash (S-48). */
  #prefix(): string {
    const { priority, version, timestamp, hostname } = this.#options.keepFields
    let prefix = priority ? `<${this.#priority}>` : ''
    if (version && this.#version) prefix += `${this.#version} `
    if (timestamp) prefix += `${this.#stampText ?? '-'} `
    if (hostname) prefix += `${this.#host ?? '-'} `
    return prefix
  }

  #isText(start: number, end: number): boolean {
    const { charset } = this.#options
    if (!charset || charset.total) return true
    const bytes = this.#body.subarray(start, end)
    return charset.name === 'UTF-8' ? isUtf8(bytes) : charset.decode(bytes, undefined) !== undefined
  }

  /** `<` digits `>`; answers the position behind it, -1 when it is none. */
  #parsePriority(start: number, end: number, digitsMax: number): number {
    const body = this.#body
    if (start >= end || body[start] !== 0x3c) return -1
    let at = start + 1
    let value = 0
    while (at < end && isDigit(body[at])) {
      value = 10 * value + (body[at] as number) - zero
      at++
    }
    const digits = at - start - 1
    if (digits === 0 || digits > digitsMax || at >= end || body[at] !== 0x3e) return -1
    this.#priority = value
    return at + 1
  }

  // ── syslogtcp, syslogudp ─────────────────────────────────────────────────────────────────────────────────────────

  /** False when the message is Invalid. A good one that matches no pattern keeps its whole text as body (S-43). */
  #parseUtils(start: number, end: number): boolean {
    const at = this.#parsePriority(start, end, 3)
    if (at < 0) return false
    const body = this.#body
    // The digit may be the version or the first one of the year; patterns decide in this order.
    if (isDigit(body[at])) {
      if (isBlank(body[at + 1]) && this.#parseRest(at + 2, end, at)) return true
      if (this.#parseRest(at + 1, end, at)) return true
    }
    if (isBlank(body[at]) && this.#parseRest(at + 1, end, -1)) return true
    if (!this.#parseRest(at, end, -1)) this.#bodyStart = start
    return true
  }

  /** Stamp, host and body from `at` on; `versionAt`: where the version stands. */
  #parseRest(at: number, end: number, versionAt: number): boolean {
    const body = this.#body
    const isOld = isUpper(body[at])
    let next = at
    if (body[at] === dash) next = at + 1
    else next = isOld ? this.#scanOldStamp(at, end) : this.#scanNewStamp(at, end)
    if (next < 0 || next >= end || !isBlank(body[next])) return false
    const hostStart = next + 1
    let hostEnd = hostStart
    if (isWord(body[hostStart])) {
      while (hostEnd < end && isHost(body[hostEnd])) hostEnd++
    } else if (!isOld && body[hostStart] === dash) hostEnd++
    if (hostEnd === hostStart || hostEnd >= end || !isBlank(body[hostEnd])) return false
    if (body[at] !== dash) {
      this.#stampText = body.toString('latin1', at, next)
      this.#stampMs = this.#timeOf(this.#stampText, isOld, this.#options.zone)
    }
    this.#version = versionAt < 0 ? undefined : numbers[(body[versionAt] as number) - zero]
    this.#host = body[hostStart] === dash ? undefined : body.toString('latin1', hostStart, hostEnd)
    this.#bodyStart = hostEnd + 1
    return true
  }

  /** `Mmm [ ]d hh:mm:ss`; answers the position behind it, -1 when it is none. */
  #scanOldStamp(start: number, end: number): number {
    const body = this.#body
    let at = start + 3
    if (!isLower(body[start + 1]) || !isLower(body[start + 2]) || !isBlank(body[at])) return -1
    at++
    if (isBlank(body[at])) at++
    if (!isDigit(body[at])) return -1
    at++
    if (isDigit(body[at])) at++
    if (!isBlank(body[at])) return -1
    return this.#scanTime(at + 1, end)
  }

  /** `yyyy-MM-ddThh:mm:ss[.ffffff][Z|±hh:mm]`; answers the position behind it, -1 when it is none. */
  #scanNewStamp(start: number, end: number): number {
    const body = this.#body
    for (let i = 0; i < 10; i++) {
      const isRight = i === 4 || i === 7 ? body[start + i] === dash : isDigit(body[start + i])
      if (!isRight) return -1
    }
    if (body[start + 10] !== 0x54) return -1
    let at = this.#scanTime(start + 11, end)
    if (at < 0) return -1
    if (body[at] === 0x2e && isDigit(body[at + 1])) {
      at += 2
      for (let digits = 1; digits < 6 && isDigit(body[at]); digits++) at++
    }
    if (body[at] === 0x5a) return at + 1
    if (body[at] !== dash && body[at] !== 0x2b) return at
    const isZone = isDigit(body[at + 1]) && isDigit(body[at + 2]) && body[at + 3] === 0x3a
    return isZone && isDigit(body[at + 4]) && isDigit(body[at + 5]) ? at + 6 : at
  }

  /** `hh:mm:ss`. */
  #scanTime(at: number, end: number): number {
    if (at + 8 > end) return -1
    for (let i = 0; i < 8; i++) {
      const byte = this.#body[at + i]
      if (i % 3 === 2 ? byte !== 0x3a : !isDigit(byte)) return -1
    }
    return at + 8
  }

  // ── multiport_syslogtcp ──────────────────────────────────────────────────────────────────────────────────────────

  /** False when the message is Invalid (S-62). */
  #parseParser(start: number, end: number): boolean {
    const body = this.#body
    let at = this.#parsePriority(start, end, 5)
    if (at < 0 || at >= end) return false
    if (body[at] === 0x31 && body[at + 1] === 0x20 && at + 2 < end) {
      this.#version = '1'
      at += 2
    }
    const stampStart = at
    if (body[at] === dash) {
      this.#stampMs = this.#options.now()
      at += 1
    } else if (isUpper(body[at])) {
      at += 15
      if (at >= end) return false
      if (this.#scanOldStamp(stampStart, end) !== at) return false
      this.#stampText = body.toString('latin1', stampStart, at)
      this.#stampMs = this.#timeOf(this.#stampText, true, utc)
    } else {
      at = body.subarray(0, end).indexOf(0x20, at)
      if (at < 0 || at - stampStart > stampBytesMax) return false
      const text = body.toString('latin1', stampStart, at)
      // The zone is required (S-61).
      if (!/(Z|[+-]\d\d:\d\d)$/.test(text)) return false
      this.#stampText = text
      this.#stampMs = this.#timeOf(text, false, utc)
    }
    if (Number.isNaN(this.#stampMs)) return false
    const hostStart = at + 1
    const hostEnd = body.subarray(0, end).indexOf(0x20, hostStart)
    if (hostStart >= end || hostEnd < 0) return false
    this.#host = body.toString('utf8', hostStart, hostEnd)
    this.#bodyStart = hostEnd + 1
    return true
  }

  // ── Stamps ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #timeOf(text: string, isOld: boolean, zone: Pick<TimeZone, 'offsetMsAt' | 'timeAt'>): number {
    if (text === this.#lastStampText) return this.#lastStampMs
    const timeMs = isOld ? oldTime(text, this.#options.now(), zone) : newTime(text, zone)
    this.#lastStampText = text
    this.#lastStampMs = timeMs
    return timeMs
  }
}

const utc: Pick<TimeZone, 'offsetMsAt' | 'timeAt'> = { offsetMsAt: () => 0, timeAt: (wallMs) => wallMs }

function textOf(number: number): string {
  return numbers[number] ?? String(number)
}

/** The year that puts the stamp between eleven months ago and a month from now (S-45); NaN where the month is none. */
function oldTime(text: string, nowMs: number, zone: Pick<TimeZone, 'offsetMsAt' | 'timeAt'>): number {
  const month = months.indexOf(text.slice(0, 3))
  if (month < 0) return Number.NaN
  const day = Number(text.slice(4, -9))
  const [hours, minutes, seconds] = text.slice(-8).split(':').map(Number) as [number, number, number]
  const now = new Date(nowMs + zone.offsetMsAt(nowMs))
  const wallIn = (year: number): number => Date.UTC(year, month, day, hours, minutes, seconds)
  let year = now.getUTCFullYear()
  if (wallIn(year) > monthsFrom(now, 1)) year--
  else if (wallIn(year) < monthsFrom(now, -11)) year++
  return zone.timeAt(wallIn(year))
}

/** The same day so many months on, or the month's last. */
function monthsFrom(wall: Date, months: number): number {
  const moved = new Date(wall)
  moved.setUTCDate(1)
  moved.setUTCMonth(moved.getUTCMonth() + months)
  const days = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate()
  moved.setUTCDate(Math.min(wall.getUTCDate(), days))
  return moved.getTime()
}

/** Fractions count as fractions, and the zone counts; without one the stamp is in `zone`. */
function newTime(text: string, zone: Pick<TimeZone, 'offsetMsAt' | 'timeAt'>): number {
  const fields = /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.(\d+))?(?:(Z)|([+-])(\d\d):(\d\d))?$/.exec(text)
  if (!fields) return Number.NaN
  const [, year, month, day, hours, minutes, seconds, fraction = '', isZ, sign, zoneHours, zoneMinutes] = fields
  const wall = new Date(0)
  wall.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  wall.setUTCHours(Number(hours), Number(minutes), Number(seconds), Number(fraction.padEnd(3, '0').slice(0, 3)))
  const wallMs = wall.getTime()
  if (isZ) return wallMs
  if (sign === undefined) return zone.timeAt(wallMs)
  const offsetMs = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60_000
  return sign === '+' ? wallMs - offsetMs : wallMs + offsetMs
}
