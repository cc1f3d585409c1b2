import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '../../core/clock.ts'
import { asError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { InputInfo } from '../graph/node.ts'
import type { Job } from '../graph/output.ts'
import { Time } from '../time.ts'
import { BatchInfo, type ListenerBus, OutputOperationInfo } from './listener.ts'
import type { Termination } from './termination.ts'

/** The jobs of one batch and how far they are. */
interface JobSet {
  readonly timeMs: number
  readonly jobs: readonly Job[]
  readonly inputs: ReadonlyMap<number, InputInfo>
  readonly submittedMs: number
  readonly operations: OutputOperationInfo[]
  startedMs: number | undefined
  endedMs: number | undefined
  left: number
  failed: boolean
}

/** Tells a call made from inside a job from one made outside. */
const insideJob = new AsyncLocalStorage<true>()

/** True while the caller runs inside an output operation. */
export function isInsideJob(): boolean {
  return insideJob.getStore() === true
}

export interface JobSchedulerOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly bus: ListenerBus
  readonly termination: Termination
  /** Output operations that may run at once (`spark.streaming.concurrentJobs`). */
  readonly concurrentJobs: number
  /** Called when the last job of a batch has ended: work of the batch that no job has asked for. A rejection fails the batch. */
  readonly settle: (timeMs: number) => Promise<void>
  /** Called when a batch is complete. */
  readonly onBatchDone: (timeMs: number, info: BatchInfo, failed: boolean) => void
}

/** Runs jobs first in, first out over (batch time, operation); with one at a time batches never overlap (B41). */
export class JobScheduler {
  readonly #options: JobSchedulerOptions
  readonly #queue: { readonly set: JobSet; readonly index: number }[] = []
  #running = 0
  #nextJobId = 0
  /** Batches without jobs, one after the other. */
  #silent: Promise<void> = Promise.resolve()
  #openSets = 0
  #abandoned = false
  #idle: (() => void)[] = []

  constructor(options: JobSchedulerOptions) {
    this.#options = options
  }

  /** Batches that are submitted and not complete. */
  get openBatchCount(): number {
    return this.#openSets
  }

  /** Takes in the jobs of a batch. One without jobs is complete at once and is not told to anyone (B8). */
  submit(timeMs: number, jobs: readonly Job[], inputs: ReadonlyMap<number, InputInfo>): void {
    const submittedMs = this.#options.clock.now()
    const set: JobSet = {
      timeMs,
      jobs,
      inputs,
      submittedMs,
      operations: jobs.map((job, id) => operationInfo(job, id)),
      startedMs: undefined,
      endedMs: undefined,
      left: jobs.length,
      failed: false,
    }
    this.#openSets++
    if (jobs.length === 0) {
      this.#silent = this.#silent.then(() => this.#finish(set))
      return
    }
    this.#post('onBatchSubmitted', set)
    for (let index = 0; index < jobs.length; index++) this.#queue.push({ set, index })
    this.#pump()
  }

  /** Resolves when every submitted batch is complete. */
  async whenIdle(): Promise<void> {
    if (this.#openSets > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Starts no further job; what runs is left to itself. */
  abandon(): void {
    this.#abandoned = true
    this.#queue.length = 0
  }

  #pump(): void {
    while (!this.#abandoned && this.#running < this.#options.concurrentJobs) {
      const next = this.#queue.shift()
      if (!next) return
      this.#running++
      void insideJob.run(true, () => this.#run(next.set, next.index))
    }
  }

  async #run(set: JobSet, index: number): Promise<void> {
    const { clock } = this.#options
    const job = set.jobs[index] as Job
    const startTime = clock.now()
    if (set.startedMs === undefined) {
      set.startedMs = startTime
      this.#post('onBatchStarted', set)
    }
    this.#postOperation('onOutputOperationStarted', set, index, { startTime, jobIds: [this.#nextJobId++] })
    let failureReason: string | undefined
    try {
      await job.run()
    } catch (thrown) {
      const error = asError(thrown)
      failureReason = error.stack ?? error.message
      set.failed = true
      // What is left to itself may well fail, as its threads end with the job.
      if (!this.#abandoned) {
        this.#options.logger.error(`Error running job ${job.output.callSite.short} for time ${set.timeMs} ms`, {
          error: error.message,
        })
        this.#options.termination.fail(error, { batchTimeMs: set.timeMs, operation: job.output.callSite.short })
      }
    }
    this.#postOperation('onOutputOperationCompleted', set, index, { endTime: clock.now(), failureReason })
    if (--set.left === 0) await this.#finish(set)
    this.#running--
    this.#pump()
  }

  async #finish(set: JobSet): Promise<void> {
    try {
      await this.#options.settle(set.timeMs)
    } catch (thrown) {
      // A job that asked for the same has reported it already.
      if (!set.failed) {
        const error = asError(thrown)
        this.#options.logger.error(`Error updating state for time ${set.timeMs} ms`, { error: error.message })
        this.#options.termination.fail(error, { batchTimeMs: set.timeMs, operation: undefined })
      }
      set.failed = true
    }
    this.#openSets--
    if (set.jobs.length > 0) this.#tellCompleted(set)
    this.#options.onBatchDone(set.timeMs, batchInfo(set), set.failed)
    if (this.#openSets === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #tellCompleted(set: JobSet): void {
    set.endedMs = this.#options.clock.now()
    const info = batchInfo(set)
    this.#options.logger.debug(
      `Total delay: ${(set.endedMs - set.timeMs) / 1000} s for time ${set.timeMs} ms (execution: ${(info.processingDelay ?? 0) / 1000} s)`,
    )
    this.#options.bus.post((listener) => listener.onBatchCompleted?.({ batchInfo: info }))
  }

  #post(event: 'onBatchSubmitted' | 'onBatchStarted', set: JobSet): void {
    const info = batchInfo(set)
    this.#options.bus.post((listener) => listener[event]?.({ batchInfo: info }))
  }

  #postOperation(
    event: 'onOutputOperationStarted' | 'onOutputOperationCompleted',
    set: JobSet,
    index: number,
    change: Partial<OutputOperationInfo>,
  ): void {
    const info = new OutputOperationInfo({ ...(set.operations[index] as OutputOperationInfo), ...change })
    set.operations[index] = info
    this.#options.bus.post((listener) => listener[event]?.({ outputOperationInfo: info }))
  }
}

function operationInfo(job: Job, id: number): OutputOperationInfo {
  return new OutputOperationInfo({
    batchTime: new Time(job.timeMs),
    id,
    name: job.output.callSite.short,
    description: job.output.callSite.long,
    startTime: undefined,
    endTime: undefined,
    failureReason: undefined,
    jobIds: [],
  })
}

function batchInfo(set: JobSet): BatchInfo {
  return new BatchInfo({
    batchTime: new Time(set.timeMs),
    streamIdToInputInfo: set.inputs,
    submissionTime: set.submittedMs,
    processingStartTime: set.startedMs,
    processingEndTime: set.endedMs,
    outputOperationInfos: new Map(set.operations.map((info) => [info.id, info])),
  })
}
