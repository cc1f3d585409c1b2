import { writeSeparateEvents } from '../../../codec/avro/events.ts'
import { TimeZone } from '../../../codec/time-zone.ts'
import { readProducer } from '../../../net/kafka/client-options.ts'
import type { ConnectKafka, KafkaCluster } from '../../../net/kafka/cluster.ts'
import { partitionsOf } from '../../../net/kafka/partitions.ts'
import { connectKafka } from '../../../net/kafka/platformatic.ts'
import { KafkaProducer } from '../../../net/kafka/producer.ts'
import { count, flag, type Options, prefix, text } from '../../../spec/option.ts'
import {
  type CheckSettings,
  defineSink,
  type EventBatch,
  type HeaderColumn,
  type OptionProblem,
  type Sink,
  type SinkContext,
  type SinkSpec,
} from '../../contract.ts'
import { TopicPattern, topicProblem } from './topic-pattern.ts'

const options = {
  'kafka.bootstrap.servers': text({
    formerly: ['brokerList'],
    doc: 'Brokers to ask first, as host:port separated by commas.',
  }),
  'kafka.topic': text({
    default: 'default-flume-topic',
    formerly: ['topic'],
    doc: 'Topic of events whose header does not name one; %{header} and the letters for times are filled in while allowTopicOverride is true.',
  }),
  flumeBatchSize: count({ default: 100, min: 1, formerly: ['batchSize'], doc: 'Most events of one batch.' }),
  'kafka.producer.acks': text({
    default: '1',
    formerly: ['requiredAcks'],
    doc: 'Who must have an event before it leaves the channel: all (every replica in step), 1 (the leader), 0 (nobody).',
  }),
  useFlumeEventFormat: flag({
    default: false,
    doc: 'Send headers and body as Avro, as other Flume agents read them; otherwise the body alone.',
  }),
  defaultPartitionId: count({ optional: true, min: 0, doc: 'Partition of events whose header does not name one.' }),
  partitionIdHeader: text({
    optional: true,
    doc: 'Header with the number of the partition; a text that is no number fails the batch.',
  }),
  allowTopicOverride: flag({
    default: true,
    doc: 'Let the header topicHeader choose the topic, and fill in kafka.topic.',
  }),
  topicHeader: text({ default: 'topic', doc: 'Header that names the topic.' }),
  timestampHeader: text({ optional: true, doc: 'Header with the time of the record, in milliseconds since 1970.' }),
  'header.': prefix({ doc: 'Record headers to write: event header, then the name of the record header as value.' }),
  'kafka.producer.': prefix({
    secret: true,
    doc: "Settings of Kafka's own producer: security.protocol, sasl.*, ssl.*, compression.type, transactional.id and more.",
  }),
}
type KafkaSinkOptions = Options<typeof options>

/** The sink over any way to a cluster. */
export function kafkaSinkOver(connect: ConnectKafka): SinkSpec {
  return defineSink({
    type: 'KafkaSink',
    aliases: ['org.apache.flume.sink.kafka.KafkaSink'],
    summary: 'Sends events to topics of Kafka.',
    options,
    batchSizeOption: 'flumeBatchSize',
    check,
    describe: (values) => `${values['kafka.topic']} at ${values['kafka.bootstrap.servers']}`,
    create: (values, context) => new KafkaSink(values, context, connect),
  })
}

export const kafka = kafkaSinkOver(connectKafka)

function producerOf(values: KafkaSinkOptions, tlsSettings: CheckSettings | undefined) {
  return readProducer({
    prefix: 'kafka.producer.',
    servers: values['kafka.bootstrap.servers'],
    tlsSettings,
    clientId: 'flume-ts-sink',
    acks: values['kafka.producer.acks'],
    keys: values['kafka.producer.'],
  })
}

function check(values: KafkaSinkOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = [...producerOf(values, settings).problems]
  if (values.allowTopicOverride) {
    const problem = topicProblem(values['kafka.topic'])
    if (problem !== undefined)
      problems.push({ option: 'kafka.topic', code: 'bad-value', message: `"${values['kafka.topic']}" ${problem}` })
  } else if (/%/.test(values['kafka.topic'])) {
    problems.push({
      option: 'kafka.topic',
      code: 'bad-value',
      message: `"${values['kafka.topic']}" is taken as it stands: allowTopicOverride is false`,
    })
  }
  return problems
}

/** The record key is the event header of this name, as in Flume. */
const keyHeader = 'key'

class KafkaSink implements Sink {
  readonly batchSize: number
  readonly #values: KafkaSinkOptions
  readonly #context: SinkContext
  readonly #connect: ConnectKafka
  readonly #topics: TopicPattern
  #open: Promise<{ readonly cluster: KafkaCluster; readonly producer: KafkaProducer }> | undefined

  constructor(values: KafkaSinkOptions, context: SinkContext, connect: ConnectKafka) {
    this.batchSize = values.flumeBatchSize
    this.#values = values
    this.#context = context
    this.#connect = connect
    this.#topics = new TopicPattern(
      values['kafka.topic'],
      values.allowTopicOverride ? values.topicHeader : undefined,
      TimeZone.local(),
    )
  }

  async start(): Promise<void> {
    await this.#producer()
  }

  async write(batch: EventBatch): Promise<void> {
    const { clock, counters } = this.#context
    const producer = await this.#producer()
    const startedMs = clock.monotonic()
    try {
      const values = this.#values.useFlumeEventFormat
        ? writeSeparateEvents(batch)
        : { bytes: batch.body, starts: batch.starts, ends: batch.ends }
      await producer.send({
        count: batch.count,
        topics: this.#topics.topics(batch),
        partitions: partitionsOf(batch, this.#values.partitionIdHeader, this.#values.defaultPartitionId),
        records: {
          ...values,
          keys: batch.headers.get(keyHeader),
          timestamps: this.#timestamps(batch),
          headers: this.#headers(batch),
        },
      })
    } catch (error) {
      counters.more['RollbackCount'] = (counters.more['RollbackCount'] ?? 0) + 1
      throw error
    }
    counters.more['KafkaEventSendTimer'] =
      (counters.more['KafkaEventSendTimer'] ?? 0) + Math.round(clock.monotonic() - startedMs)
  }

  async stop(): Promise<void> {
    const open = await this.#open?.catch(() => undefined)
    this.#open = undefined
    open?.producer.close()
    await open?.cluster.close()
  }

  async #producer(): Promise<KafkaProducer> {
    this.#open ??= this.#openNow().catch((error: unknown) => {
      this.#open = undefined
      throw error
    })
    return (await this.#open).producer
  }

  async #openNow(): Promise<{ readonly cluster: KafkaCluster; readonly producer: KafkaProducer }> {
    const { clock, log, random } = this.#context
    const { settings, producer } = producerOf(this.#values, this.#context.settings)
    const cluster = await this.#connect(settings, clock)
    return { cluster, producer: new KafkaProducer(cluster, producer, clock, log, Math.floor(random() * 1_000_000)) }
  }

  #timestamps(batch: EventBatch): number | Float64Array {
    const nowMs = this.#context.clock.now()
    const { timestampHeader } = this.#values
    if (timestampHeader === undefined) return nowMs
    const column = batch.headers.get(timestampHeader)
    if (typeof column === 'string') return this.#timeOf(column) ?? nowMs
    const times = new Float64Array(batch.count)
    for (let i = 0; i < batch.count; i++) times[i] = this.#timeOf(column?.[i]) ?? nowMs
    return times
  }

  /** Flume: a time that cannot be read is only warned of. */
  #timeOf(text: string | undefined): number | undefined {
    if (text !== undefined && /^\+?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
    this.#context.log.warn(
      `the header ${this.#values.timestampHeader} holds no time in milliseconds: the record gets the present time`,
    )
    return undefined
  }

  #headers(batch: EventBatch): readonly (readonly [string, HeaderColumn])[] {
    return Object.entries(this.#values['header.']).flatMap(([header, name]) => {
      const column = batch.headers.get(header)
      return column === undefined ? [] : [[name, column] as const]
    })
  }
}
