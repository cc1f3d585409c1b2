import { isAscii } from 'node:buffer'
import { StringDecoder } from 'node:string_decoder'

const lf = 10
const cr = 13

/** Longest line in characters; a longer one is cut there, so that a stranger cannot fill the memory. */
export const lineCharactersMax = 64 * 1024 * 1024

/**
 * Bytes that are decoded at a time: V8 keeps longer strings outside the space for young objects, each in pages of its own,
 * which costs more than the decoding. And one wide character makes no more than these twice as long.
 */
const pieceBytes = 64 * 1024

/** Cuts UTF-8 bytes into lines that end at LF, CR or CRLF; bad bytes become U+FFFD (B90). */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''
  #afterCr = false
  /** True when the decoder may hold the beginning of a character. */
  #isTorn = false

  /** The lines that `chunk` completes. */
  push(chunk: Uint8Array): string[] {
    let text = this.#decode(chunk)
    if (text === '') return []
    if (this.#afterCr) {
      // The LF of a CRLF that was torn apart by the chunk border belongs to the line before.
      if (text.charCodeAt(0) === lf) text = text.slice(1)
      this.#afterCr = false
      if (text === '') return []
    }
    this.#afterCr = text.charCodeAt(text.length - 1) === cr
    const hasCr = text.includes('\r')
    if (!hasCr && !text.includes('\n')) {
      // Looking through the whole of a long line at each of its pieces would take the square of its length.
      this.#rest += text
      return this.#cut([])
    }
    if (this.#rest !== '') {
      text = this.#rest + text
      this.#rest = ''
    }
    const lines = hasCr ? text.split(/\r\n|\r|\n/) : text.split('\n')
    this.#rest = lines.pop() as string
    return this.#cut(lines)
  }

  /** A line that is too long ends here. */
  #cut(lines: string[]): string[] {
    if (this.#rest.length > lineCharactersMax) {
      lines.push(this.#rest)
      this.#rest = ''
    }
    return lines
  }

  #decode(chunk: Uint8Array): string {
    if (chunk.length === 0) return ''
    const isPlain = isAscii(chunk)
    if (isPlain && !this.#isTorn) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1')
    this.#isTorn = !isPlain && (chunk[chunk.length - 1] as number) >= 0x80
    return this.#decoder.write(chunk as Buffer)
  }

  /** The last line, when it has no end. */
  end(): string[] {
    const last = this.#rest + this.#decoder.end()
    this.#rest = ''
    this.#afterCr = false
    return last === '' ? [] : [last]
  }
}

/** The lines of a byte stream, a chunk's worth at a time: an async step per line would cost more than the line. */
export async function* readLineBlocks(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string[]> {
  const splitter = new LineSplitter()
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      const lines = splitter.push(chunk.subarray(at, at + pieceBytes))
      if (lines.length > 0) yield lines
    }
  }
  const last = splitter.end()
  if (last.length > 0) yield last
}
