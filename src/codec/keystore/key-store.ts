import { FlumeError } from '../../core/error.ts'
import type { StoreContent } from './content.ts'
import { isJks, readJks } from './jks.ts'
import { iterationsMaxDefault } from './pbe.ts'
import { isPem, readPem } from './pem.ts'
import { readPkcs12 } from './pkcs12.ts'

const jceksMagic = 0xcececece

/**
 * Reads a key store or trust store; its first bytes say which kind it is, as Java's own reader goes by them for JKS and
 * PKCS12. Without a password keys are left out and certificates are read where that can be done. Throws INVALID_DATA or
 * UNSUPPORTED with what is wrong, never with a byte of the store or the password.
 */
export function readKeyStore(
  bytes: Buffer,
  password: string | undefined,
  iterationsMax: number = iterationsMaxDefault,
): StoreContent {
  if (isJks(bytes)) return readJks(bytes, password)
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === jceksMagic) {
    throw new FlumeError('UNSUPPORTED', 'the store is a JCEKS', {
      hint: 'write it anew with keytool -importkeystore -deststoretype PKCS12',
    })
  }
  if (isPem(bytes)) return readPem(bytes, password)
  return readPkcs12(bytes, password === undefined ? undefined : { text: password, iterationsMax })
}
