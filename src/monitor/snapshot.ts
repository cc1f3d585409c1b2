/** One component's counters at one moment, under the names of Flume's `/metrics` (flume-protocols §10.1). */
export interface ComponentMetrics {
  readonly kind: 'SOURCE' | 'CHANNEL' | 'SINK'
  readonly name: string
  /** The component's type, such as `netcat`. */
  readonly type: string
  readonly values: Readonly<Record<string, number>>
}

/** Why events are neither delivered nor held any more. */
export type DropReason = string

/**
 * The balance of one channel: `entered = delivered + held + dropped`. It holds at every moment it is read, also in the
 * middle of a put or a take.
 */
export interface ChannelLedger {
  readonly channel: string
  readonly entered: number
  readonly delivered: number
  readonly held: number
  readonly dropped: Readonly<Record<DropReason, number>>
}

/**
 * The balance of one source: `received = accepted + refused`, and of each accepted event either a copy entered each
 * channel it was routed to, or it was dropped with a reason: `accepted = routed + dropped`.
 */
export interface SourceLedger {
  readonly source: string
  readonly received: number
  readonly accepted: number
  readonly refused: number
  /** Accepted events that went to at least one channel. */
  readonly routed: number
  /** Accepted events that went nowhere: left out by an interceptor, no route, … */
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Copies that each channel took from this source. */
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

/** Everything that can be watched of an agent, at one moment. */
export interface AgentSnapshot {
  readonly agent: string
  readonly takenAtMs: number
  readonly components: readonly ComponentMetrics[]
  readonly sources: readonly SourceLedger[]
  readonly channels: readonly ChannelLedger[]
  readonly health: readonly ComponentHealth[]
}
