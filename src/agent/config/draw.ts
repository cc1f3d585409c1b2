import type { AgentModel } from './model.ts'

interface Box {
  readonly id: string
  readonly kind: 'source' | 'channel' | 'sink'
  readonly lines: readonly string[]
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly label?: string
}

interface Drawing {
  readonly boxes: readonly Box[]
  readonly arrows: readonly Arrow[]
  readonly groups: readonly { readonly title: string; readonly ids: readonly string[] }[]
}

/** An agent as a Mermaid flowchart: sources, channels and sinks, with what they are and where they stand. */
export function drawMermaid(model: AgentModel): string {
  const { boxes, arrows, groups } = drawingOf(model)
  const shapes = { source: ['([', '])'], channel: ['[(', ')]'], sink: ['[[', ']]'] } as const
  const lines = ['flowchart LR']
  for (const { id, kind, lines: words } of boxes) {
    const [open, close] = shapes[kind]
    lines.push(`  ${id}${open}"${words.map(mermaidText).join('<br>')}"${close}`)
  }
  for (const [index, { title, ids }] of groups.entries()) {
    lines.push(`  subgraph g${index}["${mermaidText(title)}"]`, ...ids.map((id) => `    ${id}`), '  end')
  }
  for (const { from, to, label } of arrows) {
    lines.push(`  ${from} -->${label === undefined ? '' : `|"${mermaidText(label)}"|`} ${to}`)
  }
  return `${lines.join('\n')}\n`
}

/** The same for Graphviz. */
export function drawDot(model: AgentModel): string {
  const { boxes, arrows, groups } = drawingOf(model)
  const shapes = { source: 'oval', channel: 'cylinder', sink: 'box' }
  const lines = [`digraph ${dotText(model.name)} {`, '  rankdir=LR', '  node [fontname="sans-serif"]']
  for (const { id, kind, lines: words } of boxes) {
    lines.push(`  ${id} [shape=${shapes[kind]}, label=${dotText(words.join('\n'))}]`)
  }
  for (const [index, { title, ids }] of groups.entries()) {
    lines.push(`  subgraph cluster_${index} { label=${dotText(title)}; ${ids.join('; ')} }`)
  }
  for (const { from, to, label } of arrows) {
    lines.push(`  ${from} -> ${to}${label === undefined ? '' : ` [label=${dotText(label)}]`}`)
  }
  lines.push('}')
  return `${lines.join('\n')}\n`
}

/** Names of parts may hold anything and may be equal across kinds, so boxes are numbered. */
function drawingOf({ sources, channels, sinks, groups }: AgentModel): Drawing {
  const idOf = (kind: string, parts: readonly { readonly name: string }[], name: string): string =>
    `${kind}${parts.findIndex((part) => part.name === name)}`
  return {
    boxes: [
      ...sources.map((part, i): Box => ({ id: `source${i}`, kind: 'source', lines: wordsOf(part) })),
      ...channels.map((part, i): Box => ({ id: `channel${i}`, kind: 'channel', lines: wordsOf(part) })),
      ...sinks.map((part, i): Box => ({ id: `sink${i}`, kind: 'sink', lines: wordsOf(part) })),
    ],
    arrows: [
      ...sources.flatMap(({ channels: names, selector, interceptors }, i) => {
        const through = [
          ...interceptors.map(({ spec }) => spec.type),
          ...(names.length > 1 ? [selector.spec.type] : []),
        ]
        const label = through.length > 0 ? { label: through.join(', ') } : {}
        return names.map((name) => ({ from: `source${i}`, to: idOf('channel', channels, name), ...label }))
      }),
      ...sinks.map(({ channel }, i) => ({ from: idOf('channel', channels, channel), to: `sink${i}` })),
      ...sinks.flatMap(({ deadLetters }, i) =>
        deadLetters
          ? [{ from: `sink${i}`, to: idOf('channel', channels, deadLetters.channel), label: 'dead letters' }]
          : [],
      ),
    ],
    groups: groups.map(({ name, spec, sinks: names }) => ({
      title: `${name} ${spec.type}`,
      ids: names.map((sink) => idOf('sink', sinks, sink)),
    })),
  }
}

interface Part {
  readonly name: string
  readonly spec: {
    readonly type: string
    readonly title?: string
    describe?(options: Readonly<Record<string, unknown>>): string
  }
  readonly options: Readonly<Record<string, unknown>>
}

function wordsOf({ name, spec, options }: Part): readonly string[] {
  const where = spec.describe?.(options)
  return [`${name} ${spec.title ?? spec.type}`, ...(where ? [where] : [])]
}

/** Mermaid takes HTML's numbered characters, with a # for the &. */
function mermaidText(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N} _.,:/$%{}@=*+-]/gu, (character) => `#${character.codePointAt(0)};`)
}

function dotText(text: string): string {
  return `"${text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll(/[\u0000-\u001f]/g, ' ')}"`
}
