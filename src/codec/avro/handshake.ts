// Avro's handshake (flume-protocols §1.2), the first thing in a connection's first call and in its answer.
//   request  = clientHash: MD5, clientProtocol: null | string, serverHash: MD5, meta: null | map of bytes
//   response = match: BOTH | CLIENT | NONE, serverProtocol: null | string, serverHash: null | MD5, meta: null | map of bytes
import { FlumeError } from '../../core/error.ts'
import type { AvroReader, AvroWriter } from './binary.ts'
import type { RpcProtocol } from './protocol.ts'

const hashBytes = 16
/** Longest protocol text a peer may send, in bytes; Flume's has 1334. */
const protocolBytesMax = 64 * 1024

export interface HandshakeRequest {
  readonly clientHash: Buffer
  /** Undefined on the first try. */
  readonly clientProtocol: string | undefined
  /** What the client believes the server's hash to be. */
  readonly serverHash: Buffer
}

/** BOTH: each knows the other. CLIENT: the call was run, and here is the server's protocol. NONE: send yours and repeat the call. */
export type HandshakeMatch = 'BOTH' | 'CLIENT' | 'NONE'

const matches: readonly HandshakeMatch[] = ['BOTH', 'CLIENT', 'NONE']

export interface HandshakeResponse {
  readonly match: HandshakeMatch
  readonly serverProtocol: string | undefined
  readonly serverHash: Buffer | undefined
}

export function writeHandshakeRequest(writer: AvroWriter, request: HandshakeRequest): void {
  writer.fixed(request.clientHash)
  writeOptionalText(writer, request.clientProtocol)
  writer.fixed(request.serverHash)
  writeEmptyMeta(writer)
}

export function readHandshakeRequest(reader: AvroReader): HandshakeRequest {
  const clientHash = readHash(reader)
  const clientProtocol = readOptionalProtocol(reader)
  const serverHash = readHash(reader)
  skipMeta(reader)
  return { clientHash, clientProtocol, serverHash }
}

/** The answer for a match; anything but BOTH carries the server's protocol. */
export function writeHandshakeResponse(writer: AvroWriter, match: HandshakeMatch, server: RpcProtocol): void {
  writer.long(matches.indexOf(match))
  if (match === 'BOTH') {
    writer.long(0)
    writer.long(0)
  } else {
    writer.long(1)
    writer.string(server.text)
    writer.long(1)
    writer.fixed(server.hash)
  }
  // Captured: a server that has nothing to say answers meta = null, a client sends an empty map.
  writer.long(0)
}

export function readHandshakeResponse(reader: AvroReader): HandshakeResponse {
  const match = matches[reader.index(matches.length, 'the handshake match')] as HandshakeMatch
  const serverProtocol = readOptionalProtocol(reader)
  const serverHash = reader.index(2, 'a union of null and MD5') === 1 ? readHash(reader) : undefined
  skipMeta(reader)
  return { match, serverProtocol, serverHash }
}

function readHash(reader: AvroReader): Buffer {
  // A copy: hashes are remembered, frames are not.
  return Buffer.from(reader.fixed(hashBytes, 'an MD5 hash'))
}

function readOptionalProtocol(reader: AvroReader): string | undefined {
  if (reader.index(2, 'a union of null and string') === 0) return undefined
  const text = reader.string('a protocol')
  if (text.length > protocolBytesMax)
    throw new FlumeError('LIMIT', `a protocol of ${text.length} characters, more than ${protocolBytesMax}`)
  return text
}

function writeOptionalText(writer: AvroWriter, text: string | undefined): void {
  if (text === undefined) return writer.long(0)
  writer.long(1)
  writer.string(text)
}

function writeEmptyMeta(writer: AvroWriter): void {
  writer.long(1)
  writer.long(0)
}

function skipMeta(reader: AvroReader): void {
  if (reader.index(2, 'a union of null and map') === 1) reader.skipMap('handshake meta')
}
