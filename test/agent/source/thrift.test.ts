import assert from 'node:assert/strict'
import { test } from 'node:test'
import { thrift } from '../../../src/agent/source/thrift.ts'
import { thriftReader } from '../../../src/codec/thrift/open.ts'
import { type MessageHead, messageTypes, readOneField, thriftTypes } from '../../../src/codec/thrift/protocol.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { ThriftFlumeClient } from '../../../src/net/thrift-rpc/client.ts'
import { noSettings } from '../../support/key-stores.ts'
import { readOptions } from '../../support/read-options.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { RawClient } from '../../support/rpc.ts'
import { type RunningSource, startSource } from '../../support/running-source.ts'
import type { FakeSourceContextOptions } from '../../support/source-context.ts'
import { messageIn, protocols, recordedAnswers } from '../../support/thrift.ts'
import { until } from '../../support/until.ts'

type Protocol = (typeof protocols)[number]

async function exchange(
  protocol: Protocol,
  use: (client: ThriftFlumeClient, source: RunningSource) => Promise<void>,
  options: FakeSourceContextOptions = {},
): Promise<void> {
  const source = await startSource(thrift, { protocol }, options)
  const client = await ThriftFlumeClient.connect({
    host: '127.0.0.1',
    port: source.port,
    clock: systemClock,
    protocol,
    requestTimeoutMs: 20_000,
  })
  try {
    await use(client, source)
  } finally {
    await client.close()
    await source.stop()
  }
}

const batch = EventBatch.of([{ body: 'one', headers: { host: 'h' } }, { body: 'two' }, { body: 'three' }])

for (const protocol of protocols) {
  test(`${protocol}: a batch is one delivery, answered OK once it is kept (testAppend, testAppendBatch, S-02)`, () =>
    exchange(protocol, async (client, { context }) => {
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
      const { appendReceived, appendAccepted, appendBatchReceived, appendBatchAccepted, eventAccepted } =
        context.counters
      assert.deepEqual(
        [appendReceived, appendAccepted, appendBatchReceived, appendBatchAccepted, eventAccepted],
        [1, 1, 1, 1, 4],
      )
    }))

  test(`${protocol}: what the channel refuses is FAILED, and nothing is kept (testErrorCounterChannelWriteFail, S-04)`, () =>
    exchange(
      protocol,
      async (client, { context }) => {
        assert.equal(await client.appendBatch(batch), 'FAILED')
        context.room = 0
        assert.equal(await client.append(batch, 0), 'FAILED')
        assert.equal(await client.appendBatch(batch.slice(1)), 'FAILED')
        assert.equal(context.count, 0)
        assert.equal(context.counters.appendBatchAccepted, 0)
        assert.equal(context.counters.channelWriteFail, 3)
        context.room = 10
        assert.equal(await client.appendBatch(batch.slice(1)), 'OK')
      },
      { transactionCapacity: 2 },
    ))

  test(`${protocol}: any other failure is an exception, of batches too (S-04)`, () =>
    exchange(protocol, async (client, { context }) => {
      context.failure = new Error('an interceptor broke')
      const isRefused = (error: unknown): boolean =>
        error instanceof FlumeError && error.code === 'REFUSED' && /an interceptor broke/.test(error.message)
      await assert.rejects(client.append(batch, 0), isRefused)
      await assert.rejects(client.appendBatch(batch), isRefused)
      context.failure = undefined
      assert.equal(await client.appendBatch(batch), 'OK')
    }))

  test(`${protocol}: an empty batch is answered OK`, () =>
    exchange(protocol, async (client, { context }) => {
      assert.equal(await client.appendBatch(EventBatch.empty), 'OK')
      assert.equal(context.count, 0)
    }))
}

/** What matters of an answer: to which call it is, and what it says; an exception's words may be others. */
function meaningOf(protocol: Protocol, frame: Buffer): { head: MessageHead; says: string } | string {
  if (frame.length === 0) return 'nothing'
  const reader = thriftReader(protocol, messageIn(frame))
  const head = reader.messageHead()
  const id = head.type === messageTypes.exception ? 2 : 0
  const value = readOneField(reader, id, thriftTypes.i32, () => reader.i32('x'))
  return { head, says: `${head.type === messageTypes.exception ? 'code' : 'status'} ${value}` }
}

for (const version of ['1.9', '1.11']) {
  for (const protocol of protocols) {
    for (const [name, { call, answer, closed }] of Object.entries(
      recordedAnswers(`flume-${version}-thrift-source-${protocol}-answers`),
    )) {
      // Flume runs into a null pointer there: 1.9 drops the connection, 1.11 answers an internal error.
      if (name === 'noArgs') continue
      test(`${protocol}: ${name} is answered as Flume ${version} answered it`, async () => {
        const source = await startSource(thrift, { protocol })
        const client = await RawClient.connect(source.port)
        client.write(Buffer.from(call, 'hex'))
        const wanted = Buffer.from(answer, 'hex')
        if (closed) {
          assert.equal((await client.whenClosed()).toString('hex'), answer)
        } else {
          const head = await client.whenReceived(4)
          const received = await client.whenReceived(4 + head.readInt32BE(0))
          assert.deepEqual(meaningOf(protocol, received), meaningOf(protocol, wanted))
        }
        client.destroy()
        await source.stop()
      })
    }

    test(`${protocol}: a call without arguments is an exception, whatever Flume ${version} does`, async () => {
      const { noArgs } = recordedAnswers(`flume-${version}-thrift-source-${protocol}-answers`)
      const source = await startSource(thrift, { protocol })
      const client = await RawClient.connect(source.port)
      client.write(Buffer.from(noArgs?.call ?? '', 'hex'))
      const head = await client.whenReceived(4)
      const received = await client.whenReceived(4 + head.readInt32BE(0))
      assert.deepEqual(meaningOf(protocol, received), {
        head: { name: 'append', type: messageTypes.exception, sequence: 7 },
        says: 'code 7',
      })
      client.destroy()
      await source.stop()
    })
  }
}

test('a client of the other protocol is told of in the log, and its connection ends', async () => {
  const log = new RecordingLogger()
  const source = await startSource(thrift, {}, { log })
  const client = await ThriftFlumeClient.connect({
    host: '127.0.0.1',
    port: source.port,
    clock: systemClock,
    protocol: 'binary',
    requestTimeoutMs: 20_000,
  })
  await assert.rejects(
    client.appendBatch(batch),
    (error) => error instanceof FlumeError && error.code === 'CONNECTION' && /same protocol/.test(error.hint ?? ''),
  )
  await until(() => log.lines.some((line) => /the peer speaks the binary protocol/.test(line)))
  await client.close()
  await source.stop()
})

test('several clients are served at once (testMultipleClients)', async () => {
  const source = await startSource(thrift)
  const clients = await Promise.all(
    Array.from({ length: 10 }, () =>
      ThriftFlumeClient.connect({
        host: '127.0.0.1',
        port: source.port,
        clock: systemClock,
        protocol: 'compact',
        requestTimeoutMs: 20_000,
      }),
    ),
  )
  await Promise.all(
    clients.map(async (client, i) => {
      for (let call = 0; call < 20; call++)
        assert.equal(await client.appendBatch(EventBatch.of([{ body: `${i}-${call}` }])), 'OK')
    }),
  )
  assert.equal(source.context.counters.openConnections, 10)
  assert.equal(new Set(source.context.events.map(({ body }) => body)).size, 200)
  await Promise.all(clients.map((client) => client.close()))
  await until(() => source.context.counters.openConnections === 0)
  await source.stop()
})

const findings = [
  { texts: { protocol: 'Compact' }, found: [] },
  { texts: { protocol: 'BINARY' }, found: [['protocol', 'warning']] },
  { texts: { protocol: 'json' }, found: [['protocol', 'error']] },
  { texts: { kerberos: 'true', 'agent-principal': 'a/b' }, found: [['kerberos', undefined]] },
  { texts: { ssl: 'true' }, found: [['keystore', 'error']] },
  { texts: { threads: '4' }, found: [['threads', 'note']] },
]
for (const { texts, found } of findings) {
  test(`${JSON.stringify(texts)}: ${found.length === 0 ? 'nothing is wrong' : 'a finding'}`, () => {
    const values = readOptions(thrift, { bind: 'localhost', port: '1', ...texts } as Record<string, string>)
    const problems = thrift.check?.(values as never, noSettings) ?? []
    assert.deepEqual(
      problems.map((problem) => [problem.option, problem.severity]),
      found,
    )
  })
}
