import { readFile } from 'node:fs/promises'
import { basename, relative } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { decodeProperties, parseProperties } from '../codec/properties.ts'
import { asError, explain, FlumeError } from '../core/error.ts'
import { createLogger, type RootLogger } from '../monitor/logger.ts'
import { mountFileSystems } from '../stream/files.ts'
import { userFrames } from '../stream/graph/call-site.ts'
import { loadJob } from '../stream/job.ts'
import { type JobModule, reachedSteps, setLaunch } from '../stream/launch.ts'
import { failureContextOf } from '../stream/scheduler/termination.ts'
import { coresOf } from '../stream/spark-context.ts'
import { StreamingContext } from '../stream/streaming-context.ts'
import { IllegalArgumentError } from '../stream/time.ts'
import { bundleJob, explainMissingExport, missingPackageHint } from './bundle.ts'
import { checkTypes } from './check-types.ts'
import { notifyReady, notifyStopping } from './ready.ts'
import { stopSignal } from './signals.ts'

export const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/** What can be said of a job on the command line. */
export interface JobOptions {
  readonly job: string
  readonly args: readonly string[]
  readonly master?: string
  readonly name?: string
  readonly conf?: readonly [string, string][]
  readonly propertiesFile?: string
  /** Milliseconds. */
  readonly batchInterval?: number
  /** Checks the types first, and runs nothing that has a wrong one. */
  readonly check?: boolean
}

export interface SubmitOptions extends JobOptions {
  /** Addresses served from local folders. */
  readonly mounts?: ReadonlyMap<string, string>
}

const batchIntervalMsDefault = 1000
/**
 * How far a heap grows beyond what lived at its last collection, in percent. V8 lets it grow to four times that, which for
 * a state of a million keys is a gigabyte; collecting oftener costs a job with much state a tenth of its processor time.
 */
const heapGrowthPercent = 50

/** Runs a job until it ends, fails, or a signal stops it; answers the exit code. */
export async function submit(options: SubmitOptions): Promise<number> {
  let bundle: Awaited<ReturnType<typeof bundleJob>> | undefined
  let logger: RootLogger | undefined
  const files: string[] = []
  const stopped = stopOnSignals()
  reportStrays()
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`)
  try {
    const { settings, ...launch } = await prepareLaunch(options)
    logger = launch.logger
    bundle = await bundleJob(options.job, (path) => files.push(path))
    if (options.check) await checkTypes(options.job, (text) => process.stderr.write(text))
    const job: JobModule = {
      file: bundle.file,
      name: options.job,
      args: options.args,
      batchIntervalMs: options.batchInterval ?? batchIntervalMsDefault,
      mounts: options.mounts ?? new Map(),
    }
    setLaunch({ settings, logger, job, onStarted: () => void notifyReady(process.env, launch.logger) })
    process.setSourceMapsEnabled(true)
    // A job that calls process.argv finds its own arguments, as a plain script would.
    process.argv = [process.argv[0] as string, options.job, ...options.args]
    await runModule(job)
    await stopped.whenDone()
    return exitCodes.done
  } catch (thrown) {
    await stopped.whenDone()
    report((await explainMissingExport(thrown, files)) ?? asError(thrown))
    await stopActive()
    return isUsage(thrown) ? exitCodes.usage : exitCodes.failed
  } finally {
    logger?.flush()
    await bundle?.remove()
  }
}

async function prepareLaunch(
  options: SubmitOptions,
): Promise<{ readonly settings: ReadonlyMap<string, string>; readonly logger: RootLogger }> {
  const { master, name, conf = [], propertiesFile, job, mounts } = options
  if (mounts) mountFileSystems(mounts)
  const settings = new Map<string, string>()
  if (propertiesFile !== undefined)
    for (const [key, value] of await readSettings(propertiesFile)) settings.set(key, value)
  for (const [key, value] of conf) settings.set(key, value)
  if (master !== undefined) settings.set('spark.master', master)
  if (name !== undefined) settings.set('spark.app.name', name)
  if (!settings.has('spark.app.name')) settings.set('spark.app.name', basename(job).replace(/\.[^.]+$/, ''))
  coresOf(settings.get('spark.master') ?? 'local')
  return { settings, logger: createLogger({ level: 'debug' }) }
}

/** Spark reads this file as Java properties, and trims the values. */
async function readSettings(file: string): Promise<[string, string][]> {
  const bytes = await readFile(file).catch((cause) => {
    throw new FlumeError('USAGE', `cannot read the properties file ${file}`, { cause })
  })
  const { entries, problems } = parseProperties(decodeProperties(bytes))
  const [problem] = problems
  if (problem) throw new FlumeError('USAGE', `${file}:${problem.line}:${problem.column}: ${problem.message}`)
  return entries.map(({ key, value }) => [key, value.trim()])
}

async function runModule(job: JobModule): Promise<void> {
  process.once('beforeExit', endIdle)
  const made = await loadJob(job)
  if (made?.getState() === 'INITIALIZED') await made.start()
  // A job that started a context and did not wait for it: the command waits in its place.
  await (made ?? StreamingContext.getActive())?.awaitTermination()
  process.off('beforeExit', endIdle)
  sayIfIdle(job.name)
}

/** A program may end without streams, as Spark's may; most that do have forgotten a line. */
function sayIfIdle(name: string): void {
  const { context, streams, start } = reachedSteps()
  if (start || (context && !streams)) return
  const words = streams
    ? 'made streams and ended without having started them: call ssc.start()'
    : 'ended without a context: make one, or export default function (ssc, args) { … }'
  process.stderr.write(`stream-ts: ${name} ${words}\n`)
}

/** Nothing is left that could go on, and the job still waits: Node would end without a word. */
function endIdle(): void {
  process.stderr.write(
    'stream-ts: the job waits for a promise that nothing can settle any more, such as an await of its own, or awaitTermination of a context that was not started\n',
  )
  process.exit(exitCodes.failed)
}

/** The first SIGTERM or SIGINT stops the running context gracefully, the second ends the process at once. */
function stopOnSignals(): { whenDone(): Promise<void> } {
  let stopping: Promise<void> | undefined
  void stopSignal(() => undefined).then(() => {
    const context = StreamingContext.getActive()
    // Before the start there is nothing to work off.
    if (!context) process.exit(exitCodes.done)
    context.sparkContext.logger.info('stopping: what was received is worked off; a second signal ends at once')
    void notifyStopping(process.env)
    stopping = context.stop({ graceful: true, stopSparkContext: true })
    stopping.catch((error) => process.stderr.write(`stream-ts: ${explain(error)}\n`))
  })
  return { whenDone: async () => stopping?.catch(() => undefined) }
}

/** What nobody caught: a promise of the job that was left alone, a reader of our output that went away. */
function reportStrays(): void {
  const fail = (thrown: unknown): void => {
    report(asError(thrown))
    process.exit(exitCodes.failed)
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') fail(error)
    process.exit(exitCodes.done)
  })
}

/** After an error: the hook's rules, gracefully only when the settings say so (B128). */
async function stopActive(): Promise<void> {
  const context = StreamingContext.getActive()
  if (!context) return
  const graceful = context.sparkContext.getConf().getBoolean('spark.streaming.stopGracefullyOnShutdown', false)
  await context.stop({ graceful, stopSparkContext: true }).catch(() => undefined)
}

/** One clear line, the batch it was about, and the lines of the job's own code. */
function report(error: Error): void {
  const failure = failureContextOf(error)
  const origin = innermost(error)
  const frames = (origin instanceof FlumeError ? [] : userFrames(origin.stack)).map(
    (frame) => `${readableFrame(frame)}\n`,
  )
  const where = failure
    ? ` (batch ${failure.batchTimeMs} ms${failure.operation ? `, ${failure.operation}` : ', while it was generated'})`
    : ''
  const name = origin.name === 'Error' || origin instanceof FlumeError ? '' : `${origin.name}: `
  const hint = missingPackageHint(/^Cannot find package '([^']+)'/.exec(origin.message)?.[1])
  const advice = hint === undefined ? '' : ` (${hint})`
  process.stderr.write(`stream-ts: ${name}${explain(origin)}${advice}${where}\n${frames.join('')}`)
}

/** What the job's own function threw, out of what the engine wrapped around it. */
function innermost(error: Error): Error {
  return error.name === 'SparkException' && error.cause instanceof Error ? error.cause : error
}

/** `    at f (job.ts:3:5)`, relative to the current folder. */
function readableFrame(frame: string): string {
  return frame.replace(/(?:file:\/\/)?(\/[^():]+)(:\d+:\d+)/, (_, path: string, position: string) => {
    const near = relative(process.cwd(), path)
    return `${near.startsWith('..') ? path : near}${position}`
  })
}

/** Mistakes in the command line or in how the job is set up, as opposed to work that failed. */
function isUsage(thrown: unknown): boolean {
  if (thrown instanceof FlumeError) return thrown.code === 'USAGE'
  return thrown instanceof IllegalArgumentError && thrown.message.includes('No output operations registered')
}
