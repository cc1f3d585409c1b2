import { pathToFileURL } from 'node:url'
import { SparkConf } from './conf.ts'
import type { JobModule } from './launch.ts'
import { StreamingContext } from './streaming-context.ts'
import { Milliseconds } from './time.ts'

/**
 * Loads a job module. One that exports a function gets a context, which is answered, not started yet; any other makes
 * and starts its own.
 */
export async function loadJob({ file, args, batchIntervalMs }: JobModule): Promise<StreamingContext | undefined> {
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  if (typeof module.default !== 'function') return undefined
  const job = module.default as (ssc: StreamingContext, args: readonly string[]) => unknown
  const conf = new SparkConf()
  const create = async (): Promise<StreamingContext> => {
    const made = new StreamingContext(conf, Milliseconds(batchIntervalMs))
    await job(made, args)
    return made
  }
  const directory = conf.getOption('spark.streaming.checkpoint.directory')
  return directory === undefined ? create() : StreamingContext.getOrCreate(directory, create)
}
