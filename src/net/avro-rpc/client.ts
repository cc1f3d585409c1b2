import { AvroReader, AvroWriter } from '../../codec/avro/binary.ts'
import { readResult, writeCall } from '../../codec/avro/call.ts'
import { type Frame, FrameDecoder, type FrameLimits, finishFrame, frameHeadBytes } from '../../codec/avro/frame.ts'
import { readHandshakeResponse, writeHandshakeRequest } from '../../codec/avro/handshake.ts'
import type { RpcProtocol } from '../../codec/avro/protocol.ts'
import { messageShape } from '../../codec/avro/shape.ts'
import type { Timer } from '../../core/clock.ts'
import { asError, FlumeError } from '../../core/error.ts'
import { type ConnectOptions, connectSocket, connectTimeoutMsDefault } from '../connect.ts'
import { SocketWire, type Wire, ZlibWire } from '../wire.ts'

/** The first call, which shakes hands, has as much more time as connecting. */
export interface RpcClientOptions extends ConnectOptions, FrameLimits {
  /** Limit for a call's answer, in milliseconds; 0 waits as long as the connection lives. */
  readonly requestTimeoutMs?: number
  /** Compresses both directions, as the server must expect; 0 to 9, -1 for zlib's default. */
  readonly deflateLevel?: number | undefined
}

export const requestTimeoutMsDefault = 20_000
/** Bytes of a handshake that does not carry the protocol, and of the call's head. */
const callBytesHint = 96

interface PendingCall {
  readonly answer: (reader: AvroReader) => void
  readonly fail: (error: Error) => void
}

interface Call {
  readonly message: string
  readonly bytesHint: number
  readonly write: (writer: AvroWriter) => void
  readonly timeoutMs: number
}

/**
 * Calls over one connection to an Avro server; several may be under way. A time-out, an answer that makes no sense or the
 * end of the connection fails every call and closes the client: connecting again is the owner's business.
 */
export class RpcClient {
  readonly #wire: Wire
  readonly #protocol: RpcProtocol
  readonly #options: RpcClientOptions
  readonly #pending = new Map<number, PendingCall>()
  readonly #decoder: FrameDecoder
  readonly #closed: Promise<void>
  #serial = 0
  #established = false
  /** The first call, which shakes hands; others wait for it. */
  #shaking: Promise<void> | undefined
  #failure: Error | undefined

  private constructor(wire: Wire, protocol: RpcProtocol, options: RpcClientOptions) {
    this.#wire = wire
    this.#protocol = protocol
    this.#options = options
    this.#decoder = new FrameDecoder(options)
    this.#closed = this.#read()
  }

  /** Connects; rejects CONNECTION or TIMEOUT (retry), or the signal's reason. */
  static async connect(protocol: RpcProtocol, options: RpcClientOptions): Promise<RpcClient> {
    const plain = new SocketWire(await connectSocket(options))
    const wire = options.deflateLevel === undefined ? plain : new ZlibWire(plain, options.deflateLevel)
    return new RpcClient(wire, protocol, options)
  }

  /** True until the connection ends or a call fails on it. */
  get usable(): boolean {
    return this.#failure === undefined
  }

  /**
   * Calls a message and reads its response value. Rejects REFUSED with the server's words when the server answered an
   * error (the client stays usable), else TIMEOUT, CONNECTION or PROTOCOL. `timeoutMs` 0 waits without limit.
   */
  async call<T>(
    message: string,
    bytesHint: number,
    write: (writer: AvroWriter) => void,
    read: (reader: AvroReader) => T,
    timeoutMs = this.#options.requestTimeoutMs ?? requestTimeoutMsDefault,
  ): Promise<T> {
    const call = { message, bytesHint, write, timeoutMs }
    while (!this.#established && this.#shaking) await this.#shaking
    try {
      const reader = this.#established ? await this.#send(call) : await this.#first(call)
      readResult(reader)
      return read(reader)
    } catch (error) {
      if (error instanceof FlumeError && error.code === 'REFUSED') throw error
      throw this.#fail(asError(error))
    }
  }

  /** Drops the connection; calls under way reject CLOSED. Safe twice. */
  async close(): Promise<void> {
    this.#fail(new FlumeError('CLOSED', 'the connection was closed here'))
    await this.#closed
  }

  #first(call: Call): Promise<AvroReader> {
    const { connectTimeoutMs = connectTimeoutMsDefault } = this.#options
    const slower = { ...call, timeoutMs: call.timeoutMs === 0 ? 0 : call.timeoutMs + connectTimeoutMs }
    const shaken = this.#shakeHands(slower)
    this.#shaking = shaken.then(
      () => undefined,
      () => undefined,
    )
    void this.#shaking.finally(() => {
      this.#shaking = undefined
    })
    return shaken
  }

  async #shakeHands(call: Call): Promise<AvroReader> {
    const { hash, text } = this.#protocol
    let request = { clientHash: hash, clientProtocol: undefined as string | undefined, serverHash: hash }
    for (let attempt = 0; attempt < 2; attempt++) {
      const reader = await this.#send(call, (writer) => writeHandshakeRequest(writer, request))
      const { match, serverProtocol, serverHash } = readHandshakeResponse(reader)
      if (serverProtocol !== undefined) this.#checkProtocol(serverProtocol, call.message)
      if (match !== 'NONE') {
        this.#established = true
        return reader
      }
      // The server does not know this client's protocol: the same call again, with its text.
      request = { clientHash: hash, clientProtocol: text, serverHash: serverHash ?? hash }
    }
    throw this.#fail(new FlumeError('PROTOCOL', 'the server accepts no handshake'))
  }

  #checkProtocol(theirs: string, message: string): void {
    if (messageShape(theirs, message) === messageShape(this.#protocol.text, message)) return
    throw this.#fail(
      new FlumeError('UNSUPPORTED', `the server has no ${message} as ${this.#protocol.name} has it`, {
        hint: 'check that host and port are those of the right server',
      }),
    )
  }

  #send(call: Call, before?: (writer: AvroWriter) => void): Promise<AvroReader> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure)
      const serial = (this.#serial = (this.#serial + 1) | 0)
      const timer = this.#limit(call)
      this.#pending.set(serial, {
        answer: (reader) => {
          timer?.cancel()
          resolve(reader)
        },
        fail: (error) => {
          timer?.cancel()
          reject(error)
        },
      })
      const writer = new AvroWriter(call.bytesHint + callBytesHint, frameHeadBytes)
      before?.(writer)
      writeCall(writer, call.message)
      call.write(writer)
      this.#wire.write(finishFrame(writer, serial))
    })
  }

  #limit({ message, timeoutMs }: Call): Timer | undefined {
    if (timeoutMs === 0) return undefined
    return this.#options.clock.after(timeoutMs, () =>
      this.#fail(new FlumeError('TIMEOUT', `no answer to ${message} within ${timeoutMs} ms`, { retry: true })),
    )
  }

  async #read(): Promise<void> {
    try {
      for (let chunk = await this.#wire.read(); chunk; chunk = await this.#wire.read()) {
        this.#decoder.push(chunk)
        for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) this.#answer(frame)
      }
      const { error } = this.#wire
      this.#fail(new FlumeError('CONNECTION', 'the connection ended', { retry: true, ...(error && { cause: error }) }))
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #answer({ serial, payload }: Frame): void {
    const call = this.#pending.get(serial)
    // An answer nobody waits for.
    if (!call) return
    this.#pending.delete(serial)
    call.answer(new AvroReader(payload))
  }

  #fail(error: Error): Error {
    if (this.#failure) return this.#failure
    this.#failure = error
    this.#wire.stopReading()
    this.#wire.destroy()
    for (const { fail } of this.#pending.values()) fail(error)
    this.#pending.clear()
    return error
  }
}
