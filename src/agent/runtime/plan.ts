import type { AgentModel, ChannelModel, SinkModel, SourceModel } from '../config/model.ts'

/**
 * `adjust`: the running channel takes its new limits and keeps its events (MC-11). `restart`: stopped, made anew with
 * its new options, started.
 */
export type Change = 'keep' | 'start' | 'stop' | 'restart' | 'adjust'

export interface PlannedChange {
  readonly kind: 'source' | 'channel' | 'sink' | 'group'
  readonly name: string
  readonly change: Change
  /** Why, in a few words; absent for what is kept. */
  readonly why?: string
}

/** What a reload would do: one entry for each part of either model, sources, channels, sinks, then groups. */
export interface ReloadPlan {
  readonly changes: readonly PlannedChange[]
  /** True when everything is kept. */
  readonly isEmpty: boolean
}

/**
 * Compares the agent that runs with the one that is wanted (unlike Flume, which stops everything, R-03). A part is kept
 * when its own keys and everything it is attached to are as they were. Pure.
 */
export function planReload(running: AgentModel, wanted: AgentModel): ReloadPlan {
  const channels = compare('channel', running.channels, wanted.channels, channelChange)
  const restarted = new Set(channels.filter(({ change }) => change === 'restart').map(({ name }) => name))
  const resized = new Set(
    wanted.channels
      .filter(
        (channel) => transactionCapacityOf(byName(running.channels, channel.name)) !== transactionCapacityOf(channel),
      )
      .map(({ name }) => name),
  )
  const sources = compare('source', running.sources, wanted.sources, (old, next) =>
    sourceChange(old, next, restarted, resized),
  )
  const sinks = compare('sink', running.sinks, wanted.sinks, (old, next) => sinkChange(old, next, restarted))
  const movedSinks = new Map(sinks.filter(({ change }) => change !== 'keep').map((sink) => [sink.name, sink.change]))
  const groups = compare('group', running.groups, wanted.groups, (old, next) => {
    const own = partChange(old, next)
    if (own) return own
    if (old.sinks.join(' ') !== next.sinks.join(' '))
      return { change: 'restart', why: `sinks ${old.sinks.join(' ')} → ${next.sinks.join(' ')}` }
    const moved = next.sinks.find((sink) => movedSinks.has(sink))
    return moved === undefined ? undefined : { change: 'restart', why: `sink ${moved}: ${movedSinks.get(moved)}` }
  })
  const changes = [...sources, ...channels, ...sinks, ...groups]
  return { changes, isEmpty: changes.every(({ change }) => change === 'keep') }
}

/** The names of one kind that have one of the given changes. */
export function namesOf(plan: ReloadPlan, kind: PlannedChange['kind'], ...wanted: readonly Change[]): string[] {
  return plan.changes
    .filter((planned) => planned.kind === kind && wanted.includes(planned.change))
    .map(({ name }) => name)
}

type Verdict = { readonly change: Change; readonly why: string } | undefined

interface Part {
  readonly name: string
  readonly fingerprint: string
  readonly spec: { readonly type: string; readonly create: unknown }
}

function compare<M extends Part>(
  kind: PlannedChange['kind'],
  running: readonly M[],
  wanted: readonly M[],
  judge: (old: M, next: M) => Verdict,
): readonly PlannedChange[] {
  const planned = wanted.map((next): PlannedChange => {
    const old = byName(running, next.name)
    if (!old) return { kind, name: next.name, change: 'start', why: 'new' }
    return { kind, name: next.name, ...(judge(old, next) ?? { change: 'keep' as const }) }
  })
  const gone = running.filter(({ name }) => !byName(wanted, name))
  return [...planned, ...gone.map(({ name }): PlannedChange => ({ kind, name, change: 'stop', why: 'removed' }))]
}

function byName<M extends { readonly name: string }>(models: readonly M[], name: string): M | undefined {
  return models.find((model) => model.name === name)
}

/** A user's module that was changed is another component under the same name. */
function partChange(old: Part, next: Part): Verdict {
  if (old.spec.type !== next.spec.type) return { change: 'restart', why: `type ${old.spec.type} → ${next.spec.type}` }
  if (old.spec.create !== next.spec.create) return { change: 'restart', why: 'the code of its type changed' }
  if (old.fingerprint !== next.fingerprint) return { change: 'restart', why: 'its keys changed' }
  return undefined
}

function channelChange(old: ChannelModel, next: ChannelModel): Verdict {
  const own = partChange(old, next)
  if (!own || old.spec.create !== next.spec.create || !next.spec.capabilities.adjustable) return own
  const fixed = next.spec.fixedOptions?.find((name) => !isSame(old.options[name], next.options[name]))
  if (fixed !== undefined) return { change: 'restart', why: `${fixed} changed` }
  return { change: 'adjust', why: own.why }
}

/** Options are plain values, lists and tables of them. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function sourceChange(
  old: SourceModel,
  next: SourceModel,
  restarted: ReadonlySet<string>,
  resized: ReadonlySet<string>,
): Verdict {
  const own = partChange(old, next)
  if (own) return own
  if (old.channels.join(' ') !== next.channels.join(' '))
    return { change: 'restart', why: `channels ${old.channels.join(' ')} → ${next.channels.join(' ')}` }
  const inner = [next.selector, ...next.interceptors]
  const before = [old.selector, ...old.interceptors]
  if (inner.length !== before.length || inner.some(({ spec }, i) => spec.create !== before[i]?.spec.create))
    return { change: 'restart', why: 'its interceptors or its selector changed' }
  const channel = next.channels.find((name) => restarted.has(name))
  if (channel !== undefined) return { change: 'restart', why: `channel ${channel} restarts` }
  // A source that cuts its own batches has read their limit when it was made.
  const limited = next.spec.batchSizeOption ? next.channels.find((name) => resized.has(name)) : undefined
  return limited === undefined ? undefined : { change: 'restart', why: `transactionCapacity of channel ${limited}` }
}

function sinkChange(old: SinkModel, next: SinkModel, restarted: ReadonlySet<string>): Verdict {
  const own = partChange(old, next)
  if (own) return own
  if (old.channel !== next.channel) return { change: 'restart', why: `channel ${old.channel} → ${next.channel}` }
  if (restarted.has(next.channel)) return { change: 'restart', why: `channel ${next.channel} restarts` }
  // Which channel, and how often: the keys are the sink's own, but a channel may be left out or made anew around them.
  const [before, after] = [old.deadLetters?.channel, next.deadLetters?.channel]
  if (before !== after) return { change: 'restart', why: `dead letters ${before ?? 'none'} → ${after ?? 'none'}` }
  if (after !== undefined && restarted.has(after)) return { change: 'restart', why: `channel ${after} restarts` }
  if (old.batchLimit !== next.batchLimit) return { change: 'restart', why: `transactionCapacity of its channel` }
  return undefined
}

function transactionCapacityOf(channel: ChannelModel | undefined): unknown {
  const option = channel?.spec.transactionCapacityOption
  return option === undefined ? undefined : channel?.options[option]
}
