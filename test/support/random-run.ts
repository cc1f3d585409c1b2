import assert from 'node:assert/strict'
import { memory } from '../../src/agent/channel/memory.ts'
import { SpillableChannel, spillable } from '../../src/agent/channel/spillable/index.ts'
import type { AgentModel, ChannelModel, SinkGroupModel, SinkModel, SourceModel } from '../../src/agent/config/model.ts'
import {
  type Channel,
  type ChannelSpec,
  defineInterceptor,
  defineSelector,
  defineSink,
  defineSource,
  type EventBatch,
  FlumeError,
  type InterceptorSpec,
  type Route,
  type SelectorSpec,
  type SinkSpec,
  type SourceContext,
  type SourceSpec,
} from '../../src/agent/contract.ts'
import { failover } from '../../src/agent/processor/failover.ts'
import { loadBalance } from '../../src/agent/processor/load-balance.ts'
import { Agent } from '../../src/agent/runtime/agent.ts'
import { replicating } from '../../src/agent/selector/replicating.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { silentLogger } from '../../src/monitor/logger.ts'
import { ManualClock, settle } from '../../src/testing/manual-clock.ts'
import { bodies, textsOf } from './batches.ts'
import { channelContext } from './channel-context.ts'
import { imbalanceOf } from './imbalance.ts'
import { readOptions } from './read-options.ts'
import { SimulatedDisk } from './simulated-disk.ts'

/** What one run did, so that a test can tell that it was not idle. */
export interface RunFigures {
  readonly delivered: number
  readonly refused: number
  readonly reloads: Readonly<Record<string, number>>
  readonly readings: number
  /** Events that were found on a disk after the stop. */
  readonly leftOnDisk: number
}

/**
 * Drives a random agent under load through random failures, reloads and a stop, reading the ledger at every step and
 * within every callback. Throws with the seed in its message when something does not add up, or when an acknowledged
 * event is gone.
 */
export async function randomRun(seed: number, { steps = 60, reloadShare = 0.1 } = {}): Promise<RunFigures> {
  const world = new World(seed)
  try {
    await world.run(steps, reloadShare)
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
  }
  return world.figures
}

/** A source that is there to be sent through, and the channels that each event has to reach. */
interface Sender {
  readonly context: SourceContext
  requiredFor(text: string): readonly string[]
}

const sourceNames = ['r1', 'r2']
const channelNames = ['c1', 'c2', 'c3']
const sinkNames = ['k1', 'k2', 'k3', 'k4']

class World {
  readonly #random: Random
  readonly #clock = new ManualClock()
  readonly #senders = new Map<string, Sender>()
  readonly #failing = new Set<string>()
  readonly #writing = new Set<string>()
  /** What would be taken for a sink's failure if it were thrown there and then. */
  readonly #offences: string[] = []
  /** Bodies acknowledged to the sender that some channel must have taken, by channel. */
  readonly #acknowledged = new Map<string, Set<string>>()
  readonly #written = new Map<string, Map<string, number>>()
  /** Bodies that were in a write that failed: only these may double. */
  readonly #gaveBack = new Set<string>()
  /** Bodies that a channel may have got twice: of deliveries that another channel refused, whole or in part (P-02). */
  readonly #mayDouble = new Set<string>()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #versions = new Map<string, number>()
  readonly #reloads: Record<string, number> = {}
  #agent: Agent | undefined
  #next = 0
  #delivered = 0
  #refused = 0
  #readings = 0
  #leftOnDisk = 0
  /** What each channel's disk holds stays there, whatever becomes of the channel. */
  readonly #disks = new Map<string, SimulatedDisk>()

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  get figures(): RunFigures {
    return {
      delivered: this.#delivered,
      refused: this.#refused,
      reloads: this.#reloads,
      readings: this.#readings,
      leftOnDisk: this.#leftOnDisk,
    }
  }

  async run(steps: number, reloadShare: number): Promise<void> {
    let model = this.#randomModel()
    this.#agent = new Agent(model, { log: silentLogger, clock: this.#clock, random: this.#random })
    await this.#agent.start()
    for (let step = 0; step < steps; step++) {
      const dice = this.#random()
      if (dice < reloadShare) {
        const wanted = this.#changed(model)
        const report = this.#moving(this.#agent.reload(wanted, 5000), true)
        const { outcome, error } = await report
        this.#reloads[outcome] = (this.#reloads[outcome] ?? 0) + 1
        if (outcome !== 'rolled back') model = wanted
        else assert.ok(error)
        this.#checkFresh(model)
      } else if (dice < 0.7) this.#send()
      else if (dice < 0.8) {
        const sink = this.#pick(sinkNames)
        if (!this.#failing.delete(sink)) this.#failing.add(sink)
      } else await this.#clock.advance(Math.floor(this.#random() * 4000))
      if (this.#random() < 0.5) await settle()
      this.#read()
    }
    this.#failing.clear()
    const stopped = this.#agent.stop()
    await this.#moving(Promise.all([stopped, ...this.#underWay]), false)
    this.#read()
    for (const name of this.#disks.keys()) await this.#takeFromDisk(name)
    this.#compare()
  }

  /** Awaits something that needs time to pass. */
  async #moving<T>(promise: Promise<T>, isLoaded: boolean): Promise<T> {
    let isSettled = false
    const mark = (): void => {
      isSettled = true
    }
    promise.then(mark, mark)
    for (let i = 0; !isSettled; i++) {
      assert.ok(i < 400, 'it does not come to an end')
      // Senders do not wait for a reload.
      if (isLoaded && this.#random() < 0.5) this.#send()
      await this.#clock.advance(500)
      this.#read()
    }
    return promise
  }

  #read(): void {
    if (!this.#agent) return
    this.#readings++
    assert.deepEqual([...imbalanceOf(this.#agent.snapshot()), ...this.#offences], [])
  }

  #send(name = this.#pick(sourceNames)): void {
    const sender = this.#senders.get(name)
    if (!sender || sender.context.signal.aborted) return
    const { context } = sender
    const texts = Array.from({ length: 1 + Math.floor(this.#random() * 8) }, () => `${name}-${this.#next++}`)
    const isSingly = this.#random() < 0.3
    const delivery = isSingly
      ? context.deliverEach(bodies(...texts)).then(({ accepted }) => accepted)
      : context.deliver(bodies(...texts)).then(
          () => texts.length,
          () => 0,
        )
    const done = delivery.then((accepted) => {
      this.#read()
      this.#delivered += accepted
      this.#refused += texts.length - accepted
      for (const text of isSingly ? texts : texts.slice(accepted)) this.#mayDouble.add(text)
      for (const text of texts.slice(0, accepted)) {
        for (const channel of sender.requiredFor(text)) this.#setOf(this.#acknowledged, channel).add(text)
      }
    })
    this.#underWay.add(done)
    void done.finally(() => this.#underWay.delete(done))
  }

  #setOf(map: Map<string, Set<string>>, key: string): Set<string> {
    const found = map.get(key) ?? new Set<string>()
    map.set(key, found)
    return found
  }

  /** What a channel's disk holds is not lost: the next agent delivers it. */
  async #takeFromDisk(name: string): Promise<void> {
    const channel = this.#spillableOn(name, readOptions(spillable, { overflowTimeout: '0' }))
    await channel.start?.()
    while (channel.size > 0) {
      await channel.take(100, async (batch) => {
        this.#leftOnDisk += batch.count
        this.#note(name, batch)
      })
    }
    await channel.stop?.()
  }

  #spillableOn(name: string, options: object, context = channelContext(this.#clock)): Channel {
    const disk = this.#disks.get(name) ?? new SimulatedDisk(this.#random)
    this.#disks.set(name, disk)
    const given = { ...options, dataDirs: '/data' } as ConstructorParameters<typeof SpillableChannel>[0]
    return new SpillableChannel(given, context, disk)
  }

  /** Every acknowledged event that had to be kept was written by some sink, and none twice without a reason. */
  #compare(): void {
    const lost = this.#agent?.snapshot().channels.reduce((sum, { dropped }) => sum + (dropped['lost-at-stop'] ?? 0), 0)
    assert.equal(lost, 0, 'the stop lost events')
    for (const [channel, texts] of this.#acknowledged) {
      const written = this.#written.get(channel)
      for (const text of texts) {
        if (isLeftOut(text)) assert.equal(written?.get(text), undefined, `${text} was left out and is in ${channel}`)
        else assert.ok(written?.has(text), `${text} was acknowledged and is gone from ${channel}`)
      }
    }
    for (const [channel, texts] of this.#written) {
      for (const [text, times] of texts) {
        if (times === 1 || this.#gaveBack.has(text) || this.#mayDouble.has(text)) continue
        assert.fail(`${text} was written ${times} times from ${channel}`)
      }
    }
  }

  // ── The agent ────────────────────────────────────────────────────────────────────────────────────────────────────

  #randomModel(): AgentModel {
    return this.#modelFrom({
      sources: sourceNames.filter((_, i) => i === 0 || this.#random() < 0.7),
      channels: channelNames.filter((_, i) => i === 0 || this.#random() < 0.7),
    })
  }

  /** The model with something changed, or the same again. */
  #changed(model: AgentModel): AgentModel {
    const dice = this.#random()
    if (dice < 0.1) return model
    if (dice < 0.35) return this.#randomModel()
    const bump = (name: string): void => {
      this.#versions.set(name, (this.#versions.get(name) ?? 0) + 1)
    }
    for (const name of [...sourceNames, ...channelNames, ...sinkNames]) if (this.#random() < 0.25) bump(name)
    return this.#modelFrom({
      sources: model.sources.map(({ name }) => name),
      channels: model.channels.map(({ name }) => name),
    })
  }

  #modelFrom({ sources, channels }: { sources: readonly string[]; channels: readonly string[] }): AgentModel {
    const sinks: SinkModel[] = []
    const groups: SinkGroupModel[] = []
    // Each channel is drained: the sinks are dealt out in turn, the rest goes to the first channel.
    sinkNames.forEach((name, i) => {
      const channel = channels[i % channels.length] as string
      const version = this.#versions.get(name) ?? 0
      sinks.push({
        name,
        spec: this.#sinkSpec(name, channel, version % 15 === 14),
        options: {},
        fingerprint: `${name} ${version}`,
        channel,
        batchLimit: undefined,
      })
    })
    const grouped = sinks.filter(({ channel }) => channel === channels[0]).map(({ name }) => name)
    if (grouped.length > 1 && this.#random() < 0.6) {
      const spec = this.#random() < 0.5 ? failover : loadBalance
      groups.push({ name: 'g1', spec, sinks: grouped, options: readOptions(spec), fingerprint: spec.type })
    }
    return {
      name: 'a1',
      channels: channels.map((name) => this.#channelModel(name)),
      sources: sources.map((name, i) => this.#sourceModel(name, i === 0 ? channels : channels.slice(0, 2))),
      sinks,
      groups,
    }
  }

  #channelModel(name: string): ChannelModel {
    const version = this.#versions.get(name) ?? 0
    const transactionCapacity = 10 + (version % 3)
    const limits = { ...readOptions(memory), capacity: 20 + 5 * (version % 3), transactionCapacity }
    const model = { name, fingerprint: `${name} ${version}` }
    if (name !== 'c2' || version % 5 === 4) {
      // A type of its own every fourth time: such a channel is not adjusted, it is made anew.
      return { ...model, spec: version % 4 === 3 ? otherMemory : memory, options: limits }
    }
    const options = {
      ...readOptions(spillable, {
        memoryCapacity: String(9 + (version % 3)),
        overflowCapacity: String(20 + 5 * (version % 3)),
        overflowTimeout: String(version % 3),
        // Another directory every third time: such a channel is made anew, too.
        dataDirs: `/${version % 3 === 2}`,
      }),
      transactionCapacity,
    }
    return { ...model, spec: this.#spillable, options }
  }

  readonly #spillable: ChannelSpec = {
    ...(spillable as ChannelSpec),
    create: (options, context) => this.#spillableOn(context.name, options, context),
  }

  #sourceModel(name: string, channels: readonly string[]): SourceModel {
    const version = this.#versions.get(name) ?? 0
    const optional = channels.slice(2)
    const isReplicating = version % 2 === 0
    const requiredFor = (text: string): readonly string[] =>
      isReplicating
        ? channels.filter((channel) => !optional.includes(channel))
        : channels.filter((_, which) => goesTo(text, which, channels.length))
    return {
      name,
      spec: this.#sourceSpec(name, version % 12 === 11),
      options: { requiredFor },
      fingerprint: `${name} ${version}`,
      channels,
      selector: isReplicating ? { spec: replicating, options: { optional } } : { spec: byRemainder, options: {} },
      interceptors: [{ name: 'i1', spec: leavesOut, options: {} }],
    }
  }

  readonly #specs = new Map<string, SourceSpec | SinkSpec>()

  #remember<S extends SourceSpec | SinkSpec>(key: string, make: () => S): S {
    const spec = (this.#specs.get(key) as S | undefined) ?? make()
    this.#specs.set(key, spec)
    return spec
  }

  #sourceSpec(name: string, isBroken: boolean): SourceSpec {
    return this.#remember(`${name} ${isBroken}`, () =>
      defineSource({
        type: 'load',
        aliases: [],
        summary: '',
        options: {},
        create: (options, context) => ({
          run: async () => {
            if (isBroken) throw new Error(`${name} cannot be started`)
            this.#senders.set(name, { context, ...(options as unknown as Pick<Sender, 'requiredFor'>) })
            context.ready('here')
            // Some have their first events at hand.
            if (this.#random() < 0.5) this.#send(name)
            if (!context.signal.aborted)
              await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }))
          },
        }),
      }),
    )
  }

  #sinkSpec(name: string, channel: string, isBroken: boolean): SinkSpec {
    return this.#remember(`${name} ${channel} ${isBroken}`, () =>
      defineSink({
        type: 'count',
        aliases: [],
        summary: '',
        options: {},
        create: () => ({
          batchSize: 7,
          start: async () => {
            if (isBroken) throw new Error(`${name} cannot be opened`)
          },
          write: async (batch) => {
            if (this.#writing.has(name)) this.#offences.push(`${name} has two batches at once`)
            this.#writing.add(name)
            await this.#write(name, channel, batch).finally(() => this.#writing.delete(name))
          },
        }),
      }),
    )
  }

  async #write(name: string, channel: string, batch: EventBatch): Promise<void> {
    this.#read()
    if (this.#random() < 0.3) await this.#clock.sleep(Math.floor(this.#random() * 300))
    this.#read()
    if (this.#failing.has(name)) {
      for (const text of textsOf(batch)) this.#gaveBack.add(text)
      throw new FlumeError('IO', 'not now', { retry: this.#random() < 0.5 })
    }
    this.#note(channel, batch)
  }

  #note(channel: string, batch: EventBatch): void {
    const texts = this.#written.get(channel) ?? new Map<string, number>()
    this.#written.set(channel, texts)
    for (const text of textsOf(batch)) texts.set(text, (texts.get(text) ?? 0) + 1)
  }

  /** After a reload, everything of the model runs, or is on its way. */
  #checkFresh(model: AgentModel): void {
    const names = this.#agent?.snapshot().health.map(({ name }) => name)
    assert.deepEqual(
      names,
      [...model.sources, ...model.channels, ...model.sinks].map(({ name }) => name),
    )
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T
  }
}

const numberOf = (text: string): number => Number(text.slice(text.indexOf('-') + 1))
/** Interceptors leave out every fifth event. */
const isLeftOut = (text: string): boolean => numberOf(text) % 5 === 0

const leavesOut: InterceptorSpec = defineInterceptor({
  type: 'leaves-out',
  aliases: [],
  summary: '',
  options: {},
  create: () => ({
    intercept: (batch: EventBatch) => batch.select(textsOf(batch).flatMap((text, i) => (isLeftOut(text) ? [] : [i]))),
  }),
})

/** Each event to the channel of its remainder, every seventh to none, every eleventh to one more. */
function goesTo(text: string, which: number, count: number): boolean {
  const number = numberOf(text)
  if (number % 7 === 0) return false
  return number % count === which || (number % 11 === 0 && (number + 1) % count === which)
}

const byRemainder: SelectorSpec = defineSelector({
  type: 'by-remainder',
  aliases: [],
  summary: '',
  options: {},
  create: (_options, { channels }) => ({
    route: (batch): readonly Route[] =>
      channels.flatMap((channel, which) => {
        const events = textsOf(batch).flatMap((text, i) => (goesTo(text, which, channels.length) ? [i] : []))
        return events.length > 0 ? [{ channel, required: true, batch: batch.select(events), events }] : []
      }),
  }),
})

const otherMemory = {
  ...memory,
  type: 'other-memory',
  create: (options: object, context: Parameters<typeof memory.create>[1]) =>
    memory.create(options as Parameters<typeof memory.create>[0], context),
}
