import { createHash } from 'node:crypto'
import type { StreamGraph } from '../graph/graph.ts'
import { InputNode, type Node } from '../graph/node.ts'
import { StateNode } from '../op/state-node.ts'

/** An operator of which a checkpoint keeps something. */
export interface KeptOperator {
  /** The same in every run of a job that has not changed around it. */
  readonly id: string
  readonly node: Node<unknown>
}

/**
 * The operators that a checkpoint knows, with ids made of what they are and what they are made from, or of the name the
 * job gave them: inserting, moving or deleting other operators does not change them.
 */
export function keptOperators(graph: StreamGraph): KeptOperator[] {
  const prints = new Map<Node<unknown>, string>()
  const counts = new Map<string, number>()
  const reachable = graph.reachable()
  const kept: KeptOperator[] = []
  for (const node of graph.nodes) {
    if (!reachable.has(node) || !(node instanceof StateNode || node instanceof InputNode)) continue
    const name =
      node.label === undefined ? `${node.kind}-${fingerprint(node, prints)}` : `${node.kind}-${safe(node.label)}`
    const count = counts.get(name) ?? 0
    counts.set(name, count + 1)
    kept.push({ id: count === 0 ? name : `${name}.${count}`, node })
  }
  return kept
}

/** A short sum over an operator and all it is made from. */
function fingerprint(node: Node<unknown>, known: Map<Node<unknown>, string>): string {
  const found = known.get(node)
  if (found !== undefined) return found
  const parents = node.dependencies.map((parent) => fingerprint(parent, known))
  const sum = createHash('sha256')
    .update(JSON.stringify([node.kind, node.detail, parents]))
    .digest('hex')
    .slice(0, 10)
  known.set(node, sum)
  return sum
}

/** A name that is also the name of a folder. */
function safe(label: string): string {
  const plain = label.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 60)
  if (plain === label) return plain
  return `${plain}-${createHash('sha256').update(label).digest('hex').slice(0, 8)}`
}

/** How the operators of a checkpoint and those of the job go together. */
export interface Matching<S extends { readonly id: string; readonly kind: string }> {
  readonly kept: readonly { readonly operator: KeptOperator; readonly saved: S }[]
  readonly added: readonly KeptOperator[]
  readonly dropped: readonly S[]
}

/** By id; and where just one of a kind is left on both sides, those two: what stands before it has changed, it has not. */
export function match<S extends { readonly id: string; readonly kind: string }>(
  operators: readonly KeptOperator[],
  saved: readonly S[],
): Matching<S> {
  const kept: { operator: KeptOperator; saved: S }[] = []
  let left = [...saved]
  let added: KeptOperator[] = []
  for (const operator of operators) {
    const found = left.find(({ id }) => id === operator.id)
    if (!found) {
      added.push(operator)
      continue
    }
    kept.push({ operator, saved: found })
    left = left.filter((one) => one !== found)
  }
  for (const operator of added) {
    const [only, ...others] = left.filter(({ kind }) => kind === operator.node.kind)
    const rivals = added.filter(({ node }) => node.kind === operator.node.kind)
    if (!only || others.length > 0 || rivals.length > 1) continue
    kept.push({ operator, saved: only })
    left = left.filter((one) => one !== only)
  }
  added = added.filter((operator) => !kept.some((one) => one.operator === operator))
  return { kept, added, dropped: left }
}
