import type { EventBatch } from '../../core/event-batch.ts'
import type { EventSender } from '../../net/flume-rpc/flume-sender.ts'
import { createHostSender, describeHosts, hostOptions, hostProblems } from '../../net/flume-rpc/host-options.ts'
import { senderBatchSize, senderOptions, senderProblems } from '../../net/flume-rpc/sender-options.ts'
import { clientTls, clientTlsProblems } from '../../net/tls/client.ts'
import { count, type Options, port, text } from '../../spec/option.ts'
import { clientTlsOptions } from '../../spec/tls-options.ts'
import { type CheckSettings, defineSink, type OptionProblem, type Sink, type SinkContext } from '../contract.ts'

const options = {
  hostname: text({ doc: 'Host of the receiving Avro source; with hosts, the one called h1.' }),
  port: port({ doc: 'Port of the receiving Avro source; with hosts, of the one called h1.' }),
  ...senderOptions,
  maxIoWorkers: count({
    optional: true,
    doc: "Threads of Flume's client; has no effect here, where one loop serves every connection.",
  }),
  ...clientTlsOptions,
  ...hostOptions,
}
type AvroOptions = Options<typeof options>

export const avro = defineSink({
  type: 'avro',
  aliases: ['org.apache.flume.sink.AvroSink'],
  summary: "Sends events to another agent's Avro source, or to one of several.",
  options,
  batchSizeOption: 'batch-size',
  check,
  describe: (values) => describeHosts(values, values),
  create: (values, context) => new AvroSink(values, context),
})

function check(values: AvroOptions, settings?: CheckSettings): readonly OptionProblem[] {
  const problems: OptionProblem[] = [
    ...clientTlsProblems(values, settings),
    ...senderProblems(values),
    ...hostProblems(values, values),
  ]
  if (values.maxIoWorkers !== undefined) {
    const message = 'has no effect: one loop serves every connection'
    problems.push({ option: 'maxIoWorkers', severity: 'note', code: 'no-effect', message })
  }
  return problems
}

class AvroSink implements Sink {
  readonly batchSize: number
  readonly #sender: EventSender

  constructor(values: AvroOptions, context: SinkContext) {
    this.batchSize = senderBatchSize(values)
    this.#sender = createHostSender(values, { ...context, tls: clientTls(values, context.settings) }, values)
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
