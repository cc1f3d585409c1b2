/** Everything a job imports from 'flume-ts/stream'. */
export { SparkConf } from './conf.ts'
export { DStream, InputDStream, MapWithStateDStream, type UpdateStateOptions } from './dstream.ts'
export { type FileEntry, type FileSystem, type FileWriter, registerFileSystem } from './files.ts'
export { FlumeSource, FlumeUtils } from './flume.ts'
export type { InputInfo as StreamInputInfo } from './graph/node.ts'
export {
  type CanCommitOffsets,
  ConsumerStrategies,
  type ConsumerStrategy,
  KafkaInputDStream,
  type KafkaParams,
  KafkaUtils,
  LocationStrategies,
  type LocationStrategy,
  PerPartitionConfig,
  TopicPartition,
} from './kafka.ts'

import './not-there.ts'

export { type State, StateSpec } from './op/map-with-state.ts'
export type { StateRow } from './op/update-state-by-key.ts'
export type { CsvOptions, RecordSchema, SaveFilesOptions } from './output/format.ts'
export { type HasOffsetRanges, KafkaRDD, OffsetRange } from './rdd/kafka.ts'
export { HashPartitioner, type Partitioner } from './rdd/partitioner.ts'
export { RangePartitioner } from './rdd/range-partitioner.ts'
export { RDD } from './rdd/rdd.ts'
export { SparkException } from './rdd/runner.ts'
export { SparkFlumeEvent } from './receiver/flume-event.ts'
export type { ConsumerRecord, Deserializer } from './receiver/kafka-records.ts'
export { Receiver } from './receiver/receiver.ts'
export { BatchInfo, OutputOperationInfo, type ReceiverInfo, type StreamingListener } from './scheduler/listener.ts'
export { StatsReportListener } from './scheduler/stats-report.ts'
export { Accumulator, AccumulatorV2, Broadcast, CollectionAccumulator } from './shared.ts'
export { type ContextSurroundings, SparkContext } from './spark-context.ts'
export { StorageLevel } from './storage-level.ts'
export { type CreateOptions, ReceiverInputDStream, type StopOptions, StreamingContext } from './streaming-context.ts'
export { Duration, Durations, Milliseconds, Minutes, Seconds, Time } from './time.ts'

/** A pair whose type stays a pair where a literal would be read as a list. */
export function pair<K, V>(key: K, value: V): [K, V] {
  return [key, value]
}
