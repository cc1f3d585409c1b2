import type { Clock } from '../../core/clock.ts'
import { explain, FlumeError, isAbort } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { ComponentHealth } from '../../monitor/snapshot.ts'
import type { Source, SourceContext } from '../contract.ts'
import { Complaint } from './complaint.ts'
import type { Delivery } from './delivery.ts'

/** Flume's supervisor looks every 3 s and starts again what failed to start (M-03). */
const restartAfterMs = 3000

export interface SourceRunnerParts {
  readonly clock: Clock
  readonly log: Logger
  readonly delivery: Delivery
  /** Makes the source anew for each start, so that a failed one leaves nothing behind. */
  readonly make: (context: Pick<SourceContext, 'signal' | 'ready'>) => Source | Promise<Source>
}

/** Keeps one source running until it is stopped. */
export class SourceRunner {
  readonly #parts: SourceRunnerParts
  readonly #stop = new AbortController()
  readonly #firstReady: Promise<string | undefined>
  #becameReady: (where: string | undefined) => void = () => undefined
  #running: Promise<void> | undefined
  readonly #firstTry: Promise<void>
  #tried: (failure?: unknown) => void = () => undefined
  #state: ComponentHealth['state'] = 'starting'
  #problem: string | undefined

  constructor(parts: SourceRunnerParts) {
    this.#parts = parts
    this.#firstReady = new Promise((resolve) => {
      this.#becameReady = resolve
    })
    this.#firstTry = new Promise((resolve, reject) => {
      this.#tried = (failure) => (failure === undefined ? resolve() : reject(failure))
    })
    // Only a reload asks.
    this.#firstTry.catch(() => undefined)
  }

  /** Resolves to where the source takes input, once it does; to undefined when it ended without ever being ready. */
  get ready(): Promise<string | undefined> {
    return this.#firstReady
  }

  /** Resolves when the source takes input for the first time or has ended; rejects what its first start threw. */
  get firstTry(): Promise<void> {
    return this.#firstTry
  }

  get health(): { readonly state: ComponentHealth['state']; readonly problem?: string } {
    return this.#problem === undefined ? { state: this.#state } : { state: this.#state, problem: this.#problem }
  }

  start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#state = 'stopped'
      this.#becameReady(undefined)
      this.#tried()
    })
  }

  /** Resolves when the source has ended and what it was delivering is settled. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#parts.delivery.settled()
    try {
      this.#parts.delivery.close()
    } catch (error) {
      this.#parts.log.error(`while stopping: ${explain(error)}`)
    }
  }

  async #run(): Promise<void> {
    const { clock, log, make } = this.#parts
    const { signal } = this.#stop
    const complaint = new Complaint(log, clock)
    while (!signal.aborted) {
      try {
        const source = await make({
          signal,
          ready: (where) => {
            complaint.worked(`takes input at ${where}`)
            this.#state = 'running'
            this.#problem = undefined
            this.#becameReady(where)
            this.#tried()
          },
        })
        await source.run()
        if (signal.aborted) return
        log.info('the source has come to its end')
        return
      } catch (error) {
        if (signal.aborted) {
          if (!isAbort(error)) log.warn(`while stopping: ${explain(error)}`)
          return
        }
        if (error instanceof FlumeError && error.code === 'INVALID_STATE' && !error.retry) {
          this.#problem = explain(error)
          this.#tried(error)
          log.error(`${explain(error)}; the source stays stopped until the agent is restarted`)
          return
        }
        this.#state = 'failing'
        this.#problem = explain(error)
        this.#tried(error)
        complaint.failed(error, `trying again every ${restartAfterMs / 1000} s`)
        await clock.sleep(restartAfterMs, signal).catch(() => undefined)
      }
    }
  }
}
