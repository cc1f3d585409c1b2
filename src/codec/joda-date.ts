import { TimeZone } from './time-zone.ts'

/**
 * Times as Joda's DateTimeFormat reads them by a pattern such as `dd/MMM/yyyy:HH:mm:ss Z`, names in English.
 *
 * A year takes as many digits as there are, and as many as letters where another number follows at once; other numbers
 * take up to two. Fields that the pattern does not have are those of 1970-01-01T00:00, the year 2000 where only month or day are
 * given. A reading that no clock ever showed is refused, as Joda refuses it.
 */
export class JodaPattern {
  readonly source: string
  readonly #parts: readonly Part[]

  constructor(source: string, parts: readonly Part[]) {
    this.source = source
    this.#parts = parts
  }

  /** Milliseconds since 1970, or undefined where the text is not such a time; `zone` counts where the text names none. */
  parse(text: string, zone: TimeZone): number | undefined {
    const read: Fields = {}
    let at = 0
    for (const part of this.#parts) {
      const end = part(text, at, read)
      if (end < 0) return undefined
      at = end
    }
    return at === text.length ? timeOf(read, read.zone ?? zone) : undefined
  }

  toString(): string {
    return this.source
  }
}

/** Reads from `at` on into the fields; the place behind it, or -1. */
type Part = (text: string, at: number, fields: Fields) => number

interface Fields {
  year?: number
  month?: number
  day?: number
  dayOfYear?: number
  hour?: number
  halfDayHour?: number
  afternoon?: boolean
  minute?: number
  second?: number
  millis?: number
  offsetMs?: number
  zone?: TimeZone
}
type NumberField = Exclude<keyof Fields, 'afternoon' | 'zone'>

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(' ')
/** Names that Joda knows while reading; each means a region, so that PST in July is what clocks there show then. */
const zoneNames: Readonly<Record<string, string>> = {
  UT: 'UTC',
  UTC: 'UTC',
  GMT: 'UTC',
  EST: 'America/New_York',
  EDT: 'America/New_York',
  CST: 'America/Chicago',
  CDT: 'America/Chicago',
  MST: 'America/Denver',
  MDT: 'America/Denver',
  PST: 'America/Los_Angeles',
  PDT: 'America/Los_Angeles',
}
const numbers = /^(?:[yudHkhKmsSD]|M{1,2}$)/

/** Reads a pattern, or says what in it cannot be had here. */
export function readJodaPattern(source: string): { readonly value: JodaPattern } | { readonly problem: string } {
  const tokens = source.match(/'(?:[^']|'')*'|([a-zA-Z])\1*|[^a-zA-Z']+|'/g) ?? []
  if (tokens.length === 0) return { problem: 'is empty' }
  const parts: Part[] = []
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1] ?? ''
    const isNumberNext = numbers.test(next)
    const part = partOf(token, isNumberNext)
    if (typeof part === 'string') return { problem: part }
    parts.push(part)
  }
  return { value: new JodaPattern(source, parts) }
}

function partOf(token: string, isNumberNext: boolean): Part | string {
  const letter = token[0] as string
  const width = token.length
  if (letter === "'") {
    if (width === 1) return 'has a quote without its end'
    return literal(width === 2 ? "'" : token.slice(1, -1).replaceAll("''", "'"))
  }
  if (!/[a-zA-Z]/.test(letter)) return literal(token)
  const digits = isNumberNext ? width : 9
  const field = (name: NumberField, min: number, max: number): Part => number(name, Math.min(digits, 2), min, max)
  switch (letter) {
    case 'y':
    case 'u':
      return width === 2 ? twoDigitYear(!isNumberNext) : number('year', digits, -292_275_054, 292_278_993, true)
    case 'M':
      return width >= 3 ? name(months, (fields, index) => (fields.month = index + 1)) : field('month', 1, 12)
    case 'd':
      return field('day', 1, 31)
    case 'D':
      return number('dayOfYear', 3, 1, 366)
    case 'E':
      // Joda moves the date to that day of its week; a log names the right one.
      return name(days, () => undefined)
    case 'a':
      return name(['AM', 'PM'], (fields, index) => (fields.afternoon = index === 1), 2)
    case 'H':
      return field('hour', 0, 23)
    case 'k':
      return oneBased(field('hour', 1, 24), 'hour', 24)
    case 'K':
      return field('halfDayHour', 0, 11)
    case 'h':
      return oneBased(field('halfDayHour', 1, 12), 'halfDayHour', 12)
    case 'm':
      return field('minute', 0, 59)
    case 's':
      return field('second', 0, 59)
    case 'S':
      return fraction(width)
    case 'Z':
      return width >= 3 ? `has ${token}, which is not supported here; write Z or ZZ` : offset
    case 'z':
      return width >= 4 ? `has ${token}, which Joda does not read either; write z` : zoneName
    default:
      return `has the letter ${letter}, which is not supported here`
  }
}

function literal(wanted: string): Part {
  return (text, at) =>
    text.slice(at, at + wanted.length).toLowerCase() === wanted.toLowerCase() ? at + wanted.length : -1
}

function number(field: NumberField, digitsMax: number, min: number, max: number, signed = false): Part {
  return (text, at, fields) => {
    const sign = signed && /^[+-]\d/.test(text.slice(at, at + 2)) ? 1 : 0
    let end = at + sign
    while (end - at - sign < digitsMax && isDigit(text, end)) end++
    if (end === at + sign) return -1
    const value = Number(text.slice(at, end))
    if (value < min || value > max) return -1
    fields[field] = value
    return end
  }
}

/** The year of the hundred around 2020 that ends so; more or fewer digits are a year as it stands. */
function twoDigitYear(lenient: boolean): Part {
  const plain = number('year', 9, -292_275_054, 292_278_993, true)
  return (text, at, fields) => {
    let digits = 0
    while (isDigit(text, at + digits)) digits++
    if (lenient && digits !== 2) return plain(text, at, fields)
    if (digits < 2) return -1
    const value = Number(text.slice(at, at + 2))
    fields.year = value < twoDigitsFrom ? 2000 + value : 1900 + value
    return at + 2
  }
}

/** Joda's pivot is thirty years before today, give or take fifty: these are the years from 1946 to 2045. */
const twoDigitsFrom = 46

function isDigit(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 48 && unit <= 57
}

/** A name in full or its first letters. */
function name(names: readonly string[], set: (fields: Fields, index: number) => unknown, short = 3): Part {
  return (text, at, fields) => {
    for (const length of [Number.POSITIVE_INFINITY, short]) {
      for (const [index, full] of names.entries()) {
        const wanted = full.slice(0, length)
        if (text.slice(at, at + wanted.length).toLowerCase() !== wanted.toLowerCase()) continue
        set(fields, index)
        return at + wanted.length
      }
    }
    return -1
  }
}

/** The last hour stands for 0. */
function oneBased(read: Part, field: 'hour' | 'halfDayHour', last: number): Part {
  return (text, at, fields) => {
    const end = read(text, at, fields)
    if (end >= 0 && fields[field] === last) fields[field] = 0
    return end
  }
}

function fraction(digitsMax: number): Part {
  return (text, at, fields) => {
    let end = at
    while (end - at < digitsMax && isDigit(text, end)) end++
    if (end === at) return -1
    fields.millis = Math.floor(Number(text.slice(at, Math.min(end, at + 3)).padEnd(3, '0')))
    return end
  }
}

function offset(text: string, at: number, fields: Fields): number {
  const found = /^(?:Z|([+-])(\d\d):?(?:(\d\d):?(?:(\d\d))?)?)/.exec(text.slice(at, at + 10))
  if (!found) return -1
  const [all, sign, hours = '0', minutes = '0', seconds = '0'] = found
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return -1
  fields.offsetMs = (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  return at + all.length
}

function zoneName(text: string, at: number, fields: Fields): number {
  const found = Object.keys(zoneNames)
    .filter((known) => text.startsWith(known, at))
    .sort((one, other) => other.length - one.length)[0]
  if (found === undefined) return -1
  fields.zone = TimeZone.find(zoneNames[found] as string) as TimeZone
  return at + found.length
}

function timeOf(fields: Fields, zone: TimeZone): number | undefined {
  const hasDate = fields.month !== undefined || fields.day !== undefined || fields.dayOfYear !== undefined
  const year = fields.year ?? (hasDate && fields.dayOfYear === undefined ? 2000 : 1970)
  const wall = new Date(0)
  if (fields.dayOfYear === undefined) {
    const [month, day] = [fields.month ?? 1, fields.day ?? 1]
    wall.setUTCFullYear(year, month - 1, day)
    if (wall.getUTCMonth() !== month - 1) return undefined
  } else {
    wall.setUTCFullYear(year, 0, fields.dayOfYear)
    if (wall.getUTCFullYear() !== year) return undefined
  }
  const half = fields.halfDayHour
  const hour = fields.hour ?? (half ?? 0) + (fields.afternoon === true ? 12 : 0)
  wall.setUTCHours(hour, fields.minute ?? 0, fields.second ?? 0, fields.millis ?? 0)
  const wallMs = wall.getTime()
  if (Number.isNaN(wallMs)) return undefined
  if (fields.offsetMs !== undefined) return wallMs - fields.offsetMs
  // Shown twice means the earlier time; skipped is refused.
  const dayMs = 86_400_000
  const times = [zone.offsetMsAt(wallMs - dayMs), zone.offsetMsAt(wallMs + dayMs)]
    .map((offsetMs) => ({ offsetMs, timeMs: wallMs - offsetMs }))
    .filter(({ offsetMs, timeMs }) => zone.offsetMsAt(timeMs) === offsetMs)
    .map(({ timeMs }) => timeMs)
  return times.length > 0 ? Math.min(...times) : undefined
}
