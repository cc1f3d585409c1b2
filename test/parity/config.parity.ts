import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadAgent } from '../../src/agent/config/load.ts'
import type { AgentModel } from '../../src/agent/config/model.ts'
import { formatFinding } from '../../src/spec/finding.ts'
import { flumeOutcomes } from '../peers/peers.ts'

interface Case {
  readonly name: string
  /** The sound agent with lines replaced, by number; an empty one is left out. */
  readonly lines?: Readonly<Record<number, string>>
  /** Lines behind it. */
  readonly more?: string
  /** Instead of the sound agent. */
  readonly text?: string
  readonly agent?: string
  /** Where we differ on purpose: what either does. Everything here stands in docs/differences.md. */
  readonly differs?: { readonly flume: string; readonly here: string }
}

/** netcat r1 → memory c1 → logger k1. */
const sound = `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.port = 44440
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
`
const three = {
  3: 'a1.sinks = k1 k2 k3',
}
const threeMore = `a1.sinks.k2.type = logger
a1.sinks.k2.channel = c1
a1.sinks.k3.type = null
a1.sinks.k3.channel = c1
`
const group = (lines: string): Pick<Case, 'lines' | 'more'> => ({
  lines: three,
  more: `${threeMore}a1.sinkgroups = g1\n${lines
    .split('\n')
    .map((line) => `a1.sinkgroups.${line}\n`)
    .join('')}`,
})
const nothing = '[]'
const aborts = '!FlumeException'

const cases: readonly Case[] = [
  { name: 'a sound file' },
  { name: 'trailing blanks, tabs and CRLF (C-03)', text: sound.replaceAll('\n', ' \t\r\n') },
  {
    name: 'blanks and colons as separators (C-01)',
    text: sound.replaceAll(' = ', ' ').replace('k1.type logger', 'k1.type:logger'),
  },
  { name: 'a continued line (C-01)', lines: { 3: 'a1.sinks = \\\n   k1' } },
  { name: 'a unicode escape (C-01)', lines: { 8: 'a1.channels.c1.type = \\u006demory' } },
  { name: 'comments of both kinds (C-01)', more: '# a\n! b\n  # c\n' },
  {
    name: 'the last duplicate counts (C-01)',
    more: 'a1.sources.r1.type = seq\na1.sinks = k1 k2\na1.sinks.k2.type = null\na1.sinks.k2.channel = c1\n',
  },
  {
    name: 'aliases in any case (0.1)',
    lines: { 4: 'a1.sources.r1.type = NetCat', 8: 'a1.channels.c1.type = MEMORY', 9: 'a1.sinks.k1.type = Logger' },
  },
  {
    name: 'class names (0.2)',
    lines: {
      4: 'a1.sources.r1.type = org.apache.flume.source.NetcatSource',
      8: 'a1.channels.c1.type = org.apache.flume.channel.MemoryChannel',
      9: 'a1.sinks.k1.type = org.apache.flume.sink.LoggerSink',
    },
  },
  {
    name: 'a bare class name is a name only here (0.2)',
    lines: { 8: 'a1.channels.c1.type = MemoryChannel' },
    differs: { flume: aborts, here: 'k1<c1 r1>c1 [c1]' },
  },
  {
    name: 'keys without agent, without property, of no kind (C-05)',
    more: 'flume-ng agent\n.x = 1\na1. = 1\na1.foo = bar\na1.sources.r1 = x\n// the end\na1.source.r1.port = 5\n',
  },
  { name: 'empty values (C-04)', more: 'a1.sources.r1.max-line-length =\na1.sinks.k1.maxBytesToLog =\n' },
  { name: 'an empty required value (C-04, C-18)', lines: { 6: 'a1.sources.r1.port =' } },
  { name: 'an empty type (C-04, C-12)', lines: { 9: 'a1.sinks.k1.type =' } },
  { name: 'an empty list (C-04)', lines: { 1: 'a1.sources =' } },
  {
    name: 'unknown keys (C-02)',
    more: 'a1.sources.r1.color = red\na1.sinks.k1.rollInterval = 1\na1.channels.c1.transactionCapactiy = 1\n',
  },
  { name: 'another agent that is broken (C-06)', more: 'b1.sources = r\nb1.sources.r.type = netcat\n' },
  {
    name: 'another agent, wanted by name (C-06)',
    agent: 'b1',
    text: sound + sound.replaceAll('a1.', 'b1.').replace('netcat', 'seq'),
  },
  { name: 'an agent that is not there (C-25)', agent: 'zz', differs: { flume: nothing, here: nothing } },
  { name: 'lists with runs of blanks and tabs (C-07)', lines: { 1: 'a1.sources =   r1 \t ', 3: 'a1.sinks = \tk1' } },
  {
    name: 'a list with commas',
    lines: { 3: 'a1.sinks = k1, k2' },
    more: 'a1.sinks.k2.type = null\na1.sinks.k2.channel = c1\n',
  },
  { name: 'a comment in a list', lines: { 1: 'a1.sources = r1 # the source' } },
  { name: 'no channels list (C-10)', lines: { 2: '' } },
  { name: 'no valid channel (C-10)', lines: { 8: '' } },
  { name: 'neither sources nor sinks (C-10)', lines: { 1: '', 3: '' } },
  { name: 'sources only (C-10)', lines: { 3: '' } },
  { name: 'sinks only (C-10)', lines: { 1: '' } },
  {
    name: 'listed without keys (C-11)',
    lines: { 1: 'a1.sources = r1 r2', 2: 'a1.channels = c1 c2', 3: 'a1.sinks = k1 k2' },
  },
  {
    name: 'keys, not listed (C-11)',
    more: 'a1.sinks.k2.type = logger\na1.sinks.k2.channel = c1\na1.sources.r2.type = seq\na1.sources.r2.channels = c1\n',
  },
  { name: 'a source without type (C-12)', lines: { 4: '' } },
  { name: 'a channel without type (C-12)', lines: { 8: 'a1.channels.c1.capacity = 100' } },
  { name: 'a sink without type (C-12)', lines: { 9: '' } },
  { name: 'a source without channels (C-13)', lines: { 7: '' } },
  { name: 'channel for channels (C-13)', lines: { 7: 'a1.sources.r1.channel = c1' } },
  { name: 'a source with some channels that are not there (C-13)', lines: { 7: 'a1.sources.r1.channels = c0 c1 c9' } },
  { name: 'a source with none that is there (C-13)', lines: { 7: 'a1.sources.r1.channels = c0 c9' } },
  { name: 'a sink without channel (C-14)', lines: { 10: '' } },
  { name: 'a sink switched off by its channel (C-14)', lines: { 10: 'a1.sinks.k1.channel = dummy' } },
  {
    name: 'two channels in one sink (C-14)',
    lines: { 2: 'a1.channels = c1 c2', 10: 'a1.sinks.k1.channel = c1 c2' },
    more: 'a1.channels.c2.type = memory\n',
  },
  {
    name: 'a failover group (C-15)',
    ...group('g1.sinks = k1 k2\ng1.processor.type = failover\ng1.processor.priority.k1 = 5'),
  },
  {
    name: 'a load_balance group of all, type in upper case (C-15)',
    ...group('g1.sinks = k1 k2 k3\ng1.processor.type = LOAD_BALANCE\ng1.processor.selector = random'),
  },
  {
    name: 'a processor by its class',
    ...group('g1.sinks = k3 k1\ng1.processor.type = org.apache.flume.sink.FailoverSinkProcessor'),
  },
  { name: 'a default group', ...group('g1.sinks = k2\ng1.processor.type = default') },
  {
    name: 'a group with a sink that is not there (C-15)',
    ...group('g1.sinks = k1 k2 k9\ng1.processor.type = failover'),
  },
  { name: 'a group with none that is there (C-15)', ...group('g1.sinks = x y\ng1.processor.type = failover') },
  {
    name: 'a sink in two groups (C-15)',
    lines: three,
    more: `${threeMore}a1.sinkgroups = g1 g2\na1.sinkgroups.g1.sinks = k1 k2\na1.sinkgroups.g1.processor.type = failover
a1.sinkgroups.g2.sinks = k2 k3\na1.sinkgroups.g2.processor.type = failover\n`,
  },
  {
    name: 'a group with a sink that its channel switches off (C-15)',
    lines: { ...three, 10: 'a1.sinks.k1.channel = dummy' },
    more: `${threeMore}a1.sinkgroups = g1\na1.sinkgroups.g1.sinks = k1 k2\na1.sinkgroups.g1.processor.type = failover\n`,
  },
  {
    name: 'a group without sinks (C-16)',
    ...group('g1.processor.type = failover'),
    differs: { flume: '!NullPointerException', here: 'k1<c1 k2<c1 k3<c1 r1>c1 [c1]' },
  },
  {
    name: 'a listed group without keys (C-11)',
    lines: three,
    more: `${threeMore}a1.sinkgroups = g1\n`,
  },
  {
    name: 'a group that is not listed (C-11)',
    lines: three,
    more: `${threeMore}a1.sinkgroups.g1.sinks = k1 k2\na1.sinkgroups.g1.processor.type = failover\n`,
  },
  { name: 'a group without processor (C-23)', ...group('g1.sinks = k1 k2') },
  { name: 'a group with an unknown processor (C-23)', ...group('g1.sinks = k1 k2\ng1.processor.type = fallover') },
  { name: 'load_balance of one (C-23)', ...group('g1.sinks = k1\ng1.processor.type = load_balance') },
  { name: 'default of two (C-23)', ...group('g1.sinks = k1 k2\ng1.processor.type = default') },
  { name: 'failover of one', ...group('g1.sinks = k1\ng1.processor.type = failover') },
  {
    name: 'a failover priority that is no number (K-05)',
    ...group('g1.sinks = k1 k2\ng1.processor.type = failover\ng1.processor.priority.k1 = high'),
  },
  {
    name: 'a failover penalty that is no number',
    ...group('g1.sinks = k1 k2\ng1.processor.type = failover\ng1.processor.maxpenalty = long'),
  },
  {
    name: 'a time of load_balance that is no number',
    ...group(
      'g1.sinks = k1 k2\ng1.processor.type = load_balance\ng1.processor.backoff = true\ng1.processor.selector.maxTimeOut = long',
    ),
  },
  {
    name: 'a priority of a sink that is not in the group',
    ...group('g1.sinks = k1 k2\ng1.processor.type = failover\ng1.processor.priority.k3 = 1'),
  },
  {
    name: 'a sink of a group with a bad option (C-22)',
    lines: { ...three, 9: 'a1.sinks.k1.type = avro' },
    more: `${threeMore}a1.sinkgroups = g1\na1.sinkgroups.g1.sinks = k1 k2\na1.sinkgroups.g1.processor.type = failover\n`,
    differs: { flume: nothing, here: 'g1=FailoverSinkProcessor(k2<c1) k3<c1 r1>c1 [c1]' },
  },
  {
    name: 'an unknown source (C-17)',
    lines: { 4: 'a1.sources.r1.type = nutcat' },
    differs: { flume: aborts, here: 'k1<c1 [c1]' },
  },
  {
    name: 'an unknown sink (C-17)',
    lines: { 9: 'a1.sinks.k1.type = com.example.MySink' },
    differs: { flume: aborts, here: 'r1>c1 [c1]' },
  },
  {
    name: 'an unknown channel (C-17)',
    lines: { 8: 'a1.channels.c1.type = memory  ## in memory' },
    differs: { flume: aborts, here: nothing },
  },
  { name: 'a required option is missing (C-18)', lines: { 6: '' } },
  { name: 'a number that is none (C-18)', lines: { 6: 'a1.sources.r1.port = 44440 # the port' } },
  { name: 'a bad number of a memory channel falls back (MC-10)', more: 'a1.channels.c1.capacity = 1000 # events\n' },
  { name: 'a boolean that is none is false', more: 'a1.sources.r1.ack-every-event = yes\n' },
  {
    name: 'a bad hdfs number (C-18)',
    lines: { 9: 'a1.sinks.k1.type = hdfs' },
    more: 'a1.sinks.k1.hdfs.path = /x\na1.sinks.k1.hdfs.rollInterval = 30 # s\n',
  },
  { name: 'hdfs without a path (C-18)', lines: { 9: 'a1.sinks.k1.type = hdfs' } },
  {
    name: 'transactionCapacity above capacity (MC-10, C-18, C-19)',
    more: 'a1.channels.c1.capacity = 10\na1.channels.c1.transactionCapacity = 11\n',
  },
  { name: 'a negative capacity falls back (MC-10)', more: 'a1.channels.c1.capacity = -5\n' },
  {
    name: 'the only channel of both ends is gone (C-19)',
    lines: { 2: 'a1.channels = c2' },
    more: 'a1.channels.c2.type = memory\n',
  },
  {
    name: 'a channel with nothing at either end (C-20)',
    lines: { 2: 'a1.channels = c1 c2' },
    more: 'a1.channels.c2.type = memory\n',
  },
  {
    name: 'an explicit batch above transactionCapacity: the sink (C-21)',
    lines: { 9: 'a1.sinks.k1.type = null' },
    more: 'a1.sinks.k1.batchSize = 1000\n',
  },
  {
    name: 'an explicit batch above transactionCapacity: the source (C-21)',
    lines: { 4: 'a1.sources.r1.type = seq' },
    more: 'a1.sources.r1.batchSize = 1000\n',
  },
  {
    name: 'a batch at transactionCapacity (C-21)',
    lines: { 9: 'a1.sinks.k1.type = null' },
    more: 'a1.sinks.k1.batchSize = 100\n',
  },
  {
    name: 'a default batch above transactionCapacity (C-21)',
    more: 'a1.channels.c1.transactionCapacity = 50\n',
    lines: { 9: 'a1.sinks.k1.type = null' },
    differs: { flume: 'r1>c1 [c1]', here: 'k1<c1 r1>c1 [c1]' },
  },
  {
    name: 'a selector that is not there',
    more: 'a1.sources.r1.selector.type = multiplex\n',
  },
  {
    name: 'exec without a command (C-18)',
    lines: { 4: 'a1.sources.r1.type = exec' },
  },
  {
    name: 'an explicit batch of exec above one of two channels (C-21)',
    lines: {
      2: 'a1.channels = c1 c2',
      4: 'a1.sources.r1.type = exec',
      7: 'a1.sources.r1.channels = c1 c2',
    },
    more: 'a1.channels.c2.type = memory\na1.channels.c2.transactionCapacity = 10\na1.sources.r1.command = true\na1.sources.r1.batchSize = 50\n',
  },
  { name: 'file_roll without a directory (C-18)', lines: { 9: 'a1.sinks.k1.type = file_roll' } },
  {
    name: 'file_roll with keys that lost their prefix',
    lines: { 9: 'a1.sinks.k1.type = FILE_ROLL' },
    more: 'a1.sinks.k1.sink.directory = /tmp\na1.sinks.k1.batchSize = 1000\na1.sinks.k1.rollInterval = x\n',
  },
  { name: 'an interceptor without type', more: 'a1.sources.r1.interceptors = i1\n' },
  {
    name: 'an interceptor that is not there',
    more: 'a1.sources.r1.interceptors = i1\na1.sources.r1.interceptors.i1.type = timestomp\n',
  },
  {
    name: 'variables (C-28)',
    lines: {
      5: 'a1.sources.r1.bind = ${sys:where}',
      6: 'a1.sources.r1.port = ${sys:none:-44440}',
      9: 'a1.sinks.k1.type = ${SYS:kind}',
    },
  },
  { name: 'a variable that is not set (C-28)', lines: { 6: 'a1.sources.r1.port = ${sys:none}' } },
  { name: 'a date (C-28)', lines: { 6: 'a1.sources.r1.port = ${date:yyyy}' } },
  {
    name: 'a date by a wrong pattern (C-28)',
    lines: { 6: 'a1.sources.r1.port = ${date:qq}' },
    differs: { flume: '!IllegalArgumentException', here: 'k1<c1 [c1]' },
  },
  { name: 'a plain variable (C-27, C-28)', lines: { 5: 'a1.sources.r1.bind = ${WHERE}' } },
  {
    name: 'a config filter (C-26)',
    lines: { 6: "a1.sources.r1.port = ${f['FLUME_TS_PORT']}", 9: 'a1.sinks.k1.type = ${f["FLUME_TS_SINK"]}' },
    more: 'a1.configfilters = f\na1.configfilters.f.type = env\n',
  },
  {
    name: 'a config filter that does not know the key (C-26)',
    lines: { 6: "a1.sources.r1.port = ${f['NONE_SUCH']}" },
    more: 'a1.configfilters = f\na1.configfilters.f.type = env\n',
  },
  {
    name: 'a config filter that is a program (C-26)',
    lines: { 6: "a1.sources.r1.port = ${f['44440']}" },
    more: 'a1.configfilters = f\na1.configfilters.f.type = external\na1.configfilters.f.command = echo -n\n',
  },
  {
    name: 'a config filter that fails (C-26)',
    lines: { 6: "a1.sources.r1.port = ${f['44440']}" },
    more: 'a1.configfilters = f\na1.configfilters.f.type = external\na1.configfilters.f.command = false\n',
  },
  {
    name: 'a config filter without a command (C-26)',
    more: 'a1.configfilters = f\na1.configfilters.f.type = external\n',
  },
  {
    name: 'a config filter of a type that is not there (C-26)',
    more: 'a1.configfilters = f\na1.configfilters.f.type = vault\n',
  },
]

function textOf({ text, lines = {}, more = '' }: Case): string {
  if (text) return text
  const all = sound.trimEnd().split('\n')
  for (const [number, line] of Object.entries(lines)) all[Number(number) - 1] = line
  return `${all.filter((line) => line !== '').join('\n')}\n${more}`
}

function outcomeOf(model: AgentModel | undefined): string {
  const sinkOf = (name: string): string => `${name}<${model?.sinks.find((sink) => sink.name === name)?.channel}`
  const grouped = new Set(model?.groups.flatMap(({ sinks }) => sinks))
  const parts = [
    ...(model?.sources ?? []).map(({ name, channels }) => `${name}>${[...channels].sort().join('+')}`),
    ...(model?.sinks ?? [])
      .map(({ name }) => name)
      .filter((name) => !grouped.has(name))
      .map(sinkOf),
    ...(model?.groups ?? []).map(({ name, spec, sinks }) => {
      const bare = spec.aliases[0]?.split('.').at(-1)
      return `${name}=${bare}(${[...sinks].sort().map(sinkOf).join(' ')})`
    }),
  ]
  const channels = (model?.channels ?? []).map(({ name }) => name).sort()
  return `${parts.sort().join(' ')} [${channels.join(' ')}]`.trim()
}

test(`${cases.length} configurations: --lenient runs what Flume 1.11 runs, but for what docs/differences.md says`, async (t) => {
  assert.ok(cases.length >= 60)
  const properties = { where: 'localhost', kind: 'logger' }
  const env = { FLUME_TS_PORT: '44441', FLUME_TS_SINK: 'null' }
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-parity-'))
  t.after(() => rm(folder, { recursive: true }))
  const outcomes = await flumeOutcomes(
    cases.map((one) => ({ agent: one.agent ?? 'a1', text: textOf(one) })),
    { env, jvm: Object.entries(properties).map(([key, value]) => `-D${key}=${value}`) },
  )
  for (const [index, one] of cases.entries()) {
    await t.test(one.name, async () => {
      const file = join(folder, 'agent.properties')
      await writeFile(file, textOf(one))
      const { model, findings } = await loadAgent({
        files: [file],
        agentName: one.agent ?? 'a1',
        env: { ...process.env, ...env },
        systemProperties: new Map(Object.entries(properties)),
        mode: 'lenient',
      })
      const found = `\n${textOf(one)}${findings.map(formatFinding).join('\n')}`
      const flume = outcomes[index] as string
      assert.equal(flume, one.differs?.flume ?? flume, `Flume does otherwise than the case says${found}`)
      assert.equal(outcomeOf(model), one.differs?.here ?? flume, `we differ${found}`)
    })
  }
})
