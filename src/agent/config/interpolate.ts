import { formatJavaDate } from '../../codec/java-date-pattern.ts'
import { TimeZone } from '../../codec/time-zone.ts'

/** Where variables of a value come from. */
export interface Variables {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `-Dkey=value` of the command line. */
  readonly systemProperties: ReadonlyMap<string, string>
  /** For `${date:…}`, in milliseconds since the epoch. */
  readonly nowMs: number
  /** The machine's own zone when left out. */
  readonly zone?: TimeZone
  /** The text of another key of the configuration. */
  property(key: string): string | undefined
}

/** A variable that was left as it stands, and why. */
export interface Unreplaced {
  /** What stood between the braces. */
  readonly name: string
  readonly reason: 'unset' | 'plain' | 'java' | 'bad-date' | 'too-deep'
}

export interface Interpolated {
  readonly text: string
  readonly unreplaced: readonly Unreplaced[]
}

/** Variables inside variables inside variables: deeper than this they go in circles. */
const depthMax = 16
/** No value is longer once its variables are replaced. */
const textLengthMax = 1024 * 1024
/** Variables replaced for one value; what needs more feeds on itself. */
const lookUpsMax = 10_000

/** Flume 1.9's switch for plain `${NAME}` (C-27). */
const plainProperty = 'propertiesImplementation'
const plainResolver = 'org.apache.flume.node.EnvVarResolverProperties'

/**
 * Replaces `${env:X}`, `${sys:X}`, `${date:PATTERN}` and `${other.key}`, prefixes in any case, with `:-` before a default; variables in
 * names, defaults and values are replaced too, and `$${` stands for `${` (C-28). Plain `${NAME}` is the environment
 * only with Flume 1.9's system property, and empty when unset then (C-27). What cannot be replaced stays as it is.
 */
export function interpolate(text: string, variables: Variables): Interpolated {
  if (!text.includes('${')) return { text, unreplaced: [] }
  const work: Work = { variables, unreplaced: new Map(), lookUps: 0 }
  const replaced = replace(text, work, depthMax)
  return { text: replaced, unreplaced: [...work.unreplaced.values()] }
}

interface Work {
  readonly variables: Variables
  /** By name, so that each is told once. */
  readonly unreplaced: Map<string, Unreplaced>
  lookUps: number
}

function replace(text: string, work: Work, depth: number): string {
  let out = ''
  let at = 0
  while (at < text.length && out.length <= textLengthMax) {
    const start = text.indexOf('${', at)
    if (start < 0) break
    const end = closingBrace(text, start + 2)
    if (end < 0) break
    if (text[start - 1] === '$' && start > at) {
      out += text.slice(at, start - 1) + text.slice(start, end + 1)
      at = end + 1
      continue
    }
    out += text.slice(at, start)
    const inner = text.slice(start + 2, end)
    const value = lookUp(inner, work, depth)
    out += value ?? text.slice(start, end + 1)
    at = end + 1
  }
  return out + text.slice(at)
}

/** The brace that closes what begins before `from`, variables inside it skipped; -1 when there is none. */
function closingBrace(text: string, from: number): number {
  let open = 1
  for (let i = from; i < text.length; i++) {
    if (text.startsWith('${', i)) {
      open++
      i++
    } else if (text[i] === '}' && --open === 0) return i
  }
  return -1
}

function lookUp(inner: string, work: Work, depth: number): string | undefined {
  const leave = (name: string, reason: Unreplaced['reason']): undefined => {
    work.unreplaced.set(name, { name, reason })
  }
  if (depth === 0 || ++work.lookUps > lookUpsMax) return leave(inner, 'too-deep')
  const whole = replace(inner, work, depth - 1)
  const split = whole.indexOf(':-')
  const name = split < 0 ? whole : whole.slice(0, split)
  const found = valueOf(name, work.variables)
  if (typeof found === 'string') return replace(found, work, depth - 1)
  if (split >= 0 && found.reason !== 'java' && found.reason !== 'bad-date')
    return replace(whole.slice(split + 2), work, depth - 1)
  return leave(name, found.reason)
}

function valueOf(name: string, variables: Variables): string | Pick<Unreplaced, 'reason'> {
  const prefixed = /^(env|sys|java|date):(.*)$/is.exec(name)
  if (prefixed) {
    const [, prefix = '', rest = ''] = prefixed
    switch (prefix.toLowerCase()) {
      case 'env':
        return variables.env[rest] ?? { reason: 'unset' }
      case 'sys':
        return variables.systemProperties.get(rest) ?? { reason: 'unset' }
      case 'date':
        return formatJavaDate(rest, variables.nowMs, variables.zone ?? TimeZone.local()) ?? { reason: 'bad-date' }
      default:
        return { reason: 'java' }
    }
  }
  const property = variables.property(name)
  if (property !== undefined) return property
  if (variables.systemProperties.get(plainProperty) === plainResolver && /^\w+$/.test(name)) {
    return variables.env[name] ?? ''
  }
  return { reason: 'plain' }
}
