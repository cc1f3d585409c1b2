import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { components } from '../../../src/agent/components.ts'
import type { LoadAgentInput, LoadedAgent } from '../../../src/agent/config/load.ts'
import { ConfigSource } from '../../../src/agent/config/source.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { brief, configFile, loadText, shape } from '../../support/configurations.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { testComponents } from '../../support/test-components.ts'

const known = [...testComponents, ...components.filter(({ kind }) => kind === 'config filter')]
const env = { PORT: '4711', PASSWORD: 's3cret word', TYPE: 'netcat', CHANNELS: 'c1', PRIORITY: '5', X: "${f['PORT']}" }

/** Thirteen lines: filter f of the environment, netcat r1 → memory c1 → avro k1. */
const agent = `a1.configfilters = f
a1.configfilters.f.type = env
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = localhost
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = avro
a1.sinks.k1.channel = c1
a1.sinks.k1.hostname = h
a1.sinks.k1.batch-size = 10
`
const runs = 'r1>c1 k1<c1'

function load(text: string, more: Partial<LoadAgentInput> = {}): Promise<LoadedAgent> {
  return loadText(text, { env, components: known, ...more })
}

const said = ({ findings }: LoadedAgent): string => findings.map(formatFinding).join('\n')

it('values come from a filter in every kind of part, types and lists of a part included (C-26)', async () => {
  const text = agent
    .replace('r1.type = netcat', "r1.type = ${f['TYPE']}")
    .replace('r1.channels = c1', 'r1.channels = ${f["CHANNELS"]}')
  const loaded = await load(`${text}a1.sources.r1.port = \${f[PORT]}
a1.channels.c1.capacity = \${f['PORT']}
a1.sinks.k1.port = \${f['PORT']}
a1.sinks.k1.truststore-password = <\${f['PASSWORD']}|\${f["PASSWORD"]}>
a1.sinkgroups = g1
a1.sinkgroups.g1.sinks = k1
a1.sinkgroups.g1.processor.type = failover
a1.sinkgroups.g1.processor.priority.k1 = \${f['PRIORITY']}
`)
  assert.equal(said(loaded), '')
  assert.equal(shape(loaded.model), `${runs} g1=failover(k1)`)
  assert.equal(loaded.model?.sources[0]?.options['port'], 4711)
  assert.equal(loaded.model?.channels[0]?.options['capacity'], 4711)
  assert.equal(loaded.model?.sinks[0]?.options['truststore-password'], '<s3cret word|s3cret word>')
  assert.deepEqual(loaded.model?.groups[0]?.options['priority.'], { k1: '5' })
  const prints = [...loaded.model.sources, ...loaded.model.sinks, ...loaded.model.channels, ...loaded.model.groups]
  for (const { fingerprint } of prints) assert.doesNotMatch(fingerprint, /4711|s3cret|netcat|"5"/)
})

describe('what is not for a filter stays as it is (C-26)', () => {
  const cases: readonly [text: string, why: string][] = [
    ['${f[\'PORT"]}', 'quotes that do not match'],
    ["${f['a.b']}", 'a dot in the key'],
    ["${g['PORT']}", 'another filter'],
    ['${f.PORT}', 'no brackets'],
    ['${f[]}', 'no key'],
  ]
  for (const [text, why] of cases) {
    it(why, async () => {
      const { model } = await load(
        `${agent}a1.sources.r1.port = 1\na1.sinks.k1.port = 1\na1.sinks.k1.truststore-password = ${text}\n`,
      )
      assert.equal(model?.sinks[0]?.options['truststore-password'], text)
    })
  }
})

it('variables come before filters: they may name a key of a filter (C-28)', async () => {
  const { model } = await load(`${agent}a1.sources.r1.port = \${env:X}\na1.sinks.k1.port = 1\n`)
  assert.equal(model?.sources[0]?.options['port'], 4711)
})

it('a key that the filter does not know stays as it is, with a warning (C-26)', async () => {
  const loaded = await load(
    `${agent}a1.sources.r1.port = 1\na1.sinks.k1.port = 1\na1.sinks.k1.truststore-password = \${f['NONE']}\n`,
  )
  assert.deepEqual(brief(loaded), ['16 warning config-filter a1.sinks.k1.truststore-password'])
  assert.match(said(loaded), /config filter f knows no "NONE"; \$\{f\[NONE\]\} stays as it is/)
  assert.equal(loaded.model?.sinks[0]?.options['truststore-password'], "${f['NONE']}")
})

it('a filter is asked once for a key; one that fails says so at each place and nothing stops (C-26)', async () => {
  const asked: string[] = []
  const vault = `export const vault = { kind: 'config filter', type: 'vault', options: {}, create: () => ({
    async get(key) { (globalThis.askedOfVault ??= []).push(key); if (key === 'bad') throw new Error('sealed'); return '17' } }) }`
  const module = configFile('').replace(/properties$/, 'mjs')
  await writeFile(module, vault)
  const loaded = await load(
    `${agent.replace('f.type = env', `f.type = ${module}`)}a1.sources.r1.port = \${f['one']}
a1.sinks.k1.port = \${f['one']}\na1.sinks.k1.truststore-password = \${f['bad']}\n`,
  )
  asked.push(...(globalThis as unknown as { askedOfVault: string[] }).askedOfVault)
  assert.deepEqual(asked.toSorted(), ['bad', 'one'])
  assert.equal(shape(loaded.model), runs)
  assert.match(said(loaded), /16:\d+: warning: .*config filter f failed at "bad": sealed; \$\{f\[bad\]\} stays/)
})

describe('a filter that cannot be used', () => {
  const rest = "a1.sources.r1.port = 1\na1.sinks.k1.port = 1\na1.sinks.k1.truststore-password = ${f['P']}\n"
  const cases: readonly [name: string, type: string, finds: string, says: RegExp][] = [
    ['without a type', '', '2 error no-type a1.configfilters.f.type', /has no value and needs one/],
    [
      'of a type that is not there',
      'vault',
      '2 error unknown-type a1.configfilters.f.type',
      /there are env, external, file/,
    ],
    ['external without a command', 'external', '2 error missing a1.configfilters.f.command', /is required and missing/],
    [
      'Hadoop’s',
      'hadoop',
      '2 error unknown-type a1.configfilters.f.type',
      /Hadoop's credential store needs a Java client; put each secret into a file and use type file, or ask a program/,
    ],
    [
      'Hadoop’s by its class',
      'org.apache.flume.configfilter.HadoopCredentialStoreConfigFilter',
      '2 error unknown-type a1.configfilters.f.type',
      /use type file/,
    ],
  ]
  for (const [name, type, finds, says] of cases) {
    it(`${name} is an error, and only a warning when lenient (C-26)`, async () => {
      const text = agent.replace('f.type = env', `f.type = ${type}`) + rest
      const loaded = await load(text)
      assert.deepEqual(brief(loaded), [finds])
      assert.match(said(loaded), says)
      const lenient = await load(text, { mode: 'lenient' })
      assert.equal(shape(lenient.model), runs)
      assert.equal(lenient.model?.sinks[0]?.options['truststore-password'], "${f['P']}")
    })
  }

  it('listed without keys, or not listed (C-11)', async () => {
    const unlisted = await load(agent.replace('a1.configfilters = f\n', '') + rest)
    assert.deepEqual(brief(unlisted).slice(0, 1), ['1 note not-listed a1.configfilters.f'])
    const without = await load(agent.replace('a1.configfilters.f.type = env\n', '') + rest)
    assert.deepEqual(brief(without), ['1 warning not-configured a1.configfilters'])
  })
})

describe('what a filter gave is in no finding', () => {
  const secret = 'x9/Q"z\\y+k {(['
  const cases: readonly [name: string, lines: string][] = [
    ['as a number', "a1.sources.r1.port = ${f['S']}\na1.sinks.k1.port = 1\n"],
    ['as a number with a comment behind', "a1.sources.r1.port = ${f['S']} # ${f['S']}\na1.sinks.k1.port = 1\n"],
    ['as a boolean', "a1.sources.r1.ack-every-event = ${f['S']}\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['as a type', "a1.sinks.k1.type = ${f['S']}\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['as a channel', "a1.sinks.k1.channel = ${f['S']}\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['among channels', "a1.sources.r1.channels = c1 ${f['S']}\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['as a path of a module', "a1.sinks.k1.type = ./${f['S']}.ts\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['as an interceptor', "a1.sources.r1.interceptors = ${f['S']}\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['with a comment in it', "a1.sources.r1.bind = ${f['C']}\na1.sources.r1.port = 1\na1.sinks.k1.port = 1\n"],
    ['when it is long', "a1.sources.r1.port = ${f['L']}\na1.sinks.k1.port = 1\n"],
  ]
  for (const [name, lines] of cases) {
    it(name, async () => {
      const loaded = await load(agent + lines, {
        env: { S: secret, L: `${secret}${'x9Qzy'.repeat(50)}`, C: 'x9Qzy # x9Qzy' },
      })
      const text = JSON.stringify(loaded.findings)
      assert.doesNotMatch(text, /x9|z\\|y\+k|\{\(/)
      if (name !== 'with a comment in it') assert.match(text, /•••|the value/)
    })
  }

  it('short values do not make findings unreadable', async () => {
    const loaded = await load(`${agent}a1.sources.r1.port = \${f['S']}\na1.sinks.k1.port = 1\n`, { env: { S: 'a' } })
    assert.match(said(loaded), /the value is not ••• whole number/)
  })
})

it('a secret file that changes is a change of the configuration (C-26)', async (test) => {
  const folder = await tempDir(test)
  await writeFile(join(folder, 'port'), '1\n')
  const text = agent.replace('f.type = env', `f.type = file\na1.configfilters.f.directory = ${folder}`)
  const file = configFile(
    `${text}a1.sources.r1.port = \${f['port']}\na1.sinks.k1.port = 1\na1.sinks.k1.hostname = \${f['late']}\n`,
  )
  const source = new ConfigSource({
    files: [file],
    env,
    systemProperties: new Map(),
    mode: 'normal',
    components: known,
  })
  const one = await source.load()
  assert.equal(one.model?.sources[0]?.options['port'], 1)
  assert.equal(await source.changed(), false)
  await writeFile(join(folder, 'port'), '22\n')
  assert.equal(await source.changed(), true)
  const two = await source.load()
  assert.equal(two.model?.sources[0]?.options['port'], 22)
  assert.notEqual(two.model?.sources[0]?.fingerprint, one.model?.sources[0]?.fingerprint)
  assert.equal(two.model?.channels[0]?.fingerprint, one.model?.channels[0]?.fingerprint)
  await writeFile(join(folder, 'late'), 'host')
  assert.equal(await source.changed(), true, 'one that was missing is watched for')
})

it('an external program runs at load, for this agent only (C-26)', async (test) => {
  const folder = await tempDir(test)
  const other = agent
    .replaceAll('a1.', 'a2.')
    .replace('f.type = env', `f.type = external\na2.configfilters.f.command = touch ${folder}/ran`)
  const loaded = await load(
    `${agent.replace('f.type = env', 'f.type = external\na1.configfilters.f.command = echo 47')}a1.sources.r1.port = 1\na1.sinks.k1.port = 1
a1.sinks.k1.hostname = \${f['x']}\n${other}a2.sources.r1.port = \${f['x']}\n`,
    { agentName: 'a1', env: process.env },
  )
  assert.equal(loaded.model?.sinks[0]?.options['hostname'], '47 x')
  const { existsSync } = await import('node:fs')
  assert.equal(existsSync(join(folder, 'ran')), false)
})
