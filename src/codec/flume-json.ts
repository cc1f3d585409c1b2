import { FlumeError } from '../core/error.ts'
import { EventBatch, type HeaderColumn } from '../core/event-batch.ts'

// What Flume's HTTP source takes (S-111): [{"headers": {name: scalar, …}, "body": scalar}, …]; both may be left out.

/** The text holds no list of events where there should be one (`null`, `[null]`); Flume answers 500 to that, not 400. */
export class NoEvents extends FlumeError {
  constructor(message: string) {
    super('INVALID_DATA', message)
  }
}

/** The events of a JSON text, their bodies encoded by `encode` (UTF-8 when left out). Throws INVALID_DATA where it is none. */
export function readFlumeJson(text: string, encode?: (text: string) => Uint8Array): EventBatch {
  const list = parse(text)
  if (list === null) throw new NoEvents('there are no events in it')
  if (!Array.isArray(list)) throw new FlumeError('INVALID_DATA', 'it is no list of events')
  const bodies: string[] = []
  const headers = new Map<string, (string | undefined)[]>()
  for (const [i, event] of list.entries()) {
    if (event === null) throw new NoEvents(`event ${i} is null`)
    if (typeof event !== 'object' || Array.isArray(event)) {
      throw new FlumeError('INVALID_DATA', `event ${i} is no object`)
    }
    bodies.push(scalar(event.body, `the body of event ${i}`) ?? '')
    addHeaders(headers, event.headers, i)
  }
  return batchOf(bodies, columnsOf(headers, list.length), encode)
}

function parse(given: string): unknown {
  // A byte order mark is no part of the text.
  const text = given.charCodeAt(0) === 0xfeff ? given.slice(1) : given
  try {
    return JSON.parse(text)
  } catch (cause) {
    const repaired = withoutControls(text)
    if (repaired !== text) return parse(repaired)
    throw new FlumeError('INVALID_DATA', `it is no JSON: ${(cause as Error).message}`, { cause })
  }
}

/** As in Flume a string may go over several lines and hold tabs: control characters in strings, written as escapes. */
function withoutControls(text: string): string {
  if (!/[\u0000-\u001f]/.test(text)) return text
  return text.replaceAll(/"(?:[^"\\]|\\[^])*"/g, (literal) =>
    literal.replaceAll(/[\u0000-\u001f]/g, (control) => JSON.stringify(control).slice(1, -1)),
  )
}

function addHeaders(columns: Map<string, (string | undefined)[]>, headers: unknown, index: number): void {
  if (headers === undefined || headers === null) return
  if (typeof headers !== 'object' || Array.isArray(headers)) {
    throw new FlumeError('INVALID_DATA', `the headers of event ${index} are no object`)
  }
  for (const [name, value] of Object.entries(headers)) {
    const text = scalar(value, `a header of event ${index}`)
    if (text === undefined) continue
    let column = columns.get(name)
    if (!column) {
      column = []
      columns.set(name, column)
    }
    while (column.length < index) column.push(undefined)
    column.push(text)
  }
}

/** Text as it stands, numbers and truth values as text; nothing for null. */
function scalar(value: unknown, what: string): string | undefined {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return undefined
  if (typeof value === 'object') throw new FlumeError('INVALID_DATA', `${what} is neither text nor number`)
  return String(value)
}

function columnsOf(columns: ReadonlyMap<string, (string | undefined)[]>, count: number): Map<string, HeaderColumn> {
  const headers = new Map<string, HeaderColumn>()
  for (const [name, values] of columns) {
    while (values.length < count) values.push(undefined)
    const [first] = values
    headers.set(name, first !== undefined && values.every((value) => value === first) ? first : values)
  }
  return headers
}

function batchOf(
  bodies: readonly string[],
  headers: ReadonlyMap<string, HeaderColumn>,
  encode: ((text: string) => Uint8Array) | undefined,
): EventBatch {
  const starts = new Uint32Array(bodies.length)
  const ends = new Uint32Array(bodies.length)
  let at = 0
  const place = (i: number, length: number): void => {
    starts[i] = at
    at += length
    ends[i] = at
  }
  if (encode) {
    const parts = bodies.map(encode)
    for (const [i, { length }] of parts.entries()) place(i, length)
    return new EventBatch(Buffer.concat(parts), starts, ends, headers)
  }
  const joined = bodies.join('')
  const bytes = Buffer.from(joined)
  // One encoding of all of them; where every character is one byte, their lengths are known already.
  const isAscii = bytes.length === joined.length
  for (const [i, body] of bodies.entries()) place(i, isAscii ? body.length : Buffer.byteLength(body))
  // A pair of surrogates that two bodies share became one character: they have to be encoded apart.
  return at === bytes.length
    ? new EventBatch(bytes, starts, ends, headers)
    : batchOf(bodies, headers, (body) => Buffer.from(body))
}
