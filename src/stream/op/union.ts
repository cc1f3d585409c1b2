import { Node } from '../graph/node.ts'
import type { RDD } from '../rdd/rdd.ts'
import { checkTogether } from './together.ts'

/** The records of several streams, batch by batch; the partitions of all, one after the other. */
export class UnionNode<T> extends Node<T> {
  readonly kind = 'union'
  readonly dependencies: readonly Node<unknown>[]
  readonly slideMs: number
  readonly #parents: readonly Node<T>[]

  constructor(parents: readonly Node<T>[]) {
    const nodes = parents as readonly Node<unknown>[]
    const first = checkTogether(nodes, 'List of DStreams to union is empty')
    super(first.graph)
    this.dependencies = nodes
    this.slideMs = first.slideMs
    this.#parents = parents
  }

  protected async compute(timeMs: number): Promise<RDD<T>> {
    const rdds: RDD<T>[] = []
    for (const parent of this.#parents) {
      const rdd = await parent.rddAt(timeMs)
      if (!rdd) throw new Error(`Could not generate RDD from a parent for unifying at time ${timeMs} ms: ${this.place}`)
      rdds.push(rdd)
    }
    return this.graph.sparkContext.union(rdds)
  }
}
