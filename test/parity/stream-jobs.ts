// The jobs that run here and in a real Spark, under the same names as in test/peers/java/StreamJobs.java.
import { join } from 'node:path'
import {
  type DStream,
  HashPartitioner,
  InputDStream,
  type RDD,
  Seconds,
  type State,
  StateSpec,
  type StreamingContext,
  type Time,
} from '../../src/stream/api.ts'

/** The records of one input: a list for each batch, null for a batch without data set. */
export type Batches = readonly (readonly string[] | null)[]

/** Where a job's records come from; `all` is a queue emptied at once, `given` an input that may have no data set. */
export type Source = 'queue' | 'all' | 'given' | 'files'

export interface StreamJob {
  readonly name: string
  readonly inputs: readonly Batches[]
  readonly source?: Source
  readonly batches?: number
  define(streams: Streams): void
}

/** Tells the test what a batch of a result held. */
export type Emit = (timeMs: number, records: readonly unknown[]) => void

class Given extends InputDStream<string> {
  readonly #ssc: StreamingContext
  readonly #batches: Batches

  constructor(ssc: StreamingContext, batches: Batches) {
    super(ssc)
    this.#ssc = ssc
    this.#batches = batches
  }

  compute(time: Time): RDD<string> | undefined {
    const records = this.#batches[time.milliseconds / 1000 - 1]
    return records === null ? undefined : this.#ssc.sparkContext.parallelize(records ?? [], 2)
  }
}

/** What a job is made from and where its result goes. */
export class Streams {
  readonly ssc: StreamingContext
  readonly folder: string
  readonly emit: Emit
  readonly #job: StreamJob

  constructor(ssc: StreamingContext, job: StreamJob, folder: string, emit: Emit) {
    this.ssc = ssc
    this.#job = job
    this.folder = folder
    this.emit = emit
  }

  words(stream = 0): DStream<string> {
    const batches = this.#job.inputs[stream] as Batches
    const source = this.#job.source ?? 'queue'
    if (source === 'given') return new Given(this.ssc, batches)
    if (source === 'files') return this.ssc.textFileStream(join(this.folder, `in${stream}`))
    const queue = batches.map((records) => this.ssc.sparkContext.parallelize(records ?? [], 2))
    return this.ssc.queueStream(queue, source !== 'all')
  }

  numbers(stream = 0): DStream<number> {
    return this.words(stream).map(Number)
  }

  /** Records such as "a 1". */
  pairs(stream = 0): DStream<[string, number]> {
    return this.words(stream).map((text) => {
      const [key = '', value] = text.split(' ')
      return [key, Number(value)]
    })
  }

  ones(): DStream<[string, number]> {
    return this.words().map((word) => [word, 1])
  }

  out(stream: DStream<unknown>): void {
    stream.foreachRDD(async (rdd, time) => this.emit(time.milliseconds, await rdd.collect()))
  }
}

const words: Batches = [['a', 'b', 'a', 'd'], ['b', 'c', 'b'], [], ['a', 'a', 'd', 'e', 'c'], ['c'], [], [], ['a']]
const others: Batches = [['b', 'x'], ['c', 'c'], ['a'], ['d', 'y', 'a'], [], ['z']]
const pairs: Batches = [['a 1', 'b 2', 'a 3'], ['b 4'], [], ['c 5', 'a 0', 'c 2', 'b 1'], ['a 9']]
const otherPairs: Batches = [['a 10', 'c 20', 'a 30'], ['b 40', 'b 50'], ['a 60'], ['c 70'], ['b 80', 'a 90']]
const numbers: Batches = [['3', '1', '2'], ['10'], [], ['5', '5', '7', '-1'], ['0'], []]
const gaps: Batches = [null, ['a', 'b'], null, ['a'], [], null, ['b']]

const add = (a: number, b: number): number => a + b
const less = (a: number, b: number): number => a - b
const sum = (values: number[], state: number | undefined): number => values.reduce(add, state ?? 0)
const sorted = <T>(values: readonly T[]): T[] => [...values].sort((a, b) => (a < b ? -1 : 1))
const running = (key: string, value: number | undefined, state: State<number>): string => {
  if (state.isTimingOut()) return `${key} out with ${state.get()}`
  const total = (state.getOption() ?? 0) + (value ?? 0)
  state.update(total)
  return `${key}${total}`
}
const start: [string, number][] = [
  ['a', 10],
  ['z', 20],
]

const one = [words]
const two = [words, others]
const paired = [pairs]
const twoPaired = [pairs, otherPairs]
const counted = [numbers]

export const streamJobs: readonly StreamJob[] = [
  { name: 'map', inputs: one, define: (s) => s.out(s.words().map((word) => word.toUpperCase())) },
  {
    name: 'flatMap',
    inputs: [[['a-b', 'c'], ['d-e-f'], []]],
    define: (s) => s.out(s.words().flatMap((line) => line.split('-'))),
  },
  { name: 'filter', inputs: one, define: (s) => s.out(s.words().filter((word) => word > 'b')) },
  { name: 'glom', inputs: one, define: (s) => s.out(s.words().glom()) },
  { name: 'mapPartitions', inputs: one, define: (s) => s.out(s.words().mapPartitions((all) => [[...all].length])) },
  { name: 'repartition', inputs: one, define: (s) => s.out(s.words().repartition(3)) },
  {
    name: 'repartition sizes',
    inputs: one,
    define: (s) =>
      s.out(
        s
          .words()
          .repartition(3)
          .glom()
          .map((list) => list.length <= 3),
      ),
  },
  { name: 'union', inputs: two, define: (s) => s.out(s.words().union(s.words(1))) },
  { name: 'reduce', inputs: counted, define: (s) => s.out(s.numbers().reduce(add)) },
  { name: 'count', inputs: one, define: (s) => s.out(s.words().count()) },
  { name: 'countByValue', inputs: one, define: (s) => s.out(s.words().countByValue()) },
  { name: 'transform distinct', inputs: one, define: (s) => s.out(s.words().transform((rdd) => rdd.distinct())) },
  {
    name: 'transform with time',
    inputs: one,
    define: (s) => s.out(s.words().transform((rdd, time) => rdd.map((word) => `${word}@${time.milliseconds}`))),
  },
  {
    name: 'transform sort and number',
    inputs: one,
    define: (s) => s.out(s.words().transform((rdd) => rdd.sortBy((word) => word, false, 2).zipWithIndex())),
  },
  {
    name: 'transformWith subtract',
    inputs: two,
    define: (s) => s.out(s.words().transformWith(s.words(1), (a, b) => a.subtract(b))),
  },
  {
    name: 'transform of three',
    inputs: two,
    define: (s) =>
      s.out(s.ssc.transform([s.words(), s.words(1)], ([a, b]) => a.cartesian(b).map(([x, y]) => `${x}${y}`))),
  },
  { name: 'reduceByKey', inputs: one, define: (s) => s.out(s.ones().reduceByKey(add)) },
  { name: 'reduceByKey in 5', inputs: one, define: (s) => s.out(s.ones().reduceByKey(add, 5)) },
  { name: 'groupByKey', inputs: paired, define: (s) => s.out(s.pairs().groupByKey().mapValues(sorted)) },
  {
    name: 'combineByKey',
    inputs: paired,
    define: (s) =>
      s.out(
        s.pairs().combineByKey<string, number, [number, number]>(
          (value) => [value, 1],
          ([total, count], value) => [total + value, count + 1],
          (a, b) => [a[0] + b[0], a[1] + b[1]],
          new HashPartitioner(2),
        ),
      ),
  },
  { name: 'mapValues', inputs: paired, define: (s) => s.out(s.pairs().mapValues((value) => -value)) },
  {
    name: 'flatMapValues',
    inputs: paired,
    define: (s) => s.out(s.pairs().flatMapValues((value) => Array.from({ length: value }, (_, i) => i + 1))),
  },
  { name: 'join', inputs: twoPaired, define: (s) => s.out(s.pairs().join(s.pairs(1))) },
  { name: 'leftOuterJoin', inputs: twoPaired, define: (s) => s.out(s.pairs().leftOuterJoin(s.pairs(1))) },
  { name: 'rightOuterJoin', inputs: twoPaired, define: (s) => s.out(s.pairs().rightOuterJoin(s.pairs(1))) },
  { name: 'fullOuterJoin', inputs: twoPaired, define: (s) => s.out(s.pairs().fullOuterJoin(s.pairs(1))) },
  {
    name: 'cogroup',
    inputs: twoPaired,
    define: (s) =>
      s.out(
        s
          .pairs()
          .cogroup(s.pairs(1))
          .mapValues(([left, right]) => [sorted(left), sorted(right)]),
      ),
  },
  {
    name: 'keys that are pairs',
    inputs: one,
    define: (s) =>
      s.out(
        s
          .words()
          .map((word): [[string, number], number] => [[word, word.length], 1])
          .reduceByKey(add),
      ),
  },
  {
    name: 'keys that are null',
    inputs: one,
    define: (s) =>
      s.out(
        s
          .words()
          .map((word): [string | null, number] => [word === 'a' ? null : word, 1])
          .reduceByKey(add),
      ),
  },
  { name: 'window 3', inputs: one, batches: 12, define: (s) => s.out(s.words().window(Seconds(3))) },
  { name: 'window 4 by 2', inputs: one, batches: 12, define: (s) => s.out(s.words().window(Seconds(4), Seconds(2))) },
  // An input that is asked only for what windows hold would hand out other batches from a queue.
  {
    name: 'window 1 by 3',
    inputs: one,
    source: 'given',
    batches: 9,
    define: (s) => s.out(s.words().window(Seconds(1), Seconds(3))),
  },
  {
    name: 'window of window',
    inputs: one,
    batches: 12,
    define: (s) => s.out(s.words().window(Seconds(2), Seconds(2)).window(Seconds(4), Seconds(2))),
  },
  {
    name: 'map behind window',
    inputs: one,
    define: (s) =>
      s.out(
        s
          .words()
          .window(Seconds(4), Seconds(2))
          .map((word) => `${word}!`)
          .countByValue(),
      ),
  },
  {
    name: 'reduceByWindow',
    inputs: counted,
    batches: 10,
    define: (s) => s.out(s.numbers().reduceByWindow(add, Seconds(3), Seconds(1))),
  },
  {
    name: 'reduceByWindow inverse',
    inputs: [[[], ...numbers]],
    batches: 11,
    define: (s) => s.out(s.numbers().reduceByWindow(add, less, Seconds(3), Seconds(1))),
  },
  {
    name: 'countByWindow',
    inputs: [[[], ...words]],
    batches: 13,
    define: (s) => s.out(s.words().countByWindow(Seconds(3), Seconds(1))),
  },
  {
    name: 'countByWindow by 2',
    inputs: one,
    batches: 14,
    define: (s) => s.out(s.words().countByWindow(Seconds(4), Seconds(2))),
  },
  {
    name: 'countByValueAndWindow',
    inputs: one,
    batches: 12,
    define: (s) => s.out(s.words().countByValueAndWindow(Seconds(3), Seconds(1))),
  },
  {
    name: 'reduceByKeyAndWindow',
    inputs: one,
    batches: 12,
    define: (s) => s.out(s.ones().reduceByKeyAndWindow(add, Seconds(3))),
  },
  {
    name: 'reduceByKeyAndWindow by 2',
    inputs: one,
    batches: 12,
    define: (s) => s.out(s.ones().reduceByKeyAndWindow(add, Seconds(4), Seconds(2))),
  },
  {
    name: 'reduceByKeyAndWindow inverse',
    inputs: one,
    batches: 12,
    define: (s) => s.out(s.ones().reduceByKeyAndWindow(add, less, Seconds(3), Seconds(1))),
  },
  {
    name: 'reduceByKeyAndWindow inverse by 2',
    inputs: one,
    batches: 14,
    define: (s) => s.out(s.ones().reduceByKeyAndWindow(add, less, Seconds(4), Seconds(2))),
  },
  {
    name: 'reduceByKeyAndWindow inverse filtered',
    inputs: one,
    batches: 12,
    define: (s) => s.out(s.ones().reduceByKeyAndWindow(add, less, Seconds(3), Seconds(1), 2, ([, count]) => count > 0)),
  },
  {
    name: 'groupByKeyAndWindow',
    inputs: paired,
    batches: 9,
    define: (s) => s.out(s.pairs().groupByKeyAndWindow(Seconds(3)).mapValues(sorted)),
  },
  {
    name: 'join of windows',
    inputs: twoPaired,
    define: (s) => s.out(s.pairs().window(Seconds(3)).join(s.pairs(1))),
  },
  {
    name: 'union of windows',
    inputs: two,
    batches: 11,
    define: (s) =>
      s.out(
        s
          .words()
          .window(Seconds(2))
          .union(s.words(1).window(Seconds(3))),
      ),
  },
  { name: 'updateStateByKey', inputs: one, define: (s) => s.out(s.ones().updateStateByKey(sum)) },
  {
    name: 'updateStateByKey removing',
    inputs: one,
    define: (s) =>
      s.out(
        s
          .ones()
          .updateStateByKey<string, number, number>((values, state) =>
            values.length === 0 ? undefined : sum(values, state),
          ),
      ),
  },
  {
    name: 'updateStateByKey from initial state',
    inputs: one,
    define: (s) => s.out(s.ones().updateStateByKey(sum, new HashPartitioner(3), s.ssc.sparkContext.parallelize(start))),
  },
  {
    name: 'window over state',
    inputs: one,
    define: (s) => s.out(s.ones().updateStateByKey(sum).window(Seconds(2), Seconds(2))),
  },
  { name: 'mapWithState', inputs: one, define: (s) => s.out(s.ones().mapWithState(StateSpec.function(running))) },
  {
    name: 'mapWithState snapshots',
    inputs: one,
    define: (s) => s.out(s.ones().mapWithState(StateSpec.function(running)).stateSnapshots()),
  },
  {
    name: 'mapWithState removing',
    inputs: one,
    define: (s) =>
      s.out(
        s.ones().mapWithState(
          StateSpec.function((key: string, value: number | undefined, state: State<number>) => {
            const total = (state.getOption() ?? 0) + (value ?? 0)
            if (total >= 3) state.remove()
            else state.update(total)
            return `${key}${total}${state.exists()}`
          }),
        ),
      ),
  },
  {
    name: 'mapWithState with time',
    inputs: one,
    define: (s) =>
      s.out(
        s.ones().mapWithState(
          StateSpec.functionWithTime((time: Time, key: string, _: number | undefined, state: State<number>) => {
            const said = state.exists() ? `${key}${time.milliseconds - state.get()}` : undefined
            state.update(time.milliseconds)
            return said
          }),
        ),
      ),
  },
  {
    name: 'mapWithState from initial state',
    inputs: one,
    define: (s) => s.out(s.ones().mapWithState(StateSpec.function(running).initialState(start))),
  },
  // Saved in every batch, Spark looks for idle keys in every batch, as ours does always (B83).
  {
    name: 'mapWithState timing out',
    inputs: one,
    batches: 12,
    define: (s) => {
      const mapped = s.ones().mapWithState(StateSpec.function(running).timeout(Seconds(2)))
      s.out(mapped.checkpoint(Seconds(1)))
    },
  },
  { name: 'gaps map', inputs: [gaps], source: 'given', define: (s) => s.out(s.words().map((word) => word)) },
  { name: 'gaps window', inputs: [gaps], source: 'given', define: (s) => s.out(s.words().window(Seconds(2))) },
  {
    name: 'gaps updateStateByKey',
    inputs: [gaps],
    source: 'given',
    define: (s) => s.out(s.ones().updateStateByKey(sum)),
  },
  {
    name: 'gaps mapWithState snapshots',
    inputs: [gaps],
    source: 'given',
    define: (s) => s.out(s.ones().mapWithState(StateSpec.function(running)).stateSnapshots()),
  },
  {
    name: 'rdd set operations',
    inputs: two,
    define: (s) =>
      s.out(s.words().transformWith(s.words(1), (a, b) => a.intersection(b).union(b.distinct().coalesce(1)))),
  },
  {
    name: 'rdd aggregateByKey',
    inputs: paired,
    define: (s) => s.out(s.pairs().transform((rdd) => rdd.aggregateByKey<string, number, number>(0)(add, add))),
  },
  {
    name: 'rdd foldByKey and sortByKey',
    inputs: paired,
    define: (s) => s.out(s.pairs().transform((rdd) => rdd.foldByKey(0)(add).sortByKey(false))),
  },
  {
    name: 'rdd groupBy',
    inputs: [[['a', 'bb', 'c', 'dd'], [], ['eee']]],
    define: (s) => s.out(s.words().transform((rdd) => rdd.groupBy((word) => word.length).mapValues(sorted))),
  },
  {
    name: 'rdd subtractByKey',
    inputs: twoPaired,
    define: (s) => s.out(s.pairs().transformWith(s.pairs(1), (a, b) => a.subtractByKey(b))),
  },
  {
    name: 'rdd zips',
    inputs: one,
    define: (s) => s.out(s.words().transform((rdd) => rdd.zip(rdd.map((word) => word + word)))),
  },
  {
    name: 'rdd zipWithUniqueId',
    inputs: one,
    define: (s) => s.out(s.words().transform((rdd) => rdd.zipWithUniqueId())),
  },
  {
    name: 'rdd actions',
    inputs: counted,
    define: (s) =>
      s.numbers().foreachRDD(async (rdd, time) => {
        s.emit(time.milliseconds, [
          await rdd.count(),
          await rdd.isEmpty(),
          await rdd.top(2),
          await rdd.takeOrdered(2),
          await rdd.take(3),
          await rdd.fold(0)(add),
          await rdd.aggregate('')(
            (text) => text || 'x',
            (a, b) => a || b,
          ),
          await rdd.sum(),
          sorted([...(await rdd.countByValue()).values()]),
          rdd.getNumPartitions(),
        ])
      }),
  },
  {
    name: 'a function that throws',
    inputs: one,
    define: (s) =>
      s.out(
        s.words().map((word) => {
          if (word === 'd') throw new Error('no d')
          return word
        }),
      ),
  },
  { name: 'files', inputs: one, source: 'files', define: (s) => s.out(s.ones().reduceByKey(add)) },
  {
    name: 'files in windows',
    inputs: one,
    source: 'files',
    batches: 11,
    define: (s) => s.out(s.words().countByValueAndWindow(Seconds(3), Seconds(1))),
  },
  { name: 'all that is queued', inputs: one, source: 'all', batches: 3, define: (s) => s.out(s.words()) },
  { name: 'print', inputs: one, batches: 4, define: (s) => s.words().print(2) },
  {
    name: 'print pairs',
    inputs: one,
    batches: 4,
    define: (s) =>
      s
        .words()
        .map((word): [[string, null], number] => [[word, null], word.length])
        .print(),
  },
  {
    name: 'saveAsTextFiles',
    inputs: one,
    batches: 4,
    define: (s) => s.ones().saveAsTextFiles(join(s.folder, 'out'), 'txt'),
  },
]
