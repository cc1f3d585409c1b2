import type { ComponentKind } from '../contract.ts'

interface KnownType {
  readonly kind: ComponentKind
  /** Matches the alias or class name, case not counting. */
  readonly name: RegExp
  /** What it is and what to use in its place. */
  readonly advice: string
}

const viaKafka = 'put Kafka between: its Connect has a connector for it, and KafkaSource reads the topic'

/** Types of Flume and of well-known plug-ins that are not here, with what serves instead (real users' files name all of these). */
const knownTypes: readonly KnownType[] = [
  {
    kind: 'source',
    name: /^jms$|\.JMSSource$/i,
    advice: `JMS needs a Java client; bridge the queue to Kafka or HTTP and read it with KafkaSource or http`,
  },
  {
    kind: 'source',
    name: /\.ScribeSource$/i,
    advice: 'Scribe is retired; send with a Thrift client to the thrift source',
  },
  {
    kind: 'source',
    name: /twitter/i,
    advice: 'the streaming service behind Twitter sources is gone; a module of your own can read what replaced it',
  },
  {
    kind: 'source',
    name: /(Avro|Thrift)LegacySource$/i,
    advice: 'it serves Flume OG 0.9 agents only; let them send to the avro or thrift source',
  },
  {
    kind: 'source',
    name: /keedio.*SQLSource$|\.SQLSource$/i,
    advice: `the SQL source is a Java plug-in; poll the database in a module of your own (type = ./my-source.ts) or ${viaKafka}`,
  },
  {
    kind: 'source',
    name: /rabbitmq/i,
    advice: `RabbitMQ plug-ins are Java only; read the queue in a module of your own (type = ./my-source.ts) or ${viaKafka}`,
  },
  { kind: 'source', name: /kinesis|canal|websocket|mqtt|redis/i, advice: `this plug-in is Java only; ${viaKafka}` },
  {
    kind: 'sink',
    name: /^hive$|\.HiveSink$/i,
    advice: 'write files with the hdfs sink and let Hive read them as an external table',
  },
  {
    kind: 'sink',
    name: /^(hbase2?|asynchbase)$|HBase2?Sink$/i,
    advice: 'HBase needs a Java client; send to Kafka with KafkaSink and load from there, or write files with hdfs',
  },
  {
    kind: 'sink',
    name: /^elasticsearch$|elasticsearch/i,
    advice: 'send bulk requests with the http sink, or to Kafka with KafkaSink and on by Kafka Connect',
  },
  {
    kind: 'sink',
    name: /morphline/i,
    advice: 'morphlines run in Java only; index from Kafka, or in a module of your own',
  },
  {
    kind: 'sink',
    name: /^irc$|IRCSink$/i,
    advice: 'there is no IRC sink; a module of your own (type = ./my-sink.ts) can post lines',
  },
  {
    kind: 'sink',
    name: /DatasetSink$|KuduSink$/i,
    advice: 'it needs a Java client; write files with the hdfs sink, or send to Kafka with KafkaSink',
  },
  {
    kind: 'sink',
    name: /rabbitmq|kinesis|influx|mongo|cassandra|redis|jdbc|mysql/i,
    advice:
      'this plug-in is Java only; send to Kafka with KafkaSink, or write a module of your own (type = ./my-sink.ts)',
  },
  { kind: 'channel', name: /^jdbc$|JdbcChannel$/i, advice: 'use the file channel: it is durable as well, and faster' },
  {
    kind: 'interceptor',
    name: /Morphline(Interceptor)?(\$Builder)?$/i,
    advice: 'morphlines run in Java only; write a module of your own (type = ./my-interceptor.ts)',
  },
]

/** A class name: dotted, its last part beginning with a capital. */
const classPattern = /^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+$/

/** What to use in place of a type that is not here; undefined when nothing is known of it. */
export function adviceFor(kind: ComponentKind, type: string): string | undefined {
  const known = knownTypes.find((candidate) => candidate.kind === kind && candidate.name.test(type))
  if (known) return known.advice
  if (classPattern.test(type) && !type.startsWith('org.apache.flume.')) {
    return `Java classes cannot be loaded; write it as a module of your own (type = ./my-${kind}.ts)`
  }
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
