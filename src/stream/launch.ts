import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Logger } from '../monitor/logger.ts'
import { setLaunchDefaults } from './conf.ts'

/** What a context takes from outside; tests move the clock by hand. */
export interface ContextSurroundings {
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
  /** Where `print` writes; standard output when left out. */
  readonly console?: (text: string) => void
}

const surroundings = new AsyncLocalStorage<ContextSurroundings>()

/** Contexts made inside `act` take what they are not given from `given`. */
export function withSurroundings<R>(given: ContextSurroundings, act: () => Promise<R>): Promise<R> {
  return surroundings.run(given, act)
}

/** What is in force where the caller was called from. */
export function currentSurroundings(): ContextSurroundings {
  return surroundings.getStore() ?? {}
}

/** How a job is loaded, here and once more in each worker thread. */
export interface JobModule {
  /** The module, with everything of the job's own in it. */
  readonly file: string
  /** The path that was given, as the job sees it in `process.argv`. */
  readonly name: string
  readonly args: readonly string[]
  /** Of the context made for a job that exports a function, in milliseconds. */
  readonly batchIntervalMs: number
  /** Addresses served from local folders. */
  readonly mounts: ReadonlyMap<string, string>
}

/** What the command that loads a job hands to the contexts the job will make. */
export interface Launch {
  /** Settings from the command line; what the job's code sets wins over them. */
  readonly settings: ReadonlyMap<string, string>
  readonly logger?: Logger
  /** Undefined for a job that was not loaded by the command: it has no worker threads. */
  readonly job?: JobModule
  /** Called when a context of the job has started. */
  readonly onStarted?: () => void
}

let current: Launch = { settings: new Map() }

/** Called once by the submit command, before it loads the job module. */
export function setLaunch(launch: Launch): void {
  current = launch
  setLaunchDefaults(launch.settings)
}

/** What the job has come to: a context for data sets, one for streams, that one started. */
const reached = { context: false, streams: false, start: false }

/** A context was made. */
export function noteContext(kind: 'context' | 'streams'): void {
  reached[kind] = true
}

export function reachedSteps(): { readonly context: boolean; readonly streams: boolean; readonly start: boolean } {
  return reached
}

/** A context of the job has started. */
export function tellStarted(): void {
  reached.start = true
  current.onStarted?.()
}

export function launchLogger(): Logger | undefined {
  return current.logger
}

export function launchedJob(): JobModule | undefined {
  return current.job
}

export function launchSettings(): ReadonlyMap<string, string> {
  return current.settings
}

/** A thread in which the job is loaded for its functions: contexts are made there, and never run. */
export interface ShadowRole {
  /** The job has come as far as to start a context: its graph is complete. */
  started(context: object): void
}

let shadow: ShadowRole | undefined

/** Called once in a worker thread, before it loads the job module. */
export function setShadowRole(role: ShadowRole): void {
  shadow = role
}

/** Undefined in the thread where the job runs. */
export function shadowRole(): ShadowRole | undefined {
  return shadow
}
