import type { ThriftProtocol } from '../../codec/thrift/protocol.ts'
import type { Clock } from '../../core/clock.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { Severity } from '../../spec/finding.ts'
import { count, millis, type Options, parsed, seconds } from '../../spec/option.ts'
import { FlumeClient } from '../avro-rpc/flume-client.ts'
import { ThriftFlumeClient } from '../thrift-rpc/client.ts'
import type { ClientTls } from '../tls/client.ts'
import { type EventConnection, FlumeSender } from './flume-sender.ts'

const timeoutMsDefault = 20_000
/** Flume takes its default for anything shorter. */
const timeoutMsMin = 1000
const batchSizeDefault = 100

/** What Flume's clients can be told of their calls, Avro or Thrift (flume-components §6.4, §6.5). */
export const callOptions = {
  'batch-size': count({ default: batchSizeDefault, doc: 'Most events sent in one call.' }),
  'connect-timeout': millis({
    default: timeoutMsDefault,
    doc: 'Limit for connecting, and once more for the first call, which shakes hands.',
  }),
  'request-timeout': millis({ default: timeoutMsDefault, doc: "Limit for a call's answer." }),
  'reset-connection-interval': seconds({
    default: 0,
    min: 0,
    doc: 'A connection older than this is replaced before the next batch; 0 keeps it.',
  }),
}
export type CallValues = Options<typeof callOptions>

/** What Flume's Avro clients can be told (flume-components §6.4). */
export const senderOptions = {
  ...callOptions,
  'compression-type': parsed<'none' | 'deflate'>(
    'none | deflate',
    'none or deflate',
    { default: 'none', doc: 'deflate compresses both directions; the receiving side must have the same.' },
    // Flume: any other word means none.
    (word) => ({ value: word.toLowerCase() === 'deflate' ? 'deflate' : 'none' }),
  ),
  'compression-level': count({ default: 6, min: 0, max: 9, doc: 'How hard deflate tries, 0 to 9.' }),
}
export type SenderValues = Options<typeof senderOptions>

/** Something to say of an option; an error where it has no severity. */
export interface SenderProblem {
  readonly option: string
  readonly severity?: Severity
  readonly code: string
  readonly message: string
  readonly hint?: string
}

/** Values for which Flume takes its defaults, said aloud. */
export function senderProblems(values: CallValues): readonly SenderProblem[] {
  const problems: SenderProblem[] = []
  const warn = (option: string, message: string): void => {
    problems.push({ option, severity: 'warning', code: 'out-of-range', message })
  }
  if (values['batch-size'] < 1) warn('batch-size', `is below 1; ${batchSizeDefault} is used`)
  for (const option of ['connect-timeout', 'request-timeout'] as const)
    if (values[option] < timeoutMsMin) warn(option, `is below ${timeoutMsMin} ms; ${timeoutMsDefault} is used`)
  return problems
}

/** The batch size in force. */
export function senderBatchSize(values: CallValues): number {
  return values['batch-size'] < 1 ? batchSizeDefault : values['batch-size']
}

/** How a sender's receiver is spoken to: Avro, deflated at a level or plain, or one of Thrift's protocols. */
export type Speech = { readonly deflateLevel: number | undefined } | { readonly thrift: ThriftProtocol }

export function avroSpeech(values: SenderValues): Speech {
  return { deflateLevel: values['compression-type'] === 'deflate' ? values['compression-level'] : undefined }
}

export interface SenderContext {
  readonly clock: Clock
  readonly counters: SinkCounters
  readonly log: Logger
  /** Speaks TLS to every receiver. */
  readonly tls?: ClientTls | undefined
}

/** A sender for these options. */
export function createSender(
  values: CallValues,
  { hostname: host, port }: { readonly hostname: string; readonly port: number },
  speech: Speech,
  { clock, counters, log, tls }: SenderContext,
): FlumeSender {
  const connection = {
    host,
    port,
    clock,
    connectTimeoutMs: timeout(values['connect-timeout']),
    requestTimeoutMs: timeout(values['request-timeout']),
    tls,
  }
  const connect = (signal: AbortSignal): Promise<EventConnection> =>
    'thrift' in speech
      ? ThriftFlumeClient.connect({ ...connection, protocol: speech.thrift, signal })
      : FlumeClient.connect({ ...connection, ...speech, signal })
  const resetIntervalMs = values['reset-connection-interval'] * 1000
  return new FlumeSender({ host, port, connect, resetIntervalMs, clock, counters, log })
}

function timeout(valueMs: number): number {
  return valueMs < timeoutMsMin ? timeoutMsDefault : valueMs
}
