// Fetch, version 12 (Kafka 2.7 to 4.x; the last that names topics by name).
//   request  = int32 replica -1, int32 maxWaitMs, int32 minBytes, int32 maxBytes, int8 isolation, int32 session 0,
//              int32 epoch -1, topics [ string topic, partitions [ int32 partition, int32 leaderEpoch -1, int64 offset,
//              int32 lastEpoch -1, int64 logStart -1, int32 maxBytes, tags ], tags ], forgotten [], string rack "", tags
//   response = int32 throttleMs, int16 error, int32 session, topics [ string topic, partitions [ int32 partition,
//              int16 error, int64 highWatermark, int64 lastStable, int64 logStart, aborted [ int64 producer, int64 offset,
//              tags ], int32 preferredReplica, bytes records, tags ], tags ], tags
import type { AbortedTransaction } from './record-batch.ts'
import { type KafkaReader, KafkaWriter } from './wire.ts'

export const fetchKey = 1
export const fetchVersion = 12

export interface FetchPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The most bytes of this partition; a first batch that is larger comes whole all the same. */
  readonly maxBytes: number
}

export interface FetchLimits {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  /** Whether records of transactions that are still open, or were given up, are to be kept back. */
  readonly readCommitted: boolean
}

export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  /** Kafka's error code; 0: none. */
  readonly error: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches; the last one may be cut off. */
  readonly records: Buffer
}

const noBytes = Buffer.alloc(0)

/** The request's body. Positions of one topic need not stand together. */
export function writeFetch(positions: readonly FetchPosition[], limits: FetchLimits): Buffer {
  const byTopic = grouped(positions)
  const writer = new KafkaWriter(64 + positions.length * 64)
  writer.int32(-1).int32(limits.maxWaitMs).int32(limits.minBytes).int32(limits.maxBytes)
  writer
    .int8(limits.readCommitted ? 1 : 0)
    .int32(0)
    .int32(-1)
  writer.compactCount(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    writer.compactString(topic).compactCount(partitions.length)
    for (const { partition, offset, maxBytes } of partitions) {
      writer.int32(partition).int32(-1).int64(offset).int32(-1).int64(-1).int32(maxBytes).noTags()
    }
    writer.noTags()
  }
  return writer.compactCount(0).compactString('').noTags().finish()
}

export function readFetched(reader: KafkaReader): { readonly error: number; readonly partitions: FetchedPartition[] } {
  reader.int32()
  const error = reader.int16()
  reader.int32()
  const partitions: FetchedPartition[] = []
  for (let topics = reader.compactCount(3, 'topics'); topics > 0; topics--) {
    const topic = reader.compactString() ?? ''
    for (let left = reader.compactCount(36, 'partitions'); left > 0; left--)
      partitions.push(readPartition(reader, topic))
    reader.taggedFields()
  }
  return { error, partitions }
}

function readPartition(reader: KafkaReader, topic: string): FetchedPartition {
  const partition = reader.int32()
  const error = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  const logStartOffset = reader.int64()
  const aborted: AbortedTransaction[] = []
  for (let left = reader.compactCount(17, 'aborted transactions'); left > 0; left--) {
    aborted.push({ producerId: reader.bytes.readBigInt64BE(reader.skip(8)), firstOffset: reader.int64() })
    reader.taggedFields()
  }
  reader.int32()
  const length = reader.uvarint() - 1
  const records = length > 0 ? reader.bytes.subarray(reader.skip(length), reader.at) : noBytes
  reader.taggedFields()
  aborted.sort((a, b) => a.firstOffset - b.firstOffset)
  return { topic, partition, error, highWatermark, lastStableOffset, logStartOffset, aborted, records }
}

function grouped(positions: readonly FetchPosition[]): Map<string, FetchPosition[]> {
  const byTopic = new Map<string, FetchPosition[]>()
  for (const position of positions) {
    const known = byTopic.get(position.topic)
    if (known) known.push(position)
    else byTopic.set(position.topic, [position])
  }
  return byTopic
}
