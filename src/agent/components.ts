import { memory } from './channel/memory.ts'
import type { ComponentSpec } from './contract.ts'
import { replicating } from './selector/replicating.ts'
import { headerAndText } from './serializer/header-and-text.ts'
import { text } from './serializer/text.ts'
import { avro as avroSink } from './sink/avro.ts'
import { hdfs } from './sink/hdfs/index.ts'
import { sparkReceiver } from './sink/spark-receiver.ts'
import { avro as avroSource } from './source/avro.ts'
import { flumeSource } from './source/flume-source/index.ts'
import { netcat } from './source/netcat.ts'

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
  avroSink,
  hdfs,
  sparkReceiver,
  // sources
  avroSource,
  flumeSource,
  netcat,
]
