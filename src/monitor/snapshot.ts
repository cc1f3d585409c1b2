/** One component's counters at one moment, under the names of Flume's `/metrics` (flume-protocols §10.1). */
export interface ComponentMetrics {
  readonly kind: 'SOURCE' | 'CHANNEL' | 'SINK'
  readonly name: string
  /** The component's type, such as `netcat`. */
  readonly type: string
  readonly values: Readonly<Record<string, number>>
}

/**
 * Why events are neither delivered nor held any more. Of a source: `interceptor` (left out by one), `no-route` (the
 * selector sent them nowhere). Of a channel: `refused-as-optional` (copies it had no room for and did not have to take,
 * P-03), `given-up` (the destination does not want them, and the sink is told to go on without), `lost-at-stop` (still in
 * memory when the agent stopped), `dead-letter` (a sink set them aside: they are in its dead-letter channel).
 */
export type DropReason = string

/**
 * The balance of one channel: `entered = delivered + held + dropped`. It holds at every moment it is read, also in the
 * middle of a put or a take.
 */
export interface ChannelLedger {
  readonly channel: string
  /** Events that were found in the channel when it was opened, were put into it, or were offered to it as optional. */
  readonly entered: number
  /** Of these, those that were found there at the opening: a durable channel keeps them over a restart. */
  readonly recovered: number
  readonly delivered: number
  /** Events in the channel, those lent to sinks included. */
  readonly held: number
  readonly dropped: Readonly<Record<DropReason, number>>
  /** True for a channel whose events live elsewhere (Kafka), where others may put and take them: it need not balance. */
  readonly external?: boolean
}

/**
 * The balance of one source: `received = accepted + refused`, and of each accepted event either a copy entered each
 * channel it was routed to, or it was dropped with a reason: `accepted = routed + dropped`.
 */
export interface SourceLedger {
  readonly source: string
  /** Events whose delivery has been answered. */
  readonly received: number
  /** Events being delivered at this moment; they are in no other number. */
  readonly underWay: number
  readonly accepted: number
  readonly refused: number
  /** Accepted events that went to at least one channel. */
  readonly routed: number
  /** Accepted events that went nowhere: left out by an interceptor, no route, … */
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Copies that each channel took from this source, those of deliveries that another channel refused included (P-02). */
  readonly entered: Readonly<Record<string, number>>
}

export interface ComponentHealth {
  readonly kind: 'source' | 'channel' | 'sink'
  readonly name: string
  /** `starting`: not yet ready. `failing`: the last try failed and goes on being tried. `stopped`: ended for good. */
  readonly state: 'starting' | 'running' | 'failing' | 'stopped'
  /** What is wrong, in one line. */
  readonly problem?: string
}

/** Everything that can be watched of an agent, at one moment; also before it runs and after it has stopped. */
export interface AgentSnapshot {
  readonly agent: string
  readonly takenAtMs: number
  readonly components: readonly ComponentMetrics[]
  readonly sources: readonly SourceLedger[]
  readonly channels: readonly ChannelLedger[]
  readonly health: readonly ComponentHealth[]
}
