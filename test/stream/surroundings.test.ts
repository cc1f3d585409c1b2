import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AccumulatorV2,
  BatchInfo,
  Seconds,
  SparkConf,
  StatsReportListener,
  StreamingContext,
  Time,
} from '../../src/stream/api.ts'
import { StreamBench } from '../support/stream-bench.ts'

describe('what functions share with the job', () => {
  test('a broadcast has its value until it is destroyed', async () => {
    await using bench = new StreamBench()
    const words = bench.sc.broadcast(new Set(['a']))
    assert.equal(
      await bench.sc
        .parallelize(['a', 'b'])
        .filter((x) => words.value.has(x))
        .count(),
      1,
    )
    words.unpersist()
    assert.ok(words.value.has('a'))
    words.destroy()
    assert.throws(() => words.value, /Attempted to use Broadcast\(0\) after it was destroyed/)
    assert.equal(bench.sc.broadcast(1).id, 1)
  })

  test('accumulators gather what functions add, and can be emptied', async () => {
    await using bench = new StreamBench()
    const odd = bench.sc.collectionAccumulator<number>('odd')
    const sum = bench.sc.longAccumulator()
    await bench.sc.parallelize([1, 2, 3]).foreach((x) => {
      sum.add(x)
      if (x % 2 === 1) odd.add(x)
    })
    assert.deepEqual([odd.name, odd.value.sort(), sum.value, sum.count, sum.avg], ['odd', [1, 3], 6, 3, 2])
    odd.reset()
    assert.ok(odd.isZero)
  })

  test('an accumulator of the job’s own is registered, once', async () => {
    await using bench = new StreamBench()
    class Largest extends AccumulatorV2<number, number> {
      value = Number.NEGATIVE_INFINITY
      get isZero(): boolean {
        return this.value === Number.NEGATIVE_INFINITY
      }
      add(value: number): void {
        this.value = Math.max(this.value, value)
      }
      reset(): void {
        this.value = Number.NEGATIVE_INFINITY
      }
    }
    const largest = new Largest()
    bench.sc.register(largest, 'largest')
    await bench.sc.parallelize([1, 3, 2]).foreach((x) => largest.add(x))
    assert.equal(largest.value, 3)
    assert.throws(() => bench.sc.register(largest, 'largest'), /Cannot register an Accumulator twice: largest/)
  })
})

test('StatsReportListener tells how the delays of the last batches are spread', () => {
  const lines: string[] = []
  const listener = new StatsReportListener(4, (line) => lines.push(line))
  for (const took of [50, 10, 20, 30, 40]) {
    const batchInfo = new BatchInfo({
      batchTime: new Time(1000),
      streamIdToInputInfo: new Map(),
      submissionTime: 1000,
      processingStartTime: 1005,
      processingEndTime: 1005 + took,
      outputOperationInfos: new Map(),
    })
    listener.onBatchCompleted({ batchInfo })
  }
  assert.deepEqual(lines.slice(-2), [
    'Total delay: 0%: 15 ms, 5%: 15 ms, 10%: 15 ms, 25%: 25 ms, 50%: 35 ms, 75%: 45 ms, 90%: 45 ms, 95%: 45 ms, 100%: 45 ms',
    'Processing time: 0%: 10 ms, 5%: 10 ms, 10%: 10 ms, 25%: 20 ms, 50%: 30 ms, 75%: 40 ms, 90%: 40 ms, 95%: 40 ms, 100%: 40 ms',
  ])
})

test('histogram and takeSample', async () => {
  await using bench = new StreamBench()
  const numbers = bench.sc.parallelize([1, 2, 3, 4, 5, 10], 3)
  assert.deepEqual(await numbers.histogram(3), { borders: [1, 4, 7, 10], counts: [3, 2, 1] })
  assert.deepEqual(await numbers.histogram([2, 4, 5]), { borders: [2, 4, 5], counts: [2, 2] })
  await assert.rejects(numbers.histogram([2, 2]), /at least two borders, each above the one before/)
  const sample = await numbers.takeSample(false, 4, 7)
  assert.deepEqual(await numbers.takeSample(false, 4, 7), sample)
  assert.equal(new Set(sample).size, 4)
  assert.equal((await numbers.takeSample(false, 9)).length, 6)
  assert.equal((await numbers.takeSample(true, 20, 7)).length, 20)
  assert.deepEqual(await bench.sc.emptyRDD<number>().takeSample(true, 3), [])
})

test('a context is made of a master, a name and a batch interval, and a conf keeps what only a cluster needs', () => {
  const ssc = new StreamingContext('local[3]', 'named', Seconds(2))
  assert.deepEqual([ssc.sparkContext.master, ssc.sparkContext.appName], ['local[3]', 'named'])
  assert.equal(ssc.graph.batchMs, 2000)
  ssc.sparkContext.stop()
  assert.throws(() => new StreamingContext('local', 'no duration', 5 as never), /must be a positive Duration/)
  assert.throws(() => new StreamingContext('checkpoint' as never, Seconds(1)), /use StreamingContext.getOrCreate/)
  const conf = new SparkConf(false).setSparkHome('/opt').setJars(['a.jar', 'b.jar']).setExecutorEnv('A', '1')
  assert.equal(conf.toDebugString(), 'spark.executorEnv.A=1\nspark.home=/opt\nspark.jars=a.jar,b.jar')
})

test('what is not there yet says so, and what to do instead', async () => {
  await using bench = new StreamBench()
  const stream = bench.queue([1]) as unknown as Record<string, () => void>
  const sc = bench.sc as unknown as Record<string, () => void>
  for (const [call, message] of [
    [() => stream['saveAsHadoopFiles']?.(), /^DStream.saveAsHadoopFiles is not there yet$/],
    [() => sc['addSparkListener']?.(), /^SparkContext.addSparkListener is not there yet$/],
  ] as const) {
    assert.throws(call, { code: 'UNSUPPORTED', message, hint: /./ })
  }
})

test('jobs with wrong types do not compile', async () => {
  await using bench = new StreamBench()
  const words = bench.queue(['a'])
  const pairs = words.map((word) => [word, 1])
  const wrong = (): void => {
    // @ts-expect-error words are no pairs
    words.updateStateByKey((values: number[], _state: number | undefined) => values.length)
    // @ts-expect-error the inverse works on the values
    pairs.reduceByKeyAndWindow(
      (a, b) => a + b,
      (a: string) => a,
      bench.ssc,
    )
    // @ts-expect-error a state is no text here
    pairs.updateStateByKey<string, number, number>((_values, _state) => 'text')
    // @ts-expect-error mapWithState takes a StateSpec
    pairs.mapWithState((key: string) => key)
  }
  assert.equal(typeof wrong, 'function')
})
