import { isAscii } from 'node:buffer'
import { FlumeError } from '../core/error.ts'
import { type Charset, charsetNamed } from './charset.ts'

/** A character set as connections use it: piece by piece, where `Charset` reads whole texts. */
export interface StreamCharset {
  readonly name: string
  /** A decoder of one stream: bytes of the set in, UTF-8 out. Throws INVALID_DATA for bytes that are no text in it. */
  decoder(): (chunk: Buffer) => Buffer
  /** An encoder of one stream. Characters that the set lacks become `?`. */
  encoder(): (text: string) => Buffer
}

/** The character set that Java knows by that name, in any case; undefined when there is none. */
export function streamCharset(name: string): StreamCharset | undefined {
  const charset = charsetNamed(name)
  if (!charset) return undefined
  const known = charset.name.toLowerCase()
  switch (known) {
    case 'utf-8':
      // Passed through: whether it is UTF-8 is checked where it is cut, at little cost.
      return { name: known, decoder: () => (chunk) => chunk, encoder: () => (text) => Buffer.from(text) }
    case 'us-ascii':
      return { name: known, decoder: () => asciiOnly, encoder: () => (text) => singleBytes(text, 0x7f) }
    case 'iso-8859-1':
      return { name: known, decoder: () => latin1ToUtf8, encoder: () => (text) => singleBytes(text, 0xff) }
    case 'utf-16':
      return { name: known, decoder: () => utf16Decoder(), encoder: () => utf16Encoder() }
    case 'utf-16be':
      return { name: known, decoder: () => platformDecoder(known), encoder: () => utf16be }
    case 'utf-16le':
      return {
        name: known,
        decoder: () => platformDecoder(known),
        encoder: () => (text) => Buffer.from(text, 'utf16le'),
      }
    default:
      return charset.bytesPerUnitMax === 1 ? singleByteCharset(known, charset) : platformCharset(known, charset.encode)
  }
}

/** By the table of `Charset`: Node 20's TextDecoder has windows-1252 wrong. */
function singleByteCharset(name: string, { decode, encode }: Charset): StreamCharset {
  return {
    name,
    decoder: () => (chunk) => {
      const text = decode(chunk, undefined)
      if (text === undefined) throw new FlumeError('INVALID_DATA', `bytes that are no ${name}`)
      return Buffer.from(text)
    },
    encoder: () => (text) => Buffer.from(encode?.(text) ?? singleBytes(text, 0x7f)),
  }
}

function platformCharset(
  label: string,
  encode = (text: string): Uint8Array => singleBytes(text, 0x7f),
): StreamCharset | undefined {
  try {
    const { encoding } = new TextDecoder(label)
    return { name: encoding, decoder: () => platformDecoder(label), encoder: () => (text) => Buffer.from(encode(text)) }
  } catch {
    return undefined
  }
}

function platformDecoder(label: string): (chunk: Buffer) => Buffer {
  const decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true })
  return (chunk) => {
    try {
      return Buffer.from(decoder.decode(chunk, { stream: true }))
    } catch (cause) {
      throw new FlumeError('INVALID_DATA', `bytes that are no ${label}`, { cause })
    }
  }
}

function asciiOnly(chunk: Buffer): Buffer {
  if (!isAscii(chunk)) throw new FlumeError('INVALID_DATA', 'bytes that are no us-ascii')
  return chunk
}

function latin1ToUtf8(chunk: Buffer): Buffer {
  return isAscii(chunk) ? chunk : Buffer.from(chunk.toString('latin1'))
}

/** Java's UTF-16: a byte order mark decides and is taken away, else big-endian. */
function utf16Decoder(): (chunk: Buffer) => Buffer {
  let start = Buffer.alloc(0)
  let decode: ((chunk: Buffer) => Buffer) | undefined
  return (chunk) => {
    if (decode) return decode(chunk)
    start = Buffer.concat([start, chunk])
    if (start.length < 2) return Buffer.alloc(0)
    const mark = start.readUInt16BE(0)
    decode = platformDecoder(mark === 0xfffe ? 'utf-16le' : 'utf-16be')
    return decode(mark === 0xfffe || mark === 0xfeff ? start.subarray(2) : start)
  }
}

/** Java's UTF-16: a mark before the first text, then big-endian. */
function utf16Encoder(): (text: string) => Buffer {
  let mark = '\ufeff'
  return (text) => {
    const bytes = utf16be(mark + text)
    mark = ''
    return bytes
  }
}

function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16()
}

function singleBytes(text: string, highest: number): Buffer {
  return Buffer.from(
    Array.from(text, (character) => ((character.codePointAt(0) as number) <= highest ? character : '?')).join(''),
    'latin1',
  )
}
