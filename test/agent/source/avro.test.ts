import assert from 'node:assert/strict'
import { test } from 'node:test'
import { avro } from '../../../src/agent/source/avro.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { FlumeClient } from '../../../src/net/avro-rpc/flume-client.ts'
import { clientTls as clientTlsOf } from '../../../src/net/tls/client.ts'
import { type ClientTlsValues, clientTlsOptions } from '../../../src/spec/tls-options.ts'
import { clientTls, noSettings, serverTls } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import type { FakeSourceContextOptions } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

async function exchange(
  use: (client: FlumeClient, source: RunningSource) => Promise<void>,
  {
    texts = {},
    deflateLevel,
    ...options
  }: FakeSourceContextOptions & {
    readonly texts?: Readonly<Record<string, string>>
    readonly deflateLevel?: number
  } = {},
): Promise<void> {
  const source = await startSource(avro, texts, options)
  const client = await FlumeClient.connect({ host: '127.0.0.1', port: source.port, clock: systemClock, deflateLevel })
  try {
    await use(client, source)
  } finally {
    await client.close()
    await source.stop()
  }
}

const batch = EventBatch.of([{ body: 'one', headers: { host: 'h' } }, { body: 'two' }, { body: 'three' }])

test('a batch is one delivery, answered OK once it is kept (S-01, S-02)', () =>
  exchange(async (client, { context }) => {
    const release = context.hold()
    let status: string | undefined
    const answered = client.appendBatch(batch).then((answer) => {
      status = answer
    })
    await until(() => context.pending === 1)
    assert.equal(status, undefined)
    release()
    await answered
    assert.equal(status, 'OK')
    assert.equal(context.batches.length, 1)
    assert.deepEqual(context.events[0], { headers: { host: 'h' }, body: 'one' })
    assert.equal(await client.append(batch, 2), 'OK')
    const { appendReceived, appendAccepted, appendBatchReceived, appendBatchAccepted, eventAccepted } = context.counters
    assert.deepEqual(
      [appendReceived, appendAccepted, appendBatchReceived, appendBatchAccepted, eventAccepted],
      [1, 1, 1, 1, 4],
    )
  }))

test('a batch above transactionCapacity is answered FAILED and nothing is kept (S-02)', () =>
  exchange(
    async (client, { context }) => {
      assert.equal(await client.appendBatch(batch), 'FAILED')
      assert.equal(context.count, 0)
      assert.equal(context.counters.appendBatchAccepted, 0)
      assert.equal(await client.appendBatch(batch.slice(1)), 'OK')
    },
    { transactionCapacity: 2 },
  ))

test('a full channel fails batches and single events; another failure is an error of append only (S-01)', () =>
  exchange(async (client, { context }) => {
    context.room = 0
    assert.equal(await client.append(batch, 0), 'FAILED')
    assert.equal(await client.appendBatch(batch), 'FAILED')
    context.room = 10
    context.failure = new Error('an interceptor broke')
    assert.equal(await client.appendBatch(batch), 'FAILED')
    await assert.rejects(
      client.append(batch, 0),
      (error) => error instanceof FlumeError && error.code === 'REFUSED' && /an interceptor broke/.test(error.message),
    )
    assert.equal(client.usable, true)
  }))

test('an empty batch is answered OK', () =>
  exchange(async (client, { context }) => {
    assert.equal(await client.appendBatch(EventBatch.empty), 'OK')
    assert.equal(context.count, 0)
  }))

test('deflate is spoken both ways when it is configured, in any case of the word', () =>
  exchange(
    async (client, { context }) => {
      assert.equal(await client.appendBatch(batch), 'OK')
      assert.equal(context.count, 3)
    },
    { texts: { 'compression-type': 'Deflate' }, deflateLevel: 9 },
  ))

test('compression on one side only ends the connection with an error (S-03)', () =>
  exchange(
    async (client, { context }) => {
      await assert.rejects(client.appendBatch(batch), FlumeError)
      assert.equal(context.count, 0)
    },
    { deflateLevel: 6 },
  ))

test('open connections are counted at every moment, not once a minute (S-05)', () =>
  exchange(async (client, { context }) => {
    await client.appendBatch(batch)
    assert.equal(context.counters.openConnections, 1)
    await client.close()
    await until(() => context.counters.openConnections === 0)
  }))

test('an address that ipFilterRules deny is not served', async () => {
  const source = await startSource(avro, { ipFilter: 'true', ipFilterRules: 'deny:ip:127.*,allow:ip:*' })
  const client = await RawClient.connect(source.port)
  assert.equal((await client.whenClosed()).length, 0)
  await source.stop()
})

test('rules without ipFilter = true are not applied', () =>
  exchange(async (client) => assert.equal(await client.appendBatch(batch), 'OK'), {
    texts: { ipFilterRules: 'deny:ip:*' },
  }))

const findings = [
  { texts: { ssl: 'true' }, option: 'keystore', severity: 'error' },
  { texts: { ipFilter: 'true' }, option: 'ipFilterRules', severity: undefined },
  { texts: { threads: '4' }, option: 'threads', severity: 'note' },
]
for (const { texts, option, severity } of findings) {
  test(`${JSON.stringify(texts)} is a finding about ${option}`, () => {
    const values = readOptions(avro, { bind: 'localhost', port: '1', ...texts } as Record<string, string>)
    const problems = avro.check?.(values as never, noSettings) ?? []
    assert.deepEqual(
      problems.map((problem) => [problem.option, problem.severity]),
      [[option, severity]],
    )
  })
}

for (const deflateLevel of [undefined, 6]) {
  test(`takes events over TLS${deflateLevel === undefined ? '' : ', deflated inside it (S-03)'}`, async () => {
    const source = await startSource(avro, {
      ...serverTls,
      ...(deflateLevel === undefined ? {} : { 'compression-type': 'deflate' }),
    })
    const values = readOptions({ options: clientTlsOptions }, clientTls) as ClientTlsValues
    const client = await FlumeClient.connect({
      host: '127.0.0.1',
      port: source.port,
      clock: systemClock,
      deflateLevel,
      tls: clientTlsOf(values, noSettings),
    })
    const large = EventBatch.of([{ body: Buffer.alloc(1_000_000, 'large') }])
    assert.equal(await client.appendBatch(batch), 'OK')
    assert.equal(await client.appendBatch(large), 'OK')
    assert.deepEqual(
      source.context.events.map(({ body }) => body.length),
      [3, 3, 5, 1_000_000],
    )
    await client.close()
    await source.stop()
  })
}

test('malformed rules are a finding', () => {
  assert.throws(() => readOptions(avro, { bind: 'x', port: '1', ipFilterRules: 'permit:ip:*' }), /allow or deny/)
})
