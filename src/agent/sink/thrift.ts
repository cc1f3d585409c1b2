import type { EventBatch } from '../../core/event-batch.ts'
import type { EventSender } from '../../net/flume-rpc/flume-sender.ts'
import {
  type HostAddress,
  hostListOptions,
  hostListProblems,
  hostsOf,
  thriftProtocolWarnings,
} from '../../net/flume-rpc/host-options.ts'
import { callOptions, createSender, senderBatchSize, senderProblems } from '../../net/flume-rpc/sender-options.ts'
import { thriftProtocolOf, thriftProtocolOption } from '../../net/thrift-rpc/protocol-option.ts'
import { clientTls, clientTlsProblems } from '../../net/tls/client.ts'
import { count, flag, type Options, port, seconds, text } from '../../spec/option.ts'
import { clientTlsOptions } from '../../spec/tls-options.ts'
import { type CheckSettings, defineSink, type OptionProblem, type Sink, type SinkContext } from '../contract.ts'

const options = {
  hostname: text({ doc: 'Host of the receiving Thrift source; with hosts, the one called h1.' }),
  port: port({ doc: 'Port of the receiving Thrift source; with hosts, of the one called h1.' }),
  ...callOptions,
  'reset-connection-interval': seconds({
    default: 0,
    min: 0,
    // The user guide's name, which Flume does not read.
    formerly: ['connection-reset-interval'],
    doc: 'A connection older than this is replaced before the next batch; 0 keeps it.',
  }),
  protocol: thriftProtocolOption,
  maxConnections: count({ optional: true, doc: "Flume's Thrift sink has one, whatever stands here; so it is here." }),
  kerberos: flag({ default: false, doc: 'Show who one is by Kerberos. Not supported: true is an error.' }),
  'client-principal': text({ optional: true, doc: 'Kerberos principal; means nothing without kerberos = true.' }),
  'client-keytab': text({ optional: true, doc: 'Its keytab; means nothing without kerberos = true.' }),
  'server-principal': text({ optional: true, doc: "The source's principal; means nothing without kerberos = true." }),
  ...clientTlsOptions,
  ...hostListOptions,
}
type ThriftOptions = Options<typeof options>

export const thrift = defineSink({
  type: 'thrift',
  aliases: ['org.apache.flume.sink.ThriftSink'],
  summary: "Sends events to another agent's Thrift source.",
  options,
  batchSizeOption: 'batch-size',
  check,
  describe: (values) => {
    const { hostname, port } = receiverOf(values)
    return `${hostname}:${port}`
  },
  create: (values, context) => new ThriftSink(values, context),
})

/** The first of `hosts`, where there are any, as Flume's client takes it. */
function receiverOf(values: ThriftOptions): HostAddress {
  return hostsOf(values, values)[0] ?? values
}

function check(values: ThriftOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = [
    ...clientTlsProblems(values, settings),
    ...senderProblems(values),
    ...hostListProblems(values, values),
    ...thriftProtocolWarnings(values.protocol),
  ]
  const note = (option: string, message: string): void => {
    problems.push({ option, severity: 'note', code: 'no-effect', message })
  }
  if (values.kerberos) {
    problems.push({
      option: 'kerberos',
      code: 'not-supported',
      message: 'Kerberos is not supported here',
      hint: 'leave it out, and send to a source that does without',
    })
  }
  if (values.hosts && values.hosts.length > 1) note('hosts', `only ${values.hosts[0]} is used`)
  if (values.maxConnections !== undefined) note('maxConnections', 'has no effect: a sink has one connection')
  return problems
}

class ThriftSink implements Sink {
  readonly batchSize: number
  readonly #sender: EventSender

  constructor(values: ThriftOptions, context: SinkContext) {
    this.batchSize = senderBatchSize(values)
    this.#sender = createSender(
      values,
      receiverOf(values),
      { thrift: thriftProtocolOf(values.protocol) },
      {
        ...context,
        tls: clientTls(values, context.settings),
      },
    )
  }

  start(): Promise<void> {
    return this.#sender.connect()
  }

  /** Before each take, so that an unreachable peer is noticed while the channel is empty (K-05a). */
  connect(): Promise<void> {
    return this.#sender.connect()
  }

  write(batch: EventBatch): Promise<void> {
    return this.#sender.send(batch)
  }

  stop(): Promise<void> {
    return this.#sender.close()
  }
}
