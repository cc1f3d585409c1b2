import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type AgentOptions, parseAgentOptions, readAgentOptions } from '../../src/cli/agent-options.ts'
import { FlumeError } from '../../src/core/error.ts'

function parse(line: string): AgentOptions {
  const parsed = parseAgentOptions(line.split(' '))
  if ('help' in parsed) throw new Error('help was not asked for')
  return parsed
}

describe('what is asked for', () => {
  const cases: readonly [name: string, line: string, expected: Partial<AgentOptions>][] = [
    [
      'the defaults ask for reload, console and Flume’s poll interval (L-06, L-07)',
      '-f a.properties',
      {
        name: undefined,
        files: ['a.properties'],
        confDirectory: undefined,
        properties: new Map(),
        reload: true,
        pollIntervalMs: 30_000,
        mounts: new Map(),
        mode: 'normal',
        console: true,
        dryRun: false,
        logLevel: 'info',
        warnings: [],
      },
    ],
    ['short options (L-06)', '-n a1 -f x -c conf', { name: 'a1', files: ['x'], confDirectory: 'conf' }],
    ['long options (L-06)', '--name a1 --conf-file x --conf conf', { name: 'a1', files: ['x'], confDirectory: 'conf' }],
    ['long options with = (L-06)', '--name=a1 --conf-file=x', { name: 'a1', files: ['x'] }],
    [
      'long names behind one dash, as Flume’s parser takes them (L-06)',
      '-name a1 -conf-file x',
      { name: 'a1', files: ['x'] },
    ],
    ['several files, in their order (L-07, C-30)', '-f a -f b --conf-file c', { files: ['a', 'b', 'c'] }],
    ['a file address (L-07)', '-u file:///etc/flume/a%20b.properties', { files: ['/etc/flume/a b.properties'] }],
    ['a plain path as an address (L-07)', '--conf-uri conf/a.properties', { files: ['conf/a.properties'] }],
    [
      'an HTTP address, asked every five minutes, with credentials and a folder for a copy (L-07, C-32, C-33, R-06)',
      '-u https://conf/a1.properties -user admin -pwd pass -b /var/backup',
      {
        files: ['https://conf/a1.properties'],
        pollIntervalMs: 300_000,
        credentials: { user: 'admin', password: 'pass' },
        backupDirectory: '/var/backup',
        warnings: [],
      },
    ],
    [
      'an HTTP address with a poll interval of its own (L-07)',
      '-u http://conf/a1 -i 10',
      { files: ['http://conf/a1'], pollIntervalMs: 10_000, credentials: undefined },
    ],
    [
      'system properties (L-02)',
      '-f x -Dflume.monitoring.type=http -Da=b=c -Dempty',
      {
        properties: new Map([
          ['flume.monitoring.type', 'http'],
          ['a', 'b=c'],
          ['empty', ''],
        ]),
      },
    ],
    [
      'the spelling of the launcher for Windows',
      '-conf ../conf -conf-file x -property flume.root.logger=WARN,console',
      { confDirectory: '../conf', files: ['x'], logLevel: 'warn' },
    ],
    ['the log level, as users of Flume set it', '-f x -Dflume.root.logger=DEBUG,console', { logLevel: 'debug' }],
    ['no reload (L-06)', '-f x --no-reload-conf', { reload: false }],
    ['a poll interval in seconds (L-07)', '-f x -i 5', { pollIntervalMs: 5000 }],
    ['a dry run (L-02)', '-f x -d', { dryRun: true }],
    ['no console', '-f x --no-console', { console: false }],
    ['strictness', '-f x --strict', { mode: 'strict' }],
    ['leniency', '-f x --lenient', { mode: 'lenient' }],
    [
      'mounts',
      '-f x --mount hdfs://namenode:8020=./data/hdfs --mount hdfs://b:1/=/srv',
      {
        mounts: new Map([
          ['hdfs://namenode:8020', './data/hdfs'],
          ['hdfs://b:1', '/srv'],
        ]),
      },
    ],
  ]
  for (const [name, line, expected] of cases) {
    it(name, () => {
      const parsed = parse(line)
      const picked = Object.fromEntries(Object.keys(expected).map((key) => [key, parsed[key as keyof AgentOptions]]))
      assert.deepEqual(picked, expected)
    })
  }
})

describe('an option that means nothing here says so in one line and stops nothing', () => {
  const cases: readonly [line: string, warning: RegExp][] = [
    ['-C /opt/lib', /^--classpath is ignored: Java classes/],
    ['--classpath /opt/lib', /^--classpath is ignored/],
    ['--plugins-path /opt/plugins.d', /^--plugins-path is ignored: Java plug-ins/],
    ['-Xmx512m -Xms20m', /^-X… is ignored: there is no Java machine; NODE_OPTIONS/],
    ['-agentlib:jdwp=transport=dt_socket -javaagent:x.jar -agentpath:y', /^-agentlib….*no Java machine/],
    ['-p /flume', /^--zkBasePath is ignored/],
    ['-a com.example.Auth', /^--auth-provider is ignored/],
    ['-prov com.example.Provider', /^--conf-provider is ignored/],
  ]
  for (const [line, warning] of cases) {
    it(`${line} (L-02, L-07)`, () => {
      const { warnings, files } = parse(`${line} -f x`)
      assert.deepEqual(files, ['x'])
      assert.equal(warnings.length, 1)
      assert.match(warnings[0] as string, warning)
      assert.doesNotMatch(warnings[0] as string, /s3cret/)
    })
  }
})

describe('a wrong command line is refused with what to do', () => {
  const cases: readonly [line: string, message: RegExp, hint: RegExp][] = [
    ['-n a1', /no configuration file/, /-f FILE/],
    ['-f x -z zk1:2181', /ZooKeeper/, /write it to a file/],
    ['-f x --strict --lenient', /exclude each other/, /^$/],
    ['-f x --nome a1', /unknown option '--nome'/, /--help/],
    ['-f x stray', /too many arguments/, /--help/],
    ['-f', /argument missing/, /--help/],
    ['-u ftp://user:s3cret@conf/a1', /^ftp:\/\/conf\/a1: only file: and http\(s\): addresses/, /with -f/],
    ['-f x -D=1', /-D=1 names no property/, /-Dkey=value/],
    ['-f x --mount ./data', /--mount \.\/data is not URL=PATH/, /hdfs:\/\/namenode/],
    ['-f x --mount hdfs://nn=', /is not URL=PATH/, /hdfs:\/\/namenode/],
    ['-f x -i soon', /--poll-interval soon/, /^$/],
  ]
  for (const [line, message, hint] of cases) {
    it(line, () => {
      assert.throws(
        () => parse(line),
        (thrown) => {
          assert.ok(thrown instanceof FlumeError)
          assert.equal(thrown.code, 'USAGE')
          assert.match(thrown.message, message)
          assert.match(thrown.hint ?? '', hint)
          return true
        },
      )
    })
  }
})

it('--help answers the options, with or without a name (L-06)', () => {
  for (const line of ['--help', '-h', '-help', '-n a1 --help']) {
    const parsed = parseAgentOptions(line.split(' '))
    assert.ok('help' in parsed)
    assert.match(parsed.help, /--conf-file <file>/)
    assert.match(parsed.help, /--mount <url=path>/)
  }
})

describe('flume-env.sh in the folder of -c (L-03)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agent-options-'))
  after(() => rmSync(folder, { recursive: true }))

  it('exports to the environment and sets system properties, the command line before both', async () => {
    writeFileSync(
      join(folder, 'flume-env.sh'),
      `# Licensed under …
export JAVA_HOME=/usr/lib/jvm/java-8
export JAVA_OPTS="-Xms100m -Dflume.monitoring.type=http -Dport=1" # as ever
export JAVA_OPTS="$JAVA_OPTS -Dflume.root.logger=WARN,LOGFILE"
export DATA='\${HOME}'
HELPER=local
export JOINED=\${HELPER}-$OUTSIDE/x
source /etc/profile
export NOW=$(date)
`,
    )
    const options = await readAgentOptions(['-f', 'x', '-c', folder, '-Dport=2'], { OUTSIDE: 'out', KEPT: 'yes' })
    assert.ok(!('help' in options))
    assert.deepEqual(options.env, {
      OUTSIDE: 'out',
      KEPT: 'yes',
      JAVA_HOME: '/usr/lib/jvm/java-8',
      JAVA_OPTS: '-Xms100m -Dflume.monitoring.type=http -Dport=1 -Dflume.root.logger=WARN,LOGFILE',
      DATA: '${HOME}',
      JOINED: 'local-out/x',
    })
    assert.deepEqual(Object.fromEntries(options.properties), {
      'flume.monitoring.type': 'http',
      'flume.root.logger': 'WARN,LOGFILE',
      port: '2',
    })
    assert.equal(options.logLevel, 'warn')
    assert.deepEqual(options.warnings, [
      `${join(folder, 'flume-env.sh')}: line 8 and 1 more are not a plain export NAME=value and left out; the script is not run`,
    ])
  })

  it('may be absent', async () => {
    const options = await readAgentOptions(['-f', 'x', '-c', join(folder, 'nowhere')], { A: '1' })
    assert.ok(!('help' in options))
    assert.deepEqual([options.env, options.warnings], [{ A: '1' }, []])
  })
})

describe('flume.opts (L-07)', () => {
  const write = (text: string): string => {
    const file = join(mkdtempSync(join(tmpdir(), 'opts-')), 'flume.opts')
    writeFileSync(file, text)
    after(() => rmSync(dirname(file), { recursive: true }))
    return file
  }
  const read = async (line: string, text: string): Promise<AgentOptions> => {
    const options = await readAgentOptions(line.split(' ').filter(Boolean), {}, write(text))
    if ('help' in options) throw new Error('help was not asked for')
    return options
  }

  it('gives options that the command line leaves out, by long or short name', async () => {
    const options = await read(
      '',
      'name = a1\nconf-uri = http://conf/a1\nno-reload-conf = true\ndryrun = no\nuser = u\n',
    )
    assert.deepEqual(
      [options.name, options.files, options.reload, options.dryRun, options.credentials],
      ['a1', ['http://conf/a1'], false, false, { user: 'u', password: '' }],
    )
  })

  it('gives way to the command line', async () => {
    const options = await read('-n a2 --conf-file=x', 'n = a1\nconf-file = y\npoll-interval = 5\n')
    assert.deepEqual([options.name, options.files, options.pollIntervalMs], ['a2', ['x'], 5000])
  })

  it('is said to be wrong where it names no option', async () => {
    await assert.rejects(read('-f x', 'nome = a1\n'), /flume\.opts: there is no option "nome"/)
  })
})
