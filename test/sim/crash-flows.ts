// What `npm run crash -- KILLS SEED --flow NAME` runs beside the flow of crash-loop.ts: files with numbered lines go through
// a file channel to files or to Kafka while the agent is killed again and again; every line must arrive.
import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeRecords, valueAt } from '../../src/codec/kafka/record-batch.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import type { EventBatch } from '../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import { type FileStatus, reasonOf } from '../../src/net/hdfs/file-system.ts'
import { openFileSystem } from '../../src/net/hdfs/open.ts'
import { KafkaError } from '../../src/net/kafka/errors.ts'
import { connectKafka } from '../../src/net/kafka/platformatic.ts'
import { listenRpc } from '../support/rpc.ts'
import { RunningProcess } from '../support/running-process.ts'

const program = fileURLToPath(new URL('../../../bin/flume-ts.js', import.meta.url))
const clock: Clock = systemClock
const drainTimeoutMs = 240_000
const chunkBytes = 1_048_576
const sourceBatch = 20
const sinkBatch = 50

export interface FlowResult {
  readonly kills: number
  readonly written: number
  readonly arrived: number
  readonly doubles: number
  /** Files that a kill has left open, and how many of them have kept their in-use name. */
  readonly orphans: number
  readonly left: number
}

/** One flow, from where numbered lines are written to where they arrive. */
interface Flow {
  /** Properties of source r1 and sink k1. */
  readonly parts: readonly string[]
  /** Lines written so far; numbers rise from 0. */
  readonly written: number
  /** Writes some more. */
  feed(): Promise<void>
  /** A number that grows as lines are acknowledged. */
  progress(): Promise<number>
  /** What is written down of where the source stands, by a source that does so only now and then. */
  saved?(): Promise<string>
  /** How often each number has arrived; asked for at the end, again and again. */
  arrived(): Promise<ReadonlyMap<number, number>>
  /** Files under an in-use name; 0 where there are none. */
  orphans(): Promise<number>
  /** Whether the next agent gives them their final names. */
  readonly recovers?: boolean
  /** What the sink has noted of files in use and is not done with. */
  notes?(): Promise<readonly string[]>
  close(): Promise<void>
}

export type MakeFlow = (folder: string, random: Random) => Promise<Flow>

/** Rejects when a line is lost, a file keeps its in-use name, or more comes twice than was under way at the kills. */
export async function crashFlow(
  make: MakeFlow,
  kills: number,
  seed: number,
  say: (line: string) => void,
): Promise<FlowResult> {
  const random = seededRandom(seed)
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-crash-'))
  const flow = await make(folder, random)
  const conf = join(folder, 'agent.properties')
  await writeFile(conf, configuration(folder, flow.parts))
  let isFeeding = true
  let feeding: Promise<void> | undefined
  let agent: RunningProcess | undefined
  let orphans = 0
  try {
    feeding = (async () => {
      while (isFeeding) {
        await flow.feed()
        await clock.sleep(5 + random() * 20)
      }
    })()
    feeding.catch(() => undefined)
    for (let kill = 1; kill <= kills; kill++) {
      agent = start(conf)
      const before = await flow.progress()
      const saved = await flow.saved?.()
      while ((await flow.progress()) <= before) await aMoment(agent)
      // What comes before the first time is read again after every kill: some agents get there.
      if (saved !== undefined && random() < 0.2) while ((await flow.saved?.()) === saved) await aMoment(agent)
      await clock.sleep(random() * 400)
      await agent.kill()
      orphans = Math.max(orphans, await flow.orphans())
      if (kill % 20 === 0) say(`${kill} kills: ${flow.written} lines written, ${orphans} files left open so far`)
    }
    agent = start(conf)
    // A signal before it runs would end it as a kill does.
    await agent.waitFor(/agent a1 runs/)
    isFeeding = false
    await feeding
    const untilMs = clock.monotonic() + drainTimeoutMs
    let arrived = await flow.arrived()
    while (arrived.size < flow.written && clock.monotonic() < untilMs) {
      await aMoment(agent, 200)
      arrived = await flow.arrived()
    }
    assert.equal(await agent.stop(), 0, agent.stderr)
    // An agent that has nothing to write: files whose writer has been silent for a minute get their final names.
    agent = start(conf)
    await agent.waitFor(/agent a1 runs/)
    const isDone = async (): Promise<boolean> => (await flow.orphans()) === 0 && !(await flow.notes?.())?.length
    while (flow.recovers && !(await isDone()) && clock.monotonic() < untilMs) await aMoment(agent, 200)
    assert.equal(await agent.stop(), 0, agent.stderr)
    // What stands at the end, under its final names.
    arrived = await flow.arrived()
    const missing = Array.from({ length: flow.written }, (_, number) => number).filter((number) => !arrived.has(number))
    assert.deepEqual(missing.slice(0, 10), [], `${missing.length} of ${flow.written} lines are lost`)
    assert.equal(arrived.size, flow.written, 'more arrived than was written')
    const left = await flow.orphans()
    if (flow.recovers) assert.equal(left, 0, `a file has kept its in-use name\n${agent.stderr.slice(-4000)}`)
    assert.deepEqual((await flow.notes?.()) ?? [], [], 'notes of files in use are left')
    const total = [...arrived.values()].reduce((sum, count) => sum + count, 0)
    return { kills, written: flow.written, arrived: total, doubles: total - flow.written, orphans, left }
  } finally {
    isFeeding = false
    await agent?.kill()
    await feeding?.catch(() => undefined)
    await flow.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Files that are dropped into a directory → files of the HDFS sink, below `target`, such as `hdfs://127.0.0.1:8020/crash`; on
 * the local disk when it is left out. Local files have no leases: the sink's own notes tell what a kill left open.
 */
export function spooldirHdfs(target?: string): MakeFlow {
  return async (folder, random) => {
    const spool = join(folder, 'spool')
    const notes = join(folder, 'open-files')
    await mkdir(spool)
    const address = `${target ?? `file://${folder}`}/${folder.slice(-6)}`
    const { fileSystem, path } = openFileSystem(address, {
      mounts: new Map(),
      env: process.env,
      clock,
      timeoutMs: 30_000,
    })
    await fileSystem.mkdirs(path)
    let written = 0
    let files = 0
    const done = async (): Promise<number> =>
      (await readdir(spool)).filter((name) => name.endsWith('.COMPLETED')).length
    const read = async ({ path: file }: FileStatus): Promise<string> => {
      const pieces: Uint8Array[] = []
      for (let offset = 0; ; ) {
        const piece = await fileSystem.read(file, offset, chunkBytes)
        pieces.push(piece)
        if (piece.length < chunkBytes) return Buffer.concat(pieces).toString()
        offset += piece.length
      }
    }
    return {
      parts: [
        'a1.sources.r1.type = spooldir',
        `a1.sources.r1.spoolDir = ${spool}`,
        `a1.sources.r1.batchSize = ${sourceBatch}`,
        'a1.sources.r1.pollDelay = 20',
        'a1.sinks.k1.type = hdfs',
        `a1.sinks.k1.hdfs.path = ${address}`,
        'a1.sinks.k1.hdfs.fileType = DataStream',
        'a1.sinks.k1.hdfs.writeFormat = Text',
        'a1.sinks.k1.hdfs.rollCount = 300',
        'a1.sinks.k1.hdfs.rollInterval = 0',
        'a1.sinks.k1.hdfs.rollSize = 0',
        `a1.sinks.k1.hdfs.batchSize = ${sinkBatch}`,
        `a1.sinks.k1.hdfs.openFilesDir = ${notes}`,
      ],
      recovers: true,
      notes: () => readdir(notes).catch(() => []),
      get written() {
        return written
      },
      feed: async () => {
        // Not far ahead of the source: what waits at the end must come through as well.
        if (files - (await done()) > 20) return
        const lines = 1 + Math.floor(random() * 60)
        const text = Array.from({ length: lines }, (_, i) => line(written + i, random)).join('')
        const name = `f${String(files).padStart(6, '0')}`
        await writeFile(join(spool, `.${name}`), text)
        await rename(join(spool, `.${name}`), join(spool, name))
        files++
        written += lines
      },
      progress: done,
      arrived: async () => {
        const counts = new Map<number, number>()
        for (const file of await fileSystem.list(path)) {
          // One that gets its final name just now is read the next time.
          const text = await read(file).catch((error: unknown) => {
            if (reasonOf(error) !== 'missing') throw error
            return ''
          })
          count(text, counts)
        }
        return counts
      },
      orphans: async () => (await fileSystem.list(path)).filter((file) => file.path.endsWith('.tmp')).length,
      close: async () => {
        await fileSystem.delete(path, { recursive: true })
        await fileSystem.close()
      },
    }
  }
}

/** A log that is followed and rotated. */
async function followedLog(folder: string, random: Random) {
  const logs = join(folder, 'logs')
  const positions = join(folder, 'positions.json')
  await mkdir(logs)
  let written = 0
  let rotations = 0
  return {
    parts: [
      'a1.sources.r1.type = TAILDIR',
      'a1.sources.r1.filegroups = g',
      `a1.sources.r1.filegroups.g = ${logs}/app\\\\.log.*`,
      `a1.sources.r1.positionFile = ${positions}`,
      'a1.sources.r1.writePosInterval = 100',
      `a1.sources.r1.batchSize = ${sourceBatch}`,
      'a1.sources.r1.backoffSleepIncrement = 20',
      'a1.sources.r1.maxBackoffSleep = 50',
    ],
    get written() {
      return written
    },
    feed: async (): Promise<void> => {
      const count = 1 + Math.floor(random() * 30)
      const text = Array.from({ length: count }, (_, i) => line(written + i, random)).join('')
      await appendFile(join(logs, 'app.log'), text)
      written += count
      if (random() < 0.02) await rename(join(logs, 'app.log'), join(logs, `app.log.${++rotations}`))
    },
    saved: (): Promise<string> => readFile(positions, 'utf8').catch(() => ''),
    orphans: async () => 0,
  }
}

/** A log that is followed and rotated → an Avro sink. */
export const taildirAvro: MakeFlow = async (folder, random) => {
  const log = await followedLog(folder, random)
  const counts = new Map<number, number>()
  const collect = async (batch: EventBatch) => {
    for (const { body } of batch.events()) count(`${Buffer.from(body).toString()}\n`, counts)
    return 'OK' as const
  }
  const collector = await listenRpc({ services: [flumeService({ append: collect, appendBatch: collect })] })
  return {
    parts: [
      ...log.parts,
      'a1.sinks.k1.type = avro',
      'a1.sinks.k1.hostname = 127.0.0.1',
      `a1.sinks.k1.port = ${collector.port}`,
      `a1.sinks.k1.batch-size = ${sinkBatch}`,
    ],
    get written() {
      return log.written
    },
    feed: log.feed,
    progress: async () => counts.size,
    saved: log.saved,
    arrived: async () => counts,
    orphans: log.orphans,
    close: () => collector.close(),
  }
}

/** A log that is followed and rotated → a topic of a Kafka cluster, such as `127.0.0.1:9092`. */
export function taildirKafka(brokers: string): MakeFlow {
  return async (folder, random) => {
    const log = await followedLog(folder, random)
    const topic = `flume-ts-crash-${folder.slice(-6)}`
    const cluster = await connectKafka(
      {
        brokers: brokers.split(',').map((broker) => ({
          host: broker.replace(/:\d+$/, ''),
          port: Number(/:(\d+)$/.exec(broker)?.[1] ?? 9092),
        })),
        clientId: 'crash',
        connectTimeoutMs: 10_000,
        requestTimeoutMs: 30_000,
        metadataMaxAgeMs: 300_000,
      },
      clock,
    )
    let partitions = (await cluster.partitionCounts([topic], true)).get(topic) ?? 0
    for (let left = 100; partitions === 0 && left > 0; left--) {
      await clock.sleep(100)
      cluster.forgetMetadata()
      partitions = (await cluster.partitionCounts([topic], true)).get(topic) ?? 0
    }
    assert.ok(partitions > 0, `topic ${topic} was not made`)
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const counts = new Map<number, number>()
    const next = all.map(() => 0)
    /** A partition that was just made may not have its leader yet. */
    const latest = async (): Promise<readonly number[]> => {
      for (let left = 50; ; left--) {
        try {
          return await cluster.listOffsets('latest', all)
        } catch (error) {
          if (left === 0 || !(error instanceof KafkaError && error.retry)) throw error
          cluster.forgetMetadata()
          await clock.sleep(100)
        }
      }
    }
    const read = async (): Promise<void> => {
      const ends = await latest()
      for (const [index, where] of all.entries()) {
        while ((next[index] as number) < (ends[index] as number)) {
          const from = next[index] as number
          const [fetched] = await cluster.fetch(
            await cluster.leaderOf(where),
            [{ ...where, offset: from, maxBytes: 1_048_576 }],
            { maxWaitMs: 500, minBytes: 1, maxBytes: 4_194_304, readCommitted: false },
          )
          assert.equal(fetched?.error, 0)
          const { slices, nextOffset } = decodeRecords(fetched?.records as Buffer, {
            from,
            decompress: (compression, bytes, most) => cluster.decompress(compression, bytes, most),
            decompressedBytesMax: 16_777_216,
          })
          for (const slice of slices) {
            for (let i = 0; i < slice.count; i++) count(`${valueAt(slice, i)?.toString() ?? ''}\n`, counts)
          }
          next[index] = nextOffset
        }
      }
    }
    return {
      parts: [
        ...log.parts,
        'a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink',
        `a1.sinks.k1.kafka.bootstrap.servers = ${brokers}`,
        `a1.sinks.k1.kafka.topic = ${topic}`,
        'a1.sinks.k1.kafka.producer.acks = all',
        `a1.sinks.k1.flumeBatchSize = ${sinkBatch}`,
      ],
      get written() {
        return log.written
      },
      feed: log.feed,
      progress: async () => (await latest()).reduce((sum, offset) => sum + offset, 0),
      saved: log.saved,
      arrived: async () => {
        await read()
        return counts
      },
      orphans: log.orphans,
      close: () => cluster.close(),
    }
  }
}

function line(number: number, random: Random): string {
  return `${number} ${'x'.repeat(random() * 200)}\n`
}

/** Only whole lines count: a part of one is a damaged event. */
function count(text: string, counts: Map<number, number>): void {
  for (const each of text.split('\n')) {
    if (each === '') continue
    assert.match(each, /^\d+ x*$/, 'a line has arrived damaged')
    const number = Number.parseInt(each, 10)
    counts.set(number, (counts.get(number) ?? 0) + 1)
  }
}

function start(conf: string): RunningProcess {
  return new RunningProcess('agent', process.execPath, [program, 'agent', '-f', conf])
}

async function aMoment(agent: RunningProcess, ms = 20): Promise<void> {
  let ended = false
  void agent.exited.then(() => {
    ended = true
  })
  await clock.sleep(ms)
  if (ended) throw new Error(`the agent ended by itself\n${agent.stderr.slice(-3000)}`)
}

function configuration(folder: string, parts: readonly string[]): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    ...parts,
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = file',
    `a1.channels.c1.checkpointDir = ${folder}/checkpoint`,
    `a1.channels.c1.dataDirs = ${folder}/data`,
    'a1.channels.c1.maxFileSize = 300000',
    'a1.channels.c1.minimumRequiredSpace = 1048576',
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}
