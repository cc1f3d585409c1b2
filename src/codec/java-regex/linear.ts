import { FlumeError } from '../../core/error.ts'
import { backwards } from './bound.ts'
import { type CharSet, unicodeProperty } from './char-set.ts'
import { type Assertion, type Node, PatternProblem } from './parse.ts'

/** Instructions of one program: what a text costs at most, per character. */
const programMax = 5000

const opSet = 0
const opSplit = 1
const opJump = 2
const opSave = 3
const opAssert = 4
const opLook = 5
const opMatch = 6

/**
 * A pattern as a program that follows all alternatives side by side, the preferred ones first, so that each character is
 * looked at once per instruction and no more: the answer is that of a backtracking engine, the time is linear.
 *
 * A look-around is an answer per place: it is found out for all places of the text beforehand, by a program of its own.
 * Back-references cannot be had this way.
 */
export class LinearPattern {
  readonly #program: Program

  /** Throws PatternProblem where the pattern cannot be had in linear time. */
  constructor(root: Node, whole: boolean) {
    this.#program = new Program(root, whole)
  }

  /** True when there is a match anywhere in the text, or of the whole text where it was made for that. */
  test(text: string): boolean {
    const looks = new Places(text, this.#program)
    return new Run(this.#program, text, looks, true, { left: Number.POSITIVE_INFINITY }).find(0) !== undefined
  }

  /** Makes ready to search one text again and again; the steps of all searches together are limited to `stepsMax`. */
  searcher(text: string, stepsMax = Number.POSITIVE_INFINITY): Searcher {
    const run = new Run(this.#program, text, new Places(text, this.#program), false, { left: stepsMax })
    return { find: (from) => run.find(from) }
  }
}

export interface Searcher {
  /** Where groups 0, 1, … of the first match at or behind `from` begin and end, -1 for one that took no part. */
  find(from: number): Int32Array | undefined
}

interface Look {
  readonly program: Program
  readonly ahead: boolean
}

class Program {
  readonly op: number[] = []
  readonly x: number[] = []
  readonly y: number[] = []
  readonly sets: Members[] = []
  readonly whats: Assertion[] = []
  readonly looks: Look[] = []
  /** Number of places that groups are kept in, group 0 included. */
  slots = 2
  readonly whole: boolean

  constructor(root: Node, whole: boolean) {
    this.whole = whole
    this.#emit(opSave, 0)
    this.#add(root)
    if (whole) this.#assert('end')
    this.#emit(opSave, 1)
    this.#emit(opMatch)
  }

  get length(): number {
    return this.op.length
  }

  get hasWordEdge(): boolean {
    return this.whats.some((what) => what === 'word-edge' || what === 'no-word-edge')
  }

  #emit(op: number, x = 0, y = 0): number {
    if (this.op.length >= programMax) {
      throw new PatternProblem('is too large: its repetitions with bounds come to too many items')
    }
    this.x.push(x)
    this.y.push(y)
    return this.op.push(op) - 1
  }

  #assert(what: Assertion): void {
    this.#emit(opAssert, this.whats.push(what) - 1)
  }

  #add(node: Node): void {
    switch (node.kind) {
      case 'set':
        this.#emit(opSet, this.sets.push(new Members(node.set)) - 1)
        return
      case 'assertion':
        this.#assert(node.what)
        return
      case 'look': {
        // Whether something begins here is asked from the right, so that one pass answers it for every place.
        const program = new Program(node.ahead ? backwards(node.item) : node.item, false)
        this.#emit(opLook, this.looks.push({ program, ahead: node.ahead }) - 1, node.negated ? 1 : 0)
        return
      }
      case 'group':
        this.slots = Math.max(this.slots, 2 * node.index + 2)
        this.#emit(opSave, 2 * node.index)
        this.#add(node.item)
        this.#emit(opSave, 2 * node.index + 1)
        return
      case 'sequence':
        for (const item of node.items) this.#add(item)
        return
      case 'choice':
        this.#choice(node.items)
        return
      case 'repeat':
        this.#repeat(node)
        return
      case 'reference':
        throw new PatternProblem('refers back to a group, which cannot be searched for in a time that is bounded')
    }
  }

  #choice(items: readonly Node[]): void {
    const ends: number[] = []
    for (const [index, item] of items.entries()) {
      if (index === items.length - 1) this.#add(item)
      else {
        const split = this.#emit(opSplit, this.length + 1)
        this.#add(item)
        ends.push(this.#emit(opJump))
        this.y[split] = this.length
      }
    }
    for (const end of ends) this.x[end] = this.length
  }

  #repeat({ item, min, max, lazy }: Extract<Node, { kind: 'repeat' }>): void {
    for (let i = 0; i < min; i++) this.#add(item)
    const prefer = (split: number, inside: number, outside: number): void => {
      this.x[split] = lazy ? outside : inside
      this.y[split] = lazy ? inside : outside
    }
    if (max === Number.POSITIVE_INFINITY) {
      const split = this.#emit(opSplit)
      this.#add(item)
      this.#emit(opJump, split)
      prefer(split, split + 1, this.length)
      return
    }
    const splits: number[] = []
    for (let i = min; i < max; i++) {
      splits.push(this.#emit(opSplit))
      this.#add(item)
    }
    for (const split of splits) prefer(split, split + 1, this.length)
  }
}

/** A set of characters that answers in a few instructions. */
class Members {
  readonly #low = new Uint8Array(256)
  readonly #set: CharSet

  constructor(set: CharSet) {
    this.#set = set
    for (let code = 0; code < 256; code++) if (set.has(code)) this.#low[code] = 1
  }

  has(code: number): boolean {
    return code < 256 ? this.#low[code] === 1 : this.#set.has(code)
  }
}

/** What holds at each place of a text, found out as far as a program asks. */
class Places {
  readonly #text: string
  readonly #words: Uint8Array | undefined
  readonly #looks: readonly Uint8Array[]

  constructor(text: string, program: Program) {
    this.#text = text
    this.#words = program.hasWordEdge ? wordsOf(text) : undefined
    this.#looks = program.looks.map((look) => answers(look, text))
  }

  looks(index: number, at: number): boolean {
    return this.#looks[index]?.[at] === 1
  }

  holds(what: Assertion, at: number): boolean {
    const text = this.#text
    const isEnd = at === text.length
    const before = at === 0 ? -1 : text.charCodeAt(at - 1)
    const next = isEnd ? -1 : text.charCodeAt(at)
    switch (what) {
      case 'begin':
        return at === 0
      case 'end':
        return isEnd
      case 'final':
        if (isEnd) return true
        if (at === text.length - 2) return next === 13 && text.charCodeAt(at + 1) === 10
        return at === text.length - 1 && isTerminator(next) && !(next === 10 && before === 13)
      case 'final-unix':
        return isEnd || (at === text.length - 1 && next === 10)
      case 'line-begin':
        return !isEnd && (at === 0 || (isTerminator(before) && !(before === 13 && next === 10)))
      case 'line-begin-unix':
        return !isEnd && (at === 0 || before === 10)
      case 'line-end':
        return isEnd || (isTerminator(next) && !(next === 10 && before === 13))
      case 'line-end-unix':
        return isEnd || next === 10
      case 'word-edge':
        return this.#words?.[at] !== this.#words?.[at + 1]
      case 'no-word-edge':
        return this.#words?.[at] === this.#words?.[at + 1]
    }
  }
}

function isTerminator(unit: number): boolean {
  return unit === 10 || unit === 13 || unit === 0x85 || unit === 0x2028 || unit === 0x2029
}

/**
 * For each place whether the character *before* it belongs to a word, as Java 17 sees it: letters, digits and _ of all
 * scripts, and marks upon letters and digits. The entry behind a place is thus that of the character there.
 */
function wordsOf(text: string): Uint8Array {
  const words = new Uint8Array(text.length + 2)
  let letters: Members | undefined
  let marks: Members | undefined
  let onBase = false
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at) as number
    const units = code > 0xffff ? 2 : 1
    let isWord: boolean
    if (code < 0x80) {
      isWord = (code >= 48 && code < 58) || (code >= 65 && code < 91) || (code >= 97 && code < 123)
      onBase = isWord
      isWord ||= code === 95
    } else {
      letters ??= new Members((unicodeProperty('L') as CharSet).or(unicodeProperty('Nd') as CharSet))
      marks ??= new Members(unicodeProperty('Mn') as CharSet)
      isWord = letters.has(code) || (onBase && marks.has(code))
      onBase = isWord
    }
    at += units
    if (isWord) words.fill(1, at - units + 1, at + 1)
  }
  return words
}

/** For each place whether the look-around's item ends there (behind) or begins there (ahead). */
function answers({ program, ahead }: Look, text: string): Uint8Array {
  const found = new Uint8Array(text.length + 1)
  const places = new Places(text, program)
  let now = new Threads(program)
  let next = new Threads(program)
  for (let at = ahead ? text.length : 0; ; ) {
    now.add(0, at, places)
    if (now.matches) found[at] = 1
    if (ahead ? at === 0 : at === text.length) return found
    const code = ahead ? codeBefore(text, at) : (text.codePointAt(at) as number)
    const step = (code > 0xffff ? 2 : 1) * (ahead ? -1 : 1)
    next.clear()
    for (let i = 0; i < now.count; i++) {
      const pc = now.at(i)
      if (program.op[pc] === opSet && program.sets[program.x[pc] as number]?.has(code)) {
        next.add(pc + 1, at + step, places)
      }
    }
    at += step
    ;[now, next] = [next, now]
  }
}

function codeBefore(text: string, at: number): number {
  const unit = text.charCodeAt(at - 1)
  const isPair = unit >= 0xdc00 && unit < 0xe000 && at > 1 && (text.codePointAt(at - 2) as number) > 0xffff
  return isPair ? (text.codePointAt(at - 2) as number) : unit
}

/** The instructions that wait for a character, in order of preference, each once. */
class Threads {
  readonly #program: Program
  readonly #list: Int32Array
  /** In which round an instruction was visited. */
  readonly #visited: Int32Array
  #round = 1
  readonly #stack: number[] = []
  count = 0
  /** True when the end of the program is among them. */
  matches = false
  /** Group places of each, `slots` apart; only where `keepGroups` asks. */
  readonly groups: Int32Array
  readonly #slots: number

  constructor(program: Program, slots = 0) {
    this.#program = program
    this.#slots = slots
    this.#list = new Int32Array(program.length)
    this.#visited = new Int32Array(program.length)
    this.groups = new Int32Array(program.length * slots)
  }

  clear(): void {
    this.count = 0
    this.matches = false
    this.#round++
  }

  at(index: number): number {
    return this.#list[index] as number
  }

  /** Follows everything that needs no character from `start` on; `groups` is given back as it came. */
  add(start: number, at: number, places: Places, groups?: Int32Array): void {
    const { op, x, y } = this.#program
    const stack = this.#stack
    const slots = this.#slots
    stack.push(start)
    while (stack.length > 0) {
      const pc = stack.pop() as number
      if (pc < 0) {
        // A group place to be set back: the value lies below its number.
        ;(groups as Int32Array)[-1 - pc] = stack.pop() as number
        continue
      }
      if (this.#visited[pc] === this.#round) continue
      this.#visited[pc] = this.#round
      switch (op[pc]) {
        case opJump:
          stack.push(x[pc] as number)
          break
        case opSplit:
          stack.push(y[pc] as number, x[pc] as number)
          break
        case opSave: {
          const slot = x[pc] as number
          if (groups && slot < slots) {
            stack.push(groups[slot] as number, -1 - slot)
            groups[slot] = at
          }
          stack.push(pc + 1)
          break
        }
        case opAssert:
          if (places.holds(this.#program.whats[x[pc] as number] as Assertion, at)) stack.push(pc + 1)
          break
        case opLook:
          if (places.looks(x[pc] as number, at) === (y[pc] === 0)) stack.push(pc + 1)
          break
        default:
          if (op[pc] === opMatch) this.matches = true
          if (groups) {
            const base = this.count * slots
            for (let slot = 0; slot < slots; slot++) this.groups[base + slot] = groups[slot] as number
          }
          this.#list[this.count++] = pc
      }
    }
  }
}

/** Searches one text with one program. */
class Run {
  readonly #program: Program
  readonly #text: string
  readonly #places: Places
  readonly #onlyWhether: boolean
  readonly #steps: { left: number }
  readonly #scratch: Int32Array
  #now: Threads
  #next: Threads

  constructor(program: Program, text: string, places: Places, onlyWhether: boolean, steps: { left: number }) {
    this.#program = program
    this.#text = text
    this.#places = places
    this.#onlyWhether = onlyWhether
    this.#steps = steps
    const slots = onlyWhether ? 0 : program.slots
    this.#scratch = new Int32Array(program.slots)
    this.#now = new Threads(program, slots)
    this.#next = new Threads(program, slots)
  }

  find(from: number): Int32Array | undefined {
    const { op, x, sets, slots, whole } = this.#program
    const text = this.#text
    const scratch = this.#scratch
    const groups = this.#onlyWhether ? undefined : scratch
    let best: Int32Array | undefined
    this.#now.clear()
    for (let at = from; ; ) {
      if (!best && (!whole || at === 0)) {
        scratch.fill(-1)
        this.#now.add(0, at, this.#places, groups)
      }
      if (this.#now.count === 0 && (best || whole)) break
      if (this.#onlyWhether && this.#now.matches) return scratch
      const code = at < text.length ? (text.codePointAt(at) as number) : -1
      const end = at + (code > 0xffff ? 2 : 1)
      this.#next.clear()
      this.#steps.left -= this.#now.count
      if (this.#steps.left < 0) {
        throw new FlumeError('LIMIT', 'a regular expression takes too long on this text', {
          hint: 'let it say more exactly what may come before and between its parts',
        })
      }
      for (let i = 0; i < this.#now.count; i++) {
        const pc = this.#now.at(i)
        if (op[pc] === opMatch) {
          best = this.#now.groups.slice(i * slots, (i + 1) * slots)
          break // What comes after is less preferred.
        }
        if (code >= 0 && sets[x[pc] as number]?.has(code)) {
          if (groups)
            for (let slot = 0; slot < slots; slot++) scratch[slot] = this.#now.groups[i * slots + slot] as number
          this.#next.add(pc + 1, end, this.#places, groups)
        }
      }
      if (code < 0) break
      at = end
      ;[this.#now, this.#next] = [this.#next, this.#now]
    }
    return best
  }
}
