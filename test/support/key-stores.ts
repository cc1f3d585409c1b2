import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of a store of the tests; its password is `changeit`. */
export function keyStore(name: string): string {
  return fileURLToPath(new URL(`../../../test/fixture/keystore/${name}`, import.meta.url))
}

/** What components are told of the agent when nothing was said on the command line. */
export const noSettings = { env: {}, properties: new Map<string, string>() }

/** The certificate that clients must trust for the tests' servers. */
export const authority = readFileSync(keyStore('ca.pem'), 'utf8')

/** A listener with a key for localhost and 127.0.0.1. */
export const serverTls = { ssl: 'true', keystore: keyStore('server.jks'), 'keystore-password': 'changeit' }

/** A client that trusts it. */
export const clientTls = { ssl: 'true', truststore: keyStore('trust.jks'), 'truststore-password': 'changeit' }

/** What makes a listener ask for certificates, and what a client shows then. */
export const askingTls = { ...serverTls, 'client-auth': 'need', truststore: keyStore('ca.pem') }
export const knownTls = { ...clientTls, keystore: keyStore('client.p12'), 'keystore-password': 'changeit' }
