import { type MaybeRdd, Node } from '../graph/node.ts'
import { describedBy } from '../rdd/plan.ts'
import type { RDD } from '../rdd/rdd.ts'

/**
 * One parent, one data set in, one out, on the parent's beat: map, filter, reduceByKey and all their kind. The
 * data set's own operations do the work, so neighbouring ones fuse into one pass.
 */
export class DeriveNode<T, U> extends Node<U> {
  readonly kind: string
  readonly dependencies: readonly Node<unknown>[]
  readonly #parent: Node<T>
  readonly #derive: (rdd: RDD<T>) => RDD<U>

  constructor(kind: string, parent: Node<T>, derive: (rdd: RDD<T>) => RDD<U>) {
    super(parent.graph)
    this.kind = kind
    this.dependencies = [parent as Node<unknown>]
    this.#parent = parent
    this.#derive = derive
  }

  get slideMs(): number {
    return this.#parent.slideMs
  }

  protected async compute(timeMs: number): Promise<MaybeRdd<U>> {
    const rdd = await this.#parent.rddAt(timeMs)
    return rdd && describedBy(this.id, () => this.#derive(rdd)).result
  }

  override describeOver([parent]: readonly RDD<never>[]): void {
    this.#derive(parent as unknown as RDD<T>)
  }
}
