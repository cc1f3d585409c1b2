// Kills a real agent again and again: `npm run crash:hdfs [-- KILLS [SEED [HADOOP-VERSION]]]`. A sender with numbered events →
// avro source → file channel → hdfs sink → a real HDFS, whose files are read by Hadoop's own client at the end.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import { NativeHdfs } from '../../src/net/hdfs/native/native-hdfs.ts'
import { missingTools } from '../peers/install.ts'
import { type HadoopVersion, type Hdfs, startHdfs } from '../peers/peers.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'
import { send } from './numbered-flow.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const clock = systemClock
const batchSize = 50
const drainTimeoutMs = 180_000

export interface HdfsCrashResult {
  readonly kills: number
  readonly acknowledged: number
  readonly files: number
  /** Events that are there twice because the sender had not been answered. */
  readonly sentAgain: number
  /** Events that are there twice because the sink's batch was under way. */
  readonly writtenAgain: number
  /** Files that killed agents had left, and how long the last agent took to finish those that were left then. */
  readonly leftAtEnd: number
  readonly finishMs: number
}

class Ledger {
  acknowledged = 0
  readonly sentAgain = new Set<number>()
  #underWay: readonly number[] = []

  sending(numbers: readonly number[]): void {
    this.#underWay = numbers
  }

  acknowledge(count: number): void {
    this.acknowledged += count
    this.#underWay = []
  }

  killed(): void {
    for (const number of this.#underWay) this.sentAgain.add(number)
  }
}

/**
 * Rejects when an acknowledged event is in no final file, one is there twice that was not under way at a kill, more than
 * one batch is there twice for one kill, or a file is left open or under its in-use name.
 */
export async function hdfsCrashLoop(
  hdfs: Hdfs,
  kills: number,
  seed: number,
  say: (line: string) => void,
): Promise<HdfsCrashResult> {
  const random = seededRandom(seed)
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-crash-'))
  const ledger = new Ledger()
  const port = await freePort()
  const conf = join(folder, 'agent.properties')
  await writeFile(conf, configuration(folder, port, hdfs.uri))
  const files = new NativeHdfs({
    nameNodes: [{ host: '127.0.0.1', port: hdfs.rpcPort }],
    user: 'flume',
    timeoutMs: 30_000,
    clock,
  })
  const stop = new AbortController()
  /** When each agent was started; the names of its files are later than that. */
  const startsMs: number[] = []
  let sending: Promise<void> | undefined
  let agent: RunningProcess | undefined
  try {
    sending = send(port, ledger, random, stop.signal)
    for (let kill = 1; kill <= kills; kill++) {
      startsMs.push(clock.now())
      agent = start(conf)
      const before = ledger.acknowledged
      while (ledger.acknowledged === before) await aMoment(agent)
      await clock.sleep(random() * 300)
      ledger.killed()
      await agent.kill()
      ledger.killed()
      if (kill % 10 === 0) say(`${kill} kills: ${ledger.acknowledged} acknowledged`)
    }
    stop.abort()
    startsMs.push(clock.now())
    agent = start(conf)
    await sending
    const began = clock.monotonic()
    const leftAtEnd = (await inUse(files)).length
    // What is missing is written into files of the last agent, which its stop closes.
    let missing: number
    do {
      await aMoment(agent, 1000)
      missing = ledger.acknowledged - new Set((await numbersByFile(files)).flatMap(({ numbers }) => numbers)).size
    } while (missing > 0 && clock.monotonic() - began < drainTimeoutMs)
    const old = async (): Promise<number> =>
      (await inUse(files)).filter((path) => numberOf(path) <= (startsMs.at(-1) as number)).length
    while ((await old()) > 0 && clock.monotonic() - began < drainTimeoutMs) await aMoment(agent, 200)
    const finishMs = Math.round(clock.monotonic() - began)
    assert.equal(await agent.stop(), 0, agent.stderr)

    const left = await inUse(files)
    assert.deepEqual(left, [], 'files keep their in-use names')
    const counts = await check(files, hdfs, ledger, startsMs)
    return { kills, acknowledged: ledger.acknowledged, ...counts, leftAtEnd, finishMs }
  } finally {
    stop.abort()
    await agent?.kill()
    await sending
    await files.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function check(
  files: NativeHdfs,
  hdfs: Hdfs,
  ledger: Ledger,
  startsMs: readonly number[],
): Promise<Pick<HdfsCrashResult, 'files' | 'sentAgain' | 'writtenAgain'>> {
  const byFile = await numbersByFile(files)
  // Hadoop's own client sees the same, and every file closed: it can be appended to by anybody.
  const theirs = (await hdfs.shell('-cat', '/crash/*')).trimEnd().split('\n').map(firstNumber)
  assert.deepEqual(
    theirs,
    byFile.flatMap(({ numbers }) => numbers),
  )
  for (const { path } of byFile) assert.equal(await files.recover(path), true, `${path} is open`)
  const runs = startsMs.map(() => [] as number[])
  for (const { path, numbers } of byFile) {
    const run = startsMs.findLastIndex((ms) => ms < numberOf(path))
    runs[run]?.push(...numbers)
  }
  const lastRun = new Map<number, number>()
  const again = startsMs.map(() => 0)
  let sentAgain = 0
  let writtenAgain = 0
  for (const [run, numbers] of runs.entries()) {
    for (const number of numbers) {
      const before = lastRun.get(number)
      lastRun.set(number, run)
      if (before === undefined) continue
      if (ledger.sentAgain.has(number)) sentAgain++
      else {
        assert.ok(before < run, `${number} is twice in the files of one agent`)
        again[before] = (again[before] as number) + 1
        writtenAgain++
      }
    }
  }
  for (const [run, count] of again.entries()) {
    assert.ok(count <= batchSize, `${count} events of agent ${run} are there again: more than one batch`)
  }
  const missing = Array.from({ length: ledger.acknowledged }, (_, i) => i).filter((number) => !lastRun.has(number))
  assert.deepEqual(missing, [], 'acknowledged events are lost')
  return { files: byFile.length, sentAgain, writtenAgain }
}

function firstNumber(line: string): number {
  return Number.parseInt(line, 10)
}

function numberOf(path: string): number {
  return Number(/\.(\d{13})(\.tmp)?$/.exec(path)?.[1])
}

async function inUse(files: NativeHdfs): Promise<string[]> {
  const entries = await files.list('/crash').catch(() => [])
  return entries.map(({ path }) => path).filter((path) => path.endsWith('.tmp'))
}

async function numbersByFile(files: NativeHdfs): Promise<{ readonly path: string; readonly numbers: number[] }[]> {
  const found: { path: string; numbers: number[] }[] = []
  for (const { path } of await files.list('/crash').catch(() => [])) {
    const text = Buffer.from(await files.read(path, 0, 1 << 28).catch(() => new Uint8Array(0))).toString()
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
    found.push({ path, numbers: lines.slice(0, -1).map(firstNumber) })
  }
  return found
}

function start(conf: string): RunningProcess {
  return new RunningProcess('agent', process.execPath, [join(root, 'bin/flume-ts.js'), 'agent', '-f', conf])
}

async function aMoment(agent: RunningProcess, ms = 5): Promise<void> {
  let ended = false
  void agent.exited.then(() => {
    ended = true
  })
  await clock.sleep(ms)
  if (ended) throw new Error(`the agent ended by itself\n${agent.stderr.slice(-3000)}`)
}

function configuration(folder: string, port: number, hdfs: string): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = avro',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = file',
    `a1.channels.c1.checkpointDir = ${folder}/checkpoint`,
    `a1.channels.c1.dataDirs = ${folder}/d1,${folder}/d2`,
    'a1.channels.c1.maxFileSize = 100000',
    'a1.channels.c1.checkpointInterval = 1000',
    'a1.channels.c1.minimumRequiredSpace = 1048576',
    'a1.sinks.k1.type = hdfs',
    `a1.sinks.k1.hdfs.path = ${hdfs}/crash`,
    'a1.sinks.k1.hdfs.fileType = DataStream',
    `a1.sinks.k1.hdfs.batchSize = ${batchSize}`,
    // Some kills come in a file's middle, some while one is closed and the next is begun.
    'a1.sinks.k1.hdfs.rollCount = 333',
    'a1.sinks.k1.hdfs.rollSize = 0',
    'a1.sinks.k1.hdfs.rollInterval = 0',
    'a1.sinks.k1.hdfs.retryInterval = 1',
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kills = '100', seed = '1', version = '3.2.1'] = process.argv.slice(2)
  const missing = missingTools()
  if (missing) {
    console.log(`SKIPPED: killing agents before a real HDFS needs a JDK and Maven; not found: ${missing}`)
  } else {
    const hdfs = await startHdfs({ version: version as HadoopVersion })
    await using _ = hdfs.process
    const result = await hdfsCrashLoop(hdfs, Number(kills), Number(seed), (line) => console.error(line))
    console.log(
      `${result.kills} kills before Hadoop ${version}: ${result.acknowledged} events acknowledged, none lost, in ${result.files} closed files; ` +
        `${result.writtenAgain} written again, never more than one batch of ${batchSize} for a kill, ${result.sentAgain} sent again without an answer; ` +
        `${result.leftAtEnd} files were open at the end, finished within ${result.finishMs} ms`,
    )
  }
}
