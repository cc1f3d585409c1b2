import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { connectSocket } from '../../../src/net/connect.ts'
import type { TcpListener } from '../../../src/net/tcp-listener.ts'
import { clientTls, clientTlsProblems } from '../../../src/net/tls/client.ts'
import { serverTls } from '../../../src/net/tls/server.ts'
import {
  type ClientTlsValues,
  clientTlsOptions,
  type ServerTlsValues,
  serverTlsOptions,
} from '../../../src/spec/tls-options.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import {
  askingTls,
  keyStore,
  knownTls,
  noSettings,
  serverTls as serverTexts,
  clientTls as trusting,
} from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { listen } from '../../support/rpc.ts'
import { until } from '../../support/until.ts'

type Texts = Readonly<Record<string, string>>
const valuesOf = (texts: Texts): ClientTlsValues => readOptions({ options: clientTlsOptions }, texts) as ClientTlsValues
const problemsOf = (texts: Texts, settings = noSettings): string[] =>
  clientTlsProblems(valuesOf(texts), settings).map(
    ({ option, severity, message }) => `${severity} ${option} ${message}`,
  )

/** Connects to a listener with these options and resolves to what it says first; rejects as `connectSocket`. */
async function greeted(listener: TcpListener, texts: Texts, host = '127.0.0.1'): Promise<string> {
  const tls = clientTls(valuesOf(texts), noSettings)
  const socket = await connectSocket({ host, port: listener.port, clock: systemClock, connectTimeoutMs: 60_000, tls })
  socket.on('error', () => undefined)
  const ended = once(socket, 'close').then(() => 'closed')
  const first = await Promise.race([once(socket, 'data').then(([data]) => String(data)), ended])
  socket.destroy()
  return first
}

async function serving(texts: Texts, use: (listener: TcpListener) => Promise<void>): Promise<void> {
  const tls = serverTls(readOptions({ options: serverTlsOptions }, texts) as ServerTlsValues, noSettings)
  const listener = await listen({ tls, serve: async (wire) => wire.write(Buffer.from('welcome')) })
  try {
    await use(listener)
  } finally {
    await listener.close()
  }
}

describe('a TLS client', () => {
  const trusted: readonly (readonly [string, Texts])[] = [
    ['the authority, in a JKS', trusting],
    ['the authority, in a JKS read without its password', { ssl: 'true', truststore: keyStore('trust.jks') }],
    ['the authority, in a PKCS12', { ...trusting, truststore: keyStore('trust.p12') }],
    ['the authority, in a PKCS12 of Java 8', { ...trusting, truststore: keyStore('trust-java8.p12') }],
    ['the authority, in a PEM', { ssl: 'true', truststore: keyStore('ca.pem') }],
    ["the server's certificate alone, as of its own key store", { ...trusting, truststore: keyStore('server.jks') }],
    ['everybody', { ssl: 'true', 'trust-all-certs': 'true' }],
  ]
  for (const [name, texts] of trusted) {
    it(`trusts ${name}`, () =>
      serving(serverTexts, async (listener) => assert.equal(await greeted(listener, texts), 'welcome')))
  }

  for (const texts of [{ ssl: 'true' }, { ...trusting, truststore: keyStore('stranger.jks') }]) {
    it(`refuses whom ${'truststore' in texts ? 'its trust store' : 'no public authority'} vouches for`, () =>
      serving(serverTexts, (listener) =>
        assert.rejects(greeted(listener, texts), (error: Error & { code?: string; retry?: boolean; hint?: string }) => {
          assert.equal(error.code, 'CONNECTION')
          assert.equal(error.retry, true)
          assert.match(error.message, /^the TLS handshake with 127\.0\.0\.1:\d+ failed: /)
          assert.match(error.hint ?? '', /truststore/)
          return true
        }),
      ))
  }

  it('looks at the name in the certificate only when told to, as Flume never does', () =>
    serving({ ...serverTexts, keystore: keyStore('client.p12') }, async (listener) => {
      // The client's certificate is for the same names; 127.0.0.2 is none of them.
      assert.equal(await greeted(listener, trusting), 'welcome')
      await assert.rejects(
        greeted(listener, { ...trusting, 'check-hostname': 'true' }, 'localhost.localdomain.invalid'),
      )
      assert.equal(await greeted(listener, { ...trusting, 'check-hostname': 'true' }), 'welcome')
    }))

  it('shows its own certificate to a server that asks for one', () =>
    serving(askingTls, async (listener) => {
      assert.equal(await greeted(listener, knownTls), 'welcome')
      assert.equal(await greeted(listener, { ...knownTls, keystore: keyStore('server.jks') }), 'welcome')
      assert.notEqual(await greeted(listener, trusting).catch(() => 'refused'), 'welcome')
    }))

  it('says when the server speaks no TLS', async () => {
    const server = createServer((socket) => socket.end('220 mail.example.com\r\n'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const tls = clientTls(valuesOf(trusting), noSettings)
    await assert.rejects(
      connectSocket({ host: '127.0.0.1', port, clock: systemClock, connectTimeoutMs: 60_000, tls }),
      {
        code: 'CONNECTION',
        message: /^the TLS handshake with 127\.0\.0\.1:\d+ failed: /,
      },
    )
    server.close()
  })

  it('waits for the handshake only as long as for the connection', async () => {
    const clock = new ManualClock()
    const server = createServer(() => undefined)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const tls = clientTls(valuesOf(trusting), noSettings)
    const connected = once(server, 'connection')
    const connecting = connectSocket({ host: '127.0.0.1', port, clock, connectTimeoutMs: 20_000, tls })
    const rejected = assert.rejects(connecting, { code: 'TIMEOUT', retry: true })
    await connected
    await until(() => clock.timerCount === 1)
    await clock.advance(20_000)
    await rejected
    server.close()
  })
})

describe('options of a TLS client', () => {
  it('take the trust store from the global keys of Flume, but no key', () => {
    const env = { FLUME_SSL_TRUSTSTORE_PATH: '/nowhere/t.jks', FLUME_SSL_KEYSTORE_PATH: '/nowhere/k.jks' }
    assert.deepEqual(problemsOf({ ssl: 'true' }, { env, properties: new Map() }), [
      'error truststore /nowhere/t.jks is not there',
    ])
  })

  it('that have no effect are warnings', () => {
    assert.deepEqual(problemsOf({ truststore: 'x' }), ['warning truststore has no effect: ssl is not true'])
    assert.deepEqual(problemsOf({ ...trusting, 'trust-all-certs': 'true' }), [
      'warning truststore has no effect: trust-all-certs is true',
    ])
  })

  it('are errors where a store does not hold what it must', () => {
    assert.match(problemsOf({ ...knownTls, keystore: keyStore('trust.jks') })[0] as string, /holds no private key/)
    assert.match(problemsOf({ ...knownTls, 'keystore-password': 'wrong' })[0] as string, /the password is wrong/)
  })
})
