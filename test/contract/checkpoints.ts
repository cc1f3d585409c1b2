import assert from 'node:assert/strict'
import { mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { seededRandom } from '../../src/core/random.ts'
import type { Logger } from '../../src/monitor/logger.ts'
import {
  InputDStream,
  Milliseconds,
  type RDD,
  Receiver,
  Seconds,
  SparkConf,
  SparkContext,
  type State,
  StateSpec,
  StreamingContext,
  type Time,
} from '../../src/stream/api.ts'
import { CheckpointFolder, FolderLost } from '../../src/stream/checkpoint/folder.ts'
import type { DStream } from '../../src/stream/dstream.ts'
import { joinPath, locate, registerFileSystem } from '../../src/stream/files.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'

/** Where checkpoints lie. */
export interface CheckpointPlace {
  /** The address of a folder that exists or can be made. */
  readonly root: string
  /** From now on nothing can be written into the folder, until the returned function is called. */
  breakDown(folder: string): Promise<() => Promise<void>>
  stop(): Promise<void>
}

let count = 0

/** A file takes the place of the folder in which files are written. */
export async function blockFolder(folder: string): Promise<() => Promise<void>> {
  const name = (await disk.names(folder)).find((one) => one.startsWith('writing-'))
  const { files, path } = locate(`${folder}/${name}`)
  await files.delete(path)
  await disk.write(`${folder}/${name}`, Buffer.alloc(0))
  return () => files.delete(path)
}

/** What lies in a place, looked at and damaged from outside. */
const disk = {
  async names(folder: string): Promise<string[]> {
    const { files, path } = locate(folder)
    return (await files.list(path)).map(({ name }) => name)
  },
  async exists(file: string): Promise<boolean> {
    const { files, path } = locate(file)
    return files.exists(path)
  },
  async read(file: string): Promise<Buffer> {
    const { files, path } = locate(file)
    const chunks: Uint8Array[] = []
    for await (const chunk of files.read(path)) chunks.push(chunk)
    return Buffer.concat(chunks)
  },
  async write(file: string, bytes: Uint8Array): Promise<void> {
    const { files, path } = locate(file)
    const writer = await files.create(path)
    await writer.write(bytes)
    await writer.close()
  },
  async move(from: string, to: string): Promise<void> {
    const { files, path } = locate(from)
    await files.rename(path, locate(to).path)
  },
}

/** An input that has the same records whenever a batch is asked for. */
class Replay extends InputDStream<string> {
  readonly #ssc: StreamingContext
  readonly #records: (timeMs: number) => readonly string[]

  constructor(ssc: StreamingContext, records: (timeMs: number) => readonly string[]) {
    super(ssc)
    this.#ssc = ssc
    this.#records = records
  }

  override get isReplayable(): boolean {
    return true
  }

  compute(time: Time): RDD<string> {
    return this.#ssc.sparkContext.parallelize(this.#records(time.milliseconds), 2)
  }
}

type Build = (ssc: StreamingContext) => void

/** A logger that keeps everything it is told, fields included. */
class Told implements Logger {
  text = ''
  readonly debug = this.#note.bind(this)
  readonly info = this.#note.bind(this)
  readonly warn = this.#note.bind(this)
  readonly error = this.#note.bind(this)

  child(): Logger {
    return this
  }

  #note(message: string, fields?: object): void {
    this.text += `${message} ${JSON.stringify(fields ?? {})}\n`
  }
}

/** A job that can be ended as a crash would end it, and started again on the same clock. */
class Runs {
  readonly clock = new ManualClock(0)
  readonly logger = new Told()
  readonly #fresh: () => string
  directory: string
  ssc: StreamingContext | undefined

  /** `fresh` answers the address of a folder that is not there yet. */
  constructor(fresh: () => string) {
    this.#fresh = fresh
    this.directory = fresh()
  }

  async start(build: Build, settings: Readonly<Record<string, string>> = {}): Promise<StreamingContext> {
    const conf = new SparkConf(false).setAppName('runs').setMaster('local[2]').setAll(Object.entries(settings))
    const ssc = await StreamingContext.getOrCreate(this.directory, () => {
      const made = new StreamingContext(conf, Seconds(1), {
        clock: this.clock,
        logger: this.logger,
        console: () => undefined,
      })
      made.checkpoint(this.directory)
      build(made)
      return made
    })
    this.ssc = ssc
    await ssc.start()
    await ssc.settled()
    return ssc
  }

  async batches(batchCount: number): Promise<void> {
    for (let i = 0; i < batchCount; i++) {
      await this.clock.advance(1000)
      await settle()
      await this.ssc?.settled()
    }
  }

  /** What a kill at this very moment would leave is what the next run finds: the old one loses its folder. */
  async crash(): Promise<void> {
    const left = this.#fresh()
    await disk.move(this.directory, left)
    await this.stop()
    this.directory = left
  }

  async stop(graceful = false): Promise<void> {
    const stopping = this.ssc?.stop({ graceful })
    await settle()
    await stopping
    this.ssc = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

const sum = (values: number[], state: number | undefined): number => values.reduce((a, b) => a + b, state ?? 0)
const add = (a: number, b: number): number => a + b
const sorted = <T>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** Outputs by batch time: a rerun must put out the same again. */
class Outputs {
  readonly byTime = new Map<string, unknown>()

  watch(name: string, stream: DStream<unknown>): void {
    stream.foreachRDD(async (rdd, time) => {
      const key = `${time.milliseconds} ${name}`
      const items = sorted(await rdd.collect())
      if (this.byTime.has(key)) assert.deepEqual(items, this.byTime.get(key), `the rerun of ${key}`)
      this.byTime.set(key, items)
    })
  }
}

/** A job with every kind of state. */
function everything(outputs: Outputs, records: (timeMs: number) => readonly string[]): Build {
  return (ssc) => {
    const pairs = new Replay(ssc, records).map((word) => [word, 1])
    outputs.watch('counts', pairs.updateStateByKey(sum))
    const spec = StateSpec.function((key: string, _value: number | undefined, state: State<number>) => {
      if (!state.isTimingOut()) state.update((state.getOption() ?? 0) + 1)
      return `${key}${state.get()}${state.isTimingOut() ? ' out' : ''}`
    }).timeout(Seconds(3))
    const mapped = pairs.mapWithState(spec)
    outputs.watch('mapped', mapped)
    outputs.watch('snapshots', mapped.stateSnapshots())
    const window = pairs.reduceByKeyAndWindow(
      add,
      (a, b) => a - b,
      Seconds(4),
      Seconds(2),
      2,
      ([, n]) => n !== 0,
    )
    outputs.watch('window', window)
    outputs.watch('plain', pairs.reduceByKeyAndWindow(add, Seconds(3)))
  }
}

/** A source that keeps what it has sent until it is told that it was stored. */
class Upstream {
  readonly unacknowledged: string[] = []
  receiver: Reliable | undefined

  async send(...words: string[]): Promise<void> {
    this.unacknowledged.push(...words)
    await this.flush()
  }

  async flush(): Promise<void> {
    const words = [...this.unacknowledged]
    if (words.length === 0) return
    await this.receiver?.storeMany(words)
    this.unacknowledged.splice(0, words.length)
  }
}

class Reliable extends Receiver<string> {
  readonly #upstream: Upstream

  constructor(upstream: Upstream) {
    super()
    this.#upstream = upstream
  }

  onStart(): void {
    this.#upstream.receiver = this
  }

  onStop(): void {
    this.#upstream.receiver = undefined
  }
}

/** What checkpoints must do, wherever they lie. `seeds`: how many random runs each case of them does at most. */
export function checkpointContract(name: string, seeds: number, open: () => Promise<CheckpointPlace>): void {
  describe(`checkpoints on ${name}`, () => {
    let place: CheckpointPlace
    let folder: string
    const fresh = (): string => joinPath(place.root, String(count++))
    before(async () => {
      place = await open()
      folder = await mkdtemp(join(tmpdir(), 'checkpoint-'))
    })
    after(async () => {
      await place.stop()
      await rm(folder, { recursive: true, force: true })
    })

    describe('a job that is killed and started again', () => {
      for (let seed = 1; seed <= Math.min(seeds, 8); seed++) {
        test(`puts out what one that was never killed does (seed ${seed})`, async () => {
          const random = seededRandom(seed)
          const words = ['a', 'b', 'c', 'd', 'e', 'f']
          const data = Array.from({ length: 30 }, () =>
            Array.from(
              { length: Math.floor(random() * 4) },
              () => words[Math.floor(random() * words.length)] as string,
            ),
          )
          const records = (timeMs: number): string[] => data[timeMs / 1000 - 1] ?? []
          const undisturbed = new Outputs()
          await using calm = new Runs(fresh)
          await calm.start(everything(undisturbed, records))
          await calm.batches(30)
          await calm.stop()

          const disturbed = new Outputs()
          await using runs = new Runs(fresh)
          const settings = seed % 3 === 0 ? { 'spark.streaming.concurrentJobs': '2' } : {}
          for (let kills = 0; runs.clock.now() < 30_000; kills++) {
            await runs.start(everything(disturbed, records), settings)
            const batches = Math.min(1 + Math.floor(random() * 14), 30 - runs.clock.now() / 1000)
            if (random() < 0.5 || kills > 8) await runs.batches(batches)
            else {
              // In the middle of things: nobody waits for the last batch.
              await runs.batches(batches - 1)
              await runs.clock.advance(1000)
              for (let turns = Math.floor(random() * 40); turns > 0; turns--) {
                await new Promise((resolve) => setImmediate(resolve))
              }
            }
            if (runs.clock.now() < 30_000) await runs.crash()
            else await runs.ssc?.settled()
          }
          assert.deepEqual([...disturbed.byTime].sort(), [...undisturbed.byTime].sort())
        })
      }

      test('runs what was missed, batch by batch, and nothing twice after a graceful stop (B134, B135)', async () => {
        await using runs = new Runs(fresh)
        const times: number[] = []
        const build: Build = (ssc) => {
          new Replay(ssc, () => ['a'])
            .map((word) => [word, 1])
            .updateStateByKey(sum)
            .foreachRDD(async (rdd, time) => {
              times.push(time.milliseconds, ...(await rdd.collect()).map(([, n]) => n))
            })
        }
        await runs.start(build)
        await runs.batches(3)
        await runs.stop(true)
        await runs.clock.advance(2500)
        await runs.start(build)
        await runs.batches(1)
        assert.deepEqual(times, [1000, 1, 2000, 2, 3000, 3, 4000, 4, 5000, 5, 6000, 6])
      })

      test('gives a batch that is run again the files it had, whatever lies in the folder by then (B136)', async () => {
        await using runs = new Runs(fresh)
        const [input, seen] = [join(folder, `in-${count++}`), new Map<number, string[]>()]
        mkdirSync(input)
        const put = (name: string, text: string, modifiedMs: number): void => {
          const outside = join(folder, 'moving')
          writeFileSync(outside, text)
          utimesSync(outside, modifiedMs / 1000, modifiedMs / 1000)
          renameSync(outside, join(input, name))
        }
        let fails = true
        const build: Build = (ssc) =>
          ssc.textFileStream(input).foreachRDD(async (rdd, time) => {
            if (fails && time.milliseconds === 2000) throw new Error('disk full')
            seen.set(time.milliseconds, sorted(await rdd.collect()))
          })
        const ssc = await runs.start(build)
        ssc.awaitTermination().catch(() => undefined)
        put('a', 'one\n', 500)
        await runs.batches(1)
        put('b', 'two\n', 1500)
        put('c', 'three\n', 1600)
        await runs.batches(1)
        await runs.crash()
        fails = false
        // As old as those, and not there when the batch was made.
        put('d', 'four\n', 1700)
        await runs.start(build)
        await runs.batches(1)
        assert.deepEqual(seen.get(2000), ['three', 'two'])
        assert.deepEqual(seen.get(3000), ['four'])
        assert.deepEqual([...seen.keys()], [1000, 2000, 3000])
      })

      test('runs a batch that failed again, from the state before it (B55)', async () => {
        await using runs = new Runs(fresh)
        const seen: string[] = []
        let fails = true
        const build: Build = (ssc) => {
          new Replay(ssc, () => ['a'])
            .map((word) => [word, 1])
            .updateStateByKey(sum)
            .foreachRDD(async (rdd, time) => {
              if (fails && time.milliseconds === 3000) throw new Error('disk full')
              seen.push(`${time.milliseconds}: ${await rdd.collect()}`)
            })
        }
        const ssc = await runs.start(build)
        const ended = ssc.awaitTermination().catch((error: Error) => error.message)
        await runs.batches(5)
        assert.equal(await ended, 'disk full')
        await runs.crash()
        fails = false
        seen.length = 0
        await runs.start(build)
        assert.deepEqual(seen, ['3000: a,3'])
        await runs.batches(1)
        assert.deepEqual(seen, ['3000: a,3', '6000: a,6'])
      })
    })

    describe('a folder', () => {
      const write = (to: CheckpointFolder, name: string, text: string): Promise<void> =>
        to.write(name, { sync: true }, (put) => put(Buffer.from(text)))
      const textOf = async (of: CheckpointFolder, name: string): Promise<string> =>
        (await disk.read(of.pathOf(name))).toString()

      test('belongs to the context that took it last: what the one before has not finished never gets its name', async () => {
        const address = fresh()
        const [first, second] = [new CheckpointFolder(address), new CheckpointFolder(address)]
        await first.take()
        await write(first, 'sub/one', 'whole')
        await assert.rejects(
          first.write('sub/one', { sync: true }, async (put) => {
            await put(Buffer.from('late'))
            await second.take()
          }),
          FolderLost,
        )
        await assert.rejects(write(first, 'two', 'late'), FolderLost)
        await write(second, 'three', 'mine')
        assert.deepEqual(await second.names('sub'), ['one'])
        assert.equal(await textOf(second, 'sub/one'), 'whole')
        assert.ok(!(await second.names()).includes('two'))
        // Letting go takes nothing from the other.
        await first.release()
        await write(second, 'four', 'mine')
        await second.release()
        assert.deepEqual(
          (await second.names()).filter((name) => /^(driver|writing)-/.test(name) && !name.startsWith('writing-')),
          [],
        )
      })

      test('goes to one at most of two contexts that take it at the same moment', async () => {
        for (let round = 0; round < 5; round++) {
          const address = fresh()
          const both = [new CheckpointFolder(address), new CheckpointFolder(address)]
          await Promise.allSettled(both.map((one) => one.take()))
          const written = await Promise.allSettled(both.map((one, index) => write(one, `by-${index}`, 'x')))
          assert.ok(written.filter(({ status }) => status === 'fulfilled').length <= 1, `round ${round}`)
          for (const one of both) await one.release()
        }
      })

      test('keeps data sets that are checkpointed', async () => {
        const conf = new SparkConf(false).setAppName('rdd')
        const sc = new SparkContext(conf, { logger: new Told() })
        sc.setCheckpointDir(fresh())
        let calls = 0
        const counted = sc.parallelize([1, 2, 3], 2).map((x) => {
          calls++
          return x * 10
        })
        counted.checkpoint()
        assert.deepEqual(await counted.collect(), [10, 20, 30])
        assert.deepEqual(await disk.names(counted.getCheckpointFile() as string), ['part-00000', 'part-00001'])
        const callsBefore = calls
        assert.deepEqual(await counted.collect(), [10, 20, 30])
        assert.equal(calls, callsBefore)
        sc.stop()
      })

      test('is lost to a context that comes between the last look and the move', async () => {
        const address = fresh()
        const second = new CheckpointFolder(address)
        let taking: Promise<void> | undefined
        let armed = false
        registerFileSystem('slow', () => {
          const { files } = locate(address)
          return new Proxy(files, {
            get(target, key) {
              const value = Reflect.get(target, key)
              if (typeof value !== 'function') return value
              if (key !== 'exists' || !armed) return value.bind(target)
              return async (path: string) => {
                const found = await target.exists(path)
                taking = second.take()
                await taking
                return found
              }
            },
          })
        })
        const first = new CheckpointFolder(`slow://host${locate(address).path}`)
        await first.take()
        await write(first, 'name', 'old')
        armed = true
        await assert.rejects(write(first, 'name', 'late'), /does not exist|ENOENT|no such file/i)
        assert.ok(taking)
        assert.equal(await textOf(second, 'name'), 'old')
        armed = false
        await assert.rejects(write(first, 'name', 'later'), FolderLost)
        await second.release()
      })

      test('gives a log that its writer has left open to the next one, whole, and takes no more from the first', async () => {
        const address = fresh()
        const [first, second] = [new CheckpointFolder(address), new CheckpointFolder(address)]
        await first.take()
        const log = await first.openLog('receivedData/op/log-1')
        await log.append([Buffer.from('one '), Buffer.from('two ')])
        await log.append([Buffer.from('three')])
        await second.take()
        await second.recover('receivedData/op/log-1')
        assert.equal(await textOf(second, 'receivedData/op/log-1'), 'one two three')
        await assert.rejects(log.append([Buffer.from('late')]))
        await log.close().catch(() => undefined)
        await second.release()
      })
    })

    describe('a job whose folder fails it', () => {
      const total =
        (seen: Map<number, unknown>): Build =>
        (ssc) =>
          new Replay(ssc, () => ['a'])
            .map((word) => [word, 1])
            // What leaves the window lies in many files, each of which a restart needs.
            .reduceByKeyAndWindow(add, (a, b) => a - b, Seconds(60))
            .checkpoint(Seconds(1))
            .foreachRDD(async (rdd, time) => void seen.set(time.milliseconds, (await rdd.collect())[0]?.[1]))

      test('goes on while nothing can be written, says so, and has saved all once it can be', async () => {
        await using runs = new Runs(fresh)
        const seen = new Map<number, unknown>()
        await runs.start(total(seen))
        await runs.batches(2)
        const mend = await place.breakDown(runs.directory)
        await runs.batches(3)
        assert.deepEqual([...seen.values()], [1, 2, 3, 4, 5])
        assert.match(runs.logger.text, /could not write a checkpoint/)
        await mend()
        await runs.batches(2)
        await runs.crash()
        await runs.start(total(seen))
        await runs.batches(1)
        assert.deepEqual([...seen.values()], [1, 2, 3, 4, 5, 6, 7, 8])
        assert.doesNotMatch(runs.logger.text, /cannot resume/)
      })

      test('goes on from what was saved before, when it is killed meanwhile', async () => {
        await using runs = new Runs(fresh)
        const seen = new Map<number, unknown>()
        await runs.start(total(seen))
        await runs.batches(2)
        const mend = await place.breakDown(runs.directory)
        await runs.batches(2)
        await mend()
        await runs.crash()
        seen.clear()
        await runs.start(total(seen))
        await runs.batches(1)
        assert.deepEqual(
          [...seen],
          [
            [3000, 3],
            [4000, 4],
            [5000, 5],
          ],
        )
      })

      test('ends when another has taken it over, before it puts out anything more', async () => {
        await using runs = new Runs(fresh)
        const seen = new Map<number, unknown>()
        const ssc = await runs.start(total(seen))
        await runs.batches(2)
        const ended = assert.rejects(
          ssc.awaitTermination(),
          /was taken over by another job, or deleted: this one must end/,
        )
        const other = new CheckpointFolder(runs.directory)
        await other.take()
        await runs.batches(2)
        await ended
        assert.deepEqual([...seen.keys()], [1000, 2000])
        const left = await other.names()
        assert.ok(left.includes('checkpoint-2000') && !left.includes('checkpoint-3000'), String(left))
        await other.release()
      })
    })

    describe('a job that has changed', () => {
      const counting =
        (name: string | undefined, shape: (input: DStream<string>) => DStream<string>, seen: unknown[]): Build =>
        (ssc) => {
          const counts = shape(new Replay(ssc, () => ['a']))
            .map((word) => [word, 1])
            .updateStateByKey(sum)
          if (name) counts.setName(name)
          counts.foreachRDD(async (rdd) => void seen.push(await rdd.collect()))
        }

      test('keeps the state of the operators that are still there, and says what was added and dropped', async () => {
        await using runs = new Runs(fresh)
        const seen: unknown[] = []
        await runs.start((ssc) => {
          counting(undefined, (input) => input, [])(ssc)
          new Replay(ssc, () => ['x'])
            .map((word) => [word, 1])
            .reduceByKeyAndWindow(add, (a, b) => a - b, Seconds(2))
            .foreachRDD(() => undefined)
        })
        await runs.batches(2)
        await runs.stop(true)
        await runs.start((ssc) => {
          // Another stream before it, a filter in front of it, the window gone, mapWithState new.
          const other = new Replay(ssc, () => ['z']).map((word) => [word, 1])
          other.mapWithState(StateSpec.function((key: string) => key)).foreachRDD(() => undefined)
          counting(undefined, (input) => input.filter(() => true), seen)(ssc)
        })
        await runs.batches(1)
        assert.deepEqual(seen, [[['a', 3]]])
        const told = runs.logger.text
        assert.match(told, /resuming from the checkpoint of batch 2000 ms/)
        assert.match(told, /"added":"[^"]*mapWithState-/)
        assert.match(told, /that state is dropped \{"dropped":"reduceByKeyAndWindow-/)
      })

      test('finds a named operator among others of its kind', async () => {
        await using runs = new Runs(fresh)
        const [first, second]: [unknown[], unknown[]] = [[], []]
        const both =
          (order: readonly ('one' | 'two')[]): Build =>
          (ssc) => {
            for (const name of order) {
              const shape = (input: DStream<string>): DStream<string> => input.map((word) => `${name} ${word}`)
              counting(name, shape, name === 'one' ? first : second)(ssc)
            }
          }
        await runs.start(both(['one', 'two']))
        await runs.batches(2)
        await runs.stop(true)
        await runs.start(both(['two', 'one']))
        await runs.batches(1)
        assert.deepEqual(first.at(-1), [['one a', 3]])
        assert.deepEqual(second.at(-1), [['two a', 3]])
      })

      test('may have another number of partitions (B85)', async () => {
        await using runs = new Runs(fresh)
        const seen: unknown[][] = []
        const build =
          (partitions: number): Build =>
          (ssc) => {
            new Replay(ssc, () => ['a', 'b', 'c'])
              .map((word) => [word, 1])
              .updateStateByKey(sum, partitions)
              .setName('counts')
              .foreachRDD(async (rdd) => {
                assert.equal(rdd.getNumPartitions(), partitions)
                seen.push(sorted(await rdd.collect()))
              })
          }
        await runs.start(build(2))
        await runs.batches(2)
        await runs.stop(true)
        await runs.start(build(5))
        await runs.batches(1)
        assert.deepEqual(seen.at(-1), [
          ['a', 3],
          ['b', 3],
          ['c', 3],
        ])
      })

      test('is refused when its batches are of another length', async () => {
        await using runs = new Runs(fresh)
        await runs.start(counting(undefined, (input) => input, []))
        await runs.batches(1)
        await runs.stop()
        await assert.rejects(
          StreamingContext.getOrCreate(runs.directory, () => {
            const conf = new SparkConf(false).setAppName('other')
            return new StreamingContext(conf, Milliseconds(500), { clock: runs.clock, logger: runs.logger })
          }),
          { code: 'USAGE', message: /has batches of 1000 ms, and the job 500 ms/ },
        )
      })

      test('is refused with a queue stream (B96)', async () => {
        await using runs = new Runs(fresh)
        await runs.start((ssc) => ssc.queueStream([]).print())
        await runs.batches(1)
        await runs.stop()
        await assert.rejects(
          runs.start((ssc) => ssc.queueStream([]).print()),
          /queueStream doesn't support checkpointing/,
        )
      })
    })

    describe('the checkpoint directory', () => {
      const job: Build = (ssc) =>
        new Replay(ssc, () => ['a'])
          .map((word) => [word, 1])
          .updateStateByKey(sum)
          .print()
      const checkpoints = async (directory: string): Promise<string[]> =>
        (await disk.names(directory)).filter((name) => name.startsWith('checkpoint-'))

      test('holds the newest ten, each batch written before and after its jobs (B131)', async () => {
        await using runs = new Runs(fresh)
        await runs.start(job)
        await runs.batches(14)
        const names = await checkpoints(runs.directory)
        assert.equal(names.length, 10)
        assert.ok(names.includes('checkpoint-14000') && names.includes('checkpoint-14000.bk'), String(names))
        assert.ok(!names.includes('checkpoint-9000'))
      })

      test('state is saved at its interval, and what no kept checkpoint needs is deleted (B133)', async () => {
        await using runs = new Runs(fresh)
        const build: Build = (ssc) =>
          new Replay(ssc, () => ['a'])
            .map((word) => [word, 1])
            .updateStateByKey(sum)
            .checkpoint(Seconds(2))
            .print()
        await runs.start(build)
        const counts: number[] = []
        // More than the checkpoints that are kept, each of which may need files of its own.
        for (let i = 0; i < 15; i++) {
          await runs.batches(2)
          const [operator] = await disk.names(`${runs.directory}/state`)
          counts.push((await disk.names(`${runs.directory}/state/${operator}`)).length)
        }
        assert.ok((counts[2] as number) > (counts[0] as number), 'each interval saves')
        assert.ok(Math.max(...counts) <= 12, `what is not needed stays: ${counts}`)
      })

      test('a damaged checkpoint is passed over for the one before it; none readable fails, or starts afresh when asked (B132)', async () => {
        await using runs = new Runs(fresh)
        const seen: unknown[] = []
        const build: Build = (ssc) =>
          new Replay(ssc, () => ['a'])
            .map((word) => [word, 1])
            .updateStateByKey(sum)
            .foreachRDD(async (rdd) => void seen.push(await rdd.collect()))
        await runs.start(build)
        await runs.batches(3)
        await runs.stop(true)
        const newest = `${runs.directory}/checkpoint-3000`
        await disk.write(newest, (await disk.read(newest)).subarray(0, 30))
        await runs.start(build)
        assert.match(runs.logger.text, /cannot read checkpoint-3000:/)
        await runs.batches(1)
        assert.deepEqual(seen.at(-1), [['a', 4]])
        await runs.stop(true)
        for (const name of await checkpoints(runs.directory))
          await disk.write(`${runs.directory}/${name}`, Buffer.from('rubbish'))
        await assert.rejects(runs.start(build), /Failed to read checkpoint from directory/)
        const conf = new SparkConf(false).setAppName('afresh')
        const afresh = await StreamingContext.getOrCreate(
          runs.directory,
          () => new StreamingContext(conf, Seconds(1), { clock: runs.clock, logger: runs.logger }),
          { createOnError: true },
        )
        assert.equal(afresh.getState(), 'INITIALIZED')
      })

      test('damaged state is noticed, and an older checkpoint is tried', async () => {
        await using runs = new Runs(fresh)
        await runs.start(job)
        await runs.batches(3)
        await runs.stop(true)
        const [operator] = await disk.names(`${runs.directory}/state`)
        const state = `${runs.directory}/state/${operator}`
        for (const name of await disk.names(state)) {
          const bytes = await disk.read(`${state}/${name}`)
          bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
          await disk.write(`${state}/${name}`, bytes)
        }
        // The only one that is left is from before the state was saved.
        await runs.start(job)
        assert.match(runs.logger.text, /cannot resume from checkpoint 3000/)
        assert.match(runs.logger.text, /is damaged/)
      })

      test('what an earlier run has left is moved aside when a job starts afresh on it', async () => {
        await using runs = new Runs(fresh)
        await runs.start(job)
        await runs.batches(2)
        await runs.stop(true)
        const conf = new SparkConf(false).setAppName('afresh')
        const ssc = new StreamingContext(conf, Seconds(1), { clock: runs.clock, logger: runs.logger })
        ssc.checkpoint(runs.directory)
        job(ssc)
        await ssc.start()
        runs.ssc = ssc
        assert.deepEqual(await checkpoints(runs.directory), ['checkpoint-2000'], 'its own first')
        assert.ok(!(await disk.exists(`${runs.directory}/state`)))
        assert.ok(await disk.exists(`${runs.directory}/replaced-2000/checkpoint-2000`))
      })

      test('state that would not come back as it was fails its save aloud', async () => {
        class Account {
          readonly balance = 1
        }
        for (const { state, message } of [
          { state: (): unknown => new Account(), message: /has a state of class Account/ },
          { state: (): unknown => ({ f: () => 1 }), message: /cannot be saved/ },
        ]) {
          await using runs = new Runs(fresh)
          await runs.start((ssc) =>
            new Replay(ssc, () => ['a'])
              .map((word) => [word, 1])
              .updateStateByKey<string, number, unknown>(() => state())
              .checkpoint(Seconds(1))
              .print(),
          )
          await runs.batches(1)
          assert.match(runs.logger.text, message)
        }
      })
    })

    describe('the write-ahead log', () => {
      const withLog = { 'spark.streaming.receiver.writeAheadLog.enable': 'true' }
      const counts =
        (upstream: Upstream, seen: Map<number, unknown>): Build =>
        (ssc) => {
          ssc
            .receiverStream(new Reliable(upstream))
            .map((word) => [word, 1])
            .updateStateByKey(sum)
            .foreachRDD(async (rdd, time) => void seen.set(time.milliseconds, sorted(await rdd.collect())))
        }

      test('without a checkpoint directory is refused (B138)', async () => {
        const conf = new SparkConf(false).setAppName('log').setAll(Object.entries(withLog))
        const ssc = new StreamingContext(conf, Seconds(1), {
          clock: new ManualClock(),
          logger: new Told(),
        })
        ssc.receiverStream(new Reliable(new Upstream())).print()
        assert.throws(() => ssc.start(), /Cannot enable receiver write-ahead log without checkpoint directory set\./)
      })

      test('brings back what was acknowledged and not worked off, in its batch or the next (B102, B135, B139)', async () => {
        await using runs = new Runs(fresh)
        const upstream = new Upstream()
        const seen = new Map<number, unknown>()
        await runs.start(counts(upstream, seen), withLog)
        await upstream.send('a', 'b')
        await runs.batches(1)
        await upstream.send('a')
        // Acknowledged, and in no batch yet.
        await runs.crash()
        await runs.start(counts(upstream, seen), withLog)
        await runs.batches(1)
        assert.deepEqual(seen.get(2000), [
          ['a', 2],
          ['b', 1],
        ])
      })

      test('counts every word once through many kills, whenever they come', async () => {
        for (let seed = 1; seed <= Math.min(seeds, 4); seed++) {
          const random = seededRandom(seed)
          await using runs = new Runs(fresh)
          const upstream = new Upstream()
          const seen = new Map<number, unknown>()
          const sent: Record<string, number> = {}
          for (let kills = 0; kills < 5; kills++) {
            await runs.start(counts(upstream, seen), withLog)
            await upstream.flush()
            for (let batches = Math.floor(random() * 13); batches >= 0; batches--) {
              const word = 'abc'[Math.floor(random() * 3)] as string
              sent[word] = (sent[word] ?? 0) + 1
              await upstream.send(word)
              if (batches > 0) await runs.batches(1)
            }
            await runs.crash()
          }
          await runs.start(counts(upstream, seen), withLog)
          await runs.batches(1)
          assert.deepEqual(Object.fromEntries(seen.get(runs.clock.now()) as [string, number][]), sent, `seed ${seed}`)
        }
      })

      test('counts every word once when the kill comes in the middle of a batch, or while a checkpoint is written', async () => {
        const turns = async (count: number): Promise<void> => {
          for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
        }
        for (let seed = 1; seed <= Math.min(seeds, 12); seed++) {
          const random = seededRandom(seed)
          await using runs = new Runs(fresh)
          const upstream = new Upstream()
          const seen = new Map<number, unknown>()
          const sent: Record<string, number> = {}
          for (let kills = 0; kills < 6; kills++) {
            await runs.start(counts(upstream, seen), withLog)
            for (let batches = 1 + Math.floor(random() * 3); batches > 0; batches--) {
              const word = 'abc'[Math.floor(random() * 3)] as string
              sent[word] = (sent[word] ?? 0) + 1
              await upstream.send(word)
              // Nobody waits for the batch: the next word comes while it runs or is written down.
              await runs.clock.advance(1000)
              await turns(random() * 12)
            }
            await runs.crash()
          }
          await runs.start(counts(upstream, seen), withLog)
          await runs.batches(1)
          assert.deepEqual(Object.fromEntries(seen.get(runs.clock.now()) as [string, number][]), sent, `seed ${seed}`)
        }
      })

      test('a record that a crash has cut off ends the log quietly (B139)', async () => {
        await using runs = new Runs(fresh)
        const upstream = new Upstream()
        const seen = new Map<number, unknown>()
        await runs.start(counts(upstream, seen), withLog)
        await upstream.send('a')
        await upstream.send('b')
        await runs.crash()
        const [operator] = await disk.names(`${runs.directory}/receivedData`)
        const logs = `${runs.directory}/receivedData/${operator}`
        const [name] = await disk.names(logs)
        const path = `${logs}/${name}`
        await disk.write(path, (await disk.read(path)).subarray(0, -3))
        await runs.start(counts(upstream, seen), withLog)
        await runs.batches(1)
        assert.deepEqual(seen.get(1000), [['a', 1]])
      })

      test('files whose blocks nobody needs any more are deleted (B137)', async () => {
        await using runs = new Runs(fresh)
        const upstream = new Upstream()
        const settings = { ...withLog, 'spark.streaming.receiver.writeAheadLog.rollingIntervalSecs': '2' }
        const build: Build = (ssc) => ssc.receiverStream(new Reliable(upstream)).print()
        await runs.start(build, settings)
        for (let i = 0; i < 20; i++) {
          await upstream.send('a')
          await runs.batches(1)
        }
        const [operator] = await disk.names(`${runs.directory}/receivedData`)
        const files = await disk.names(`${runs.directory}/receivedData/${operator}`)
        assert.ok(files.length <= 3, String(files))
      })

      test('without it, the records of a batch that was not complete are gone, which is told (B138)', async () => {
        await using runs = new Runs(fresh)
        const upstream = new Upstream()
        const build: Build = (ssc) =>
          ssc.receiverStream(new Reliable(upstream)).foreachRDD(async (rdd) => {
            if ((await rdd.count()) > 0) throw new Error('no')
          })
        const ssc = await runs.start(build)
        ssc.awaitTermination().catch(() => undefined)
        await upstream.send('a')
        await runs.batches(1)
        await runs.crash()
        await runs.start(build)
        assert.match(runs.logger.text, /Some blocks could not be recovered as they were not found in memory/)
      })
    })
  })
}
