import type { Clock } from '../../core/clock.ts'
import { asError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { StreamGraph } from '../graph/graph.ts'
import type { InputInfo } from '../graph/node.ts'
import type { Job } from '../graph/output.ts'
import type { StateNode } from '../op/state-node.ts'
import type { ReceiverGroup } from '../receiver/group.ts'
import type { JobScheduler } from './job-scheduler.ts'
import { RecurringTimer } from './recurring-timer.ts'
import type { Termination } from './termination.ts'

export interface JobGeneratorOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly graph: StreamGraph
  readonly receivers: ReceiverGroup
  readonly scheduler: JobScheduler
  readonly termination: Termination
  /** Called when a batch has been generated and before its jobs may run: what is needed to run it again is saved. */
  readonly onGenerated: (timeMs: number) => Promise<void>
}

/**
 * A batch from before a restart: `state`, its outputs are done; `again`, it was not complete; `missed`, it fell into the
 * time when nobody ran.
 */
export interface Rerun {
  readonly timeMs: number
  readonly kind: 'state' | 'again' | 'missed'
}

/** Turns each tick of the batch clock into the jobs of that batch, strictly one batch after the other. */
export class JobGenerator {
  readonly #options: JobGeneratorOptions
  readonly #timer: RecurringTimer
  #chain: Promise<void> = Promise.resolve()
  #ticked: (() => void)[] = []
  #stopped = false
  readonly #stateful: StateNode<unknown, unknown, unknown>[]

  constructor(options: JobGeneratorOptions) {
    this.#options = options
    this.#stateful = options.graph.stateful()
    this.#timer = new RecurringTimer(options.clock, options.graph.batchMs, (timeMs) => this.#tick(timeMs))
  }

  /** The time of the first batch if the timer started now (B1). */
  firstMs(): number {
    return this.#timer.firstMs()
  }

  /** Runs `first`, one batch after the other, and then the batches of the clock from `firstMs` on. */
  start(firstMs: number, first: readonly Rerun[] = []): void {
    for (const { timeMs, kind } of first) {
      this.#chain = this.#chain.then(async () => {
        if (this.#stopped) return
        if (kind === 'state') await this.#rerunState(timeMs)
        else await this.#generate(timeMs, kind === 'missed')
      })
    }
    this.#timer.start(firstMs)
  }

  /** Resolves when every batch that is due has been generated. */
  async whenIdle(): Promise<void> {
    for (let chain = this.#chain; ; chain = this.#chain) {
      await chain
      if (chain === this.#chain) return
    }
  }

  /** A batch whose outputs are done, and whose state was not saved yet. */
  async #rerunState(timeMs: number): Promise<void> {
    const { graph, logger, termination } = this.#options
    try {
      for (const node of this.#stateful) if (node.isValid(timeMs)) await node.rddAt(timeMs)
      for (const node of this.#stateful) await node.settle(timeMs)
      graph.clear(timeMs)
    } catch (thrown) {
      const error = asError(thrown)
      logger.error(`Error rebuilding state for time ${timeMs} ms`, { error: error.message })
      termination.fail(error, { batchTimeMs: timeMs, operation: undefined })
    }
  }

  /** Stops the ticks; resolves when the batches begun so far are generated. */
  async stop(): Promise<void> {
    this.#timer.stop()
    await this.#chain
  }

  /** Stops at once: batches that wait to be generated are dropped. */
  abandon(): void {
    this.#stopped = true
    this.#timer.stop()
  }

  /** Resolves when the next batch has been generated. */
  nextBatch(): Promise<void> {
    return new Promise((resolve) => this.#ticked.push(resolve))
  }

  #tick(timeMs: number): void {
    this.#chain = this.#chain.then(async () => {
      if (this.#stopped) return
      await this.#generate(timeMs)
      for (const resolve of this.#ticked.splice(0)) resolve()
    })
  }

  async #generate(timeMs: number, takesBlocks = true): Promise<void> {
    const { graph, receivers, scheduler, termination, logger } = this.#options
    try {
      if (takesBlocks) {
        receivers.cut()
        graph.tracker.allocate(timeMs)
      }
      const jobs: Job[] = []
      for (const output of graph.outputs) {
        const job = await output.jobAt(timeMs)
        if (job) jobs.push(job)
      }
      // State goes on in every batch, whether or not somebody looks at it.
      for (const node of this.#stateful) if (node.isValid(timeMs)) await node.rddAt(timeMs)
      const infos = new Map<number, InputInfo>()
      for (const input of graph.inputs) {
        const info = input.infoAt(timeMs)
        if (info) infos.set(input.streamId, info)
      }
      await this.#options.onGenerated(timeMs)
      scheduler.submit(timeMs, jobs, infos)
    } catch (thrown) {
      if (this.#stopped) return
      const error = asError(thrown)
      logger.error(`Error generating jobs for time ${timeMs} ms`, { error: error.message })
      termination.fail(error, { batchTimeMs: timeMs, operation: undefined })
    }
  }
}
