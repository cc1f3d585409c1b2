import { SyslogReader } from '../../codec/syslog.ts'
import { TimeZone } from '../../codec/time-zone.ts'
import { deliverOrDrop } from '../../net/hold-back.ts'
import { HostNames } from '../../net/host-names.ts'
import { syslogFormatOptions, syslogOptions, syslogProblems } from '../../net/syslog-options.ts'
import { type Datagram, UdpListener } from '../../net/udp-listener.ts'
import { type Options, port } from '../../spec/option.ts'
import { defineSource, type Source, type SourceContext } from '../contract.ts'

const options = {
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  ...syslogOptions,
  ...syslogFormatOptions,
}
type SyslogUdpOptions = Options<typeof options>

export const syslogUdp = defineSource({
  type: 'syslogudp',
  aliases: ['org.apache.flume.source.SyslogUDPSource'],
  summary: 'Receives syslog over UDP, RFC 3164 and RFC 5424, a message a datagram.',
  options,
  describe: (options) => `${options.host}:${options.port}`,
  check: syslogProblems,
  create: (options, context) => new SyslogUdpSource(options, context),
})

/** Larger than any datagram. */
const eventSize = 65_536

class SyslogUdpSource implements Source {
  readonly #options: SyslogUdpOptions
  readonly #context: SourceContext
  readonly #names: HostNames
  readonly #reader: SyslogReader

  constructor(options: SyslogUdpOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#names = new HostNames(context.clock)
    const { keepFields } = options
    this.#reader = new SyslogReader({
      dialect: 'utils',
      keepFields,
      eventSize,
      now: () => context.clock.now(),
      zone: TimeZone.local(),
    })
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const { host, port } = this.#options
    const listener = await UdpListener.open({
      host,
      port,
      clock,
      log,
      onDrop: () => {
        counters.eventReadFail++
      },
      take: (datagrams) => this.#take(datagrams),
    })
    this.#context.ready(`${host}:${listener.port}`)
    await listener.closeOn(signal)
  }

  /** A sender of datagrams cannot be held back: what the channel does not take is dropped, and counted. */
  async #take(datagrams: readonly Datagram[]): Promise<void> {
    const { clientIPHeader, clientHostnameHeader } = this.#options
    let batch = this.#reader.readDatagrams(datagrams.map(({ bytes }) => bytes))
    if (clientIPHeader !== undefined) {
      batch = batch.withHeader(
        clientIPHeader,
        datagrams.map(({ address }) => address),
      )
    }
    if (clientHostnameHeader !== undefined) {
      const names = await Promise.all(datagrams.map(({ address }) => this.#names.of(address)))
      batch = batch.withHeader(clientHostnameHeader, names)
    }
    const { clock, log, signal } = this.#context
    await deliverOrDrop(batch, { clock, log, signal, deliverEach: (all) => this.#context.deliverEach(all) })
  }
}
