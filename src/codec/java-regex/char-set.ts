const codeMax = 0x10ffff

/** A set of code points: sorted ranges, both ends included, no two of them touching. */
export class CharSet {
  readonly ranges: readonly (readonly [from: number, to: number])[]

  private constructor(ranges: readonly (readonly [number, number])[]) {
    this.ranges = ranges
  }

  static readonly none = new CharSet([])
  static readonly any = new CharSet([[0, codeMax]])

  /** Ranges in any order, overlapping or not. */
  static of(...ranges: readonly (readonly [from: number, to: number])[]): CharSet {
    const sorted = [...ranges].sort((one, other) => one[0] - other[0])
    const merged: [number, number][] = []
    for (const [from, to] of sorted) {
      const last = merged.at(-1)
      if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
      else merged.push([from, to])
    }
    return new CharSet(merged)
  }

  /** The characters of a text, `a-z` meaning a range. */
  static from(text: string): CharSet {
    const ranges: [number, number][] = []
    const codes = Array.from(text, (character) => character.codePointAt(0) as number)
    for (let i = 0; i < codes.length; i++) {
      const from = codes[i] as number
      if (codes[i + 1] === 0x2d && i + 2 < codes.length) {
        ranges.push([from, codes[i + 2] as number])
        i += 2
      } else ranges.push([from, from])
    }
    return CharSet.of(...ranges)
  }

  static single(code: number): CharSet {
    return new CharSet([[code, code]])
  }

  get isEmpty(): boolean {
    return this.ranges.length === 0
  }

  has(code: number): boolean {
    let low = 0
    let high = this.ranges.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const [from, to] = this.ranges[middle] as readonly [number, number]
      if (code < from) high = middle - 1
      else if (code > to) low = middle + 1
      else return true
    }
    return false
  }

  or(other: CharSet): CharSet {
    if (other.isEmpty || this === other) return this
    return this.isEmpty ? other : CharSet.of(...this.ranges, ...other.ranges)
  }

  not(): CharSet {
    const ranges: [number, number][] = []
    let next = 0
    for (const [from, to] of this.ranges) {
      if (from > next) ranges.push([next, from - 1])
      next = to + 1
    }
    if (next <= codeMax) ranges.push([next, codeMax])
    return new CharSet(ranges)
  }

  and(other: CharSet): CharSet {
    return this.not().or(other.not()).not()
  }

  meets(other: CharSet): boolean {
    let [i, j] = [0, 0]
    while (i < this.ranges.length && j < other.ranges.length) {
      const [from, to] = this.ranges[i] as readonly [number, number]
      const [otherFrom, otherTo] = other.ranges[j] as readonly [number, number]
      if (to < otherFrom) i++
      else if (otherTo < from) j++
      else return true
    }
    return false
  }

  /** The set and, of each ASCII letter in it, the other case: what Java's flag i means without u. */
  withOtherCase(): CharSet {
    const upper = this.and(upperCase).ranges.map(([from, to]) => [from + 32, to + 32] as const)
    const lower = this.and(lowerCase).ranges.map(([from, to]) => [from - 32, to - 32] as const)
    return CharSet.of(...this.ranges, ...upper, ...lower)
  }

  /** As an item of a JavaScript expression with the flag u. */
  toSource(): string {
    if (this.isEmpty) return '[]'
    const [first] = this.ranges
    if (first && this.ranges.length === 1 && first[0] === first[1]) return written(first[0])
    if (first && first[0] === 0) return `[^${membersOf(this.not())}]`
    return `[${membersOf(this)}]`
  }
}

const upperCase = CharSet.of([0x41, 0x5a])
const lowerCase = CharSet.of([0x61, 0x7a])

function membersOf({ ranges }: CharSet): string {
  return ranges.map(([from, to]) => (from === to ? written(from) : `${written(from)}-${written(to)}`)).join('')
}

function written(code: number): string {
  const character = String.fromCodePoint(code)
  return /[\w ,:;<>=!@#%&'"~`]/.test(character) && code < 0x80 ? character : `\\u{${code.toString(16)}}`
}

const properties = new Map<string, CharSet>()

/** The set of a Unicode property as JavaScript names it (`Lu`, `Script=Greek`); undefined when there is none. */
export function unicodeProperty(name: string): CharSet | undefined {
  const known = properties.get(name)
  if (known) return known
  let expression: RegExp
  try {
    expression = new RegExp(`\\p{${name}}`, 'u')
  } catch {
    return undefined
  }
  const ranges: [number, number][] = []
  for (let code = 0, from = -1; code <= codeMax + 1; code++) {
    const isIn = code <= codeMax && expression.test(String.fromCodePoint(code))
    if (isIn && from < 0) from = code
    if (!isIn && from >= 0) {
      ranges.push([from, code - 1])
      from = -1
    }
  }
  const set = CharSet.of(...ranges)
  properties.set(name, set)
  return set
}
