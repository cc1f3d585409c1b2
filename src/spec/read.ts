import type { Finding, Place, Severity } from './finding.ts'
import { didYouMean, editDistance } from './nearest.ts'
import type { NestedOption, Option, OptionTable, RawValue } from './option.ts'

/** The keys of one component as the configuration has them, names relative to the component. */
export type RawValues = ReadonlyMap<string, RawValue>

export interface ReadRequest {
  readonly table: OptionTable
  readonly raws: RawValues
  /** What stands before each name in the file, dot included: `a1.sources.r1.`. */
  readonly path: string
  /** Where a finding about something missing points to. */
  readonly place: Place
  /** Keys without a value: the configuration ignores them; a required one among them is said to be empty, not missing. */
  readonly empty?: ReadonlyMap<string, Place>
  /** Names that are no options and still belong to the component, for "did you mean". */
  readonly alsoKnown?: readonly string[]
  /** Keys that people take for an option: the key as written → the option. */
  readonly misnamed?: Readonly<Record<string, string>>
  /** What to say of a key that is known to do nothing; undefined when nothing is known of it. */
  readonly harmless?: (key: string) => string | undefined
  /** A value that cannot be read is a warning, and the default counts; otherwise it is an error. */
  readonly fallBack?: boolean
}

/** An option that names a component, left to whoever knows the components. */
export interface NestedRequest {
  readonly name: string
  readonly option: NestedOption<unknown, unknown>
  /** The type as configured; undefined asks for the option's default type. */
  readonly type: RawValue | undefined
  readonly raws: RawValues
  readonly empty: ReadonlyMap<string, Place>
}

export interface OptionReading {
  /** A value for every option of the table that could be read; nested ones are still to be put in. */
  readonly values: Record<string, unknown>
  readonly findings: readonly Finding[]
  readonly nested: readonly NestedRequest[]
  /** The raw value each option got, for those that were set. */
  readonly given: RawValues
  /** Keys whose values must not be shown. */
  readonly secretKeys: ReadonlySet<string>
  /** Keys without a value that a finding already mentions. */
  readonly mentionedEmpty: ReadonlySet<string>
}

/** Reads raw values by an option table: defaults filled in, everything wrong found in one pass. Never throws. */
export function readOptions(request: ReadRequest): OptionReading {
  return new OptionReader(request).read()
}

class OptionReader {
  readonly #request: ReadRequest
  readonly #findings: Finding[] = []
  readonly #given = new Map<string, RawValue>()
  readonly #below = new Map<string, Map<string, RawValue>>()
  readonly #unknown: string[] = []
  readonly #secretKeys = new Set<string>()
  readonly #mentionedEmpty = new Set<string>()

  constructor(request: ReadRequest) {
    this.#request = request
  }

  read(): OptionReading {
    const { table, raws, empty = new Map<string, Place>() } = this.#request
    for (const [key, raw] of raws) this.#assign(key, raw)
    const meant = this.#judgeUnknown()
    const values: Record<string, unknown> = {}
    const nested: NestedRequest[] = []
    for (const [name, option] of Object.entries(table)) {
      if (isNested(option)) {
        nested.push({
          name,
          option,
          type: this.#given.get(name),
          raws: this.#below.get(name) ?? new Map(),
          empty: new Map(
            [...empty].flatMap(([key, place]) =>
              key.startsWith(`${name}.`) ? [[key.slice(name.length + 1), place]] : [],
            ),
          ),
        })
      } else if (option.isPrefix) values[name] = this.#readBelow(name)
      else if (this.#given.has(name)) this.#readOne(name, option, values)
      else if (option.required) this.#missing(name, option, meant)
      else values[name] = option.default
    }
    return {
      values,
      findings: this.#findings,
      nested,
      given: this.#given,
      secretKeys: this.#secretKeys,
      mentionedEmpty: this.#mentionedEmpty,
    }
  }

  /** Finds the option a key belongs to. */
  #assign(key: string, raw: RawValue): void {
    const { table } = this.#request
    const direct = optionOf(table, key)
    if (direct && !direct.isPrefix) {
      this.#give(key, key, direct, raw)
      return
    }
    for (const [name, option] of Object.entries(table)) {
      if (!option.formerly.includes(key)) continue
      this.#find('note', 'old-key', key, raw, `is the old name of ${name} and still works`)
      // Flume reads the old name only where the new one is absent.
      if (!this.#request.raws.has(name) && !this.#given.has(name)) this.#give(name, key, option, raw)
      return
    }
    let holder: string | undefined
    for (const [name, option] of Object.entries(table)) {
      const stem = option.isPrefix ? name : isNested(option) ? `${name}.` : undefined
      if (stem === undefined || !key.startsWith(stem) || key.length === stem.length) continue
      if (holder === undefined || name.length > holder.length) holder = name
    }
    if (holder === undefined) {
      this.#unknown.push(key)
      return
    }
    const option = table[holder] as Option<unknown>
    if (option.secret || raw.secret) this.#secretKeys.add(key)
    const rest = key.slice(holder.length + (option.isPrefix ? 0 : 1))
    const below = this.#below.get(holder)
    if (below) below.set(rest, raw)
    else this.#below.set(holder, new Map([[rest, raw]]))
  }

  #give(name: string, key: string, option: Option<unknown>, raw: RawValue): void {
    this.#given.set(name, raw)
    if (option.secret || raw.secret) this.#secretKeys.add(key)
  }

  #readBelow(name: string): Readonly<Record<string, string>> {
    const below = this.#below.get(name) ?? new Map<string, RawValue>()
    // fromEntries defines own properties, so that a key named __proto__ is a key like any other.
    return Object.fromEntries([...below].map(([rest, raw]) => [rest, raw.text]))
  }

  #readOne(name: string, option: Option<unknown>, values: Record<string, unknown>): void {
    const raw = this.#given.get(name) as RawValue
    const isSecret = option.secret || raw.secret === true
    const shown = isSecret ? 'the value' : quote(raw.text)
    const comment = inlineComment(raw.text)
    if (option.kind === 'true or false' && !/^(true|false)$/i.test(raw.text)) {
      if (comment) return this.#badValue(name, raw, `${shown} is neither true nor false`)
      this.#find('warning', 'not-a-boolean', name, raw, `${shown} is neither true nor false; it counts as false`, {
        value: true,
      })
    }
    const reading = option.read(raw.text)
    if ('problem' in reading) {
      const accepts = reading.problem.includes(option.accepts) ? '' : `; it takes ${option.accepts}`
      if (!this.#request.fallBack || option.required) {
        return this.#badValue(name, raw, `${shown} ${reading.problem}${accepts}`)
      }
      const fallback =
        option.default === undefined ? 'it counts as not set' : `the default of ${String(option.default)} is used`
      const message = `${shown} ${reading.problem}${accepts}; ${fallback}`
      this.#find('warning', 'bad-value', name, raw, message, { value: true })
      values[name] = option.default
      return
    }
    if (comment && option.kind === 'text' && !isSecret && !mayHoldHash.test(name)) {
      this.#find('warning', 'inline-comment', name, raw, `the value is ${shown}, the comment included`, {
        value: true,
        hint: commentHint,
      })
    }
    values[name] = reading.value
  }

  #badValue(name: string, raw: RawValue, message: string): void {
    const hint = raw.secret ? undefined : valueHint(raw.text)
    this.#find('error', 'bad-value', name, raw, message, { value: true, ...(hint ? { hint } : {}) })
  }

  #missing(name: string, option: Option<unknown>, meant: ReadonlyMap<string, string>): void {
    const { empty, place } = this.#request
    const emptyAt = [name, ...option.formerly].find((key) => empty?.has(key))
    if (emptyAt !== undefined) {
      this.#mentionedEmpty.add(emptyAt)
      this.#find('error', 'missing', emptyAt, empty?.get(emptyAt) ?? place, 'has no value and needs one', {
        hint: `it takes ${option.accepts}: ${option.doc}`,
      })
      return
    }
    const instead = meant.get(name)
    if (instead !== undefined) {
      const raw = this.#request.raws.get(instead) as RawValue
      this.#find('error', 'missing', instead, raw, `is not an option, and ${name} is required`, {
        hint: `did you mean "${name}"?`,
      })
      return
    }
    this.#find('error', 'missing', name, place, 'is required and missing', {
      hint: `it takes ${option.accepts}: ${option.doc}`,
    })
  }

  /** Reports unknown keys; answers which required option each of the others stands for, so that it is said only once. */
  #judgeUnknown(): ReadonlyMap<string, string> {
    const { table, raws, alsoKnown = [], misnamed = {}, harmless } = this.#request
    const meant = new Map<string, string>()
    for (const key of this.#unknown) {
      const raw = raws.get(key) as RawValue
      const suggestion = Object.hasOwn(misnamed, key) ? misnamed[key] : suggestKey(key, table, alsoKnown)
      const option = suggestion === undefined ? undefined : optionOf(table, suggestion)
      const known = harmless?.(key)
      if (known !== undefined) this.#find('note', 'harmless-key', key, raw, known)
      else if (option?.required && !this.#given.has(suggestion as string) && !meant.has(suggestion as string)) {
        meant.set(suggestion as string, key)
      } else if (suggestion !== undefined) {
        this.#find('warning', 'misspelt-key', key, raw, 'is not an option and has no effect', {
          hint: `did you mean "${suggestion}"?`,
        })
      } else {
        const hint = didYouMean(key, [...Object.keys(table), ...alsoKnown])
        this.#find('warning', 'unknown-key', key, raw, 'is not an option and has no effect', hint ? { hint } : {})
      }
    }
    return meant
  }

  #find(
    severity: Severity,
    code: string,
    key: string,
    at: Place & Partial<Pick<RawValue, 'valueAt'>>,
    message: string,
    more: { readonly hint?: string; readonly value?: boolean } = {},
  ): void {
    const { line, column } = (more.value ? at.valueAt : undefined) ?? at
    this.#findings.push({
      severity,
      file: at.file,
      line,
      column,
      path: this.#request.path + key,
      code,
      message,
      ...(more.hint === undefined ? {} : { hint: more.hint }),
    })
  }
}

/** An option by its name; names such as `constructor` are no options unless the table has them. */
function optionOf(table: OptionTable, name: string): Option<unknown> | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

function isNested(option: Option<unknown>): option is NestedOption<unknown, unknown> {
  return 'component' in option
}

/** The text in quotes, cut where it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

/** Options whose texts are commands, patterns and the like, where a # is nothing to wonder about. */
const mayHoldHash = /command|shell|regex|pattern|replace|query|value$/i

const commentHint = 'comments are only allowed on a line of their own'

/** What stands before something that looks like a comment behind a value; undefined when nothing does. */
export function inlineComment(text: string): { readonly value: string } | undefined {
  if (/["']/.test(text)) return undefined
  const found = /\s+(#|\/\/)/.exec(text)
  return found ? { value: text.slice(0, found.index) } : undefined
}

/** What to do about a value that could not be read. */
export function valueHint(text: string): string | undefined {
  const comment = inlineComment(text)
  if (comment) return `${commentHint}: the value would be ${quote(comment.value)}`
  if (/\$\{[^}]*\}/.test(text)) return `"\${…}" in it was not replaced; the environment is \${env:NAME}`
  if (/^(["']).*\1$/.test(text)) return 'quotes are part of the value: leave them out'
  return undefined
}

/** Names that components use for the same thing. */
const sameThing: readonly (readonly string[])[] = [
  ['bind', 'host', 'hostname'],
  ['batchSize', 'batch-size'],
]

/** Kafka's own keys that files often give without the group they belong to. */
const kafkaKeys: Readonly<Record<string, readonly string[]>> = {
  'kafka.consumer.': ['auto.offset.reset', 'group.id', 'max.poll.records', 'session.timeout.ms', 'fetch.min.bytes'],
  'kafka.producer.': ['acks', 'linger.ms', 'compression.type', 'batch.size', 'max.request.size', 'buffer.memory'],
}

/**
 * The key that was meant, where that is nearly certain: another case, a missing or superfluous prefix, another
 * component's word for the same thing, or a slip of at most two characters.
 */
export function suggestKey(key: string, table: OptionTable, alsoKnown: readonly string[] = []): string | undefined {
  const names = [...Object.keys(table).filter((name) => !table[name]?.isPrefix), ...alsoKnown]
  const lower = key.toLowerCase()
  const exact = (wanted: string): string | undefined => names.find((name) => name.toLowerCase() === wanted)
  const sameCase = exact(lower)
  if (sameCase !== undefined) return sameCase
  const prefixed = names.find((name) => name.toLowerCase().endsWith(`.${lower}`))
  if (prefixed !== undefined) return prefixed
  for (let dot = lower.indexOf('.'); dot > 0; dot = lower.indexOf('.', dot + 1)) {
    const rest = exact(lower.slice(dot + 1))
    if (rest !== undefined) return rest
  }
  for (const [stem, keys] of Object.entries(kafkaKeys)) {
    if (Object.hasOwn(table, stem) && keys.includes(lower)) return stem + lower
  }
  for (const words of sameThing) {
    const other = words.includes(key) ? words.find((word) => names.includes(word)) : undefined
    if (other !== undefined) return other
  }
  const stem = Object.keys(table).find((name) => table[name]?.isPrefix && lower.startsWith(name.toLowerCase()))
  if (stem !== undefined && !key.startsWith(stem)) return stem + key.slice(stem.length)
  const max = key.length > 5 ? 2 : key.length > 3 ? 1 : 0
  const near = names
    .map((name) => ({ name, edits: editDistance(lower, name.toLowerCase(), max) }))
    .filter(({ edits }) => edits <= max)
    .sort((one, other) => one.edits - other.edits)
  return near[0]?.name
}
