import { readSeparateEvents, writeSeparateEvents } from '../../codec/avro/events.ts'
import { keyTextAt } from '../../codec/kafka/record-batch.ts'
import { asError, explain, FlumeError } from '../../core/error.ts'
import { readConsumer, readProducer, zookeeperProblems } from '../../net/kafka/client-options.ts'
import type { ConnectKafka, KafkaCluster, OffsetAt } from '../../net/kafka/cluster.ts'
import { GroupConsumer, type RecordSlice } from '../../net/kafka/consumer.ts'
import { partitionsOf } from '../../net/kafka/partitions.ts'
import { connectKafka } from '../../net/kafka/platformatic.ts'
import { KafkaProducer } from '../../net/kafka/producer.ts'
import { count, flag, millis, type Options, prefix, text } from '../../spec/option.ts'
import {
  type Channel,
  type ChannelContext,
  type ChannelSpec,
  type CheckSettings,
  defineChannel,
  EventBatch,
  type HeaderColumn,
  type OptionProblem,
} from '../contract.ts'

const options = {
  'kafka.bootstrap.servers': text({
    formerly: ['brokerList'],
    doc: 'Brokers to ask first, as host:port separated by commas.',
  }),
  'kafka.topic': text({ default: 'flume-channel', formerly: ['topic'], doc: 'The topic that keeps the events.' }),
  'kafka.consumer.group.id': text({
    default: 'flume',
    formerly: ['groupId'],
    doc: 'Group whose members share the events; agents that drain one topic together have one group.',
  }),
  parseAsFlumeEvent: flag({
    default: true,
    doc: 'Records hold headers and body as Avro; otherwise the body alone, and all headers but key are lost.',
  }),
  'kafka.pollTimeout': millis({ default: 500, min: 0, doc: 'How long a take waits for an event.' }),
  defaultPartitionId: count({ optional: true, min: 0, doc: 'Partition of events whose header does not name one.' }),
  partitionIdHeader: text({
    optional: true,
    doc: 'Header with the number of the partition; a text that is no number fails the put.',
  }),
  'kafka.producer.acks': text({
    default: 'all',
    doc: 'Who must have an event before the source goes on: all (every replica in step), 1 (the leader), 0 (nobody).',
  }),
  readSmallestOffset: text({
    optional: true,
    doc: 'Old: false is kafka.consumer.auto.offset.reset = latest, true is earliest.',
  }),
  zookeeperConnect: text({ optional: true, doc: 'ZooKeeper of Kafka before 0.9; it is not asked.' }),
  migrateZookeeperOffsets: flag({
    default: false,
    doc: 'Take offsets over from ZooKeeper; not there, true is an error.',
  }),
  'kafka.consumer.': prefix({
    secret: true,
    doc: "Settings of Kafka's own consumer: auto.offset.reset (earliest when left out), security.protocol, sasl.*, ssl.* and more.",
  }),
  'kafka.producer.': prefix({
    secret: true,
    doc: "Settings of Kafka's own producer: security.protocol, sasl.*, ssl.*, compression.type and more.",
  }),
}
type KafkaChannelOptions = Options<typeof options>

/** The channel over any way to a cluster. */
export function kafkaChannelOver(connect: ConnectKafka): ChannelSpec {
  return defineChannel({
    type: 'KafkaChannel',
    aliases: ['org.apache.flume.channel.kafka.KafkaChannel'],
    summary: 'Keeps events in a topic of Kafka: replicated, and open to other readers and writers.',
    options,
    capabilities: { durable: true, ordered: false, overlappingTakes: true, external: true },
    check,
    describe: (values) => `${values['kafka.topic']} at ${values['kafka.bootstrap.servers']}`,
    create: (values, context) => new KafkaChannel(values, context, connect),
  })
}

export const kafka = kafkaChannelOver(connectKafka)

function consumerOf(values: KafkaChannelOptions, tlsSettings: CheckSettings | undefined) {
  return readConsumer({
    prefix: 'kafka.consumer.',
    servers: values['kafka.bootstrap.servers'],
    tlsSettings,
    clientId: 'flume-ts-channel',
    keys: values['kafka.consumer.'],
    group: values['kafka.consumer.group.id'],
    topics: [values['kafka.topic']],
    resetDefault: values.readSmallestOffset?.trim().toLowerCase() === 'false' ? 'latest' : 'earliest',
  })
}

function producerOf(values: KafkaChannelOptions, tlsSettings: CheckSettings | undefined) {
  return readProducer({
    prefix: 'kafka.producer.',
    servers: values['kafka.bootstrap.servers'],
    tlsSettings,
    clientId: 'flume-ts-channel',
    acks: values['kafka.producer.acks'],
    keys: values['kafka.producer.'],
  })
}

function check(values: KafkaChannelOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const fromConsumer = consumerOf(values, settings).problems
  const problems: OptionProblem[] = [
    ...fromConsumer,
    ...producerOf(values, settings).problems.filter(
      ({ option }) => !fromConsumer.some((other) => other.option === option),
    ),
  ]
  if (!/^[\w.-]{1,249}$/.test(values['kafka.topic'])) {
    problems.push({
      option: 'kafka.topic',
      code: 'bad-value',
      message: `"${values['kafka.topic']}" is no name that Kafka takes`,
    })
  }
  if (values.readSmallestOffset !== undefined) {
    problems.push({
      option: 'readSmallestOffset',
      severity: 'note',
      code: 'old-key',
      message: 'is old and still works; kafka.consumer.auto.offset.reset = earliest or latest says the same',
    })
  }
  problems.push(...zookeeperProblems(values.migrateZookeeperOffsets, values.zookeeperConnect))
  return problems
}

const keyHeader = 'key'
/** A reader that has failed is asked again after this time. */
const pauseAfterFailureMs = 1000
/** Records read at once when a sink takes few: a take of one event need not be a fetch of one. */
const readAheadCount = 1000

/** Events of one partition that follow each other: read, and not gone yet. */
interface Segment {
  /** Its place among all segments: the order in which events were read. */
  readonly order: number
  readonly key: string
  readonly topic: string
  readonly partition: number
  readonly batch: EventBatch
  /** Behind each event, where reading would go on. */
  readonly nextOffsets: Float64Array
  isDone: boolean
}

/**
 * A topic as a channel. A put is one send; takes read as one member of the consumer group.
 *
 * Invariants: an event that was read is in the queue, or lent to exactly one take, or done; what a partition has committed
 * lies before its first event that is not done, so that a crash brings back whatever was not delivered; while events
 * are lent, this member does not join the group anew, so that what they become can still be committed.
 */
class KafkaChannel implements Channel {
  readonly transactionCapacity = Number.MAX_SAFE_INTEGER
  /** Flume counts none. */
  readonly capacity = 0
  readonly room = Number.MAX_SAFE_INTEGER
  readonly #values: KafkaChannelOptions
  readonly #context: ChannelContext
  readonly #connect: ConnectKafka
  readonly #clusters: KafkaCluster[] = []
  #producer: KafkaProducer | undefined
  #consumer: GroupConsumer | undefined
  #closed = false
  readonly #stop = new AbortController()

  /** Read and not lent, oldest first; what came back stands where it was. */
  #queue: Segment[] = []
  #queuedCount = 0
  #lentCount = 0
  #order = 0
  /** Segments that are not done, by partition, in the order of their offsets. */
  readonly #open = new Map<string, Segment[]>()
  /** Ends of partitions as far as our own puts tell. */
  readonly #ends = new Map<string, number>()
  /** Offsets that may be committed and are not yet. */
  #toCommit = new Map<string, OffsetAt>()
  #committing: Promise<void> = Promise.resolve()
  /** Takes get their events one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #mustRejoin = false
  #whenReturned: (() => void)[] = []

  constructor(values: KafkaChannelOptions, context: ChannelContext, connect: ConnectKafka) {
    this.#values = values
    this.#context = context
    this.#connect = connect
  }

  /** Events that lie in the partitions read here, as far as is known, those read and lent included. */
  get size(): number {
    const { eventPutSuccess, eventTakeSuccess } = this.#context.counters
    const standing = this.#consumer?.standing
    if (!standing) return Math.max(0, eventPutSuccess - eventTakeSuccess)
    let size = this.#queuedCount + this.#lentCount
    for (const { topic, partition, next, end } of standing) {
      size += Math.max(0, Math.max(end, this.#ends.get(`${topic}-${partition}`) ?? 0) - next)
    }
    return size
  }

  /** Connects for sending and for reading, which may be told different things. Reading as a member begins with the first take. */
  async start(): Promise<void> {
    const { clock, log, random, settings } = this.#context
    const sending = producerOf(this.#values, settings)
    const cluster = await this.#connect(sending.settings, clock)
    this.#clusters.push(cluster)
    this.#producer = new KafkaProducer(cluster, sending.producer, clock, log, Math.floor(random() * 1_000_000))
  }

  async stop(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stop.abort()
    for (const wake of this.#whenReturned.splice(0)) wake()
    await this.#committing.catch(() => undefined)
    this.#producer?.close()
    await this.#consumer?.close()
    for (const cluster of this.#clusters.splice(0)) await cluster.close()
  }

  // ── Puts ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async put(batch: EventBatch): Promise<void> {
    const producer = this.#producer
    if (this.#closed || !producer) throw closed()
    if (batch.count === 0) return
    const { clock, counters } = this.#context
    counters.eventPutAttempt += batch.count
    const startedMs = clock.monotonic()
    const values = this.#values.parseAsFlumeEvent
      ? writeSeparateEvents(batch)
      : { bytes: batch.body, starts: batch.starts, ends: batch.ends }
    const topic = this.#values['kafka.topic']
    try {
      const sent = await producer.send({
        count: batch.count,
        topics: topic,
        partitions: partitionsOf(batch, this.#values.partitionIdHeader, this.#values.defaultPartitionId),
        records: { ...values, keys: batch.headers.get(keyHeader), timestamps: clock.now(), headers: [] },
      })
      for (const { partition, end } of sent) {
        const key = `${topic}-${partition}`
        this.#ends.set(key, Math.max(end, this.#ends.get(key) ?? 0))
      }
      counters.eventPutSuccess += batch.count
    } catch (error) {
      this.#add('RollbackCount', 1)
      throw error
    } finally {
      this.#add('KafkaEventSendTimer', Math.round(clock.monotonic() - startedMs))
    }
  }

  // ── Takes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    if (this.#closed) throw closed()
    const { counters } = this.#context
    counters.eventTakeAttempt++
    const lent = await this.#inTurn(() => this.#lend(max, signal))
    if (lent.length === 0) return undefined
    const batch = EventBatch.concat(lent.map((segment) => segment.batch))
    let result: T
    try {
      result = await use(batch)
    } catch (error) {
      this.#lentCount -= batch.count
      this.#putBack(lent)
      this.#add('RollbackCount', 1)
      throw error
    }
    for (const segment of lent) segment.isDone = true
    await this.#commitDone(lent)
    this.#lentCount -= batch.count
    counters.eventTakeSuccess += batch.count
    this.#wakeReturned()
    return result
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(act)
    this.#turn = mine.catch(() => undefined)
    return await mine
  }

  /** Up to `max` events: what came back first, then what is read, as long as there is known to be more or nothing was found and time is left. */
  async #lend(max: number, signal: AbortSignal | undefined): Promise<readonly Segment[]> {
    if (this.#closed) throw closed()
    const { clock } = this.#context
    const startedMs = clock.monotonic()
    const untilMs = startedMs + this.#values['kafka.pollTimeout']
    try {
      while (this.#queuedCount < max && !this.#closed) {
        if (this.#isStale() && !(await this.#letGo(untilMs, signal))) return []
        if (this.#queuedCount > 0 && !this.#hasMore()) break
        const leftMs = untilMs - clock.monotonic()
        if (!(await this.#read(max - this.#queuedCount, untilMs, signal)) || leftMs <= 0 || signal?.aborted) break
      }
    } finally {
      this.#add('KafkaEventGetTimer', Math.round(clock.monotonic() - startedMs))
    }
    if (this.#closed || this.#isStale()) return []
    return this.#takeQueued(max)
  }

  #isStale(): boolean {
    return this.#mustRejoin || (this.#consumer?.standing !== undefined && this.#consumer.isStale)
  }

  /** Reads once; false when nothing came in time, or the group shares anew. */
  async #read(most: number, untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const consumer = await this.#reader()
    const stop = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal
    try {
      const waitMs = Math.max(0, untilMs - this.#context.clock.monotonic())
      const polled = await consumer.poll(Math.min(most, readAheadCount), waitMs, stop)
      if (polled.kind === 'rebalance') {
        this.#mustRejoin = true
        return true
      }
      for (const slice of polled.slices) this.#enqueue(slice)
      return polled.count > 0
    } catch (error) {
      if (this.#closed) throw closed()
      // A take that fails makes its sink pause; a read that fails soon again should not spin either.
      await this.#context.clock.sleep(pauseAfterFailureMs, stop).catch(() => undefined)
      throw error
    }
  }

  async #reader(): Promise<GroupConsumer> {
    if (this.#consumer) return this.#consumer
    const { clock, log, settings } = this.#context
    const reading = consumerOf(this.#values, settings)
    const cluster = await this.#connect(reading.settings, clock)
    this.#clusters.push(cluster)
    if (this.#closed) {
      await cluster.close()
      throw closed()
    }
    this.#consumer = new GroupConsumer(cluster, reading.consumer, clock, log)
    return this.#consumer
  }

  /** True when more events are known to lie in the partitions that are read here. */
  #hasMore(): boolean {
    for (const { topic, partition, next, end } of this.#consumer?.standing ?? []) {
      if (Math.max(end, this.#ends.get(`${topic}-${partition}`) ?? 0) > next) return true
    }
    return false
  }

  /**
   * The group shares anew: waits for what is lent, then forgets what was read, as whoever gets the partitions reads it
   * from what is committed. False when something is still lent and the time is over.
   */
  async #letGo(untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    this.#mustRejoin = true
    while (this.#lentCount > 0) {
      const leftMs = untilMs - this.#context.clock.monotonic()
      if (leftMs <= 0 || signal?.aborted || this.#closed) return false
      await this.#somethingReturns(leftMs, signal)
    }
    await this.#committing.catch(() => undefined)
    this.#queue = []
    this.#queuedCount = 0
    this.#open.clear()
    this.#toCommit.clear()
    // Has it joined anew itself? `poll` says rebalance once and joins at its next call; a stale member says it first.
    if (this.#consumer?.standing !== undefined) await this.#consumer.poll(1, 0)
    this.#mustRejoin = false
    return true
  }

  #somethingReturns(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#context.clock.after(withinMs, done)
      signal?.addEventListener('abort', done, { once: true })
      this.#whenReturned.push(done)
    })
  }

  #wakeReturned(): void {
    for (const wake of this.#whenReturned.splice(0)) wake()
  }

  #enqueue(slice: RecordSlice): void {
    const { topic, partition, nextOffset } = slice
    const { batch, nextOffsets } = this.#eventsOf(slice)
    const key = `${topic}-${partition}`
    if (batch.count === 0) {
      // Nothing in it can be lent: it counts as done once what is before it is.
      const marker: Segment = {
        order: this.#order++,
        key,
        topic,
        partition,
        batch,
        nextOffsets: Float64Array.of(nextOffset),
        isDone: true,
      }
      this.#openOf(key).push(marker)
      return
    }
    nextOffsets[batch.count - 1] = nextOffset
    const segment: Segment = { order: this.#order++, key, topic, partition, batch, nextOffsets, isDone: false }
    this.#queue.push(segment)
    this.#queuedCount += batch.count
    this.#openOf(key).push(segment)
  }

  #openOf(key: string): Segment[] {
    let open = this.#open.get(key)
    if (!open) {
      open = []
      this.#open.set(key, open)
    }
    return open
  }

  #takeQueued(max: number): readonly Segment[] {
    const lent: Segment[] = []
    let room = max
    while (room > 0) {
      const head = this.#queue[0]
      if (!head) break
      if (head.batch.count > room) this.#split(head, room)
      const whole = this.#queue.shift() as Segment
      lent.push(whole)
      room -= whole.batch.count
    }
    this.#queuedCount -= max - room
    this.#lentCount += max - room
    return lent
  }

  /** Makes two of the segment at the head of the queue. */
  #split(head: Segment, at: number): void {
    const { batch, nextOffsets } = head
    // Between whole numbers there is room for the halves of halves.
    const first: Segment = { ...head, batch: batch.slice(0, at), nextOffsets: nextOffsets.subarray(0, at) }
    const rest: Segment = { ...head, batch: batch.slice(at), nextOffsets: nextOffsets.subarray(at) }
    this.#queue.splice(0, 1, first, rest)
    const open = this.#openOf(head.key)
    open.splice(open.indexOf(head), 1, first, rest)
  }

  /** Lent segments come back to where they were read: ahead of everything newer. */
  #putBack(segments: readonly Segment[]): void {
    if (!this.#mustRejoin) {
      const back = segments.filter((segment) => this.#open.get(segment.key)?.includes(segment))
      this.#queue = [...back, ...this.#queue].sort(inOrder)
      this.#queuedCount += back.reduce((sum, { batch }) => sum + batch.count, 0)
    }
    this.#wakeReturned()
  }

  // ── Commits ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Commits, for each partition, up to its first event that is not done. */
  async #commitDone(segments: readonly Segment[]): Promise<void> {
    for (const key of new Set(segments.map((segment) => segment.key))) {
      const open = this.#open.get(key)
      let last: Segment | undefined
      while (open?.[0]?.isDone) last = open.shift()
      if (!last) continue
      const offset = last.nextOffsets[last.nextOffsets.length - 1] as number
      this.#toCommit.set(key, { topic: last.topic, partition: last.partition, offset })
    }
    this.#committing = this.#committing.catch(() => undefined).then(() => this.#commit())
    await this.#committing
  }

  async #commit(): Promise<void> {
    const offsets = this.#toCommit
    if (offsets.size === 0 || !this.#consumer) return
    this.#toCommit = new Map()
    const startedMs = this.#context.clock.monotonic()
    try {
      await this.#consumer.commit([...offsets.values()])
    } catch (error) {
      // They are delivered: nothing is lost, and a later commit covers these as well, unless the partition has gone.
      for (const [key, offset] of offsets) if (!this.#toCommit.has(key)) this.#toCommit.set(key, offset)
      this.#context.log.warn(
        `the offsets of delivered events were not committed, so these may come twice: ${explain(error)}`,
      )
    }
    this.#add('KafkaCommitTimer', Math.round(this.#context.clock.monotonic() - startedMs))
  }

  // ── Records to events ──────────────────────────────────────────────────────────────────────────────────────────

  #eventsOf({ topic, partition, records }: RecordSlice): {
    readonly batch: EventBatch
    readonly nextOffsets: Float64Array
  } {
    if (!this.#values.parseAsFlumeEvent) {
      const bare = new EventBatch(records.bytes, records.valueStarts, records.valueEnds)
      return {
        batch: withKeys(bare, records, (index) => index),
        nextOffsets: records.offsets.map((offset) => offset + 1),
      }
    }
    const separate = { bytes: records.bytes, starts: records.valueStarts, ends: records.valueEnds }
    const { batch, indices } = readSeparateEvents(separate, (index, error) => {
      this.#context.log.error(
        `the record at offset ${records.offsets[index]} of ${topic}-${partition} is no Flume event and is left out, look at parseAsFlumeEvent: ${asError(error).message}`,
      )
    })
    return {
      batch: withKeys(batch, records, (index) => indices[index] as number),
      nextOffsets: Float64Array.from(indices, (index) => (records.offsets[index] as number) + 1),
    }
  }

  #add(name: string, amount: number): void {
    const { more } = this.#context.counters
    more[name] = (more[name] ?? 0) + amount
  }
}

/** The key of a record is the event's header `key`, over one of its own. */
function withKeys(batch: EventBatch, records: RecordSlice['records'], recordOf: (index: number) => number): EventBatch {
  let keys: (string | undefined)[] | undefined
  const own = batch.headers.get(keyHeader)
  for (let i = 0; i < batch.count; i++) {
    const key = keyTextAt(records, recordOf(i))
    if (key === undefined) continue
    keys ??= Array.from({ length: batch.count }, (_, at) => (typeof own === 'object' ? own[at] : own))
    keys[i] = key
  }
  return keys ? batch.withHeader(keyHeader, keys satisfies HeaderColumn) : batch
}

function inOrder(a: Segment, b: Segment): number {
  return a.order - b.order || (a.nextOffsets[0] as number) - (b.nextOffsets[0] as number)
}

function closed(): FlumeError {
  return new FlumeError('CLOSED', 'the channel is stopped', { retry: true })
}
