import type { ComponentMetrics } from './snapshot.ts'

type Kind = ComponentMetrics['kind']

/** One attribute of Flume's `/metrics`, and what the same number is called elsewhere. */
export interface Metric {
  /** Flume's name in `/metrics` (flume-protocols §10.1). */
  readonly attribute: string
  /** Flume's name in its closing lines (O-05); absent where Flume has none. */
  readonly closing?: string
  /** Name on the Prometheus page. */
  readonly prometheus: string
  readonly type: 'counter' | 'gauge'
  /** Prometheus counts time in seconds; Flume's milliseconds are divided by 1000. */
  readonly unit?: 'milliseconds'
  /** Java writes it as a double: `3.0`. */
  readonly isDouble?: boolean
  readonly help: string
}

const counter = (attribute: string, closing: string, prometheus: string, help: string): Metric => ({
  attribute,
  closing,
  prometheus: `flume_${prometheus}_total`,
  type: 'counter',
  help,
})
const gauge = (attribute: string, closing: string | undefined, prometheus: string, help: string): Metric => ({
  attribute,
  ...(closing === undefined ? {} : { closing }),
  prometheus: `flume_${prometheus}`,
  type: 'gauge',
  help,
})
const time = (attribute: string, closing: string, prometheus: string, help: string): Metric => ({
  ...gauge(attribute, closing, prometheus, help),
  unit: 'milliseconds',
})
const timer = (attribute: string, closing: string, prometheus: string, help: string): Metric => ({
  ...counter(attribute, closing, prometheus, help),
  unit: 'milliseconds',
})
const times = (kind: string): readonly Metric[] => [
  time('StartTime', `${kind}.start.time`, `${kind}_start_time_seconds`, `When the ${kind} was started, Unix time.`),
  time(
    'StopTime',
    `${kind}.stop.time`,
    `${kind}_stop_time_seconds`,
    `When the ${kind} was stopped, Unix time; 0 while it runs.`,
  ),
]

/** Every number that Flume has a name for, in one place: pages, closing lines, alerts and documents follow from it. */
export const metricTable: Readonly<Record<Kind, readonly Metric[]>> = {
  SOURCE: [
    ...times('source'),
    counter('EventReceivedCount', 'src.events.received', 'source_events_received', 'Events that arrived.'),
    counter(
      'EventAcceptedCount',
      'src.events.accepted',
      'source_events_accepted',
      'Events kept by every required channel.',
    ),
    counter('AppendReceivedCount', 'src.append.received', 'source_appends_received', 'Events that arrived one by one.'),
    counter(
      'AppendAcceptedCount',
      'src.append.accepted',
      'source_appends_accepted',
      'Events that arrived one by one and were kept.',
    ),
    counter(
      'AppendBatchReceivedCount',
      'src.append-batch.received',
      'source_batches_received',
      'Batches that arrived.',
    ),
    counter(
      'AppendBatchAcceptedCount',
      'src.append-batch.accepted',
      'source_batches_accepted',
      'Batches that were kept.',
    ),
    gauge('OpenConnectionCount', 'src.open-connection.count', 'source_open_connections', 'Open connections.'),
    counter('EventReadFail', 'src.event.read.fail', 'source_read_failures', 'Failures to read from the peer or file.'),
    counter(
      'ChannelWriteFail',
      'src.channel.write.fail',
      'source_channel_write_failures',
      'Failures to put into a channel.',
    ),
    counter(
      'GenericProcessingFail',
      'src.generic.processing.fail',
      'source_processing_failures',
      'Any other failures.',
    ),
    timer(
      'KafkaEventGetTimer',
      'source.kafka.event.get.time',
      'source_kafka_get_seconds',
      'Time spent fetching from Kafka.',
    ),
    timer(
      'KafkaCommitTimer',
      'source.kafka.commit.time',
      'source_kafka_commit_seconds',
      'Time spent committing to Kafka.',
    ),
    counter(
      'KafkaEmptyCount',
      'source.kafka.empty.count',
      'source_kafka_empty_polls',
      'Polls of Kafka that brought nothing.',
    ),
  ],
  CHANNEL: [
    ...times('channel'),
    gauge('ChannelCapacity', 'channel.capacity', 'channel_capacity_events', 'Most events the channel holds.'),
    gauge('ChannelSize', 'channel.current.size', 'channel_size_events', 'Events the channel holds.'),
    {
      ...gauge('ChannelFillPercentage', undefined, 'channel_fill_percent', 'Size in percent of the capacity.'),
      isDouble: true,
    },
    counter('EventPutAttemptCount', 'channel.event.put.attempt', 'channel_put_attempts', 'Events that were to be put.'),
    counter('EventPutSuccessCount', 'channel.event.put.success', 'channel_puts', 'Events that were put.'),
    counter('EventTakeAttemptCount', 'channel.event.take.attempt', 'channel_take_attempts', 'Takes that were tried.'),
    counter('EventTakeSuccessCount', 'channel.event.take.success', 'channel_takes', 'Events that were taken for good.'),
    gauge('Open', undefined, 'channel_open', '1 while the channel is open.'),
    gauge('Closed', undefined, 'channel_closed', '1 once the channel is closed.'),
    gauge('Unhealthy', undefined, 'channel_unhealthy', '1 when the channel could not be opened or kept open.'),
    counter(
      'EventPutErrorCount',
      'channel.file.event.put.error',
      'channel_put_errors',
      'Puts that failed to be written.',
    ),
    counter(
      'EventTakeErrorCount',
      'channel.file.event.take.error',
      'channel_take_errors',
      'Takes that failed to be read.',
    ),
    counter(
      'CheckpointWriteErrorCount',
      'channel.file.checkpoint.write.error',
      'channel_checkpoint_errors',
      'Checkpoints that failed to be written.',
    ),
    counter(
      'CheckpointBackupWriteErrorCount',
      'channel.file.checkpoint.backup.write.error',
      'channel_checkpoint_backup_errors',
      'Copies of checkpoints that failed to be written.',
    ),
    timer(
      'KafkaEventGetTimer',
      'channel.kafka.event.get.time',
      'channel_kafka_get_seconds',
      'Time spent fetching from Kafka.',
    ),
    timer(
      'KafkaEventSendTimer',
      'channel.kafka.event.send.time',
      'channel_kafka_send_seconds',
      'Time spent sending to Kafka.',
    ),
    timer(
      'KafkaCommitTimer',
      'channel.kafka.commit.time',
      'channel_kafka_commit_seconds',
      'Time spent committing to Kafka.',
    ),
    counter('RollbackCount', 'channel.rollback.count', 'channel_rollbacks', 'Events that were given back.'),
  ],
  SINK: [
    ...times('sink'),
    counter(
      'ConnectionCreatedCount',
      'sink.connection.creation.count',
      'sink_connections_created',
      'Connections or files opened.',
    ),
    counter(
      'ConnectionClosedCount',
      'sink.connection.closed.count',
      'sink_connections_closed',
      'Connections or files closed.',
    ),
    counter(
      'ConnectionFailedCount',
      'sink.connection.failed.count',
      'sink_connections_failed',
      'Connections or files that failed.',
    ),
    counter('BatchEmptyCount', 'sink.batch.empty', 'sink_batches_empty', 'Takes that found nothing.'),
    counter('BatchUnderflowCount', 'sink.batch.underflow', 'sink_batches_underflow', 'Batches that were not full.'),
    counter('BatchCompleteCount', 'sink.batch.complete', 'sink_batches_complete', 'Batches that were full.'),
    counter(
      'EventDrainAttemptCount',
      'sink.event.drain.attempt',
      'sink_events_attempted',
      'Events that were to be delivered.',
    ),
    // Flume's own spelling, which log readers look for.
    counter(
      'EventDrainSuccessCount',
      'sink.event.drain.sucess',
      'sink_events_delivered',
      'Events that were delivered.',
    ),
    counter('EventWriteFail', 'sink.event.write.fail', 'sink_write_failures', 'Batches that failed to be written.'),
    counter('ChannelReadFail', 'sink.channel.read.fail', 'sink_channel_read_failures', 'Takes that failed.'),
    {
      attribute: 'DeadLetterCount',
      prometheus: 'flume_sink_dead_letters_total',
      type: 'counter',
      help: 'Events that were put into the dead-letter channel; only where a sink has one.',
    },
    timer(
      'KafkaEventSendTimer',
      'channel.kafka.event.send.time',
      'sink_kafka_send_seconds',
      'Time spent sending to Kafka.',
    ),
    counter('RollbackCount', 'channel.rollback.count', 'sink_rollbacks', 'Batches that were given back.'),
  ],
}

/** The table's line for an attribute; undefined for one that Flume has no name for. */
export function metricOf(kind: Kind, attribute: string): Metric | undefined {
  return metricTable[kind].find((metric) => metric.attribute === attribute)
}
