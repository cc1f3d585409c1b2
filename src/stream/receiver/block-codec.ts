import { EventBatch } from '../../core/event-batch.ts'
import type { Items } from '../rdd/push.ts'
import { FlumeEvents, SparkFlumeEvent } from './flume-event.ts'

/** Received records as plain values that can be written down. */
interface PlainEvents {
  readonly body: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly headers: EventBatch['headers']
}

export type PlainBlock = { readonly items: readonly unknown[] } | { readonly events: PlainEvents }

/** Flume events are views on a batch, so the batch is what is written. */
export function plainBlock(items: Items<unknown>): PlainBlock {
  if (items instanceof FlumeEvents) return { events: plainEvents(items.batch) }
  const list = [...items]
  if (list.length > 0 && list.every((item) => item instanceof SparkFlumeEvent)) {
    return { events: plainEvents(EventBatch.of(list as SparkFlumeEvent[])) }
  }
  return { items: list }
}

function plainEvents({ body, starts, ends, headers }: EventBatch): PlainEvents {
  return { body, starts, ends, headers }
}

export function blockItems(block: PlainBlock): Items<unknown> {
  if ('items' in block) return block.items
  const { body, starts, ends, headers } = block.events
  return new FlumeEvents(new EventBatch(body, starts, ends, headers))
}
