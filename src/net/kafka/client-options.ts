// What Java's clients can be told below kafka.consumer. and kafka.producer., read into our settings. A key that means nothing
// here is said to; one that would change where or how safely data goes is an error.
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { type Compression, compressions } from '../../codec/kafka/record-batch.ts'
import type { Severity } from '../../spec/finding.ts'
import type { ClientTlsValues } from '../../spec/tls-options.ts'
import { clientTls, clientTlsProblems } from '../tls/client.ts'
import type { TlsSettings } from '../tls/problem.ts'
import type { KafkaSettings, SaslSettings } from './cluster.ts'
import type { ConsumerSettings } from './consumer.ts'
import type { ProducerSettings } from './producer.ts'

export type ClientKeys = Readonly<Record<string, string>>

export interface ClientProblem {
  readonly option: string
  readonly severity?: Severity
  readonly code: string
  readonly message: string
  readonly hint?: string
}

export interface Connecting {
  readonly settings: KafkaSettings
  readonly problems: readonly ClientProblem[]
}

const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']
const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']

/** Keys of Java's clients that do nothing here, with the reason. */
const idle: Readonly<Record<string, string>> = {
  'bootstrap.servers': 'is taken from kafka.bootstrap.servers',
  'auto.commit.interval.ms': 'has no effect: offsets are committed when the channel has the events',
  'max.poll.records': 'has no effect: batchSize says how many records are taken at once',
  'batch.size': 'has no effect: all events of a batch for one partition go together',
  'linger.ms': 'has no effect: a batch goes as soon as it is there',
  'buffer.memory': 'has no effect: one batch is in memory',
  'max.in.flight.requests.per.connection': 'has no effect: a partition gets one batch after the other',
  retries: 'has no effect: delivery.timeout.ms says how long a batch is tried',
  'connections.max.idle.ms': 'has no effect: a connection is opened again when it is needed',
  'reconnect.backoff.ms': 'has no effect: the source or sink pauses as Flume does',
  'reconnect.backoff.max.ms': 'has no effect: the source or sink pauses as Flume does',
  'receive.buffer.bytes': 'has no effect: the system sizes the buffers of sockets',
  'send.buffer.bytes': 'has no effect: the system sizes the buffers of sockets',
  'client.dns.lookup': 'has no effect: the system resolves names',
  'exclude.internal.topics': "has no effect: the cluster's own topics are never read by a pattern",
  'allow.auto.create.topics': 'has no effect: reading never makes a topic',
  'default.api.timeout.ms': 'has no effect: request.timeout.ms limits each request',
  'metadata.max.idle.ms': 'has no effect',
  'metrics.num.samples': 'has no effect: metrics are those of the agent',
  'metrics.recording.level': 'has no effect: metrics are those of the agent',
  'metrics.sample.window.ms': 'has no effect: metrics are those of the agent',
  'metric.reporters': 'has no effect: metrics are those of the agent',
  'security.providers': 'has no effect: it names a Java class',
  'ssl.protocol': 'has no effect: ssl.enabled.protocols says which versions may be spoken',
  'ssl.provider': 'has no effect: it names a Java class',
  'ssl.keymanager.algorithm': 'has no effect: it names an algorithm of Java',
  'ssl.trustmanager.algorithm': 'has no effect: it names an algorithm of Java',
  'ssl.secure.random.implementation': 'has no effect: it names an algorithm of Java',
  'client.rack': 'has no effect: records are read from the leader',
  zookeeper: 'has no effect',
}

const stringCoders = /^org\.apache\.kafka\.common\.serialization\.(String|ByteArray)(Serializer|Deserializer)$/

/** Reads keys one by one, noting what cannot be read and, at the end, what nobody asked for. */
class KeyReader {
  readonly problems: ClientProblem[] = []
  readonly #prefix: string
  readonly #keys: ClientKeys
  readonly #read = new Set<string>()

  constructor(prefix: string, keys: ClientKeys) {
    this.#prefix = prefix
    this.#keys = keys
  }

  text(key: string): string | undefined {
    this.#read.add(key)
    const value = Object.hasOwn(this.#keys, key) ? this.#keys[key]?.trim() : undefined
    return value === '' ? undefined : value
  }

  /** The text, the empty one too: to switch off what has a default. */
  raw(key: string): string | undefined {
    this.#read.add(key)
    return Object.hasOwn(this.#keys, key) ? this.#keys[key]?.trim() : undefined
  }

  number(key: string, fallback: number, min: number, max = 2 ** 31 - 1): number {
    const value = this.text(key)
    if (value === undefined) return fallback
    const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    this.error(key, 'bad-value', `"${value}" is not a whole number from ${min} to ${max}`)
    return fallback
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.text(key)?.toLowerCase()
    if (value === undefined) return fallback
    if (value === 'true' || value === 'false') return value === 'true'
    this.error(key, 'bad-value', `"${value}" is neither true nor false`)
    return fallback
  }

  choice<W extends string>(key: string, of: readonly W[], fallback: W): W {
    const value = this.text(key)
    if (value === undefined) return fallback
    const found = of.find((word) => word.toLowerCase() === value.toLowerCase())
    if (found !== undefined) return found
    this.error(key, 'bad-value', `"${value}" is not one of ${of.join(', ')}`)
    return fallback
  }

  /** A problem that someone else found. */
  add(problem: ClientProblem): void {
    this.problems.push({ ...problem, option: `${this.#prefix}${problem.option}` })
  }

  error(key: string, code: string, message: string, hint?: string): void {
    this.problems.push({ option: `${this.#prefix}${key}`, code, message, ...(hint ? { hint } : {}) })
  }

  say(severity: Severity, key: string, message: string): void {
    this.problems.push({ option: `${this.#prefix}${key}`, severity, code: 'no-effect', message })
  }

  /** What stands there and was not read. */
  finish(): void {
    for (const key of Object.keys(this.#keys)) {
      if (this.#read.has(key)) continue
      const why = Object.hasOwn(idle, key) ? idle[key] : undefined
      if (why !== undefined) this.say('note', key, why)
      else this.say('warning', key, 'is not known here and has no effect')
    }
  }
}

/** `host:port` words separated by commas; an IPv6 address stands in brackets. */
export function readBrokers(text: string): readonly { readonly host: string; readonly port: number }[] | undefined {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
  const brokers = words.map((word) => {
    const match = /^(?:[A-Z_]+:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(word)
    return match && Number(match[3]) > 0 && Number(match[3]) <= 65_535
      ? { host: (match[1] ?? match[2]) as string, port: Number(match[3]) }
      : undefined
  })
  return brokers.length > 0 && brokers.every((broker) => broker !== undefined) ? brokers : undefined
}

/** What each side of Flume's components takes its keys for. */
export interface ClientOf {
  /** `kafka.consumer.` or `kafka.producer.`. */
  readonly prefix: string
  readonly servers: string
  readonly clientId: string
  /** Where the component would run on this machine: files for TLS are looked at. */
  readonly tlsSettings?: TlsSettings | undefined
}

function readConnecting(keys: KeyReader, { servers, clientId, tlsSettings }: ClientOf): KafkaSettings {
  const brokers = readBrokers(servers)
  if (!brokers) {
    keys.problems.push({
      option: 'kafka.bootstrap.servers',
      code: 'bad-value',
      message: `"${servers}" is no list of brokers`,
      hint: 'write host:port, several separated by commas',
    })
  }
  const protocol = keys.choice('security.protocol', securityProtocols, 'PLAINTEXT')
  const sasl = readSasl(keys, protocol)
  const tls = readTls(keys, protocol, tlsSettings)
  return {
    brokers: brokers ?? [],
    clientId: keys.text('client.id') ?? clientId,
    sasl,
    tls,
    connectTimeoutMs: keys.number('socket.connection.setup.timeout.ms', 10_000, 1),
    requestTimeoutMs: keys.number('request.timeout.ms', 30_000, 1),
    metadataMaxAgeMs: keys.number('metadata.max.age.ms', 300_000, 0),
  }
}

function readSasl(keys: KeyReader, protocol: string): SaslSettings | undefined {
  const jaas = keys.text('sasl.jaas.config')
  const mechanism = keys.text('sasl.mechanism')?.toUpperCase()
  keys.text('sasl.kerberos.service.name')
  if (!protocol.startsWith('SASL')) {
    if (mechanism !== undefined || jaas !== undefined) {
      keys.say(
        'warning',
        mechanism === undefined ? 'sasl.jaas.config' : 'sasl.mechanism',
        `has no effect: security.protocol is ${protocol}`,
      )
    }
    return undefined
  }
  if (mechanism === undefined || mechanism === 'GSSAPI') {
    keys.error(
      'sasl.mechanism',
      'not-supported',
      'Kerberos (GSSAPI, the default) is not there',
      `use one of ${mechanisms.join(', ')}`,
    )
    return undefined
  }
  if (!mechanisms.includes(mechanism)) {
    keys.error('sasl.mechanism', 'not-supported', `"${mechanism}" is not there`, `use one of ${mechanisms.join(', ')}`)
    return undefined
  }
  const username = jaasValue(jaas, 'username')
  const password = jaasValue(jaas, 'password')
  if (username === undefined || password === undefined) {
    keys.error(
      'sasl.jaas.config',
      'missing',
      'must name username and password',
      'write org.apache.kafka.common.security.plain.PlainLoginModule required username="…" password="…";',
    )
    return undefined
  }
  return { mechanism: mechanism as SaslSettings['mechanism'], username, password }
}

/** A quoted value of a JAAS line; a backslash keeps the character after it. */
function jaasValue(jaas: string | undefined, name: string): string | undefined {
  const match = new RegExp(
    `(?:^|\\s)${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|'((?:[^'\\\\]|\\\\.)*)'|([^\\s;"']+))`,
  ).exec(jaas ?? '')
  return match ? (match[1] ?? match[2] ?? match[3])?.replaceAll(/\\(.)/g, '$1') : undefined
}

/** Names of TLS options here, as Kafka's client has them. */
const tlsNames: Readonly<Record<string, string>> = {
  truststore: 'ssl.truststore.location',
  'truststore-password': 'ssl.truststore.password',
  'truststore-type': 'ssl.truststore.type',
  keystore: 'ssl.keystore.location',
  'keystore-password': 'ssl.keystore.password',
  'keystore-type': 'ssl.keystore.type',
  'include-protocols': 'ssl.enabled.protocols',
  'include-cipher-suites': 'ssl.cipher.suites',
}
const inlineKeys = ['ssl.truststore.certificates', 'ssl.keystore.certificate.chain', 'ssl.keystore.key']

function readTls(keys: KeyReader, protocol: string, settings: TlsSettings | undefined): TlsOptions | undefined {
  const isOn = protocol === 'SSL' || protocol === 'SASL_SSL'
  for (const key of inlineKeys) {
    if (keys.text(key) !== undefined)
      keys.error(
        key,
        'not-supported',
        'is not read from the configuration',
        'put it into a file of type PEM and name that',
      )
  }
  const list = (key: string): readonly string[] | undefined =>
    keys
      .text(key)
      ?.split(',')
      .map((word) => word.trim())
  const password = keys.text('ssl.keystore.password')
  const keyPassword = keys.text('ssl.key.password')
  if (keyPassword !== undefined && keyPassword !== password) {
    keys.error(
      'ssl.key.password',
      'not-supported',
      'is another than ssl.keystore.password, which is not there',
      'give the key and its store one password',
    )
  }
  // Kafka: an empty algorithm, or Flume's own flag, lets a certificate stand for any name.
  const algorithm = keys.raw('ssl.endpoint.identification.algorithm')
  const isNameless = keys.flag('ssl.disableTLSHostnameVerification', false)
  const values: ClientTlsValues = {
    ssl: true,
    'trust-all-certs': false,
    truststore: keys.text('ssl.truststore.location'),
    'truststore-password': keys.text('ssl.truststore.password'),
    'truststore-type': keys.text('ssl.truststore.type'),
    'exclude-protocols': undefined,
    'include-protocols': list('ssl.enabled.protocols'),
    'exclude-cipher-suites': undefined,
    'include-cipher-suites': list('ssl.cipher.suites'),
    'check-hostname': algorithm !== '' && !isNameless,
    keystore: keys.text('ssl.keystore.location'),
    'keystore-password': password,
    'keystore-type': keys.text('ssl.keystore.type'),
  }
  if (!isOn) {
    if (values.truststore !== undefined || values.keystore !== undefined) {
      const key = values.truststore === undefined ? 'ssl.keystore.location' : 'ssl.truststore.location'
      keys.say('warning', key, `has no effect: security.protocol is ${protocol}`)
    }
    return undefined
  }
  const problems = clientTlsProblems(values, settings)
  for (const { option, severity, code, message, hint } of problems) {
    keys.add({ option: tlsNames[option] ?? 'security.protocol', severity, code, message, ...(hint ? { hint } : {}) })
  }
  const isBroken = problems.some(({ severity }) => severity === 'error')
  return settings && !isBroken ? clientTls(values, settings)?.options : undefined
}

export interface ConsumerOf extends ClientOf {
  readonly keys: ClientKeys
  readonly group: string
  readonly topics: ConsumerSettings['topics']
  readonly resetDefault: ConsumerSettings['reset']
}

/** Reads the keys below `kafka.consumer.`. */
export function readConsumer(of: ConsumerOf): Connecting & { readonly consumer: ConsumerSettings } {
  const keys = new KeyReader(of.prefix, of.keys)
  const settings = readConnecting(keys, of)
  if (keys.text('enable.auto.commit')?.toLowerCase() === 'true') {
    keys.say('note', 'enable.auto.commit', 'has no effect: offsets are committed when the channel has the events')
  }
  for (const coder of ['key.deserializer', 'value.deserializer']) checkCoder(keys, coder)
  const sessionTimeoutMs = keys.number('session.timeout.ms', 10_000, 1)
  const heartbeatIntervalMs = keys.number('heartbeat.interval.ms', 3000, 1)
  if (heartbeatIntervalMs >= sessionTimeoutMs) {
    keys.error(
      'heartbeat.interval.ms',
      'bad-value',
      `${heartbeatIntervalMs} is not less than session.timeout.ms, ${sessionTimeoutMs}`,
    )
  }
  const consumer: ConsumerSettings = {
    group: of.group,
    topics: of.topics,
    reset: keys.choice('auto.offset.reset', ['earliest', 'latest', 'none'], of.resetDefault),
    readCommitted:
      keys.choice('isolation.level', ['read_uncommitted', 'read_committed'], 'read_uncommitted') === 'read_committed',
    checkCrcs: keys.flag('check.crcs', true),
    fetchMinBytes: keys.number('fetch.min.bytes', 1, 0),
    fetchMaxBytes: keys.number('fetch.max.bytes', 52_428_800, 1024),
    fetchMaxWaitMs: keys.number('fetch.max.wait.ms', 500, 0),
    partitionMaxBytes: keys.number('max.partition.fetch.bytes', 1_048_576, 1),
    metadataMaxAgeMs: settings.metadataMaxAgeMs,
    sessionTimeoutMs,
    heartbeatIntervalMs,
    rebalanceTimeoutMs: keys.number('max.poll.interval.ms', 300_000, 1),
    assignors: readAssignors(keys),
    instanceId: keys.text('group.instance.id'),
  }
  keys.text('group.id')
  keys.finish()
  return { settings, consumer, problems: keys.problems }
}

function readAssignors(keys: KeyReader): readonly string[] {
  const value = keys.text('partition.assignment.strategy')
  if (value === undefined) return ['range']
  const names = value.split(',').map((name) => name.trim().replace(/^.*\./, ''))
  const known = names.flatMap((name) =>
    name === 'RangeAssignor' ? ['range'] : name === 'RoundRobinAssignor' ? ['roundrobin'] : [],
  )
  if (known.length < names.length) {
    const message = `of ${names.join(', ')} only RangeAssignor and RoundRobinAssignor are there`
    if (known.length === 0) keys.error('partition.assignment.strategy', 'not-supported', message)
    else keys.say('warning', 'partition.assignment.strategy', message)
  }
  return known.length > 0 ? known : ['range']
}

function checkCoder(keys: KeyReader, key: string): void {
  const value = keys.text(key)
  if (value === undefined || stringCoders.test(value)) return
  keys.error(
    key,
    'not-supported',
    `${value} is a Java class and cannot be loaded`,
    'leave it out: keys are text, values are bytes',
  )
}

export interface ProducerOf extends ClientOf {
  readonly keys: ClientKeys
  readonly acks: string
}

/** Reads the keys below `kafka.producer.`. */
export function readProducer(of: ProducerOf): Connecting & { readonly producer: ProducerSettings } {
  const keys = new KeyReader(of.prefix, of.keys)
  const settings = readConnecting(keys, of)
  for (const coder of ['key.serializer', 'value.serializer']) checkCoder(keys, coder)
  const partitioner = keys.text('partitioner.class')
  if (partitioner !== undefined && !/\.(DefaultPartitioner|UniformStickyPartitioner)$/.test(partitioner)) {
    keys.error(
      'partitioner.class',
      'not-supported',
      `${partitioner} is a Java class and cannot be loaded`,
      'set partitionIdHeader, and the header with an interceptor',
    )
  }
  if (keys.text('interceptor.classes') !== undefined) {
    keys.error(
      'interceptor.classes',
      'not-supported',
      'names Java classes, which cannot be loaded',
      'use interceptors of the source',
    )
  }
  const transactionalId = keys.text('transactional.id')
  const acks = readAcks(keys, of.acks)
  const idempotent = keys.flag('enable.idempotence', transactionalId !== undefined)
  if ((idempotent || transactionalId !== undefined) && acks !== -1) {
    keys.error(
      'acks',
      'bad-value',
      `must be all with ${transactionalId === undefined ? 'enable.idempotence' : 'transactional.id'}`,
    )
  }
  const requestTimeoutMs = settings.requestTimeoutMs
  const producer: ProducerSettings = {
    acks,
    compression: keys.choice<Compression>('compression.type', compressions, 'none'),
    maxRequestBytes: keys.number('max.request.size', 1_048_576, 1024),
    requestTimeoutMs,
    deliveryTimeoutMs: keys.number('delivery.timeout.ms', 30_000, 1),
    retryBackoffMs: keys.number('retry.backoff.ms', 100, 1),
    maxBlockMs: keys.number('max.block.ms', 30_000, 0),
    idempotent,
    transactionalId,
    transactionTimeoutMs: keys.number('transaction.timeout.ms', 60_000, 1),
  }
  keys.finish()
  return { settings, producer, problems: keys.problems }
}

function readAcks(keys: KeyReader, text: string): -1 | 0 | 1 {
  const value = text.trim().toLowerCase()
  if (value === 'all' || value === '-1') return -1
  if (value === '0' || value === '1') return value === '0' ? 0 : 1
  keys.error('acks', 'bad-value', `"${value}" is not one of all, -1, 1, 0`)
  return -1
}

/** What is wrong with the options that once led to ZooKeeper, which nobody asks any more. */
export function zookeeperProblems(migratesOffsets: boolean, servers: string | undefined): readonly ClientProblem[] {
  if (migratesOffsets) {
    return [
      {
        option: 'migrateZookeeperOffsets',
        code: 'not-supported',
        message: 'offsets cannot be taken over from ZooKeeper',
        hint: 'let real Flume 1.9 do it once, or set the offsets of the group with kafka-consumer-groups.sh --reset-offsets',
      },
    ]
  }
  if (servers === undefined) return []
  const message = 'has no effect: ZooKeeper is not asked, neither for brokers nor for offsets'
  return [{ option: 'zookeeperConnect', severity: 'warning', code: 'no-effect', message }]
}
