import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAppend } from '../../../src/codec/thrift/flume.ts'
import { thriftReader } from '../../../src/codec/thrift/open.ts'
import { messageTypes, readNumberResult, thriftTypes } from '../../../src/codec/thrift/protocol.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { ThriftServer } from '../../../src/net/thrift-rpc/server.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { listen, RawClient } from '../../support/rpc.ts'
import { callFrame, listenThrift, messageIn, struct } from '../../support/thrift.ts'
import { until } from '../../support/until.ts'

/** An append of one event with this body. */
function append(body: string, sequence = 1): Buffer {
  return callFrame(
    'compact',
    'append',
    (writer) => {
      writer.fieldHead(thriftTypes.struct, 1)
      struct(writer, () => {
        writer.fieldHead(thriftTypes.map, 1)
        writer.mapHead(thriftTypes.string, thriftTypes.string, 0)
        writer.fieldHead(thriftTypes.string, 2)
        writer.string(body)
      })
    },
    sequence,
  )
}

const answerBytes = 'append'.length + 12

test('calls of one connection run one after the other, in their order', async () => {
  const bodies: string[] = []
  let running = 0
  let release: (() => void) | undefined
  const listener = await listenThrift({
    calls: {
      append: async (args) => {
        bodies.push(Buffer.from(readAppend(args).bodyAt(0)).toString())
        running++
        await new Promise<void>((resolve) => {
          release = resolve
        })
        running--
        return 0
      },
    },
  })
  const client = await RawClient.connect(listener.port)
  client.write(Buffer.concat(['a', 'b', 'c'].map((body, i) => append(body, i + 1))))
  for (let i = 1; i <= 3; i++) {
    await until(() => bodies.length === i && release !== undefined)
    assert.equal(running, 1)
    release?.()
    release = undefined
    await client.whenReceived(i * answerBytes)
  }
  assert.deepEqual(bodies, ['a', 'b', 'c'])
  const sequences = [0, 1, 2].map((i) => {
    const answer = messageIn(client.received.subarray(i * answerBytes, (i + 1) * answerBytes))
    return thriftReader('compact', answer).messageHead().sequence
  })
  assert.deepEqual(sequences, [1, 2, 3])
  client.destroy()
  await listener.close()
})

test('when the server stops, the call under way is answered and those behind it are not begun', async () => {
  let begun = 0
  let release = (): void => undefined
  const listener = await listenThrift({
    calls: {
      append: () => {
        begun++
        return new Promise<number>((resolve) => {
          release = () => resolve(0)
        })
      },
    },
  })
  const client = await RawClient.connect(listener.port)
  client.write(Buffer.concat([append('a', 1), append('b', 2)]))
  await until(() => begun === 1)
  const closed = listener.close()
  release()
  const received = await client.whenClosed()
  await closed
  const reader = thriftReader('compact', messageIn(received))
  const head = reader.messageHead()
  assert.deepEqual([head.sequence, readNumberResult(reader, head)], [1, 0])
  assert.equal(begun, 1)
})

test('a frame that is not whole in time ends the connection, and says so', async () => {
  const clock = new ManualClock()
  const server = new ThriftServer({ clock, dialect: 'compact', calls: {}, frameMsMax: 30_000 })
  const problems: unknown[] = []
  const listener = await listen({
    serve: async (wire, _peer, signal) => {
      await server.serve(wire, signal).catch((error: unknown) => problems.push(error))
    },
  })
  const client = await RawClient.connect(listener.port)
  client.write(append('slow').subarray(0, 9))
  await until(() => clock.timerCount > 0)
  await clock.advance(29_999)
  assert.deepEqual(problems, [])
  await clock.advance(1)
  await client.whenClosed()
  assert.match(String(problems), /a frame was not complete/)
  await listener.close()
})

test('a frame above the limit ends the connection without an answer', async () => {
  const listener = await listenThrift({ frameBytesMax: 100, calls: { append: async () => 0 } })
  const client = await RawClient.connect(listener.port)
  client.write(append('x'.repeat(200)))
  assert.equal((await client.whenClosed()).length, 0)
  await listener.close()
})

test('names of the object every object descends from are no calls', async () => {
  const listener = await listenThrift({ calls: { append: async () => 0 } })
  for (const name of ['constructor', '__proto__', 'toString', 'x'.repeat(5000)]) {
    const client = await RawClient.connect(listener.port)
    client.write(callFrame('compact', name, () => undefined))
    const head = await client.whenReceived(4)
    const answer = await client.whenReceived(4 + head.readInt32BE(0))
    const reader = thriftReader('compact', messageIn(answer))
    const { type } = reader.messageHead()
    assert.equal(type, messageTypes.exception)
    assert.throws(() => readNumberResult(reader, { name, type, sequence: 1 }), /Invalid method name/)
    assert.ok(answer.length < 400)
    client.destroy()
  }
  await listener.close()
})

test('a peer that does not read its answers is not read either', async () => {
  let calls = 0
  const server = new ThriftServer({
    clock: systemClock,
    dialect: 'compact',
    calls: {
      append: async () => {
        calls++
        throw new Error('x'.repeat(100_000))
      },
    },
  })
  const listener = await listen({ serve: (wire, _peer, signal) => server.serve(wire, signal) })
  const client = await RawClient.connect(listener.port)
  client.socket.pause()
  const sent = 2000
  client.write(Buffer.concat(Array.from({ length: sent }, (_, i) => append('x', i))))
  let before = -1
  // The count comes to rest once the system's buffers are full.
  await until(async () => {
    const isAtRest = calls === before && calls > 0
    before = calls
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    return isAtRest
  })
  assert.ok(calls < sent, `${calls} calls were run`)
  client.destroy()
  await listener.close()
})
