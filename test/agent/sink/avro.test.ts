import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sink } from '../../../src/agent/contract.ts'
import { avro } from '../../../src/agent/sink/avro.ts'
import { avro as avroSource } from '../../../src/agent/source/avro.ts'
import type { Status } from '../../../src/codec/avro/flume.ts'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { FlumeError, RefusedEventsError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { flumeService } from '../../../src/net/avro-rpc/flume-service.ts'
import type { TcpListener } from '../../../src/net/tcp-listener.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { askingTls, clientTls, keyStore, knownTls, noSettings } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { listenRpc } from '../../support/rpc.ts'
import { startSource } from '../../support/running-source.ts'
import { sinkContext } from '../../support/sink-context.ts'
import { type PlainEvent, plainEvents } from '../../support/source-context.ts'
import { protocols, thriftAgent } from '../../support/thrift.ts'
import { until } from '../../support/until.ts'

/** A receiving agent that answers what it is told and keeps what it gets. */
async function receiver(
  deflate = false,
): Promise<{ listener: TcpListener; events: PlainEvent[]; status: Status; calls: number }> {
  const state = { events: [] as PlainEvent[], status: 'OK' as Status, calls: 0 }
  const take = async (batch: EventBatch): Promise<Status> => {
    state.calls++
    if (state.status === 'OK') state.events.push(...plainEvents(batch))
    return state.status
  }
  const listener = await listenRpc({ services: [flumeService({ append: take, appendBatch: take })], deflate })
  return Object.assign(state, { listener })
}

async function sinkTo(
  port: number,
  texts: Readonly<Record<string, string>> = {},
  clock: Clock = systemClock,
): Promise<{ sink: Sink; counters: ReturnType<typeof sinkContext>['counters'] }> {
  const context = sinkContext({ clock })
  const values = readOptions(avro, { hostname: '127.0.0.1', port: String(port), ...texts })
  return { sink: (await avro.create(values as never, context)) as Sink, counters: context.counters }
}

const batch = EventBatch.of([{ body: 'one', headers: { a: 'b' } }, { body: 'two' }])

test('the connection is made at the start, and batches are one call each (N-07)', async () => {
  const agent = await receiver()
  const { sink, counters } = await sinkTo(agent.listener.port)
  await sink.start?.()
  assert.equal(counters.connectionCreated, 1)
  await sink.write(batch)
  await sink.connect?.()
  await sink.write(batch.slice(0, 1))
  assert.deepEqual(agent.events, [...plainEvents(batch), ...plainEvents(batch.slice(0, 1))])
  assert.equal(agent.calls, 2)
  assert.equal(counters.connectionCreated, 1)
  await sink.stop?.()
  assert.equal(counters.connectionClosed, 1)
  await agent.listener.close()
})

test('anything but OK is a failure that drops the connection (S-06, N-07)', async () => {
  const agent = await receiver()
  const { sink, counters } = await sinkTo(agent.listener.port)
  for (const status of ['FAILED', 'UNKNOWN'] as const) {
    agent.status = status
    await assert.rejects(
      sink.write(batch),
      (error) =>
        error instanceof FlumeError && error.code === 'DELIVERY' && error.retry && error.message.includes(status),
    )
  }
  assert.deepEqual([counters.connectionCreated, counters.connectionClosed], [2, 2])
  agent.status = 'OK'
  await sink.connect?.()
  await sink.write(batch)
  assert.equal(agent.events.length, 2)
  await sink.stop?.()
  await agent.listener.close()
})

for (const client of ['default', 'default_failover', 'default_loadbalance']) {
  test(`what ${client} is refused may be one event's fault; what does not arrive is not`, async () => {
    const agents = await Promise.all([receiver(), receiver()])
    const [one, two] = agents.map(({ listener }) => `127.0.0.1:${listener.port}`) as [string, string]
    const values = {
      ...readOptions(avro, { hostname: 'unused', port: '1', hosts: 'h1 h2', 'client.type': client }),
      'hosts.': { h1: one, h2: two },
    }
    const sink = (await avro.create(values as never, sinkContext())) as Sink
    for (const agent of agents) agent.status = 'FAILED'
    await assert.rejects(
      sink.write(batch),
      (error) => error instanceof RefusedEventsError && error.events === undefined && error.retry,
    )
    await Promise.all(agents.map(({ listener }) => listener.close()))
    await assert.rejects(sink.write(batch), (error) => !(error instanceof RefusedEventsError))
    await sink.stop?.()
  })
}

test('connect notices an unreachable peer before anything is taken, and again until it is there (K-05a)', async () => {
  const gone = await receiver()
  const { port } = gone.listener
  await gone.listener.close()
  const { sink, counters } = await sinkTo(port)
  for (const call of [sink.start?.bind(sink), sink.connect?.bind(sink)])
    await assert.rejects(
      call?.() ?? Promise.resolve(),
      (error) => error instanceof FlumeError && error.code === 'CONNECTION',
    )
  assert.equal(counters.connectionFailed, 2)
  await sink.stop?.()
})

test('a connection that the peer closed is made anew before the next batch', async () => {
  const agent = await receiver()
  const { sink, counters } = await sinkTo(agent.listener.port)
  await sink.connect?.()
  const { port } = agent.listener
  await agent.listener.close()
  await assert.rejects(
    (async () => {
      for (;;) await sink.write(batch)
    })(),
    FlumeError,
  )
  await assert.rejects(sink.connect?.() ?? Promise.resolve(), /cannot connect/)
  assert.ok(counters.connectionClosed >= 1)
  assert.ok(port > 0)
  await sink.stop?.()
})

test('reset-connection-interval replaces the connection before the next batch, not earlier (N-09)', async () => {
  const agent = await receiver()
  const clock = new ManualClock()
  const { sink, counters } = await sinkTo(agent.listener.port, { 'reset-connection-interval': '30' }, clock)
  await sink.start?.()
  await clock.advance(29_999)
  await sink.connect?.()
  await sink.write(batch)
  assert.equal(counters.connectionCreated, 1)
  await clock.advance(1)
  assert.equal(counters.connectionClosed, 0)
  await sink.connect?.()
  assert.deepEqual([counters.connectionCreated, counters.connectionClosed], [2, 1])
  await sink.write(batch)
  await sink.stop?.()
  await agent.listener.close()
})

for (const level of ['0', '9']) {
  test(`deflate at level ${level} is understood by a deflating source`, async () => {
    const agent = await receiver(true)
    const { sink } = await sinkTo(agent.listener.port, { 'compression-type': 'deflate', 'compression-level': level })
    await sink.write(batch)
    assert.deepEqual(agent.events, plainEvents(batch))
    await sink.stop?.()
    await agent.listener.close()
  })
}

test('stop ends a call under way', async () => {
  let answer = (_status: Status): void => undefined
  const stuck = new Promise<Status>((resolve) => {
    answer = resolve
  })
  const silent = await listenRpc({ services: [flumeService({ append: () => stuck, appendBatch: () => stuck })] })
  const { sink } = await sinkTo(silent.port)
  const failed = assert.rejects(sink.write(batch), FlumeError)
  await until(() => silent.connections === 1)
  await sink.stop?.()
  await failed
  answer('OK')
  await silent.close()
})

function isCode(code: string, words = /./): (error: unknown) => boolean {
  return (error) => error instanceof FlumeError && error.code === code && words.test(error.message)
}

test('speaks TLS, shows its certificate, and says what is wrong when it is not wanted', async () => {
  const source = await startSource(avroSource, askingTls)
  const { sink, counters } = await sinkTo(source.port, knownTls)
  await sink.start?.()
  await sink.write(batch)
  assert.deepEqual(source.context.events, plainEvents(batch))
  await sink.stop?.()
  const nobody = await sinkTo(source.port, clientTls)
  await assert.rejects(async () => {
    await nobody.sink.connect?.()
    await nobody.sink.write(batch)
  }, isCode('CONNECTION'))
  const doubting = await sinkTo(source.port, { ...knownTls, truststore: keyStore('stranger.jks') })
  await assert.rejects(async () => doubting.sink.connect?.(), isCode('CONNECTION', /the TLS handshake with .* failed/))
  assert.equal(doubting.counters.connectionFailed, 1)
  assert.equal(counters.connectionCreated, 1)
  await nobody.sink.stop?.()
  await doubting.sink.stop?.()
  await source.stop()
})

function check(texts: Record<string, string>): [string, string | undefined][] {
  const values = readOptions(avro, { hostname: 'h', port: '1', ...texts })
  return (avro.check?.(values as never, noSettings) ?? []).map(({ option, severity }) => [option, severity])
}

test('what Flume replaces by a default is a warning, and the default is used', async () => {
  assert.deepEqual(check({ 'batch-size': '0' }), [['batch-size', 'warning']])
  assert.deepEqual(check({ 'connect-timeout': '500' }), [['connect-timeout', 'warning']])
  assert.deepEqual(check({ 'request-timeout': '999' }), [['request-timeout', 'warning']])
  assert.deepEqual(check({ 'batch-size': '1', 'request-timeout': '1000' }), [])
  assert.equal((await sinkTo(1, { 'batch-size': '0' })).sink.batchSize, 100)
  assert.equal((await sinkTo(1, { 'batch-size': '7' })).sink.batchSize, 7)
})

test('what is not there yet is an error, what has no effect a note; nothing is silent', () => {
  assert.deepEqual(check({ ssl: 'true', truststore: '/nowhere/t.jks' }), [['truststore', 'error']])
  assert.deepEqual(check({ 'client.type': 'kerberos' }), [['client.type', undefined]])
  assert.deepEqual(check({ protocol: 'binary', maxConnections: '5' }), [
    ['protocol', 'note'],
    ['maxConnections', 'note'],
  ])
  assert.deepEqual(check({ 'client.type': 'DEFAULT' }), [])
  assert.deepEqual(
    check({ maxIoWorkers: '2', 'host-selector': 'random', backoff: 'true' }).map(([, severity]) => severity),
    ['note', 'note', 'note'],
  )
})

test('several hosts are checked: each needs an address, and a client that uses them', () => {
  const two = { hosts: 'h1 h2', 'client.type': 'default_failover' }
  const below = (texts: Record<string, string>) => {
    const values = { ...readOptions(avro, { hostname: 'h', port: '1', ...two }), 'hosts.': texts }
    return (avro.check?.(values as never) ?? []).map(({ option, severity }) => [option, severity])
  }
  assert.deepEqual(below({ h2: 'other:1' }), [])
  assert.deepEqual(below({}), [['hosts.h2', undefined]])
  assert.deepEqual(below({ h2: 'other' }), [['hosts.h2', undefined]])
  assert.deepEqual(check({ 'client.type': 'default_loadbalance' }), [['hosts', undefined]])
})

for (const protocol of protocols) {
  test(`client.type thrift speaks to a Thrift source, ${protocol}`, async () => {
    const agent = await thriftAgent(protocol)
    const { sink, counters } = await sinkTo(agent.listener.port, { 'client.type': 'Thrift', protocol })
    await sink.start?.()
    await sink.write(batch)
    assert.deepEqual(agent.events, plainEvents(batch))
    assert.equal(counters.connectionCreated, 1)
    await sink.stop?.()
    await agent.listener.close()
  })
}

test('client.type thrift: what its client does not read is a note, an unknown protocol a warning', () => {
  const thrift = { 'client.type': 'thrift' }
  assert.deepEqual(check(thrift), [])
  assert.deepEqual(check({ ...thrift, protocol: 'Compact' }), [])
  assert.deepEqual(check({ ...thrift, 'compression-type': 'deflate', maxConnections: '2' }), [
    ['compression-type', 'note'],
    ['maxConnections', 'note'],
  ])
  assert.deepEqual(check({ ...thrift, protocol: 'json' }), [['protocol', 'warning']])
  assert.deepEqual(check({ ...thrift, protocol: 'BINARY' }), [['protocol', 'warning']])
})

for (const type of ['default_failover', 'default_loadbalance']) {
  test(`client.type ${type} gives the sink several receivers, hostname and port being h1`, async () => {
    const [one, two] = [await receiver(), await receiver()]
    const context = sinkContext()
    const texts = { hostname: '127.0.0.1', port: String(one.listener.port), hosts: 'h1 h2', 'client.type': type }
    const values = { ...readOptions(avro, texts), 'hosts.': { h2: `127.0.0.1:${two.listener.port}` } }
    assert.deepEqual(avro.check?.(values as never), [])
    assert.match(avro.describe?.(values as never) ?? '', new RegExp(`:${one.listener.port}.*:${two.listener.port}`))
    const sink = (await avro.create(values as never, context)) as Sink
    await sink.start?.()
    await sink.connect?.()
    for (let i = 0; i < 4; i++) await sink.write(batch)
    const spread = type === 'default_failover' ? [8, 0] : [4, 4]
    assert.deepEqual([one.events.length, two.events.length], spread)
    one.status = 'FAILED'
    await sink.write(batch)
    await sink.write(batch)
    assert.equal(two.events.length, (spread[1] as number) + 4)
    await one.listener.close()
    await two.listener.close()
    await assert.rejects(
      (async () => {
        for (;;) await sink.write(batch)
      })(),
      FlumeError,
    )
    // With nobody there nothing is taken from the channel (K-05a).
    await assert.rejects(sink.connect?.() ?? Promise.resolve(), /none of the hosts can be reached/)
    await sink.stop?.()
  })
}
