import { memory } from '../../src/agent/channel/memory.ts'
import type { AgentModel, ChannelModel, SinkModel, SourceModel } from '../../src/agent/config/model.ts'
import {
  defineSink,
  defineSource,
  type EventBatch,
  type Sink,
  type SinkSpec,
  type SourceContext,
  type SourceSpec,
} from '../../src/agent/contract.ts'
import { replicating } from '../../src/agent/selector/replicating.ts'
import { textsOf } from './batches.ts'

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
  attempts = 0
  stopped = false

  readonly spec: SinkSpec = defineSink({
    type: 'recording',
    aliases: [],
    summary: 'For tests.',
    options: {},
    create: () => this,
  })

  async write(batch: EventBatch): Promise<void> {
    this.attempts++
    if (this.failure) throw this.failure
    this.written.push(...textsOf(batch))
    this.batches.push(batch.count)
  }

  async stop(): Promise<void> {
    this.stopped = true
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
