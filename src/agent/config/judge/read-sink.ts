import { didYouMean } from '../../../spec/nearest.ts'
import { count, text } from '../../../spec/option.ts'
import { readOptions } from '../../../spec/read.ts'
import type { SinkSpec } from '../../contract.ts'
import type { PartKeys } from '../agent-keys.ts'
import type { DeadLetterModel } from '../model.ts'
import type { ConfigEntry } from '../property-store.ts'
import { type Part, readPart } from '../read-part.ts'
import type { Draft, ListedSink } from './draft.ts'
import { frameEntry, split } from './frame.ts'

/** Keys around every sink (docs/dead-letters.md). */
const deadLetterOptions = {
  'deadLetter.channel': text({ optional: true, doc: 'Channel for events that can never be delivered.' }),
  'deadLetter.attempts': count({
    optional: true,
    min: 1,
    max: 1000,
    doc: 'How often an event is tried alone that is refused while others are taken; when left out, only events that a sink names are set aside.',
  }),
}

export async function readSink(draft: Draft, keys: PartKeys): Promise<ListedSink> {
  const { report } = draft.world
  const path = draft.path('sinks', keys.name)
  const { own, empty, frame } = split(keys, ['type', 'channel', 'config', ...Object.keys(deadLetterOptions)])
  const entry = frameEntry(draft, 'sinks', keys, 'channel', 'channels', own, empty)
  const channel = entry?.text
  const part = await readPart(
    {
      kind: 'sink',
      type: frame.get('type'),
      raws: own,
      empty,
      path,
      place: keys.place,
      alsoKnown: ['type', 'channel', ...Object.keys(deadLetterOptions)],
    },
    draft.world,
  )
  const deadLetters = deadLettersOf(draft, keys, path, frame, part, channel)
  if (!part || !entry || channel === undefined || deadLetters === 'wrong') {
    draft.leftOut('sinks', keys)
    // A sink that cannot run still says which channel it would have drained.
    return { keys, part: undefined, channel, batchLimit: undefined }
  }
  if (draft.isRunning(channel)) return { keys, part, channel, batchLimit: undefined, deadLetters }
  const known = didYouMean(channel, draft.channels.keys())
  const oneOnly = /\s/.test(channel) ? 'a sink has one channel' : undefined
  report.warning(
    { ...entry, ...entry.valueAt },
    {
      code: 'undeclared-channel',
      path: entry.key,
      message: `"${channel}" is no channel of this agent; the sink does not run`,
      hint: oneOnly ?? known,
    },
  )
  return { keys, part: undefined, channel: undefined, batchLimit: undefined, isOff: true }
}

/** Where a sink sets events aside that can never be delivered; `wrong` once that has been reported. */
function deadLettersOf(
  draft: Draft,
  keys: PartKeys,
  path: string,
  frame: ReadonlyMap<string, ConfigEntry>,
  part: Part | undefined,
  own: string | undefined,
): DeadLetterModel | 'wrong' | undefined {
  const { report } = draft.world
  const raws = new Map([...frame].filter(([key]) => Object.hasOwn(deadLetterOptions, key)))
  const { values, findings } = readOptions({ table: deadLetterOptions, raws, path, place: keys.place })
  let isWrong = false
  for (const found of findings) isWrong = report.addOfPart(found) || isWrong
  if (isWrong) return 'wrong'
  const entry = raws.get('deadLetter.channel')
  if (!entry) {
    const [other] = raws.values()
    const message = 'has no effect: there is no deadLetter.channel'
    if (other) report.warning(other, { code: 'no-effect', path: other.key, message })
    return undefined
  }
  const channel = entry.text
  const at = { ...entry, ...entry.valueAt }
  const error = (code: string, message: string, hint: string | undefined): 'wrong' => {
    report.error(at, { code, path: entry.key, message, hint })
    return 'wrong'
  }
  if (channel === own) {
    const hint = 'name a channel with a sink of its own, such as a file_roll'
    return error('dead-letter-circle', 'is the channel that the sink empties: the events would come again', hint)
  }
  if (!draft.isRunning(channel)) {
    const message = `"${channel}" is no channel of this agent`
    return error('undeclared-channel', message, didYouMean(channel, draft.channels.keys()))
  }
  if (part && (part.spec as SinkSpec).pulled?.(part.options as never) === true) {
    const message = 'has no effect: the sink is emptied by its reader, and nobody can tell which events it refuses'
    report.warning(at, { code: 'no-effect', path: entry.key, message })
    return undefined
  }
  return { channel, attempts: values['deadLetter.attempts'] as number | undefined }
}
