// `flume-ts/client`: sends events to Flume agents from a program of yours, as Flume's Java SDK does.
import { type Clock, systemClock } from '../core/clock.ts'
import { type Random, systemRandom } from '../core/random.ts'
import { type Logger, silentLogger } from '../monitor/logger.ts'
import { openRpcClient, type RpcClient, type RpcClientProperties } from '../net/flume-rpc/rpc-client.ts'

export type { Clock, Timer } from '../core/clock.ts'
export { type ErrorCode, FlumeError } from '../core/error.ts'
export { BatchBuilder, EventBatch } from '../core/event-batch.ts'
export type { Logger } from '../monitor/logger.ts'
export type { OutgoingEvent, RpcClient, RpcClientProperties } from '../net/flume-rpc/rpc-client.ts'

export interface RpcClientSurroundings {
  /** Hears about hosts that fail and properties without effect; nobody when left out. */
  readonly log?: Logger
  /** For tests on virtual time. */
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * A client for properties as Flume's `RpcClientFactory.getInstance` takes them. `client.type` is `default` (one host,
 * connected when this resolves), `default_failover` or `default_loadbalance`. Rejects USAGE for properties that are
 * wrong, all of them in one message; CONNECTION or TIMEOUT when the one host cannot be reached.
 */
export function createRpcClient(
  properties: RpcClientProperties,
  { log = silentLogger, clock = systemClock, random = systemRandom }: RpcClientSurroundings = {},
): Promise<RpcClient> {
  return openRpcClient(properties, { log, clock, random })
}

/** A client for one host, as Flume's `RpcClientFactory.getDefaultInstance`; batches are cut to `batchSize`, 100 when left out. */
export function createDefaultRpcClient(hostname: string, port: number, batchSize?: number): Promise<RpcClient> {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  const size = batchSize === undefined ? {} : { 'batch-size': batchSize }
  return createRpcClient({ hosts: 'h1', 'hosts.h1': `${host}:${port}`, ...size })
}
