import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError } from '../../core/error.ts'
import { EventBatch } from '../../core/event-batch.ts'
import type { Random } from '../../core/random.ts'
import { SinkCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import { count, type Options } from '../../spec/option.ts'
import { readOptions } from '../../spec/read.ts'
import { clientTlsOptions } from '../../spec/tls-options.ts'
import { clientTls, clientTlsProblems } from '../tls/client.ts'
import type { TlsSettings } from '../tls/problem.ts'
import type { EventSender } from './flume-sender.ts'
import { createHostSender, hasOneHost, hostOptions, hostProblems } from './host-options.ts'
import { senderBatchSize, senderOptions, senderProblems } from './sender-options.ts'

/** Every property that Flume's RPC clients read (flume-components §12). */
export const rpcClientOptions = {
  ...hostOptions,
  ...senderOptions,
  maxIoWorkers: count({ optional: true, doc: "Threads of Flume's client; has no effect here." }),
  ...clientTlsOptions,
}
type RpcClientValues = Options<typeof rpcClientOptions>

/** An event to send. A text becomes its UTF-8 bytes. */
export interface OutgoingEvent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body: Uint8Array | string
}

/** Properties as Flume's Java client has them, such as `{ hosts: 'h1', 'hosts.h1': 'localhost:41414' }`. */
export type RpcClientProperties = Readonly<Record<string, string | number | boolean>>

/** Sends events to Flume agents. Calls are worked off one after the other, in the order they were made. */
export interface RpcClient {
  /** Most events sent in one call over the wire; a larger batch is cut. */
  readonly batchSize: number
  /** False once the client is closed, or, with one host, has failed: make a new one then. */
  readonly isActive: boolean
  /** Sends one event; resolves when an agent has kept it. Rejects as `appendBatch`. */
  append(event: OutgoingEvent): Promise<void>
  /**
   * Sends events; resolves when an agent has kept all of them. Rejects DELIVERY (an agent refused, or no host took
   * them), CONNECTION, TIMEOUT or CLOSED. What earlier calls of a cut batch delivered stays delivered; the message says
   * how many events that is.
   */
  appendBatch(events: EventBatch | readonly OutgoingEvent[]): Promise<void>
  /** Ends every connection; calls under way reject CLOSED. Safe twice. */
  close(): Promise<void>
}

export interface RpcClientParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** For TLS keys that the properties leave out; none when left out. */
  readonly settings?: TlsSettings
}

/**
 * A client for these properties. With `client.type` `default` or `thrift` it is connected when this resolves; clients
 * of several hosts connect when they have something to send. Rejects USAGE for properties that are wrong, all of them
 * in one message, CONNECTION or TIMEOUT when the host cannot be reached.
 */
export async function openRpcClient(properties: RpcClientProperties, parts: RpcClientParts): Promise<RpcClient> {
  const { settings = { env: {}, properties: new Map<string, string>() } } = parts
  const values = readProperties(properties, parts.log, settings)
  const tls = clientTls(values, settings)
  const sender = createHostSender(values, { ...parts, tls, counters: new SinkCounters() })
  const isSingle = hasOneHost(values)
  const client = new SendingClient(sender, senderBatchSize(values), isSingle)
  if (!isSingle) return client
  try {
    await sender.connect()
  } catch (error) {
    await client.close()
    throw error
  }
  return client
}

/** Reads the properties; what is wrong is one error, what has no effect is logged. */
function readProperties(properties: RpcClientProperties, log: Logger, settings: TlsSettings): RpcClientValues {
  const place = { file: '', line: 0, column: 0 }
  const raws = new Map(Object.entries(properties).map(([name, value]) => [name, { ...place, text: String(value) }]))
  const { values, findings } = readOptions({ table: rpcClientOptions, raws, path: '', place })
  const given = values as RpcClientValues
  const isReadable = !findings.some(({ severity }) => severity === 'error')
  const rules = isReadable
    ? [...clientTlsProblems(given, settings), ...senderProblems(given), ...hostProblems(given)]
    : []
  const problems = [
    ...findings.map(({ path, ...rest }) => ({ option: path, ...rest })),
    ...rules.map((rule) => ({ severity: 'error' as const, ...rule })),
  ].map(({ option, severity, message, hint }) => ({
    severity,
    line: `${option} ${message}${hint ? ` (${hint})` : ''}`,
  }))
  const errors = problems.filter(({ severity }) => severity === 'error').map(({ line }) => line)
  if (errors.length > 0) throw new FlumeError('USAGE', `the client cannot be made: ${errors.join('; ')}`)
  for (const { severity, line } of problems) severity === 'warning' ? log.warn(line) : log.info(line)
  return given
}

class SendingClient implements RpcClient {
  readonly batchSize: number
  readonly #sender: EventSender
  /** One host: the first failure ends the client, as in Flume. */
  readonly #endsOnFailure: boolean
  #ended: Error | undefined
  /** The call under way, after which the next one begins. */
  #line: Promise<void> = Promise.resolve()

  constructor(sender: EventSender, batchSize: number, endsOnFailure: boolean) {
    this.#sender = sender
    this.batchSize = batchSize
    this.#endsOnFailure = endsOnFailure
  }

  get isActive(): boolean {
    return this.#ended === undefined
  }

  append(event: OutgoingEvent): Promise<void> {
    const batch = EventBatch.of([event])
    return this.#inLine(() => this.#send(batch, true))
  }

  appendBatch(events: EventBatch | readonly OutgoingEvent[]): Promise<void> {
    const batch = events instanceof EventBatch ? events : EventBatch.of(events)
    return this.#inLine(async () => {
      for (let sent = 0; sent < batch.count; sent += this.batchSize) {
        try {
          await this.#send(batch.slice(sent, sent + this.batchSize), false)
        } catch (thrown) {
          if (sent === 0 || !(thrown instanceof FlumeError)) throw thrown
          const { code, message, retry, hint } = thrown
          const words = `${message}; ${sent} of ${batch.count} events were delivered before`
          throw new FlumeError(code, words, { cause: thrown, retry, ...(hint ? { hint } : {}) })
        }
      }
    })
  }

  async close(): Promise<void> {
    this.#ended = new FlumeError('CLOSED', 'the client is closed')
    await this.#sender.close()
  }

  #inLine(act: () => Promise<void>): Promise<void> {
    const done = this.#line.then(act)
    this.#line = done.catch(() => undefined)
    return done
  }

  async #send(batch: EventBatch, oneByOne: boolean): Promise<void> {
    if (this.#ended) throw this.#ended
    try {
      await this.#sender.send(batch, oneByOne)
    } catch (error) {
      if (this.#ended) throw this.#ended
      if (this.#endsOnFailure) {
        const hint = 'make a new client'
        this.#ended = new FlumeError('CLOSED', 'the client has failed before', { cause: asError(error), hint })
        await this.#sender.close()
      }
      throw error
    }
  }
}
