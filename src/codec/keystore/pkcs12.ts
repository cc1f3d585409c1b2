import { createHmac, timingSafeEqual, X509Certificate } from 'node:crypto'
import { FlumeError } from '../../core/error.ts'
import type { StoreContent, StoredKey } from './content.ts'
import { DerReader, derTag, notDer } from './der.ts'
import { decryptPbe, deriveKey, type StorePassword, wrongPassword } from './pbe.ts'

// PKCS#12 (RFC 7292), as keytool and OpenSSL write it:
//
//   PFX         = SEQUENCE { version 3, ContentInfo, MacData OPTIONAL }
//   ContentInfo = SEQUENCE { oid, [0] content }: data(OCTET STRING) or encryptedData
//   inside      = SEQUENCE OF ContentInfo, each SEQUENCE OF SafeBag
//   SafeBag     = SEQUENCE { oid, [0] value, SET OF attribute OPTIONAL }

const data = '1.2.840.113549.1.7.1'
const encryptedData = '1.2.840.113549.1.7.6'
const bagTypes = '1.2.840.113549.1.12.10.1.'
const keyBag = `${bagTypes}1`
const shroudedKeyBag = `${bagTypes}2`
const certificateBag = `${bagTypes}3`
const nestedBag = `${bagTypes}6`
const x509Certificate = '1.2.840.113549.1.9.22.1'
const friendlyName = '1.2.840.113549.1.9.20'
const localKeyId = '1.2.840.113549.1.9.21'
/** Java's mark on a certificate that is to be trusted. */
const trustedUsage = '2.16.840.1.113894.746875.1.1'

const macHashes: ReadonlyMap<string, { readonly name: string; readonly bytes: number }> = new Map([
  ['1.3.14.3.2.26', { name: 'sha1', bytes: 20 }],
  ['2.16.840.1.101.3.4.2.4', { name: 'sha224', bytes: 28 }],
  ['2.16.840.1.101.3.4.2.1', { name: 'sha256', bytes: 32 }],
  ['2.16.840.1.101.3.4.2.2', { name: 'sha384', bytes: 48 }],
  ['2.16.840.1.101.3.4.2.3', { name: 'sha512', bytes: 64 }],
])

/** Bags may hold bags; nobody writes more than one level. */
const nestingMax = 4

interface Attributes {
  readonly alias: string
  readonly keyId: string | undefined
  readonly isTrusted: boolean
}

interface Bags {
  readonly keys: (Attributes & { readonly key: Buffer })[]
  readonly certificates: (Attributes & { readonly bytes: Buffer })[]
}

/** Reads a PKCS#12. Throws INVALID_DATA, and UNSUPPORTED for what neither keytool nor OpenSSL writes. */
export function readPkcs12(bytes: Buffer, password: StorePassword | undefined): StoreContent {
  const pfx = new DerReader(bytes).enter()
  if (pfx.integer() !== 3) throw notDer('its version is not 3')
  const outer = pfx.enter()
  if (outer.oid() !== data) throw new FlumeError('UNSUPPORTED', 'the store is signed by a key, not by a password')
  const content = outer.enter(derTag.explicit0).take(derTag.octets)
  if (password && !pfx.done) checkMac(pfx.enter(), content, password)
  const bags: Bags = { keys: [], certificates: [] }
  for (const infos = new DerReader(content).enter(); !infos.done; ) {
    const info = infos.enter()
    const type = info.oid()
    const inside = info.enter(derTag.explicit0)
    if (type === data) readBags(new DerReader(inside.take(derTag.octets)).enter(), password, bags, 0)
    else if (type === encryptedData) {
      readBags(new DerReader(decryptContent(inside.enter(), password)).enter(), password, bags, 0)
    } else throw new FlumeError('UNSUPPORTED', `a part of the store is encrypted by a key (${type})`)
  }
  return arrange(bags)
}

function checkMac(macData: DerReader, content: Buffer, password: StorePassword): void {
  const info = macData.enter()
  const oid = info.enter().oid()
  const expected = info.take(derTag.octets)
  const salt = macData.take(derTag.octets)
  const iterations = macData.done ? 1 : macData.integer()
  const hash = macHashes.get(oid)
  if (!hash) throw new FlumeError('UNSUPPORTED', `the checksum of the store is of a kind not read here (${oid})`)
  if (iterations < 1 || iterations > password.iterationsMax) throw notDer(`it wants ${iterations} rounds of checking`)
  const { name, bytes } = hash
  const key = deriveKey({ hash: name, purpose: 3, password: password.text, salt, iterations, bytes })
  const found = createHmac(name, key).update(content).digest()
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) throw wrongPassword()
}

function decryptContent(encrypted: DerReader, password: StorePassword | undefined): Buffer {
  encrypted.integer()
  const info = encrypted.enter()
  info.oid()
  const algorithm = info.enter()
  const { tag, content } = info.next()
  // [0] IMPLICIT OCTET STRING; in pieces only where the writer did not know the length.
  if (tag !== 0x80) throw new FlumeError('UNSUPPORTED', 'the store is written in pieces of unknown length')
  return decryptPbe(algorithm, content, needed(password))
}

function needed(password: StorePassword | undefined): StorePassword {
  if (password) return password
  throw new FlumeError('INVALID_DATA', 'the store is encrypted, and there is no password for it')
}

function readBags(list: DerReader, password: StorePassword | undefined, bags: Bags, depth: number): void {
  if (depth > nestingMax) throw notDer('it is nested too deeply')
  while (!list.done) {
    const bag = list.enter()
    const type = bag.oid()
    const value = bag.enter(derTag.explicit0)
    if (type === nestedBag) {
      readBags(value.enter(), password, bags, depth + 1)
      continue
    }
    const attributes = readAttributes(bag)
    if (type === keyBag) bags.keys.push({ ...attributes, key: wholeValue(value) })
    else if (type === shroudedKeyBag) {
      const info = value.enter()
      // Without a password the certificates are all that can be had.
      if (!password) continue
      const algorithm = info.enter()
      bags.keys.push({ ...attributes, key: decryptPbe(algorithm, info.take(derTag.octets), password) })
    } else if (type === certificateBag) {
      const certificate = value.enter()
      if (certificate.oid() !== x509Certificate) continue
      const bytes = certificate.enter(derTag.explicit0).take(derTag.octets)
      bags.certificates.push({ ...attributes, bytes })
    }
    // Secret keys and revocation lists are for other programs.
  }
}

/** A PrivateKeyInfo with its own tag and length. */
function wholeValue(reader: DerReader): Buffer {
  const { tag, content } = reader.next()
  const length = content.length
  const head =
    length < 0x80
      ? [tag, length]
      : [tag, 0x84, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]
  return Buffer.concat([Buffer.from(head), content])
}

function readAttributes(bag: DerReader): Attributes {
  let alias = ''
  let keyId: string | undefined
  let isTrusted = false
  for (const set = bag.done ? undefined : bag.enter(derTag.set); set && !set.done; ) {
    const attribute = set.enter()
    const oid = attribute.oid()
    const value = attribute.enter(derTag.set)
    if (oid === trustedUsage) isTrusted = true
    else if (value.done) continue
    else if (oid === friendlyName) {
      const { content } = value.next()
      if (content.length % 2 === 0) alias = Buffer.from(content).swap16().toString('utf16le')
    } else if (oid === localKeyId) keyId = value.next().content.toString('hex')
  }
  return { alias, keyId, isTrusted }
}

/** Gives each key its certificates. */
function arrange({ keys, certificates }: Bags): StoreContent {
  const found: StoredKey[] = []
  for (const { alias, key, keyId } of keys) {
    const own = certificates.find((one) => keyId !== undefined && one.keyId === keyId) ?? certificates[0]
    if (own)
      found.push({
        alias,
        key,
        chain: chainOf(
          own.bytes,
          certificates.map(({ bytes }) => bytes),
        ),
      })
  }
  // OpenSSL does not mark what is to be trusted: in a store without a key there is nothing else to be.
  const isPlain = keys.length === 0 && !certificates.some(({ isTrusted }) => isTrusted)
  const trusted = certificates.filter(({ isTrusted, keyId }) => isTrusted || (isPlain && keyId === undefined))
  return { keys: found, trusted: trusted.map(({ bytes }) => bytes) }
}

/** From a certificate over the one that issued it, and so on, as far as they are there. */
function chainOf(own: Buffer, others: readonly Buffer[]): readonly Buffer[] {
  const pool = others.map(parse)
  const chain = [own]
  for (let last = parse(own); last.issuer !== last.subject; ) {
    const issuer = pool.find(({ subject }) => subject === last.issuer)
    if (!issuer || chain.some((one) => one.equals(issuer.raw))) break
    chain.push(issuer.raw)
    last = issuer
  }
  return chain
}

function parse(bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes)
  } catch {
    throw notDer('a certificate in it cannot be read')
  }
}
