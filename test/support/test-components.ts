import {
  type ComponentSpec,
  defineChannel,
  defineDeserializer,
  defineInterceptor,
  defineSelector,
  defineSerializer,
  defineSink,
  defineSinkProcessor,
  defineSource,
} from '../../src/agent/contract.ts'
import { bytes, choice, count, flag, list, nested, port, prefix, secret, text } from '../../src/spec/option.ts'

const unused = (): never => {
  throw new Error('a configuration test makes no component')
}

/** Components that exist for tests of the configuration: Flume's names and keys, nothing behind them. */
export const testComponents: readonly ComponentSpec[] = [
  defineSource({
    type: 'netcat',
    aliases: ['org.apache.flume.source.NetcatSource'],
    summary: 'Lines over TCP.',
    options: {
      bind: text({ doc: 'Address.' }),
      port: port({ doc: 'Port.' }),
      'max-line-length': count({ doc: 'Longest line.', default: 512 }),
      'ack-every-event': flag({ doc: 'Acknowledge.', default: true }),
    },
    create: unused,
  }),
  defineSource({
    type: 'FlumeSource',
    aliases: [],
    summary: 'Anything on one port.',
    options: { bind: text({ doc: 'Address.', default: 'localhost' }), port: port({ doc: 'Port.' }) },
    takesConsole: true,
    create: unused,
  }),
  defineSource({
    type: 'exec',
    aliases: ['org.apache.flume.source.ExecSource'],
    summary: 'A command.',
    options: {
      command: text({ doc: 'Command.' }),
      batchSize: count({ doc: 'Batch.', default: 20, min: 1 }),
      restart: flag({ doc: 'Run it again.', default: false }),
    },
    batchSizeOption: 'batchSize',
    create: unused,
  }),
  defineSource({
    type: 'spooldir',
    aliases: ['org.apache.flume.source.SpoolDirectorySource'],
    summary: 'Files.',
    options: {
      spoolDir: text({ doc: 'Folder.' }),
      deserializer: nested('deserializer', { doc: 'How to cut.', default: 'LINE' }),
    },
    create: unused,
  }),
  defineSource({
    type: 'KafkaSource',
    aliases: ['org.apache.flume.source.kafka.KafkaSource'],
    summary: 'A topic.',
    options: {
      'kafka.bootstrap.servers': text({ doc: 'Brokers.', formerly: ['brokerList'] }),
      'kafka.consumer.group.id': text({ doc: 'Group.', default: 'flume', formerly: ['groupId'] }),
      'kafka.consumer.': prefix({ doc: 'For the client.' }),
      batchSize: count({ doc: 'Batch.', default: 1000 }),
    },
    batchSizeOption: 'batchSize',
    create: unused,
  }),
  defineChannel({
    type: 'memory',
    aliases: ['org.apache.flume.channel.MemoryChannel'],
    summary: 'Events in memory.',
    options: {
      capacity: count({ doc: 'Events.', default: 100, min: 1 }),
      transactionCapacity: count({ doc: 'Events of one transaction.', default: 100, min: 1 }),
      byteCapacity: bytes({ doc: 'Bytes.', optional: true }),
    },
    transactionCapacityOption: 'transactionCapacity',
    capabilities: { durable: false, ordered: true, overlappingTakes: true },
    check: ({ capacity, transactionCapacity }) =>
      transactionCapacity > capacity
        ? [
            {
              option: 'transactionCapacity',
              message: `${transactionCapacity} is more than the capacity of ${capacity}`,
            },
          ]
        : [],
    create: unused,
  }),
  defineChannel({
    type: 'KafkaChannel',
    aliases: ['org.apache.flume.channel.kafka.KafkaChannel'],
    summary: 'A topic as a channel.',
    options: { 'kafka.bootstrap.servers': text({ doc: 'Brokers.', formerly: ['brokerList'] }) },
    capabilities: { durable: true, ordered: true, overlappingTakes: true, external: true },
    create: unused,
  }),
  defineSink({
    type: 'logger',
    aliases: ['org.apache.flume.sink.LoggerSink'],
    summary: 'Log.',
    options: {},
    create: unused,
  }),
  defineSink({
    type: 'hdfs',
    aliases: ['org.apache.flume.sink.hdfs.HDFSEventSink'],
    summary: 'Files in HDFS.',
    options: {
      'hdfs.path': text({ doc: 'Folder.' }),
      'hdfs.rollInterval': count({ doc: 'Seconds.', default: 30 }),
      'hdfs.batchSize': count({ doc: 'Batch.', default: 100, min: 1 }),
      'hdfs.fileType': choice({ doc: 'Format.', of: ['SequenceFile', 'DataStream'], default: 'SequenceFile' }),
      'hdfs.writeFormat': text({ doc: 'Format.', default: 'Writable' }),
      serializer: nested('serializer', { doc: 'Format of a stream.', default: 'TEXT' }),
    },
    batchSizeOption: 'hdfs.batchSize',
    create: unused,
  }),
  defineSink({
    type: 'file_roll',
    aliases: ['org.apache.flume.sink.RollingFileSink'],
    summary: 'Local files.',
    options: {
      'sink.directory': text({ doc: 'Folder.' }),
      'sink.batchSize': count({ doc: 'Batch.', default: 100 }),
      'sink.serializer': nested('serializer', { doc: 'Format.', default: 'TEXT' }),
    },
    batchSizeOption: 'sink.batchSize',
    create: unused,
  }),
  defineSink({
    type: 'KafkaSink',
    aliases: ['org.apache.flume.sink.kafka.KafkaSink'],
    summary: 'A topic.',
    options: {
      'kafka.bootstrap.servers': text({ doc: 'Brokers.', formerly: ['brokerList'] }),
      'kafka.topic': text({ doc: 'Topic.', default: 'default-flume-topic', formerly: ['topic'] }),
      'kafka.producer.acks': text({ doc: 'Acks.', default: '1', formerly: ['requiredAcks'] }),
      flumeBatchSize: count({ doc: 'Batch.', default: 100, formerly: ['batchSize'] }),
      'kafka.producer.': prefix({ doc: 'For the client.', secret: true }),
    },
    batchSizeOption: 'flumeBatchSize',
    create: unused,
  }),
  defineSink({
    type: 'avro',
    aliases: ['org.apache.flume.sink.AvroSink'],
    summary: 'To another agent.',
    options: {
      hostname: text({ doc: 'Host.' }),
      port: port({ doc: 'Port.' }),
      'batch-size': count({ doc: 'Batch.', default: 1000 }),
      'truststore-password': secret({ doc: 'Password.', optional: true }),
      'compression-level': count({ doc: 'Level.', default: 6, min: 1, max: 9 }),
    },
    batchSizeOption: 'batch-size',
    create: unused,
  }),
  defineSelector({
    type: 'replicating',
    aliases: ['org.apache.flume.channel.ReplicatingChannelSelector'],
    summary: 'To all.',
    options: { optional: list({ doc: 'Those that may fail.', default: [] }) },
    channelsNamed: ({ optional }) => optional.map((channel) => ({ option: 'optional', channel })),
    create: unused,
  }),
  defineSelector({
    type: 'multiplexing',
    aliases: ['org.apache.flume.channel.MultiplexingChannelSelector'],
    summary: 'By header.',
    options: {
      header: text({ doc: 'Header.', default: 'flume.selector.header' }),
      'mapping.': prefix({ doc: 'Channels by value.' }),
      default: list({ doc: 'Otherwise.', default: [] }),
    },
    channelsNamed: (options) =>
      Object.entries(options['mapping.']).map(([value, channel]) => ({ option: `mapping.${value}`, channel })),
    create: unused,
  }),
  defineSinkProcessor({
    type: 'default',
    aliases: ['org.apache.flume.sink.DefaultSinkProcessor'],
    summary: 'One sink.',
    options: {},
    sinkCount: { max: 1 },
    create: unused,
  }),
  defineSinkProcessor({
    type: 'failover',
    aliases: ['org.apache.flume.sink.FailoverSinkProcessor'],
    summary: 'The first that works.',
    options: {
      'priority.': prefix({ doc: 'Larger is preferred.' }),
      maxpenalty: count({ doc: 'Longest pause.', default: 30000 }),
    },
    sinksNamed: (options) => Object.keys(options['priority.']).map((sink) => ({ option: `priority.${sink}`, sink })),
    create: unused,
  }),
  defineSinkProcessor({
    type: 'load_balance',
    aliases: ['org.apache.flume.sink.LoadBalancingSinkProcessor'],
    summary: 'In turn.',
    options: {
      selector: text({ doc: 'How.', default: 'round_robin' }),
      backoff: flag({ doc: 'Leave out what failed.', default: false }),
    },
    sinkCount: { min: 2 },
    create: unused,
  }),
  defineInterceptor({
    type: 'timestamp',
    aliases: ['org.apache.flume.interceptor.TimestampInterceptor$Builder'],
    summary: 'The time as a header.',
    options: { preserveExisting: flag({ doc: 'Keep it.', default: false }) },
    create: unused,
  }),
  defineInterceptor({
    type: 'regex_filter',
    aliases: ['org.apache.flume.interceptor.RegexFilteringInterceptor$Builder'],
    summary: 'By pattern.',
    options: {
      regex: text({ doc: 'Pattern.', default: '.*' }),
      excludeEvents: flag({ doc: 'Drop matches.', default: false }),
    },
    create: unused,
  }),
  defineSerializer({
    type: 'text',
    aliases: ['org.apache.flume.serialization.BodyTextEventSerializer$Builder'],
    summary: 'Bodies.',
    options: { appendNewline: flag({ doc: 'A line each.', default: true }) },
    create: unused,
  }),
  defineSerializer({
    type: 'avro_event',
    aliases: ['org.apache.flume.serialization.FlumeEventAvroEventSerializer$Builder'],
    summary: 'Avro.',
    options: { syncIntervalBytes: bytes({ doc: 'Between marks.', default: 2048000 }) },
    create: unused,
  }),
  defineDeserializer({
    type: 'line',
    aliases: ['org.apache.flume.serialization.LineDeserializer$Builder'],
    summary: 'Lines.',
    options: { maxLineLength: count({ doc: 'Longest line.', default: 2048 }) },
    create: unused,
  }),
]
