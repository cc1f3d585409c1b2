import { createDecipheriv, getHashes, hash as hashOf, pbkdf2Sync } from 'node:crypto'
import { FlumeError } from '../../core/error.ts'
import { type DerReader, derTag, notDer } from './der.ts'
import { decryptRc2 } from './rc2.ts'

/** What reading a store may cost: no more rounds than Java takes. */
export const iterationsMaxDefault = 5_000_000

/** A password and the limit on what using it may cost. */
export interface StorePassword {
  readonly text: string
  readonly iterationsMax: number
}

/** The bytes do not decrypt: what a wrong password looks like. */
export function wrongPassword(): FlumeError {
  return new FlumeError('INVALID_DATA', 'the password is wrong, or the store is damaged')
}

const pkcs12Pbe = '1.2.840.113549.1.12.1.'
const pbes2 = '1.2.840.113549.1.5.13'
const pbkdf2 = '1.2.840.113549.1.5.12'

/** Ciphers of PKCS#12's own password encryption (RFC 7292, appendix C), by the last part of their identifier. */
const pkcs12Ciphers: ReadonlyMap<string, { readonly keyBytes: number; readonly cipher: '3des' | 'rc2' }> = new Map([
  ['3', { keyBytes: 24, cipher: '3des' }],
  ['5', { keyBytes: 16, cipher: 'rc2' }],
  ['6', { keyBytes: 5, cipher: 'rc2' }],
])

const pbes2Ciphers: ReadonlyMap<string, { readonly name: string; readonly keyBytes: number }> = new Map([
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyBytes: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyBytes: 24 }],
  ['2.16.840.1.101.3.4.1.42', { name: 'aes-256-cbc', keyBytes: 32 }],
  ['1.2.840.113549.3.7', { name: 'des-ede3-cbc', keyBytes: 24 }],
])

const hmacHashes: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
])

/** Decrypts what an AlgorithmIdentifier says it is encrypted with. Throws INVALID_DATA or UNSUPPORTED. */
export function decryptPbe(algorithm: DerReader, data: Buffer, password: StorePassword): Buffer {
  const oid = algorithm.oid()
  if (oid === pbes2) return decryptPbes2(algorithm.enter(), data, password)
  const known = oid.startsWith(pkcs12Pbe) ? pkcs12Ciphers.get(oid.slice(pkcs12Pbe.length)) : undefined
  if (!known) throw unknownCipher(oid)
  const parameters = algorithm.enter()
  const salt = parameters.take(derTag.octets)
  const iterations = roundsOf(parameters, password)
  const derive = (purpose: 1 | 2, bytes: number): Buffer =>
    deriveKey({ hash: 'sha1', purpose, password: password.text, salt, iterations, bytes })
  const [key, iv] = [derive(1, known.keyBytes), derive(2, 8)]
  if (known.cipher === '3des') return decipher('des-ede3-cbc', key, iv, data)
  if (data.length === 0 || data.length % 8 !== 0) throw wrongPassword()
  return unpad(decryptRc2(key, iv, data))
}

function decryptPbes2(parameters: DerReader, data: Buffer, password: StorePassword): Buffer {
  const kdf = parameters.enter()
  const kdfOid = kdf.oid()
  if (kdfOid !== pbkdf2) throw unknownCipher(kdfOid)
  const kdfParameters = kdf.enter()
  const salt = kdfParameters.take(derTag.octets)
  const iterations = roundsOf(kdfParameters, password)
  if (kdfParameters.peek() === derTag.integer) kdfParameters.integer()
  const prf = kdfParameters.done ? '1.2.840.113549.2.7' : kdfParameters.enter().oid()
  const hash = hmacHashes.get(prf)
  if (!hash) throw unknownCipher(prf)
  const scheme = parameters.enter()
  const schemeOid = scheme.oid()
  const cipher = pbes2Ciphers.get(schemeOid)
  if (!cipher) throw unknownCipher(schemeOid)
  const key = pbkdf2Sync(password.text, salt, iterations, cipher.keyBytes, hash)
  return decipher(cipher.name, key, scheme.take(derTag.octets), data)
}

function roundsOf(parameters: DerReader, { iterationsMax }: StorePassword): number {
  const iterations = parameters.integer()
  if (iterations < 1 || iterations > iterationsMax) throw notDer(`it wants ${iterations} rounds of its password`)
  return iterations
}

function decipher(name: string, key: Buffer, iv: Buffer, data: Buffer): Buffer {
  try {
    const cipher = createDecipheriv(name, key, iv)
    return Buffer.concat([cipher.update(data), cipher.final()])
  } catch {
    throw wrongPassword()
  }
}

function unpad(clear: Buffer): Buffer {
  const padding = clear[clear.length - 1] as number
  if (padding < 1 || padding > 8) throw wrongPassword()
  return clear.subarray(0, clear.length - padding)
}

function unknownCipher(oid: string): FlumeError {
  return new FlumeError('UNSUPPORTED', `the store is encrypted in a way that is not read here (${oid})`, {
    hint: 'write it anew, such as with keytool -importkeystore -deststoretype PKCS12',
  })
}

export interface KeyDerivation {
  readonly hash: string
  /** 1: a key, 2: an initial vector, 3: the key of a checksum. */
  readonly purpose: 1 | 2 | 3
  readonly password: string
  readonly salt: Buffer
  readonly iterations: number
  readonly bytes: number
}

/** PKCS#12's own key derivation (RFC 7292, appendix B). */
export function deriveKey({ hash, purpose, password, salt, iterations, bytes }: KeyDerivation): Buffer {
  if (!getHashes().includes(hash)) throw unknownCipher(hash)
  const blockBytes = hash === 'sha384' || hash === 'sha512' ? 128 : 64
  const filler = Buffer.alloc(blockBytes, purpose)
  // UTF-16, big-endian, two zeros at the end.
  const secret = Buffer.from(`${password}\0`, 'utf16le').swap16()
  const input = Buffer.concat([stretch(salt, blockBytes), stretch(secret, blockBytes)])
  const out: Buffer[] = []
  for (let have = 0; have < bytes; ) {
    let digest = hashOf(hash, Buffer.concat([filler, input]), 'buffer')
    for (let i = 1; i < iterations; i++) digest = hashOf(hash, digest, 'buffer')
    out.push(digest)
    have += digest.length
    if (have < bytes) addToBlocks(input, stretch(digest, blockBytes).subarray(0, blockBytes))
  }
  return Buffer.concat(out).subarray(0, bytes)
}

/** The bytes repeated until they fill whole blocks; nothing stays nothing. */
function stretch(bytes: Buffer, blockBytes: number): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes)
}

/** Each block becomes block + addend + 1. */
function addToBlocks(blocks: Buffer, addend: Buffer): void {
  for (let start = 0; start < blocks.length; start += addend.length) {
    let carry = 1
    for (let i = addend.length - 1; i >= 0; i--) {
      carry += (blocks[start + i] as number) + (addend[i] as number)
      blocks[start + i] = carry & 0xff
      carry >>= 8
    }
  }
}
