import type { Clock } from '../../core/clock.ts'
import type { Random } from '../../core/random.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import { count, flag, list, millis, type Options, prefix, text } from '../../spec/option.ts'
import { thriftProtocolOf, thriftProtocolOption, thriftProtocolProblem } from '../thrift-rpc/protocol-option.ts'
import type { ClientTls } from '../tls/client.ts'
import { BalancingSender } from './balancing-sender.ts'
import { FailoverSender } from './failover-sender.ts'
import type { EventSender, FlumeSender } from './flume-sender.ts'
import { avroSpeech, createSender, type SenderProblem, type SenderValues, type Speech } from './sender-options.ts'

const pauseMaxMsDefault = 30_000

/** Where the receivers are. */
export const hostListOptions = {
  hosts: list({ optional: true, doc: 'Names of the receivers, in their order; each needs hosts.NAME.' }),
  'hosts.': prefix({ doc: 'Address of a receiver as host:port, below its name.' }),
}
type HostListValues = Options<typeof hostListOptions>

/** What Flume's RPC clients can be told about one or several receivers (flume-components §12). */
export const hostOptions = {
  'client.type': text({
    default: 'default',
    doc: 'default sends to the first host, default_failover to the next one when a host fails, default_loadbalance to all in turn; thrift sends to the first host in the words of a Thrift source.',
  }),
  ...hostListOptions,
  'max-attempts': count({
    optional: true,
    min: 1,
    doc: 'Hosts that default_failover tries for one batch; all of them when left out.',
  }),
  'host-selector': text({
    default: 'ROUND_ROBIN',
    doc: 'Which host default_loadbalance tries first: ROUND_ROBIN or RANDOM.',
  }),
  backoff: flag({
    default: false,
    doc: 'default_loadbalance leaves a host that failed out for a while, for longer with each further failure.',
  }),
  maxBackoff: millis({
    default: 0,
    min: 0,
    doc: `Longest time a host is left out; 0 means ${pauseMaxMsDefault} ms.`,
  }),
  protocol: thriftProtocolOption,
  maxConnections: count({
    optional: true,
    doc: "Connections that Flume's thrift client may open; has no effect here, where calls go one after the other.",
  }),
}
export type HostValues = Options<typeof hostOptions>

/** Where a receiver listens. */
export interface HostAddress {
  readonly hostname: string
  readonly port: number
}

type ClientKind = 'default' | 'default_failover' | 'default_loadbalance' | 'thrift'

const kinds: ReadonlyMap<string, ClientKind> = new Map([
  ['default', 'default'],
  ['org.apache.flume.api.nettyavrorpcclient', 'default'],
  ['default_failover', 'default_failover'],
  ['org.apache.flume.api.failoverrpcclient', 'default_failover'],
  ['default_loadbalance', 'default_loadbalance'],
  ['org.apache.flume.api.loadbalancingrpcclient', 'default_loadbalance'],
  ['thrift', 'thrift'],
  ['org.apache.flume.api.thriftrpcclient', 'thrift'],
])

/** Everything wrong with the options, and what has no effect. `first` is the host `h1` of a sink. */
export function hostProblems(values: HostValues & SenderValues, first?: HostAddress): readonly SenderProblem[] {
  const kind = kindOf(values)
  if (kind === undefined) {
    const hint = 'use default, default_failover or default_loadbalance, which speak Avro, or thrift'
    const message = `"${values['client.type']}" is no client there is`
    return [{ option: 'client.type', code: 'not-supported', message, hint }]
  }
  const names = namesOf(values, first)
  const problems: SenderProblem[] = [...hostListProblems(values, first)]
  if ((kind === 'default_failover' || kind === 'default_loadbalance') && names.length < 2) {
    problems.push({ option: 'hosts', code: 'one-host', message: `${kind} needs at least two hosts` })
  }
  if (isSingle(kind) && names.length > 1) {
    problems.push(said('warning', 'hosts', `only ${names[0]} is used: client.type is ${kind}`))
  }
  return [...problems, ...selectorProblems(values), ...idleProblems(values, kind), ...protocolProblems(values, kind)]
}

/** What is wrong with the names and addresses of the receivers. */
export function hostListProblems(values: HostListValues, first?: HostAddress): readonly SenderProblem[] {
  const problems: SenderProblem[] = []
  const names = namesOf(values, first)
  if (names.length === 0) {
    const hint = 'such as hosts = h1 and hosts.h1 = localhost:41414'
    problems.push({ option: 'hosts', code: 'missing', message: 'names no host', hint })
  }
  for (const name of names) {
    const place = values['hosts.'][name]
    const at = `hosts.${name}`
    if (place === undefined && !(name === 'h1' && first)) {
      problems.push({
        option: at,
        code: 'missing',
        message: 'is missing, and hosts names it',
        hint: 'give it as host:port',
      })
    } else if (place !== undefined && !addressOf(place)) {
      problems.push({ option: at, code: 'bad-address', message: `"${place}" is not host:port` })
    }
  }
  return problems
}

/** Flume: a word that its Thrift client does not know is logged and means compact. */
function protocolProblems(values: HostValues & SenderValues, kind: ClientKind): SenderProblem[] {
  const idle = (option: string, owner: string): SenderProblem =>
    said('note', option, `has no effect: it belongs to ${owner}`)
  if (kind !== 'thrift') {
    const problems: SenderProblem[] = []
    if (values.protocol !== 'compact') problems.push(idle('protocol', 'client.type thrift'))
    if (values.maxConnections !== undefined) problems.push(idle('maxConnections', 'client.type thrift'))
    return problems
  }
  const problems: SenderProblem[] = [...thriftProtocolWarnings(values.protocol)]
  if (values['compression-type'] !== 'none') problems.push(idle('compression-type', 'the clients that speak Avro'))
  if (values.maxConnections !== undefined) {
    problems.push(said('note', 'maxConnections', 'has no effect: calls go one after the other'))
  }
  return problems
}

/** What Flume's Thrift clients say of `protocol`: a word that is neither means compact. */
export function thriftProtocolWarnings(word: string): readonly SenderProblem[] {
  const problem = thriftProtocolProblem(word)
  if (!problem) return []
  const message = problem.isKnown ? problem.message : `${problem.message}; compact is used`
  return [{ option: 'protocol', severity: 'warning', code: 'unknown-protocol', message }]
}

function kindOf(values: HostValues): ClientKind | undefined {
  return kinds.get(values['client.type'].trim().toLowerCase())
}

function isSingle(kind: ClientKind | undefined): boolean {
  return kind === 'default' || kind === 'thrift'
}

/** True when the properties ask for a client of one host. */
export function hasOneHost(values: HostValues): boolean {
  return isSingle(kindOf(values))
}

function selectorProblems(values: HostValues): SenderProblem[] {
  if (orderOf(values)) return []
  const hint = 'use ROUND_ROBIN or RANDOM; a Java class cannot be loaded'
  return [
    { option: 'host-selector', code: 'not-supported', message: `"${values['host-selector']}" is not there`, hint },
  ]
}

/** Options of one kind of client mean nothing to another. */
function idleProblems(values: HostValues, kind: ClientKind): SenderProblem[] {
  const problems: SenderProblem[] = []
  const idle = (option: string, owner: ClientKind): void => {
    if (kind !== owner) problems.push(said('note', option, `has no effect: it belongs to client.type ${owner}`))
  }
  if (values['max-attempts'] !== undefined) idle('max-attempts', 'default_failover')
  if (orderOf(values) === 'random') idle('host-selector', 'default_loadbalance')
  if (values.backoff) idle('backoff', 'default_loadbalance')
  if (values.maxBackoff > 0) {
    if (kind === 'default_loadbalance' && !values.backoff) {
      problems.push(said('note', 'maxBackoff', 'has no effect: backoff is false'))
    } else idle('maxBackoff', 'default_loadbalance')
  }
  return problems
}

function said(severity: 'warning' | 'note', option: string, message: string): SenderProblem {
  return { option, severity, code: severity === 'note' ? 'no-effect' : 'unused-host', message }
}

export interface HostContext {
  readonly clock: Clock
  readonly random: Random
  readonly counters: SinkCounters
  readonly log: Logger
  readonly tls?: ClientTls | undefined
}

/** The sender that values without an error among their problems ask for. */
export function createHostSender(
  values: HostValues & SenderValues,
  context: HostContext,
  first?: HostAddress,
): EventSender {
  const kind = kindOf(values)
  const speech: Speech = kind === 'thrift' ? { thrift: thriftProtocolOf(values.protocol) } : avroSpeech(values)
  const senders = hostsOf(values, first).map((address) => createSender(values, address, speech, context))
  if (kind === 'default_failover') {
    return new FailoverSender({ senders, attemptsMax: values['max-attempts'] ?? senders.length, log: context.log })
  }
  if (kind === 'default_loadbalance') {
    const pauseMaxMs = values.backoff ? values.maxBackoff || pauseMaxMsDefault : undefined
    return new BalancingSender({ ...context, senders, order: orderOf(values) ?? 'round_robin', pauseMaxMs })
  }
  return senders[0] as FlumeSender
}

/** Addresses of the receivers, in their order. */
export function hostsOf(values: HostListValues, first?: HostAddress): readonly HostAddress[] {
  return namesOf(values, first).flatMap((name): HostAddress[] => {
    const place = values['hosts.'][name]
    const address = place === undefined ? first : addressOf(place)
    return address ? [address] : []
  })
}

/** Where the events go, for people. */
export function describeHosts(values: HostValues, first?: HostAddress): string {
  const places = namesOf(values, first).map(
    (name) => values['hosts.'][name] ?? (first ? `${first.hostname}:${first.port}` : name),
  )
  const kind = kindOf(values)
  return isSingle(kind) ? (places[0] ?? '') : places.join(kind === 'default_failover' ? ', else ' : ', ')
}

/** A sink's own hostname and port are the host h1, unless `hosts` names others (flume-components §6.4). */
function namesOf(values: HostListValues, first: HostAddress | undefined): readonly string[] {
  return values.hosts ?? (first ? ['h1'] : [])
}

function orderOf(values: HostValues): 'round_robin' | 'random' | undefined {
  const word = values['host-selector'].trim().toLowerCase()
  return word === 'round_robin' || word === 'random' ? word : undefined
}

/** `host:port`, an IPv6 address in brackets. */
function addressOf(place: string): HostAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:]+)):(\d{1,5})$/.exec(place.trim()) ?? []
  const hostname = bracketed ?? plain
  const port = Number(digits)
  return hostname !== undefined && port > 0 && port <= 65_535 ? { hostname, port } : undefined
}
