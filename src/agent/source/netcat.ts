import { type StreamCharset, streamCharset } from '../../codec/stream-charset.ts'
import { serveLines } from '../../net/line-session.ts'
import { TcpListener } from '../../net/tcp-listener.ts'
import type { Wire } from '../../net/wire.ts'
import { count, flag, type Options, parsed, port, text } from '../../spec/option.ts'
import { defineSource, type Source, type SourceContext } from '../contract.ts'

const options = {
  bind: text({ doc: 'Address to listen on.' }),
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  'max-line-length': count({
    default: 512,
    min: 1,
    doc: 'Longest line, in characters, newline included; a longer one is answered FAILED and ends the connection.',
  }),
  'ack-every-event': flag({ default: true, doc: 'Answer OK to each line once it is committed.' }),
  encoding: parsed<StreamCharset>(
    'character set',
    'a character set, such as utf-8, iso-8859-1 or utf-16',
    { default: 'utf-8', doc: 'Character set of lines and answers; event bodies are UTF-8 always.' },
    (name) => {
      const charset = streamCharset(name)
      return charset ? { value: charset } : { problem: 'is not a known character set' }
    },
  ),
}
type NetcatOptions = Options<typeof options>

export const netcat = defineSource({
  type: 'netcat',
  aliases: ['org.apache.flume.source.NetcatSource'],
  summary: 'Listens on TCP; each line of text becomes one event.',
  options,
  describe: (values) => `${values.bind}:${values.port}`,
  create: (values, context) => new NetcatSource(values, context),
})

class NetcatSource implements Source {
  readonly #options: NetcatOptions
  readonly #context: SourceContext

  constructor(values: NetcatOptions, context: SourceContext) {
    this.#options = values
    this.#context = context
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const listener = await TcpListener.open({
      host: this.#options.bind,
      port: this.#options.port,
      clock,
      log,
      onCount: (open) => {
        counters.openConnections = open
      },
      serve: (wire, _peer, stop) => this.#serve(wire, stop),
    })
    this.#context.ready(`${this.#options.bind}:${listener.port}`)
    await listener.closeOn(signal)
  }

  async #serve(wire: Wire, signal: AbortSignal): Promise<void> {
    try {
      await serveLines({
        wire,
        signal,
        charset: this.#options.encoding,
        lineMax: this.#options['max-line-length'],
        unit: 'characters',
        strict: true,
        acks: this.#options['ack-every-event'],
        deliver: (batch) => this.#context.deliverEach(batch),
      })
    } catch (error) {
      this.#context.counters.eventReadFail++
      throw error
    }
  }
}
