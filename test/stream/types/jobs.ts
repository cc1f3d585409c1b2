// Jobs that must compile, with the types they must have, and jobs that must not. The compiler is the test: `npm run types`
// fails when a line marked as an error is none, or when a type is another. Nothing in here runs.
import {
  type BatchInfo,
  DStream,
  FlumeSource,
  FlumeUtils,
  HashPartitioner,
  InputDStream,
  type MapWithStateDStream,
  Minutes,
  type Partitioner,
  pair,
  type RDD,
  Receiver,
  type ReceiverInputDStream,
  Seconds,
  type SparkConf,
  type SparkContext,
  type SparkFlumeEvent,
  type State,
  StateSpec,
  StorageLevel,
  type StreamInputInfo,
  StreamingContext,
  Time,
} from '../../../src/stream/api.ts'

/** Compiles only when both types are the same. */
function same<A, B>(..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]): void {}

const add = (a: number, b: number): number => a + b

export function contextOfADataSet(rdd: RDD<string>): void {
  same<typeof rdd.sparkContext, SparkContext>()
}

export function recordByRecord(words: DStream<string>): void {
  const lengths = words.map((word) => word.length)
  same<typeof lengths, DStream<number>>()
  const pairs = words.map((word) => [word, 1])
  same<typeof pairs, DStream<[string, number]>>()
  const made = words.map((word) => pair(word, word.length > 3))
  same<typeof made, DStream<[string, boolean]>>()
  const asked = words.map(async (word) => word.length)
  same<typeof asked, DStream<number>>()
  const split = words.flatMap((line) => line.split(' '))
  same<typeof split, DStream<string>>()
  const splitPairs = words.flatMap((line) => [[line, 1]])
  same<typeof splitPairs, DStream<[string, number]>>()
  const chosen = words.filter((word): word is 'a' | 'b' => word === 'a' || word === 'b')
  same<typeof chosen, DStream<'a' | 'b'>>()
  const lists = words.glom()
  same<typeof lists, DStream<string[]>>()
  const parts = words.mapPartitions((all) => [[...all].length])
  same<typeof parts, DStream<number>>()
  const later = words.mapPartitions(async function* (all) {
    for (const word of all) yield word.length
  })
  same<typeof later, DStream<number>>()
  const counted = words.countByValue()
  same<typeof counted, DStream<[string, number]>>()
  // @ts-expect-error words have no such method
  words.map((word) => word.longest())
  // @ts-expect-error a word is no list
  words.flatMap((word) => word.length)
  // @ts-expect-error the streams hold different records
  words.union(lengths)
  // @ts-expect-error a reduce answers what it takes
  words.reduce((a, b) => a.length + b.length)
  // @ts-expect-error a number of partitions
  words.repartition('many')
  // @ts-expect-error print takes a number
  words.print('all')
}

export function pairs(counts: DStream<[string, number]>, names: DStream<[string, Date]>, words: DStream<string>): void {
  const grouped = counts.groupByKey()
  same<typeof grouped, DStream<[string, number[]]>>()
  const combined = counts.combineByKey(
    (value) => [value],
    (all: number[], value) => [...all, value],
    (a, b) => [...a, ...b],
  )
  same<typeof combined, DStream<[string, number[]]>>()
  const values = counts.mapValues((value) => `${value}`)
  same<typeof values, DStream<[string, string]>>()
  const more = counts.flatMapValues((value) => new Set([value > 1]))
  same<typeof more, DStream<[string, boolean]>>()
  const inner = counts.join(names)
  same<typeof inner, DStream<[string, [number, Date]]>>()
  const left = counts.leftOuterJoin(names)
  same<typeof left, DStream<[string, [number, Date | undefined]]>>()
  const right = counts.rightOuterJoin(names, 4)
  same<typeof right, DStream<[string, [number | undefined, Date]]>>()
  const full = counts.fullOuterJoin(names, new HashPartitioner(3))
  same<typeof full, DStream<[string, [number | undefined, Date | undefined]]>>()
  const both = counts.cogroup(names)
  same<typeof both, DStream<[string, [number[], Date[]]]>>()
  const byLength: Partitioner = { numPartitions: 2, getPartition: (key) => String(key).length % 2 }
  counts.reduceByKey(add, byLength)
  // @ts-expect-error words are no pairs
  words.reduceByKey(add)
  // @ts-expect-error nor have they values
  words.mapValues((value) => value)
  // @ts-expect-error the function works on numbers
  counts.reduceByKey((a: string, b: string) => a + b)
  // @ts-expect-error a promise is no sum: reduce functions are synchronous
  counts.reduceByKey(async (a, b) => a + b)
  // @ts-expect-error keys of one type only
  counts.join(names.map(([name, date]) => [name.length, date]))
  // @ts-expect-error a date is no number
  names.reduceByKey(add)
  // @ts-expect-error a partitioner says how many partitions it has
  counts.groupByKey({ getPartition: () => 0 })
}

export function windows(words: DStream<string>, counts: DStream<[string, number]>): void {
  same<ReturnType<typeof words.window>, DStream<string>>()
  words.window(Minutes(1), Seconds(10)).countByWindow(Minutes(1), Seconds(20))
  const plain = counts.reduceByKeyAndWindow(add, Seconds(30), Seconds(10))
  same<typeof plain, DStream<[string, number]>>()
  const inverse = counts.reduceByKeyAndWindow(
    add,
    (a, b) => a - b,
    Seconds(30),
    Seconds(10),
    2,
    ([, count]) => count > 0,
  )
  same<typeof inverse, DStream<[string, number]>>()
  const grouped = counts.groupByKeyAndWindow(Seconds(30))
  same<typeof grouped, DStream<[string, number[]]>>()
  words.reduceByWindow((a, b) => a + b, Seconds(3), Seconds(1))
  // @ts-expect-error a window is a Duration
  words.window(30)
  // @ts-expect-error the slide of a reduced window is not left out
  words.reduceByWindow((a, b) => a + b, Seconds(3))
  // @ts-expect-error the inverse works on the values
  counts.reduceByKeyAndWindow(add, (a: string) => a, Seconds(30))
  // @ts-expect-error the filter sees pairs of this stream
  counts.reduceByKeyAndWindow(add, add, Seconds(3), Seconds(1), 2, ([, count]) => count.getTime() > 0)
}

export function state(counts: DStream<[string, number]>, words: DStream<string>, rdd: RDD<[string, number]>): void {
  const sums = counts.updateStateByKey((values: number[], sum: number | undefined) => values.reduce(add, sum ?? 0))
  same<typeof sums, DStream<[string, number]>>()
  counts.updateStateByKey((values: number[], sum: number | undefined) => values.reduce(add, sum ?? 0), 4, rdd)
  counts.updateStateByKey<string, number, number>((values) => (values.length === 0 ? undefined : values.length))
  const timed = counts.updateStateByKeyWithTime<string, number, Date>((time, key, values, last) =>
    values.length > 0 || key === '' ? new Date(time.milliseconds) : last,
  )
  same<typeof timed, DStream<[string, Date]>>()
  const whole = counts.updateStateByKeyIter<string, number, boolean>(function* (rows) {
    for (const [key, values, seen] of rows) yield [key, seen ?? values.length > 0]
  })
  same<typeof whole, DStream<[string, boolean]>>()
  const spec = StateSpec.function((key: string, value: number | undefined, sum: State<number>) => {
    sum.update((sum.getOption() ?? 0) + (value ?? 0))
    return `${key} ${sum.get()}`
  })
    .initialState([['a', 1]])
    .numPartitions(4)
    .timeout(Minutes(5))
  const mapped = counts.mapWithState(spec)
  same<typeof mapped, MapWithStateDStream<string, number, number, string>>()
  const shown: DStream<string> = mapped
  shown.print()
  const snapshots = mapped.stateSnapshots()
  same<typeof snapshots, DStream<[string, number]>>()
  const some = counts.mapWithState(
    StateSpec.functionWithTime((time: Time, key: string, _: number | undefined, seen: State<Time>) => {
      if (seen.exists()) return undefined
      seen.update(time)
      return key
    }),
  )
  same<typeof some, MapWithStateDStream<string, number, Time, string>>()
  // @ts-expect-error a state of text is not updated with a number
  counts.updateStateByKey<string, number, string>((values, last) => values.length + (last?.length ?? 0))
  // @ts-expect-error words have no keys
  words.updateStateByKey((values: string[], last: string | undefined) => values[0] ?? last)
  // @ts-expect-error a function is no StateSpec
  counts.mapWithState((key: string) => key)
  // @ts-expect-error the values are numbers
  counts.mapWithState(StateSpec.function((key: string, value: Date | undefined) => `${key}${value}`))
  // @ts-expect-error the initial state is of the state's type
  spec.initialState([['a', 'one']])
  // @ts-expect-error a time-out is a Duration
  spec.timeout(1000)
  // @ts-expect-error an asynchronous update answers a promise, which is no state
  counts.updateStateByKey<string, number, number>(async () => 1)
}

export function batches(ssc: StreamingContext, words: DStream<string>, lengths: DStream<number>): void {
  const distinct = words.transform((rdd) => rdd.distinct())
  same<typeof distinct, DStream<string>>()
  const stamped = words.transform((rdd, time) => rdd.map((word) => [word, time.milliseconds]))
  same<typeof stamped, DStream<[string, number]>>()
  const later = words.transform(async (rdd) => rdd.map((word) => word.length))
  same<typeof later, DStream<number>>()
  const together = words.transformWith(lengths, (a, b) => a.zip(b))
  same<typeof together, DStream<[string, number]>>()
  const all = ssc.transform([words, lengths, words], ([a, b, c], time) => {
    same<typeof a, RDD<string>>()
    same<typeof b, RDD<number>>()
    same<typeof time, Time>()
    return a
      .union(c)
      .map((word) => word.length)
      .union(b)
  })
  same<typeof all, DStream<number>>()
  words.foreachRDD(async (rdd, time) => {
    same<typeof rdd, RDD<string>>()
    same<typeof time, Time>()
    await rdd.saveAsTextFile('out')
    await rdd.saveAsFiles('out', { format: 'csv', header: true })
    // @ts-expect-error JSON has no header
    await rdd.saveAsFiles('out', { format: 'json', header: true })
  })
  // @ts-expect-error a list is no data set
  words.transform((rdd) => rdd.collect())
  // @ts-expect-error there are two streams, not three
  ssc.transform([words, lengths], ([a, b, c]) => a.union(b, c))
  // @ts-expect-error all of one type
  ssc.union([words, lengths])
}

export async function dataSets(rdd: RDD<string>, numbers: RDD<number>, counts: RDD<[string, number]>): Promise<void> {
  same<Awaited<ReturnType<typeof rdd.collect>>, string[]>()
  same<Awaited<ReturnType<typeof rdd.count>>, number>()
  const map = await counts.collectAsMap()
  same<typeof map, Map<string, number>>()
  const sorted = counts.sortByKey(false)
  same<typeof sorted, RDD<[string, number]>>()
  const three = counts.cogroup(
    counts,
    numbers.map((n) => [`${n}`, n > 1]),
  )
  same<typeof three, RDD<[string, [number[], number[], boolean[]]]>>()
  const total: number = await numbers
    .aggregate({ sum: 0 })(
      (all, item) => ({ sum: all.sum + item }),
      (a, b) => ({ sum: a.sum + b.sum }),
    )
    .then(({ sum }) => sum)
  await numbers.fold(total)(add)
  for await (const word of rdd.toLocalIterator()) same<typeof word, string>()
  // @ts-expect-error actions answer promises
  const now: string[] = rdd.collect()
  // @ts-expect-error words cannot be summed
  await rdd.sum()
  // @ts-expect-error words have no keys
  rdd.keys()
  // @ts-expect-error a comparison answers a number
  await rdd.top(3, (a, b) => a < b)
  void now
}

export function inputs(ssc: StreamingContext, conf: SparkConf): void {
  const lines = ssc.socketTextStream('localhost', 9999)
  same<typeof lines, ReceiverInputDStream<string>>()
  const bytes = ssc.socketStream('localhost', 9999, async function* (source) {
    for await (const chunk of source) yield chunk.length
  })
  same<typeof bytes, ReceiverInputDStream<number>>()
  const files = ssc.textFileStream('logs')
  same<typeof files, DStream<string>>()
  const records = ssc.binaryRecordsStream('records', 16)
  same<typeof records, DStream<Uint8Array>>()
  const queue: RDD<Date>[] = []
  const dates = ssc.queueStream(queue, false, null)
  same<typeof dates, DStream<Date>>()
  const pushed = FlumeUtils.createStream(ssc, '0.0.0.0', 4141, StorageLevel.MEMORY_ONLY, true)
  same<typeof pushed, ReceiverInputDStream<SparkFlumeEvent>>()
  const pulled = FlumeUtils.createPollingStream(ssc, [{ host: 'a', port: 1 }], StorageLevel.MEMORY_ONLY, 100, 2)
  same<typeof pulled, ReceiverInputDStream<SparkFlumeEvent>>()
  const source = new DStream(ssc, new FlumeSource(ssc, 'localhost', 4141))
  same<typeof source, DStream<SparkFlumeEvent>>()
  class Ticks extends Receiver<number> {
    onStart(): void {
      void this.store(1)
      void this.storeMany([1, 2])
      // @ts-expect-error this receiver stores numbers
      void this.store('one')
    }

    onStop(): void {}
  }
  const ticks = ssc.receiverStream(new Ticks(StorageLevel.MEMORY_ONLY))
  same<typeof ticks, ReceiverInputDStream<number>>()
  class Own extends InputDStream<number> {
    compute(time: Time): RDD<number> | undefined {
      return time.milliseconds > 0 ? ssc.sparkContext.parallelize([1]) : undefined
    }
  }
  const own: DStream<number> = new Own(ssc)
  own.print()
  // @ts-expect-error a receiver says how it stops
  class Half extends Receiver<number> {
    onStart(): void {}
  }
  // @ts-expect-error a port is a number
  ssc.socketTextStream('localhost', '9999')
  // @ts-expect-error a context is not made from a folder: see getOrCreate
  new StreamingContext('checkpoints')
  // @ts-expect-error a batch duration is a Duration
  new StreamingContext(conf, 1000)
  // @ts-expect-error a factory makes a context
  void StreamingContext.getOrCreate('checkpoints', () => conf)
  void Half
}

export function listening(ssc: StreamingContext): void {
  ssc.addStreamingListener({
    onBatchCompleted: ({ batchInfo }) => {
      same<typeof batchInfo, BatchInfo>()
      const delay: number | undefined = batchInfo.totalDelay
      const info: StreamInputInfo | undefined = batchInfo.streamIdToInputInfo.get(0)
      void [delay, info]
    },
    // @ts-expect-error an error has a receiver, not a batch
    onReceiverError: ({ batchInfo }) => void batchInfo,
  })
  // @ts-expect-error there is no such event
  ssc.addStreamingListener({ onBatchForgotten: () => undefined })
  const time = new Time(1000)
  const earlier: boolean = time < new Time(2000)
  // @ts-expect-error a time less a duration is a time, not a duration
  const wrong: number = time.minus(Seconds(1))
  void [earlier, wrong]
}
