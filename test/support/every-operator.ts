// A job with every operator that is compared with Spark, in one graph. Argument: the folder it reads and writes.
import { join } from 'node:path'
import type { StreamingContext } from '../../src/stream/api.ts'
import { Streams, streamJobs } from '../parity/stream-jobs.ts'

/** What came out, by name: one line for each batch, its records in their order. Filled in the job's own thread only. */
export const outcomes = new Map<string, string[]>()

/** All but the one whose point is that it fails. */
export const compared = streamJobs.filter(({ name }) => name !== 'a function that throws')

export default function everyOperator(ssc: StreamingContext, [folder = '']: readonly string[]): void {
  ssc.checkpoint(join(folder, 'checkpoint'))
  for (const job of compared) {
    const lines: string[] = []
    outcomes.set(job.name, lines)
    job.define(new Streams(ssc, job, folder, (timeMs, records) => lines.push(`${timeMs} ${JSON.stringify(records)}`)))
  }
}
