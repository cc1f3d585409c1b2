import { flumeMetrics } from './flume-metrics.ts'
import { liveness, readiness, type Verdict } from './health.ts'
import { type ProcessUse, prometheusContentType, prometheusText } from './prometheus.ts'
import type { AgentSnapshot } from './snapshot.ts'

export interface Page {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface PagesOptions {
  snapshot(): AgentSnapshot
  /** What the process uses, for the Prometheus page. */
  processUse?(): ProcessUse
  /** True while the agent stops: it works off what it has, and takes nothing new. */
  isStopping?(): boolean
  /** What `/metrics` is: Flume's JSON, or the Prometheus page. */
  readonly metrics?: 'json' | 'prometheus'
}

const jsonType = 'application/json;charset=utf-8'
const htmlType = 'text/html;charset=utf-8'
const plainType = 'text/plain;charset=utf-8'

/** What can be read of an agent over HTTP: the page of a path, undefined for a path that has none (O-01). */
export function agentPages(options: PagesOptions): (path: string) => Page | undefined {
  const { snapshot, processUse, isStopping, metrics = 'json' } = options
  const stopping: Verdict = { ok: false, problems: ['the agent is stopping'] }
  const prometheus = (): Page => ({
    status: 200,
    contentType: prometheusContentType,
    body: prometheusText(snapshot(), processUse?.()),
  })
  const json = (value: unknown): Page => ({ status: 200, contentType: jsonType, body: JSON.stringify(value) })
  const pages: ReadonlyMap<string, () => Page> = new Map([
    ['/', () => ({ status: 200, contentType: htmlType, body: linkPage(snapshot().agent) })],
    ['/metrics', metrics === 'prometheus' ? prometheus : () => json(flumeMetrics(snapshot()))],
    ['/metrics/prometheus', prometheus],
    ['/status', () => json(snapshot())],
    ['/healthz', () => verdictPage(isStopping?.() ? { ok: true, problems: [] } : liveness(snapshot()))],
    ['/readyz', () => verdictPage(isStopping?.() ? stopping : readiness(snapshot()))],
  ])
  return (path) => pages.get(path)?.()
}

function verdictPage({ ok, problems }: Verdict): Page {
  const body = ok ? 'ok\n' : problems.map((problem) => `${problem.replaceAll(/\s+/g, ' ')}\n`).join('')
  return { status: ok ? 200 : 503, contentType: plainType, body }
}

const links: readonly (readonly [path: string, what: string])[] = [
  ['metrics', 'Flume metrics'],
  ['metrics/prometheus', 'the same for Prometheus'],
  ['status', 'ledger and health'],
  ['healthz', 'does it work'],
  ['readyz', 'does it take input'],
]

function linkPage(agent: string): string {
  const name = escapeHtml(agent)
  const items = links.map(([path, what]) => `<li><a href="./${path}">/${path}</a>: ${what}</li>`).join('\n')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${name}</title></head>
<body><h1>Agent ${name}</h1>
<ul>
${items}
</ul></body></html>
`
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] as string)
}
