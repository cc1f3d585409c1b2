import { callSite } from './graph/call-site.ts'
import type { StreamContext, StreamGraph } from './graph/graph.ts'
import { InputNode, type MaybeRdd, Node } from './graph/node.ts'
import { OutputNode } from './graph/output.ts'
import { DeriveNode } from './op/derive.ts'
import { MapWithStateNode, SnapshotNode, StateSpec } from './op/map-with-state.ts'
import { printed } from './op/print.ts'
import { ReduceWindowNode } from './op/reduce-window.ts'
import { TransformNode } from './op/transform.ts'
import { UnionNode } from './op/union.ts'
import {
  type UpdateAll,
  UpdateStateNode,
  type UpdateOptions as UpdateStateNodeOptions,
} from './op/update-state-by-key.ts'
import { checkWindow, WindowNode } from './op/window.ts'
import { checkSaveOptions, type SaveFilesOptions } from './output/format.ts'
import { objectLine } from './output/object-line.ts'
import { type Partitioner, toPartitioner } from './rdd/partitioner.ts'
import { grouping, RDD } from './rdd/rdd.ts'
import { StorageLevel } from './storage-level.ts'
import { Duration, IllegalArgumentError, Time } from './time.ts'

type OneOrPromise<T> = T | PromiseLike<T>
type Many<T> = Iterable<T> | PromiseLike<Iterable<T>>
type P = number | Partitioner

/** Anything a stream can be made over: another stream, such as a FlumeSource. */
export interface StreamSource<T> {
  readonly node: Node<T>
}

/**
 * A stream of batches, each an RDD. `new DStream(ssc, source)` is the stream of a source such as a FlumeSource; all
 * others come from the context's methods and from operations on streams.
 */
export class DStream<T> {
  readonly node: Node<T>
  readonly #graph: StreamGraph

  constructor(context: { readonly graph: StreamGraph }, source: StreamSource<T> | Node<T>) {
    this.#graph = context.graph
    this.node = source instanceof Node ? source : source.node
    if ((this.node.graph as unknown) !== context.graph)
      throw new Error('the source belongs to another StreamingContext')
  }

  get context(): StreamContext {
    return this.#graph.context as StreamContext
  }

  /** How often there is a batch of this stream. */
  get slideDuration(): Duration {
    return new Duration(this.node.slideMs)
  }

  // --- record by record

  map<K, V>(f: (item: T) => readonly [K, V]): DStream<[K, V]>
  map<U>(f: (item: T) => OneOrPromise<U>): DStream<U>
  map<U>(f: (item: T) => OneOrPromise<U>): DStream<U> {
    return this.#derive('map', (rdd) => rdd.map(f as (item: T) => U))
  }

  mapToPair<K, V>(f: (item: T) => readonly [K, V]): DStream<[K, V]> {
    return this.map(f)
  }

  flatMap<K, V>(f: (item: T) => Iterable<readonly [K, V]>): DStream<[K, V]>
  flatMap<U>(f: (item: T) => Many<U>): DStream<U>
  flatMap<U>(f: (item: T) => Many<U>): DStream<U> {
    return this.#derive('flatMap', (rdd) => rdd.flatMap<U>(f))
  }

  filter<S extends T>(f: (item: T) => item is S): DStream<S>
  filter(f: (item: T) => OneOrPromise<unknown>): DStream<T>
  filter(f: (item: T) => OneOrPromise<unknown>): DStream<T> {
    return this.#derive('filter', (rdd) => rdd.filter(f))
  }

  /** One list per partition. */
  glom(): DStream<T[]> {
    return this.#derive('glom', (rdd) => rdd.glom())
  }

  /** `f` gets all records of a partition at once; the place for one connection per partition. */
  mapPartitions<U>(
    f: (items: Iterable<T>) => Iterable<U> | AsyncIterable<U> | PromiseLike<Iterable<U>>,
    preservePartitioning = false,
  ): DStream<U> {
    return this.#derive('mapPartitions', (rdd) => rdd.mapPartitions(f, preservePartitioning))
  }

  // --- whole batches

  /** Spreads each batch evenly over `partitions`. */
  repartition(partitions: number): DStream<T> {
    return this.#derive('repartition', (rdd) => rdd.repartition(partitions))
  }

  union(that: DStream<T>): DStream<T> {
    return this.#stream(new UnionNode<T>([this.node, that.node]))
  }

  /** At most one record per batch. */
  reduce(f: (a: T, b: T) => T): DStream<T> {
    return this.#derive('reduce', (rdd) =>
      rdd
        .map((item): [null, T] => [null, item])
        .combine({ operation: 'reduce', create: (item) => item, mergeValue: f, mergeCombiners: f }, 1)
        .values(),
    )
  }

  /** Exactly one record per batch, 0 included. */
  count(): DStream<number> {
    return this.#derive('count', (rdd) => {
      const one: [null, number] = [null, 1]
      const zero = this.#graph.sparkContext.parallelize<[null, number]>([[null, 0]], 1)
      return rdd
        .map(() => one)
        .union(zero)
        .reduceByKey((a, b) => a + b, this.#partitioner())
        .values()
    })
  }

  /** How often each record occurs in a batch; records are equal by value. */
  countByValue(partitions?: P): DStream<[T, number]> {
    return this.#derive('countByValue', (rdd) =>
      rdd.map((item): [T, number] => [item, 1]).reduceByKey((a, b) => a + b, this.#partitioner(partitions)),
    )
  }

  /** Any function from the batch's RDD to another; it runs while the batch is generated and may be asynchronous. */
  transform<K, V>(f: (rdd: RDD<T>, time: Time) => OneOrPromise<RDD<[K, V]>>): DStream<[K, V]>
  transform<U>(f: (rdd: RDD<T>, time: Time) => OneOrPromise<RDD<U>>): DStream<U>
  transform<U>(f: (rdd: RDD<T>, time: Time) => OneOrPromise<RDD<U>>): DStream<U> {
    return this.#transform('transform', [this], ([rdd], time) => f(rdd as unknown as RDD<T>, time))
  }

  transformWith<U, R>(
    other: DStream<U>,
    f: (rdd: RDD<T>, otherRdd: RDD<U>, time: Time) => OneOrPromise<RDD<R>>,
  ): DStream<R> {
    return this.#transform('transformWith', [this, other], ([left, right], time) =>
      f(left as unknown as RDD<T>, right as unknown as RDD<U>, time),
    )
  }

  // --- windows

  /** The records of the last `windowDuration`, every `slideDuration` (default: this stream's own). */
  window(windowDuration: Duration, slideDuration: Duration = this.slideDuration): DStream<T> {
    return this.#stream(new WindowNode<T>(this.node, windowDuration.milliseconds, slideDuration.milliseconds))
  }

  /** Reduces each batch, then the window of those; an empty window has no record. `f` must be associative. */
  reduceByWindow(f: (a: T, b: T) => T, windowDuration: Duration, slideDuration: Duration): DStream<T>
  /**
   * The window before, less what leaves it, and what enters. Nothing until the first record was ever seen, then one
   * record for every window (B21). `inverse` takes its second argument away from its first. Needs a checkpoint directory.
   */
  reduceByWindow(
    f: (a: T, b: T) => T,
    inverse: (a: T, b: T) => T,
    windowDuration: Duration,
    slideDuration: Duration,
  ): DStream<T>
  reduceByWindow(f: (a: T, b: T) => T, ...rest: unknown[]): DStream<T> {
    const { inverse, windowDuration, slideDuration } = windowArguments<T>(rest, this.slideDuration)
    this.#checkWindow(windowDuration, slideDuration)
    if (!inverse) return this.reduce(f).window(windowDuration, slideDuration).reduce(f)
    return this.#overWindow(f, inverse, windowDuration, slideDuration, true)
  }

  /** How many records the window holds: nothing until the first record was ever seen, then a number for every window (B21). */
  countByWindow(windowDuration: Duration, slideDuration: Duration): DStream<number> {
    this.#checkWindow(windowDuration, slideDuration)
    return this.map(() => 1).#overWindow(
      (a, b) => a + b,
      (a, b) => a - b,
      windowDuration,
      slideDuration,
      false,
    )
  }

  /** How often each record occurs in the window; no zero counts. */
  countByValueAndWindow(windowDuration: Duration, slideDuration: Duration, partitions?: P): DStream<[T, number]> {
    return invertible(this.map((item): [T, number] => [item, 1]) as DStream<[T, number]>, {
      reduce: (a, b) => a + b,
      inverse: (a, b) => a - b,
      filter: ([, count]) => count !== 0,
      windowDuration,
      slideDuration,
      partitions,
      needsDirectory: false,
    })
  }

  /** The invertible window over all records, by way of one constant key. */
  #overWindow(
    reduce: (a: T, b: T) => T,
    inverse: (a: T, b: T) => T,
    windowDuration: Duration,
    slideDuration: Duration,
    needsDirectory: boolean,
  ): DStream<T> {
    const keyed = this.map((item): [number, T] => [1, item]) as DStream<[number, T]>
    const window = { windowDuration, slideDuration, partitions: 1, filter: undefined }
    return invertible(keyed, { ...window, reduce, inverse, needsDirectory }).map(([, value]) => value) as DStream<T>
  }

  // --- pairs

  groupByKey<K, V>(this: DStream<[K, V]>, partitions?: P): DStream<[K, V[]]> {
    return derive(this, 'groupByKey', (rdd, p) => rdd.groupByKey(p), partitions)
  }

  reduceByKey<K, V>(this: DStream<[K, V]>, f: (a: V, b: V) => V, partitions?: P): DStream<[K, V]> {
    return derive(this, 'reduceByKey', (rdd, p) => rdd.reduceByKey(f, p), partitions)
  }

  combineByKey<K, V, C>(
    this: DStream<[K, V]>,
    create: (value: V) => C,
    mergeValue: (combined: C, value: V) => C,
    mergeCombiners: (a: C, b: C) => C,
    partitions?: P,
    mapSideCombine = true,
  ): DStream<[K, C]> {
    return derive(
      this,
      'combineByKey',
      (rdd, p) => rdd.combineByKey(create, mergeValue, mergeCombiners, p, mapSideCombine),
      partitions,
    )
  }

  mapValues<K, V, U>(this: DStream<[K, V]>, f: (value: V) => OneOrPromise<U>): DStream<[K, U]> {
    return derive(this, 'mapValues', (rdd) => rdd.mapValues(f))
  }

  flatMapValues<K, V, U>(this: DStream<[K, V]>, f: (value: V) => Many<U>): DStream<[K, U]> {
    return derive(this, 'flatMapValues', (rdd) => rdd.flatMapValues(f))
  }

  /** Per batch the cross product of the values of each key that both sides have. */
  join<K, V, W>(this: DStream<[K, V]>, other: DStream<[K, W]>, partitions?: P): DStream<[K, [V, W]]> {
    return together(this, other, 'join', (left, right, p) => left.join(right, p), partitions)
  }

  leftOuterJoin<K, V, W>(
    this: DStream<[K, V]>,
    other: DStream<[K, W]>,
    partitions?: P,
  ): DStream<[K, [V, W | undefined]]> {
    return together(this, other, 'leftOuterJoin', (left, right, p) => left.leftOuterJoin(right, p), partitions)
  }

  rightOuterJoin<K, V, W>(
    this: DStream<[K, V]>,
    other: DStream<[K, W]>,
    partitions?: P,
  ): DStream<[K, [V | undefined, W]]> {
    return together(this, other, 'rightOuterJoin', (left, right, p) => left.rightOuterJoin(right, p), partitions)
  }

  fullOuterJoin<K, V, W>(
    this: DStream<[K, V]>,
    other: DStream<[K, W]>,
    partitions?: P,
  ): DStream<[K, [V | undefined, W | undefined]]> {
    return together(this, other, 'fullOuterJoin', (left, right, p) => left.fullOuterJoin(right, p), partitions)
  }

  /** Per batch every key of either side with its values from both. */
  cogroup<K, V, W>(this: DStream<[K, V]>, other: DStream<[K, W]>, partitions?: P): DStream<[K, [V[], W[]]]> {
    return together(this, other, 'cogroup', (left, right, p) => left.cogroup(right, p), partitions)
  }

  /** Reduces each batch by key, then the window of those. `f` must be associative and commutative. */
  reduceByKeyAndWindow<K, V>(
    this: DStream<[K, V]>,
    f: (a: V, b: V) => V,
    windowDuration: Duration,
    slideDuration?: Duration,
    partitions?: P,
  ): DStream<[K, V]>
  /**
   * The window before, less what leaves it, and what enters (B19). Only keys that enter or leave cost anything.
   * `inverse` takes its second argument away from its first. Without `filter` a key stays for ever, with what is left
   * of its value (B20). Neither function may change its arguments. Needs a checkpoint directory.
   */
  reduceByKeyAndWindow<K, V>(
    this: DStream<[K, V]>,
    f: (a: V, b: V) => V,
    inverse: (a: V, b: V) => V,
    windowDuration: Duration,
    slideDuration?: Duration,
    partitions?: P,
    filter?: (pair: [K, V]) => boolean,
  ): DStream<[K, V]>
  reduceByKeyAndWindow<K, V>(this: DStream<[K, V]>, f: (a: V, b: V) => V, ...rest: unknown[]): DStream<[K, V]> {
    const { inverse, windowDuration, slideDuration, partitions, filter } = windowArguments<V>(rest, this.slideDuration)
    checkWindow(this.node as Node<unknown>, windowDuration.milliseconds, slideDuration.milliseconds)
    if (!inverse) {
      return this.reduceByKey(f, partitions).window(windowDuration, slideDuration).reduceByKey(f, partitions)
    }
    return invertible(this, {
      reduce: f,
      inverse,
      filter: filter as ((pair: [K, V]) => boolean) | undefined,
      windowDuration,
      slideDuration,
      partitions,
      needsDirectory: true,
    })
  }

  // --- state

  /**
   * In every batch `f` gets the new values of each key that has state or values, and answers its new state; undefined
   * removes the key (B75). The stream has every key with its state. `initial` is the state before the first batch.
   * Needs a checkpoint directory.
   */
  updateStateByKey<K, V, S>(
    this: DStream<[K, V]>,
    f: (values: V[], state: S | undefined) => S | undefined,
    partitions?: P,
    initial?: RDD<[K, S]> | Iterable<readonly [K, S]>,
  ): DStream<[K, S]> {
    return withState<K, V, S>(this, {
      update: (_, __, values, state) => f(values, state),
      ...(partitions !== undefined && { partitions }),
      ...(initial !== undefined && { initial }),
    })
  }

  /** As `updateStateByKey`, with the batch time and the key. */
  updateStateByKeyWithTime<K, V, S>(
    this: DStream<[K, V]>,
    f: (time: Time, key: K, values: V[], state: S | undefined) => S | undefined,
    options: UpdateStateOptions<K, S> = {},
  ): DStream<[K, S]> {
    return withState<K, V, S>(this, { ...options, update: f })
  }

  /**
   * `f` gets all keys of a partition that have state or values, and answers those that shall have state. It may answer
   * other keys than it got only with `rememberPartitioner: false` (B78).
   */
  updateStateByKeyIter<K, V, S>(
    this: DStream<[K, V]>,
    f: UpdateAll<K, V, S>,
    options: UpdateStateOptions<K, S> = {},
  ): DStream<[K, S]> {
    return withState<K, V, S>(this, {
      ...options,
      update: { all: f, mayMoveKeys: options.rememberPartitioner === false },
    })
  }

  /** State by key, changed record by record; the stream has what the function answers (B80). Needs a checkpoint directory. */
  mapWithState<K, V, S, M>(this: DStream<[K, V]>, spec: StateSpec<K, V, S, M>): MapWithStateDStream<K, V, S, M> {
    if (!(spec instanceof StateSpec)) {
      throw new IllegalArgumentError('mapWithState takes a StateSpec: StateSpec.function(…)')
    }
    const { graph } = this.context
    const partitioner = toPartitioner(spec.settings.partitioner, graph.sparkContext.defaultParallelism)
    return new MapWithStateDStream<K, V, S, M>(
      { graph },
      new MapWithStateNode<K, V, S, M>(this.node, spec, partitioner),
    )
  }

  groupByKeyAndWindow<K, V>(
    this: DStream<[K, V]>,
    windowDuration: Duration,
    slideDuration: Duration = this.slideDuration,
    partitions?: P,
  ): DStream<[K, V[]]> {
    checkWindow(this.node as Node<unknown>, windowDuration.milliseconds, slideDuration.milliseconds)
    const grouped = this.groupByKey(partitions).window(windowDuration, slideDuration)
    const { create: _, ...aggregator } = grouping<V>()
    const merged = derive(
      grouped,
      'groupByKeyAndWindow',
      (rdd, p) =>
        rdd.combine<K, V[], V[]>(
          {
            operation: 'groupByKeyAndWindow',
            // A copy: the batch's own list is read again in the next window.
            create: (values) => [...values],
            mergeValue: aggregator.mergeCombiners,
            mergeCombiners: aggregator.mergeCombiners,
          },
          p,
          'pair-of-list',
        ),
      partitions,
    )
    return merged
  }

  // --- output

  /** Runs `f` for each batch; the batch is complete when its promise settles, and failed when it rejects. */
  foreachRDD(f: (rdd: RDD<T>, time: Time) => void | PromiseLike<void>): void {
    this.#output('foreachRDD', f)
  }

  /** Writes the first `count` records of each batch to standard output, under the batch time. */
  print(count = 10): void {
    const { console } = this.#graph.sparkContext
    this.#output('print', async (rdd, time) => console(await printed(rdd, time, count)))
  }

  /** Writes each batch to the folder `<prefix>-<time ms>[.<suffix>]`, one text file per partition; a rerun batch replaces its files. */
  saveAsTextFiles(prefix: string, suffix?: string, compression?: 'gzip'): void {
    this.#save('saveAsTextFiles', prefix, {
      format: 'text',
      ...(suffix && { suffix }),
      ...(compression && { compression }),
    })
  }

  /**
   * As `saveAsTextFiles`, one record a line in a form that `sparkContext.objectFile` reads back with its types: dates, maps,
   * sets, bytes, big numbers. Records of a class come back as plain objects; functions cannot be written.
   */
  saveAsObjectFiles(prefix: string, suffix?: string): void {
    this.map(objectLine).#save('saveAsObjectFiles', prefix, { format: 'text', ...(suffix && { suffix }) })
  }

  /** As `saveAsTextFiles`, in other formats. A batch without records has no Avro or Parquet file unless a schema is given. Not in Spark. */
  saveAsFiles(prefix: string, options: SaveFilesOptions): void {
    this.#save('saveAsFiles', prefix, options)
  }

  #save(operation: string, prefix: string, options: SaveFilesOptions): void {
    checkSaveOptions(options)
    const { suffix } = options
    this.#output(operation, (rdd, time) => {
      const name = prefix ? `${prefix}-${time.milliseconds}` : `${time.milliseconds}`
      return rdd.saveAsFiles(suffix ? `${name}.${suffix}` : name, options)
    })
  }

  // --- looking back

  /** The batches from one time to another, both included; only once the context runs (B34). */
  slice(from: Time, to: Time): Promise<RDD<T>[]>
  slice(interval: { readonly beginTime: Time; readonly endTime: Time }): Promise<RDD<T>[]>
  slice(from: Time | { readonly beginTime: Time; readonly endTime: Time }, to?: Time): Promise<RDD<T>[]> {
    const begin = from instanceof Time ? from : from.beginTime
    const end = from instanceof Time ? (to ?? from) : from.endTime
    return this.node.slice(begin.milliseconds, end.milliseconds)
  }

  /** Keeps each batch's records once computed; before the start only. Default level: MEMORY_ONLY_SER. */
  persist(level: StorageLevel = StorageLevel.MEMORY_ONLY_SER): this {
    this.node.persist(level)
    return this
  }

  cache(): this {
    return this.persist()
  }

  /** How often the state of this stream is saved; before the start only, and a multiple of its slide (B36). */
  checkpoint(interval: Duration): this {
    this.node.checkpoint(interval.milliseconds)
    return this
  }

  /** Names the operator, so that a checkpoint finds its state again however the job around it changes. Not in Spark. */
  setName(name: string): this {
    this.node.setLabel(name)
    return this
  }

  #derive<U>(kind: string, derivation: (rdd: RDD<T>) => RDD<U>): DStream<U> {
    return this.#stream(new DeriveNode<T, U>(kind, this.node, derivation))
  }

  #stream<U>(node: Node<U>): DStream<U> {
    return new DStream<U>({ graph: this.#graph }, node)
  }

  #transform<R>(
    kind: string,
    streams: readonly DStream<unknown>[],
    f: (rdds: readonly RDD<never>[], time: Time) => OneOrPromise<RDD<R>>,
  ): DStream<R> {
    return this.#stream(
      new TransformNode<R>(
        kind,
        streams.map((stream) => stream.node),
        f,
      ),
    )
  }

  #output(operation: string, f: (rdd: RDD<T>, time: Time) => void | PromiseLike<void>): void {
    new OutputNode(
      this.#graph,
      this.node as Node<unknown>,
      f as (rdd: RDD<unknown>, time: Time) => void,
      callSite(operation),
    )
  }

  #partitioner(partitions?: P): Partitioner {
    return toPartitioner(partitions, this.#graph.sparkContext.defaultParallelism)
  }

  #checkWindow(windowDuration: Duration, slideDuration: Duration): void {
    checkWindow(this.node as Node<unknown>, windowDuration.milliseconds, slideDuration.milliseconds)
  }
}

/** What both forms of updateStateByKey with options take. */
export interface UpdateStateOptions<K, S> {
  readonly partitioner?: number | Partitioner
  /** Default true: keys stay in their partitions. */
  readonly rememberPartitioner?: boolean
  /** State before the first batch. */
  readonly initial?: RDD<[K, S]> | Iterable<readonly [K, S]>
}

/** What `mapWithState` answers: the mapped records, and beside them the state itself. */
export class MapWithStateDStream<K, V, S, M> extends DStream<M> {
  readonly #graph: StreamGraph
  readonly #state: MapWithStateNode<K, V, S, M>

  constructor(context: { readonly graph: StreamGraph }, node: MapWithStateNode<K, V, S, M>) {
    super(context, node)
    this.#graph = context.graph
    this.#state = node
  }

  /** Every key with its state, after each batch. */
  stateSnapshots(): DStream<[K, S]> {
    return new DStream<[K, S]>({ graph: this.#graph }, new SnapshotNode<K, V, S, M>(this.#state))
  }
}

interface WindowArguments<V> {
  readonly inverse: ((a: V, b: V) => V) | undefined
  readonly windowDuration: Duration
  readonly slideDuration: Duration
  readonly partitions: P | undefined
  readonly filter: unknown
}

/** The arguments behind the first of a windowed reduce; the forms are told apart by whether a function comes first. */
function windowArguments<V>(rest: readonly unknown[], slide: Duration): WindowArguments<V> {
  const hasInverse = typeof rest[0] === 'function'
  const [windowDuration, slideDuration = slide, partitions, filter] = hasInverse ? rest.slice(1) : rest
  if (!(windowDuration instanceof Duration) || !(slideDuration instanceof Duration)) {
    throw new IllegalArgumentError(
      'a window needs its length, and then its slide, as Durations: Seconds(30), Seconds(10)',
    )
  }
  if (filter !== undefined && typeof filter !== 'function') {
    throw new IllegalArgumentError('the filter of a window is a function of a [key, value] pair')
  }
  const inverse = hasInverse ? (rest[0] as (a: V, b: V) => V) : undefined
  return { inverse, windowDuration, slideDuration, partitions: partitions as P | undefined, filter }
}

/** The windowed reduce with an inverse; B22: with gaps between the windows nothing can be carried over, so each is reduced anew. */
function invertible<K, V>(
  stream: DStream<[K, V]>,
  options: {
    readonly reduce: (a: V, b: V) => V
    readonly inverse: (a: V, b: V) => V
    readonly filter: ((pair: [K, V]) => boolean) | undefined
    readonly windowDuration: Duration
    readonly slideDuration: Duration
    readonly partitions: P | undefined
    readonly needsDirectory: boolean
  },
): DStream<[K, V]> {
  const { windowDuration, slideDuration, partitions, reduce, inverse, filter, needsDirectory } = options
  if (slideDuration.greater(windowDuration)) {
    const plain = stream.reduceByKeyAndWindow(reduce, windowDuration, slideDuration, partitions)
    return filter ? plain.filter(filter) : plain
  }
  const { graph } = stream.context
  const node = new ReduceWindowNode<K, V>(stream.node, {
    reduce,
    inverse,
    filter,
    windowMs: windowDuration.milliseconds,
    slideMs: slideDuration.milliseconds,
    partitioner: toPartitioner(partitions, graph.sparkContext.defaultParallelism),
    needsDirectory,
  })
  return new DStream<[K, V]>({ graph }, node)
}

function withState<K, V, S>(
  stream: DStream<[K, V]>,
  options: UpdateStateOptions<K, S> & {
    readonly partitions?: P
    readonly update: UpdateStateNodeOptions<K, V, S>['update']
  },
): DStream<[K, S]> {
  const { graph } = stream.context
  const { update, initial, partitions, partitioner = partitions } = options
  if (typeof update !== 'function' && typeof update.all !== 'function') {
    throw new IllegalArgumentError('updateStateByKey takes a function')
  }
  const start =
    initial === undefined || initial instanceof RDD
      ? initial
      : graph.sparkContext.parallelize<[K, S]>(Array.from(initial, ([key, state]): [K, S] => [key, state]))
  const node = new UpdateStateNode<K, V, S>(stream.node, {
    update,
    initial: start,
    partitioner: toPartitioner(partitioner, graph.sparkContext.defaultParallelism),
  })
  return new DStream<[K, S]>({ graph }, node)
}

/** A pair operation on one stream; its partitions default to the context's parallelism. */
function derive<T, U>(
  stream: DStream<T>,
  kind: string,
  derivation: (rdd: RDD<T>, partitioner: Partitioner) => RDD<U>,
  partitions?: P,
): DStream<U> {
  const { graph } = stream.context
  const partitioner = toPartitioner(partitions, graph.sparkContext.defaultParallelism)
  return new DStream<U>({ graph }, new DeriveNode<T, U>(kind, stream.node, (rdd) => derivation(rdd, partitioner)))
}

/** A pair operation on two streams. */
function together<A, B, R>(
  left: DStream<A>,
  right: DStream<B>,
  kind: string,
  operation: (left: RDD<A>, right: RDD<B>, partitioner: Partitioner) => RDD<R>,
  partitions?: P,
): DStream<R> {
  const { graph } = left.context
  const partitioner = toPartitioner(partitions, graph.sparkContext.defaultParallelism)
  const nodes = [left.node as Node<unknown>, right.node as Node<unknown>]
  return new DStream<R>(
    { graph },
    new TransformNode<R>(
      kind,
      nodes,
      ([a, b]) => operation(a as unknown as RDD<A>, b as unknown as RDD<B>, partitioner),
      true,
    ),
  )
}

/** A stream fed from outside. Users extend it with `compute`, and `start` and `stop` where they need them. */
export abstract class InputDStream<T> extends DStream<T> {
  constructor(context: { readonly graph: StreamGraph }) {
    const node = new UserInputNode<T>(context.graph)
    super(context, node)
    node.owner = this
  }

  get id(): number {
    return (this.node as InputNode<T>).streamId
  }

  get name(): string {
    return (this.node as InputNode<T>).name
  }

  /** Called when the context starts. */
  start(): void | Promise<void> {}

  /** Called when the context stops. */
  stop(): void | Promise<void> {}

  /** True when `compute` gives the records of an earlier batch again, also after a restart: state is then saved less often. */
  get isReplayable(): boolean {
    return false
  }

  /** The records of a batch, or undefined when there is none. */
  abstract compute(time: Time): MaybeRdd<T> | Promise<MaybeRdd<T>>
}

/** Stands in the graph for a stream that a user wrote. */
class UserInputNode<T> extends InputNode<T> {
  readonly kind = 'input'
  owner: InputDStream<T> | undefined

  get name(): string {
    const words = (this.owner?.constructor.name ?? 'input')
      .replace(/D?Stream$/, '')
      .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    return `${words} stream [${this.streamId}]`
  }

  override get detail(): string {
    return this.owner?.constructor.name ?? ''
  }

  override get isReplayable(): boolean {
    return this.owner?.isReplayable ?? false
  }

  override start(): void | Promise<void> {
    return this.owner?.start()
  }

  override stop(): void | Promise<void> {
    return this.owner?.stop()
  }

  protected compute(timeMs: number): MaybeRdd<T> | Promise<MaybeRdd<T>> {
    return this.owner?.compute(new Time(timeMs))
  }
}
