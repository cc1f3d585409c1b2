import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, test } from 'node:test'
import { closingLines, flumeMetrics, javaDouble } from '../../src/monitor/flume-metrics.ts'
import { liveness, readiness, wellBeing } from '../../src/monitor/health.ts'
import { metricTable } from '../../src/monitor/metric-table.ts'
import { agentPages } from '../../src/monitor/pages.ts'
import { prometheusNames, prometheusText } from '../../src/monitor/prometheus.ts'
import type { AgentSnapshot, ComponentMetrics } from '../../src/monitor/snapshot.ts'
import { agentSnapshot, component } from '../support/agent-snapshot.ts'

const fixture = (name: string): string =>
  readFileSync(new URL(`../../../test/fixture/monitoring/${name}`, import.meta.url), 'utf8')

/** What a real Flume answered, as the numbers it was made of. */
function recordedComponents(): readonly ComponentMetrics[] {
  const answer = JSON.parse(fixture('flume-1.9-metrics.json')) as Record<string, Record<string, string>>
  return Object.entries(answer).map(([key, { Type, ...texts }]) => {
    const [kind, name] = key.split('.') as [ComponentMetrics['kind'], string]
    assert.equal(Type, kind)
    const values = Object.entries(texts).map(([attribute, text]) => [attribute, Number(text)])
    return { kind, name, type: 'some', values: Object.fromEntries(values) }
  })
}

test('a snapshot with the numbers of a real Flume gives its /metrics, text for text (O-01)', () => {
  const snapshot = agentSnapshot({ components: recordedComponents(), sources: [], channels: [] })
  assert.deepEqual(flumeMetrics(snapshot), JSON.parse(fixture('flume-1.9-metrics.json')))
})

test('every attribute that a real Flume names has its place in the table', () => {
  for (const { kind, values } of recordedComponents()) {
    for (const attribute of Object.keys(values))
      assert.ok(
        metricTable[kind].some((metric) => metric.attribute === attribute),
        attribute,
      )
  }
})

test('the closing lines are those of a real Flume, in its order (O-05)', () => {
  const recorded = fixture('flume-1.9-closing.txt').trim().split('\n')
  const withoutNumber = (line: string): string => line.replace(/ == \d+$/, '')
  const lines = ['SOURCE.r1', 'SINK.k1', 'CHANNEL.c0', 'CHANNEL.c1'].flatMap((key) =>
    closingLines(recordedComponents().find(({ kind, name }) => `${kind}.${name}` === key) as ComponentMetrics),
  )
  assert.deepEqual(lines.map(withoutNumber), recorded.map(withoutNumber))
  assert.equal(
    closingLines(component('SINK', 'k1', 'null', { EventDrainSuccessCount: 7 })).at(-1),
    'Shutdown Metric for type: SINK, name: k1. sink.event.drain.sucess == 7',
  )
})

test('a fill percentage is written as Java writes a double (O-06)', () => {
  const cases: readonly [number, string][] = [
    [0, '0.0'],
    [3, '3.0'],
    [33.333333333333336, '33.333333333333336'],
    [0.0005, '5.0E-4'],
    [12_345_678, '1.2345678E7'],
    [Number.MAX_VALUE, '1.7976931348623157E308'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ]
  for (const [value, text] of cases) assert.equal(javaDouble(value), text)
})

test('the ledger stands among the attributes of its source and channel, as texts', () => {
  const metrics = flumeMetrics(agentSnapshot())
  const ledgerOf = (key: string): Record<string, string> =>
    Object.fromEntries(Object.entries(metrics[key] ?? {}).filter(([name]) => name.startsWith('Ledger')))
  assert.deepEqual(ledgerOf('SOURCE.r1'), {
    LedgerReceived: '6',
    LedgerUnderWay: '2',
    LedgerAccepted: '5',
    LedgerRefused: '1',
    LedgerRouted: '4',
    LedgerDropped: '1',
    'LedgerDropped.interceptor': '1',
    'LedgerEntered.c1': '4',
  })
  assert.deepEqual(ledgerOf('CHANNEL.c1'), {
    LedgerEntered: '4',
    LedgerRecovered: '0',
    LedgerDelivered: '3',
    LedgerHeld: '1',
    LedgerDropped: '0',
  })
  for (const attributes of Object.values(metrics))
    for (const value of Object.values(attributes)) assert.equal(typeof value, 'string')
})

test('a component that was never started is on no page (O-03)', () => {
  const components = [{ ...component('SOURCE', 'r1', 'avro', {}), values: { StartTime: 0, EventReceivedCount: 0 } }]
  const snapshot = agentSnapshot({ components })
  assert.deepEqual(flumeMetrics(snapshot), {})
  assert.doesNotMatch(prometheusText(snapshot), /flume_source_events_received_total/)
})

describe('the Prometheus page', () => {
  const text = prometheusText(agentSnapshot(), { residentBytes: 1000, heapBytes: 500, cpuSeconds: 1.5 })

  it('has samples with agent, component and type, in seconds where Flume has milliseconds', () => {
    const expected = [
      '# HELP flume_source_events_accepted_total Events kept by every required channel.',
      '# TYPE flume_source_events_accepted_total counter',
      'flume_source_events_accepted_total{agent="a1",component="r1",type="netcat"} 5',
      'flume_source_start_time_seconds{agent="a1",component="r1",type="netcat"} 1795413517.127',
      '# TYPE flume_channel_size_events gauge',
      'flume_ledger_source_dropped_total{agent="a1",component="r1",reason="interceptor"} 1',
      'flume_ledger_source_entered_total{agent="a1",component="r1",channel="c1"} 4',
      'flume_ledger_channel_held{agent="a1",component="c1"} 1',
      'flume_ledger_balanced{agent="a1"} 1',
      'flume_component_state{agent="a1",kind="sink",component="k1",state="running"} 1',
      'flume_component_state{agent="a1",kind="sink",component="k1",state="failing"} 0',
      'flume_process_cpu_seconds_total{agent="a1"} 1.5',
    ]
    const lines = text.split('\n')
    for (const line of expected) assert.ok(lines.includes(line), `${line}\n${text}`)
  })

  it('follows the grammar: each family once, HELP and TYPE before its samples, nothing else', () => {
    const seen = new Set<string>()
    let family = ''
    for (const line of text.trimEnd().split('\n')) {
      const head = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line)
      if (head?.[1] === 'HELP') {
        family = head[2] as string
        assert.ok(!seen.has(family), family)
        seen.add(family)
      } else if (head) {
        assert.equal(head[2], family)
        assert.match(head[3] as string, /^(counter|gauge|untyped)$/)
        assert.equal(head[3] === 'counter', family.endsWith('_total'))
      } else assert.match(line, new RegExp(`^${family}\\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\\} [0-9.e+-]+$`))
    }
    for (const name of seen) assert.ok(prometheusNames().includes(name), name)
  })

  it('escapes what names may hold', () => {
    const strange = component('SINK', 'k"\\\n\u0007', 'null', { EventWriteFail: 1 })
    const page = prometheusText(agentSnapshot({ components: [strange] }))
    assert.ok(page.includes('component="k\\"\\\\\\n\ufffd"'), page)
  })

  it('gives a number that the table has no name for a name of its own', () => {
    const own = component('SINK', 'k1', './mine.ts', { MyOwnCount: 4 })
    const page = prometheusText(agentSnapshot({ components: [own] }))
    assert.match(page, /# TYPE flume_sink_my_own_count untyped\nflume_sink_my_own_count\{.*\} 4\n/)
  })

  it('has no two numbers of one name', () => {
    const all = Object.values(metricTable).flatMap((metrics) => metrics.map(({ prometheus }) => prometheus))
    assert.equal(new Set(all).size, all.length)
  })

  it('says an unbalanced ledger', () => {
    const channels = [{ channel: 'c1', entered: 5, recovered: 0, delivered: 3, held: 1, dropped: {} }]
    assert.match(prometheusText(agentSnapshot({ channels })), /\nflume_ledger_balanced\{agent="a1"\} 0\n/)
  })
})

describe('health', () => {
  const state = (kind: 'source' | 'channel' | 'sink', state: 'starting' | 'failing' | 'stopped'): AgentSnapshot =>
    agentSnapshot({ health: [{ kind, name: 'x', state, problem: 'no such host' }] })
  const unbalanced = agentSnapshot({
    channels: [{ channel: 'c1', entered: 9, recovered: 0, delivered: 3, held: 1, dropped: { x: 1 } }],
  })
  const leaking = agentSnapshot({
    sources: [{ source: 'r1', received: 6, underWay: 0, accepted: 4, refused: 1, routed: 4, dropped: {}, entered: {} }],
  })
  const cases: readonly [name: string, snapshot: AgentSnapshot, live: boolean, ready: boolean, well: boolean][] = [
    ['everything runs', agentSnapshot(), true, true, true],
    ['a source is not ready yet', state('source', 'starting'), true, false, true],
    ['a source fails and is tried again', state('source', 'failing'), true, false, false],
    ['a sink fails and is tried again: channels bridge that', state('sink', 'failing'), true, true, false],
    ['a channel cannot be opened', state('channel', 'failing'), true, false, false],
    ['a sink has ended for good', state('sink', 'stopped'), false, true, false],
    ['events of a channel are not accounted for', unbalanced, false, true, false],
    ['events of a source are not accounted for', leaking, false, true, false],
  ]
  for (const [name, snapshot, live, ready, well] of cases) {
    it(name, () => {
      assert.deepEqual([liveness(snapshot).ok, readiness(snapshot).ok, wellBeing(snapshot).ok], [live, ready, well])
      const page = agentPages({ snapshot: () => snapshot })
      assert.equal(page('/healthz')?.status, live ? 200 : 503)
      assert.equal(page('/readyz')?.status, ready ? 200 : 503)
    })
  }

  it('says what is wrong, a line each', () => {
    assert.deepEqual(wellBeing(state('sink', 'failing')).problems, ['sink x is failing: no such host'])
    assert.deepEqual(liveness(unbalanced).problems, ['channel c1: entered 9 is not delivered 3 + held 1 + dropped 1'])
    assert.deepEqual(liveness(leaking).problems, ['source r1: received 6 is not accepted 4 + refused 1'])
  })
})

test('an agent that stops is alive until it is done, and takes nothing new', () => {
  const health = [{ kind: 'source' as const, name: 'r1', state: 'stopped' as const }]
  const page = agentPages({ snapshot: () => agentSnapshot({ health }), isStopping: () => true })
  assert.equal(page('/healthz')?.status, 200)
  assert.deepEqual([page('/readyz')?.status, page('/readyz')?.body], [503, 'the agent is stopping\n'])
})

test('a channel whose events live elsewhere need not balance', () => {
  const ledger = { channel: 'c1', entered: 1, recovered: 0, delivered: 9, held: 0, dropped: {} }
  assert.equal(liveness(agentSnapshot({ channels: [ledger] })).ok, false)
  assert.equal(liveness(agentSnapshot({ channels: [{ ...ledger, external: true }] })).ok, true)
})

test('the page of links escapes the name and leads to pages that exist (O-01)', () => {
  const page = agentPages({ snapshot: () => agentSnapshot({ agent: '<b>&"' }) })
  const root = page('/')
  assert.equal(root?.contentType, 'text/html;charset=utf-8')
  assert.ok(root?.body.includes('Agent &lt;b&gt;&amp;&quot;'))
  const paths = [...(root?.body ?? '').matchAll(/href="\.([^"]+)"/g)].map(([, path]) => path as string)
  assert.ok(paths.includes('/metrics') && paths.length > 3)
  for (const path of paths) assert.ok(page(path), path)
  assert.equal(page('/nothing'), undefined)
})

test('/status is the snapshot itself', () => {
  const page = agentPages({ snapshot: () => agentSnapshot() })('/status')
  assert.deepEqual(JSON.parse(page?.body ?? ''), agentSnapshot())
})
