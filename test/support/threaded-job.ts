// Jobs that show where and how their functions run. Arguments: which one, and a folder for what it has to remember.
import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isMainThread, threadId } from 'node:worker_threads'
import {
  AccumulatorV2,
  ConsumerStrategies,
  type DStream,
  LocationStrategies,
  type RDD,
  Seconds,
  type StreamingContext,
} from '../../src/stream/api.ts'
import { kafkaUtilsOver } from '../../src/stream/kafka.ts'
import { FakeKafka } from './fake-kafka.ts'

/** What output operations saw; filled in the job's own thread only. */
export const seen: unknown[] = []
export const shared: {
  lines?: () => number
  sum?: () => number
  words?: () => string[]
  longest?: () => string
  token?: number
} = {}

/** An accumulator of the job's own. */
class Longest extends AccumulatorV2<string, string> {
  value = ''

  get isZero(): boolean {
    return this.value === ''
  }

  add(word: string): void {
    if (word.length > this.value.length) this.value = word
  }

  reset(): void {
    this.value = ''
  }
}

export class Point {
  readonly x: number

  constructor(x: number) {
    this.x = x
  }

  double(): Point {
    return new Point(this.x * 2)
  }
}

/** True for the first caller, in whichever thread. */
function isFirst(folder: string, name: string): boolean {
  const mark = join(folder, name)
  if (existsSync(mark)) return false
  writeFileSync(mark, '')
  return true
}

const add = (a: number, b: number): number => a + b

const jobs: Readonly<Record<string, (ssc: StreamingContext, folder: string) => void>> = {
  where(ssc) {
    out(numbers(ssc, [1, 2, 3, 4]).map(() => [isMainThread, threadId]))
  },
  'made while it runs'(ssc) {
    numbers(ssc, [1, 2])
      .map(() => isMainThread)
      .foreachRDD(async (rdd) => {
        seen.push(await rdd.map((inGraph) => [inGraph, isMainThread]).collect())
      })
  },
  'in transform'(ssc) {
    out(numbers(ssc, [1, 2]).transform((rdd) => rdd.map(() => isMainThread)))
  },
  accumulators(ssc, folder) {
    const { sparkContext } = ssc
    const lines = sparkContext.longAccumulator('lines')
    const sum = sparkContext.doubleAccumulator()
    const words = sparkContext.collectionAccumulator<string>()
    const longest = new Longest()
    sparkContext.register(longest, 'longest')
    Object.assign(shared, {
      lines: () => lines.count,
      sum: () => sum.value,
      words: () => words.value,
      longest: () => longest.value,
    })
    out(
      numbers(ssc, [1, 2, 3, 4]).map((n) => {
        lines.add(1)
        sum.add(n / 2)
        words.add(`n${n}`)
        longest.add(n === 3 ? 'three' : 'n')
        if (n === 2 && isFirst(folder, 'failed')) throw new Error('once')
        return n
      }),
    )
  },
  broadcast(ssc) {
    const token = ssc.sparkContext.broadcast({ token: Math.random() })
    shared.token = token.value.token
    out(numbers(ssc, [1, 2]).map(() => [isMainThread, token.value.token]))
  },
  fails(ssc) {
    out(
      numbers(ssc, [1, 2, 3]).map((n) => {
        if (n === 2) throw new RangeError('two is too much', { cause: new TypeError('deep') })
        return n
      }),
    )
  },
  'fails in a shuffle'(ssc) {
    out(
      numbers(ssc, [1, 2, 3, 4])
        .map((n) => [n % 2, n])
        .reduceByKey(() => {
          throw new Error('no sum')
        }),
    )
  },
  'no pairs'(ssc) {
    out((numbers(ssc, [1, 2]).map((n) => [n]) as unknown as DStream<[number, number]>).reduceByKey(add))
  },
  'ends its thread once'(ssc, folder) {
    out(
      numbers(ssc, [1, 2, 3, 4]).map((n) => {
        if (n === 3 && isFirst(folder, 'ended')) process.exit(7)
        return n * 10
      }),
    )
  },
  'ends every thread'(ssc) {
    out(
      numbers(ssc, [1]).map((n) => {
        if (!isMainThread) process.exit(7)
        return n
      }),
    )
  },
  'eats memory once'(ssc, folder) {
    out(
      numbers(ssc, [1, 2]).map((n) => {
        const eaten: unknown[] = []
        if (n === 2 && isFirst(folder, 'eaten')) for (;;) eaten.push(new Array(100_000).fill(n))
        return n
      }),
    )
  },
  'objects of a class'(ssc) {
    out(
      numbers(ssc, [1, 2])
        .map((n) => new Point(n))
        .map((point) => point.double()),
    )
  },
  'objects of a class on the way'(ssc) {
    out(
      numbers(ssc, [1, 2])
        .map((n) => new Point(n))
        .map((point) => [point.double().x, isMainThread]),
    )
  },
  'another graph'(ssc) {
    const given = numbers(ssc, [1, 2])
    out((isMainThread ? given : given.map((n) => n + 1)).map(() => isMainThread))
  },
  'another function'(ssc) {
    out(numbers(ssc, [1, 2]).map(isMainThread ? () => isMainThread : () => !isMainThread))
  },
  'cannot be loaded twice'(ssc, folder) {
    if (!isFirst(folder, 'loaded')) throw new Error('it is a singleton')
    out(numbers(ssc, [1, 2]).map(() => isMainThread))
  },
  'a large shuffle'(ssc) {
    const keys = Array.from({ length: 60_000 }, (_, i) => `a rather long key number ${i % 30_000}`)
    const queue = [ssc.sparkContext.parallelize(keys, 4)]
    ssc
      .queueStream(queue)
      .map((key): [string, boolean] => [key, false])
      .reduceByKey((a, b) => a || b || !isMainThread)
      .map(([key, merged]) => [key, merged, isMainThread])
      .foreachRDD(async (rdd) => {
        seen.push(await rdd.collect())
      })
  },
  'a kept stream'(ssc) {
    const kept = numbers(ssc, [1, 2, 3, 4]).map((n) => {
      if (isMainThread) throw new Error('kept in the thread of the job')
      return [n, threadId] as const
    })
    out(kept.window(Seconds(2)).map((record) => [...record, isMainThread]))
  },
  'shared memory and errors'(ssc) {
    out(numbers(ssc, [1]).map(() => new Map([['a', new Set([new Date(5)])]])))
  },
  'changed variables'(ssc) {
    let limit = 1
    const fixed = 2
    const born = Math.random()
    let late: Set<number> | undefined
    let none: Set<number> | null = null
    const known = new Set([1])
    const given = numbers(ssc, [1, 2], [3])
    given
      .map((n) => n > limit && n !== fixed)
      .foreachRDD((rdd) => {
        limit++
        late = new Set([2])
        none = new Set([3])
        return rdd.count().then(() => undefined)
      })
    given.map(() => born > 2).print()
    given.map((n) => late?.has(n) ?? none?.has(n) ?? known.has(n)).print()
  },
  kafka(ssc) {
    // Each thread has a cluster of its own, with the same records in it.
    const kafka = new FakeKafka().createTopic('t', 2)
    kafka.put('t', 0, ['a', 'b'])
    kafka.put('t', 1, ['c'])
    const strategy = ConsumerStrategies.Subscribe<string, string>(['t'], {
      'bootstrap.servers': 'b:9092',
      'group.id': 'g',
      'key.deserializer': 'StringDeserializer',
      'value.deserializer': 'StringDeserializer',
      'auto.offset.reset': 'earliest',
    })
    const direct = kafkaUtilsOver(kafka.connect).createDirectStream(ssc, LocationStrategies.PreferConsistent, strategy)
    out(direct.map(({ partition, offset, value }) => [partition, offset, value, isMainThread]))
  },
  'a kept stream that fails'(ssc) {
    const kept = numbers(ssc, [1, 2]).map((n): number => {
      throw new Error(`kept ${n}`)
    })
    kept.cache().foreachRDD(async (rdd) => {
      seen.push(await rdd.count())
    })
  },
  'never ends'(ssc) {
    out(numbers(ssc, [1]).map(() => new Promise(() => undefined)))
  },
  'two that meet'(ssc, folder) {
    // What a module does when it is loaded is done in every thread.
    appendFileSync(join(folder, 'loads'), 'x')
    out(
      numbers(ssc, [1, 2]).map(async (n) => {
        writeFileSync(join(folder, `here-${n}`), '')
        while (!existsSync(join(folder, `here-${3 - n}`))) await setImmediate()
        return threadId
      }),
    )
  },
}

function numbers(ssc: StreamingContext, ...batches: number[][]): DStream<number> {
  const queue: RDD<number>[] = batches.map((items) => ssc.sparkContext.parallelize(items, 2))
  return ssc.queueStream(queue)
}

function out(stream: DStream<unknown>): void {
  stream.foreachRDD(async (rdd) => {
    seen.push(await rdd.collect())
  })
}

export default function threaded(ssc: StreamingContext, [name = '', folder = '']: readonly string[]): void {
  seen.length = 0
  const job = jobs[name]
  if (!job) throw new Error(`no job ${name}`)
  job(ssc, folder)
}
