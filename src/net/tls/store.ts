import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { StoreContent, StoredKey } from '../../codec/keystore/content.ts'
import { readKeyStore } from '../../codec/keystore/key-store.ts'
import { explain, FlumeError } from '../../core/error.ts'
import type { TlsProblem, TlsSettings } from './problem.ts'

/** A file larger than this is no key store. */
const storeBytesMax = 16 * 1024 * 1024
/** Stores kept in memory once they are read: deriving keys from a password is meant to be slow. */
const rememberedMax = 32

type StoreKind = 'keystore' | 'truststore'

interface StoreValues {
  readonly file: string | undefined
  readonly password: string | undefined
  readonly type: string | undefined
}

const globals: Readonly<Record<StoreKind, { readonly property: string; readonly variable: string }>> = {
  keystore: { property: 'javax.net.ssl.keyStore', variable: 'FLUME_SSL_KEYSTORE' },
  truststore: { property: 'javax.net.ssl.trustStore', variable: 'FLUME_SSL_TRUSTSTORE' },
}

type StoreOptions<K extends StoreKind> = Readonly<Record<K | `${K}-password` | `${K}-type`, string | undefined>>

/** Where a store is: the component's own keys, each else the global one (flume-components §1.4). */
export function storeValues<K extends StoreKind>(
  kind: K,
  options: StoreOptions<K>,
  settings: TlsSettings | undefined,
): StoreValues {
  const { property, variable } = globals[kind]
  const global = (ofProperty: string, ofVariable: string): string | undefined =>
    settings?.properties.get(property + ofProperty) ?? settings?.env[variable + ofVariable]
  return {
    file: options[kind] ?? global('', '_PATH'),
    password: options[`${kind}-password`] ?? global('Password', '_PASSWORD'),
    type: options[`${kind}-type`] ?? global('Type', '_TYPE'),
  }
}

/** The store, or what is wrong with it. `file` must be there. */
export function openStore(kind: StoreKind, { file = '', password, type }: StoreValues): StoreContent | TlsProblem {
  const problem = (option: string, code: string, message: string, hint?: string): TlsProblem => ({
    option,
    severity: 'error',
    code,
    message,
    ...(hint ? { hint } : {}),
  })
  if (type !== undefined && !/^(JKS|PKCS12|P12|PEM)$/i.test(type)) {
    const hint = 'use JKS, PKCS12 or PEM; keytool -importkeystore -deststoretype PKCS12 writes another one anew'
    return problem(`${kind}-type`, 'not-supported', `"${type}" is no type of store that is read here`, hint)
  }
  try {
    return readRemembered(file, password)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT') return problem(kind, 'no-file', `${file} is not there`)
    const hint = thrown instanceof FlumeError ? thrown.hint : undefined
    return problem(
      kind,
      'bad-store',
      `${file}: ${explain(thrown instanceof FlumeError ? thrown.message : thrown)}`,
      hint,
    )
  }
}

const remembered = new Map<string, StoreContent>()

function readRemembered(file: string, password: string | undefined): StoreContent {
  const { size } = statSync(file)
  if (size > storeBytesMax) throw new FlumeError('LIMIT', `it has ${size} bytes, and ${storeBytesMax} is the most`)
  const bytes = readFileSync(file)
  // Not by name and time: a digest of what is in it cannot be stale.
  const key = createHash('sha256')
    .update(bytes)
    .update(`\0${password ?? ''}\0${password === undefined}`)
    .digest('hex')
  const known = remembered.get(key)
  if (known) return known
  const content = readKeyStore(bytes, password)
  for (const oldest of remembered.keys()) {
    if (remembered.size < rememberedMax) break
    remembered.delete(oldest)
  }
  remembered.set(key, content)
  return content
}

/** Keys and certificates as Node takes them. */
export interface NodeIdentity {
  readonly key: string[]
  readonly cert: string[]
}

/** One key of each kind, as a server needs at most; rejects in words what cannot be used. */
export function identityOf({ keys }: StoreContent): NodeIdentity | string {
  const chosen = new Map<string, NodeIdentity>()
  for (const stored of keys) {
    const one = readIdentity(stored)
    if (typeof one === 'string') return one
    if (!chosen.has(one.kind)) chosen.set(one.kind, { key: [one.key], cert: [one.cert] })
  }
  if (chosen.size === 0) return 'holds no private key'
  return {
    key: [...chosen.values()].flatMap(({ key }) => key),
    cert: [...chosen.values()].flatMap(({ cert }) => cert),
  }
}

function readIdentity({ key, chain }: StoredKey): { kind: string; key: string; cert: string } | string {
  const [own] = chain
  if (!own) return 'holds a key without a certificate'
  try {
    const secret = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
    if (!new X509Certificate(own).checkPrivateKey(secret)) return 'holds a certificate that is not of its key'
    return {
      kind: secret.asymmetricKeyType ?? '',
      key: secret.export({ type: 'pkcs8', format: 'pem' }).toString(),
      cert: chain.map((one) => new X509Certificate(one).toString()).join(''),
    }
  } catch {
    return 'holds a key or a certificate that cannot be read'
  }
}

/** The certificates to trust; as in Java a key's own certificate is one of them. */
export function authoritiesOf({ keys, trusted }: StoreContent): string[] | string {
  const all = [...trusted, ...keys.flatMap(({ chain }) => chain.slice(0, 1))]
  if (all.length === 0) return 'holds no certificate to trust'
  try {
    return all.map((one) => new X509Certificate(one).toString())
  } catch {
    return 'holds a certificate that cannot be read'
  }
}

/** Names of protocols and suites: the component's own, else the global ones, which have commas between them. */
export function globalLists(settings: TlsSettings | undefined) {
  const list = (property: string, variable: string): readonly string[] | undefined => {
    const text = settings?.properties.get(`flume.ssl.${property}`) ?? settings?.env[`FLUME_SSL_${variable}`]
    return text?.split(/[\s,]+/).filter((word) => word !== '')
  }
  return {
    'include-protocols': list('include.protocols', 'INCLUDE_PROTOCOLS'),
    'exclude-protocols': list('exclude.protocols', 'EXCLUDE_PROTOCOLS'),
    'include-cipher-suites': list('include.cipherSuites', 'INCLUDE_CIPHERSUITES'),
    'exclude-cipher-suites': list('exclude.cipherSuites', 'EXCLUDE_CIPHERSUITES'),
  }
}
