import type { Logger } from '../monitor/logger.ts'
import { setLaunchDefaults } from './conf.ts'

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
