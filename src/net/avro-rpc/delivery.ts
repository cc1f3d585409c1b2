import type { Status } from '../../codec/avro/flume.ts'
import { explain, FlumeError } from '../../core/error.ts'
import type { EventBatch } from '../../core/event-batch.ts'
import type { SourceCounters } from '../../monitor/counters.ts'
import type { Logger } from '../../monitor/logger.ts'
import type { FlumeReceiver } from './flume-service.ts'

export interface DeliveryOptions {
  /** Resolves when the batch is kept. */
  deliver(batch: EventBatch): Promise<void>
  readonly counters: SourceCounters
  readonly log: Logger
}

/**
 * Answers as Flume's Avro source (S-01): OK once the events are kept; FAILED for a batch that is not, and for a single
 * event that the channel refused; any other failure of a single event is an error of the call. A batch is one
 * delivery (S-02). Counts calls; events are counted where they are delivered.
 */
export function deliveringReceiver({ deliver, counters, log }: DeliveryOptions): FlumeReceiver {
  return {
    async append(batch: EventBatch): Promise<Status> {
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

    async appendBatch(batch: EventBatch): Promise<Status> {
      counters.appendBatchReceived++
      try {
        if (batch.count > 0) await deliver(batch)
      } catch (error) {
        log.warn(`refused a batch of ${batch.count} events: ${explain(error)}`)
        return 'FAILED'
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
