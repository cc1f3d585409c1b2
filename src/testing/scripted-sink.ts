import { type Clock, type EventBatch, FlumeError, type Sink } from '../agent/contract.ts'

/** What a sink does for a while. A step without `forMs` and `times` is the last one. */
export interface SinkStep {
  /** `timesOut` is a failure that comes only after the write has taken its time. */
  readonly does: 'works' | 'fails' | 'timesOut'
  /** What the failure says; "the destination does not answer" for a time-out. */
  readonly message?: string
  /** How long each write takes, in milliseconds; 0 when left out, 10,000 for a time-out. */
  readonly tookMs?: number
  /** Whether the failure may pass by itself; it may when left out. */
  readonly retry?: boolean
  /** How long the step lasts, counted from the end of the one before. */
  readonly forMs?: number
  /** How many writes it covers. */
  readonly times?: number
}

/** One write, as it went. */
export interface Attempt {
  readonly atMs: number
  /** Events in the batch. */
  readonly count: number
  /** `delivered`, or what the failure said. */
  readonly outcome: string
}

/** An event that arrived, its body as text. */
export interface ReceivedEvent {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const works: SinkStep = { does: 'works' }
const timeOutMs = 10_000

/** Stands in for a sink: keeps what arrives, and fails as its script says. */
export class ScriptedSink {
  readonly name: string
  readonly #clock: Clock
  readonly #received: ReceivedEvent[] = []
  readonly #attempts: Attempt[] = []
  #steps: SinkStep[] = []
  #stepBeganMs = 0
  #stepWrites = 0
  #openFailures: string[] = []
  #isOpen = false

  constructor(name: string, clock: Clock) {
    this.name = name
    this.#clock = clock
  }

  /** Everything delivered so far, in order. */
  get received(): readonly ReceivedEvent[] {
    return this.#received
  }

  /** The bodies of everything delivered so far, in order. */
  get bodies(): readonly string[] {
    return this.#received.map(({ body }) => body)
  }

  /** Every write so far, failed ones included. */
  get attempts(): readonly Attempt[] {
    return this.#attempts
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** What it does from now on, step after step; after the last one it works. */
  script(steps: readonly SinkStep[]): void {
    this.#steps = [...steps]
    this.#stepBeganMs = this.#clock.monotonic()
    this.#stepWrites = 0
  }

  /** The next `times` openings fail with this message. */
  failsToOpen(message: string, times = 1): void {
    this.#openFailures.push(...Array.from({ length: times }, () => message))
  }

  /** The sink itself, for the agent. */
  create(batchSize: number): Sink {
    return {
      batchSize,
      start: async () => {
        const failure = this.#openFailures.shift()
        if (failure !== undefined) throw new FlumeError('IO', failure, { retry: true })
        this.#isOpen = true
      },
      write: (batch) => this.#write(batch),
      stop: async () => {
        this.#isOpen = false
      },
    }
  }

  async #write(batch: EventBatch): Promise<void> {
    const atMs = this.#clock.now()
    const step = this.#step()
    const { does, tookMs = does === 'timesOut' ? timeOutMs : 0, retry = true } = step
    if (tookMs > 0) await this.#clock.sleep(tookMs)
    if (does !== 'works') {
      const { message = does === 'timesOut' ? 'the destination does not answer' : 'the write failed' } = step
      this.#attempts.push({ atMs, count: batch.count, outcome: message })
      throw new FlumeError(does === 'timesOut' ? 'TIMEOUT' : 'IO', message, { retry })
    }
    for (const { headers, body } of batch.events()) {
      this.#received.push({ headers, body: Buffer.from(body.buffer, body.byteOffset, body.length).toString() })
    }
    this.#attempts.push({ atMs, count: batch.count, outcome: 'delivered' })
  }

  /** The step that the write beginning now falls into. */
  #step(): SinkStep {
    const nowMs = this.#clock.monotonic()
    for (let step = this.#steps[0]; step; step = this.#steps[0]) {
      const { forMs = Number.POSITIVE_INFINITY, times = Number.POSITIVE_INFINITY } = step
      if (nowMs < this.#stepBeganMs + forMs && this.#stepWrites < times) {
        this.#stepWrites++
        return step
      }
      this.#steps.shift()
      this.#stepBeganMs = Math.min(nowMs, this.#stepBeganMs + forMs)
      this.#stepWrites = 0
    }
    return works
  }
}
