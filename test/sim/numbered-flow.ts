// A flow of numbered events through a real agent: sender → avro source → file channel → avro sink → collector.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { EventBatch } from '../../src/core/event-batch.ts'
import type { Random } from '../../src/core/random.ts'
import { FlumeClient } from '../../src/net/avro-rpc/flume-client.ts'
import { RunningProcess } from '../support/running-process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const clock: Clock = systemClock
/** Events of one request. */
export const sendCount = 20

/** What is told of the sending. */
export interface SenderLedger {
  /** Events that were acknowledged, and the number of the next one. */
  readonly acknowledged: number
  sending(numbers: readonly number[]): void
  acknowledge(count: number): void
}

/** What the collector has seen, and what may come twice. */
export class Ledger {
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

export function startAgent(conf: string, ...more: readonly string[]): RunningProcess {
  return new RunningProcess('agent', process.execPath, [join(root, 'bin/flume-ts.js'), 'agent', '-f', conf, ...more])
}

/** Rejects when the agent has ended. */
export async function aMoment(agent: RunningProcess): Promise<void> {
  let ended = false
  void agent.exited.then(() => {
    ended = true
  })
  await clock.sleep(5)
  if (ended) throw new Error(`the agent ended by itself\n${agent.stderr.slice(-3000)}`)
}

/** Batches of rising numbers; each is sent until it is acknowledged. */
export async function send(port: number, ledger: SenderLedger, random: Random, signal: AbortSignal): Promise<void> {
  let client: FlumeClient | undefined
  while (!signal.aborted) {
    const first = ledger.acknowledged
    const numbers = Array.from({ length: sendCount }, (_, i) => first + i)
    const batch = EventBatch.of(numbers.map((number) => ({ body: `${number} ${'x'.repeat(random() * 300)}` })))
    ledger.sending(numbers)
    let isKept = false
    while (!isKept) {
      try {
        client ??= await FlumeClient.connect({ host: '127.0.0.1', port, clock })
        isKept = (await client.appendBatch(batch)) === 'OK'
        if (!isKept) await clock.sleep(10)
      } catch {
        await client?.close()
        client = undefined
        await clock.sleep(10)
      }
      // Nobody waits for an answer any more that may never come.
      if (!isKept && signal.aborted) break
    }
    if (isKept) ledger.acknowledge(sendCount)
  }
  await client?.close()
}

export interface FlowOptions {
  readonly port: number
  readonly collectorPort: number
  readonly channel: Readonly<Record<string, string | number>>
}

export function configuration({ port, collectorPort, channel }: FlowOptions): string {
  return [
    'a1.sources = r1',
    'a1.channels = c1',
    'a1.sinks = k1',
    'a1.sources.r1.type = avro',
    'a1.sources.r1.bind = 127.0.0.1',
    `a1.sources.r1.port = ${port}`,
    'a1.sources.r1.channels = c1',
    'a1.channels.c1.type = file',
    ...Object.entries(channel).map(([name, value]) => `a1.channels.c1.${name} = ${value}`),
    'a1.sinks.k1.type = avro',
    'a1.sinks.k1.hostname = 127.0.0.1',
    `a1.sinks.k1.port = ${collectorPort}`,
    'a1.sinks.k1.batch-size = 50',
    'a1.sinks.k1.channel = c1',
    '',
  ].join('\n')
}
