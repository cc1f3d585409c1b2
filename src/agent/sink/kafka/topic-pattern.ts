import { formatLetter } from '../../../codec/date-letters.ts'
import type { TimeZone } from '../../../codec/time-zone.ts'
import { type EventBatch, type HeaderColumn, RefusedEventsError } from '../../contract.ts'

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'letter'; readonly letter: string }

/** Flume's escape sequences: a letter, a header, or something about the machine (H-16, H-22). */
const escapes = /%(\w|%)|%\{([\w.-]+)\}|%\[(\w+)\]/g
/** Names that Kafka takes. */
const topicName = /^[\w.-]{1,249}$/

/** What the escape sequences of a topic's name ask for and cannot have; undefined when there is nothing. */
export function topicProblem(pattern: string): string | undefined {
  for (const [whole, , , machine] of pattern.matchAll(escapes)) {
    if (machine !== undefined) return `uses ${whole}, which is not there for topics`
  }
  const bare = pattern.replaceAll(escapes, 'x')
  return isTopic(bare)
    ? undefined
    : 'is no name that Kafka takes: letters, digits, dots, dashes and underscores, 249 at most'
}

function isTopic(name: string): boolean {
  return topicName.test(name) && name !== '.' && name !== '..'
}

/** Names the topic of each event of a batch: its own header, or a name with escape sequences. */
export class TopicPattern {
  readonly #parts: readonly Part[]
  readonly #header: string | undefined
  readonly #zone: TimeZone

  /** `header` names the header that may choose the topic; without one the pattern is taken as it stands. */
  constructor(pattern: string, header: string | undefined, zone: TimeZone) {
    this.#parts = header === undefined ? [{ kind: 'text', text: pattern }] : parse(pattern)
    this.#header = header
    this.#zone = zone
  }

  /** One topic for all events, or one each. Rejects INVALID_DATA for a name that Kafka does not take. */
  topics(batch: EventBatch): HeaderColumn {
    const own = this.#header === undefined ? undefined : batch.headers.get(this.#header)
    if (typeof own === 'string') return checked(own, 0)
    const isFixed = this.#parts.every(({ kind, ...part }) => {
      if (kind === 'letter') return false
      return kind === 'text' || typeof (batch.headers.get((part as { name: string }).name) ?? '') === 'string'
    })
    const shared = isFixed ? this.#expand(batch, 0) : undefined
    if (shared !== undefined && own === undefined) return checked(shared, 0)
    const known = new Map<string, string>()
    return Array.from({ length: batch.count }, (_, index) => {
      const name = own?.[index] ?? shared ?? this.#expand(batch, index)
      const seen = known.get(name)
      if (seen !== undefined) return seen
      known.set(name, checked(name, index))
      return name
    })
  }

  #expand(batch: EventBatch, index: number): string {
    let out = ''
    for (const part of this.#parts) {
      if (part.kind === 'text') out += part.text
      // Flume: a header that is not there is the empty text.
      else if (part.kind === 'header') out += batch.headerAt(part.name, index) ?? ''
      else out += this.#time(part.letter, batch, index)
    }
    return out
  }

  #time(letter: string, batch: EventBatch, index: number): string {
    const text = batch.headerAt('timestamp', index)
    if (letter === 't' && text !== undefined) return text
    const timeMs = text !== undefined && /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (Math.abs(timeMs) <= 8.64e15 - 172_800_000) return formatLetter(letter, timeMs, this.#zone)
    const found = text === undefined ? 'has no timestamp header' : `has the timestamp header ${JSON.stringify(text)}`
    throw new RefusedEventsError(
      'INVALID_DATA',
      `kafka.topic uses %${letter}, but event ${index + 1} of the batch ${found}`,
      {
        events: [index],
        hint: 'add a timestamp interceptor to the source',
      },
    )
  }
}

function checked(name: string, index: number): string {
  if (isTopic(name)) return name
  throw new RefusedEventsError(
    'INVALID_DATA',
    `event ${index + 1} of the batch is for topic ${JSON.stringify(name.slice(0, 300))}, a name that Kafka does not take`,
    {
      events: [index],
      hint: 'letters, digits, dots, dashes and underscores, 249 at most; see kafka.topic, topicHeader and allowTopicOverride',
    },
  )
}

function parse(pattern: string): readonly Part[] {
  const parts: Part[] = []
  let from = 0
  for (const match of pattern.matchAll(escapes)) {
    const [whole, letter, header] = match
    if (match.index > from) parts.push({ kind: 'text', text: pattern.slice(from, match.index) })
    from = match.index + whole.length
    if (letter === '%') parts.push({ kind: 'text', text: '%' })
    else if (letter !== undefined) parts.push({ kind: 'letter', letter })
    else if (header !== undefined) parts.push({ kind: 'header', name: header })
  }
  if (from < pattern.length) parts.push({ kind: 'text', text: pattern.slice(from) })
  return parts
}
