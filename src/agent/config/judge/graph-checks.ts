import type { ChannelSpec, SinkSpec, SourceSpec } from '../../contract.ts'
import type { ConfigEntry } from '../property-store.ts'
import type { Words } from '../report.ts'
import type { Draft, Listed, ListedSink } from './draft.ts'

/** A batch above a channel's transactionCapacity can never be put or taken whole (C-21). */
export function checkBatchSizes(draft: Draft): void {
  for (const [name, source] of draft.sources) {
    for (const channel of source.channels) checkBatchSize(draft, 'sources', name, source, channel)
  }
  for (const [name, sink] of draft.sinks) {
    if (sink.channel !== undefined) {
      sink.batchLimit = checkBatchSize(draft, 'sinks', name, sink, sink.channel)
    }
  }
}

/** Answers the channel's limit where the default batch size is above it. */
function checkBatchSize(
  draft: Draft,
  kind: 'sources' | 'sinks',
  name: string,
  listed: Listed,
  channelName: string,
): number | undefined {
  const spec = listed.part?.spec as SourceSpec | SinkSpec | undefined
  const channel = draft.channels.get(channelName)?.part
  const limitOption = (channel?.spec as ChannelSpec | undefined)?.transactionCapacityOption
  const limit = limitOption === undefined ? undefined : channel?.options[limitOption]
  const sizeOption = spec?.batchSizeOption
  const size = sizeOption === undefined ? undefined : listed.part?.options[sizeOption]
  if (typeof limit !== 'number' || typeof size !== 'number' || size <= limit || sizeOption === undefined) {
    return undefined
  }
  const path = draft.path(kind, name) + sizeOption
  const limitPath = `${draft.path('channels', channelName)}${limitOption}`
  const given = listed.part?.given.get(sizeOption)
  if (given) {
    draft.world.report.error(
      { ...given, ...given.valueAt },
      {
        code: 'batch-size',
        path,
        message: `a batch of ${size} is more than channel ${channelName} takes at once (${limit})`,
        hint: `set ${limitPath} to ${size} or more, or ${path} to ${limit} or less`,
      },
    )
    listed.part = undefined
    draft.leftOut(kind, listed.keys)
    return undefined
  }
  draft.world.report.warning(listed.keys.values.get('type') ?? listed.keys.place, {
    code: 'batch-size',
    path,
    message: `the default of ${size} is more than channel ${channelName} takes at once; ${limit} is used`,
    hint: `set ${limitPath} to ${size} or more`,
  })
  return limit
}

/** Dead letters that come back to where they came from, over other sinks, would go round for ever. */
export function checkCircles(draft: Draft): void {
  const next = (channel: string): { readonly sink: ListedSink; readonly to: string }[] =>
    [...draft.sinks.values()].flatMap((sink) =>
      draft.counts(sink) && sink.channel === channel && sink.deadLetters
        ? [{ sink, to: sink.deadLetters.channel }]
        : [],
    )
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    if (from === to) return true
    if (seen.has(from)) return false
    seen.add(from)
    return next(from).some((step) => reaches(step.to, to, seen))
  }
  for (const sink of draft.sinks.values()) {
    if (!draft.counts(sink) || !sink.deadLetters || sink.channel === undefined) continue
    if (!reaches(sink.deadLetters.channel, sink.channel, new Set())) continue
    const entry = sink.keys.values.get('deadLetter.channel') as ConfigEntry
    draft.world.report.error(
      { ...entry, ...entry.valueAt },
      {
        code: 'dead-letter-circle',
        path: entry.key,
        message: `leads back to channel ${sink.channel}, which this sink empties: the events would go round for ever`,
        hint: 'let the last sink have no deadLetter.channel',
      },
    )
    sink.deadLetters = undefined
  }
}

/** Every channel is fed and drained, or that is said: what nobody drains fills up and blocks its source. */
export function checkFlow(draft: Draft): void {
  const { report } = draft.world
  for (const [name, channel] of draft.channels) {
    if (!draft.counts(channel)) continue
    const place = channel.keys.values.get('type') ?? channel.keys.place
    const path = `${draft.keys.name}.channels.${name}`
    const feeders = [
      ...[...draft.sources]
        .filter(([, source]) => draft.counts(source) && source.channels.includes(name))
        .map(([source]) => source),
      ...[...draft.sinks]
        .filter(([, sink]) => draft.counts(sink) && sink.deadLetters?.channel === name)
        .map(([sink]) => `the dead letters of ${sink}`),
    ]
    const isDrained = [...draft.sinks.values()].some((sink) => draft.counts(sink) && sink.channel === name)
    const isExternal = (channel.part?.spec as ChannelSpec | undefined)?.capabilities.external === true
    const isKnown = channel.part !== undefined
    if (feeders.length === 0 && !isDrained) {
      report.warning(place, {
        code: 'unused-channel',
        path,
        message: 'is fed and drained by nothing; it is left out',
      })
      channel.part = undefined
    } else if (isExternal || !isKnown) {
      // Others may be at the other end, or it cannot be told which channel this is.
    } else if (!isDrained) {
      const words: Words = {
        code: 'never-drained',
        path,
        message: `is fed by ${feeders.join(', ')} and drained by no sink: it would fill up and block`,
        hint: drainHint(draft, name),
      }
      report.error(place, words)
    } else if (feeders.length === 0) {
      report.note(place, { code: 'never-fed', path, message: 'is fed by no source' })
    }
  }
  const runs = [...draft.sources.values(), ...draft.sinks.values()].some((listed) => draft.counts(listed))
  if (!runs && draft.keys.lists.has('channels')) {
    const message = 'has no source and no sink that could run'
    report.fatal(draft.keys.place, { code: 'nothing-to-run', path: draft.keys.name, message })
  }
}

/** A sink that would drain the channel and is not in the list. */
function drainHint(draft: Draft, channel: string): string {
  for (const [name, { values }] of draft.keys.parts.get('sinks') ?? []) {
    if (!draft.sinks.has(name) && values.get('channel')?.text === channel) {
      return `sink ${name} would drain it: add it to ${draft.keys.name}.sinks`
    }
  }
  return `name it as the channel of a sink`
}
