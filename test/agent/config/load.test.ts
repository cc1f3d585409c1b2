import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type LoadAgentInput, type LoadedAgent, loadAgent } from '../../../src/agent/config/load.ts'
import type { AgentModel } from '../../../src/agent/config/model.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import type { Nested } from '../../../src/spec/option.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { testComponents } from '../../support/test-components.ts'

const folder = mkdtempSync(join(tmpdir(), 'load-'))
after(() => rmSync(folder, { recursive: true }))

let fileCount = 0
function file(text: string): string {
  const path = join(folder, `agent${++fileCount}.properties`)
  writeFileSync(path, text)
  return path
}

function load(text: string, more: Partial<LoadAgentInput> = {}): Promise<LoadedAgent> {
  return loadAgent({
    files: [file(text)],
    env: {},
    systemProperties: new Map(),
    mode: 'normal',
    components: testComponents,
    ...more,
  })
}

/** `line severity code path`, one for each finding. */
function brief({ findings }: LoadedAgent): readonly string[] {
  return findings.map(({ line, severity, code, path }) => `${line} ${severity} ${code} ${path}`)
}

/** Names of what would run, such as `r1>c1 k1<c1`. */
function shape(model: AgentModel | undefined): string | undefined {
  if (!model) return undefined
  return [
    ...model.sources.map(({ name, channels }) => `${name}>${channels.join('+')}`),
    ...model.sinks.map(({ name, channel, batchLimit }) => `${name}<${channel}${batchLimit ? `(${batchLimit})` : ''}`),
  ].join(' ')
}

/** A sound agent of thirteen lines, for cases to spoil: netcat r1 → memory c1 → logger k1. */
const sound = `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
`
const soundShape = 'r1>c1 k1<c1'

/** The sound agent with lines replaced (by number), and more behind them. */
function spoilt(lines: Readonly<Record<number, string>>, more = ''): string {
  const all = sound.trimEnd().split('\n')
  for (const [number, line] of Object.entries(lines)) all[Number(number) - 1] = line
  return `${all.join('\n')}\n${more}`
}

it('the example of the product page loads word for word, with bare and spoken type names', async () => {
  const { model, findings, agentNames } = await load(
    `# Name the components on this agent
agent1.sources = r1
agent1.channels = c1
agent1.sinks = k1

# Describe/configure the source
agent1.sources.r1.type = FlumeSource
agent1.sources.r1.bind = localhost
agent1.sources.r1.port = 44444

# Describe the sink
agent1.sinks.k1.type = HDFS
agent1.sinks.k1.hdfs.path = hdfs://namenode:8020/flume/test

# Use a channel which buffers events in memory
agent1.channels.c1.type = MemoryChannel

# Bind the source and sink to the channel
agent1.sources.r1.channels = c1
agent1.sinks.k1.channel = c1
`,
    { mode: 'strict' },
  )
  assert.deepEqual(findings, [])
  assert.deepEqual(agentNames, ['agent1'])
  assert.equal(model?.name, 'agent1')
  const [source] = model.sources
  assert.equal(source?.spec.type, 'FlumeSource')
  assert.deepEqual({ ...source.options }, { bind: 'localhost', port: 44444 })
  assert.equal(source.selector.spec.type, 'replicating')
  const [sink] = model.sinks
  assert.equal(sink?.spec.type, 'hdfs')
  assert.equal(sink.options['hdfs.path'], 'hdfs://namenode:8020/flume/test')
  assert.equal(sink.batchLimit, undefined)
  assert.equal(model.channels[0]?.spec.type, 'memory')
  assert.equal(shape(model), soundShape)
})

interface Case {
  readonly name: string
  readonly text: string
  readonly input?: Partial<LoadAgentInput>
  /** `line severity code path`. */
  readonly finds: readonly string[]
  /** Must match the findings as people read them. */
  readonly says?: RegExp
  /** What would run; undefined: nothing may start. */
  readonly runs?: string | undefined
}

const lenient = { mode: 'lenient' } as const
const strict = { mode: 'strict' } as const

describe('what Flume runs, runs', () => {
  const cases: readonly Case[] = [
    { name: 'a sound file says nothing', text: sound, finds: [], runs: soundShape },
    {
      name: 'CRLF and a byte order mark are accepted and never mentioned',
      text: `\ufeff${sound.replaceAll('\n', '\r\n')}`,
      finds: [],
      runs: soundShape,
    },
    {
      name: 'blanks behind a value are trimmed and never mentioned (C-03)',
      text: sound.replaceAll('\n', ' \t \n'),
      finds: [],
      runs: soundShape,
    },
    {
      name: 'upper case aliases and full class names resolve (C-17 does not apply)',
      text: spoilt({
        4: 'a1.sources.r1.type = NETCAT',
        8: 'a1.channels.c1.type = org.apache.flume.channel.MemoryChannel',
        9: 'a1.sinks.k1.type = LoggerSink',
      }),
      finds: [],
      runs: soundShape,
    },
    {
      name: 'a part taken out of the list is switched off (C-11)',
      text: spoilt({}, 'a1.sinks.k2.type = hdfs\na1.sinks.k2.hdfs.path = /x\n'),
      finds: ['11 note not-listed a1.sinks.k2'],
      says: /configured and not listed in a1\.sinks; it does not run/,
      runs: soundShape,
    },
    {
      name: 'a name in the list without keys is left out (C-11)',
      text: spoilt({ 3: 'a1.sinks = k1 k2' }),
      finds: ['3 warning not-configured a1.sinks'],
      runs: soundShape,
    },
    {
      name: 'stray lines are ignored: a pasted command, a // comment, an unknown word, a key without property (C-05)',
      text: spoilt({}, 'flume-ng agent -n a1\n// the end\na1.foo = bar\na1.sources.r1 = x\n.x = 1\n'),
      finds: [
        '11 warning stray-line flume-ng',
        '12 warning stray-line //',
        '13 warning stray-line a1.foo',
        '14 warning stray-line a1.sources.r1',
        '15 warning stray-line .x',
      ],
      says: /12:1: warning: \/\/: .* \(comments begin with #\)/,
      runs: soundShape,
    },
    {
      name: 'a.source. is pointed out once for all its lines',
      text: spoilt({}, 'a1.source.r1.batchSize = 1\na1.source.r1.x = 2\n'),
      finds: ['11 warning stray-line a1.source.r1.batchSize'],
      says: /"source" is nothing an agent has; it is ignored \(2 lines begin so\) \(did you mean "sources"/,
      runs: soundShape,
    },
    {
      name: 'a key without a value is ignored (C-04)',
      text: spoilt({}, 'a1.sources.r1.max-line-length =\n'),
      finds: ['11 warning empty-value a1.sources.r1.max-line-length'],
      runs: soundShape,
    },
    {
      name: 'a duplicate with another value: the last one counts, both lines are named',
      text: spoilt({}, 'a1.sources.r1.port = 5\n'),
      finds: ['11 warning duplicate-key a1.sources.r1.port'],
      says: /is given on line 6 already, with another value; this one counts/,
      runs: soundShape,
    },
    {
      name: 'a duplicate with the same value is only worth a note',
      text: spoilt({}, 'a1.sources.r1.port = 44444\n'),
      finds: ['11 note duplicate-key a1.sources.r1.port'],
      runs: soundShape,
    },
    {
      name: 'an undeclared channel among others is cut off (C-13)',
      text: spoilt({ 7: 'a1.sources.r1.channels = c1 c9' }),
      finds: ['7 warning undeclared-channel a1.sources.r1.channels'],
      says: /"c9" is no channel of this agent; left out \(did you mean "c1"/,
      runs: soundShape,
    },
    {
      name: 'a sink on an undeclared channel is switched off while another drains (C-14)',
      text: spoilt({ 3: 'a1.sinks = k1 k2' }, 'a1.sinks.k2.type = logger\na1.sinks.k2.channel = dummy\n'),
      finds: ['12 warning undeclared-channel a1.sinks.k2.channel'],
      runs: soundShape,
    },
    {
      name: 'a channel that nothing uses is left out (C-20)',
      text: spoilt({ 2: 'a1.channels = c1 c2' }, 'a1.channels.c2.type = memory\n'),
      finds: ['11 warning unused-channel a1.channels.c2'],
      runs: soundShape,
    },
    {
      name: 'a Kafka channel without source, or without sink, is a valid design (C-10)',
      text: `a1.channels = in out
a1.sources = r1
a1.sinks = k1
a1.channels.in.type = org.apache.flume.channel.kafka.KafkaChannel
a1.channels.in.kafka.bootstrap.servers = k:9092
a1.channels.out.type = KafkaChannel
a1.channels.out.kafka.bootstrap.servers = k:9092
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 1
a1.sources.r1.channels = out
a1.sinks.k1.type = logger
a1.sinks.k1.channel = in
`,
      finds: [],
      runs: 'r1>out k1<in',
    },
    {
      name: 'only sinks is valid (C-10); the channel that nobody feeds is noted',
      text: 'a1.channels = c1\na1.sinks = k1\na1.channels.c1.type = memory\na1.sinks.k1.type = logger\na1.sinks.k1.channel = c1\n',
      finds: ['3 note never-fed a1.channels.c1'],
      runs: 'k1<c1',
    },
    {
      name: 'old Kafka keys are translated, with a note',
      text: spoilt(
        {
          4: 'a1.sources.r1.type = KafkaSource',
          5: 'a1.sources.r1.brokerList = k:9092',
          6: 'a1.sources.r1.groupId = g',
          8: 'a1.channels.c1.type = KafkaChannel',
        },
        'a1.channels.c1.brokerList = k:9092\n',
      ),
      finds: [
        '5 note old-key a1.sources.r1.brokerList',
        '6 note old-key a1.sources.r1.groupId',
        '11 note old-key a1.channels.c1.brokerList',
      ],
      says: /is the old name of kafka\.bootstrap\.servers and still works/,
      runs: soundShape,
    },
    {
      name: 'keys known to do nothing are noted: the user guide’s kafka.flumeBatchSize, capacity of a Kafka channel',
      text: spoilt(
        { 8: 'a1.channels.c1.type = KafkaChannel', 9: 'a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink' },
        'a1.channels.c1.kafka.bootstrap.servers = k:1\na1.channels.c1.capacity = 10000\na1.channels.c1.generateKeytabFor = x\na1.sinks.k1.kafka.bootstrap.servers = k:1\na1.sinks.k1.kafka.flumeBatchSize = 20\na1.sinks.k1.serializer.class = kafka.serializer.StringEncoder\n',
      ),
      finds: [
        '12 note harmless-key a1.channels.c1.capacity',
        '13 note harmless-key a1.channels.c1.generateKeytabFor',
        '15 note harmless-key a1.sinks.k1.kafka.flumeBatchSize',
        '16 note harmless-key a1.sinks.k1.serializer.class',
      ],
      says: /the key is flumeBatchSize/,
      runs: soundShape,
    },
    {
      name: 'a default batch above transactionCapacity is cut to it (C-21)',
      text: spoilt({ 9: 'a1.sinks.k1.type = avro' }, 'a1.sinks.k1.hostname = h\na1.sinks.k1.port = 1\n'),
      finds: ['9 warning batch-size a1.sinks.k1.batch-size'],
      says: /the default of 1000 is more than channel c1 takes at once; 100 is used \(set a1\.channels\.c1\.transactionCapacity to 1000 or more\)/,
      runs: 'r1>c1 k1<c1(100)',
    },
    {
      name: 'a channel without such a limit is not checked (C-21)',
      text: spoilt(
        { 8: 'a1.channels.c1.type = KafkaChannel', 9: 'a1.sinks.k1.type = hdfs' },
        'a1.channels.c1.kafka.bootstrap.servers = k:1\na1.sinks.k1.hdfs.path = /x\na1.sinks.k1.hdfs.batchSize = 100000\n',
      ),
      finds: [],
      runs: soundShape,
    },
    {
      name: 'a boolean that is neither true nor false counts as false',
      text: spoilt({}, 'a1.sources.r1.ack-every-event = yes\n'),
      finds: ['11 warning not-a-boolean a1.sources.r1.ack-every-event'],
      runs: soundShape,
    },
    {
      name: 'faults of another agent in the file keep nobody from running (C-06)',
      text: `${sound}b2.sources = x\nb2.channels = y\nb2.channels.y.type = memroy\nb2.sources.x.type = netcat\nb2.sources.x.channels = y\n`,
      input: { agentName: 'a1', mode: 'strict' },
      finds: [
        '13 warning unknown-type b2.channels.y.type',
        '14 warning missing b2.sources.x.bind',
        '14 warning missing b2.sources.x.port',
      ],
      runs: soundShape,
    },
    {
      name: 'an agent prefix used without lists is a slip',
      text: `${sound}a2.sinks.k1.x = 1\n`,
      finds: ['11 warning agent-without-lists a2.sinks'],
      says: /did you mean "a1"/,
      runs: soundShape,
    },
    {
      name: 'quotes, and text from Cloudera Manager, are taken as they stand',
      text: spoilt({ 9: 'a1.sinks.k1.type = hdfs' }, 'a1.sinks.k1.hdfs.path = "/x/$KERBEROS_PRINCIPAL"\n'),
      finds: [],
      runs: soundShape,
    },
  ]
  check(cases)
})

describe('unknown keys are warned about, and what was meant is named', () => {
  const hdfs = { 9: 'a1.sinks.k1.type = hdfs' }
  const path = 'a1.sinks.k1.hdfs.path = /x\n'
  const cases: readonly Case[] = [
    {
      name: 'a missing prefix: rollInterval, batchSize',
      text: spoilt(hdfs, `${path}a1.sinks.k1.rollInterval = 1\na1.sinks.k1.batchSize = 7\n`),
      finds: ['12 warning misspelt-key a1.sinks.k1.rollInterval', '13 warning misspelt-key a1.sinks.k1.batchSize'],
      says: /did you mean "hdfs\.rollInterval"[\s\S]*did you mean "hdfs\.batchSize"/,
      runs: soundShape,
    },
    {
      name: 'a missing sink. of file_roll',
      text: spoilt(
        { 9: 'a1.sinks.k1.type = file_roll' },
        'a1.sinks.k1.sink.directory = /x\na1.sinks.k1.batchSize = 7\n',
      ),
      finds: ['12 warning misspelt-key a1.sinks.k1.batchSize'],
      says: /did you mean "sink\.batchSize"/,
      runs: soundShape,
    },
    {
      name: 'a missing kafka.consumer.',
      text: spoilt(
        {
          4: 'a1.sources.r1.type = KafkaSource',
          5: 'a1.sources.r1.kafka.bootstrap.servers = k:1',
          6: 'a1.sources.r1.auto.offset.reset = earliest',
          8: 'a1.channels.c1.type = KafkaChannel',
        },
        'a1.channels.c1.brokerList = k\n',
      ),
      finds: ['6 warning misspelt-key a1.sources.r1.auto.offset.reset', '11 note old-key a1.channels.c1.brokerList'],
      says: /did you mean "kafka\.consumer\.auto\.offset\.reset"/,
      runs: soundShape,
    },
    {
      name: 'a superfluous prefix',
      text: spoilt(hdfs, `${path}a1.sinks.k1.hdfs.serializer = text\n`),
      finds: ['12 warning misspelt-key a1.sinks.k1.hdfs.serializer'],
      says: /did you mean "serializer"/,
      runs: soundShape,
    },
    {
      name: 'another case',
      text: spoilt(hdfs, `${path}a1.sinks.k1.hdfs.writeformat = Text\n`),
      finds: ['12 warning misspelt-key a1.sinks.k1.hdfs.writeformat'],
      says: /did you mean "hdfs\.writeFormat"/,
      runs: soundShape,
    },
    {
      name: 'two letters exchanged',
      text: spoilt({}, 'a1.channels.c1.transactionCapactiy = 1\n'),
      finds: ['11 warning misspelt-key a1.channels.c1.transactionCapactiy'],
      says: /did you mean "transactionCapacity"/,
      runs: soundShape,
    },
    {
      name: 'a key of some other component',
      text: spoilt({}, 'a1.channels.c1.write-timeout = 1\n'),
      finds: ['11 warning unknown-key a1.channels.c1.write-timeout'],
      runs: soundShape,
    },
    {
      name: 'names of objects are keys like any other',
      text: spoilt({}, 'a1.channels.c1.constructor = 1\na1.channels.c1.__proto__ = 1\n'),
      finds: ['11 warning unknown-key a1.channels.c1.constructor', '12 warning unknown-key a1.channels.c1.__proto__'],
      runs: soundShape,
    },
    {
      name: 'a key of an interceptor that belongs to another one',
      text: spoilt(
        {},
        'a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = timestamp\na1.sources.r1.interceptors.i1.excludeEvents = true\n',
      ),
      finds: ['13 warning unknown-key a1.sources.r1.interceptors.i1.excludeEvents'],
      runs: soundShape,
    },
    {
      name: 'a key below a serializer',
      text: spoilt(hdfs, `${path}a1.sinks.k1.serializer = avro_event\na1.sinks.k1.serializer.syncInterval = 1\n`),
      finds: ['13 warning unknown-key a1.sinks.k1.serializer.syncInterval'],
      runs: soundShape,
    },
    {
      name: 'a key below the selector',
      text: spoilt({}, 'a1.sources.r1.selector.headr = 1\n'),
      finds: ['11 warning unknown-key a1.sources.r1.selector.headr'],
      runs: soundShape,
    },
    {
      name: 'where a required key was meant, one line says both',
      text: spoilt({ 5: 'a1.sources.r1.host = localhost' }),
      finds: ['5 error missing a1.sources.r1.host'],
      says: /is not an option, and bind is required \(did you mean "bind"\?\)/,
    },
    {
      name: 'a warning counts under --strict',
      text: spoilt({}, 'a1.channels.c1.transactionCapactiy = 1\n'),
      input: strict,
      finds: ['11 error misspelt-key a1.channels.c1.transactionCapactiy'],
    },
    {
      name: 'a note does not',
      text: spoilt({}, 'a1.sinks.k2.type = logger\n'),
      input: strict,
      finds: ['11 note not-listed a1.sinks.k2'],
      runs: soundShape,
    },
  ]
  check(cases)
})

describe('what cannot start, would lose data or would block it is an error', () => {
  const cases: readonly Case[] = [
    {
      name: 'a type that is a slip (C-17)',
      text: spoilt({ 4: 'a1.sources.r1.type = netcta' }),
      finds: ['4 error unknown-type a1.sources.r1.type'],
      says: /there is no source "netcta" \(did you mean "netcat"/,
    },
    {
      name: 'a type of another kind',
      text: spoilt({ 4: 'a1.sources.r1.type = logger' }),
      finds: ['4 error unknown-type a1.sources.r1.type'],
      says: /"logger" is a sink/,
    },
    {
      name: 'a type like nothing there is: all are listed',
      text: spoilt({ 8: 'a1.channels.c1.type = queue-of-sorts' }),
      finds: ['8 error unknown-type a1.channels.c1.type'],
      says: /there are memory, KafkaChannel, and modules of your own/,
    },
    {
      name: 'a well-known plug-in gets a replacement',
      text: spoilt({ 4: 'a1.sources.r1.type = org.keedio.flume.source.SQLSource' }),
      finds: ['4 error unknown-type a1.sources.r1.type'],
      says: /the SQL source is a Java plug-in; let Kafka Connect bring it into a topic and read that with KafkaSource, or write it as a module of your own/,
    },
    {
      name: 'so do Hive, HBase, Elasticsearch, Twitter and JMS',
      text: spoilt(
        { 3: 'a1.sinks = k1 k2 k3', 1: 'a1.sources = r1 r2 r3' },
        [
          'sinks.k2.type = hive',
          'sinks.k2.channel = c1',
          'sinks.k3.type = org.apache.flume.sink.hbase.AsyncHBaseSink',
          'sinks.k3.channel = c1',
          'sources.r2.type = com.cloudera.flume.source.TwitterSource',
          'sources.r2.channels = c1',
          'sources.r3.type = jms',
          'sources.r3.channels = c1',
        ]
          .map((line) => `a1.${line}\n`)
          .join(''),
      ),
      finds: [
        '11 error unknown-type a1.sinks.k2.type',
        '13 error unknown-type a1.sinks.k3.type',
        '15 error unknown-type a1.sources.r2.type',
        '17 error unknown-type a1.sources.r3.type',
      ],
      says: /external table[\s\S]*HBase needs[\s\S]*Twitter[\s\S]*JMS/,
    },
    {
      name: 'a type of Flume that is not here yet is no slip',
      text: spoilt({
        4: 'a1.sources.r1.type = org.apache.flume.source.taildir.TaildirSource',
        8: 'a1.channels.c1.type = FILE',
      }),
      finds: ['4 error unknown-type a1.sources.r1.type', '8 error unknown-type a1.channels.c1.type'],
      says: /this source of Flume is not available yet; [^]*this channel of Flume is not available yet; /,
    },
    {
      name: 'a replacement that is not there itself is not recommended',
      text: spoilt({ 9: 'a1.sinks.k1.type = hive' }),
      input: { components: testComponents.filter(({ type }) => type !== 'hdfs') },
      finds: ['9 error unknown-type a1.sinks.k1.type'],
      says: /\(Hive needs a Java client; write it as a module of your own and name that, such as \.\/my-sink\.ts\)$/,
    },
    {
      name: 'a Java class of their own',
      text: spoilt(
        {},
        'a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = com.example.Mine$Builder\n',
      ),
      finds: ['12 error unknown-type a1.sources.r1.interceptors.i1.type'],
      says: /Java classes cannot be loaded; .*\.\/my-interceptor\.ts/,
    },
    { name: 'no type at all (C-12)', text: spoilt({ 4: '# no type' }), finds: ['5 error no-type a1.sources.r1.type'] },
    {
      name: 'a type in the wrong case of its key',
      text: spoilt({ 4: 'a1.sources.r1.Type = netcat' }),
      finds: ['4 error no-type a1.sources.r1.Type'],
      says: /did you mean "type"/,
    },
    {
      name: 'an interceptor without keys',
      text: spoilt({}, 'a1.sources.r1.interceptors = i1\n'),
      finds: ['11 error no-type a1.sources.r1.interceptors.i1.type'],
    },
    {
      name: 'a missing required value (C-18)',
      text: spoilt({ 6: '# no port' }),
      finds: ['4 error missing a1.sources.r1.port'],
      says: /is required and missing \(it takes a whole number from 0 to 65535: Port\.\)/,
    },
    {
      name: 'an empty required value, said once (C-04)',
      text: spoilt({ 6: 'a1.sources.r1.port =' }),
      finds: ['6 error missing a1.sources.r1.port'],
      says: /has no value and needs one/,
    },
    {
      name: 'a number that is none (C-18)',
      text: spoilt({ 6: 'a1.sources.r1.port = 1k' }),
      finds: ['6 error bad-value a1.sources.r1.port'],
      says: /6:22: error: .*"1k" is not a whole number; it takes a whole number from 0 to 65535/,
    },
    {
      name: 'a number out of range',
      text: spoilt({ 6: 'a1.sources.r1.port = 70000' }),
      finds: ['6 error bad-value a1.sources.r1.port'],
    },
    {
      name: 'a word that is not among the words',
      text: spoilt(
        { 9: 'a1.sinks.k1.type = hdfs' },
        'a1.sinks.k1.hdfs.path = /x\na1.sinks.k1.hdfs.fileType = DataStrem\n',
      ),
      finds: ['12 error bad-value a1.sinks.k1.hdfs.fileType'],
      says: /"DataStrem" is not one of SequenceFile, DataStream/,
    },
    {
      name: 'a memory channel’s number, though Flume falls back',
      text: spoilt({}, 'a1.channels.c1.capacity = many\n'),
      finds: ['11 error bad-value a1.channels.c1.capacity'],
    },
    {
      name: 'a rule between options: transactionCapacity above capacity',
      text: spoilt({}, 'a1.channels.c1.capacity = 10\na1.channels.c1.transactionCapacity = 20\n'),
      finds: ['12 error options a1.channels.c1.transactionCapacity'],
      says: /20 is more than the capacity of 10/,
    },
    {
      name: 'an explicit batch above transactionCapacity, with both ways out (C-21)',
      text: spoilt({ 9: 'a1.sinks.k1.type = hdfs' }, 'a1.sinks.k1.hdfs.path = /x\na1.sinks.k1.hdfs.batchSize = 1000\n'),
      finds: ['12 error batch-size a1.sinks.k1.hdfs.batchSize'],
      says: /set a1\.channels\.c1\.transactionCapacity to 1000 or more, or a1\.sinks\.k1\.hdfs\.batchSize to 100 or less/,
    },
    {
      name: 'the same for a source (C-21)',
      text: spoilt({
        4: 'a1.sources.r1.type = exec',
        5: 'a1.sources.r1.command = tail -F x',
        6: 'a1.sources.r1.batchSize = 101',
      }),
      finds: ['6 error batch-size a1.sources.r1.batchSize'],
    },
    {
      name: 'a source left without any channel (C-13)',
      text: spoilt({ 7: 'a1.sources.r1.channels = c9' }),
      finds: ['7 error no-channel a1.sources.r1.channels', '8 note never-fed a1.channels.c1'],
    },
    {
      name: 'channel instead of channels',
      text: spoilt({ 7: 'a1.sources.r1.channel = c1' }),
      finds: ['7 error missing a1.sources.r1.channel', '8 note never-fed a1.channels.c1'],
      says: /did you mean "channels"/,
    },
    {
      name: 'channels instead of channel',
      text: spoilt({ 10: 'a1.sinks.k1.channels = c1' }),
      finds: ['8 error never-drained a1.channels.c1', '10 error missing a1.sinks.k1.channels'],
      says: /did you mean "channel"/,
    },
    {
      name: 'a channel that is fed and never drained',
      text: spoilt({ 3: '# no sinks' }),
      finds: ['8 error never-drained a1.channels.c1', '9 note not-listed a1.sinks.k1'],
      says: /fed by r1 and drained by no sink: it would fill up and block \(sink k1 would drain it: add it to a1\.sinks\)/,
    },
    {
      name: 'a channel whose only sink names another',
      text: spoilt({ 10: 'a1.sinks.k1.channel = c2' }),
      finds: ['8 error never-drained a1.channels.c1', '10 warning undeclared-channel a1.sinks.k1.channel'],
    },
    {
      name: 'no channels (C-10)',
      text: spoilt({ 2: '# none' }),
      finds: [
        '1 error no-channels a1.channels',
        '7 error no-channel a1.sources.r1.channels',
        '8 note not-listed a1.channels.c1',
        '10 warning undeclared-channel a1.sinks.k1.channel',
      ],
    },
    {
      name: 'nothing left to run (C-10)',
      text: 'a1.channels = c1\na1.channels.c1.type = memory\n',
      finds: ['1 error nothing-to-run a1', '2 warning unused-channel a1.channels.c1'],
    },
    {
      name: 'a route to a channel the source has not',
      text: spoilt({}, 'a1.sources.r1.selector.type = multiplexing\na1.sources.r1.selector.mapping.x = c7\n'),
      finds: ['12 error selector-channel a1.sources.r1.selector.mapping.x'],
      says: /"c7" is not among the source's channels \(did you mean "c1"/,
    },
    {
      name: 'an unknown serializer',
      text: spoilt({ 9: 'a1.sinks.k1.type = hdfs' }, 'a1.sinks.k1.hdfs.path = /x\na1.sinks.k1.serializer = txt\n'),
      finds: ['12 error unknown-type a1.sinks.k1.serializer'],
      says: /there is no serializer "txt" \(did you mean "text"/,
    },
    {
      name: 'an unknown selector',
      text: spoilt({}, 'a1.sources.r1.selector.type = multiplex\n'),
      finds: ['11 error unknown-type a1.sources.r1.selector.type'],
    },
  ]
  check(cases)
})

describe('traps that real files fell into', () => {
  const cases: readonly Case[] = [
    {
      name: 'a comment behind a type',
      text: spoilt({ 8: 'a1.channels.c1.type = memory  ## in memory' }),
      finds: ['8 error unknown-type a1.channels.c1.type'],
      says: /comments are only allowed on a line of their own: the value would be "memory"/,
    },
    {
      name: 'a comment behind a number',
      text: spoilt({ 6: 'a1.sources.r1.port = 44444 # the port' }),
      finds: ['6 error bad-value a1.sources.r1.port'],
      says: /the value would be "44444"/,
    },
    {
      name: 'a // comment behind a number',
      text: spoilt({ 6: 'a1.sources.r1.port = 44444 // the port' }),
      finds: ['6 error bad-value a1.sources.r1.port'],
      says: /the value would be "44444"/,
    },
    {
      name: 'a comment behind a boolean',
      text: spoilt({}, 'a1.sources.r1.ack-every-event = true # always\n'),
      finds: ['11 error bad-value a1.sources.r1.ack-every-event'],
      says: /the value would be "true"/,
    },
    {
      name: 'a comment behind a text',
      text: spoilt({ 5: 'a1.sources.r1.bind = localhost # here' }),
      finds: ['5 warning inline-comment a1.sources.r1.bind'],
      says: /"localhost # here", the comment included/,
      runs: soundShape,
    },
    {
      name: 'a # in a command is no comment',
      text: spoilt({ 4: 'a1.sources.r1.type = exec', 5: 'a1.sources.r1.command = grep -v # x', 6: '' }),
      finds: [],
      runs: soundShape,
    },
    {
      name: 'a comment behind a list: its words are names (AronMacDonald)',
      text: spoilt({ 2: 'a1.channels = c1 #c2 and more' }),
      finds: ['2 warning inline-comment a1.channels'],
      says: /"#c2" and what follows it are taken for names/,
      runs: soundShape,
    },
    {
      name: 'commas in a list: Flume takes them into the names',
      text: spoilt({ 3: 'a1.sinks = k0, k1' }),
      finds: ['3 warning comma-in-list a1.sinks'],
      says: /names are separated by blanks: k0 k1/,
      runs: soundShape,
    },
    {
      name: 'commas in a source’s channels',
      text: spoilt(
        { 2: 'a1.channels = c1 c2', 7: 'a1.sources.r1.channels = c1,c2' },
        'a1.channels.c2.type = memory\na1.sinks.k1.type = logger\n',
      ),
      finds: [
        '7 warning comma-in-list a1.sources.r1.channels',
        '7 error no-channel a1.sources.r1.channels',
        '8 note never-fed a1.channels.c1',
        '11 warning unused-channel a1.channels.c2',
        '12 note duplicate-key a1.sinks.k1.type',
      ],
    },
    {
      name: 'quotes around a number',
      text: spoilt({ 6: 'a1.sources.r1.port = "44444"' }),
      finds: ['6 error bad-value a1.sources.r1.port'],
      says: /quotes are part of the value/,
    },
    {
      name: 'a variable where a number should be (mike-aksarin)',
      text: spoilt({ 6: 'a1.sources.r1.port = ${PORT}' }),
      finds: ['6 note plain-variable a1.sources.r1.port', '6 error bad-value a1.sources.r1.port'],
      says: /the environment is \$\{env:NAME\}/,
    },
    {
      name: 'a lost backslash only makes the pattern laxer',
      text: spoilt(
        {},
        'a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = regex_filter\na1.sources.r1.interceptors.i1.regex = .*\\.log\n',
      ),
      finds: [],
      runs: soundShape,
    },
    {
      name: 'one pass finds everything, and one mistake is said once',
      text: spoilt({
        4: 'a1.sources.r1.type = netcta',
        8: 'a1.channels.c1.type = memroy',
        9: 'a1.sinks.k1.type = loger',
      }),
      finds: [
        '4 error unknown-type a1.sources.r1.type',
        '8 error unknown-type a1.channels.c1.type',
        '9 error unknown-type a1.sinks.k1.type',
      ],
    },
  ]
  check(cases)
})

describe('--lenient gives Flume’s own outcome', () => {
  const more = 'a1.sinks.k2.type = logger\na1.sinks.k2.channel = c1\n'
  const two = { 3: 'a1.sinks = k1 k2' }
  const cases: readonly Case[] = [
    {
      name: 'a sink with a bad number is dropped, the rest runs (C-18)',
      text: spoilt(
        { ...two, 9: 'a1.sinks.k1.type = hdfs' },
        `${more}a1.sinks.k1.hdfs.path = /x\na1.sinks.k1.hdfs.batchSize = 1k\n`,
      ),
      input: lenient,
      finds: ['9 warning left-out a1.sinks.k1', '14 warning bad-value a1.sinks.k1.hdfs.batchSize'],
      runs: 'r1>c1 k2<c1',
    },
    {
      name: 'a sink with too large a batch is dropped (C-21)',
      text: spoilt(
        { ...two, 9: 'a1.sinks.k1.type = hdfs' },
        `${more}a1.sinks.k1.hdfs.path = /x\na1.sinks.k1.hdfs.batchSize = 1000\n`,
      ),
      input: lenient,
      finds: ['9 warning left-out a1.sinks.k1', '14 warning batch-size a1.sinks.k1.hdfs.batchSize'],
      runs: 'r1>c1 k2<c1',
    },
    {
      name: 'a part without type is dropped (C-12)',
      text: spoilt({ ...two, 9: '' }, more),
      input: lenient,
      finds: ['10 warning no-type a1.sinks.k1.type', '10 warning left-out a1.sinks.k1'],
      runs: 'r1>c1 k2<c1',
    },
    {
      name: 'a part of unknown type is dropped; Flume would start nothing (C-17)',
      text: spoilt({ ...two, 9: 'a1.sinks.k1.type = loger' }, more),
      input: lenient,
      finds: ['9 warning left-out a1.sinks.k1', '9 warning unknown-type a1.sinks.k1.type'],
      runs: 'r1>c1 k2<c1',
    },
    {
      name: 'a source whose only channel was dropped goes too (C-19)',
      text: spoilt(
        { 1: 'a1.sources = r1 r2', 2: 'a1.channels = c1 c2' },
        'a1.sources.r2.type = netcat\na1.sources.r2.bind = h\na1.sources.r2.port = 1\na1.sources.r2.channels = c2\na1.channels.c2.type = memroy\n',
      ),
      input: lenient,
      finds: [
        '11 warning left-out a1.sources.r2',
        '14 warning no-channel a1.sources.r2.channels',
        '15 warning left-out a1.channels.c2',
        '15 warning unknown-type a1.channels.c2.type',
      ],
      runs: soundShape,
    },
    {
      name: 'a channel that nobody drains runs',
      text: spoilt({ 3: '' }),
      input: lenient,
      finds: ['8 warning never-drained a1.channels.c1', '9 note not-listed a1.sinks.k1'],
      runs: 'r1>c1',
    },
    {
      name: 'a memory channel falls back to its default',
      text: spoilt({}, 'a1.channels.c1.capacity = 100 # events\n'),
      input: lenient,
      finds: ['11 warning bad-value a1.channels.c1.capacity'],
      says: /the default of 100 is used/,
      runs: soundShape,
    },
    {
      name: 'nothing left to run is an error still (C-10)',
      text: spoilt({ 8: 'a1.channels.c1.type = memroy' }),
      input: lenient,
      finds: [
        '1 error nothing-to-run a1',
        '4 warning left-out a1.sources.r1',
        '7 warning no-channel a1.sources.r1.channels',
        '8 warning left-out a1.channels.c1',
        '8 warning unknown-type a1.channels.c1.type',
        '10 warning undeclared-channel a1.sinks.k1.channel',
      ],
    },
  ]
  check(cases)
})

describe('variables (C-27, C-28)', () => {
  const env = { PORT: '5', NAME: 'x' }
  const cases: readonly Case[] = [
    {
      name: 'a number may come from the environment',
      text: spoilt({ 6: 'a1.sources.r1.port = ${env:PORT}' }),
      input: { env },
      finds: [],
      runs: soundShape,
    },
    {
      name: 'a list may come from another key, which is then no stray line',
      text: spoilt({ 3: 'a1.sinks = ${my.list}' }, 'my.list = k1\n'),
      finds: [],
      runs: soundShape,
    },
    {
      name: 'an unset one stays, with a warning',
      text: spoilt({ 5: 'a1.sources.r1.bind = ${env:NOWHERE}' }),
      finds: ['5 warning unset-variable a1.sources.r1.bind'],
      says: /give a default: \$\{env:NOWHERE:-…\}/,
      runs: soundShape,
    },
    {
      name: 'a plain one that the environment has is a warning',
      text: spoilt({ 5: 'a1.sources.r1.bind = ${NAME}' }),
      input: { env },
      finds: ['5 warning plain-variable a1.sources.r1.bind'],
      says: /the environment is \$\{env:NAME\}/,
      runs: soundShape,
    },
    {
      name: 'the Java machine is refused, and a date by a pattern that is none (C-28)',
      text: spoilt({ 5: 'a1.sources.r1.bind = ${java:os}', 6: 'a1.sources.r1.port = ${date:q}' }),
      finds: [
        '5 error java-variable a1.sources.r1.bind',
        '6 error bad-date a1.sources.r1.port',
        '6 error bad-value a1.sources.r1.port',
      ],
      says: /\$\{java:os\} speaks of the Java machine, and there is none/,
    },
    {
      name: 'a date is the time of reading (C-28)',
      text: spoilt({ 6: 'a1.sources.r1.port = ${date:S}' }),
      input: { clock: new ManualClock(4711) },
      finds: [],
      runs: soundShape,
    },
    {
      name: 'a file of lookups is refused (C-29)',
      text: sound,
      input: { systemProperties: new Map([['lookups', '/etc/lookups.properties']]) },
      finds: ['1 error lookups a1'],
      says: /-Dlookups=\/etc\/lookups\.properties names Java classes .*config filters/,
    },
    {
      name: 'a file of lookups leaves the variables to those there are when lenient (C-29)',
      text: sound,
      input: { ...lenient, systemProperties: new Map([['lookups', 'x']]) },
      finds: ['1 warning lookups a1'],
      runs: soundShape,
    },
    {
      name: 'circles are refused',
      text: spoilt({ 5: 'a1.sources.r1.bind = ${x.a}' }, 'x.a = ${x.b}\nx.b = ${x.a}\n'),
      finds: ['5 error variable-circle a1.sources.r1.bind'],
    },
    {
      name: 'variables of another agent are its own affair',
      text: `${sound}b.sources.r.x = \${env:NOWHERE}\n`,
      finds: ['11 warning agent-without-lists b.sources'],
      runs: soundShape,
    },
  ]
  check(cases)
})

function check(cases: readonly Case[]): void {
  for (const { name, text, input, finds, says, runs } of cases) {
    it(name, async () => {
      const loaded = await load(text, input)
      const lines = loaded.findings.map(formatFinding).join('\n')
      assert.deepEqual(brief(loaded), finds, lines)
      if (says) assert.match(lines, says)
      assert.equal(shape(loaded.model), runs)
    })
  }
}

describe('which agent runs', () => {
  const both = `${sound}${sound.replaceAll('a1.', 'b1.')}`

  it('the only one needs no name', async () => {
    assert.equal((await load(sound)).model?.name, 'a1')
  })

  it('one of several needs one', async () => {
    const { model, findings, agentNames } = await load(both)
    assert.deepEqual([model, agentNames], [undefined, ['a1', 'b1']])
    assert.match(findings.map(formatFinding).join(), /error: defines several agents: a1, b1 \(say which one .* -n a1\)/)
    assert.equal((await load(both, { agentName: 'b1' })).model?.name, 'b1')
  })

  it('a name that is not in the file is refused; Flume would keep running with nothing (C-25)', async () => {
    const { model, findings } = await load(both, { agentName: 'a2' })
    assert.equal(model, undefined)
    assert.match(findings.map(formatFinding).join(), /defines no agent "a2" \(did you mean "a1"\?\)/)
  })
})

it('several files are one set of keys, the later ones winning (C-30)', async () => {
  const files = [file(sound), file('a1.sources.r1.port = 7\na1.sources.r1.max-line-length = 9\n')]
  const { model, findings } = await load('', { files })
  assert.deepEqual(findings, [])
  assert.deepEqual([model?.sources[0]?.options.port, model?.sources[0]?.options['max-line-length']], [7, 9])
})

it('a nested component comes resolved, with its own options, and its default where none is named', async () => {
  const made: unknown[] = []
  const components = testComponents.map((spec) =>
    spec.kind === 'serializer'
      ? { ...spec, create: (options: unknown) => made.push([spec.type, options]) as never }
      : spec,
  )
  const text = `${spoilt({ 3: 'a1.sinks = k1 k2', 9: 'a1.sinks.k1.type = hdfs' })}
a1.sinks.k1.hdfs.path = /x
a1.sinks.k1.serializer = org.apache.flume.serialization.FlumeEventAvroEventSerializer$Builder
a1.sinks.k1.serializer.syncIntervalBytes = 7
a1.sinks.k2.type = file_roll
a1.sinks.k2.channel = c1
a1.sinks.k2.sink.directory = /x
a1.sinks.k2.sink.serializer.appendNewline = false
`
  const { model, findings } = await load(text, { components })
  assert.deepEqual(findings, [])
  const [one, two] = model?.sinks ?? []
  const first = one?.options.serializer as Nested<unknown, unknown>
  const second = two?.options['sink.serializer'] as Nested<unknown, unknown>
  assert.deepEqual([first.type, second.type], ['avro_event', 'text'])
  await first.create({})
  await second.create({})
  assert.deepEqual(made, [
    ['avro_event', { syncIntervalBytes: 7 }],
    ['text', { appendNewline: false }],
  ])
})

it('interceptors run in the order of their list, the selector is the one named', async () => {
  const { model, findings } = await load(
    spoilt(
      {},
      `a1.sources.r1.interceptors = i2 i1
a1.sources.r1.interceptors.i1.type = timestamp
a1.sources.r1.interceptors.i1.preserveExisting = true
a1.sources.r1.interceptors.i2.type = org.apache.flume.interceptor.RegexFilteringInterceptor$Builder
a1.sources.r1.interceptors.i3.type = timestamp
a1.sources.r1.selector.type = multiplexing
a1.sources.r1.selector.header = h
a1.sources.r1.selector.mapping.a.b = c1
`,
    ),
  )
  assert.deepEqual(
    findings.map(({ code, path }) => `${code} ${path}`),
    ['not-listed a1.sources.r1.interceptors.i3'],
  )
  const [source] = model?.sources ?? []
  assert.deepEqual(
    source?.interceptors.map(({ name, spec, options }) => [name, spec.type, { ...options }]),
    [
      ['i2', 'regex_filter', { regex: '.*', excludeEvents: false }],
      ['i1', 'timestamp', { preserveExisting: true }],
    ],
  )
  assert.equal(source?.selector.spec.type, 'multiplexing')
  assert.deepEqual(source?.selector.options, { header: 'h', 'mapping.': { 'a.b': 'c1' }, default: [] })
})

describe('the fingerprint of a part', () => {
  const avro = spoilt(
    { 9: 'a1.sinks.k1.type = avro' },
    'a1.sinks.k1.hostname = h\na1.sinks.k1.port = 1\na1.sinks.k1.batch-size = 10\na1.sinks.k1.truststore-password = s3cret\n',
  )
  const printOf = async (text: string): Promise<string | undefined> => (await load(text)).model?.sinks[0]?.fingerprint

  it('does not change with comments, order or blanks', async () => {
    const shuffled = `# new\n${avro.trimEnd().split('\n').reverse().join('  \n\n')}`
    assert.equal(await printOf(shuffled), await printOf(avro))
    assert.ok(await printOf(avro))
  })

  it('changes with a value, a secret one included', async () => {
    assert.notEqual(await printOf(avro.replace('hostname = h', 'hostname = i')), await printOf(avro))
    assert.notEqual(await printOf(avro.replace('s3cret', 's3cres')), await printOf(avro))
  })

  it('never holds a secret', async () => {
    assert.doesNotMatch((await printOf(avro)) as string, /s3cret/)
  })

  it('changes with an interceptor of the source', async () => {
    const text = spoilt({}, 'a1.sources.r1.interceptors = i\na1.sources.r1.interceptors.i.type = timestamp\n')
    const more = `${text}a1.sources.r1.interceptors.i.preserveExisting = true\n`
    const [one, other] = [await load(text), await load(more)]
    assert.notEqual(one.model?.sources[0]?.fingerprint, other.model?.sources[0]?.fingerprint)
  })
})

it('a secret value is in no finding', async () => {
  const text = spoilt(
    { 9: 'a1.sinks.k1.type = KafkaSink' },
    'a1.sinks.k1.kafka.bootstrap.servers = k\na1.sinks.k1.kafka.producer.sasl.jaas.config = x s3cret # y\na1.sinks.k1.kafka.producer.sasl.jaas.config = s3cret\n',
  )
  const { findings } = await load(text)
  assert.equal(findings.length, 1)
  assert.doesNotMatch(findings.map(formatFinding).join(), /s3cret/)
})
