import type { Place } from '../../spec/finding.ts'
import type { RawValue } from '../../spec/option.ts'
import type { ComponentSpec } from '../contract.ts'
import type { OptionValues } from './model.ts'
import type { Report } from './report.ts'
import { bareName } from './type-index.ts'

/** A part that would run, as the checks between parts see it. */
export interface RunningPart {
  readonly name: string
  /** What stands before its keys, dot included. */
  readonly path: string
  /** Where a finding about an option that was not given points to. */
  readonly place: Place
  readonly spec: ComponentSpec
  readonly options: OptionValues
  readonly given: ReadonlyMap<string, RawValue>
}

export interface RunningSource extends RunningPart {
  readonly channels: readonly string[]
  readonly interceptors: readonly { readonly spec: ComponentSpec; readonly options: OptionValues }[]
}

export interface RunningSink extends RunningPart {
  readonly channel: string
}

export interface RunningParts {
  readonly sources: readonly RunningSource[]
  readonly channels: readonly RunningPart[]
  readonly sinks: readonly RunningSink[]
}

/**
 * What goes wrong between parts that are each right on their own, and what Flume says late or never: warnings and notes,
 * as Flume starts all of it.
 */
export function crossCheck(parts: RunningParts, report: Report): void {
  checkPorts(parts, report)
  for (const group of [parts.sources, parts.channels, parts.sinks]) checkExclusive(group, report)
  for (const sink of parts.sinks) {
    if (!isType(sink, 'HDFSEventSink')) continue
    checkTimestamps(sink, parts.sources, report)
    checkRolling(sink, report)
  }
}

function isType({ spec }: Pick<RunningPart, 'spec'>, bare: string): boolean {
  return [spec.type, ...spec.aliases].some((name) => bareName(name) === bare)
}

function at(part: RunningPart, option: string): Place {
  const given = part.given.get(option)
  return given ? { ...given, ...given.valueAt } : part.place
}

// ── Two of a kind on one thing ─────────────────────────────────────────────────────────────────────────────────────

interface Listening {
  readonly part: RunningPart
  readonly option: string
  readonly protocol: 'TCP' | 'UDP'
  readonly address: string
  readonly port: number
}

/** Two listeners on one port: the second never gets it, and is tried again for ever (M-03). */
function checkPorts({ sources, sinks }: RunningParts, report: Report): void {
  const before: Listening[] = []
  const listening = [
    ...sources,
    ...sinks.filter(({ spec, options }) => spec.kind === 'sink' && spec.pulled?.(options as never) === true),
  ].flatMap(listeningOf)
  for (const one of listening) {
    const other = before.find((known) => collides(known, one))
    if (other) {
      report.warning(at(one.part, one.option), {
        code: 'port-twice',
        path: one.part.path + one.option,
        message: `${one.protocol} port ${one.port} is ${other.part.name}'s already: one of the two never gets to listen`,
      })
    }
    before.push(one)
  }
}

function listeningOf(part: RunningPart): readonly Listening[] {
  const { options, spec } = part
  // A source with a port and no address of its own connects to somewhere, or listens everywhere.
  const address = ['bind', 'host', 'hostname'].map((name) => options[name]).find((value) => typeof value === 'string')
  const protocol = /udp/i.test(spec.type) ? 'UDP' : 'TCP'
  return ['port', 'ports'].flatMap((option) => {
    const value = options[option]
    const ports = (Array.isArray(value) ? value : [value]).map(Number).filter((port) => port > 0)
    return ports.map((port) => ({ part, option, protocol, address: plainAddress(address as string | undefined), port }))
  })
}

const everywhere = '0.0.0.0'

function plainAddress(address: string | undefined): string {
  if (address === undefined || ['', '*', '::', '[::]', everywhere].includes(address)) return everywhere
  return address.toLowerCase() === 'localhost' ? '127.0.0.1' : address.toLowerCase()
}

function collides(one: Listening, other: Listening): boolean {
  if (one.port !== other.port || one.protocol !== other.protocol) return false
  return one.address === other.address || one.address === everywhere || other.address === everywhere
}

/** What parts of one type must not share: a folder that both empty, a file that both write. */
const exclusive: readonly (readonly [types: string, options: readonly string[], what: string])[] = [
  ['SpoolDirectorySource', ['spoolDir'], 'both take the files of one directory'],
  ['TaildirSource', ['positionFile'], 'both keep their positions in one file'],
  ['FileChannel SpillableMemoryChannel', ['checkpointDir'], 'only one can lock the checkpoint directory'],
  ['FileChannel SpillableMemoryChannel', ['dataDirs'], 'only one can lock the data directories'],
  ['RollingFileSink', ['sink.directory', 'sink.pathManager.prefix'], 'their files may get the same names'],
  ['HDFSEventSink', ['hdfs.path', 'hdfs.filePrefix', 'hdfs.fileSuffix'], 'their files may get the same names'],
]

function checkExclusive(parts: readonly RunningPart[], report: Report): void {
  for (const [types, options, what] of exclusive) {
    const [first = ''] = options
    const isOfThem = (part: RunningPart): boolean => types.split(' ').some((type) => isType(part, type))
    const seen = new Map<string, RunningPart>()
    for (const part of parts) {
      if (!isOfThem(part) || !Object.hasOwn(part.spec.options, first) || part.options[first] === undefined) continue
      const key = JSON.stringify(options.map((option) => shared(part.options[option])))
      const other = seen.get(key)
      if (other) {
        const further = options.length > 1 ? ` or a ${options[1]}` : ''
        report.warning(at(part, first), {
          code: 'shared-place',
          path: part.path + first,
          message: `is also ${other.name}'s: ${what}`,
          hint: `give each its own ${first}${further}`,
        })
      } else seen.set(key, part)
    }
  }
}

function shared(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/\/+$/, '') : value
}

// ── The hdfs sink ──────────────────────────────────────────────────────────────────────────────────────────────────

const timeEscape = /%[aAbBcdDeHIjklmMnpsStyYz]/

/** Sources whose events have no headers but those that the configuration gives them. */
const bareSources =
  /^(NetcatSource|NetcatUdpSource|ExecSource|SequenceGeneratorSource|StressSource|SpoolDirectorySource|TaildirSource)$/
/** Interceptors that set no timestamp, unless they are told to. */
const otherInterceptors =
  /^(HostInterceptor|StaticInterceptor|RegexFilteringInterceptor|RemoveHeaderInterceptor|SearchAndReplaceInterceptor|UUIDInterceptor)$/

/** A time in a path needs the header `timestamp` (H-15): where nothing sets it, no event gets through. */
function checkTimestamps(sink: RunningSink, sources: readonly RunningSource[], report: Report): void {
  if (sink.options['hdfs.useLocalTimeStamp'] !== false) return
  const option = ['hdfs.path', 'hdfs.filePrefix'].find((name) => timeEscape.test(String(sink.options[name] ?? '')))
  if (option === undefined) return
  const bare = sources.filter((source) => source.channels.includes(sink.channel) && !mayHaveTimestamp(source))
  if (bare.length === 0) return
  const [escape] = timeEscape.exec(String(sink.options[option])) as RegExpExecArray
  const names = bare.map(({ name }) => name).join(', ')
  report.warning(at(sink, option), {
    code: 'no-timestamp',
    path: sink.path + option,
    message: `${escape} needs a timestamp header, and events of ${names} have none: they could not be written`,
    hint: `set ${sink.path}hdfs.useLocalTimeStamp = true, or give ${names} a timestamp interceptor`,
  })
}

function mayHaveTimestamp(source: RunningSource): boolean {
  if (![source.spec.type, ...source.spec.aliases].some((name) => bareSources.test(bareName(name)))) return true
  // A deserializer other than that of lines may bring headers along.
  const deserializer = source.options['deserializer'] as { readonly type?: string } | undefined
  if (deserializer?.type !== undefined && deserializer.type !== 'line') return true
  return source.interceptors.some(({ spec, options }) => {
    const names = [spec.type, ...spec.aliases].map(bareName)
    if (names.includes('StaticInterceptor')) return options['key'] === 'timestamp'
    return !names.some((name) => otherInterceptors.test(name))
  })
}

const daySeconds = 86_400

/** The defaults roll after 30 s, 1024 bytes or 10 events, whichever comes first; whoever sets one often forgets the rest. */
function checkRolling(sink: RunningSink, report: Report): void {
  const rolls = [
    ['hdfs.rollInterval', (value: number) => `after ${value} s (${Math.ceil(daySeconds / value)} files a day)`],
    ['hdfs.rollSize', (value: number) => `at ${value} bytes`],
    ['hdfs.rollCount', (value: number) => `at ${value} ${value === 1 ? 'event' : 'events'}`],
  ] as const
  // A sink that only bears the name may roll in other ways.
  if (!rolls.every(([name]) => Object.hasOwn(sink.spec.options, name))) return
  const left = rolls.filter(([name]) => {
    return !sink.given.has(name) && typeof sink.options[name] === 'number' && (sink.options[name] as number) > 0
  })
  if (left.length === 0) return
  const when = left.map(([name, say]) => say(sink.options[name] as number)).join(', ')
  const names = left.map(([name]) => name).join(', ')
  const words = {
    code: 'small-files',
    path: sink.path + left[0]?.[0],
    message: `a new file begins ${when}, by the default of ${names}`,
    hint: `many small files burden HDFS: set hdfs.rollInterval, hdfs.rollSize and hdfs.rollCount; 0 turns one off`,
  }
  // With one of them set, the others are more likely forgotten than meant.
  if (left.length < rolls.length) report.warning(sink.place, words)
  else report.note(sink.place, words)
}
