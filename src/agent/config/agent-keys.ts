import type { Finding, Place } from '../../spec/finding.ts'
import { didYouMean } from '../../spec/nearest.ts'
import type { ConfigEntry, PropertyStore } from './property-store.ts'

export const partKinds = ['sources', 'channels', 'sinks', 'sinkgroups', 'configfilters'] as const
export type PartKind = (typeof partKinds)[number]

/** One part's own keys, names relative to it. */
export interface PartKeys {
  readonly name: string
  /** Where its first key stands. */
  readonly place: Place
  readonly values: Map<string, ConfigEntry>
  /** Keys without a value, which count as absent (C-04). */
  readonly empty: Map<string, Place>
}

/** All that a configuration says about one agent. */
export interface AgentKeys {
  readonly name: string
  readonly place: Place
  /** `a1.sources = …` and its like. */
  readonly lists: Map<PartKind, ConfigEntry>
  readonly parts: ReadonlyMap<PartKind, Map<string, PartKeys>>
}

export interface SortedKeys {
  readonly agents: ReadonlyMap<string, AgentKeys>
  /** Keys that configure nothing; the caller drops those that are used as variables. */
  readonly strays: readonly Stray[]
}

/** Keys that configure nothing, said once for all that share the reason. */
export interface Stray {
  readonly keys: readonly string[]
  readonly finding: Finding
}

/** Sorts keys by agent, kind, part and property (C-02); what fits nowhere is a stray (C-05). */
export function sortKeys(store: PropertyStore): SortedKeys {
  const agents = new Map<string, AgentKeys>()
  const loose: { readonly entry: ConfigEntry; readonly agent: string; readonly word: string }[] = []
  for (const entry of store.entries()) {
    const [agent = '', kind = '', part, ...rest] = entry.key.split('.')
    if (agent === '' || !isKind(kind) || (part !== undefined && (part === '' || rest.length === 0))) {
      loose.push({ entry, agent, word: kind })
      continue
    }
    const keys = agentKeys(agents, agent, entry)
    if (part === undefined) {
      if (entry.text !== '') keys.lists.set(kind, entry)
      else loose.push({ entry, agent, word: kind })
    } else addToPart(keys.parts.get(kind) as Map<string, PartKeys>, part, rest.join('.'), entry)
  }
  return { agents, strays: sortStrays(loose, agents) }
}

function isKind(word: string): word is PartKind {
  return (partKinds as readonly string[]).includes(word)
}

function agentKeys(agents: Map<string, AgentKeys>, name: string, place: Place): AgentKeys {
  let keys = agents.get(name)
  if (!keys) {
    keys = { name, place, lists: new Map(), parts: new Map(partKinds.map((kind) => [kind, new Map()])) }
    agents.set(name, keys)
  }
  return keys
}

function addToPart(parts: Map<string, PartKeys>, name: string, property: string, entry: ConfigEntry): void {
  let part = parts.get(name)
  if (!part) {
    part = { name, place: entry, values: new Map(), empty: new Map() }
    parts.set(name, part)
  }
  if (entry.text === '') part.empty.set(property, entry)
  else part.values.set(property, entry)
}

function sortStrays(
  loose: readonly { readonly entry: ConfigEntry; readonly agent: string; readonly word: string }[],
  agents: ReadonlyMap<string, AgentKeys>,
): readonly Stray[] {
  const groups = new Map<string, { readonly agent: string; readonly word: string; readonly entries: ConfigEntry[] }>()
  for (const { entry, agent, word } of loose) {
    // Keys below one wrong word are one mistake; a line without a dot stands for itself.
    const isLine = word === '' || isKind(word)
    const group = isLine ? entry.key : agents.has(agent) ? `${agent}.${word}.` : `${agent}.`
    const known = groups.get(group)
    if (known) known.entries.push(entry)
    else groups.set(group, { agent, word: isLine ? '' : word, entries: [entry] })
  }
  return [...groups.values()].map(({ agent, word, entries }) => {
    const [first] = entries as [ConfigEntry]
    const { message, hint } = describeStray(first, agent, word, agents)
    const others = entries.length > 1 ? ` (${entries.length} lines begin so)` : ''
    return {
      keys: entries.map(({ key }) => key),
      finding: {
        severity: 'warning',
        file: first.file,
        line: first.line,
        column: first.column,
        path: shorten(first.key),
        code: 'stray-line',
        message: message + others,
        ...(hint ? { hint } : {}),
      },
    }
  })
}

function describeStray(
  entry: ConfigEntry,
  agent: string,
  word: string,
  agents: ReadonlyMap<string, AgentKeys>,
): { readonly message: string; readonly hint?: string | undefined } {
  if (!entry.key.includes('.') || agent === '') {
    return {
      message: 'is not a property of an agent; the line is ignored',
      hint: entry.key.startsWith('//') ? 'comments begin with #' : 'keys begin with the name of an agent and a dot',
    }
  }
  if (word === '') {
    if (entry.text === '') return { message: 'has no value; it is ignored' }
    return { message: 'names no property; it is ignored', hint: `such as ${entry.key.replace(/\.$/, '')}.type` }
  }
  if (agents.has(agent)) {
    return {
      message: `"${shorten(word)}" is nothing an agent has; it is ignored`,
      hint: didYouMean(word, partKinds) ?? `an agent has ${partKinds.join(', ')}`,
    }
  }
  return {
    message: `"${shorten(agent)}" is no agent of this file; it is ignored`,
    hint: didYouMean(agent, agents.keys()),
  }
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
