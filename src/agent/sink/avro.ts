import type { EventBatch } from '../../core/event-batch.ts'
import type { FlumeSender } from '../../net/avro-rpc/flume-sender.ts'
import { createSender, senderBatchSize, senderOptions, senderProblems } from '../../net/avro-rpc/sender-options.ts'
import { count, flag, type Options, port, prefix, text } from '../../spec/option.ts'
import { clientTlsOptions, tlsProblems } from '../../spec/tls-options.ts'
import { defineSink, type OptionProblem, type Sink, type SinkContext } from '../contract.ts'

const options = {
  hostname: text({ doc: 'Host of the receiving Avro source.' }),
  port: port({ doc: 'Port of the receiving Avro source.' }),
  ...senderOptions,
  maxIoWorkers: count({
    optional: true,
    doc: "Threads of Flume's client; has no effect here, where one loop serves every connection.",
  }),
  ...clientTlsOptions,
  'client.type': text({ default: 'default', doc: 'Only the default client is there yet: one host per sink.' }),
  hosts: text({ optional: true, doc: 'Several receivers. Not there yet: an error; use a sink group.' }),
  'hosts.': prefix({ doc: 'Addresses of several receivers. Not there yet: an error; use a sink group.' }),
  'max-attempts': count({ optional: true, doc: 'Of the failover client; has no effect with one host.' }),
  'host-selector': text({ optional: true, doc: 'Of the load-balancing client; has no effect with one host.' }),
  backoff: flag({ default: false, doc: 'Of the load-balancing client; has no effect with one host.' }),
  maxBackoff: count({ optional: true, doc: 'Of the load-balancing client; has no effect with one host.' }),
}
type AvroOptions = Options<typeof options>

/** Names of the client that talks to one host. */
const singleHostClients = ['default', 'org.apache.flume.api.nettyavrorpcclient']

export const avro = defineSink({
  type: 'avro',
  aliases: ['org.apache.flume.sink.AvroSink'],
  summary: "Sends events to another agent's Avro source.",
  options,
  batchSizeOption: 'batch-size',
  check,
  describe: (values) => `${values.hostname}:${values.port}`,
  create: (values, context) => new AvroSink(values, context),
})

function check(values: AvroOptions): readonly OptionProblem[] {
  const problems: OptionProblem[] = [...tlsProblems(values), ...senderProblems(values)]
  const hint = 'define one avro sink per host and put them into a sink group (failover or load_balance)'
  if (!singleHostClients.includes(values['client.type'].toLowerCase()))
    problems.push({ option: 'client.type', code: 'not-supported', message: 'is not supported here yet', hint })
  const hosts = values.hosts !== undefined ? 'hosts' : Object.keys(values['hosts.']).length > 0 ? 'hosts.' : undefined
  if (hosts)
    problems.push({ option: hosts, code: 'not-supported', message: 'several hosts are not supported here yet', hint })
  for (const option of ['max-attempts', 'host-selector', 'maxBackoff', 'maxIoWorkers'] as const)
    if (values[option] !== undefined) problems.push(noEffect(option))
  if (values.backoff) problems.push(noEffect('backoff'))
  return problems
}

function noEffect(option: string): OptionProblem {
  return { option, severity: 'note', code: 'no-effect', message: 'has no effect on a sink with one host' }
}

class AvroSink implements Sink {
  readonly batchSize: number
  readonly #sender: FlumeSender

  constructor(values: AvroOptions, context: SinkContext) {
    this.batchSize = senderBatchSize(values)
    this.#sender = createSender(values, context)
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
