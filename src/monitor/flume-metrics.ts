import { total } from './balance.ts'
import { metricOf, metricTable } from './metric-table.ts'
import type { AgentSnapshot, ComponentMetrics } from './snapshot.ts'

/**
 * The agent as Flume's `/metrics` has it: `KIND.name` → attribute → text (O-01). A component that was never started is
 * absent (O-03). The ledger stands among the attributes of its source or channel, under names that begin with `Ledger`,
 * so that whoever reads Flume's shape reads on.
 */
export function flumeMetrics(snapshot: AgentSnapshot): Record<string, Record<string, string>> {
  const ledger = ledgerAttributes(snapshot)
  return Object.fromEntries(
    snapshot.components.filter(isStarted).map((component): [string, Record<string, string>] => {
      const key = `${component.kind}.${component.name}`
      const texts = Object.entries(component.values).map(([name, value]) => [name, textOf(component.kind, name, value)])
      return [key, Object.fromEntries([['Type', component.kind], ...texts, ...(ledger.get(key) ?? [])])]
    }),
  )
}

/** Numbers of the ledger as attributes, by the key of their component. */
function ledgerAttributes({ sources, channels }: AgentSnapshot): ReadonlyMap<string, readonly (readonly string[])[]> {
  const attributes = new Map<string, readonly (readonly string[])[]>()
  const add = (
    key: string,
    values: Readonly<Record<string, number>>,
    byName: Readonly<Record<string, number>>,
  ): void => {
    attributes.set(
      key,
      [...Object.entries(values), ...Object.entries(byName)].map(([name, value]) => [`Ledger${name}`, `${value}`]),
    )
  }
  const below = (name: string, values: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(values).map(([word, value]) => [`${name}.${word}`, value]))
  for (const { source, received, underWay, accepted, refused, routed, dropped, entered } of sources) {
    const values = {
      Received: received,
      UnderWay: underWay,
      Accepted: accepted,
      Refused: refused,
      Routed: routed,
      Dropped: total(dropped),
    }
    add(`SOURCE.${source}`, values, { ...below('Dropped', dropped), ...below('Entered', entered) })
  }
  for (const { channel, entered, recovered, delivered, held, dropped } of channels) {
    const values = {
      Entered: entered,
      Recovered: recovered,
      Delivered: delivered,
      Held: held,
      Dropped: total(dropped),
    }
    add(`CHANNEL.${channel}`, values, below('Dropped', dropped))
  }
  return attributes
}

/**
 * Flume's closing lines of one component: every counter in the order of the names, after its times (O-05).
 */
export function closingLines(component: ComponentMetrics): string[] {
  const { kind, name, values } = component
  const head = `Shutdown Metric for type: ${kind}, name: ${name}. `
  const known = metricTable[kind].filter(({ attribute, closing }) => closing !== undefined && attribute in values)
  const isTime = ({ attribute }: { readonly attribute: string }): boolean => /^St(art|op)Time$/.test(attribute)
  const counters = known.filter((metric) => !isTime(metric)).sort((one, other) => compare(one.closing, other.closing))
  return [...known.filter(isTime), ...counters].map(
    ({ attribute, closing }) => `${head}${closing} == ${values[attribute]}`,
  )
}

function isStarted({ values }: ComponentMetrics): boolean {
  return values['StartTime'] !== 0
}

function textOf(kind: ComponentMetrics['kind'], name: string, value: number): string {
  if (name === 'Open') return value === 0 ? 'false' : 'true'
  return metricOf(kind, name)?.isDouble ? javaDouble(value) : String(value)
}

/** A number as Java's `Double.toString` writes it: `3.0`, `1.7976931348623157E308` (O-06). */
export function javaDouble(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  const size = Math.abs(value)
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return Number.isInteger(value) ? `${value}.0` : String(value)
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  return `${digits.includes('.') ? digits : `${digits}.0`}E${exponent.replace('+', '')}`
}

function compare(one = '', other = ''): number {
  return one < other ? -1 : one > other ? 1 : 0
}
