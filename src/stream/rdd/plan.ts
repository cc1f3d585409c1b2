import type { Push, Signal } from './push.ts'

/** What a plan sees of the data behind it. */
export interface Dataset<T> {
  readonly partitionCount: number
  readonly plan: Plan<T>
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
  run(index: number, push: Push<T>): Signal
}

/** A barrier: a shuffle, a sort. Prepared once; prepared again only after a failure. */
export interface Stage {
  readonly isDone: boolean
  prepare(runner: Runner): Promise<void>
}

/** Runs a task for each partition index; the place where threads, or a cluster's executors, can come in. */
export interface Runner {
  runPartitions<U>(indexes: readonly number[], task: (index: number) => U | Promise<U>): Promise<U[]>
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
  const items: T[] = []
  const signal = dataset.run(index, (item) => {
    items.push(item)
    return undefined
  })
  return signal instanceof Promise ? signal.then(() => items) : items
}
