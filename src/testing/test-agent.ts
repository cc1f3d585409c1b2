import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAgent, type Mode } from '../agent/config/load.ts'
import type { AgentModel, SinkModel, SourceModel } from '../agent/config/model.ts'
import { type ComponentSpec, FlumeError } from '../agent/contract.ts'
import { Agent, type ReloadReport } from '../agent/runtime/agent.ts'
import { systemClock } from '../core/clock.ts'
import { seededRandom } from '../core/random.ts'
import { imbalances } from '../monitor/balance.ts'
import type { Logger } from '../monitor/logger.ts'
import type { AgentSnapshot } from '../monitor/snapshot.ts'
import { type Finding, formatFinding } from '../spec/finding.ts'
import { ManualClock, settle } from './manual-clock.ts'
import { ScriptedSink } from './scripted-sink.ts'
import { ScriptedSource } from './scripted-source.ts'

/** A configuration: its text, or the files it is in. */
export type Configuration = string | { readonly files: readonly string[] }

export interface TestAgentOptions {
  /** The agent's name; may be left out when the configuration defines one agent. */
  readonly name?: string
  /** Names of sources and sinks that are used as they are configured; all others are scripted. */
  readonly keep?: readonly string[]
  /** What the clock says at the start, in milliseconds since the Unix epoch. */
  readonly startMs?: number
  /** Chance is the same for the same seed. */
  readonly seed?: number
  readonly mode?: Mode
  readonly env?: Readonly<Record<string, string>>
  /** `-Dkey=value` of the command line. */
  readonly properties?: ReadonlyMap<string, string>
  /** What types may name; by default every component there is. */
  readonly components?: readonly ComponentSpec[]
}

/** Real time for what does not depend on the virtual clock: a busy disk takes seconds. */
const realPatienceMs = 60_000
/** Virtual time that a wait may take before it is given up. */
const patienceDefaultMs = 600_000
/** How far time moves between two looks at whether a wait is over. */
const stepMs = 100
const batchSizeDefault = 100

/** Starts the configured agent in this process on a virtual clock. Rejects USAGE when the configuration is wrong. */
export async function startTestAgent(configuration: Configuration, options: TestAgentOptions = {}): Promise<TestAgent> {
  const agent = new TestAgent(configuration, options)
  await agent.start()
  return agent
}

/**
 * An agent in this process: its interceptors, selectors, channels and sink groups are the real ones, its sources and
 * sinks do as the test says, and time moves only when the test moves it.
 */
export class TestAgent {
  readonly clock: ManualClock
  /** Lines the agent logged, as `level: component: message`. */
  readonly log: string[] = []
  readonly #configuration: Configuration
  readonly #options: TestAgentOptions
  readonly #sources = new Map<string, ScriptedSource>()
  readonly #sinks = new Map<string, ScriptedSink>()
  /** One per part, so that a reload sees that its code did not change. */
  readonly #creates = new Map<string, unknown>()
  #findings: readonly Finding[] = []
  #agent: Agent | undefined

  constructor(configuration: Configuration, options: TestAgentOptions) {
    this.#configuration = configuration
    this.#options = options
    this.clock = new ManualClock(options.startMs)
  }

  /** What was found about the configuration last loaded; no errors are among it. */
  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** Starts the agent; `startTestAgent` has done so. */
  async start(): Promise<void> {
    const model = await this.#load(this.#configuration)
    this.#agent = new Agent(model, {
      log: logger(this.log),
      clock: this.clock,
      random: seededRandom(this.#options.seed ?? 1),
      settings: { env: this.#options.env ?? {}, properties: this.#options.properties ?? new Map() },
    })
    await this.finish(this.#agent.start())
    await settle()
  }

  /** The stand-in for a source of the configuration. */
  source(name: string): ScriptedSource {
    return pick(this.#sources, 'source', name)
  }

  /** The stand-in for a sink of the configuration. */
  sink(name: string): ScriptedSink {
    return pick(this.#sinks, 'sink', name)
  }

  /** Moves time forward; what falls due on the way happens, each at its own time. */
  async advance(byMs: number): Promise<void> {
    await this.clock.advance(byMs)
  }

  /** Moves time until the promise is settled and hands its outcome on; rejects TIMEOUT after `withinMs` of virtual time. */
  async finish<T>(promise: Promise<T>, withinMs = patienceDefaultMs): Promise<T> {
    let isSettled = false
    const mark = (): void => {
      isSettled = true
    }
    promise.then(mark, mark)
    try {
      await this.until(() => isSettled, withinMs)
    } catch (error) {
      // Files and sockets keep to the real clock, and virtual minutes pass in no time: what waits for them only gets a moment.
      const ended = new AbortController()
      const outcome = promise.then(mark, mark).finally(() => ended.abort())
      await Promise.race([outcome, systemClock.sleep(realPatienceMs, ended.signal).catch(() => undefined)])
      if (!isSettled) throw error
    }
    return promise
  }

  /** Moves time until the condition holds; rejects TIMEOUT after `withinMs` of virtual time. */
  async until(holds: () => boolean, withinMs = patienceDefaultMs): Promise<void> {
    await settle()
    for (let waitedMs = 0; !holds(); waitedMs += stepMs) {
      if (waitedMs >= withinMs) throw new FlumeError('TIMEOUT', `it did not come to pass within ${withinMs} ms`)
      await this.clock.advance(stepMs)
    }
  }

  /** Counters, ledgers and health at this moment. */
  snapshot(): AgentSnapshot {
    return this.#running().snapshot()
  }

  /** What does not add up in the ledger, one line each; empty when every event is accounted for. */
  imbalances(): readonly string[] {
    return imbalances(this.snapshot())
  }

  /** Takes another configuration over, as a changed file would be; time moves until it is done. Rejects USAGE when it is wrong. */
  async reload(configuration: Configuration): Promise<ReloadReport> {
    return this.finish(this.#running().reload(await this.#load(configuration)))
  }

  /** Stops the agent; time moves until it has stopped. Resolves to how many events were lost. */
  async stop(drainMs?: number): Promise<number> {
    const agent = this.#running()
    await this.finish(agent.stop(drainMs))
    return agent.atRisk
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#agent) await this.stop(0)
  }

  #running(): Agent {
    if (!this.#agent) throw new FlumeError('INVALID_STATE', 'the agent was not started')
    return this.#agent
  }

  async #load(configuration: Configuration): Promise<AgentModel> {
    const { name, mode = 'normal', env = {}, properties = new Map(), components } = this.#options
    const folder = typeof configuration === 'string' ? await mkdtemp(join(tmpdir(), 'flume-ts-test-')) : undefined
    try {
      const files =
        typeof configuration === 'string' ? [await write(folder as string, configuration)] : configuration.files
      const { model, findings } = await loadAgent({
        files,
        agentName: name,
        env,
        systemProperties: properties,
        mode,
        ...(components ? { components } : {}),
      })
      this.#findings = findings
      if (model) return this.#scripted(model)
      throw new FlumeError('USAGE', ['the configuration is wrong', ...findings.map(formatFinding)].join('\n'))
    } finally {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    }
  }

  /** The model with stand-ins for its sources and sinks. */
  #scripted(model: AgentModel): AgentModel {
    const isKept = ({ name }: { readonly name: string }): boolean => this.#options.keep?.includes(name) ?? false
    return {
      ...model,
      sources: model.sources.map((source) => (isKept(source) ? source : this.#scriptSource(source))),
      sinks: model.sinks.map((sink) => (isKept(sink) ? sink : this.#scriptSink(sink))),
    }
  }

  #scriptSource(model: SourceModel): SourceModel {
    const source = this.#sources.get(model.name) ?? new ScriptedSource(model.name)
    this.#sources.set(model.name, source)
    const make: SourceModel['spec']['create'] = (_options, context) => source.create(context)
    return { ...model, spec: { ...model.spec, create: this.#once(`source ${model.name}`, make) } }
  }

  #scriptSink(model: SinkModel): SinkModel {
    const sink = this.#sinks.get(model.name) ?? new ScriptedSink(model.name, this.clock)
    this.#sinks.set(model.name, sink)
    const { batchSizeOption } = model.spec
    const make: SinkModel['spec']['create'] = (options) => {
      const batchSize = batchSizeOption === undefined ? undefined : options[batchSizeOption]
      return sink.create(typeof batchSize === 'number' ? batchSize : batchSizeDefault)
    }
    return { ...model, spec: { ...model.spec, create: this.#once(`sink ${model.name}`, make) } }
  }

  #once<T>(key: string, make: T): T {
    if (!this.#creates.has(key)) this.#creates.set(key, make)
    return this.#creates.get(key) as T
  }
}

async function write(folder: string, text: string): Promise<string> {
  const file = join(folder, 'agent.properties')
  await writeFile(file, text)
  return file
}

function pick<T>(parts: ReadonlyMap<string, T>, kind: string, name: string): T {
  const part = parts.get(name)
  if (part) return part
  const hint = `scripted ${kind}s are ${[...parts.keys()].join(', ') || 'none'}`
  throw new FlumeError('USAGE', `there is no scripted ${kind} ${name}`, { hint })
}

function logger(lines: string[], component = 'agent'): Logger {
  const say = (level: string) => (message: string) => void lines.push(`${level}: ${component}: ${message}`)
  return {
    debug: () => undefined,
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (name) => logger(lines, name),
  } as Logger
}
