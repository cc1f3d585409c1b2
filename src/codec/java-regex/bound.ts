import { CharSet } from './char-set.ts'
import type { Node } from './parse.ts'

/**
 * How many steps a backtracking engine may need, from the pattern alone, whatever the text.
 *
 * Backtracking is slow where several ways lead over the same characters and what follows keeps failing. So each node gets
 * an upper bound of the *ways* in which it can hand on to what follows (`\d+` before `\s` has one: any other dies at the
 * next character; `.*` before `x` has as many as there are characters; `(a+)+` has 2 to that power), and of the steps
 * spent in it. Everything is rounded up: a pattern may be thought slower than it is, never faster.
 */
export function stepsMax(root: Node, whole: boolean, length: number, everywhere = false): number {
  const follow: Follow = { first: CharSet.none, sure: !whole, tests: 1 }
  const bound = new Bound(length)
  const { shared, apart, once } = bound.cost(root, follow)
  const attempt = shared * length + apart
  if (whole) return attempt + once
  // Of all matches each takes its text with it, and what is taken once in a search is taken once for each.
  if (everywhere) return (length + 1) * (attempt + 1) + (isCertain(root) ? 2 * length : length * once)
  if (isAnchored(root)) return attempt + once + (length + 1) * (bound.tests(root) + 1)
  const rest = leadingRun(root)?.rest
  if (!rest) return (length + 1) * (attempt + 1) + once
  // The attempts of a search share the text that their leading runs pass over (see leadingRun).
  const after = bound.cost(rest, follow)
  return (2 * length + 2) * (after.shared * length + after.apart + bound.tests(rest) + 4) + after.once
}

/**
 * The set of a pattern that begins with an unbounded run of one set, such as `.*` or `\S+`, and what follows the run. A
 * match cannot begin right behind another character of the set: it would have begun there.
 */
export function leadingRun(root: Node): { readonly set: CharSet; readonly rest: Node } | undefined {
  const items = root.kind === 'sequence' ? root.items : [root]
  const first = items[0]?.kind === 'group' ? items[0].item : items[0]
  if (first?.kind !== 'repeat' || first.max !== Number.POSITIVE_INFINITY || first.item.kind !== 'set') return undefined
  return { set: first.item.set, rest: { kind: 'sequence', items: items.slice(1) } }
}

/** What comes after a node. */
interface Follow {
  /** Characters of which one must come next, unless the text may end the match there. */
  readonly first: CharSet
  /** It succeeds wherever it is tried, so nothing before it is ever tried a second time. */
  readonly sure: boolean
  /** Steps until it has failed at a character that is not in `first`. */
  readonly tests: number
}

interface Cost {
  /** How often what follows is tried and survives its first character. */
  readonly ways: number
  /** Steps per character that is passed over: nodes one after the other share the text, so the greatest counts. */
  readonly shared: number
  /** Further steps. */
  readonly apart: number
  /** Steps that are taken once in a search: they end in a match. */
  readonly once: number
}

class Bound {
  readonly #length: number

  constructor(length: number) {
    this.#length = length
  }

  cost(node: Node, follow: Follow): Cost {
    switch (node.kind) {
      case 'set':
        return { ways: 1, shared: 0, apart: 1, once: 0 }
      case 'assertion':
        return { ways: 1, shared: 0, apart: 4, once: 0 }
      case 'look':
        return { ways: 1, shared: 0, apart: this.#lookSteps(node), once: 0 }
      case 'reference':
        return { ways: 1, shared: 1, apart: 1, once: 0 }
      case 'group':
        return this.cost(node.item, follow)
      case 'sequence':
        return this.#sequence(node.items, follow)
      case 'choice':
        return this.#choice(node.items, follow)
      case 'repeat':
        return this.#repeat(node, follow)
    }
  }

  /** Steps until a node has failed without taking a character. */
  tests(node: Node): number {
    switch (node.kind) {
      case 'set':
        return 1
      case 'assertion':
        return 4
      case 'look':
        return this.#lookSteps(node)
      case 'reference':
        return this.#length + 1
      case 'group':
        return this.tests(node.item)
      case 'repeat':
        return 1 + this.tests(node.item)
      case 'choice':
        return node.items.reduce((sum, item) => sum + 1 + this.tests(item), 0)
      case 'sequence': {
        let sum = 0
        for (const item of node.items) {
          sum += this.tests(item)
          if (!isNullable(item)) break
        }
        return sum
      }
    }
  }

  #lookSteps({ item, ahead }: Extract<Node, { kind: 'look' }>): number {
    const { shared, apart, once } = this.cost(ahead ? item : backwards(item), {
      first: CharSet.none,
      sure: true,
      tests: 1,
    })
    return 2 + shared * this.#length + apart + once
  }

  #sequence(items: readonly Node[], follow: Follow): Cost {
    // From the last to the first, because each must know what follows it.
    let after = follow
    let cost: Cost = { ways: 1, shared: 0, apart: 0, once: 0 }
    for (const item of items.toReversed()) {
      if (after.sure) {
        cost = { ways: 1, shared: 0, apart: 0, once: cost.once + cost.shared * this.#length + cost.apart }
      }
      const own = this.cost(item, after)
      const nullable = isNullable(item)
      const once = own.once + cost.once
      cost =
        own.ways <= 1
          ? { ways: cost.ways, shared: Math.max(own.shared, cost.shared), apart: own.apart + cost.apart, once }
          : {
              ways: own.ways * cost.ways,
              shared: own.shared,
              apart: own.apart + own.ways * (cost.shared * this.#length + cost.apart),
              once,
            }
      after = {
        first: nullable ? firstOf(item).or(after.first) : firstOf(item),
        sure: after.sure && isCertain(item),
        tests: this.tests(item) + (nullable ? after.tests : 0),
      }
    }
    return cost
  }

  #choice(items: readonly Node[], follow: Follow): Cost {
    const costs = items.map((item) => this.cost(item, follow))
    const apart = costs.reduce((sum, cost) => sum + 1 + cost.apart, 0)
    const once = costs.reduce((sum, cost) => sum + cost.once, 0)
    // At most one alternative gets past the character that is there.
    let seen = CharSet.none
    let isDecided = true
    for (const item of items) {
      const first = firstOf(item)
      isDecided &&= !isNullable(item) && !seen.meets(first)
      seen = seen.or(first)
    }
    if (isDecided) {
      return {
        ways: Math.max(...costs.map(({ ways }) => ways)),
        shared: Math.max(...costs.map(({ shared }) => shared)),
        apart,
        once,
      }
    }
    return {
      ways: costs.reduce((sum, { ways }) => sum + ways, 0),
      shared: costs.reduce((sum, { shared }) => sum + shared, 0),
      apart,
      once,
    }
  }

  #repeat({ item, min, max }: Extract<Node, { kind: 'repeat' }>, follow: Follow): Cost {
    if (max === 0) return { ways: 1, shared: 0, apart: 1, once: 0 }
    const first = firstOf(item)
    const nullable = isNullable(item)
    const own = this.cost(item, {
      first: max > 1 ? first.or(follow.first) : follow.first,
      sure: follow.sure && min <= 1,
      tests: follow.tests + (max > 1 ? this.tests(item) : 0),
    })
    const unit = Math.max(1, shortest(item))
    const rounds = Math.min(max, Math.floor(this.#length / unit) + 1 + (nullable ? min : 0))
    const isDecided = follow.sure || (!nullable && !first.meets(follow.first))
    if (own.ways <= 1) {
      const ways = min === max || isDecided ? 1 : Math.max(1, rounds - min + 1)
      const perRound = own.apart + follow.tests + 2
      // A round may be walked over once more in vain: the one that fails at its end.
      return rounds === max
        ? { ways, shared: 2 * own.shared, apart: (rounds + 1) * perRound, once: own.once }
        : { ways, shared: 2 * (own.shared + perRound / unit), apart: (min + 2) * perRound, once: own.once }
    }
    const inside = own.shared * this.#length + own.apart + follow.tests + 2
    if (max === 1)
      return { ways: own.ways + (min === 0 && !isDecided ? 1 : 0), shared: 0, apart: inside, once: own.once }
    const [waysOver, roundsOver] = [powers(own.ways, min, rounds), powers(own.ways, 0, rounds)]
    return { ways: waysOver, shared: 0, apart: roundsOver * inside, once: own.once }
  }
}

/** Sum of base^k for k from `from` to `to`. */
function powers(base: number, from: number, to: number): number {
  return Math.min((base ** (to + 1) - base ** from) / (base - 1), Number.MAX_VALUE)
}

/** The same, to be read from right to left. */
export function backwards(node: Node): Node {
  switch (node.kind) {
    case 'sequence':
      return { ...node, items: node.items.map(backwards).reverse() }
    case 'choice':
      return { ...node, items: node.items.map(backwards) }
    case 'group':
    case 'repeat':
      return { ...node, item: backwards(node.item) }
    default:
      return node
  }
}

/** Characters that a node can begin with. */
export function firstOf(node: Node): CharSet {
  switch (node.kind) {
    case 'set':
      return node.set
    case 'reference':
      return CharSet.any
    case 'group':
    case 'repeat':
      return firstOf(node.item)
    case 'choice':
      return node.items.map(firstOf).reduce((one, other) => one.or(other))
    case 'sequence': {
      let first = CharSet.none
      for (const item of node.items) {
        first = first.or(firstOf(item))
        if (!isNullable(item)) break
      }
      return first
    }
    default:
      return CharSet.none
  }
}

/** True when a node can pass without taking a character. */
export function isNullable(node: Node): boolean {
  switch (node.kind) {
    case 'set':
      return false
    case 'group':
      return isNullable(node.item)
    case 'repeat':
      return node.min === 0 || isNullable(node.item)
    case 'choice':
      return node.items.some(isNullable)
    case 'sequence':
      return node.items.every(isNullable)
    default:
      return true
  }
}

/** True when a node passes at every place of every text. */
function isCertain(node: Node): boolean {
  switch (node.kind) {
    case 'group':
      return isCertain(node.item)
    case 'repeat':
      return node.min === 0 || isCertain(node.item)
    case 'choice':
      return node.items.some(isCertain)
    case 'sequence':
      return node.items.every(isCertain)
    default:
      return false
  }
}

/** Fewest characters that a node takes. */
function shortest(node: Node): number {
  switch (node.kind) {
    case 'set':
      return 1
    case 'group':
      return shortest(node.item)
    case 'repeat':
      return node.min * shortest(node.item)
    case 'choice':
      return Math.min(...node.items.map(shortest))
    case 'sequence':
      return node.items.reduce((sum, item) => sum + shortest(item), 0)
    default:
      return 0
  }
}

/** True when a match can begin at the beginning of the text only. */
function isAnchored(node: Node): boolean {
  switch (node.kind) {
    case 'assertion':
      return node.what === 'begin'
    case 'group':
      return isAnchored(node.item)
    case 'repeat':
      return node.min > 0 && isAnchored(node.item)
    case 'choice':
      return node.items.every(isAnchored)
    case 'sequence':
      return node.items.length > 0 && isAnchored(node.items[0] as Node)
    default:
      return false
  }
}
