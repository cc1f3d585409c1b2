import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sink } from '../../../src/agent/contract.ts'
import { thrift } from '../../../src/agent/sink/thrift.ts'
import { thrift as thriftSource } from '../../../src/agent/source/thrift.ts'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { askingTls, clientTls, knownTls, noSettings, serverTls } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { listen } from '../../support/rpc.ts'
import { startSource } from '../../support/running-source.ts'
import { sinkContext } from '../../support/sink-context.ts'
import { plainEvents } from '../../support/source-context.ts'
import { protocols, thriftAgent } from '../../support/thrift.ts'
import { until } from '../../support/until.ts'

async function sinkTo(
  port: number,
  texts: Readonly<Record<string, string>> = {},
  clock: Clock = systemClock,
): Promise<{ sink: Sink; counters: ReturnType<typeof sinkContext>['counters'] }> {
  const context = sinkContext({ clock })
  const values = readOptions(thrift, { hostname: '127.0.0.1', port: String(port), ...texts })
  return { sink: (await thrift.create(values as never, context)) as Sink, counters: context.counters }
}

const batch = EventBatch.of([{ body: 'one', headers: { a: 'b' } }, { body: 'two' }])

for (const protocol of protocols) {
  test(`${protocol}: the connection is made at the start, and batches are one call each (testProcess, N-07)`, async () => {
    const agent = await thriftAgent(protocol)
    const { sink, counters } = await sinkTo(agent.listener.port, { protocol })
    await sink.start?.()
    assert.equal(counters.connectionCreated, 1)
    await sink.write(batch)
    await sink.connect?.()
    await sink.write(batch.slice(0, 1))
    assert.deepEqual(agent.events, [...plainEvents(batch), ...plainEvents(batch.slice(0, 1))])
    assert.deepEqual(agent.calls, [2, 1])
    assert.equal(counters.connectionCreated, 1)
    await sink.stop?.()
    assert.equal(counters.connectionClosed, 1)
    await agent.listener.close()
  })
}

for (const [words, server, client] of [
  ['TLS', serverTls, clientTls],
  ['certificates of both sides', askingTls, knownTls],
] as const) {
  test(`sends to a Thrift source over ${words}`, async () => {
    const source = await startSource(thriftSource, server)
    const { sink } = await sinkTo(source.port, client)
    await sink.write(batch)
    assert.deepEqual(source.context.events, plainEvents(batch))
    await sink.stop?.()
    await source.stop()
  })
}

test('anything but OK is a failure that drops the connection (S-06, N-07)', async () => {
  const agent = await thriftAgent()
  const { sink, counters } = await sinkTo(agent.listener.port)
  for (const status of ['FAILED', 'ERROR', 'UNKNOWN'] as const) {
    agent.status = status
    await assert.rejects(
      sink.write(batch),
      (error) =>
        error instanceof FlumeError && error.code === 'DELIVERY' && error.retry && error.message.includes(status),
    )
  }
  assert.deepEqual([counters.connectionCreated, counters.connectionClosed], [3, 3])
  agent.status = 'OK'
  await sink.connect?.()
  await sink.write(batch)
  assert.equal(agent.events.length, 2)
  await sink.stop?.()
  await agent.listener.close()
})

test('connect notices an unreachable peer before anything is taken (testFailedConnect, K-05a)', async () => {
  const { sink, counters } = await sinkTo(await freePort())
  for (const call of [sink.start?.bind(sink), sink.connect?.bind(sink)])
    await assert.rejects(
      call?.() ?? Promise.resolve(),
      (error) => error instanceof FlumeError && error.code === 'CONNECTION' && error.retry,
    )
  assert.equal(counters.connectionFailed, 2)
  await sink.stop?.()
})

test('a source that does not answer within request-timeout fails the batch (testTimeout)', async () => {
  const clock = new ManualClock()
  let received = 0
  const silent = await listen({
    serve: async (wire) => {
      for (let chunk = await wire.read(); chunk; chunk = await wire.read()) received += chunk.length
    },
  })
  const { sink, counters } = await sinkTo(silent.port, { 'request-timeout': '3000' }, clock)
  await sink.start?.()
  const failed = assert.rejects(sink.write(batch), (error) => error instanceof FlumeError && error.code === 'TIMEOUT')
  await until(() => received > 0)
  await clock.advance(3000)
  await failed
  assert.equal(counters.connectionClosed, 1)
  await sink.stop?.()
  await silent.close()
})

for (const name of ['reset-connection-interval', 'connection-reset-interval']) {
  test(`reset-connection-interval replaces the connection before the next batch (N-09), as ${name}`, async () => {
    const agent = await thriftAgent()
    const clock = new ManualClock()
    const option = thrift.options['reset-connection-interval']
    assert.ok(name === 'reset-connection-interval' || option?.formerly.includes(name))
    const { sink, counters } = await sinkTo(agent.listener.port, { 'reset-connection-interval': '30' }, clock)
    await sink.start?.()
    await clock.advance(29_999)
    await sink.connect?.()
    assert.equal(counters.connectionCreated, 1)
    await clock.advance(1)
    await sink.connect?.()
    assert.deepEqual([counters.connectionCreated, counters.connectionClosed], [2, 1])
    await sink.write(batch)
    await sink.stop?.()
    await agent.listener.close()
  })
}

test('the first of hosts is the receiver, hostname and port being h1', async () => {
  const agent = await thriftAgent()
  const texts = { hostname: 'nowhere.invalid', port: '1', hosts: 'h2 h1' }
  const values = { ...readOptions(thrift, texts), 'hosts.': { h2: `127.0.0.1:${agent.listener.port}` } }
  assert.deepEqual(
    thrift.check?.(values as never).map(({ option, severity }) => [option, severity]),
    [['hosts', 'note']],
  )
  assert.equal(thrift.describe?.(values as never), `127.0.0.1:${agent.listener.port}`)
  const sink = (await thrift.create(values as never, sinkContext())) as Sink
  await sink.write(batch)
  assert.equal(agent.events.length, 2)
  await sink.stop?.()
  await agent.listener.close()
})

const findings: readonly [texts: Record<string, string>, found: readonly (readonly [string, string | undefined])[]][] =
  [
    [{}, []],
    [{ protocol: 'binary' }, []],
    [{ protocol: 'BINARY' }, [['protocol', 'warning']]],
    [{ protocol: 'json' }, [['protocol', 'warning']]],
    [{ kerberos: 'true' }, [['kerberos', undefined]]],
    [{ ssl: 'true', truststore: '/nowhere/t.jks' }, [['truststore', 'error']]],
    [{ maxConnections: '5' }, [['maxConnections', 'note']]],
    [{ 'batch-size': '0' }, [['batch-size', 'warning']]],
    [{ hosts: 'h9' }, [['hosts.h9', undefined]]],
  ]
for (const [texts, found] of findings) {
  test(`${JSON.stringify(texts)}: ${found.length === 0 ? 'nothing is wrong' : 'a finding'}`, () => {
    const values = readOptions(thrift, { hostname: 'h', port: '1', ...texts })
    const problems = thrift.check?.(values as never, noSettings) ?? []
    assert.deepEqual(
      problems.map(({ option, severity }) => [option, severity]),
      found,
    )
  })
}
