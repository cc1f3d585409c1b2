import { FlumeError } from '../core/error.ts'

// What an HTTP/1.1 server reads (RFC 9112), as strictly as it says:
//
//   request = method SP target SP "HTTP/1." digit CRLF ( name ":" value CRLF )* CRLF body
//   body    = as many bytes as Content-Length says | chunk* "0" … CRLF ( trailer CRLF )* CRLF
//   chunk   = size in hexadecimal ( ";" … )? CRLF bytes CRLF
//
// Whatever could make two programs see different requests in the same bytes is refused: both lengths, two lengths, folded
// lines, blanks before a colon, line ends without CR.

/** The lines before a request's body. */
export interface HttpHead {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly contentType: string
  /** Bytes of the body; undefined where it comes in chunks. */
  readonly contentLength: number | undefined
  /** Whether the connection may take another request. */
  readonly keepsAlive: boolean
  /** HTTP/1.0: who wants to keep the connection must be told that it is. */
  readonly isOld: boolean
  /** The sender waits for a word before it sends the body. */
  readonly expectsContinue: boolean
  /** Those that were asked for, by their names in lower case; several of one name with commas between. */
  readonly headers: ReadonlyMap<string, string>
}

/** A request that cannot be taken; the status says why. */
export class HttpError extends FlumeError {
  readonly status: number

  constructor(status: number, message: string) {
    super('PROTOCOL', message)
    this.status = status
  }
}

export const headBytesMax = 16 * 1024
/** A line between chunks: a size, and what may stand behind it. */
const chunkLineBytesMax = 1024

const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/

/**
 * Where the head ends in these bytes, behind its empty line; undefined when it is not all there. `from` is where looking
 * began the last time. Throws HttpError 431 for one that is too long, 400 for line ends that are none.
 */
export function findHeadEnd(bytes: Buffer, from = 0): number | undefined {
  const found = bytes.indexOf(headEnd, Math.max(0, from - headEnd.length + 1))
  if (found > headBytesMax || (found < 0 && bytes.length > headBytesMax)) {
    throw new HttpError(431, `the headers are more than ${headBytesMax} bytes`)
  }
  return found < 0 ? undefined : found + headEnd.length
}

const noNames: ReadonlySet<string> = new Set()

/** Reads a head without its empty line, and keeps the headers of these names, in lower case. Throws HttpError. */
export function parseHead(text: string, kept = noNames): HttpHead {
  const lines = text.split('\r\n')
  const [, method, url, minor] = requestLine.exec(lines[0] as string) ?? []
  if (method === undefined || url === undefined) throw new HttpError(400, 'the first line is no request')
  let contentType = ''
  let contentLength: number | undefined
  let isChunked = false
  let connection = ''
  let expectsContinue = false
  let hosts = 0
  const headers = new Map<string, string>()
  for (let i = 1; i < lines.length; i++) {
    const [, name, value = ''] = headerLine.exec(lines[i] as string) ?? []
    if (name === undefined) throw new HttpError(400, 'a header is none')
    const lower = name.toLowerCase()
    if (kept.has(lower)) {
      const before = headers.get(lower)
      // Senders mean UTF-8 by now; what is none is shown as such.
      const meant = Buffer.from(value, 'latin1').toString()
      headers.set(lower, before === undefined ? meant : `${before}, ${meant}`)
    }
    switch (lower) {
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || contentLength !== undefined)
          throw new HttpError(400, 'the length makes no sense')
        contentLength = Number(value)
        break
      case 'transfer-encoding':
        if (isChunked) throw new HttpError(400, 'the transfer makes no sense')
        if (value.toLowerCase() !== 'chunked') throw new HttpError(501, 'only chunked transfers are taken')
        isChunked = true
        break
      case 'content-type':
        contentType ||= value
        break
      case 'connection':
        connection += `,${value.toLowerCase()}`
        break
      case 'expect':
        if (value.toLowerCase() !== '100-continue') throw new HttpError(417, 'that cannot be expected')
        expectsContinue = true
        break
      case 'host':
        hosts++
        break
    }
  }
  const isOld = minor === '0'
  if (hosts > 1 || (hosts === 0 && !isOld)) throw new HttpError(400, 'there must be one Host')
  if (isChunked && (contentLength !== undefined || isOld)) throw new HttpError(400, 'there are two lengths')
  const options = connection.split(',').map((option) => option.trim())
  return {
    method,
    url,
    contentType,
    contentLength: isChunked ? undefined : (contentLength ?? 0),
    keepsAlive: isOld ? options.includes('keep-alive') : !options.includes('close'),
    isOld,
    expectsContinue: expectsContinue && !isOld,
    headers,
  }
}

/** Reads a body in chunks; feed it until it is done. */
export class ChunkedBody {
  readonly #bytesMax: number
  /** What has come, at its beginning. One buffer: a list would cost a stranger's chunks of one byte a hundred bytes each. */
  #body: Buffer = Buffer.alloc(0)
  #filled = 0
  /** As the chunks so far say. */
  #bytes = 0
  /** Bytes of the chunk under way, its line end included, that are still to come. */
  #left = 0
  /** Part of a line, while one is read. */
  #line = Buffer.alloc(0)
  #state: 'size' | 'data' | 'end of data' | 'trailers' | 'done' = 'size'
  #trailerBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** Bytes of the body so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** The body, once it is done. */
  take(): Buffer {
    return this.#body.subarray(0, this.#filled)
  }

  /** Reads on; answers what lies behind the end of the body. Throws HttpError. */
  push(chunk: Buffer): Buffer {
    let rest = chunk
    while (rest.length > 0 && this.#state !== 'done') {
      if (this.#state === 'data') {
        const piece = rest.subarray(0, this.#left)
        this.#add(piece)
        this.#left -= piece.length
        rest = rest.subarray(piece.length)
        if (this.#left === 0) this.#state = 'end of data'
        continue
      }
      const end = this.#endOfLine(rest)
      if (end === undefined) {
        this.#line = Buffer.concat([this.#line, rest])
        if (this.#line.length > chunkLineBytesMax) throw new HttpError(400, 'a line between chunks is too long')
        return Buffer.alloc(0)
      }
      const line = Buffer.concat([this.#line, rest.subarray(0, end)])
      rest = rest.subarray(end)
      this.#line = Buffer.alloc(0)
      this.#take(line.toString('latin1', 0, line.length - lineEnd.length))
    }
    return rest
  }

  #add(piece: Buffer): void {
    const filled = this.#filled + piece.length
    if (filled > this.#body.length) {
      // The first piece is taken as it is: most bodies come whole.
      if (this.#filled === 0) this.#body = piece
      else {
        const grown = Buffer.allocUnsafe(Math.min(this.#bytesMax, Math.max(filled, 2 * this.#body.length)))
        this.#body.copy(grown, 0, 0, this.#filled)
        piece.copy(grown, this.#filled)
        this.#body = grown
      }
    } else piece.copy(this.#body, this.#filled)
    this.#filled = filled
  }

  /** Behind the next CRLF, the first byte of which may have come before. */
  #endOfLine(rest: Buffer): number | undefined {
    if (this.#line.length > 0 && this.#line.at(-1) === 0x0d && rest[0] === 0x0a) return 1
    const found = rest.indexOf(lineEnd)
    return found < 0 ? undefined : found + lineEnd.length
  }

  #take(line: string): void {
    switch (this.#state) {
      case 'size': {
        const [, digits] = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line) ?? []
        if (digits === undefined) throw new HttpError(400, 'a chunk has no size')
        this.#left = Number.parseInt(digits, 16)
        this.#bytes += this.#left
        if (this.#bytes > this.#bytesMax) throw new HttpError(413, `a body may have ${this.#bytesMax} bytes`)
        this.#state = this.#left === 0 ? 'trailers' : 'data'
        return
      }
      case 'end of data':
        if (line !== '') throw new HttpError(400, 'a chunk is longer than it says')
        this.#state = 'size'
        return
      case 'trailers':
        this.#trailerBytes += line.length
        if (this.#trailerBytes > headBytesMax) throw new HttpError(431, 'there is too much behind the chunks')
        if (line === '') this.#state = 'done'
        else if (!headerLine.test(line)) throw new HttpError(400, 'a header behind the chunks is none')
        return
    }
  }
}
