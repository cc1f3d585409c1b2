import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { components } from '../../src/agent/components.ts'
import { commands } from '../../src/cli/commands.ts'
import { kinds, spoken } from '../../src/cli/kinds.ts'
import { runVerb } from '../support/run-verb.ts'
import { TempFiles } from '../support/temp-files.ts'

test('help names every command, and every command that it names is there (L-01)', async () => {
  const { out } = await runVerb('help')
  for (const { name } of commands) {
    assert.match(out, new RegExp(`^ {2}${name}\\b`, 'm'))
    const { err } = await runVerb(name, '--no-such-option')
    assert.doesNotMatch(err, /there is no command/, name)
    const help = await runVerb('help', name)
    assert.equal(help.code, 0)
    assert.match(help.out, new RegExp(`flume-ts ${name}`, 'i'))
  }
})

describe('list', () => {
  it('lists every component below its kind', async () => {
    const { code, out } = await runVerb('list')
    assert.equal(code, 0)
    for (const { type, summary } of components) assert.ok(out.includes(`  ${type} `) && out.includes(summary), type)
    for (const kind of kinds) assert.match(out, new RegExp(`^${kind}s$`, 'm'))
  })

  it('lists one kind, as JSON on request', async () => {
    const { out } = await runVerb('list', 'channels', '--json')
    const listed = JSON.parse(out) as Record<string, { type: string; options: string[] }[]>
    assert.deepEqual(Object.keys(listed), ['channel'])
    const memory = listed['channel']?.find(({ type }) => type === 'memory')
    assert.ok(memory?.options.includes('capacity'))
  })

  it('refuses a kind there is not', async () => {
    const { code, err } = await runVerb('list', 'sorce')
    assert.equal(code, 2)
    assert.match(err, /there is no kind "sorce" \(did you mean "source"\?\)/)
  })
})

describe('tool (L-12)', () => {
  it('refuses a tool there is not', async () => {
    const { code, err } = await runVerb('tool', 'fcintegrity')
    assert.equal(code, 2)
    assert.match(err, /there is no tool "fcintegrity"; there is fcintegritytool/)
  })
})

describe('graph', () => {
  const files = new TempFiles()
  const properties = `
    a1.sources = r1 r2
    a1.channels = c1 c2
    a1.sinks = k1 k2
    a1.sinkgroups = g1
    a1.sources.r1.type = netcat
    a1.sources.r1.bind = localhost
    a1.sources.r1.port = 4141
    a1.sources.r1.channels = c1 c2
    a1.sources.r2.type = seq
    a1.sources.r2.channels = c1
    a1.channels.c1.type = memory
    a1.channels.c2.type = memory
    a1.sinks.k1.type = null
    a1.sinks.k1.channel = c1
    a1.sinks.k2.type = hdfs
    a1.sinks.k2.hdfs.path = file:///tmp/a"b\\\\c]
    a1.sinks.k2.channel = c2
    a1.sinkgroups.g1.sinks = k1 k2
    a1.sinkgroups.g1.processor.type = failover
    a1.sinkgroups.g1.processor.priority.k1 = 1
    a1.sinkgroups.g1.processor.priority.k2 = 2
  `

  it('draws for Mermaid: every part, every way, groups, and no character that means something there', async () => {
    const file = await files.write('agent.properties', properties)
    const { code, out, err } = await runVerb('graph', '-f', file)
    assert.equal(code, 0, err)
    assert.equal(
      out,
      `flowchart LR
  source0(["r1 netcat<br>localhost:4141"])
  source1(["r2 seq"])
  channel0[("c1 memory")]
  channel1[("c2 memory")]
  sink0[["k1 null"]]
  sink1[["k2 HDFS<br>file:///tmp/a#34;b#92;c#93;"]]
  subgraph g0["g1 failover"]
    sink0
    sink1
  end
  source0 -->|"replicating"| channel0
  source0 -->|"replicating"| channel1
  source1 --> channel0
  channel0 --> sink0
  channel1 --> sink1
`,
    )
  })

  it('draws for Graphviz', async () => {
    const file = await files.write('agent.properties', properties)
    const { code, out } = await runVerb('graph', '--dot', '-f', file)
    assert.equal(code, 0)
    assert.match(out, /^digraph "a1" \{\n/)
    assert.ok(out.includes('  sink1 [shape=box, label="k2 HDFS\\nfile:///tmp/a\\"b\\\\c]"]\n'), out)
    assert.ok(out.includes('  subgraph cluster_0 { label="g1 failover"; sink0; sink1 }\n'))
    assert.ok(out.includes('  source0 -> channel1 [label="replicating"]\n'))
  })

  it('says what is wrong with a file, and fails', async () => {
    const file = await files.write('wrong.properties', 'a1.sources = r1\na1.sources.r1.type = nonsense\n')
    const { code, out, err } = await runVerb('graph', '-f', file)
    assert.deepEqual([code, out], [1, ''])
    assert.match(err, /wrong\.properties:2:\d+: error: .*nonsense/)
  })

  it('needs a file', async () => {
    const { code, err } = await runVerb('graph')
    assert.equal(code, 2)
    assert.match(err, /no file is given/)
  })
})

describe('plan', () => {
  const files = new TempFiles()
  const agent = (capacity: number, more = ''): string => `
    a1.sources = r1
    a1.channels = c1 c2
    a1.sinks = k1 k2
    a1.sources.r1.type = seq
    a1.sources.r1.channels = c1
    a1.channels.c1.type = memory
    a1.channels.c1.capacity = ${capacity}
    a1.channels.c2.type = memory
    a1.sinks.k1.type = null
    a1.sinks.k1.channel = c1
    a1.sinks.k2.type = logger
    a1.sinks.k2.channel = c2
    ${more}`
  const row = (out: string, name: string): string => new RegExp(`^.* ${name}\\b.*$`, 'm').exec(out)?.[0] ?? ''

  it('says what a reload would keep, change, stop and start', async () => {
    const old = await files.write('old.properties', agent(1000))
    const changed = agent(2000, 'a1.sources.r2.type = seq\na1.sources.r2.channels = c2')
      .replace('sources = r1', 'sources = r1 r2')
      .replace('sinks = k1 k2', 'sinks = k2')
      .replace('a1.sinks.k1.type = null', 'a1.sinks.k9.type = null')
      .replace('a1.sinks.k1.channel = c1', 'a1.sinks.k2.maxBytesToLog = 4')
      .replace('k2.channel = c2', 'k2.channel = c1')
    const next = await files.write('next.properties', changed.replace('r2.channels = c2', 'r2.channels = c1'))
    const { code, out, err } = await runVerb('plan', '-f', next, '--running', old)
    assert.equal(code, 0, err)
    assert.match(row(out, 'r1'), /^ {2}keep +source +r1$/)
    assert.match(row(out, 'r2'), /^ {2}start +source +r2 +new$/)
    assert.match(row(out, 'c1'), /^ {2}adjust +channel +c1 +its keys changed$/)
    assert.match(row(out, 'k1'), /^ {2}stop +sink +k1 +removed$/)
    assert.match(row(out, 'k2'), /^ {2}restart +sink +k2 +/)
    const json = JSON.parse((await runVerb('plan', '--json', '-f', next, '--running', old)).out)
    assert.equal(json.isEmpty, false)
    assert.equal(json.agent, 'a1')
  })

  it('says so when nothing would change', async () => {
    const old = await files.write('same.properties', agent(1000))
    const { code, out } = await runVerb('plan', '-f', old, '--running', old)
    assert.equal(code, 0)
    assert.match(out, /nothing would change\n$/)
  })

  it('fails where a configuration is wrong, and without one', async () => {
    const old = await files.write('right.properties', agent(1000))
    const wrong = await files.write('wrong.properties', agent(1000).replace('= seq', '= sequ'))
    const outcome = await runVerb('plan', '-f', wrong, '--running', old)
    assert.equal(outcome.code, 1)
    assert.match(outcome.err, /wrong\.properties:\d+:\d+: error: /)
    assert.match((await runVerb('plan', '-f', old)).err, /what runs now is not given/)
    const other = await files.write('other.properties', agent(1000).replaceAll('a1.', 'b1.'))
    const two = await runVerb('plan', '-f', other, '--running', old)
    assert.equal(two.code, 2)
    assert.match(two.err, /two agents: a1 runs, b1 is wanted/)
  })
})

describe('completion', () => {
  /** What bash would offer for the words typed so far, the last being under the cursor. */
  async function offered(...words: readonly string[]): Promise<string[]> {
    const { out } = await runVerb('completion', 'bash')
    const typed = words.map((word) => `'${word}'`).join(' ')
    const script = `${out}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length - 1}; _flume_ts; printf '%s\\n' "\${COMPREPLY[@]}"\n`
    const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    assert.equal(stderr, '')
    return stdout.split('\n').filter((word) => word !== '')
  }

  it('of bash offers commands, options, kinds, types and files', async () => {
    assert.deepEqual(await offered('flume-ts', 'va'), ['validate'])
    assert.deepEqual((await offered('flume-ts', '')).sort(), commands.map(({ name }) => name).sort())
    assert.deepEqual(await offered('flume-ts', 'agent', '--no-re'), ['--no-reload-conf'])
    assert.deepEqual(await offered('flume-ts', 'avro-client', '--rpc'), ['--rpcProps'])
    assert.deepEqual(await offered('flume-ts', 'help', 'chan'), ['channel'])
    assert.deepEqual(await offered('flume-ts', 'help', 'channel', 'mem'), ['memory'])
    assert.deepEqual(await offered('flume-ts', 'completion', 'z'), ['zsh'])
    const package_ = join(import.meta.dirname, '../../../package.js')
    assert.deepEqual(await offered('flume-ts', 'validate', '-f', package_), [`${package_}on`])
  })

  for (const shell of ['bash', 'zsh', 'fish']) {
    it(`of ${shell} names every command, option, kind and type`, async () => {
      const { code, out } = await runVerb('completion', shell)
      assert.equal(code, 0)
      const options = await Promise.all(commands.map(async ({ options }) => (await options?.())?.options ?? []))
      const long = options.flat().flatMap(({ long, hidden }) => (long && !hidden ? [long.slice(2)] : []))
      const words = [
        ...commands.map(({ name }) => name),
        ...long,
        ...kinds.map(spoken),
        ...components.map(({ type }) => type),
      ]
      for (const word of words) assert.ok(out.includes(word), word)
    })
  }

  it('refuses a shell there is not', async () => {
    const { code, err } = await runVerb('completion', 'csh')
    assert.equal(code, 2)
    assert.match(err, /there is no completion for "csh" \(/)
  })
})
