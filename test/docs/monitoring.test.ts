import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { metricTable } from '../../src/monitor/metric-table.ts'
import { prometheusNames, prometheusText } from '../../src/monitor/prometheus.ts'
import { agentSnapshot, component } from '../support/agent-snapshot.ts'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

/** A page with every name there is, each with every label it may have. */
function fullPage(): string {
  const all = (kind: 'SOURCE' | 'CHANNEL' | 'SINK') =>
    component(kind, 'x', 'some', Object.fromEntries(metricTable[kind].map(({ attribute }) => [attribute, 1])))
  const [source] = agentSnapshot().sources
  const [channel] = agentSnapshot().channels
  assert.ok(source && channel)
  return prometheusText(
    agentSnapshot({
      components: [all('SOURCE'), all('CHANNEL'), all('SINK')],
      channels: [{ ...channel, dropped: { 'lost-at-stop': 0 } }],
    }),
    { residentBytes: 1, heapBytes: 1, cpuSeconds: 1 },
  )
}

/** The labels of each name on the page. */
function labelsByName(): ReadonlyMap<string, ReadonlySet<string>> {
  const labels = new Map<string, Set<string>>()
  for (const [, name = '', words = ''] of fullPage().matchAll(/^(\w+)\{(.*)\} /gm)) {
    const known = labels.get(name) ?? new Set()
    labels.set(name, known)
    for (const [, label = ''] of words.matchAll(/(\w+)="/g)) known.add(label)
  }
  return labels
}

interface Expression {
  readonly text: string
  readonly where: string
}

function alerts(): { readonly expressions: readonly Expression[]; readonly texts: readonly string[] } {
  const text = read('conf/monitoring/flume-alerts.yml')
  const expressions = [...text.matchAll(/^ +expr: (.+)$/gm)].map(([, expr = '']) => ({ text: expr, where: 'alerts' }))
  return { expressions, texts: [...text.matchAll(/^ +summary: ['"](.+)['"]$/gm)].map(([, summary = '']) => summary) }
}

function dashboard(): readonly Expression[] {
  const { panels, templating } = JSON.parse(read('conf/monitoring/flume-dashboard.json')) as {
    panels: { title: string; targets: { expr: string }[] }[]
    templating: { list: { query: string | { query: string } }[] }
  }
  const queries = templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query]))
  return [
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ text: expr, where: title }))),
    ...queries.map((text) => ({ text, where: 'variables' })),
  ]
}

test('alerts and dashboard name only numbers and labels that an agent shows', () => {
  const known = labelsByName()
  assert.deepEqual([...known.keys()].sort(), prometheusNames().sort())
  const expressions = [...alerts().expressions, ...dashboard()]
  assert.ok(expressions.length > 20)
  for (const { text, where } of expressions) {
    const used = [...text.matchAll(/\b(flume_\w+)(?:\{([^}]*)\})?/g)]
    assert.ok(used.length > 0 || text.startsWith('up{'), `${where}: ${text}`)
    for (const [, name = '', selectors = ''] of used) {
      const labels = known.get(name)
      assert.ok(labels, `${where} names ${name}`)
      for (const [, label = ''] of selectors.matchAll(/(\w+)(?:=~|!=|!~|=)"/g)) {
        assert.ok(labels.has(label), `${where} selects ${name} by ${label}`)
      }
    }
    for (const [, counted = ''] of text.matchAll(/(?:rate|increase)\((\w+)/g)) {
      assert.match(counted, /_total$/, `${where}: only counters have a rate`)
    }
  }
})

test('the words of alerts use labels that their numbers have', () => {
  const known = labelsByName()
  const { expressions, texts } = alerts()
  assert.equal(texts.length, expressions.length)
  for (const [index, text] of texts.entries()) {
    const expression = expressions[index]?.text ?? ''
    const names = [...expression.matchAll(/\b(flume_\w+)/g)].map(([, name]) => name as string)
    for (const [, label = ''] of text.matchAll(/\$labels\.(\w+)/g)) {
      if (names.length === 0) assert.equal(label, 'instance')
      for (const name of names) assert.ok(known.get(name)?.has(label), `${name} has no ${label}`)
    }
  }
})

test('docs/watching.md names every number, and none that is not there', () => {
  const page = read('docs/watching.md')
  const named = new Set([...page.matchAll(/`(flume_\w+)`/g)].map(([, name]) => name as string))
  assert.deepEqual([...named].sort(), prometheusNames().sort())
})
