import { flumeService } from '../../net/avro-rpc/flume-service.ts'
import { RpcServer } from '../../net/avro-rpc/server.ts'
import { deliveringReceiver } from '../../net/flume-rpc/delivery.ts'
import { admits, type IpFilterRules, parseIpFilter } from '../../net/ip-filter.ts'
import { connectionsMaxDefault, TcpListener } from '../../net/tcp-listener.ts'
import { serverTls, serverTlsProblems } from '../../net/tls/server.ts'
import { ZlibWire } from '../../net/wire.ts'
import { count, flag, type Options, parsed, port, text } from '../../spec/option.ts'
import { serverTlsOptions } from '../../spec/tls-options.ts'
import { type CheckSettings, defineSource, type OptionProblem, type Source, type SourceContext } from '../contract.ts'

const options = {
  bind: text({ doc: 'Address to listen on.' }),
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  threads: count({
    default: 0,
    min: 0,
    doc: 'Size of a thread pool in Flume 1.9; has no effect here, where one loop serves every connection.',
  }),
  'max-connections': count({
    default: connectionsMaxDefault,
    min: 1,
    doc: 'Connections that may be open together; more are closed as they come.',
  }),
  'compression-type': parsed<'none' | 'deflate'>(
    'none | deflate',
    'none or deflate',
    { default: 'none', doc: 'deflate compresses both directions; the sending side must have the same.' },
    // Flume: any other word means none.
    (word) => ({ value: word.toLowerCase() === 'deflate' ? 'deflate' : 'none' }),
  ),
  ipFilter: flag({ default: false, doc: 'Let connections in by ipFilterRules.' }),
  ipFilterRules: parsed<IpFilterRules>(
    'rules',
    'comma-separated allow|deny:ip|name:pattern with * and ? in patterns',
    { default: '', doc: 'allow|deny:ip|name:pattern, comma-separated; the first match decides, none allows.' },
    (rules) => {
      if (rules === '') return { value: [] }
      const read = parseIpFilter(rules)
      return 'rules' in read ? { value: read.rules } : read
    },
  ),
  ...serverTlsOptions,
}
type AvroOptions = Options<typeof options>

export const avro = defineSource({
  type: 'avro',
  aliases: ['org.apache.flume.source.AvroSource'],
  summary: "Receives events from Flume's Avro sinks and clients.",
  options,
  describe: (values) => `${values.bind}:${values.port}`,
  check,
  create: (values, context) => new AvroSource(values, context),
})

function check(values: AvroOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = [...serverTlsProblems(values, settings)]
  if (values.ipFilter && values.ipFilterRules.length === 0)
    problems.push({ option: 'ipFilterRules', code: 'missing', message: 'is needed when ipFilter = true' })
  if (values.threads > 0)
    problems.push({
      option: 'threads',
      severity: 'note',
      code: 'no-effect',
      message: 'has no effect: one loop serves every connection',
    })
  return problems
}

class AvroSource implements Source {
  readonly #options: AvroOptions
  readonly #context: SourceContext

  constructor(values: AvroOptions, context: SourceContext) {
    this.#options = values
    this.#context = context
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const deliver = this.#context.deliver.bind(this.#context)
    const server = new RpcServer({ clock, services: [flumeService(deliveringReceiver({ deliver, counters, log }))] })
    const deflate = this.#options['compression-type'] === 'deflate'
    const listener = await TcpListener.open({
      host: this.#options.bind,
      port: this.#options.port,
      clock,
      log,
      connectionsMax: this.#options['max-connections'],
      tls: serverTls(this.#options, this.#context.settings),
      admit: ({ address }) => !this.#options.ipFilter || admits(this.#options.ipFilterRules, address),
      // Flume refreshes this number once a minute (S-05); here it is always right.
      onCount: (open) => {
        counters.openConnections = open
      },
      serve: (wire, peer, stop) => server.serve(deflate ? new ZlibWire(wire) : wire, peer, stop),
    })
    this.#context.ready(`${this.#options.bind}:${listener.port}`)
    await listener.closeOn(signal)
  }
}
