import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import {
  type ComponentSpec,
  defineChannel,
  defineInterceptor,
  defineSink,
  defineSource,
} from '../../../src/agent/contract.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { count, list, port, text } from '../../../src/spec/option.ts'
import { brief, loadText } from '../../support/configurations.ts'
import { testComponents } from '../../support/test-components.ts'

const unused = (): never => {
  throw new Error('a configuration test makes no component')
}

/** Types of Flume with the keys that are checked between parts. */
const more: readonly ComponentSpec[] = [
  defineSource({
    type: 'syslogtcp',
    aliases: ['org.apache.flume.source.SyslogTcpSource'],
    summary: 'Syslog.',
    options: { host: text({ doc: 'Address.', optional: true }), port: port({ doc: 'Port.' }) },
    misnamed: { bind: 'host', server: 'port' },
    create: unused,
  }),
  defineSource({
    type: 'syslogudp',
    aliases: ['org.apache.flume.source.SyslogUDPSource'],
    summary: 'Syslog.',
    options: { host: text({ doc: 'Address.', optional: true }), port: port({ doc: 'Port.' }) },
    create: unused,
  }),
  defineSource({
    type: 'multiport_syslogtcp',
    aliases: ['org.apache.flume.source.MultiportSyslogTCPSource'],
    summary: 'Syslog.',
    options: { ports: list({ doc: 'Ports.' }) },
    create: unused,
  }),
  defineSource({
    type: 'taildir',
    aliases: ['org.apache.flume.source.taildir.TaildirSource'],
    summary: 'Tail.',
    options: { positionFile: text({ doc: 'File.', default: '~/.flume/taildir_position.json' }) },
    create: unused,
  }),
  defineChannel({
    type: 'file',
    aliases: ['org.apache.flume.channel.file.FileChannel'],
    summary: 'Durable.',
    options: {
      checkpointDir: text({ doc: 'Folder.', default: '~/.flume/file-channel/checkpoint' }),
      dataDirs: text({ doc: 'Folders.', default: '~/.flume/file-channel/data' }),
      transactionCapacity: count({ doc: 'Events.', default: 10_000 }),
    },
    transactionCapacityOption: 'transactionCapacity',
    capabilities: { durable: true, ordered: true, overlappingTakes: true },
    create: unused,
  }),
  defineSink({
    type: 'file_roll',
    aliases: ['org.apache.flume.sink.RollingFileSink'],
    summary: 'Files.',
    options: {
      'sink.directory': text({ doc: 'Folder.' }),
      'sink.pathManager.prefix': text({ doc: 'Prefix.', default: '' }),
    },
    create: unused,
  }),
  defineInterceptor({
    type: 'static',
    aliases: ['org.apache.flume.interceptor.StaticInterceptor$Builder'],
    summary: 'A header.',
    options: { key: text({ doc: 'Name.', default: 'key' }), value: text({ doc: 'Value.', default: 'value' }) },
    create: unused,
  }),
  defineInterceptor({
    type: 'host',
    aliases: ['org.apache.flume.interceptor.HostInterceptor$Builder'],
    summary: 'A header.',
    options: {},
    create: unused,
  }),
]
const names = new Set(more.map(({ kind, type }) => `${kind} ${type}`))
const real = components.filter(({ kind, type }) => !names.has(`${kind} ${type}`))
const known = [
  ...more,
  ...real,
  ...testComponents.filter(
    (test) => ![...real, ...more].some(({ kind, type }) => kind === test.kind && type === test.type),
  ),
]

const rolls = 'k1.hdfs.rollInterval = 3600\nk1.hdfs.rollSize = 0\nk1.hdfs.rollCount = 0\n'

/** `r1.type = x` → `a1.sources.r1.type = x`; r…, c… and k… are listed, wired to c1 where nothing is said. */
function agentOf(lines: string): string {
  const parts = new Map<string, Set<string>>([
    ['sources', new Set(['r1'])],
    ['channels', new Set(['c1'])],
    ['sinks', new Set(['k1'])],
  ])
  const kinds: Readonly<Record<string, string>> = { r: 'sources', c: 'channels', k: 'sinks' }
  const body = lines
    .trim()
    .split('\n')
    .map((line) => {
      const kind = kinds[line[0] as string] as string
      parts.get(kind)?.add(line.split('.', 1)[0] as string)
      return `a1.${kind}.${line}`
    })
  const given = new Set(body.map((line) => line.split('=', 1)[0]?.trim()))
  const add = (key: string, value: string): void => {
    if (!given.has(key)) body.push(`${key} = ${value}`)
  }
  const [sources, channels, sinks] = [...parts.values()].map((set) => [...set]) as [string[], string[], string[]]
  for (const name of sources) {
    add(`a1.sources.${name}.type`, 'seq')
    add(`a1.sources.${name}.channels`, 'c1')
  }
  for (const name of channels) add(`a1.channels.${name}.type`, 'memory')
  for (const name of sinks) {
    add(`a1.sinks.${name}.type`, 'logger')
    add(`a1.sinks.${name}.channel`, channels.includes(name.replace('k', 'c')) ? name.replace('k', 'c') : 'c1')
  }
  const listed = [...parts].map(([kind, set]) => `a1.${kind} = ${[...set].join(' ')}`)
  return `${[...body, ...listed].join('\n')}\n`
}

interface Case {
  readonly name: string
  readonly lines: string
  readonly finds?: readonly string[]
  readonly says?: RegExp
}

function check(cases: readonly Case[]): void {
  for (const { name, lines, finds = [], says } of cases) {
    it(name, async () => {
      const loaded = await loadText(agentOf(lines), { components: known })
      assert.deepEqual(brief(loaded), finds)
      if (says) assert.match(loaded.findings.map(formatFinding).join('\n'), says)
      assert.ok(loaded.model, 'what Flume starts, starts')
    })
  }
}

describe('a port used twice', () => {
  const netcat = (name: string, bind: string, number: number): string =>
    `${name}.type = netcat\n${name}.bind = ${bind}\n${name}.port = ${number}\n`
  check([
    {
      name: 'by two sources',
      lines: netcat('r1', 'localhost', 4711) + netcat('r2', '127.0.0.1', 4711),
      finds: ['6 warning port-twice a1.sources.r2.port'],
      says: /TCP port 4711 is r1's already: one of the two never gets to listen/,
    },
    {
      name: 'by one that listens everywhere, without a word about the address',
      lines: `${netcat('r1', '10.0.0.1', 4711)}r2.type = syslogtcp\nr2.port = 4711\n`,
      finds: ['5 warning port-twice a1.sources.r2.port'],
    },
    {
      name: 'by a source of many ports',
      lines: `${netcat('r1', '0.0.0.0', 4711)}r2.type = multiport_syslogtcp\nr2.ports = 4710 4711\n`,
      finds: ['5 warning port-twice a1.sources.r2.ports'],
    },
    {
      name: 'by a sink that listens',
      lines: `${netcat('r1', '0.0.0.0', 4711)}k1.type = spark-receiver\nk1.port = 4711\n`,
      finds: ['5 warning port-twice a1.sinks.k1.port'],
    },
    { name: 'is none on two addresses', lines: netcat('r1', '10.0.0.1', 4711) + netcat('r2', '10.0.0.2', 4711) },
    { name: 'is none for TCP and UDP', lines: `${netcat('r1', '0.0.0.0', 514)}r2.type = syslogudp\nr2.port = 514\n` },
    { name: 'is none for free ports', lines: netcat('r1', 'h', 0) + netcat('r2', 'h', 0) },
    {
      name: 'is none for a sink that sends there',
      lines: `${netcat('r1', '0.0.0.0', 4711)}k1.type = avro\nk1.hostname = h\nk1.port = 4711\nk1.batch-size = 100\n`,
    },
  ])
})

describe('two parts on one place', () => {
  const spool = (name: string, folder: string): string => `${name}.type = spooldir\n${name}.spoolDir = ${folder}\n`
  const roll = (name: string, more = ''): string =>
    `${name}.type = file_roll\n${name}.sink.directory = /var/log/x\n${more}`
  check([
    {
      name: 'spooldir sources',
      lines: spool('r1', '/var/spool/in') + spool('r2', '/var/spool/in/'),
      finds: ['4 warning shared-place a1.sources.r2.spoolDir'],
      says: /is also r1's: both take the files of one directory/,
    },
    { name: 'are none in two directories', lines: spool('r1', '/var/spool/in') + spool('r2', '/var/spool/in2') },
    {
      name: 'taildir sources with the default position file',
      lines: 'r1.type = taildir\nr2.type = taildir\n',
      finds: ['2 warning shared-place a1.sources.r2.positionFile'],
    },
    {
      name: 'file channels with the default folders',
      lines: 'c1.type = file\nc2.type = file\nr1.channels = c1 c2\nk2.type = logger\n',
      finds: ['2 warning shared-place a1.channels.c2.checkpointDir', '2 warning shared-place a1.channels.c2.dataDirs'],
      says: /only one can lock the data directories/,
    },
    {
      name: 'a file channel and a spillable one with the default folders',
      lines: 'c1.type = file\nc2.type = spillablememory\nr1.channels = c1 c2\nk2.type = logger\n',
      finds: ['2 warning shared-place a1.channels.c2.checkpointDir', '2 warning shared-place a1.channels.c2.dataDirs'],
    },
    {
      name: 'file_roll sinks',
      lines: roll('k1') + roll('k2'),
      finds: ['4 warning shared-place a1.sinks.k2.sink.directory'],
      says: /their files may get the same names \(give each its own sink\.directory or a sink\.pathManager\.prefix/,
    },
    { name: 'are none with prefixes', lines: roll('k1') + roll('k2', 'k2.sink.pathManager.prefix = b-\n') },
    {
      name: 'hdfs sinks',
      lines: `k1.type = hdfs\nk1.hdfs.path = /x\n${rolls}k2.type = hdfs\nk2.hdfs.path = /x\n${rolls.replaceAll('k1', 'k2')}`,
      finds: ['7 warning shared-place a1.sinks.k2.hdfs.path'],
      says: /give each its own hdfs\.path or a hdfs\.filePrefix/,
    },
    {
      name: 'are none with prefixes of files',
      lines: `k1.type = hdfs\nk1.hdfs.path = /x\n${rolls}k2.type = hdfs\nk2.hdfs.path = /x\nk2.hdfs.filePrefix = b\n${rolls.replaceAll('k1', 'k2')}`,
    },
  ])
})

describe('a time in the path of an hdfs sink', () => {
  const hdfs = (path = '/x/%Y-%m-%d', more = ''): string => `k1.type = hdfs\nk1.hdfs.path = ${path}\n${rolls}${more}`
  const missing = ['2 warning no-timestamp a1.sinks.k1.hdfs.path']
  const bind = 'r1.bind = h\nr1.port = 1\n'
  check([
    {
      name: 'needs a timestamp, and netcat sets none (H-15)',
      lines: `${hdfs()}r1.type = netcat\n${bind}`,
      finds: missing,
      says: /%Y needs a timestamp header, and events of r1 have none.*\(set a1\.sinks\.k1\.hdfs\.useLocalTimeStamp = true, or give r1 a timestamp/,
    },
    {
      name: 'in the prefix of its files',
      lines: `${hdfs('/x', 'k1.hdfs.filePrefix = a-%H\n')}r1.type = exec\nr1.command = c\n`,
      finds: ['6 warning no-timestamp a1.sinks.k1.hdfs.filePrefix'],
    },
    { name: 'no time, no need', lines: `${hdfs('/x/%{Year}/%[localhost]')}r1.type = netcat\n${bind}` },
    { name: 'local time', lines: `${hdfs('/x/%d', 'k1.hdfs.useLocalTimeStamp = true\n')}r1.type = netcat\n${bind}` },
    {
      name: 'a timestamp interceptor',
      lines: `${hdfs()}r1.interceptors = i j\nr1.interceptors.i.type = host\nr1.interceptors.j.type = timestamp\n`,
    },
    {
      name: 'a static timestamp',
      lines: `${hdfs()}r1.interceptors = i\nr1.interceptors.i.type = static\nr1.interceptors.i.key = timestamp\n`,
    },
    {
      name: 'another static header does not help',
      lines: `${hdfs()}r1.interceptors = i\nr1.interceptors.i.type = static\nr1.interceptors.i.key = x\n`,
      finds: missing,
    },
    { name: 'a source that brings headers along may bring this one', lines: `${hdfs()}r1.type = avro\n${bind}` },
    {
      name: 'one source of two has none',
      lines: `${hdfs()}r1.type = avro\n${bind}r2.type = spooldir\nr2.spoolDir = /in\n`,
      finds: missing,
      says: /events of r2 have none/,
    },
    {
      name: 'a source that feeds another channel does not count',
      lines: `${hdfs()}r1.type = avro\n${bind}r2.type = seq\nr2.channels = c2\nc2.type = memory\nk2.type = logger\n`,
    },
  ])
})

describe('how an hdfs sink rolls', () => {
  const hdfs = (more: string): string => `k1.type = hdfs\nk1.hdfs.path = /x\n${more}`
  check([
    {
      name: 'all by default is worth a note that names the three options',
      lines: hdfs(''),
      finds: ['1 note small-files a1.sinks.k1.hdfs.rollInterval'],
      says: /after 30 s \(2880 files a day\), at 1024 bytes, at 10 events, by the default of hdfs\.rollInterval, hdfs\.rollSize, hdfs\.rollCount/,
    },
    {
      name: 'one set and others forgotten is a warning',
      lines: hdfs('k1.hdfs.rollInterval = 3600\n'),
      finds: ['1 warning small-files a1.sinks.k1.hdfs.rollSize'],
      says: /a new file begins at 1024 bytes, at 10 events, by the default of hdfs\.rollSize, hdfs\.rollCount/,
    },
    {
      name: 'a missing prefix leaves the defaults, and both are said',
      lines: hdfs('k1.rollInterval = 3600\nk1.hdfs.rollSize = 0\nk1.hdfs.rollCount = 0\n'),
      finds: ['1 warning small-files a1.sinks.k1.hdfs.rollInterval', '3 warning misspelt-key a1.sinks.k1.rollInterval'],
      says: /did you mean "hdfs\.rollInterval"/,
    },
    { name: 'all set says nothing', lines: hdfs(rolls) },
  ])
})

describe('keys that people take for others', () => {
  check([
    {
      name: 'a spec says which, such as bind for the host of syslogtcp',
      lines: 'r1.type = syslogtcp\nr1.port = 514\nr1.bind = 0.0.0.0\nr1.server = x\n',
      finds: ['3 warning misspelt-key a1.sources.r1.bind', '4 warning misspelt-key a1.sources.r1.server'],
      says: /r1\.bind: .*did you mean "host"[\s\S]*r1\.server: .*did you mean "port"/,
    },
  ])
})

describe('the batch of a sink or a source and the channel’s transaction (C-21)', () => {
  it('a channel that declares no limit has none', async () => {
    const loaded = await loadText(
      agentOf(
        'c1.type = KafkaChannel\nc1.kafka.bootstrap.servers = k:9092\nr1.type = exec\nr1.command = c\nr1.batchSize = 1000000\n',
      ),
      { components: known },
    )
    assert.deepEqual(brief(loaded), [])
  })

  it('each connection is checked for itself', async () => {
    const loaded = await loadText(
      agentOf(
        'r1.type = exec\nr1.command = c\nr1.batchSize = 500\nr1.channels = c1 c2\nc1.type = file\nc2.type = memory\nk2.type = logger\n',
      ),
      { components: known },
    )
    assert.deepEqual(brief(loaded), ['3 error batch-size a1.sources.r1.batchSize'])
    assert.match(loaded.findings.map(formatFinding).join(), /more than channel c2 takes at once \(100\)/)
  })
})
