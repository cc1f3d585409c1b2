import type { BatchInfo, OutputOperationInfo } from '../scheduler/listener.ts'
import type { StreamingProgress } from '../scheduler/progress.ts'
import { inputsOf, operationsOf } from './figures.ts'
import { escape, failureCell } from './html.ts'
import { counted, shortDuration, verboseDuration } from './words.ts'

/** One batch (streaming-ui §4). An operation is one job here, without stages: its row says how it went. */
export function batchPage(batch: BatchInfo, progress: StreamingProgress): string {
  const facts: readonly (readonly [string, string])[] = [
    ['Batch Duration', verboseDuration(progress.batchDurationMs)],
    ['Input data size', counted(batch.numRecords, 'record')],
    ['Scheduling delay', delay(batch.schedulingDelay)],
    ['Processing time', delay(batch.processingDelay)],
    ['Total delay', delay(batch.totalDelay)],
  ]
  return `<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`).join('')}</dl>
${metadata(batch, progress)}
<h2>Output operations</h2>
<div class="wide"><table id="batch-job-table"><thead><tr>${['Output Op Id', 'Description', 'Output Op Duration', 'Status', 'Job Id', 'Error'].map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead><tbody>
${operationsOf(batch).map(operationRow).join('\n')}
</tbody></table></div>`
}

function operationRow(operation: OutputOperationInfo): string {
  const { id, name, description, failureReason, endTime, jobIds } = operation
  const details =
    description === name
      ? escape(name)
      : `<details class="stack"><summary>${escape(name)} <span class="more">+details</span></summary><pre>${escape(description)}</pre></details>`
  const cells = [
    String(id),
    details,
    operation.duration === undefined ? '-' : shortDuration(operation.duration),
    statusCell(failureReason, endTime),
    jobIds.length === 0 ? '-' : jobIds.join(', '),
    failureCell(failureReason),
  ]
  return `<tr${failureReason === undefined ? '' : ' class="failed"'}>${cells.map((content) => `<td>${content}</td>`).join('')}</tr>`
}

function statusCell(failureReason: string | undefined, endTime: number | undefined): string {
  if (failureReason !== undefined) {
    return `<span class="bad">Failed due to error: ${escape(failureReason.split('\n', 1)[0] as string)}</span>`
  }
  return endTime === undefined ? '-' : 'Succeeded'
}

/** What inputs say of themselves: the files of a folder, the offsets of a topic. */
function metadata(batch: BatchInfo, progress: StreamingProgress): string {
  const names = new Map(inputsOf(progress).map(({ streamId, name }) => [streamId, name]))
  const rows: string[] = []
  for (const [streamId, { metadata }] of batch.streamIdToInputInfo) {
    const description = metadata.Description
    if (description === undefined) continue
    rows.push(
      `<tr><td>${escape(names.get(streamId) ?? `Stream-${streamId}`)}</td><td><pre>${escape(String(description))}</pre></td></tr>`,
    )
  }
  if (rows.length === 0) return ''
  return `<h2>Input Metadata</h2><div class="wide"><table id="input-metadata"><thead><tr><th scope="col">Input</th><th scope="col">Metadata</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function delay(ms: number | undefined): string {
  return ms === undefined ? '-' : shortDuration(ms)
}
