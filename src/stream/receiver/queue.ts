import type { NodeGraph } from '../graph/node.ts'
import { InputNode } from '../graph/node.ts'
import type { RDD } from '../rdd/rdd.ts'
import { ItemsPlan } from '../rdd/source.ts'

/** Batches from a list of data sets that the job itself fills (B96). */
export class QueueNode<T> extends InputNode<T> {
  readonly kind = 'queue'
  readonly #queue: RDD<T>[]
  readonly #oneAtATime: boolean
  readonly #whenEmpty: () => RDD<T>

  constructor(graph: NodeGraph, queue: RDD<T>[], oneAtATime: boolean, whenEmpty: () => RDD<T>) {
    super(graph)
    this.#queue = queue
    this.#oneAtATime = oneAtATime
    this.#whenEmpty = whenEmpty
  }

  get name(): string {
    return `Queue stream [${this.streamId}]`
  }

  protected compute(timeMs: number): RDD<T> {
    const taken = this.#queue.splice(0, this.#oneAtATime ? 1 : this.#queue.length)
    this.report(
      timeMs,
      taken.reduce((sum, rdd) => sum + knownCount(rdd), 0),
    )
    const [first] = taken
    if (!first) return this.#whenEmpty()
    return taken.length === 1 ? first : this.graph.sparkContext.union(taken)
  }
}

/** Records of a data set that was made from a list; 0 where only running it would tell. */
function knownCount(rdd: RDD<unknown>): number {
  return rdd.plan instanceof ItemsPlan ? rdd.plan.recordCount : 0
}
