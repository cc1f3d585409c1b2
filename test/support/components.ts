import { memory } from '../../src/agent/channel/memory.ts'
import type { AgentModel, ChannelModel, SinkGroupModel, SinkModel, SourceModel } from '../../src/agent/config/model.ts'
import {
  defineSink,
  defineSource,
  type EventBatch,
  type Sink,
  type SinkProcessorSpec,
  type SinkSpec,
  type SourceContext,
  type SourceSpec,
  type Written,
} from '../../src/agent/contract.ts'
import { replicating } from '../../src/agent/selector/replicating.ts'
import { textsOf } from './batches.ts'
import { readOptions } from './read-options.ts'

/** A source that does as the test says, through its context. */
export class HandSource {
  context: SourceContext | undefined
  /** How often `run` was called. */
  runs = 0
  /** Thrown by the next runs, one each. */
  failures: Error[] = []

  readonly spec: SourceSpec = defineSource({
    type: 'hand',
    aliases: [],
    summary: 'Driven by a test.',
    options: {},
    create: (_options, context) => ({
      run: async () => {
        this.runs++
        const failure = this.failures.shift()
        if (failure) throw failure
        this.context = context
        context.ready('the test')
        if (!context.signal.aborted) await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
      },
    }),
  })
}

/** A sink that remembers what it got, and fails when told to. */
export class RecordingSink implements Sink {
  batchSize = 100
  readonly written: string[] = []
  readonly batches: number[] = []
  /** Thrown by writes while it is set. */
  failure: Error | undefined
  /** What writes say. */
  says: Written | undefined
  attempts = 0
  stopped = false
  /** How often `start` was called, and what it throws while it is set. */
  starts = 0
  startFailure: Error | undefined

  readonly spec: SinkSpec = defineSink({
    type: 'recording',
    aliases: [],
    summary: 'For tests.',
    options: {},
    create: () => this,
  })

  async start(): Promise<void> {
    this.starts++
    if (this.startFailure) throw this.startFailure
  }

  async write(batch: EventBatch): Promise<Written> {
    this.attempts++
    if (this.failure) throw this.failure
    this.written.push(...textsOf(batch))
    this.batches.push(batch.count)
    return this.says ?? {}
  }

  async stop(): Promise<void> {
    this.stopped = true
  }
}

/** A sink that takes several writes at once; each ends when the test says so. */
export class SlowSink implements Sink {
  readonly batchSize = 2
  readonly overlap = 3
  readonly written: string[] = []
  readonly #underWay: { readonly texts: string[]; readonly end: (error?: Error) => void }[] = []

  readonly spec: SinkSpec = defineSink({
    type: 'slow',
    aliases: [],
    summary: 'For tests.',
    options: {},
    create: () => this,
  })

  /** The bodies of each write that has not ended. */
  get underWay(): readonly (readonly string[])[] {
    return this.#underWay.map(({ texts }) => texts)
  }

  write(batch: EventBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#underWay.push({ texts: textsOf(batch), end: (error) => (error ? reject(error) : resolve()) })
    })
  }

  /** Ends the write that has been under way for the longest time. */
  endOldest(error?: Error): void {
    const oldest = this.#underWay.shift()
    if (!error) this.written.push(...(oldest?.texts ?? []))
    oldest?.end(error)
  }
}

export function memoryModel(
  name: string,
  limits: { capacity?: number; transactionCapacity?: number } = {},
): ChannelModel {
  return {
    name,
    spec: memory,
    fingerprint: name,
    options: {
      capacity: 100,
      transactionCapacity: 100,
      'keep-alive': 3,
      byteCapacity: undefined,
      byteCapacityBufferPercentage: 20,
      ...limits,
    },
  }
}

export function sourceModel(
  name: string,
  spec: SourceSpec,
  channels: string[],
  more: Partial<SourceModel> & { optional?: string[] } = {},
): SourceModel {
  const { optional = [], ...rest } = more
  return {
    name,
    spec,
    options: {},
    fingerprint: name,
    channels,
    selector: { spec: replicating, options: { optional } },
    interceptors: [],
    ...rest,
  }
}

export function sinkModel(name: string, spec: SinkSpec, channel: string, batchLimit?: number): SinkModel {
  return { name, spec, options: {}, fingerprint: name, channel, batchLimit }
}

export function agentModel(
  parts: Omit<AgentModel, 'name' | 'groups'> & Partial<Pick<AgentModel, 'groups'>>,
): AgentModel {
  return { name: 'a1', groups: [], ...parts }
}

export function groupModel(
  name: string,
  spec: SinkProcessorSpec,
  sinks: string[],
  texts: Readonly<Record<string, unknown>> = {},
): SinkGroupModel {
  return {
    name,
    spec,
    sinks,
    options: { ...readOptions(spec), ...texts },
    fingerprint: `${name} ${spec.type} ${JSON.stringify(texts)}`,
  }
}
