import { createPrivateKey, X509Certificate } from 'node:crypto'
import { FlumeError } from '../../core/error.ts'
import type { StoreContent } from './content.ts'
import { notDer } from './der.ts'
import { wrongPassword } from './pbe.ts'

const block = /-----BEGIN ([A-Z0-9 ]{1,40})-----[\s\S]*?-----END \1-----/g

/** Whether the bytes are text with a PEM block in it. */
export function isPem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ')
}

/**
 * Reads PEM blocks: the first private key, with the certificates beside it as its chain, or certificates to be trusted
 * where there is no key. An encrypted key takes the password. Throws INVALID_DATA.
 */
export function readPem(bytes: Buffer, password: string | undefined): StoreContent {
  const certificates: Buffer[] = []
  const keys: Buffer[] = []
  for (const [text, label] of bytes.toString('latin1').matchAll(block)) {
    if (label === 'CERTIFICATE' || label === 'TRUSTED CERTIFICATE') certificates.push(certificateOf(text))
    else if (label?.endsWith('PRIVATE KEY')) keys.push(keyOf(text, password))
  }
  const [key] = keys
  if (!key) return { keys: [], trusted: certificates }
  if (keys.length > 1) throw new FlumeError('INVALID_DATA', 'the file holds several keys; leave one')
  return { keys: [{ alias: '', key, chain: certificates }], trusted: [] }
}

function certificateOf(text: string): Buffer {
  try {
    return new X509Certificate(text).raw
  } catch {
    throw notDer('a certificate in it cannot be read')
  }
}

function keyOf(text: string, password: string | undefined): Buffer {
  const isEncrypted = text.includes('ENCRYPTED')
  if (isEncrypted && password === undefined) {
    throw new FlumeError('INVALID_DATA', 'the key is encrypted, and there is no password for it')
  }
  try {
    const key = createPrivateKey(isEncrypted ? { key: text, passphrase: password ?? '' } : text)
    return key.export({ type: 'pkcs8', format: 'der' })
  } catch {
    throw isEncrypted ? wrongPassword() : notDer('the key in it cannot be read')
  }
}
