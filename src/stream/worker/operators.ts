import { createHash } from 'node:crypto'
import { FlumeError } from '../../core/error.ts'
import type { StreamGraph } from '../graph/graph.ts'
import { StateNode } from '../op/state-node.ts'
import { CogroupPlan, CombinePlan } from '../rdd/exchange.ts'
import type { Partitioner } from '../rdd/partitioner.ts'
import { describedBy, type Origin, type Plan, type Route, type UserFunction } from '../rdd/plan.ts'
import type { RDD } from '../rdd/rdd.ts'
import type { NamedFunction } from './captured.ts'

/** The functions of a job's graph by operator, apart from any batch. */
export class Operators {
  readonly graph: StreamGraph
  readonly #plans = new Map<number, readonly Plan<unknown>[]>()

  constructor(graph: StreamGraph) {
    this.graph = graph
  }

  planAt({ node, ordinal }: Origin): Plan<unknown> {
    const plan = this.#plansOf(node)[ordinal]
    if (!plan) throw new FlumeError('INVALID_STATE', `operator ${node} describes no data set ${ordinal} in this thread`)
    return plan
  }

  combineAt(at: Origin): CombinePlan<unknown, unknown, unknown> {
    const plan = this.planAt(at)
    if (plan instanceof CombinePlan) return plan as CombinePlan<unknown, unknown, unknown>
    throw new FlumeError('INVALID_STATE', `operator ${at.node} does not combine by key in this thread`)
  }

  partitionerOf({ at }: Route): Partitioner {
    if ('ordinal' in at) {
      const plan = this.planAt(at)
      if (plan instanceof CogroupPlan) return plan.partitioner
    } else {
      const node = this.graph.nodes[at.node]
      if (node instanceof StateNode) return node.partitioner
    }
    throw new FlumeError('INVALID_STATE', `operator ${at.node} has no partitions by key in this thread`)
  }

  #plansOf(id: number): readonly Plan<unknown>[] {
    let plans = this.#plans.get(id)
    if (!plans) {
      const node = this.graph.nodes[id]
      if (!node) throw new FlumeError('INVALID_STATE', `there is no operator ${id} in this thread`)
      const parents = node.dependencies.map(() => this.graph.sparkContext.parallelize<never>([], 1)) as RDD<never>[]
      plans = describedBy(id, () => node.describeOver(parents)).plans
      this.#plans.set(id, plans)
    }
    return plans
  }

  /** One line for each operator: what it is, what it is made from, and which functions of the job it runs. */
  fingerprint(): string[] {
    return this.graph.nodes.map((node) => {
      const parents = node.dependencies.map(({ id }) => id).join(',')
      const functions = this.functionsOf(node.id).map((f) => Function.prototype.toString.call(f))
      const sum = createHash('sha256').update(JSON.stringify(functions)).digest('hex').slice(0, 12)
      return `${node.kind} [${node.id}] of [${parents}], every ${node.slideMs} ms, functions ${sum}`
    })
  }

  /** Every function of the job that runs over records. */
  functions(): NamedFunction[] {
    return this.graph.nodes.flatMap((node) => this.functionsOf(node.id).map((f) => ({ operator: node.describe(), f })))
  }

  /** The job's functions that an operator runs over records. */
  functionsOf(id: number): readonly UserFunction[] {
    return this.#plansOf(id).flatMap((plan) => plan.functions ?? [])
  }
}
