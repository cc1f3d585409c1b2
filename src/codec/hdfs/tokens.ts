import { Buffer } from 'node:buffer'
import { FlumeError } from '../../core/error.ts'
import { ProtoReader } from './protobuf.ts'

// Hadoop's files of tokens (Credentials), as `hdfs fetchdt` and YARN write them, and one token as WebHDFS takes it in an address:
//
//   file     := "HDTS" 00  vint(tokens) (text(alias) token)*  vint(secrets) (text(alias) bytes)*
//             | "HDTS" 01  delimited protobuf { 1: { 1 alias, 2 token { 1 identifier, 2 password, 3 kind, 4 service } }* 2: … }
//   token    := bytes(identifier) bytes(password) text(kind) text(service)        bytes, text := vint(length) …
//   address  := base64url(token), without padding
//   identifier of HDFS := 00 text(owner) text(renewer) text(real user) vlong(issued) vlong(latest) vint(number) vint(key)
//   vint, vlong := one byte from -112 to 127 | a byte that says sign and length, and the bytes of the number

export interface Token {
  readonly identifier: Buffer
  readonly password: Buffer
  /** Such as `HDFS_DELEGATION_TOKEN`. */
  readonly kind: string
  /** Which server it is for, such as `10.0.0.1:8020` or `ha-hdfs:prod`. */
  readonly service: string
}

/** What an HDFS token says of itself. */
export interface TokenIdentity {
  /** Whose rights it gives. */
  readonly owner: string
  /** Who may renew it. */
  readonly renewer: string
  /** Milliseconds since the epoch after which no renewal helps. */
  readonly latestMs: number
}

const magic = 'HDTS'
/** Far more than any file holds. */
const tokensMax = 10_000

/** Rejects PROTOCOL for what is no file of tokens. */
export function readTokenFile(bytes: Buffer): readonly Token[] {
  if (bytes.toString('latin1', 0, 4) !== magic) throw broken(`it does not begin with ${magic}`)
  const version = bytes[4]
  if (version === 0) {
    const reader = new WritableReader(bytes, 5)
    const count = reader.length()
    if (count > tokensMax) throw broken(`it says that it holds ${count} tokens`)
    return Array.from({ length: count }, () => {
      reader.bytes()
      return reader.token()
    })
  }
  if (version === 1) return readProtobuf(bytes.subarray(5))
  throw broken(`its version ${version} is not known`)
}

/** A token as an address holds it. Rejects PROTOCOL for anything else. */
export function readUrlToken(text: string): Token {
  const plain = text.trim()
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(plain)) throw broken('it is not written in base64url')
  return new WritableReader(Buffer.from(plain, 'base64url'), 0).token()
}

export function urlToken({ identifier, password, kind, service }: Token): string {
  const parts = [identifier, password, Buffer.from(kind), Buffer.from(service)]
  return Buffer.concat(parts.flatMap((part) => [vint(part.length), part])).toString('base64url')
}

/** Undefined for kinds of tokens that are not HDFS's own. */
export function readTokenIdentity({ identifier }: Token): TokenIdentity | undefined {
  try {
    if (identifier[0] !== 0) return undefined
    const reader = new WritableReader(identifier, 1)
    const [owner, renewer] = [reader.text(), reader.text()]
    reader.text()
    reader.vlong()
    return { owner, renewer, latestMs: reader.vlong() }
  } catch {
    return undefined
  }
}

function readProtobuf(bytes: Buffer): Token[] {
  const tokens: Token[] = []
  const file = new ProtoReader(bytes).delimited()
  while (file.next()) {
    if (file.field !== 1) continue
    if (tokens.length === tokensMax) throw broken(`it holds more than ${tokensMax} tokens`)
    const entry = file.message()
    while (entry.next()) if (entry.field === 2) tokens.push(readTokenMessage(entry.message()))
  }
  return tokens
}

function readTokenMessage(message: ProtoReader): Token {
  const token = { identifier: Buffer.alloc(0), password: Buffer.alloc(0), kind: '', service: '' }
  while (message.next()) {
    if (message.field === 1) token.identifier = Buffer.from(message.bytes())
    else if (message.field === 2) token.password = Buffer.from(message.bytes())
    else if (message.field === 3) token.kind = message.text()
    else if (message.field === 4) token.service = message.text()
  }
  return token
}

/** Reads what Java's Writables write; every length is checked against what is there. */
class WritableReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  token(): Token {
    return { identifier: this.bytes(), password: this.bytes(), kind: this.text(), service: this.text() }
  }

  text(): string {
    return this.bytes().toString()
  }

  bytes(): Buffer {
    const length = this.length()
    if (this.#at + length > this.#bytes.length) throw broken('it ends too early')
    const found = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return Buffer.from(found)
  }

  length(): number {
    const value = this.vlong()
    if (value < 0) throw broken('it holds a negative length')
    return value
  }

  vlong(): number {
    const first = this.#int8()
    if (first >= -112) return first
    const isNegative = first < -120
    let left = isNegative ? -120 - first : -112 - first
    let value = 0n
    for (; left > 0; left--) value = (value << 8n) | BigInt(this.#int8() & 255)
    const number = Number(isNegative ? ~value : value)
    if (!Number.isSafeInteger(number)) throw broken('it holds a number that is too large')
    return number
  }

  #int8(): number {
    if (this.#at >= this.#bytes.length) throw broken('it ends too early')
    return this.#bytes.readInt8(this.#at++)
  }
}

function vint(value: number): Buffer {
  if (value <= 127) return Buffer.from([value])
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  const length = 4 - bytes.findIndex((byte) => byte !== 0)
  return Buffer.concat([Buffer.from([256 - 112 - length]), bytes.subarray(4 - length)])
}

function broken(what: string): FlumeError {
  return new FlumeError('PROTOCOL', `this is no Hadoop token: ${what}`)
}
