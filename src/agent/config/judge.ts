import type { Place } from '../../spec/finding.ts'
import { didYouMean } from '../../spec/nearest.ts'
import { count, type RawValue, text } from '../../spec/option.ts'
import { readOptions, suggestKey } from '../../spec/read.ts'
import type {
  ChannelSpec,
  InterceptorSpec,
  SelectorSpec,
  SinkProcessorSpec,
  SinkSpec,
  SourceSpec,
} from '../contract.ts'
import type { AgentKeys, PartKeys, PartKind } from './agent-keys.ts'
import { crossCheck, type RunningPart, type RunningParts } from './cross-checks.ts'
import { applyFilters } from './filters.ts'
import type { AgentModel, ChannelModel, DeadLetterModel, SinkGroupModel, SinkModel, SourceModel } from './model.ts'
import type { ConfigEntry } from './property-store.ts'
import { readNames } from './read-list.ts'
import { fingerprintOf, type Part, type PartWorld, readPart } from './read-part.ts'
import type { Words } from './report.ts'

/** A listed part that has keys; without `part` something is wrong with it, and that has been reported. */
interface Listed {
  readonly keys: PartKeys
  part: Part | undefined
  /** Left out although nothing is wrong with the part itself. */
  readonly isOff?: boolean
}

interface ListedSource extends Listed {
  channels: readonly string[]
  selector: Part | undefined
  interceptors: readonly { readonly name: string; readonly part: Part }[]
}

interface ListedSink extends Listed {
  channel: string | undefined
  batchLimit: number | undefined
  deadLetters?: DeadLetterModel | undefined
}

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

interface ListedGroup extends Listed {
  /** Its sinks as far as they count, each in this group only. */
  sinks: readonly string[]
}

/**
 * Judges the graph that would run, not the text: what cannot start, would lose data or would block it is an error, what
 * Flume ignores is a warning. Answers what survives; whether it may start is for the caller, who sees the findings.
 */
export async function judgeAgent(keys: AgentKeys, world: PartWorld): Promise<AgentModel> {
  return new Judge(keys, world).judge()
}

class Judge {
  readonly #keys: AgentKeys
  readonly #world: PartWorld
  readonly #channels = new Map<string, Listed>()
  readonly #sources = new Map<string, ListedSource>()
  readonly #sinks = new Map<string, ListedSink>()
  readonly #groups = new Map<string, ListedGroup>()

  constructor(keys: AgentKeys, world: PartWorld) {
    this.#keys = keys
    this.#world = world
  }

  async judge(): Promise<AgentModel> {
    const filterKeys = this.#listed('configfilters')
    if (this.#world.filters) await applyFilters(this.#keys, filterKeys, this.#world, this.#world.filters)
    for (const keys of this.#listed('channels')) this.#channels.set(keys.name, await this.#readChannel(keys))
    for (const keys of this.#listed('sources')) this.#sources.set(keys.name, await this.#readSource(keys))
    for (const keys of this.#listed('sinks')) this.#sinks.set(keys.name, await this.#readSink(keys))
    this.#checkBatchSizes()
    const grouped = new Map<string, string>()
    for (const keys of this.#listed('sinkgroups')) this.#groups.set(keys.name, await this.#readGroup(keys, grouped))
    this.#checkCircles()
    this.#checkFlow()
    crossCheck(this.#running(), this.#world.report)
    return this.#model()
  }

  // ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The keys of every listed part that has any (C-11). */
  #listed(kind: PartKind): readonly PartKeys[] {
    const { report } = this.#world
    const list = this.#keys.lists.get(kind)
    const path = `${this.#keys.name}.${kind}`
    const names = readNames(list, path, report)
    const parts = this.#keys.parts.get(kind) as ReadonlyMap<string, PartKeys>
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
      report.fatal(this.#keys.place, { code: 'no-channels', path, message: 'is missing: an agent needs a channel' })
    }
    this.#noteUnlisted(kind, names)
    return found
  }

  /** People switch parts off by taking them out of the list. */
  #noteUnlisted(kind: PartKind, names: readonly string[]): void {
    for (const [name, { place }] of this.#keys.parts.get(kind) as ReadonlyMap<string, PartKeys>) {
      if (names.includes(name)) continue
      const path = `${this.#keys.name}.${kind}.${name}`
      const message = `is configured and not listed in ${this.#keys.name}.${kind}; it does not run`
      this.#world.report.note(place, { code: 'not-listed', path, message })
    }
  }

  // ── Parts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #readChannel(keys: PartKeys): Promise<Listed> {
    const path = this.#path('channels', keys.name)
    const { own, empty, frame } = split(keys, ['type', 'config'])
    const part = await readPart(
      { kind: 'channel', type: frame.get('type'), raws: own, empty, path, place: keys.place, alsoKnown: ['type'] },
      this.#world,
    )
    if (!part) this.#leftOut('channels', keys)
    return { keys, part }
  }

  async #readSource(keys: PartKeys): Promise<ListedSource> {
    const path = this.#path('sources', keys.name)
    const { own, empty, frame } = split(
      keys,
      ['type', 'channels', 'interceptors', 'config'],
      ['interceptors.', 'selector.'],
    )
    const channels = this.#channelsOf(keys, own, empty)
    const alsoKnown = ['type', 'channels', 'interceptors', 'selector.type']
    const part = await readPart(
      { kind: 'source', type: frame.get('type'), raws: own, empty, path, place: keys.place, alsoKnown },
      this.#world,
    )
    const selector = await this.#readSelector(keys, channels ?? [])
    const interceptors = await this.#readInterceptors(keys)
    const isWhole = part && channels && selector && interceptors
    if (!isWhole) this.#leftOut('sources', keys)
    return {
      keys,
      part: isWhole ? part : undefined,
      channels: channels ?? [],
      selector,
      interceptors: interceptors ?? [],
    }
  }

  /** The channels a source feeds, those that do not exist cut off (C-13); undefined when none is left. */
  #channelsOf(keys: PartKeys, own: Map<string, ConfigEntry>, empty: Map<string, Place>): readonly string[] | undefined {
    const { report } = this.#world
    const entry = this.#frameEntry('sources', keys, 'channels', 'channel', own, empty)
    if (!entry) return undefined
    const names = readNames(entry, entry.key, report)
    const known = names.filter((name) => this.#isRunning(name))
    const missing = names.filter((name) => !known.includes(name))
    if (missing.length === 0) return known
    const at = { ...entry, ...entry.valueAt }
    const hint = missing.map((name) => didYouMean(name, this.#channels.keys())).find((text) => text !== undefined)
    const message = `${list(missing)} ${missing.length === 1 ? 'is no channel' : 'are no channels'} of this agent`
    if (known.length > 0) {
      report.warning(at, { code: 'undeclared-channel', path: entry.key, message: `${message}; left out`, hint })
      return known
    }
    const words = { code: 'no-channel', path: entry.key, message: `${message}, and no other is left`, hint }
    report.error(at, words)
    return undefined
  }

  /** `channels` of a source, `channel` of a sink, `sinks` of a group; reports what is missing and the mixing up of the two. */
  #frameEntry(
    kind: 'sources' | 'sinks' | 'sinkgroups',
    keys: PartKeys,
    key: string,
    otherKey: string,
    own: Map<string, ConfigEntry>,
    empty: Map<string, Place>,
  ): ConfigEntry | undefined {
    const entry = keys.values.get(key)
    if (entry) return entry
    const path = this.#path(kind, keys.name)
    // What is said here is not said again as an unknown or an empty key.
    const instead = [...own.keys()].find((name) => name === otherKey || suggestKey(name, {}, [key]) === key)
    const other = instead === undefined ? undefined : own.get(instead)
    if (instead !== undefined) own.delete(instead)
    const emptyAt = empty.get(key)
    empty.delete(key)
    if (other) {
      const message = `is not an option, and ${key} is required`
      const words = { code: 'missing', path: path + instead, message, hint: `did you mean "${key}"?` }
      this.#world.report.error(other, words)
    } else if (emptyAt) {
      this.#world.report.error(emptyAt, { code: 'missing', path: path + key, message: 'has no value and needs one' })
    } else {
      const there = kind === 'sinkgroups' ? this.#sinks : this.#channels
      const hint = `this agent has ${list([...there.keys()]) || `no ${kind === 'sinkgroups' ? 'sinks' : 'channels'}`}`
      this.#world.report.error(keys.values.get('type') ?? keys.place, {
        code: 'missing',
        path: path + key,
        message: 'is required and missing',
        hint,
      })
    }
    return undefined
  }

  async #readSelector(keys: PartKeys, channels: readonly string[]): Promise<Part | undefined> {
    const raws = below(keys.values, 'selector.')
    const type = raws.get('type')
    raws.delete('type')
    const path = `${this.#path('sources', keys.name)}selector.`
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
      this.#world,
    )
    let failed = false
    for (const { option, channel } of (part?.spec as SelectorSpec | undefined)?.channelsNamed?.(
      part?.options as never,
    ) ?? []) {
      if (channels.includes(channel) || channels.length === 0) continue
      const at = raws.get(option) ?? keys.place
      this.#world.report.error(at, {
        code: 'selector-channel',
        path: path + option,
        message: `"${channel}" is not among the source's channels`,
        hint: didYouMean(channel, channels) ?? `they are ${channels.join(', ')}`,
      })
      failed = true
    }
    return failed ? undefined : part
  }

  async #readInterceptors(keys: PartKeys): Promise<ListedSource['interceptors'] | undefined> {
    const path = `${this.#path('sources', keys.name)}interceptors`
    const names = readNames(keys.values.get('interceptors'), path, this.#world.report)
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
        this.#world,
      )
      if (part) made.push({ name, part })
    }
    const noted = new Set(names)
    for (const [key, entry] of all) {
      const name = key.slice(0, key.indexOf('.') < 0 ? undefined : key.indexOf('.'))
      if (noted.has(name)) continue
      noted.add(name)
      const message = `is configured and not listed in ${path}; it does not run`
      this.#world.report.note(entry, { code: 'not-listed', path: `${path}.${name}`, message })
    }
    return made.length === names.length ? made : undefined
  }

  async #readSink(keys: PartKeys): Promise<ListedSink> {
    const { report } = this.#world
    const path = this.#path('sinks', keys.name)
    const { own, empty, frame } = split(keys, ['type', 'channel', 'config', ...Object.keys(deadLetterOptions)])
    const entry = this.#frameEntry('sinks', keys, 'channel', 'channels', own, empty)
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
      this.#world,
    )
    const deadLetters = this.#deadLettersOf(keys, path, frame, part, channel)
    if (!part || !entry || channel === undefined || deadLetters === 'wrong') {
      this.#leftOut('sinks', keys)
      // A sink that cannot run still says which channel it would have drained.
      return { keys, part: undefined, channel, batchLimit: undefined }
    }
    if (this.#isRunning(channel)) return { keys, part, channel, batchLimit: undefined, deadLetters }
    const known = didYouMean(channel, this.#channels.keys())
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
  #deadLettersOf(
    keys: PartKeys,
    path: string,
    frame: ReadonlyMap<string, ConfigEntry>,
    part: Part | undefined,
    own: string | undefined,
  ): DeadLetterModel | 'wrong' | undefined {
    const { report } = this.#world
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
    if (!this.#isRunning(channel)) {
      const message = `"${channel}" is no channel of this agent`
      return error('undeclared-channel', message, didYouMean(channel, this.#channels.keys()))
    }
    if (part && (part.spec as SinkSpec).pulled?.(part.options as never) === true) {
      const message = 'has no effect: the sink is emptied by its reader, and nobody can tell which events it refuses'
      report.warning(at, { code: 'no-effect', path: entry.key, message })
      return undefined
    }
    return { channel, attempts: values['deadLetter.attempts'] as number | undefined }
  }

  /** Dead letters that come back to where they came from, over other sinks, would go round for ever. */
  #checkCircles(): void {
    const next = (channel: string): { readonly sink: ListedSink; readonly to: string }[] =>
      [...this.#sinks.values()].flatMap((sink) =>
        this.#counts(sink) && sink.channel === channel && sink.deadLetters
          ? [{ sink, to: sink.deadLetters.channel }]
          : [],
      )
    const reaches = (from: string, to: string, seen: Set<string>): boolean => {
      if (from === to) return true
      if (seen.has(from)) return false
      seen.add(from)
      return next(from).some((step) => reaches(step.to, to, seen))
    }
    for (const sink of this.#sinks.values()) {
      if (!this.#counts(sink) || !sink.deadLetters || sink.channel === undefined) continue
      if (!reaches(sink.deadLetters.channel, sink.channel, new Set())) continue
      const entry = sink.keys.values.get('deadLetter.channel') as ConfigEntry
      this.#world.report.error(
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

  /** Reads a group once it is known which sinks run. A group that cannot run takes its sinks with it (C-23). */
  async #readGroup(keys: PartKeys, grouped: Map<string, string>): Promise<ListedGroup> {
    const { types } = this.#world
    const path = this.#path('sinkgroups', keys.name)
    this.#judgeGroupKeys(keys, path)
    const sinks = this.#sinksOf(keys, path, grouped)
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
      this.#world,
    )
    const isWhole = part !== undefined && this.#checkMembers(part, sinks, raws, keys, path)
    if (!isWhole) {
      this.#leftOut('sinkgroups', keys)
      for (const name of sinks) {
        const sink = this.#sinks.get(name)
        if (!sink?.part) continue
        // Flume has handed the sink to the group by then, so that it does not run alone either.
        sink.part = undefined
        this.#leftOut('sinks', sink.keys)
      }
    }
    return { keys, part: isWhole ? part : undefined, sinks }
  }

  #judgeGroupKeys(keys: PartKeys, path: string): void {
    for (const [key, entry] of keys.values) {
      if (key === 'sinks' || key.startsWith('processor.')) continue
      const meant = suggestKey(key, {}, ['sinks', 'processor.type'])
      // What stands for the missing list is said where the list is looked for.
      if (meant === 'sinks' && !keys.values.has('sinks')) continue
      const hint =
        meant === undefined ? 'a group has sinks, processor.type and processor.…' : `did you mean "${meant}"?`
      const words = { path: path + key, message: 'is not an option and has no effect', hint }
      this.#world.report.warning(entry, { code: meant === undefined ? 'unknown-key' : 'misspelt-key', ...words })
    }
  }

  /** The sinks a group drives (C-15); undefined when it has none, which has been reported. */
  #sinksOf(keys: PartKeys, path: string, grouped: Map<string, string>): readonly string[] | undefined {
    const { report } = this.#world
    const entry = this.#frameEntry('sinkgroups', keys, 'sinks', 'sink', new Map(keys.values), new Map(keys.empty))
    if (!entry) {
      // Flume ends the reading of the whole file with a null pointer (C-16).
      this.#leftOut('sinkgroups', keys)
      return undefined
    }
    const at = { ...entry, ...entry.valueAt }
    const sinks: string[] = []
    for (const name of readNames(entry, entry.key, report)) {
      const sink = this.#sinks.get(name)
      const other = grouped.get(name)
      if (!sink) {
        const message = `"${name}" is no sink of this agent; the group goes without it`
        report.warning(at, {
          code: 'undeclared-sink',
          path: entry.key,
          message,
          hint: didYouMean(name, this.#sinks.keys()),
        })
      } else if (other !== undefined) {
        const message = `"${name}" is in group ${other} already; this group goes without it`
        report.warning(at, { code: 'sink-in-two-groups', path: entry.key, message })
      } else if (this.#counts(sink)) {
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
  #checkMembers(
    part: Part,
    sinks: readonly string[],
    raws: ReadonlyMap<string, ConfigEntry>,
    keys: PartKeys,
    path: string,
  ): boolean {
    const { report } = this.#world
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
      const part = this.#sinks.get(name)?.part
      return part !== undefined && (part.spec as SinkSpec).pulled?.(part.options as never) === true
    })
    if (sinks.length > 1 && pulled.length > 0) {
      report.error(keys.values.get('sinks') ?? keys.place, {
        code: 'pulled-sink',
        path: `${path}sinks`,
        message: `${list(pulled)} is emptied by its reader, and no processor decides when`,
        hint: 'leave it out of the group, so that it runs alone',
      })
      return false
    }
    const { min = 1, max = Number.POSITIVE_INFINITY } = spec.sinkCount ?? {}
    if (sinks.length >= min && sinks.length <= max) return true
    const entry = keys.values.get('sinks') ?? keys.place
    const wants = sinks.length < min ? `${min} or more` : max === 1 ? 'one only' : `${max} at most`
    const several = types(this.#world, sinks.length, spec.type)
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

  // ── The graph ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A channel that runs; one that failed counts too unless lenient, so that one mistake is said once. */
  #isRunning(name: string): boolean {
    const channel = this.#channels.get(name)
    return channel !== undefined && this.#counts(channel)
  }

  #counts(listed: Listed): boolean {
    return listed.part !== undefined || (this.#world.report.mode !== 'lenient' && listed.isOff !== true)
  }

  /** A batch above a channel's transactionCapacity can never be put or taken whole (C-21). */
  #checkBatchSizes(): void {
    for (const [name, source] of this.#sources) {
      for (const channel of source.channels) this.#checkBatchSize('sources', name, source, channel)
    }
    for (const [name, sink] of this.#sinks) {
      if (sink.channel !== undefined) {
        sink.batchLimit = this.#checkBatchSize('sinks', name, sink, sink.channel)
      }
    }
  }

  /** Answers the channel's limit where the default batch size is above it. */
  #checkBatchSize(kind: 'sources' | 'sinks', name: string, listed: Listed, channelName: string): number | undefined {
    const spec = listed.part?.spec as SourceSpec | SinkSpec | undefined
    const channel = this.#channels.get(channelName)?.part
    const limitOption = (channel?.spec as ChannelSpec | undefined)?.transactionCapacityOption
    const limit = limitOption === undefined ? undefined : channel?.options[limitOption]
    const sizeOption = spec?.batchSizeOption
    const size = sizeOption === undefined ? undefined : listed.part?.options[sizeOption]
    if (typeof limit !== 'number' || typeof size !== 'number' || size <= limit || sizeOption === undefined) {
      return undefined
    }
    const path = this.#path(kind, name) + sizeOption
    const limitPath = `${this.#path('channels', channelName)}${limitOption}`
    const given = listed.part?.given.get(sizeOption)
    if (given) {
      this.#world.report.error(
        { ...given, ...given.valueAt },
        {
          code: 'batch-size',
          path,
          message: `a batch of ${size} is more than channel ${channelName} takes at once (${limit})`,
          hint: `set ${limitPath} to ${size} or more, or ${path} to ${limit} or less`,
        },
      )
      listed.part = undefined
      this.#leftOut(kind, listed.keys)
      return undefined
    }
    this.#world.report.warning(listed.keys.values.get('type') ?? listed.keys.place, {
      code: 'batch-size',
      path,
      message: `the default of ${size} is more than channel ${channelName} takes at once; ${limit} is used`,
      hint: `set ${limitPath} to ${size} or more`,
    })
    return limit
  }

  #checkFlow(): void {
    const { report } = this.#world
    for (const [name, channel] of this.#channels) {
      if (!this.#counts(channel)) continue
      const place = channel.keys.values.get('type') ?? channel.keys.place
      const path = `${this.#keys.name}.channels.${name}`
      const feeders = [
        ...[...this.#sources]
          .filter(([, source]) => this.#counts(source) && source.channels.includes(name))
          .map(([source]) => source),
        ...[...this.#sinks]
          .filter(([, sink]) => this.#counts(sink) && sink.deadLetters?.channel === name)
          .map(([sink]) => `the dead letters of ${sink}`),
      ]
      const isDrained = [...this.#sinks.values()].some((sink) => this.#counts(sink) && sink.channel === name)
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
          hint: this.#drainHint(name),
        }
        report.error(place, words)
      } else if (feeders.length === 0) {
        report.note(place, { code: 'never-fed', path, message: 'is fed by no source' })
      }
    }
    const runs = [...this.#sources.values(), ...this.#sinks.values()].some((listed) => this.#counts(listed))
    if (!runs && this.#keys.lists.has('channels')) {
      const message = 'has no source and no sink that could run'
      report.fatal(this.#keys.place, { code: 'nothing-to-run', path: this.#keys.name, message })
    }
  }

  /** A sink that would drain the channel and is not in the list. */
  #drainHint(channel: string): string {
    for (const [name, { values }] of this.#keys.parts.get('sinks') ?? []) {
      if (!this.#sinks.has(name) && values.get('channel')?.text === channel) {
        return `sink ${name} would drain it: add it to ${this.#keys.name}.sinks`
      }
    }
    return `name it as the channel of a sink`
  }

  #leftOut(kind: PartKind, keys: PartKeys): void {
    if (this.#world.report.mode !== 'lenient') return
    const path = `${this.#keys.name}.${kind}.${keys.name}`
    this.#world.report.warning(keys.place, { code: 'left-out', path, message: 'is left out, as Flume does' })
  }

  #path(kind: PartKind, name: string): string {
    return `${this.#keys.name}.${kind}.${name}.`
  }

  /** The parts that would run, for checks between them. */
  #running(): RunningParts {
    const running = (kind: PartKind, { keys, part }: Listed): readonly RunningPart[] => {
      if (!part) return []
      const { spec, options, given } = part
      const place = keys.values.get('type') ?? keys.place
      return [{ name: keys.name, path: this.#path(kind, keys.name), place, spec, options, given }]
    }
    return {
      sources: [...this.#sources.values()].flatMap((source) =>
        running('sources', source).map((one) => ({
          ...one,
          channels: source.channels,
          interceptors: source.interceptors.map(({ part }) => part),
        })),
      ),
      channels: [...this.#channels.values()].flatMap((channel) => running('channels', channel)),
      sinks: [...this.#sinks.values()].flatMap((sink) =>
        running('sinks', sink).map((one) => ({ ...one, channel: sink.channel ?? '' })),
      ),
    }
  }

  // ── What survives ────────────────────────────────────────────────────────────────────────────────────────────────

  #model(): AgentModel {
    const channels: ChannelModel[] = []
    for (const [name, { keys, part }] of this.#channels) {
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
    for (const [name, { keys, part, selector, interceptors, channels: feeds }] of this.#sources) {
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
    for (const [name, { keys, part, channel, batchLimit, deadLetters }] of this.#sinks) {
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
    return { name: this.#keys.name, channels, sources, sinks, groups: this.#groupModels(sinks) }
  }

  #groupModels(running: readonly SinkModel[]): readonly SinkGroupModel[] {
    const groups: SinkGroupModel[] = []
    for (const [name, { keys, part, sinks: members }] of this.#groups) {
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

/** A part's own keys and those of the frame around it. */
function split(
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
function below<T extends RawValue | Place>(values: ReadonlyMap<string, T>, stem: string): Map<string, T> {
  const found = new Map<string, T>()
  for (const [key, value] of values) if (key.startsWith(stem)) found.set(key.slice(stem.length), value)
  return found
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}
