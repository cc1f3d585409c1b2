// Produce, version 9 (Kafka 2.8 to 4.x).
//   request  = string transactionalId, int16 acks, int32 timeoutMs, topics [ string topic, partitions [ int32 partition,
//              bytes records (one batch), tags ], tags ], tags
//   response = topics [ string topic, partitions [ int32 partition, int16 error, int64 baseOffset, int64 appendTime,
//              int64 logStart, recordErrors [ int32 index, string message, tags ], string message, tags ], tags ],
//              int32 throttleMs, tags
import { type KafkaReader, KafkaWriter } from './wire.ts'

export const produceKey = 0
export const produceVersion = 9

export interface ProducePart {
  readonly topic: string
  readonly partition: number
  /** One record batch. */
  readonly records: Buffer
}

export interface ProducedPart {
  readonly topic: string
  readonly partition: number
  /** Kafka's error code; 0: none. */
  readonly error: number
  readonly message: string | undefined
  /** The offset of the batch's first record; -1 when unknown. */
  readonly baseOffset: number
  /** Places in the batch of the records that the broker refused, where it says which. */
  readonly refused?: readonly number[]
}

/** The request's body. A partition may stand in it once. */
export function writeProduce(
  parts: readonly ProducePart[],
  acks: number,
  timeoutMs: number,
  transactionalId?: string,
): Buffer {
  const byTopic = new Map<string, ProducePart[]>()
  let bytes = 64
  for (const part of parts) {
    bytes += part.records.length + part.topic.length + 24
    const known = byTopic.get(part.topic)
    if (known) known.push(part)
    else byTopic.set(part.topic, [part])
  }
  const writer = new KafkaWriter(bytes)
  writer.compactString(transactionalId).int16(acks).int32(timeoutMs).compactCount(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    writer.compactString(topic).compactCount(partitions.length)
    for (const { partition, records } of partitions) {
      writer
        .int32(partition)
        .uvarint(records.length + 1)
        .raw(records)
        .noTags()
    }
    writer.noTags()
  }
  return writer.noTags().finish()
}

export function readProduced(reader: KafkaReader): ProducedPart[] {
  const parts: ProducedPart[] = []
  for (let topics = reader.compactCount(3, 'topics'); topics > 0; topics--) {
    const topic = reader.compactString() ?? ''
    for (let left = reader.compactCount(32, 'partitions'); left > 0; left--) {
      const partition = reader.int32()
      const error = reader.int16()
      const baseOffset = reader.int64()
      reader.skip(16)
      let message: string | undefined
      const refused: number[] = []
      for (let errors = reader.compactCount(6, 'record errors'); errors > 0; errors--) {
        refused.push(reader.int32())
        const own = reader.compactString()
        message ??= own
        reader.taggedFields()
      }
      message = reader.compactString() ?? message
      reader.taggedFields()
      parts.push({ topic, partition, error, message, baseOffset, refused })
    }
    reader.taggedFields()
  }
  return parts
}
