import type { Place } from '../../../spec/finding.ts'
import type { RawValue } from '../../../spec/option.ts'
import { suggestKey } from '../../../spec/read.ts'
import type { PartKeys } from '../agent-keys.ts'
import type { ConfigEntry } from '../property-store.ts'
import type { Draft } from './draft.ts'

/** `channels` of a source, `channel` of a sink, `sinks` of a group; reports what is missing and the mixing up of the two. */
export function frameEntry(
  draft: Draft,
  kind: 'sources' | 'sinks' | 'sinkgroups',
  keys: PartKeys,
  key: string,
  otherKey: string,
  own: Map<string, ConfigEntry>,
  empty: Map<string, Place>,
): ConfigEntry | undefined {
  const entry = keys.values.get(key)
  if (entry) return entry
  const path = draft.path(kind, keys.name)
  // What is said here is not said again as an unknown or an empty key.
  const instead = [...own.keys()].find((name) => name === otherKey || suggestKey(name, {}, [key]) === key)
  const other = instead === undefined ? undefined : own.get(instead)
  if (instead !== undefined) own.delete(instead)
  const emptyAt = empty.get(key)
  empty.delete(key)
  if (other) {
    const message = `is not an option, and ${key} is required`
    const words = { code: 'missing', path: path + instead, message, hint: `did you mean "${key}"?` }
    draft.world.report.error(other, words)
  } else if (emptyAt) {
    draft.world.report.error(emptyAt, { code: 'missing', path: path + key, message: 'has no value and needs one' })
  } else {
    const there = kind === 'sinkgroups' ? draft.sinks : draft.channels
    const hint = `this agent has ${quoted([...there.keys()]) || `no ${kind === 'sinkgroups' ? 'sinks' : 'channels'}`}`
    draft.world.report.error(keys.values.get('type') ?? keys.place, {
      code: 'missing',
      path: path + key,
      message: 'is required and missing',
      hint,
    })
  }
  return undefined
}

/** A part's own keys and those of the frame around it. */
export function split(
  keys: PartKeys,
  names: readonly string[],
  stems: readonly string[] = [],
): {
  readonly own: Map<string, ConfigEntry>
  readonly frame: ReadonlyMap<string, ConfigEntry>
  readonly empty: Map<string, Place>
} {
  const isFrame = (key: string): boolean => names.includes(key) || stems.some((stem) => key.startsWith(stem))
  return {
    own: new Map([...keys.values].filter(([key]) => !isFrame(key))),
    frame: new Map([...keys.values].filter(([key]) => isFrame(key))),
    empty: new Map([...keys.empty].filter(([key]) => !stems.some((stem) => key.startsWith(stem)))),
  }
}

/** The entries below a prefix, names relative to it. */
export function below<T extends RawValue | Place>(values: ReadonlyMap<string, T>, stem: string): Map<string, T> {
  const found = new Map<string, T>()
  for (const [key, value] of values) if (key.startsWith(stem)) found.set(key.slice(stem.length), value)
  return found
}

/** Names for a message. */
export function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}
