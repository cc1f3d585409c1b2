import { CharSet, unicodeProperty } from './char-set.ts'

/** A pattern as a tree, every flag already worked into it. */
export type Node =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'choice'; readonly items: readonly Node[] }
  | {
      readonly kind: 'repeat'
      readonly item: Node
      readonly min: number
      readonly max: number
      readonly lazy: boolean
    }
  | { readonly kind: 'group'; readonly item: Node; readonly index: number }
  | { readonly kind: 'assertion'; readonly what: Assertion }
  | { readonly kind: 'look'; readonly ahead: boolean; readonly negated: boolean; readonly item: Node }
  | { readonly kind: 'reference'; readonly index: number }

/**
 * Places in a text. `begin` and `end` are the text's own; `final` is the end or before a line terminator there; `line-…`
 * are those of the flag m; `…-unix` know only \n (flag d).
 */
export type Assertion =
  | 'begin'
  | 'end'
  | 'final'
  | 'final-unix'
  | 'line-begin'
  | 'line-begin-unix'
  | 'line-end'
  | 'line-end-unix'
  | 'word-edge'
  | 'no-word-edge'

export interface Pattern {
  readonly root: Node
  readonly groupCount: number
  readonly groupNames: ReadonlyMap<string, number>
}

/** What Java accepts and cannot be had here, or what it does not accept; the message continues "the pattern …". */
export class PatternProblem extends Error {}

/** Reads a pattern as `java.util.regex.Pattern` of Java 17 does. Throws PatternProblem. */
export function parsePattern(pattern: string): Pattern {
  return new Parser(pattern).parse()
}

interface Flags {
  ignoreCase: boolean
  dotAll: boolean
  multiline: boolean
  unixLines: boolean
  comments: boolean
  unicodeCase: boolean
}

const lineTerminators = CharSet.from('\n\r\u0085\u2028\u2029')
const newline = CharSet.from('\n')
/** The classes that Java keeps to ASCII. */
const shorthand: Readonly<Record<string, CharSet>> = {
  d: CharSet.from('0-9'),
  w: CharSet.from('a-zA-Z_0-9'),
  s: CharSet.from(' \t\n\v\f\r'),
  h: CharSet.from(' \t\xA0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000'),
  v: CharSet.from('\n\v\f\r\x85\u2028\u2029'),
}
const posix: Readonly<Record<string, CharSet>> = {
  Lower: CharSet.from('a-z'),
  Upper: CharSet.from('A-Z'),
  ASCII: CharSet.from('\0-\x7F'),
  Alpha: CharSet.from('a-zA-Z'),
  Digit: CharSet.from('0-9'),
  Alnum: CharSet.from('a-zA-Z0-9'),
  Punct: CharSet.from('!-/:-@[-`{-~'),
  Graph: CharSet.from('!-~'),
  Print: CharSet.from(' -~'),
  Blank: CharSet.from(' \t'),
  Cntrl: CharSet.from('\0-\x1F\x7F'),
  XDigit: CharSet.from('0-9a-fA-F'),
  Space: CharSet.from(' \t\n\v\f\r'),
}
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, a: 7, e: 27 }
/** Deeper nesting than anyone writes; the parser and what follows it recurse. */
const depthMax = 100

export const empty: Node = { kind: 'sequence', items: [] }

class Parser {
  readonly #pattern: string
  readonly #names = new Map<string, number>()
  readonly #closed = new Set<number>()
  /** Groups that have taken part for sure wherever the reader is, one set for each level of nesting. */
  #sure = new Set<number>()
  #at = 0
  #depth = 0
  #groupCount = 0
  #flags: Flags = {
    ignoreCase: false,
    dotAll: false,
    multiline: false,
    unixLines: false,
    comments: false,
    unicodeCase: false,
  }

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  parse(): Pattern {
    const root = this.#choice()
    if (this.#at < this.#pattern.length) throw new PatternProblem('has a ) without its (')
    return { root, groupCount: this.#groupCount, groupNames: this.#names }
  }

  /** Alternatives up to a closing parenthesis or the end. */
  #choice(): Node {
    if (++this.#depth > depthMax) throw new PatternProblem(`is nested deeper than ${depthMax} levels`)
    const before = this.#sure
    const items: Node[] = []
    const sures: Set<number>[] = []
    do {
      this.#sure = new Set(before)
      items.push(this.#sequence())
      sures.push(this.#sure)
    } while (this.#accept('|'))
    this.#depth--
    this.#sure = new Set([...(sures[0] as Set<number>)].filter((group) => sures.every((sure) => sure.has(group))))
    return items.length === 1 ? (items[0] as Node) : { kind: 'choice', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    for (;;) {
      this.#skipComments()
      const next = this.#pattern[this.#at]
      if (next === undefined || next === '|' || next === ')') break
      const sureBefore = new Set(this.#sure)
      const atoms = this.#atoms()
      const last = atoms.pop()
      if (last === undefined) continue
      items.push(...atoms, this.#quantified(last, sureBefore))
    }
    return items.length === 1 ? (items[0] as Node) : { kind: 'sequence', items }
  }

  /** One item without its quantifier; a quoted text is several, of which the quantifier takes the last. */
  #atoms(): Node[] {
    const { dotAll, multiline, unixLines } = this.#flags
    const unix = unixLines ? '-unix' : ''
    const character = this.#take()
    switch (character) {
      case '\\':
        return this.#escape()
      case '[':
        return [{ kind: 'set', set: this.#set() }]
      case '.':
        return [{ kind: 'set', set: dotAll ? CharSet.any : (unixLines ? newline : lineTerminators).not() }]
      case '^':
        return [{ kind: 'assertion', what: multiline ? `line-begin${unix}` : 'begin' }]
      case '$':
        return [{ kind: 'assertion', what: multiline ? `line-end${unix}` : `final${unix}` }]
      case '(':
        return this.#group()
      case '*':
      case '+':
      case '?':
        throw new PatternProblem(`has a ${character} that repeats nothing; write \\${character} for the character`)
      case '{':
        throw new PatternProblem('has a { that begins no repetition; write \\{')
      default:
        return [this.#literal(character)]
    }
  }

  #quantified(item: Node, sureBefore: Set<number>): Node {
    this.#skipComments()
    let bounds: readonly [min: number, max: number] | undefined
    if (this.#accept('*')) bounds = [0, Number.POSITIVE_INFINITY]
    else if (this.#accept('+')) bounds = [1, Number.POSITIVE_INFINITY]
    else if (this.#accept('?')) bounds = [0, 1]
    else if (this.#pattern[this.#at] === '{') bounds = this.#bounds()
    if (!bounds) return item
    const [min, max] = bounds
    if (min === 0) this.#sure = sureBefore
    this.#skipComments()
    if (this.#accept('+')) {
      throw new PatternProblem('has a possessive quantifier (a + behind *, +, ? or }), which is not supported here')
    }
    const lazy = this.#accept('?')
    this.#skipComments()
    if (/[*+?{]/.test(this.#pattern[this.#at] ?? '')) {
      throw new PatternProblem('repeats a repetition; put the inner one into (?:…)')
    }
    return { kind: 'repeat', item, min, max, lazy }
  }

  #bounds(): readonly [number, number] {
    const found = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#pattern.slice(this.#at, this.#at + 32))
    if (!found) throw new PatternProblem('has a { that begins no repetition; write \\{')
    this.#at += found[0].length
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3])
    if (max < min) throw new PatternProblem(`has the repetition ${found[0]}, whose ends are the wrong way round`)
    return [min, max]
  }

  #group(): Node[] {
    const outer = { ...this.#flags }
    const rest = this.#pattern.slice(this.#at, this.#at + 80)
    if (!rest.startsWith('?')) return [this.#capture(outer)]
    const named = /^\?<([a-zA-Z][a-zA-Z0-9]*)>/.exec(rest)
    if (named) {
      const name = named[1] as string
      if (this.#names.has(name)) throw new PatternProblem(`has two groups named ${name}`)
      this.#names.set(name, this.#groupCount + 1)
      this.#at += named[0].length
      return [this.#capture(outer)]
    }
    const look = /^\?(<?)([=!])/.exec(rest)
    if (look) {
      this.#at += look[0].length
      const sure = new Set(this.#sure)
      const item = this.#inside(outer)
      if (look[2] === '!') this.#sure = sure
      if (look[1] === '<' && !Number.isFinite(longest(item))) {
        throw new PatternProblem('has a look-behind without a greatest length')
      }
      return [{ kind: 'look', ahead: look[1] === '', negated: look[2] === '!', item }]
    }
    const flags = /^\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])/.exec(rest)
    if (!flags) {
      const shown = /^\?[^)]{0,8}/.exec(rest)?.[0] ?? '?'
      throw new PatternProblem(`has a group (${shown}…, which is not supported here`)
    }
    this.#at += flags[0].length
    this.#setFlags(flags[1] ?? '', true)
    this.#setFlags(flags[2] ?? '', false)
    if (this.#flags.unicodeCase && this.#flags.ignoreCase) {
      throw new PatternProblem('has the flags i and u together, which are not supported here')
    }
    // Flags without a colon hold up to the end of the group around them.
    return flags[3] === ')' ? [] : [this.#inside(outer)]
  }

  #setFlags(letters: string, on: boolean): void {
    for (const letter of letters) {
      if (letter === 'i') this.#flags.ignoreCase = on
      else if (letter === 's') this.#flags.dotAll = on
      else if (letter === 'm') this.#flags.multiline = on
      else if (letter === 'd') this.#flags.unixLines = on
      else if (letter === 'x') this.#flags.comments = on
      else if (letter === 'u') this.#flags.unicodeCase = on
      else throw new PatternProblem(`has the flag (?${letter}), which is not supported here`)
    }
  }

  #capture(outer: Flags): Node {
    const index = ++this.#groupCount
    const item = this.#inside(outer)
    this.#closed.add(index)
    this.#sure.add(index)
    return { kind: 'group', index, item }
  }

  /** What is left of a group, its parenthesis included; the flags are those of before afterwards. */
  #inside(outer: Flags): Node {
    const item = this.#choice()
    if (!this.#accept(')')) throw new PatternProblem('is not a regular expression: it has a ( without its )')
    this.#flags = outer
    return item
  }

  /** After a backslash, outside brackets. */
  #escape(): Node[] {
    const character = this.#pattern[this.#at] ?? ''
    const unix = this.#flags.unixLines ? '-unix' : ''
    const assertions: Readonly<Record<string, Assertion>> = {
      A: 'begin',
      z: 'end',
      Z: `final${unix}`,
      b: 'word-edge',
      B: 'no-word-edge',
    }
    const what = assertions[character]
    if (what !== undefined) {
      this.#at++
      if (character === 'b' && this.#pattern[this.#at] === '{') this.#unknown('b{')
      return [{ kind: 'assertion', what }]
    }
    if (character === 'Q') {
      this.#at++
      return Array.from(this.#quoted(), (quoted) => this.#literal(quoted))
    }
    if (character === 'E') {
      this.#at++
      return []
    }
    if (character === 'R') {
      this.#at++
      const pair: Node = { kind: 'sequence', items: [this.#exactly(13), this.#exactly(10)] }
      return [{ kind: 'choice', items: [pair, { kind: 'set', set: shorthand.v as CharSet }] }]
    }
    if (/[1-9k]/.test(character)) return [this.#reference()]
    return [{ kind: 'set', set: this.#escapedSet() }]
  }

  #reference(): Node {
    const rest = this.#pattern.slice(this.#at, this.#at + 80)
    const name = /^k<([a-zA-Z][a-zA-Z0-9]*)>/.exec(rest)
    if (rest[0] === 'k' && !name) throw new PatternProblem('has \\k without a group name')
    let text = name?.[0] ?? (rest[0] as string)
    let index = name ? this.#names.get(name[1] as string) : Number(text)
    // Java takes further digits as long as there is such a group.
    while (!name && /[0-9]/.test(rest[text.length] ?? '') && Number(text + rest[text.length]) <= this.#groupCount) {
      text += rest[text.length]
      index = Number(text)
    }
    this.#at += text.length
    if (index === undefined || !this.#closed.has(index) || !this.#sure.has(index)) {
      throw new PatternProblem(`has \\${text}, whose group may not have taken part by then; that is not supported here`)
    }
    if (this.#flags.ignoreCase) {
      throw new PatternProblem(`has \\${text} under the flag i, which is not supported here`)
    }
    return { kind: 'reference', index }
  }

  #unknown(name: string): never {
    throw new PatternProblem(`has \\${name}, which is not supported here`)
  }

  #quoted(): string {
    const end = this.#pattern.indexOf('\\E', this.#at)
    const text = this.#pattern.slice(this.#at, end < 0 ? undefined : end)
    this.#at = end < 0 ? this.#pattern.length : end + 2
    return text
  }

  #literal(character: string): Node {
    return this.#exactly(character.codePointAt(0) as number)
  }

  #exactly(code: number): Node {
    return { kind: 'set', set: this.#cased(CharSet.single(code)) }
  }

  #cased(set: CharSet): CharSet {
    return this.#flags.ignoreCase ? set.withOtherCase() : set
  }

  /** An escape that stands for characters, after its backslash, inside brackets or not. */
  #escapedSet(): CharSet {
    const set = this.#escapedClass()
    return set ?? this.#cased(CharSet.single(this.#escapedCode()))
  }

  /** A class such as \d or \p{Alpha}; undefined for an escape that is one character. */
  #escapedClass(): CharSet | undefined {
    const character = this.#pattern[this.#at] ?? ''
    const members = shorthand[character] ?? shorthand[character.toLowerCase()]?.not()
    if (members) {
      this.#at++
      return members
    }
    if (character !== 'p' && character !== 'P') return undefined
    this.#at++
    const set = this.#property()
    return character === 'P' ? set.not() : set
  }

  #property(): CharSet {
    const found = /^(?:\{(\^?)([^}]*)\}|([A-Z]))/.exec(this.#pattern.slice(this.#at, this.#at + 80))
    if (!found) throw new PatternProblem('has \\p without a name')
    this.#at += found[0].length
    const name = (found[2] ?? found[3]) as string
    if (this.#flags.ignoreCase && /^(Lower|Upper|(Is)?L[ult]|javaLower.*|javaUpper.*)$/.test(name)) {
      throw new PatternProblem(`has \\p{${name}} under the flag i, which is not supported here`)
    }
    const set = Object.hasOwn(posix, name) ? posix[name] : namedProperty(name)
    if (!set || found[1] === '^') throw new PatternProblem(`has \\p{${name}}, which is not supported here`)
    return set
  }

  /** The code point of an escape that is one character. */
  #escapedCode(): number {
    const character = this.#take()
    if (character === '') throw new PatternProblem('ends in a single backslash')
    const control = controls[character]
    if (control !== undefined) return control
    const rest = this.#pattern.slice(this.#at, this.#at + 16)
    const code = (found: RegExpExecArray | null): number => {
      if (!found) throw new PatternProblem(`has \\${character} without a code`)
      this.#at += found[0].length
      const value = Number.parseInt((found[1] ?? found[2]) as string, character === '0' ? 8 : 16)
      if (value > 0x10ffff) throw new PatternProblem(`has \\${character} with a code that is no character`)
      return value
    }
    switch (character) {
      case 'x':
        return code(/^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})/.exec(rest))
      case 'u': {
        const high = code(/^([0-9a-fA-F]{4})/.exec(rest))
        const low = high >= 0xd800 && high < 0xdc00 ? /^\\u([dD][c-fC-F][0-9a-fA-F]{2})/.exec(rest.slice(4)) : null
        if (!low) return high
        this.#at += low[0].length
        return 0x10000 + ((high - 0xd800) << 10) + (Number.parseInt(low[1] as string, 16) - 0xdc00)
      }
      case '0':
        return code(/^([0-3][0-7]{2}|[0-7]{1,2})/.exec(rest))
      case 'c': {
        const controlled = this.#take()
        if (controlled === '') throw new PatternProblem('has \\c without a character')
        return (controlled.codePointAt(0) as number) ^ 64
      }
      default:
        if (/[a-zA-Z1-9]/.test(character)) this.#unknown(character)
        return character.codePointAt(0) as number
    }
  }

  /** A class in brackets, the first one taken; unions nest, `&&` intersects, ^ negates all of it. */
  #set(): CharSet {
    if (++this.#depth > depthMax) throw new PatternProblem(`is nested deeper than ${depthMax} levels`)
    const negated = this.#accept('^')
    const operands: CharSet[] = []
    let members: CharSet | undefined
    const add = (set: CharSet): void => {
      members = members ? members.or(set) : set
    }
    for (let isFirst = true; ; isFirst = false) {
      const next = this.#pattern[this.#at]
      if (this.#flags.comments && /[\s#]/.test(next ?? '')) {
        throw new PatternProblem('has a blank or # in brackets under the flag x; write \\x20 or \\x23')
      }
      if (next === undefined) throw new PatternProblem('has a [ without its ]')
      if (next === ']' && !isFirst) break
      if (next === '[') {
        this.#at++
        add(this.#set())
      } else if (next === '&' && this.#pattern[this.#at + 1] === '&') {
        this.#at += 2
        if (members) operands.push(members)
        members = undefined
      } else if (next === '\\' && this.#pattern[this.#at + 1] === 'Q') {
        this.#at += 2
        for (const quoted of this.#quoted()) add(this.#cased(CharSet.single(quoted.codePointAt(0) as number)))
      } else if (next === '\\' && this.#pattern[this.#at + 1] === 'E') {
        this.#at += 2
      } else {
        add(this.#range())
      }
    }
    this.#at++
    this.#depth--
    if (members) operands.push(members)
    if (operands.length === 0) throw new PatternProblem('has empty brackets')
    const all = operands.reduce((one, other) => one.and(other))
    return negated ? all.not() : all
  }

  /** A character, a range or an escaped class inside brackets. */
  #range(): CharSet {
    if (this.#pattern[this.#at] === '\\') {
      this.#at++
      const set = this.#escapedClass()
      if (set) return set
      this.#at--
    }
    const from = this.#member()
    const [dash, end] = [this.#pattern[this.#at], this.#pattern[this.#at + 1]]
    // A dash last or before a class stands for itself.
    if (dash !== '-' || end === undefined || end === ']' || end === '[') return this.#cased(CharSet.single(from))
    if (end === '&' && this.#pattern[this.#at + 2] === '&') throw new PatternProblem('has a - before &&; write \\-')
    this.#at++
    const to = this.#member()
    if (to < from) throw new PatternProblem('has a range in brackets whose ends are the wrong way round')
    return this.#cased(CharSet.of([from, to]))
  }

  #member(): number {
    const character = this.#take()
    return character === '\\' ? this.#escapedCode() : (character.codePointAt(0) as number)
  }

  #accept(character: string): boolean {
    if (this.#pattern[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipComments(): void {
    if (!this.#flags.comments) return
    const found = /^(?:[ \t\n\v\f\r]|#[^\n\r\u0085\u2028\u2029]*)+/.exec(this.#pattern.slice(this.#at))
    if (found) this.#at += found[0].length
  }

  #take(): string {
    const code = this.#pattern.codePointAt(this.#at)
    if (code === undefined) return ''
    const character = String.fromCodePoint(code)
    this.#at += character.length
    return character
  }
}

function namedProperty(name: string): CharSet | undefined {
  if (/^(?:Is)?[A-Z][a-z]?$/.test(name)) return unicodeProperty(name.replace(/^Is/, ''))
  if (name === 'IsAlphabetic') return unicodeProperty('Alphabetic')
  const script = /^Is([A-Z][a-z]+)$/.exec(name) ?? /^(?:script|sc)=(\w+)$/.exec(name)
  return script ? unicodeProperty(`Script=${script[1]}`) : undefined
}

/** Most characters that a node takes. */
function longest(node: Node): number {
  switch (node.kind) {
    case 'set':
      return 1
    case 'sequence':
      return node.items.reduce((sum, item) => sum + longest(item), 0)
    case 'choice':
      return Math.max(...node.items.map(longest))
    case 'repeat': {
      const length = longest(node.item)
      return length === 0 ? 0 : length * node.max
    }
    case 'group':
      return longest(node.item)
    case 'reference':
      return Number.POSITIVE_INFINITY
    default:
      return 0
  }
}
