import { asError, explain, FlumeError } from '../../core/error.ts'
import type { KafkaCluster, OffsetAt, TopicPartition as Partition } from '../../net/kafka/cluster.ts'
import type { ConsumerSettings } from '../../net/kafka/consumer.ts'
import { InputNode, type NodeGraph } from '../graph/node.ts'
import { KafkaRDD, OffsetRange, type RangeReader } from '../rdd/kafka.ts'
import type { Push, Signal } from '../rdd/push.ts'
import type { ConsumerRecord } from './kafka-records.ts'

/** Records a second, of one partition. */
export interface PartitionRates {
  /** 0: no limit. */
  maxRatePerPartition(partition: Partition): number
  minRatePerPartition(partition: Partition): number
}

export interface DirectStreamParts<K, V> {
  readonly reader: RangeReader<K, V>
  readonly consumer: Pick<ConsumerSettings, 'group' | 'reset' | 'readCommitted' | 'metadataMaxAgeMs'>
  /** Partitions given once and for all; undefined: those of the topics that `topicsOf` finds. */
  readonly assigned: readonly Partition[] | undefined
  topicsOf(cluster: KafkaCluster): Promise<ReadonlyMap<string, number>>
  /** Where the job wants reading to begin, by partition. */
  readonly offsets: ReadonlyMap<string, number>
  readonly rates: PartitionRates
  /** Records a second that back-pressure allows for all partitions; undefined: no limit. */
  readonly currentRate: () => number | undefined
  /** How long the cluster is asked for offsets before the batch fails. */
  readonly askMs: number
  readonly detail: string
}

export type CommitCallback = (offsets: ReadonlyMap<string, number>, error: Error | null) => void

type SavedRange = readonly [topic: string, partition: number, from: number, until: number]

/** What a checkpoint keeps: the ranges of batches, and where the next one begins (B136). */
interface SavedOffsets {
  readonly batches: readonly (readonly [number, readonly SavedRange[]])[]
  readonly next: readonly (readonly [topic: string, partition: number, offset: number])[]
}

const pauseMs = 200

/**
 * The records that have come to topics, by ranges of offsets: a batch is from where the last one ended up to the end of each
 * partition, or as far as the rates allow (B113). Its ranges are fixed when it is generated, so it can be read again.
 */
export class KafkaNode<K, V> extends InputNode<ConsumerRecord<K, V>> {
  readonly kind = 'kafka'
  readonly #parts: DirectStreamParts<K, V>
  /** Where the next batch begins, by partition, in the order of the data set's partitions. */
  readonly #next = new Map<string, OffsetAt>()
  readonly #batches = new Map<number, readonly OffsetRange[]>()
  #restoredMs = 0
  #isStarted = false
  #partitionsReadMs = 0
  readonly #commits: { readonly ranges: readonly OffsetRange[]; readonly callback: CommitCallback | undefined }[] = []
  #committing: Promise<void> = Promise.resolve()

  constructor(graph: NodeGraph, parts: DirectStreamParts<K, V>) {
    super(graph)
    this.#parts = parts
  }

  get name(): string {
    return `Kafka 0.10 direct stream [${this.streamId}]`
  }

  override get detail(): string {
    return this.#parts.detail
  }

  override get isReplayable(): boolean {
    return true
  }

  override saveBatches(afterMs: number): SavedOffsets {
    for (const timeMs of this.#batches.keys()) if (timeMs <= afterMs) this.#batches.delete(timeMs)
    return {
      batches: Array.from(this.#batches, ([timeMs, ranges]) => [
        timeMs,
        ranges.map(
          ({ topic, partition, fromOffset, untilOffset }) => [topic, partition, fromOffset, untilOffset] as const,
        ),
      ]),
      next: Array.from(this.#next.values(), ({ topic, partition, offset }) => [topic, partition, offset]),
    }
  }

  override restoreBatches(saved: SavedOffsets, timeMs: number): void {
    this.#restoredMs = timeMs
    for (const [topic, partition, offset] of saved.next)
      this.#next.set(keyOf(topic, partition), { topic, partition, offset })
    for (const [batchMs, ranges] of saved.batches) {
      this.#batches.set(
        batchMs,
        ranges.map(([topic, partition, from, until]) => new OffsetRange(topic, partition, from, until)),
      )
    }
  }

  /** Finds where reading begins: the checkpoint first, then what the job said, then the group, then auto.offset.reset. */
  override async start(): Promise<void> {
    const cluster = await this.#parts.reader.cluster()
    // A cluster that has just begun has no coordinator for a moment.
    await this.#insisting(cluster, () => this.#findPartitions(cluster))
    this.#isStarted = true
  }

  override async stop(): Promise<void> {
    // Spark forgets what waits for the next batch; there is none, so it is sent now.
    this.#commitAll()
    await this.#committing
  }

  /** Notes offsets that are done; they are committed when the next batch is generated. */
  commitAsync(ranges: readonly OffsetRange[], callback?: CommitCallback): void {
    this.#commits.push({ ranges, callback })
  }

  protected async compute(timeMs: number): Promise<KafkaRDD<K, V>> {
    const known = this.#batches.get(timeMs) ?? (timeMs <= this.#restoredMs ? [] : undefined)
    const ranges = known ?? (await this.#nextRanges())
    for (const { topic, partition, untilOffset } of ranges) {
      const key = keyOf(topic, partition)
      if ((this.#next.get(key)?.offset ?? 0) < untilOffset)
        this.#next.set(key, { topic, partition, offset: untilOffset })
    }
    if (this.graph.isCheckpointed && ranges.length > 0) this.#batches.set(timeMs, ranges)
    const full = ranges.filter((range) => range.count() > 0)
    this.report(
      timeMs,
      full.reduce((sum, range) => sum + range.count(), 0),
      {
        offsets: ranges,
        Description: full
          .map(
            ({ topic, partition, fromOffset, untilOffset }) =>
              `topic: ${topic}\tpartition: ${partition}\toffsets: ${fromOffset} to ${untilOffset}`,
          )
          .join('\n'),
      },
    )
    this.#commitAll()
    return new KafkaRDD<K, V>(this.graph.sparkContext, ranges, this.#parts.reader, this.id)
  }

  override runPart(part: unknown, push: Push<ConsumerRecord<K, V>>): Signal {
    const range = new OffsetRange(...(part as SavedRange))
    return new KafkaRDD<K, V>(this.graph.sparkContext, [range], this.#parts.reader).run(0, push)
  }

  async #nextRanges(): Promise<readonly OffsetRange[]> {
    const { clock } = this.graph.sparkContext
    const cluster = await this.#parts.reader.cluster()
    const { metadataMaxAgeMs, readCommitted } = this.#parts.consumer
    return await this.#insisting(cluster, async () => {
      if (clock.monotonic() - this.#partitionsReadMs >= metadataMaxAgeMs) await this.#findPartitions(cluster)
      const starts = [...this.#next.values()]
      const ends = await cluster.listOffsets('latest', starts, readCommitted)
      const limits = this.#limits(starts, ends)
      return starts.map(({ topic, partition, offset }, index) => {
        const end = Math.max(offset, ends[index] as number)
        const until = limits ? Math.min(end, offset + (limits[index] as number)) : end
        return new OffsetRange(topic, partition, offset, until)
      })
    })
  }

  /** Most records of each partition for one batch; undefined: no limit (B113). */
  #limits(starts: readonly OffsetAt[], ends: readonly number[]): readonly number[] | undefined {
    const { rates, currentRate } = this.#parts
    const rate = currentRate()
    let perSecond: number[]
    if (rate !== undefined && rate > 0) {
      const lags = starts.map(({ offset }, index) => Math.max(0, (ends[index] as number) - offset))
      const total = lags.reduce((sum, lag) => sum + lag, 0)
      perSecond = starts.map((partition, index) => {
        const most = rates.maxRatePerPartition(partition)
        const share = total === 0 ? 0 : ((lags[index] as number) / total) * rate
        return most > 0 ? Math.min(share, most) : share
      })
    } else perSecond = starts.map((partition) => rates.maxRatePerPartition(partition))
    if (!(perSecond.reduce((sum, limit) => sum + limit, 0) > 0)) return undefined
    const seconds = this.graph.batchMs / 1000
    return perSecond.map((limit, index) =>
      Math.max(Math.floor(seconds * limit), rates.minRatePerPartition(starts[index] as OffsetAt)),
    )
  }

  /** Adds partitions that are new. Those that appear while the job runs are read from their beginning. */
  async #findPartitions(cluster: KafkaCluster): Promise<void> {
    const { clock, logger } = this.graph.sparkContext
    const { assigned, offsets, consumer } = this.#parts
    const found = assigned ?? partitionsOf(await this.#parts.topicsOf(cluster))
    this.#partitionsReadMs = clock.monotonic()
    const added = found.filter(({ topic, partition }) => !this.#next.has(keyOf(topic, partition)))
    if (added.length === 0) {
      if (found.length === 0) logger.warn('there is no topic to read yet', { stream: this.name })
      return
    }
    const committed = await cluster.committed(consumer.group, added)
    const reset = this.#isStarted ? 'earliest' : consumer.reset
    const unknown = added.filter(
      ({ topic, partition }, index) => committed[index] === undefined && !offsets.has(keyOf(topic, partition)),
    )
    if (unknown.length > 0 && reset === 'none') {
      throw new FlumeError(
        'USAGE',
        `Undefined offset with no reset policy for partitions: [${unknown.map(({ topic, partition }) => keyOf(topic, partition)).join(', ')}]`,
        {
          hint: 'set auto.offset.reset to earliest or latest, or give offsets',
        },
      )
    }
    const resets = await cluster.listOffsets(reset === 'none' ? 'earliest' : reset, unknown, consumer.readCommitted)
    const atReset = new Map(
      unknown.map(({ topic, partition }, index) => [keyOf(topic, partition), resets[index] as number]),
    )
    added.forEach(({ topic, partition }, index) => {
      const key = keyOf(topic, partition)
      const offset = offsets.get(key) ?? committed[index] ?? (atReset.get(key) as number)
      this.#next.set(key, { topic, partition, offset })
    })
    logger.info(
      `reads ${added.map(({ topic, partition }) => `${keyOf(topic, partition)} from ${this.#next.get(keyOf(topic, partition))?.offset}`).join(', ')}`,
    )
  }

  #commitAll(): void {
    const commits = this.#commits.splice(0)
    if (commits.length === 0) return
    const highest = new Map<string, OffsetAt>()
    for (const { ranges } of commits) {
      for (const { topic, partition, untilOffset } of ranges) {
        const key = keyOf(topic, partition)
        if ((highest.get(key)?.offset ?? -1) < untilOffset) highest.set(key, { topic, partition, offset: untilOffset })
      }
    }
    const offsets = new Map(Array.from(highest, ([key, { offset }]) => [key, offset]))
    this.#committing = this.#committing.then(async () => {
      let failure: Error | null = null
      try {
        const cluster = await this.#parts.reader.cluster()
        if (highest.size > 0) await cluster.commit(this.#parts.consumer.group, [...highest.values()])
      } catch (error) {
        failure = asError(error)
        this.graph.sparkContext.logger.warn(`offsets were not committed: ${explain(error)}`)
      }
      for (const { callback } of commits) callback?.(offsets, failure)
    })
  }

  /** A cluster that does not answer for a moment is no reason to end the job. */
  async #insisting<T>(cluster: KafkaCluster, act: () => Promise<T>): Promise<T> {
    const { clock, logger } = this.graph.sparkContext
    const untilMs = clock.monotonic() + this.#parts.askMs
    for (;;) {
      try {
        return await act()
      } catch (error) {
        if (!(error instanceof FlumeError && error.retry) || clock.monotonic() >= untilMs) throw error
        logger.debug(`asking for offsets again: ${explain(error)}`)
      }
      cluster.forgetMetadata()
      await clock.sleep(pauseMs)
    }
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

function partitionsOf(topics: ReadonlyMap<string, number>): readonly Partition[] {
  return [...topics].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
}
