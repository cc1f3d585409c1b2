// Kills a real agent again and again: `npm run crash [-- KILLS [SEED] [--flow NAME] [--target URL] [--brokers HOST:PORT]]`. The flow `avro`:
// a sender with numbered events → avro source → file channel → avro sink → a collector that looks at every number. The others
// (`spooldir-hdfs`, `taildir-avro`, and `taildir-kafka`, which needs a cluster) are in crash-flows.ts.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import { freePort } from '../support/free-port.ts'
import { listenRpc } from '../support/rpc.ts'
import { RunningProcess } from '../support/running-process.ts'
import { crashFlow, type MakeFlow, spooldirHdfs, taildirAvro, taildirKafka } from './crash-flows.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const clock: Clock = systemClock
const sendCount = 20
const drainTimeoutMs = 120_000

export interface CrashResult {
  readonly kills: number
  readonly acknowledged: number
  readonly delivered: number
  readonly doubles: number
}

/** What the collector has seen, and what may come twice. */
class Ledger {
  acknowledged = 0
  delivered = 0
  doubles = 0
  readonly #seen = new Set<number>()
  readonly #mayComeAgain = new Set<number>()
  #highest = -1
  #lastDelivered: readonly number[] = []
  #underWay: readonly number[] = []

  sending(numbers: readonly number[]): void {
    this.#underWay = numbers
  }

  acknowledge(count: number): void {
    this.acknowledged += count
    this.#underWay = []
  }

  /** What was under way on either side of the agent when it ended. */
  killed(): void {
    for (const number of [...this.#underWay, ...this.#lastDelivered]) this.#mayComeAgain.add(number)
  }

  deliver(numbers: readonly number[]): void {
    this.delivered += numbers.length
    for (const number of numbers) {
      if (this.#seen.has(number)) {
        assert.ok(this.#mayComeAgain.has(number), `${number} came twice and was not under way at any kill`)
        this.doubles++
        continue
      }
      assert.ok(number > this.#highest, `${number} came for the first time behind ${this.#highest}`)
      this.#highest = number
      this.#seen.add(number)
    }
    this.#lastDelivered = numbers
  }

  get missing(): number {
    let missing = 0
    for (let number = 0; number < this.acknowledged; number++) if (!this.#seen.has(number)) missing++
    return missing
  }
}

/** Rejects when an acknowledged event is lost, out of order, or twice without having been under way at a kill. */
export async function crashLoop(kills: number, seed: number, say: (line: string) => void): Promise<CrashResult> {
  const random = seededRandom(seed)
  const folder = await mkdtemp(join(tmpdir(), 'flume-ts-crash-'))
  const ledger = new Ledger()
  let failure: unknown
  let isSlow = true
  const collect = async (batch: EventBatch) => {
    try {
      ledger.deliver([...batch.events()].map(({ body }) => Number(Buffer.from(body).toString().split(' ')[0])))
    } catch (error) {
      failure ??= error
    }
    // Now and then the channel fills, and is read from the disk.
    if (isSlow && random() < 0.3) await clock.sleep(random() * 40)
    return 'OK' as const
  }
  const collector = await listenRpc({ services: [flumeService({ append: collect, appendBatch: collect })] })
  const port = await freePort()
  const conf = join(folder, 'agent.properties')
  await writeFile(conf, configuration(folder, port, collector.port))
  const stop = new AbortController()
  let sending: Promise<void> | undefined
  let agent: RunningProcess | undefined
  try {
    sending = send(port, ledger, random, stop.signal)
    for (let kill = 1; kill <= kills && !failure; kill++) {
      agent = start(conf)
      const before = ledger.acknowledged
      while (ledger.acknowledged === before) await aMoment(agent)
      await clock.sleep(random() * 250)
      // Only what is noted here may come again: the moment of the kill and of the note are one.
      ledger.killed()
      await agent.kill()
      ledger.killed()
      if (kill % 20 === 0) say(`${kill} kills: ${ledger.acknowledged} acknowledged, ${ledger.doubles} twice`)
    }
    agent = start(conf)
    stop.abort()
    await sending
    isSlow = false
    const untilMs = clock.monotonic() + drainTimeoutMs
    while (ledger.missing > 0 && !failure && clock.monotonic() < untilMs) await aMoment(agent)
    if (failure) throw failure
    assert.equal(ledger.missing, 0, `${ledger.missing} acknowledged events are lost`)
    assert.equal(await agent.stop(), 0, agent.stderr)
    return { kills, acknowledged: ledger.acknowledged, delivered: ledger.delivered, doubles: ledger.doubles }
  } finally {
    stop.abort()
    await agent?.kill()
    await sending
    await collector.close()
    await rm(folder, { recursive: true, force: true })
  }
}

function start(conf: string): RunningProcess {
  return new RunningProcess('agent', process.execPath, [join(root, 'bin/flume-ts.js'), 'agent', '-f', conf])
}

async function aMoment(agent: RunningProcess): Promise<void> {
  let ended = false
  void agent.exited.then(() => {
    ended = true
  })
  await clock.sleep(5)
  if (ended) throw new Error(`the agent ended by itself\n${agent.stderr.slice(-3000)}`)
}

/** Batches of rising numbers; each is sent until it is acknowledged. */
async function send(port: number, ledger: Ledger, random: Random, signal: AbortSignal): Promise<void> {
  let client: FlumeClient | undefined
  while (!signal.aborted) {
    const first = ledger.acknowledged
    const numbers = Array.from({ length: sendCount }, (_, i) => first + i)
    const batch = EventBatch.of(numbers.map((number) => ({ body: `${number} ${'x'.repeat(random() * 300)}` })))
    ledger.sending(numbers)
    for (let isKept = false; !isKept; ) {
      try {
        client ??= await FlumeClient.connect({ host: '127.0.0.1', port, clock })
        isKept = (await client.appendBatch(batch)) === 'OK'
      } catch {
        await client?.close()
        client = undefined
        await clock.sleep(10)
      }
    }
    ledger.acknowledge(sendCount)
  }
  await client?.close()
}

function configuration(folder: string, port: number, collectorPort: number): string {
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
    'a1.sinks.k1.type = avro',
    'a1.sinks.k1.hostname = 127.0.0.1',
    `a1.sinks.k1.port = ${collectorPort}`,
    'a1.sinks.k1.batch-size = 50',
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}

/** Rejects with what can be asked for. */
function flowNamed(name: string, target: string | undefined, brokers: string | undefined): MakeFlow {
  if (name === 'spooldir-hdfs') return spooldirHdfs(target)
  if (name === 'taildir-avro') return taildirAvro
  if (name === 'taildir-kafka' && brokers) return taildirKafka(brokers)
  if (name === 'taildir-kafka') throw new Error('--flow taildir-kafka needs --brokers HOST:PORT')
  throw new Error(`there is no flow ${name}: avro, spooldir-hdfs, taildir-avro, taildir-kafka`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { flow: { type: 'string', default: 'avro' }, target: { type: 'string' }, brokers: { type: 'string' } },
  })
  const [kills = '200', seed = '1'] = positionals
  const say = (line: string): void => console.error(line)
  if (values.flow === 'avro') {
    const result = await crashLoop(Number(kills), Number(seed), say)
    console.log(
      `${result.kills} kills: ${result.acknowledged} events acknowledged, none lost, order kept; ${result.delivered} delivered, ${result.doubles} of them twice, all of those under way at a kill`,
    )
  } else {
    const flow = flowNamed(values.flow, values.target, values.brokers)
    const { written, arrived, doubles, orphans, left } = await crashFlow(flow, Number(kills), Number(seed), say)
    console.log(
      `${values.flow}: ${kills} kills: ${written} lines written, none lost; ${arrived} arrived, ${doubles} of them twice; up to ${orphans} files were left open by kills, ${left} of them keep their in-use name`,
    )
  }
}
