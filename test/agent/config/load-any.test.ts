import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { type LoadedAgent, loadAgent, type Mode } from '../../../src/agent/config/load.ts'
import type { ChannelSpec } from '../../../src/agent/contract.ts'
import { formatFinding } from '../../../src/spec/finding.ts'
import { fc } from '../../support/properties.ts'
import { testComponents } from '../../support/test-components.ts'

const folder = mkdtempSync(join(tmpdir(), 'load-any-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'agent.properties')

/** Keys and values that belong together often enough to make agents that run, and seldom enough to make every mistake. */
const names = fc.constantFrom('r1', 'c1', 'c1', 'c2', 'k1', 'k2', 'x')
const list = fc.array(names, { minLength: 1, maxLength: 3 }).map((words) => words.join(' '))
const line = fc.oneof(
  fc.tuple(fc.constantFrom('sources', 'channels', 'sinks'), list).map(([kind, value]) => `a.${kind} = ${value}`),
  fc
    .tuple(fc.constantFrom('r1', 'x'), fc.constantFrom('netcat', 'exec', 'spooldir', 'nothing'))
    .map(([name, type]) => `a.sources.${name}.type = ${type}`),
  fc
    .tuple(fc.constantFrom('c1', 'c2'), fc.constantFrom('memory', 'memory', 'KafkaChannel', 'jdbc'))
    .map(([name, type]) => `a.channels.${name}.type = ${type}`),
  fc
    .tuple(fc.constantFrom('k1', 'k2'), fc.constantFrom('logger', 'logger', 'hdfs', 'avro', 'hive'))
    .map(([name, type]) => `a.sinks.${name}.type = ${type}`),
  fc.tuple(fc.constantFrom('r1', 'x'), list).map(([name, value]) => `a.sources.${name}.channels = ${value}`),
  fc.tuple(fc.constantFrom('k1', 'k2'), names).map(([name, value]) => `a.sinks.${name}.channel = ${value}`),
  fc.constantFrom(
    'a.sources.r1.bind = h\na.sources.r1.port = 1\na.sources.r1.command = x',
    'a.sources.r1.interceptors = i',
    'a.sources.r1.interceptors.i.type = timestamp',
    'a.sources.r1.selector.optional = c2',
    'a.channels.c1.capacity = ${env:NONE:-10}',
    'a.channels.c1.kafka.bootstrap.servers = k',
    'a.channels.c2.transactionCapacity = 10 # few',
    'a.sinks.k1.hdfs.path = /x',
    'a.sinks.k1.hdfs.batchSize = 500',
    'a.sinks.k2.hostname = h\na.sinks.k2.port = 1',
    'a.sinks.k1.serializer = avro_event',
    'b.sources = r1',
    'a.sinkgroups.g.sinks = k1',
    'a.source.r1.type = x',
    'stray',
  ),
  fc.string({ maxLength: 20 }),
)
const common = `a.sources = r1
a.channels = c1
a.sinks = k1
a.channels.c1.type = memory
a.sources.r1.type = netcat
a.sources.r1.bind = h
a.sources.r1.port = 1
a.sources.r1.channels = c1
a.sinks.k1.type = logger
a.sinks.k1.channel = c1
`
const anyText = fc
  .tuple(fc.constantFrom(common, common, common, ''), fc.array(line, { maxLength: 8 }))
  .map(([before, lines]) => before + lines.join('\n'))

async function load(text: string, mode: Mode): Promise<LoadedAgent> {
  writeFileSync(file, text)
  return loadAgent({
    files: [file],
    agentName: 'a',
    env: {},
    systemProperties: new Map(),
    mode,
    components: testComponents,
  })
}

it('whatever a file holds: an answer, never a throw; a model that is whole exactly when no finding is an error', async () => {
  let ran = 0
  await fc.assert(
    fc.asyncProperty(anyText, async (text) => {
      for (const mode of ['normal', 'strict', 'lenient'] as const) {
        const { model, findings } = await load(text, mode)
        const hasError = findings.some(({ severity }) => severity === 'error')
        const said = findings.map(formatFinding).join('\n')
        assert.equal(model === undefined, hasError, said)
        for (const found of findings) assert.equal(found.file, file)
        if (!model) continue
        ran++
        const channels = new Map(model.channels.map((channel) => [channel.name, channel.spec as ChannelSpec]))
        for (const source of model.sources) {
          assert.ok(source.channels.length > 0)
          for (const channel of source.channels) assert.ok(channels.has(channel), said)
        }
        for (const sink of model.sinks) assert.ok(channels.has(sink.channel), said)
        assert.ok(model.sources.length + model.sinks.length > 0, said)
        if (mode === 'lenient') continue
        for (const [name, { capabilities }] of channels) {
          const isFed = model.sources.some((source) => source.channels.includes(name))
          const isDrained = model.sinks.some((sink) => sink.channel === name)
          assert.ok(!isFed || isDrained || capabilities.external, said)
        }
      }
    }),
    { numRuns: 500, seed: 20261123 },
  )
  // Otherwise the texts would be too wild to say anything about agents that run.
  assert.ok(ran > 50, `${ran} ran`)
})
