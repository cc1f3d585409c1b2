import type { BatchInfo, OutputOperationInfo, ReceiverInfo } from '../scheduler/listener.ts'
import type { StreamingProgress } from '../scheduler/progress.ts'

/** Whose page it is. */
export interface Application {
  readonly id: string
  readonly name: string
  readonly sparkVersion: string
  readonly sparkUser: string
  /** Milliseconds since the epoch. */
  readonly startTimeMs: number
  readonly settings: readonly (readonly [key: string, value: string])[]
}

/** Waiting, running and completed batches, oldest first. */
export function retainedBatches(progress: StreamingProgress): BatchInfo[] {
  return [...progress.waiting, ...progress.running, ...progress.completed].sort((a, b) => timeOf(a) - timeOf(b))
}

export function timeOf(batch: BatchInfo): number {
  return batch.batchTime.milliseconds
}

export type BatchStatus = 'QUEUED' | 'PROCESSING' | 'COMPLETED'

export function statusOf(batch: BatchInfo): BatchStatus {
  if (batch.processingStartTime === undefined) return 'QUEUED'
  return batch.processingEndTime === undefined ? 'PROCESSING' : 'COMPLETED'
}

export function operationsOf(batch: BatchInfo): OutputOperationInfo[] {
  return [...batch.outputOperationInfos.values()].sort((a, b) => a.id - b.id)
}

/** An operation counts as active until it has an end, also before it has begun. */
export function operationCounts(batch: BatchInfo): {
  readonly active: number
  readonly completed: number
  readonly failed: number
  readonly total: number
} {
  let active = 0
  let failed = 0
  for (const operation of batch.outputOperationInfos.values()) {
    if (operation.endTime === undefined) active++
    else if (operation.failureReason !== undefined) failed++
  }
  const total = batch.outputOperationInfos.size
  return { active, failed, completed: total - active - failed, total }
}

/** What the first operation that failed says. */
export function firstFailure(batch: BatchInfo): string | undefined {
  return operationsOf(batch).find(({ failureReason }) => failureReason !== undefined)?.failureReason
}

export function recordsPerSecond(records: number, batchMs: number): number {
  return (records * 1000) / batchMs
}

/** Records per second of one stream, batch by batch. */
export function ratesOf(
  batches: readonly BatchInfo[],
  streamId: number,
  batchMs: number,
): (readonly [timeMs: number, rate: number])[] {
  return batches.map((batch) => [
    timeOf(batch),
    recordsPerSecond(batch.streamIdToInputInfo.get(streamId)?.numRecords ?? 0, batchMs),
  ])
}

export function average(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Averages over what is kept; the delays in whole milliseconds. */
export function averages(progress: StreamingProgress): {
  readonly inputRate: number | undefined
  readonly schedulingDelay: number | undefined
  readonly processingTime: number | undefined
  readonly totalDelay: number | undefined
} {
  const batches = retainedBatches(progress)
  const whole = (values: readonly (number | undefined)[]): number | undefined => {
    const mean = average(values.filter((value) => value !== undefined))
    return mean === undefined ? undefined : Math.floor(mean)
  }
  return {
    inputRate: average(batches.map((batch) => recordsPerSecond(batch.numRecords, progress.batchDurationMs))),
    schedulingDelay: whole(batches.map((batch) => batch.schedulingDelay)),
    processingTime: whole(batches.map((batch) => batch.processingDelay)),
    totalDelay: whole(batches.map((batch) => batch.totalDelay)),
  }
}

export interface InputFigures {
  readonly streamId: number
  readonly name: string
  readonly receiver: ReceiverInfo | undefined
}

/** All inputs by stream id, also those without a receiver. */
export function inputsOf(progress: StreamingProgress): InputFigures[] {
  const receivers = new Map(progress.receivers.map((receiver) => [receiver.streamId, receiver]))
  return [...progress.inputNames]
    .map(([streamId, name]) => {
      const receiver = receivers.get(streamId)
      return { streamId, receiver, name: receiver?.name || name || `Stream-${streamId}` }
    })
    .sort((a, b) => a.streamId - b.streamId)
}

export function activeReceivers(progress: StreamingProgress): number {
  return progress.receivers.filter(({ active }) => active).length
}
