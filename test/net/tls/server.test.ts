import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { describe, it } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { readKeyStore } from '../../../src/codec/keystore/key-store.ts'
import type { TcpListener } from '../../../src/net/tcp-listener.ts'
import { serverTls, serverTlsProblems } from '../../../src/net/tls/server.ts'
import { identityOf } from '../../../src/net/tls/store.ts'
import { type ServerTlsValues, serverTlsOptions } from '../../../src/spec/tls-options.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { askingTls, authority, keyStore, noSettings, serverTls as texts } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { listen, RawClient } from '../../support/rpc.ts'
import { until } from '../../support/until.ts'

const valuesOf = (given: Readonly<Record<string, string>>): ServerTlsValues =>
  readOptions({ options: serverTlsOptions }, given) as ServerTlsValues
const problemsOf = (given: Readonly<Record<string, string>>, settings = noSettings): string[] =>
  serverTlsProblems(valuesOf(given), settings).map(
    ({ option, severity, message, hint }) => `${severity} ${option} ${message}${hint ? ` (${hint})` : ''}`,
  )

/** A listener that answers every line with itself. */
function echo(
  given: Readonly<Record<string, string>>,
  more: Partial<Parameters<typeof listen>[0]> = {},
): Promise<TcpListener> {
  return listen({
    tls: serverTls(valuesOf(given), noSettings),
    serve: async (wire) => {
      for (let chunk = await wire.read(); chunk; chunk = await wire.read()) wire.write(chunk)
    },
    ...more,
  })
}

/** Shakes hands, says hello and resolves to what comes back; rejects when the server does not want to. */
async function hello(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca: authority, ...options })
  try {
    socket.write('hello')
    const ended = once(socket, 'close').then(() => Promise.reject(new Error('closed')))
    const [answer] = (await Promise.race([once(socket, 'data'), ended])) as [Buffer]
    return answer.toString()
  } finally {
    socket.destroy()
  }
}

const client = (name: string): ConnectionOptions => {
  const identity = identityOf(readKeyStore(readFileSync(keyStore(name)), 'changeit'))
  if (typeof identity === 'string') throw new Error(identity)
  return identity
}

describe('a TLS listener', () => {
  for (const name of ['server.jks', 'server-java17.p12', 'server-java8.p12', 'server-openssl.p12', 'server.pem']) {
    it(`shows the certificates of ${name}`, async () => {
      const listener = await echo({ ...texts, keystore: keyStore(name) })
      assert.equal(await hello(listener.port), 'hello')
      await listener.close()
    })
  }

  it('speaks the versions it may', async () => {
    const listener = await echo({ ...texts, 'exclude-protocols': 'TLSv1.3' })
    assert.equal(await hello(listener.port, { maxVersion: 'TLSv1.2' }), 'hello')
    await assert.rejects(hello(listener.port, { minVersion: 'TLSv1.3' }))
    await listener.close()
    const old = await echo({ ...texts, 'include-protocols': 'TLSv1.1' })
    const speaksOld: ConnectionOptions = { minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    assert.equal(await hello(old.port, speaksOld), 'hello')
    await old.close()
  })

  it('asks for a certificate and lets in only those it trusts', async () => {
    const log = new RecordingLogger()
    const clock = new ManualClock()
    const listener = await echo(askingTls, { log, clock })
    assert.equal(await hello(listener.port, client('client.p12')), 'hello')
    await assert.rejects(hello(listener.port))
    await until(() => log.lines.length === 1)
    assert.match(log.lines[0] as string, /closed the connection of 127\.0\.0\.1:\d+: the TLS handshake failed/)
    await listener.close()
    const stranger = await echo({ ...askingTls, truststore: keyStore('stranger.jks') })
    await assert.rejects(hello(stranger.port, client('client.p12')))
    await stranger.close()
  })

  it('that wants a certificate takes none for an answer, but not a wrong one', async () => {
    const listener = await echo({ ...askingTls, 'client-auth': 'want', truststore: keyStore('stranger.jks') })
    assert.equal(await hello(listener.port), 'hello')
    await assert.rejects(hello(listener.port, client('client.p12')))
    await listener.close()
  })

  it('a peer that speaks no TLS is one line in the log, and the port goes on', async () => {
    const log = new RecordingLogger()
    const clock = new ManualClock()
    const listener = await echo(texts, { log, clock })
    for (let i = 0; i < 5; i++) {
      const peer = await RawClient.connect(listener.port)
      peer.write('GET / HTTP/1.1\r\n\r\n')
      await peer.whenClosed()
    }
    await until(() => listener.connections === 0)
    assert.equal(log.lines.length, 1)
    assert.match(log.lines[0] as string, /the TLS handshake failed: /)
    assert.equal(await hello(listener.port), 'hello')
    await listener.close()
  })

  it('a peer that never shakes hands is dropped after 20 s, and counts as a connection until then', async () => {
    const log = new RecordingLogger()
    const clock = new ManualClock()
    const listener = await echo(texts, { log, clock, connectionsMax: 1 })
    const silent = await RawClient.connect(listener.port)
    await until(() => clock.timerCount === 1)
    assert.equal(listener.connections, 1)
    await assert.rejects(hello(listener.port))
    await clock.advance(20_000)
    await silent.whenClosed()
    await until(() => listener.connections === 0)
    assert.ok(log.lines.some((line) => /no TLS handshake within 20 s/.test(line)))
    await listener.close()
  })

  it('peers that break off their handshakes leave nothing behind', async () => {
    const listener = await echo(texts)
    const greeting = Buffer.from('160301020001', 'hex')
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const peer = connectPlain(listener.port, '127.0.0.1')
        peer.on('error', () => undefined)
        await once(peer, 'connect')
        if (i % 4 > 0) peer.write(i % 4 === 1 ? greeting : Buffer.alloc(300, i))
        if (i % 2) peer.resetAndDestroy()
        else peer.end()
        peer.resume()
        await once(peer, 'close')
      }),
    )
    assert.equal(await hello(listener.port), 'hello')
    await until(() => listener.connections === 0)
    await listener.close()
  })

  it('a stop ends handshakes at once and says nothing of them', async () => {
    const log = new RecordingLogger()
    const listener = await echo(texts, { log })
    const silent = await RawClient.connect(listener.port)
    await until(() => listener.connections === 1)
    await listener.close()
    await silent.whenClosed()
    assert.deepEqual(log.lines, [])
  })

  it('a peer that is not admitted gets no handshake', async () => {
    const listener = await echo(texts, { admit: () => false })
    const socket = connectPlain(listener.port, '127.0.0.1')
    let bytes = 0
    socket.on('data', (chunk) => {
      bytes += chunk.length
    })
    socket.on('error', () => undefined)
    await once(socket, 'close')
    assert.equal(bytes, 0)
    await listener.close()
  })

  it('what was written last arrives before the end', async () => {
    const listener = await listen({
      tls: serverTls(valuesOf(texts), noSettings),
      serve: async (wire) => {
        await wire.read()
        wire.write(Buffer.alloc(3_000_000, 'x'))
      },
    })
    const socket = connect({ port: listener.port, host: '127.0.0.1', ca: authority })
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    socket.write('go')
    await once(socket, 'end')
    socket.end()
    assert.equal(bytes, 3_000_000)
    await listener.close()
  })
})

describe('options of a TLS listener', () => {
  it('need a key store and its password, from the source or from the global keys of Flume', () => {
    assert.deepEqual(problemsOf({ ssl: 'true' }), ['error keystore is needed when ssl = true'])
    assert.deepEqual(problemsOf({ ssl: 'true', keystore: keyStore('server.jks') }), [
      'error keystore-password is needed when ssl = true',
    ])
    const properties = new Map([
      ['javax.net.ssl.keyStore', keyStore('server.jks')],
      ['javax.net.ssl.keyStorePassword', 'changeit'],
    ])
    assert.deepEqual(problemsOf({ ssl: 'true' }, { env: {}, properties }), [])
    const env = { FLUME_SSL_KEYSTORE_PATH: keyStore('server-java17.p12'), FLUME_SSL_KEYSTORE_PASSWORD: 'changeit' }
    assert.deepEqual(problemsOf({ ssl: 'true' }, { env, properties: new Map() }), [])
    // The system property wins, as in Flume.
    const wrong = { ...env, FLUME_SSL_KEYSTORE_PASSWORD: 'wrong' }
    const right = new Map([['javax.net.ssl.keyStorePassword', 'changeit']])
    assert.deepEqual(problemsOf({ ssl: 'true' }, { env: wrong, properties: right }), [])
    const listed = new Map([...properties, ['flume.ssl.exclude.protocols', 'TLSv1.2,TLSv1.3']])
    assert.match(problemsOf({ ssl: 'true' }, { env: {}, properties: listed })[0] as string, /leaves no TLS version/)
  })

  const wrong: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['a file that is not there', { keystore: '/nowhere/x.jks' }, /^error keystore \/nowhere\/x\.jks is not there$/],
    ['a wrong password', { 'keystore-password': 'wrong' }, /^error keystore .*server\.jks: the password is wrong/],
    [
      'a store without a key',
      { keystore: keyStore('trust.jks') },
      /^error keystore .*trust\.jks holds no private key$/,
    ],
    [
      'a file that is no store',
      { keystore: keyStore('make.sh') },
      /^error keystore .*make\.sh: is damaged, or no such/,
    ],
    ['a type nobody reads', { 'keystore-type': 'BKS' }, /^error keystore-type "BKS" is no type of store .*PKCS12/],
    ['no trust store', { 'client-auth': 'need' }, /^error truststore is needed when client-auth = need$/],
    ['a JCEKS', { keystore: keyStore('server.jceks') }, /^error keystore .*is a JCEKS \(.*importkeystore/],
  ]
  for (const [name, given, words] of wrong) {
    it(`${name} is one finding, without the password`, () => {
      const found = problemsOf({ ...texts, ...given })
      assert.equal(found.length, 1)
      assert.match(found[0] as string, words)
      assert.ok(!found[0]?.includes('changeit'))
      assert.throws(() => serverTls(valuesOf({ ...texts, ...given }), noSettings), { code: 'USAGE' })
    })
  }

  it('of an agent that runs elsewhere are judged without its files', () => {
    const given = valuesOf({ ...texts, keystore: '/elsewhere/x.jks', 'include-protocols': 'TLSv9 TLSv1.2' })
    assert.deepEqual(
      serverTlsProblems(given).map(({ option }) => option),
      ['include-protocols'],
    )
  })

  it('without ssl = true are said to have no effect', () => {
    assert.deepEqual(problemsOf({ keystore: 'x' }), ['warning keystore has no effect: ssl is not true'])
    assert.equal(serverTls(valuesOf({ keystore: 'x' }), noSettings), undefined)
  })
})
