import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import { flumeService } from '../../src/net/avro-rpc/flume-service.ts'
import type { TcpListener } from '../../src/net/tcp-listener.ts'
import { postEvents, tagOf } from '../peers/flows.ts'
import { type Side, startAgent } from '../peers/side-by-side.ts'
import { textsOf } from '../support/batches.ts'
import { freePort } from '../support/free-port.ts'
import { listenRpc } from '../support/rpc.ts'
import { tempDir } from '../support/temp-dir.ts'

/** Where the avro sinks of a group send to: k1, k2 and k3, each of which can go away and come back. */
class Targets {
  /** What arrived, in order, as `k1 body`. */
  readonly arrived: string[] = []
  /** Targets that answer FAILED. */
  readonly failing = new Set<string>()
  readonly ports = new Map<string, number>()
  readonly #open = new Map<string, TcpListener>()
  #source = 0
  #sent = 0

  static async of(names: readonly string[], source: number): Promise<Targets> {
    const targets = new Targets()
    targets.#source = source
    for (const name of names) targets.ports.set(name, await portOfNobody())
    return targets
  }

  async up(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const take = async (bodies: readonly string[]): Promise<'OK' | 'FAILED'> => {
        if (this.failing.has(name)) return 'FAILED'
        for (const body of bodies) this.arrived.push(`${name} ${body}`)
        return 'OK'
      }
      const append = (batch: Parameters<typeof textsOf>[0]) => take(textsOf(batch))
      const service = flumeService({ append, appendBatch: append })
      this.#open.set(name, await listenRpc({ services: [service] }, { port: this.ports.get(name) as number }))
    }
  }

  async down(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#open.get(name)?.close()
      this.#open.delete(name)
    }
  }

  closeAll(): Promise<void> {
    return this.down(...this.#open.keys())
  }

  /** Gives the agent so many events at once, and answers who got each, in order, once all have arrived. */
  async deliver(count: number): Promise<string[]> {
    const from = this.arrived.length
    const events = Array.from({ length: count }, () => ({ body: String(this.#sent++) }))
    assert.equal(await postEvents(this.#source, events), 200)
    for (let left = 800; this.arrived.length < from + count; left--) {
      assert.ok(left > 0, `${this.arrived.slice(from).join()} of ${count}`)
      await systemClock.sleep(50)
    }
    const now = this.arrived.slice(from).map((arrival) => arrival.split(' ') as [string, string])
    assert.deepEqual(
      now.map(([, body]) => body),
      events.map(({ body }) => body),
    )
    return now.map(([name]) => name)
  }

  /** Gives it one event after the other until one has come to this target; answers who got some, in order. */
  async deliverUntil(name: string): Promise<string[]> {
    const seen: string[] = []
    for (let left = 100; left > 0; left--) {
      const [who] = (await this.deliver(1)) as [string]
      if (seen.at(-1) !== who) seen.push(who)
      if (who === name) return seen
      await systemClock.sleep(300)
    }
    throw new Error(`nothing came to ${name}: ${seen.join()}`)
  }
}

/**
 * A port that the system gives nobody: a sink that keeps trying one of those it does give meets itself there, sooner or
 * later, and holds the port.
 */
async function portOfNobody(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(random() * 20_000)
    const isFree = await listenRpc({ services: [] }, { port }).then(
      (listener) => listener.close().then(() => true),
      () => false,
    )
    if (isFree) return port
  }
}
const random = seededRandom(process.pid)

interface Group {
  readonly name: string
  readonly sinks: readonly string[]
  /** Properties of the sink group. */
  readonly processor: readonly string[]
  /** Who is there when the agent starts. */
  readonly up: readonly string[]
  /** What is seen of it. */
  run(targets: Targets): Promise<unknown>
}

/** Turned around until the first one is k1: where a circle begins is chance. */
function fromFirst(names: readonly string[]): readonly string[] {
  const at = names.findIndex((name, i) => name === 'k1' && names.at(i - 1) !== 'k1')
  return [...names.slice(at), ...names.slice(0, at)]
}

const shares = (names: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries(['k1', 'k2', 'k3'].map((name) => [name, names.filter((each) => each === name).length]))

const three = ['k1', 'k2', 'k3']
const failover = ['type = failover', 'priority.k1 = 5', 'priority.k2 = 10', 'priority.k3 = 1', 'maxpenalty = 2500']

const groups: readonly Group[] = [
  {
    name: 'failover: down the priorities, and back to the preferred one (K-01…K-04)',
    sinks: three,
    processor: failover,
    up: ['k1', 'k2', 'k3'],
    run: async (targets) => {
      const seen: unknown[] = []
      seen.push(await targets.deliver(3))
      await targets.down('k2')
      seen.push(await targets.deliver(3))
      await targets.down('k1')
      seen.push(await targets.deliver(3))
      await targets.up('k2')
      seen.push(await targets.deliverUntil('k2'), await targets.deliver(3))
      return seen
    },
  },
  {
    name: 'failover: an answer of FAILED is the next sink’s turn (K-02)',
    sinks: three,
    processor: failover,
    up: ['k1', 'k2', 'k3'],
    run: async (targets) => {
      const seen: unknown[] = [await targets.deliver(2)]
      targets.failing.add('k2')
      seen.push(await targets.deliver(3))
      targets.failing.delete('k2')
      seen.push(await targets.deliverUntil('k2'), await targets.deliver(3))
      return seen
    },
  },
  {
    name: 'failover: with nobody there the events wait, for whoever comes first (K-02)',
    sinks: three,
    processor: failover,
    up: [],
    run: async (targets) => {
      const waiting = targets.deliver(5)
      await systemClock.sleep(1500)
      await targets.up('k3')
      return [await waiting]
    },
  },
  {
    name: 'load_balance, round robin: each in turn',
    sinks: three,
    processor: ['type = load_balance'],
    up: ['k1', 'k2', 'k3'],
    run: async (targets) => {
      return fromFirst(await targets.deliver(12))
    },
  },
  {
    name: 'load_balance, round robin: who fails leaves the turn to the next one, which has two then (K-07)',
    sinks: three,
    processor: ['type = load_balance', 'selector = round_robin'],
    up: ['k1', 'k3'],
    run: async (targets) => {
      return fromFirst(await targets.deliver(12))
    },
  },
  {
    name: 'load_balance with back-off: who fails is left out, the others share, and it comes back (K-08)',
    sinks: three,
    processor: ['type = load_balance', 'backoff = true', 'selector.maxTimeOut = 2500'],
    up: ['k1', 'k3'],
    run: async (targets) => {
      // A first failure may fall into these.
      await targets.deliver(4)
      const { k1, k2, k3 } = shares(await targets.deliver(12)) as { k1: number; k2: number; k3: number }
      await targets.up('k2')
      const back = (await targets.deliverUntil('k2')).at(-1)
      // Both failures of the past are over now.
      return [k1 >= 4 && k3 >= 4, k2, back, fromFirst(await targets.deliver(6))]
    },
  },
  {
    name: 'load_balance, random: everybody gets something, and every event comes once (K-06)',
    sinks: three,
    processor: ['type = load_balance', 'selector = random'],
    up: ['k1', 'k2', 'k3'],
    run: async (targets) => {
      const counts = shares(await targets.deliver(90))
      return Object.values(counts).map((count) => count > 10)
    },
  },
  {
    name: 'load_balance: with nobody there the events wait, and come in order',
    sinks: three,
    processor: ['type = load_balance', 'backoff = true', 'selector.maxTimeOut = 1000'],
    up: [],
    run: async (targets) => {
      const waiting = targets.deliver(5)
      await systemClock.sleep(1500)
      await targets.up('k2')
      return [await waiting]
    },
  },
  {
    name: 'default: one sink, as without a group',
    sinks: ['k1'],
    processor: ['type = default'],
    up: [],
    run: async (targets) => {
      const waiting = targets.deliver(3)
      await systemClock.sleep(500)
      await targets.up('k1')
      return [await waiting, await targets.deliver(3)]
    },
  },
]

/** What each group does in one agent. */
async function run(
  test: Parameters<typeof tempDir>[0],
  side: Side,
  version: '1.9' | '1.11',
): Promise<readonly unknown[]> {
  const lists = { sources: [] as string[], channels: [] as string[], sinks: [] as string[], sinkgroups: [] as string[] }
  const rows: string[] = []
  const all: Targets[] = []
  for (const [i, { sinks, processor }] of groups.entries()) {
    const port = await freePort()
    const targets = await Targets.of(sinks, port)
    const tag = tagOf(sinks, i)
    all.push(targets)
    lists.sources.push(`r${i}`)
    lists.channels.push(`c${i}`)
    lists.sinkgroups.push(`g${i}`)
    const source = `a1.sources.r${i}`
    rows.push(`${source}.type = http`, `${source}.bind = 127.0.0.1`, `${source}.port = ${port}`)
    rows.push(`${source}.channels = c${i}`, `a1.channels.c${i}.type = memory`)
    for (const sink of sinks) {
      const name = `${sink}${tag}`
      lists.sinks.push(name)
      rows.push(`a1.sinks.${name}.type = avro`, `a1.sinks.${name}.hostname = 127.0.0.1`)
      rows.push(`a1.sinks.${name}.port = ${targets.ports.get(sink)}`, `a1.sinks.${name}.batch-size = 1`)
      rows.push(`a1.sinks.${name}.channel = c${i}`)
    }
    rows.push(`a1.sinkgroups.g${i}.sinks = ${sinks.map((sink) => `${sink}${tag}`).join(' ')}`)
    for (const line of processor) {
      rows.push(`a1.sinkgroups.g${i}.processor.${line.replace(/^priority\.\w+/, `$&${tag}`)}`)
    }
  }
  const heads = Object.entries(lists).map(([kind, names]) => `a1.${kind} = ${names.join(' ')}`)
  const folder = await tempDir(test)
  await Promise.all(all.map((targets, i) => targets.up(...(groups[i] as Group).up)))
  await using _ = await startAgent(side, version, [...heads, ...rows, ''].join('\n'), folder)
  try {
    const outcomes = await Promise.allSettled(
      groups.map(async (group, i) => {
        try {
          return await group.run(all[i] as Targets)
        } catch (error) {
          throw new Error(`${side}, ${group.name}`, { cause: error })
        }
      }),
    )
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
  } finally {
    await Promise.all(all.map((targets) => targets.closeAll()))
  }
}

for (const version of ['1.9', '1.11'] as const) {
  test(`sink groups deliver to whom those of Flume ${version} deliver, in the same order`, async (t) => {
    const theirs = await run(t, 'theirs', version)
    const ours = await run(t, 'ours', version)
    for (const [i, { name }] of groups.entries()) await t.test(name, () => assert.deepEqual(ours[i], theirs[i]))
  })
}
