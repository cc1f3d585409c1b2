import { finishThriftFrame, ThriftFrameDecoder } from '../../codec/thrift/frame.ts'
import { type ThriftDialect, thriftReader, thriftWriter } from '../../codec/thrift/open.ts'
import {
  exceptionCodes,
  type MessageHead,
  messageTypes,
  type ThriftReader,
  writeException,
  writeNumberResult,
} from '../../codec/thrift/protocol.ts'
import { explain, FlumeError } from '../../core/error.ts'
import { FrameChunks, type FrameChunksOptions } from '../frame-chunks.ts'
import type { Wire } from '../wire.ts'

/** One call of a service: reads its arguments before it first waits, and answers a number, as every enum is one. */
export type ThriftCall = (args: ThriftReader) => Promise<number>

export interface ThriftServerOptions extends FrameChunksOptions {
  readonly dialect: ThriftDialect
  /** The calls of the service by name. */
  readonly calls: Readonly<Record<string, ThriftCall>>
  /** Longest frame in bytes. */
  readonly frameBytesMax?: number
}

/** Characters of a peer's text that are told in an answer. */
const quotedMax = 100

/** Answers Thrift calls over the framed transport, those of one connection one after the other. */
export class ThriftServer {
  readonly #options: ThriftServerOptions

  constructor(options: ThriftServerOptions) {
    this.#options = options
  }

  /**
   * Serves one connection until the peer ends it or `signal` aborts; the call under way is answered first. Rejects
   * PROTOCOL, LIMIT or TIMEOUT when what arrives makes no sense, is too large or too slow.
   */
  async serve(wire: Wire, signal: AbortSignal): Promise<void> {
    const decoder = new ThriftFrameDecoder(this.#options.frameBytesMax)
    const chunks = new FrameChunks(wire, this.#options)
    for (let chunk = await chunks.read(decoder.midFrame); chunk; chunk = await chunks.read(decoder.midFrame)) {
      decoder.push(chunk)
      for (let message = decoder.next(); message; message = decoder.next()) {
        chunks.completed()
        wire.write(await this.#answer(message))
        if (wire.backlogged) await wire.drained()
        // What came behind the call under way was not begun: its sender has no answer and sends it again.
        if (signal.aborted) break
      }
    }
    await wire.flushed()
    if (wire.error && !signal.aborted) throw wire.error
  }

  /** The frame that answers a message. Throws PROTOCOL when not even its head can be read. */
  async #answer(message: Buffer): Promise<Buffer> {
    const { dialect, calls } = this.#options
    const reader = thriftReader(dialect, message)
    const head = reader.messageHead()
    // Thrift's servers answer every type of message as a call, so this one does.
    const call = Object.hasOwn(calls, head.name) ? calls[head.name] : undefined
    if (!call) {
      // In the words of Thrift's own servers.
      const problem = `Invalid method name: '${head.name.slice(0, quotedMax)}'`
      return this.#refusal(head, exceptionCodes.unknownMethod, problem)
    }
    try {
      const value = await call(reader)
      const writer = thriftWriter(dialect, 64 + head.name.length)
      writer.messageHead({ ...head, type: messageTypes.reply })
      writeNumberResult(writer, value)
      return finishThriftFrame(writer)
    } catch (error) {
      const isTheirs = error instanceof FlumeError && error.code === 'PROTOCOL'
      return this.#refusal(head, isTheirs ? exceptionCodes.protocolError : exceptionCodes.internalError, explain(error))
    }
  }

  #refusal(head: MessageHead, code: number, problem: string): Buffer {
    const name = head.name.slice(0, quotedMax)
    const writer = thriftWriter(this.#options.dialect, 64 + name.length + problem.length)
    writer.messageHead({ ...head, name, type: messageTypes.exception })
    writeException(writer, code, problem)
    return finishThriftFrame(writer)
  }
}
