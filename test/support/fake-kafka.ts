import type { FetchedPartition, FetchLimits, FetchPosition } from '../../src/codec/kafka/fetch.ts'
import { assignors, type TopicPartition } from '../../src/codec/kafka/membership.ts'
import type { ProducedPart, ProducePart } from '../../src/codec/kafka/produce.ts'
import {
  type Compression,
  decodeRecords,
  encodeRecords,
  headersAt,
  keyTextAt,
  valueAt,
} from '../../src/codec/kafka/record-batch.ts'
import { writeInt64 } from '../../src/codec/kafka/wire.ts'
import type { Clock } from '../../src/core/clock.ts'
import type {
  ConnectKafka,
  GroupMember,
  GroupSettings,
  KafkaCluster,
  KafkaSettings,
  ListedAt,
  OffsetAt,
  ProducerIdentity,
  ProduceSettings,
} from '../../src/net/kafka/cluster.ts'
import { KafkaError, kafkaCodes } from '../../src/net/kafka/errors.ts'

/** A record as tests like to compare it. */
export interface PlainRecord {
  readonly partition: number
  readonly key: string | undefined
  readonly value: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly timestamp: number
}

export interface RecordToPut {
  readonly value: string | Buffer
  readonly key?: string
  readonly timestamp?: number
  readonly headers?: Readonly<Record<string, string>>
}

interface Partition {
  /** Offsets before this one have expired. */
  start: number
  end: number
  readonly batches: { readonly first: number; readonly last: number; readonly bytes: Buffer }[]
}

interface Group {
  readonly members: Map<FakeMember, readonly string[]>
  readonly committed: Map<string, number>
  /** Members that wait for the others to join. */
  readonly joining: Map<FakeMember, (partitions: readonly TopicPartition[]) => void>
}

type Call = 'fetch' | 'produce' | 'commit' | 'committed' | 'connect'

/** A Kafka cluster in memory, of one broker, behind the project's own wall. Records lie in it as real batches. */
export class FakeKafka {
  readonly #topics = new Map<string, Partition[]>()
  readonly #groups = new Map<string, Group>()
  readonly #faults: { readonly call: Call; readonly error: Error }[] = []
  #waiters: (() => void)[] = []
  /** Partitions of a topic that is made by being asked for; 0: none is made. */
  autoCreate = 0
  /** What the largest batch may have, as a topic's max.message.bytes. */
  maxMessageBytes = Number.POSITIVE_INFINITY
  /** What was asked for when connecting, newest last. */
  readonly settings: KafkaSettings[] = []
  /** Requests to produce, each with its count of partitions. */
  readonly produced: number[] = []
  transactions: string[] = []
  open = 0

  readonly connect: ConnectKafka = async (settings, clock) => {
    this.#fail('connect')
    this.settings.push(settings)
    this.open++
    return new FakeCluster(this, clock)
  }

  createTopic(topic: string, partitions = 1): this {
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => ({ start: 0, end: 0, batches: [] })),
    )
    return this
  }

  /** Appends records as one batch. */
  put(topic: string, partition: number, records: readonly (RecordToPut | string)[]): void {
    const plain = records.map((record) => (typeof record === 'string' ? { value: record } : record) as RecordToPut)
    const values = plain.map(({ value }) => (typeof value === 'string' ? Buffer.from(value) : value))
    const starts = new Uint32Array(values.length)
    const ends = new Uint32Array(values.length)
    let at = 0
    values.forEach((value, index) => {
      starts[index] = at
      at += value.length
      ends[index] = at
    })
    const names = [...new Set(plain.flatMap(({ headers }) => Object.keys(headers ?? {})))]
    const outgoing = {
      bytes: Buffer.concat(values),
      starts,
      ends,
      keys: plain.map(({ key }) => key),
      timestamps: Float64Array.from(plain, ({ timestamp }) => timestamp ?? 0),
      headers: names.map((name) => [name, plain.map(({ headers }) => headers?.[name])] as const),
    }
    this.append(topic, partition, encodeRecords(outgoing, Array.from(plain.keys())))
  }

  append(topic: string, partition: number, batch: Buffer): number {
    const found = this.partition(topic, partition)
    const first = found.end
    const bytes = Buffer.from(batch)
    writeInt64(bytes, first, 0)
    const last = first + bytes.readInt32BE(23)
    found.batches.push({ first, last, bytes })
    found.end = last + 1
    this.wake()
    return first
  }

  /** Lets what lies before `offset` expire. */
  expire(topic: string, partition: number, offset: number): void {
    const found = this.partition(topic, partition)
    found.start = offset
    while (found.batches[0] && found.batches[0].last < offset) found.batches.shift()
  }

  /** Everything in a topic, partition by partition. */
  records(topic: string): PlainRecord[] {
    return (this.#topics.get(topic) ?? []).flatMap((partition, number) =>
      partition.batches.flatMap(({ bytes }) =>
        decodeRecords(bytes, { from: 0, decompress: unpack, decompressedBytesMax: 1e9 }).slices.flatMap((columns) =>
          Array.from({ length: columns.count }, (_, i) => ({
            partition: number,
            key: keyTextAt(columns, i),
            value: valueAt(columns, i)?.toString(),
            headers: Object.fromEntries(headersAt(columns, i).map(([name, value]) => [name, value?.toString() ?? ''])),
            timestamp: columns.timestamps[i] as number,
          })),
        ),
      ),
    )
  }

  committed(group: string, topic: string, partition = 0): number | undefined {
    return this.group(group).committed.get(`${topic}-${partition}`)
  }

  /** Throws its members out of a group, as a coordinator that has heard nothing does. */
  evict(group: string): void {
    for (const member of this.group(group).members.keys()) member.evict()
    this.group(group).members.clear()
  }

  /** The next call of this kind is refused. */
  failNext(call: Call, error: Error, times = 1): void {
    for (let i = 0; i < times; i++) this.#faults.push({ call, error })
  }

  #fail(call: Call): void {
    const at = this.#faults.findIndex((fault) => fault.call === call)
    if (at < 0) return
    throw (this.#faults.splice(at, 1)[0] as { error: Error }).error
  }

  fail(call: Call): void {
    this.#fail(call)
  }

  topics(): ReadonlyMap<string, readonly Partition[]> {
    return this.#topics
  }

  partition(topic: string, partition: number): Partition {
    const found = this.#topics.get(topic)?.[partition]
    if (!found) throw new KafkaError(kafkaCodes.unknownTopicOrPartition, `${topic}-${partition}`)
    return found
  }

  group(name: string): Group {
    let group = this.#groups.get(name)
    if (!group) {
      group = { members: new Map(), committed: new Map(), joining: new Map() }
      this.#groups.set(name, group)
    }
    return group
  }

  wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }

  /** Resolves when something was appended, or the time is over. */
  somethingComes(clock: Clock, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock.after(withinMs, resolve)
      this.#waiters.push(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** Shares the partitions once every member has come. */
  shareWhenAllCame(name: string): void {
    const { members, joining } = this.group(name)
    if (members.size === 0 || [...members.keys()].some((member) => !joining.has(member))) return
    const ids = new Map([...members.keys()].map((member, index) => [`m${index}`, member]))
    const list = [...ids].map(([id, member]) => ({ id, topics: members.get(member) as readonly string[] }))
    const counts = new Map([...this.#topics].map(([topic, partitions]) => [topic, partitions.length]))
    const shares = (assignors['range'] as (typeof assignors)[string])(list, counts)
    const answers = [...joining]
    joining.clear()
    for (const [member, answer] of answers) {
      const id = [...ids].find(([, other]) => other === member)?.[0] as string
      answer(shares.get(id) ?? [])
    }
  }
}

class FakeMember implements GroupMember {
  readonly #kafka: FakeKafka
  readonly #settings: GroupSettings
  #ended = new AbortController()
  #evicted = false

  constructor(kafka: FakeKafka, settings: GroupSettings) {
    this.#kafka = kafka
    this.#settings = settings
    this.#ended.abort()
  }

  get generation(): AbortSignal {
    return this.#ended.signal
  }

  async join(topics: readonly string[]): Promise<readonly TopicPartition[]> {
    const group = this.#kafka.group(this.#settings.group)
    this.#evicted = false
    group.members.set(this, topics)
    for (const other of group.members.keys()) if (other !== this && !group.joining.has(other)) other.endGeneration()
    const partitions = await new Promise<readonly TopicPartition[]>((resolve) => {
      group.joining.set(this, resolve)
      this.#kafka.shareWhenAllCame(this.#settings.group)
    })
    this.#ended = new AbortController()
    return partitions
  }

  endGeneration(): void {
    this.#ended.abort()
  }

  evict(): void {
    this.#evicted = true
    this.#ended.abort()
  }

  async commit(offsets: readonly OffsetAt[]): Promise<void> {
    this.#kafka.fail('commit')
    if (this.#evicted) throw new KafkaError(kafkaCodes.unknownMemberId, 'commit')
    const { committed } = this.#kafka.group(this.#settings.group)
    for (const { topic, partition, offset } of offsets) committed.set(`${topic}-${partition}`, offset)
  }

  async leave(): Promise<void> {
    const group = this.#kafka.group(this.#settings.group)
    this.#ended.abort()
    group.members.delete(this)
    group.joining.delete(this)
    for (const other of group.members.keys()) if (!group.joining.has(other)) other.endGeneration()
    this.#kafka.shareWhenAllCame(this.#settings.group)
  }
}

class FakeCluster implements KafkaCluster {
  readonly #kafka: FakeKafka
  readonly #clock: Clock
  #closed = false
  #producers = 0n

  constructor(kafka: FakeKafka, clock: Clock) {
    this.#kafka = kafka
    this.#clock = clock
  }

  async partitionCounts(topics: readonly string[], create = false): Promise<ReadonlyMap<string, number>> {
    const known = this.#kafka.topics()
    for (const topic of topics)
      if (create && !known.has(topic) && this.#kafka.autoCreate > 0)
        this.#kafka.createTopic(topic, this.#kafka.autoCreate)
    return new Map(
      topics.flatMap((topic) => (known.has(topic) ? [[topic, (known.get(topic) as readonly unknown[]).length]] : [])),
    )
  }

  async everyTopic(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.#kafka.topics()].map(([topic, partitions]) => [topic, partitions.length]))
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    if (this.#kafka.topics().has(topic)) throw new KafkaError(kafkaCodes.topicAlreadyExists, topic)
    this.#kafka.createTopic(topic, partitions)
  }

  async leaderOf({ topic, partition }: TopicPartition): Promise<number> {
    this.#kafka.partition(topic, partition)
    return 1
  }

  forgetMetadata(): void {}

  async fetch(
    _broker: number,
    positions: readonly FetchPosition[],
    limits: FetchLimits,
  ): Promise<readonly FetchedPartition[]> {
    this.#kafka.fail('fetch')
    const isReady = (): boolean => {
      return positions.some(({ topic, partition, offset }) => {
        const { start, end } = this.#kafka.partition(topic, partition)
        return offset < start || offset !== end
      })
    }
    if (!isReady()) await this.#kafka.somethingComes(this.#clock, limits.maxWaitMs)
    await new Promise((resolve) => setImmediate(resolve))
    return positions.map(({ topic, partition, offset, maxBytes }) => {
      const { start, end, batches } = this.#kafka.partition(topic, partition)
      const error = offset < start || offset > end ? kafkaCodes.offsetOutOfRange : 0
      const parts: Buffer[] = []
      let bytes = 0
      for (const batch of batches) {
        if (error !== 0 || batch.last < offset || (bytes > 0 && bytes + batch.bytes.length > maxBytes)) continue
        parts.push(batch.bytes)
        bytes += batch.bytes.length
      }
      return {
        topic,
        partition,
        error,
        highWatermark: end,
        lastStableOffset: end,
        logStartOffset: start,
        aborted: [],
        records: Buffer.concat(parts),
      }
    })
  }

  async produce(
    _broker: number,
    parts: readonly ProducePart[],
    settings: ProduceSettings,
  ): Promise<readonly ProducedPart[]> {
    this.#kafka.fail('produce')
    this.#kafka.produced.push(parts.length)
    const answers = parts.map(({ topic, partition, records }) => {
      const error = records.length > this.#kafka.maxMessageBytes ? kafkaCodes.messageTooLarge : 0
      const baseOffset = error === 0 ? this.#kafka.append(topic, partition, records) : -1
      return { topic, partition, error, message: undefined, baseOffset }
    })
    return settings.acks === 0 ? [] : answers
  }

  async listOffsets(at: ListedAt, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    return partitions.map(({ topic, partition }) => {
      const { start, end } = this.#kafka.partition(topic, partition)
      return at === 'earliest' ? start : end
    })
  }

  async committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]> {
    this.#kafka.fail('committed')
    return partitions.map(({ topic, partition }) => this.#kafka.committed(group, topic, partition))
  }

  async commit(group: string, offsets: readonly OffsetAt[]): Promise<void> {
    this.#kafka.fail('commit')
    for (const { topic, partition, offset } of offsets)
      this.#kafka.group(group).committed.set(`${topic}-${partition}`, offset)
  }

  member(settings: GroupSettings): GroupMember {
    return new FakeMember(this.#kafka, settings)
  }

  async identify(): Promise<ProducerIdentity> {
    return { producerId: ++this.#producers, producerEpoch: 0 }
  }

  async addToTransaction(transactionalId: string): Promise<void> {
    this.#kafka.transactions.push(`${transactionalId} begun`)
  }

  async endTransaction(transactionalId: string, _identity: ProducerIdentity, commit: boolean): Promise<void> {
    this.#kafka.transactions.push(`${transactionalId} ${commit ? 'committed' : 'given up'}`)
  }

  compress(compression: Compression): Buffer {
    throw new Error(`the fake knows no ${compression}`)
  }

  decompress(compression: Compression): Buffer {
    return unpack(compression)
  }

  async close(): Promise<void> {
    if (!this.#closed) this.#kafka.open--
    this.#closed = true
    this.#kafka.wake()
  }
}

function unpack(compression: Compression): Buffer {
  throw new Error(`the fake knows no ${compression}`)
}
