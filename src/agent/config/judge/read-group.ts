import { didYouMean } from '../../../spec/nearest.ts'
import { suggestKey } from '../../../spec/read.ts'
import type { SinkProcessorSpec, SinkSpec } from '../../contract.ts'
import type { PartKeys } from '../agent-keys.ts'
import type { ConfigEntry } from '../property-store.ts'
import { readNames } from '../read-list.ts'
import { type Part, type PartWorld, readPart } from '../read-part.ts'
import type { Draft, ListedGroup } from './draft.ts'
import { below, frameEntry, quoted } from './frame.ts'

/** Reads a group once it is known which sinks run. A group that cannot run takes its sinks with it (C-23). */
export async function readGroup(draft: Draft, keys: PartKeys, grouped: Map<string, string>): Promise<ListedGroup> {
  const { types } = draft.world
  const path = draft.path('sinkgroups', keys.name)
  judgeGroupKeys(draft, keys, path)
  const sinks = sinksOf(draft, keys, path, grouped)
  if (!sinks) return { keys, part: undefined, sinks: [], isOff: true }
  const raws = below(keys.values, 'processor.')
  const type = raws.get('type')
  raws.delete('type')
  const part = await readPart(
    {
      kind: 'sink processor',
      type,
      raws,
      empty: below(keys.empty, 'processor.'),
      path: `${path}processor.`,
      place: keys.place,
      alsoKnown: ['type'],
      noTypeHint: `it is one of ${types.typesOf('sink processor').join(', ')}`,
    },
    draft.world,
  )
  const isWhole = part !== undefined && checkMembers(draft, part, sinks, raws, keys, path)
  if (!isWhole) {
    draft.leftOut('sinkgroups', keys)
    for (const name of sinks) {
      const sink = draft.sinks.get(name)
      if (!sink?.part) continue
      // Flume has handed the sink to the group by then, so that it does not run alone either.
      sink.part = undefined
      draft.leftOut('sinks', sink.keys)
    }
  }
  return { keys, part: isWhole ? part : undefined, sinks }
}

function judgeGroupKeys(draft: Draft, keys: PartKeys, path: string): void {
  for (const [key, entry] of keys.values) {
    if (key === 'sinks' || key.startsWith('processor.')) continue
    const meant = suggestKey(key, {}, ['sinks', 'processor.type'])
    // What stands for the missing list is said where the list is looked for.
    if (meant === 'sinks' && !keys.values.has('sinks')) continue
    const hint = meant === undefined ? 'a group has sinks, processor.type and processor.…' : `did you mean "${meant}"?`
    const words = { path: path + key, message: 'is not an option and has no effect', hint }
    draft.world.report.warning(entry, { code: meant === undefined ? 'unknown-key' : 'misspelt-key', ...words })
  }
}

/** The sinks a group drives (C-15); undefined when it has none, which has been reported. */
function sinksOf(
  draft: Draft,
  keys: PartKeys,
  path: string,
  grouped: Map<string, string>,
): readonly string[] | undefined {
  const { report } = draft.world
  const entry = frameEntry(draft, 'sinkgroups', keys, 'sinks', 'sink', new Map(keys.values), new Map(keys.empty))
  if (!entry) {
    // Flume ends the reading of the whole file with a null pointer (C-16).
    draft.leftOut('sinkgroups', keys)
    return undefined
  }
  const at = { ...entry, ...entry.valueAt }
  const sinks: string[] = []
  for (const name of readNames(entry, entry.key, report)) {
    const sink = draft.sinks.get(name)
    const other = grouped.get(name)
    if (!sink) {
      const message = `"${name}" is no sink of this agent; the group goes without it`
      report.warning(at, {
        code: 'undeclared-sink',
        path: entry.key,
        message,
        hint: didYouMean(name, draft.sinks.keys()),
      })
    } else if (other !== undefined) {
      const message = `"${name}" is in group ${other} already; this group goes without it`
      report.warning(at, { code: 'sink-in-two-groups', path: entry.key, message })
    } else if (draft.counts(sink)) {
      grouped.set(name, keys.name)
      sinks.push(name)
    } else if (sink.isOff !== true) {
      // Flume would run no component at all here (C-22).
      const message = `sink "${name}" is left out, and the group goes without it`
      report.warning(at, { code: 'undeclared-sink', path: entry.key, message })
    }
  }
  if (sinks.length > 0) return sinks
  const message = 'has no sink that runs; the group is left out, and its sinks are on their own'
  report.warning(at, { code: 'empty-group', path: path.slice(0, -1), message })
  return undefined
}

/** Whether the processor can drive so many sinks, and whether its options name any that are not there. */
function checkMembers(
  draft: Draft,
  part: Part,
  sinks: readonly string[],
  raws: ReadonlyMap<string, ConfigEntry>,
  keys: PartKeys,
  path: string,
): boolean {
  const { report } = draft.world
  const spec = part.spec as SinkProcessorSpec
  for (const { option, sink } of spec.sinksNamed?.(part.options as never) ?? []) {
    if (sinks.includes(sink)) continue
    report.warning(raws.get(option) ?? keys.place, {
      code: 'processor-sink',
      path: `${path}processor.${option}`,
      message: `"${sink}" is not among the group's sinks; the line has no effect`,
      hint: didYouMean(sink, sinks) ?? `they are ${sinks.join(', ')}`,
    })
  }
  const pulled = sinks.filter((name) => {
    const part = draft.sinks.get(name)?.part
    return part !== undefined && (part.spec as SinkSpec).pulled?.(part.options as never) === true
  })
  if (sinks.length > 1 && pulled.length > 0) {
    report.error(keys.values.get('sinks') ?? keys.place, {
      code: 'pulled-sink',
      path: `${path}sinks`,
      message: `${quoted(pulled)} is emptied by its reader, and no processor decides when`,
      hint: 'leave it out of the group, so that it runs alone',
    })
    return false
  }
  const { min = 1, max = Number.POSITIVE_INFINITY } = spec.sinkCount ?? {}
  if (sinks.length >= min && sinks.length <= max) return true
  const entry = keys.values.get('sinks') ?? keys.place
  const wants = sinks.length < min ? `${min} or more` : max === 1 ? 'one only' : `${max} at most`
  const several = types(draft.world, sinks.length, spec.type)
  report.error(entry, {
    code: 'sink-count',
    path: `${path}sinks`,
    message: `has ${sinks.length} ${sinks.length === 1 ? 'sink' : 'sinks'} that run, and processor ${spec.type} takes ${wants}`,
    hint:
      sinks.length < min
        ? 'add sinks to the group, or take the group out, so that the sink runs alone'
        : `for several sinks there are ${several}`,
  })
  return false
}

/** Processors that take so many sinks. */
function types({ types }: PartWorld, sinkCount: number, except: string): string {
  return types
    .typesOf('sink processor')
    .filter((type) => {
      const spec = types.find('sink processor', type) as SinkProcessorSpec | undefined
      const { min = 1, max = Number.POSITIVE_INFINITY } = spec?.sinkCount ?? {}
      return type !== except && sinkCount >= min && sinkCount <= max
    })
    .join(', ')
}
