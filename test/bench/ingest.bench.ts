// Events into an agent, ours beside real Flume's: `npm run bench [-- --quick] [--without-peer] [--only WORD] [--events N] [--json]`.
import { parseArgs } from 'node:util'
import { missingTools } from '../peers/install.ts'
import { startHdfs } from '../peers/peers.ts'
import { type Contender, type Measurement, measure, type Path } from './measure.ts'

/** To be measured into an HDFS of the bench's own. */
const toHdfs: readonly Path[] = [
  { name: 'avro → memory → hdfs, batches of 1000', kind: 'avro', events: 200_000, batchSize: 1000 },
  {
    name: 'avro → memory → hdfs over HTTP, batches of 1000',
    kind: 'avro',
    events: 800_000,
    batchSize: 1000,
    overHttp: true,
  },
]
/** Enough for a few seconds of each agent's time. */
const paths: readonly Path[] = [
  { name: 'netcat → memory → null, no acks', kind: 'netcat', events: 2_000_000, batchSize: 1 },
  { name: 'netcat → memory → null, acks', kind: 'netcat-acks', events: 1_000_000, batchSize: 1 },
  { name: 'avro → memory → null, batches of 1', kind: 'avro', events: 30_000, batchSize: 1 },
  { name: 'avro → memory → null, batches of 100', kind: 'avro', events: 1_000_000, batchSize: 100 },
  { name: 'avro → memory → null, batches of 1000', kind: 'avro', events: 2_000_000, batchSize: 1000 },
  { name: 'avro → file → null, batches of 1', kind: 'avro', events: 6000, batchSize: 1, channel: 'file' },
  { name: 'avro → file → null, batches of 100', kind: 'avro', events: 200_000, batchSize: 100, channel: 'file' },
  {
    name: 'avro → file → null, batches of 100, 8 connections',
    kind: 'avro',
    events: 400_000,
    batchSize: 100,
    channel: 'file',
    connections: 8,
  },
  { name: 'avro → file → null, batches of 1000', kind: 'avro', events: 500_000, batchSize: 1000, channel: 'file' },
  { name: 'thrift → memory → null, batches of 100', kind: 'thrift', events: 1_000_000, batchSize: 100 },
  { name: 'syslog TCP → memory', kind: 'syslog', events: 1_000_000, batchSize: 100 },
  { name: 'HTTP JSON → memory, batches of 100', kind: 'http', events: 400_000, batchSize: 100 },
  { name: 'taildir → memory → null, batches of 100', kind: 'taildir', events: 3_000_000, batchSize: 100 },
  { name: 'spooldir → memory → null, batches of 100', kind: 'spooldir', events: 1_000_000, batchSize: 100 },
]
/** Just enough to see that everything works. */
const quickEvents = 3000

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    'without-peer': { type: 'boolean', default: false },
    peer: { type: 'string', default: 'flume-1.11' },
    only: { type: 'string', default: '' },
    events: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const eventsAsked = values.quick ? quickEvents : values.events === undefined ? undefined : Number(values.events)
if (eventsAsked !== undefined && !(Number.isSafeInteger(eventsAsked) && eventsAsked > 0)) {
  throw new TypeError(`--events ${values.events} is not a number of events`)
}
const missing = values.quick || values['without-peer'] ? 'not asked for' : missingTools()
const peer = values.peer as Contender
const contenders: readonly Contender[] = missing === undefined ? ['flume-ts', peer] : ['flume-ts']
if (missing !== undefined) console.error(`bench: without ${peer} (${missing})`)

const rows: { readonly path: string; readonly by: Readonly<Partial<Record<Contender, Measurement>>> }[] = []
for (const path of paths.filter(({ name }) => name.includes(values.only))) {
  const by: Partial<Record<Contender, Measurement>> = {}
  for (const contender of contenders) {
    console.error(`bench: ${contender}: ${path.name}`)
    by[contender] = await measure(contender, { ...path, events: eventsAsked ?? path.events })
  }
  rows.push({ path: path.name, by })
}

const chosen = toHdfs.filter(({ name }) => name.includes(values.only))
if (missing === undefined && chosen.length > 0) {
  // The client that writes HDFS natively is there in Flume 1.9 and in 1.11; the figures to beat are those of 1.9.
  const hdfs = await startHdfs()
  await using _ = hdfs.process
  for (const path of chosen) {
    const by: Partial<Record<Contender, Measurement>> = {}
    for (const contender of contenders) {
      console.error(`bench: ${contender}: ${path.name}`)
      by[contender] = await measure(contender, { ...path, events: eventsAsked ?? path.events, hdfs })
    }
    rows.push({ path: path.name, by })
  }
}

if (values.json) console.log(JSON.stringify(rows, undefined, 2))
else print()

function print(): void {
  const columns = ['path', ...contenders.flatMap((name) => [`${name} events/s`, 'CPU µs', 'peak MiB', 'start ms'])]
  if (contenders.length > 1) columns.push('× per CPU', '× events/s', '× memory', '× start')
  columns.push('load CPU µs')
  console.log(`| ${columns.join(' | ')} |`)
  console.log(`|${columns.map(() => '---').join('|')}|`)
  for (const { path, by } of rows) console.log(`| ${[path, ...cellsOf(by)].join(' | ')} |`)
}

function cellsOf(by: Readonly<Partial<Record<Contender, Measurement>>>): string[] {
  const ours = by['flume-ts'] as Measurement
  const cells = contenders.flatMap((name) => {
    const { eventsPerSecond, cpuMicrosPerEvent, peakMebibytes, startMs } = by[name] as Measurement
    return [
      Math.round(eventsPerSecond).toLocaleString('en'),
      cpuMicrosPerEvent.toFixed(2),
      peakMebibytes.toFixed(0),
      startMs.toFixed(0),
    ]
  })
  const theirs = by[peer]
  if (theirs) {
    cells.push(
      (theirs.cpuMicrosPerEvent / ours.cpuMicrosPerEvent).toFixed(1),
      (ours.eventsPerSecond / theirs.eventsPerSecond).toFixed(1),
      (theirs.peakMebibytes / ours.peakMebibytes).toFixed(1),
      (theirs.startMs / ours.startMs).toFixed(1),
    )
  }
  return [...cells, ours.loadMicrosPerEvent.toFixed(2)]
}
