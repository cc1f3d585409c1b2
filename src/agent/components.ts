import type { ComponentSpec } from './contract.ts'
import { avro as avroSink } from './sink/avro.ts'
import { sparkReceiver } from './sink/spark-receiver.ts'
import { avro as avroSource } from './source/avro.ts'
import { flumeSource } from './source/flume-source/index.ts'
import { netcat } from './source/netcat.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = [avroSink, sparkReceiver, avroSource, flumeSource, netcat]
