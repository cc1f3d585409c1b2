import assert from 'node:assert/strict'
import { test } from 'node:test'
import { finishThriftFrame } from '../../../src/codec/thrift/frame.ts'
import { thriftWriter } from '../../../src/codec/thrift/open.ts'
import { messageTypes, writeNumberResult } from '../../../src/codec/thrift/protocol.ts'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { FlumeError } from '../../../src/core/error.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import type { TcpListener } from '../../../src/net/tcp-listener.ts'
import { ThriftFlumeClient } from '../../../src/net/thrift-rpc/client.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { freePort } from '../../support/free-port.ts'
import { listen } from '../../support/rpc.ts'
import { listenThrift, protocols, recordedThrift, thriftAgent } from '../../support/thrift.ts'
import { until } from '../../support/until.ts'

const two = EventBatch.of([{ body: 'one', headers: { a: 'b', grün: 'ö' } }, { body: 'two' }])

function connect(
  listener: TcpListener,
  protocol: 'compact' | 'binary' = 'compact',
  clock: Clock = systemClock,
): Promise<ThriftFlumeClient> {
  return ThriftFlumeClient.connect({ host: '127.0.0.1', port: listener.port, clock, protocol, requestTimeoutMs: 5000 })
}

function isCode(code: string, words = /(?:)/): (error: unknown) => boolean {
  return (error) =>
    error instanceof FlumeError && error.code === code && words.test(`${error.message} ${error.hint ?? ''}`)
}

/** A server that answers each chunk with the next of these. */
function answering(...answers: readonly (Buffer | undefined)[]): Promise<TcpListener & { asked: Buffer[] }> {
  const left = [...answers]
  const asked: Buffer[] = []
  return listen({
    serve: async (wire) => {
      for (let chunk = await wire.read(); chunk; chunk = await wire.read()) {
        asked.push(chunk)
        const answer = left.shift()
        if (answer === undefined) return
        wire.write(answer)
      }
    },
  }).then((listener) => Object.assign(listener, { asked }))
}

function reply(sequence: number, status = 0): Buffer {
  const writer = thriftWriter('compact', 64)
  writer.messageHead({ name: 'appendBatch', type: messageTypes.reply, sequence })
  writeNumberResult(writer, status)
  return finishThriftFrame(writer)
}

for (const version of ['1.9', '1.11']) {
  for (const protocol of protocols) {
    test(`${protocol}: the recorded answers of Flume ${version} are OK and FAILED, and the calls are the recorded ones`, async () => {
      const name = `flume-${version}-thrift-source-${protocol}`
      const server = await answering(...recordedThrift(name, 'server'))
      const client = await connect(server, protocol)
      assert.equal(await client.appendBatch(two), 'OK')
      assert.equal(await client.appendBatch(EventBatch.of(new Array(101).fill({ body: '' }))), 'FAILED')
      assert.deepEqual(Buffer.concat(server.asked), Buffer.concat(recordedThrift(name, 'client')))
      await client.close()
      await server.close()
    })
  }
}

test('calls made at once are answered in their order', async () => {
  const agent = await thriftAgent()
  const client = await connect(agent.listener)
  const statuses = await Promise.all([client.append(two, 1), client.appendBatch(two), client.append(two)])
  assert.deepEqual(statuses, ['OK', 'OK', 'OK'])
  assert.deepEqual(
    agent.events.map(({ body }) => body),
    ['two', 'one', 'two', 'one'],
  )
  await client.close()
  await agent.listener.close()
})

test('an exception rejects the call with the server’s words, and the client stays usable', async () => {
  let fails = true
  const call = async (): Promise<number> => {
    if (fails) throw new Error('no room in the shed')
    return 0
  }
  const listener = await listenThrift({ calls: { append: call, appendBatch: call } })
  const client = await connect(listener)
  await assert.rejects(client.appendBatch(two), isCode('REFUSED', /no room in the shed/))
  assert.equal(client.usable, true)
  fails = false
  assert.equal(await client.appendBatch(two), 'OK')
  await client.close()
  await listener.close()
})

const broken: readonly [what: string, answers: readonly (Buffer | undefined)[], code: string, words: RegExp][] = [
  ['an answer to another call', [reply(5)], 'PROTOCOL', /call 5 where that to 1/],
  ['an answer in the other protocol', recordedThrift('flume-1.9-thrift-source-binary', 'server'), 'PROTOCOL', /binary/],
  ['an answer that is no frame', [Buffer.from('HTTP/1.1 400\r\n')], 'LIMIT', /HTTP/],
  ['an answer too much', [Buffer.concat([reply(1), reply(2)])], 'PROTOCOL', /what was not asked/],
  ['the end of the connection', [undefined], 'CONNECTION', /same protocol/],
]
for (const [what, answers, code, words] of broken) {
  test(`${what} fails what is under way and ends the client`, async () => {
    const server = await answering(...answers)
    const client = await connect(server)
    const first = client.appendBatch(two)
    if (what === 'an answer too much') {
      assert.equal(await first, 'OK')
      await until(() => !client.usable)
    } else {
      await assert.rejects(first, isCode(code, words))
    }
    assert.equal(client.usable, false)
    await assert.rejects(client.appendBatch(two), isCode(code, words))
    await client.close()
    await server.close()
  })
}

test('a call without an answer in time ends the client (testTimeout)', async () => {
  const clock = new ManualClock()
  const server = await answering(Buffer.alloc(0))
  const client = await connect(server, 'compact', clock)
  const rejected = assert.rejects(client.appendBatch(two), isCode('TIMEOUT', /appendBatch within 5000 ms/))
  await until(() => server.asked.length > 0)
  await clock.advance(4999)
  assert.equal(client.usable, true)
  await clock.advance(1)
  await rejected
  assert.equal(client.usable, false)
  await client.close()
  await server.close()
})

test('closing rejects calls under way, and twice is safe', async () => {
  const server = await answering(Buffer.alloc(0))
  const client = await connect(server)
  const rejected = assert.rejects(client.append(two), isCode('CLOSED'))
  await client.close()
  await client.close()
  await rejected
  await server.close()
})

test('a server that is not there rejects CONNECTION', async () => {
  const options = { host: '127.0.0.1', port: await freePort(), clock: systemClock }
  const connecting = ThriftFlumeClient.connect({ ...options, protocol: 'compact', requestTimeoutMs: 5000 })
  await assert.rejects(connecting, isCode('CONNECTION'))
})
