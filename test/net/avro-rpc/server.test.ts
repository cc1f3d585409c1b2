import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { AvroReader, AvroWriter } from '../../../src/codec/avro/binary.ts'
import { readResult, writeCall } from '../../../src/codec/avro/call.ts'
import { writeEvents } from '../../../src/codec/avro/events.ts'
import { avroSourceProtocol, type Status } from '../../../src/codec/avro/flume.ts'
import { FrameDecoder, finishFrame, frameHeadBytes } from '../../../src/codec/avro/frame.ts'
import { readHandshakeResponse, writeHandshakeRequest } from '../../../src/codec/avro/handshake.ts'
import { sparkFlumeProtocol } from '../../../src/codec/sparksink.ts'
import { EventBatch } from '../../../src/core/event-batch.ts'
import { flumeService } from '../../../src/net/avro-rpc/flume-service.ts'
import type { RpcService } from '../../../src/net/avro-rpc/server.ts'
import { sparkService } from '../../../src/net/avro-rpc/spark-service.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { recordedRpc } from '../../support/recorded-rpc.ts'
import { listenRpc, RawClient } from '../../support/rpc.ts'
import { type PlainEvent, plainEvents } from '../../support/source-context.ts'
import { until } from '../../support/until.ts'

/** A service that keeps what it gets and answers what it is told. */
function collecting(answer: (batch: EventBatch) => Promise<Status> | Status = () => 'OK'): {
  readonly service: RpcService
  readonly events: PlainEvent[]
} {
  const events: PlainEvent[] = []
  const take = async (batch: EventBatch): Promise<Status> => {
    events.push(...plainEvents(batch))
    return answer(batch)
  }
  return { events, service: flumeService({ append: take, appendBatch: take }) }
}

/** The frames' payloads in what a client received. */
function payloads(received: Buffer): Map<number, string> {
  const decoder = new FrameDecoder()
  decoder.push(Buffer.from(received))
  const found = new Map<number, string>()
  for (let frame = decoder.next(); frame; frame = decoder.next()) found.set(frame.serial, frame.payload.toString('hex'))
  return found
}

interface RequestOptions {
  readonly serial?: number
  readonly clientHash?: Buffer
  readonly clientProtocol?: string
  readonly serverHash?: Buffer
  readonly handshake?: boolean
  readonly message?: string
  readonly body?: string
}

const unknownHash = Buffer.alloc(16, 0xaa)

function request({
  serial = 1,
  clientHash = avroSourceProtocol.hash,
  clientProtocol,
  serverHash = avroSourceProtocol.hash,
  handshake = true,
  message = 'appendBatch',
  body = 'x',
}: RequestOptions): Buffer {
  const writer = new AvroWriter(256, frameHeadBytes)
  if (handshake) writeHandshakeRequest(writer, { clientHash, clientProtocol, serverHash })
  writeCall(writer, message)
  if (message === 'appendBatch') writeEvents(writer, EventBatch.of([{ body }]))
  return finishFrame(writer, serial)
}

const okWithHandshake = '000000000000' + '00'
const okAlone = '000000'

for (const name of ['flume-1.9-avro-sink', 'flume-1.11-avro-sink']) {
  test(`${name} is answered BOTH and OK, then OK without a handshake, as recorded`, async () => {
    const { service, events } = collecting()
    const listener = await listenRpc({ services: [service] })
    const client = await RawClient.connect(listener.port)
    const [first = Buffer.alloc(0), second] = recordedRpc(name, 'client')
    client.write(first)
    assert.equal(payloads(await client.whenReceived(19)).get(1), okWithHandshake)
    if (second) {
      client.write(second)
      assert.equal(payloads(await client.whenReceived(34)).get(2), okAlone)
    }
    assert.deepEqual(
      events.slice(0, 2).map(({ body }) => body),
      ['line one', 'line two'],
    )
    assert.deepEqual(Object.keys(events[0]?.headers ?? {}), ['dc'])
    client.destroy()
    await listener.close()
  })
}

test('a deflated stream of Flume 1.9 is read, and answered deflated', async () => {
  const { service, events } = collecting()
  const listener = await listenRpc({ services: [service], deflate: true })
  const client = await RawClient.connect(listener.port)
  for (const chunk of recordedRpc('flume-1.9-avro-sink-deflate', 'client')) client.write(chunk)
  await until(() => events.length === 3, 'three events')
  const answer = await client.whenReceived(18)
  assert.equal(answer.subarray(0, 2).toString('hex'), '789c')
  client.destroy()
  await listener.close()
  assert.deepEqual(
    events.map(({ body }) => body),
    ['line one', 'line two', 'third'],
  )
})

/** Sends requests one after the other on a connection and reads the answers' payloads. */
async function exchange(service: RpcService | RpcService[], ...requests: RequestOptions[]): Promise<AvroReader[]> {
  const listener = await listenRpc({ services: [service].flat() })
  const client = await RawClient.connect(listener.port)
  const answers: AvroReader[] = []
  for (const [index, options] of requests.entries()) {
    client.write(request({ serial: index + 1, ...options }))
    await until(() => payloads(client.received).has(index + 1), `answer ${index + 1}`)
    answers.push(new AvroReader(Buffer.from(payloads(client.received).get(index + 1) as string, 'hex')))
  }
  client.destroy()
  await listener.close()
  return answers
}

test('an unknown client is answered NONE with the protocol, and its call is not run', async () => {
  const { service, events } = collecting()
  const [answer] = await exchange(service, { clientHash: unknownHash, serverHash: unknownHash })
  assert.ok(answer)
  const handshake = readHandshakeResponse(answer)
  assert.equal(handshake.match, 'NONE')
  assert.equal(handshake.serverProtocol, avroSourceProtocol.text)
  assert.equal(answer.left, 0)
  assert.deepEqual(events, [])
})

test('the same client repeats with its protocol, is answered BOTH, and is known from then on', async () => {
  const { service, events } = collecting()
  const known = { clientHash: unknownHash }
  const answers = await exchange(
    service,
    { ...known, serverHash: unknownHash },
    { ...known, clientProtocol: avroSourceProtocol.text.replace('Licensed', 'Not licensed') },
    { handshake: false, body: 'y' },
  )
  assert.equal(answers[1]?.bytes.toString('hex'), okWithHandshake)
  assert.equal(answers[2]?.bytes.toString('hex'), okAlone)
  assert.deepEqual(
    events.map(({ body }) => body),
    ['x', 'y'],
  )
})

test('what one connection declared, another need not declare again', async () => {
  const { service, events } = collecting()
  const listener = await listenRpc({ services: [service] })
  for (const clientProtocol of [avroSourceProtocol.text, undefined]) {
    const client = await RawClient.connect(listener.port)
    client.write(request({ clientHash: unknownHash, ...(clientProtocol && { clientProtocol }) }))
    assert.equal(payloads(await client.whenReceived(19)).get(1), okWithHandshake)
    client.destroy()
  }
  await listener.close()
  assert.equal(events.length, 2)
})

test('a known client that has the server wrong is answered CLIENT with the protocol, and its call is run', async () => {
  const { service, events } = collecting()
  const [answer] = await exchange(service, { serverHash: unknownHash })
  assert.ok(answer)
  assert.equal(readHandshakeResponse(answer).match, 'CLIENT')
  readResult(answer)
  assert.equal(answer.long(), 0)
  assert.equal(events.length, 1)
})

test('a client whose protocol means other bytes is refused instead of misread', async () => {
  const { service, events } = collecting()
  const clientProtocol = avroSourceProtocol.text.replace('"bytes"', '"string"')
  const [answer] = await exchange(service, { clientHash: unknownHash, clientProtocol })
  assert.ok(answer)
  readHandshakeResponse(answer)
  assert.throws(() => readResult(answer), /append of the client's protocol differs from AvroSourceProtocol's/)
  assert.deepEqual(events, [])
})

test("an unknown message is answered in the Java server's words", async () => {
  const [answer] = await exchange(collecting().service, { message: 'nope' })
  assert.ok(answer)
  readHandshakeResponse(answer)
  assert.throws(() => readResult(answer), /org\.apache\.avro\.AvroRuntimeException: No such remote message: nope/)
})

test('an empty message name is answered with the handshake alone', async () => {
  const answers = await exchange(collecting().service, { message: '' }, { handshake: false })
  assert.equal(answers[0]?.bytes.toString('hex'), '00000000')
  assert.equal(answers[1]?.bytes.toString('hex'), okAlone)
})

test('arguments that are broken fail the call, not the connection', async () => {
  const { service } = collecting()
  const listener = await listenRpc({ services: [service] })
  const client = await RawClient.connect(listener.port)
  const broken = request({})
  broken[broken.length - 4] = 0x7f
  client.write(broken)
  client.write(request({ serial: 2, handshake: false }))
  await until(() => payloads(client.received).has(2))
  assert.equal(payloads(client.received).get(2), okAlone)
  const first = new AvroReader(Buffer.from(payloads(client.received).get(1) as string, 'hex'))
  readHandshakeResponse(first)
  assert.throws(() => readResult(first), /broken Avro data/)
  client.destroy()
  await listener.close()
})

test('one port serves both protocols: the hash tells, and for strangers the message', async () => {
  const { service } = collecting()
  const feed = {
    getEventBatch: () => assert.fail('not called'),
    ack: async () => undefined,
    nack: async () => undefined,
  }
  const services = [service, sparkService(feed)]
  const [byHash] = await exchange(services, {
    clientHash: sparkFlumeProtocol.hash,
    serverHash: unknownHash,
    message: 'ping',
  })
  assert.equal(byHash && readHandshakeResponse(byHash).serverProtocol, sparkFlumeProtocol.text)
  const [byMessage] = await exchange(services, {
    clientHash: unknownHash,
    serverHash: unknownHash,
    message: 'getEventBatch',
  })
  assert.equal(byMessage && readHandshakeResponse(byMessage).serverProtocol, sparkFlumeProtocol.text)
  const [byDefault] = await exchange(services, { clientHash: unknownHash, serverHash: unknownHash, message: '' })
  assert.equal(byDefault && readHandshakeResponse(byDefault).serverProtocol, avroSourceProtocol.text)
})

test('pipelined calls run together up to the limit, the connection is held back beyond, and answers carry their serials', async () => {
  const finish: (() => void)[] = []
  const { service, events } = collecting(() => new Promise((resolve) => finish.push(() => resolve('OK'))))
  const listener = await listenRpc({ services: [service], callsMax: 3 })
  const client = await RawClient.connect(listener.port)
  client.write(
    Buffer.concat([1, 2, 3, 4, 5].map((serial) => request({ serial, handshake: serial === 1, body: `${serial}` }))),
  )
  await until(() => events.length === 3)
  // The answers come in the order in which the calls end.
  finish[2]?.()
  await until(() => events.length === 4 && payloads(client.received).size > 0)
  assert.deepEqual([...payloads(client.received).keys()], [3])
  finish[0]?.()
  await until(() => events.length === 5)
  for (const end of finish) end()
  await until(() => payloads(client.received).size === 5)
  assert.equal(payloads(client.received).get(1), okWithHandshake)
  assert.equal(payloads(client.received).get(5), okAlone)
  client.destroy()
  await listener.close()
})

test('a call under way is answered when the server stops, and what comes later is not read', async () => {
  let finish = (): void => undefined
  const { service, events } = collecting(
    () =>
      new Promise((resolve) => {
        finish = () => resolve('OK')
      }),
  )
  const listener = await listenRpc({ services: [service] })
  const client = await RawClient.connect(listener.port)
  client.write(request({}))
  await until(() => events.length === 1)
  const closed = listener.close()
  client.write(request({ serial: 2, handshake: false }))
  finish()
  const received = await client.whenClosed()
  await closed
  assert.deepEqual([...payloads(received)], [[1, okWithHandshake]])
  assert.equal(events.length, 1)
})

test('a call that waits is told when its caller hangs up', async () => {
  let told = false
  const feed = {
    getEventBatch: (_max: number, { signal }: { signal: AbortSignal }) =>
      new Promise<never>((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          told = true
          reject(new Error('gone'))
        }),
      ),
    ack: async () => undefined,
    nack: async () => undefined,
  }
  const listener = await listenRpc({ services: [sparkService(feed)] })
  const client = await RawClient.connect(listener.port)
  client.write(recordedRpc('spark-2.4-poll', 'client')[0] as Buffer)
  await until(() => listener.connections === 1)
  client.end()
  await until(() => told)
  await client.whenClosed()
  await until(() => listener.connections === 0)
  await listener.close()
})

const strangers = [
  { name: 'text', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n') },
  { name: 'a frame above the limit', bytes: Buffer.from('00000001000000017fffffff', 'hex') },
  { name: 'a handshake that is cut off', bytes: Buffer.from('0000000100000001000000020000', 'hex') },
]
for (const { name, bytes } of strangers) {
  test(`${name} ends the connection with one line in the log`, async () => {
    const lines: string[] = []
    const log = { debug() {}, info() {}, error() {}, warn: (line: string) => void lines.push(line), child: () => log }
    const listener = await listenRpc({ services: [collecting().service] }, { log })
    const client = await RawClient.connect(listener.port)
    client.write(bytes)
    assert.equal((await client.whenClosed()).length, 0)
    await listener.close()
    assert.equal(lines.length, 1)
    assert.match(lines[0] as string, /^closed the connection of 127\.0\.0\.1:\d+: /)
  })
}

test('a frame that is not complete in time ends the connection, however its bytes trickle', async () => {
  const clock = new ManualClock()
  const listener = await listenRpc({ services: [collecting().service], clock, frameMsMax: 1000 })
  const client = await RawClient.connect(listener.port)
  const whole = request({})
  client.write(whole.subarray(0, 20))
  await until(() => clock.timerCount === 1)
  await clock.advance(900)
  client.write(whole.subarray(20, 21))
  await until(() => clock.timerCount === 1)
  await clock.advance(200)
  assert.equal((await client.whenClosed()).length, 0)
  await listener.close()
})

test('a connection without a frame under way may be silent for as long as it likes', async () => {
  const clock = new ManualClock()
  const { service, events } = collecting()
  const listener = await listenRpc({ services: [service], clock, frameMsMax: 1000 })
  const client = await RawClient.connect(listener.port)
  await until(() => listener.connections === 1)
  await clock.advance(3_600_000)
  client.write(request({}))
  await until(() => events.length === 1)
  client.destroy()
  await listener.close()
})

test('connections above the limit are closed as they come', async () => {
  const listener = await listenRpc({ services: [collecting().service] }, { connectionsMax: 1 })
  const first = await RawClient.connect(listener.port)
  await until(() => listener.connections === 1)
  const second = await RawClient.connect(listener.port)
  await second.whenClosed()
  assert.equal(listener.connections, 1)
  first.destroy()
  await listener.close()
})

test("avsc's own client calls the server over its Netty framing", async () => {
  const { service, events } = collecting((batch) => (batch.count === 1 ? 'OK' : 'FAILED'))
  const listener = await listenRpc({ services: [service] })
  const raw = await RawClient.connect(listener.port)
  raw.socket.removeAllListeners('data')
  const avscService = avsc.Service.forProtocol(JSON.parse(avroSourceProtocol.text))
  const client = avscService.createClient()
  client.createChannel(raw.socket)
  const call = (bodies: string[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const events = bodies.map((body) => ({ headers: { from: 'avsc' }, body: Buffer.from(body) }))
      client.emitMessage('appendBatch', { events }, (error: Error | undefined, status: unknown) =>
        error ? reject(error) : resolve(status),
      )
    })
  assert.equal(await call(['one']), 'OK')
  assert.equal(await call(['two', 'three']), 'FAILED')
  assert.deepEqual(events[0], { headers: { from: 'avsc' }, body: 'one' })
  raw.destroy()
  await listener.close()
})
