// Batches through a job, ours on worker threads beside a real Spark 3.5, both local[2]:
// `npm run bench:streams [-- --quick] [--without-peer] [--only WORD] [--batches N] [--json]`.
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/core/random.ts'
import { missingTools } from '../peers/install.ts'
import { startJava } from '../peers/peers.ts'
import { realData } from '../support/real-data.ts'
import { RunningProcess } from '../support/running-process.ts'
import { cpuMicros, peakMebibytes } from './measure.ts'
import { streamJob } from './stream-job.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

type Contender = 'stream-ts' | 'spark-3.5'

interface Path {
  readonly name: string
  readonly job: 'words' | 'window' | 'state'
  /** What a batch holds; undefined: nothing. */
  readonly input: 'log' | 'keys' | undefined
  readonly intervalMs: number
  /** Measured, behind the first ones, in which compilers and caches settle. */
  readonly batches: number
  readonly warmUp: number
}

interface Measurement {
  /** Records a second while a batch is worked on: of the median batch. */
  readonly recordsPerSecond: number
  /** Processing time of a batch in milliseconds: the mean, and the longest. */
  readonly meanMs: number
  readonly longestMs: number
  /** Longest wait of a batch before it was worked on, in milliseconds. */
  readonly longestDelayMs: number
  /** Processor time of the process for one batch, in milliseconds. */
  readonly cpuMs: number
  readonly peakMebibytes: number
  /** Keys in the last result. */
  readonly keys: number
}

const paths: readonly Path[] = [
  { name: 'word count', job: 'words', input: 'log', intervalMs: 1000, batches: 5, warmUp: 4 },
  { name: 'windowed count with inverse', job: 'window', input: 'log', intervalMs: 1000, batches: 5, warmUp: 4 },
  { name: 'updateStateByKey', job: 'state', input: 'keys', intervalMs: 1000, batches: 5, warmUp: 4 },
  { name: 'empty batches', job: 'words', input: undefined, intervalMs: 100, batches: 100, warmUp: 50 },
  { name: 'a batch every 50 ms for 60 s', job: 'words', input: undefined, intervalMs: 50, batches: 1200, warmUp: 20 },
]

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    'without-peer': { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    batches: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const recordCount = values.quick ? 2000 : 1_000_000
const fileCount = 4

/**
 * Lines like those of a web site's access log, some 20 words each, some much oftener than others, for where there is no real
 * one; keys in no order. The same in every run.
 */
function* records(kind: 'log' | 'keys'): Generator<string> {
  const random = seededRandom(2015)
  const below = (limit: number): number => Math.floor(random() * limit)
  if (kind === 'keys') {
    const keys = Array.from({ length: recordCount }, (_, i) => i)
    for (let i = keys.length - 1; i >= 0; i--) {
      const other = below(i + 1)
      yield `user-${keys[other]}\n`
      keys[other] = keys[i] as number
    }
    return
  }
  const real = realData('access.log')
  if (existsSync(real)) {
    const lines = readFileSync(real, 'utf8').match(/.*\n/g) as string[]
    for (let i = 0; i < recordCount; i++) yield lines[i % lines.length] as string
    return
  }
  const often = (limit: number): number => Math.floor(random() ** 3 * limit)
  const agents = Array.from({ length: 300 }, (_, i) => {
    const version = `${i}.0.${below(3000)}.${below(200)}`
    return `"Mozilla/5.0 (Windows NT 6.${below(4)}; WOW64) AppleWebKit/537.${i} (KHTML, like Gecko) Chrome/${version} Safari/537.${i}"`
  })
  for (let i = 0; i < recordCount; i++) {
    const client = `${often(80)}.${below(4)}.${below(5)}.7`
    const second = String(below(60)).padStart(2, '0')
    const page = `/blog/category/${often(1500)}.html`
    yield `${client} - - [17/May/2015:10:05:${second} +0000] "GET ${page} HTTP/1.1" ${below(10) ? 200 : 404} ${below(5000)} "http://www.example.org${page}" ${agents[often(300)]}\n`
  }
}

async function writeInput(folder: string, kind: 'log' | 'keys'): Promise<string[]> {
  const files = Array.from({ length: fileCount }, (_, i) => join(folder, `${kind}-${i}.txt`))
  const texts = files.map(() => [] as string[])
  let next = 0
  for (const record of records(kind)) texts[Math.floor((next++ * fileCount) / recordCount)]?.push(record)
  for (const [i, file] of files.entries()) await writeFile(file, texts[i]?.join('') ?? '')
  return files
}

async function start(contender: Contender, args: readonly string[], folder: string): Promise<RunningProcess> {
  if (contender === 'spark-3.5') return startJava('spark-3.5', 'StreamLoad', args, { jvm: ['-Xmx2g'] })
  const job = join(folder, 'job.ts')
  await writeFile(job, streamJob)
  const command = [join(root, 'bin/stream-ts.js'), 'submit', '--master', 'local[2]', job, ...args]
  return new RunningProcess('stream-ts', process.execPath, command)
}

async function measure(
  contender: Contender,
  path: Path,
  folder: string,
  files: readonly string[],
): Promise<Measurement> {
  const { job, intervalMs, batches, warmUp } = path
  const checkpoint = join(folder, `${contender}-${job}-${intervalMs}`)
  await mkdir(checkpoint)
  const all = batches + warmUp
  const args = [job, intervalMs, all, checkpoint, ...files].map(String)
  await using process_ = await start(contender, args, folder)
  const timeoutMs = 600_000
  await process_.waitFor(new RegExp(`(?:> batch[^]*?){${warmUp}}`), timeoutMs)
  const before = await cpuMicros(process_.pid)
  await process_.waitFor(/> done/, timeoutMs)
  const after = await cpuMicros(process_.pid)
  const lines = [...process_.stdout.matchAll(/> batch (\d+) (\d+)/g)].slice(warmUp, all)
  const times = lines.map(([, ms]) => Number(ms))
  const median = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] as number
  return {
    recordsPerSecond: files.length === 0 ? 0 : (recordCount * 1000) / median,
    meanMs: times.reduce((a, b) => a + b, 0) / times.length,
    longestMs: Math.max(...times),
    longestDelayMs: Math.max(...lines.map(([, , ms]) => Number(ms))),
    cpuMs: (after - before) / 1000 / batches,
    peakMebibytes: await peakMebibytes(process_.pid),
    keys: Number([...process_.stdout.matchAll(/> keys (\d+)/g)][all - 1]?.[1]),
  }
}

const missing = values.quick || values['without-peer'] ? 'not asked for' : missingTools()
const contenders: readonly Contender[] = missing === undefined ? ['stream-ts', 'spark-3.5'] : ['stream-ts']
if (missing !== undefined) console.error(`bench: without Spark (${missing})`)

const rows: { readonly path: string; readonly by: Readonly<Partial<Record<Contender, Measurement>>> }[] = []
const folder = await mkdtemp(join(tmpdir(), 'stream-bench-'))
try {
  for (const path of paths.filter(({ name }) => name.includes(values.only))) {
    const files = path.input ? await writeInput(folder, path.input) : []
    const by: Partial<Record<Contender, Measurement>> = {}
    for (const contender of contenders) {
      console.error(`bench: ${contender}: ${path.name}`)
      const short = values.quick
        ? { ...path, batches: 3, warmUp: 1 }
        : { ...path, batches: Number(values.batches ?? path.batches) }
      by[contender] = await measure(contender, short, folder, files)
      await rm(join(folder, `${contender}-${path.job}-${path.intervalMs}`), { recursive: true })
    }
    rows.push({ path: path.name, by })
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

if (values.json) console.log(JSON.stringify(rows, undefined, 2))
else print()

function print(): void {
  const heads = [
    'job',
    ...contenders.flatMap((name) => [
      `${name} records/s`,
      'mean ms a batch',
      'longest ms',
      'longest delay ms',
      'CPU ms a batch',
      'peak MiB',
    ]),
    ...(contenders.length > 1 ? ['× time', '× CPU', '× memory'] : []),
  ]
  console.log(`| ${heads.join(' | ')} |`)
  console.log(`|${heads.map(() => '---').join('|')}|`)
  for (const { path, by } of rows) console.log(`| ${[path, ...cellsOf(by)].join(' | ')} |`)
}

function cellsOf(by: Readonly<Partial<Record<Contender, Measurement>>>): string[] {
  const cells = contenders.flatMap((name) => {
    const { recordsPerSecond, meanMs, longestMs, longestDelayMs, cpuMs, peakMebibytes } = by[name] as Measurement
    return [
      recordsPerSecond === 0 ? '' : Math.round(recordsPerSecond).toLocaleString('en'),
      meanMs.toFixed(1),
      longestMs.toFixed(0),
      longestDelayMs.toFixed(0),
      cpuMs.toFixed(0),
      peakMebibytes.toFixed(0),
    ]
  })
  const ours = by['stream-ts'] as Measurement
  const theirs = by['spark-3.5']
  if (!theirs) return cells
  const ratios = [theirs.meanMs / ours.meanMs, theirs.cpuMs / ours.cpuMs, theirs.peakMebibytes / ours.peakMebibytes]
  return [...cells, ...ratios.map((ratio) => ratio.toFixed(1))]
}
