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
import type { EventBatch } from '../../src/core/event-batch.ts'
import { keepAlive } from '../../src/core/keep-alive.ts'
import { seededRandom } from '../../src/core/random.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import { freePort } from '../support/free-port.ts'
import { listenRpc } from '../support/rpc.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { crashFlow, type MakeFlow, spooldirHdfs, taildirAvro, taildirKafka } from './crash-flows.ts'
import { aMoment, configuration, Ledger, send, startAgent } from './numbered-flow.ts'

const clock: Clock = systemClock
const drainTimeoutMs = 120_000

export interface CrashResult {
  readonly kills: number
  readonly acknowledged: number
  readonly delivered: number
  readonly doubles: number
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
  const channel = {
    checkpointDir: `${folder}/checkpoint`,
    dataDirs: `${folder}/d1,${folder}/d2`,
    maxFileSize: 100_000,
    checkpointInterval: 1000,
    minimumRequiredSpace: 1_048_576,
  }
  await writeFile(conf, configuration({ port, collectorPort: collector.port, channel }))
  const stop = new AbortController()
  let sending: Promise<void> | undefined
  let agent: RunningProcess | undefined
  try {
    sending = send(port, ledger, random, stop.signal)
    for (let kill = 1; kill <= kills && !failure; kill++) {
      agent = startAgent(conf)
      const before = ledger.acknowledged
      while (ledger.acknowledged === before) await aMoment(agent)
      await clock.sleep(random() * 250)
      // Only what is noted here may come again: the moment of the kill and of the note are one.
      ledger.killed()
      await agent.kill()
      ledger.killed()
      if (kill % 20 === 0) say(`${kill} kills: ${ledger.acknowledged} acknowledged, ${ledger.doubles} twice`)
    }
    agent = startAgent(conf)
    // It must have got as far as to hear a signal before it is asked to stop.
    const before = ledger.acknowledged
    while (ledger.acknowledged === before) await aMoment(agent)
    stop.abort()
    await sending
    isSlow = false
    const untilMs = clock.monotonic() + drainTimeoutMs
    // It may have nothing left to do, and a signal before it runs would end it as a kill does.
    await agent.waitFor(/agent a1 runs/)
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
  // While no agent runs, nothing but a pause or an answer of HDFS is waited for.
  const release = keepAlive()
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
  release()
}
