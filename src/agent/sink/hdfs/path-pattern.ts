import { formatLetter, isRegular, type RoundUnit, roundDown, stableMs } from '../../../codec/date-letters.ts'
import type { TimeZone } from '../../../codec/time-zone.ts'
import { type EventBatch, type HeaderColumn, RefusedEventsError } from '../../contract.ts'

export interface PatternSettings {
  /** Where times are read and rounded. */
  readonly zone: TimeZone
  readonly round: { readonly value: number; readonly unit: RoundUnit } | undefined
  /** Time escapes show the clock's time instead of the header `timestamp`. */
  readonly useLocalTimeStamp: boolean
  /** A slash in a header's value makes a directory, as in Flume; otherwise it becomes an underscore. */
  readonly slashesInHeaders: boolean
  /** HDFS takes no colon in a name. */
  readonly colonsInHeaders: boolean
}

/** The events of a batch that go to one place, in order. */
export interface Share {
  readonly directory: string
  readonly prefix: string
  readonly batch: EventBatch
}

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'header'; readonly column: number }
  | { readonly kind: 'letter'; readonly letter: string }

/** Flume's escape sequences: a letter, a header, or something about this machine (H-16, H-17, H-22). */
const escapes = /%(\w|%)|%\{([\w.-]+)\}|%\[(\w+)\]/g
/** Characters of a header's value that are used: a path may have some thousand in all. */
const valueMaxLength = 1000
/** Longest name in a path, in bytes of UTF-8: HDFS and Linux take 255. */
const nameMaxBytes = 255
/** The same for file names, which get a number and suffixes. */
const prefixMaxBytes = 190
const timestampHeader = 'timestamp'

/** Names in `%[…]` that a pattern uses, in lower case. */
export function machineNames(pattern: string): readonly string[] {
  return [...pattern.matchAll(escapes)].flatMap(([, , , name]) => (name === undefined ? [] : [name.toLowerCase()]))
}

export const knownMachineNames: readonly string[] = ['localhost', 'ip', 'fqdn']

/** Expands `hdfs.path` and `hdfs.filePrefix` for whole batches: once when all events agree, else once for each set of values. */
export class PathPattern {
  readonly #settings: PatternSettings
  readonly #directory: readonly Part[]
  readonly #prefix: readonly Part[]
  readonly #columns: string[] = []
  readonly #usesTime: boolean
  readonly #timeEscape: string
  /** For how long the expansion of a time stays the same. */
  readonly #blockMs: number

  /** `machine` gives the values of `%[localhost]`, `%[ip]` and `%[fqdn]`. */
  constructor(
    directory: string,
    prefix: string,
    settings: PatternSettings,
    machine: Readonly<Record<string, string>> = {},
  ) {
    this.#settings = settings
    this.#directory = this.#parse(directory, machine)
    this.#prefix = this.#parse(prefix, machine)
    const letters = [...this.#directory, ...this.#prefix].flatMap((part) =>
      part.kind === 'letter' ? [part.letter] : [],
    )
    this.#usesTime = letters.length > 0
    this.#timeEscape = `%${letters[0]}`
    const unitMs = settings.round && { second: 1000, minute: 60_000, hour: 900_000 }[settings.round.unit]
    this.#blockMs = letters.includes('t') ? 1 : (unitMs ?? Math.min(...letters.map(stableMs)))
  }

  /** Deals a batch out by path and prefix. Rejects INVALID_DATA when a time escape finds no usable `timestamp` (H-15). */
  partition(batch: EventBatch, nowMs: number): readonly Share[] {
    if (batch.count === 0) return []
    const columns = this.#columns.map((name) => batch.headers.get(name) ?? '')
    const times = this.#timeColumn(batch, nowMs)
    if (columns.every((column) => typeof column === 'string') && typeof times === 'string') {
      const timeMs = this.#timeOf(times)
      if (timeMs === undefined) throw this.#badTimes(batch, times)
      return [{ ...this.#expand(columns as string[], times, timeMs), batch }]
    }
    return this.#deal(batch, columns, times)
  }

  #deal(batch: EventBatch, columns: readonly HeaderColumn[], times: HeaderColumn): readonly Share[] {
    const { count } = batch
    const byValues = new Map<string, number>()
    const byPlace = new Map<string, number>()
    const places: { directory: string; prefix: string }[] = []
    const chosen = new Uint32Array(count)
    const values: string[] = columns.map(() => '')
    let block = Number.NaN
    let timeText = ''
    let timeMs = 0
    let place = -1
    for (let i = 0; i < count; i++) {
      let same = place >= 0
      for (let c = 0; c < columns.length; c++) {
        const column = columns[c] as HeaderColumn
        const value = typeof column === 'string' ? column : (column[i] ?? '')
        if (value !== values[c]) {
          values[c] = value
          same = false
        }
      }
      const nextText = typeof times === 'string' ? times : times[i]
      if (nextText !== timeText || nextText === undefined) {
        const found = this.#timeOf(nextText)
        if (found === undefined) throw this.#badTimes(batch, times)
        timeMs = found
        timeText = nextText as string
        const nextBlock = isRegular(timeMs) ? Math.floor(timeMs / this.#blockMs) : timeMs + 0.5
        if (nextBlock !== block) {
          block = nextBlock
          same = false
        }
      }
      if (!same) {
        const key = `${block}\0${values.join('\0')}`
        const known = byValues.get(key)
        if (known === undefined) {
          const found = this.#expand(values, timeText, timeMs)
          const name = `${found.directory}\0${found.prefix}`
          place = byPlace.get(name) ?? places.push(found) - 1
          byPlace.set(name, place)
          byValues.set(key, place)
        } else {
          place = known
        }
      }
      chosen[i] = place
    }
    if (places.length === 1) return [{ ...(places[0] as { directory: string; prefix: string }), batch }]
    const sizes = new Uint32Array(places.length)
    for (let i = 0; i < count; i++) (sizes[chosen[i] as number] as number)++
    const indices = Array.from(sizes, (size) => new Uint32Array(size))
    sizes.fill(0)
    for (let i = 0; i < count; i++) {
      const at = chosen[i] as number
      ;(indices[at] as Uint32Array)[sizes[at] as number] = i
      ;(sizes[at] as number)++
    }
    return places.map((found, at) => ({ ...found, batch: pick(batch, indices[at] as Uint32Array) }))
  }

  #expand(values: readonly string[], timeText: string, timeMs: number): { directory: string; prefix: string } {
    const { round, zone } = this.#settings
    const shownMs = round && this.#usesTime ? roundDown(timeMs, round.value, round.unit, zone) : timeMs
    const print = (parts: readonly Part[]): string => {
      let out = ''
      for (const part of parts) {
        if (part.kind === 'text') out += part.text
        else if (part.kind === 'header') out += this.#clean(values[part.column] as string)
        else out += part.letter === 't' ? this.#clean(timeText) : formatLetter(part.letter, shownMs, zone)
      }
      return withoutDots(out)
    }
    const directory = withShortNames(print(this.#directory), nameMaxBytes)
    const prefix = withShortNames(print(this.#prefix), prefixMaxBytes)
    // Directories in the prefix are the file's own: hdfs.inUsePrefix belongs before its name, or the rename finds no such directory.
    const slash = prefix.lastIndexOf('/')
    return slash < 0
      ? { directory, prefix }
      : { directory: `${directory}/${prefix.slice(0, slash)}`, prefix: prefix.slice(slash + 1) }
  }

  #timeColumn(batch: EventBatch, nowMs: number): HeaderColumn {
    if (!this.#usesTime) return ''
    if (this.#settings.useLocalTimeStamp) return String(nowMs)
    return batch.headers.get(timestampHeader) ?? new Array(batch.count).fill(undefined)
  }

  /** Undefined for a time that cannot be used. */
  #timeOf(text: string | undefined): number | undefined {
    if (!this.#usesTime) return 0
    if (text !== undefined && /^[+-]?\d{1,16}$/.test(text)) {
      const timeMs = Number(text)
      // Java refuses to round what is not positive; a Date ends at 8.64e15.
      if (Math.abs(timeMs) <= 8.64e15 - 86_400_000 * 2 && (timeMs > 0 || !this.#settings.round)) return timeMs
    }
    return undefined
  }

  /** Names every event whose time cannot be used; there is one at least. */
  #badTimes({ count }: EventBatch, times: HeaderColumn): RefusedEventsError {
    const events: number[] = []
    const at = (index: number): string | undefined => (typeof times === 'string' ? times : times[index])
    for (let i = 0; i < count; i++) if (this.#timeOf(at(i)) === undefined) events.push(i)
    const index = events[0] as number
    const text = at(index)
    const found = text === undefined ? 'has no timestamp header' : `has the timestamp header ${JSON.stringify(text)}`
    return new RefusedEventsError(
      'INVALID_DATA',
      `hdfs.path or hdfs.filePrefix uses ${this.#timeEscape}, but event ${index + 1} of the batch ${found}`,
      {
        events,
        hint:
          text === undefined
            ? 'add a timestamp interceptor to the source, or set hdfs.useLocalTimeStamp = true'
            : 'the header must hold milliseconds since 1970; or set hdfs.useLocalTimeStamp = true',
      },
    )
  }

  #parse(pattern: string, machine: Readonly<Record<string, string>>): readonly Part[] {
    const parts: Part[] = []
    let from = 0
    for (const match of pattern.matchAll(escapes)) {
      const [whole, letter, header, name] = match
      if (match.index > from) parts.push({ kind: 'text', text: pattern.slice(from, match.index) })
      from = match.index + whole.length
      if (letter !== undefined) parts.push({ kind: 'letter', letter })
      else if (header !== undefined) parts.push({ kind: 'header', column: this.#columnOf(header) })
      else parts.push({ kind: 'text', text: machine[(name as string).toLowerCase()] ?? '' })
    }
    if (from < pattern.length) parts.push({ kind: 'text', text: pattern.slice(from) })
    return parts
  }

  #columnOf(header: string): number {
    const known = this.#columns.indexOf(header)
    return known >= 0 ? known : this.#columns.push(header) - 1
  }

  /** A stranger's text as part of a path: it may name directories below, never above, and holds nothing that breaks names. */
  #clean(value: string): string {
    const { slashesInHeaders, colonsInHeaders } = this.#settings
    let clean = value.slice(0, valueMaxLength).replaceAll(/[\u0000-\u001f\u007f\p{Surrogate}]/gu, '_')
    if (!slashesInHeaders) clean = clean.replaceAll('/', '_')
    if (!colonsInHeaders) clean = clean.replaceAll(':', '_')
    return clean
  }
}

/** `.` and `..` as whole names become underscores, however they came together. */
function withoutDots(path: string): string {
  return path.includes('.') ? path.replaceAll(/(?<=^|\/)\.{1,2}(?=\/|$)/g, (dots) => '_'.repeat(dots.length)) : path
}

/** Names cut to what file systems take, between characters. */
function withShortNames(path: string, maxBytes: number): string {
  if (path.length * 3 <= maxBytes) return path
  return path
    .split('/')
    .map((name) => {
      if (Buffer.byteLength(name) <= maxBytes) return name
      const cut = Buffer.from(name).subarray(0, maxBytes).toString()
      return cut.replace(/\uFFFD$/, '')
    })
    .join('/')
}

function pick(batch: EventBatch, indices: Uint32Array): EventBatch {
  const first = indices[0] as number
  const last = indices[indices.length - 1] as number
  return last - first + 1 === indices.length ? batch.slice(first, last + 1) : batch.select(indices)
}
