import { memory } from './channel/memory.ts'
import type { ComponentSpec } from './contract.ts'
import { line } from './deserializer/line.ts'
import { host } from './interceptor/host.ts'
import { regexExtractor } from './interceptor/regex-extractor.ts'
import { regexFilter } from './interceptor/regex-filter.ts'
import { removeHeader } from './interceptor/remove-header.ts'
import { searchReplace } from './interceptor/search-replace.ts'
import { staticInterceptor } from './interceptor/static.ts'
import { timestamp } from './interceptor/timestamp.ts'
import { uuid } from './interceptor/uuid.ts'
import { loadBalancing } from './selector/load-balancing.ts'
import { multiplexing } from './selector/multiplexing.ts'
import { replicating } from './selector/replicating.ts'
import { headerAndText } from './serializer/header-and-text.ts'
import { text } from './serializer/text.ts'
import { avro as avroSink } from './sink/avro.ts'
import { hdfs } from './sink/hdfs/index.ts'
import { logger } from './sink/logger.ts'
import { nullSink } from './sink/null.ts'
import { sparkReceiver } from './sink/spark-receiver.ts'
import { avro as avroSource } from './source/avro.ts'
import { flumeSource } from './source/flume-source/index.ts'
import { netcat } from './source/netcat.ts'
import { seq } from './source/seq.ts'
import { spooldir } from './source/spooldir/index.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = [
  // sources
  avroSource,
  flumeSource,
  netcat,
  seq,
  spooldir,
  // channels
  memory,
  // interceptors
  host,
  regexExtractor,
  regexFilter,
  removeHeader,
  searchReplace,
  staticInterceptor,
  timestamp,
  uuid,
  // selectors
  loadBalancing,
  multiplexing,
  replicating,
  // sinks
  avroSink,
  hdfs,
  logger,
  nullSink,
  sparkReceiver,
  // serializers
  headerAndText,
  text,
  // deserializers
  line,
]
