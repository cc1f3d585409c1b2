import { explain } from '../../core/error.ts'
import type { ConfigFilter, ConfigFilterSpec } from '../contract.ts'
import type { AgentKeys, PartKeys } from './agent-keys.ts'
import type { ConfigEntry } from './property-store.ts'
import { type FilterWorld, type PartWorld, readPart } from './read-part.ts'

/** `${name['key']}`, `${name["key"]}` or `${name[key]}`, as Flume finds it (C-26). */
const reference = /\$\{([^${}[\]]+)\[('|"|)([-_a-zA-Z0-9]+)\2\]\}/g

/** The name of the filter that a variable is for, when it reads like one: `f['key']`. */
export function filterNamed(variable: string): string | undefined {
  return [...`\${${variable}}`.matchAll(reference)][0]?.[1]
}

/**
 * Puts the values of an agent's config filters into the keys of its other parts (C-26). What cannot be had stays as
 * it is, with a finding. What was put in is secret from then on: the report hides it, and the entry says so.
 */
export async function applyFilters(
  keys: AgentKeys,
  filterKeys: readonly PartKeys[],
  world: PartWorld,
  { env, clock, onFile }: FilterWorld,
): Promise<void> {
  const filters = new Map<string, ConfigFilter>()
  for (const part of filterKeys) {
    const filter = await makeFilter(keys.name, part, world, { env, clock })
    if (filter) filters.set(part.name, filter)
  }
  if (filters.size === 0) return
  const { report } = world
  const answers = new Map<string, Promise<string | undefined>>()
  const ask = (name: string, key: string): Promise<string | undefined> => {
    const known = answers.get(`${name} ${key}`)
    if (known) return known
    const filter = filters.get(name) as ConfigFilter
    const file = filter.fileOf?.(key)
    if (file !== undefined) onFile(file)
    const asked = filter.get(key)
    answers.set(`${name} ${key}`, asked)
    return asked
  }
  for (const kind of ['sources', 'channels', 'sinks', 'sinkgroups'] as const) {
    for (const { values } of keys.parts.get(kind)?.values() ?? []) {
      for (const [property, entry] of values) {
        const found = [...entry.text.matchAll(reference)].filter(([, name = '']) => filters.has(name))
        if (found.length === 0) continue
        let text = ''
        let at = 0
        let isSecret = false
        for (const match of found) {
          const [whole, name = '', , key = ''] = match
          const value = await valueOf(ask, name, key, entry, world)
          text += entry.text.slice(at, match.index) + (value ?? whole)
          at = match.index + whole.length
          if (value === undefined) continue
          isSecret = true
          report.hide(value)
        }
        if (!isSecret) continue
        text += entry.text.slice(at)
        report.hide(text)
        values.set(property, { ...entry, text, secret: true })
      }
    }
  }
}

async function makeFilter(
  agentName: string,
  { name, values, empty, place }: PartKeys,
  world: PartWorld,
  context: Pick<FilterWorld, 'env' | 'clock'>,
): Promise<ConfigFilter | undefined> {
  const path = `${agentName}.configfilters.${name}.`
  const raws = new Map(values)
  raws.delete('type')
  const part = await readPart(
    { kind: 'config filter', type: values.get('type'), raws, empty, path, place, alsoKnown: ['type'] },
    world,
  )
  if (!part) return undefined
  try {
    return (part.spec as ConfigFilterSpec).create(part.options as never, { name, ...context })
  } catch (thrown) {
    world.report.error(place, {
      code: 'config-filter',
      path: path.slice(0, -1),
      message: `cannot be used: ${explain(thrown)}`,
    })
    return undefined
  }
}

async function valueOf(
  ask: (name: string, key: string) => Promise<string | undefined>,
  name: string,
  key: string,
  entry: ConfigEntry,
  { report }: PartWorld,
): Promise<string | undefined> {
  const at = { ...entry, ...entry.valueAt }
  const stays = `\${${name}[${key}]} stays as it is`
  try {
    const value = await ask(name, key)
    if (value === undefined) {
      const message = `config filter ${name} knows no "${key}"; ${stays}`
      report.warning(at, { code: 'config-filter', path: entry.key, message })
    }
    return value
  } catch (thrown) {
    const message = `config filter ${name} failed at "${key}": ${explain(thrown)}; ${stays}`
    report.warning(at, { code: 'config-filter', path: entry.key, message })
    return undefined
  }
}
