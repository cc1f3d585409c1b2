import { pathToFileURL } from 'node:url'
import { FlumeError } from '../core/error.ts'
import { SparkConf } from './conf.ts'
import { type JobModule, reachedSteps } from './launch.ts'
import { StreamingContext } from './streaming-context.ts'
import { Milliseconds } from './time.ts'

type Job = (ssc: StreamingContext, args: readonly string[]) => unknown

/** The function that a job module exports; that of a CommonJS module compiled from `export default` as well. */
function functionOf(module: Readonly<Record<string, unknown>>): Job | undefined {
  const given = module.default
  if (typeof given === 'function') return given as Job
  const inner = (given as { readonly default?: unknown } | null | undefined)?.default
  return typeof inner === 'function' ? (inner as Job) : undefined
}

/** A module that made no context and exports something else than a function means a job that would never run. */
function refuseOtherExports(name: string, module: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(module).filter((each) => each !== 'default')
  const found = [
    ...('default' in module ? [`${module.default === null ? 'null' : typeof module.default} as default`] : []),
    ...names,
  ]
  if (found.length === 0) return
  throw new FlumeError('USAGE', `${name} makes no context, and exports ${found.join(', ')}, but no function to run`, {
    hint: 'export default function (ssc, args) { … }',
  })
}

/**
 * Loads a job module. One that exports a function gets a context, which is answered, not started yet; any other makes
 * and starts its own.
 */
export async function loadJob({ file, name, args, batchIntervalMs }: JobModule): Promise<StreamingContext | undefined> {
  const module = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
  const job = functionOf(module)
  if (!job) {
    if (!reachedSteps().context) refuseOtherExports(name, module)
    return undefined
  }
  const conf = new SparkConf()
  const create = async (): Promise<StreamingContext> => {
    const made = new StreamingContext(conf, Milliseconds(batchIntervalMs))
    await job(made, args)
    return made
  }
  const directory = conf.getOption('spark.streaming.checkpoint.directory')
  return directory === undefined ? create() : StreamingContext.getOrCreate(directory, create)
}
