/** Numbers and times in the words of Spark's streaming page (streaming-ui §3). */

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** `2 minutes 3 seconds`; milliseconds only under a minute and only if not 0. */
export function verboseDuration(ms: number): string {
  const words: string[] = []
  let left = Math.max(0, Math.floor(ms))
  for (const [unit, unitMs] of units) {
    const count = Math.floor(left / unitMs)
    left -= count * unitMs
    if (count > 0) words.push(counted(count, unit))
  }
  if (left > 0 && ms < 60_000) words.push(`${left} ms`)
  return words.length === 0 ? '0 ms' : words.join(' ')
}

/** `37 ms`, `0.4 s`, `12 s`, `3.5 min`, `42 min`, `1.3 h`. */
export function shortDuration(ms: number): string {
  if (ms < 100) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 1) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${seconds.toFixed(0)} s`
  const minutes = seconds / 60
  if (minutes < 10) return `${minutes.toFixed(1)} min`
  if (minutes < 60) return `${minutes.toFixed(0)} min`
  return `${(minutes / 60).toFixed(1)} h`
}

/** `yyyy/MM/dd HH:mm:ss` in the machine's zone, with `.SSS` where batches are shorter than a second. */
export function dateTime(ms: number, withMillis = false): string {
  const date = new Date(ms)
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join('/')
  return `${day} ${timeOfDay(ms)}${withMillis ? `.${pad(date.getMilliseconds(), 3)}` : ''}`
}

/** `HH:mm:ss` in the machine's zone. */
export function timeOfDay(ms: number): string {
  const date = new Date(ms)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part)).join(':')
}

/** `2024-03-09T08:15:30.120GMT`, as Spark's REST interface writes dates. */
export function restDate(ms: number): string {
  return new Date(ms).toISOString().replace('Z', 'GMT')
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** One unit for a graph whose largest value this is, and what to divide by. */
export function unitFor(ms: number): { readonly unit: string; readonly divisor: number } {
  if (ms < 1000) return { unit: 'ms', divisor: 1 }
  if (ms < 60_000) return { unit: 'sec', divisor: 1000 }
  if (ms < 3_600_000) return { unit: 'min', divisor: 60_000 }
  if (ms < 86_400_000) return { unit: 'hrs', divisor: 3_600_000 }
  return { unit: 'days', divisor: 86_400_000 }
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}
