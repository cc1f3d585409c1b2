import { escape } from './html.ts'

/** A value at a batch's time. */
export interface Point {
  readonly timeMs: number
  readonly value: number
  /** Always shown, and in the colour of trouble. */
  readonly failed?: boolean
  /** What is said about it: value, unit and time. */
  readonly label: string
}

export interface ChartScale {
  /** Times of the first and the last batch of the page. */
  readonly fromMs: number
  readonly toMs: number
  /** Where the y axis ends. */
  readonly max: number
  readonly unit: string
  /** A value that is marked across the graph, where it lies within. */
  readonly mark?: { readonly value: number; readonly label: string } | undefined
  readonly timeLabel: (ms: number) => string
}

const width = 500
const height = 120
const left = 52
const right = 8
const top = 24
const bottom = 20
const tickCount = 4
export const binCount = 10

/** Values over time: a line, and a point for each batch that says its value and leads to its row. */
export function timeline(points: readonly Point[], scale: ChartScale, title: string): string {
  const { fromMs, toMs, unit, mark, timeLabel } = scale
  const x = (ms: number): number =>
    toMs === fromMs ? left : left + ((ms - fromMs) / (toMs - fromMs)) * (width - left - right)
  const y = heightOf(scale.max)
  const path = points.map(({ timeMs, value }, i) => `${i === 0 ? 'M' : 'L'}${round(x(timeMs))} ${round(y(value))}`)
  const dots = points.map(
    ({ timeMs, value, failed, label }) =>
      `<a href="#batch-${timeMs}"><circle class="${failed ? 'dot failed' : 'dot'}" cx="${round(x(timeMs))}" cy="${round(y(value))}" r="4"><title>${escape(label)}</title></circle></a>`,
  )
  const first = points[0]
  const last = points.at(-1)
  const area =
    first && last
      ? `<path class="area" d="${path.join('')}L${round(x(last.timeMs))} ${round(y(0))}L${round(x(first.timeMs))} ${round(y(0))}Z"/>`
      : ''
  const line = mark
    ? `<line class="mark" x1="${left}" x2="${width - right}" y1="${round(y(mark.value))}" y2="${round(y(mark.value))}"><title>${escape(mark.label)}</title></line>`
    : ''
  const ends = [
    `<text class="axis" x="${left}" y="${height - 4}">${escape(timeLabel(fromMs))}</text>`,
    toMs > fromMs
      ? `<text class="axis end" x="${width - right}" y="${height - 4}">${escape(timeLabel(toMs))}</text>`
      : '',
  ].join('')
  return svg(
    title,
    `${yAxis(scale.max, unit, width)}${line}${area}<path class="line" d="${path.join('')}"/>${dots.join('')}${ends}`,
    width,
  )
}

const histogramWidth = 260

/** How many values lie in each tenth of the y range; `countMax` is where the x axis ends. */
export function histogram(
  values: readonly number[],
  { max, unit, mark }: ChartScale,
  countMax: number,
  title: string,
): string {
  const bins = binsOf(values, max)
  const room = histogramWidth - left - right
  const barHeight = (height - top - bottom) / binCount
  const bars = bins.map((count, i) => {
    if (count === 0) return ''
    const share = ((count / values.length) * 100).toFixed(1)
    const label = `${count} ${count === 1 ? 'batch' : 'batches'} (${share}%) between ${format((max * i) / binCount)} and ${format((max * (i + 1)) / binCount)} ${unit}`
    const y = height - bottom - (i + 1) * barHeight
    return `<rect class="bar" x="${left}" y="${round(y + 0.5)}" width="${round((count / countMax) * room)}" height="${round(barHeight - 1)}"><title>${escape(label)}</title></rect>`
  })
  const line = mark
    ? `<line class="mark" x1="${left}" x2="${histogramWidth - right}" y1="${round(heightOf(max)(mark.value))}" y2="${round(heightOf(max)(mark.value))}"/><text class="axis end mark-word" x="${histogramWidth - right}" y="${round(heightOf(max)(mark.value) - 3)}">stable<title>${escape(mark.label)}</title></text>`
    : ''
  const ends = `<text class="axis" x="${left}" y="${height - 4}">0</text><text class="axis end" x="${histogramWidth - right}" y="${height - 4}">${countMax} #batches</text>`
  return svg(title, `${yAxis(max, unit, histogramWidth)}${bars.join('')}${line}${ends}`, histogramWidth)
}

/** Values per tenth of the range from 0 to `max`; the last tenth holds its upper end. */
export function binsOf(values: readonly number[], max: number): number[] {
  const bins = new Array<number>(binCount).fill(0)
  for (const value of values) {
    const bin = max <= 0 ? 0 : Math.min(binCount - 1, Math.max(0, Math.floor((value / max) * binCount)))
    bins[bin] = (bins[bin] as number) + 1
  }
  return bins
}

function heightOf(max: number): (value: number) => number {
  return (value) => height - bottom - (max <= 0 ? 0 : Math.min(1, value / max)) * (height - top - bottom)
}

function yAxis(max: number, unit: string, to: number): string {
  const y = heightOf(max)
  const ticks: string[] = []
  for (let i = 0; i <= tickCount; i++) {
    const value = (max * i) / tickCount
    if (max <= 0 && i > 0) break
    const at = round(y(value))
    ticks.push(
      `<line class="grid" x1="${left}" x2="${to - right}" y1="${at}" y2="${at}"/><text class="axis end" x="${left - 5}" y="${at + 3}">${format(value)}</text>`,
    )
  }
  return `<text class="axis" x="2" y="10">${escape(unit)}</text>${ticks.join('')}`
}

function svg(title: string, content: string, viewWidth: number): string {
  return `<svg viewBox="0 0 ${viewWidth} ${height}" role="img" aria-label="${escape(title)}">${content}</svg>`
}

function format(value: number): string {
  return value >= 100_000 ? value.toExponential(1) : value.toFixed(value >= 1000 ? 0 : 2)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
