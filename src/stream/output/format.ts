// What can be written out of streams, and in which form each file has it.
import { FlumeError } from '../../core/error.ts'

const compressions = {
  text: ['gzip'],
  json: ['gzip'],
  csv: ['gzip'],
  avro: ['deflate', 'snappy', 'bzip2', 'zstandard'],
  parquet: ['uncompressed', 'snappy', 'gzip'],
} as const

/** An Avro schema, as JSON text or as the value it stands for. */
export type RecordSchema = string | readonly unknown[] | { readonly [name: string]: unknown }

interface Naming {
  /** Behind the batch time, with a dot between; streams only. */
  readonly suffix?: string
}

/** How `saveAsFiles` writes records. */
export type SaveFilesOptions = Naming &
  (
    | { /** One record a line, as `print` shows it. */ readonly format: 'text'; readonly compression?: 'gzip' }
    | { /** One JSON value a line. */ readonly format: 'json'; readonly compression?: 'gzip' }
    | ({ /** RFC 4180. */ readonly format: 'csv'; readonly compression?: 'gzip' } & CsvOptions)
    | {
        /** Avro's object container files. */
        readonly format: 'avro'
        /** Of the blocks; none when left out. */
        readonly compression?: (typeof compressions)['avro'][number]
        /** Made from the first records of the batch when left out. */
        readonly schema?: RecordSchema
      }
    | {
        /** Needs the package hyparquet-writer. */
        readonly format: 'parquet'
        /** Of the pages; snappy when left out. */
        readonly compression?: (typeof compressions)['parquet'][number]
        /** An Avro schema of a record; made from the first records of the batch when left out. */
        readonly schema?: RecordSchema
      }
  )

export interface CsvOptions {
  /** A first line with the names of the columns in every file; default false, as in Spark. */
  readonly header?: boolean
  /** Which fields are written, in this order; those of the first records of the batch when left out. */
  readonly columns?: readonly string[]
  /** Between fields, one character; default a comma. */
  readonly delimiter?: string
}

/** The same, checked, with what was left out filled in; plain values, so that every thread can have it. */
export type OutputFormat =
  | { readonly kind: 'text' | 'json'; readonly isGzip: boolean }
  | {
      readonly kind: 'csv'
      readonly isGzip: boolean
      readonly header: boolean
      readonly delimiter: string
      /** Undefined: there is no record that has any. */
      readonly columns: readonly string[] | undefined
    }
  | { readonly kind: 'avro'; readonly codec: string; readonly schema: string }
  | { readonly kind: 'parquet'; readonly codec: string; readonly schema: string }

/** What follows `part-00000` in the name of a file. */
export function endingOf(format: OutputFormat): string {
  const name = format.kind === 'text' ? '' : `.${format.kind}`
  return 'isGzip' in format && format.isGzip ? `${name}.gz` : name
}

/** Throws USAGE for options that are none, before the first batch. */
export function checkSaveOptions(options: SaveFilesOptions): void {
  const { format, compression } = options
  if (!Object.hasOwn(compressions, format)) {
    throw usage(`${JSON.stringify(format)} is no format`, `take ${Object.keys(compressions).join(', ')}`)
  }
  const offered: readonly string[] = compressions[format]
  if (compression !== undefined && !offered.includes(compression)) {
    throw usage(`${format} files cannot be compressed with ${compression}`, `take ${offered.join(', ')}`)
  }
  const allowed: readonly string[] = ['format', 'compression', 'suffix', ...(more[format] ?? [])]
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !allowed.includes(name)) {
      throw usage(`${format} files have no option ${name}`, `they have ${allowed.slice(1).join(', ')}`)
    }
  }
  if (options.format !== 'csv') return
  const { delimiter = ',', columns = ['any'] } = options
  if (delimiter.length !== 1 || /["\r\n]/.test(delimiter)) {
    throw usage(`${JSON.stringify(delimiter)} cannot stand between fields`, 'take one character that is no quote')
  }
  if (columns.length === 0 || new Set(columns).size < columns.length) {
    throw usage('columns must be different names, at least one', 'leave it out to take those of the first records')
  }
}

const more: Readonly<Record<string, readonly string[]>> = {
  csv: ['header', 'columns', 'delimiter'],
  avro: ['schema'],
  parquet: ['schema'],
}

function usage(problem: string, hint: string): FlumeError {
  return new FlumeError('USAGE', `saveAsFiles: ${problem}`, { hint })
}
