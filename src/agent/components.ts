import { memory } from './channel/memory.ts'
import type { ComponentSpec } from './contract.ts'
import { line } from './deserializer/line.ts'
import { replicating } from './selector/replicating.ts'
import { headerAndText } from './serializer/header-and-text.ts'
import { text } from './serializer/text.ts'
import { hdfs } from './sink/hdfs/index.ts'
import { logger } from './sink/logger.ts'
import { nullSink } from './sink/null.ts'
import { seq } from './source/seq.ts'
import { spooldir } from './source/spooldir/index.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = [
  // sources
  seq,
  spooldir,
  // channels
  memory,
  // selectors
  replicating,
  // sinks
  hdfs,
  logger,
  nullSink,
  // serializers
  headerAndText,
  text,
  // deserializers
  line,
]
