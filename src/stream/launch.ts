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

/** What the command that loads a job hands to the contexts the job will make. */
export interface Launch {
  /** Settings from the command line; what the job's code sets wins over them. */
  readonly settings: ReadonlyMap<string, string>
  readonly logger?: Logger
  /** Called when a context of the job has started. */
  readonly onStarted?: () => void
}

let current: Launch = { settings: new Map() }

/** Called once by the submit command, before it loads the job module. */
export function setLaunch(launch: Launch): void {
  current = launch
  setLaunchDefaults(launch.settings)
}

/** A context of the job has started. */
export function tellStarted(): void {
  current.onStarted?.()
}

export function launchLogger(): Logger | undefined {
  return current.logger
}
