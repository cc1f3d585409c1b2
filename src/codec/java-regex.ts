import { isNullable, leadingRun, stepsMax } from './java-regex/bound.ts'
import { LinearPattern } from './java-regex/linear.ts'
import { type Node, type Pattern, PatternProblem, parsePattern } from './java-regex/parse.ts'
import { hasGroup, keepsGroups, toScript } from './java-regex/script.ts'

/**
 * Java's regular expressions, in a time that no text can make long.
 *
 * A pattern is read as Java reads it; what cannot be had here (possessive quantifiers, atomic groups, some properties) is
 * refused with the reason: a pattern never silently means something else. How many steps JavaScript's engine may need for
 * a text of a certain length is bounded from the pattern alone; texts for which that bound is low go to that engine, all
 * others to one of our own whose time is linear. So patterns that cannot explode pay nothing, and one such as
 * `(a+)+$`, or a line of a megabyte, costs a moment and not the day.
 */

/** Steps that JavaScript's engine may need for one text: some milliseconds. */
const directStepsMax = 4_000_000
/** Longest text that a pattern without a linear form must be good for: the name of a file. */
const nameLengthMax = 255
/** Steps that all searches in one text may need together, for each of its characters and beyond them. */
const replaceStepsPerCharacter = 1000
const replaceStepsMin = 10_000_000

/** A pattern that is compared with whole texts (Java's `matches`), such as names of files. */
export class JavaPattern {
  /** The pattern as the user wrote it. */
  readonly source: string
  readonly #direct: Direct
  readonly #linear: LinearPattern | undefined

  constructor(source: string) {
    this.source = source
    const { root } = parsePattern(source)
    const hasReference = some(root, (node) => node.kind === 'reference')
    this.#direct = new Direct(root, `^(?:${toScript(root)})$`, true)
    if (!hasReference) this.#linear = new LinearPattern(root, true)
    else if (this.#direct.lengthMax < nameLengthMax) {
      throw new PatternProblem('may take for ever: it refers back to a group and can match in too many ways')
    } else if (this.#direct.hasWordEdge) {
      throw new PatternProblem('has \\b and refers back to a group, which is not supported together')
    }
  }

  /** True when the pattern matches the whole text. */
  matches(text: string): boolean {
    if (!this.#linear) return text.length <= this.#direct.lengthMax && this.#direct.expression.test(text)
    return this.#direct.takes(text) ? this.#direct.expression.test(text) : this.#linear.test(text)
  }

  toString(): string {
    return this.source
  }
}

/** Groups 0, 1, … of a match; undefined for one that took no part. */
export type Groups = readonly (string | undefined)[]

/** A pattern that is searched for in texts (Java's `find`). */
export class JavaSearch {
  /** The pattern as the user wrote it. */
  readonly source: string
  readonly groupCount: number
  readonly groupNames: ReadonlyMap<string, number>
  readonly #direct: Direct
  readonly #everywhere: RegExp
  readonly #replaceLengthMax: number
  readonly #linear: LinearPattern

  /** Throws PatternProblem. `groups` asks for `exec` and `replaceAll`, which some patterns cannot have. */
  constructor(source: string, groups: boolean) {
    this.source = source
    const { root, groupCount, groupNames }: Pattern = parsePattern(source)
    this.groupCount = groupCount
    this.groupNames = groupNames
    if (groups && some(root, (node) => node.kind === 'repeat' && node.max > 1 && isNullable(node.item))) {
      throw new PatternProblem('repeats something that can be empty; where it ends would be Java’s secret')
    }
    if (groups && some(root, (node) => node.kind === 'look' && hasGroup(node.item))) {
      throw new PatternProblem('has a group inside a look-around; write (?:…) there')
    }
    this.#linear = new LinearPattern(root, false)
    const script = toScript(root)
    const run = leadingRun(root)
    this.#direct = new Direct(root, run ? `(?<!${run.set.toSource()})(?:${script})` : script, false)
    this.#everywhere = new RegExp(script, 'gu')
    this.#replaceLengthMax = longestWithin(directStepsMax, (length) => stepsMax(root, false, length, true))
    if (groups && !keepsGroups(root)) this.#direct.lengthMax = -1
  }

  /** Longest text, in UTF-16 units, that JavaScript's engine is trusted with. */
  get directLengthMax(): number {
    return this.#direct.lengthMax
  }

  test(text: string): boolean {
    return this.#direct.takes(text) ? this.#direct.expression.test(text) : this.#linear.test(text)
  }

  /** The groups of the first match, or undefined. */
  exec(text: string): Groups | undefined {
    if (this.#direct.takes(text)) return this.#direct.expression.exec(text) ?? undefined
    const places = this.#linear.searcher(text).find(0)
    return places && Array.from({ length: this.groupCount + 1 }, (_, group) => groupAt(text, places, group))
  }

  /** The parts between matches, empty ones left out; for short texts. Throws LIMIT as replaceAll does. */
  split(text: string): readonly string[] {
    const parts: string[] = []
    const separated = this.replaceAll(text, new JavaReplacement(['\0']))
    for (const part of separated.split('\0')) if (part !== '') parts.push(part)
    return parts
  }

  /** The text with every match replaced; the very text when there is none. Throws LIMIT where matches are too hard to tell apart. */
  replaceAll(text: string, replacement: JavaReplacement): string {
    // Behind a match the next may begin in the middle of a run, so that runs are looked at anew each time.
    if (this.#direct.takes(text) && text.length <= this.#replaceLengthMax)
      return text.replace(this.#everywhere, replacement.script)
    const steps = Math.max(replaceStepsMin, replaceStepsPerCharacter * text.length)
    const searcher = this.#linear.searcher(text, steps)
    let replaced = ''
    let copied = 0
    for (let from = 0; from <= text.length; ) {
      const places = searcher.find(from)
      if (!places) break
      const [start, end] = [places[0] as number, places[1] as number]
      replaced += text.slice(copied, start) + replacement.of((group) => groupAt(text, places, group) ?? '')
      copied = end
      from = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1)
    }
    return copied === 0 && replaced === '' ? text : replaced + text.slice(copied)
  }

  toString(): string {
    return this.source
  }
}

function groupAt(text: string, places: Int32Array, group: number): string | undefined {
  const [start, end] = [places[2 * group] ?? -1, places[2 * group + 1] ?? -1]
  return start < 0 || end < 0 ? undefined : text.slice(start, end)
}

/** A pattern on JavaScript's engine, and the texts that it may have. */
class Direct {
  readonly expression: RegExp
  readonly hasWordEdge: boolean
  lengthMax: number

  constructor(root: Node, script: string, whole: boolean) {
    try {
      this.expression = new RegExp(script, 'u')
    } catch (error) {
      throw new PatternProblem(`is not a regular expression: ${(error as Error).message}`)
    }
    this.hasWordEdge = some(root, (node) => node.kind === 'assertion' && node.what.endsWith('word-edge'))
    this.lengthMax = longestWithin(directStepsMax, (length) => stepsMax(root, whole, length))
  }

  takes(text: string): boolean {
    return text.length <= this.lengthMax && !(this.hasWordEdge && /[^\0-\x7f]/.test(text))
  }
}

/** The greatest length whose steps are within the limit, up to 2^28. */
function longestWithin(limit: number, stepsOf: (length: number) => number): number {
  let [low, high] = [0, 2 ** 28]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (stepsOf(middle) <= limit) low = middle
    else high = middle - 1
  }
  return low
}

function some(node: Node, test: (node: Node) => boolean): boolean {
  if (test(node)) return true
  switch (node.kind) {
    case 'sequence':
    case 'choice':
      return node.items.some((item) => some(item, test))
    case 'group':
    case 'look':
    case 'repeat':
      return some(node.item, test)
    default:
      return false
  }
}

/** What matches are replaced by, as Java's `replaceAll` reads it: `$1`, `${name}`, and a backslash before what stands for itself. */
export class JavaReplacement {
  readonly #parts: readonly (string | number)[]
  /** The same for `String.replace`. */
  readonly script: string

  constructor(parts: readonly (string | number)[]) {
    this.#parts = parts
    this.script = parts
      .map((part) =>
        typeof part === 'string'
          ? part.replaceAll('$', '$$$$')
          : part === 0
            ? '$&'
            : `$${String(part).padStart(2, '0')}`,
      )
      .join('')
  }

  of(group: (index: number) => string): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : group(part))).join('')
  }
}

/** Groups that a replacement can name: JavaScript's reach to two digits. */
const groupMax = 99

/** Reads a replacement for matches of that pattern, or says what is wrong with it (Flume finds out at the first match, I-05). */
export function readJavaReplacement(
  text: string,
  pattern: Pick<JavaSearch, 'groupCount' | 'groupNames'>,
): { readonly value: JavaReplacement } | { readonly problem: string } {
  const parts: (string | number)[] = []
  for (let at = 0; at < text.length; ) {
    const character = text[at++] as string
    if (character === '\\') {
      if (at === text.length) return { problem: 'ends in a single backslash; write \\\\ for one' }
      parts.push(text[at++] as string)
    } else if (character !== '$') parts.push(character)
    else {
      const rest = text.slice(at)
      const name = /^\{([a-zA-Z][a-zA-Z0-9]*)\}/.exec(rest)
      if (name) {
        const group = pattern.groupNames.get(name[1] as string)
        if (group === undefined) return { problem: `refers to the group ${name[1]}, which the pattern does not have` }
        parts.push(group)
        at += name[0].length
        continue
      }
      if (!/^\d/.test(rest)) return { problem: 'has a $ without a group; write \\$ for the character' }
      let digits = 1
      // Further digits count as long as there is such a group.
      while (/\d/.test(rest[digits] ?? '') && Number(rest.slice(0, digits + 1)) <= pattern.groupCount) digits++
      const group = Number(rest.slice(0, digits))
      if (group > pattern.groupCount) {
        return { problem: `refers to group ${group}; the pattern has ${pattern.groupCount}` }
      }
      if (group > groupMax) return { problem: `refers to group ${group}; ${groupMax} is the last that can be had here` }
      parts.push(group)
      at += digits
    }
  }
  return { value: new JavaReplacement(parts) }
}

/** Reads a pattern as `java.util.regex.Pattern` does, or says why it cannot be had here. */
export function readJavaPattern(source: string): { readonly value: JavaPattern } | { readonly problem: string } {
  return reading(() => new JavaPattern(source))
}

/** The same for searching; `groups` when the places of matches and groups matter and not only whether there is a match. */
export function readJavaSearch(
  source: string,
  groups: boolean,
): { readonly value: JavaSearch } | { readonly problem: string } {
  return reading(() => new JavaSearch(source, groups))
}

function reading<T>(make: () => T): { readonly value: T } | { readonly problem: string } {
  try {
    return { value: make() }
  } catch (error) {
    if (error instanceof PatternProblem) return { problem: error.message }
    throw error
  }
}
