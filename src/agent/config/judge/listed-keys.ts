import { didYouMean } from '../../../spec/nearest.ts'
import type { PartKeys, PartKind } from '../agent-keys.ts'
import { readNames } from '../read-list.ts'
import type { Draft } from './draft.ts'

/** The keys of every listed part that has any (C-11). */
export function listedKeys(draft: Draft, kind: PartKind): readonly PartKeys[] {
  const { report } = draft.world
  const list = draft.keys.lists.get(kind)
  const path = `${draft.keys.name}.${kind}`
  const names = readNames(list, path, report)
  const parts = draft.keys.parts.get(kind) as ReadonlyMap<string, PartKeys>
  const spare = [...parts.keys()].filter((name) => !names.includes(name))
  const found: PartKeys[] = []
  // From a comment on every word has been reported as one.
  const comment = names.findIndex((name) => name.startsWith('#') || name.startsWith('//'))
  for (const [index, name] of names.entries()) {
    const keys = parts.get(name)
    if (keys) found.push(keys)
    else if (list && !name.includes(',') && (comment < 0 || index < comment)) {
      report.warning(
        { ...list, ...list.valueAt },
        {
          code: 'not-configured',
          path,
          message: `"${name}" is listed and has no keys; it is left out`,
          hint: didYouMean(name, spare),
        },
      )
    }
  }
  if (kind === 'channels' && !list) {
    report.fatal(draft.keys.place, { code: 'no-channels', path, message: 'is missing: an agent needs a channel' })
  }
  noteUnlisted(draft, kind, names)
  return found
}

/** People switch parts off by taking them out of the list. */
function noteUnlisted(draft: Draft, kind: PartKind, names: readonly string[]): void {
  for (const [name, { place }] of draft.keys.parts.get(kind) as ReadonlyMap<string, PartKeys>) {
    if (names.includes(name)) continue
    const path = `${draft.keys.name}.${kind}.${name}`
    const message = `is configured and not listed in ${draft.keys.name}.${kind}; it does not run`
    draft.world.report.note(place, { code: 'not-listed', path, message })
  }
}
