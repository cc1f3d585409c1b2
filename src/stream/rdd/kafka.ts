import { decodeRecords } from '../../codec/kafka/record-batch.ts'
import type { Clock } from '../../core/clock.ts'
import { FlumeError } from '../../core/error.ts'
import type { KafkaCluster } from '../../net/kafka/cluster.ts'
import type { ConsumerSettings } from '../../net/kafka/consumer.ts'
import { KafkaError } from '../../net/kafka/errors.ts'
import { type ConsumerRecord, type Deserializer, toRecords } from '../receiver/kafka-records.ts'
import type { Plan } from './plan.ts'
import { type Push, pushPaced, type Settled, STOP } from './push.ts'
import { RDD, type RddContext } from './rdd.ts'

/** Records of one partition, from one offset up to, not including, another. */
export class OffsetRange {
  readonly topic: string
  readonly partition: number
  readonly fromOffset: number
  readonly untilOffset: number

  constructor(topic: string, partition: number, fromOffset: number, untilOffset: number) {
    this.topic = topic
    this.partition = partition
    this.fromOffset = fromOffset
    this.untilOffset = untilOffset
  }

  static create(topic: string, partition: number, fromOffset: number, untilOffset: number): OffsetRange {
    return new OffsetRange(topic, partition, fromOffset, untilOffset)
  }

  count(): number {
    return this.untilOffset - this.fromOffset
  }

  toString(): string {
    return `OffsetRange(topic: '${this.topic}', partition: ${this.partition}, range: [${this.fromOffset} -> ${this.untilOffset}])`
  }
}

/** What a data set that came from Kafka can tell; later data sets made from it cannot. */
export interface HasOffsetRanges {
  readonly offsetRanges: readonly OffsetRange[]
}

/** What reading a range needs. */
export interface RangeReader<K, V> {
  cluster(): Promise<KafkaCluster>
  readonly clock: Clock
  readonly settings: Pick<
    ConsumerSettings,
    'readCommitted' | 'checkCrcs' | 'fetchMaxBytes' | 'fetchMaxWaitMs' | 'partitionMaxBytes'
  >
  readonly key: Deserializer<K>
  readonly value: Deserializer<V>
  /** Topics may have holes: compacted ones, and those that transactions write to. */
  readonly allowNonConsecutive: boolean
  /** How long a record that should be there is waited for. */
  readonly pollMs: number
}

const pauseMs = 100
const unpackRatioMax = 64
const unpackBytesMin = 64 * 1024 * 1024

/** One partition for each range, fetched anew whenever it is needed. */
class KafkaPlan<K, V> implements Plan<ConsumerRecord<K, V>> {
  readonly parents = []
  readonly #ranges: readonly OffsetRange[]
  readonly #reader: RangeReader<K, V>

  constructor(ranges: readonly OffsetRange[], reader: RangeReader<K, V>) {
    this.#ranges = ranges
    this.#reader = reader
  }

  get partitionCount(): number {
    return this.#ranges.length
  }

  async run(index: number, push: Push<ConsumerRecord<K, V>>): Promise<Settled> {
    const range = this.#ranges[index] as OffsetRange
    const { topic, partition, fromOffset, untilOffset } = range
    const { allowNonConsecutive, key, value } = this.#reader
    let next = fromOffset
    while (next < untilOffset) {
      const { slices, nextOffset } = await this.#fetch(range, next)
      for (const records of slices) {
        if (!allowNonConsecutive) checkConsecutive(range, records.offsets, next)
        const signal = pushPaced(toRecords(topic, partition, records, key, value), push)
        if (signal === STOP || (signal && (await signal) === STOP)) return STOP
        next = (records.offsets[records.count - 1] as number) + 1
      }
      if (nextOffset > next && !allowNonConsecutive && next < untilOffset) throw gap(range, next)
      next = Math.max(next, nextOffset)
    }
    return undefined
  }

  /** The records behind `offset`; tries again what may go well, for as long as a poll may take. */
  async #fetch(range: OffsetRange, offset: number) {
    const { topic, partition, untilOffset } = range
    const { clock, pollMs, settings } = this.#reader
    const { readCommitted, checkCrcs, fetchMaxBytes, fetchMaxWaitMs, partitionMaxBytes } = settings
    const startedMs = clock.monotonic()
    const cluster = await this.#reader.cluster()
    for (;;) {
      let failure: unknown
      try {
        const leader = await cluster.leaderOf(range)
        const [fetched] = await cluster.fetch(leader, [{ topic, partition, offset, maxBytes: partitionMaxBytes }], {
          maxWaitMs: fetchMaxWaitMs,
          minBytes: 1,
          maxBytes: fetchMaxBytes,
          readCommitted,
        })
        if (fetched && fetched.error !== 0)
          throw new KafkaError(fetched.error, `${topic}-${partition} at offset ${offset}`)
        if (fetched) {
          const decoded = decodeRecords(fetched.records, {
            from: offset,
            until: untilOffset,
            decompress: (compression, bytes, bytesMax) => cluster.decompress(compression, bytes, bytesMax),
            decompressedBytesMax: Math.max(unpackBytesMin, unpackRatioMax * partitionMaxBytes),
            checkCrc: checkCrcs,
            ...(readCommitted ? { aborted: fetched.aborted } : {}),
          })
          if (decoded.nextOffset > offset) return decoded
        }
      } catch (error) {
        if (!(error instanceof FlumeError && error.retry)) throw error
        failure = error
        cluster.forgetMetadata()
      }
      if (clock.monotonic() - startedMs >= pollMs) {
        throw new FlumeError(
          'TIMEOUT',
          `Failed to get records for ${topic}-${partition} at offset ${offset} after polling for ${pollMs}`,
          {
            cause: failure,
            hint: 'spark.streaming.kafka.consumer.poll.ms says how long to try',
          },
        )
      }
      await clock.sleep(pauseMs)
    }
  }
}

function checkConsecutive(range: OffsetRange, offsets: Float64Array, from: number): void {
  for (let i = 0; i < offsets.length; i++) if (offsets[i] !== from + i) throw gap(range, from + i)
}

function gap({ topic, partition }: OffsetRange, offset: number): FlumeError {
  return new FlumeError(
    'INVALID_DATA',
    `Got wrong record for ${topic} ${partition} even after seeking to offset ${offset}: it is not there`,
    {
      hint: 'a compacted topic, or one that transactions write to, needs spark.streaming.kafka.allowNonConsecutiveOffsets = true',
    },
  )
}

/** The records of ranges of offsets, one partition for each, read when they are needed. */
export class KafkaRDD<K, V> extends RDD<ConsumerRecord<K, V>> implements HasOffsetRanges {
  readonly offsetRanges: readonly OffsetRange[]
  readonly #isCounted: boolean

  constructor(context: RddContext, ranges: readonly OffsetRange[], reader: RangeReader<K, V>) {
    super(context, new KafkaPlan<K, V>(ranges, reader))
    this.offsetRanges = ranges
    this.#isCounted = !reader.allowNonConsecutive
  }

  /** By the offsets, without reading, unless there may be holes. */
  override async count(): Promise<number> {
    if (!this.#isCounted) return await super.count()
    return this.offsetRanges.reduce((sum, range) => sum + range.count(), 0)
  }

  override async isEmpty(): Promise<boolean> {
    if (!this.#isCounted) return await super.isEmpty()
    return (await this.count()) === 0
  }
}
