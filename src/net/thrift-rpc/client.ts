import {
  appendBatchBytesHint,
  statusOf,
  type ThriftStatus,
  writeAppend,
  writeAppendBatch,
} from '../../codec/thrift/flume.ts'
import { finishThriftFrame, ThriftFrameDecoder } from '../../codec/thrift/frame.ts'
import { thriftReader, thriftWriter } from '../../codec/thrift/open.ts'
import { messageTypes, readNumberResult, type ThriftProtocol, type ThriftWriter } from '../../codec/thrift/protocol.ts'
import { asError, FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import { type ConnectOptions, connectSocket } from '../connect.ts'
import { SocketWire, type Wire } from '../wire.ts'

export interface ThriftClientOptions extends ConnectOptions {
  readonly protocol: ThriftProtocol
  /** Limit for a call's answer, in milliseconds. */
  readonly requestTimeoutMs: number
}

/** An answer is a status or an exception with a text; nothing longer is read. */
const answerBytesMax = 1024 * 1024

interface PendingCall {
  readonly answer: (message: Buffer) => void
  readonly fail: (error: Error) => void
}

/**
 * Sends events to Flume's Thrift source over one connection; answers come in the order of the calls. A time-out, an
 * answer that makes no sense or the end of the connection fails every call and ends the client: connecting again is the
 * owner's business.
 */
export class ThriftFlumeClient {
  readonly #wire: Wire
  readonly #options: ThriftClientOptions
  readonly #decoder = new ThriftFrameDecoder(answerBytesMax)
  readonly #pending: PendingCall[] = []
  readonly #closed: Promise<void>
  #sequence = 0
  #failure: Error | undefined

  private constructor(wire: Wire, options: ThriftClientOptions) {
    this.#wire = wire
    this.#options = options
    this.#closed = this.#read()
  }

  /** Connects; rejects CONNECTION or TIMEOUT (retry), or the signal's reason. */
  static async connect(options: ThriftClientOptions): Promise<ThriftFlumeClient> {
    return new ThriftFlumeClient(new SocketWire(await connectSocket(options)), options)
  }

  /** True until the connection ends or a call fails on it. */
  get usable(): boolean {
    return this.#failure === undefined
  }

  /**
   * The server's status for a whole batch, sent in one call. Rejects REFUSED with the server's words when the server
   * answered an exception (the client stays usable), else TIMEOUT, CONNECTION or PROTOCOL.
   */
  appendBatch(batch: EventBatch): Promise<ThriftStatus> {
    return this.#call('appendBatch', appendBatchBytesHint(batch), (writer) => writeAppendBatch(writer, batch))
  }

  /** The server's status for event `index` of the batch, sent alone; rejections are those of `appendBatch`. */
  append(batch: EventBatch, index = 0): Promise<ThriftStatus> {
    const hint = appendBatchBytesHint(batch.slice(index, index + 1))
    return this.#call('append', hint, (writer) => writeAppend(writer, batch, index))
  }

  /** Drops the connection; calls under way reject CLOSED. Safe twice. */
  async close(): Promise<void> {
    this.#fail(new FlumeError('CLOSED', 'the connection was closed here'))
    await this.#closed
  }

  async #call(name: string, bytesHint: number, write: (writer: ThriftWriter) => void): Promise<ThriftStatus> {
    try {
      const message = await this.#send(name, bytesHint, write)
      const reader = thriftReader(this.#options.protocol, message.bytes)
      const head = reader.messageHead()
      if (head.sequence !== message.sequence)
        throw reader.broken(`the answer to call ${head.sequence} where that to ${message.sequence} was due`)
      return statusOf(readNumberResult(reader, head))
    } catch (error) {
      if (error instanceof FlumeError && error.code === 'REFUSED') throw error
      throw this.#fail(asError(error))
    }
  }

  #send(
    name: string,
    bytesHint: number,
    write: (writer: ThriftWriter) => void,
  ): Promise<{ readonly bytes: Buffer; readonly sequence: number }> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure)
      const sequence = (this.#sequence = (this.#sequence + 1) | 0)
      const writer = thriftWriter(this.#options.protocol, bytesHint + name.length + 16)
      writer.messageHead({ name, type: messageTypes.call, sequence })
      write(writer)
      const { clock, requestTimeoutMs } = this.#options
      const timer = clock.after(requestTimeoutMs, () =>
        this.#fail(new FlumeError('TIMEOUT', `no answer to ${name} within ${requestTimeoutMs} ms`, { retry: true })),
      )
      this.#pending.push({
        answer: (bytes) => {
          timer.cancel()
          resolve({ bytes, sequence })
        },
        fail: (error) => {
          timer.cancel()
          reject(error)
        },
      })
      this.#wire.write(finishThriftFrame(writer))
    })
  }

  async #read(): Promise<void> {
    try {
      for (let chunk = await this.#wire.read(); chunk; chunk = await this.#wire.read()) {
        this.#decoder.push(chunk)
        for (let message = this.#decoder.next(); message; message = this.#decoder.next()) {
          const call = this.#pending.shift()
          if (!call) throw new FlumeError('PROTOCOL', 'the server answers what was not asked')
          call.answer(message)
        }
      }
      const { error } = this.#wire
      this.#fail(
        new FlumeError('CONNECTION', 'the connection ended', {
          retry: true,
          ...(error && { cause: error }),
          ...(this.#pending.length > 0 && { hint: 'check that both sides have the same protocol, compact or binary' }),
        }),
      )
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #fail(error: Error): Error {
    if (this.#failure) return this.#failure
    this.#failure = error
    this.#wire.stopReading()
    this.#wire.destroy()
    for (const { fail } of this.#pending.splice(0)) fail(error)
    return error
  }
}
