import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { Receiver, type ReceiverInfo, SparkConf, StorageLevel } from '../../src/stream/api.ts'
import { LineSplitter } from '../../src/stream/lines.ts'
import { BlockGenerator } from '../../src/stream/receiver/block-generator.ts'
import { PidRateEstimator } from '../../src/stream/receiver/rate-estimator.ts'
import { RateLimiter } from '../../src/stream/receiver/rate-limiter.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { fc } from '../support/properties.ts'
import { StreamBench } from '../support/stream-bench.ts'

/** A receiver that does as the test says. */
class HandReceiver extends Receiver<string> {
  starts = 0
  stops = 0
  /** Thrown by the next starts, one each. */
  failures: Error[] = []
  lastWords: string | undefined

  constructor() {
    super(StorageLevel.MEMORY_ONLY)
  }

  onStart(): void {
    this.starts++
    const failure = this.failures.shift()
    if (failure) throw failure
  }

  onStop(): void {
    this.stops++
    if (this.lastWords !== undefined) void this.store(this.lastWords)
  }
}

function withReceiver(settings: Readonly<Record<string, string>> = {}): {
  bench: StreamBench
  receiver: HandReceiver
  seen: ReturnType<StreamBench['watch']>
  infos: ReceiverInfo[]
} {
  const bench = new StreamBench({ settings })
  const receiver = new HandReceiver()
  const seen = bench.watch(bench.ssc.receiverStream(receiver))
  const infos: ReceiverInfo[] = []
  bench.ssc.addStreamingListener({
    onReceiverStarted: ({ receiverInfo }) => infos.push(receiverInfo),
    onReceiverStopped: ({ receiverInfo }) => infos.push(receiverInfo),
    onReceiverError: ({ receiverInfo }) => infos.push(receiverInfo),
  })
  return { bench, receiver, seen, infos }
}

describe('blocks', () => {
  test('single records are cut into blocks at multiples of 200 ms; a block is a partition, an empty interval none (B100, B104)', async () => {
    const { bench, receiver, seen } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    await receiver.store('a')
    await receiver.store('b')
    await bench.clock.advance(400)
    await receiver.store('c')
    await bench.clock.advance(600)
    await bench.settled()
    await bench.batches(1)
    assert.deepEqual(seen, [
      { timeMs: 1000, items: ['a', 'b', 'c'], partitions: 2 },
      { timeMs: 2000, items: [], partitions: 0 },
    ])
    assert.equal(bench.completed[0]?.numRecords, 3)
  })

  test('a record stored between two batches is in the one that is generated next (B3, B103)', async () => {
    const { bench, receiver, seen } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    await receiver.storeMany(['early'])
    await bench.batches(1)
    await receiver.storeMany(['late'])
    await bench.batches(1)
    assert.deepEqual(
      seen.map((batch) => batch.items),
      [['early'], ['late']],
    )
  })

  test('storeMany makes one block at once and may overtake single records (B102)', async () => {
    const { bench, receiver, seen } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    await receiver.store('single')
    await receiver.storeMany(
      (async function* () {
        yield 'x'
        yield 'y'
      })(),
    )
    await receiver.storeMany(new Set(['z']))
    await bench.batches(1)
    assert.deepEqual(seen[0], { timeMs: 1000, items: ['x', 'y', 'z', 'single'], partitions: 3 })
  })

  test('a byte block is one record that counts as none (B102)', async () => {
    const { bench, receiver, seen } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    const bytes = Buffer.from('opaque') as unknown as string & Uint8Array
    await receiver.storeBytes(bytes)
    await bench.batches(1)
    assert.deepEqual(seen[0]?.items, [bytes])
    assert.equal(bench.completed[0]?.numRecords, 0)
  })

  test('maxRate lets that many records a second through (B108)', async () => {
    const { bench, receiver, seen } = withReceiver({ 'spark.streaming.receiver.maxRate': '10' })
    await using _ = bench
    await bench.ssc.start()
    await settle()
    let stored = 0
    const storing = (async () => {
      for (let i = 0; i < 25; i++) {
        await receiver.store(`${i}`)
        stored++
      }
    })()
    await bench.batches(3)
    await storing
    assert.equal(stored, 25)
    assert.deepEqual(
      seen.map((batch) => batch.items.length),
      [10, 10, 5],
    )
  })

  test('ten cut blocks may wait to be stored; then cutting waits, and with it who stores (B101)', async () => {
    const clock = new ManualClock()
    const stored: string[][] = []
    let release: () => void = () => undefined
    const generator = new BlockGenerator<string>({
      clock,
      limiter: new RateLimiter(clock),
      intervalMs: 200,
      queueMax: 10,
      store: (items) => {
        stored.push(items)
        return new Promise<void>((resolve) => (release = resolve))
      },
      onError: (error) => assert.fail(String(error)),
    })
    generator.start()
    // The first is being stored, ten wait, and the one after them stays in the buffer.
    for (let i = 0; i < 12; i++) {
      assert.equal(generator.push(`${i}`), undefined)
      await clock.advance(200)
    }
    let taken = false
    const pushing = generator.push('late')?.then(() => {
      taken = true
    })
    await settle()
    assert.deepEqual(stored, [['0']])
    assert.equal(taken, false)
    release()
    await pushing
    assert.equal(taken, true)
    const stopping = generator.stop()
    for (let i = 0; i < 12; i++) {
      await settle()
      release()
    }
    await stopping
    assert.deepEqual(
      stored.map((items) => items.join()),
      ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', 'late'],
    )
  })

  test('storing before the context has started is an error', async () => {
    const { bench, receiver } = withReceiver()
    await using _ = bench
    assert.equal(receiver.streamId, -1)
    assert.throws(() => receiver.store('x'), /before the receiver has been started/)
  })
})

describe('starting and stopping receivers', () => {
  test('restart stops, waits two seconds and starts again; what was buffered stays (B105)', async () => {
    const { bench, receiver, seen, infos } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    await receiver.store('before')
    receiver.restart('peer is gone', new Error('reset'))
    await bench.clock.advance(1999)
    assert.deepEqual([receiver.starts, receiver.stops], [1, 1])
    assert.equal(receiver.isStopped(), true)
    await bench.clock.advance(1)
    assert.deepEqual([receiver.starts, receiver.stops], [2, 1])
    await bench.settled()
    assert.deepEqual(
      infos.map((info) => [info.active, info.lastErrorMessage]),
      [
        [true, ''],
        [false, 'Restarting receiver with delay 2000ms: peer is gone'],
        [true, 'Restarting receiver with delay 2000ms: peer is gone'],
      ],
    )
    assert.equal(infos[0]?.name, 'HandReceiver-0')
    assert.match(infos[1]?.lastError ?? '', /reset/)
    assert.deepEqual(seen[0]?.items, ['before'])
  })

  test('a receiver that fails to start is started again after a growing pause (B106)', async () => {
    const { bench, receiver, infos } = withReceiver()
    await using _ = bench
    receiver.failures = [new Error('port is taken'), new Error('port is taken')]
    await bench.ssc.start()
    await settle()
    assert.equal(receiver.starts, 1)
    await bench.clock.advance(500)
    assert.equal(receiver.starts, 2)
    await bench.clock.advance(999)
    assert.equal(receiver.starts, 2)
    await bench.clock.advance(1)
    assert.equal(receiver.starts, 3)
    assert.equal(receiver.isStarted(), true)
    assert.equal(infos[0]?.lastErrorMessage, 'Error starting receiver 0')
  })

  test('a receiver that stops itself is started again (B106)', async () => {
    const { bench, receiver } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    receiver.stop('enough')
    await bench.clock.advance(500)
    assert.deepEqual([receiver.starts, receiver.stops], [2, 1])
  })

  test('reportError only informs (B107)', async () => {
    const { bench, receiver, infos } = withReceiver()
    await using _ = bench
    await bench.ssc.start()
    await settle()
    receiver.reportError('odd line', new Error('line 3'))
    await settle()
    assert.deepEqual([receiver.starts, receiver.stops], [1, 0])
    assert.equal(infos.at(-1)?.lastErrorMessage, 'odd line')
  })

  test('a graceful stop works off all that was received, what onStop stores included (B127)', async () => {
    const { bench, receiver, seen } = withReceiver()
    receiver.lastWords = 'goodbye'
    await bench.ssc.start()
    await settle()
    await bench.batches(1)
    await receiver.store('unfinished')
    const stopping = bench.ssc.stop({ graceful: true })
    await bench.clock.advance(1000)
    await stopping
    assert.deepEqual(
      seen.map((batch) => batch.items),
      [[], ['unfinished', 'goodbye']],
    )
    assert.equal(receiver.stops, 1)
  })

  test('a graceful stop with nothing left over ends at once, without another batch', async () => {
    const { bench } = withReceiver()
    await bench.ssc.start()
    await bench.batches(1)
    await bench.ssc.stop({ graceful: true })
    assert.equal(bench.ssc.getState(), 'STOPPED')
    assert.equal(bench.completed.length, 1)
  })
})

/** A receiver whose whole work is done by `work`, which `onStart` waits for. */
class LoopReceiver extends Receiver<string> {
  readonly work: (receiver: LoopReceiver) => Promise<void>
  stops = 0
  onStopped: () => void | Promise<void> = () => undefined

  constructor(work: (receiver: LoopReceiver) => Promise<void>) {
    super(StorageLevel.MEMORY_ONLY)
    this.work = work
  }

  onStart(): Promise<void> {
    return this.work(this)
  }

  onStop(): void | Promise<void> {
    this.stops++
    return this.onStopped()
  }
}

describe('receivers that do not do as they should', () => {
  test('a loop in onStart that awaits each record lets batches through, and ends with the context', async () => {
    await using bench = new StreamBench()
    let stored = 0
    const receiver = new LoopReceiver(async (self) => {
      while (!self.isStopped()) {
        await self.store('x')
        stored++
      }
    })
    const seen = bench.watch(bench.ssc.receiverStream(receiver).count())
    await bench.ssc.start()
    await bench.batches(2)
    const stopping = bench.ssc.stop({ graceful: true })
    await bench.clock.advance(1000)
    await stopping
    assert.equal(receiver.stops, 1)
    assert.ok(stored > 0)
    assert.equal(
      seen.reduce((sum, { items }) => sum + (items[0] as number), 0),
      stored,
      'what was stored was worked off',
    )
  })

  test('an onStart that never ends is left after two seconds, and what it throws later is told', async () => {
    await using bench = new StreamBench()
    let fail: (error: Error) => void = () => undefined
    const receiver = new LoopReceiver(
      () =>
        new Promise((_, reject) => {
          fail = reject
        }),
    )
    const told: string[] = []
    bench.watch(bench.ssc.receiverStream(receiver))
    bench.ssc.addStreamingListener({ onReceiverError: ({ receiverInfo }) => void told.push(receiverInfo.lastError) })
    receiver.onStopped = () => fail(new Error('cut off'))
    await bench.ssc.start()
    await bench.batches(1)
    const stopping = bench.ssc.stop({ graceful: true })
    await bench.clock.advance(1999)
    assert.equal(receiver.stops, 0)
    await bench.clock.advance(1)
    await stopping
    assert.equal(receiver.stops, 1)
    assert.match(told.join(), /cut off/)
  })

  test('an onStop that never ends holds a graceful stop up to its limit, and what was stored is worked off', async () => {
    await using bench = new StreamBench({ settings: { 'spark.streaming.gracefulStopTimeout': '3s' } })
    const receiver = new LoopReceiver(() => Promise.resolve())
    receiver.onStopped = () => new Promise(() => undefined)
    const seen = bench.watch(bench.ssc.receiverStream(receiver))
    await bench.ssc.start()
    await bench.batches(1)
    await receiver.store('last')
    const stopping = bench.ssc.stop({ graceful: true })
    await bench.clock.advance(3000)
    await bench.clock.advance(1000)
    await stopping
    assert.deepEqual(
      seen.flatMap(({ items }) => items),
      ['last'],
    )
  })
})

describe('the beginning and the end', () => {
  test('receivers are started before the first batch, and one that waits to start again stays stopped (B109)', async () => {
    const { bench, receiver } = withReceiver()
    let startsAtFirstBatch = 0
    bench.queue([1]).foreachRDD(() => {
      startsAtFirstBatch = receiver.starts
    })
    await bench.ssc.start()
    await bench.batches(1)
    assert.equal(startsAtFirstBatch, 1)
    receiver.restart('peer is gone')
    await settle()
    const stopping = bench.ssc.stop()
    await bench.clock.advance(20_000)
    await stopping
    assert.deepEqual([receiver.starts, receiver.stops], [1, 1])
    assert.equal(receiver.isStopped(), true)
  })
})

describe('rates', () => {
  test('before the first estimate the initial rate holds, capped by the greatest (B112)', async () => {
    for (const { maxRate, first } of [
      { maxRate: '100', first: 20 },
      { maxRate: '5', first: 5 },
    ]) {
      const { bench, receiver, seen } = withReceiver({
        'spark.streaming.backpressure.enabled': 'true',
        'spark.streaming.backpressure.initialRate': '20',
        'spark.streaming.receiver.maxRate': maxRate,
      })
      await using _ = bench
      await bench.ssc.start()
      await settle()
      void (async () => {
        for (let i = 0; i < 200; i++) await receiver.store(`${i}`)
      })()
      await bench.batches(1)
      assert.equal(seen[0]?.items.length, first)
    }
  })

  test('the limiter spreads permits evenly and keeps those of one idle second (B108)', async () => {
    const clock = new ManualClock()
    const limiter = new RateLimiter(clock, 10, 20)
    const waits: number[] = []
    const take = async (): Promise<void> => {
      const before = clock.now()
      await limiter.acquire()
      waits.push(clock.now() - before)
    }
    assert.equal(limiter.acquire(), undefined)
    const second = take()
    await clock.advance(1000)
    await second
    assert.deepEqual(waits, [100])
    await clock.advance(60_000)
    let burst = 0
    while (limiter.acquire() === undefined) burst++
    assert.equal(burst, 11)
    limiter.update(1000)
    assert.equal(limiter.rate, 20)
    limiter.update(0)
    assert.equal(limiter.rate, 20)
  })

  test('the PID estimator says nothing for the first batch and for empty ones, then follows its formula (B110–B112)', () => {
    const pid = new PidRateEstimator(new SparkConf(false), 1000)
    assert.equal(pid.compute(1000, 0, 500, 0), undefined)
    assert.equal(pid.compute(1000, 1000, 500, 0), undefined)
    assert.equal(pid.compute(1000, 1000, 500, 0), undefined)
    // P = 1000 a second, error = 2000 - 1000, history = 100 · 1000 / 1000.
    assert.equal(pid.compute(2000, 1000, 1000, 100), 2000 - 1000 - 20)
    assert.equal(pid.compute(3000, 1, 1000, 5000), 100)
  })

  test('back-pressure sets the rate of the receiver from the batches (B111)', async () => {
    const { bench, receiver } = withReceiver({
      'spark.streaming.backpressure.enabled': 'true',
      'spark.streaming.backpressure.pid.minRate': '5',
    })
    await using _ = bench
    bench.ssc.receiverStream(new HandReceiver())
    await bench.ssc.start()
    await settle()
    // On this clock work takes no time, so nothing is ever published and nothing is held back.
    for (let i = 0; i < 50; i++) assert.equal(await receiver.store('x'), undefined)
    await bench.batches(2)
    assert.equal(bench.completed[0]?.numRecords, 50)
  })

  for (const { settings, message } of [
    { settings: { 'spark.streaming.blockInterval': '0' }, message: /blockInterval/ },
    {
      settings: {
        'spark.streaming.backpressure.enabled': 'true',
        'spark.streaming.backpressure.rateEstimator': 'bayes',
      },
      message: /Unknown rate estimator: bayes/,
    },
    {
      settings: { 'spark.streaming.backpressure.enabled': 'true', 'spark.streaming.backpressure.pid.minRate': '0' },
      message: /Minimum rate/,
    },
  ]) {
    test(`${JSON.stringify(settings)} is refused at the start (B114)`, async () => {
      const { bench } = withReceiver(settings)
      await using _ = bench
      assert.throws(() => bench.ssc.start(), message)
      assert.equal(bench.ssc.getState(), 'STOPPED')
    })
  }
})

describe('lines', () => {
  for (const { chunks, lines } of [
    { chunks: ['a\nb\n'], lines: ['a', 'b'] },
    { chunks: ['a\r\nb\rc\n'], lines: ['a', 'b', 'c'] },
    { chunks: ['a\r', '\nb'], lines: ['a', 'b'] },
    { chunks: ['a\r', 'b\n'], lines: ['a', 'b'] },
    { chunks: ['a', 'b', 'c\n\n'], lines: ['abc', ''] },
    { chunks: ['\r', '\n', '\n'], lines: ['', ''] },
    { chunks: ['last'], lines: ['last'] },
    { chunks: [''], lines: [] },
  ]) {
    test(`${JSON.stringify(chunks)} are the lines ${JSON.stringify(lines)} (B90)`, () => {
      const splitter = new LineSplitter()
      const found = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)))
      assert.deepEqual([...found, ...splitter.end()], lines)
    })
  }

  test('characters torn by chunks are whole again, bad bytes are replaced (B90)', () => {
    const splitter = new LineSplitter()
    const bytes = Buffer.concat([Buffer.from('é'), Buffer.from([0xff]), Buffer.from('\n')])
    const found = [...bytes].flatMap((byte) => splitter.push(Buffer.from([byte])))
    assert.deepEqual(found, ['é\ufffd'])
  })

  test('whatever the bytes and wherever they are cut, they are the lines of the whole (B90)', () => {
    const piece = fc.constantFrom('a', '\n', '\r', '\r\n', 'é', '€', '😀', 'more than a few characters')
    const bytes = fc
      .array(fc.oneof({ weight: 8, arbitrary: piece }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3 }) }))
      .map((pieces) => Buffer.concat(pieces.map((each) => Buffer.from(each))))
    fc.assert(
      fc.property(bytes, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (whole, sizes) => {
        const splitter = new LineSplitter()
        const found: string[] = []
        for (let at = 0, i = 0; at < whole.length; i++) {
          const end = at + (sizes[i % sizes.length] as number)
          found.push(...splitter.push(whole.subarray(at, end)))
          at = end
        }
        const expected = whole.toString('utf8').split(/\r\n|\r|\n/)
        if (expected.at(-1) === '') expected.pop()
        assert.deepEqual([...found, ...splitter.end()], expected)
      }),
    )
  })

  test('a line of many pieces is put together once', () => {
    const splitter = new LineSplitter()
    const piece = Buffer.from('é'.repeat(32_768))
    for (let i = 0; i < 400; i++) assert.deepEqual(splitter.push(piece), [])
    assert.deepEqual(
      splitter.push(Buffer.from('\n')).map((line) => line.length),
      [400 * 32_768],
    )
    assert.deepEqual(splitter.end(), [])
  })
})

describe('the socket stream', () => {
  async function serve(): Promise<{ port: number; peers: Socket[]; close(): Promise<void> }> {
    const peers: Socket[] = []
    const server: Server = createServer((socket) => void peers.push(socket.on('error', () => undefined)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      port: (server.address() as { port: number }).port,
      peers,
      close: () => {
        for (const peer of peers) peer.destroy()
        return new Promise((resolve) => server.close(() => resolve()))
      },
    }
  }

  test('reads lines, connects again two seconds after the end, and keeps a last line without end (B90)', async () => {
    const server = await serve()
    await using bench = new StreamBench()
    const seen = bench.watch(bench.ssc.socketTextStream('127.0.0.1', server.port))
    const errors: string[] = []
    bench.ssc.addStreamingListener({
      onReceiverStopped: ({ receiverInfo }) => errors.push(receiverInfo.lastErrorMessage),
    })
    await bench.ssc.start()
    await bench.until(() => server.peers.length === 1)
    server.peers[0]?.end('one\r\ntwo\nlast')
    await bench.until(() => errors.length === 1)
    assert.deepEqual(errors, ['Restarting receiver with delay 2000ms: Socket data stream had no more data'])
    await bench.batches(2)
    assert.deepEqual(seen[0]?.items, ['one', 'two', 'last'])
    await bench.until(() => server.peers.length === 2)
    await server.close()
  })

  test('a converter makes records of the bytes, also of several in one chunk', async () => {
    const server = await serve()
    await using bench = new StreamBench()
    const seen = bench.watch(
      bench.ssc.socketStream('127.0.0.1', server.port, async function* (chunks) {
        for await (const chunk of chunks) for (const byte of chunk) yield byte
      }),
    )
    await bench.ssc.start()
    await bench.until(() => server.peers.length === 1)
    server.peers[0]?.write(Buffer.from([1, 2, 3]))
    await bench.batchesUntil(() => seen.flatMap((batch) => batch.items).length >= 3)
    assert.deepEqual(
      seen.flatMap((batch) => batch.items),
      [1, 2, 3],
    )
    await server.close()
  })

  test('rawSocketStream makes a block of each frame, torn or together; one without measure ends its connection', async () => {
    const server = await serve()
    await using bench = new StreamBench()
    const seen = bench.watch(bench.ssc.rawSocketStream('127.0.0.1', server.port))
    const errors: string[] = []
    bench.ssc.addStreamingListener({
      onReceiverStopped: ({ receiverInfo }) =>
        errors.push(`${receiverInfo.lastErrorMessage} ${receiverInfo.lastError}`),
    })
    await bench.ssc.start()
    await bench.until(() => server.peers.length === 1)
    const frame = (text: string): Buffer => {
      const head = Buffer.alloc(4)
      head.writeUInt32BE(Buffer.byteLength(text))
      return Buffer.concat([head, Buffer.from(text)])
    }
    const bytes = Buffer.concat([frame('one'), frame(''), frame('three'), frame('x'.repeat(100_000))])
    for (let at = 0; at < 12; at++) {
      server.peers[0]?.write(bytes.subarray(at, at + 1))
      await new Promise((resolve) => setImmediate(resolve))
    }
    server.peers[0]?.write(bytes.subarray(12))
    const texts = (): string[] => seen.flatMap(({ items }) => items.map((item) => item.toString()))
    await bench.batchesUntil(() => texts().length >= 4)
    assert.deepEqual(texts(), ['one', '', 'three', 'x'.repeat(100_000)])
    assert.equal(
      seen.reduce((sum, { partitions }) => sum + partitions, 0),
      4,
    )
    server.peers[0]?.write(Buffer.from([0xff, 0, 0, 0]))
    await bench.until(() => errors.length === 1)
    assert.match(errors[0] ?? '', /Error receiving data[\s\S]*a frame claims 4278190080 bytes/)
    await server.close()
  })

  test('a refused connection is told and tried again (B90)', async () => {
    const server = await serve()
    await server.close()
    await using bench = new StreamBench()
    bench.watch(bench.ssc.socketTextStream('127.0.0.1', server.port))
    const errors: string[] = []
    bench.ssc.addStreamingListener({
      onReceiverStopped: ({ receiverInfo }) => errors.push(receiverInfo.lastErrorMessage),
    })
    await bench.ssc.start()
    await bench.until(() => errors.length === 1)
    assert.equal(errors[0], `Restarting receiver with delay 2000ms: Error connecting to 127.0.0.1:${server.port}`)
  })
})
