import type { AgentKeys, PartKeys } from '../agent-keys.ts'
import { crossCheck } from '../cross-checks.ts'
import { applyFilters } from '../filters.ts'
import type { AgentModel } from '../model.ts'
import { type PartWorld, readPart } from '../read-part.ts'
import { Draft, type Listed } from './draft.ts'
import { split } from './frame.ts'
import { checkBatchSizes, checkCircles, checkFlow } from './graph-checks.ts'
import { listedKeys } from './listed-keys.ts'
import { readGroup } from './read-group.ts'
import { readSink } from './read-sink.ts'
import { readSource } from './read-source.ts'
import { runningParts, survivingModel } from './surviving.ts'

/**
 * Judges the graph that would run, not the text: what cannot start, would lose data or would block it is an error, what
 * Flume ignores is a warning. Answers what survives; whether it may start is for the caller, who sees the findings.
 */
export async function judgeAgent(keys: AgentKeys, world: PartWorld): Promise<AgentModel> {
  const draft = new Draft(keys, world)
  const { channels, sources, sinks, groups } = draft
  const filterKeys = listedKeys(draft, 'configfilters')
  if (world.filters) await applyFilters(keys, filterKeys, world, world.filters)
  for (const keys of listedKeys(draft, 'channels')) channels.set(keys.name, await readChannel(draft, keys))
  for (const keys of listedKeys(draft, 'sources')) sources.set(keys.name, await readSource(draft, keys))
  for (const keys of listedKeys(draft, 'sinks')) sinks.set(keys.name, await readSink(draft, keys))
  checkBatchSizes(draft)
  const grouped = new Map<string, string>()
  for (const keys of listedKeys(draft, 'sinkgroups')) groups.set(keys.name, await readGroup(draft, keys, grouped))
  checkCircles(draft)
  checkFlow(draft)
  crossCheck(runningParts(draft), world.report)
  return survivingModel(draft)
}

async function readChannel(draft: Draft, keys: PartKeys): Promise<Listed> {
  const path = draft.path('channels', keys.name)
  const { own, empty, frame } = split(keys, ['type', 'config'])
  const part = await readPart(
    { kind: 'channel', type: frame.get('type'), raws: own, empty, path, place: keys.place, alsoKnown: ['type'] },
    draft.world,
  )
  if (!part) draft.leftOut('channels', keys)
  return { keys, part }
}
