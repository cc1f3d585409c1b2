import { constants, inflateSync } from 'node:zlib'

/** What a fresh connection speaks. */
export type FirstBytes = 'text' | 'avro' | 'avro-deflate' | 'tls'

/** Serial and list size of an Avro frame. */
const frameStartBytes = 8
/** Input after which a zlib stream has shown some output. */
const trialInputBytesMax = 4096
/** Output that is enough to be sure of a zlib stream. */
const trialBytesMax = 256 * 1024

/**
 * Tells by the first bytes of a connection what the peer speaks; undefined while there are too few to tell. Text is
 * whatever is nothing else.
 *
 * An Avro frame begins with a serial number and a count of buffers below 65 536, so its bytes 5 and 6 are NUL, which
 * text has not. A zlib header may be text (`x^2`), so what looks like one is tried: it must inflate to such a frame.
 */
export function tellFirstBytes(bytes: Buffer): FirstBytes | undefined {
  if (bytes.length === 0) return undefined
  const [first, second] = bytes
  if (first === 0x16 && (second === undefined || second === 0x03)) return second === undefined ? undefined : 'tls'
  if (first === 0x78 && looksLikeZlib(bytes)) return tryZlib(bytes)
  if (bytes.length < frameStartBytes) return first === 0 ? undefined : 'text'
  return startsFrame(bytes) ? 'avro' : 'text'
}

function startsFrame(bytes: Buffer): boolean {
  return bytes.length >= frameStartBytes && bytes[4] === 0 && bytes[5] === 0
}

/** RFC 1950: method 8, window 7, and a check that makes the two bytes a multiple of 31; or only one byte yet. */
function looksLikeZlib(bytes: Buffer): boolean {
  return bytes.length === 1 || bytes.readUInt16BE(0) % 31 === 0
}

function tryZlib(bytes: Buffer): FirstBytes | undefined {
  // A person's line ends in a newline; a client's first message does so only by chance, and is then long enough.
  const ended = bytes.at(-1) === 0x0a || bytes.length > trialInputBytesMax
  try {
    const start = inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: trialBytesMax })
    if (startsFrame(start)) return 'avro-deflate'
    return ended || start.length >= frameStartBytes ? 'text' : undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'avro-deflate' : 'text'
  }
}
