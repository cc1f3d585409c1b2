import { LineCutter } from '../../../codec/lines.ts'
import type { SparkEventBatch } from '../../../codec/sparksink.ts'
import { type StreamCharset, streamCharset } from '../../../codec/stream-charset.ts'
import { FlumeError, isAbort } from '../../../core/error.ts'
import type { EventBatch } from '../../../core/event-batch.ts'
import { flumeService } from '../../../net/avro-rpc/flume-service.ts'
import { askForPort } from '../../../net/avro-rpc/port-service.ts'
import { type Caller, RpcServer } from '../../../net/avro-rpc/server.ts'
import { type SparkFeed, sparkService } from '../../../net/avro-rpc/spark-service.ts'
import { deliveringReceiver } from '../../../net/flume-rpc/delivery.ts'
import { serveLines } from '../../../net/line-session.ts'
import { connectionsMaxDefault, type Peer, TcpListener } from '../../../net/tcp-listener.ts'
import { tellConnection } from '../../../net/tell-connection.ts'
import { serverTls, serverTlsProblems } from '../../../net/tls/server.ts'
import { type SocketWire, ZlibWire } from '../../../net/wire.ts'
import { bytes, count, flag, type Options, port, seconds, text } from '../../../spec/option.ts'
import { serverTlsOptions } from '../../../spec/tls-options.ts'
import { type Delivered, defineSource, type Source, type SourceContext } from '../../contract.ts'
import { Subscriber } from './subscriber.ts'

const utf8 = streamCharset('utf-8') as StreamCharset

const options = {
  bind: text({ doc: 'Address to listen on.' }),
  port: port({ doc: 'Port to listen on; 0 takes a free one.' }),
  'max-line-length': bytes({
    default: 64 * 1024,
    min: 1,
    doc: 'Longest line of text, newline included; a longer one is answered FAILED and ends the connection.',
  }),
  'ack-every-event': flag({ default: true, doc: 'Answer OK to each line once it is committed.' }),
  'max-connections': count({
    default: connectionsMaxDefault,
    min: 1,
    doc: 'Connections that may be open together; more are closed as they come.',
  }),
  'subscriber.events': count({
    default: 100_000,
    min: 1,
    doc: 'Events kept for each subscriber; what comes beyond is dropped for that subscriber only.',
  }),
  'subscriber.bytes': bytes({
    default: 32 * 1024 * 1024,
    min: 1,
    doc: 'Bytes kept for each subscriber; what comes beyond is dropped for that subscriber only.',
  }),
  'subscriber.timeout': seconds({
    default: 60,
    min: 1,
    doc: 'A batch that a subscriber has not acknowledged by then is offered to it again.',
  }),
  ...serverTlsOptions,
}
type FlumeSourceOptions = Options<typeof options>

export const flumeSource = defineSource({
  type: 'FlumeSource',
  aliases: [],
  summary:
    'One port for lines of text, Avro clients (plain or deflate) and subscribers, told apart by their first bytes.',
  options,
  takesConsole: true,
  check: (values, settings) => serverTlsProblems(values, settings),
  describe: (values) => `${values.bind}:${values.port}`,
  create: (values, context) => new FlumeSource(values, context),
})

/** How long a job may take to finish its connections and free the port, and how often that is tried, in milliseconds. */
const handOverMaxMs = 3000
const handOverPollMs = 50

class FlumeSource implements Source {
  readonly #options: FlumeSourceOptions
  readonly #context: SourceContext
  readonly #subscribers: Subscribers
  readonly #server: RpcServer

  constructor(values: FlumeSourceOptions, context: SourceContext) {
    this.#options = values
    this.#context = context
    this.#subscribers = new Subscribers(values, context)
    const { clock, counters, log } = context
    const receiver = deliveringReceiver({ deliver: (batch) => this.#deliver(batch), counters, log })
    this.#server = new RpcServer({ clock, services: [flumeService(receiver), sparkService(this.#subscribers)] })
  }

  async run(): Promise<void> {
    const { signal } = this.#context
    const listener = await this.#listen()
    this.#context.ready(`${this.#options.bind}:${listener.port}`)
    await Promise.all([this.#readConsole(), listener.closeOn(signal)])
  }

  /** A job that was started first may listen on the port, for want of an agent: it is asked to hand the port over. */
  async #listen(): Promise<TcpListener> {
    const { clock, log, signal } = this.#context
    const { bind, port } = this.#options
    try {
      return await this.#open()
    } catch (busy) {
      const { code } = ((busy as Error).cause ?? {}) as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' || !(await askForPort(bind, port, clock))) throw busy
    }
    log.info(`a job listened on ${bind}:${port} and hands it over`)
    for (let waitedMs = 0; ; waitedMs += handOverPollMs) {
      await clock.sleep(handOverPollMs, signal)
      try {
        return await this.#open()
      } catch (busy) {
        if (waitedMs >= handOverMaxMs || isAbort(busy)) throw busy
      }
    }
  }

  #open(): Promise<TcpListener> {
    const { clock, log, counters } = this.#context
    return TcpListener.open({
      host: this.#options.bind,
      port: this.#options.port,
      clock,
      log,
      connectionsMax: this.#options['max-connections'],
      tls: serverTls(this.#options, this.#context.settings),
      onCount: (open) => {
        counters.openConnections = open
      },
      serve: (wire, peer, stop) => this.#serve(wire, peer, stop),
    })
  }

  async #serve(wire: SocketWire, peer: Peer, signal: AbortSignal): Promise<void> {
    switch (await tellConnection(wire)) {
      case 'avro':
        return this.#server.serve(wire, peer, signal)
      case 'avro-deflate':
        return this.#server.serve(new ZlibWire(wire), peer, signal)
      case 'text':
        return this.#serveText(wire, signal)
      case 'tls':
        throw new FlumeError('UNSUPPORTED', 'the peer speaks TLS, and this source does not', {
          hint: 'set ssl = true and a keystore',
        })
      case undefined:
        return
    }
  }

  async #serveText(wire: SocketWire, signal: AbortSignal): Promise<void> {
    try {
      await serveLines({
        wire,
        signal,
        charset: utf8,
        lineMax: this.#options['max-line-length'],
        unit: 'bytes',
        strict: false,
        acks: this.#options['ack-every-event'],
        deliver: (batch) => this.#deliverEach(batch),
      })
    } catch (error) {
      this.#context.counters.eventReadFail++
      throw error
    }
  }

  /** The terminal is a connection without answers; refusals are logged. */
  async #readConsole(): Promise<void> {
    const { console, signal, log } = this.#context
    if (!console) return
    const lineMax = this.#options['max-line-length']
    let cutter = new LineCutter({ lineMax, unit: 'bytes' })
    const iterator = console[Symbol.asyncIterator]()
    const stopped = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined)
      signal.addEventListener('abort', () => resolve(undefined), { once: true })
    })
    for (;;) {
      const next = await Promise.race([iterator.next(), stopped])
      if (next === undefined || next.done) break
      const { batch, end } = cutter.cut(Buffer.from(next.value))
      for (let rest = batch; rest.count > 0 && !signal.aborted; ) {
        const { accepted, error } = await this.#deliverEach(rest)
        if (!error) break
        log.warn(`a line typed here was refused: ${error.message}`)
        rest = rest.slice(accepted + 1)
      }
      if (end) {
        log.warn(`a line typed here is above ${lineMax} bytes and was left out`)
        cutter = new LineCutter({ lineMax, unit: 'bytes' })
      }
    }
    // Not awaited: an iterator that waits for a key would not answer before one is pressed.
    void iterator.return?.()
  }

  async #deliver(batch: EventBatch): Promise<void> {
    await this.#context.deliver(batch)
    this.#subscribers.offer(batch)
  }

  async #deliverEach(batch: EventBatch): Promise<Delivered> {
    const delivered = await this.#context.deliverEach(batch)
    if (delivered.accepted > 0) this.#subscribers.offer(batch.slice(0, delivered.accepted))
    return delivered
  }
}

const prefixLength = 8
const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The connections that speak Spark's sink protocol: each gets a copy of what is accepted after its first call. */
class Subscribers implements SparkFeed {
  readonly #options: FlumeSourceOptions
  readonly #context: SourceContext
  readonly #byCaller = new Map<Caller, Subscriber>()

  constructor(values: FlumeSourceOptions, context: SourceContext) {
    this.#options = values
    this.#context = context
  }

  offer(batch: EventBatch): void {
    for (const subscriber of this.#byCaller.values()) subscriber.offer(batch)
  }

  getEventBatch(max: number, caller: Caller): Promise<SparkEventBatch> {
    return this.#of(caller).next(max, caller.signal)
  }

  async ack(sequenceNumber: string, caller: Caller): Promise<void> {
    // A subscriber of ours opens with an acknowledgement of nothing: from its answer on, it misses nothing.
    this.#of(caller).ack(sequenceNumber)
  }

  async nack(sequenceNumber: string, caller: Caller): Promise<void> {
    this.#byCaller.get(caller)?.nack(sequenceNumber)
  }

  #of(caller: Caller): Subscriber {
    const known = this.#byCaller.get(caller)
    if (known) return known
    const { clock, log, random, counters } = this.#context
    const who = `${caller.address}:${caller.port}`
    const subscriber = new Subscriber({
      eventsMax: this.#options['subscriber.events'],
      bytesMax: this.#options['subscriber.bytes'],
      timeoutMs: this.#options['subscriber.timeout'] * 1000,
      clock,
      log,
      who,
      prefix: Array.from({ length: prefixLength }, () => alphanumeric[Math.floor(random() * alphanumeric.length)]).join(
        '',
      ),
      onDropped: (events) => {
        counters.subscriberDropped += events
      },
    })
    // A caller that is gone already gets its answer from a subscriber that nobody keeps.
    if (caller.signal.aborted) return subscriber
    this.#byCaller.set(caller, subscriber)
    log.info(`${who} subscribes to the events from now on`)
    caller.signal.addEventListener('abort', () => this.#end(caller, subscriber, who), { once: true })
    return subscriber
  }

  #end(caller: Caller, subscriber: Subscriber, who: string): void {
    this.#byCaller.delete(caller)
    subscriber.close()
    this.#context.log.info(`${who} has ended its subscription`)
  }
}
