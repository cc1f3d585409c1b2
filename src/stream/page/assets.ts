/** The page's style: readable by day and night, on a wall and on a telephone. */
export const styleSheet = `
:root {
  color-scheme: light dark;
  --ink: #1c2530; --soft: #5c6b7a; --line: #d9dfe6; --paper: #ffffff; --ground: #f4f6f8;
  --accent: #1769aa; --fill: #1769aa33; --bad: #b3261e; --good: #2e7d4f; --mark: #b26a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e9ee; --soft: #9aa8b5; --line: #33404c; --paper: #1a222b; --ground: #11171d;
    --accent: #6cb6f0; --fill: #6cb6f033; --bad: #ff8a80; --good: #7fcf9f; --mark: #f0b35a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .6rem 1.25rem; background: var(--paper); border-bottom: 1px solid var(--line); }
.app { font-weight: 600; }
nav { display: flex; gap: 1rem; flex: 1; }
nav a { padding: .15rem 0; border-bottom: 2px solid transparent; text-decoration: none; }
nav a[aria-current] { border-color: var(--accent); }
a { color: var(--accent); }
a:focus-visible, summary:focus-visible, button:focus-visible, .hint:focus-visible, th:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 6px; padding: .1rem .8rem; cursor: pointer; }
button[aria-pressed=true] { background: var(--fill); }
main { max-width: 84rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.4rem; font-weight: 600; margin: .25rem 0 .5rem; }
h2 { font-size: 1.05rem; font-weight: 600; margin: 1.25rem 0 .5rem; display: inline-block; }
.lead { margin: 0 0 1rem; color: var(--soft); }
.lead strong { color: var(--ink); font-weight: 600; }
table { border-collapse: collapse; width: 100%; background: var(--paper); }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--soft); font-size: .85rem; white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
.wide tr:last-child td { border-bottom: 0; }
.graphs { border: 1px solid var(--line); border-radius: 8px; border-spacing: 0; border-collapse: separate; }
.graphs > tbody > tr > th { width: 14rem; }
.graphs > tbody > tr > td:nth-child(3) { width: 32%; }
.graphs strong { font-weight: 600; }
.graphs > tbody > tr > th div { color: var(--soft); font-size: .88rem; }
.inputs > td { padding: 0 .7rem .45rem; }
.input { margin: .5rem 0; border: 1px solid var(--line); }
svg { display: block; width: 100%; height: auto; max-height: 10rem; }
.area { fill: var(--fill); }
.line { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; }
.dot { fill: var(--accent); opacity: 0; }
.dot:hover, a:focus .dot { opacity: 1; }
.dot.failed { fill: var(--bad); opacity: 1; }
.bar { fill: var(--accent); opacity: .55; }
.bar:hover { opacity: .85; }
.grid { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--mark); stroke-dasharray: 5 4; stroke-width: 1.4; }
.axis { fill: var(--soft); font-size: 10px; }
.axis.end { text-anchor: end; }
.mark-word { fill: var(--mark); }
.hint { display: inline-block; width: 1.15em; height: 1.15em; line-height: 1.15em; text-align: center; font-size: .75rem; border-radius: 50%; background: var(--fill); cursor: help; }
.bad { color: var(--bad); }
.more { color: var(--soft); font-size: .85rem; white-space: nowrap; }
summary { cursor: pointer; }
.stack summary { list-style-position: outside; }
pre { margin: .4rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.45 ui-monospace, monospace; }
.progress { display: inline-flex; align-items: center; gap: .5rem; white-space: nowrap; }
progress { appearance: none; width: 5rem; height: .55rem; border: 0; border-radius: 4px; background: var(--line); overflow: hidden; }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--good); }
progress::-moz-progress-bar { background: var(--good); }
tr.failed > td:first-child { box-shadow: inset 3px 0 var(--bad); }
tr:target > td, tr.found > td { background: var(--fill); }
.sortable th { cursor: pointer; }
th[aria-sort=ascending]::after { content: " \\2191"; }
th[aria-sort=descending]::after { content: " \\2193"; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .6rem; margin: 0 0 1rem; }
.facts div { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: .5rem .8rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.05rem; font-variant-numeric: tabular-nums; }
.away { color: var(--bad); }
@media (max-width: 52rem) {
  main { padding: 1rem .75rem 3rem; }
  .graphs thead { display: none; }
  .graphs > tbody > tr { display: grid; grid-template-columns: 1fr; border-bottom: 1px solid var(--line); }
  .graphs > tbody > tr > th, .graphs > tbody > tr > td, .graphs > tbody > tr > td:nth-child(3) { width: auto; border: 0; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
`

/** The page's script: it fetches itself again, keeps what was opened and sorted, and can be paused. Without it the page can be read. */
export const script = `
const refreshMs = Number(document.documentElement.dataset.refresh)
const pause = document.getElementById('pause')
const kept = { get: (key) => { try { return localStorage.getItem(key) } catch { return null } }, set: (key, value) => { try { localStorage.setItem(key, value) } catch {} } }
const sorted = new Map()

function dress(root) {
  for (const details of root.querySelectorAll('details[id]')) {
    const choice = kept.get('open:' + details.id)
    if (choice !== null) details.open = choice === 'yes'
    details.addEventListener('toggle', () => kept.set('open:' + details.id, details.open ? 'yes' : 'no'))
  }
  for (const table of root.querySelectorAll('table.sortable')) {
    table.querySelectorAll('thead th').forEach((head, column) => {
      head.tabIndex = 0
      const turn = () => {
        const before = sorted.get(table.id)
        const down = before?.column === column ? !before.down : false
        sorted.set(table.id, { column, down })
        sort(table, column, down)
      }
      head.addEventListener('click', turn)
      head.addEventListener('keydown', (event) => { if (event.key === 'Enter') turn() })
    })
    const order = sorted.get(table.id)
    if (order) sort(table, order.column, order.down)
  }
}

function sort(table, column, down) {
  const key = (row) => row.cells[column]?.dataset.key ?? row.cells[column]?.textContent ?? ''
  const rows = [...table.tBodies[0].rows]
  rows.sort((a, b) => {
    const [x, y] = [key(a), key(b)]
    const order = x !== '' && y !== '' && !Number.isNaN(+x) && !Number.isNaN(+y) ? x - y : x.localeCompare(y)
    return down ? -order : order
  })
  table.tBodies[0].append(...rows)
  table.querySelectorAll('thead th').forEach((head, i) => {
    if (i === column) head.setAttribute('aria-sort', down ? 'descending' : 'ascending')
    else head.removeAttribute('aria-sort')
  })
}

function isRead() {
  const chosen = document.getSelection()
  return (chosen && !chosen.isCollapsed) || document.querySelector('.stack[open]') !== null
}

async function again() {
  if (pause.getAttribute('aria-pressed') === 'true' || document.hidden || isRead()) return
  try {
    const answer = await fetch(location.href, { cache: 'no-store' })
    if (!answer.ok) return
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('content')
    const focused = document.activeElement?.id
    dress(fresh)
    document.getElementById('content').replaceWith(fresh)
    if (focused) document.getElementById(focused)?.focus()
    document.querySelector('.app').classList.remove('away')
  } catch {
    document.querySelector('.app').classList.add('away')
    document.querySelector('.app').title = 'The job does not answer: it may have ended.'
  }
}

dress(document)
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('svg a')
  const row = link && document.getElementById(link.getAttribute('href').slice(1))
  if (!row) return
  event.preventDefault()
  row.closest('details').open = true
  row.scrollIntoView({ block: 'center' })
  row.classList.add('found')
  setTimeout(() => row.classList.remove('found'), 3000)
})
if (pause && refreshMs > 0) {
  pause.hidden = false
  pause.addEventListener('click', () => {
    const isPaused = pause.getAttribute('aria-pressed') !== 'true'
    pause.setAttribute('aria-pressed', String(isPaused))
    pause.textContent = isPaused ? 'Resume' : 'Pause'
  })
  setInterval(again, refreshMs)
}
`
