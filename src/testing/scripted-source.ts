import { type Delivered, EventBatch, FlumeError, type Source, type SourceContext } from '../agent/contract.ts'

/** An event as tests write it: its body, or its body and headers. */
export type TestEvent =
  | string
  | { readonly body: string | Uint8Array; readonly headers?: Readonly<Record<string, string>> }

export interface SourceStep {
  /** Pause before it, in milliseconds. */
  readonly afterMs?: number
  /** Delivered as one transaction. */
  readonly events: readonly TestEvent[]
  /** How often the step is done; once when left out. */
  readonly times?: number
}

/** What became of one delivery of a script. */
export interface Answer {
  /** When it was answered, in milliseconds of the test's clock. */
  readonly atMs: number
  /** The code of the refusal, such as CHANNEL_FULL, or `ok`. */
  readonly answer: string
}

/** Stands in for a source: delivers what the test says through the configured interceptors, selector and channels. */
export class ScriptedSource {
  readonly name: string
  #context: SourceContext | undefined
  #startFailures: string[] = []

  constructor(name: string) {
    this.name = name
  }

  /** True while the agent has started it and not stopped it. */
  get isRunning(): boolean {
    return this.#context !== undefined && !this.#context.signal.aborted
  }

  /** Delivers events as one transaction; resolves when they are acknowledged, rejects what refused them. */
  async send(...events: readonly TestEvent[]): Promise<void> {
    await this.#running().deliver(batchOf(events))
  }

  /** Delivers events as if each were a transaction of its own, as netcat and syslog do. */
  async sendEach(...events: readonly TestEvent[]): Promise<Delivered> {
    return this.#running().deliverEach(batchOf(events))
  }

  /** Delivers step by step, each after the answer to the one before; resolves with the answers. */
  async script(steps: readonly SourceStep[]): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    for (const { afterMs = 0, events, times = 1 } of steps) {
      for (let i = 0; i < times; i++) {
        const { clock, signal } = this.#running()
        await clock.sleep(afterMs, signal)
        const answer = await this.send(...events).then(() => 'ok', codeOf)
        answers.push({ atMs: clock.now(), answer })
      }
    }
    return answers
  }

  /** The next `times` starts fail with this message, as when a port is in use. */
  failsToStart(message: string, times = 1): void {
    this.#startFailures.push(...Array.from({ length: times }, () => message))
  }

  /** The source itself, for the agent. */
  create(context: SourceContext): Source {
    return { run: () => this.#run(context) }
  }

  async #run(context: SourceContext): Promise<void> {
    const failure = this.#startFailures.shift()
    if (failure !== undefined) throw new FlumeError('IO', failure, { retry: true })
    this.#context = context
    context.ready('the test')
    if (context.signal.aborted) return
    await new Promise<void>((resolve) => {
      context.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #running(): SourceContext {
    if (this.#context && this.isRunning) return this.#context
    throw new FlumeError('INVALID_STATE', `source ${this.name} does not run`)
  }
}

function batchOf(events: readonly TestEvent[]): EventBatch {
  return EventBatch.of(events.map((event) => (typeof event === 'string' ? { body: event } : event)))
}

function codeOf(error: unknown): string {
  return error instanceof FlumeError ? error.code : String(error)
}
