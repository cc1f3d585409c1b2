import type {
  ChannelSpec,
  InterceptorSpec,
  SelectorSpec,
  SinkProcessorSpec,
  SinkSpec,
  SourceSpec,
} from '../../contract.ts'
import type { PartKind } from '../agent-keys.ts'
import type { RunningPart, RunningParts } from '../cross-checks.ts'
import type { AgentModel, ChannelModel, SinkGroupModel, SinkModel, SourceModel } from '../model.ts'
import { fingerprintOf } from '../read-part.ts'
import type { Draft, Listed } from './draft.ts'

/** The parts that would run, for checks between them. */
export function runningParts(draft: Draft): RunningParts {
  const running = (kind: PartKind, { keys, part }: Listed): readonly RunningPart[] => {
    if (!part) return []
    const { spec, options, given } = part
    const place = keys.values.get('type') ?? keys.place
    return [{ name: keys.name, path: draft.path(kind, keys.name), place, spec, options, given }]
  }
  return {
    sources: [...draft.sources.values()].flatMap((source) =>
      running('sources', source).map((one) => ({
        ...one,
        channels: source.channels,
        interceptors: source.interceptors.map(({ part }) => part),
      })),
    ),
    channels: [...draft.channels.values()].flatMap((channel) => running('channels', channel)),
    sinks: [...draft.sinks.values()].flatMap((sink) =>
      running('sinks', sink).map((one) => ({ ...one, channel: sink.channel ?? '' })),
    ),
  }
}

export function survivingModel(draft: Draft): AgentModel {
  const channels: ChannelModel[] = []
  for (const [name, { keys, part }] of draft.channels) {
    if (!part) continue
    const { spec, options } = part
    channels.push({
      name,
      spec: spec as ChannelSpec,
      options,
      fingerprint: fingerprintOf(keys.values, part.secretKeys, part.code),
    })
  }
  const alive = new Set(channels.map(({ name }) => name))
  const sources: SourceModel[] = []
  for (const [name, { keys, part, selector, interceptors, channels: feeds }] of draft.sources) {
    const fed = feeds.filter((channel) => alive.has(channel))
    if (!part || !selector || fed.length === 0) continue
    const secrets = new Set(part.secretKeys)
    for (const key of selector.secretKeys) secrets.add(`selector.${key}`)
    for (const one of interceptors)
      for (const key of one.part.secretKeys) secrets.add(`interceptors.${one.name}.${key}`)
    const code = [part, selector, ...interceptors.map((one) => one.part)].flatMap((one) => one.code)
    sources.push({
      name,
      spec: part.spec as SourceSpec,
      options: part.options,
      fingerprint: fingerprintOf(keys.values, secrets, code),
      channels: fed,
      selector: { spec: selector.spec as SelectorSpec, options: selector.options },
      interceptors: interceptors.map((one) => ({
        name: one.name,
        spec: one.part.spec as InterceptorSpec,
        options: one.part.options,
      })),
    })
  }
  const sinks: SinkModel[] = []
  for (const [name, { keys, part, channel, batchLimit, deadLetters }] of draft.sinks) {
    if (!part || channel === undefined || !alive.has(channel)) continue
    sinks.push({
      name,
      spec: part.spec as SinkSpec,
      options: part.options,
      fingerprint: fingerprintOf(keys.values, part.secretKeys, part.code),
      channel,
      batchLimit,
      ...(deadLetters && alive.has(deadLetters.channel) ? { deadLetters } : {}),
    })
  }
  return { name: draft.keys.name, channels, sources, sinks, groups: groupModels(draft, sinks) }
}

function groupModels(draft: Draft, running: readonly SinkModel[]): readonly SinkGroupModel[] {
  const groups: SinkGroupModel[] = []
  for (const [name, { keys, part, sinks: members }] of draft.groups) {
    const sinks = members.filter((member) => running.some((sink) => sink.name === member))
    if (!part || sinks.length === 0) continue
    const secrets = new Set([...part.secretKeys].map((key) => `processor.${key}`))
    groups.push({
      name,
      spec: part.spec as SinkProcessorSpec,
      options: part.options,
      fingerprint: fingerprintOf(keys.values, secrets, part.code),
      sinks,
    })
  }
  return groups
}
