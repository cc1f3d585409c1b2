/**
 * Java's regular expressions on JavaScript's engine.
 *
 * What means the same in both is handed over, what Java reads differently (`.`, `$`, `\s`, POSIX classes, quotes, flags in
 * front) is written out, and what JavaScript cannot say (possessive quantifiers, atomic groups, flags in the middle) is
 * refused with the reason: a pattern never silently means something else.
 */
export class JavaPattern {
  /** The pattern as the user wrote it. */
  readonly source: string
  readonly #whole: RegExp

  constructor(source: string, translated: Translation) {
    this.source = source
    this.#whole = new RegExp(`^(?:${translated.source})$`, translated.flags)
  }

  /** True when the pattern matches the whole text (Java's `matches`). */
  matches(text: string): boolean {
    return this.#whole.test(text)
  }

  toString(): string {
    return this.source
  }
}

export interface Translation {
  readonly source: string
  readonly flags: string
}

/** Reads a pattern as `java.util.regex.Pattern` does, or says why it cannot be had here. */
export function readJavaPattern(source: string): { readonly value: JavaPattern } | { readonly problem: string } {
  try {
    return { value: new JavaPattern(source, translateJavaRegex(source)) }
  } catch (error) {
    if (error instanceof Unsupported) return { problem: error.message }
    return { problem: `is not a regular expression: ${(error as Error).message}` }
  }
}

/** The same pattern for `new RegExp(source, flags)`; throws with the reason when there is none. */
export function translateJavaRegex(pattern: string): Translation {
  return new Translator(pattern).translate()
}

class Unsupported extends Error {}

/** Any character; `[^]` matches one character only under the v flag of Node 20. */
const any = '[\\s\\S]'
const lineTerminators = '\\n\\r\\u0085\\u2028\\u2029'
const beforeFinalTerminator = `(?=(?:\\r\\n|[${lineTerminators}])?(?!${any}))`

/** Members of the classes that Java keeps to ASCII, as they stand inside brackets. */
const shorthand: Readonly<Record<string, string>> = {
  d: '0-9',
  w: 'a-zA-Z_0-9',
  s: ' \\t\\n\\v\\f\\r',
  h: ' \\t\\xA0\\u1680\\u180e\\u2000-\\u200a\\u202f\\u205f\\u3000',
  v: '\\n\\v\\f\\r\\x85\\u2028\\u2029',
}
const posix: Readonly<Record<string, string>> = {
  Lower: 'a-z',
  Upper: 'A-Z',
  ASCII: '\\x00-\\x7F',
  Alpha: 'a-zA-Z',
  Digit: '0-9',
  Alnum: 'a-zA-Z0-9',
  Punct: '!-\\/:-@\\[-`\\{-~',
  Graph: '!-~',
  Print: ' -~',
  Blank: ' \\t',
  Cntrl: '\\x00-\\x1F\\x7F',
  XDigit: '0-9a-fA-F',
  Space: ' \\t\\n\\v\\f\\r',
}
const controls: Readonly<Record<string, string>> = { t: '\\t', n: '\\n', r: '\\r', f: '\\f', a: '\\x07', e: '\\x1B' }

class Translator {
  readonly #pattern: string
  #at = 0
  #dotAll = false
  #multiline = false
  #ignoreCase = false
  #unixLines = false

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  translate(): Translation {
    this.#leadingFlags()
    let source = ''
    while (this.#at < this.#pattern.length) source += this.#item()
    return { source, flags: `v${this.#ignoreCase ? 'i' : ''}` }
  }

  #leadingFlags(): void {
    for (let found = this.#flagGroup(); found; found = this.#flagGroup()) {
      for (const flag of found) {
        if (flag === 'i') this.#ignoreCase = true
        else if (flag === 's') this.#dotAll = true
        else if (flag === 'm') this.#multiline = true
        else if (flag === 'd') this.#unixLines = true
        else if (flag !== 'u') throw new Unsupported(`has the flag (?${flag}), which is not supported here`)
      }
    }
  }

  #flagGroup(): string | undefined {
    const found = /^\(\?([a-zA-Z]+)\)/.exec(this.#pattern.slice(this.#at))
    if (found) this.#at += found[0].length
    return found?.[1]
  }

  /** One item outside brackets. */
  #item(): string {
    const character = this.#take()
    switch (character) {
      case '\\':
        return this.#escape(false)
      case '[':
        return this.#set()
      case '.':
        if (this.#dotAll) return any
        return this.#unixLines ? '[^\\n]' : `[^${lineTerminators}]`
      case '^':
        return this.#multiline ? `(?<!${any}|${any}(?<![${this.#unixLines ? '\\n' : lineTerminators}]))` : `(?<!${any})`
      case '$':
        if (this.#multiline) return this.#unixLines ? `(?=\\n|(?!${any}))` : `(?=[${lineTerminators}]|(?!${any}))`
        return this.#unixLines ? `(?=\\n?(?!${any}))` : beforeFinalTerminator
      case '(':
        return this.#group()
      case '*':
      case '+':
      case '?':
        return this.#quantifier(character)
      case '{': {
        const bounds = /^\d+(?:,\d*)?\}/.exec(this.#pattern.slice(this.#at))
        if (!bounds) throw new Unsupported('has a { that begins no repetition; write \\{')
        this.#at += bounds[0].length
        return this.#quantifier(`{${bounds[0]}`)
      }
      case ']':
      case '}':
        return `\\${character}`
      default:
        return character
    }
  }

  #quantifier(written: string): string {
    const next = this.#pattern[this.#at]
    if (next === '+') throw new Unsupported(`has the possessive quantifier ${written}+, which is not supported here`)
    if (next !== '?') return written
    this.#at++
    return `${written}?`
  }

  #group(): string {
    const rest = this.#pattern.slice(this.#at)
    if (!rest.startsWith('?')) return '('
    const known = /^\?(?::|=|!|<=|<!|<[a-zA-Z][a-zA-Z0-9]*>)/.exec(rest)
    if (!known) {
      const shown = /^\?[^)]{0,8}/.exec(rest)?.[0] ?? '?'
      throw new Unsupported(`has a group (${shown}…, which is not supported here`)
    }
    this.#at += known[0].length
    return `(${known[0]}`
  }

  /** After a backslash, inside brackets or not. */
  #escape(inSet: boolean): string {
    const character = this.#take()
    if (character === '') throw new Unsupported('ends in a single backslash')
    if (character === 'Q') return this.#quoted(inSet)
    if (character === 'E') return ''
    const members = shorthand[character]
    if (members) return inSet ? members : `[${members}]`
    const opposite = shorthand[character.toLowerCase()]
    if (opposite) return `[^${opposite}]`
    const control = controls[character]
    if (control) return control
    if (character === 'p' || character === 'P') return this.#property(character === 'P', inSet)
    if (character === 'x' || character === 'u') return this.#code(character)
    if (character === '0') return this.#octal()
    if (/[a-zA-Z1-9]/.test(character)) return inSet ? this.#unknown(character) : this.#assertion(character)
    return literal(character)
  }

  #assertion(character: string): string {
    switch (character) {
      case 'b':
      case 'B':
        return `\\${character}`
      case 'A':
        return `(?<!${any})`
      case 'z':
        return `(?!${any})`
      case 'Z':
        return beforeFinalTerminator
      case 'R':
        return `(?:\\r\\n|[${shorthand.v}])`
      case 'k': {
        const name = /^<[a-zA-Z][a-zA-Z0-9]*>/.exec(this.#pattern.slice(this.#at))
        if (!name) throw new Unsupported('has \\k without a group name')
        this.#at += name[0].length
        return `\\k${name[0]}`
      }
      default:
        return /[1-9]/.test(character) ? `\\${character}(?:)` : this.#unknown(character)
    }
  }

  #unknown(character: string): never {
    throw new Unsupported(`has \\${character}, which is not supported here`)
  }

  #quoted(inSet: boolean): string {
    const end = this.#pattern.indexOf('\\E', this.#at)
    const text = this.#pattern.slice(this.#at, end < 0 ? undefined : end)
    this.#at = end < 0 ? this.#pattern.length : end + 2
    const escaped = Array.from(text, literal).join('')
    return inSet || text.length > 0 ? escaped : ''
  }

  #property(negated: boolean, inSet: boolean): string {
    const found = /^(?:\{([^}]*)\}|([A-Z]))/.exec(this.#pattern.slice(this.#at))
    if (!found) throw new Unsupported('has \\p without a name')
    this.#at += found[0].length
    const name = (found[1] ?? found[2]) as string
    const members = posix[name]
    if (members) return negated ? `[^${members}]` : inSet ? members : `[${members}]`
    const letter = negated ? 'P' : 'p'
    if (/^(?:Is)?[A-Z][a-z]?$/.test(name)) return `\\${letter}{${name.replace(/^Is/, '')}}`
    if (name === 'IsAlphabetic') return `\\${letter}{Alphabetic}`
    const script = /^Is([A-Z][a-z]+)$/.exec(name) ?? /^(?:IsScript|script|sc)=(\w+)$/.exec(name)
    if (script) return `\\${letter}{Script=${script[1]}}`
    throw new Unsupported(`has \\p{${name}}, which is not supported here`)
  }

  #code(kind: 'x' | 'u'): string {
    const rest = this.#pattern.slice(this.#at)
    const found = kind === 'u' ? /^([0-9a-fA-F]{4})/.exec(rest) : /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})/.exec(rest)
    if (!found) throw new Unsupported(`has \\${kind} without a code`)
    this.#at += found[0].length
    return `\\u{${found[1] ?? found[2]}}`
  }

  #octal(): string {
    const found = /^(?:[0-3][0-7]{2}|[0-7]{1,2})/.exec(this.#pattern.slice(this.#at))
    if (!found) throw new Unsupported('has \\0 without an octal number')
    this.#at += found[0].length
    return `\\u{${Number.parseInt(found[0], 8).toString(16)}}`
  }

  /** A class in brackets, the first one taken; unions nest, `&&` intersects. */
  #set(): string {
    const negated = this.#pattern[this.#at] === '^'
    if (negated) this.#at++
    const operands: string[] = []
    let members = ''
    let isFirst = true
    /** What the item before can be: the lower end of a range, the dash of one, or neither. */
    let before = 'none' as 'none' | 'end' | 'dash'
    for (;;) {
      const character = this.#take()
      if (character === '') throw new Unsupported('has a [ without its ]')
      if (character === ']' && !isFirst) break
      isFirst = false
      if (character === '-' && before === 'end' && this.#isRangeAhead()) {
        members += '-'
        before = 'dash'
        continue
      }
      if (character === '&' && this.#pattern[this.#at] === '&') {
        this.#at++
        operands.push(members)
        members = ''
        before = 'none'
        continue
      }
      const isClass = character === '[' || (character === '\\' && /[dDwWsShHvVpPQ]/.test(this.#pattern[this.#at] ?? ''))
      if (character === '[') members += this.#set()
      else members += character === '\\' ? this.#escape(true) : literal(character)
      before = isClass || before === 'dash' ? 'none' : 'end'
    }
    operands.push(members)
    const hat = negated ? '^' : ''
    const parts = operands.filter((operand) => operand !== '')
    if (parts.length <= 1) return `[${hat}${parts[0] ?? ''}]`
    return `[${hat}${parts.map((part) => `[${part}]`).join('&&')}]`
  }

  /** A dash first, last or before a class stands for itself. */
  #isRangeAhead(): boolean {
    const [next, afterNext] = [this.#pattern[this.#at], this.#pattern[this.#at + 1]]
    return next !== undefined && next !== ']' && next !== '[' && !(next === '&' && afterNext === '&')
  }

  #take(): string {
    const code = this.#pattern.codePointAt(this.#at)
    if (code === undefined) return ''
    const character = String.fromCodePoint(code)
    this.#at += character.length
    return character
  }
}

/** A character that stands for itself, inside brackets too. */
function literal(character: string): string {
  return /[!-/:-@[-`{-~]/.test(character) ? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}` : character
}
