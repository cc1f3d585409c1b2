import type { StreamGraph } from '../graph/graph.ts'
import { InputNode } from '../graph/node.ts'
import type { Items } from '../rdd/push.ts'
import { RDD } from '../rdd/rdd.ts'
import { ItemsPlan } from '../rdd/source.ts'
import type { Receiver } from './receiver.ts'

/** The input whose batches are the blocks of a receiver: one partition each, none when nothing came (B104). */
export class ReceiverNode<T> extends InputNode<T> {
  readonly kind = 'receiver'
  readonly receiver: Receiver<T>
  readonly #streams: StreamGraph
  readonly #words: string
  #isLogged = false

  /** `words` names the stream for people, such as `Socket stream`. */
  constructor(graph: StreamGraph, receiver: Receiver<T>, words: string) {
    super(graph)
    this.receiver = receiver
    this.#streams = graph
    this.#words = words
  }

  get name(): string {
    return `${this.#words} [${this.streamId}]`
  }

  /** The class of the receiver, and what it says of itself. */
  override get detail(): string {
    return `${this.#words} ${this.receiver.constructor.name}`
  }

  override get isReplayable(): boolean {
    return this.#isLogged
  }

  /** Its blocks are in the write-ahead log. */
  markLogged(): void {
    this.#isLogged = true
  }

  protected compute(timeMs: number): RDD<T> {
    const blocks = this.#streams.tracker.blocksAt(timeMs, this.streamId)
    this.report(
      timeMs,
      blocks.reduce((sum, block) => sum + block.recordCount, 0),
    )
    return new RDD<T>(this.graph.sparkContext, new ItemsPlan<T>(blocks.map((block) => block.items as Items<T>)))
  }
}
