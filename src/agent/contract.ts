import type { Charset } from '../codec/charset.ts'
import type { Clock } from '../core/clock.ts'
import type { EventBatch, HeaderColumn } from '../core/event-batch.ts'
import type { Random } from '../core/random.ts'
import type { ChannelCounters, SinkCounters, SourceCounters } from '../monitor/counters.ts'
import type { Logger } from '../monitor/logger.ts'
import type { Severity } from '../spec/finding.ts'
import type { Options, OptionTable } from '../spec/option.ts'

export type { Clock, Timer } from '../core/clock.ts'
export { FlumeError, RefusedEventsError } from '../core/error.ts'
export { BatchBuilder, EventBatch, type HeaderColumn } from '../core/event-batch.ts'
export {
  bytes,
  choice,
  count,
  flag,
  list,
  millis,
  nested,
  parsed,
  port,
  prefix,
  required,
  seconds,
  secret,
  text,
  whole,
} from '../spec/option.ts'

/** What an agent was started with, beyond its configuration file. */
export interface AgentSettings {
  /** File-system addresses served from local folders (`--mount hdfs://namenode:8020=./data/hdfs`). */
  readonly mounts: ReadonlyMap<string, string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** `-Dkey=value` of the command line. */
  readonly properties: ReadonlyMap<string, string>
}

/** What is known of the agent's settings when its configuration is checked. */
export type CheckSettings = Pick<AgentSettings, 'env' | 'properties'>

interface ComponentContext {
  /** The component's name in the configuration, such as `r1`. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly settings: AgentSettings
}

// ── Sources ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What became of events that were delivered one by one. */
export interface Delivered {
  /** Events kept by every required channel: the first `accepted` of the batch. */
  readonly accepted: number
  /** Why the event after those was refused; absent when all were accepted. */
  readonly error?: Error
}

export interface SourceContext extends ComponentContext {
  readonly counters: SourceCounters
  /** Aborts when the source must stop. Stop reading, finish what is being delivered, return from `run`. */
  readonly signal: AbortSignal
  /**
   * Hands a batch over as one transaction: runs the interceptors and the selector, then puts. Resolves when every
   * required channel has committed; that promise is the acknowledgement and the back-pressure. Rejects CHANNEL_FULL or
   * BATCH_TOO_LARGE (Flume: a batch above transactionCapacity fails whole, S-02); nothing may be acknowledged then.
   */
  deliver(batch: EventBatch): Promise<void>
  /**
   * Hands events over as if each were a transaction of its own (Flume's netcat, syslog: S-23, S-50), in as few puts as
   * capacity allows. Stops at the first refusal. Never rejects.
   */
  deliverEach(batch: EventBatch): Promise<Delivered>
  /** Most events that `deliver` takes at once: the smallest transactionCapacity among the source's channels. */
  readonly transactionCapacity: number
  /** To be called once the source takes input; `where` is what people should see, such as `localhost:44444`. */
  ready(where: string): void
  /** Lines typed on the agent's own terminal, for the one source that gets them; each chunk is raw bytes. */
  readonly console: AsyncIterable<Uint8Array> | undefined
}

export interface Source {
  /**
   * Runs until the context's signal aborts. Everything acquired is released before it settles. A throw means
   * "start me again after back-off" (Flume tries again every 3 s, M-03).
   */
  run(): Promise<void>
}

// ── Channels ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface ChannelContext extends ComponentContext {
  readonly counters: ChannelCounters
}

/** Nobody outside a channel writes begin, commit, rollback or close: a hand-over is a scope. */
export interface Channel {
  /** Most events of one put or take. */
  readonly transactionCapacity: number
  readonly capacity: number
  /**
   * Events held now, those lent out included. It changes in the same step as the counters `eventPutSuccess` and
   * `eventTakeSuccess`, which the channel keeps itself, so that the ledger balances whenever it is read.
   */
  readonly size: number
  /** How many events a put could take now without waiting, as far as is known; a hint, not a promise. */
  readonly room: number
  /** How many of `size` would be gone if the process ended now. Left out: none of a durable channel, all of another. */
  readonly atRisk?: number
  /** What does not work at the moment, in one line; undefined when everything does. The agent's health shows it. */
  readonly problem?: string | undefined

  /** Opens the channel; rejects when it cannot keep its promise (a locked directory, a damaged log). */
  start?(): Promise<void>
  /** Resolves when the batch is kept by this channel's promise; rejects CHANNEL_FULL when no room appears in time, BATCH_TOO_LARGE above transactionCapacity. */
  put(batch: EventBatch): Promise<void>
  /**
   * Lends up to `max` events. `use` returned: they are gone. Thrown: they are back, in order, ahead of newer ones, and
   * the rejection is handed on. Nothing to lend in time, or the signal aborted: `use` is not called, the answer is
   * undefined. Takes may overlap; each lends its own events.
   */
  take<T>(max: number, use: (batch: EventBatch) => Promise<T>, signal?: AbortSignal): Promise<T | undefined>
  /** New options for the live channel, where its spec says `adjustable`: events stay, what does not fit is given up with a warning. */
  reconfigure?(options: Readonly<Record<string, unknown>>): Promise<void>
  /** Ends the channel; puts and takes reject CLOSED afterwards. */
  stop?(): Promise<void>
}

// ── Sinks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface SinkContext extends ComponentContext {
  readonly counters: SinkCounters
}

/** What a sink may say of a batch that it is rid of; saying nothing means: delivered, go on. */
export interface Written {
  /** False: the destination did not take the events, and the configuration says to go on without them; the ledger has them as dropped. */
  readonly delivered?: boolean
  /** Whether they count in EventDrainSuccessCount; as `delivered` when left out. */
  readonly counted?: boolean
  /** Pause before the next batch, longer each time in a row (Flume's Status.BACKOFF, M-06). */
  readonly pause?: boolean
}

/** A sink that is handed batches. The runner owns the loop, the take, the back-off and the counters of batches and events. */
export interface Sink {
  /** Most events that one `write` wants. */
  readonly batchSize: number
  /**
   * Writes that may be under way at once, in the order of the calls; 1 when left out. Where one fails, those called after
   * it must fail too, so that their events come back in order.
   */
  readonly overlap?: number
  /** Opens what can be opened early. A rejection is logged and tried again (M-03). */
  start?(): Promise<void>
  /** Called before each take; a rejection leaves the events in the channel (Flume's avro sink, K-05a). */
  connect?(): Promise<void>
  /**
   * Returning means that the sink is rid of the events, delivered unless it says otherwise: they leave the channel. A
   * throw brings them back and pauses the runner, unless the error is to be tried again `atOnce`; a RefusedEventsError
   * says that it is the events' fault, so that they can be set aside.
   */
  write(batch: EventBatch): Promise<void> | Promise<Written>
  /** Closes everything; called once no write is under way. */
  stop?(): Promise<void>
}

/** A sink whose peer pulls (Spark's polling receiver): it owns its takes. */
export interface PulledSink {
  /** Serves until the signal aborts; a throw means "start me again after back-off". */
  serve(channel: Pick<Channel, 'take' | 'transactionCapacity'>, signal: AbortSignal): Promise<void>
}

// ── Sink processors ────────────────────────────────────────────────────────────────────────────────────────────────

/** `ready`: a batch was delivered. `backoff`: there was nothing to take in time. */
export type Processed = 'ready' | 'backoff'

/** A sink of a group, as its processor sees it: one call is one take and one write. */
export interface DrivenSink {
  readonly name: string
  /** Rejects when the sink failed; the events are back in the channel then. */
  process(): Promise<Processed>
}

/** Decides which sink of a group works next (Flume's sink processors, K-01…K-11). */
export interface SinkProcessor {
  /** One round. Rejects when no sink could deliver; the runner pauses then as M-06 says. */
  process(): Promise<Processed>
}

export interface SinkProcessorContext extends ComponentContext {
  /** The group's sinks in the order of its `sinks` list. */
  readonly sinks: readonly DrivenSink[]
}

// ── Interceptors, selectors, serializers, deserializers ────────────────────────────────────────────────────────────

/** Changes or filters a batch; synchronous, no I/O. What it leaves out is dropped and reported as accepted (P-06). */
export interface Interceptor {
  intercept(batch: EventBatch): EventBatch
  close?(): void
}

export interface SelectorContext extends ComponentContext {
  /** Names of the source's channels, in the order of its `channels` list. */
  readonly channels: readonly string[]
}

/** Events of a batch for one channel. The failure of an optional channel is only logged (P-03). */
export interface Route {
  readonly channel: string
  readonly batch: EventBatch
  readonly required: boolean
  /**
   * Which events of the routed batch these are, ascending; left out: all of it, or those that lie at the same place of
   * its bytes. The ledger counts by it what went nowhere.
   */
  readonly events?: ArrayLike<number>
}

/** Decides which channels get which events. */
export interface Selector {
  route(batch: EventBatch): readonly Route[]
}

/** Turns batches into the bytes of a file. */
export interface Serializer {
  /** Bytes at the start of a new file. */
  begin(): Uint8Array
  /** The batch's bytes; one allocation at most, none where ranges serve. The next call comes when this one is settled. */
  encode(batch: EventBatch): Uint8Array | Promise<Uint8Array>
  /** Bytes at the end of a file that is closed in order. */
  end(): Uint8Array
  /** True when `encode` after reopening an existing file would continue it correctly. */
  readonly appendable: boolean
  /**
   * What must be the same for all events of a file, such as their schema: a new file is begun where it changes. Asked of
   * any serializer of the sink, before files are chosen.
   */
  fileKeys?(batch: EventBatch): HeaderColumn
}

export type SerializerContext = Pick<ComponentContext, 'clock' | 'random' | 'log' | 'settings'>

/** Cuts a file's bytes into events. */
export interface Deserializer {
  /** The next events, up to `max`, and the offset in bytes just behind them; undefined at the end of the file. */
  read(max: number): Promise<{ readonly batch: EventBatch; readonly offset: number } | undefined>
}

/** An open file as a deserializer sees it. */
export interface DeserializerInput {
  readonly path: string
  readonly sizeBytes: number
  /** Where reading starts: 0, or what an earlier `read` returned as `offset`. */
  readonly offset: number
  /** Reads into `target` at `position`; resolves to the bytes read, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>
  /** What the file's text is written in, and what becomes of bytes that are none (S-79); binary formats ignore both. */
  readonly charset: Charset
  readonly malformed: 'FAIL' | 'REPLACE' | 'IGNORE'
  /** The source's own older option for the longest line, in characters; it overrides the deserializer's. */
  readonly maxLineLength?: number | undefined
  readonly log: Logger
}

// ── Config filters ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface ConfigFilterContext {
  /** The filter's name in the configuration. */
  readonly name: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
}

/** Gives values that must not stand in the configuration: `${name['key']}` (C-26). Asked while it is read, once a key. */
export interface ConfigFilter {
  /** The value behind a key; undefined when there is none. A rejection is reported and leaves the text as it is. */
  get(key: string): Promise<string | undefined>
  /** The file a key's value is read from, so that a reload notices when it changes. */
  fileOf?(key: string): string
}

// ── Specs: what a component is, said once ──────────────────────────────────────────────────────────────────────────

/** Something wrong between options that are each right on their own. */
export interface OptionProblem {
  /** The option it is about. */
  readonly option: string
  readonly severity?: Severity
  readonly code?: string
  readonly message: string
  readonly hint?: string
}

interface SpecBase<S extends OptionTable> {
  /** The name users write: Flume's alias, or the class's short name where Flume has no alias. */
  readonly type: string
  /** How people write it where that is not the type, such as `HDFS`. */
  readonly title?: string
  /** Flume's class name and spoken names that mean the same. */
  readonly aliases: readonly string[]
  readonly summary: string
  readonly options: S
  /** Keys that people take for one of its options: the key as written → the option, such as `bind` → `host`. */
  readonly misnamed?: Readonly<Record<string, keyof S & string>>
  /**
   * Rules between options. `settings` are there where the component would run on this machine: only then may it look at
   * files that the options name.
   */
  check?(options: Options<S>, settings?: CheckSettings): readonly OptionProblem[]
  /** Where the component stands, in a few words for the start-up lines, such as `localhost:44444`. */
  describe?(options: Options<S>): string
}

export interface SourceSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'source'
  /** The option whose value is checked against the channels' transactionCapacity (C-21). */
  readonly batchSizeOption?: keyof S & string
  /** The agent's terminal may be read as this source's input. */
  readonly takesConsole?: boolean
  create(options: Options<S>, context: SourceContext): Source | Promise<Source>
}

export interface ChannelSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'channel'
  /** The option that limits a transaction; absent when the channel has no such limit (C-21). */
  readonly transactionCapacityOption?: keyof S & string
  readonly capabilities: {
    /** Acknowledged events outlive the process. */
    readonly durable: boolean
    readonly ordered: boolean
    readonly overlappingTakes: boolean
    /** Events live outside the process, where others may feed or drain them (Kafka): no source, or no sink, is fine. */
    readonly external?: boolean
    /** Every option but `fixedOptions` may change while the channel lives, through `reconfigure` (R-05, MC-11). */
    readonly adjustable?: boolean
  }
  /** Options of an adjustable channel that cannot change while it lives: another value makes it anew. */
  readonly fixedOptions?: readonly (keyof S & string)[]
  create(options: Options<S>, context: ChannelContext): Channel | Promise<Channel>
}

export interface SinkSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'sink'
  readonly batchSizeOption?: keyof S & string
  /** True when these options make a PulledSink, which a group with several sinks cannot drive. */
  pulled?(options: Options<S>): boolean
  create(options: Options<S>, context: SinkContext): Sink | PulledSink | Promise<Sink | PulledSink>
}

export interface InterceptorSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'interceptor'
  create(options: Options<S>, context: ComponentContext): Interceptor | Promise<Interceptor>
}

export interface SelectorSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'selector'
  /** Channels that the options name; the configuration finds those that the source does not feed. */
  channelsNamed?(options: Options<S>): readonly { readonly option: string; readonly channel: string }[]
  create(options: Options<S>, context: SelectorContext): Selector | Promise<Selector>
}

export interface SinkProcessorSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'sink processor'
  /** How many sinks a group must have for it; one or more when left out. */
  readonly sinkCount?: { readonly min?: number; readonly max?: number }
  /** Sinks that the options name; the configuration finds those that are not in the group. */
  sinksNamed?(options: Options<S>): readonly { readonly option: string; readonly sink: string }[]
  create(options: Options<S>, context: SinkProcessorContext): SinkProcessor | Promise<SinkProcessor>
}

export interface SerializerSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'serializer'
  create(options: Options<S>, context: SerializerContext): Serializer | Promise<Serializer>
}

export interface DeserializerSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'deserializer'
  create(options: Options<S>, input: DeserializerInput): Deserializer | Promise<Deserializer>
}

export interface ConfigFilterSpec<S extends OptionTable = OptionTable> extends SpecBase<S> {
  readonly kind: 'config filter'
  create(options: Options<S>, context: ConfigFilterContext): ConfigFilter
}

export type ComponentSpec =
  | SourceSpec
  | ChannelSpec
  | SinkSpec
  | InterceptorSpec
  | SelectorSpec
  | SinkProcessorSpec
  | SerializerSpec
  | DeserializerSpec
  | ConfigFilterSpec
export type ComponentKind = ComponentSpec['kind']

/** A source spec whose `create` sees its options typed; the list holds it without those types. */
export function defineSource<S extends OptionTable>(spec: Omit<SourceSpec<S>, 'kind'>): SourceSpec {
  return { ...spec, kind: 'source' } as unknown as SourceSpec
}

export function defineChannel<S extends OptionTable>(spec: Omit<ChannelSpec<S>, 'kind'>): ChannelSpec {
  return { ...spec, kind: 'channel' } as unknown as ChannelSpec
}

export function defineSink<S extends OptionTable>(spec: Omit<SinkSpec<S>, 'kind'>): SinkSpec {
  return { ...spec, kind: 'sink' } as unknown as SinkSpec
}

export function defineInterceptor<S extends OptionTable>(spec: Omit<InterceptorSpec<S>, 'kind'>): InterceptorSpec {
  return { ...spec, kind: 'interceptor' } as unknown as InterceptorSpec
}

export function defineSelector<S extends OptionTable>(spec: Omit<SelectorSpec<S>, 'kind'>): SelectorSpec {
  return { ...spec, kind: 'selector' } as unknown as SelectorSpec
}

export function defineSinkProcessor<S extends OptionTable>(
  spec: Omit<SinkProcessorSpec<S>, 'kind'>,
): SinkProcessorSpec {
  return { ...spec, kind: 'sink processor' } as unknown as SinkProcessorSpec
}

export function defineSerializer<S extends OptionTable>(spec: Omit<SerializerSpec<S>, 'kind'>): SerializerSpec {
  return { ...spec, kind: 'serializer' } as unknown as SerializerSpec
}

export function defineDeserializer<S extends OptionTable>(spec: Omit<DeserializerSpec<S>, 'kind'>): DeserializerSpec {
  return { ...spec, kind: 'deserializer' } as unknown as DeserializerSpec
}

export function defineConfigFilter<S extends OptionTable>(spec: Omit<ConfigFilterSpec<S>, 'kind'>): ConfigFilterSpec {
  return { ...spec, kind: 'config filter' } as unknown as ConfigFilterSpec
}
