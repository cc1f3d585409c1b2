// RFC 4180. Null is an empty field and the empty text is "", as Spark writes them, so that they can be told apart.
import { FlumeError } from '../../core/error.ts'
import { base64, jsonLine } from './json.ts'
import { rowOf } from './row.ts'

const lineEnd = '\r\n'

/** Writes rows as lines of comma-separated values. */
export class CsvLines {
  readonly #columns: readonly string[]
  readonly #known: ReadonlySet<string>
  readonly #delimiter: string
  readonly #needsQuotes: RegExp

  constructor(columns: readonly string[], delimiter: string) {
    this.#columns = columns
    this.#known = new Set(columns)
    this.#delimiter = delimiter
    // Leading and trailing blanks are kept by every reader only within quotes.
    this.#needsQuotes = new RegExp(`^$|["\\r\\n]|^\\s|\\s$|${delimiter.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')}`)
  }

  /** The names of the columns. */
  header(): string {
    return this.#columns.map((name) => this.#quoted(name)).join(this.#delimiter) + lineEnd
  }

  /** One record. Throws INVALID_DATA for a field that is no column, as it would be lost. */
  line(record: unknown): string {
    const row = rowOf(record)
    for (const name of Object.keys(row)) {
      if (this.#known.has(name) || row[name] === undefined) continue
      throw new FlumeError('INVALID_DATA', `a record has the field ${JSON.stringify(name)}, which is no column`, {
        hint: `the columns are ${this.#columns.join(', ')}; name all of them in the option columns`,
      })
    }
    return this.#columns.map((name) => this.#field(row[name])).join(this.#delimiter) + lineEnd
  }

  #field(value: unknown): string {
    if (value === null || value === undefined) return ''
    if (typeof value === 'string') return this.#quoted(value)
    if (typeof value !== 'object') return this.#quoted(String(value))
    if (value instanceof Date) return this.#quoted(value.toISOString())
    if (value instanceof Uint8Array) return this.#quoted(base64(value))
    return this.#quoted(jsonLine(value))
  }

  #quoted(text: string): string {
    return this.#needsQuotes.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
}
