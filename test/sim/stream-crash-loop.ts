// Kills a real streaming job again and again: `npm run crash:streams [-- KILLS [SEED [local|hdfs|webhdfs]]]`: the last says
// where checkpoint and write-ahead log lie, on a real HDFS of its own for the latter two. A sender with numbered events →
// an agent with a file channel and a Spark sink → a stateful word count with checkpoint and write-ahead log. At every tenth
// kill the agent goes with it.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'
import { startHdfs } from '../peers/peers.ts'
import { freePort } from '../support/free-port.ts'
import { RunningProcess } from '../support/running-process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const clock: Clock = systemClock
const words = ['ash', 'birch', 'cedar', 'elm', 'fir', 'oak', 'pine']
const sendCount = 20
/** Events that the job asks for at once: as many may come twice at each kill, stored and not yet acknowledged. */
const pullCount = 50
const agentKillEvery = 10
const progressTimeoutMs = 60_000

export interface StreamCrashResult {
  readonly kills: number
  readonly agentKills: number
  readonly acknowledged: number
  readonly batches: number
  /** Batches whose output was written more than once, each time the same. */
  readonly rerun: number
  /** Events that the agent handed over a second time, as its promise allows. */
  readonly twice: number
}

/**
 * The job. Outputs are files named by batch and partition, so a rerun replaces its own; it stops with an error when a rerun
 * would write something else. Beside them a log that is only ever appended to.
 */
const job = `import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { FlumeUtils, type RDD, type State, StateSpec, StorageLevel, type StreamingContext, type Time } from 'flume-ts/stream'

export default function (ssc: StreamingContext, [port, folder]: readonly string[]): void {
  const events = FlumeUtils.createPollingStream(ssc, [{ host: '127.0.0.1', port: Number(port) }], StorageLevel.MEMORY_ONLY, ${pullCount}, 1)
    .map((event): [string, number] => {
      const [number, word] = event.bodyAsString().split(' ')
      return [word as string, Number(number)]
    })
  const put = (name: string) => async (rdd: RDD<unknown>, time: Time): Promise<void> => {
    const parts = await rdd.glom().collect()
    parts.forEach((items, partition) => {
      const path = folder + '/' + name + '-' + time.milliseconds + '-' + partition
      // Keys of a state come in the order in which they were saved: after a restart in another one.
      const text = JSON.stringify(name === 'events' ? items : items.sort())
      if (existsSync(path)) {
        appendFileSync(folder + '/reruns', name + '-' + time.milliseconds + '\\n')
        const before = readFileSync(path, 'utf8')
        if (before !== text) appendFileSync(folder + '/mismatches', path + ' ' + before + ' then ' + text + '\\n')
      }
      writeFileSync(path + '.part', text)
      renameSync(path + '.part', path)
    })
  }
  events.foreachRDD(async (rdd, time) => {
    appendFileSync(folder + '/appended', (await rdd.collect()).map(([, number]) => number + '\\n').join(''))
    await put('events')(rdd, time)
  })
  events
    .updateStateByKey<string, number, number>((numbers, count) => numbers.length + (count ?? 0))
    .setName('plain')
    .foreachRDD(put('plain'))
  // What the agent hands over again is known by its number: one bit each, thirty to a key.
  const first = StateSpec.function((_bucket: number, event: [number, string] | undefined, state: State<number>) => {
    const [number, word] = event as [number, string]
    const bits = state.getOption() ?? 0
    const bit = 1 << number % 30
    state.update(bits | bit)
    return [word, (bits & bit) === 0 ? 1 : 0] as [string, number]
  })
  const once = events
    .map(([word, number]): [number, [number, string]] => [Math.floor(number / 30), [number, word]])
    .mapWithState(first)
    .setName('seen')
    .updateStateByKey<string, number, number>((news, count) => news.reduce((a, b) => a + b, count ?? 0))
    .setName('once')
  once.foreachRDD(async (rdd, time) => {
    await put('once')(rdd, time)
    console.log('counted', (await rdd.collect()).reduce((sum, [, count]) => sum + count, 0))
  })
}
`

/** Sends rising numbers, each batch until it is acknowledged. */
class Sender {
  acknowledged = 0
  readonly counts = new Map(words.map((word) => [word, 0]))
  readonly #port: number
  readonly #random: Random
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>

  constructor(port: number, random: Random) {
    this.#port = port
    this.#random = random
    this.#ended = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #run(): Promise<void> {
    let client: FlumeClient | undefined
    while (!this.#stop.signal.aborted) {
      const batch = Array.from({ length: sendCount }, (_, i) => ({
        number: this.acknowledged + i,
        word: words[Math.floor(this.#random() * words.length)] as string,
      }))
      const events = EventBatch.of(batch.map(({ number, word }) => ({ body: `${number} ${word}` })))
      for (let isKept = false; !isKept; ) {
        try {
          client ??= await FlumeClient.connect({ host: '127.0.0.1', port: this.#port, clock })
          isKept = (await client.appendBatch(events)) === 'OK'
        } catch {
          await client?.close()
          client = undefined
          await clock.sleep(20)
        }
      }
      this.acknowledged += sendCount
      for (const { word } of batch) this.counts.set(word, (this.counts.get(word) as number) + 1)
      await clock.sleep(this.#random() * 25)
    }
    await client?.close()
  }
}

/** Rejects when an acknowledged event is lost, a final count is wrong, or a rerun wrote something else than the first run. */
export async function streamCrashLoop(
  kills: number,
  seed: number,
  say: (line: string) => void,
  checkpoints?: string,
): Promise<StreamCrashResult> {
  const random = seededRandom(seed)
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-stream-crash-'))
  const [sourcePort, sinkPort] = [await freePort(), await freePort()]
  await writeFile(join(folder, 'job.ts'), job)
  await writeFile(join(folder, 'agent.properties'), configuration(folder, sourcePort, sinkPort))
  const startAgent = (): RunningProcess =>
    start('agent', 'bin/flume-ts.js', ['agent', '-f', join(folder, 'agent.properties')])
  const startJob = (): RunningProcess =>
    start('job', 'bin/stream-ts.js', [
      ...['submit', '--master', 'local[2]', '--batch-interval', '100'],
      ...['--conf', `spark.streaming.checkpoint.directory=${checkpoints ?? join(folder, 'checkpoint')}`],
      ...['--conf', 'spark.streaming.receiver.writeAheadLog.enable=true'],
      ...[join(folder, 'job.ts'), String(sinkPort), folder],
    ])
  let agent = startAgent()
  let running: RunningProcess | undefined
  let agentKills = 0
  const sender = new Sender(sourcePort, random)
  try {
    for (let kill = 1; kill <= kills; kill++) {
      running = startJob()
      // Now and then before it has begun to work: while it starts, or while it reads what the last one left.
      if (random() < 0.25) await clock.sleep(random() * 900)
      else {
        await running.waitFor(/^counted/m, progressTimeoutMs)
        await clock.sleep(random() * 700)
      }
      await running.kill()
      if (kill % agentKillEvery === 0) {
        agentKills++
        await agent.kill()
        agent = startAgent()
      }
      if (kill % 20 === 0) say(`${kill} kills: ${sender.acknowledged} events acknowledged`)
    }
    await sender.stop()
    running = startJob()
    const done = new RegExp(`^counted ${sender.acknowledged}$`, 'm')
    await running.waitFor(done, 2 * progressTimeoutMs)
    assert.equal(await running.stop(), 0, running.stderr)
    assert.equal(await agent.stop(), 0, agent.stderr)
    return { kills, agentKills, acknowledged: sender.acknowledged, ...(await judge(folder, sender, kills, agentKills)) }
  } finally {
    await sender.stop()
    await running?.kill()
    await agent.kill()
    await rm(folder, { recursive: true, force: true })
  }
}

function start(name: string, command: string, args: readonly string[]): RunningProcess {
  return new RunningProcess(name, process.execPath, [join(root, command), ...args])
}

async function judge(
  folder: string,
  sender: Sender,
  kills: number,
  agentKills: number,
): Promise<Pick<StreamCrashResult, 'batches' | 'rerun' | 'twice'>> {
  assert.equal(await readFile(join(folder, 'mismatches'), 'utf8').catch(() => ''), '', 'a rerun wrote something else')
  const outputs = await outputsOf(folder)

  // Keyed by batch and partition: every acknowledged event is there; one more than once only where it was under way at a kill.
  const events = [...(outputs.get('events') as Batches).values()].flat() as [string, number][]
  const seen = new Map<number, number>()
  for (const [, number] of events) seen.set(number, (seen.get(number) ?? 0) + 1)
  assert.equal(seen.size, sender.acknowledged, 'every acknowledged event, and nothing else, is in the output')
  const twice = events.length - seen.size
  const allowed = kills * pullCount + agentKills * (pullCount + sendCount)
  assert.ok(twice <= allowed, `${twice} events came again, and ${allowed} were under way at most`)

  // The state counts exactly what the outputs hold: no batch was lost, none was counted twice.
  assert.deepEqual(last<number>(outputs, 'plain'), tally(events.map(([word]) => word)))
  // And what the agent handed over again can be told apart, so that the counts are those of the sender.
  assert.deepEqual(last<number>(outputs, 'once'), new Map([...sender.counts].sort()))

  // An output that is not keyed has all of it at least once.
  const appended = (await readFile(join(folder, 'appended'), 'utf8')).split('\n').filter((text) => text !== '')
  assert.ok(appended.length >= events.length)
  assert.equal(new Set(appended).size, sender.acknowledged)

  const reruns = (await readFile(join(folder, 'reruns'), 'utf8').catch(() => '')).split('\n')
  const rerun = new Set(reruns.filter((text) => text.startsWith('once-'))).size
  return { batches: (outputs.get('once') as Batches).size, rerun, twice }
}

type Batches = Map<number, unknown[]>

/** What was put out, by name and batch. */
async function outputsOf(folder: string): Promise<Map<string, Batches>> {
  const outputs = new Map<string, Batches>()
  for (const file of await readdir(folder)) {
    const [, name, time] = /^(\w+)-(\d+)-\d+$/.exec(file) ?? []
    if (name === undefined) continue
    const batches = outputs.get(name) ?? new Map<number, unknown[]>()
    const items = batches.get(Number(time)) ?? []
    items.push(...(JSON.parse(await readFile(join(folder, file), 'utf8')) as unknown[]))
    outputs.set(name, batches.set(Number(time), items))
  }
  return outputs
}

/** The pairs of the last batch, by key. */
function last<V>(outputs: ReadonlyMap<string, Batches>, name: string): Map<string, V> {
  const batches = outputs.get(name) as Batches
  return new Map((batches.get(Math.max(...batches.keys())) as [string, V][]).sort())
}

function tally(all: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const word of all) counts.set(word, (counts.get(word) ?? 0) + 1)
  return new Map([...counts].sort())
}

function configuration(folder: string, sourcePort: number, sinkPort: number): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = avro',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${sourcePort}`,
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = file',
    `a1.channels.c1.checkpointDir = ${folder}/channel/checkpoint`,
    `a1.channels.c1.dataDirs = ${folder}/channel/data`,
    'a1.channels.c1.minimumRequiredSpace = 1048576',
    'a1.sinks.k1.type = org.apache.spark.streaming.flume.sink.SparkSink',
    'a1.sinks.k1.hostname = 127.0.0.1',
    `a1.sinks.k1.port = ${sinkPort}`,
    'a1.sinks.k1.timeout = 5',
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kills = '100', seed = '1', place = 'local'] = process.argv.slice(2)
  const hdfs = place === 'local' ? undefined : await startHdfs({ dataNodes: 3 })
  const base = place === 'webhdfs' ? hdfs?.httpUri.replace('http:', 'webhdfs:') : hdfs?.uri
  const result = await streamCrashLoop(
    Number(kills),
    Number(seed),
    (line) => console.error(line),
    base && `${base}/crash/checkpoint`,
  ).finally(() => hdfs?.process.stop())
  console.log(
    `${result.kills} kills of the job, ${result.agentKills} of the agent: ${result.acknowledged} events acknowledged, none lost, ` +
      `counts exact; ${result.batches} batches, ${result.rerun} run again with the same output; ${result.twice} events were handed over again`,
  )
}
