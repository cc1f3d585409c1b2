import { readSeparateEvents } from '../../codec/avro/events.ts'
import { readJavaPattern } from '../../codec/java-regex.ts'
import { headersAt, keyTextAt } from '../../codec/kafka/record-batch.ts'
import { Backoff } from '../../core/backoff.ts'
import { explain, FlumeError } from '../../core/error.ts'
import { readConsumer, zookeeperProblems } from '../../net/kafka/client-options.ts'
import type { ConnectKafka, OffsetAt } from '../../net/kafka/cluster.ts'
import { GroupConsumer, type RecordSlice } from '../../net/kafka/consumer.ts'
import { connectKafka } from '../../net/kafka/platformatic.ts'
import { count, flag, millis, type Options, prefix, text } from '../../spec/option.ts'
import {
  type CheckSettings,
  defineSource,
  EventBatch,
  type HeaderColumn,
  type OptionProblem,
  type Source,
  type SourceContext,
  type SourceSpec,
} from '../contract.ts'

const options = {
  'kafka.bootstrap.servers': text({ doc: 'Brokers to ask first, as host:port separated by commas.' }),
  'kafka.topics': text({ optional: true, formerly: ['topic'], doc: 'Topics to read, separated by commas.' }),
  'kafka.topics.regex': text({ optional: true, doc: 'Java pattern of the topics to read; it wins over kafka.topics.' }),
  'kafka.consumer.group.id': text({
    default: 'flume',
    formerly: ['groupId'],
    doc: 'Group whose members share the partitions and whose offsets are kept.',
  }),
  batchSize: count({ default: 1000, min: 1, doc: 'Most events handed to the channel at once.' }),
  batchDurationMillis: millis({ default: 1000, min: 1, doc: 'Longest time a batch is waited for.' }),
  backoffSleepIncrement: millis({
    default: 1000,
    min: 0,
    doc: 'Pause after a failure; grows by as much with each one.',
  }),
  maxBackoffSleep: millis({ default: 5000, min: 0, doc: 'Longest pause after a failure.' }),
  useFlumeEventFormat: flag({
    default: false,
    doc: 'Records hold headers and body as Avro, as other Flume agents send them; otherwise the body alone.',
  }),
  setTopicHeader: flag({ default: true, doc: 'Note the topic in a header.' }),
  topicHeader: text({ default: 'topic', doc: 'The header for the topic.' }),
  'header.': prefix({ doc: 'Event headers to set: the header, then the name of the record header to copy as value.' }),
  zookeeperConnect: text({ optional: true, doc: 'ZooKeeper of Kafka before 0.9; it is not asked.' }),
  migrateZookeeperOffsets: flag({
    default: false,
    doc: 'Take offsets over from ZooKeeper; not there, true is an error.',
  }),
  'kafka.consumer.': prefix({
    secret: true,
    doc: "Settings of Kafka's own consumer: auto.offset.reset, security.protocol, sasl.*, ssl.*, isolation.level and more.",
  }),
}
type KafkaSourceOptions = Options<typeof options>

/** The source over any way to a cluster. */
export function kafkaSourceOver(connect: ConnectKafka): SourceSpec {
  return defineSource({
    type: 'KafkaSource',
    aliases: ['org.apache.flume.source.kafka.KafkaSource'],
    summary: 'Reads topics of Kafka as a member of a consumer group.',
    options,
    batchSizeOption: 'batchSize',
    check,
    describe: (values) =>
      `${values['kafka.topics.regex'] ?? values['kafka.topics']} at ${values['kafka.bootstrap.servers']}`,
    create: (values, context) => new KafkaSource(values, context, connect),
  })
}

export const kafka = kafkaSourceOver(connectKafka)

function consumerOf(values: KafkaSourceOptions, tlsSettings: CheckSettings | undefined) {
  const regex = values['kafka.topics.regex']
  const pattern = regex === undefined ? undefined : readJavaPattern(regex)
  const isNamed = pattern && 'value' in pattern ? (topic: string) => pattern.value.matches(topic) : () => false
  return readConsumer({
    prefix: 'kafka.consumer.',
    servers: values['kafka.bootstrap.servers'],
    tlsSettings,
    clientId: 'flume-ts-source',
    keys: values['kafka.consumer.'],
    group: values['kafka.consumer.group.id'],
    topics: pattern ? isNamed : topicsOf(values),
    resetDefault: 'latest',
  })
}

function topicsOf(values: KafkaSourceOptions): readonly string[] {
  const words = (values['kafka.topics'] ?? '').split(',').map((word) => word.trim())
  return [...new Set(words.filter((word) => word !== ''))]
}

function check(values: KafkaSourceOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = [...consumerOf(values, settings).problems]
  const regex = values['kafka.topics.regex']
  const pattern = regex === undefined ? undefined : readJavaPattern(regex)
  if (pattern && 'problem' in pattern) {
    problems.push({ option: 'kafka.topics.regex', code: 'bad-value', message: `"${regex}" ${pattern.problem}` })
  }
  if (!pattern && topicsOf(values).length === 0) {
    problems.push({
      option: 'kafka.topics',
      code: 'missing',
      message: 'names no topic',
      hint: 'set kafka.topics or kafka.topics.regex',
    })
  }
  problems.push(...zookeeperProblems(values.migrateZookeeperOffsets, values.zookeeperConnect))
  return problems
}

const noHeaders: ReadonlyMap<string, HeaderColumn> = new Map()

class KafkaSource implements Source {
  readonly #values: KafkaSourceOptions
  readonly #context: SourceContext
  readonly #connect: ConnectKafka
  readonly #backoff: Backoff
  /** Offsets behind what the channels have, not committed yet, by partition. */
  readonly #kept = new Map<string, OffsetAt>()
  #isSharedAnew = false

  constructor(values: KafkaSourceOptions, context: SourceContext, connect: ConnectKafka) {
    this.#values = values
    this.#context = context
    this.#connect = connect
    this.#backoff = new Backoff(values.backoffSleepIncrement, values.maxBackoffSleep)
  }

  async run(): Promise<void> {
    const { clock, log, signal } = this.#context
    const { settings, consumer: wanted } = consumerOf(this.#values, this.#context.settings)
    const cluster = await this.#connect(settings, clock)
    const consumer = new GroupConsumer(cluster, wanted, clock, log)
    try {
      await consumer.join()
      this.#context.ready(this.#values['kafka.topics.regex'] ?? topicsOf(this.#values).join(', '))
      while (!signal.aborted) await this.#round(consumer)
    } finally {
      await this.#commit(consumer)
      await consumer.close()
      await cluster.close()
    }
  }

  /** One batch: collected, delivered, committed (S-121). */
  async #round(consumer: GroupConsumer): Promise<void> {
    const { counters, log, signal } = this.#context
    let slices: readonly RecordSlice[]
    try {
      slices = await this.#collect(consumer)
    } catch (error) {
      if (signal.aborted) return
      counters.eventReadFail++
      // A client that cannot go on, such as a missing offset with auto.offset.reset = none, is begun anew.
      if (!(error instanceof FlumeError) || !error.retry) throw error
      log.warn(`reading failed, trying again: ${explain(error)}`)
      await this.#pause()
      return
    }
    const batch = this.#batchOf(slices)
    if (batch.count === 0 || (await this.#deliver(batch, consumer))) {
      for (const { topic, partition, nextOffset } of slices) {
        this.#kept.set(`${topic}-${partition}`, { topic, partition, offset: nextOffset })
      }
      if (slices.length > 0) this.#backoff.reset()
      if (slices.length > 0 || this.#isSharedAnew) await this.#commit(consumer)
    }
    // The next poll joins anew; what could not be committed as a member of before is read again.
    if (this.#isSharedAnew) this.#kept.clear()
    this.#isSharedAnew = false
  }

  /** A batch ends at batchSize, batchDurationMillis, when nothing comes in that time, or when the group shares anew. */
  async #collect(consumer: GroupConsumer): Promise<readonly RecordSlice[]> {
    const { clock, counters, signal, transactionCapacity } = this.#context
    const { batchSize, batchDurationMillis } = this.#values
    const most = Math.min(batchSize, transactionCapacity)
    const startedMs = clock.monotonic()
    const slices: RecordSlice[] = []
    for (let count = 0; count < most && !signal.aborted; ) {
      const leftMs = startedMs + batchDurationMillis - clock.monotonic()
      if (leftMs <= 0 && count > 0) break
      let polled: Awaited<ReturnType<GroupConsumer['poll']>>
      try {
        polled = await consumer.poll(most - count, Math.max(0, leftMs), signal)
      } catch (error) {
        // What was handed on before is not lost: it goes its way, and the failure comes again if it lasts.
        if (count === 0) throw error
        break
      }
      if (polled.kind === 'rebalance') {
        this.#isSharedAnew = true
        break
      }
      if (polled.count === 0) {
        if (!signal.aborted) this.#add('KafkaEmptyCount', 1)
        break
      }
      slices.push(...polled.slices)
      count += polled.count
    }
    this.#add('KafkaEventGetTimer', Math.round(clock.monotonic() - startedMs))
    if (slices.length > 0) counters.appendBatchReceived++
    return slices
  }

  /** False when the batch was given up: the source stops, or the partitions went to someone else who reads them again. */
  async #deliver(batch: EventBatch, consumer: GroupConsumer): Promise<boolean> {
    const { counters, log, signal } = this.#context
    for (;;) {
      try {
        await this.#context.deliver(batch)
        counters.appendBatchAccepted++
        return true
      } catch (error) {
        if (signal.aborted) return false
        if (consumer.isStale) {
          log.info(
            `${batch.count} events that the channel did not take are read again by whom the group gives their partitions`,
          )
          return false
        }
        log.warn(`the channel did not take ${batch.count} events, trying again: ${explain(error)}`)
        await this.#pause()
      }
    }
  }

  async #commit(consumer: GroupConsumer): Promise<void> {
    const { clock, log } = this.#context
    if (this.#kept.size === 0) return
    const startedMs = clock.monotonic()
    try {
      await consumer.commit([...this.#kept.values()])
      this.#kept.clear()
    } catch (error) {
      if (consumer.isStale) this.#kept.clear()
      log.warn(`the offsets of delivered events were not committed, so these may come twice: ${explain(error)}`)
    }
    this.#add('KafkaCommitTimer', Math.round(clock.monotonic() - startedMs))
  }

  #pause(): Promise<void> {
    const { clock, signal } = this.#context
    return clock.sleep(this.#backoff.next(), signal).catch(() => undefined)
  }

  #add(name: string, amount: number): void {
    const { more } = this.#context.counters
    more[name] = (more[name] ?? 0) + amount
  }

  // ── Records to events ──────────────────────────────────────────────────────────────────────────────────────────

  #batchOf(slices: readonly RecordSlice[]): EventBatch {
    return EventBatch.concat(slices.map((slice) => this.#eventsOf(slice)).filter(({ count }) => count > 0))
  }

  #eventsOf(slice: RecordSlice): EventBatch {
    const { records } = slice
    if (!this.#values.useFlumeEventFormat) {
      const bare = new EventBatch(records.bytes, records.valueStarts, records.valueEnds)
      return this.#withHeaders(bare, slice, undefined)
    }
    const separate = { bytes: records.bytes, starts: records.valueStarts, ends: records.valueEnds }
    const { batch, indices } = readSeparateEvents(separate, (index, error) => {
      // Flume passes over such a record too: its reader has moved on when the next round begins.
      this.#context.counters.eventReadFail++
      this.#context.log.error(
        `the record at offset ${records.offsets[index]} of ${slice.topic}-${slice.partition} is no Flume event and is left out: ${error.message}`,
      )
    })
    return this.#withHeaders(batch, slice, indices.length === records.count ? undefined : indices)
  }

  /** `indices` says which records the events were; undefined: all, in order. */
  #withHeaders(
    batch: EventBatch,
    { topic, partition, records }: RecordSlice,
    indices: Uint32Array | undefined,
  ): EventBatch {
    const { setTopicHeader, topicHeader } = this.#values
    const headers = new Map(batch.headers.size > 0 ? batch.headers : noHeaders)
    const { count } = batch
    const recordOf = (index: number): number => (indices ? (indices[index] as number) : index)
    keepOwn(headers, 'timestamp', count, numbersColumn(records.timestamps, count, recordOf))
    this.#copyHeaders(headers, records, count, recordOf)
    if (setTopicHeader) keepOwn(headers, topicHeader, count, topic)
    keepOwn(headers, 'partition', count, String(partition))
    keepOwn(headers, 'offset', count, numbersColumn(records.offsets, count, recordOf))
    const keys = keyColumn(records, count, recordOf)
    if (keys) overwrite(headers, 'key', count, keys)
    return batch.withHeaders(headers)
  }

  #copyHeaders(
    headers: Map<string, HeaderColumn>,
    records: RecordSlice['records'],
    count: number,
    recordOf: (index: number) => number,
  ): void {
    const wanted = Object.entries(this.#values['header.'])
    if (wanted.length === 0) return
    const columns = wanted.map(() => new Array<string | undefined>(count).fill(undefined))
    const found = wanted.map(() => false)
    for (let i = 0; i < count; i++) {
      for (const [name, value] of headersAt(records, recordOf(i))) {
        wanted.forEach(([, recordHeader], at) => {
          if (recordHeader !== name || value === undefined) return
          found[at] = true
          ;(columns[at] as (string | undefined)[])[i] = value.toString('utf8')
        })
      }
    }
    wanted.forEach(([header], at) => {
      if (found[at]) overwrite(headers, header, count, columns[at] as (string | undefined)[])
    })
  }
}

/** Sets a header of those events that have none of their own. */
function keepOwn(headers: Map<string, HeaderColumn>, name: string, count: number, column: HeaderColumn): void {
  const own = headers.get(name)
  if (typeof own === 'string') return
  if (own === undefined) headers.set(name, column)
  else
    headers.set(
      name,
      Array.from({ length: count }, (_, i) => own[i] ?? (typeof column === 'string' ? column : column[i])),
    )
}

/** Sets a header of those events for which the column has one. */
function overwrite(
  headers: Map<string, HeaderColumn>,
  name: string,
  count: number,
  column: readonly (string | undefined)[],
): void {
  const own = headers.get(name)
  headers.set(
    name,
    own === undefined
      ? column
      : Array.from({ length: count }, (_, i) => column[i] ?? (typeof own === 'string' ? own : own[i])),
  )
}

/** Numbers as texts; one text when all are the same. */
function numbersColumn(numbers: Float64Array, count: number, recordOf: (index: number) => number): HeaderColumn {
  const texts = new Array<string>(count)
  let last = Number.NaN
  let text = ''
  let changes = 0
  for (let i = 0; i < count; i++) {
    const number = numbers[recordOf(i)] as number
    if (number !== last) {
      last = number
      text = String(number)
      changes++
    }
    texts[i] = text
  }
  return changes === 1 ? text : texts
}

function keyColumn(
  records: RecordSlice['records'],
  count: number,
  recordOf: (index: number) => number,
): (string | undefined)[] | undefined {
  let column: (string | undefined)[] | undefined
  for (let i = 0; i < count; i++) {
    const key = keyTextAt(records, recordOf(i))
    if (key === undefined) continue
    column ??= new Array<string | undefined>(count).fill(undefined)
    column[i] = key
  }
  return column
}
