import { regularSinceMs, type TimeZone, zoneBlockMs } from './time-zone.ts'

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

interface Moment {
  readonly timeMs: number
  /** The local reading, as if it were UTC. */
  readonly wall: Date
  readonly offsetMs: number
}

type Letter = (moment: Moment) => string

const two = (value: number): string => (value < 10 ? `0${value}` : String(value))
const shortDay: Letter = ({ wall }) => (days[wall.getUTCDay()] as string).slice(0, 3)
const shortMonth: Letter = ({ wall }) => (months[wall.getUTCMonth()] as string).slice(0, 3)
const hour: Letter = ({ wall }) => two(wall.getUTCHours())
const hour12: Letter = ({ wall }) => two(wall.getUTCHours() % 12 || 12)
const month: Letter = ({ wall }) => two(wall.getUTCMonth() + 1)
const minute: Letter = ({ wall }) => two(wall.getUTCMinutes())
const second: Letter = ({ wall }) => two(wall.getUTCSeconds())
const dayOfMonth: Letter = ({ wall }) => two(wall.getUTCDate())
const shortYear: Letter = (moment) => two(yearOf(moment) % 100)

/** Flume's date letters (H-22), as Java's SimpleDateFormat prints them in English. */
const letters: Readonly<Record<string, Letter>> = {
  a: shortDay,
  A: ({ wall }) => days[wall.getUTCDay()] as string,
  b: shortMonth,
  B: ({ wall }) => months[wall.getUTCMonth()] as string,
  c: (moment) =>
    `${shortDay(moment)} ${shortMonth(moment)} ${moment.wall.getUTCDate()} ${hour(moment)}:${minute(moment)}:${second(moment)} ${longYear(moment)}`,
  d: dayOfMonth,
  e: ({ wall }) => String(wall.getUTCDate()),
  D: (moment) => `${month(moment)}/${dayOfMonth(moment)}/${shortYear(moment)}`,
  H: hour,
  I: hour12,
  j: ({ wall }) => String(dayOfYear(wall)).padStart(3, '0'),
  k: ({ wall }) => String(wall.getUTCHours()),
  l: ({ wall }) => String(wall.getUTCHours() % 12 || 12),
  m: month,
  M: minute,
  n: ({ wall }) => String(wall.getUTCMonth() + 1),
  p: ({ wall }) => (wall.getUTCHours() < 12 ? 'AM' : 'PM'),
  s: ({ timeMs }) => String(Math.trunc(timeMs / 1000)),
  S: second,
  y: shortYear,
  Y: (moment) => longYear(moment),
  z: ({ offsetMs }) => {
    const minutes = Math.trunc(Math.abs(offsetMs) / 60_000)
    return `${offsetMs < 0 ? '-' : '+'}${two(Math.trunc(minutes / 60))}${two(minutes % 60)}`
  },
  '%': () => '%',
}

/** The text of one letter; letters that Flume does not know give nothing (H-19). */
export function formatLetter(letter: string, timeMs: number, zone: TimeZone): string {
  const offsetMs = zone.offsetMsAt(timeMs)
  return letters[letter]?.({ timeMs, offsetMs, wall: new Date(timeMs + offsetMs) }) ?? ''
}

/** How long the text of a letter stays the same at least, from any multiple of that time on, in milliseconds. */
export function stableMs(letter: string): number {
  if (letter === 's' || letter === 'S' || letter === 'c') return 1000
  return letter === 'M' ? 60_000 : zoneBlockMs
}

/** True where `stableMs` holds; before, zones were off by odd seconds. */
export function isRegular(timeMs: number): boolean {
  return timeMs >= regularSinceMs
}

export type RoundUnit = 'second' | 'minute' | 'hour'

/** The time rounded down to a multiple of `value` units within the minute, hour or day that clocks show (H-21). */
export function roundDown(timeMs: number, value: number, unit: RoundUnit, zone: TimeZone): number {
  const wall = new Date(timeMs + zone.offsetMsAt(timeMs))
  if (unit === 'second') wall.setUTCSeconds(Math.floor(wall.getUTCSeconds() / value) * value, 0)
  else if (unit === 'minute') wall.setUTCMinutes(Math.floor(wall.getUTCMinutes() / value) * value, 0, 0)
  else wall.setUTCHours(Math.floor(wall.getUTCHours() / value) * value, 0, 0, 0)
  return zone.timeAt(wall.getTime())
}

function dayOfYear(wall: Date): number {
  const first = new Date(wall)
  first.setUTCMonth(0, 1)
  return Math.round((wall.getTime() - first.getTime()) / 86_400_000) + 1
}

function yearOf({ wall }: Moment): number {
  const year = wall.getUTCFullYear()
  return year > 0 ? year : 1 - year
}

function longYear(moment: Moment): string {
  return String(yearOf(moment)).padStart(4, '0')
}
