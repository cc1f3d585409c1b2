import { BodyTexts } from '../../codec/body-texts.ts'
import { type Charset, charsetNamed } from '../../codec/charset.ts'
import { readJavaSearch } from '../../codec/java-regex.ts'
import { readJodaPattern } from '../../codec/joda-date.ts'
import { TimeZone } from '../../codec/time-zone.ts'
import type { Logger } from '../../monitor/logger.ts'
import { list, type Options, prefix, required } from '../../spec/option.ts'
import { defineInterceptor, type EventBatch, type Interceptor, type OptionProblem } from '../contract.ts'

const options = {
  regex: required(
    'regular expression',
    'a Java regular expression',
    { doc: 'Searched for anywhere in the body, which is read as UTF-8; the first match counts.' },
    (value) => readJavaSearch(value, true),
  ),
  serializers: list({ doc: 'One name for each group of the expression; further groups are ignored.' }),
  'serializers.': prefix({
    doc: '`NAME.name` is the header that gets the group; `NAME.type` is DEFAULT (the text as it is) or `org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer`, which reads it as a time by the Joda pattern in `NAME.pattern` and puts down milliseconds since 1970.',
  }),
}
type RegexExtractorOptions = Options<typeof options>

/** What becomes of a group's text; undefined where it cannot be read. */
type Write = (text: string) => string | undefined

export const regexExtractor = defineInterceptor({
  type: 'regex_extractor',
  aliases: ['org.apache.flume.interceptor.RegexExtractorInterceptor$Builder'],
  summary: 'Puts groups of a regular expression found in the body into headers.',
  options,
  check: (options) => readSerializers(options).problems,
  create: (options, { log }) => new RegexExtractor(options, log),
})

const utf8 = charsetNamed('UTF-8') as Charset

class RegexExtractor implements Interceptor {
  readonly #regex: RegexExtractorOptions['regex']
  readonly #columns: readonly { readonly header: string; readonly write: Write | undefined }[]
  readonly #log: Logger
  #complained = false

  constructor(options: RegexExtractorOptions, log: Logger) {
    this.#regex = options.regex
    this.#columns = readSerializers(options).columns.slice(0, options.regex.groupCount)
    this.#log = log
  }

  intercept(batch: EventBatch): EventBatch {
    const texts = new BodyTexts(batch, utf8)
    const columns: (string | undefined)[][] = this.#columns.map(({ header }) => {
      const present = batch.headers.get(header)
      return typeof present === 'object' ? [...present] : new Array(batch.count).fill(present)
    })
    let found = false
    for (let i = 0; i < batch.count; i++) {
      const groups = this.#regex.exec(texts.at(i))
      if (!groups) continue
      found = true
      for (let column = 0; column < columns.length; column++) {
        const group = groups[column + 1]
        const write = this.#columns[column]?.write
        // I-04: a group that took no part leaves the event without the header.
        ;(columns[column] as (string | undefined)[])[i] =
          group === undefined || !write ? group : (write(group) ?? this.#unreadable(group, column))
      }
    }
    if (!found) return batch
    const headers = new Map(batch.headers)
    for (const [index, { header }] of this.#columns.entries()) headers.set(header, columns[index] as string[])
    return batch.withHeaders(headers)
  }

  /** Flume fails the batch, again and again; here one word, and the event goes on without the header. */
  #unreadable(text: string, column: number): undefined {
    if (this.#complained) return
    this.#complained = true
    this.#log.warn(
      `${JSON.stringify(text.slice(0, 80))} is no time as the pattern says: events like this one go without the header ${this.#columns[column]?.header}`,
    )
  }
}

function readSerializers({ serializers, ...options }: RegexExtractorOptions): {
  readonly columns: readonly { readonly header: string; readonly write: Write | undefined }[]
  readonly problems: readonly OptionProblem[]
} {
  const values = options['serializers.']
  const problems: OptionProblem[] = []
  const columns = serializers.map((name) => {
    const own = (key: string): string | undefined => {
      const path = `${name}.${key}`
      return Object.hasOwn(values, path) ? values[path] : undefined
    }
    const header = own('name')
    if (header === undefined) {
      problems.push({
        option: 'serializers',
        message: `serializers.${name}.name is missing: it says which header gets the group`,
      })
    }
    return { header: header ?? '', write: writerOf(name, own, problems) }
  })
  if (serializers.length === 0) {
    problems.push({ option: 'serializers', message: 'names no serializer; each group needs one to become a header' })
  }
  return { columns, problems }
}

function writerOf(
  name: string,
  own: (key: string) => string | undefined,
  problems: OptionProblem[],
): Write | undefined {
  const type = own('type') ?? 'DEFAULT'
  if (/^default$|PassThroughSerializer$/i.test(type)) return undefined
  const option = 'serializers'
  if (!/^millis$|\.RegexExtractorInterceptorMillisSerializer$/i.test(type)) {
    problems.push({
      option,
      message: `serializers.${name}.type: there is no serializer ${JSON.stringify(type)}`,
      hint: 'there are DEFAULT and millis; for anything else write an interceptor as a module of your own',
    })
    return undefined
  }
  const pattern = own('pattern')
  if (pattern === undefined) {
    problems.push({ option, message: `serializers.${name}.pattern is missing: it says what the time looks like` })
    return undefined
  }
  const reading = readJodaPattern(pattern)
  if ('problem' in reading) {
    problems.push({ option, message: `serializers.${name}.pattern ${reading.problem}` })
    return undefined
  }
  const zone = TimeZone.local()
  return (text) => {
    const timeMs = reading.value.parse(text, zone)
    return timeMs === undefined ? undefined : String(timeMs)
  }
}
