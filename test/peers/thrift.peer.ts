import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Sink } from '../../src/agent/contract.ts'
import { thrift as thriftSink } from '../../src/agent/sink/thrift.ts'
import { thrift as thriftSource } from '../../src/agent/source/thrift.ts'
import { createRpcClient } from '../../src/client/api.ts'
import { FlumeError } from '../../src/core/error.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { freePort } from '../support/free-port.ts'
import { readOptions } from '../support/read-options.ts'
import { startSource } from '../support/running-source.ts'
import { sinkContext } from '../support/sink-context.ts'
import { protocols } from '../support/thrift.ts'
import { startFlume } from './peers.ts'

const two = EventBatch.of([{ body: 'first line', headers: { from: 'us' } }, { body: 'second line' }])

for (const version of ['1.9', '1.11'] as const) {
  test(`thrift sinks of a real Flume ${version} deliver to the thrift source, in both protocols`, async () => {
    const receivers = {
      compact: await startSource(thriftSource),
      binary: await startSource(thriftSource, { protocol: 'binary' }),
    }
    const port = await freePort()
    const sinks = protocols.map(
      (protocol) => `
        a1.channels.${protocol}.type = memory
        a1.channels.${protocol}.capacity = 1000
        a1.sinks.${protocol}.type = thrift
        a1.sinks.${protocol}.hostname = 127.0.0.1
        a1.sinks.${protocol}.port = ${receivers[protocol].port}
        a1.sinks.${protocol}.protocol = ${protocol}
        a1.sinks.${protocol}.batch-size = 20
        a1.sinks.${protocol}.channel = ${protocol}`,
    )
    await using _ = await startFlume({
      version,
      properties: `
        a1.sources = r1
        a1.channels = compact binary
        a1.sinks = compact binary
        a1.sources.r1.type = netcat
        a1.sources.r1.bind = 127.0.0.1
        a1.sources.r1.port = ${port}
        a1.sources.r1.channels = compact binary
        a1.sources.r1.interceptors = i1 i2
        a1.sources.r1.interceptors.i1.type = static
        a1.sources.r1.interceptors.i1.key = dc
        a1.sources.r1.interceptors.i1.value = zh
        a1.sources.r1.interceptors.i2.type = regex_extractor
        a1.sources.r1.interceptors.i2.regex = (\\\\d+)
        a1.sources.r1.interceptors.i2.serializers = s1
        a1.sources.r1.interceptors.i2.serializers.s1.name = n
        ${sinks.join('\n')}`,
    })
    const lines = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? 'grün' : `line ${i}`))
    connect(port, '127.0.0.1', function (this: Socket) {
      this.end(`${lines.join('\n')}\n`)
    })
    for (const protocol of protocols) {
      const { context, stop } = receivers[protocol]
      await context.whenDelivered(300)
      assert.deepEqual(
        context.events,
        lines.map((body) => ({ headers: { dc: 'zh', ...(/\d/.test(body) ? { n: body.slice(5) } : {}) }, body })),
      )
      await stop()
    }
  })

  test(`the thrift sink and the client deliver to thrift sources of a real Flume ${version}, in both protocols`, async () => {
    const ports = { compact: await freePort(), binary: await freePort() }
    const sources = protocols.map(
      (protocol) => `
        a1.sources.${protocol}.type = thrift
        a1.sources.${protocol}.bind = 127.0.0.1
        a1.sources.${protocol}.port = ${ports[protocol]}
        a1.sources.${protocol}.protocol = ${protocol}
        a1.sources.${protocol}.channels = c1`,
    )
    await using flume = await startFlume({
      version,
      properties: `
        a1.sources = compact binary
        a1.channels = c1
        a1.sinks = k1
        ${sources.join('\n')}
        a1.channels.c1.type = memory
        a1.sinks.k1.type = logger
        a1.sinks.k1.channel = c1`,
    })
    for (const protocol of protocols) {
      const port = ports[protocol]
      const values = readOptions(thriftSink, { hostname: '127.0.0.1', port: String(port), protocol })
      const sink = (await thriftSink.create(values as never, sinkContext())) as Sink
      await sink.start?.()
      await sink.write(two)
      await flume.waitFor(/headers:\{from=us\} body: .* first line \}/)
      await sink.write(EventBatch.of([{ body: Buffer.alloc(300_000, 'large') }]))
      // Above the channel's transactionCapacity of 100 (S-02); the connection is made anew afterwards.
      await assert.rejects(
        sink.write(EventBatch.of(Array.from({ length: 101 }, () => ({ body: 'x' })))),
        (error) => error instanceof FlumeError && /answered FAILED/.test(error.message),
      )
      await sink.connect?.()
      await sink.write(EventBatch.of([{ body: `done ${port}` }]))
      await flume.waitFor(new RegExp(`done ${port}`))
      await sink.stop?.()

      const client = await createRpcClient({
        'client.type': 'thrift',
        hosts: 'h1',
        'hosts.h1': `127.0.0.1:${port}`,
        protocol,
        'batch-size': 10,
      })
      await client.append({ headers: { grün: 'ö' }, body: `client ${port}` })
      await client.appendBatch(Array.from({ length: 25 }, (_, i) => ({ body: `${protocol} ${i}` })))
      await flume.waitFor(new RegExp(`body: .* ${protocol} 24 \\}`))
      await client.close()
    }
  })
}
