// Avro's Netty framing (flume-protocols §1.1).
//   frame = serial, list size, list size × (length, data); all numbers 4 bytes, big-endian.
// The buffers of a list, concatenated, are one RPC payload; their borders mean nothing and a length may be 0.
import { FlumeError } from '../../core/error.ts'
import type { AvroWriter } from './binary.ts'

/** One message: the payload of its buffers put together. */
export interface Frame {
  /** Chosen by the client and echoed by the server. */
  readonly serial: number
  readonly payload: Buffer
}

export interface FrameLimits {
  /** Longest payload in bytes. */
  readonly frameBytesMax?: number
  /** Most buffers of one frame. */
  readonly bufferCountMax?: number
}

/** The largest batch size that real configurations have (10 000) of 6 KiB events still fits. */
export const frameBytesMaxDefault = 64 * 1024 * 1024
/** Java cuts payloads into buffers of 8 KiB, which makes 8192 of the largest frame. */
export const bufferCountMaxDefault = 65_536

/** Bytes a frame of one buffer has before its payload. */
export const frameHeadBytes = 12

const wordBytes = 4
/** Payload memory that a frame in pieces starts with; from there it grows with the bytes that arrive. */
const piecesBytesMin = 4096
/** Memory for a frame in pieces, in multiples of the bytes that have arrived. */
const announcedFactor = 4

/**
 * Cuts a stream of chunks into frames. A frame that lies whole in one chunk is not copied out of it (buffers of a list
 * are moved together in place, so chunks become the decoder's own); memory for others grows only with bytes that came.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number
  readonly #bufferCountMax: number
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  // A frame in pieces, begun in an earlier chunk.
  #inPieces = false
  #word = 0
  #wordBytes = 0
  #step: 'serial' | 'size' | 'length' | 'data' = 'serial'
  #serial = 0
  #buffersLeft = 0
  #bufferBytesLeft = 0
  #payload: Buffer = Buffer.alloc(0)
  #payloadBytes = 0

  constructor({ frameBytesMax = frameBytesMaxDefault, bufferCountMax = bufferCountMaxDefault }: FrameLimits = {}) {
    this.#frameBytesMax = frameBytesMax
    this.#bufferCountMax = bufferCountMax
  }

  /** True when a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#inPieces || this.#at < this.#chunk.length
  }

  /** Takes the next chunk; the earlier one must have been read to its end with `next`. */
  push(chunk: Buffer): void {
    if (this.#at < this.#chunk.length) throw new FlumeError('INVALID_STATE', 'a chunk is still being read')
    this.#chunk = chunk
    this.#at = 0
  }

  /** The next whole frame; undefined when the chunk is used up. Throws PROTOCOL or LIMIT; the stream is lost then. */
  next(): Frame | undefined {
    if (this.#at >= this.#chunk.length) return undefined
    return (this.#inPieces ? undefined : this.#whole()) ?? this.#pieces()
  }

  /** The frame at the reading position if all of it is in the chunk. */
  #whole(): Frame | undefined {
    const chunk = this.#chunk
    const start = this.#at
    if (chunk.length - start < 2 * wordBytes) return undefined
    const buffers = this.#checkSize(chunk.readInt32BE(start + wordBytes))
    let at = start + 2 * wordBytes
    let total = 0
    for (let i = 0; i < buffers; i++) {
      if (chunk.length - at < wordBytes) return undefined
      const length = chunk.readInt32BE(at)
      total = this.#checkLength(length, total)
      at += wordBytes + length
      if (at > chunk.length) return undefined
    }
    const first = start + frameHeadBytes
    if (buffers > 1) joinBuffers(chunk, first - wordBytes, buffers)
    this.#at = at
    return { serial: chunk.readInt32BE(start), payload: chunk.subarray(first, first + total) }
  }

  #pieces(): Frame | undefined {
    this.#inPieces = true
    while (this.#at < this.#chunk.length) {
      if (this.#step === 'data') this.#data()
      else if (this.#readWord()) this.#useWord(this.#word | 0)
      if (this.#step === 'length' && this.#buffersLeft === 0) return this.#complete()
    }
    return undefined
  }

  #readWord(): boolean {
    while (this.#wordBytes < wordBytes && this.#at < this.#chunk.length) {
      this.#word = (this.#word << 8) | (this.#chunk[this.#at++] as number)
      this.#wordBytes++
    }
    if (this.#wordBytes < wordBytes) return false
    this.#wordBytes = 0
    return true
  }

  #useWord(word: number): void {
    if (this.#step === 'serial') {
      this.#serial = word
      this.#step = 'size'
    } else if (this.#step === 'size') {
      this.#buffersLeft = this.#checkSize(word)
      this.#step = 'length'
    } else {
      this.#checkLength(word, this.#payloadBytes)
      this.#bufferBytesLeft = word
      if (word === 0) this.#buffersLeft--
      else this.#step = 'data'
    }
  }

  #data(): void {
    const bytes = Math.min(this.#bufferBytesLeft, this.#chunk.length - this.#at)
    const needed = this.#payloadBytes + bytes
    if (needed > this.#payload.length) {
      // What the buffer announces counts up to a few times what has come: most frames are then copied once.
      const announced = Math.min(this.#payloadBytes + this.#bufferBytesLeft, announcedFactor * needed)
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, announced, 2 * this.#payload.length, piecesBytesMin))
      this.#payload.copy(grown, 0, 0, this.#payloadBytes)
      this.#payload = grown
    }
    this.#chunk.copy(this.#payload, this.#payloadBytes, this.#at, this.#at + bytes)
    this.#payloadBytes = needed
    this.#at += bytes
    this.#bufferBytesLeft -= bytes
    if (this.#bufferBytesLeft > 0) return
    this.#buffersLeft--
    this.#step = 'length'
  }

  #complete(): Frame {
    const frame = { serial: this.#serial, payload: this.#payload.subarray(0, this.#payloadBytes) }
    this.#payload = Buffer.alloc(0)
    this.#payloadBytes = 0
    this.#step = 'serial'
    this.#inPieces = false
    return frame
  }

  #checkSize(buffers: number): number {
    if (buffers < 0) throw new FlumeError('PROTOCOL', `not an Avro RPC frame: a list of ${buffers} buffers`)
    if (buffers > this.#bufferCountMax)
      throw new FlumeError('LIMIT', `an Avro RPC frame of ${buffers} buffers, more than ${this.#bufferCountMax}`)
    return buffers
  }

  /** The payload's length so far with this buffer. */
  #checkLength(length: number, before: number): number {
    if (length < 0) throw new FlumeError('PROTOCOL', `not an Avro RPC frame: a buffer of ${length} bytes`)
    if (before + length > this.#frameBytesMax)
      throw new FlumeError('LIMIT', `an Avro RPC frame above ${this.#frameBytesMax} bytes`)
    return before + length
  }
}

/** Moves the data of the buffers at `at` together, behind the first one's length. */
function joinBuffers(chunk: Buffer, at: number, buffers: number): void {
  let from = at + wordBytes + chunk.readInt32BE(at)
  let to = from
  for (let i = 1; i < buffers; i++) {
    const length = chunk.readInt32BE(from)
    chunk.copyWithin(to, from + wordBytes, from + wordBytes + length)
    from += wordBytes + length
    to += length
  }
}

/** Ends a message written behind `frameHeadBytes` of headroom: fills in the head and hands the frame over. */
export function finishFrame(writer: AvroWriter, serial: number): Buffer {
  const frame = writer.finish()
  frame.writeInt32BE(serial, 0)
  frame.writeInt32BE(1, wordBytes)
  frame.writeInt32BE(frame.length - frameHeadBytes, 2 * wordBytes)
  return frame
}
