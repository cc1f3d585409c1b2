import type { ThriftReader } from '../../codec/thrift/protocol.ts'
import { readLog, scribeResults } from '../../codec/thrift/scribe.ts'
import { explain } from '../../core/error.ts'
import { TcpListener } from '../../net/tcp-listener.ts'
import { ThriftServer } from '../../net/thrift-rpc/server.ts'
import { count, type Options, port, text, whole } from '../../spec/option.ts'
import { defineSource, type OptionProblem, type Source, type SourceContext } from '../contract.ts'

const readBufferBytesDefault = 16_384_000

const options = {
  bind: text({ default: '0.0.0.0', doc: 'Address to listen on; Flume listens on all of them.' }),
  port: port({ default: 1499, doc: 'Port to listen on; 0 takes a free one.' }),
  maxReadBufferBytes: whole('bytes', {
    default: readBufferBytesDefault,
    max: 1024 * 1024 * 1024,
    doc: `Longest call; a connection that sends more is closed. 0 or less means ${readBufferBytesDefault}.`,
  }),
  workerThreads: count({
    default: 5,
    doc: "Flume's worker threads; has no effect here, where one loop serves every connection.",
  }),
}
type ScribeOptions = Options<typeof options>

export const scribe = defineSource({
  type: 'ScribeSource',
  aliases: ['org.apache.flume.source.scribe.ScribeSource', 'scribe'],
  summary: 'Receives what Scribe clients log, each entry an event with its category as header.',
  options,
  describe: (values) => `${values.bind}:${values.port}`,
  check,
  create: (values, context) => new ScribeSource(values, context),
})

function check(values: ScribeOptions): readonly OptionProblem[] {
  if (values.workerThreads === 5) return []
  const message = 'has no effect: one loop serves every connection'
  return [{ option: 'workerThreads', severity: 'note', code: 'no-effect', message }]
}

class ScribeSource implements Source {
  readonly #options: ScribeOptions
  readonly #context: SourceContext

  constructor(values: ScribeOptions, context: SourceContext) {
    this.#options = values
    this.#context = context
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const { bind, maxReadBufferBytes } = this.#options
    const server = new ThriftServer({
      clock,
      dialect: 'binary-old',
      calls: { Log: (args) => this.#log(args) },
      frameBytesMax: maxReadBufferBytes > 0 ? maxReadBufferBytes : readBufferBytesDefault,
    })
    const listener = await TcpListener.open({
      host: bind,
      port: this.#options.port,
      clock,
      log,
      onCount: (open) => {
        counters.openConnections = open
      },
      serve: (wire, _peer, stop) => server.serve(wire, stop),
    })
    this.#context.ready(`${bind}:${listener.port}`)
    await listener.closeOn(signal)
  }

  /** A call is one delivery; whatever keeps its entries from being kept asks the client to try again later. */
  async #log(args: ThriftReader): Promise<number> {
    const batch = readLog(args)
    if (!batch) return scribeResults.tryLater
    try {
      if (batch.count > 0) await this.#context.deliver(batch)
      return scribeResults.ok
    } catch (error) {
      this.#context.log.warn(`refused ${batch.count} entries: ${explain(error)}`)
      return scribeResults.tryLater
    }
  }
}
