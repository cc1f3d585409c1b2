import type { BatchInfo, OutputOperationInfo } from '../scheduler/listener.ts'
import type { StreamingProgress } from '../scheduler/progress.ts'
import {
  type Application,
  activeReceivers,
  average,
  averages,
  firstFailure,
  type InputFigures,
  inputsOf,
  operationCounts,
  operationsOf,
  ratesOf,
  retainedBatches,
  statusOf,
  timeOf,
} from './figures.ts'
import { restDate } from './words.ts'

export interface RestAnswer {
  readonly status: number
  /** The value to be written as JSON, or a line of text where the status is 404. */
  readonly body: unknown
}

type Json = Readonly<Record<string, unknown>>

const root = '/api/v1/'

/** The answer of Spark's REST interface (streaming-ui §5) for a path below `/api/v1/`; undefined where there is no such path. */
export function restAnswer(
  path: string,
  query: URLSearchParams,
  application: Application,
  progress: StreamingProgress,
): RestAnswer | undefined {
  if (!path.startsWith(root)) return undefined
  const [first, id, ...rest] = path.slice(root.length).replace(/\/$/, '').split('/')
  if (first === 'version' && id === undefined) return found({ spark: application.sparkVersion })
  if (first !== 'applications') return undefined
  if (id === undefined) return found([applicationOf(application)])
  if (id !== application.id) return missing(`no such app: ${id}`)
  if (rest.length === 0) return found(applicationOf(application))
  // The attempt's id may stand between; there is one attempt.
  const [streaming, what, ...more] = rest[0] !== 'streaming' && rest[1] === 'streaming' ? rest.slice(1) : rest
  if (streaming !== 'streaming') return undefined
  switch (what) {
    case 'statistics':
      return more.length === 0 ? found(statistics(progress)) : undefined
    case 'receivers':
      return receivers(more, progress)
    case 'batches':
      return batches(more, query, progress)
    default:
      return undefined
  }
}

/** As Spark writes it: two spaces deep, ` : ` between name and value. */
export function restText(value: unknown, indent = ''): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return '[ ]'
    return `[ ${value.map((item) => restText(item, indent)).join(', ')} ]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const inner = `${indent}  `
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => `${inner}${JSON.stringify(name)} : ${restText(field, inner)}`)
  return fields.length === 0 ? '{ }' : `{\n${fields.join(',\n')}\n${indent}}`
}

function applicationOf({ id, name, sparkVersion, sparkUser, startTimeMs }: Application): Json {
  const start = restDate(startTimeMs)
  return {
    id,
    name,
    attempts: [
      {
        startTime: start,
        endTime: restDate(-1),
        lastUpdated: start,
        duration: 0,
        sparkUser,
        completed: false,
        appSparkVersion: sparkVersion,
        startTimeEpoch: startTimeMs,
        endTimeEpoch: -1,
        lastUpdatedEpoch: startTimeMs,
      },
    ],
  }
}

function statistics(progress: StreamingProgress): Json {
  const mean = averages(progress)
  const active = activeReceivers(progress)
  return {
    startTime: restDate(progress.startTime ?? 0),
    batchDuration: progress.batchDurationMs,
    numReceivers: progress.receivers.length,
    numActiveReceivers: active,
    numInactiveReceivers: progress.receivers.length - active,
    numTotalCompletedBatches: progress.totalCompletedBatches,
    numRetainedCompletedBatches: progress.completed.length,
    numActiveBatches: progress.waiting.length + progress.running.length,
    numProcessedRecords: progress.totalProcessedRecords,
    numReceivedRecords: progress.totalReceivedRecords,
    avgInputRate: mean.inputRate,
    avgSchedulingDelay: mean.schedulingDelay,
    avgProcessingTime: mean.processingTime,
    avgTotalDelay: mean.totalDelay,
  }
}

function receivers(more: readonly string[], progress: StreamingProgress): RestAnswer | undefined {
  const batches = retainedBatches(progress)
  const one = (input: InputFigures): Json => receiverOf(input, batches, progress.batchDurationMs)
  const [id, ...none] = more
  if (id === undefined) return found(inputsOf(progress).map(one))
  if (!isNumber(id) || none.length > 0) return undefined
  const input = inputsOf(progress).find(({ streamId }) => streamId === Number(id))
  return input ? found(one(input)) : missing(`unknown receiver: ${id}`)
}

function receiverOf({ streamId, name, receiver }: InputFigures, batches: readonly BatchInfo[], batchMs: number): Json {
  const eventRates = ratesOf(batches, streamId, batchMs)
  const error = receiver && receiver.lastErrorTime !== -1 ? receiver : undefined
  return {
    streamId,
    streamName: name,
    isActive: receiver?.active,
    executorId: receiver?.executorId,
    executorHost: receiver?.location,
    lastErrorTime: error && restDate(error.lastErrorTime),
    lastErrorMessage: error?.lastErrorMessage,
    lastError: error?.lastError,
    avgEventRate: average(eventRates.map(([, rate]) => rate)),
    eventRates,
  }
}

function batches(more: readonly string[], query: URLSearchParams, progress: StreamingProgress): RestAnswer | undefined {
  const all = retainedBatches(progress)
  const [id, operations, operationId, ...none] = more
  if (id === undefined) {
    const wanted = query.getAll('status').map((status) => status.toUpperCase())
    return found(
      all
        .filter((batch) => wanted.length === 0 || wanted.includes(statusOf(batch)))
        .toReversed()
        .map((batch) => batchOf(batch, progress.batchDurationMs)),
    )
  }
  if (!isNumber(id) || none.length > 0) return undefined
  const batch = all.find((one) => timeOf(one) === Number(id))
  if (!batch) return missing(`unknown batch: ${id}`)
  if (operations === undefined) return found(batchOf(batch, progress.batchDurationMs))
  if (operations !== 'operations') return undefined
  if (operationId === undefined) return found(operationsOf(batch).map(operationOf))
  if (!isNumber(operationId)) return undefined
  const operation = batch.outputOperationInfos.get(Number(operationId))
  return operation ? found(operationOf(operation)) : missing(`unknown output operation: ${operationId}`)
}

function batchOf(batch: BatchInfo, batchMs: number): Json {
  const { active, completed, failed, total } = operationCounts(batch)
  return {
    batchId: timeOf(batch),
    batchTime: restDate(timeOf(batch)),
    status: statusOf(batch),
    batchDuration: batchMs,
    inputSize: batch.numRecords,
    schedulingDelay: batch.schedulingDelay,
    processingTime: batch.processingDelay,
    totalDelay: batch.totalDelay,
    numActiveOutputOps: active,
    numCompletedOutputOps: completed,
    numFailedOutputOps: failed,
    numTotalOutputOps: total,
    firstFailureReason: firstFailure(batch),
  }
}

function operationOf(operation: OutputOperationInfo): Json {
  return {
    outputOpId: operation.id,
    name: operation.name,
    description: operation.description,
    startTime: operation.startTime === undefined ? undefined : restDate(operation.startTime),
    endTime: operation.endTime === undefined ? undefined : restDate(operation.endTime),
    duration: operation.duration,
    failureReason: operation.failureReason,
    jobIds: operation.jobIds,
  }
}

function isNumber(text: string): boolean {
  return /^-?\d{1,15}$/.test(text)
}

function found(body: unknown): RestAnswer {
  return { status: 200, body }
}

function missing(body: string): RestAnswer {
  return { status: 404, body }
}
