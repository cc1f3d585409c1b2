/** What names and messages of a job may hold is not markup. */
export function escape(text: string): string {
  // Control characters would be read differently by every reader of the page.
  const printable = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '\ufffd')
  return printable.replaceAll(/[&<>"']/g, (character) => entities[character] as string)
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export interface PageFrame {
  readonly title: string
  readonly appName: string
  /** Which entry of the menu this is. */
  readonly place: 'streaming' | 'environment' | 'batch'
  /** Milliseconds after which the page fetches itself again; undefined: it stays as it is. */
  readonly refreshMs?: number | undefined
  readonly body: string
}

/** Script and style come from this server only, and nothing that a name may smuggle in is run. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
}

export function framed({ title, appName, place, refreshMs, body }: PageFrame): string {
  const tab = (name: PageFrame['place'], path: string, word: string): string =>
    `<a href="${path}"${name === place ? ' aria-current="page"' : ''}>${word}</a>`
  const pause =
    refreshMs === undefined ? '' : '<button id="pause" type="button" hidden aria-pressed="false">Pause</button>'
  return `<!doctype html>
<html lang="en"${refreshMs === undefined ? '' : ` data-refresh="${refreshMs}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(appName)} - ${escape(title)}</title>
<link rel="stylesheet" href="/static/streaming/page.css">
<script src="/static/streaming/page.js" defer></script>
${refreshMs === undefined ? '' : '<noscript><meta http-equiv="refresh" content="5"></noscript>'}
</head>
<body>
<header><span class="app">${escape(appName)}</span><nav>${tab('streaming', '/streaming/', 'Streaming')}${tab('environment', '/environment/', 'Environment')}</nav>${pause}</header>
<main id="content">
<h1>${escape(title)}</h1>
${body}
</main>
</body>
</html>
`
}

/** A question mark that explains a word. */
export function hint(text: string): string {
  return `<span class="hint" tabindex="0" title="${escape(text)}" aria-label="${escape(text)}">?</span>`
}

/** The first line of a failure; the rest opens. */
export function failureCell(reason: string | undefined): string {
  if (reason === undefined) return '-'
  const [first = '', ...rest] = reason.split('\n')
  if (rest.length === 0) return `<span class="bad">${escape(first)}</span>`
  return `<details class="stack"><summary><span class="bad">${escape(first)}</span> <span class="more">+details</span></summary><pre>${escape(reason)}</pre></details>`
}

/** `c/t (r running) (f failed)` over a bar. */
export function progressCell(counts: {
  readonly completed: number
  readonly failed: number
  readonly total: number
  readonly running: number
}): string {
  const { completed, failed, total, running } = counts
  const words = [
    `${completed}/${total}`,
    running > 0 ? `(${running} running)` : '',
    failed > 0 ? `(${failed} failed)` : '',
  ]
  return `<span class="progress"><progress max="${Math.max(1, total)}" value="${completed}"></progress><span>${words.filter((word) => word !== '').join(' ')}</span></span>`
}
