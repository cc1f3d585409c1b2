// What members of a consumer group tell each other through the coordinator ("consumer" protocol, version 0).
//   subscription = int16 version, topics [ string ], bytes userData        (later versions append fields)
//   assignment   = int16 version, [ string topic, [ int32 partition ] ], bytes userData
import { KafkaReader, KafkaWriter } from './wire.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export function writeSubscription(topics: readonly string[]): Buffer {
  const writer = new KafkaWriter().int16(0).int32(topics.length)
  for (const topic of topics) writer.string(topic)
  return writer.int32(-1).finish()
}

export function readSubscription(bytes: Buffer): readonly string[] {
  const reader = new KafkaReader(bytes)
  reader.int16()
  const topics: string[] = []
  for (let left = reader.count(2, 'topics'); left > 0; left--) topics.push(reader.string() ?? '')
  return topics
}

export function writeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = byTopic.get(topic)
    if (known) known.push(partition)
    else byTopic.set(topic, [partition])
  }
  const writer = new KafkaWriter().int16(0).int32(byTopic.size)
  for (const [topic, numbers] of byTopic) {
    writer.string(topic).int32(numbers.length)
    for (const number of numbers) writer.int32(number)
  }
  return writer.int32(-1).finish()
}

export function readAssignment(bytes: Buffer): readonly TopicPartition[] {
  // A member that gets nothing gets no bytes at all.
  if (bytes.length === 0) return []
  const reader = new KafkaReader(bytes)
  reader.int16()
  const partitions: TopicPartition[] = []
  for (let topics = reader.count(6, 'topics'); topics > 0; topics--) {
    const topic = reader.string() ?? ''
    for (let left = reader.count(4, 'partitions'); left > 0; left--)
      partitions.push({ topic, partition: reader.int32() })
  }
  return partitions
}

export interface Member {
  readonly id: string
  readonly topics: readonly string[]
}

/** Who gets what, as Java's assignors of the same names decide it, so that members of both kinds share a group. */
export const assignors: Readonly<
  Record<
    string,
    (
      members: readonly Member[],
      partitionCounts: ReadonlyMap<string, number>,
    ) => ReadonlyMap<string, readonly TopicPartition[]>
  >
> = {
  /** Topic by topic, neighbouring partitions to each member; the first members get one more. */
  range: (members, partitionCounts) => {
    const shares = new Map<string, TopicPartition[]>(members.map(({ id }) => [id, []]))
    for (const [topic, count] of sorted(partitionCounts)) {
      const takers = byId(members.filter(({ topics }) => topics.includes(topic)))
      let next = 0
      takers.forEach(({ id }, index) => {
        const share = Math.floor(count / takers.length) + (index < count % takers.length ? 1 : 0)
        for (const end = next + share; next < end; next++) shares.get(id)?.push({ topic, partition: next })
      })
    }
    return shares
  },
  /** All partitions of all topics dealt out in turn. */
  roundrobin: (members, partitionCounts) => {
    const shares = new Map<string, TopicPartition[]>(members.map(({ id }) => [id, []]))
    const takers = byId(members)
    let turn = 0
    for (const [topic, count] of sorted(partitionCounts)) {
      if (!takers.some(({ topics }) => topics.includes(topic))) continue
      for (let partition = 0; partition < count; partition++, turn++) {
        while (!(takers[turn % takers.length] as Member).topics.includes(topic)) turn++
        shares.get((takers[turn % takers.length] as Member).id)?.push({ topic, partition })
      }
    }
    return shares
  },
}

function byId(members: readonly Member[]): readonly Member[] {
  return members.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}

function sorted(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
