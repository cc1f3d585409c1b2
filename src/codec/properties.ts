/**
 * The text of a `.properties` file ↔ its entries, character for character as `java.util.Properties.load` reads it.
 *
 *   natural line  = characters up to \n, \r or \r\n; blank ones and those whose first character is # or ! say nothing
 *   logical line  = natural lines joined where one ends in an odd number of backslashes; blanks at the start of the next one are cut
 *   logical line  = key [blanks] [= | :] [blanks] value          blank = space, tab, form feed; the value runs to the end, blanks and all
 *   escape        = \t \n \r \f | \uXXXX | \ any other character, which then stands for itself
 */

/** One entry, with the place (from 1) where its key and its value begin. */
export interface PropertyEntry {
  readonly key: string
  readonly value: string
  readonly line: number
  readonly column: number
  readonly valueLine: number
  readonly valueColumn: number
}

/** A `\u` that is not followed by four hexadecimal digits; Java refuses the whole file then. */
export interface PropertiesProblem {
  readonly line: number
  readonly column: number
  readonly message: string
}

export interface PropertiesText {
  /** Every entry in the order of the file, duplicates included: the last one of a key counts. */
  readonly entries: readonly PropertyEntry[]
  readonly problems: readonly PropertiesProblem[]
}

/**
 * The bytes of a properties file as text: UTF-8 where they are valid UTF-8, else ISO-8859-1, a byte order mark left
 * out. Java reads ISO-8859-1 only, so that a file written in UTF-8 arrives garbled (Flume 1.11 did so with real
 * users' files); both readings agree wherever the bytes are ASCII.
 */
export function decodeProperties(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  }
}

/** Reads a whole text. Never throws: what Java would refuse is in `problems`, and its entry is left out. */
export function parseProperties(text: string): PropertiesText {
  const lines = new LineReader(text)
  const entries: PropertyEntry[] = []
  const problems: PropertiesProblem[] = []
  while (lines.next()) {
    const { keyEnd, valueStart } = separate(lines.characters)
    const key = unescape(lines, 0, keyEnd, problems)
    const value = unescape(lines, valueStart, lines.characters.length, problems)
    if (key === undefined || value === undefined) continue
    const at = lines.placeOf(0)
    const valueAt = lines.placeOf(valueStart)
    entries.push({
      key,
      value,
      line: at.line,
      column: at.column,
      valueLine: valueAt.line,
      valueColumn: valueAt.column,
    })
  }
  return { entries, problems }
}

/** Where the key of a logical line ends and its value begins. */
function separate(line: string): { readonly keyEnd: number; readonly valueStart: number } {
  let keyEnd = 0
  let valueStart = line.length
  let separatorSeen = false
  let escaped = false
  for (; keyEnd < line.length; keyEnd++) {
    const character = line[keyEnd] as string
    if (!escaped && (character === '=' || character === ':' || isBlank(character))) {
      separatorSeen = !isBlank(character)
      valueStart = keyEnd + 1
      break
    }
    escaped = character === '\\' && !escaped
  }
  for (; valueStart < line.length; valueStart++) {
    const character = line[valueStart] as string
    if (isBlank(character)) continue
    if (separatorSeen || (character !== '=' && character !== ':')) break
    separatorSeen = true
  }
  return { keyEnd, valueStart }
}

/** The characters from `start` to `end` with their escapes read; undefined, and a problem, where an escape is broken. */
function unescape(lines: LineReader, start: number, end: number, problems: PropertiesProblem[]): string | undefined {
  const raw = lines.characters.slice(start, end)
  if (!raw.includes('\\')) return raw
  let plain = ''
  for (let i = 0; i < raw.length; i++) {
    if (raw[i] !== '\\') {
      plain += raw[i]
      continue
    }
    const escape = raw[++i] ?? ''
    if (escape !== 'u') {
      plain += shortEscapes.get(escape) ?? escape
      continue
    }
    const digits = raw.slice(i + 1, i + 5)
    if (!/^[0-9A-Fa-f]{4}$/.test(digits)) {
      problems.push({
        ...lines.placeOf(start + i - 1),
        message: `"\\u${digits}" is not an escape: \\u takes four hexadecimal digits`,
      })
      return undefined
    }
    plain += String.fromCharCode(Number.parseInt(digits, 16))
    i += 4
  }
  return plain
}

const shortEscapes: ReadonlyMap<string, string> = new Map([
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
  ['f', '\f'],
])

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\f'
}

function isLineEnd(character: string | undefined): boolean {
  return character === '\n' || character === '\r'
}

/** Cuts a text into logical lines and remembers where each part of the present one stood. */
class LineReader {
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0
  #parts: { from: number; line: number; column: number }[] = []

  /** The logical line, continuation joined, escapes still in it. */
  characters = ''

  constructor(text: string) {
    this.#text = text
  }

  /** Where a character of the present logical line stood in the text. */
  placeOf(index: number): { readonly line: number; readonly column: number } {
    const part = this.#parts.findLast(({ from }) => from <= index)
    return part ? { line: part.line, column: part.column + index - part.from } : { line: this.#line, column: 1 }
  }

  /** Moves to the next logical line; false at the end of the text. */
  next(): boolean {
    const text = this.#text
    this.characters = ''
    this.#parts = []
    while (this.#at < text.length) {
      this.#skipBlanks()
      const start = this.#at
      // Java: a continued line that is still empty may be followed by a comment, so only an empty line asks for one.
      const isComment = this.characters === '' && (text[start] === '#' || text[start] === '!')
      let end = start
      let backslashes = 0
      for (; end < text.length && !isLineEnd(text[end]); end++) backslashes = text[end] === '\\' ? backslashes + 1 : 0
      const isContinued = !isComment && backslashes % 2 === 1
      if (!isComment && end > start) {
        this.#parts.push({ from: this.characters.length, line: this.#line, column: start - this.#lineStart + 1 })
        this.characters += text.slice(start, isContinued ? end - 1 : end)
      }
      this.#at = end
      this.#skipLineEnd()
      if (isContinued) {
        if (this.#at < text.length) continue
        // Java: a lone backslash at the very end is an entry without key and value, unless CR and LF both follow it.
        return this.characters !== '' || this.#at - end < 2
      }
      if (this.characters !== '') return true
      this.#parts = []
    }
    return this.characters !== ''
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length && isBlank(this.#text[this.#at] as string)) this.#at++
  }

  #skipLineEnd(): void {
    if (this.#at >= this.#text.length) return
    this.#at += this.#text.startsWith('\r\n', this.#at) ? 2 : 1
    this.#line++
    this.#lineStart = this.#at
  }
}

/** Entries as a properties file: one line each, everything but printable ASCII escaped, so that any reader reads it. */
export function formatProperties(entries: Iterable<readonly [key: string, value: string]>): string {
  let text = ''
  for (const [key, value] of entries) text += `${escape(key, true)}=${escape(value, false)}\n`
  return text
}

function escape(text: string, isKey: boolean): string {
  // Blanks count everywhere in a key, and at the start of a value only.
  const special = isKey ? /[\\=:#! ]/g : /\\|^ +/g
  return text
    .replaceAll(special, (found) => found.replaceAll(/./g, '\\$&'))
    .replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
