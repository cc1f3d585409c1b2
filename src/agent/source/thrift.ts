import { deliveringReceiver } from '../../net/flume-rpc/delivery.ts'
import { connectionsMaxDefault, TcpListener } from '../../net/tcp-listener.ts'
import { flumeCalls } from '../../net/thrift-rpc/flume-calls.ts'
import { thriftProtocolOf, thriftProtocolOption, thriftProtocolProblem } from '../../net/thrift-rpc/protocol-option.ts'
import { ThriftServer } from '../../net/thrift-rpc/server.ts'
import { serverTls, serverTlsProblems } from '../../net/tls/server.ts'
import { count, flag, type Options, port, text } from '../../spec/option.ts'
import { serverTlsOptions } from '../../spec/tls-options.ts'
import { type CheckSettings, defineSource, type OptionProblem, type Source, type SourceContext } from '../contract.ts'

const options = {
  bind: text({ doc: 'Address to listen on.' }),
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  threads: count({
    default: 0,
    min: 0,
    doc: "Most of Flume's worker threads; has no effect here, where one loop serves every connection.",
  }),
  'max-connections': count({
    default: connectionsMaxDefault,
    min: 1,
    doc: 'Connections that may be open together; more are closed as they come.',
  }),
  protocol: thriftProtocolOption,
  kerberos: flag({ default: false, doc: 'Let clients in by Kerberos. Not supported: true is an error.' }),
  'agent-principal': text({ optional: true, doc: 'Kerberos principal; means nothing without kerberos = true.' }),
  'agent-keytab': text({ optional: true, doc: 'Its keytab; means nothing without kerberos = true.' }),
  ...serverTlsOptions,
}
type ThriftOptions = Options<typeof options>

export const thrift = defineSource({
  type: 'thrift',
  aliases: ['org.apache.flume.source.ThriftSource'],
  summary: "Receives events from Flume's Thrift sinks and clients.",
  options,
  describe: (values) => `${values.bind}:${values.port}`,
  check,
  create: (values, context) => new ThriftSource(values, context),
})

function check(values: ThriftOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = [...serverTlsProblems(values, settings)]
  if (values.kerberos) {
    problems.push({
      option: 'kerberos',
      code: 'not-supported',
      message: 'Kerberos is not supported here',
      hint: 'leave it out, and let in only whom the network lets in',
    })
  }
  const wrong = thriftProtocolProblem(values.protocol)
  if (wrong) {
    problems.push({
      option: 'protocol',
      severity: wrong.isKnown ? 'warning' : 'error',
      code: 'unknown-protocol',
      message: wrong.message,
    })
  }
  if (values.threads > 0) {
    const message = 'has no effect: one loop serves every connection'
    problems.push({ option: 'threads', severity: 'note', code: 'no-effect', message })
  }
  return problems
}

class ThriftSource implements Source {
  readonly #options: ThriftOptions
  readonly #context: SourceContext

  constructor(values: ThriftOptions, context: SourceContext) {
    this.#options = values
    this.#context = context
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const deliver = this.#context.deliver.bind(this.#context)
    const server = new ThriftServer({
      clock,
      dialect: thriftProtocolOf(this.#options.protocol),
      calls: flumeCalls(deliveringReceiver({ deliver, counters, log, batchesMayFail: true })),
    })
    const listener = await TcpListener.open({
      host: this.#options.bind,
      port: this.#options.port,
      clock,
      log,
      connectionsMax: this.#options['max-connections'],
      tls: serverTls(this.#options, this.#context.settings),
      onCount: (open) => {
        counters.openConnections = open
      },
      serve: (wire, _peer, stop) => server.serve(wire, stop),
    })
    this.#context.ready(`${this.#options.bind}:${listener.port}`)
    await listener.closeOn(signal)
  }
}
