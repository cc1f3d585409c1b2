import type { ConfigSource } from '../agent/config/source.ts'
import type { Agent, ReloadReport } from '../agent/runtime/agent.ts'
import type { Clock } from '../core/clock.ts'
import { explain } from '../core/error.ts'
import type { Logger } from '../monitor/logger.ts'
import { formatFinding } from '../spec/finding.ts'

/** A file that is being written is read once it has been left alone for this long. */
const quietMs = 500
/** Somebody who never leaves it alone does not keep it from being read for longer than this. */
const quietMaxMs = 10_000

export interface ReloaderParts {
  readonly source: Pick<ConfigSource, 'changed' | 'load'>
  readonly agent: Pick<Agent, 'reload'>
  readonly clock: Clock
  readonly log: Logger
  /** How often the files are looked at; undefined: only when asked. */
  readonly pollIntervalMs: number | undefined
  /** Takes each line of findings. */
  readonly say: (line: string) => void
}

/** Looks after an agent's configuration: what changes there is carried over to the running agent (R-01…R-07). */
export class Reloader {
  readonly #parts: ReloaderParts
  readonly #stop = new AbortController()
  #polling: Promise<void> | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(parts: ReloaderParts) {
    this.#parts = parts
  }

  start(): void {
    const { pollIntervalMs } = this.#parts
    if (pollIntervalMs !== undefined) this.#polling ??= this.#poll(pollIntervalMs)
  }

  /** Reads the configuration now, changed or not. Never rejects. */
  now(): Promise<void> {
    this.#last = this.#last.then(() => this.#reload())
    return this.#last
  }

  /** Resolves when nothing is being changed any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#polling
    await this.#last
  }

  async #poll(intervalMs: number): Promise<void> {
    const { source, clock } = this.#parts
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined)
      // Also after a file that was wrong, and one whose agent did not start: the mended one must be seen.
      if (!signal.aborted && (await source.changed())) await this.now()
    }
  }

  async #reload(): Promise<void> {
    const { source, agent, log, say } = this.#parts
    if (this.#stop.signal.aborted) return
    try {
      const { model, findings } = await this.#loadQuietly(source)
      for (const finding of findings) say(formatFinding(finding))
      if (!model) {
        log.error('the configuration is wrong: nothing is changed, the agent runs on as it is')
        return
      }
      if (this.#stop.signal.aborted) return
      this.#tell(await agent.reload(model))
    } catch (error) {
      // Flume's poller ends without a word here, and no later change is seen.
      log.error(`the configuration could not be taken over: ${explain(error)}`)
    }
  }

  /** Reads the configuration until it stays as it was read. */
  async #loadQuietly(source: ReloaderParts['source']) {
    const { clock } = this.#parts
    const untilMs = clock.monotonic() + quietMaxMs
    for (;;) {
      const loaded = await source.load()
      await clock.sleep(quietMs, this.#stop.signal).catch(() => undefined)
      if (this.#stop.signal.aborted || clock.monotonic() >= untilMs || !(await source.changed())) return loaded
    }
  }

  #tell({ outcome, changes, error }: ReloadReport): void {
    const { log } = this.#parts
    const kept = changes.filter(({ change }) => change === 'keep').length
    if (outcome === 'unchanged') {
      log.info('the configuration says what runs already: nothing is changed')
      return
    }
    const done = changes.filter(({ change }) => change !== 'keep')
    const said = done.map(({ kind, name, change, why }) => `${kind} ${name} ${words[change]} (${why})`).join(', ')
    if (outcome === 'applied') log.info(`the configuration was taken over: ${said}; ${kept} of ${changes.length} kept`)
    else
      log.error(
        `the configuration was not taken over, the agent runs as before: ${explain(error)}; wanted: ${said}; SIGHUP tries again`,
      )
  }
}

const words = { keep: 'kept', start: 'started', stop: 'stopped', restart: 'restarted', adjust: 'adjusted' } as const
