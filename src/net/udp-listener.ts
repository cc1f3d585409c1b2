import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { asError, explain, FlumeError } from '../core/error.ts'
import type { Logger } from '../monitor/logger.ts'

/** One message and who sent it. */
export interface Datagram {
  readonly bytes: Buffer
  readonly address: string
  readonly port: number
}

export interface UdpListenerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly clock: Clock
  readonly log: Logger
  /** Most that waits while a call of `take` is under way, in bytes and in datagrams. */
  readonly waitingBytesMax?: number
  readonly waitingCountMax?: number
  /** Called for each datagram that is dropped because too many wait. */
  onDrop?(): void
  /** Takes what has come since the last call, one call at a time. A throw is logged. */
  take(datagrams: readonly Datagram[]): Promise<void>
}

/** Nobody can hold a sender back: what comes beyond these is dropped. */
const waitingBytesMaxDefault = 16 * 1024 * 1024
const waitingCountMaxDefault = 50_000
/** What the system may keep for us while we are busy. */
const receiveBufferBytes = 4 * 1024 * 1024
const logEveryMs = 1000

/** A UDP port. */
export class UdpListener {
  readonly #options: UdpListenerOptions
  readonly #socket: Socket
  #waiting: Datagram[] = []
  #waitingBytes = 0
  #taking: Promise<void> | undefined
  #dropped = 0
  #saidAtMs = Number.NEGATIVE_INFINITY

  private constructor(options: UdpListenerOptions, socket: Socket) {
    this.#options = options
    this.#socket = socket
  }

  /** Resolves once the port takes datagrams; rejects IO when it cannot be bound (retry: it may be free later). */
  static async open(options: UdpListenerOptions): Promise<UdpListener> {
    const { host, port, log } = options
    const socket = await bind(host, port).catch((cause) => {
      throw new FlumeError('IO', `cannot listen on UDP ${host}:${port}`, { cause, retry: true })
    })
    const listener = new UdpListener(options, socket)
    socket.on('error', (error) => log.error(`receiving failed: ${explain(error)}`))
    socket.on('message', (bytes, { address, port }) => listener.#receive({ bytes, address, port }))
    try {
      socket.setRecvBufferSize(receiveBufferBytes)
    } catch (error) {
      log.debug(`the receive buffer stays as it is: ${asError(error).message}`)
    }
    return listener
  }

  /** The port in use. */
  get port(): number {
    return this.#socket.address().port
  }

  /** Datagrams that were dropped because too many waited. */
  get dropped(): number {
    return this.#dropped
  }

  /** Resolves when `signal` has aborted and what was received is taken. */
  async closeOn(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
    while (this.#taking) await this.#taking
  }

  #receive(datagram: Datagram): void {
    const { waitingBytesMax = waitingBytesMaxDefault, waitingCountMax = waitingCountMaxDefault } = this.#options
    if (this.#waiting.length >= waitingCountMax || this.#waitingBytes + datagram.bytes.length > waitingBytesMax) {
      this.#drop()
      return
    }
    this.#waiting.push(datagram)
    this.#waitingBytes += datagram.bytes.length
    this.#taking ??= this.#takeAll()
  }

  #drop(): void {
    this.#dropped++
    this.#options.onDrop?.()
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - this.#saidAtMs < logEveryMs) return
    this.#saidAtMs = nowMs
    this.#options.log.warn(`datagrams come faster than they are taken: ${this.#dropped} dropped so far`)
  }

  async #takeAll(): Promise<void> {
    // Everything that the system has ready is one batch.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const datagrams = this.#waiting
      this.#waiting = []
      this.#waitingBytes = 0
      try {
        await this.#options.take(datagrams)
      } catch (error) {
        this.#options.log.error(`${datagrams.length} datagrams are dropped: ${explain(error)}`)
      }
    }
    this.#taking = undefined
  }
}

async function bind(host: string, port: number): Promise<Socket> {
  const { address } = await lookup(host, { verbatim: false })
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind({ port, address }, () => {
      socket.removeAllListeners('error')
      resolve()
    })
  })
  return socket
}
