import type { Clock, SinkContext } from '../../src/agent/contract.ts'
import { systemClock } from '../../src/core/clock.ts'
import { seededRandom } from '../../src/core/random.ts'
import { SinkCounters } from '../../src/monitor/counters.ts'
import { type Logger, silentLogger } from '../../src/monitor/logger.ts'

/** What a sink is given. */
export function sinkContext({
  clock = systemClock,
  log = silentLogger,
}: {
  clock?: Clock
  log?: Logger
} = {}): SinkContext {
  return {
    name: 'k1',
    clock,
    random: seededRandom(1),
    log,
    settings: { mounts: new Map(), env: {}, properties: new Map() },
    counters: new SinkCounters(),
  }
}
