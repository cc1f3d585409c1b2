import type { ComponentSpec } from './contract.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = []
