import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { describe, test } from 'node:test'
import type { SparkEventBatch } from '../../src/codec/sparksink.ts'
import { systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { silentLogger } from '../../src/monitor/logger.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'
import { askForPort } from '../../src/net/avro-rpc/port-service.ts'
import { RpcServer } from '../../src/net/avro-rpc/server.ts'
import { sparkService } from '../../src/net/avro-rpc/spark-service.ts'
import { TcpListener } from '../../src/net/tcp-listener.ts'
import { DStream, FlumeSource, FlumeUtils, SparkFlumeEvent, StorageLevel } from '../../src/stream/api.ts'
import type { FlumeReceiver } from '../../src/stream/receiver/flume-push.ts'
import { settle } from '../../src/testing/manual-clock.ts'
import { freePort } from '../support/free-port.ts'
import { StreamBench } from '../support/stream-bench.ts'
import { until } from '../support/until.ts'

/** A Spark sink on a real port: hands out what the test gives it, and remembers the answers. */
class FakeSink {
  readonly acked: string[] = []
  readonly nacked: string[] = []
  asked = 0
  #waiting: SparkEventBatch[] = []
  #wake: (() => void) | undefined
  #sequence = 0
  #listener: TcpListener | undefined

  async open(port: number): Promise<number> {
    const rpc = new RpcServer({
      clock: systemClock,
      services: [
        sparkService({
          getEventBatch: async (_max, caller) => {
            this.asked++
            while (this.#waiting.length === 0 && !caller.signal.aborted) {
              await new Promise<void>((resolve) => {
                this.#wake = resolve
                caller.signal.addEventListener('abort', () => resolve(), { once: true })
              })
            }
            return this.#waiting.shift() ?? { errorMessage: 'gone', sequenceNumber: '', events: EventBatch.empty }
          },
          // An acknowledgement of nothing is a greeting.
          ack: async (sequenceNumber) => void (sequenceNumber !== '' && this.acked.push(sequenceNumber)),
          nack: async (sequenceNumber) => void this.nacked.push(sequenceNumber),
        }),
      ],
    })
    this.#listener = await TcpListener.open({
      host: '127.0.0.1',
      port,
      clock: systemClock,
      log: silentLogger,
      serve: (wire, peer, signal) => rpc.serve(wire, peer, signal),
    })
    return this.#listener.port
  }

  give(...bodies: string[]): void {
    this.#push({
      errorMessage: '',
      sequenceNumber: `s${++this.#sequence}`,
      events: EventBatch.of(bodies.map((body) => ({ body }))),
    })
  }

  fail(errorMessage: string): void {
    this.#push({ errorMessage, sequenceNumber: '', events: EventBatch.empty })
  }

  #push(batch: SparkEventBatch): void {
    this.#waiting.push(batch)
    this.#wake?.()
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }
}

/** The bodies of every event a stream has shown. */
function watchBodies(stream: DStream<SparkFlumeEvent>): string[] {
  const bodies: string[] = []
  stream.foreachRDD((rdd) => rdd.foreach((event) => void bodies.push(event.bodyAsString())))
  return bodies
}

/** Sends text and answers all that comes back until the peer has answered `answers` lines. */
function sendText(port: number, text: string, answers: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
      if (answer.split('\n').length > answers) socket.end()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

describe('SparkFlumeEvent', () => {
  const batch = EventBatch.of([{ body: 'plain' }, { body: 'héllo', headers: { host: 'a', n: '1' } }])

  test('prints its body, after its headers as JSON when there are any', () => {
    assert.equal(String(new SparkFlumeEvent(batch, 0)), 'plain')
    assert.equal(String(new SparkFlumeEvent(batch, 1)), '{"host":"a","n":"1"} héllo')
  })

  test('has headers, body and body as text', () => {
    const event = new SparkFlumeEvent(batch, 1)
    assert.deepEqual(event.headers, { host: 'a', n: '1' })
    assert.ok(Buffer.isBuffer(event.body))
    assert.equal(event.bodyAsString(), 'héllo')
    assert.equal(event.bodyAsString('latin1'), Buffer.from('héllo').toString('latin1'))
  })
})

describe('FlumeUtils.createStream', () => {
  for (const deflated of [false, true]) {
    test(`takes what an Avro sink sends${deflated ? ', deflated' : ''}, and answers OK once it is buffered`, async () => {
      await using bench = new StreamBench()
      const stream = FlumeUtils.createStream(bench.ssc, '127.0.0.1', 0, StorageLevel.MEMORY_ONLY, deflated)
      const bodies = watchBodies(stream)
      await bench.ssc.start()
      const receiver = stream.getReceiver() as FlumeReceiver
      await bench.until(() => receiver.isStarted())
      const client = await FlumeClient.connect({
        host: '127.0.0.1',
        port: receiver.port as number,
        clock: systemClock,
        ...(deflated && { deflateLevel: 6 }),
      })
      assert.equal(
        await client.appendBatch(EventBatch.of([{ body: 'one' }, { body: 'two', headers: { a: 'b' } }])),
        'OK',
      )
      assert.equal(await client.append(EventBatch.of([{ body: 'three' }])), 'OK')
      await client.close()
      await bench.batches(1)
      assert.deepEqual(bodies, ['one', 'two', 'three'])
      assert.equal(bench.completed[0]?.numRecords, 3)
    })
  }

  test('a port that is taken is tried again until it is free', async () => {
    const holder = new FakeSink()
    const port = await holder.open(0)
    await using bench = new StreamBench()
    const stream = FlumeUtils.createStream(bench.ssc, '127.0.0.1', port)
    const errors: string[] = []
    bench.ssc.addStreamingListener({
      onReceiverError: ({ receiverInfo }) => errors.push(receiverInfo.lastErrorMessage),
    })
    watchBodies(stream)
    await bench.ssc.start()
    await bench.until(() => errors.length === 1)
    await holder.close()
    await bench.clock.advance(500)
    await bench.until(() => stream.getReceiver().isStarted())
    assert.deepEqual(errors, ['Error starting receiver 0'])
  })
})

describe('FlumeUtils.createPollingStream', () => {
  test('stores each batch as one block, then acknowledges it; error batches are neither acknowledged nor given back', async () => {
    const sink = new FakeSink()
    const port = await sink.open(0)
    await using bench = new StreamBench()
    const stream = FlumeUtils.createPollingStream(bench.ssc, '127.0.0.1', port)
    const bodies = watchBodies(stream)
    const partitions: number[] = []
    stream.foreachRDD((rdd) => void partitions.push(rdd.getNumPartitions()))
    await bench.ssc.start()
    sink.give('a', 'b')
    sink.give('c')
    sink.fail('channel is closed')
    await bench.until(() => sink.acked.length === 2 && sink.asked === 3)
    await bench.until(() => bench.ssc.progress.receivers.some((info) => /Error polling/.test(info.lastErrorMessage)))
    await bench.batches(1)
    sink.give('d')
    await bench.until(() => sink.acked.length === 3)
    await bench.batches(1)
    assert.deepEqual(bodies, ['a', 'b', 'c', 'd'])
    assert.deepEqual(partitions, [2, 1])
    assert.deepEqual(sink.acked, ['s1', 's2', 's3'])
    assert.deepEqual(sink.nacked, [])
    await bench.ssc.stop()
    await sink.close()
  })

  test('pulls from several sinks, and goes on with those that answer', async () => {
    const [one, two] = [new FakeSink(), new FakeSink()]
    const ports = [await one.open(0), await two.open(0), await freePort()]
    await using bench = new StreamBench()
    const stream = FlumeUtils.createPollingStream(
      bench.ssc,
      ports.map((port) => ({ host: '127.0.0.1', port })),
      StorageLevel.MEMORY_ONLY,
      10,
      3,
    )
    const bodies = watchBodies(stream)
    await bench.ssc.start()
    one.give('one')
    two.give('two')
    await bench.until(() => one.acked.length + two.acked.length === 2)
    await bench.batches(1)
    assert.deepEqual(bodies.sort(), ['one', 'two'])
    await bench.ssc.stop()
    await Promise.all([one.close(), two.close()])
  })
})

describe('FlumeSource', () => {
  test('subscribes to the agent that answers, and to the one that comes after it, without ever taking its port', async () => {
    const agent = new FakeSink()
    const port = await agent.open(0)
    await using bench = new StreamBench()
    const bodies = watchBodies(new DStream(bench.ssc, new FlumeSource(bench.ssc, '127.0.0.1', port)))
    await bench.ssc.start()
    agent.give('first')
    await bench.until(() => agent.acked.length === 1)
    await agent.close()
    await bench.batchesUntil(() => bodies.length === 1)
    // The agent is away: several tries are refused, and the port stays free for it.
    for (let i = 0; i < 5; i++) {
      await settle()
      await bench.clock.advance(5000)
    }
    const again = new FakeSink()
    assert.equal(await again.open(port), port)
    again.give('second')
    await bench.batchesUntil(() => bodies.length === 2)
    assert.deepEqual(bodies, ['first', 'second'])
    await bench.ssc.stop()
    await again.close()
  })

  test('listens itself when nobody answers: text with acknowledgements, and Avro, on one port', async () => {
    const port = await freePort()
    await using bench = new StreamBench()
    const bodies = watchBodies(new DStream(bench.ssc, new FlumeSource(bench.ssc, 'localhost', port)))
    await bench.ssc.start()
    let answer: string | undefined
    await until(async () => {
      answer = await sendText(port, 'one\ntwo\n', 2).catch(() => undefined)
      return answer !== undefined
    }, 'somebody who listens')
    assert.equal(answer, 'OK\nOK\n')
    const client = await FlumeClient.connect({ host: '127.0.0.1', port, clock: systemClock })
    assert.equal(await client.appendBatch(EventBatch.of([{ body: 'three' }])), 'OK')
    await client.close()
    await bench.batches(1)
    assert.deepEqual(bodies, ['one', 'two', 'three'])
    await bench.ssc.stop()
    await assert.rejects(sendText(port, 'x\n', 1), 'the port is free again after the stop')
  })

  test('hands the port over to an agent that starts later, and subscribes to it', async () => {
    const port = await freePort()
    await using bench = new StreamBench()
    const bodies = watchBodies(new DStream(bench.ssc, new FlumeSource(bench.ssc, 'localhost', port)))
    await bench.ssc.start()
    const answerOf = (text: string) => sendText(port, text, 1).catch(() => undefined)
    let answer = await answerOf('to the job\n')
    while (answer === undefined) {
      await settle()
      answer = await answerOf('to the job\n')
    }
    assert.equal(await askForPort('localhost', port, systemClock), true)
    const agent = new FakeSink()
    const opened = () => agent.open(port).then(Boolean, () => false)
    while (!(await opened())) await settle()
    agent.give('to the agent')
    await bench.batchesUntil(() => bodies.length === 2)
    // A block of an agent may overtake single lines that are still in the buffer (B102).
    assert.deepEqual(bodies.toSorted(), ['to the agent', 'to the job'])
    assert.equal(await askForPort('localhost', port, systemClock), false, 'an agent keeps its port')
    await bench.ssc.stop()
    await agent.close()
  })

  test('lines torn into pieces are put together, a line without limit ends its connection', async () => {
    const port = await freePort()
    await using bench = new StreamBench()
    const bodies = watchBodies(new DStream(bench.ssc, new FlumeSource(bench.ssc, '127.0.0.1', port)))
    await bench.ssc.start()
    const socket = await new Promise<import('node:net').Socket>((resolve) => {
      const attempt = (): void => {
        const trial = connect(port, '127.0.0.1', () => resolve(trial))
        trial.once('error', () => setTimeout(attempt, 2))
      }
      attempt()
    })
    const answered = (): Promise<unknown> => new Promise((resolve) => socket.once('data', resolve))
    socket.write('on')
    await new Promise((resolve) => setTimeout(resolve, 5))
    let answer = answered()
    socket.write('e\n\ntw')
    await answer
    answer = answered()
    socket.write('o\n')
    await answer
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(Buffer.alloc(2 * 1024 * 1024, 'x'))
    await bench.batches(1)
    await until(async () => {
      await bench.clock.advance(1000)
      return socket.destroyed
    }, 'the end of the connection')
    await closed
    await bench.batches(1)
    assert.deepEqual(bodies, ['one', '', 'two'])
  })

  for (const { name, answer, error } of [
    {
      name: 'that talks something else',
      answer: 'HTTP/1.1 400 Bad Request\r\n\r\n',
      error: /lost the|no agent to subscribe to/,
    },
    { name: 'that says nothing', answer: undefined, error: /no agent to subscribe to/ },
  ]) {
    test(`a peer ${name} is told and left, and its port is not taken`, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined)
        socket.once('data', () => (answer === undefined ? undefined : socket.end(answer)))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      await using bench = new StreamBench()
      watchBodies(new DStream(bench.ssc, new FlumeSource(bench.ssc, '127.0.0.1', port)))
      const errors: string[] = []
      bench.ssc.addStreamingListener({
        onReceiverError: ({ receiverInfo }) => errors.push(receiverInfo.lastErrorMessage),
      })
      await bench.ssc.start()
      await until(async () => {
        await bench.clock.advance(5000)
        return errors.length > 0
      }, 'an error')
      assert.match(errors[0] ?? '', error)
      await bench.ssc.stop()
      await new Promise((resolve) => server.close(resolve))
    })
  }

  test('a host that is not this machine is tried again with growing pauses, and that is said', async () => {
    await using bench = new StreamBench()
    const bodies = watchBodies(new DStream(bench.ssc, new FlumeSource(bench.ssc, 'no-such-host.invalid', 44444)))
    const errors: string[] = []
    bench.ssc.addStreamingListener({
      onReceiverError: ({ receiverInfo }) => errors.push(receiverInfo.lastErrorMessage),
    })
    await bench.ssc.start()
    await bench.until(() => errors.length === 1)
    await bench.clock.advance(500)
    await bench.until(() => errors.length === 2)
    assert.deepEqual(errors, [
      'no agent to subscribe to at no-such-host.invalid:44444; next try in 500 ms',
      'no agent to subscribe to at no-such-host.invalid:44444; next try in 1000 ms',
    ])
    assert.deepEqual(bodies, [])
  })

  for (const port of [-1, 70_000, 1.5]) {
    test(`port ${port} is refused`, async () => {
      await using bench = new StreamBench()
      assert.throws(() => new FlumeSource(bench.ssc, 'localhost', port), /port must be from 0 to 65535/)
    })
  }
})
