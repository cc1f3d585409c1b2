import type {
  ChannelSpec,
  InterceptorSpec,
  SelectorSpec,
  SinkProcessorSpec,
  SinkSpec,
  SourceSpec,
} from '../contract.ts'

/** Values as a spec's `create` takes them. */
export type OptionValues = Readonly<Record<string, unknown>>

/** The agent that would run: only what survived the checks, every type resolved, every option read. */
export interface AgentModel {
  readonly name: string
  readonly channels: readonly ChannelModel[]
  readonly sources: readonly SourceModel[]
  readonly sinks: readonly SinkModel[]
  /** Sinks in no group run alone. */
  readonly groups: readonly SinkGroupModel[]
}

interface ComponentModel {
  readonly name: string
  readonly options: OptionValues
  /** The keys and values as configured, in one canonical text: equal texts mean "nothing changed", for reload. */
  readonly fingerprint: string
}

export interface ChannelModel extends ComponentModel {
  readonly spec: ChannelSpec
}

export interface SourceModel extends ComponentModel {
  readonly spec: SourceSpec
  /** Names of channels in the model, in the order of the `channels` list. */
  readonly channels: readonly string[]
  readonly selector: { readonly spec: SelectorSpec; readonly options: OptionValues }
  readonly interceptors: readonly {
    readonly name: string
    readonly spec: InterceptorSpec
    readonly options: OptionValues
  }[]
}

export interface SinkModel extends ComponentModel {
  readonly spec: SinkSpec
  /** Name of a channel in the model. */
  readonly channel: string
  /** Most events per take where the sink's own default is above the channel's transactionCapacity. */
  readonly batchLimit: number | undefined
  /** Where events go that can never be delivered. */
  readonly deadLetters?: DeadLetterModel | undefined
}

export interface DeadLetterModel {
  /** Name of another channel in the model. */
  readonly channel: string
  /** How often an event is tried alone that is refused while others are taken; undefined: nothing is done by guessing. */
  readonly attempts: number | undefined
}

export interface SinkGroupModel extends ComponentModel {
  readonly spec: SinkProcessorSpec
  /** Names of sinks in the model, each in this group only, in the order of the `sinks` list. */
  readonly sinks: readonly string[]
}
