import { type Charset, charsetNamed, charsetNames } from '../../codec/charset.ts'
import { SyslogReader } from '../../codec/syslog.ts'
import { TimeZone } from '../../codec/time-zone.ts'
import { explain, FlumeError } from '../../core/error.ts'
import { deliverHoldingBack } from '../../net/hold-back.ts'
import { HostNames } from '../../net/host-names.ts'
import { syslogOptions, syslogProblems } from '../../net/syslog-options.ts'
import { type Peer, TcpListener } from '../../net/tcp-listener.ts'
import { serverTls, serverTlsProblems } from '../../net/tls/server.ts'
import type { Wire } from '../../net/wire.ts'
import { bytes, count, type Options, parsed, prefix, type Reading, text } from '../../spec/option.ts'
import { serverTlsOptions } from '../../spec/tls-options.ts'
import { type Delivered, defineSource, type EventBatch, type Source, type SourceContext } from '../contract.ts'

const options = {
  ports: parsed<readonly number[]>(
    'ports',
    'ports from 0 to 65535, separated by blanks',
    { default: '', doc: 'Ports to listen on. Required.' },
    (value) => {
      const ports = value.split(/\s+/).filter((word) => word !== '')
      const wrong = ports.find((word) => !/^\d{1,5}$/.test(word) || Number(word) > 65535)
      return wrong === undefined ? { value: ports.map(Number) } : { problem: `holds "${wrong}", which is no port` }
    },
  ),
  ...syslogOptions,
  eventSize: bytes({
    default: 2500,
    min: 8,
    max: 16 * 1024 * 1024,
    doc: 'Longest message; a longer one becomes several events, marked Incomplete.',
  }),
  portHeader: text({ optional: true, doc: 'Name of a header for the port that the message came to.' }),
  'charset.default': parsed<Charset>(
    'charset',
    'the name of a charset',
    { default: 'UTF-8', doc: 'What messages are written in; those that are no text of it are marked Invalid.' },
    readCharset,
  ),
  'charset.port.': prefix({ doc: 'The charset of one port.' }),
  batchSize: count({ default: 100, min: 1, doc: 'Most events handed to the channel at once.' }),
  readBufferBytes: bytes({ optional: true, min: 1, doc: 'Without effect: buffers are as large as what comes.' }),
  numProcessors: count({ optional: true, min: 1, doc: 'Without effect: there are no threads to be counted.' }),
  ...serverTlsOptions,
}
type MultiportOptions = Options<typeof options>

export const multiportSyslogTcp = defineSource({
  type: 'multiport_syslogtcp',
  aliases: ['org.apache.flume.source.MultiportSyslogTCPSource'],
  summary: 'Receives syslog over TCP on many ports.',
  options,
  batchSizeOption: 'batchSize',
  describe: (options) => `${options.host}:${options.ports.join(',')}`,
  check: (options, settings) => [
    ...(options.ports.length === 0
      ? [{ option: 'ports', message: 'is missing', hint: 'list the ports to listen on, separated by blanks' }]
      : []),
    ...Object.entries(options['charset.port.']).flatMap(([port, name]) => {
      const reading = readCharset(name)
      return 'problem' in reading ? [{ option: `charset.port.${port}`, message: `"${name}" ${reading.problem}` }] : []
    }),
    ...(['readBufferBytes', 'numProcessors'] as const)
      .filter((option) => options[option] !== undefined)
      .map((option) => ({ option, severity: 'warning' as const, code: 'no-effect', message: 'has no effect here' })),
    ...syslogProblems(options),
    ...serverTlsProblems(options, settings),
  ],
  create: (options, context) => new MultiportSource(options, context),
})

function readCharset(name: string): Reading<Charset> {
  const value = charsetNamed(name)
  if (!value) return { problem: `is none of ${charsetNames.join(', ')}` }
  return value.unitBytes === 1 ? { value } : { problem: 'has no newlines of one byte' }
}

class MultiportSource implements Source {
  readonly #options: MultiportOptions
  readonly #context: SourceContext
  readonly #names: HostNames
  #open = 0

  constructor(options: MultiportOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#names = new HostNames(context.clock)
  }

  /** Rejects IO when none of the ports can be had; one alone is only said, as in Flume. */
  async run(): Promise<void> {
    const { log, signal } = this.#context
    const { host, ports } = this.#options
    const opened = await Promise.allSettled(ports.map((port) => this.#listen(port)))
    const listeners: TcpListener[] = []
    let failure: unknown
    for (const one of opened) {
      if (one.status === 'fulfilled') listeners.push(one.value)
      else {
        failure = one.reason
        log.error(explain(failure))
      }
    }
    if (listeners.length === 0) throw failure
    this.#context.ready(`${host}:${listeners.map(({ port }) => port).join(',')}`)
    await Promise.all(listeners.map((listener) => listener.closeOn(signal)))
  }

  #listen(port: number): Promise<TcpListener> {
    const { clock, log } = this.#context
    let listening = port
    let openHere = 0
    const opening = TcpListener.open({
      host: this.#options.host,
      port,
      clock,
      log,
      tls: serverTls(this.#options, this.#context.settings),
      onCount: (open) => {
        this.#open += open - openHere
        openHere = open
        this.#context.counters.openConnections = this.#open
      },
      serve: (wire, peer, stop) => this.#serve(wire, peer, listening, stop),
    })
    void opening.then(
      (listener) => {
        listening = listener.port
      },
      () => undefined,
    )
    return opening
  }

  async #serve(wire: Wire, peer: Peer, port: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context
    const { keepFields, eventSize, portHeader, clientIPHeader, clientHostnameHeader } = this.#options
    const own = this.#options['charset.port.'][String(port)]
    const reader = new SyslogReader({
      dialect: 'parser',
      keepFields,
      eventSize,
      now: () => clock.now(),
      zone: TimeZone.utc,
      charset: (own === undefined ? undefined : charsetNamed(own)) ?? this.#options['charset.default'],
    })
    const name = clientHostnameHeader === undefined ? '' : await this.#names.of(peer.address)
    for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
      let batch = reader.read(chunk)
      if (batch.count === 0) continue
      if (portHeader !== undefined) batch = batch.withHeader(portHeader, String(port))
      if (clientIPHeader !== undefined) batch = batch.withHeader(clientIPHeader, peer.address)
      if (clientHostnameHeader !== undefined) batch = batch.withHeader(clientHostnameHeader, name)
      await deliverHoldingBack(batch, { clock, log, signal, deliverEach: (all) => this.#deliver(all) })
    }
  }

  /** In transactions of up to batchSize events (S-65). */
  async #deliver(batch: EventBatch): Promise<Delivered> {
    const size = Math.min(this.#options.batchSize, this.#context.transactionCapacity)
    let accepted = 0
    try {
      for (; accepted < batch.count; accepted = Math.min(batch.count, accepted + size)) {
        await this.#context.deliver(batch.slice(accepted, accepted + size))
      }
      return { accepted }
    } catch (error) {
      return { accepted, error: error instanceof Error ? error : new FlumeError('DELIVERY', String(error)) }
    }
  }
}
