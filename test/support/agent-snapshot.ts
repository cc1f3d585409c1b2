import type { AgentSnapshot, ComponentMetrics } from '../../src/monitor/snapshot.ts'

/** A source that took 5 events and refused 1, and a channel that gave 3 of them to a sink. Everything adds up. */
export function agentSnapshot(changes: Partial<AgentSnapshot> = {}): AgentSnapshot {
  return {
    agent: 'a1',
    takenAtMs: 1_795_413_521_000,
    components: [
      component('SOURCE', 'r1', 'netcat', { EventReceivedCount: 6, EventAcceptedCount: 5, OpenConnectionCount: 2 }),
      component('CHANNEL', 'c1', 'memory', { ChannelCapacity: 100, ChannelSize: 1, ChannelFillPercentage: 1 }),
      component('SINK', 'k1', 'logger', { EventDrainAttemptCount: 3, EventDrainSuccessCount: 3 }),
    ],
    sources: [
      {
        source: 'r1',
        received: 6,
        underWay: 2,
        accepted: 5,
        refused: 1,
        routed: 4,
        dropped: { interceptor: 1 },
        entered: { c1: 4 },
      },
    ],
    channels: [{ channel: 'c1', entered: 4, recovered: 0, delivered: 3, held: 1, dropped: {} }],
    health: [
      { kind: 'channel', name: 'c1', state: 'running' },
      { kind: 'sink', name: 'k1', state: 'running' },
      { kind: 'source', name: 'r1', state: 'running' },
    ],
    ...changes,
  }
}

export function component(
  kind: ComponentMetrics['kind'],
  name: string,
  type: string,
  values: Readonly<Record<string, number>>,
): ComponentMetrics {
  return { kind, name, type, values: { StartTime: 1_795_413_517_127, StopTime: 0, ...values } }
}
