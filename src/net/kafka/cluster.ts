// The wall around the client library: what the rest of the project asks of a Kafka cluster. Offsets and times are plain
// numbers, records are bytes. One file (platformatic.ts) stands behind it; tests put a cluster in memory there.
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { FetchedPartition, FetchLimits, FetchPosition } from '../../codec/kafka/fetch.ts'
import type { TopicPartition } from '../../codec/kafka/membership.ts'
import type { ProducedPart, ProducePart } from '../../codec/kafka/produce.ts'
import type { Compression, ProducerStamp } from '../../codec/kafka/record-batch.ts'
import type { Clock } from '../../core/clock.ts'

export interface SaslSettings {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly username: string
  readonly password: string
}

export interface KafkaSettings {
  readonly brokers: readonly { readonly host: string; readonly port: number }[]
  readonly clientId: string
  readonly tls?: TlsOptions | undefined
  readonly sasl?: SaslSettings | undefined
  readonly connectTimeoutMs: number
  /** How long an answer may take, waits that were asked for not counted. */
  readonly requestTimeoutMs: number
  /** What is known of topics is asked for again after this time. */
  readonly metadataMaxAgeMs: number
}

export interface OffsetAt extends TopicPartition {
  /** The next offset to be read. */
  readonly offset: number
}

export interface GroupSettings {
  readonly group: string
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** How long the group waits for its members when partitions are shared anew. */
  readonly rebalanceTimeoutMs: number
  /** Names of assignors, the preferred first: range, roundrobin. */
  readonly assignors: readonly string[]
  readonly instanceId?: string | undefined
}

/** One member of a consumer group. Heartbeats go on by themselves from `join` to `leave`. */
export interface GroupMember {
  /** Takes part in sharing the topics' partitions and resolves to those of this member. What was under way must be committed before. */
  join(topics: readonly string[]): Promise<readonly TopicPartition[]>
  /** Aborts when the group shares anew, or has lost this member: finish, commit, `join` again. A new one after each join. */
  readonly generation: AbortSignal
  /** Commits as this member; rejects when the group has gone on without it, and `generation` is aborted then. */
  commit(offsets: readonly OffsetAt[]): Promise<void>
  leave(): Promise<void>
}

export type ListedAt = 'earliest' | 'latest'

/** A producer that the brokers know, so that a batch sent twice is kept once. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface ProduceSettings {
  /** -1: all replicas in step, 1: the leader, 0: nobody answers. */
  readonly acks: -1 | 0 | 1
  readonly timeoutMs: number
  readonly transactionalId?: string | undefined
}

/** A Kafka cluster. Requests are sent once; whoever asks decides about trying again (`retry` of the error says whether it may help). */
export interface KafkaCluster {
  /** Partition counts of those topics that are there; `create` lets the cluster make what is missing, if it does so. */
  partitionCounts(topics: readonly string[], create?: boolean): Promise<ReadonlyMap<string, number>>
  /** Every topic with its count of partitions, the cluster's own left out. */
  everyTopic(): Promise<ReadonlyMap<string, number>>
  /** Makes a topic; rejects when it is there already. */
  createTopic(topic: string, partitions: number, configs?: Readonly<Record<string, string>>): Promise<void>
  /** The broker that leads a partition; rejects with `retry` while there is none. */
  leaderOf(partition: TopicPartition): Promise<number>
  /** Forgets what is known of topics and leaders. */
  forgetMetadata(): void

  fetch(broker: number, positions: readonly FetchPosition[], limits: FetchLimits): Promise<readonly FetchedPartition[]>
  /** Sends one batch of records for each part; with acks 0 the answer is empty. */
  produce(broker: number, parts: readonly ProducePart[], settings: ProduceSettings): Promise<readonly ProducedPart[]>

  /** Where the partitions begin or end, in their order. With `readCommitted` the end lies before the first open transaction. */
  listOffsets(at: ListedAt, partitions: readonly TopicPartition[], readCommitted?: boolean): Promise<readonly number[]>
  /** What the group has committed, in the order of the partitions; undefined for none. */
  committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]>
  /** Commits for a group that has no members. */
  commit(group: string, offsets: readonly OffsetAt[]): Promise<void>
  member(settings: GroupSettings): GroupMember

  /** A number for this producer; with a transactionalId open transactions of its predecessor are ended. */
  identify(transactionalId: string | undefined, transactionTimeoutMs: number): Promise<ProducerIdentity>
  addToTransaction(
    transactionalId: string,
    identity: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void>
  endTransaction(transactionalId: string, identity: ProducerIdentity, commit: boolean): Promise<void>

  compress(compression: Compression, bytes: Buffer): Buffer
  /** Rejects UNSUPPORTED for what this machine cannot undo, LIMIT for what grows beyond `bytesMax`. */
  decompress(compression: Compression, bytes: Buffer, bytesMax: number): Buffer

  close(): Promise<void>
}

export type ConnectKafka = (settings: KafkaSettings, clock: Clock) => Promise<KafkaCluster>

export type { FetchedPartition, FetchLimits, FetchPosition, ProducedPart, ProducePart, ProducerStamp, TopicPartition }
