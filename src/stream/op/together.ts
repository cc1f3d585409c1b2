import type { Node } from '../graph/node.ts'
import { IllegalArgumentError } from '../time.ts'

/** What union and transform ask of the streams they join: at least one, one context, one slide (B51). */
export function checkTogether(nodes: readonly Node<unknown>[], emptyMessage: string): Node<unknown> {
  const [first] = nodes
  if (!first) throw new IllegalArgumentError(`requirement failed: ${emptyMessage}`)
  if (nodes.some((node) => node.graph !== first.graph)) {
    throw new IllegalArgumentError('requirement failed: Some of the DStreams have different contexts')
  }
  if (nodes.some((node) => node.slideMs !== first.slideMs)) {
    throw new IllegalArgumentError('requirement failed: Some of the DStreams have different slide durations')
  }
  return first
}
