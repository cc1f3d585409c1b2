import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { hostname } from 'node:os'
import { describe, it, test } from 'node:test'
import { Monitoring, readMonitoring } from '../../src/cli/monitoring.ts'
import { gangliaPackets } from '../../src/codec/ganglia.ts'
import { systemClock } from '../../src/core/clock.ts'
import { flumeMetrics } from '../../src/monitor/flume-metrics.ts'
import { silentLogger } from '../../src/monitor/logger.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { agentSnapshot } from '../support/agent-snapshot.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { until } from '../support/until.ts'

const properties = (words: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(words).map(([name, value]) => [`flume.monitoring.${name}`, value]))

describe('flume.monitoring.*', () => {
  const cases: readonly [name: string, words: Record<string, string>, plan: object | undefined, problem?: RegExp][] = [
    ['nothing asks for nothing', {}, undefined],
    [
      'http has a port of its own and stays on this machine',
      { type: 'http' },
      { type: 'http', host: '127.0.0.1', port: 41414 },
    ],
    [
      'http on every interface, as Flume has it',
      { type: 'HTTP', port: '34545', bind: '0.0.0.0' },
      { type: 'http', host: '0.0.0.0', port: 34545 },
    ],
    [
      "Flume's class name",
      { type: 'org.apache.flume.instrumentation.http.HTTPMetricsServer', port: '1' },
      { type: 'http', host: '127.0.0.1', port: 1 },
    ],
    ['prometheus', { type: 'prometheus', port: '0' }, { type: 'prometheus', host: '127.0.0.1', port: 0 }],
    [
      'a type that is not there says what there is',
      { type: 'jmx' },
      undefined,
      /flume\.monitoring\.type is "jmx": nothing is monitored \(it may be http, prometheus or ganglia\)/,
    ],
    ['a port that is none', { type: 'http', port: '70000' }, undefined, /flume\.monitoring\.port is "70000"/],
    [
      'ganglia with its defaults',
      { type: 'ganglia', hosts: 'h1:8649, h2:8650' },
      {
        type: 'ganglia',
        targets: [
          { host: 'h1', port: 8649 },
          { host: 'h2', port: 8650 },
        ],
        ganglia3: false,
        pollMs: 60_000,
      },
    ],
    [
      'ganglia with settings',
      { type: 'ganglia', hosts: 'h1:8649', pollFrequency: '5', isGanglia3: 'true' },
      { type: 'ganglia', targets: [{ host: 'h1', port: 8649 }], ganglia3: true, pollMs: 5000 },
    ],
    [
      'a Ganglia host without a port is left out, aloud',
      { type: 'ganglia', hosts: 'h1:8649,h2' },
      { type: 'ganglia', targets: [{ host: 'h1', port: 8649 }], ganglia3: false, pollMs: 60_000 },
      /"h2" is left out \(it must be host:port\)/,
    ],
    ['ganglia without hosts', { type: 'ganglia' }, undefined, /names no host/],
    [
      'a poll frequency that is none',
      { type: 'ganglia', hosts: 'h1:8649', pollFrequency: '0' },
      { type: 'ganglia', targets: [{ host: 'h1', port: 8649 }], ganglia3: false, pollMs: 60_000 },
      /pollFrequency is "0": 60 s are used/,
    ],
  ]
  for (const [name, words, plan, problem] of cases) {
    it(name, () => {
      const read = readMonitoring(properties(words))
      assert.deepEqual(read.plan, plan)
      assert.equal(read.problems.length, problem ? 1 : 0)
      if (problem) assert.match(read.problems[0] as string, problem)
    })
  }
})

async function get(
  port: number | undefined,
  path: string,
): Promise<{ status: number; type: string | null; body: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() }
}

test('type http serves the pages with the types of their content (O-01)', async () => {
  const monitoring = new Monitoring({
    properties: properties({ type: 'http', port: '0' }),
    snapshot: agentSnapshot,
    log: silentLogger,
    clock: systemClock,
  })
  const port = await monitoring.port
  const metrics = await get(port, '/metrics')
  assert.deepEqual([metrics.status, metrics.type], [200, 'application/json;charset=utf-8'])
  assert.deepEqual(JSON.parse(metrics.body), flumeMetrics(agentSnapshot()))
  const prometheus = await get(port, '/metrics/prometheus')
  assert.equal(prometheus.type, 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(prometheus.body, /^flume_process_resident_memory_bytes\{agent="a1"\} [1-9]\d+$/m)
  assert.deepEqual(await get(port, '/healthz'), { status: 200, type: 'text/plain;charset=utf-8', body: 'ok\n' })
  assert.equal((await get(port, '/other')).status, 404)
  await monitoring.stop()
  await assert.rejects(get(port, '/healthz'))
  await monitoring.stop()
})

test('type prometheus has the Prometheus page at /metrics', async () => {
  const monitoring = new Monitoring({
    properties: properties({ type: 'prometheus', port: '0' }),
    snapshot: agentSnapshot,
    log: silentLogger,
    clock: systemClock,
  })
  const { body } = await get(await monitoring.port, '/metrics')
  assert.match(body, /^# HELP flume_source_start_time_seconds /)
  await monitoring.stop()
})

test('a port that is taken is said once and tried again until it is free (O-07)', async () => {
  const log = new RecordingLogger()
  const clock = new ManualClock()
  const first = new Monitoring({
    properties: properties({ type: 'http', port: '0' }),
    snapshot: agentSnapshot,
    log: silentLogger,
    clock,
  })
  const port = String(await first.port)
  const second = new Monitoring({ properties: properties({ type: 'http', port }), snapshot: agentSnapshot, log, clock })
  for (let round = 0; round < 2; round++) {
    await until(() => clock.timerCount === 1)
    await clock.advance(3000)
  }
  await until(() => clock.timerCount === 1)
  assert.equal(log.lines.length, 1)
  assert.match(
    log.lines[0] as string,
    /^error: cannot listen on 127\.0\.0\.1:\d+.*the agent runs without, trying again every 3 s$/,
  )
  await first.stop()
  await clock.advance(3000)
  assert.equal(String(await second.port), port)
  assert.equal((await get(Number(port), '/readyz')).status, 200)
  await second.stop()
})

test('type ganglia sends every attribute at once and after each interval', async () => {
  const receiver = createSocket('udp4')
  const received: Buffer[] = []
  receiver.on('message', (packet) => received.push(packet))
  await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve))
  const clock = new ManualClock()
  const monitoring = new Monitoring({
    properties: properties({ type: 'ganglia', hosts: `127.0.0.1:${receiver.address().port}`, pollFrequency: '7' }),
    snapshot: agentSnapshot,
    log: silentLogger,
    clock,
  })
  const expected = Object.entries(flumeMetrics(agentSnapshot())).flatMap(([component, values]) =>
    Object.entries(values).flatMap(([name, value]) =>
      gangliaPackets({ host: hostname(), name: `flume.${component}.${name}`, value }).map((packet) =>
        Buffer.from(packet),
      ),
    ),
  )
  await until(() => received.length === expected.length)
  assert.deepEqual(received, expected)
  await until(() => clock.timerCount === 1)
  await clock.advance(6999)
  assert.equal(received.length, expected.length)
  await clock.advance(1)
  await until(() => received.length === 2 * expected.length)
  await monitoring.stop()
  await new Promise<void>((resolve) => receiver.close(() => resolve()))
})

test('a type that is not there leaves the agent alone and says one line', async () => {
  const log = new RecordingLogger()
  const monitoring = new Monitoring({
    properties: properties({ type: 'com.example.Mine' }),
    snapshot: agentSnapshot,
    log,
    clock: systemClock,
  })
  assert.equal(await monitoring.port, undefined)
  await monitoring.stop()
  assert.equal(log.lines.length, 1)
})
