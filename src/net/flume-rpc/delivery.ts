import { explain, FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SourceCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'

/** What Flume's sources answer, by whatever protocol. */
export type Outcome = 'OK' | 'FAILED'

export interface DeliveringReceiver {
  append(batch: EventBatch): Promise<Outcome>
  appendBatch(batch: EventBatch): Promise<Outcome>
}

export interface DeliveryOptions {
  /** Resolves when the batch is kept. */
  deliver(batch: EventBatch): Promise<void>
  readonly counters: SourceCounters
  readonly log: Logger
  /** A batch that fails for another reason than the channel's is an error of the call, as in Flume's Thrift source (S-04). */
  readonly batchesMayFail?: boolean
}

/**
 * Answers as Flume's Avro source (S-01), or its Thrift source: OK once the events are kept; FAILED for a batch that is not, and for a single
 * event that the channel refused; any other failure of a single event is an error of the call. A batch is one
 * delivery (S-02). Counts calls; events are counted where they are delivered.
 */
export function deliveringReceiver({
  deliver,
  counters,
  log,
  batchesMayFail = false,
}: DeliveryOptions): DeliveringReceiver {
  return {
    async append(batch: EventBatch): Promise<Outcome> {
      counters.appendReceived++
      try {
        await deliver(batch)
      } catch (error) {
        log.warn(`refused an event: ${explain(error)}`)
        if (isChannelProblem(error)) return 'FAILED'
        throw error
      }
      counters.appendAccepted++
      return 'OK'
    },

    async appendBatch(batch: EventBatch): Promise<Outcome> {
      counters.appendBatchReceived++
      try {
        if (batch.count > 0) await deliver(batch)
      } catch (error) {
        log.warn(`refused a batch of ${batch.count} events: ${explain(error)}`)
        if (!batchesMayFail || isChannelProblem(error)) return 'FAILED'
        throw error
      }
      counters.appendBatchAccepted++
      return 'OK'
    },
  }
}

function isChannelProblem(error: unknown): boolean {
  return error instanceof FlumeError && channelCodes.has(error.code)
}

/** Where Flume has its ChannelException. */
const channelCodes: ReadonlySet<string> = new Set(['CHANNEL_FULL', 'BATCH_TOO_LARGE', 'CLOSED', 'DELIVERY', 'IO'])
