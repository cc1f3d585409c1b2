import type { StreamingProgress } from '../scheduler/progress.ts'
import { type Application, activeReceivers, inputsOf, retainedBatches, timeOf } from './figures.ts'

/** The gauges of Spark's streaming metrics source (streaming-ui §6), in its order. */
export function gauges(progress: StreamingProgress): readonly (readonly [name: string, value: number])[] {
  const completed = progress.completed.reduce<(typeof progress.completed)[number] | undefined>(
    (last, batch) => (last === undefined || timeOf(batch) > timeOf(last) ? batch : last),
    undefined,
  )
  const received = retainedBatches(progress).at(-1)
  return [
    ['receivers', progress.receivers.length],
    ['totalCompletedBatches', progress.totalCompletedBatches],
    ['totalReceivedRecords', progress.totalReceivedRecords],
    ['totalProcessedRecords', progress.totalProcessedRecords],
    ['unprocessedBatches', progress.waiting.length + progress.running.length],
    ['waitingBatches', progress.waiting.length],
    ['runningBatches', progress.running.length],
    ['retainedCompletedBatches', progress.completed.length],
    ['lastCompletedBatch_submissionTime', completed?.submissionTime ?? -1],
    ['lastCompletedBatch_processingStartTime', completed?.processingStartTime ?? -1],
    ['lastCompletedBatch_processingEndTime', completed?.processingEndTime ?? -1],
    ['lastCompletedBatch_processingDelay', completed?.processingDelay ?? -1],
    ['lastCompletedBatch_schedulingDelay', completed?.schedulingDelay ?? -1],
    ['lastCompletedBatch_totalDelay', completed?.totalDelay ?? -1],
    ['lastReceivedBatch_submissionTime', received?.submissionTime ?? -1],
    ['lastReceivedBatch_processingStartTime', received?.processingStartTime ?? -1],
    ['lastReceivedBatch_processingEndTime', received?.processingEndTime ?? -1],
    ['lastReceivedBatch_records', received?.numRecords ?? 0],
  ]
}

/** `/metrics/json/`: the gauges under the names that Spark gives them. */
export function gaugesJson(application: Application, progress: StreamingProgress): Readonly<Record<string, unknown>> {
  const namespace = application.settings.find(([key]) => key === 'spark.metrics.namespace')?.[1] ?? application.id
  const prefix = `${namespace}.driver.${application.name}.StreamingMetrics.streaming.`
  return {
    version: '3.1.3',
    gauges: Object.fromEntries(gauges(progress).map(([name, value]) => [prefix + name, { value }])),
    counters: {},
    histograms: {},
    meters: {},
    timers: {},
  }
}

/** Totals for Prometheus, with the records of each input in the last batch. */
export function prometheusText(application: Application, progress: StreamingProgress): string {
  const app = label(application.name)
  const lines: string[] = []
  const metric = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    samples: readonly (readonly [labels: string, value: number])[],
  ): void => {
    const full = `stream_${name}`
    lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`)
    for (const [labels, value] of samples) lines.push(`${full}{app=${app}${labels}} ${value}`)
  }
  const one = (value: number): readonly (readonly [string, number])[] => [['', value]]
  const last = progress.completed.at(-1)
  metric('batches_completed_total', 'counter', 'Batches that are done.', one(progress.totalCompletedBatches))
  metric('records_received_total', 'counter', 'Records of batches that have begun.', one(progress.totalReceivedRecords))
  metric('records_processed_total', 'counter', 'Records of batches that are done.', one(progress.totalProcessedRecords))
  metric('batches_waiting', 'gauge', 'Batches that wait for the one before them.', one(progress.waiting.length))
  metric('batches_running', 'gauge', 'Batches that are being worked on.', one(progress.running.length))
  metric('receivers_active', 'gauge', 'Receivers that run.', one(activeReceivers(progress)))
  metric('batch_interval_seconds', 'gauge', 'Time between two batches.', one(progress.batchDurationMs / 1000))
  if (last) {
    const seconds = (ms: number | undefined): readonly (readonly [string, number])[] => one((ms ?? 0) / 1000)
    metric('last_scheduling_delay_seconds', 'gauge', 'How long the last batch waited.', seconds(last.schedulingDelay))
    metric('last_processing_seconds', 'gauge', 'How long the last batch took.', seconds(last.processingDelay))
    metric('last_total_delay_seconds', 'gauge', 'Both together.', seconds(last.totalDelay))
    metric(
      'last_batch_records',
      'gauge',
      'Records of the last batch by input.',
      inputsOf(progress).map(({ streamId, name }) => [
        `,stream="${streamId}",name=${label(name)}`,
        last.streamIdToInputInfo.get(streamId)?.numRecords ?? 0,
      ]),
    )
  }
  return `${lines.join('\n')}\n`
}

function label(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
