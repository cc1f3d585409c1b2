import type { RDD } from '../rdd/rdd.ts'
import { withinBatch } from '../rdd/save.ts'
import { Time } from '../time.ts'
import type { CallSite } from './call-site.ts'
import type { Node } from './node.ts'

/** The work of one output operation in one batch. */
export interface Job {
  readonly timeMs: number
  readonly output: OutputNode
  run(): Promise<void>
}

/** An output operation: what makes a stream run at all. It holds a place in the order of registration, and no data. */
export class OutputNode {
  readonly source: Node<unknown>
  readonly callSite: CallSite
  readonly #act: (rdd: RDD<unknown>, time: Time) => void | PromiseLike<void>

  constructor(
    graph: { addOutput(output: OutputNode): void },
    source: Node<unknown>,
    act: (rdd: RDD<unknown>, time: Time) => void | PromiseLike<void>,
    callSite: CallSite,
  ) {
    this.source = source
    this.callSite = callSite
    this.#act = act
    graph.addOutput(this)
  }

  /** The job of the batch at `timeMs`, or undefined when the stream has no data set then (B8). */
  async jobAt(timeMs: number): Promise<Job | undefined> {
    const rdd = await this.source.rddAt(timeMs)
    if (!rdd) return undefined
    return { timeMs, output: this, run: async () => withinBatch(() => this.#act(rdd, new Time(timeMs))) }
  }
}
