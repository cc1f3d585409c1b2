import { file as fileChannel } from './channel/file/index.ts'
import { kafka as kafkaChannel } from './channel/kafka.ts'
import { memory } from './channel/memory.ts'
import { spillable } from './channel/spillable/index.ts'
import { env } from './config-filter/env.ts'
import { external } from './config-filter/external.ts'
import { file as fileFilter } from './config-filter/file.ts'
import type { ComponentSpec } from './contract.ts'
import { avro as avroDeserializer } from './deserializer/avro.ts'
import { blob } from './deserializer/blob.ts'
import { line } from './deserializer/line.ts'
import { host } from './interceptor/host.ts'
import { regexExtractor } from './interceptor/regex-extractor.ts'
import { regexFilter } from './interceptor/regex-filter.ts'
import { removeHeader } from './interceptor/remove-header.ts'
import { searchReplace } from './interceptor/search-replace.ts'
import { staticInterceptor } from './interceptor/static.ts'
import { timestamp } from './interceptor/timestamp.ts'
import { uuid } from './interceptor/uuid.ts'
import { defaultProcessor } from './processor/default.ts'
import { failover } from './processor/failover.ts'
import { loadBalance } from './processor/load-balance.ts'
import { loadBalancing } from './selector/load-balancing.ts'
import { multiplexing } from './selector/multiplexing.ts'
import { replicating } from './selector/replicating.ts'
import { avroEvent } from './serializer/avro-event.ts'
import { avroEventSerializer } from './serializer/avro-event-serializer.ts'
import { headerAndText } from './serializer/header-and-text.ts'
import { text } from './serializer/text.ts'
import { avro as avroSink } from './sink/avro.ts'
import { fileRoll } from './sink/file-roll.ts'
import { hdfs } from './sink/hdfs/index.ts'
import { http as httpSink } from './sink/http.ts'
import { kafka as kafkaSink } from './sink/kafka/index.ts'
import { logger } from './sink/logger.ts'
import { nullSink } from './sink/null.ts'
import { sparkReceiver } from './sink/spark-receiver.ts'
import { thrift as thriftSink } from './sink/thrift.ts'
import { avro as avroSource } from './source/avro.ts'
import { exec } from './source/exec.ts'
import { flumeSource } from './source/flume-source/index.ts'
import { http as httpSource } from './source/http.ts'
import { kafka as kafkaSource } from './source/kafka.ts'
import { multiportSyslogTcp } from './source/multiport-syslogtcp.ts'
import { netcat } from './source/netcat.ts'
import { netcatUdp } from './source/netcatudp.ts'
import { scribe } from './source/scribe.ts'
import { seq } from './source/seq.ts'
import { spooldir } from './source/spooldir/index.ts'
import { stress } from './source/stress.ts'
import { syslogTcp } from './source/syslogtcp.ts'
import { syslogUdp } from './source/syslogudp.ts'
import { taildir } from './source/taildir/index.ts'
import { thrift as thriftSource } from './source/thrift.ts'

/** Every component there is. Adding one adds one line. */
export const components: readonly ComponentSpec[] = [
  // sources
  avroSource,
  exec,
  flumeSource,
  httpSource,
  kafkaSource,
  multiportSyslogTcp,
  netcat,
  netcatUdp,
  scribe,
  seq,
  spooldir,
  stress,
  syslogTcp,
  syslogUdp,
  taildir,
  thriftSource,
  // channels
  fileChannel,
  kafkaChannel,
  memory,
  spillable,
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
  fileRoll,
  hdfs,
  httpSink,
  kafkaSink,
  logger,
  nullSink,
  sparkReceiver,
  thriftSink,
  // sink processors
  defaultProcessor,
  failover,
  loadBalance,
  // serializers
  avroEvent,
  avroEventSerializer,
  headerAndText,
  text,
  // deserializers
  avroDeserializer,
  blob,
  line,
  // config filters
  env,
  external,
  fileFilter,
]
