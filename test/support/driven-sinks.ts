import type {
  DrivenSink,
  Processed,
  SinkProcessor,
  SinkProcessorContext,
  SinkProcessorSpec,
} from '../../src/agent/contract.ts'
import { type Random, seededRandom } from '../../src/core/random.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { readOptions } from './read-options.ts'
import { RecordingLogger } from './recording-logger.ts'

/** Events as a number: each round of a fake sink takes one. */
export class Supply {
  left = 0
}

export class FakeSink implements DrivenSink {
  readonly name: string
  readonly #supply: Supply
  /** Events delivered. */
  taken = 0
  /** How many more it can deliver before it fails. */
  good = Number.POSITIVE_INFINITY
  failing = false
  /** Rounds, failed ones included. */
  rounds = 0

  constructor(name: string, supply: Supply) {
    this.name = name
    this.#supply = supply
  }

  async process(): Promise<Processed> {
    this.rounds++
    if (this.#supply.left === 0) return 'backoff'
    if (this.failing || this.good === 0) throw new Error(`${this.name} is broken`)
    this.good--
    this.#supply.left--
    this.taken++
    return 'ready'
  }
}

/** A group of fake sinks s1, s2, … under a processor made from option texts. */
export async function group(
  spec: SinkProcessorSpec,
  options: Readonly<Record<string, unknown>>,
  { sinks: count = 3, random = seededRandom(1) as Random } = {},
) {
  const supply = new Supply()
  const clock = new ManualClock()
  const log = new RecordingLogger()
  const sinks = Array.from({ length: count }, (_, i) => new FakeSink(`s${i + 1}`, supply))
  const context: SinkProcessorContext = {
    name: 'g1',
    clock,
    random,
    log,
    settings: { mounts: new Map(), env: {}, properties: new Map() },
    sinks,
  }
  const processor: SinkProcessor = await spec.create({ ...readOptions(spec), ...options }, context)
  /** Rounds until the supply is used up, or a round rejects. */
  const drain = async (): Promise<void> => {
    while ((await processor.process()) === 'ready') {
      // One event a round.
    }
  }
  const rounds = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) await processor.process()
  }
  const shares = (): number[] => sinks.map(({ taken }) => taken)
  return { supply, clock, log, sinks, processor, drain, rounds, shares }
}
