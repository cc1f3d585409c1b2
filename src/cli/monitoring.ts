import { hostname } from 'node:os'
import type { Clock } from '../core/clock.ts'
import { explain } from '../core/error.ts'
import { flumeMetrics } from '../monitor/flume-metrics.ts'
import type { Logger } from '../monitor/logger.ts'
import { agentPages } from '../monitor/pages.ts'
import type { ProcessUse } from '../monitor/prometheus.ts'
import type { AgentSnapshot } from '../monitor/snapshot.ts'
import { GangliaSender, type GangliaTarget } from '../net/ganglia-sender.ts'
import { PageServer } from '../net/page-server.ts'

export const monitoringPortDefault = 41414
/** Flume listens on every interface; here a server is for this machine unless somebody says otherwise. */
const bindDefault = '127.0.0.1'
const pollSecondsDefault = 60
/** As for a source whose port is taken (M-03). */
const againAfterMs = 3000

interface HttpPlan {
  readonly type: 'http' | 'prometheus'
  readonly host: string
  readonly port: number
}

interface GangliaPlan {
  readonly type: 'ganglia'
  readonly targets: readonly GangliaTarget[]
  readonly ganglia3: boolean
  readonly pollMs: number
}

/** What `-Dflume.monitoring.…` asks for. */
export interface MonitoringPlan {
  readonly plan: HttpPlan | GangliaPlan | undefined
  /** What is wrong with the settings, one line each. */
  readonly problems: readonly string[]
}

const types: ReadonlyMap<string, 'http' | 'prometheus' | 'ganglia'> = new Map([
  ['http', 'http'],
  ['prometheus', 'prometheus'],
  ['ganglia', 'ganglia'],
  ['org.apache.flume.instrumentation.http.httpmetricsserver', 'http'],
  ['org.apache.flume.instrumentation.http.prometheushttpmetricsserver', 'prometheus'],
  ['org.apache.flume.instrumentation.gangliaserver', 'ganglia'],
])

/** Reads the system properties `flume.monitoring.*` (flume-components §11). What cannot be read keeps no agent from starting (O-07). */
export function readMonitoring(properties: ReadonlyMap<string, string>): MonitoringPlan {
  const word = properties.get('flume.monitoring.type')
  if (word === undefined) return { plan: undefined, problems: [] }
  const type = types.get(word.trim().toLowerCase())
  if (type === undefined) {
    return only(`flume.monitoring.type is "${word}": nothing is monitored (it may be http, prometheus or ganglia)`)
  }
  return type === 'ganglia' ? readGanglia(properties) : readHttp(type, properties)
}

function readHttp(type: HttpPlan['type'], properties: ReadonlyMap<string, string>): MonitoringPlan {
  const portText = properties.get('flume.monitoring.port')?.trim() ?? String(monitoringPortDefault)
  if (!isPort(portText)) {
    return only(`flume.monitoring.port is "${portText}": nothing is monitored (it must be a number from 0 to 65535)`)
  }
  const host = properties.get('flume.monitoring.bind')?.trim() || bindDefault
  return { plan: { type, host, port: Number(portText) }, problems: [] }
}

function readGanglia(properties: ReadonlyMap<string, string>): MonitoringPlan {
  const problems: string[] = []
  const targets: GangliaTarget[] = []
  for (const text of (properties.get('flume.monitoring.hosts') ?? '').split(',').map((one) => one.trim())) {
    const [, host, port = ''] = /^(?:\[?([^\]]+?)\]?):(\d+)$/.exec(text) ?? []
    if (host !== undefined && isPort(port) && port !== '0') targets.push({ host, port: Number(port) })
    else if (text !== '') problems.push(`flume.monitoring.hosts: "${text}" is left out (it must be host:port)`)
  }
  if (targets.length === 0) {
    problems.push(
      'flume.monitoring.hosts names no host: nothing is monitored (write -Dflume.monitoring.hosts=host:port,…)',
    )
    return { plan: undefined, problems }
  }
  const pollText = properties.get('flume.monitoring.pollFrequency')?.trim() ?? String(pollSecondsDefault)
  const isPoll = /^[1-9]\d{0,8}$/.test(pollText)
  if (!isPoll) {
    problems.push(
      `flume.monitoring.pollFrequency is "${pollText}": ${pollSecondsDefault} s are used (it must be whole seconds, 1 or more)`,
    )
  }
  const ganglia3 = properties.get('flume.monitoring.isGanglia3')?.trim().toLowerCase() === 'true'
  const pollMs = (isPoll ? Number(pollText) : pollSecondsDefault) * 1000
  return { plan: { type: 'ganglia', targets, ganglia3, pollMs }, problems }
}

function only(problem: string): MonitoringPlan {
  return { plan: undefined, problems: [problem] }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
}

export interface MonitoringParts {
  readonly properties: ReadonlyMap<string, string>
  snapshot(): AgentSnapshot
  /** True once the agent has been asked to stop. */
  isStopping?(): boolean
  /** Nothing begins before this: the agent's own ports come first. */
  readonly begin?: Promise<unknown>
  readonly log: Logger
  readonly clock: Clock
}

/** What watches a running agent, as `-Dflume.monitoring.…` asks. It never stops or delays the agent (O-07). */
export class Monitoring {
  readonly #parts: MonitoringParts
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #port: ((port: number | undefined) => void) | undefined
  /** The port of the page server once it listens; undefined when there is none. */
  readonly port: Promise<number | undefined>

  constructor(parts: MonitoringParts) {
    this.#parts = { ...parts, log: parts.log.child('monitoring') }
    this.port = new Promise((resolve) => {
      this.#port = resolve
    })
    const { plan, problems } = readMonitoring(parts.properties)
    for (const problem of problems) this.#parts.log.error(problem)
    this.#running = this.#run(plan)
  }

  /** Ends the server or the sender. Safe twice. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(plan: HttpPlan | GangliaPlan | undefined): Promise<void> {
    // An agent that cannot start says so itself.
    await Promise.race([this.#parts.begin, aborted(this.#stop.signal)]).catch(() => undefined)
    if (plan && plan.type !== 'ganglia') return this.#serve(plan)
    this.#port?.(undefined)
    if (plan) await this.#report(plan)
  }

  /** Serves the pages; while the port cannot be had, it is tried again. */
  async #serve({ type, host, port }: HttpPlan): Promise<void> {
    const { snapshot, isStopping, log } = this.#parts
    const { signal } = this.#stop
    const words = { snapshot, processUse, ...(isStopping ? { isStopping } : {}) }
    const page = agentPages({ ...words, metrics: type === 'prometheus' ? 'prometheus' : 'json' })
    let failures = 0
    while (!signal.aborted) {
      try {
        const server = await PageServer.open({ host, port, log, page })
        log.info(`metrics are at http://${host.includes(':') ? `[${host}]` : host}:${server.port}/metrics`)
        this.#port?.(server.port)
        await aborted(signal)
        await server.close()
      } catch (error) {
        if (failures++ === 0)
          log.error(`${explain(error)}; the agent runs without, trying again every ${againAfterMs / 1000} s`)
        await this.#pause(againAfterMs)
      }
    }
    this.#port?.(undefined)
  }

  /** Sends every number to Ganglia, at once and then at every interval. */
  async #report({ targets, ganglia3, pollMs }: GangliaPlan): Promise<void> {
    const { snapshot, log } = this.#parts
    const sender = new GangliaSender({ targets, ganglia3, log })
    const host = hostname()
    while (!this.#stop.signal.aborted) {
      const metrics = Object.entries(flumeMetrics(snapshot())).flatMap(([component, values]) =>
        Object.entries(values).map(([name, value]) => ({ host, name: `flume.${component}.${name}`, value })),
      )
      // A name that takes its time to be looked up must not hold a stop back.
      await Promise.race([sender.send(metrics), aborted(this.#stop.signal)])
      await this.#pause(pollMs)
    }
    sender.close()
  }

  async #pause(delayMs: number): Promise<void> {
    await this.#parts.clock.sleep(delayMs, this.#stop.signal).catch(() => undefined)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function processUse(): ProcessUse {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return { residentBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6 }
}
