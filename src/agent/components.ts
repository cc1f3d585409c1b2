import { memory } from './channel/memory.ts'
import type { ComponentSpec } from './contract.ts'
import { replicating } from './selector/replicating.ts'
import { headerAndText } from './serializer/header-and-text.ts'
import { text } from './serializer/text.ts'
import { hdfs } from './sink/hdfs/index.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = [
  // channels
  memory,
  // selectors
  replicating,
  // serializers
  headerAndText,
  text,
  // sinks
  hdfs,
]
