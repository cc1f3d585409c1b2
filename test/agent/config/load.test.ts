import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { loadAgent } from '../../../src/agent/config/load.ts'
import { testComponents } from '../../support/test-components.ts'

const folder = mkdtempSync(join(tmpdir(), 'load-agent-'))
after(() => rmSync(folder, { recursive: true }))

it('the example of the product page loads, with bare and spoken type names', async () => {
  const file = join(folder, 'agent.properties')
  writeFileSync(
    file,
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
  )
  const { model, findings, agentNames } = await loadAgent({
    files: [file],
    env: {},
    systemProperties: new Map(),
    mode: 'strict',
    components: testComponents,
  })
  assert.deepEqual(findings, [])
  assert.deepEqual(agentNames, ['agent1'])
  assert.equal(model?.name, 'agent1')
  const [source] = model.sources
  assert.equal(source?.spec.type, 'FlumeSource')
  assert.deepEqual({ ...source.options }, { bind: 'localhost', port: 44444 })
  assert.deepEqual(source.channels, ['c1'])
  assert.equal(source.selector.spec.type, 'replicating')
  const [sink] = model.sinks
  assert.equal(sink?.spec.type, 'hdfs')
  assert.equal(sink.options['hdfs.path'], 'hdfs://namenode:8020/flume/test')
  assert.equal(sink.channel, 'c1')
  assert.equal(model.channels[0]?.spec.type, 'memory')
})
