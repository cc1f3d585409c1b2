import type { Logger } from '../../monitor/logger.ts'
import { StateNode } from '../op/state-node.ts'
import { ReceiverTracker } from '../receiver/tracker.ts'
import type { SparkContext } from '../spark-context.ts'
import { IllegalArgumentError, require_ } from '../time.ts'
import type { InputNode, Node, NodeGraph } from './node.ts'
import type { OutputNode } from './output.ts'

export type ContextState = 'INITIALIZED' | 'ACTIVE' | 'STOPPED'

/** What a stream shows of the context it belongs to. */
export interface StreamContext {
  readonly sparkContext: SparkContext
  readonly graph: StreamGraph
  getState(): ContextState
}

/**
 * The streams of one context, in the order in which the job made them. That order gives every node its id, so the same
 * module run again has the same ids: checkpoints and workers find an operator by it.
 */
export class StreamGraph implements NodeGraph {
  readonly sparkContext: SparkContext
  readonly logger: Logger
  readonly batchMs: number
  readonly nodes: Node<unknown>[] = []
  readonly inputs: InputNode<unknown>[] = []
  readonly outputs: OutputNode[] = []
  /** The blocks that receivers have stored. */
  readonly tracker = new ReceiverTracker()
  /** Set by the context: answers its state, so that nothing is added once it runs. */
  context: StreamContext | undefined
  /** Time of the batch before the first; undefined until the start. */
  zeroMs: number | undefined
  /** Where checkpoints lie, if there are any. */
  checkpointDirectory: string | undefined
  #rememberMs: number | undefined

  constructor(sparkContext: SparkContext, batchMs: number) {
    this.sparkContext = sparkContext
    this.logger = sparkContext.logger
    this.batchMs = batchMs
  }

  /** Takes in a node and answers its id. Throws once the context has been started. */
  add(node: Node<unknown>): number {
    this.checkOpen()
    this.nodes.push(node)
    return this.nodes.length - 1
  }

  addInput(input: InputNode<unknown>): number {
    this.inputs.push(input)
    return this.inputs.length - 1
  }

  addOutput(output: OutputNode): void {
    this.checkOpen()
    this.outputs.push(output)
  }

  /** B121. */
  checkOpen(): void {
    const state = this.context?.getState() ?? 'INITIALIZED'
    if (state === 'INITIALIZED') return
    const when = state === 'ACTIVE' ? 'starting' : 'stopping'
    throw new Error(
      `Adding new inputs, transformations, and output operations after ${when} a context is not supported`,
    )
  }

  /** B33. */
  remember(durationMs: number): void {
    if (this.#rememberMs !== undefined) {
      throw new Error(`Remember duration already set as ${this.#rememberMs} ms. Cannot set it again.`)
    }
    this.#rememberMs = durationMs
  }

  /** Throws when there is nothing to run. */
  validate(): void {
    require_(this.outputs.length > 0, 'No output operations registered, so nothing to execute')
    for (const node of this.reachable()) {
      this.#checkInterval(node)
      if (!(node instanceof StateNode) || !node.needsDirectory || this.isCheckpointed) continue
      throw new IllegalArgumentError(
        `requirement failed: The checkpoint directory has not been set. Please set it by StreamingContext.checkpoint(). ${node.place} needs it.`,
      )
    }
  }

  /** B36. */
  #checkInterval(node: Node<unknown>): void {
    const { checkpointMs, slideMs } = node
    if (checkpointMs === undefined) return
    require_(
      checkpointMs >= slideMs,
      `The checkpoint interval for ${node.place} has been set to ${checkpointMs} ms which is lower than its slide time (${slideMs} ms). Please set it to at least ${slideMs} ms.`,
    )
    require_(
      checkpointMs % slideMs === 0,
      `The checkpoint interval for ${node.place} has been set to ${checkpointMs} ms which is not a multiple of its slide time (${slideMs} ms). Please set it to a multiple of ${slideMs} ms.`,
    )
  }

  get isCheckpointed(): boolean {
    return this.checkpointDirectory !== undefined
  }

  /** The operators with state that an output operation reaches. */
  stateful(): StateNode<unknown, unknown, unknown>[] {
    return [...this.reachable()].filter((node) => node instanceof StateNode).sort((a, b) => a.id - b.id)
  }

  /** Fixes zero time and what each stream has to remember (B30). */
  initialize(zeroMs: number): void {
    this.zeroMs = zeroMs
    for (const output of this.outputs) output.source.rememberAtLeast(this.#rememberMs ?? 0)
    for (const node of this.nodes) if (this.#rememberMs !== undefined) node.rememberAtLeast(this.#rememberMs)
    for (const { source } of this.outputs) source.readers++
    for (const node of this.reachable()) for (const parent of node.dependencies) parent.readers++
  }

  /** The streams that an output operation reaches. */
  reachable(): Set<Node<unknown>> {
    const seen = new Set<Node<unknown>>()
    const visit = (node: Node<unknown>): void => {
      if (seen.has(node)) return
      seen.add(node)
      for (const parent of node.dependencies) visit(parent)
    }
    for (const output of this.outputs) visit(output.source)
    return seen
  }

  /** Lets go of what no stream needs any more once the batch at `timeMs` is complete (B31). */
  clear(timeMs: number): void {
    for (const node of this.reachable()) node.clear(timeMs)
  }

  /** How long blocks of received records must be kept behind a completed batch, in milliseconds. */
  get inputRememberMs(): number {
    return this.inputs.reduce((longest, input) => Math.max(longest, input.rememberMs), this.batchMs)
  }
}
