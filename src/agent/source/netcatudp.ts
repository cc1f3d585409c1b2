import { deliverOrDrop } from '../../net/hold-back.ts'
import { type Datagram, UdpListener } from '../../net/udp-listener.ts'
import { type Options, port, text } from '../../spec/option.ts'
import { BatchBuilder, defineSource, type Source, type SourceContext } from '../contract.ts'

const options = {
  bind: text({ default: '0.0.0.0', doc: 'Address to listen on.' }),
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  remoteAddress: text({ optional: true, doc: 'Name of a header for the sender, as /address:port.' }),
}
type NetcatUdpOptions = Options<typeof options>

export const netcatUdp = defineSource({
  type: 'netcatudp',
  aliases: ['org.apache.flume.source.NetcatUdpSource'],
  summary: 'Listens on UDP; the first line of each datagram becomes one event.',
  options,
  describe: (options) => `${options.bind}:${options.port}`,
  create: (options, context) => new NetcatUdpSource(options, context),
})

const lineFeed = 0x0a

class NetcatUdpSource implements Source {
  readonly #options: NetcatUdpOptions
  readonly #context: SourceContext

  constructor(options: NetcatUdpOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const { bind, port } = this.#options
    const listener = await UdpListener.open({
      host: bind,
      port,
      clock,
      log,
      onDrop: () => {
        counters.eventReadFail++
      },
      take: (datagrams) => this.#take(datagrams),
    })
    this.#context.ready(`${bind}:${listener.port}`)
    await listener.closeOn(signal)
  }

  async #take(datagrams: readonly Datagram[]): Promise<void> {
    const { remoteAddress } = this.#options
    const builder = new BatchBuilder(
      datagrams.reduce((sum, { bytes }) => sum + bytes.length, 0),
      datagrams.length,
    )
    for (const { bytes, address, port } of datagrams) {
      const feed = bytes.indexOf(lineFeed)
      builder.addRange(bytes, 0, feed < 0 ? bytes.length : feed) // S-30
      // Flume puts it under a null name when there is none (S-30), which no sink downstream can send on.
      if (remoteAddress !== undefined) builder.setHeader(remoteAddress, `/${address}:${port}`)
    }
    const { clock, log, signal } = this.#context
    await deliverOrDrop(builder.build(), { clock, log, signal, deliverEach: (all) => this.#context.deliverEach(all) }) // S-31
  }
}
