import { type Clock, systemClock } from '../../core/clock.ts'
import { asError, explain, FlumeError, isAbort } from '../../core/error.ts'
import type { Random } from '../../core/random.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { AgentSnapshot, ComponentHealth } from '../../monitor/snapshot.ts'
import type { AgentModel, SinkModel } from '../config/model.ts'
import type { AgentSettings } from '../contract.ts'
import { Complaint } from './complaint.ts'
import { Crew } from './crew.ts'
import { namesOf, type PlannedChange, planReload, type ReloadPlan } from './plan.ts'
import { SharedConsole } from './shared-console.ts'

/** Flume's supervisor tries a failed start again every 3 s (M-03). */
const restartAfterMs = 3000
/** How long a reload waits for a new source to say that it takes input; it goes on starting after that. */
const firstTryMs = 10_000
/** How long channels that would lose their events are given to be emptied. */
const drainDefaultMs = 30_000
/** A stop that waits for sinks for longer says so. */
const sinkPatienceMs = 2000

export interface AgentParts {
  readonly log: Logger
  readonly settings?: Partial<AgentSettings>
  readonly clock?: Clock
  readonly random?: Random
  /** What is typed on the agent's terminal. */
  readonly console?: AsyncIterable<Uint8Array> | undefined
}

/** What went through the agent, for the closing lines. */
export interface Summary {
  readonly sources: readonly { readonly name: string; readonly accepted: number; readonly refused: number }[]
  readonly channels: readonly { readonly name: string; readonly held: number; readonly lost: number }[]
  readonly sinks: readonly { readonly name: string; readonly delivered: number }[]
}

export interface ReloadReport {
  /** `rolled back`: the wanted agent could not be started, the one before runs on. */
  readonly outcome: 'applied' | 'unchanged' | 'rolled back'
  /** What was to be done with each part. */
  readonly changes: readonly PlannedChange[]
  /** Why it was rolled back. */
  readonly error?: Error
}

/**
 * How often a failed start is tried. `once`: the first failure rejects. `channels`: a channel is tried again for as long
 * as the agent runs, anything else that cannot even be made rejects. `all`: everything is tried again.
 */
type Patience = 'once' | 'channels' | 'all'

/**
 * A running agent: channels, sinks and sources wired as the model says.
 *
 * Start order is channels, sinks, sources (M-01), stop order sources, sinks, channels (M-02). Unlike Flume, a stop lets
 * the sinks empty the channels that would lose their events, and a reload touches only what changed.
 *
 * Starting, reloading and stopping never overlap: a reload or a stop interrupts a start that goes on trying, a stop
 * waits for the reload that is under way.
 */
export class Agent {
  readonly #parts: AgentParts
  readonly #clock: Clock
  readonly #console: SharedConsole | undefined
  readonly #crew: Crew
  readonly #stopping = new AbortController()
  /** Why parts that do not exist yet do not. */
  readonly #troubles = new Map<string, string>()
  readonly #onDelivered = new Set<() => void>()
  #model: AgentModel
  #starting: Promise<void> | undefined
  /** A start that goes on trying until it is done, and what ends it: the first one, or the one after a roll-back. */
  #patient: Promise<void> = Promise.resolve()
  #interrupt = new AbortController()
  /** Settles when the reloads asked for so far are done. */
  #reloads: Promise<unknown> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(model: AgentModel, parts: AgentParts) {
    this.#model = model
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
    this.#console = parts.console && new SharedConsole(parts.console)
    this.#crew = new Crew({
      log: parts.log,
      clock: this.#clock,
      random: parts.random,
      settings: parts.settings,
      console: this.#console,
      onDelivered: () => {
        for (const check of this.#onDelivered) check()
      },
    })
  }

  /** What runs, or is being started. */
  get model(): AgentModel {
    return this.#model
  }

  /** Starts everything; resolves once sinks and sources are running. A component that fails to start is tried again for as long as the agent runs. */
  start(): Promise<void> {
    this.#starting ??= this.#bringUpPatiently('channels')
    return this.#starting
  }

  /** Resolves when every source takes input, to where; undefined for a source that ended before. */
  async ready(): Promise<ReadonlyMap<string, string | undefined>> {
    for (let seen: unknown; seen !== this.#patient; await this.#reloads) {
      seen = this.#patient
      await seen
    }
    const places = new Map<string, string | undefined>()
    for (const [name, { runner }] of this.#crew.sources) places.set(name, await runner.ready)
    return places
  }

  /**
   * Turns the running agent into another one: what did not change keeps running, the rest is stopped, adjusted and
   * started. A channel that holds events only in memory is emptied by its sinks before it goes, for up to `drainMs`;
   * when that fails, or something new does not start, everything is as it was before. Reloads follow one another.
   * Rejects INVALID_STATE before start, CLOSED after stop.
   */
  async reload(wanted: AgentModel, drainMs = drainDefaultMs): Promise<ReloadReport> {
    if (!this.#starting) throw new FlumeError('INVALID_STATE', 'an agent must be started before it is reloaded')
    const report = this.#reloads.then(() => this.#reload(wanted, drainMs))
    this.#reloads = report.catch(() => undefined)
    return report
  }

  /**
   * Stops in order. Sinks go on for up to `drainMs` until the channels that hold events only in memory are empty.
   * Safe twice, and before start.
   */
  stop(drainMs = drainDefaultMs): Promise<void> {
    this.#stopped ??= this.#stop(drainMs)
    return this.#stopped
  }

  /** Events that would be lost if the process ended now. */
  get atRisk(): number {
    return this.#crew.heldInMemory()
  }

  get summary(): Summary {
    return {
      sources: [...this.#crew.sources].map(([name, { delivery }]) => {
        const { accepted, refused } = delivery.ledger(name)
        return { name, accepted, refused }
      }),
      channels: [...this.#crew.channels].map(([name, { channel, account }]) => ({
        name,
        held: channel.size,
        lost: account.atRisk,
      })),
      sinks: [...this.#crew.sinks].map(([name, { counters }]) => ({ name, delivered: counters.eventDrainSuccess })),
    }
  }

  /** Everything that can be watched, at this moment; the ledgers in it balance whenever it is taken. */
  snapshot(): AgentSnapshot {
    const { sources, channels, sinks } = this.#model
    const health = (kind: ComponentHealth['kind'], parts: readonly { readonly name: string }[]) =>
      parts.map(({ name }) => this.#crew.healthOf(kind, name) ?? this.#absent(kind, name))
    return {
      agent: this.#model.name,
      takenAtMs: this.#clock.now(),
      components: this.#crew.metrics(),
      sources: this.#crew.sourceLedgers(),
      channels: this.#crew.channelLedgers(),
      health: [...health('source', sources), ...health('channel', channels), ...health('sink', sinks)],
    }
  }

  #absent(kind: ComponentHealth['kind'], name: string): ComponentHealth {
    if (this.#stopped) return { kind, name, state: 'stopped' }
    const problem = this.#troubles.get(`${kind} ${name}`)
    return problem === undefined ? { kind, name, state: 'starting' } : { kind, name, state: 'failing', problem }
  }

  // ── Starting ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Brings up what the agent should be, until it is done or interrupted. */
  #bringUpPatiently(patience: Exclude<Patience, 'once'>): Promise<void> {
    this.#interrupt = new AbortController()
    if (this.#stopping.signal.aborted) this.#interrupt.abort()
    this.#patient = this.#bringUp(this.#model, patience, this.#interrupt.signal).catch(onlyIfNotAborted)
    return this.#patient
  }

  /**
   * Makes and starts what the model has and the crew has not: channels, sinks, sources. Flows whose channels are open run
   * while others wait for theirs (F-09). Deliveries of new sources wait for `gate`. Rejects when the signal aborts, and
   * what its patience does not cover.
   */
  async #bringUp(model: AgentModel, patience: Patience, signal: AbortSignal, gate?: Promise<void>): Promise<void> {
    const crew = this.#crew
    const complaints = new Map<string, Complaint>()
    for (;;) {
      const closed = new Set<string>()
      for (const channel of model.channels) {
        if (crew.has('channel', channel.name)) continue
        signal.throwIfAborted()
        const open = (): Promise<void> => crew.openChannel(channel)
        const complaint = complaints.get(channel.name) ?? this.#complaintOf(channel.name)
        complaints.set(channel.name, complaint)
        if (patience === 'once') await open()
        else if (!(await this.#try('channel', channel.name, open, complaint))) closed.add(channel.name)
      }
      await this.#bringUpFlows(withoutChannels(model, closed), patience, signal, gate)
      if (closed.size === 0) return
      await this.#clock.sleep(restartAfterMs, signal)
    }
  }

  /** Makes and starts the sinks and sources of a model whose channels are open. */
  async #bringUpFlows(model: AgentModel, patience: Patience, signal: AbortSignal, gate?: Promise<void>): Promise<void> {
    const crew = this.#crew
    const attempt = (kind: 'sink' | 'source', name: string, act: () => Promise<void>): Promise<void> => {
      signal.throwIfAborted()
      return patience === 'all' ? this.#persist(kind, name, act, signal) : act()
    }
    const newSinks = model.sinks.filter(({ name }) => !crew.has('sink', name))
    for (const sink of newSinks) await attempt('sink', sink.name, () => crew.makeSink(sink))
    const grouped = new Set(model.groups.flatMap(({ sinks }) => sinks))
    for (const { name } of model.sinks) {
      if (!grouped.has(name) && !crew.hasDrive(name)) await attempt('sink', name, () => crew.makeDrive(name, [name]))
    }
    for (const group of model.groups) {
      if (!crew.hasDrive(group.name, group))
        await attempt('sink', group.name, () => crew.makeDrive(group.name, group.sinks, group))
    }
    const newSources = model.sources.filter(({ name }) => !crew.has('source', name))
    for (const source of newSources) await attempt('source', source.name, () => crew.makeSource(source, gate))
    signal.throwIfAborted()
    if (patience === 'once') {
      await Promise.all(newSinks.map(({ name }) => crew.openSink(name)))
      signal.throwIfAborted()
    }
    crew.startDrives()
    crew.startSources()
    if (patience === 'once')
      await this.#firstTries(
        newSources.map(({ name }) => name),
        signal,
      )
  }

  /** Resolves when the sources take input, or have had enough time for it; rejects what one of them threw. */
  async #firstTries(sources: readonly string[], signal: AbortSignal): Promise<void> {
    const enough = new AbortController()
    const abort = (): void => enough.abort()
    signal.addEventListener('abort', abort, { once: true })
    const time = this.#clock.sleep(firstTryMs, enough.signal).catch(() => undefined)
    try {
      await Promise.race([time, Promise.all(sources.map((name) => this.#crew.sources.get(name)?.runner.firstTry))])
    } finally {
      signal.removeEventListener('abort', abort)
      enough.abort()
    }
  }

  /** Tries until it works; rejects only when the signal aborts. */
  async #persist(
    kind: ComponentHealth['kind'],
    name: string,
    act: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const complaint = this.#complaintOf(name)
    while (!(await this.#try(kind, name, act, complaint))) await this.#clock.sleep(restartAfterMs, signal)
  }

  #complaintOf(name: string): Complaint {
    return new Complaint(this.#parts.log.child(name), this.#clock)
  }

  /** Tries once, and says how it went; false when it has to be tried again. */
  async #try(
    kind: ComponentHealth['kind'],
    name: string,
    act: () => Promise<void>,
    complaint: Complaint,
  ): Promise<boolean> {
    const key = `${kind} ${name}`
    try {
      await act()
      complaint.worked('it is started')
      this.#troubles.delete(key)
      return true
    } catch (error) {
      this.#troubles.set(key, explain(error))
      const waiting = kind === 'channel' ? '; its sources and sinks wait, other flows run' : ''
      complaint.failed(error, `trying again every ${restartAfterMs / 1000} s${waiting}`)
      return false
    }
  }

  // ── Reloading ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #reload(wanted: AgentModel, drainMs: number): Promise<ReloadReport> {
    if (this.#stopped) throw new FlumeError('CLOSED', 'the agent is stopping')
    this.#interrupt.abort()
    await this.#patient.catch(() => undefined)
    const before = this.#model
    const { changes, isEmpty } = planReload(before, wanted)
    if (isEmpty) {
      // Equal, and perhaps interrupted: what still has to start is tried on.
      void this.#bringUpPatiently('channels').catch(() => undefined)
      return { outcome: 'unchanged', changes }
    }
    // What has not started yet is not there to be kept.
    const plan = planReload(this.#crew.modelOf(before.name), wanted)
    const gate = openableGate()
    const { signal } = this.#stopping
    try {
      const going = namesOf(plan, 'channel', 'stop', 'restart')
      await this.#dismiss(plan, wanted, () => this.#emptyOrReject(going, drainMs))
      await this.#adjust(plan, wanted)
      await this.#bringUp(wanted, 'once', signal, gate.opened)
      signal.throwIfAborted()
      this.#model = wanted
      this.#troubles.clear()
      gate.open()
      return { outcome: 'applied', changes }
    } catch (error) {
      gate.refuse(new FlumeError('CLOSED', 'the change of the configuration was given up', { retry: true }))
      await this.#rollBack()
      return { outcome: 'rolled back', changes, error: asError(error) }
    }
  }

  /** Back to what ran before. What does not start at once goes on being tried, as after a start. */
  async #rollBack(): Promise<void> {
    const back = planReload(this.#crew.modelOf(this.#model.name), this.#model)
    // New sources have delivered nothing, so new channels are empty: there is nothing to wait for.
    await this.#dismiss(back, this.#model)
    await this.#adjust(back, this.#model)
    const time = this.#clock.sleep(restartAfterMs, this.#stopping.signal).catch(() => undefined)
    await Promise.race([this.#bringUpPatiently('all'), time])
  }

  /** Stops what goes or is made anew: sources, then sinks, then channels; `beforeSinks` may still let the sinks work. */
  async #dismiss(plan: ReloadPlan, wanted: AgentModel, beforeSinks?: () => Promise<void>): Promise<void> {
    const crew = this.#crew
    const goingSources = namesOf(plan, 'source', 'stop', 'restart')
    await crew.stopSources(goingSources)
    crew.forget('source', goingSources)
    await beforeSinks?.()
    const goingSinks = new Set(namesOf(plan, 'sink', 'stop', 'restart'))
    const goingGroups = new Set(namesOf(plan, 'group', 'stop', 'restart'))
    if (beforeSinks) await this.#emptyOfDeadLetters(plan, goingSinks, beforeSinks)
    const grouped = new Set(wanted.groups.flatMap(({ sinks }) => sinks))
    await crew.stopDrives((name, group) => (group ? goingGroups.has(name) : goingSinks.has(name) || grouped.has(name)))
    await crew.stopSinks(goingSinks)
    crew.forget('sink', goingSinks)
    const goingChannels = namesOf(plan, 'channel', 'stop', 'restart')
    await crew.stopChannels(goingChannels)
    crew.forget('channel', goingChannels)
  }

  /** A sink that goes on may still set events aside into a channel that goes: it ends first, then the channel is emptied. */
  async #emptyOfDeadLetters(
    plan: ReloadPlan,
    goingSinks: ReadonlySet<string>,
    emptied: () => Promise<void>,
  ): Promise<void> {
    const goingChannels = new Set(namesOf(plan, 'channel', 'stop', 'restart'))
    const writers = new Set(
      [...this.#crew.sinks.values()]
        .map(({ model }) => model)
        .filter(
          ({ name, deadLetters }) => goingSinks.has(name) && deadLetters && goingChannels.has(deadLetters.channel),
        )
        .map(({ name }) => name),
    )
    if (writers.size === 0) return
    await this.#crew.stopDrives((name, group) =>
      group ? group.sinks.some((sink) => writers.has(sink)) : writers.has(name),
    )
    await emptied()
  }

  async #adjust(plan: ReloadPlan, wanted: AgentModel): Promise<void> {
    for (const name of namesOf(plan, 'channel', 'adjust')) {
      const channel = wanted.channels.find((one) => one.name === name)
      if (channel) await this.#crew.adjustChannel(channel)
    }
  }

  async #emptyOrReject(channels: readonly string[], drainMs: number): Promise<void> {
    const held = (): number => this.#crew.heldInMemory(channels)
    await this.#until(() => held() === 0, drainMs, this.#stopping.signal)
    if (held() === 0) return
    throw new FlumeError(
      'DELIVERY',
      `${channels.join(', ')} ${channels.length === 1 ? 'holds' : 'hold'} ${held()} events in memory that no sink delivered within ${drainMs / 1000} s`,
      { retry: true, hint: 'let the sinks deliver them, or restart the agent to give them up' },
    )
  }

  // ── Stopping ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #stop(drainMs: number): Promise<void> {
    this.#stopping.abort()
    this.#interrupt.abort()
    await this.#reloads
    await this.#patient.catch(() => undefined)
    await this.#crew.stopSources()
    await this.#drain(drainMs)
    const patience = this.#clock.after(sinkPatienceMs, () => {
      this.#parts.log.info(
        `waiting for ${this.#crew.unfinishedSinks.join(', ')} to finish what is under way; stop once more to end at once`,
      )
    })
    await this.#crew.stopDrives()
    await this.#crew.stopSinks()
    patience.cancel()
    await this.#crew.stopChannels()
    this.#console?.close()
  }

  /** Waits until no event is at risk, for `drainMs` at most, with a word to whoever waits. */
  async #drain(drainMs: number): Promise<void> {
    // Only what a sink of this agent could still save.
    const drained = [...this.#crew.sinks.values()].map(({ model }) => model.channel)
    const held = (): number => this.#crew.heldInMemory(new Set(drained))
    if (held() === 0) return
    this.#parts.log.info(
      `waiting up to ${drainMs / 1000} s for ${held()} events in memory to be delivered; stop once more to give them up`,
    )
    await this.#until(() => held() === 0, drainMs)
  }

  /** Resolves when the condition holds after a delivery, the time is over or the signal aborts. */
  async #until(holds: () => boolean, withinMs: number, signal?: AbortSignal): Promise<void> {
    if (holds() || withinMs <= 0 || signal?.aborted) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#onDelivered.delete(check)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const check = (): void => {
        if (holds()) done()
      }
      const timer = this.#clock.after(withinMs, done)
      this.#onDelivered.add(check)
      signal?.addEventListener('abort', done, { once: true })
    })
  }
}

/** What of a model can run while some of its channels are not open. A group runs whole or waits. */
function withoutChannels(model: AgentModel, closed: ReadonlySet<string>): AgentModel {
  if (closed.size === 0) return model
  const waits = ({ channel, deadLetters }: SinkModel): boolean =>
    closed.has(channel) || (deadLetters !== undefined && closed.has(deadLetters.channel))
  const waiting = new Set(model.sinks.filter(waits).map(({ name }) => name))
  const groups = model.groups.filter(({ sinks }) => !sinks.some((name) => waiting.has(name)))
  for (const group of model.groups) if (!groups.includes(group)) for (const name of group.sinks) waiting.add(name)
  return {
    name: model.name,
    channels: model.channels.filter(({ name }) => !closed.has(name)),
    sources: model.sources.filter(({ channels }) => !channels.some((name) => closed.has(name))),
    sinks: model.sinks.filter(({ name }) => !waiting.has(name)),
    groups,
  }
}

function openableGate() {
  let open: () => void = () => undefined
  let refuse: (reason: Error) => void = () => undefined
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve
    refuse = reject
  })
  opened.catch(() => undefined)
  return { opened, open, refuse }
}

function onlyIfNotAborted(error: unknown): void {
  if (!isAbort(error)) throw error
}
