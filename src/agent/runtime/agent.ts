import type { Clock } from '../../core/clock.ts'
import { systemClock } from '../../core/clock.ts'
import { type Random, systemRandom } from '../../core/random.ts'
import { ChannelCounters, SinkCounters, SourceCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { AgentModel, ChannelModel, SinkModel, SourceModel } from '../config/model.ts'
import type { AgentSettings, Channel } from '../contract.ts'
import { Complaint } from './complaint.ts'
import { Delivery } from './delivery.ts'
import { SinkRunner } from './sink-runner.ts'
import { SourceRunner } from './source-runner.ts'

/** Flume's supervisor tries a failed start again every 3 s (M-03). */
const restartAfterMs = 3000

export interface AgentParts {
  readonly log: Logger
  readonly settings?: Partial<AgentSettings>
  readonly clock?: Clock
  readonly random?: Random
  /** What is typed on the agent's terminal. */
  readonly console?: AsyncIterable<Uint8Array> | undefined
}

interface RunningChannel {
  readonly model: ChannelModel
  readonly channel: Channel
  readonly counters: ChannelCounters
}

interface RunningSource {
  readonly model: SourceModel
  readonly counters: SourceCounters
  readonly runner: SourceRunner
}

interface RunningSink {
  readonly model: SinkModel
  readonly counters: SinkCounters
  readonly runner: SinkRunner
}

/** What went through the agent, for the closing lines. */
export interface Summary {
  readonly sources: readonly { readonly name: string; readonly accepted: number; readonly refused: number }[]
  readonly channels: readonly { readonly name: string; readonly held: number; readonly durable: boolean }[]
  readonly sinks: readonly { readonly name: string; readonly delivered: number }[]
}

/**
 * A running agent: channels, sinks and sources wired as the model says.
 *
 * Start order is channels, sinks, sources (M-01), stop order sources, sinks, channels (M-02). Unlike Flume, a stop lets
 * the sinks empty the channels that would lose their events.
 */
export class Agent {
  readonly #model: AgentModel
  readonly #parts: AgentParts
  readonly #clock: Clock
  readonly #channels = new Map<string, RunningChannel>()
  readonly #sources: RunningSource[] = []
  readonly #sinks: RunningSink[] = []
  readonly #stopStart = new AbortController()
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #drained: (() => void) | undefined

  constructor(model: AgentModel, parts: AgentParts) {
    this.#model = model
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
  }

  /** Starts everything; resolves once sinks and sources are running. A component that fails to start is tried again for as long as the agent runs. */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Resolves when every source takes input, to where; undefined for a source that ended before. */
  async ready(): Promise<ReadonlyMap<string, string | undefined>> {
    await this.#starting
    const places = new Map<string, string | undefined>()
    for (const { model, runner } of this.#sources) places.set(model.name, await runner.ready)
    return places
  }

  /**
   * Stops in order. Sinks go on for up to `drainMs` until the channels that hold events only in memory are empty.
   * Safe twice, and before start.
   */
  stop(drainMs = 30_000): Promise<void> {
    this.#stopping ??= this.#stop(drainMs)
    return this.#stopping
  }

  /** Events that would be lost if the process ended now. */
  get atRisk(): number {
    let held = 0
    for (const { model, channel } of this.#channels.values()) if (!model.spec.capabilities.durable) held += channel.size
    return held
  }

  get summary(): Summary {
    return {
      sources: this.#sources.map(({ model, counters }) => ({
        name: model.name,
        accepted: counters.eventAccepted,
        refused: counters.eventReceived - counters.eventAccepted,
      })),
      channels: [...this.#channels.values()].map(({ model, channel }) => ({
        name: model.name,
        held: channel.size,
        durable: model.spec.capabilities.durable,
      })),
      sinks: this.#sinks.map(({ model, counters }) => ({ name: model.name, delivered: counters.eventDrainSuccess })),
    }
  }

  async #start(): Promise<void> {
    for (const model of this.#model.channels) await this.#startChannel(model)
    if (this.#stopStart.signal.aborted) return
    for (const model of this.#model.sinks) this.#sinks.push(await this.#makeSink(model))
    for (const model of this.#model.sources) this.#sources.push(await this.#makeSource(model))
    for (const { counters, runner } of this.#sinks) {
      counters.startTimeMs = this.#clock.now()
      runner.start()
    }
    for (const { counters, runner } of this.#sources) {
      counters.startTimeMs = this.#clock.now()
      runner.start()
    }
  }

  async #startChannel(model: ChannelModel): Promise<void> {
    const counters = new ChannelCounters()
    const context = { ...this.#contextOf(model.name), counters }
    const complaint = new Complaint(context.log, this.#clock)
    const { signal } = this.#stopStart
    while (!signal.aborted) {
      try {
        const channel = await model.spec.create(model.options, context)
        await channel.start?.()
        complaint.worked('the channel is open')
        counters.startTimeMs = this.#clock.now()
        this.#channels.set(model.name, { model, channel, counters })
        return
      } catch (error) {
        complaint.failed(error, `trying again every ${restartAfterMs / 1000} s`)
        await this.#clock.sleep(restartAfterMs, signal).catch(() => undefined)
      }
    }
  }

  async #makeSink(model: SinkModel): Promise<RunningSink> {
    const counters = new SinkCounters()
    const context = { ...this.#contextOf(model.name), counters }
    const { channel } = this.#channels.get(model.channel) as RunningChannel
    const runner = new SinkRunner({
      clock: this.#clock,
      log: context.log,
      sink: await model.spec.create(model.options, context),
      channel,
      counters,
      batchLimit: model.batchLimit,
      onDelivered: () => this.#noteDelivery(),
    })
    return { model, counters, runner }
  }

  async #makeSource(model: SourceModel): Promise<RunningSource> {
    const counters = new SourceCounters()
    const context = this.#contextOf(model.name)
    const interceptors = []
    for (const { name, spec, options } of model.interceptors) {
      interceptors.push(
        await spec.create(options, { ...context, name, log: context.log.child(`${model.name}.${name}`) }),
      )
    }
    const selector = await model.selector.spec.create(model.selector.options, {
      ...context,
      channels: model.channels,
      dropped: (count) => {
        counters.dropped += count
      },
    })
    const channels = new Map(model.channels.map((name) => [name, (this.#channels.get(name) as RunningChannel).channel]))
    const delivery = new Delivery({ interceptors, selector, channels, counters, log: context.log })
    const takesConsole = this.#model.sources.find(({ spec }) => spec.takesConsole) === model
    const runner = new SourceRunner({
      clock: this.#clock,
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
          transactionCapacity: delivery.transactionCapacity,
          console: takesConsole ? this.#parts.console : undefined,
        }),
    })
    return { model, counters, runner }
  }

  async #stop(drainMs: number): Promise<void> {
    this.#stopStart.abort()
    await this.#starting?.catch(() => undefined)
    await Promise.all(
      this.#sources.map(async ({ counters, runner }) => {
        await runner.stop()
        counters.stopTimeMs = this.#clock.now()
      }),
    )
    await this.#drain(drainMs)
    await Promise.all(
      this.#sinks.map(async ({ counters, runner }) => {
        await runner.stop()
        counters.stopTimeMs = this.#clock.now()
      }),
    )
    for (const { channel, counters } of this.#channels.values()) {
      await channel.stop?.()
      counters.stopTimeMs = this.#clock.now()
    }
  }

  /** Waits until no event is at risk, for `drainMs` at most, with a word to whoever waits. */
  async #drain(drainMs: number): Promise<void> {
    if (this.#undelivered() === 0) return
    this.#parts.log.info(
      `waiting up to ${drainMs / 1000} s for ${this.#undelivered()} events in memory to be delivered; stop once more to give them up`,
    )
    const timer = this.#clock.after(drainMs, () => this.#drained?.())
    await new Promise<void>((resolve) => {
      this.#drained = resolve
    })
    timer.cancel()
  }

  #noteDelivery(): void {
    if (this.#drained && this.#undelivered() === 0) this.#drained()
  }

  /** Events that a sink of this agent could still save: those in memory channels that have a sink. */
  #undelivered(): number {
    const drainedChannels = new Set(this.#sinks.map(({ model }) => model.channel))
    let held = 0
    for (const { model, channel } of this.#channels.values()) {
      if (!model.spec.capabilities.durable && drainedChannels.has(model.name)) held += channel.size
    }
    return held
  }

  #contextOf(name: string) {
    const { log, random = systemRandom, settings } = this.#parts
    return {
      name,
      clock: this.#clock,
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
