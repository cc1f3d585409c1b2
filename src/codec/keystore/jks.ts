import { createHash, timingSafeEqual } from 'node:crypto'
import type { StoreContent, StoredKey } from './content.ts'
import { DerReader, derTag, notDer } from './der.ts'
import { wrongPassword } from './pbe.ts'

// JKS, as Java has written it since 1.2. All numbers big-endian, all texts a 16-bit length and modified UTF-8:
//
//   store   = magic(4) version(4)=1|2 count(4) entry* sha1(20)
//   entry   = tag(4)=1 alias date(8) length(4) EncryptedPrivateKeyInfo chain(4) certificate*
//           | tag(4)=2 alias date(8) certificate
//   certificate = type (version 2 only) length(4) bytes
//
// The digest at the end is over the password in UTF-16, the words below and everything before it. A key is encrypted by
// a stream of SHA-1 digests: salt(20) bytes check(20).

const magic = 0xfeedfeed
const whitener = Buffer.from('Mighty Aphrodite', 'latin1')
const keyProtector = '1.3.6.1.4.1.42.2.17.1.1'
const digestBytes = 20

/** Whether the bytes begin as a JKS does. */
export function isJks(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32BE(0) === magic
}

/**
 * Reads a JKS. Without a password its certificates are read, unchecked, and its keys are left out, as in Java. Throws
 * INVALID_DATA.
 */
export function readJks(bytes: Buffer, password: string | undefined): StoreContent {
  const end = bytes.length - digestBytes
  const reader = new JksReader(bytes.subarray(0, Math.max(0, end)))
  reader.int()
  const version = reader.int()
  if (version !== 1 && version !== 2) throw notDer(`its version is ${version}`)
  const secret = password === undefined ? undefined : Buffer.from(password, 'utf16le').swap16()
  if (secret) {
    const digest = createHash('sha1').update(secret).update(whitener).update(bytes.subarray(0, end)).digest()
    if (!timingSafeEqual(digest, bytes.subarray(end))) throw wrongPassword()
  }
  const keys: StoredKey[] = []
  const trusted: Buffer[] = []
  for (let left = reader.int(); left > 0; left--) {
    const tag = reader.int()
    const alias = reader.text()
    reader.skip(8)
    if (tag === 2) trusted.push(reader.certificate(version))
    else if (tag === 1) {
      const wrapped = reader.bytes(reader.int())
      const chain: Buffer[] = []
      for (let more = reader.int(); more > 0; more--) chain.push(reader.certificate(version))
      if (secret) keys.push({ alias, key: unwrapKey(wrapped, secret), chain })
    } else throw notDer(`an entry has tag ${tag}`)
  }
  return { keys, trusted }
}

class JksReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int(): number {
    return this.bytes(4).readUInt32BE(0)
  }

  /** Names are compared by nobody here: modified UTF-8 may show as it is. */
  text(): string {
    return this.bytes(this.bytes(2).readUInt16BE(0)).toString()
  }

  bytes(length: number): Buffer {
    const from = this.#at
    this.skip(length)
    return this.#bytes.subarray(from, this.#at)
  }

  skip(length: number): void {
    if (length > this.#bytes.length - this.#at) throw notDer('it is cut short')
    this.#at += length
  }

  certificate(version: number): Buffer {
    const type = version === 2 ? this.text() : 'X.509'
    if (type !== 'X.509') throw notDer('a certificate is no X.509')
    return this.bytes(this.int())
  }
}

function unwrapKey(wrapped: Buffer, secret: Buffer): Buffer {
  const info = new DerReader(wrapped).enter()
  if (info.enter().oid() !== keyProtector) throw notDer('a key is protected in an unknown way')
  const protectedBytes = info.take(derTag.octets)
  const length = protectedBytes.length - 2 * digestBytes
  if (length < 0) throw notDer('a key is cut short')
  const key = Buffer.alloc(length)
  let digest = protectedBytes.subarray(0, digestBytes)
  for (let at = 0; at < length; at += digestBytes) {
    digest = createHash('sha1').update(secret).update(digest).digest()
    for (let i = 0; i < digestBytes && at + i < length; i++) {
      key[at + i] = (protectedBytes[digestBytes + at + i] as number) ^ (digest[i] as number)
    }
  }
  const check = createHash('sha1').update(secret).update(key).digest()
  if (!timingSafeEqual(check, protectedBytes.subarray(digestBytes + length))) throw wrongPassword()
  return key
}
