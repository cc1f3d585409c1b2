import { isNullable } from './bound.ts'
import type { Assertion, Node } from './parse.ts'

/** A tree as JavaScript writes it, for the flag u. */
export function toScript(node: Node): string {
  switch (node.kind) {
    case 'set':
      return node.set.toSource()
    case 'assertion':
      return assertions[node.what]
    case 'group':
      return `(${toScript(node.item)})`
    case 'look':
      return `(?${node.ahead ? '' : '<'}${node.negated ? '!' : '='}${toScript(node.item)})`
    case 'reference':
      return `(?:\\${node.index})`
    case 'sequence':
      return node.items.map(toScript).join('')
    case 'choice':
      return `(?:${node.items.map(toScript).join('|')})`
    case 'repeat':
      return repeated(node)
  }
}

function repeated({ item, min, max, lazy }: Extract<Node, { kind: 'repeat' }>): string {
  const inner = toScript(item)
  // JavaScript does not let an optional item match nothing; Java does, and its groups have taken part then.
  if (min === 0 && max === 1 && isNullable(item)) return lazy ? `(?:|${inner})` : `(?:${inner}|)`
  const bounds =
    max === Number.POSITIVE_INFINITY
      ? min === 0
        ? '*'
        : min === 1
          ? '+'
          : `{${min},}`
      : min === 0 && max === 1
        ? '?'
        : min === max
          ? `{${min}}`
          : `{${min},${max}}`
  return `${item.kind === 'set' ? inner : `(?:${inner})`}${bounds}${lazy ? '?' : ''}`
}

const terminators = '\\r\\u0085\\u2028\\u2029'

/** No end lies between \r and \n, and no line begins at the end of the text; `word-edge` is right for ASCII texts only. */
const assertions: Readonly<Record<Assertion, string>> = {
  begin: '^',
  end: '$',
  final: `(?=\\r\\n$|[${terminators}]?$|(?<!\\r)\\n$)`,
  'final-unix': '(?=\\n?$)',
  'line-begin': '(?:^|(?<=[\\n\\u0085\\u2028\\u2029])|(?<=\\r)(?!\\n))(?!$)',
  'line-begin-unix': '(?:^|(?<=\\n))(?!$)',
  'line-end': `(?=$|[${terminators}]|(?<!\\r)\\n)`,
  'line-end-unix': '(?=\\n|$)',
  'word-edge': '\\b',
  'no-word-edge': '\\B',
}

/**
 * True when JavaScript's groups hold after a match what Java's hold. JavaScript forgets a group at the beginning of each
 * round of the repetition around it; Java keeps what an earlier round left in it.
 */
export function keepsGroups(node: Node, sure = true, inLoop = false): boolean {
  switch (node.kind) {
    case 'group':
      return (sure || !inLoop) && keepsGroups(node.item, sure, inLoop)
    case 'sequence':
      return node.items.every((item) => keepsGroups(item, sure, inLoop))
    case 'choice':
      return node.items.every((item) => keepsGroups(item, false, inLoop))
    case 'look':
      return keepsGroups(node.item, false, inLoop)
    case 'repeat':
      if (node.max > 1) return keepsGroups(node.item, true, true) && (!inLoop || node.min > 0 || !hasGroup(node.item))
      return keepsGroups(node.item, node.min > 0 && sure, inLoop)
    default:
      return true
  }
}

export function hasGroup(node: Node): boolean {
  switch (node.kind) {
    case 'group':
      return true
    case 'look':
    case 'repeat':
      return hasGroup(node.item)
    case 'sequence':
    case 'choice':
      return node.items.some(hasGroup)
    default:
      return false
  }
}
