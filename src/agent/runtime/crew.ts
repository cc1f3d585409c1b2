import type { Clock } from '../../core/clock.ts'
import { explain, FlumeError } from '../../core/error.ts'
import { type Random, systemRandom } from '../../core/random.ts'
import {
  ChannelCounters,
  channelMetrics,
  SinkCounters,
  SourceCounters,
  sinkMetrics,
  sourceMetrics,
} from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { ChannelLedger, ComponentHealth, ComponentMetrics, SourceLedger } from '../../monitor/snapshot.ts'
import type { AgentModel, ChannelModel, SinkGroupModel, SinkModel, SourceModel } from '../config/model.ts'
import type { AgentSettings, Channel, Interceptor } from '../contract.ts'
import { ChannelAccount } from './account.ts'
import { Complaint } from './complaint.ts'
import { DeadLetters } from './dead-letters.ts'
import { Delivery } from './delivery.ts'
import type { SharedConsole } from './shared-console.ts'
import { PulledDriver, SinkDriver, type Undelivered } from './sink-driver.ts'
import { ProcessorRunner, PulledRunner, type SinkRunner } from './sink-runner.ts'
import { SourceRunner } from './source-runner.ts'

export interface CrewParts {
  readonly log: Logger
  readonly clock: Clock
  readonly random?: Random | undefined
  readonly settings?: Partial<AgentSettings> | undefined
  readonly console?: SharedConsole | undefined
  /** Called after each take that may have made a channel emptier. */
  readonly onDelivered: () => void
}

interface CrewChannel {
  model: ChannelModel
  readonly channel: Channel
  readonly counters: ChannelCounters
  readonly account: ChannelAccount
  state: ComponentHealth['state']
}

interface CrewSink {
  readonly model: SinkModel
  readonly counters: SinkCounters
  readonly driver: SinkDriver | PulledDriver
}

/** A group with its processor, or a sink without a group: what runs is one loop. */
interface CrewDrive {
  readonly group: SinkGroupModel | undefined
  readonly runner: SinkRunner
  isStarted: boolean
}

interface CrewSource {
  readonly model: SourceModel
  readonly counters: SourceCounters
  readonly delivery: Delivery
  readonly runner: SourceRunner
  isStarted: boolean
}

/**
 * The components that exist now, by name: made one by one, closed one by one. It knows how, not when; the agent knows
 * the order.
 */
export class Crew {
  readonly #parts: CrewParts
  readonly #channels = new Map<string, CrewChannel>()
  readonly #sinks = new Map<string, CrewSink>()
  readonly #drives = new Map<string, CrewDrive>()
  readonly #sources = new Map<string, CrewSource>()
  /** The source that reads the terminal. */
  #atConsole: string | undefined

  constructor(parts: CrewParts) {
    this.#parts = parts
  }

  get channels(): ReadonlyMap<string, Readonly<CrewChannel>> {
    return this.#channels
  }

  get sinks(): ReadonlyMap<string, CrewSink> {
    return this.#sinks
  }

  get sources(): ReadonlyMap<string, CrewSource> {
    return this.#sources
  }

  /** The parts that exist, as a model. */
  modelOf(name: string): AgentModel {
    return {
      name,
      channels: [...this.#channels.values()].map(({ model }) => model),
      sources: [...this.#sources.values()].map(({ model }) => model),
      sinks: [...this.#sinks.values()].map(({ model }) => model),
      groups: [...this.#drives.values()].flatMap(({ group }) => group ?? []),
    }
  }

  // ── Making ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes and opens a channel. Rejects what `create` or `start` throws. */
  async openChannel(model: ChannelModel): Promise<void> {
    const counters = new ChannelCounters()
    const channel = await model.spec.create(model.options, { ...this.#contextOf(model.name), counters })
    await channel.start?.()
    counters.startTimeMs = this.#parts.clock.now()
    const account = new ChannelAccount(channel, counters, model.spec.capabilities)
    this.#channels.set(model.name, { model, channel, counters, account, state: 'running' })
  }

  /** Gives a live channel new options. */
  async adjustChannel(model: ChannelModel): Promise<void> {
    const running = this.#channels.get(model.name)
    if (!running) return
    await running.channel.reconfigure?.(model.options)
    running.model = model
  }

  async makeSink(model: SinkModel): Promise<void> {
    const counters = new SinkCounters()
    const context = { ...this.#contextOf(model.name), counters }
    const { channel, account } = this.#channel(model.channel)
    const parts = {
      name: model.name,
      clock: this.#parts.clock,
      log: context.log,
      channel,
      counters,
      batchLimit: model.batchLimit,
      deadLetters: this.#deadLettersOf(model, context.log, counters),
      onTaken: ({ givenUp, setAside }: Undelivered) => {
        account.giveUp(givenUp)
        if (setAside > 0) account.setAside(setAside)
        this.#parts.onDelivered()
      },
    }
    if (parts.deadLetters) {
      account.expectDeadLetters()
      counters.more['DeadLetterCount'] = 0
    }
    const sink = await model.spec.create(model.options, context)
    const driver = 'serve' in sink ? new PulledDriver({ ...parts, sink }) : new SinkDriver({ ...parts, sink })
    this.#sinks.set(model.name, { model, counters, driver })
  }

  /** What drives a group, or a sink without one, named `name`. */
  async makeDrive(name: string, sinks: readonly string[], group?: SinkGroupModel): Promise<void> {
    const drivers = sinks.map((sink) => (this.#sinks.get(sink) as CrewSink).driver)
    this.#drives.set(driveKey(name, group), { group, runner: await this.#runnerOf(drivers, group), isStarted: false })
  }

  /** Makes a source whose deliveries wait for `gate`. */
  async makeSource(model: SourceModel, gate?: Promise<void>): Promise<void> {
    const { clock, console } = this.#parts
    const counters = new SourceCounters()
    const context = this.#contextOf(model.name)
    const selector = await model.selector.spec.create(model.selector.options, { ...context, channels: model.channels })
    const interceptors: Interceptor[] = []
    try {
      for (const { name, spec, options } of model.interceptors) {
        const log = context.log.child(`${model.name}.${name}`)
        interceptors.push(await spec.create(options, { ...context, name, log }))
      }
    } catch (error) {
      for (const made of interceptors) made.close?.()
      throw error
    }
    const targets = new Map(model.channels.map((name) => [name, this.#channel(name)]))
    const delivery = new Delivery({ interceptors, selector, targets, counters, log: context.log, gate })
    const takesConsole = model.spec.takesConsole === true && this.#atConsole === undefined
    if (takesConsole) this.#atConsole = model.name
    const runner = new SourceRunner({
      clock,
      log: context.log,
      delivery,
      make: ({ signal, ready }) =>
        model.spec.create(model.options, {
          ...context,
          counters,
          signal,
          ready,
          deliver: (batch) => delivery.deliver(batch),
          deliverEach: (batch) => delivery.deliverEach(batch),
          get transactionCapacity() {
            return delivery.transactionCapacity
          },
          console: takesConsole ? console?.open() : undefined,
        }),
    })
    this.#sources.set(model.name, { model, counters, delivery, runner, isStarted: false })
  }

  /** Opens a sink now; rejects when it cannot be opened. */
  async openSink(name: string): Promise<void> {
    const driver = this.#sinks.get(name)?.driver
    if (driver instanceof SinkDriver) await driver.start()
  }

  /** Starts what was made and is not started yet: sinks first, then sources (M-01). */
  startDrives(): void {
    for (const drive of this.#drives.values()) {
      if (!drive.isStarted) drive.runner.start()
      drive.isStarted = true
    }
  }

  startSources(): void {
    for (const source of this.#sources.values()) {
      if (source.isStarted) continue
      source.isStarted = true
      source.counters.startTimeMs = this.#parts.clock.now()
      source.runner.start()
    }
  }

  has(kind: 'channel' | 'sink' | 'source', name: string): boolean {
    return { channel: this.#channels, sink: this.#sinks, source: this.#sources }[kind].has(name)
  }

  hasDrive(name: string, group?: SinkGroupModel): boolean {
    return this.#drives.has(driveKey(name, group))
  }

  // ── Closing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Stops sources; resolves when nothing of them is under way. */
  async stopSources(names: Iterable<string> = this.#sources.keys()): Promise<void> {
    await Promise.all(
      [...names].map(async (name) => {
        const { counters, runner } = this.#sources.get(name) as CrewSource
        await runner.stop()
        counters.stopTimeMs = this.#parts.clock.now()
        if (this.#atConsole === name) this.#atConsole = undefined
      }),
    )
  }

  /** Stops the loops over sinks that are in `sinks`, or whose group is in `groups`; each finishes its batch. */
  async stopDrives(isMeant: (name: string, group: SinkGroupModel | undefined) => boolean = () => true): Promise<void> {
    await Promise.all(
      [...this.#drives].map(async ([key, { group, runner }]) => {
        if (!isMeant(group?.name ?? key.slice(key.indexOf(' ') + 1), group)) return
        await runner.stop()
        this.#drives.delete(key)
      }),
    )
  }

  /** Sinks that have something under way which a stop waits for. */
  get unfinishedSinks(): readonly string[] {
    const driven = [...this.#drives].flatMap(([key, { group }]) => group?.sinks ?? key.slice(key.indexOf(' ') + 1))
    if (driven.length > 0) return driven
    return [...this.#sinks].filter(([, { counters }]) => counters.stopTimeMs === 0).map(([name]) => name)
  }

  /** Closes sinks that nothing drives any more. */
  async stopSinks(names: Iterable<string> = this.#sinks.keys()): Promise<void> {
    await Promise.all(
      [...names].map(async (name) => {
        const { counters, driver } = this.#sinks.get(name) as CrewSink
        await driver.stop()
        counters.stopTimeMs = this.#parts.clock.now()
      }),
    )
  }

  /** Closes channels that nobody feeds or drains any more. */
  async stopChannels(names: Iterable<string> = this.#channels.keys()): Promise<void> {
    for (const name of [...names]) {
      const running = this.#channels.get(name) as CrewChannel
      running.account.freeze()
      try {
        await running.channel.stop?.()
      } catch (error) {
        this.#parts.log.child(name).error(`while stopping: ${explain(error)}`)
      }
      running.counters.stopTimeMs = this.#parts.clock.now()
      running.account.stop()
      running.state = 'stopped'
    }
  }

  /** Forgets stopped parts, so that others may take their names. */
  forget(kind: 'channel' | 'sink' | 'source', names: Iterable<string>): void {
    const all: Map<string, unknown> = { channel: this.#channels, sink: this.#sinks, source: this.#sources }[kind]
    for (const name of names) all.delete(name)
  }

  // ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Events that are nowhere but in memory, in the given channels. */
  heldInMemory(names: Iterable<string> = this.#channels.keys()): number {
    let held = 0
    for (const name of names) {
      held += this.#channels.get(name)?.account.atRisk ?? 0
    }
    return held
  }

  metrics(): ComponentMetrics[] {
    return [
      ...[...this.#sources.values()].map(({ model, counters }) => ({
        ...titleOf('SOURCE', model),
        values: sourceMetrics(counters),
      })),
      ...[...this.#channels.values()].map(({ model, counters, channel }) => ({
        ...titleOf('CHANNEL', model),
        values: channelMetrics(counters, channel.size, channel.capacity),
      })),
      ...[...this.#sinks.values()].map(({ model, counters }) => ({
        ...titleOf('SINK', model),
        values: sinkMetrics(counters),
      })),
    ]
  }

  sourceLedgers(): SourceLedger[] {
    return [...this.#sources].map(([name, { delivery }]) => delivery.ledger(name))
  }

  channelLedgers(): ChannelLedger[] {
    return [...this.#channels].map(([name, { account }]) => account.ledger(name))
  }

  /** A part's health; undefined for one that does not exist. */
  healthOf(kind: ComponentHealth['kind'], name: string): ComponentHealth | undefined {
    if (kind === 'source') return healthFrom(kind, name, this.#sources.get(name)?.runner.health)
    if (kind === 'sink') return healthFrom(kind, name, this.#sinks.get(name)?.driver.health)
    const running = this.#channels.get(name)
    if (!running) return undefined
    const { state, channel } = running
    const problem = state === 'running' ? channel.problem : undefined
    return problem === undefined ? { kind, name, state } : { kind, name, state: 'failing', problem }
  }

  async #runnerOf(
    drivers: readonly (SinkDriver | PulledDriver)[],
    group: SinkGroupModel | undefined,
  ): Promise<SinkRunner> {
    const pulled = drivers.find((driver) => driver instanceof PulledDriver)
    if (pulled) {
      if (drivers.length === 1) return new PulledRunner(pulled)
      throw new FlumeError(
        'UNSUPPORTED',
        `group ${group?.name} has a sink that is asked by its peer and cannot be driven`,
      )
    }
    const driven = drivers as readonly SinkDriver[]
    const { clock, log } = this.#parts
    return new ProcessorRunner({
      clock,
      drivers: driven,
      complaint: group && new Complaint(log.child(group.name), clock),
      makeProcessor: (signal) =>
        group
          ? group.spec.create(group.options, {
              ...this.#contextOf(group.name),
              sinks: driven.map((driver) => driver.driven(signal, `group ${group.name} goes on without it`)),
            })
          : (driven[0] as SinkDriver).drivenAhead(signal, 'the events stay in the channel, trying again'),
    }).prepare()
  }

  #deadLettersOf(model: SinkModel, log: Logger, counters: SinkCounters): DeadLetters | undefined {
    if (!model.deadLetters) return undefined
    const { channel, attempts } = model.deadLetters
    return new DeadLetters({
      sink: model.name,
      channelName: channel,
      channel: this.#channel(channel).channel,
      attempts,
      clock: this.#parts.clock,
      log,
      onRefused: () => {
        counters.eventWriteFail++
      },
    })
  }

  #channel(name: string): CrewChannel {
    const running = this.#channels.get(name)
    if (!running) throw new FlumeError('INVALID_STATE', `channel ${name} is not open`)
    return running
  }

  #contextOf(name: string) {
    const { log, clock, random = systemRandom, settings } = this.#parts
    return {
      name,
      clock,
      random,
      log: log.child(name),
      settings: {
        mounts: settings?.mounts ?? new Map<string, string>(),
        env: settings?.env ?? {},
        properties: settings?.properties ?? new Map<string, string>(),
      },
    }
  }
}

/** Groups and sinks may have the same names. */
function driveKey(name: string, group: SinkGroupModel | undefined): string {
  return `${group ? 'group' : 'sink'} ${name}`
}

function titleOf<K extends ComponentMetrics['kind']>(
  kind: K,
  { name, spec }: { readonly name: string; readonly spec: { readonly type: string } },
) {
  return { kind, name, type: spec.type }
}

function healthFrom(
  kind: ComponentHealth['kind'],
  name: string,
  health: Omit<ComponentHealth, 'kind' | 'name'> | undefined,
): ComponentHealth | undefined {
  return health && { kind, name, ...health }
}
