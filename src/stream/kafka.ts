import type { Clock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { readConsumer } from '../net/kafka/client-options.ts'
import type { ConnectKafka, KafkaCluster } from '../net/kafka/cluster.ts'
import { connectKafka } from '../net/kafka/platformatic.ts'
import { DStream } from './dstream.ts'
import type { StreamGraph } from './graph/graph.ts'
import { KafkaRDD, type OffsetRange, type RangeReader } from './rdd/kafka.ts'
import type { RDD } from './rdd/rdd.ts'
import { type CommitCallback, KafkaNode, type PartitionRates } from './receiver/kafka.ts'
import { type ConsumerRecord, type Deserializer, deserializerOf } from './receiver/kafka-records.ts'
import { PidRateEstimator } from './receiver/rate-estimator.ts'
import type { StreamingListener } from './scheduler/listener.ts'
import type { SparkContext } from './spark-context.ts'
import { require_ } from './time.ts'

/** A partition of a topic. */
export class TopicPartition {
  readonly topic: string
  readonly partition: number

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  toString(): string {
    return `${this.topic}-${this.partition}`
  }
}

/** Settings of Kafka's consumer by their own names; deserializers may be functions from bytes. */
export type KafkaParams = Readonly<Record<string, unknown>>
type Offsets = Iterable<readonly [TopicPartition, number]>

/** Which partitions a stream reads, and how. Made by `ConsumerStrategies`. */
export interface ConsumerStrategy<K, V> {
  readonly params: KafkaParams
  readonly offsets: Offsets
  readonly topics: readonly string[] | RegExp | readonly TopicPartition[]
  /** Types only. */
  readonly record?: ConsumerRecord<K, V>
}

export const ConsumerStrategies = {
  /** All partitions of these topics; partitions that are added later are read from their beginning. */
  Subscribe<K, V>(topics: Iterable<string>, kafkaParams: KafkaParams, offsets: Offsets = []): ConsumerStrategy<K, V> {
    return { topics: [...topics], params: kafkaParams, offsets }
  },

  /** All partitions of the topics whose whole name matches, new topics included. */
  SubscribePattern<K, V>(pattern: RegExp, kafkaParams: KafkaParams, offsets: Offsets = []): ConsumerStrategy<K, V> {
    return { topics: pattern, params: kafkaParams, offsets }
  },

  /** These partitions and no others. */
  Assign<K, V>(
    topicPartitions: Iterable<TopicPartition>,
    kafkaParams: KafkaParams,
    offsets: Offsets = [],
  ): ConsumerStrategy<K, V> {
    return { topics: [...topicPartitions], params: kafkaParams, offsets }
  },
} as const

/** Where partitions are read; without executors on other machines it makes no difference. */
export interface LocationStrategy {
  readonly name: string
}

export const LocationStrategies = {
  PreferConsistent: { name: 'PreferConsistent' } as LocationStrategy,
  PreferBrokers: { name: 'PreferBrokers' } as LocationStrategy,
  PreferFixed: (_hosts: Iterable<readonly [TopicPartition, string]>): LocationStrategy => ({ name: 'PreferFixed' }),
} as const

/** Rates of single partitions, in records a second. */
export abstract class PerPartitionConfig {
  /** 0: no limit. */
  abstract maxRatePerPartition(topicPartition: TopicPartition): number

  /** Records of each batch at least. */
  minRatePerPartition(_topicPartition: TopicPartition): number {
    return 1
  }
}

/** A stream that can note in Kafka what is done. */
export interface CanCommitOffsets {
  /** Queued; sent when the next batch is generated, and when the context stops. */
  commitAsync(offsetRanges: readonly OffsetRange[], callback?: CommitCallback): void
}

/** Records straight from topics, without a receiver. */
export class KafkaInputDStream<K, V> extends DStream<ConsumerRecord<K, V>> implements CanCommitOffsets {
  readonly #kafka: KafkaNode<K, V>

  constructor(context: { readonly graph: StreamGraph }, node: KafkaNode<K, V>) {
    super(context, node)
    this.#kafka = node
  }

  get id(): number {
    return this.#kafka.streamId
  }

  get name(): string {
    return this.#kafka.name
  }

  commitAsync(offsetRanges: readonly OffsetRange[], callback?: CommitCallback): void {
    this.#kafka.commitAsync(offsetRanges, callback)
  }
}

interface Context {
  readonly graph: StreamGraph
  addStreamingListener(listener: StreamingListener): void
}

/** Settings that Spark's own consumer sets for reading; a job may give them, and they do nothing. */
const spareParams = ['key.deserializer', 'value.deserializer']

function textsOf(params: KafkaParams): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === null || spareParams.includes(key)) continue
    texts[key] = Array.isArray(value) ? value.join(',') : String(value)
  }
  return texts
}

/** The two functions of `KafkaUtils`, over any way to a cluster. */
export function kafkaUtilsOver(connect: ConnectKafka) {
  return {
    /** A stream of what comes to topics: exact ranges of offsets per batch, one partition for each partition of a topic. */
    createDirectStream<K, V>(
      ssc: Context,
      locationStrategy: LocationStrategy,
      consumerStrategy: ConsumerStrategy<K, V>,
      perPartitionConfig?: PerPartitionConfig,
    ): KafkaInputDStream<K, V> {
      require_(typeof locationStrategy?.name === 'string', 'createDirectStream needs one of LocationStrategies')
      const { sparkContext } = ssc.graph
      const { topics, params, offsets } = consumerStrategy
      const names =
        topics instanceof RegExp ? [] : [...topics].map((topic) => (typeof topic === 'string' ? topic : topic.topic))
      const { reader, consumer, askMs } = open<K, V>(connect, sparkContext, params, names)
      if (consumer.group === '') throw new FlumeError('USAGE', 'kafkaParams must have group.id')
      const isAssigned = Array.isArray(topics) && topics.length > 0 && typeof topics[0] !== 'string'
      const node: KafkaNode<K, V> = new KafkaNode<K, V>(ssc.graph, {
        reader,
        consumer,
        assigned: isAssigned ? (topics as readonly TopicPartition[]) : undefined,
        topicsOf: (cluster) => topicsOf(cluster, topics as readonly string[] | RegExp),
        offsets: new Map(
          Array.from(offsets, ([partition, offset]) => [`${partition.topic}-${partition.partition}`, offset]),
        ),
        rates: ratesOf(sparkContext, perPartitionConfig),
        currentRate: backpressure(ssc, (): number => node.streamId),
        askMs,
        detail: `kafka ${topics instanceof RegExp ? String(topics) : [...topics].map(String).join(' ')}`,
      })
      return new KafkaInputDStream<K, V>(ssc, node)
    },

    /** The records of exact ranges of offsets. */
    createRDD<K, V>(
      sc: SparkContext,
      kafkaParams: KafkaParams,
      offsetRanges: Iterable<OffsetRange>,
      locationStrategy: LocationStrategy,
    ): RDD<ConsumerRecord<K, V>> & { readonly offsetRanges: readonly OffsetRange[] } {
      require_(typeof locationStrategy?.name === 'string', 'createRDD needs one of LocationStrategies')
      const ranges = [...offsetRanges]
      for (const range of ranges) require_(range.count() >= 0, `${range} ends before it begins`)
      const { reader } = open<K, V>(connect, sc, kafkaParams, [])
      return new KafkaRDD<K, V>(sc, ranges, reader)
    },
  }
}

export const KafkaUtils = kafkaUtilsOver(connectKafka)

function open<K, V>(connect: ConnectKafka, sc: SparkContext, params: KafkaParams, topics: readonly string[]) {
  const texts = textsOf(params)
  const servers = texts['bootstrap.servers']
  if (servers === undefined) {
    throw new FlumeError('USAGE', 'kafkaParams must have bootstrap.servers', {
      hint: 'host:port, several separated by commas',
    })
  }
  const conf = sc.getConf()
  const { settings, consumer, problems } = readConsumer({
    prefix: '',
    servers,
    tlsSettings: { env: process.env, properties: new Map() },
    clientId: 'flume-ts-stream',
    keys: texts,
    group: texts['group.id'] ?? '',
    topics,
    resetDefault: 'latest',
  })
  for (const { option, severity = 'error', message, hint } of problems) {
    if (severity === 'error') throw new FlumeError('USAGE', `kafkaParams: ${option} ${message}`, hint ? { hint } : {})
    if (severity === 'warning') sc.logger.warn(`kafkaParams: ${option} ${message}`)
  }
  const pollMs = conf.contains('spark.streaming.kafka.consumer.poll.ms')
    ? conf.getTimeAsMs('spark.streaming.kafka.consumer.poll.ms')
    : conf.getTimeAsSeconds('spark.network.timeout', '120s') * 1000
  const reader: RangeReader<K, V> = {
    cluster: once(connect, settings, sc),
    clock: sc.clock,
    settings: consumer,
    key: deserializerOf(params, 'key.deserializer') as Deserializer<K>,
    value: deserializerOf(params, 'value.deserializer') as Deserializer<V>,
    allowNonConsecutive: conf.getBoolean('spark.streaming.kafka.allowNonConsecutiveOffsets', false),
    pollMs,
  }
  return { reader, consumer, askMs: settings.requestTimeoutMs }
}

/** One connection for all who read, opened with the first of them and closed with the context. */
function once(
  connect: ConnectKafka,
  settings: Parameters<ConnectKafka>[0],
  sc: { readonly clock: Clock; onStop(act: () => void): void },
): () => Promise<KafkaCluster> {
  let opening: Promise<KafkaCluster> | undefined
  return () => {
    if (!opening) {
      opening = connect(settings, sc.clock)
      opening.catch(() => {
        opening = undefined
      })
      sc.onStop(() => {
        void opening?.then((cluster) => cluster.close()).catch(() => undefined)
        opening = undefined
      })
    }
    return opening
  }
}

async function topicsOf(
  cluster: KafkaCluster,
  topics: readonly string[] | RegExp,
): Promise<ReadonlyMap<string, number>> {
  if (!(topics instanceof RegExp)) {
    cluster.forgetMetadata()
    return await cluster.partitionCounts(topics)
  }
  const whole = new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, ''))
  return new Map([...(await cluster.everyTopic())].filter(([topic]) => whole.test(topic)))
}

function ratesOf(sc: SparkContext, own: PerPartitionConfig | undefined): PartitionRates {
  const conf = sc.getConf()
  const max = conf.getLong('spark.streaming.kafka.maxRatePerPartition', 0)
  const min = conf.getLong('spark.streaming.kafka.minRatePerPartition', 1)
  if (!own) return { maxRatePerPartition: () => max, minRatePerPartition: () => min }
  const named = ({ topic, partition }: { topic: string; partition: number }) => new TopicPartition(topic, partition)
  return {
    maxRatePerPartition: (partition) => own.maxRatePerPartition(named(partition)),
    minRatePerPartition: (partition) => own.minRatePerPartition(named(partition)),
  }
}

/** The rate that back-pressure has found for the stream, the initial one before; undefined where it is off. */
function backpressure(ssc: Context, streamId: () => number): () => number | undefined {
  const conf = ssc.graph.sparkContext.getConf()
  if (!conf.getBoolean('spark.streaming.backpressure.enabled', false)) return () => undefined
  const initial = conf.getDouble('spark.streaming.backpressure.initialRate', 0)
  const estimator = new PidRateEstimator(conf, ssc.graph.batchMs)
  let latest: number | undefined
  ssc.addStreamingListener({
    onBatchCompleted: ({ batchInfo }) => {
      const { processingEndTime = -1, processingDelay = 0, schedulingDelay = 0, streamIdToInputInfo } = batchInfo
      const records = streamIdToInputInfo.get(streamId())?.numRecords ?? 0
      latest = estimator.compute(processingEndTime, records, processingDelay, schedulingDelay) ?? latest
    },
  })
  return () => latest ?? (initial > 0 ? initial : undefined)
}
