import type { Column } from '../rdd/column.ts'
import { encodeRecords } from '../rdd/column.ts'
import type { Dataset, Leaf } from '../rdd/plan.ts'
import type { Beginning, Chain, StepAt } from './protocol.ts'

/** A chain whose beginning is not in the form yet in which it is sent. */
export interface Traced {
  readonly leaf: Leaf | { readonly kind: 'kept'; readonly column: Promise<Column | undefined> }
  readonly steps: readonly StepAt[]
}

/**
 * Follows one partition of a data set back to where its records lie. Undefined when a function on the way was made while
 * the job ran, or when the records exist in this thread only.
 */
export function trace(top: Dataset<unknown>, topIndex: number): Traced | undefined {
  const steps: StepAt[] = []
  let dataset = top
  let index = topIndex
  for (;;) {
    const { plan } = dataset
    const kept = dataset.keptColumn?.(index)
    if (kept !== undefined) {
      // Nobody may come to wait for it; whoever reads the records hears of the failure.
      if (kept instanceof Promise) kept.catch(() => undefined)
      steps.reverse()
      return {
        leaf: kept instanceof Promise ? { kind: 'kept', column: kept } : { kind: 'column', column: kept },
        steps,
      }
    }
    if (plan.sourceOf) {
      if (plan.runOver) {
        if (!plan.origin) return undefined
        steps.push({ ...plan.origin, index })
      }
      const source = plan.sourceOf(index)
      dataset = source.dataset
      index = source.index
      continue
    }
    const leaf = plan.leafAt?.(index)
    steps.reverse()
    return leaf && { leaf, steps }
  }
}

/** Undefined when the records that were to be kept are kept in this thread only. Throws CannotCross for records that cannot be sent. */
export async function sendable({ leaf, steps }: Traced): Promise<Chain | undefined> {
  const from = await beginningOf(leaf)
  return from && { from, steps }
}

async function beginningOf(leaf: Traced['leaf']): Promise<Beginning | undefined> {
  switch (leaf.kind) {
    case 'items':
      return { kind: 'column', column: encodeRecords(leaf.items) }
    case 'kept': {
      const column = await leaf.column
      return column && { kind: 'column', column }
    }
    default:
      return leaf
  }
}
