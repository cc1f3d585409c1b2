import type { BatchInfo, StreamingListener } from './listener.ts'

const percents = [0, 5, 10, 25, 50, 75, 90, 95, 100]

/** Tells, after each batch, how total delay and processing time of the last batches are spread. */
export class StatsReportListener implements StreamingListener {
  readonly #count: number
  readonly #tell: (line: string) => void
  readonly #infos: BatchInfo[] = []

  /** Looks at the last `count` batches; `tell` gets one line at a time, standard error when left out. */
  constructor(count = 10, tell: (line: string) => void = (line) => process.stderr.write(`${line}\n`)) {
    this.#count = count
    this.#tell = tell
  }

  onBatchCompleted({ batchInfo }: { readonly batchInfo: BatchInfo }): void {
    this.#infos.push(batchInfo)
    if (this.#infos.length > this.#count) this.#infos.shift()
    this.#report('Total delay: ', ({ totalDelay }) => totalDelay)
    this.#report('Processing time: ', ({ processingDelay }) => processingDelay)
  }

  #report(heading: string, delayOf: (info: BatchInfo) => number | undefined): void {
    const delays = this.#infos.flatMap((info) => delayOf(info) ?? []).sort((a, b) => a - b)
    if (delays.length === 0) return
    const at = (percent: number): number =>
      delays[Math.min(Math.floor((percent / 100) * delays.length), delays.length - 1)] as number
    this.#tell(`${heading}${percents.map((percent) => `${percent}%: ${at(percent)} ms`).join(', ')}`)
  }
}
