import type { TimeZone } from './time-zone.ts'

/**
 * A time as FastDateFormat of Apache's commons-lang 3 (and Java's SimpleDateFormat) writes it in English, by a pattern:
 *
 *   pattern = letters | 'quoted text' | '' | anything else, which stands for itself
 *   letters = one letter, repeated: how often says how long
 *
 * Letters for weeks of the year and of the month (w W Y) and for names of zones (z) depend on the place, and are refused.
 */

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October']
const monthNames = [...months, 'November', 'December']
const dayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

interface Moment {
  /** The local reading, as if it were UTC. */
  readonly wall: Date
  readonly offsetMs: number
}

type Letter = (moment: Moment, count: number) => string

const pad = (value: number, count: number): string => String(value).padStart(count, '0')
const name = (text: string, isLong: boolean): string => (isLong ? text : text.slice(0, 3))
const number =
  (read: (wall: Date) => number): Letter =>
  ({ wall }, count) =>
    pad(read(wall), count)

const month: Letter = ({ wall }, count) => {
  const index = wall.getUTCMonth()
  return count > 2 ? name(monthNames[index] as string, count > 3) : pad(index + 1, count)
}

const letters: Readonly<Record<string, Letter>> = {
  G: ({ wall }) => (wall.getUTCFullYear() > 0 ? 'AD' : 'BC'),
  y: ({ wall }, count) => {
    const year = wall.getUTCFullYear()
    return count === 2 ? pad(year % 100, 2) : pad(year, count === 3 ? 3 : Math.max(count, 4))
  },
  M: month,
  d: number((wall) => wall.getUTCDate()),
  D: number((wall) => Math.floor((wall.getTime() - Date.UTC(wall.getUTCFullYear(), 0)) / 86_400_000) + 1),
  F: number((wall) => Math.floor((wall.getUTCDate() - 1) / 7) + 1),
  E: ({ wall }, count) => name(dayNames[wall.getUTCDay()] as string, count > 3),
  u: number((wall) => wall.getUTCDay() || 7),
  a: ({ wall }) => (wall.getUTCHours() < 12 ? 'AM' : 'PM'),
  H: number((wall) => wall.getUTCHours()),
  k: number((wall) => wall.getUTCHours() || 24),
  K: number((wall) => wall.getUTCHours() % 12),
  h: number((wall) => wall.getUTCHours() % 12 || 12),
  m: number((wall) => wall.getUTCMinutes()),
  s: number((wall) => wall.getUTCSeconds()),
  S: number((wall) => wall.getUTCMilliseconds()),
  X: ({ offsetMs }, count) => (offsetMs === 0 ? 'Z' : offset(offsetMs, count > 2 ? ':' : '', count > 1)),
  Z: ({ offsetMs }, count) => {
    if (count === 2 && offsetMs === 0) return 'Z'
    return offset(offsetMs, count > 1 ? ':' : '', true)
  },
}

function offset(offsetMs: number, colon: string, hasMinutes: boolean): string {
  const minutes = Math.abs(Math.trunc(offsetMs / 60_000))
  const hours = `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}`
  return hasMinutes ? `${hours}${colon}${pad(minutes % 60, 2)}` : hours
}

/** The time as the pattern says; undefined where a letter is unknown or refused, or a quote is not closed. */
export function formatJavaDate(pattern: string, timeMs: number, zone: TimeZone): string | undefined {
  const offsetMs = zone.offsetMsAt(timeMs)
  const moment = { wall: new Date(timeMs + offsetMs), offsetMs }
  let text = ''
  for (const [token] of pattern.matchAll(/''|'(?:[^']|'')*'?|([A-Za-z])\1*|[^A-Za-z']+/g)) {
    if (token === "''") text += "'"
    else if (token.startsWith("'")) {
      if (token.length < 2 || !token.endsWith("'")) return undefined
      text += token.slice(1, -1).replaceAll("''", "'")
    } else if (/[A-Za-z]/.test(token)) {
      const letter = Object.hasOwn(letters, token[0] as string) ? letters[token[0] as string] : undefined
      if (!letter || token.length > 20 || (token[0] === 'X' && token.length > 3)) return undefined
      text += letter(moment, token.length)
    } else text += token
  }
  return text
}
