import { Node } from '../graph/node.ts'
import { describedBy } from '../rdd/plan.ts'
import { RDD } from '../rdd/rdd.ts'
import { withinBatch } from '../rdd/save.ts'
import { Time } from '../time.ts'
import { checkTogether } from './together.ts'

/** A function from the data sets of a batch to a new one; it runs while the batch is generated, and may be asynchronous (B46). */
export type Transform<R> = (rdds: readonly RDD<never>[], time: Time) => RDD<R> | PromiseLike<RDD<R>>

/** transform, transformWith and the joins. */
export class TransformNode<R> extends Node<R> {
  readonly kind: string
  readonly dependencies: readonly Node<unknown>[]
  readonly slideMs: number
  readonly #transform: Transform<R>
  readonly #isOurs: boolean

  /** `isOurs`: the function is the engine's own and describes the same data sets in every batch, as a join does. */
  constructor(kind: string, parents: readonly Node<unknown>[], transform: Transform<R>, isOurs = false) {
    const first = checkTogether(parents, 'List of DStreams to transform is empty')
    super(first.graph)
    this.kind = kind
    this.dependencies = parents
    this.slideMs = first.slideMs
    this.#transform = transform
    this.#isOurs = isOurs
  }

  override describeOver(parents: readonly RDD<never>[]): void {
    if (this.#isOurs) this.#transform(parents, new Time(0))
  }

  protected async compute(timeMs: number): Promise<RDD<R>> {
    const rdds: RDD<unknown>[] = []
    for (const parent of this.dependencies) {
      const rdd = await parent.rddAt(timeMs)
      if (!rdd) throw new Error(`Couldn't generate RDD from parent at time ${timeMs} ms: ${this.place}`)
      rdds.push(rdd)
    }
    const run = (): RDD<R> | PromiseLike<RDD<R>> =>
      withinBatch(() => this.#transform(rdds as unknown as readonly RDD<never>[], new Time(timeMs)))
    const result: unknown = await (this.#isOurs ? describedBy(this.id, run).result : run())
    if (result === null || result === undefined) {
      throw new Error(
        `Transform function must not return null. Return SparkContext.emptyRDD() instead to represent no element as the result of transformation: ${this.place}`,
      )
    }
    if (!(result instanceof RDD)) throw new TypeError(`Transform function must return an RDD: ${this.place}`)
    return result as RDD<R>
  }
}
