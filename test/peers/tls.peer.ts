import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Sink } from '../../src/agent/contract.ts'
import { avro as avroSink } from '../../src/agent/sink/avro.ts'
import { avro as avroSource } from '../../src/agent/source/avro.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { freePort } from '../support/free-port.ts'
import { clientTls, keyStore, serverTls } from '../support/key-stores.ts'
import { readOptions } from '../support/read-options.ts'
import { startSource } from '../support/running-source.ts'
import { sinkContext } from '../support/sink-context.ts'
import { startFlume } from './peers.ts'

const two = EventBatch.of([{ body: 'first line', headers: { from: 'us' } }, { body: 'second line' }])
const lines = (prefix: string, texts: Readonly<Record<string, string>>): string =>
  Object.entries(texts)
    .map(([key, value]) => `${prefix}.${key} = ${value}`)
    .join('\n')

/** What the sending side trusts, and what the receiving side shows, each pair as users have it. */
const stores = [
  { server: serverTls, client: clientTls },
  {
    server: { ...serverTls, keystore: keyStore('server-java17.p12'), 'keystore-type': 'PKCS12' },
    client: { ...clientTls, truststore: keyStore('trust.p12'), 'truststore-type': 'PKCS12' },
  },
  {
    server: { ...serverTls, keystore: keyStore('server-java8.p12'), 'exclude-protocols': 'TLSv1.3' },
    client: { ssl: 'true', 'trust-all-certs': 'true' },
  },
  {
    server: { ...serverTls, 'include-protocols': 'TLSv1.3' },
    client: { ...clientTls, 'include-cipher-suites': 'TLS_AES_256_GCM_SHA384' },
  },
]

for (const version of ['1.9', '1.11'] as const) {
  test(`avro sinks of a real Flume ${version} deliver over TLS`, async () => {
    const receivers = await Promise.all(stores.map(({ server }) => startSource(avroSource, server)))
    const port = await freePort()
    const numbers = stores.map((_, i) => i)
    await using _ = await startFlume({
      version,
      properties: `
        a1.sources = r1
        a1.channels = ${numbers.map((i) => `c${i}`).join(' ')}
        a1.sinks = ${numbers.map((i) => `k${i}`).join(' ')}
        a1.sources.r1.type = netcat
        a1.sources.r1.bind = 127.0.0.1
        a1.sources.r1.port = ${port}
        a1.sources.r1.channels = ${numbers.map((i) => `c${i}`).join(' ')}
        ${stores
          .map(
            ({ client }, i) => `
        a1.channels.c${i}.type = memory
        a1.sinks.k${i}.type = avro
        a1.sinks.k${i}.hostname = 127.0.0.1
        a1.sinks.k${i}.port = ${receivers[i]?.port}
        a1.sinks.k${i}.channel = c${i}
        ${lines(`a1.sinks.k${i}`, client)}`,
          )
          .join('\n')}`,
    })
    connect(port, '127.0.0.1', function (this: import('node:net').Socket) {
      this.end('one\ntwo\n')
    })
    for (const { context } of receivers) {
      await context.whenDelivered(2)
      assert.deepEqual(
        context.events.map(({ body }) => body),
        ['one', 'two'],
      )
    }
    for (const source of receivers) await source.stop()
  })

  test(`the avro sink delivers over TLS to avro sources of a real Flume ${version}`, async () => {
    const ports = await Promise.all(stores.map(() => freePort()))
    await using flume = await startFlume({
      version,
      properties: `
        a1.sources = ${ports.map((_, i) => `r${i}`).join(' ')}
        a1.channels = c1
        a1.sinks = k1
        ${stores
          .map(
            ({ server }, i) => `
        a1.sources.r${i}.type = avro
        a1.sources.r${i}.bind = 127.0.0.1
        a1.sources.r${i}.port = ${ports[i]}
        a1.sources.r${i}.channels = c1
        ${lines(`a1.sources.r${i}`, server)}`,
          )
          .join('\n')}
        a1.channels.c1.type = memory
        a1.sinks.k1.type = logger
        a1.sinks.k1.channel = c1`,
    })
    for (const [i, { client }] of stores.entries()) {
      const values = readOptions(avroSink, { hostname: '127.0.0.1', port: String(ports[i]), ...client })
      const sink = (await avroSink.create(values as never, sinkContext())) as Sink
      await sink.start?.()
      await sink.write(two)
      await sink.write(EventBatch.of([{ body: Buffer.alloc(300_000, 'large') }]))
      await sink.write(EventBatch.of([{ body: `done ${i}` }]))
      await flume.waitFor(new RegExp(`done ${i}`))
      await sink.stop?.()
    }
  })
}
