import type { Place } from './finding.ts'

/** A raw value as the configuration gives it, with the place of its key. */
export interface RawValue extends Place {
  readonly text: string
  /** Where the value itself begins, when that is known. */
  readonly valueAt?: { readonly line: number; readonly column: number }
  /** True for a value that came from where secrets are kept: it must not be shown, whatever its option is. */
  readonly secret?: boolean
}

/** What reading a text as an option's kind gave: the value, or what is wrong with the text. */
export type Reading<T> = { readonly value: T } | { readonly problem: string }

/** What users may set, said once: parser, validator, help, reference pages and types derive from it. */
export interface Option<T> {
  readonly doc: string
  /** The kind as help prints it, unit included: `text`, `port`, `count`, `milliseconds`, `bytes`, … */
  readonly kind: string
  readonly default?: T
  /** The default as users would write it, where the value itself does not read so. */
  readonly defaultText?: string
  /** False: the component cannot run without it. */
  readonly required: boolean
  /** Its value never appears in logs, findings, metrics or errors. */
  readonly secret: boolean
  /** Older names of the same key that keep working. */
  readonly formerly: readonly string[]
  /** True for an entry that takes every key beginning with its name. */
  readonly isPrefix: boolean
  /** What a right value looks like, in words. */
  readonly accepts: string
  read(text: string): Reading<T>
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** The values of an option table, as `create` receives them. */
export type Options<S extends OptionTable> = { readonly [K in keyof S]: S[K] extends Option<infer T> ? T : never }

interface Words<T> {
  readonly doc: string
  readonly default?: T
  readonly optional?: boolean
  readonly formerly?: readonly string[]
}
type Required<T> = Words<T> & { readonly optional?: false }
type Maybe<T> = Words<T> & { readonly optional: true; readonly default?: undefined }

function define<T>(
  kind: string,
  accepts: string,
  words: Words<T>,
  read: (text: string) => Reading<T>,
  more: Partial<Option<T>> = {},
): Option<T> {
  return {
    doc: words.doc,
    kind,
    required: words.default === undefined && words.optional !== true,
    secret: false,
    formerly: words.formerly ?? [],
    isPrefix: false,
    accepts,
    read,
    ...(words.default === undefined ? {} : { default: words.default }),
    ...more,
  }
}

/** Any text, as it stands. */
export function text(words: Maybe<string>): Option<string | undefined>
export function text(words: Required<string>): Option<string>
export function text(words: Words<string>): Option<string> | Option<string | undefined> {
  return define('text', 'any text', words, (value) => ({ value }))
}

/** A text that must not be shown anywhere. */
export function secret(words: Maybe<string>): Option<string | undefined>
export function secret(words: Required<string>): Option<string>
export function secret(words: Words<string>): Option<string> | Option<string | undefined> {
  return define('secret', 'any text', words, (value) => ({ value }), { secret: true })
}

/** `true` in any case is true, everything else is false, as Java reads it; the configuration warns about the rest. */
export function flag(words: Required<boolean>): Option<boolean> {
  return define('true or false', 'true or false', words, (value) => ({ value: value.toLowerCase() === 'true' }))
}

export interface Limits {
  readonly min?: number
  readonly max?: number
}

/** A whole number; Java's strict decimal form (no `1k`, `0x10`, `1_000`). */
export function whole(kind: string, words: Maybe<number> & Limits): Option<number | undefined>
export function whole(kind: string, words: Required<number> & Limits): Option<number>
export function whole(kind: string, words: Words<number> & Limits): Option<number> | Option<number | undefined> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = words
  const range =
    words.min !== undefined && words.max !== undefined
      ? ` from ${min} to ${max}`
      : words.min !== undefined
        ? `, ${min} or more`
        : words.max !== undefined
          ? `, ${max} or less`
          : ''
  const accepts = `a whole number${range}`
  return define(kind, accepts, words, (value) => {
    if (!/^[+-]?\d+$/.test(value)) return { problem: 'is not a whole number' }
    // 9223372036854775807 stands for "no limit" in many files.
    const number = Math.max(Math.min(Number(value), Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER)
    return number < min || number > max ? { problem: `is not ${accepts}` } : { value: number }
  })
}

/** A number of things. */
export function count(words: Maybe<number> & Limits): Option<number | undefined>
export function count(words: Required<number> & Limits): Option<number>
export function count(words: Words<number> & Limits): Option<number> | Option<number | undefined> {
  return whole('count', words as Required<number> & Limits)
}

/** A size in bytes. */
export function bytes(words: Maybe<number> & Limits): Option<number | undefined>
export function bytes(words: Required<number> & Limits): Option<number>
export function bytes(words: Words<number> & Limits): Option<number> | Option<number | undefined> {
  return whole('bytes', words as Required<number> & Limits)
}

/** A time in milliseconds. */
export function millis(words: Maybe<number> & Limits): Option<number | undefined>
export function millis(words: Required<number> & Limits): Option<number>
export function millis(words: Words<number> & Limits): Option<number> | Option<number | undefined> {
  return whole('milliseconds', words as Required<number> & Limits)
}

/** A time in seconds. */
export function seconds(words: Maybe<number> & Limits): Option<number | undefined>
export function seconds(words: Required<number> & Limits): Option<number>
export function seconds(words: Words<number> & Limits): Option<number> | Option<number | undefined> {
  return whole('seconds', words as Required<number> & Limits)
}

/** A TCP or UDP port; 0 takes a free one. */
export function port(words: Maybe<number>): Option<number | undefined>
export function port(words: Required<number>): Option<number>
export function port(words: Words<number>): Option<number> | Option<number | undefined> {
  return whole('port', { ...words, min: 0, max: 65535 } as Required<number> & Limits)
}

/** One of a few words. Case does not matter unless `exact`; the value is the word as it stands in the list. */
export function choice<const W extends string>(
  words: Required<W> & { readonly of: readonly W[]; readonly exact?: boolean },
): Option<W>
export function choice<const W extends string>(
  words: Maybe<W> & { readonly of: readonly W[]; readonly exact?: boolean },
): Option<W | undefined>
export function choice<const W extends string>(
  words: Words<W> & { readonly of: readonly W[]; readonly exact?: boolean },
): Option<W> | Option<W | undefined> {
  const accepts = `one of ${words.of.join(', ')}`
  return define(words.of.join(' | '), accepts, words, (value): Reading<W> => {
    const found = words.of.find((word) => (words.exact ? word === value : word.toLowerCase() === value.toLowerCase()))
    return found === undefined ? { problem: `is not ${accepts}` } : { value: found }
  })
}

/** Words separated by whitespace. */
export function list(words: Maybe<readonly string[]>): Option<readonly string[] | undefined>
export function list(words: Required<readonly string[]>): Option<readonly string[]>
export function list(
  words: Words<readonly string[]>,
): Option<readonly string[]> | Option<readonly string[] | undefined> {
  return define('list', 'words separated by blanks', words, (value) => ({
    value: value.split(/\s+/).filter((word) => word !== ''),
  }))
}

/** A text with a form of its own, read by the given function; the default is given as users would write it. */
export function parsed<T>(
  kind: string,
  accepts: string,
  words: { readonly doc: string; readonly default: string },
  read: (text: string) => Reading<T>,
): Option<T> {
  const reading = read(words.default)
  if ('problem' in reading) throw new TypeError(`the default "${words.default}" ${reading.problem}`)
  return define(kind, accepts, { doc: words.doc, default: reading.value }, read, { defaultText: words.default })
}

/** The same without a default: the component cannot run without it. */
export function required<T>(
  kind: string,
  accepts: string,
  words: { readonly doc: string },
  read: (text: string) => Reading<T>,
): Option<T> {
  return define(kind, accepts, { doc: words.doc }, read)
}

/** Every key that begins with the entry's name; the value holds the rest of each key. Never required. */
export function prefix(words: {
  readonly doc: string
  readonly secret?: boolean
}): Option<Readonly<Record<string, string>>> {
  return define(
    'keys',
    'any keys below it',
    { doc: words.doc, default: {} as Readonly<Record<string, string>> },
    (value) => ({ value: { '': value } }),
    {
      isPrefix: true,
      secret: words.secret ?? false,
    },
  )
}

/** A component inside another, such as a sink's serializer, resolved and ready to be made. */
export interface Nested<Made, Context> {
  /** The type's name as the component list has it. */
  readonly type: string
  create(context: Context): Made | Promise<Made>
}

/** An option whose value names a component; keys below it (`serializer.…`) are that component's own options. */
export interface NestedOption<Made, Context> extends Option<Nested<Made, Context>> {
  /** The kind of component it names, such as `serializer`. */
  readonly component: string
  readonly defaultType: string
}

/** Names a component of the given kind; the configuration resolves it through the component list. */
export function nested<Made, Context>(
  component: string,
  words: { readonly doc: string; readonly default: string },
): NestedOption<Made, Context> {
  const accepts = `a ${component} type`
  return {
    ...define<Nested<Made, Context>>(component, accepts, { doc: words.doc, optional: true }, () => ({
      problem: `is not ${accepts}`,
    })),
    component,
    defaultType: words.default,
  }
}
