import { asError } from '../../core/error.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { InputInfo } from '../graph/node.ts'
import type { Time } from '../time.ts'

export type { InputInfo as StreamInputInfo }

/** One output operation of one batch. */
export class OutputOperationInfo {
  readonly batchTime: Time
  /** 0, 1, 2… in registration order among those that have a job in the batch. */
  readonly id: number
  readonly name: string
  readonly description: string
  readonly startTime: number | undefined
  readonly endTime: number | undefined
  /** The stack text of what the operation threw. */
  readonly failureReason: string | undefined
  /** Numbers of the jobs that ran for it, counted over the whole context; an operation is one job here. */
  readonly jobIds: readonly number[]

  constructor(fields: Omit<OutputOperationInfo, 'duration'>) {
    this.batchTime = fields.batchTime
    this.id = fields.id
    this.name = fields.name
    this.description = fields.description
    this.startTime = fields.startTime
    this.endTime = fields.endTime
    this.failureReason = fields.failureReason
    this.jobIds = fields.jobIds
  }

  get duration(): number | undefined {
    return difference(this.endTime, this.startTime)
  }
}

type BatchFields = Omit<BatchInfo, 'schedulingDelay' | 'processingDelay' | 'totalDelay' | 'numRecords'>

/** One batch; times in milliseconds since the epoch. */
export class BatchInfo {
  readonly batchTime: Time
  readonly streamIdToInputInfo: ReadonlyMap<number, InputInfo>
  readonly submissionTime: number
  readonly processingStartTime: number | undefined
  readonly processingEndTime: number | undefined
  readonly outputOperationInfos: ReadonlyMap<number, OutputOperationInfo>

  constructor(fields: BatchFields) {
    this.batchTime = fields.batchTime
    this.streamIdToInputInfo = fields.streamIdToInputInfo
    this.submissionTime = fields.submissionTime
    this.processingStartTime = fields.processingStartTime
    this.processingEndTime = fields.processingEndTime
    this.outputOperationInfos = fields.outputOperationInfos
  }

  /** From submission to the start of the first job. */
  get schedulingDelay(): number | undefined {
    return difference(this.processingStartTime, this.submissionTime)
  }

  /** From the start of the first job to the end of the last. */
  get processingDelay(): number | undefined {
    return difference(this.processingEndTime, this.processingStartTime)
  }

  get totalDelay(): number | undefined {
    return difference(this.processingEndTime, this.submissionTime)
  }

  get numRecords(): number {
    let sum = 0
    for (const info of this.streamIdToInputInfo.values()) sum += info.numRecords
    return sum
  }
}

function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b
}

/** One receiver, as listeners see it. */
export interface ReceiverInfo {
  readonly streamId: number
  readonly name: string
  readonly active: boolean
  readonly location: string
  readonly executorId: string
  readonly lastErrorMessage: string
  readonly lastError: string
  /** -1 when there was none. */
  readonly lastErrorTime: number
}

/** Told what happens, one event at a time and in order; a method may be asynchronous and is never waited for. */
export interface StreamingListener {
  onStreamingStarted?(event: { readonly time: number }): void
  onReceiverStarted?(event: { readonly receiverInfo: ReceiverInfo }): void
  onReceiverError?(event: { readonly receiverInfo: ReceiverInfo }): void
  onReceiverStopped?(event: { readonly receiverInfo: ReceiverInfo }): void
  onBatchSubmitted?(event: { readonly batchInfo: BatchInfo }): void
  onBatchStarted?(event: { readonly batchInfo: BatchInfo }): void
  onBatchCompleted?(event: { readonly batchInfo: BatchInfo }): void
  onOutputOperationStarted?(event: { readonly outputOperationInfo: OutputOperationInfo }): void
  onOutputOperationCompleted?(event: { readonly outputOperationInfo: OutputOperationInfo }): void
}

type Post = (listener: StreamingListener) => void

/** Hands events to listeners apart from the work that caused them (B152). */
export class ListenerBus {
  readonly #logger: Logger
  readonly #listeners = new Set<StreamingListener>()
  #queue: Post[] = []
  #draining: Promise<void> | undefined
  #stopped = false
  #calling = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** True while a listener's method is on the stack. */
  get isCalling(): boolean {
    return this.#calling
  }

  add(listener: StreamingListener): void {
    this.#listeners.add(listener)
  }

  remove(listener: StreamingListener): void {
    this.#listeners.delete(listener)
  }

  post(event: Post): void {
    if (this.#stopped || this.#listeners.size === 0) return
    this.#queue.push(event)
    this.#draining ??= Promise.resolve().then(() => this.#drain())
  }

  /** Resolves once everything posted so far has been told; nothing is told afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#draining
  }

  #drain(): void {
    for (let i = 0; i < this.#queue.length; i++) {
      for (const listener of this.#listeners) this.#tell(this.#queue[i] as Post, listener)
    }
    this.#queue = []
    this.#draining = undefined
  }

  #tell(event: Post, listener: StreamingListener): void {
    this.#calling = true
    try {
      const result: unknown = event(listener)
      if (result instanceof Promise) result.catch((error) => this.#report(error))
    } catch (error) {
      this.#report(error)
    } finally {
      this.#calling = false
    }
  }

  #report(error: unknown): void {
    this.#logger.error('a streaming listener failed', { error: asError(error).message })
  }
}
