// Thrift's framed transport: frame = i32 length (big-endian), that many bytes: one message.
import { FlumeError } from '../../core/error.ts'
import type { ThriftWriter } from './protocol.ts'

/** The largest batch size that real configurations have (10 000) of 6 KiB events still fits. */
export const thriftFrameBytesMaxDefault = 64 * 1024 * 1024
/** Bytes before a frame's message. */
export const thriftFrameHeadBytes = 4

/** Memory that a frame in pieces starts with; from there it grows with the bytes that arrive. */
const piecesBytesMin = 4096
/** Memory for a frame in pieces, in multiples of the bytes that have arrived. */
const announcedFactor = 4

/**
 * Cuts a stream of chunks into frames. A frame that lies whole in one chunk is not copied out of it; memory for others
 * grows only with bytes that came.
 */
export class ThriftFrameDecoder {
  readonly #frameBytesMax: number
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  // A frame in pieces, begun in an earlier chunk.
  readonly #head = Buffer.alloc(thriftFrameHeadBytes)
  #headBytes = 0
  #length: number | undefined
  #message: Buffer = Buffer.alloc(0)
  #messageBytes = 0

  constructor(frameBytesMax = thriftFrameBytesMaxDefault) {
    this.#frameBytesMax = frameBytesMax
  }

  /** True when a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#headBytes > 0 || this.#at < this.#chunk.length
  }

  /** Takes the next chunk; the earlier one must have been read to its end with `next`. */
  push(chunk: Buffer): void {
    if (this.#at < this.#chunk.length) throw new FlumeError('INVALID_STATE', 'a chunk is still being read')
    this.#chunk = chunk
    this.#at = 0
  }

  /** The message of the next whole frame; undefined when the chunk is used up. Throws PROTOCOL or LIMIT; the stream is lost then. */
  next(): Buffer | undefined {
    if (this.#headBytes === 0) {
      const whole = this.#whole()
      if (whole) return whole
    }
    return this.#pieces()
  }

  #whole(): Buffer | undefined {
    const chunk = this.#chunk
    const start = this.#at + thriftFrameHeadBytes
    if (start > chunk.length) return undefined
    const end = start + this.#checked(chunk.readInt32BE(this.#at))
    if (end > chunk.length) return undefined
    this.#at = end
    return chunk.subarray(start, end)
  }

  #pieces(): Buffer | undefined {
    const chunk = this.#chunk
    while (this.#headBytes < thriftFrameHeadBytes) {
      if (this.#at >= chunk.length) return undefined
      this.#head[this.#headBytes++] = chunk[this.#at++] as number
    }
    this.#length ??= this.#checked(this.#head.readInt32BE(0))
    const bytes = Math.min(this.#length - this.#messageBytes, chunk.length - this.#at)
    this.#reserve(this.#messageBytes + bytes, this.#length)
    chunk.copy(this.#message, this.#messageBytes, this.#at, this.#at + bytes)
    this.#messageBytes += bytes
    this.#at += bytes
    return this.#messageBytes < this.#length ? undefined : this.#complete()
  }

  #reserve(needed: number, announced: number): void {
    if (needed <= this.#message.length) return
    const wanted = Math.max(Math.min(announced, announcedFactor * needed), 2 * this.#message.length, piecesBytesMin)
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, announced)))
    this.#message.copy(grown, 0, 0, this.#messageBytes)
    this.#message = grown
  }

  #complete(): Buffer {
    const message = this.#message.subarray(0, this.#messageBytes)
    this.#message = Buffer.alloc(0)
    this.#messageBytes = 0
    this.#headBytes = 0
    this.#length = undefined
    return message
  }

  #checked(length: number): number {
    if (length < 0) throw new FlumeError('PROTOCOL', `not a Thrift frame: its length would be ${length}`)
    if (length > this.#frameBytesMax) {
      throw new FlumeError('LIMIT', `a Thrift frame of ${length} bytes, more than ${this.#frameBytesMax}`, {
        hint: 'send smaller batches; a peer that speaks TLS, HTTP or Thrift without frames looks like this too',
      })
    }
    return length
  }
}

/** Ends a message written behind `thriftFrameHeadBytes` of headroom: fills in its length and hands the frame over. */
export function finishThriftFrame(writer: ThriftWriter): Buffer {
  const frame = writer.finish()
  frame.writeInt32BE(frame.length - thriftFrameHeadBytes, 0)
  return frame
}
