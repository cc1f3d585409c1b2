import type { Clock } from '../../core/clock.ts'
import type { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { Severity } from '../../spec/finding.ts'
import { count, millis, type Options, parsed, seconds } from '../../spec/option.ts'
import type { ClientTls } from '../tls/client.ts'
import { FlumeSender } from './flume-sender.ts'

const timeoutMsDefault = 20_000
/** Flume takes its default for anything shorter. */
const timeoutMsMin = 1000
const batchSizeDefault = 100

/** What Flume's Avro clients can be told (flume-components §6.4). */
export const senderOptions = {
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
export function senderProblems(values: SenderValues): readonly SenderProblem[] {
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
export function senderBatchSize(values: SenderValues): number {
  return values['batch-size'] < 1 ? batchSizeDefault : values['batch-size']
}

/** A sender for these options. */
export function createSender(
  values: SenderValues & { readonly hostname: string; readonly port: number },
  context: {
    readonly clock: Clock
    readonly counters: SinkCounters
    readonly log: Logger
    readonly tls?: ClientTls | undefined
  },
): FlumeSender {
  return new FlumeSender({
    host: values.hostname,
    port: values.port,
    connectTimeoutMs: timeout(values['connect-timeout']),
    requestTimeoutMs: timeout(values['request-timeout']),
    deflateLevel: values['compression-type'] === 'deflate' ? values['compression-level'] : undefined,
    resetIntervalMs: values['reset-connection-interval'] * 1000,
    tls: context.tls,
    clock: context.clock,
    counters: context.counters,
    log: context.log,
  })
}

function timeout(valueMs: number): number {
  return valueMs < timeoutMsMin ? timeoutMsDefault : valueMs
}
