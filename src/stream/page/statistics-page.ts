import type { BatchInfo } from '../scheduler/listener.ts'
import type { StreamingProgress } from '../scheduler/progress.ts'
import { binsOf, type ChartScale, histogram, type Point, timeline } from './chart.ts'
import {
  activeReceivers,
  average,
  averages,
  firstFailure,
  type InputFigures,
  inputsOf,
  operationCounts,
  ratesOf,
  recordsPerSecond,
  retainedBatches,
  statusOf,
  timeOf,
} from './figures.ts'
import { escape, failureCell, hint, progressCell } from './html.ts'
import { counted, dateTime, shortDuration, timeOfDay, unitFor, verboseDuration } from './words.ts'

const hints = {
  scheduling: 'Time taken by the scheduler to submit the jobs of a batch',
  processing: 'Time taken to process all jobs of a batch',
  total: 'Total time taken to handle a batch',
} as const
const errorTextMax = 97

/** One row of graphs. */
interface Series {
  readonly title: string
  readonly average: string
  readonly hint?: string
  readonly points: readonly Point[]
  readonly mark?: { readonly value: number; readonly label: string }
}

/** The main page, top to bottom (streaming-ui §3). */
export function statisticsPage(progress: StreamingProgress, nowMs: number): string {
  const batches = retainedBatches(progress)
  const { batchDurationMs: batchMs } = progress
  return [running(progress, nowMs), graphs(progress, batches, batchMs), batchTables(progress, batches, batchMs)].join(
    '\n',
  )
}

function running(progress: StreamingProgress, nowMs: number): string {
  const { startTime = nowMs, batchDurationMs, totalCompletedBatches, totalReceivedRecords } = progress
  return `<p class="lead">Running batches of <strong>${verboseDuration(batchDurationMs)}</strong> for <strong>${verboseDuration(nowMs - startTime)}</strong> since <strong>${dateTime(startTime)}</strong> (<strong>${totalCompletedBatches}</strong> completed batches, <strong>${totalReceivedRecords}</strong> records)</p>`
}

function graphs(progress: StreamingProgress, batches: readonly BatchInfo[], batchMs: number): string {
  const active = progress.waiting.length + progress.running.length
  const fromMs = batches[0] ? timeOf(batches[0]) : 0
  const toMs = batches.length > 0 ? timeOf(batches.at(-1) as BatchInfo) : 0
  const times = { fromMs, toMs, timeLabel: timeOfDay }
  const means = averages(progress)

  const rates = ratePoints(batches.map((batch) => [timeOf(batch), recordsPerSecond(batch.numRecords, batchMs)]))
  const inputs = inputsOf(progress)
  const perInput = inputs.map((input) => ({ input, rates: ratesOf(batches, input.streamId, batchMs) }))
  const rateScale = (values: readonly number[]): ChartScale => ({
    ...times,
    max: Math.max(1, Math.ceil(largest(values))),
    unit: 'records/sec',
  })

  const delays: readonly Series[] = [
    delaySeries('Scheduling Delay', hints.scheduling, means.schedulingDelay, batches, (batch) => batch.schedulingDelay),
    {
      ...delaySeries(
        'Processing Time',
        hints.processing,
        means.processingTime,
        batches,
        (batch) => batch.processingDelay,
      ),
      mark: { value: batchMs, label: `Processing Time <= Batch Interval (${verboseDuration(batchMs)})` },
    },
    delaySeries('Total Delay', hints.total, means.totalDelay, batches, (batch) => batch.totalDelay),
  ]
  // One y axis for the three, so that they can be compared.
  const maxMs = Math.max(1, largest(delays.flatMap(({ points }) => points.map(({ value }) => value))))
  const { unit, divisor } = unitFor(maxMs)
  const delayScale = { ...times, max: maxMs / divisor, unit }
  const scaled = delays.map(({ points, mark, ...series }) => ({
    ...series,
    points: points.map((point) => ({ ...point, value: point.value / divisor })),
    mark: mark && mark.value <= maxMs ? { ...mark, value: mark.value / divisor } : undefined,
  }))

  const all = [rates, ...scaled.map(({ points }) => points)]
  const scaleOf = (points: readonly Point[]): ChartScale =>
    points === rates ? rateScale(rates.map(({ value }) => value)) : delayScale
  const countMax = Math.max(
    1,
    ...all.flatMap((points) =>
      binsOf(
        points.map(({ value }) => value),
        scaleOf(points).max,
      ),
    ),
  )
  const row = (head: string, title: string, points: readonly Point[], scale: ChartScale): string =>
    `<tr><th scope="row">${head}</th><td>${timeline(points, scale, `${title} over time`)}</td><td>${histogram(
      points.map(({ value }) => value),
      scale,
      countMax,
      `Distribution of ${title}`,
    )}</td></tr>`

  const receivers = progress.receivers.length
  const receiverLine = receivers > 0 ? `<div>Receivers: ${activeReceivers(progress)} / ${receivers} active</div>` : ''
  const rateMean = means.inputRate === undefined ? '-' : `${means.inputRate.toFixed(2)} records/sec`
  const inputRow = row(
    `<strong>Input Rate</strong>${receiverLine}<div>Avg: ${rateMean}</div>`,
    'Input Rate',
    rates,
    scaleOf(rates),
  )
  const shared = rateScale(perInput.flatMap(({ rates }) => rates.map(([, rate]) => rate)))
  const details =
    inputs.length === 0
      ? ''
      : `<tr class="inputs"><td colspan="3"><details id="inputs"><summary title="Show/hide details of each receiver">Inputs</summary>${perInput
          .map(({ input, rates }) => inputTable(input, ratePoints(rates), shared, countMax))
          .join('')}</details></td></tr>`
  return `<table id="stat-table" class="graphs"><thead><tr><td></td><th scope="col">Timelines (Last ${batches.length} batches, ${active} active, ${progress.completed.length} completed)</th><th scope="col">Histograms</th></tr></thead><tbody>
${inputRow}
${details}
${scaled
  .map((series) =>
    row(
      `<strong>${series.title}</strong> ${series.hint ? hint(series.hint) : ''}<div>Avg: ${series.average}</div>`,
      series.title,
      series.points,
      { ...delayScale, mark: series.mark },
    ),
  )
  .join('\n')}
</tbody></table>`
}

function inputTable(
  { streamId, name, receiver }: InputFigures,
  points: readonly Point[],
  scale: ChartScale,
  countMax: number,
): string {
  const mean = average(points.map(({ value }) => value))
  const hasError = receiver !== undefined && receiver.lastErrorTime !== -1
  const error = hasError ? errorText(receiver.lastErrorMessage, receiver.lastError) : '-'
  const cells = [
    receiver === undefined ? '-' : receiver.active ? 'ACTIVE' : 'INACTIVE',
    receiver === undefined ? '-' : `${receiver.executorId} / ${receiver.location}`,
    hasError ? dateTime(receiver.lastErrorTime) : '-',
    error,
  ]
  return `<table class="input" id="input-${streamId}"><thead><tr><th scope="col">Name</th><th scope="col">Status</th><th scope="col">Executor ID / Host</th><th scope="col">Last Error Time</th><th scope="col">Last Error Message</th></tr></thead><tbody>
<tr><th scope="row">${escape(name)}<div>Avg: ${mean === undefined ? '-' : `${mean.toFixed(2)} records/sec`}</div></th>${cells.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>
<tr><td colspan="3">${timeline(points, scale, `${name} over time`)}</td><td colspan="2">${histogram(
    points.map(({ value }) => value),
    scale,
    Math.max(
      countMax,
      ...binsOf(
        points.map(({ value }) => value),
        scale.max,
      ),
    ),
    `Distribution of ${name}`,
  )}</td></tr></tbody></table>`
}

function errorText(message: string, error: string): string {
  const text = error === '' ? message : `${message} - ${error}`
  return text.length > errorTextMax ? `${text.slice(0, errorTextMax)}...` : text
}

function ratePoints(rates: readonly (readonly [timeMs: number, rate: number])[]): Point[] {
  return rates.map(([timeMs, value]) => ({
    timeMs,
    value,
    label: `${value.toFixed(2)} records/sec at ${timeOfDay(timeMs)}`,
  }))
}

function delaySeries(
  title: string,
  text: string,
  mean: number | undefined,
  batches: readonly BatchInfo[],
  delayOf: (batch: BatchInfo) => number | undefined,
): Series {
  const points: Point[] = []
  for (const batch of batches) {
    const value = delayOf(batch)
    if (value === undefined) continue
    const timeMs = timeOf(batch)
    const failed = operationCounts(batch).failed > 0
    points.push({
      timeMs,
      value,
      failed,
      label: `${shortDuration(value)} at ${timeOfDay(timeMs)}${failed ? ', failed' : ''}`,
    })
  }
  return { title, hint: text, average: mean === undefined ? '-' : verboseDuration(mean), points }
}

function batchTables(progress: StreamingProgress, batches: readonly BatchInfo[], batchMs: number): string {
  const newestFirst = batches.toReversed()
  // Those that wait stand before those that run.
  const active = [
    ...newestFirst.filter((batch) => statusOf(batch) === 'QUEUED'),
    ...newestFirst.filter((batch) => statusOf(batch) === 'PROCESSING'),
  ]
  const completed = newestFirst.filter((batch) => statusOf(batch) === 'COMPLETED')
  return `<details class="batches" id="active-batches" open><summary><h2>Active Batches (${active.length})</h2></summary>
${batchTable('active-batches-table', active, batchMs, false)}</details>
<details class="batches" id="completed-batches" open><summary><h2>Completed Batches (last ${completed.length} out of ${progress.totalCompletedBatches})</h2></summary>
${batchTable('completed-batches-table', completed, batchMs, true)}</details>`
}

function batchTable(id: string, batches: readonly BatchInfo[], batchMs: number, completed: boolean): string {
  const withErrors = batches.some((batch) => firstFailure(batch) !== undefined)
  const heads = [
    'Batch Time',
    'Records',
    `Scheduling Delay ${hint(hints.scheduling)}`,
    `Processing Time ${hint(hints.processing)}`,
    ...(completed ? [`Total Delay ${hint(hints.total)}`] : []),
    'Output Ops: Succeeded/Total',
    ...(completed ? [] : ['Status']),
    ...(withErrors ? ['Error'] : []),
  ]
  const rows = batches.map((batch) => {
    const timeMs = timeOf(batch)
    const counts = operationCounts(batch)
    const running = [...batch.outputOperationInfos.values()].filter(
      ({ startTime, endTime }) => startTime !== undefined && endTime === undefined,
    ).length
    const cells = [
      cell(`<a href="/streaming/batch/?id=${timeMs}">${dateTime(timeMs, batchMs < 1000)}</a>`, timeMs),
      cell(counted(batch.numRecords, 'record'), batch.numRecords),
      duration(batch.schedulingDelay),
      duration(batch.processingDelay),
      ...(completed ? [duration(batch.totalDelay)] : []),
      cell(progressCell({ ...counts, running }), counts.completed),
      ...(completed ? [] : [cell(statusOf(batch) === 'QUEUED' ? 'queued' : 'processing')]),
      ...(withErrors ? [cell(failureCell(firstFailure(batch)))] : []),
    ]
    return `<tr id="batch-${timeMs}"${counts.failed > 0 ? ' class="failed"' : ''}>${cells.join('')}</tr>`
  })
  return `<div class="wide"><table id="${id}" class="sortable"><thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table></div>`
}

function cell(content: string, key?: number): string {
  return `<td${key === undefined ? '' : ` data-key="${key}"`}>${content}</td>`
}

function duration(ms: number | undefined): string {
  return cell(ms === undefined ? '-' : shortDuration(ms), ms ?? -1)
}

function largest(values: readonly number[]): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
}
