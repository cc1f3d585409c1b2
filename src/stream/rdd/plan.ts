import type { OutputFormat } from '../output/format.ts'
import type { Shape } from '../text-form.ts'
import type { Column } from './column.ts'
import type { Items, Push, Signal } from './push.ts'

/**
 * Where the graph of the job describes a plan: the `ordinal`-th data set that operator `node` describes. The same in
 * every thread that has loaded the job, so that functions are found by it and never sent.
 */
export interface Origin {
  readonly node: number
  readonly ordinal: number
}

/** A function that the job gave to an operation. */
export type UserFunction = (...args: never[]) => unknown

/** Pushes all records of one partition of whatever is behind. */
export type RunOne<T> = (push: Push<T>) => Signal

/** Files are read by whoever works on them: a file, or the lines that begin in a range of its bytes. */
export interface FilePart {
  /** What the job named; says which file system it is. */
  readonly uri: string
  /** The path in that file system. */
  readonly path: string
  readonly start?: number
  /** Not included; without it, up to the end of the file. */
  readonly end?: number
}

/** Where a chain of record-by-record functions begins, in a form in which another thread can have it. */
export type Leaf =
  | { readonly kind: 'items'; readonly items: Items<unknown> }
  | { readonly kind: 'column'; readonly column: Column }
  | { readonly kind: 'text'; readonly part: FilePart }
  /** Read by an input of the job's graph, which knows what `part` is: a plain value. */
  | { readonly kind: 'input'; readonly node: number; readonly part: unknown }

/** What a plan sees of the data behind it. */
export interface Dataset<T> {
  readonly partitionCount: number
  readonly plan: Plan<T>
  /** The kept records of a partition as bytes, computed if need be; undefined when it is not kept in that form. */
  keptColumn?(index: number): Column | Promise<Column | undefined> | undefined
  /** True when every partition is held, so that nothing behind it needs to run. */
  readonly isHeld: boolean
  /** Pushes every record of one partition; the stages behind it must have been prepared. */
  run(index: number, push: Push<T>): Signal
}

/** How a data set comes about: a number of partitions and a way to push each of them. */
export interface Plan<T> {
  readonly partitionCount: number
  /** What it is made from. A stage lets go of its parents once it is done, so that lineage does not grow without end. */
  readonly parents: readonly Dataset<unknown>[]
  /** Work over all partitions of the parents that must be finished before any partition of this can be pushed. */
  readonly stage?: Stage
  /** True when its records lie in memory anyway, so that keeping them once more would only copy them. */
  readonly holdsRecords?: boolean
  /** Set when an operator of the job's graph describes it. */
  origin?: Origin | undefined
  run(index: number, push: Push<T>): Signal
  /** The job's own functions in it. */
  readonly functions?: readonly UserFunction[]
  /** For plans that are one function over one partition of one parent: the same over other records. */
  runOver?(parent: RunOne<never>, index: number, push: Push<T>): Signal
  /** For those: the one partition it reads. For unions: where partition `index` comes from. */
  sourceOf?(index: number): { readonly dataset: Dataset<unknown>; readonly index: number }
  /** The records of a partition as another thread can have them; undefined when there is no such form. */
  leafAt?(index: number): Leaf | undefined
}

/** A barrier: a shuffle, a sort. Prepared once; prepared again only after a failure. */
export interface Stage {
  readonly isDone: boolean
  prepare(runner: Runner): Promise<void>
}

/** Runs a task for each partition index. */
export interface Runner {
  /** Other threads, when there are some. */
  readonly remote: Remote | undefined
  /** `isRepeatable` false: the task changes something that a second try would change again. */
  runPartitions<U>(
    indexes: readonly number[],
    task: (index: number) => U | Promise<U>,
    isRepeatable?: boolean,
  ): Promise<U[]>
}

/**
 * Threads that have loaded the job and find its functions by operator. Each call answers undefined, at once or in its
 * promise, when the partition has to be computed here: its functions were made while the job ran, or its records exist
 * in this thread only.
 */
export interface Remote {
  /** The records of a partition, or its first `limit`. */
  collect(dataset: Dataset<unknown>, index: number, limit?: number): Promise<Column | undefined> | undefined
  count(dataset: Dataset<unknown>, index: number): Promise<number | undefined> | undefined
  /** Combines a partition by key as the plan at `at` says: one column of pairs for each partition of that plan. */
  combine(dataset: Dataset<unknown>, index: number, at: Origin): Promise<readonly Column[] | undefined> | undefined
  /** Sends each pair of a partition to where its key belongs: one column of pairs for each partition of `to`. */
  route(dataset: Dataset<unknown>, index: number, to: Route): Promise<readonly Column[] | undefined> | undefined
  /** Merges what `combine` has made for one partition. */
  merge(at: Origin, columns: readonly Column[]): Promise<Column | undefined> | undefined
  /** Writes a partition into a file. */
  save(dataset: Dataset<unknown>, index: number, file: OutputFile): Promise<true | undefined> | undefined
}

/** Whose partitioner says where a pair goes: a plan's, or an operator's with state. `operation` is for messages. */
export interface Route {
  readonly at: Origin | { readonly node: number }
  readonly operation: string
}

/** A file that is to be written. */
export interface OutputFile {
  /** Says which file system it is. */
  readonly uri: string
  readonly path: string
  readonly format: OutputFormat
  readonly shape: Shape
}

/** Every partition index of a data set. */
export function indexesOf(dataset: { readonly partitionCount: number }): number[] {
  return Array.from({ length: dataset.partitionCount }, (_, index) => index)
}

/** The stages that are still to be run before `dataset` can be pushed, each after those it depends on. */
export function pendingStages(dataset: Dataset<unknown>): Stage[] {
  const stages: Stage[] = []
  const seen = new Set<Dataset<unknown>>()
  const visit = (current: Dataset<unknown>): void => {
    if (seen.has(current) || current.isHeld) return
    seen.add(current)
    const { plan } = current
    if (plan.stage?.isDone) return
    for (const parent of plan.parents) visit(parent)
    if (plan.stage) stages.push(plan.stage)
  }
  visit(dataset)
  return stages
}

/** Runs what has to be run before `dataset` can be pushed. */
export async function prepare(dataset: Dataset<unknown>, runner: Runner): Promise<void> {
  for (const stage of pendingStages(dataset)) await stage.prepare(runner)
}

/** One partition as a fresh array. */
export function collectPartition<T>(dataset: Dataset<T>, index: number): T[] | Promise<T[]> {
  return collectRun<T>((push) => dataset.run(index, push))
}

/** What `run` pushes, as an array. */
export function collectRun<T>(run: RunOne<T>): T[] | Promise<T[]> {
  const items: T[] = []
  const signal = run((item) => {
    items.push(item)
    return undefined
  })
  return signal instanceof Promise ? signal.then(() => items) : items
}

/** Who is describing data sets right now, and what it has described so far. */
let describing: { readonly node: number; readonly plans: Plan<unknown>[] } | undefined

/** Runs `describe`, which must be synchronous: the data sets it makes get their origin in `node`. Answers their plans too. */
export function describedBy<R>(
  node: number,
  describe: () => R,
): { readonly result: R; readonly plans: Plan<unknown>[] } {
  const outer = describing
  const plans: Plan<unknown>[] = []
  describing = { node, plans }
  try {
    return { result: describe(), plans }
  } finally {
    describing = outer
  }
}

/** Called for each data set that is made. */
export function noteOrigin(plan: Plan<unknown>): void {
  if (!describing) return
  plan.origin ??= { node: describing.node, ordinal: describing.plans.length }
  describing.plans.push(plan)
}
