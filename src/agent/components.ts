import { memory } from './channel/memory.ts'
import type { ComponentSpec } from './contract.ts'
import { replicating } from './selector/replicating.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = [
  // channels
  memory,
  // selectors
  replicating,
]
