import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { explain } from '../core/error.ts'
import { mountFileSystems } from '../stream/files.ts'
import { inspectCheckpoint, verifyCheckpoint } from './checkpoint.ts'
import { mountOf } from './mount.ts'
import { exitCodes, type SubmitOptions, submit } from './submit.ts'
import { type WatchOptions, watchJob } from './watch-job.ts'

const packageFile = new URL('../../../package.json', import.meta.url)

function versionLine(): string {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }
  return `stream-ts ${version} (Spark Streaming 2.4 semantics, Node ${process.versions.node})`
}

function setting(text: string, before: readonly [string, string][] = []): [string, string][] {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('it must be key=value.')
  return [...before, [text.slice(0, at), text.slice(at + 1)]]
}

function milliseconds(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('it must be a whole number of milliseconds above 0.')
  return Number(text)
}

interface ParsedOptions extends Omit<WatchOptions, 'job' | 'args'> {
  readonly watch?: boolean
}

const several = (value: string, before: readonly string[]): readonly string[] => [...before, value]

interface MountOptions {
  readonly mount: readonly string[]
}

function program(onSubmit: (options: SubmitOptions) => Promise<void>): Command {
  const root = new Command('stream-ts')
    .description('Runs Spark-Streaming jobs written in TypeScript.')
    .usage('<command> [options]')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'stream-ts: ')) })
  root
    .command('submit')
    .description('Runs a job until it ends or is stopped.')
    .argument('<job>', 'the job module, .ts or .js')
    .argument('[args...]', 'arguments for the job')
    .option('--master <url>', 'local: everything in one thread; local[n] or local[*]: on n worker threads')
    .option('--name <name>', 'name of the application; default: the file name')
    .option('--conf <key=value>', 'a setting, such as spark.streaming.blockInterval=100ms; may be repeated', setting)
    .option('--properties-file <file>', 'more settings, key=value or key value a line; --conf wins')
    .option('--batch-interval <ms>', 'batch interval for a job that exports a function; default 1000', milliseconds)
    .option('--mount <url=path>', 'serve an address from a local folder; may be repeated', several, [])
    .option('--check', 'check the types first, with the TypeScript that is installed beside the job')
    .option('--watch', 'start the job anew whenever it or a file it imports changes; for development')
    .passThroughOptions()
    .action(async (job: string, args: string[], { watch = false, ...options }: ParsedOptions) => {
      if (watch) process.exit(await watchJob({ ...options, job, args }))
      await onSubmit({ ...options, job, args, mounts: new Map(options.mount.map(mountOf)) })
    })
  const checkpoint = root.command('checkpoint').description('Looks into the checkpoint directory of a job.')
  checkpoint
    .command('inspect')
    .description('Shows what a restart would go on from.')
    .argument('<directory>', 'the checkpoint directory: a path, or an address such as hdfs://namenode:8020/checkpoint')
    .option('--mount <url=path>', 'serve an address from a local folder; may be repeated', several, [])
    .action(async (directory: string, { mount }: MountOptions) => {
      mountFileSystems(new Map(mount.map(mountOf)))
      process.exit(await inspectCheckpoint(directory, process))
    })
  checkpoint
    .command('verify')
    .description('Reads everything in it and tells what is damaged.')
    .argument('<directory>', 'the checkpoint directory: a path, or an address such as hdfs://namenode:8020/checkpoint')
    .option('--mount <url=path>', 'serve an address from a local folder; may be repeated', several, [])
    .action(async (directory: string, { mount }: MountOptions) => {
      mountFileSystems(new Map(mount.map(mountOf)))
      process.exit(await verifyCheckpoint(directory, process))
    })
  root
    .command('version')
    .description('Prints the version.')
    .action(() => {
      process.stdout.write(`${versionLine()}\n`)
    })
  return root
}

/** The `stream-ts` command. Ends the process with 0 (done or stopped on request), 1 (the work failed) or 2 (the command line is wrong). */
export async function main(args: readonly string[]): Promise<void> {
  const root = program(async (options) => {
    process.exit(await submit(options))
  })
  if (args.length === 0) {
    process.stderr.write(root.helpInformation())
    process.exit(exitCodes.usage)
  }
  try {
    await root.parseAsync(
      args.map((arg) => (arg === '--version' || arg === '-V' ? 'version' : arg)),
      { from: 'user' },
    )
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? exitCodes.done : exitCodes.usage)
    process.stderr.write(`stream-ts: ${explain(error)}\n`)
    process.exit(exitCodes.failed)
  }
}
