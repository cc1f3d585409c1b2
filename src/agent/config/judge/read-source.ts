import type { Place } from '../../../spec/finding.ts'
import { didYouMean } from '../../../spec/nearest.ts'
import type { SelectorSpec } from '../../contract.ts'
import type { PartKeys } from '../agent-keys.ts'
import type { ConfigEntry } from '../property-store.ts'
import { readNames } from '../read-list.ts'
import { type Part, readPart } from '../read-part.ts'
import type { Draft, ListedSource } from './draft.ts'
import { below, frameEntry, quoted, split } from './frame.ts'

export async function readSource(draft: Draft, keys: PartKeys): Promise<ListedSource> {
  const path = draft.path('sources', keys.name)
  const { own, empty, frame } = split(
    keys,
    ['type', 'channels', 'interceptors', 'config'],
    ['interceptors.', 'selector.'],
  )
  const channels = channelsOf(draft, keys, own, empty)
  const alsoKnown = ['type', 'channels', 'interceptors', 'selector.type']
  const part = await readPart(
    { kind: 'source', type: frame.get('type'), raws: own, empty, path, place: keys.place, alsoKnown },
    draft.world,
  )
  const selector = await readSelector(draft, keys, channels ?? [])
  const interceptors = await readInterceptors(draft, keys)
  const isWhole = part && channels && selector && interceptors
  if (!isWhole) draft.leftOut('sources', keys)
  return {
    keys,
    part: isWhole ? part : undefined,
    channels: channels ?? [],
    selector,
    interceptors: interceptors ?? [],
  }
}

/** The channels a source feeds, those that do not exist cut off (C-13); undefined when none is left. */
function channelsOf(
  draft: Draft,
  keys: PartKeys,
  own: Map<string, ConfigEntry>,
  empty: Map<string, Place>,
): readonly string[] | undefined {
  const { report } = draft.world
  const entry = frameEntry(draft, 'sources', keys, 'channels', 'channel', own, empty)
  if (!entry) return undefined
  const names = readNames(entry, entry.key, report)
  const known = names.filter((name) => draft.isRunning(name))
  const missing = names.filter((name) => !known.includes(name))
  if (missing.length === 0) return known
  const at = { ...entry, ...entry.valueAt }
  const hint = missing.map((name) => didYouMean(name, draft.channels.keys())).find((text) => text !== undefined)
  const message = `${quoted(missing)} ${missing.length === 1 ? 'is no channel' : 'are no channels'} of this agent`
  if (known.length > 0) {
    report.warning(at, { code: 'undeclared-channel', path: entry.key, message: `${message}; left out`, hint })
    return known
  }
  const words = { code: 'no-channel', path: entry.key, message: `${message}, and no other is left`, hint }
  report.error(at, words)
  return undefined
}

async function readSelector(draft: Draft, keys: PartKeys, channels: readonly string[]): Promise<Part | undefined> {
  const raws = below(keys.values, 'selector.')
  const type = raws.get('type')
  raws.delete('type')
  const path = `${draft.path('sources', keys.name)}selector.`
  const part = await readPart(
    {
      kind: 'selector',
      type,
      defaultType: 'replicating',
      raws,
      empty: below(keys.empty, 'selector.'),
      path,
      place: keys.place,
      alsoKnown: ['type'],
    },
    draft.world,
  )
  let failed = false
  for (const { option, channel } of (part?.spec as SelectorSpec | undefined)?.channelsNamed?.(part?.options as never) ??
    []) {
    if (channels.includes(channel) || channels.length === 0) continue
    const at = raws.get(option) ?? keys.place
    draft.world.report.error(at, {
      code: 'selector-channel',
      path: path + option,
      message: `"${channel}" is not among the source's channels`,
      hint: didYouMean(channel, channels) ?? `they are ${channels.join(', ')}`,
    })
    failed = true
  }
  return failed ? undefined : part
}

async function readInterceptors(draft: Draft, keys: PartKeys): Promise<ListedSource['interceptors'] | undefined> {
  const path = `${draft.path('sources', keys.name)}interceptors`
  const names = readNames(keys.values.get('interceptors'), path, draft.world.report)
  const all = below(keys.values, 'interceptors.')
  const made: { readonly name: string; readonly part: Part }[] = []
  for (const name of names) {
    const raws = below(all, `${name}.`)
    const type = raws.get('type')
    raws.delete('type')
    const part = await readPart(
      {
        kind: 'interceptor',
        type,
        raws,
        empty: below(keys.empty, `interceptors.${name}.`),
        path: `${path}.${name}.`,
        place: keys.values.get('interceptors') ?? keys.place,
        alsoKnown: ['type'],
      },
      draft.world,
    )
    if (part) made.push({ name, part })
  }
  const noted = new Set(names)
  for (const [key, entry] of all) {
    const name = key.slice(0, key.indexOf('.') < 0 ? undefined : key.indexOf('.'))
    if (noted.has(name)) continue
    noted.add(name)
    const message = `is configured and not listed in ${path}; it does not run`
    draft.world.report.note(entry, { code: 'not-listed', path: `${path}.${name}`, message })
  }
  return made.length === names.length ? made : undefined
}
