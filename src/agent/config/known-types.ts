import type { ComponentKind } from '../contract.ts'
import { definerOf } from './user-module.ts'

interface KnownType {
  readonly kind: ComponentKind
  /** Matches the alias or class name, case not counting. */
  readonly name: RegExp
  readonly why: string
  /** What serves instead, the best first; a way is only named where the component it needs is there. */
  readonly ways: readonly Way[]
}

interface Way {
  readonly needs?: readonly [kind: ComponentKind, type: string]
  readonly say: string
}

const viaHdfs = (say: string): Way => ({ needs: ['sink', 'hdfs'], say })
const fromKafka: Way = {
  needs: ['source', 'KafkaSource'],
  say: 'let Kafka Connect bring it into a topic and read that with KafkaSource',
}
const toKafka: Way = { needs: ['sink', 'KafkaSink'], say: 'send to Kafka with KafkaSink and go on from there' }

/** Types of Flume and of well-known plug-ins that stay in Java, with what serves instead (real users' files name all of these). */
const knownTypes: readonly KnownType[] = [
  { kind: 'source', name: /^jms$|\.JMSSource$/i, why: 'JMS needs a Java client', ways: [fromKafka] },
  { kind: 'source', name: /twitter/i, why: 'the streaming service behind Twitter sources is gone', ways: [] },
  {
    kind: 'source',
    name: /(Avro|Thrift)LegacySource$/i,
    why: 'it serves Flume OG 0.9 agents only',
    ways: [{ needs: ['source', 'avro'], say: 'let them send to the avro source' }],
  },
  { kind: 'source', name: /\.SQLSource$/i, why: 'the SQL source is a Java plug-in', ways: [fromKafka] },
  {
    kind: 'source',
    name: /rabbitmq|kinesis|canal|websocket|mqtt|redis/i,
    why: 'this plug-in is Java only',
    ways: [fromKafka],
  },
  {
    kind: 'sink',
    name: /^hive$|\.HiveSink$/i,
    why: 'Hive needs a Java client',
    ways: [viaHdfs('write files with the hdfs sink and let Hive read them as an external table')],
  },
  {
    kind: 'sink',
    name: /^(hbase2?|asynchbase)$|HBase2?Sink$/i,
    why: 'HBase needs a Java client',
    ways: [toKafka, viaHdfs('write files with the hdfs sink and load those')],
  },
  {
    kind: 'sink',
    name: /elasticsearch/i,
    why: 'the Elasticsearch sink is Java only',
    ways: [toKafka, { needs: ['sink', 'http'], say: 'post with the http sink' }],
  },
  { kind: 'sink', name: /morphline/i, why: 'morphlines run in Java only', ways: [toKafka] },
  { kind: 'sink', name: /^irc$|IRCSink$/i, why: 'there is no IRC sink', ways: [] },
  {
    kind: 'sink',
    name: /DatasetSink$|KuduSink$/i,
    why: 'it needs a Java client',
    ways: [viaHdfs('write files with the hdfs sink'), toKafka],
  },
  {
    kind: 'sink',
    name: /rabbitmq|kinesis|influx|mongo|cassandra|redis|jdbc|mysql/i,
    why: 'this plug-in is Java only',
    ways: [toKafka],
  },
  {
    kind: 'channel',
    name: /^jdbc$|JdbcChannel$/i,
    why: 'the JDBC channel needs an embedded Java database',
    ways: [{ needs: ['channel', 'file'], say: 'use the file channel, which is durable as well, and faster' }],
  },
  {
    kind: 'channel',
    name: /PseudoTxnMemoryChannel$/i,
    why: 'it has no transactions and was made for tests',
    ways: [{ needs: ['channel', 'memory'], say: 'use the memory channel' }],
  },
  {
    kind: 'config filter',
    name: /^hadoop$|\.HadoopCredentialStoreConfigFilter$/i,
    why: "Hadoop's credential store needs a Java client",
    ways: [
      { needs: ['config filter', 'file'], say: 'put each secret into a file and use type file' },
      { needs: ['config filter', 'external'], say: 'ask a program of your own with type external' },
    ],
  },
  {
    kind: 'interceptor',
    name: /MorphlineInterceptor/i,
    why: 'morphlines run in Java only',
    ways: [
      { needs: ['interceptor', 'regex_extractor'], say: 'take fields out with regex_extractor' },
      { needs: ['interceptor', 'search_replace'], say: 'change bodies with search_replace' },
    ],
  },
]

/** Flume's own types: one of them that is not found is not there yet, and no slip of the writer. */
const flumeTypes: Readonly<Partial<Record<ComponentKind, RegExp>>> = {
  source:
    /^(avro|thrift|exec|spooldir|taildir|netcat|netcatudp|seq|syslogtcp|multiport_syslogtcp|syslogudp|http)$|\.(Avro|Thrift|Exec|SpoolDirectory|Taildir|Netcat|NetcatUdp|SequenceGenerator|SyslogTcp|MultiportSyslogTCP|SyslogUDP|HTTP|Kafka|Stress)Source$/i,
  channel: /^(memory|file|spillablememory)$|\.(Memory|File|SpillableMemory|Kafka)Channel$/i,
  sink: /^(null|logger|file_roll|avro|thrift|hdfs|http)$|\.(Null|Logger|RollingFile|Avro|Thrift|HDFSEvent|Http|Kafka|Spark)Sink$/i,
  selector: /^(replicating|multiplexing|load_balancing)$|\.(Replicating|Multiplexing|LoadBalancing)ChannelSelector$/i,
  interceptor:
    /^(timestamp|host|static|regex_filter|regex_extractor|remove_header|search_replace)$|\.(Timestamp|Host|Static|RegexFiltering|RegexExtractor|RemoveHeader|SearchAndReplace|UUID)Interceptor(\$Builder)?$/i,
  serializer: /^(text|header_and_text|avro_event)$|EventSerializer(\$Builder)?$/i,
  deserializer: /^(line|avro)$|\.(Line|AvroEvent|Blob)Deserializer(\$Builder)?$/i,
}

/** A class name: dotted, its last part beginning with a capital. */
const classPattern = /^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+$/

/** What to say of, and use in place of, a type that is not here; undefined when nothing is known of it. */
export function adviceFor(
  kind: ComponentKind,
  type: string,
  isThere: (kind: ComponentKind, type: string) => boolean,
): string | undefined {
  const file = `./my-${kind.replaceAll(' ', '-')}.ts`
  const ownModule = `write it as a module of your own: a file that exports what ${definerOf(kind)} of flume-ts/agent returns, named as the type, such as ${file}`
  const known = knownTypes.find((candidate) => candidate.kind === kind && candidate.name.test(type))
  if (known) {
    const ways = known.ways.filter(({ needs }) => !needs || isThere(...needs)).map(({ say }) => say)
    return `${known.why}; ${[...ways, ownModule].join(', or ')}`
  }
  if (flumeTypes[kind]?.test(type)) return `this ${kind} of Flume is not available yet; ${ownModule}`
  if (classPattern.test(type) && !type.startsWith('org.apache.flume.'))
    return `Java classes cannot be loaded; ${ownModule}`
  return undefined
}

/** Keys that do nothing, in Flume neither, and are no mistake worth a warning: the component's bare class name → key → what to say. */
const harmlessKeys: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  KafkaSink: {
    'kafka.flumeBatchSize': "is the user guide's slip and was never read; the key is flumeBatchSize",
    'serializer.class': 'belongs to a Kafka client older than Flume 1.6 and has no effect',
    'producer.type': 'belongs to a Kafka client older than Flume 1.6 and has no effect',
    'metadata.broker.list': 'belongs to a Kafka client older than Flume 1.6; the key is kafka.bootstrap.servers',
    'request.required.acks': 'belongs to a Kafka client older than Flume 1.6; the key is kafka.producer.acks',
    'partition.key': 'belongs to a Kafka client older than Flume 1.6 and has no effect',
    'partitioner.class': 'belongs to a Kafka client older than Flume 1.6 and has no effect',
    'max.message.size': 'belongs to a Kafka client older than Flume 1.6; the key is kafka.producer.max.request.size',
    'custom.topic.name': 'belongs to a plug-in older than Flume 1.6; the key is kafka.topic',
  },
  KafkaChannel: {
    capacity: 'has no effect on a Kafka channel: the topic keeps the events',
    transactionCapacity: 'has no effect on a Kafka channel: the topic keeps the events',
    generateKeytabFor: 'is an instruction for Cloudera Manager and has no effect here',
  },
  SpoolDirectorySource: { bufferMaxLines: 'is no longer read, in Flume neither' },
  HDFSEventSink: { 'hdfs.txnEventMax': 'is no longer read; the key is hdfs.batchSize' },
}

/** What to say of a key that is known to do nothing; undefined when the key is not known. */
export function harmlessKey(bareNames: readonly string[], key: string): string | undefined {
  for (const name of bareNames) {
    const keys = Object.hasOwn(harmlessKeys, name) ? harmlessKeys[name] : undefined
    if (keys && Object.hasOwn(keys, key)) return keys[key]
  }
  return undefined
}
