import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock as clock } from '../../src/core/clock.ts'
import { startFlume } from '../peers/peers.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import type { Load, LoadResult } from './load.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const loadProgram = fileURLToPath(new URL('load.js', import.meta.url))

/** Whose agent: ours, started by the command a user types, or the real one. */
export type Contender = 'flume-ts' | 'flume-1.9' | 'flume-1.11'

/** A way into an agent, and how much is sent along it. */
export interface Path {
  readonly name: string
  readonly kind: Load['kind'] | 'spooldir' | 'taildir'
  readonly events: number
  readonly batchSize: number
  /** `file`: with its defaults, an fsync for each transaction. */
  readonly channel?: 'memory' | 'file'
  readonly connections?: number
  /** Where the events go: nowhere, or lines of text in a file of this HDFS, one flush per 1000. */
  readonly hdfs?: { readonly uri: string; readonly httpUri: string } | undefined
  /** Ours speaks to the name node's HTTP address; the peers keep to their own protocol. */
  readonly overHttp?: boolean
}

export interface Measurement {
  readonly eventsPerSecond: number
  /** Processor time of the whole agent process for one event, in microseconds. */
  readonly cpuMicrosPerEvent: number
  readonly peakMebibytes: number
  /** From the start of the process to the first connection it takes, in milliseconds. */
  readonly startMs: number
  /** Processor time of the load for one event, in microseconds; 0 where there is no load process. */
  readonly loadMicrosPerEvent: number
}

export const bodyBytes = 200
/** Compilers and caches settle before the clock starts: this share of the events goes first, uncounted. */
const warmUpShare = 1 / 3
const startTimeoutMs = 90_000

/** Runs one agent along one path, source → channel → null. Linux only: the figures come from /proc. */
export async function measure(contender: Contender, path: Path): Promise<Measurement> {
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-bench-'))
  try {
    const port = await freePort()
    const properties = propertiesFor(path, port, folder)
    const startedMs = clock.monotonic()
    const agent = await start(contender, properties, folder)
    try {
      await untilTrue(upOf(path, folder, port), agent)
      const startMs = clock.monotonic() - startedMs
      const run = (events: number, name: string): Promise<LoadResult> =>
        path.kind === 'spooldir' || path.kind === 'taildir'
          ? dropFile(path.kind, folder, name, events, agent)
          : sendLoad({
              kind: path.kind,
              port,
              events,
              bodyBytes,
              batchSize: path.batchSize,
              connections: path.connections ?? 1,
            })
      await run(Math.max(path.batchSize, Math.floor(path.events * warmUpShare)), 'warm-up')
      const before = await cpuAtRest(agent.pid)
      const result = await run(path.events, 'measured')
      const after = await cpuAtRest(agent.pid)
      return {
        eventsPerSecond: result.events / result.seconds,
        cpuMicrosPerEvent: (after - before) / result.events,
        peakMebibytes: await peakMebibytes(agent.pid),
        startMs,
        loadMicrosPerEvent: result.cpuMicros / result.events,
      }
    } finally {
      await agent.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function propertiesFor(path: Path, port: number, folder: string): string {
  const { kind, batchSize, channel = 'memory', hdfs, overHttp = false } = path
  const source = {
    netcat: ['type = netcat', 'bind = 127.0.0.1', `port = ${port}`, 'ack-every-event = false'],
    'netcat-acks': ['type = netcat', 'bind = 127.0.0.1', `port = ${port}`],
    avro: ['type = avro', 'bind = 127.0.0.1', `port = ${port}`],
    thrift: ['type = thrift', 'bind = 127.0.0.1', `port = ${port}`],
    syslog: ['type = syslogtcp', 'host = 127.0.0.1', `port = ${port}`],
    http: ['type = http', 'bind = 127.0.0.1', `port = ${port}`],
    taildir: [
      'type = TAILDIR',
      'filegroups = f1',
      `filegroups.f1 = ${folder}/.*log`,
      `positionFile = ${positionsIn(folder)}`,
      'writePosInterval = 50',
      `batchSize = ${batchSize}`,
    ],
    spooldir: ['type = spooldir', `spoolDir = ${folder}`, `batchSize = ${batchSize}`, 'pollDelay = 20'],
  }[kind]
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    ...source.map((line) => `a1.sources.r1.${line}`),
    'a1.sources.r1.channels = c1',
    `a1.channels.c1.type = ${channel}`,
    ...(channel === 'file'
      ? [`a1.channels.c1.checkpointDir = ${folder}/checkpoint`, `a1.channels.c1.dataDirs = ${folder}/data`]
      : []),
    // With a slow sink the source must feel it soon, or the channel's room would be measured. An append over WebHDFS takes
    // up to half a second, and what is in it stays in the channel for so long.
    `a1.channels.c1.capacity = ${hdfs === undefined || overHttp ? 100_000 : 10_000}`,
    'a1.channels.c1.transactionCapacity = 1000',
    'a1.channels.c1.keep-alive = 60',
    ...(hdfs === undefined
      ? ['a1.sinks.k1.type = null', 'a1.sinks.k1.batchSize = 1000', 'a1.sinks.k1.logEveryNEvents = 100000000']
      : [
          'a1.sinks.k1.type = hdfs',
          `a1.sinks.k1.hdfs.path = ${hdfs.uri}/bench`,
          'a1.sinks.k1.hdfs.fileType = DataStream',
          'a1.sinks.k1.hdfs.batchSize = 1000',
          ...['rollInterval', 'rollSize', 'rollCount'].map((key) => `a1.sinks.k1.hdfs.${key} = 0`),
          'a1.sinks.k1.hdfs.minBlockReplicas = 1',
          ...(overHttp ? [`a1.sinks.k1.hdfs.webhdfs.url = ${hdfs.httpUri}`] : []),
        ]),
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}

async function start(contender: Contender, properties: string, folder: string): Promise<RunningProcess> {
  if (contender !== 'flume-ts') {
    return startFlume({
      version: contender === 'flume-1.9' ? '1.9' : '1.11',
      properties,
      // The bench waits for the port itself, and with no 50 ms steps.
      ready: /./,
    })
  }
  const file = join(folder, '.agent.properties')
  await writeFile(file, properties)
  return new RunningProcess('flume-ts', process.execPath, [join(root, 'bin/flume-ts.js'), 'agent', '-f', file])
}

async function sendLoad(load: Load): Promise<LoadResult> {
  await using process_ = new RunningProcess('load', process.execPath, [loadProgram, JSON.stringify(load)])
  const code = await process_.exited
  if (code !== 0) throw new Error(`the load of ${load.events} events failed\n${process_.stderr.slice(-2000)}`)
  return JSON.parse(process_.stdout) as LoadResult
}

/** Whether the agent takes what is sent to it. */
function upOf({ kind }: Path, folder: string, port: number): () => Promise<boolean> {
  if (kind === 'spooldir') return async () => existsSync(join(folder, '.flumespool'))
  // A first, empty write of the positions, which Flume makes 5 s after its start.
  if (kind === 'taildir') return async () => existsSync(positionsIn(folder))
  return () => accepts(port)
}

function positionsIn(folder: string): string {
  return join(folder, 'positions.json')
}

/** A file of lines, moved in whole; done when it is renamed (spooldir), or when the positions say that its end was reached. */
async function dropFile(
  kind: 'spooldir' | 'taildir',
  folder: string,
  name: string,
  events: number,
  agent: RunningProcess,
): Promise<LoadResult> {
  const hidden = join(folder, `.${name}`)
  const bytes = events * (bodyBytes + 1)
  await writeFile(hidden, Buffer.alloc(bytes, `${'x'.repeat(bodyBytes)}\n`))
  const startedMs = clock.monotonic()
  const path = join(folder, kind === 'taildir' ? `${name}.log` : name)
  await rename(hidden, path)
  const isDone = async (): Promise<boolean> => {
    if (kind === 'spooldir') return existsSync(`${path}.COMPLETED`)
    const text = await readFile(positionsIn(folder), 'utf8')
    // Flume writes the file in place: it may be read half written.
    return text.includes(`"pos":${bytes},"file":"${path}"`)
  }
  await untilTrue(isDone, agent)
  return { seconds: (clock.monotonic() - startedMs) / 1000, events, cpuMicros: 0 }
}

async function untilTrue(condition: () => Promise<boolean>, agent: RunningProcess): Promise<void> {
  let code: number | undefined
  void agent.exited.then((value) => {
    code = value
  })
  const untilMs = clock.monotonic() + startTimeoutMs
  while (!(await condition())) {
    if (code !== undefined || clock.monotonic() > untilMs) {
      throw new Error(
        `${agent.name} ${code === undefined ? 'does not get on' : `ended with ${code}`}\n${agent.stdout.slice(-2000)}${agent.stderr.slice(-2000)}`,
      )
    }
    await clock.sleep(2)
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Kernel ticks of a second, as on every Linux that Node runs on. */
const ticksPerSecond = 100
const restMs = 250
const restTimeoutMs = 10_000

/** Processor time used so far, in microseconds, once the process has come to rest (the sink has emptied the channel). */
async function cpuAtRest(pid: number): Promise<number> {
  const untilMs = clock.monotonic() + restTimeoutMs
  let before = await cpuMicros(pid)
  for (;;) {
    await clock.sleep(restMs)
    const now = await cpuMicros(pid)
    // A virtual machine is never quite still.
    if (now - before <= 20_000 || clock.monotonic() > untilMs) return now
    before = now
  }
}

export async function cpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond
}

export async function peakMebibytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024
}
