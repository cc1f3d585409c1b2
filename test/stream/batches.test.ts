import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type BatchInfo,
  InputDStream,
  Milliseconds,
  type RDD,
  Seconds,
  SparkConf,
  StreamingContext,
  Time,
} from '../../src/stream/api.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { StreamBench } from '../support/stream-bench.ts'

describe('the batch clock', () => {
  for (const { startMs, firstMs } of [
    { startMs: 0, firstMs: 1000 },
    { startMs: 999, firstMs: 1000 },
    { startMs: 5000, firstMs: 6000 },
    { startMs: 5001, firstMs: 6000 },
  ]) {
    test(`started at ${startMs}, the first batch of 1000 ms is at ${firstMs} (B1, B2)`, async () => {
      await using bench = new StreamBench({ startMs })
      const seen = bench.watch(bench.queue<number>())
      void bench.ssc.start()
      await bench.batches(2)
      assert.deepEqual(
        seen.map((batch) => batch.timeMs),
        [firstMs, firstMs + 1000],
      )
    })
  }

  test('a clock that jumps gives every batch it passed, in order, with its own time (B4, B5)', async () => {
    await using bench = new StreamBench()
    const seen = bench.watch(bench.queue([1], [2], [3]))
    void bench.ssc.start()
    // One wake-up, three batches late.
    bench.clock.after(3500, () => undefined)
    const late = bench.clock.advance(3500)
    await late
    await bench.settled()
    assert.deepEqual(
      seen.map(({ timeMs, items }) => [timeMs, items]),
      [
        [1000, [1]],
        [2000, [2]],
        [3000, [3]],
      ],
    )
  })

  test('a batch that takes longer than the interval delays the next, and none is lost (B41, B43)', async () => {
    await using bench = new StreamBench()
    const order: string[] = []
    let release: () => void = () => undefined
    bench.queue([1], [2], [3]).foreachRDD(async (rdd, time) => {
      order.push(`start ${time.milliseconds} ${await rdd.collect()}`)
      if (time.milliseconds === 1000) await new Promise<void>((resolve) => (release = resolve))
      order.push(`end ${time.milliseconds}`)
    })
    void bench.ssc.start()
    await bench.clock.advance(3000)
    assert.deepEqual(order, ['start 1000 1'])
    assert.equal(bench.ssc.progress.waiting.length, 2)
    release()
    await bench.settled()
    assert.deepEqual(order, ['start 1000 1', 'end 1000', 'start 2000 2', 'end 2000', 'start 3000 3', 'end 3000'])
    assert.equal(bench.completed[1]?.schedulingDelay, 1000)
  })

  test('concurrentJobs lets operations of one batch, and batches, overlap (B42)', async () => {
    await using bench = new StreamBench({ settings: { 'spark.streaming.concurrentJobs': '2' } })
    let running = 0
    let most = 0
    const stream = bench.queue([1], [2])
    for (let i = 0; i < 3; i++) {
      stream.foreachRDD(async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setImmediate(resolve))
        running--
      })
    }
    void bench.ssc.start()
    await bench.batches(2)
    assert.equal(most, 2)
  })
})

describe('one data set per stream and batch', () => {
  test('an input has the beat of the batches, what follows a stream has its beat, and a window its own (B6, B7)', async () => {
    await using bench = new StreamBench()
    const input = bench.queue([1])
    const mapped = input.map((x) => x)
    const window = mapped.window(Seconds(4), Seconds(2))
    const behind = window.map((x) => [x, x]).reduceByKey((a, b) => a + b)
    assert.deepEqual(
      [input, mapped, window, behind, behind.join(behind)].map((stream) => stream.slideDuration.milliseconds),
      [1000, 1000, 2000, 2000, 2000],
    )
    const seen = bench.watch(behind)
    void bench.ssc.start()
    await bench.batches(5)
    assert.deepEqual(
      seen.map(({ timeMs }) => timeMs),
      [2000, 4000],
    )
    assert.deepEqual(await window.slice(new Time(0), new Time(1999)), [], 'nothing exists at zero time')
  })

  test('two children of a stream see the same RDD object (B9)', async () => {
    await using bench = new StreamBench()
    const stream = bench.queue([1]).map((x) => x)
    const rdds: RDD<number>[] = []
    stream.foreachRDD((rdd) => void rdds.push(rdd))
    stream.transform((rdd) => rdd).foreachRDD((rdd) => void rdds.push(rdd))
    void bench.ssc.start()
    await bench.batches(1)
    assert.equal(rdds.length, 2)
    assert.equal(rdds[0], rdds[1])
  })

  test('an input that no output operation reaches is started and never computed (B38)', async () => {
    await using bench = new StreamBench()
    const queue = [bench.sc.parallelize([1])]
    bench.ssc.queueStream(queue)
    bench.watch(bench.queue([2]))
    void bench.ssc.start()
    await bench.batches(2)
    assert.equal(queue.length, 1)
  })

  test('output operations behind a slide run in its batches only, and other batches go untold (B8)', async () => {
    await using bench = new StreamBench()
    const seen = bench.watch(bench.queue([1], [2], [3], [4]).window(Seconds(2), Seconds(2)))
    void bench.ssc.start()
    await bench.batches(4)
    assert.deepEqual(
      seen.map((batch) => batch.timeMs),
      [2000, 4000],
    )
    assert.deepEqual(
      bench.completed.map((info) => info.batchTime.milliseconds),
      [2000, 4000],
    )
  })
})

describe('jobs', () => {
  test('the line about the total delay counts from the batch time, the delay of a BatchInfo from its submission (B44)', async () => {
    const clock = new ManualClock(0)
    const logger = new RecordingLogger()
    const ssc = new StreamingContext(new SparkConf(false).setAppName('delays').setMaster('local[1]'), Seconds(1), {
      clock,
      logger,
    })
    ssc.sparkContext.setLogLevel('DEBUG')
    const delays: (number | undefined)[][] = []
    ssc.addStreamingListener({
      onBatchCompleted: ({ batchInfo }) =>
        delays.push([batchInfo.schedulingDelay, batchInfo.processingDelay, batchInfo.totalDelay]),
    })
    let ready: () => void = () => undefined
    let release: () => void = () => undefined
    const slow = ssc.queueStream([ssc.sparkContext.parallelize([1])]).transform(async (rdd) => {
      await new Promise<void>((resolve) => (ready = resolve))
      return rdd
    })
    slow.foreachRDD(() => new Promise<void>((resolve) => (release = resolve)))
    await ssc.start()
    await clock.advance(1000)
    await clock.advance(300)
    ready()
    await settle()
    await clock.advance(200)
    release()
    await settle()
    const stopping = ssc.stop()
    await clock.advance(20_000)
    await stopping
    // Generated 300 ms late, run for 200 ms.
    assert.deepEqual(delays[0], [0, 200, 200])
    assert.ok(
      logger.lines.includes('debug: Total delay: 0.5 s for time 1000 ms (execution: 0.2 s)'),
      String(logger.lines),
    )
  })

  test('settings are read when the context is made and started; changing them later does nothing (B153)', async () => {
    const conf = new SparkConf(false).setAppName('settings').setMaster('local[2]')
    const ssc = new StreamingContext(conf, Seconds(1), { clock: new ManualClock(0), logger: new RecordingLogger() })
    conf.set('spark.streaming.concurrentJobs', '7')
    ssc.sparkContext.getConf().set('spark.streaming.blockInterval', '1ms')
    assert.equal(ssc.sparkContext.getConf().getOption('spark.streaming.concurrentJobs'), undefined)
    assert.equal(ssc.sparkContext.getConf().getOption('spark.streaming.blockInterval'), undefined)
  })

  test('operations run in registration order, numbered among those with a job, named by their place in the job (B40)', async () => {
    await using bench = new StreamBench()
    const order: string[] = []
    const stream = bench.queue([1], [2])
    stream.window(Seconds(2), Seconds(2)).foreachRDD(() => void order.push('first'))
    stream.foreachRDD(() => void order.push('second'))
    void bench.ssc.start()
    await bench.batches(2)
    assert.deepEqual(order, ['second', 'first', 'second'])
    const [one, two] = bench.completed as [BatchInfo, BatchInfo]
    assert.deepEqual([...one.outputOperationInfos.keys()], [0])
    assert.deepEqual([...two.outputOperationInfos.keys()], [0, 1])
    assert.match(one.outputOperationInfos.get(0)?.name ?? '', /^foreachRDD at batches\.test\.(js|ts):\d+$/)
  })

  test('listeners are told submitted, started, each operation, completed, with delays as they become known (B45)', async () => {
    await using bench = new StreamBench()
    const told: string[] = []
    const delays = ({ schedulingDelay, processingDelay, totalDelay }: BatchInfo): string =>
      [schedulingDelay, processingDelay, totalDelay].join()
    bench.ssc.addStreamingListener({
      onStreamingStarted: ({ time }) => told.push(`streaming ${time}`),
      onBatchSubmitted: ({ batchInfo }) => told.push(`submitted ${batchInfo.numRecords} ${delays(batchInfo)}`),
      onBatchStarted: ({ batchInfo }) => told.push(`started ${delays(batchInfo)}`),
      onOutputOperationStarted: ({ outputOperationInfo }) => told.push(`op ${outputOperationInfo.id} started`),
      onOutputOperationCompleted: ({ outputOperationInfo }) => told.push(`op ${outputOperationInfo.id} completed`),
      onBatchCompleted: ({ batchInfo }) => told.push(`completed ${delays(batchInfo)}`),
    })
    const stream = bench.queue([1, 2, 3])
    stream.foreachRDD(() => undefined)
    stream.foreachRDD(() => undefined)
    void bench.ssc.start()
    await bench.batches(1)
    assert.deepEqual(told, [
      'streaming 0',
      'submitted 3 ,,',
      'started 0,,',
      'op 0 started',
      'op 0 completed',
      'op 1 started',
      'op 1 completed',
      'completed 0,0,0',
    ])
  })

  test('a listener that throws, or answers a promise that rejects, hurts nobody (B152)', async () => {
    await using bench = new StreamBench()
    bench.ssc.addStreamingListener({
      onBatchStarted: () => {
        throw new Error('listener')
      },
      onBatchCompleted: async () => Promise.reject(new Error('listener')),
    })
    const seen = bench.watch(bench.queue([1], [2]))
    void bench.ssc.start()
    await bench.batches(2)
    assert.equal(seen.length, 2)
  })

  test('transform runs while a batch is generated, before the batch before it has ended (B46)', async () => {
    await using bench = new StreamBench()
    const order: string[] = []
    let release: () => void = () => undefined
    bench
      .queue([1], [2])
      .transform(async (rdd, time) => {
        await Promise.resolve()
        order.push(`transform ${time.milliseconds}`)
        return rdd
      })
      .foreachRDD(async (_, time) => {
        order.push(`job ${time.milliseconds}`)
        if (time.milliseconds === 1000) await new Promise<void>((resolve) => (release = resolve))
      })
    void bench.ssc.start()
    await bench.clock.advance(2000)
    assert.deepEqual(order, ['transform 1000', 'job 1000', 'transform 2000'])
    release()
    await bench.settled()
    assert.equal(order.at(-1), 'job 2000')
  })

  test('a foreachRDD without an action is counted and evaluates nothing (B47)', async () => {
    await using bench = new StreamBench()
    let calls = 0
    bench
      .queue([1])
      .map(() => calls++)
      .foreachRDD(() => undefined)
    void bench.ssc.start()
    await bench.batches(1)
    assert.equal(calls, 0)
    assert.equal(bench.ssc.progress.totalCompletedBatches, 1)
  })
})

/** An input that never has a data set. */
class Never extends InputDStream<number> {
  compute(): RDD<number> | undefined {
    return undefined
  }
}

describe('failures', () => {
  test('a function that throws is not tried again unless the master says so (B56)', async () => {
    await using bench = new StreamBench({ master: 'local[2]' })
    let calls = 0
    bench.watch(
      bench.queue([1]).map((x) => {
        calls++
        if (x > 0) throw new Error('always')
        return x
      }),
    )
    void bench.ssc.start()
    await bench.batches(2)
    assert.equal(calls, 1)
    await assert.rejects(bench.ssc.awaitTermination(), /always/)
  })

  test('an operation that throws fails alone: the others run, the batch completes, the next goes on (B50)', async () => {
    await using bench = new StreamBench()
    const stream = bench.queue([1], [2])
    const boom = new Error('disk is full')
    stream.foreachRDD((_, time) => {
      if (time.milliseconds === 1000) throw boom
    })
    const seen = bench.watch(stream)
    void bench.ssc.start()
    await bench.batches(2)
    assert.deepEqual(
      seen.map((batch) => batch.items),
      [[1], [2]],
    )
    assert.match(bench.completed[0]?.outputOperationInfos.get(0)?.failureReason ?? '', /disk is full/)
    assert.equal(bench.completed[0]?.outputOperationInfos.get(1)?.failureReason, undefined)
    assert.equal(bench.ssc.getState(), 'ACTIVE')
    // B54: the very object, and again for everyone who asks.
    await assert.rejects(bench.ssc.awaitTermination(), (error) => error === boom)
    await assert.rejects(bench.ssc.awaitTerminationOrTimeout(1), (error) => error === boom)
  })

  test('awaitTermination that waits already is woken by the failure, with what a record function threw as the cause (B54)', async () => {
    await using bench = new StreamBench()
    const boom = new TypeError('no such field')
    bench.watch(
      bench.queue([1]).map(() => {
        throw boom
      }),
    )
    void bench.ssc.start()
    const ended = assert.rejects(bench.ssc.awaitTermination(), { name: 'SparkException', cause: boom })
    await bench.batches(1)
    await ended
  })

  const generation: readonly { name: string; message: RegExp; build: (bench: StreamBench) => void }[] = [
    {
      name: 'a transform that answers nothing (B52)',
      message: /Transform function must not return null.*: transform at batches\.test\.ts:\d+$/,
      build: (bench) => bench.watch(bench.queue([1], [2]).transform(() => undefined as unknown as RDD<number>)),
    },
    {
      name: 'a union over a stream without data set (B51)',
      message: /Could not generate RDD from a parent for unifying at time 2000 ms/,
      build: (bench) => bench.watch(bench.queue([1], [2]).union(new Never(bench.ssc))),
    },
    {
      name: 'a transformWith over a stream without data set (B52)',
      message: /Couldn't generate RDD from parent at time 2000 ms/,
      build: (bench) => bench.watch(bench.queue([1]).transformWith(new Never(bench.ssc), (a, b) => a.union(b))),
    },
    {
      name: 'a join over a stream without data set (B10, B52)',
      message: /Couldn't generate RDD from parent at time 2000 ms/,
      build: (bench) =>
        bench.watch(
          bench
            .queue([1])
            .map((x) => [x, x])
            .join(new Never(bench.ssc).map((x) => [x, x])),
        ),
    },
    {
      name: 'a transform that throws (B53)',
      message: /side file is gone/,
      build: (bench) =>
        bench.watch(
          bench.queue([1], [2]).transform(() => {
            throw new Error('side file is gone')
          }),
        ),
    },
    {
      name: 'a transform that rejects (B53)',
      message: /late/,
      build: (bench) => bench.watch(bench.queue([1]).transform(async () => Promise.reject(new Error('late')))),
    },
  ]
  for (const { name, message, build } of generation) {
    test(`${name} fails the generation of its batch only`, async () => {
      await using bench = new StreamBench()
      build(bench)
      void bench.ssc.start()
      await bench.batches(2)
      assert.equal(bench.ssc.progress.totalCompletedBatches, 0)
      assert.equal(bench.ssc.getState(), 'ACTIVE')
      await assert.rejects(bench.ssc.awaitTermination(), message)
    })
  }
})

describe('remembering', () => {
  test('a batch that takes long keeps its input while later ones are done and forgotten (B32)', async () => {
    await using bench = new StreamBench({ settings: { 'spark.streaming.concurrentJobs': '2' } })
    let release: () => void = () => undefined
    let late: number[] = []
    const calls: number[] = []
    const stream = bench.queue([1], [2], [3], [4], [5]).map((x) => {
      calls.push(x)
      return x
    })
    stream.persist()
    stream.foreachRDD(async (rdd, time) => {
      if (time.milliseconds > 1000) return
      await new Promise<void>((resolve) => (release = resolve))
      late = await rdd.collect()
    })
    void bench.ssc.start()
    await bench.clock.advance(5000)
    await bench.until(() => bench.completed.length >= 4)
    release()
    await bench.settled()
    assert.deepEqual(late, [1])
    assert.deepEqual(calls, [1])
  })

  test('a stream remembers what windows over it ask for, through chains of them (B30)', async () => {
    await using bench = new StreamBench()
    const first = bench.queue<number>()
    const second = first.window(Seconds(3))
    const third = second.window(Seconds(6))
    bench.watch(third)
    third.node.rememberAtLeast(5000)
    assert.deepEqual(
      [first, second, third].map((stream) => stream.node.rememberMs),
      [14_000, 11_000, 5000],
    )
  })

  test('batches behind the remembered time are computed anew when asked for, others are the same (B31, B34)', async () => {
    await using bench = new StreamBench()
    bench.ssc.remember(Seconds(3))
    let calls = 0
    const stream = bench.queue([1], [2], [3], [4], [5]).transform((rdd) => {
      calls++
      return rdd
    })
    bench.watch(stream)
    void bench.ssc.start()
    await bench.batches(5)
    assert.equal(calls, 5)
    const kept = await stream.slice(new Time(3000), new Time(5000))
    assert.deepEqual(await Promise.all(kept.map((rdd) => rdd.collect())), [[3], [4], [5]])
    assert.equal(calls, 5)
    await stream.slice(new Time(2000), new Time(2999))
    assert.equal(calls, 6)
  })

  test('slice floors both ends to the grid and includes them, and needs a started context (B34)', async () => {
    await using bench = new StreamBench({ startMs: 10_500 })
    const stream = bench.queue([1], [2], [3])
    bench.ssc.remember(Seconds(10))
    bench.watch(stream)
    await assert.rejects(stream.slice(new Time(0), new Time(1)), /has not been initialized/)
    void bench.ssc.start()
    await bench.batches(3)
    const rdds = await stream.slice({ beginTime: new Time(11_999), endTime: new Time(12_001) })
    assert.deepEqual(await Promise.all(rdds.map((rdd) => rdd.collect())), [[1], [2]])
  })

  test('remember may be said once (B33)', async () => {
    await using bench = new StreamBench()
    bench.ssc.remember(Seconds(3))
    assert.throws(() => bench.ssc.remember(Seconds(4)), /Remember duration already set as 3000 ms. Cannot set it again/)
  })
})

describe('the life of a context', () => {
  test('INITIALIZED, ACTIVE, STOPPED; a second start warns, one after the stop throws (B120)', async () => {
    await using bench = new StreamBench()
    const { ssc } = bench
    bench.watch(bench.queue([1]))
    assert.equal(ssc.getState(), 'INITIALIZED')
    await ssc.start()
    assert.equal(ssc.getState(), 'ACTIVE')
    await ssc.start()
    await ssc.stop()
    await ssc.stop()
    assert.equal(ssc.getState(), 'STOPPED')
    assert.throws(() => ssc.start(), /StreamingContext has already been stopped/)
    await ssc.awaitTermination()
  })

  for (const settings of [
    { 'spark.streaming.dynamicAllocation.enabled': 'true' },
    { 'spark.streaming.receiver.writeAheadLog.class': './log.ts' },
  ]) {
    test(`${Object.keys(settings)} promises what is not there, and is refused`, () => {
      assert.throws(() => new StreamBench({ settings }), { code: 'UNSUPPORTED' })
    })
  }

  test('an event log that is asked for, and is not there, is named in a warning', () => {
    const logger = new RecordingLogger()
    const conf = new SparkConf(false).setAppName('log').set('spark.eventLog.enabled', 'true')
    new StreamingContext(conf, Seconds(1), { clock: new ManualClock(), logger })
    assert.deepEqual(
      logger.lines.filter((line) => line.startsWith('warn')),
      [
        'warn: spark.eventLog.enabled has no effect: there is no event log; the streaming page has REST paths and gauges',
      ],
    )
  })

  test('without an output operation there is nothing to execute (B48)', async () => {
    await using bench = new StreamBench()
    bench.queue([1]).map((x) => x)
    assert.throws(() => bench.ssc.start(), /requirement failed: No output operations registered, so nothing to execute/)
    assert.equal(bench.ssc.getState(), 'STOPPED')
  })

  test('nothing can be added after the start, nor after the stop (B121, B37)', async () => {
    await using bench = new StreamBench()
    const stream = bench.queue([1])
    bench.watch(stream)
    await bench.ssc.start()
    assert.throws(() => stream.map((x) => x), /operations after starting a context is not supported/)
    assert.throws(() => stream.print(), /operations after starting a context is not supported/)
    assert.throws(
      () => stream.persist(),
      /Cannot change storage level of a DStream after streaming context has started/,
    )
    await bench.ssc.stop()
    assert.throws(() => bench.queue([2]), /operations after stopping a context is not supported/)
  })

  test('only one context is active in a process (B122)', async () => {
    await using one = new StreamBench()
    await using other = new StreamBench()
    one.watch(one.queue([1]))
    other.watch(other.queue([1]))
    await one.ssc.start()
    assert.throws(
      () => other.ssc.start(),
      /Only one StreamingContext may be started in this process.*start at batches\.test/,
    )
    const StreamingContext = one.ssc.constructor as typeof import('../../src/stream/api.ts').StreamingContext
    assert.equal(StreamingContext.getActive(), one.ssc)
    await one.ssc.stop()
    assert.equal(StreamingContext.getActive(), undefined)
  })

  test('awaitTerminationOrTimeout answers false on time-out and true once stopped (B125)', async () => {
    await using bench = new StreamBench()
    bench.watch(bench.queue([1]))
    await bench.ssc.start()
    const waiting = bench.ssc.awaitTerminationOrTimeout(500)
    await bench.clock.advance(500)
    assert.equal(await waiting, false)
    await bench.ssc.stop()
    assert.equal(await bench.ssc.awaitTerminationOrTimeout(500), true)
  })

  test('stop in a listener is refused, stop in an operation does not wait for itself (B124)', async () => {
    await using bench = new StreamBench()
    let refusal: unknown
    bench.ssc.addStreamingListener({
      onBatchStarted: () => {
        try {
          void bench.ssc.stop()
        } catch (error) {
          refusal = error
        }
      },
    })
    let returned = false
    bench.queue([1]).foreachRDD(async () => {
      await bench.ssc.stop({ graceful: true })
      returned = true
    })
    await bench.ssc.start()
    await bench.clock.advance(1000)
    await bench.ssc.awaitTermination()
    assert.match(String(refusal), /Cannot stop StreamingContext within listener bus thread/)
    assert.equal(returned, true)
  })

  test('stop leaves the SparkContext alone when asked to (B123)', async () => {
    await using bench = new StreamBench()
    bench.watch(bench.queue([1]))
    await bench.ssc.start()
    await bench.ssc.stop(false)
    assert.equal(bench.sc.isStopped, false)
    await bench.ssc.stop(true)
    assert.equal(bench.sc.isStopped, true)
  })

  test('an immediate stop gives a running job two seconds, then leaves it (B126)', async () => {
    await using bench = new StreamBench()
    bench.queue([1]).foreachRDD(() => new Promise<void>(() => undefined))
    await bench.ssc.start()
    await bench.clock.advance(1000)
    let stopped = false
    const stopping = bench.ssc.stop().then(() => {
      stopped = true
    })
    await bench.clock.advance(1999)
    assert.equal(stopped, false)
    await bench.clock.advance(1)
    await stopping
  })

  test('a graceful stop waits for the jobs that were submitted, but not longer than its limit (B127)', async () => {
    await using bench = new StreamBench({ settings: { 'spark.streaming.gracefulStopTimeout': '5s' } })
    const done: number[] = []
    let release: () => void = () => undefined
    bench.queue([1], [2]).foreachRDD(async (_, time) => {
      if (time.milliseconds === 1000) await new Promise<void>((resolve) => (release = resolve))
      done.push(time.milliseconds)
    })
    await bench.ssc.start()
    await bench.clock.advance(2000)
    const stopping = bench.ssc.stop({ graceful: true })
    await settle()
    release()
    await stopping
    assert.deepEqual(done, [1000, 2000])
  })

  test('a graceful stop that reaches its limit says how many batches are not done, and the setting for more time (B127)', async () => {
    const logger = new RecordingLogger()
    await using bench = new StreamBench({ settings: { 'spark.streaming.gracefulStopTimeout': '5s' }, logger })
    bench.queue([1], [2]).foreachRDD(() => new Promise<void>(() => undefined))
    await bench.ssc.start()
    await bench.clock.advance(2000)
    const stopping = bench.ssc.stop({ graceful: true })
    await bench.clock.advance(5000)
    await stopping
    assert.ok(
      logger.lines.includes(
        'warn: the graceful stop gave up after 5000 ms: 2 batches are not done (spark.streaming.gracefulStopTimeout gives more time)',
      ),
      logger.lines.join('\n'),
    )
  })

  for (const { name, batches, build } of [
    {
      name: 'a batch without jobs',
      batches: 1,
      build: (bench: StreamBench) => bench.watch(bench.queue([1], [2]).window(Seconds(2), Seconds(2))),
    },
    {
      name: 'a batch that failed',
      batches: 2,
      build: (bench: StreamBench) =>
        bench.queue([1], [2]).foreachRDD(() => {
          throw new Error('disk full')
        }),
    },
  ]) {
    test(`a graceful stop right after ${name} does not wait for it in vain (B8, B55)`, async () => {
      await using bench = new StreamBench()
      build(bench)
      bench.ssc.awaitTermination().catch(() => undefined)
      await bench.ssc.start()
      await bench.batches(batches)
      // Nobody moves the clock: a wait would never end.
      await bench.ssc.stop({ graceful: true })
      assert.equal(bench.ssc.getState(), 'STOPPED')
    })
  }

  test('transform over several streams gets their RDDs in order; none, or different slides, are refused (B51)', async () => {
    await using bench = new StreamBench()
    const numbers = bench.queue([1, 2])
    const texts = bench.queue(['x'])
    const seen = bench.watch(
      bench.ssc.transform([numbers, texts], ([a, b], time) =>
        a.map((n) => `${n}@${time.milliseconds}`).union(b.map((text) => text.toUpperCase())),
      ),
    )
    assert.throws(() => bench.ssc.union([]), /List of DStreams to union is empty/)
    assert.throws(
      () => numbers.union(numbers.window(Seconds(2), Seconds(2))),
      /Some of the DStreams have different slide durations/,
    )
    void bench.ssc.start()
    await bench.batches(1)
    assert.deepEqual(seen[0]?.items, ['1@1000', '2@1000', 'X'])
    assert.equal(numbers.slideDuration.milliseconds, Milliseconds(1000).milliseconds)
  })
})
