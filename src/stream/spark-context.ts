import { availableParallelism } from 'node:os'
import { type Clock, systemClock } from '../core/clock.ts'
import { FlumeError } from '../core/error.ts'
import { type Random, systemRandom } from '../core/random.ts'
import { createLogger, type Logger } from '../monitor/logger.ts'
import { makeLocalFolder } from './checkpoint/folder.ts'
import { SparkConf } from './conf.ts'
import { type FileEntry, type FileSystem, glob, joinPath, locate } from './files.ts'
import { readRecords } from './fixed-records.ts'
import {
  type ContextSurroundings,
  currentSurroundings,
  launchedJob,
  launchLogger,
  noteContext,
  shadowRole,
} from './launch.ts'
import { LeveledLogger } from './log-level.ts'
import { readObjectLine } from './output/object-line.ts'
import { collectPartition, type FilePart, indexesOf, prepare } from './rdd/plan.ts'
import { RDD, type RddContext } from './rdd/rdd.ts'
import { LocalRunner } from './rdd/runner.ts'
import { FilesPlan, ItemsPlan, slice } from './rdd/source.ts'
import {
  Accumulator,
  type AccumulatorV2,
  Broadcast,
  CollectionAccumulator,
  RegisteredAccumulator,
  type SharedValue,
  SharedValues,
} from './shared.ts'
import { readTextPart, textParts } from './text-file.ts'
import { require_ } from './time.ts'

export type { ContextSurroundings }

/** The version of Spark whose behaviour is matched. */
const sparkVersion = '2.4.8'

/** Each thread loads the job and has a heap of its own: more than these only keep a machine from working. */
const coresMax = 1024

/** The cores a master URL stands for: `local` 1, `local[n]` n, `local[*]` those of this machine. Throws USAGE for a master that is not offered. */
export function coresOf(master: string): number {
  const [, cores] = /^local(?:\[\s*(\d+|\*)\s*(?:,\s*\d+\s*)?\])?$/.exec(master) ?? [undefined, undefined]
  if (!/^local(\[|$)/.test(master) || (cores === undefined && master !== 'local') || cores === '0') {
    throw new FlumeError('USAGE', `Could not parse Master URL: '${master}'`, {
      hint: 'take local (this thread), local[n] or local[*] (n worker threads), local[n,f] (each task may fail f times)',
    })
  }
  if (cores !== undefined && cores !== '*' && Number(cores) > coresMax) {
    throw new FlumeError('USAGE', `'${master}' asks for ${cores} worker threads; ${coresMax} are the most`, {
      hint: `local[*] takes as many as this machine has cores: ${availableParallelism()}`,
    })
  }
  return cores === undefined ? 1 : cores === '*' ? availableParallelism() : Number(cores)
}

/** True for the masters whose tasks run on threads of their own; `local` runs them in this one. */
export function hasThreads(master: string): boolean {
  return master.includes('[')
}

/** How often a task may run: f of `local[n,f]`, else `spark.task.maxFailures`, else once (B56). Throws USAGE for less than once. */
function triesOf(master: string, conf: SparkConf): number {
  const [, given] = /,\s*(\d+)\s*\]$/.exec(master) ?? []
  const tries = given === undefined ? conf.getInt('spark.task.maxFailures', 1) : Number(given)
  if (tries < 1) throw new FlumeError('USAGE', `a task must be allowed to run at least once, not ${tries} times`)
  return tries
}

declare module './rdd/rdd.ts' {
  interface RDD<T> {
    /** The context that the data set was made in. */
    readonly sparkContext: SparkContext
  }
}

// A data set knows its context by what it needs of it; a job sees all of it.
Object.defineProperty(RDD.prototype, 'sparkContext', {
  get(this: RDD<unknown>): RddContext {
    return this.context
  },
})

/** The context made last that is not stopped. */
let current: SparkContext | undefined

/** Makes data sets. A streaming job reaches it by `ssc.sparkContext`. */
export class SparkContext implements RddContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly console: (text: string) => void
  readonly startTime: number
  readonly applicationId: string
  readonly version = sparkVersion
  readonly isLocal = true
  /** Where the streaming page of the running job is; undefined while there is none. */
  uiWebUrl: string | undefined
  readonly defaultParallelism: number
  readonly hasSetParallelism: boolean
  readonly runner: LocalRunner
  /** What tasks in other threads share with this one; undefined where there are none. */
  readonly shared: SharedValues | undefined
  readonly #conf: SparkConf
  readonly #leveled: LeveledLogger
  #rddCount = 0
  #checkpointDir: string | undefined
  #broadcastCount = 0
  readonly #registered = new Set<object>()
  #stopped = false
  #stopActions: (() => void)[] = []

  constructor(conf: SparkConf, given: ContextSurroundings = {}) {
    const surroundings = { ...currentSurroundings(), ...given }
    this.#conf = conf.clone().setIfMissing('spark.master', 'local')
    if (!conf.contains('spark.app.name')) {
      throw new FlumeError('USAGE', 'An application name must be set in your configuration', {
        hint: 'new SparkConf().setAppName(…), or stream-ts submit --name',
      })
    }
    this.clock = surroundings.clock ?? systemClock
    this.random = surroundings.random ?? systemRandom
    this.console = surroundings.console ?? ((text) => process.stdout.write(text))
    this.#leveled = new LeveledLogger(surroundings.logger ?? launchLogger() ?? createLogger({ level: 'debug' }))
    this.logger = this.#leveled
    this.startTime = this.clock.now()
    this.applicationId = `local-${this.startTime}`
    const cores = coresOf(this.master)
    this.hasSetParallelism = conf.contains('spark.default.parallelism')
    this.defaultParallelism = this.#conf.getInt('spark.default.parallelism', cores)
    require_(this.defaultParallelism > 0, 'spark.default.parallelism must be positive')
    this.runner = new LocalRunner(cores, this.clock, triesOf(this.master, this.#conf))
    this.shared = launchedJob() || shadowRole() ? new SharedValues() : undefined
    current = this
    noteContext('context')
  }

  /** The context that this process has, or a new one. */
  static getOrCreate(conf: SparkConf = new SparkConf()): SparkContext {
    return current ?? new SparkContext(conf)
  }

  get appName(): string {
    return this.#conf.get('spark.app.name')
  }

  get master(): string {
    return this.#conf.get('spark.master')
  }

  get defaultMinPartitions(): number {
    return Math.min(this.defaultParallelism, 2)
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  /** A copy: settings cannot be changed once the context is there. */
  getConf(): SparkConf {
    return this.#conf.clone()
  }

  /** ALL, DEBUG, ERROR, FATAL, INFO, OFF, TRACE or WARN, in any case. */
  setLogLevel(level: string): void {
    this.#leveled.setLevel(level)
  }

  nextRddId(): number {
    return this.#rddCount++
  }

  /** A data set of the given records, cut into `slices` partitions. */
  parallelize<T>(items: Iterable<T>, slices = this.defaultParallelism): RDD<T> {
    require_(Number.isInteger(slices) && slices > 0, 'Positive number of partitions required')
    return new RDD<T>(this, new ItemsPlan<T>(slice([...items], slices)))
  }

  makeRDD<T>(items: Iterable<T>, slices?: number): RDD<T> {
    return this.parallelize(items, slices)
  }

  /** A data set without partitions. */
  emptyRDD<T>(): RDD<T> {
    return new RDD<T>(this, new ItemsPlan<T>([]))
  }

  union<T>(rdds: readonly RDD<T>[]): RDD<T> {
    const [first, ...others] = rdds
    return first ? first.union(...others) : this.emptyRDD()
  }

  /**
   * The lines of a file, a folder, a glob or several of them with commas between; a name ending in .gz is unpacked.
   * One partition per file; a long local one has several, one for each core, of 1 to 32 MiB. Rejects when nothing is there.
   */
  async textFile(paths: string): Promise<RDD<string>> {
    const parts: FilePart[] = []
    for (const uri of paths.split(',')) {
      const { files, path } = locate(uri)
      const entries = await this.#inputs(files, path)
      if (entries.length === 0) throw new FlumeError('IO', `Input path does not exist: ${uri}`)
      for (const entry of entries) parts.push(...textParts(files, uri, entry, this.defaultParallelism))
    }
    return new RDD<string>(this, new FilesPlan<string>(parts, readTextPart))
  }

  /** The records that `saveAsObjectFile` has written. */
  async objectFile<T>(paths: string): Promise<RDD<T>> {
    return (await this.textFile(paths)).map((line) => readObjectLine(line) as T)
  }

  /** The files of a path as `textFile` takes it, each a pair of its path and its text; one partition per file. */
  async wholeTextFiles(paths: string): Promise<RDD<[string, string]>> {
    const files = await this.binaryFiles(paths)
    return files.map(([path, bytes]): [string, string] => [path, Buffer.from(bytes).toString('utf8')])
  }

  /** The files of a path as `textFile` takes it, each a pair of its path and its bytes; one partition per file. */
  async binaryFiles(paths: string): Promise<RDD<[string, Uint8Array]>> {
    const found = await this.#locateAll(paths)
    return this.parallelize(found, found.length).map(async ({ files, path }): Promise<[string, Uint8Array]> => {
      const chunks: Uint8Array[] = []
      for await (const chunk of files.read(path)) chunks.push(chunk)
      return [path, Buffer.concat(chunks)]
    }) as RDD<[string, Uint8Array]>
  }

  /** Records of `recordLength` bytes from the files of a path as `textFile` takes it; one that does not divide evenly fails. */
  async binaryRecords(paths: string, recordLength: number): Promise<RDD<Uint8Array>> {
    require_(Number.isInteger(recordLength) && recordLength > 0, 'recordLength must be a positive number of bytes')
    const found = await this.#locateAll(paths)
    return this.parallelize(found, found.length).mapPartitions(async function* (some) {
      for (const { files, path } of some) yield* readRecords(files.read(path), recordLength, path)
    })
  }

  async #locateAll(paths: string): Promise<{ readonly files: FileSystem; readonly path: string }[]> {
    const found: { readonly files: FileSystem; readonly path: string }[] = []
    for (const uri of paths.split(',')) {
      const { files, path } = locate(uri)
      const entries = await this.#inputs(files, path)
      if (entries.length === 0) throw new FlumeError('IO', `Input path does not exist: ${uri}`)
      for (const entry of entries) found.push({ files, path: entry.path })
    }
    return found
  }

  /** Where `RDD.checkpoint` saves: a folder in which each context makes one of its own. */
  setCheckpointDir(directory: string): void {
    makeLocalFolder(directory)
    this.#checkpointDir = joinPath(directory, `${this.applicationId}-rdds`)
  }

  getCheckpointDir(): string | undefined {
    return this.#checkpointDir
  }

  async #inputs(files: FileSystem, path: string): Promise<FileEntry[]> {
    const entries: FileEntry[] = []
    for (const entry of await glob(files, path)) {
      if (!entry.isDirectory) entries.push(entry)
      else
        for (const child of await files.list(entry.path))
          if (!child.isDirectory && !/^[._]/.test(child.name)) entries.push(child)
    }
    return entries
  }

  /** Runs `f` over each partition and answers the results in partition order. */
  async runJob<T, U>(rdd: RDD<T>, f: (items: T[]) => U | Promise<U>): Promise<U[]> {
    await prepare(rdd, this.runner)
    return this.runner.runPartitions(indexesOf(rdd), async (index) => f(await collectPartition(rdd, index)))
  }

  /** A value for all tasks; what is made before the start of a job reaches each of its worker threads once. */
  broadcast<T>(value: T): Broadcast<T> {
    return this.#noted(new Broadcast<T>(this.#broadcastCount++, value))
  }

  /** A sum that functions over records may add to; a function that runs twice adds twice. */
  longAccumulator(name?: string): Accumulator {
    return this.#noted(new Accumulator(name))
  }

  doubleAccumulator(name?: string): Accumulator {
    return this.#noted(new Accumulator(name))
  }

  /** A list that functions over records may add to; a function that runs twice adds twice. */
  collectionAccumulator<T>(name?: string): CollectionAccumulator<T> {
    return this.#noted(new CollectionAccumulator<T>(name))
  }

  /** Lets functions over records add to an accumulator of the job's own. Throws when it has been given before. */
  register(accumulator: AccumulatorV2<never, unknown>, name?: string): void {
    if (this.#registered.has(accumulator)) {
      throw new FlumeError(
        'INVALID_STATE',
        `Cannot register an Accumulator twice${name === undefined ? '' : `: ${name}`}.`,
      )
    }
    this.#registered.add(accumulator)
    this.#noted(new RegisteredAccumulator(accumulator, shadowRole() !== undefined))
  }

  #noted<V extends SharedValue>(value: V): V {
    this.shared?.note(value)
    return value
  }

  /** Called once, when the context stops. */
  onStop(act: () => void): void {
    this.#stopActions.push(act)
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    if (current === this) current = undefined
    for (const act of this.#stopActions.splice(0)) act()
  }
}
