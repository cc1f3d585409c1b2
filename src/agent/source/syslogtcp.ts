import { SyslogReader } from '../../codec/syslog.ts'
import { TimeZone } from '../../codec/time-zone.ts'
import { deliverHoldingBack } from '../../net/hold-back.ts'
import { HostNames } from '../../net/host-names.ts'
import { syslogFormatOptions, syslogOptions, syslogProblems } from '../../net/syslog-options.ts'
import { type Peer, TcpListener } from '../../net/tcp-listener.ts'
import { serverTls, serverTlsProblems } from '../../net/tls/server.ts'
import type { Wire } from '../../net/wire.ts'
import { bytes, type Options, port } from '../../spec/option.ts'
import { serverTlsOptions } from '../../spec/tls-options.ts'
import { defineSource, type Source, type SourceContext } from '../contract.ts'

const options = {
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  ...syslogOptions,
  eventSize: bytes({
    default: 2500,
    min: 8,
    max: 16 * 1024 * 1024,
    doc: 'Longest message; a longer one becomes several events, marked Incomplete.',
  }),
  ...syslogFormatOptions,
  ...serverTlsOptions,
}
type SyslogTcpOptions = Options<typeof options>

export const syslogTcp = defineSource({
  type: 'syslogtcp',
  aliases: ['org.apache.flume.source.SyslogTcpSource'],
  summary: 'Receives syslog over TCP, RFC 3164 and RFC 5424, by lines or by counts of octets.',
  options,
  describe: (options) => `${options.host}:${options.port}`,
  check: (options, settings) => [...syslogProblems(options), ...serverTlsProblems(options, settings)],
  create: (options, context) => new SyslogTcpSource(options, context),
})

class SyslogTcpSource implements Source {
  readonly #options: SyslogTcpOptions
  readonly #context: SourceContext
  readonly #names: HostNames
  readonly #zone = TimeZone.local()

  constructor(options: SyslogTcpOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#names = new HostNames(context.clock)
  }

  async run(): Promise<void> {
    const { clock, log, counters, signal } = this.#context
    const { host, port } = this.#options
    const listener = await TcpListener.open({
      host,
      port,
      clock,
      log,
      tls: serverTls(this.#options, this.#context.settings),
      onCount: (open) => {
        counters.openConnections = open
      },
      serve: (wire, peer, stop) => this.#serve(wire, peer, stop),
    })
    this.#context.ready(`${host}:${listener.port}`)
    await listener.closeOn(signal)
  }

  async #serve(wire: Wire, peer: Peer, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context
    const { keepFields, eventSize, clientIPHeader, clientHostnameHeader } = this.#options
    const reader = new SyslogReader({
      dialect: 'utils',
      keepFields,
      eventSize,
      now: () => clock.now(),
      zone: this.#zone,
    })
    const name = clientHostnameHeader === undefined ? '' : await this.#names.of(peer.address)
    for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
      let batch = reader.read(chunk)
      if (batch.count === 0) continue
      if (clientIPHeader !== undefined) batch = batch.withHeader(clientIPHeader, peer.address)
      if (clientHostnameHeader !== undefined) batch = batch.withHeader(clientHostnameHeader, name)
      await deliverHoldingBack(batch, { clock, log, signal, deliverEach: (all) => this.#context.deliverEach(all) })
    }
  }
}
