import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { StoreContent } from '../../../src/codec/keystore/content.ts'
import { readKeyStore } from '../../../src/codec/keystore/key-store.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { keyStore } from '../../support/key-stores.ts'

const read = (name: string, password: string | undefined = 'changeit'): StoreContent =>
  readKeyStore(readFileSync(keyStore(name)), password)
const subjects = (certificates: readonly Buffer[]): string[] =>
  certificates.map((one) => new X509Certificate(one).subject)

const withKeys = [
  { name: 'server.jks', alias: 'server', kind: 'rsa' },
  { name: 'server-umlaut.jks', alias: 'server', kind: 'rsa', password: 'größe1' },
  { name: 'server-java17.p12', alias: 'server', kind: 'rsa' },
  { name: 'server-java8.p12', alias: 'server', kind: 'rsa' },
  { name: 'server-openssl.p12', alias: '', kind: 'rsa' },
  { name: 'client.p12', alias: 'client', kind: 'ec', subject: 'CN=client' },
  { name: 'server.pem', alias: '', kind: 'rsa' },
  { name: 'server-encrypted.pem', alias: '', kind: 'rsa' },
  { name: 'server-old-encrypted.pem', alias: '', kind: 'rsa' },
]

describe('a key store', () => {
  for (const { name, alias, kind, password, subject = 'CN=server' } of withKeys) {
    it(`${name} gives its key, with the certificates up to the authority`, () => {
      const { keys, trusted } = read(name, password)
      const [stored] = keys
      assert.ok(stored)
      assert.equal(keys.length, 1)
      assert.equal(stored.alias, alias)
      const key = createPrivateKey({ key: stored.key, format: 'der', type: 'pkcs8' })
      assert.equal(key.asymmetricKeyType, kind)
      assert.deepEqual(subjects(stored.chain), [subject, 'CN=ca of the tests'])
      assert.ok(new X509Certificate(stored.chain[0] as Buffer).checkPrivateKey(key))
      assert.deepEqual(trusted, [])
    })
  }

  const withTrust = [
    { name: 'trust.jks', found: ['CN=ca of the tests', 'CN=stranger of the tests'] },
    { name: 'trust.p12', found: ['CN=ca of the tests', 'CN=stranger of the tests'] },
    { name: 'trust-java8.p12', found: ['CN=ca of the tests'] },
    { name: 'trust-openssl.p12', found: ['CN=ca of the tests'] },
    { name: 'ca.pem', found: ['CN=ca of the tests'] },
  ]
  for (const { name, found } of withTrust) {
    it(`${name} gives the certificates to trust`, () => {
      const { keys, trusted } = read(name)
      assert.deepEqual(keys, [])
      assert.deepEqual(subjects(trusted).sort(), found)
    })
  }

  it('a JKS is read without its password, as in Java: certificates, and no keys', () => {
    assert.equal(readKeyStore(readFileSync(keyStore('trust.jks')), undefined).trusted.length, 2)
    assert.deepEqual(readKeyStore(readFileSync(keyStore('server.jks')), undefined).keys, [])
  })

  for (const name of [
    'server.jks',
    'server-java17.p12',
    'server-java8.p12',
    'server-openssl.p12',
    'server-encrypted.pem',
  ]) {
    it(`${name} with another password says so, and nothing of either`, () => {
      assert.throws(
        () => read(name, 'not-this-one'),
        (error) =>
          error instanceof FlumeError &&
          error.code === 'INVALID_DATA' &&
          /the password is wrong, or the store is damaged/.test(error.message) &&
          !error.message.includes('not-this-one'),
      )
    })
  }

  for (const name of ['trust.p12', 'server-encrypted.pem']) {
    it(`${name} is encrypted and cannot be read without its password`, () => {
      assert.throws(() => readKeyStore(readFileSync(keyStore(name)), undefined), /there is no password for it/)
    })
  }

  it('a JCEKS is named, with what to do', () => {
    assert.throws(
      () => read('server.jceks'),
      (error) => error instanceof FlumeError && error.code === 'UNSUPPORTED' && /importkeystore/.test(error.hint ?? ''),
    )
  })

  it('rounds of a password beyond the limit are not run', () => {
    const bytes = readFileSync(keyStore('server-java17.p12'))
    assert.throws(() => readKeyStore(bytes, 'changeit', 5000), /it wants 10000 rounds/)
  })

  it('any damage is an error, never a crash, a hang or a wrong key', (t) => {
    const random = seededRandom(11)
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    t.after(() => {
      Error.stackTraceLimit = stackTraceLimit
    })
    const names = readdirSync(fileURLToPath(new URL('../../../../test/fixture/keystore/', import.meta.url)))
    for (const name of names.filter((name) => /\.(jks|p12|pem|jceks)$/.test(name))) {
      const whole = readFileSync(keyStore(name))
      // Whoever has no password reads structure only: that is where a decoder can be led astray.
      for (let i = 0; i < (name.endsWith('.pem') ? 500 : 18_000); i++) {
        const bytes = Buffer.from(whole)
        const length = random() < 0.2 ? Math.floor(random() * whole.length) : whole.length
        for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
          bytes[Math.floor(random() * Math.min(length, 400))] = Math.floor(random() * 256)
        }
        try {
          readKeyStore(bytes.subarray(0, length), i % 50 === 0 ? 'changeit' : undefined, 20)
        } catch (error) {
          assert.ok(error instanceof FlumeError, `${name}: ${(error as Error).stack}`)
        }
      }
    }
  })
})
