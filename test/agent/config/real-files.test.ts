import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { loadText, shape } from '../../support/configurations.ts'
import { testComponents } from '../../support/test-components.ts'

const ofTests = testComponents.filter(
  ({ kind, type }) => !components.some((one) => one.kind === kind && one.type === type),
)
const known = [...components, ...ofTests]

/** seq r1 → memory c1 → logger k1; lines of the same key take the place of these. */
const base: Readonly<Record<string, string>> = {
  'a1.sources': 'r1',
  'a1.channels': 'c1',
  'a1.sinks': 'k1',
  'a1.sources.r1.type': 'seq',
  'a1.sources.r1.channels': 'c1',
  'a1.channels.c1.type': 'memory',
  'a1.channels.c1.transactionCapacity': '100',
  'a1.sinks.k1.type': 'logger',
  'a1.sinks.k1.channel': 'c1',
}

interface Row {
  readonly what: string
  readonly lines: Readonly<Record<string, string>>
  /** What is said of it, as people read it; nothing else may be said. */
  readonly says: readonly RegExp[]
  readonly stops?: boolean
}

const kafkaSink = {
  'a1.sinks.k1.type': 'org.apache.flume.sink.kafka.KafkaSink',
  'a1.sinks.k1.kafka.bootstrap.servers': 'b:9092',
}
const hdfs = {
  'a1.sinks.k1.type': 'hdfs',
  'a1.sinks.k1.hdfs.path': '/x',
  'a1.sinks.k1.hdfs.rollInterval': '60',
  'a1.sinks.k1.hdfs.rollSize': '0',
  'a1.sinks.k1.hdfs.rollCount': '0',
}

// Each of these stands in files that real users published.
const rows: readonly Row[] = [
  {
    what: 'hdfs.batchsize',
    lines: { ...hdfs, 'a1.sinks.k1.hdfs.batchsize': '10' },
    says: [/warning: .*did you mean "hdfs\.batchSize"/],
  },
  {
    what: 'hdfs.txnEventMax',
    lines: { ...hdfs, 'a1.sinks.k1.hdfs.txnEventMax': '10' },
    says: [/note: .*no longer read; the key is hdfs\.batchSize/],
  },
  {
    what: 'rollInterval without its prefix',
    lines: { ...hdfs, 'a1.sinks.k1.rollInterval': '10' },
    says: [/warning: .*did you mean "hdfs\.rollInterval"/],
  },
  {
    what: 'producer.type',
    lines: { ...kafkaSink, 'a1.sinks.k1.producer.type': 'sync' },
    says: [/note: .*older than Flume 1\.6/],
  },
  {
    what: 'custom.topic.name',
    lines: { ...kafkaSink, 'a1.sinks.k1.custom.topic.name': 't' },
    says: [/note: .*the key is kafka\.topic/],
  },
  {
    what: 'old names of Kafka keys',
    lines: {
      'a1.sinks.k1.type': kafkaSink['a1.sinks.k1.type'],
      'a1.sinks.k1.brokerList': 'b:9092',
      'a1.sinks.k1.topic': 't',
      'a1.sinks.k1.requiredAcks': '1',
      'a1.sinks.k1.batchSize': '20',
    },
    says: [
      /note: .*brokerList: is the old name of kafka\.bootstrap\.servers/,
      /topic: is the old name of/,
      /requiredAcks: is the old name of/,
      /batchSize: is the old name of flumeBatchSize/,
    ],
  },
  {
    what: 'the brokers under a name older still',
    lines: { 'a1.sinks.k1.type': kafkaSink['a1.sinks.k1.type'], 'a1.sinks.k1.metadata.broker.list': 'b:9092' },
    says: [
      /error: .*kafka\.bootstrap\.servers: is required and missing/,
      /note: .*metadata\.broker\.list: .*the key is kafka\.bootstrap\.servers/,
    ],
    stops: true,
  },
  {
    what: 'keys of a patched sink',
    lines: { ...kafkaSink, 'a1.sinks.k1.useAvroEventFormat': 'true' },
    says: [/warning: .*useAvroEventFormat: is not an option and has no effect/],
  },
  {
    what: 'threads of a memory channel',
    lines: { 'a1.channels.c1.threads': '4' },
    says: [/warning: .*threads: is not an option/],
  },
  {
    what: 'use-fast-replay of a memory channel',
    lines: { 'a1.channels.c1.use-fast-replay': 'true' },
    says: [/warning: .*is not an option/],
  },
  {
    what: 'sleepMinMillis of a patched seq source',
    lines: { 'a1.sources.r1.sleepMinMillis': '1' },
    says: [/warning: .*is not an option/],
  },
  {
    what: 'batchSize of an avro source',
    lines: {
      'a1.sources.r1.type': 'avro',
      'a1.sources.r1.bind': '0.0.0.0',
      'a1.sources.r1.port': '0',
      'a1.sources.r1.batchSize': '10',
    },
    says: [/warning: .*batchSize: is not an option/],
  },
  {
    what: 'keywords of Cloudera’s Twitter source',
    lines: { 'a1.sources.r1.type': 'com.cloudera.flume.source.TwitterSource', 'a1.sources.r1.keywords': 'a, b' },
    says: [/error: .*the streaming service behind Twitter sources is gone; write it as a module of your own/],
    stops: true,
  },
  {
    what: 'a class of one’s own',
    lines: { 'a1.sources.r1.interceptors': 'i', 'a1.sources.r1.interceptors.i.type': 'com.acme.Mask$Builder' },
    says: [
      /error: .*there is no interceptor "com\.acme\.Mask\$Builder" \(Java classes cannot be loaded; write it as a module of your own: a file that exports what defineInterceptor of flume-ts\/agent returns, named as the type, such as \.\/my-interceptor\.ts\)/,
    ],
    stops: true,
  },
  {
    what: 'a placeholder',
    lines: { 'a1.sources.r1.type': 'netcat', 'a1.sources.r1.bind': 'h', 'a1.sources.r1.port': '<required>' },
    says: [/error: .*"<required>" is not a whole number/],
    stops: true,
  },
  {
    what: 'a variable of Cloudera Manager is text',
    lines: {
      'a1.sinks.k1.type': 'null',
      'a1.sinks.k1.channel': 'c1',
      'a1.sources.r1.totalEvents': '5',
      $KERBEROS_PRINCIPAL: 'x',
    },
    says: [/warning: .*\$KERBEROS_PRINCIPAL: is not a property of an agent/],
  },
]

describe('what real files carry', () => {
  for (const { what, lines, says, stops = false } of rows) {
    it(what, async () => {
      const text = Object.entries({ ...base, ...lines }).map(([key, value]) => `${key} = ${value}\n`)
      const { model, findings } = await loadText(text.join(''), { components: known })
      const said = findings.map(formatFinding)
      assert.equal(said.length, says.length, said.join('\n'))
      for (const [index, expected] of says.entries()) assert.match(said.join('\n'), expected, `${index}`)
      assert.equal(shape(model), stops ? undefined : 'r1>c1 k1<c1')
    })
  }
})

it('a configuration of two thousand lines is judged whole', async () => {
  const ways = 200
  const numbers = Array.from({ length: ways }, (_, index) => index)
  const lines = [
    `a1.sources = ${numbers.map((n) => `r${n}`).join(' ')}`,
    `a1.channels = ${numbers.map((n) => `c${n}`).join(' ')}`,
    `a1.sinks = ${numbers.map((n) => `k${n}`).join(' ')}`,
    ...numbers.flatMap((n) => [
      `a1.sources.r${n}.type = netcat`,
      `a1.sources.r${n}.bind = 127.0.0.1`,
      `a1.sources.r${n}.port = ${20_000 + n}`,
      `a1.sources.r${n}.channels = c${n}`,
      `a1.sources.r${n}.max-line-lenght = 100`,
      `a1.channels.c${n}.type = memory`,
      `a1.channels.c${n}.capasity = \${other.key:-5}`,
      `a1.sinks.k${n}.type = logger`,
      `a1.sinks.k${n}.channel = c${n}`,
      `a1.sinks.k${n}.colour = nothing near`,
    ]),
  ]
  assert.ok(lines.length > 2000)
  const { model, findings } = await loadText(`${lines.join('\n')}\n`, { components: known })
  assert.deepEqual([model?.sources.length, model?.channels.length, model?.sinks.length], [ways, ways, ways])
  const count = (code: string): number => findings.filter((one) => one.code === code).length
  assert.deepEqual([count('misspelt-key'), count('unknown-key'), findings.length], [2 * ways, ways, 3 * ways])
})
