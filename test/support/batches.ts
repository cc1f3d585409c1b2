import { EventBatch } from '../../src/core/event-batch.ts'

/** A batch whose bodies are the given texts. */
export function bodies(...texts: string[]): EventBatch {
  return EventBatch.of(texts.map((body) => ({ body })))
}

/** Bodies `from`, `from + 1`, … as a batch of `count` events. */
export function numbered(from: number, count: number): EventBatch {
  return bodies(...Array.from({ length: count }, (_, i) => String(from + i)))
}

/** The bodies of a batch as texts. */
export function textsOf(batch: EventBatch): string[] {
  return Array.from({ length: batch.count }, (_, i) => Buffer.from(batch.bodyAt(i)).toString())
}
