import { isAscii, isUtf8 } from 'node:buffer'
import { type Charset, charsetNamed, charsetNames, charsetOfFile } from '../../codec/charset.ts'
import { count, type Options, parsed } from '../../spec/option.ts'
import {
  BatchBuilder,
  type Deserializer,
  type DeserializerInput,
  defineDeserializer,
  EventBatch,
  FlumeError,
} from '../contract.ts'

const options = {
  maxLineLength: count({
    default: 2048,
    min: 1,
    max: 2 ** 31 - 1,
    doc: 'Longest event, in characters (UTF-16 units, as Java counts); a longer line becomes several events.',
  }),
  outputCharset: parsed<Charset>(
    'charset',
    'a charset that can be written',
    { default: 'UTF-8', doc: 'What the bodies are written in.' },
    (text) => {
      const charset = charsetNamed(text)
      if (!charset) return { problem: `is none of ${charsetNames.join(', ')}` }
      return charset.encode ? { value: charset } : { problem: 'is a charset that is only read here, not written' }
    },
  ),
}
type LineOptions = Options<typeof options>

export const line = defineDeserializer({
  type: 'line',
  aliases: [
    'org.apache.flume.serialization.LineDeserializer$Builder',
    'org.apache.flume.serialization.LineDeserializer',
  ],
  summary: 'Makes each line of a text file one event.',
  options,
  create: (options, input) => new LineDeserializer(options, input),
})

/** How much is read at once, of one file at a time: handing a read to another thread costs as much as copying some 200 KiB. */
const chunkBytes = 1024 * 1024
/** No single event is larger, whatever maxLineLength says: what is read must fit in memory. */
const lineBytesMax = 256 * 1024 * 1024
const characterBytesMax = 4
const lineFeed = 0x0a

/** Lines cut out of one chunk. `offsets` is only there when bodies are not where they were in the file. */
interface Cut {
  readonly batch: EventBatch
  /** File offset of the chunk's first byte, and of the first byte behind its last line. */
  readonly from: number
  readonly to: number
  readonly offsets: readonly number[] | undefined
}

/**
 * Splits at `\n` and nothing else; `\r` stays (S-78).
 *
 * A chunk as it was read is already the batch when its bytes can stay as they are: UTF-8 in and out and well formed, or
 * plain ASCII. Everything else goes line by line through text.
 */
class LineDeserializer implements Deserializer {
  readonly #input: DeserializerInput
  readonly #charsMax: number
  readonly #out: Charset & { readonly encode: (text: string) => Uint8Array }
  readonly #replacement: '\uFFFD' | '' | undefined
  #in: Charset
  /** File offset of the next byte to read, and the bytes before it that are no complete line yet. */
  #position: number
  #rest: Uint8Array = new Uint8Array(0)
  #started = false
  #ended = false
  #cut: Cut | undefined
  #next = 0
  #failure: FlumeError | undefined
  #warned = false

  constructor(options: LineOptions, input: DeserializerInput) {
    this.#input = input
    this.#charsMax = input.maxLineLength ?? options.maxLineLength
    this.#out = options.outputCharset as Charset & { readonly encode: (text: string) => Uint8Array }
    this.#replacement = { FAIL: undefined, REPLACE: '\uFFFD', IGNORE: '' }[input.malformed] as '\uFFFD' | '' | undefined
    this.#in = input.charset
    this.#position = input.offset
  }

  /** Rejects INVALID_DATA at a line with malformed bytes under FAIL, after the lines before it have been handed out. */
  async read(max: number): Promise<{ readonly batch: EventBatch; readonly offset: number } | undefined> {
    while (!this.#cut || this.#next === this.#cut.batch.count) {
      // Real Flume loses the good lines that it decoded together with the bad one (S-79); here they come first.
      if (this.#failure) throw this.#failure
      if (this.#ended) return undefined
      this.#cut = await this.#readChunk()
      this.#next = 0
    }
    const { batch, offsets, from, to } = this.#cut
    const first = this.#next
    const last = Math.min(first + max, batch.count)
    this.#next = last
    const behind = offsets ? offsets[last - 1] : last < batch.count ? from + (batch.starts[last] as number) : to
    return { batch: batch.slice(first, last), offset: behind as number }
  }

  /** Reads until there is a line or a piece of one; undefined at the end of the file. */
  async #readChunk(): Promise<Cut | undefined> {
    if (!this.#started) await this.#startFile()
    for (;;) {
      const rest = this.#rest
      const left = Math.max(0, this.#input.sizeBytes - this.#position)
      const chunk = Buffer.allocUnsafeSlow(rest.length + Math.min(Math.max(chunkBytes, rest.length), Math.max(1, left)))
      chunk.set(rest)
      const got = await this.#input.read(chunk.subarray(rest.length), this.#position)
      const data = chunk.subarray(0, rest.length + got)
      const from = this.#position - rest.length
      this.#position += got
      // What is written to the file from now on is its owner's mistake, which the source finds out (S-75).
      if (got === 0 || this.#position >= this.#input.sizeBytes) {
        this.#ended = true
        this.#rest = new Uint8Array(0)
        return data.length > 0 ? this.#split(data, from, true) : undefined
      }
      const linesEnd = this.#endOfLastLine(data)
      if (linesEnd > 0) {
        this.#rest = data.subarray(linesEnd)
        return this.#split(data.subarray(0, linesEnd), from, true)
      }
      this.#rest = data
      if (data.length > this.#pieceBytesMax()) {
        const cut = this.#split(data, from, false)
        this.#rest = data.subarray(cut.to - from)
        return cut
      }
    }
  }

  /** A UTF-16 file says in its first two bytes which end comes first, wherever reading goes on. */
  async #startFile(): Promise<void> {
    this.#started = true
    if (this.#in.unitBytes === 1) return
    const head = new Uint8Array(2)
    const got = await this.#input.read(head, 0)
    const { charset, skip } = charsetOfFile(this.#in, head.subarray(0, got))
    this.#in = charset
    this.#position = Math.max(this.#position, skip)
  }

  /** Bytes that hold at least one whole piece of the longest length and the character behind it. */
  #pieceBytesMax(): number {
    return Math.min(this.#in.bytesPerUnitMax * (this.#charsMax + 2) + characterBytesMax, lineBytesMax)
  }

  #endOfLastLine(data: Buffer): number {
    if (this.#in.unitBytes === 1) return data.lastIndexOf(lineFeed) + 1
    let end = 0
    for (let feed = this.#lineEnd(data, 0); feed < data.length; feed = this.#lineEnd(data, end)) end = feed + 2
    return end
  }

  /** Index of the next line feed at or after `from`; the length when there is none. */
  #lineEnd(data: Buffer, from: number): number {
    if (this.#in.unitBytes === 1) {
      const index = data.indexOf(lineFeed, from)
      return index < 0 ? data.length : index
    }
    const [high, low] = this.#in.name === 'UTF-16LE' ? [1, 0] : [0, 1]
    for (let index = from; index + 1 < data.length; index += 2) {
      if (data[index + low] === lineFeed && data[index + high] === 0) return index
    }
    return data.length
  }

  /** Cuts `data` into events. When it is not `whole` it is the beginning of a long line, of which the last piece stays. */
  #split(data: Buffer, from: number, whole: boolean): Cut {
    return this.#staysAsItIs(data, whole) ? this.#splitBytes(data, from, whole) : this.#splitText(data, from, whole)
  }

  #staysAsItIs(data: Buffer, whole: boolean): boolean {
    if (this.#in.ascii && this.#out.ascii && isAscii(data)) return true
    if (this.#in !== this.#out || this.#in.unitBytes !== 1) return false
    if (this.#in.total) return true
    if (this.#in.name !== 'UTF-8') return false
    return isUtf8(data) || (!whole && isUtf8(withoutTornEnd(data)))
  }

  #splitBytes(data: Buffer, from: number, whole: boolean): Cut {
    const ranges = new Ranges(Math.min(data.length, 64 + (data.length >> 6)))
    let position = 0
    while (position < data.length) {
      const end = this.#lineEnd(data, position)
      // A character is a byte at least: only what has more bytes can have more characters.
      if (end - position <= this.#charsMax && (whole || end < data.length)) {
        ranges.add(position, end)
        position = end + 1
        continue
      }
      const cut = this.#pieces(data, position, end, whole, (start, stop) => ranges.add(start, stop))
      position = cut < end ? cut : end + 1
      if (cut < end) break
    }
    const { starts, ends } = ranges.take()
    return {
      batch: new EventBatch(data, starts, ends),
      from,
      to: from + Math.min(position, data.length),
      offsets: undefined,
    }
  }

  #splitText(data: Buffer, from: number, whole: boolean): Cut {
    const builder = new BatchBuilder(data.length, 64)
    const offsets: number[] = []
    let position = 0
    while (position < data.length && !this.#failure) {
      const end = this.#lineEnd(data, position)
      const behind = Math.min(end + this.#in.unitBytes, data.length)
      const cut = this.#pieces(data, position, end, whole, (start, stop) => {
        const text = this.#failure ? undefined : this.#in.decode(data.subarray(start, stop), this.#replacement)
        if (text === undefined) this.#failure ??= this.#malformed(from + start, from + stop)
        else {
          builder.addRange(...wholeOf(this.#out.encode(text)))
          offsets.push(from + (stop === end ? behind : stop))
        }
      })
      position = cut < end ? cut : behind
      if (cut < end) break
    }
    return { batch: builder.build(), from, to: from + position, offsets }
  }

  /**
   * Hands out a line in pieces of at most charsMax characters, in one piece when it fits. Returns where the pieces end:
   * before `end` only for a line that goes on behind the data. A surrogate pair stays together (Flume tears it).
   */
  #pieces(data: Buffer, start: number, end: number, whole: boolean, add: (start: number, end: number) => void): number {
    const goesOn = !whole && end === data.length
    if (!goesOn && end - start <= this.#charsMax) {
      add(start, end)
      return end
    }
    const limitBytes = Math.min(lineBytesMax, 4 * this.#charsMax + 4)
    let pieceStart = start
    let units = 0
    let position = start
    // A character that the end of the data may cut is not looked at yet.
    const lookEnd = goesOn ? end - (characterBytesMax - 1) : end
    while (position < lookEnd) {
      const character = this.#in.charAt(data, position)
      const next = Math.min(position + character.bytes, end)
      const isFull =
        (units + character.units > this.#charsMax || next - pieceStart > limitBytes) && position > pieceStart
      if (isFull) {
        this.#warnOnce()
        add(pieceStart, position)
        pieceStart = position
        units = 0
      }
      units += character.units
      position = next
    }
    if (goesOn) return pieceStart
    add(pieceStart, end)
    return end
  }

  #warnOnce(): void {
    if (this.#warned) return
    this.#warned = true
    this.#input.log.warn(
      `${this.#input.path}: a line is longer than maxLineLength (${this.#charsMax}) and becomes several events; said once for each file`,
    )
  }

  #malformed(start: number, end: number): FlumeError {
    return new FlumeError(
      'INVALID_DATA',
      `${this.#input.path}: the line at bytes ${start} to ${end} is not ${this.#in.name}`,
      { hint: 'set inputCharset to what the file is written in, or decodeErrorPolicy to REPLACE or IGNORE' },
    )
  }
}

/** Starts and ends of events, growing. */
class Ranges {
  #starts: Uint32Array
  #ends: Uint32Array
  #count = 0

  constructor(countHint: number) {
    this.#starts = new Uint32Array(Math.max(16, countHint))
    this.#ends = new Uint32Array(Math.max(16, countHint))
  }

  add(start: number, end: number): void {
    if (this.#count === this.#starts.length) {
      const starts = new Uint32Array(2 * this.#count)
      const ends = new Uint32Array(2 * this.#count)
      starts.set(this.#starts)
      ends.set(this.#ends)
      this.#starts = starts
      this.#ends = ends
    }
    this.#starts[this.#count] = start
    this.#ends[this.#count++] = end
  }

  take(): { readonly starts: Uint32Array; readonly ends: Uint32Array } {
    return { starts: this.#starts.subarray(0, this.#count), ends: this.#ends.subarray(0, this.#count) }
  }
}

function wholeOf(bytes: Uint8Array): [Uint8Array, number, number] {
  return [bytes, 0, bytes.length]
}

/** UTF-8 bytes up to a character that the end of the data cuts in two. */
function withoutTornEnd(data: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= data.length; back++) {
    const byte = data[data.length - back] as number
    if (byte >= 0xc0) return data.subarray(0, data.length - back)
    if (byte < 0x80) break
  }
  return data
}
