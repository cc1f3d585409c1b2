import { isAscii, isUtf8 } from 'node:buffer'
import { EventBatch, type HeaderColumn } from '../core/event-batch.ts'

// One pass over the bytes of what Flume's HTTP source is sent nearly always:
//
//   list    = "[" ( event ( "," event )* )? "]"
//   event   = "{" ( ( "headers" ":" headers | "body" ":" string ) ( "," … )* )? "}", each key at most once
//   headers = "{" ( name ":" ( string | integer ) ( "," … )* )? "}", names and values without escapes
//
// Bodies become ranges of the bytes as they came; their escapes are resolved in place, where they always leave room. Anything
// else is not decided here: the answer is undefined, and a JSON parser has the word.

const quote = 0x22
const backslash = 0x5c
const [listBegin, listEnd, objectBegin, objectEnd, comma, colon] = [0x5b, 0x5d, 0x7b, 0x7d, 0x2c, 0x3a]
const bodyKey = Buffer.from('"body"')
const headersKey = Buffer.from('"headers"')
/** Digits that a number can have without being written in another way by JavaScript. */
const digitsMax = 15
/** Longer strings are searched by the machine's own means; for shorter ones asking takes longer than looking. */
const shortBytes = 16
/** A text that comes again is recognised up to this length. */
const recognisedBytes = 64

/** One event's headers; events that are sent with the same bytes share them, others at least their names. */
interface HeaderSet {
  readonly names: readonly string[]
  readonly values: readonly string[]
  /** The bytes they were read from. */
  readonly start: number
  readonly end: number
}

const noHeaders: HeaderSet = { names: [], values: [], start: 0, end: 0 }

/**
 * The events of a JSON text in UTF-8; undefined for a text that is not of the form above, which may still be one that is
 * taken. The bytes are given away when there are events; they are as they were when the answer is undefined. As in Flume
 * control characters may stand in strings as they are.
 */
export function scanFlumeJson(bytes: Buffer): EventBatch | undefined {
  const ascii = isAscii(bytes)
  return ascii || isUtf8(bytes) ? new Scanner(bytes, ascii).read() : undefined
}

class Scanner {
  readonly #bytes: Buffer
  readonly #isAscii: boolean
  #at = 0
  /** Where the next backslash is, from the place on at which it was looked for. */
  #backslashAt = -1
  /** Where the string read last begins and ends, without its quotes and escapes. */
  #start = 0
  #end = 0
  #hadEscapes = false
  /** The bytes before the first escape was resolved. */
  #original: Buffer | undefined
  #starts = new Uint32Array(128)
  #ends = new Uint32Array(128)
  #count = 0
  /** Headers of the events, each where it differs from the event before. */
  readonly #sets: HeaderSet[] = []
  /** For each event the place of its headers in `sets`, once two events differ. */
  #setOf: number[] | undefined
  #lastSet: HeaderSet | undefined

  constructor(bytes: Buffer, ascii: boolean) {
    this.#bytes = bytes
    this.#isAscii = ascii
    this.#findBackslash(0)
  }

  read(): EventBatch | undefined {
    if (!this.#list()) {
      this.#original?.copy(this.#bytes)
      return undefined
    }
    const count = this.#count
    return new EventBatch(this.#bytes, this.#starts.subarray(0, count), this.#ends.subarray(0, count), this.#columns())
  }

  #list(): boolean {
    if (this.#token() !== listBegin) return false
    this.#at++
    if (this.#token() === listEnd) this.#at++
    else {
      for (;;) {
        if (this.#token() !== objectBegin || !this.#event()) return false
        const after = this.#token()
        this.#at++
        if (after === listEnd) break
        if (after !== comma) return false
      }
    }
    return this.#token() === -1
  }

  #event(): boolean {
    let hasBody = false
    let headers: HeaderSet | undefined
    let start = 0
    let end = 0
    this.#at++
    if (this.#token() === objectEnd) this.#at++
    else {
      for (;;) {
        this.#token()
        if (!hasBody && this.#is(bodyKey)) {
          if (!this.#colon() || this.#token() !== quote || !this.#string()) return false
          hasBody = true
          start = this.#start
          end = this.#end
        } else if (!headers && this.#is(headersKey)) {
          if (!this.#colon() || this.#token() !== objectBegin) return false
          headers = this.#headers()
          if (!headers) return false
        } else return false
        const after = this.#token()
        this.#at++
        if (after === objectEnd) break
        if (after !== comma) return false
      }
    }
    this.#add(start, end, headers ?? noHeaders)
    return true
  }

  #add(start: number, end: number, headers: HeaderSet): void {
    const index = this.#count++
    if (index === this.#starts.length) {
      this.#starts = grown(this.#starts)
      this.#ends = grown(this.#ends)
    }
    this.#starts[index] = start
    this.#ends[index] = end
    if (headers !== this.#lastSet) {
      if (this.#sets.length > 0) this.#setOf ??= new Array<number>(index).fill(0)
      this.#sets.push(headers)
      this.#lastSet = headers
    }
    this.#setOf?.push(this.#sets.length - 1)
  }

  #headers(): HeaderSet | undefined {
    const start = this.#at
    const last = this.#lastSet ?? noHeaders
    if (last.end > 0 && this.#isSame(last, start)) {
      this.#at = start + last.end - last.start
      return last
    }
    // Names mostly come again in the same order: the list of the event before serves as long as they do.
    let names: string[] | undefined
    const values: string[] = []
    this.#at++
    if (this.#token() === objectEnd) this.#at++
    else {
      for (;;) {
        const place = values.length
        if (this.#token() !== quote || !this.#string() || this.#hadEscapes) return undefined
        const expected = last.names[place]
        const name = this.#text(expected)
        if (!this.#colon()) return undefined
        const value = this.#value(last.values[place])
        if (value === undefined) return undefined
        if (name !== expected || names) {
          names ??= last.names.slice(0, place)
          // An object in JavaScript has numbers first, and the last of two equal names.
          if (/^\d/.test(name) || names.includes(name)) return undefined
          names.push(name)
        }
        values.push(value)
        const after = this.#token()
        this.#at++
        if (after === objectEnd) break
        if (after !== comma) return undefined
      }
    }
    if (!names && values.length < last.names.length) names = last.names.slice(0, values.length)
    return { names: names ?? last.names, values, start, end: this.#at }
  }

  #value(expected: string | undefined): string | undefined {
    if (this.#token() === quote) return this.#string() && !this.#hadEscapes ? this.#text(expected) : undefined
    const bytes = this.#bytes
    const start = this.#at
    const first = bytes[start] === 0x2d ? start + 1 : start
    let at = first
    while (isDigit(bytes[at])) at++
    const digits = at - first
    // No zero before other digits; and -0 is written as 0.
    if (digits === 0 || digits > digitsMax || (bytes[first] === 0x30 && (digits > 1 || first > start))) return undefined
    this.#at = at
    const after = this.#token()
    return after === comma || after === objectEnd ? bytes.toString('latin1', start, at) : undefined
  }

  /** The string read last; `expected` itself when it is that, so that equal texts need not be made anew. */
  #text(expected: string | undefined): string {
    const bytes = this.#bytes
    const start = this.#start
    const length = this.#end - start
    if (expected !== undefined && expected.length === length && length <= recognisedBytes && this.#isAscii) {
      let i = 0
      while (i < length && bytes[start + i] === expected.charCodeAt(i)) i++
      if (i === length) return expected
    }
    return bytes.toString(this.#isAscii ? 'latin1' : 'utf8', start, this.#end)
  }

  /** Reads a string from its quote on, escapes and all; false for one that is not right. */
  #string(): boolean {
    const bytes = this.#bytes
    const start = this.#at + 1
    this.#start = start
    this.#hadEscapes = false
    let at = start
    const near = Math.min(start + shortBytes, bytes.length)
    while (at < near && bytes[at] !== quote && bytes[at] !== backslash) at++
    if (at === near) {
      at = bytes.indexOf(quote, at)
      if (at < 0) return false
      if (this.#backslashAt < start) this.#findBackslash(start)
      if (this.#backslashAt < at) at = this.#backslashAt
    }
    if (bytes[at] === backslash) return this.#escapedFrom(at)
    this.#end = at
    this.#at = at + 1
    return true
  }

  /** Goes on with a string at its first backslash, and writes it without escapes over itself. */
  #escapedFrom(first: number): boolean {
    const bytes = this.#bytes
    this.#original ??= Buffer.from(bytes)
    this.#hadEscapes = true
    let to = first
    for (let from = first; ; ) {
      const byte = bytes[from]
      if (byte === undefined) return false
      if (byte === quote) {
        this.#end = to
        this.#at = from + 1
        return true
      }
      if (byte !== backslash) {
        bytes[to++] = byte
        from++
        continue
      }
      const kind = bytes[from + 1]
      if (kind === undefined) return false
      if (kind !== 0x75) {
        const meant = plainEscapes[kind] as number
        if (meant === 0) return false
        bytes[to++] = meant
        from += 2
        continue
      }
      let code = unitAt(bytes, from + 2)
      if (code < 0) return false
      from += 6
      if (code >= 0xd800 && code < 0xdc00 && bytes[from] === backslash && bytes[from + 1] === 0x75) {
        const low = unitAt(bytes, from + 2)
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
          from += 6
        }
      }
      // Half a pair means nothing in UTF-8.
      to = writeUtf8(bytes, to, code >= 0xd800 && code < 0xe000 ? 0xfffd : code)
    }
  }

  #findBackslash(from: number): void {
    const found = this.#bytes.indexOf(backslash, from)
    this.#backslashAt = found < 0 ? Number.MAX_SAFE_INTEGER : found
  }

  /** Whether these bytes are next; they are passed then. */
  #is(word: Buffer): boolean {
    const bytes = this.#bytes
    const at = this.#at
    for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false
    this.#at = at + word.length
    return true
  }

  #isSame({ start, end }: HeaderSet, at: number): boolean {
    const bytes = this.#bytes
    for (let i = start, j = at; i < end; i++, j++) if (bytes[i] !== bytes[j]) return false
    return true
  }

  #colon(): boolean {
    if (this.#token() !== colon) return false
    this.#at++
    return true
  }

  /** The next byte that is no white space, without passing it; -1 at the end. */
  #token(): number {
    const bytes = this.#bytes
    for (;;) {
      const byte = bytes[this.#at]
      if (byte === undefined) return -1
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte
      this.#at++
    }
  }

  #columns(): ReadonlyMap<string, HeaderColumn> {
    const columns = new Map<string, HeaderColumn>()
    const [first] = this.#sets
    if (!first) return columns
    const setOf = this.#setOf
    if (!setOf) {
      for (const [i, name] of first.names.entries()) columns.set(name, first.values[i] as string)
      return columns
    }
    const growing = new Map<string, (string | undefined)[]>()
    let names: readonly string[] | undefined
    let inOrder: (string | undefined)[][] = []
    for (let i = 0; i < this.#count; i++) {
      const set = this.#sets[setOf[i] as number] as HeaderSet
      if (set.names !== names) {
        names = set.names
        inOrder = names.map((name) => {
          let column = growing.get(name)
          if (!column) {
            column = new Array<string | undefined>(this.#count).fill(undefined)
            growing.set(name, column)
          }
          return column
        })
      }
      for (let n = 0; n < inOrder.length; n++) (inOrder[n] as (string | undefined)[])[i] = set.values[n]
    }
    for (const [name, values] of growing) {
      const [one] = values
      columns.set(name, one !== undefined && values.every((value) => value === one) ? one : values)
    }
    return columns
  }
}

/** What follows a backslash, to what it stands for. */
const plainEscapes = new Uint8Array(256)
for (const [escape, meant] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  plainEscapes[(escape as string).charCodeAt(0)] = (meant as string).charCodeAt(0)
}

function writeUtf8(bytes: Buffer, at: number, code: number): number {
  if (code < 0x80) {
    bytes[at] = code
    return at + 1
  }
  if (code < 0x800) {
    bytes[at] = 0xc0 | (code >> 6)
    bytes[at + 1] = 0x80 | (code & 0x3f)
    return at + 2
  }
  if (code < 0x10000) {
    bytes[at] = 0xe0 | (code >> 12)
    bytes[at + 1] = 0x80 | ((code >> 6) & 0x3f)
    bytes[at + 2] = 0x80 | (code & 0x3f)
    return at + 3
  }
  bytes[at] = 0xf0 | (code >> 18)
  bytes[at + 1] = 0x80 | ((code >> 12) & 0x3f)
  bytes[at + 2] = 0x80 | ((code >> 6) & 0x3f)
  bytes[at + 3] = 0x80 | (code & 0x3f)
  return at + 4
}

/** The code unit of four hexadecimal digits; negative when they are none. */
function unitAt(bytes: Buffer, at: number): number {
  return (hexOf(bytes[at]) << 12) | (hexOf(bytes[at + 1]) << 8) | (hexOf(bytes[at + 2]) << 4) | hexOf(bytes[at + 3])
}

/** -1 for what is no digit. */
function hexOf(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function grown(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * column.length)
  larger.set(column)
  return larger
}
