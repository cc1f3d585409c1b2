import { Backoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { asError, FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { TcpListener } from '../../net/tcp-listener.ts'
import { StorageLevel } from '../storage-level.ts'
import { SparkFlumeEvent } from './flume-event.ts'
import { pullBatchMax, reconnectIncrementMs, reconnectMaxMs, SinkConnection } from './flume-pull.ts'
import { isThisMachine, listenForFlume } from './flume-push.ts'
import { Receiver } from './receiver.ts'

export interface FlumeSourceOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly logger: Logger
}

/** After a port was handed over, its new owner has this long to listen on it before it is taken back, in milliseconds. */
const handOverPatienceMs = 10_000
const handOverPollMs = 100

/**
 * Takes what is there. States: looking → subscribed (an agent answers) or listening (nobody does, and the host is this
 * machine). From subscribed it goes back to looking when the agent goes away, and then never to listening: the port is
 * the agent's. From listening it goes back to looking when an agent asks for the port.
 */
export class FlumeSourceReceiver extends Receiver<SparkFlumeEvent> {
  readonly #options: FlumeSourceOptions
  #running: { readonly stop: AbortController; readonly work: Promise<void> } | undefined
  #connection: SinkConnection | undefined
  #listener: TcpListener | undefined
  /** True once an agent has answered on the port, in any run of this receiver. */
  #answered = false
  /** Until then an agent that asked for the port is waited for. */
  #patientUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: FlumeSourceOptions) {
    super(StorageLevel.MEMORY_AND_DISK_SER_2)
    this.#options = options
  }

  onStart(): void {
    const stop = new AbortController()
    this.#running = { stop, work: this.#run(stop.signal) }
  }

  async onStop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    running?.stop.abort()
    this.#connection?.interrupt()
    await running?.work
  }

  /** The port that is listened on; undefined while it does not listen. */
  get port(): number | undefined {
    return this.#listener?.port
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { host, port, clock, logger } = this.#options
    const place = `${host}:${port}`
    const connection = new SinkConnection({ host, port }, clock)
    this.#connection = connection
    const backoff = new Backoff(reconnectIncrementMs, reconnectMaxMs)
    while (!signal.aborted) {
      let what = `no agent to subscribe to at ${place}`
      try {
        await connection.open(signal)
        this.#answered = true
        what = `lost the subscription at ${place}`
        logger.info(`subscribed to the agent at ${place}`)
        await this.#pullUntilGone(connection, backoff, signal)
      } catch (error) {
        if (signal.aborted) break
        const listened = await this.#listen(error, signal)
        if (listened === true) continue
        const isExpected = clock.monotonic() < this.#patientUntilMs
        const pauseMs = isExpected ? handOverPollMs : backoff.next()
        if (!isExpected) this.reportError(`${what}; next try in ${pauseMs} ms`, asError(listened || error))
        await clock.sleep(pauseMs, signal).catch(() => undefined)
      }
    }
    await connection.close()
  }

  async #pullUntilGone(connection: SinkConnection, backoff: Backoff, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await connection.pull(pullBatchMax, (events) => this.storeBlock(events))
      backoff.reset()
    }
  }

  /** Listens itself when no agent ever answered and the host is this machine, until it must stop or hand the port over; answers whether it did, or why it could not. */
  async #listen(error: unknown, signal: AbortSignal): Promise<boolean | Error> {
    const { host, port, clock, logger } = this.#options
    const mayListen = !this.#answered && clock.monotonic() >= this.#patientUntilMs
    if (!mayListen || !isRefusal(error) || !(await isThisMachine(host))) return false
    const handOver = new AbortController()
    const onYield = (): boolean => {
      setImmediate(() => handOver.abort())
      return true
    }
    const take = (batch: EventBatch): Promise<void> => this.#take(batch)
    let listener: TcpListener
    try {
      listener = await listenForFlume({ host, port, clock, logger, speaks: 'any', take, onYield })
    } catch (busy) {
      // Somebody took the port in between: the next look will find out who.
      return asError(busy)
    }
    this.#listener = listener
    logger.info(`nobody answers at ${host}:${port}: listening there for text and Avro`)
    await listener.closeOn(AbortSignal.any([signal, handOver.signal]))
    this.#listener = undefined
    if (!signal.aborted) {
      this.#patientUntilMs = clock.monotonic() + handOverPatienceMs
      logger.info(`an agent asked for ${host}:${port} and has it now`)
    }
    return true
  }

  async #take(batch: EventBatch): Promise<void> {
    for (let i = 0; i < batch.count; i++) {
      const room = this.push(new SparkFlumeEvent(batch, i))
      if (room) await room
    }
  }
}

/** Nobody listens there: as opposed to a host that is away or a peer that makes no sense. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof FlumeError &&
    error.code === 'CONNECTION' &&
    (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED'
  )
}
