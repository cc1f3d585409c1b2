import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import type { AgentSnapshot } from '../../src/monitor/snapshot.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { TempFiles } from '../support/temp-files.ts'

const flumeTs = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
const files = new TempFiles()

async function start(test: TestContext, port: number, ...settings: readonly string[]): Promise<RunningProcess> {
  const file = await files.write(
    `${port}.properties`,
    `a1.sources = r1
     a1.channels = c1
     a1.sinks = k1
     a1.sources.r1.type = netcat
     a1.sources.r1.bind = 127.0.0.1
     a1.sources.r1.port = ${port}
     a1.sources.r1.channels = c1
     a1.channels.c1.type = memory
     a1.sinks.k1.type = null
     a1.sinks.k1.channel = c1`,
  )
  const agent = new RunningProcess('agent', process.execPath, [flumeTs, 'agent', '-f', file, ...settings])
  test.after(() => agent.stop())
  await agent.waitFor(/agent a1 runs/)
  return agent
}

/** Sends lines and resolves once each is answered. */
async function type(port: number, lines: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${lines.join('\n')}\n`)
  let answers = ''
  for await (const bytes of socket) {
    answers += bytes
    if (answers.split('OK\n').length > lines.length) break
  }
}

test('an agent started with -Dflume.monitoring.type=http is watched from start to stop (O-01, O-05)', async (test) => {
  const [port, watched] = [await freePort(), await freePort()]
  const agent = await start(test, port, '-Dflume.monitoring.type=http', `-Dflume.monitoring.port=${watched}`)
  await agent.waitFor(/metrics are at/)
  const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${watched}${path}`)).text()
  assert.equal(await get('/readyz'), 'ok\n')
  await type(port, ['one', 'two', 'three'])

  const metrics = JSON.parse(await get('/metrics')) as Record<string, Record<string, string>>
  assert.deepEqual(Object.keys(metrics).sort(), ['CHANNEL.c1', 'SINK.k1', 'SOURCE.r1'])
  assert.equal(metrics['SOURCE.r1']?.['EventAcceptedCount'], '3')
  assert.equal(metrics['CHANNEL.c1']?.['LedgerEntered'], '3')
  assert.match(metrics['CHANNEL.c1']?.['ChannelFillPercentage'] ?? '', /^\d+\.\d+$/)
  assert.match(await get('/metrics/prometheus'), /^flume_source_events_accepted_total\{.*component="r1".*\} 3$/m)
  const { sources } = JSON.parse(await get('/status')) as AgentSnapshot
  assert.deepEqual([sources[0]?.received, sources[0]?.accepted], [3, 3])

  const status = new RunningProcess('status', process.execPath, [flumeTs, 'status', String(watched)])
  assert.equal(await status.exited, 0, status.stderr)
  assert.match(status.stdout, /all is well: every event is accounted for/)

  await agent.stop()
  const closing = agent.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as { message: string }).message)
    .filter((message) => message.startsWith('Shutdown Metric'))
  assert.ok(
    closing.includes('Shutdown Metric for type: SOURCE, name: r1. src.events.accepted == 3'),
    closing.join('\n'),
  )
  assert.ok(closing.includes('Shutdown Metric for type: SINK, name: k1. sink.event.drain.sucess == 3'))
  const kinds = closing.map((line) => /type: (\w+)/.exec(line)?.[1])
  assert.deepEqual([...new Set(kinds)], ['SOURCE', 'SINK', 'CHANNEL'])
  await assert.rejects(get('/metrics'))
})

test('an agent whose monitoring port is taken, or of a type there is not, runs (O-07)', async (test) => {
  const first = await freePort()
  const agent = await start(test, first, '-Dflume.monitoring.type=http', `-Dflume.monitoring.port=${first}`)
  await agent.waitFor(/cannot listen on 127\.0\.0\.1:\d+.*the agent runs without/)
  await type(first, ['one'])
  const second = await freePort()
  const strange = await start(test, second, '-Dflume.monitoring.type=jmx')
  await type(second, ['one'])
  await strange.waitFor(/flume\.monitoring\.type is \\"jmx\\": nothing is monitored/)
})

test('an agent that cannot start ends, watched or not', async () => {
  const module = await files.write(
    'broken.mjs',
    `export const broken = {
       kind: 'sink', type: 'broken', aliases: [], summary: 'Cannot be made.', options: {},
       create: () => { throw new Error('no such thing') },
     }`,
  )
  const file = await files.write(
    'broken.properties',
    `a1.sources = r1
     a1.channels = c1
     a1.sinks = k1
     a1.sources.r1.type = seq
     a1.sources.r1.channels = c1
     a1.channels.c1.type = memory
     a1.sinks.k1.type = ${module}
     a1.sinks.k1.channel = c1`,
  )
  const settings = ['-Dflume.monitoring.type=http', '-Dflume.monitoring.port=0']
  const agent = new RunningProcess('agent', process.execPath, [flumeTs, 'agent', '-f', file, ...settings])
  const timer = systemClock.after(90_000, () => void agent.stop('SIGKILL'))
  assert.equal(await agent.exited, 1, agent.stderr)
  timer.cancel()
  assert.match(agent.stderr, /^flume-ts: .*no such thing/m)
})
