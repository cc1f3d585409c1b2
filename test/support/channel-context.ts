import type { ChannelContext, Clock } from '../../src/agent/contract.ts'
import { seededRandom } from '../../src/core/random.ts'
import { ChannelCounters } from '../../src/monitor/counters.ts'
import { type Logger, silentLogger } from '../../src/monitor/logger.ts'

/** What a channel is given. */
export function channelContext(clock: Clock, log: Logger = silentLogger): ChannelContext {
  return {
    name: 'c1',
    clock,
    random: seededRandom(1),
    log,
    settings: { mounts: new Map(), env: {}, properties: new Map() },
    counters: new ChannelCounters(),
  }
}
