import { imbalances } from './balance.ts'
import { type Metric, metricTable } from './metric-table.ts'
import type { AgentSnapshot, ComponentHealth, ComponentMetrics } from './snapshot.ts'

/** What the process itself uses. */
export interface ProcessUse {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly cpuSeconds: number
}

type Labels = Readonly<Record<string, string>>

interface Sample {
  readonly labels: Labels
  readonly value: number
}

interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'untyped'
  readonly help: string
  readonly samples: readonly Sample[]
}

export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

const states: readonly ComponentHealth['state'][] = ['starting', 'running', 'failing', 'stopped']

/** Names beside those of `metricTable`, with type and help. They are kept stable: alerts and dashboards hang on them. */
const more = {
  flume_ledger_source_received_total: ['counter', 'Events that arrived at the source.'],
  flume_ledger_source_accepted_total: ['counter', 'Events the source acknowledged.'],
  flume_ledger_source_refused_total: ['counter', 'Events the source did not acknowledge.'],
  flume_ledger_source_under_way: ['gauge', 'Events being delivered; they are in no other number.'],
  flume_ledger_source_routed_total: ['counter', 'Accepted events that went to a channel.'],
  flume_ledger_source_dropped_total: ['counter', 'Accepted events that went nowhere, by reason.'],
  flume_ledger_source_entered_total: ['counter', 'Copies that each channel took from the source.'],
  flume_ledger_channel_entered_total: ['counter', 'Events that entered the channel.'],
  flume_ledger_channel_delivered_total: ['counter', 'Events that left the channel delivered.'],
  flume_ledger_channel_recovered: ['gauge', 'Of the events that entered, those found when the channel was opened.'],
  flume_ledger_channel_held: ['gauge', 'Events the channel holds, those lent to a sink included.'],
  flume_ledger_channel_dropped_total: ['counter', 'Events that left the channel undelivered, by reason.'],
  flume_ledger_balanced: ['gauge', '1 when every event is accounted for, 0 when the ledger does not add up.'],
  flume_component_state: ['gauge', '1 for the state a component is in, 0 for the others.'],
  flume_process_resident_memory_bytes: ['gauge', 'Memory of the process.'],
  flume_process_heap_bytes: ['gauge', 'Memory in use on the heap.'],
  flume_process_cpu_seconds_total: ['counter', 'CPU time of the process, user and system.'],
} as const satisfies Readonly<Record<string, readonly ['counter' | 'gauge', string]>>
type MoreName = keyof typeof more

/** Every name that the page may carry for what Flume counts and what we add. */
export function prometheusNames(): string[] {
  const counted = Object.values(metricTable).flatMap((metrics) => metrics.map(({ prometheus }) => prometheus))
  return [...new Set([...counted, ...Object.keys(more)])]
}

/** The agent in Prometheus' text format (version 0.0.4), labelled `agent`, `component` and `type`. */
export function prometheusText(snapshot: AgentSnapshot, use?: ProcessUse): string {
  const families = [
    ...componentFamilies(snapshot),
    ...ledgerFamilies(snapshot),
    ...stateFamily(snapshot),
    ...(use ? processFamilies(snapshot, use) : []),
  ]
  return families.map(textOf).join('')
}

function componentFamilies({ agent, components }: AgentSnapshot): Family[] {
  return (['SOURCE', 'CHANNEL', 'SINK'] as const).flatMap((kind) => {
    const some = components.filter((component) => component.kind === kind && component.values['StartTime'] !== 0)
    const known = metricTable[kind]
    const attributes = new Set(some.flatMap(({ values }) => Object.keys(values)))
    const strange = [...attributes].filter((name) => !known.some(({ attribute }) => attribute === name))
    return [
      ...known.map(({ attribute, prometheus, type, help, unit }) => ({
        name: prometheus,
        type,
        help,
        samples: samplesOf(agent, some, attribute, unit),
      })),
      ...strange.map((attribute) => ({
        name: `flume_${kind.toLowerCase()}_${snakeCase(attribute)}`,
        type: 'untyped' as const,
        help: `${attribute}, as the component counts it.`,
        samples: samplesOf(agent, some, attribute, undefined),
      })),
    ]
  })
}

function samplesOf(
  agent: string,
  components: readonly ComponentMetrics[],
  attribute: string,
  unit: Metric['unit'],
): Sample[] {
  return components.flatMap(({ name, type, values }) => {
    const value = values[attribute]
    if (value === undefined) return []
    return [{ labels: { agent, component: name, type }, value: unit === 'milliseconds' ? value / 1000 : value }]
  })
}

function ledgerFamilies(snapshot: AgentSnapshot): Family[] {
  const { agent, sources, channels } = snapshot
  const ofSources = (name: MoreName, pick: 'received' | 'underWay' | 'accepted' | 'refused' | 'routed'): Family =>
    family(
      name,
      sources.map((one) => ({ labels: { agent, component: one.source }, value: one[pick] })),
    )
  const ofChannels = (name: MoreName, pick: 'entered' | 'recovered' | 'delivered' | 'held'): Family =>
    family(
      name,
      channels.map((one) => ({ labels: { agent, component: one.channel }, value: one[pick] })),
    )
  const each = (component: string, label: string, values: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(values).map(([word, value]) => ({ labels: { agent, component, [label]: word }, value }))
  return [
    ofSources('flume_ledger_source_received_total', 'received'),
    ofSources('flume_ledger_source_accepted_total', 'accepted'),
    ofSources('flume_ledger_source_refused_total', 'refused'),
    ofSources('flume_ledger_source_routed_total', 'routed'),
    ofSources('flume_ledger_source_under_way', 'underWay'),
    family(
      'flume_ledger_source_dropped_total',
      sources.flatMap((one) => each(one.source, 'reason', one.dropped)),
    ),
    family(
      'flume_ledger_source_entered_total',
      sources.flatMap((one) => each(one.source, 'channel', one.entered)),
    ),
    ofChannels('flume_ledger_channel_entered_total', 'entered'),
    ofChannels('flume_ledger_channel_delivered_total', 'delivered'),
    ofChannels('flume_ledger_channel_held', 'held'),
    ofChannels('flume_ledger_channel_recovered', 'recovered'),
    family(
      'flume_ledger_channel_dropped_total',
      channels.flatMap((one) => each(one.channel, 'reason', one.dropped)),
    ),
    family('flume_ledger_balanced', [{ labels: { agent }, value: imbalances(snapshot).length === 0 ? 1 : 0 }]),
  ]
}

function stateFamily({ agent, health }: AgentSnapshot): Family[] {
  const samples = health.flatMap(({ kind, name, state }) =>
    states.map((one) => ({ labels: { agent, kind, component: name, state: one }, value: one === state ? 1 : 0 })),
  )
  return [family('flume_component_state', samples)]
}

function processFamilies({ agent }: AgentSnapshot, use: ProcessUse): Family[] {
  const labels = { agent }
  return [
    family('flume_process_resident_memory_bytes', [{ labels, value: use.residentBytes }]),
    family('flume_process_heap_bytes', [{ labels, value: use.heapBytes }]),
    family('flume_process_cpu_seconds_total', [{ labels, value: use.cpuSeconds }]),
  ]
}

function family(name: MoreName, samples: readonly Sample[]): Family {
  const [type, help] = more[name]
  return { name, type, help, samples }
}

function textOf({ name, type, help, samples }: Family): string {
  if (samples.length === 0) return ''
  const lines = samples.map(({ labels, value }) => `${name}{${labelText(labels)}} ${numberText(value)}\n`)
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')
}

/** The format's own escapes; any other control character would break the line for some readers, and becomes U+FFFD. */
function escapeLabel(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll(/[\u0000-\u001f\u007f]/g, '\ufffd')
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

function snakeCase(attribute: string): string {
  return attribute
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9_]/g, '_')
    .toLowerCase()
}
